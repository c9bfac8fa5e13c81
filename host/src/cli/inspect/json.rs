//! The content of an artifact, as JSON.
//!
//! In: an artifact that was read. Out: one document.

use super::InspectedArtifact;
use serde_json::{Value, json};

/// The document.
pub(super) fn document(seen: &InspectedArtifact) -> Value {
    let InspectedArtifact { name, wasm, digest, meta, look } = seen;
    let imports: Vec<Value> = look
        .imports
        .iter()
        .map(|(from, name, kind)| json!({ "module": from, "name": name, "type": kind }))
        .collect();
    let exports: Vec<Value> =
        look.exports.iter().map(|(name, kind)| json!({ "name": name, "type": kind })).collect();
    let sections: Vec<Value> = look
        .sections
        .iter()
        .map(|one| json!({ "name": one.name, "custom": one.custom, "bytes": one.size }))
        .collect();
    json!({
        "file": name,
        "digest": digest,
        "bytes": wasm.len(),
        "bytes_beside_text": look.engine_bytes(),
        "abi": meta.abi,
        "engine": meta.engine,
        "standard": look.standard,
        "memory_pages": look.memory.map(|(least, _)| least),
        "max_memory_pages": look.memory.and_then(|(_, most)| most),
        "rules": meta.rules,
        "imports": imports,
        "exports": exports,
        "sections": sections,
    })
}

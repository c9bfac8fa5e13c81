//! The content of an artifact, as JSON.
//!
//! In: an artifact that was read. Out: one document.

use super::{InspectedArtifact, InspectedSignature, text};
use firstseen_artifact::{Meta, needs_simd};
use firstseen_rule::exception::Exception;
use firstseen_signature::KeyId;
use serde_json::{Value, json};

/// The document.
pub(super) fn document(seen: &InspectedArtifact) -> Value {
    let InspectedArtifact { name, wasm, digest, meta, look, plan, .. } = seen;
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
    let planned = plan.as_ref().map(|plan| plan.rules.as_slice()).unwrap_or_default();
    let rules: Vec<Value> = meta
        .rules
        .iter()
        .zip(0..)
        .map(|(rule, at)| {
            let mut rule_json = json!(rule);
            if let (Some(plan), Value::Object(members)) = (planned.get(at), &mut rule_json) {
                let list = plan.exceptions.iter().map(exception).collect();
                members.insert("exception_list".to_owned(), Value::Array(list));
                if let Some(decides) = text::with_filters(rule, plan) {
                    members.insert("query_with_filters".to_owned(), Value::String(decides));
                }
            }
            rule_json
        })
        .collect();
    json!({
        "file": name,
        "digest": digest,
        "signature": signature(&seen.signature),
        "bytes": wasm.len(),
        "bytes_beside_text": look.engine_bytes(),
        "abi": meta.abi,
        "engine": meta.engine,
        "standard": look.standard,
        "memory_pages": look.memory.map(|(least, _)| least),
        "max_memory_pages": look.memory.and_then(|(_, most)| most),
        "target": meta.target,
        "needs_simd": needs_simd(wasm),
        "settings": settings(meta),
        "rules": rules,
        "imports": imports,
        "exports": exports,
        "sections": sections,
    })
}

/// Nothing where there is no signature; `valid` is null where nobody gave keys.
fn signature(signature: &InspectedSignature) -> Value {
    let id = |id: &Option<KeyId>| id.map(|id| id.to_string());
    match signature {
        InspectedSignature::Absent => Value::Null,
        InspectedSignature::Unchecked(keys) => {
            json!({ "valid": null, "keys": keys.iter().map(id).collect::<Vec<_>>() })
        }
        InspectedSignature::Valid(keys) => {
            json!({ "valid": true, "keys": keys.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>() })
        }
        InspectedSignature::Refused(error) => {
            json!({ "valid": false, "reason": error.to_string() })
        }
    }
}

fn exception(exception: &Exception) -> Value {
    json!({
        "name": exception.name,
        "reason": exception.reason,
        "expires": text::end(exception),
        "query": exception.query.to_string(),
    })
}

/// The options that the artifact was built with. The rules' own settings, which an engine gets as text, are
/// opened.
pub(super) fn settings(meta: &Meta) -> Value {
    let mut options: Value = serde_json::from_str(&meta.options).unwrap_or_default();
    if let Some(own) = options.get_mut("settings")
        && let Some(opened) = own.as_str().and_then(|text| serde_json::from_str(text).ok())
    {
        *own = opened;
    }
    options
}

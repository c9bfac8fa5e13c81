//! Artifacts to a registry and back.
//!
//! In: a reference; bytes to push. Out: bytes whose digests are those that the registry names, or the ones that were
//! asked for; or why not. It does not look into an artifact further than its first bytes.

use super::blobs::BlobCache;
use super::client::{Access, RegistryClient};
use super::manifest::{Described, WasmLayer, wasm_layer};
use super::reference::{BlobDigest, RegistryReference};
use super::{MAX_ARTIFACT, PulledArtifact, RegistryAccess};
use anyhow::{Context, bail};

/// No manifest is larger, as registries bound them.
const MAX_MANIFEST: u64 = 4 << 20;

/// Pulls an artifact, or takes it from the cache: by its digest without a connection.
///
/// # Errors
/// Why it cannot be had, or is not what was asked for.
pub fn pull(
    reference: &RegistryReference,
    access: &RegistryAccess,
) -> anyhow::Result<PulledArtifact> {
    let pulled = match known(reference, &access.blobs) {
        Some(pulled) => Ok(pulled),
        None => fetched(reference, access),
    };
    let pulled = pulled.with_context(|| format!("rule {reference}"))?;
    if !pulled.wasm.starts_with(b"\0asm") {
        bail!("rule {reference}: its layer is not a WebAssembly module");
    }
    Ok(pulled)
}

/// What the cache has of a digest.
fn known(reference: &RegistryReference, blobs: &BlobCache) -> Option<PulledArtifact> {
    let digest = reference.digest.as_ref()?;
    let manifest = blobs.get(digest, MAX_MANIFEST)?;
    let layer = wasm_layer(&manifest, MAX_ARTIFACT).ok()?;
    let wasm = blobs.get(&layer.digest, layer.size)?;
    (wasm.len() as u64 == layer.size).then(|| PulledArtifact { wasm, digest: digest.clone() })
}

fn fetched(
    reference: &RegistryReference,
    access: &RegistryAccess,
) -> anyhow::Result<PulledArtifact> {
    let mut client = RegistryClient::new(reference, Access::Pull, access.allow_http)?;
    let manifest = client.manifest(&reference.wanted())?;
    let digest = BlobDigest::of(&manifest);
    if let Some(wanted) = &reference.digest
        && *wanted != digest
    {
        bail!("the registry gives other bytes, of digest {digest}");
    }
    let layer = wasm_layer(&manifest, MAX_ARTIFACT)?;
    let wasm = match access.blobs.get(&layer.digest, layer.size) {
        Some(wasm) => wasm,
        None => layer_of(&mut client, &layer)?,
    };
    if wasm.len() as u64 != layer.size {
        bail!("its layer has {} bytes instead of {}", wasm.len(), layer.size);
    }
    access.blobs.put(&digest, &manifest);
    access.blobs.put(&layer.digest, &wasm);
    Ok(PulledArtifact { wasm, digest })
}

fn layer_of(client: &mut RegistryClient, layer: &WasmLayer) -> anyhow::Result<Vec<u8>> {
    let wasm = client.blob(&layer.digest, layer.size)?;
    let got = BlobDigest::of(&wasm);
    if got != layer.digest {
        bail!("the registry gives other bytes for its layer, of digest {got}");
    }
    Ok(wasm)
}

/// Pushes an artifact and what describes it; the digest of the manifest.
///
/// # Errors
/// Why it cannot be pushed.
pub fn push(
    reference: &RegistryReference,
    wasm: &[u8],
    described: &Described,
    access: &RegistryAccess,
) -> anyhow::Result<BlobDigest> {
    let push = || {
        let digest = BlobDigest::of(&described.manifest);
        let mut client = RegistryClient::new(reference, Access::Push, access.allow_http)?;
        client.push_blob(wasm)?;
        client.push_blob(&described.config)?;
        let tag = reference.tag.as_deref().unwrap_or_default();
        client.push_manifest(tag, &described.manifest)?;
        // What is there is what was sent.
        let there = BlobDigest::of(&client.manifest(&digest.to_string())?);
        if there != digest {
            bail!("the registry keeps other bytes, of digest {there}");
        }
        Ok(digest)
    };
    push().with_context(|| reference.to_string())
}

//! Registries of containers, which hold artifacts too: `oci://HOST/REPOSITORY:TAG`.
//!
//! In: addresses, artifacts. Out: artifacts whose digest was checked. Behind the feature `registry`; without it
//! addresses are understood, and refused with the command that builds a binary with it.

pub mod blobs;
#[cfg(feature = "registry")]
mod challenge;
#[cfg(feature = "registry")]
mod client;
#[cfg(feature = "registry")]
mod credentials;
#[cfg(feature = "registry")]
mod fault;
pub mod manifest;
#[cfg(feature = "registry")]
mod redirect;
pub mod reference;
#[cfg(feature = "registry")]
mod transfer;

#[cfg(feature = "registry")]
pub use transfer::{pull, push};

use blobs::BlobCache;
use reference::BlobDigest;

/// No artifact is larger; as for files.
pub const MAX_ARTIFACT: u64 = 256 << 20;

/// How registries are asked.
#[derive(Debug, Clone, Default)]
pub struct RegistryAccess {
    /// Without TLS, also where the registry is not on this machine.
    pub allow_http: bool,
    /// What was pulled before.
    pub blobs: BlobCache,
}

/// An artifact that was pulled.
#[derive(Debug)]
pub struct PulledArtifact {
    /// Its bytes.
    pub wasm: Vec<u8>,
    /// Of its manifest.
    pub digest: BlobDigest,
}

/// Without the feature nothing is pulled.
///
/// # Errors
/// Always: what to build.
#[cfg(not(feature = "registry"))]
pub fn pull(
    reference: &reference::RegistryReference,
    _: &RegistryAccess,
) -> anyhow::Result<PulledArtifact> {
    Err(absent(reference))
}

/// Without the feature nothing is pushed.
///
/// # Errors
/// Always: what to build.
#[cfg(not(feature = "registry"))]
pub fn push(
    reference: &reference::RegistryReference,
    _: &[u8],
    _: &manifest::Described,
    _: &RegistryAccess,
) -> anyhow::Result<BlobDigest> {
    Err(absent(reference))
}

#[cfg(not(feature = "registry"))]
fn absent(reference: &reference::RegistryReference) -> anyhow::Error {
    anyhow::anyhow!(
        "{reference}: this binary was built without registries; `cargo install --path host --locked --features \
         registry` builds one with them"
    )
}

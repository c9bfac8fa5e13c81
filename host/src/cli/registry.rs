//! `push` and `pull`: artifacts to a registry and back; and the option of all commands that take `oci://`.
//!
//! In: artifacts, addresses in registries. Out: the digest of what is there; a file, written whole. What is pulled is an
//! artifact, or it is not written.

use super::ExitStatus;
use super::cache::CacheArgs;
use super::common::time;
use crate::files::{shown, write_whole};
use crate::registry::blobs::BlobCache;
use crate::registry::reference::{RegistryReference, is_reference};
use crate::registry::{RegistryAccess, manifest, pull, push};
use crate::rules::load::read_file;
use crate::terminal::message;
use anyhow::{Context, bail};
use firstseen_runtime::artifact::read_any_meta;
use std::path::{Path, PathBuf};

/// The option of the commands that ask registries.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RegistryArgs {
    /// Ask registries without TLS, also where they are not on this machine
    ///
    /// Passwords and rules go over the network for everybody to read; digests and signatures are still checked.
    #[arg(long)]
    pub allow_http: bool,
}

impl RegistryArgs {
    /// How registries are asked. What is pulled is kept beside compiled code.
    pub(super) fn access(&self, cache: &CacheArgs) -> RegistryAccess {
        let blobs = BlobCache::new(cache.folder().map(|folder| folder.join("oci")));
        RegistryAccess { allow_http: self.allow_http, blobs }
    }
}

/// The arguments of `push`.
#[derive(Debug, Clone, clap::Args)]
pub struct PushArgs {
    /// The artifact
    #[arg(value_name = "RULE.wasm")]
    pub artifact: PathBuf,
    /// Where it goes: oci://HOST/REPOSITORY:TAG
    #[arg(value_name = "ADDRESS")]
    pub address: PathBuf,
    /// Put this time into the manifest (2026-12-01T00:00:00Z); without it the same bytes have the same digest
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub created: Option<String>,
    /// Registries
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Pushes; the address by digest goes to standard output.
///
/// # Errors
/// What is no artifact; a registry that does not take it.
pub fn push_artifact(args: &PushArgs) -> anyhow::Result<ExitStatus> {
    let reference = RegistryReference::read(&args.address)?;
    if reference.tag.is_none() || reference.digest.is_some() {
        bail!("{reference}: give a tag and no digest, which what is pushed has of itself");
    }
    let name = shown(&args.artifact);
    let wasm = read_file(&args.artifact)?;
    let meta = read_any_meta(&wasm).with_context(|| format!("rule {name}"))?;
    let described = manifest::describe(&wasm, &meta, args.created.as_deref());
    let access = args.registry.access(&CacheArgs { cache: None });
    let digest = push(&reference, &wasm, &described, &access)?;
    let by_digest = format!("{}\n", reference.by_digest(&digest));
    message::print(crate::terminal::screen::TextForm::Plain, by_digest.as_bytes())?;
    Ok(ExitStatus::Done)
}

/// The arguments of `pull`.
#[derive(Debug, Clone, clap::Args)]
pub struct PullArgs {
    /// What to pull: oci://HOST/REPOSITORY:TAG or oci://HOST/REPOSITORY@sha256:DIGEST
    #[arg(value_name = "ADDRESS")]
    pub address: PathBuf,
    /// Write to this file instead of one that is named as the repository is, which must not be there
    #[arg(short, long, value_name = "FILE.wasm")]
    pub output: Option<PathBuf>,
    /// Registries
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// What was pulled
    #[command(flatten)]
    pub cache: CacheArgs,
}

/// Pulls.
///
/// # Errors
/// What is not there, is not what was asked for, or is no artifact.
pub fn pull_artifact(args: &PullArgs) -> anyhow::Result<ExitStatus> {
    let reference = RegistryReference::read(&args.address)?;
    let to = match &args.output {
        Some(output) => output.clone(),
        None => {
            let last = reference.repository.rsplit('/').next().unwrap_or_default();
            let to = PathBuf::from(format!("{last}.wasm"));
            if to.symlink_metadata().is_ok() {
                bail!("{}: it is there already; --output {} replaces it", shown(&to), shown(&to));
            }
            to
        }
    };
    let pulled = pull(&reference, &args.registry.access(&args.cache))?;
    read_any_meta(&pulled.wasm).with_context(|| format!("rule {reference}"))?;
    write_whole(&to, &pulled.wasm)?;
    message::info(&format!("{}: {}", shown(&to), reference.by_digest(&pulled.digest)));
    Ok(ExitStatus::Done)
}

/// The bytes of an artifact, in a file or in a registry.
pub(super) fn read_artifact(path: &Path, access: &RegistryAccess) -> anyhow::Result<Vec<u8>> {
    if !is_reference(path) {
        return read_file(path);
    }
    let reference = RegistryReference::read(path)?;
    let pulled = pull(&reference, access)?;
    if reference.digest.is_none() {
        message::info(&format!("{reference}: {}", pulled.digest));
    }
    Ok(pulled.wasm)
}

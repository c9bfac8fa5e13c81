//! `sign`: a signature of whole artifacts, inside them.
//!
//! In: artifacts, untrusted, and a secret key. Out: the same artifacts with one more signature, in their
//! place or elsewhere, written whole. What the rule does stays the same.

use super::ExitStatus;
use crate::files::{shown, write_whole};
use crate::rules::load::read_file;
use crate::rules::signed::read_key;
use crate::terminal::message;
use anyhow::{Context, anyhow, bail};
use firstseen_runtime::artifact::read_any_meta;
use firstseen_signature::SigningKey;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The arguments of `sign`.
#[derive(Debug, Clone, clap::Args)]
pub struct SignArgs {
    /// Artifacts; they are signed in their place
    #[arg(required = true, value_name = "RULE.wasm")]
    pub artifacts: Vec<PathBuf>,
    /// The secret key: a file of `firstseen keygen` or wasmsign2, or PEM
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Write the signed artifact to this file instead of replacing the one that is signed
    #[arg(short, long, value_name = "FILE.wasm")]
    pub output: Option<PathBuf>,
}

/// Signs.
///
/// # Errors
/// A key that is none; the first artifact that cannot be signed, and why. Those before it are signed.
pub fn sign(args: &SignArgs) -> anyhow::Result<ExitStatus> {
    if args.output.is_some() && args.artifacts.len() > 1 {
        bail!("--output: {} artifacts do not fit into one file", args.artifacts.len());
    }
    let key = secret_key(&args.key)?;
    let id = key.public().id();
    for path in &args.artifacts {
        let name = shown(path);
        let wasm = read_file(path)?;
        read_any_meta(&wasm).with_context(|| format!("rule {name}"))?;
        let signed = firstseen_signature::sign(&wasm, &key).map_err(|error| {
            anyhow!("rule {name}: not signed: {error}; build it again, and sign that")
        })?;
        let to = args.output.as_ref().unwrap_or(path);
        match (signed, &args.output) {
            (Some(signed), _) => {
                write_whole(to, &signed)?;
                message::info(&format!("{}: signed by key {id}", shown(to)));
            }
            (None, output) => {
                if output.is_some() {
                    write_whole(to, &wasm)?;
                }
                message::info(&format!(
                    "{}: signed by key {id} before; it stays as it is",
                    shown(to)
                ));
            }
        }
    }
    Ok(ExitStatus::Done)
}

/// A secret key; a warning where others may read it.
fn secret_key(path: &Path) -> anyhow::Result<SigningKey> {
    let name = shown(path);
    let bytes = read_key(path).context("--key")?;
    let key = SigningKey::read(&bytes).map_err(|e| anyhow!("--key {name}: {e}"))?;
    let mode = path.metadata().map_or(0, |meta| meta.permissions().mode());
    if mode & 0o077 != 0 {
        message::warning(&format!(
            "warning: --key {name}: others than its owner may read or change this secret key: chmod 600 {name}"
        ));
    }
    Ok(key)
}

//! `keygen`: a pair of keys, to sign artifacts with.
//!
//! In: a name. Out: `NAME.key`, which only its owner may read, and `NAME.pub`. It replaces neither unless
//! it is told to.

use super::ExitStatus;
use crate::files::{folder_of, shown, temporary_in};
use crate::terminal::message;
use anyhow::{Context, anyhow, bail};
use clap::builder::NonEmptyStringValueParser;
use firstseen_signature::SigningKey;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The arguments of `keygen`.
#[derive(Debug, Clone, clap::Args)]
pub struct KeygenArgs {
    /// Write NAME.key, the secret key, and NAME.pub, the public key
    #[arg(value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub name: String,
    /// Write PEM, as OpenSSL does, instead of the form of wasmsign2
    #[arg(long)]
    pub pem: bool,
    /// Replace keys that are there: what they signed cannot be signed by them again
    #[arg(long)]
    pub force: bool,
}

/// Makes a pair of keys.
///
/// # Errors
/// When one of the files is there already, or cannot be written.
pub fn keygen(args: &KeygenArgs) -> anyhow::Result<ExitStatus> {
    let [secret_path, public_path] =
        ["key", "pub"].map(|ending| PathBuf::from(format!("{}.{ending}", args.name)));
    for path in [&secret_path, &public_path] {
        if !args.force && path.symlink_metadata().is_ok() {
            bail!("{}: it is there already; give another name, or --force", shown(path));
        }
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| anyhow!("the system gives no random bytes: {e}"))?;
    let secret = SigningKey::from_seed(seed)?;
    let public = secret.public();
    let (secret_bytes, public_bytes) = match args.pem {
        true => (secret.to_pem().into_bytes(), public.to_pem().into_bytes()),
        false => (secret.to_bytes(), public.to_bytes()),
    };
    put(&secret_path, &secret_bytes, 0o600, args.force)?;
    put(&public_path, &public_bytes, 0o666, args.force)?;
    message::info(&format!("{}: the secret key; keep it to yourself", shown(&secret_path)));
    message::info(&format!(
        "{}: the public key {}, for whoever runs what it signs",
        shown(&public_path),
        public.id()
    ));
    Ok(ExitStatus::Done)
}

/// Writes a file whole, with this mode whatever was there before.
fn put(path: &Path, bytes: &[u8], mode: u32, replaces: bool) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let folder = folder_of(path);
        let mut file = temporary_in(folder, mode)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        match replaces {
            true => file.persist(path),
            false => file.persist_noclobber(path),
        }
        .map_err(|e| e.error)?;
        File::open(folder)?.sync_all()
    };
    write().with_context(|| shown(path))
}

//! `verify`: whether artifacts are signed by one of these keys.
//!
//! In: artifacts and public keys, untrusted. Out: for each who signed it, or why it is refused; exit status
//! 1 where one is. It reads nothing of an artifact but its signature, and runs nothing.

use super::ExitStatus;
use crate::files::shown;
use crate::rules::load::read_file;
use crate::rules::signed::TrustedKeys;
use crate::terminal::message::print;
use crate::terminal::screen::TextForm;
use firstseen_signature::KeyId;
use std::path::PathBuf;

/// The arguments of `verify`.
#[derive(Debug, Clone, clap::Args)]
pub struct VerifySignatureArgs {
    /// Artifacts
    #[arg(required = true, value_name = "RULE.wasm")]
    pub artifacts: Vec<PathBuf>,
    /// Keys that are trusted: a public key, or a folder of them; may be repeated
    #[arg(long, required = true, value_name = "KEYS")]
    pub keys: Vec<PathBuf>,
}

/// Verifies.
///
/// # Errors
/// A key or an artifact that cannot be read.
pub fn verify(args: &VerifySignatureArgs) -> anyhow::Result<ExitStatus> {
    let keys = TrustedKeys::open("--keys", &args.keys)?;
    let mut status = ExitStatus::Done;
    for path in &args.artifacts {
        let name = shown(path);
        let line = match keys.signers(&read_file(path)?) {
            Ok(signers) => format!("{name}: valid, signed by {}\n", signer_names(&signers)),
            Err(error) => {
                status = ExitStatus::Unmet;
                format!("{name}: refused: {error}\n")
            }
        };
        print(TextForm::Plain, line.as_bytes())?;
    }
    Ok(status)
}

/// Keys, with the files that they are from.
pub(super) fn signer_names(signers: &[(KeyId, &str)]) -> String {
    let one = |(id, file): &(KeyId, &str)| format!("key {id} ({file})");
    signers.iter().map(one).collect::<Vec<_>>().join(", ")
}

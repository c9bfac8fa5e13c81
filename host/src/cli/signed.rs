//! `--require-signed`, as every command that runs rules has it.
//!
//! In: the option. Out: the keys that a rule has to be signed by. What is refused is decided in
//! [`crate::rules::signed`].

use crate::rules::signed::RequiredKeys;
use clap::Args;
use std::path::PathBuf;

/// The option of the commands that run rules.
#[derive(Debug, Clone, Default, Args)]
pub struct SignedArgs {
    /// Refuse rules that none of these keys signed: a public key, or a folder of them; may be repeated
    ///
    /// `firstseen sign` signs artifacts. The built-in rule and rule.toml files are not signed, and are refused.
    /// See docs/sharing.md.
    #[arg(long, value_name = "KEYS")]
    pub require_signed: Vec<PathBuf>,
}

impl SignedArgs {
    /// Reads the keys.
    ///
    /// # Errors
    /// As [`RequiredKeys::open`].
    pub(super) fn keys(&self) -> anyhow::Result<RequiredKeys> {
        RequiredKeys::open(&self.require_signed)
    }
}

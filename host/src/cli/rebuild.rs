//! `rebuild`: an artifact with the engine of this version, from the source inside it.
//!
//! In: an artifact, untrusted. Out: a new one of the same rules, in its place or elsewhere, written
//! whole, if the old one is what its source makes; and whether the state that the old one wrote stays valid. Where it does not, nothing is
//! written unless that was accepted.

use super::ExitStatus;
use super::verify::EmbeddedRules;
use crate::files::{shown, write_whole};
use crate::rules::load::read_file;
use crate::terminal::formats::number;
use crate::terminal::message;
use anyhow::bail;
use firstseen_artifact::{Meta, RuleMeta};
use firstseen_rule::RulePlan;
use std::path::PathBuf;

/// The arguments of `rebuild`.
#[derive(Debug, Clone, clap::Args)]
pub struct RebuildArgs {
    /// The artifact
    #[arg(value_name = "RULE.wasm")]
    pub artifact: PathBuf,
    /// Write the new artifact to this file instead of replacing the old one
    #[arg(short, long, value_name = "FILE.wasm")]
    pub output: Option<PathBuf>,
    /// Rebuild even if the new artifact cannot use the state of the old one
    #[arg(long)]
    pub accept_new_state: bool,
}

/// Rebuilds.
///
/// # Errors
/// When the file is no artifact, its source cannot be built any more, or the state would be lost.
pub fn rebuild(args: &RebuildArgs) -> anyhow::Result<ExitStatus> {
    let name = shown(&args.artifact);
    let wasm = read_file(&args.artifact)?;
    let Some(embedded) = EmbeddedRules::read(&name, &wasm)? else {
        message::error(&format!(
            "{name}: not rebuilt: the source inside is at fault (`inspect --source`)"
        ));
        return Ok(ExitStatus::Failed);
    };
    let new = embedded.build(&name)?;
    let differences = embedded.compare(&wasm, &new)?;
    if !differences.faults.is_empty() {
        bail!(
            "{name}: not rebuilt, as it is not what its source makes: {}; `inspect --source` prints \
             the source: `firstseen build` it if it is right",
            differences.faults.join("; ")
        );
    }
    for open in &differences.open {
        message::warning(&format!("warning: {name}: {open}; an earlier version may have made it"));
    }
    let meta = Meta::read(&wasm)?;
    let rules = meta.rules.iter().zip(&embedded.rules);
    let lost: Vec<_> =
        rules.filter_map(|(known, (_, rule))| difference(known, &rule.plan)).collect();
    if !lost.is_empty() && !args.accept_new_state {
        bail!(
            "{name}: not rebuilt, as the state of the old artifact would be lost: {}; \
             --accept-new-state rebuilds it all the same",
            lost.join("; ")
        );
    }
    let count = embedded.rules.len();
    let to = args.output.as_ref().unwrap_or(&args.artifact);
    write_whole(to, &new)?;
    let state = match (lost.len(), count) {
        (0, _) => "the state stays valid".to_owned(),
        (1, 1) => "the rule begins with no memory".to_owned(),
        (n, count) => {
            format!("{} of {} rules begin with no memory", number(n as u64), number(count as u64))
        }
    };
    let engine = env!("CARGO_PKG_VERSION");
    let old = shown(std::path::Path::new(&meta.engine));
    if firstseen_signature::unsigned(&wasm) != wasm {
        message::warning(&format!(
            "{}: the signature is gone, as it was of the old file; `firstseen sign` signs the new one",
            shown(to)
        ));
    }
    message::info(&format!("{}: engine {old} is now {engine}; {state}", shown(to)));
    Ok(ExitStatus::Done)
}

/// Why the rule's state would be another one. Its fields and its window were compared before.
fn difference(known: &RuleMeta, plan: &RulePlan) -> Option<String> {
    let (old, new) = (&known.key_prefix, plan.key_prefix());
    (*old != new).then(|| format!("`{}`: fingerprint {old} became {new}", known.name))
}

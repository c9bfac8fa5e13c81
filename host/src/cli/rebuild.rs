//! `rebuild`: an artifact with the engine of this version, from the source inside it.
//!
//! In: an artifact, untrusted. Out: a new one of the same rules, in its place or elsewhere, written
//! whole; and whether the state that the old one wrote stays valid. Where it does not, nothing is
//! written unless that was accepted.

use super::ExitStatus;
use crate::files::{shown, write_whole};
use crate::rules::load::read_file;
use crate::terminal::diagnostic;
use crate::terminal::message;
use anyhow::{Context, bail};
use firstseen_artifact::{Meta, RuleMeta};
use firstseen_compiler::{self as compile, EngineModule, Origin, RuleText, Target};
use firstseen_rule::RulePlan;
use firstseen_rule::source::{self, EventTime, ReadOptions};
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
    // The engine inside is not asked anything: it may speak an older contract.
    let meta = Meta::read(&wasm).with_context(|| format!("rule {name}"))?;
    let texts = meta.sources(&wasm).with_context(|| format!("rule {name}"))?;
    let look = firstseen_artifact::read_module(&wasm).with_context(|| format!("rule {name}"))?;
    let origin = |section: &str| look.standard.get(section).cloned().unwrap_or_default();
    let origin = Origin { source: origin("source"), revision: origin("revision") };
    let (mut rules, mut lost, mut failed) = (Vec::new(), Vec::new(), false);
    for (known, text) in meta.rules.iter().zip(&texts) {
        let source = RuleText { name: &name, text };
        // As it was built: by the rule's own choice of time, or not.
        let event_time = match &known.event_time {
            None => EventTime::Timestamp,
            Some(_) => EventTime::TimestampOverride,
        };
        let (rule, said) = match source::read(text, &ReadOptions { event_time }) {
            Ok(mut rule) => {
                let warnings = std::mem::take(&mut rule.warnings);
                (Some(rule), warnings)
            }
            Err(faults) => (None, faults),
        };
        said.iter().for_each(|one| message::error(&(diagnostic::shown(&source, one) + "\n")));
        match rule {
            Some(rule) => {
                lost.extend(difference(known, &rule.plan));
                rules.push((source, rule));
            }
            None => failed = true,
        }
    }
    if failed {
        message::error(&format!(
            "{name}: not rebuilt: the source inside is at fault (`inspect --source`)"
        ));
        return Ok(ExitStatus::Failed);
    }
    if !lost.is_empty() && !args.accept_new_state {
        bail!(
            "{name}: not rebuilt, as the state of the old artifact would be lost: {}; \
             --accept-new-state rebuilds it all the same",
            lost.join("; ")
        );
    }
    let count = rules.len();
    // For what it was built for, with what was chosen then.
    let target = Target::of(&meta).with_context(|| {
        let target = shown(std::path::Path::new(&meta.target));
        format!("rule {name}: it was built for {target}, which this version does not know")
    })?;
    let engine = firstseen_engines::engine(target).with_context(|| format!("rule {name}"))?;
    let engine = EngineModule { options: meta.options.as_bytes(), ..engine };
    let new = compile::artifact(&engine, rules, &origin).map_err(anyhow::Error::msg)?;
    let to = args.output.as_ref().unwrap_or(&args.artifact);
    write_whole(to, &new)?;
    let state = match (lost.len(), count) {
        (0, _) => "the state stays valid".to_owned(),
        (n, count) => format!("{n} of {count} rules begin with no memory"),
    };
    let engine = env!("CARGO_PKG_VERSION");
    let old = shown(std::path::Path::new(&meta.engine));
    message::info(&format!("{}: engine {old} is now {engine}; {state}", shown(to)));
    Ok(ExitStatus::Done)
}

/// Why the rule's state would be another one.
fn difference(known: &RuleMeta, plan: &RulePlan) -> Option<String> {
    let name = shown(std::path::Path::new(&known.name));
    let (old, new) = (&known.key_prefix, plan.key_prefix());
    if *old == new {
        return None;
    }
    let why = if known.id != plan.id {
        "its source has another rule_id than its metadata".to_owned()
    } else if known.new_terms != plan.new_terms || known.window_ms != plan.window_ms {
        "its source has other new-terms fields or another window than its metadata".to_owned()
    } else {
        format!("fingerprint {} became {}", shown(std::path::Path::new(old)), new)
    };
    Some(format!("`{name}`: {why}"))
}

//! `state compact` and `state verify`: the file that a state is in.
//!
//! In: a state. Out: the same in fewer bytes; or what is damaged in it, exit status 1 if there is
//! something, and 2 if it could not be looked at. `verify` writes nothing, not even a repair.

use super::audit::{self, ReasonArg};
use super::{ExitStatus, StateFormat, StatePage, in_use, open_to_read};
use crate::cli::place::{self, StatePlace, is_at_server, place, state_name};
use crate::escape::escaped;
use crate::state::admin::StateAdmin;
use crate::state::{Redb, StateError, VerifiedState};
use crate::terminal::formats::{bytes, counted};
use crate::terminal::message;
use anyhow::bail;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The arguments of `state compact`.
#[derive(Debug, Clone, Args)]
pub struct CompactArgs {
    /// The state
    #[arg(value_name = "STATE")]
    pub state: PathBuf,
    /// Why
    #[command(flatten)]
    pub why: ReasonArg,
}

/// The arguments of `state verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The state
    #[arg(value_name = "STATE")]
    pub state: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = StateFormat::Auto)]
    pub format: StateFormat,
}

/// Makes the file smaller.
///
/// # Errors
/// When the state cannot be read or written.
pub(super) fn compact(args: &CompactArgs) -> anyhow::Result<ExitStatus> {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    if is_at_server(&args.state) {
        bail!("{}: a server keeps no file of ours to make smaller", state_name(&args.state));
    }
    let mut state = open_file_to_change(&args.state)?;
    let before = size(&args.state);
    let what = format!("a file of {}", bytes(before));
    let entry = audit::entry("compact", 0, what, args.why.reason.as_deref());
    state.edit(&mut |edit| Ok(edit.log(&entry)?))?;
    state.compact()?;
    drop(state);
    let after = size(&args.state);
    message::info(&format!(
        "{}: {} before, {} now",
        state_name(&args.state),
        bytes(before),
        bytes(after)
    ));
    Ok(ExitStatus::Done)
}

/// Reads everything.
///
/// # Errors
/// When the state is in use, is none, or cannot be read at all.
pub(super) fn verify(args: &VerifyArgs) -> anyhow::Result<ExitStatus> {
    let found = match verified(&args.state)? {
        Err(StateError::Corrupt { reason, .. }) => {
            VerifiedState { faults: vec![reason], ..VerifiedState::default() }
        }
        found => in_use(found)?,
    };
    let is_good = found.faults.is_empty();
    let mut page = StatePage::new(args.format);
    let text = if page.is_pretty { pretty(&args.state, &found) } else { line(&args.state, &found) };
    page.put(&text)?;
    page.end().map(|done| if is_good { done } else { ExitStatus::Unmet })
}

/// Reads all of a file, or of what a tenant has at a server.
fn verified(path: &Path) -> anyhow::Result<Result<VerifiedState, StateError>> {
    match place(path)? {
        StatePlace::Server(address) => {
            Ok(place::open_server(address, true, place::of_command())?.verify_all())
        }
        _ => Ok(Redb::verify(path)),
    }
}

/// Opens a file that is there.
fn open_file_to_change(path: &Path) -> anyhow::Result<Redb> {
    if !path.exists() {
        open_to_read(path)?;
    }
    in_use(Redb::open(path))
}

/// What was found, a line each.
fn pretty(path: &Path, found: &VerifiedState) -> String {
    let name = state_name(path);
    let mut out = String::new();
    for fault in &found.faults {
        out += &format!("{name}: damaged: {}\n", escaped(fault));
    }
    if found.more_faults > 0 {
        out += &format!("{name}: damaged: {} more\n", found.more_faults);
    }
    if found.needs_repair {
        let hint = "not closed cleanly; the next run repairs it, firstseen state compact too";
        out += &format!("{name}: {hint}\n");
    }
    if found.faults.is_empty() {
        let terms = counted(found.terms, "term", "terms");
        let read = if is_at_server(path) {
            "every record read"
        } else {
            "every page and every record read"
        };
        let rules = counted(found.rules, "rule", "rules");
        out += &format!("{name}: good: {terms} of {rules}, {read}\n");
    }
    out
}

/// The same as one JSON object.
fn line(path: &Path, found: &VerifiedState) -> String {
    let line = json!({
        "state": if is_at_server(path) { state_name(path) } else { path.to_string_lossy().into() },
        "good": found.faults.is_empty(),
        "terms": found.terms,
        "rules": found.rules,
        "faults": found.faults,
        "more_faults": found.more_faults,
        "needs_repair": found.needs_repair,
    });
    format!("{line}\n")
}

//! `state export`, `import` and `migrate`: what a state knows, from one state to another.
//!
//! In: a state, or a file of lines. Out: lines of JSON below a header, the same in every version; or a
//! state that knows more, in one change. A line that cannot be read changes nothing.
//!
//! ```text
//! {"firstseen_state": 1, "version": "0.1.0", "rules": [{"prefix": .., "record": {..}}]}
//! {"prefix": .., "key": HASH, "term": [..], "episodes": [..], "expires": ..}      one for each term
//! ```

use super::audit::{self, ReasonArg};
use super::merge::{Merge, MergeCounts};
use super::row::StateLine;
use super::select::{RuleChoice, TermFilter, prefixes};
use super::{ExitStatus, OpenedState, StateFormat, StatePage, open_or_make, open_to_copy};
use crate::cli::place::{self, StatePlace, is_at_server, place, state_name};
use crate::cli::run::SystemClock;
use crate::files::shown;
use crate::pipeline::Clock;
use crate::state::PrefixRecord;
use crate::state::admin::{EditWork, StateAdmin, StateEdit, StoredTerm};
use crate::terminal::message;
use crate::terminal::state::time as shown_time;
use anyhow::{Context, anyhow, bail};
use clap::Args;
use firstseen_rule::window::DAY_MS;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The form of the lines, and the newest that is read.
const FORM: u32 = 1;
/// No sighting is dated further ahead of the clock: a day, as clocks and time zones may differ.
const MAX_AHEAD_MS: i64 = DAY_MS;
/// No rule's window is longer: 100 years.
const MAX_WINDOW_MS: i64 = 100 * 366 * DAY_MS;
/// No line is longer.
const MAX_LINE: u64 = 16 << 20;

/// The arguments of `state export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// The state
    #[arg(value_name = "STATE")]
    pub state: PathBuf,
    /// Which rules
    #[command(flatten)]
    pub rules: RuleChoice,
    /// Which terms
    #[command(flatten)]
    pub filter: TermFilter,
}

/// The arguments of `state import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The state; it is made where there is none
    #[arg(value_name = "STATE")]
    pub state: PathBuf,
    /// What `state export` wrote, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Why
    #[command(flatten)]
    pub why: ReasonArg,
}

/// The arguments of `state migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// The state to take from; it stays as it is
    #[arg(value_name = "FROM")]
    pub from: PathBuf,
    /// The state to add to; it is made where there is none
    #[arg(value_name = "TO")]
    pub to: PathBuf,
    /// Why
    #[command(flatten)]
    pub why: ReasonArg,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct ExportHeader {
    firstseen_state: u32,
    version: String,
    rules: Vec<ExportedRule>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ExportedRule {
    prefix: String,
    /// Nothing where the state does not know it.
    record: Option<PrefixRecord>,
}

/// Writes what a state knows.
///
/// # Errors
/// When the state cannot be read, or the output failed.
pub(super) fn export(args: &ExportArgs) -> anyhow::Result<ExitStatus> {
    let state = open_to_copy(&args.state)?;
    let chosen = args.rules.choose(prefixes(&state)?)?;
    let mut page = StatePage::new(StateFormat::Ndjson);
    let rules = chosen.iter().map(|prefix| ExportedRule {
        prefix: prefix.prefix.clone(),
        record: prefix.record.clone(),
    });
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let header = ExportHeader { firstseen_state: FORM, version, rules: rules.collect() };
    let mut is_read = page.put(&(serde_json::to_string(&header)? + "\n"))?;
    args.filter.over(&state)?.each(&state, &chosen, &mut |prefix, row| {
        is_read = is_read && page.put(&row.line(prefix).text()?)?;
        Ok(if is_read { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    page.end()
}

/// Adds what was exported to a state.
///
/// # Errors
/// When the file cannot be read or a line in it is wrong, or the state cannot be written: then nothing
/// was changed.
pub(super) fn import(args: &ImportArgs) -> anyhow::Result<ExitStatus> {
    let name = shown(&args.file);
    let reader: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(&args.file).map_err(|e| anyhow!("{name}: {e}"))?)
    };
    let mut lines = ExportLines { reader: BufReader::new(reader), number: 0 };
    let header = lines.header().with_context(|| name.clone())?;
    let rules = header.rules.into_iter().map(|rule| (rule.prefix, rule.record));
    let rules: Vec<_> = rules.map(with_prefix).collect();
    let known: HashSet<&str> = rules.iter().map(|(prefix, _)| prefix.as_str()).collect();
    let records: Vec<_> = rules.iter().filter_map(|(_, record)| record.clone()).collect();
    let latest_ms = SystemClock.now_ms().saturating_add(MAX_AHEAD_MS);
    let mut target = ImportTarget::open(&args.state, known.iter().copied())?;
    let own = prefixes(&target.state)?;
    let mut counts = MergeCounts::default();
    target.edit(&mut |edit| {
        let mut merge = Merge::begin(edit, &own, &records)?;
        while let Some(line) = lines.next().with_context(|| name.clone())? {
            let number = lines.number;
            let taken = line.taken().and_then(|(value, expires_ms)| {
                if !known.contains(line.prefix.as_str()) {
                    bail!("`prefix` is not one of those in the first line");
                }
                if let Some(last) = line.last_ms().filter(|last| *last > latest_ms) {
                    let last = shown_time(last);
                    bail!(
                        "a sighting at {last}, in the future: its term would not alert for years"
                    );
                }
                let key = format!("{}{}", line.prefix, line.key);
                merge.add(
                    &line.prefix,
                    StoredTerm { key: key.as_bytes(), value: &value, expires_ms },
                )
            });
            taken.with_context(|| format!("{name}: line {number}"))?;
        }
        let (edit, merged) = merge.end();
        counts = merged;
        write_entry(edit, "import", merged, &name, args.why.reason.as_deref())
    })?;
    message::info(&format!("{}: {}", state_name(&args.state), counts.words()));
    Ok(ExitStatus::Done)
}

fn with_prefix((prefix, record): (String, Option<PrefixRecord>)) -> (String, Option<PrefixRecord>) {
    let record = record.map(|record| PrefixRecord { prefix: prefix.clone(), ..record });
    (prefix, record)
}

fn write_entry(
    edit: &mut dyn StateEdit,
    action: &str,
    counts: MergeCounts,
    from: &str,
    reason: Option<&str>,
) -> anyhow::Result<()> {
    if counts.changed() > 0 {
        let what = format!("{} from {from}", counts.words());
        edit.log(&audit::entry(action, counts.changed(), what, reason))?;
    }
    Ok(())
}

/// Adds what one state knows to another one, which may be of another kind.
///
/// # Errors
/// When they are one, the first cannot be read or the other not written: then nothing was changed.
pub(super) fn migrate(args: &MigrateArgs) -> anyhow::Result<ExitStatus> {
    let whole = |path: &Path| path.canonicalize().ok();
    if args.from == args.to || whole(&args.from).is_some_and(|from| whole(&args.to) == Some(from)) {
        bail!("{}: a state cannot be added to itself", state_name(&args.from));
    }
    let from = open_to_copy(&args.from)?;
    let coming = prefixes(&from)?;
    let records: Vec<_> = coming.iter().filter_map(|prefix| prefix.record.clone()).collect();
    let log = from.log()?;
    let prefixes_of = coming.iter().map(|prefix| prefix.prefix.as_str());
    let mut to = ImportTarget::open(&args.to, prefixes_of)?;
    let own = prefixes(&to.state)?;
    // A state that only moves keeps its log.
    let moves = own.is_empty() && to.state.log()?.is_empty();
    let mut counts = MergeCounts::default();
    to.edit(&mut |edit| {
        let mut merge = Merge::begin(edit, &own, &records)?;
        let mut fault = None;
        from.each_term(&[], None, &mut |term| {
            let key = String::from_utf8_lossy(term.key);
            let prefix = key.rsplit_once(':').map_or("", |(prefix, _)| prefix);
            fault = merge.add(&format!("{prefix}:"), term).err();
            if fault.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        fault.map_or(Ok(()), Err)?;
        let (edit, merged) = merge.end();
        counts = merged;
        for entry in log.iter().filter(|_| moves) {
            edit.log(entry)?;
        }
        let name = state_name(&args.from);
        write_entry(edit, "migrate", merged, &name, args.why.reason.as_deref())
    })?;
    message::info(&format!("{}: {}", state_name(&args.to), counts.words()));
    Ok(ExitStatus::Done)
}

/// The state that something is added to.
struct ImportTarget<'a> {
    path: &'a Path,
    state: OpenedState,
    /// It was made for this.
    is_new: bool,
}

impl<'a> ImportTarget<'a> {
    /// Opens what takes terms under these prefixes: a server is asked for one tenant's.
    fn open<'p>(path: &'a Path, prefixes: impl Iterator<Item = &'p str>) -> anyhow::Result<Self> {
        if let StatePlace::Server(address) = place(path)? {
            for prefix in prefixes {
                place::takes(address, prefix)?;
            }
        }
        let is_new = !is_at_server(path) && !path.exists();
        Ok(Self { path, state: open_or_make(path)?, is_new })
    }

    /// Makes the change; where that fails nothing is left of a state that was made for it.
    fn edit(&mut self, work: &mut EditWork<'_>) -> anyhow::Result<()> {
        let done = self.state.edit(work);
        if done.is_err() && self.is_new {
            // Its lock is still held. A state that cannot be removed is an empty one.
            let _ = std::fs::remove_file(self.path);
        }
        done
    }
}

/// The lines of an export, one after the other.
struct ExportLines<R> {
    reader: R,
    number: u64,
}

impl<R: BufRead> ExportLines<R> {
    fn line(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        self.number += 1;
        (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut line)?;
        if line.len() as u64 == MAX_LINE {
            bail!("line {}: longer than {} MiB", self.number, MAX_LINE >> 20);
        }
        Ok((!line.is_empty()).then_some(line))
    }

    fn header(&mut self) -> anyhow::Result<ExportHeader> {
        let line = self.line()?.unwrap_or_default();
        let form: serde_json::Value = serde_json::from_slice(&line).unwrap_or_default();
        match form.get("firstseen_state").and_then(serde_json::Value::as_u64) {
            Some(form) if form == u64::from(FORM) => {}
            Some(form) => bail!(
                "written by a newer firstseen (form {form}, this one reads {FORM}); update firstseen"
            ),
            None => bail!("its first line is not that of `firstseen state export`"),
        }
        let header: ExportHeader = serde_json::from_slice(&line).context("line 1")?;
        for rule in &header.rules {
            if !is_prefix(&rule.prefix) {
                bail!("line 1: a `prefix` is not TENANT:RULE_ID:FINGERPRINT:");
            }
            let window_ms = rule.record.as_ref().map_or(1, |record| record.window_ms);
            if !(1..=MAX_WINDOW_MS).contains(&window_ms) {
                bail!("line 1: a `window_ms` of {window_ms}: no rule has such a window");
            }
        }
        Ok(header)
    }

    fn next(&mut self) -> anyhow::Result<Option<StateLine>> {
        let Some(line) = self.line()? else { return Ok(None) };
        let number = self.number;
        serde_json::from_slice(&line).map(Some).with_context(|| format!("line {number}"))
    }
}

fn is_prefix(prefix: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':');
    prefix.ends_with(':')
        && prefix.split(':').count() > 3
        && prefix.len() <= 224
        && prefix.bytes().all(good)
}

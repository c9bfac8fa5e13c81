//! `state stats`: the rules of a state.
//!
//! In: a state, opened for reading. Out: for each prefix of keys its rule, how many terms it has, of
//! when, and what they take; and the runs that can be resumed. Terms are counted as expired at the time of the
//! rule's newest sighting.

use super::select::{RuleChoice, StatePrefix, after, newest_sighting, prefixes};
use super::{ExitStatus, StateFormat, StatePage, open_to_read, row::LineTime};
use crate::cli::place::{is_at_server, state_name};
use crate::state::StoredRun;
use crate::state::admin::StateAdmin;
use crate::terminal::state::{RuleStats, RunStats, run_paragraph, stats_head, stats_paragraph};
use clap::Args;
use firstseen_rule::learn::is_learn_key;
use firstseen_rule::state::TermState;
use serde_json::json;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// The arguments of `state stats`.
#[derive(Debug, Clone, Args)]
pub struct StatsArgs {
    /// The state
    #[arg(value_name = "STATE")]
    pub state: PathBuf,
    /// Which rules
    #[command(flatten)]
    pub rules: RuleChoice,
    /// Output format
    #[arg(long, value_enum, default_value_t = StateFormat::Auto)]
    pub format: StateFormat,
}

/// Shows the rules of a state.
///
/// # Errors
/// When the state cannot be read, or the output failed.
pub(super) fn stats(args: &StatsArgs) -> anyhow::Result<ExitStatus> {
    let state = open_to_read(&args.state)?;
    let is_file = !is_at_server(&args.state);
    let file_bytes = std::fs::metadata(&args.state).map_or(0, |meta| meta.len());
    let chosen = args.rules.choose(prefixes(&state)?)?;
    let mut page = StatePage::new(args.format);
    let mut all = Vec::new();
    for prefix in &chosen {
        // What expires is what is old for the rule itself.
        let rule = prefix.of_rule();
        let newest = newest_sighting(&state, rule.as_bytes(), Some(&after(rule)))?;
        all.push(count(&state, prefix, newest)?);
    }
    if page.is_pretty {
        let name = state_name(&args.state);
        page.put(&stats_head(&name, is_file.then_some(file_bytes), &all))?;
    }
    for (prefix, stats) in chosen.iter().zip(&all) {
        let text = if page.is_pretty {
            format!("\n{}", stats_paragraph(stats, page.colour))
        } else {
            line(prefix, stats)
        };
        if !page.put(&text)? {
            return page.end();
        }
    }
    // Runs are not of one rule.
    let runs = if args.rules.rules.is_empty() { state.stored_runs()? } else { Vec::new() };
    for (name, run) in runs {
        let stats = run_stats(name, &run);
        let text = match page.is_pretty {
            true => format!("\n{}", run_paragraph(&stats, page.colour)),
            false => run_line(&stats),
        };
        if !page.put(&text)? {
            break;
        }
    }
    page.end()
}

fn count(
    state: &impl StateAdmin,
    prefix: &StatePrefix,
    newest: Option<i64>,
) -> anyhow::Result<RuleStats> {
    let record = prefix.record.as_ref();
    let mut stats = RuleStats {
        name: prefix.name().to_owned(),
        rule_id: prefix.rule_id().to_owned(),
        tenant: prefix.tenant().to_owned(),
        fingerprint: prefix.fingerprint().to_owned(),
        window: record.map(|record| record.window.clone()),
        fields: prefix.fields().to_vec(),
        time_field: record.and_then(|record| record.time_field.clone()),
        is_older: prefix.is_older,
        ..RuleStats::default()
    };
    state.each_term(prefix.prefix.as_bytes(), Some(&prefix.end()), &mut |term| {
        if is_learn_key(term.key) {
            return ControlFlow::Continue(());
        }
        stats.terms += 1;
        // A row has its expiry, and its key stands in the index of expiries too.
        stats.bytes += (2 * term.key.len() + term.value.len() + 16) as u64;
        stats.expired += u64::from(newest.is_some_and(|newest| term.expires_ms <= newest));
        match TermState::read(term.value) {
            Ok(state) => {
                let (first, last) = (state.episodes().first(), state.episodes().last());
                let earliest = stats.first_ms.into_iter().chain(first.map(|e| e.first_ms));
                stats.first_ms = earliest.min();
                stats.last_ms = stats.last_ms.max(last.map(|e| e.last_ms));
                stats.approved += u64::from(state.approval().is_some());
            }
            Err(_) => stats.unread += 1,
        }
        ControlFlow::Continue(())
    })?;
    Ok(stats)
}

fn run_stats(name: String, run: &StoredRun) -> RunStats {
    let missing = || run.read.iter().filter_map(|input| input.missing_since_ms);
    let batch = run.batch.as_ref();
    let stream = batch.and_then(|batch| batch.stream.as_ref());
    RunStats {
        name,
        inputs: run.read.len() as u64,
        missing: missing().count() as u64,
        missing_since_ms: missing().min(),
        batch: batch.filter(|batch| batch.stream.is_none()).map(|_| run.inputs.len() as u64),
        stream: stream.map(|stream| (stream.read, stream.ended)),
    }
}

fn run_line(run: &RunStats) -> String {
    let mut document = json!({
        "run": run.name,
        "inputs": run.inputs,
        "missing": run.missing,
        "missing_since": run.missing_since_ms.map(LineTime),
        "batch": run.batch,
    });
    if let Some((read, ended)) = run.stream {
        document["stream"] = json!({ "bytes": read, "ended": ended });
    }
    document.to_string() + "\n"
}

fn line(prefix: &StatePrefix, stats: &RuleStats) -> String {
    let time = |ms: Option<i64>| ms.map(LineTime);
    let record = prefix.record.as_ref();
    let document = json!({
        "rule": stats.name,
        "rule_id": stats.rule_id,
        "tenant": stats.tenant,
        "prefix": prefix.prefix,
        "terms": stats.terms,
        "expired": stats.expired,
        "approved": stats.approved,
        "unread": stats.unread,
        "first_sighting": time(stats.first_ms),
        "last_sighting": time(stats.last_ms),
        "window": stats.window,
        "window_ms": record.map(|record| record.window_ms),
        "fields": record.map(|record| &record.fields),
        "time_field": stats.time_field,
        "epoch": record.and_then(|record| record.epoch),
        "older": stats.is_older,
        "bytes": stats.bytes,
    });
    document.to_string() + "\n"
}

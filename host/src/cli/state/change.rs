//! `state forget` and `state approve`: a person corrects what a state knows.
//!
//! In: a state, which terms, why. Out: the state without them, so that they are new again; or with a
//! term that does not alert until an end. Each is one change with its entry in the log.

use super::audit::{self, ReasonArg};
use super::row::TermRow;
use super::select::{
    RuleChoice, RuleName, StatePrefix, TermChoice, TermFilter, TimeArg, prefixes, time,
};
use super::{ExitStatus, open_to_change};
use crate::cli::place::state_name;
use crate::cli::run::SystemClock;
use crate::escape::escaped;
use crate::pipeline::Clock;
use crate::state::admin::{StateAdmin, StoredTerm};
use crate::state::{PrefixRecord, record_of};
use crate::terminal::formats::{self, counted};
use crate::terminal::message;
use crate::terminal::state::time as shown_time;
use anyhow::{anyhow, bail};
use clap::Args;
use firstseen_rule::state::{Approval, MAX_REASON, TermState, read_whole, time_to_live_ms};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// The arguments of `state forget`.
#[derive(Debug, Clone, Args)]
pub struct ForgetArgs {
    /// The state
    #[arg(value_name = "STATE")]
    pub state: PathBuf,
    /// Which rules
    #[command(flatten)]
    pub rules: RuleChoice,
    /// Which terms
    #[command(flatten)]
    pub filter: TermFilter,
    /// Only say how many terms it would forget
    #[arg(long)]
    pub dry_run: bool,
    /// Every term of every rule, where nothing says which
    #[arg(long)]
    pub all: bool,
    /// Forget all the terms that are meant; not needed for one that --term names
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Why
    #[command(flatten)]
    pub why: ReasonArg,
}

/// Forgets terms, and their sightings under the rule as it was before: those would be taken over.
///
/// # Errors
/// When the state cannot be read or written, or more than a named term is meant without `--yes`.
pub(super) fn forget(args: &ForgetArgs) -> anyhow::Result<ExitStatus> {
    let rules = &args.rules;
    let is_chosen = args.filter.is_any() || !rules.rules.is_empty() || rules.tenant.is_some();
    match (args.all, is_chosen) {
        (false, false) => {
            bail!("say which: --term, --where, --seen-before, --rule, or --all for every term")
        }
        (true, true) => bail!("--all takes every term: leave out what says which"),
        _ => {}
    }
    let mut state = open_to_change(&args.state)?;
    let all = prefixes(&state)?;
    let chosen = args.rules.choose(all.clone())?;
    let (mut terms, mut last) = (BTreeSet::new(), None);
    args.filter.over(&state)?.each(&state, &chosen, &mut |prefix, row| {
        last = Some((prefix.name().to_owned(), row.values.join(", ")));
        terms.insert((prefix.of_rule().to_owned(), row.hash().to_owned()));
        Ok(ControlFlow::Continue(()))
    })?;
    let count = counted(terms.len() as u64, "term", "terms");
    let Some((rule, values)) = last else {
        message::info("no such term; nothing was changed");
        return Ok(ExitStatus::Unmet);
    };
    if args.dry_run {
        message::info(&format!("{count} would be forgotten; nothing was changed"));
        return Ok(ExitStatus::Done);
    }
    if args.filter.term.term.is_empty() && !args.yes {
        bail!("{count} would be forgotten; give --yes to do it, or --dry-run to look");
    }
    let what = if terms.len() == 1 {
        format!("{values} ({rule})")
    } else {
        let rules: BTreeSet<_> = chosen.iter().map(StatePrefix::name).collect();
        let rules = rules.into_iter().collect::<Vec<_>>().join(", ");
        format!("{}{rules}", args.filter.words())
    };
    let entry = audit::entry("forget", terms.len() as u64, what, args.why.reason.as_deref());
    state.edit(&mut |edit| {
        for (of_rule, hash) in &terms {
            for prefix in all.iter().filter(|prefix| prefix.of_rule() == of_rule) {
                edit.remove(format!("{}{hash}", prefix.prefix).as_bytes())?;
            }
        }
        Ok(edit.log(&entry)?)
    })?;
    message::info(&format!("{}: forgot {count}", state_name(&args.state)));
    Ok(ExitStatus::Done)
}

/// The arguments of `state approve`.
#[derive(Debug, Clone, Args)]
pub struct ApproveArgs {
    /// The state
    #[arg(value_name = "STATE")]
    pub state: PathBuf,
    /// Which term
    #[command(flatten)]
    pub term: TermChoice,
    /// Which rules
    #[command(flatten)]
    pub rules: RuleChoice,
    /// Up to which time of an event; by default for one window of the rule from now on
    ///
    /// A time is 2026-12-01T00:00:00Z, or a length such as 30d from now on.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<TimeArg>,
    /// Why; at most 120 bytes
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
}

fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("say why: a ticket, a name".to_owned());
    }
    if text.len() > MAX_REASON {
        return Err(format!("{} bytes; at most {MAX_REASON} are kept", text.len()));
    }
    Ok(text.to_owned())
}

/// Approves a term ahead of time.
///
/// # Errors
/// When the state cannot be read or written, it is not clear which rule is meant, or what the state has
/// of the term cannot be read.
pub(super) fn approve(args: &ApproveArgs) -> anyhow::Result<ExitStatus> {
    let mut earlier = None;
    let mut state = open_to_change(&args.state)?;
    let (prefix, is_new) = the_rule(&args.rules, prefixes(&state)?)?;
    if args.term.term.is_empty() {
        bail!("say which term: --term VALUE, once for each new-terms field of the rule");
    }
    let term = prefix.term_of(&args.term.term)?;
    let (key, text) = (term.key(&prefix.prefix), term.json);
    let now = SystemClock.now_ms();
    let until_ms = match (args.until, prefix.record.as_ref()) {
        (Some(TimeArg::At(ms)), _) => ms,
        (Some(TimeArg::Before(length)), _) => now.saturating_add(length),
        (None, Some(record)) => now.saturating_add(record.window_ms),
        (None, None) => bail!("the state does not know the rule's window; give --until"),
    };
    let window_ms = prefix.record.as_ref().map_or(0, |record| record.window_ms);
    let approval = Approval { until_ms, reason: args.reason.clone() };
    let until = shown_time(until_ms);
    let values = TermRow::values_of_text(&text).join(", ");
    let what = format!("{values} until {until} ({})", prefix.name());
    let entry = audit::entry("approve", 1, what, Some(&args.reason));
    state.edit(&mut |edit| {
        let (mut known, mut expires_ms) =
            (TermState::default(), until_ms.saturating_add(window_ms));
        if let Some((value, expires)) = edit.get(key.as_bytes())? {
            known = read_whole(&value).map_err(|e| anyhow!("this term cannot be approved: {e}"))?.0;
            expires_ms = expires_ms.max(without_approval(&known, expires, window_ms));
        } else if until_ms <= now {
            bail!("--until: {until} is over already, and the term has no approval to end");
        }
        earlier = known.approval().map(|approval| approval.until_ms);
        known.approve(approval.clone());
        let value = known.write(&text);
        edit.put(StoredTerm { key: key.as_bytes(), value: &value, expires_ms })?;
        if let (true, Some(record)) = (is_new, &prefix.record) {
            edit.record(record)?;
        }
        Ok(edit.log(&entry)?)
    })?;
    let before = match earlier {
        Some(earlier) if earlier > until_ms => {
            format!(", not until {} as before", shown_time(earlier))
        }
        _ => String::new(),
    };
    let (state, values) = (state_name(&args.state), escaped(&values));
    message::info(&format!("{state}: approved {values} until {until}{before}"));
    Ok(ExitStatus::Done)
}

/// Until when a term is kept, but for its approval: else one that is shortened would keep it as long as
/// before.
fn without_approval(known: &TermState, expires_ms: i64, window_ms: i64) -> i64 {
    let is_of_approval =
        |approval: &Approval| expires_ms == approval.until_ms.saturating_add(window_ms);
    if !known.approval().is_some_and(is_of_approval) {
        return expires_ms;
    }
    let last = known.episodes().last();
    last.map_or(i64::MIN, |seen| seen.last_ms.saturating_add(time_to_live_ms(window_ms)))
}

/// The one rule that is meant, as it is now; whether the state has nothing of it yet.
fn the_rule(choice: &RuleChoice, all: Vec<StatePrefix>) -> anyhow::Result<(StatePrefix, bool)> {
    if let [one] = choice.rules.as_slice()
        && let RuleName::File(rules) = RuleName::of(one)?
    {
        let [rule] = rules.as_slice() else {
            let count = formats::count(rules.len(), "rule");
            bail!("--rule {}: {count}; give the id of one of them", escaped(one));
        };
        let record = record_of(choice.tenant.as_deref().unwrap_or("default"), rule);
        let prefix = record.prefix.clone();
        let found = all.into_iter().find(|known| known.prefix == prefix && known.record.is_some());
        let new = StatePrefix {
            prefix,
            record: Some(PrefixRecord { used: 0, ..record }),
            is_older: false,
        };
        return Ok(found.map_or((new, true), |found| (found, false)));
    }
    let mut now: Vec<_> = choice.choose(all)?.into_iter().filter(|p| !p.is_older).collect();
    match (now.pop(), now.len()) {
        (Some(one), 0) => Ok((one, false)),
        (None, _) => bail!("the state has no rule yet; give its file with --rule"),
        (Some(last), _) => {
            let names = now.iter().chain([&last]).map(|p| escaped(p.rule_id()).into_owned());
            bail!("several rules; say which with --rule: {}", names.collect::<Vec<_>>().join(", "))
        }
    }
}

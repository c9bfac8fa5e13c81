//! `state list`: terms.
//!
//! In: a state, opened for reading, and which terms are wanted. Out: a line of JSON for each, in the
//! order of their keys; or a table for each rule, last seen first. A table has the newest 1000 unless
//! `--limit` says otherwise, so that no state is too large to be looked at.

use super::row::TermRow;
use super::select::{RuleChoice, StatePrefix, TermFilter, TermTest, prefixes};
use super::{ExitStatus, OpenedState, StateFormat, StatePage, open_to_read};
use crate::escape::escaped;
use crate::terminal::formats::{counted, number};
use crate::terminal::message;
use crate::terminal::state::{ListedTerm, terms_table};
use clap::Args;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::slice::from_ref;

/// The rows of a table.
const TABLE_ROWS: usize = 1000;

/// The arguments of `state list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// The state
    #[arg(value_name = "STATE")]
    pub state: PathBuf,
    /// Which rules
    #[command(flatten)]
    pub rules: RuleChoice,
    /// Which terms
    #[command(flatten)]
    pub filter: TermFilter,
    /// Show at most this many terms of a rule: pretty, those that were seen last
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Output format
    #[arg(long, value_enum, default_value_t = StateFormat::Auto)]
    pub format: StateFormat,
}

/// Lists terms.
///
/// # Errors
/// When the state cannot be read, no rule has what is asked for, or the output failed.
pub(super) fn list(args: &ListArgs) -> anyhow::Result<ExitStatus> {
    let state = open_to_read(&args.state)?;
    let chosen = args.rules.choose(prefixes(&state)?)?;
    let test = args.filter.over(&state)?;
    let mut page = StatePage::new(args.format);
    let mut shown = 0u64;
    for prefix in &chosen {
        let more = if page.is_pretty {
            table(&state, &test, prefix, args, &mut page, &mut shown)?
        } else {
            lines(&state, &test, prefix, args, &mut page, &mut shown)?
        };
        if !more {
            break;
        }
    }
    if shown == 0 {
        message::info("no such term");
    }
    page.end()
}

fn lines(
    state: &OpenedState,
    test: &TermTest<'_>,
    prefix: &StatePrefix,
    args: &ListArgs,
    page: &mut StatePage,
    shown: &mut u64,
) -> anyhow::Result<bool> {
    let (mut left, mut is_read) = (args.limit.unwrap_or(usize::MAX), true);
    test.each(state, from_ref(prefix), &mut |prefix, row| {
        if left == 0 {
            return Ok(ControlFlow::Break(()));
        }
        left -= 1;
        *shown += 1;
        is_read = page.put(&row.line(prefix).shown(prefix, &row).text()?)?;
        Ok(if is_read { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(is_read)
}

/// A term in the order of its last sighting.
struct BySighting(Option<i64>, TermRow);

impl BySighting {
    fn order(&self) -> (Option<i64>, Reverse<&str>) {
        (self.0, Reverse(&self.1.text))
    }
}

impl PartialEq for BySighting {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}
impl Eq for BySighting {}
impl PartialOrd for BySighting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for BySighting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

fn table(
    state: &OpenedState,
    test: &TermTest<'_>,
    prefix: &StatePrefix,
    args: &ListArgs,
    page: &mut StatePage,
    shown: &mut u64,
) -> anyhow::Result<bool> {
    let limit = args.limit.unwrap_or(TABLE_ROWS);
    let (mut newest, mut count) = (BinaryHeap::new(), 0u64);
    test.each(state, from_ref(prefix), &mut |_, row| {
        count += 1;
        newest.push(Reverse(BySighting(row.last_ms(), row)));
        if newest.len() > limit {
            newest.pop();
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if count == 0 {
        return Ok(true);
    }
    let mut rows: Vec<_> = newest.into_iter().map(|Reverse(row)| row).collect();
    rows.sort_by(|a, b| b.cmp(a));
    let terms: Vec<_> = rows.iter().map(|BySighting(_, row)| listed(row)).collect();
    let gap = if *shown == 0 { "" } else { "\n" };
    *shown += count;
    let older = if prefix.is_older { ", as the rule was before" } else { "" };
    let mut text = format!("{gap}{}{older}\n", escaped(prefix.name()));
    text += &terms_table(prefix.fields(), &terms, page.width, page.colour);
    if let more @ 1.. = count - rows.len() as u64 {
        let terms = counted(more, "term", "terms");
        text +=
            &format!("  {terms} more, seen before these; --limit {} shows all\n", number(count));
    }
    page.put(&text)
}

fn listed(row: &TermRow) -> ListedTerm {
    let state = row.state.as_ref();
    let approval = state.ok().and_then(|state| state.approval());
    ListedTerm {
        first_ms: row.first_ms(),
        last_ms: row.last_ms(),
        values: row.values.clone(),
        is_cut: row.is_cut,
        approval: approval.map(|approval| (approval.until_ms, approval.reason.clone())),
        unread: state.err().map(|reason| format!("{}: {reason}", row.hash())),
    }
}

//! A rule's `filters`, as Kibana's filter bar writes them.
//!
//! In: the tables of `[[rule.filters]]`. Out: a clause for each that is on, and whether it is
//! negated. The query language inside is [`super::dsl`]'s.

use super::diagnostic::Diagnostics;
use super::dsl;
use super::table::{Table, TableEntry, UnknownKey};
use super::written::WrittenClause;
use std::ops::Range;

/// Keys of `meta` that the filter bar keeps for itself: labels, and what it was made from.
const META: &[&str] =
    &["alias", "controlledBy", "field", "group", "index", "isMultiIndex", "key", "params", "value"];

/// Clauses that old exports write beside `meta` instead of under `query`.
const OLD: &[&str] = &["bool", "exists", "match_all", "range"];

/// A filter that is on.
pub(super) struct ReadFilter {
    pub(super) clause: WrittenClause,
    pub(super) negated: bool,
    /// Where it is.
    #[cfg_attr(not(feature = "lint"), allow(dead_code))]
    pub(super) span: Range<usize>,
}

/// The filters that are on.
pub(super) fn read(tables: Vec<Table<'_>>, faults: &mut Diagnostics) -> Vec<ReadFilter> {
    tables.into_iter().filter_map(|table| filter(table, faults)).collect()
}

fn filter(mut t: Table<'_>, faults: &mut Diagnostics) -> Option<ReadFilter> {
    let span = t.span.clone();
    let (mut negated, mut disabled) = (false, false);
    if let Some(mut meta) = t.table("meta", faults) {
        negated = meta.flag("negate", faults).is_some_and(|flag| flag.value);
        disabled = meta.flag("disabled", faults).is_some_and(|flag| flag.value);
        let kind = meta.text("type", faults);
        if let Some(kind) = kind.filter(|kind| !disabled && kind.value == "combined") {
            // Its parts are in `params`, in a form of their own.
            let message = "unsupported filter of type `combined`";
            faults.error("bad_filter", &kind.span, message).help("write it as a `bool` query");
            disabled = true;
        }
        meta.pass(META);
        meta.pass(&["relation"]);
        meta.finish(UnknownKey::Ignored, faults);
    }
    t.pass(&["$state"]);
    if disabled {
        return None;
    }
    let old = OLD.iter().find(|key| t.key(key).is_some());
    let query = match old.filter(|_| t.key("query").is_none()) {
        Some(key) => t.get(key).and_then(|value| {
            let body = TableEntry { key, span: t.key(key)?, value };
            dsl::clause(&body, &t.name(key), 0, faults)
        }),
        None => {
            let there = t.present("query", faults);
            let table = there.then(|| t.table("query", faults)).flatten();
            table.and_then(|table| dsl::query(&table, 0, faults))
        }
    };
    t.finish(UnknownKey::Fatal, faults);
    query.map(|clause| ReadFilter { clause, negated, span })
}

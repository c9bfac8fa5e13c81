//! A rule's `filters`: Elasticsearch's own query language, as Kibana's filter bar writes it.
//!
//! In: the tables of `[[rule.filters]]`. Out: a query for each, and whether it is negated. What it
//! does not know is a fault with its place, never left out.

use super::diagnostic::Faults;
use super::table::{Table, Unknown};
use firstseen_kql::Query;

/// The filters, and whether each is negated.
pub(super) fn read(tables: Vec<Table<'_>>, faults: &mut Faults) -> Vec<(Query, bool)> {
    tables.into_iter().filter_map(|table| filter(table, faults)).collect()
}

fn filter(mut t: Table<'_>, faults: &mut Faults) -> Option<(Query, bool)> {
    let mut negate = false;
    if let Some(mut meta) = t.table("meta", faults) {
        negate = meta.flag("negate", faults).is_some_and(|flag| flag.value);
    }
    let there = t.present("query", faults);
    let mut query = there.then(|| t.table("query", faults)).flatten()?;
    t.finish(Unknown::Fatal, faults);
    let there = query.present("wildcard", faults);
    let wildcard = there.then(|| query.table("wildcard", faults)).flatten()?;
    query.finish(Unknown::Fatal, faults);
    let mut out: Option<Query> = None;
    for (field, value) in wildcard.entries() {
        let name = wildcard.name(field.value);
        let Some(table) = value.get_ref().as_table() else {
            super::table::wrong_type(value, &name, "a table with `value`", faults);
            continue;
        };
        let mut table = Table::new(table, name, field.span);
        let pattern = table.required("value", faults);
        let any_case = table.flag("case_insensitive", faults).is_some_and(|flag| flag.value);
        table.finish(Unknown::Fatal, faults);
        if let Some(pattern) = pattern {
            let part = firstseen_kql::wildcard(field.value, pattern.value, any_case);
            out = Some(match out {
                Some(before) => before.and_filter(part, false),
                None => part,
            });
        }
    }
    out.map(|query| (query, negate))
}

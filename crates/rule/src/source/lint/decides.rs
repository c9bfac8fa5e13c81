//! Which clauses decide, where no event has the field that they ask for.
//!
//! In: a query as it is written, and which of its leaves are never true. Out: the leaves because of
//! which a part of the query has a fixed answer: `never and x`, and every `not never`. An alternative
//! that is never true beside one that may be (`never or x`) decides nothing.

use firstseen_kql::{WrittenQuery, WrittenValue};

/// A leaf that decides.
#[derive(Debug, PartialEq)]
pub(super) struct Spot<'q> {
    pub(super) leaf: &'q WrittenValue,
    pub(super) effect: Effect,
}

/// What its missing field does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// What asks for it is never true.
    NeverTrue,
    /// A `not` over it is always true.
    NotAlwaysTrue,
}

/// Whether a leaf is never true.
type Never<'f> = &'f dyn Fn(&WrittenValue) -> bool;

/// The leaves that decide, in the order of the text. `negated`: a `not` is over all of it.
pub(super) fn spots<'q>(query: &'q WrittenQuery, negated: bool, never: Never<'_>) -> Vec<Spot<'q>> {
    let mut out = Vec::new();
    walk(query, negated, true, never, &mut out);
    out
}

/// Recursion follows brackets, which the parser bounds.
fn walk<'q>(
    query: &'q WrittenQuery,
    negated: bool,
    decides: bool,
    never: Never<'_>,
    out: &mut Vec<Spot<'q>>,
) {
    match query {
        WrittenQuery::Everything => {}
        WrittenQuery::Not(item) => walk(item, !negated, decides, never, out),
        WrittenQuery::Value(leaf) if !never(leaf) => {}
        WrittenQuery::Value(leaf) if negated => {
            out.push(Spot { leaf, effect: Effect::NotAlwaysTrue });
        }
        WrittenQuery::Value(leaf) if decides => {
            out.push(Spot { leaf, effect: Effect::NeverTrue });
        }
        WrittenQuery::Value(_) => {}
        WrittenQuery::And(items) | WrittenQuery::Or(items) => {
            // `not (a and b)` is `not a or not b`.
            let alternatives = matches!(query, WrittenQuery::Or(_)) != negated;
            let open = |item| truth(item, negated, never) != Some(false);
            let others = alternatives && items.iter().any(open);
            for item in items {
                walk(item, negated, decides && !others, never, out);
            }
        }
    }
}

/// The fixed answer of a part, if it has one.
fn truth(query: &WrittenQuery, negated: bool, never: Never<'_>) -> Option<bool> {
    match query {
        WrittenQuery::Everything => Some(!negated),
        WrittenQuery::Not(item) => truth(item, !negated, never),
        WrittenQuery::Value(leaf) => never(leaf).then_some(negated),
        WrittenQuery::And(items) | WrittenQuery::Or(items) => {
            let breaking = matches!(query, WrittenQuery::Or(_)) != negated;
            let mut truths = items.iter().map(|item| truth(item, negated, never));
            let mut all = true;
            if truths.any(|truth| {
                all &= truth == Some(!breaking);
                truth == Some(breaking)
            }) {
                return Some(breaking);
            }
            all.then_some(!breaking)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields that decide, with a `!` where a `not` over them is always true. Fields that begin
    /// with `n` are in no event.
    fn found(text: &str) -> Vec<String> {
        let query = firstseen_kql::written(text).unwrap();
        let spots = spots(&query, false, &|leaf| leaf.field.starts_with('n'));
        let shown = |spot: &Spot<'_>| match spot.effect {
            Effect::NeverTrue => spot.leaf.field.clone(),
            Effect::NotAlwaysTrue => format!("!{}", spot.leaf.field),
        };
        spots.iter().map(shown).collect()
    }

    #[test]
    fn what_decides_is_found_and_an_alternative_is_not() {
        for (text, expected) in [
            ("a: b and n1: c", &["n1"][..]),
            ("n1: (b or c)", &["n1", "n1"]),
            ("a: b or n1: c", &[]),
            ("n1: b or n2: c", &["n1", "n2"]),
            ("a: b or (c: d and n1: e)", &[]),
            ("a: b and (n1: c or d: e)", &[]),
            ("a: b and not n1: c", &["!n1"]),
            ("a: b and not (n1: c or d: e)", &["!n1"]),
            ("a: b or not n1: *", &["!n1"]),
            ("not (a: b and n1: c)", &["!n1"]),
            ("n1: (* and not (x or y))", &["n1", "!n1", "!n1"]),
            ("not (not n1: a)", &["n1"]),
            ("a: b", &[]),
            ("*", &[]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }
}

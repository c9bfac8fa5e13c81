//! Two values of one field that no event has both.
//!
//! In: the query of a rule about CloudTrail. Out: a warning where it asks for both of them, as in
//! `event.action: (A and B)`, or where one of two `not` over them is always true. Only fields that
//! CloudTrail gives once: an array may have both.

use super::LintInput;
use super::pattern::{matches, may_meet};
use crate::source::diagnostic::{Diagnostics, short};
use firstseen_kql::{ValueForm, WrittenQuery, WrittenValue};

/// Keywords of which an event has one value.
const ONCE: &[&str] = &[
    "aws.cloudtrail.error_code",
    "aws.cloudtrail.event_category",
    "aws.cloudtrail.event_type",
    "aws.cloudtrail.recipient_account_id",
    "aws.cloudtrail.user_identity.arn",
    "aws.cloudtrail.user_identity.type",
    "awsRegion",
    "cloud.account.id",
    "cloud.region",
    "errorCode",
    "event.action",
    "event.id",
    "event.outcome",
    "event.provider",
    "eventName",
    "eventSource",
    "eventType",
    "user.id",
    "user.name",
];

/// How many values of a group are compared with each other.
const COMPARED: usize = 32;

/// Warns.
pub(super) fn check(input: &LintInput<'_>, query: &WrittenQuery, faults: &mut Diagnostics) {
    for pair in pairs(query) {
        let (field, one) = (&pair.second.field, input.written(pair.first));
        let other = input.written(pair.second);
        let (message, help) = match pair.negated {
            false => (
                format!("no event has both `{}` and `{}`", short(one), short(other)),
                format!("`{}` has one value: write `or` between them", short(field)),
            ),
            true => (
                format!(
                    "no event has both `{}` and `{}`: one `not` is always true",
                    short(one),
                    short(other)
                ),
                format!("write `not {}: ({} or {})`", short(field), short(one), short(other)),
            ),
        };
        faults.warn("contradiction", &input.place(&pair.second.span), message).help(help);
    }
}

/// Two values that exclude each other.
struct Pair<'q> {
    first: &'q WrittenValue,
    second: &'q WrittenValue,
    /// Whether a `not` is over both, with an `or` between them.
    negated: bool,
}

/// The first pair of each field in each group of conditions that hold together.
fn pairs(query: &WrittenQuery) -> Vec<Pair<'_>> {
    let mut out = Vec::new();
    group(query, false, &mut out);
    out
}

/// A group of its own.
fn group<'q>(query: &'q WrittenQuery, negated: bool, out: &mut Vec<Pair<'q>>) {
    let mut values = Vec::new();
    let together = is_together(query, negated);
    gather(query, negated, together, &mut values, out);
    // What holds together is asked for; of alternatives, what must not be.
    values.retain(|(_, negated)| *negated != together);
    let mut told: Vec<&str> = Vec::new();
    for (index, (second, negated)) in values.iter().enumerate() {
        let before = values.iter().take(index.min(COMPARED)).map(|(leaf, _)| *leaf);
        let first = before
            .filter(|first| first.field == second.field)
            .find(|first| excludes(first, second));
        if let Some(first) = first
            && !told.contains(&second.field.as_str())
        {
            told.push(&second.field);
            out.push(Pair { first, second, negated: *negated });
        }
    }
}

/// Recursion follows brackets, which the parser bounds.
fn gather<'q>(
    query: &'q WrittenQuery,
    negated: bool,
    together: bool,
    values: &mut Vec<(&'q WrittenValue, bool)>,
    out: &mut Vec<Pair<'q>>,
) {
    match query {
        WrittenQuery::Everything => {}
        WrittenQuery::Not(item) => gather(item, !negated, together, values, out),
        WrittenQuery::Value(leaf) => {
            let once = !leaf.is_pattern && ONCE.contains(&leaf.field.as_str());
            let is =
                matches!(leaf.form, ValueForm::Plain | ValueForm::Quoted | ValueForm::Wildcard);
            if once && is {
                values.push((leaf, negated));
            }
        }
        WrittenQuery::And(_) | WrittenQuery::Or(_) if is_together(query, negated) != together => {
            group(query, negated, out);
        }
        WrittenQuery::And(items) | WrittenQuery::Or(items) => {
            for item in items {
                gather(item, negated, together, values, out);
            }
        }
    }
}

/// Whether all of a query's parts have to hold. Under a `not`, `or` is `and`.
fn is_together(query: &WrittenQuery, negated: bool) -> bool {
    match query {
        WrittenQuery::Not(item) => is_together(item, !negated),
        WrittenQuery::Or(_) => negated,
        _ => !negated,
    }
}

/// Whether no text is what both ask for.
fn excludes(one: &WrittenValue, other: &WrittenValue) -> bool {
    let is_pattern = |leaf: &WrittenValue| leaf.form == ValueForm::Wildcard;
    match (is_pattern(one), is_pattern(other)) {
        (false, false) => one.value != other.value,
        (true, false) => !matches(&one.value, &other.value),
        (false, true) => !matches(&other.value, &one.value),
        (true, true) => !may_meet(&one.value, &other.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs as `a b`, with a `!` where a `not` is over them.
    fn found(text: &str) -> Vec<String> {
        let query = firstseen_kql::written(text).unwrap();
        let shown = |pair: &Pair<'_>| {
            let mark = if pair.negated { "!" } else { "" };
            format!("{mark}{} {}", pair.first.value, pair.second.value)
        };
        pairs(&query).iter().map(shown).collect()
    }

    #[test]
    fn values_that_exclude_each_other_are_found() {
        for (text, expected) in [
            ("event.action: (A and B)", "A B"),
            ("event.action: A and user.name: x and event.action: \"B\"", "A B"),
            ("x: y or (event.action: A and (event.action: B and c: d))", "A B"),
            ("event.action: (A* and B)", "A* B"),
            ("event.action: (A* and B*)", "A* B*"),
            ("not (event.action: A or not event.action: (B and C))", "B C"),
            ("not event.action: A or not event.action: B", "!A B"),
            ("not event.action: (A and B)", "!A B"),
            ("x: y and (not event.action: A or z: w or not event.action: B)", "!A B"),
            ("not (not event.action: A or not event.action: B)", "A B"),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
        let each = "event.action: (A and B and C) and eventSource: (x and y)";
        assert_eq!(found(each), ["A B", "x y"]);
    }

    #[test]
    fn values_that_may_be_together_are_left_alone() {
        for text in [
            "event.action: (A or B)",
            "event.action: (A and not B)",
            "event.action: (A and A)",
            "event.action: (A* and *B)",
            "event.action: (A* and AB)",
            "event.action: (* and not (A or B))",
            "event.action: (A or B) and event.action: B",
            "event.type: (start and user)",
            "related.user: (a and b)",
            "not event.action: A and not event.action: B",
            "not event.action: (A or B)",
            "event.action: A or (event.action: B and user.name: c)",
            "event.action: A or not event.action: B",
            "event.*: (A and B)",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}

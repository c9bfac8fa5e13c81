//! Values that a field never has.
//!
//! In: a field with one value, and whether the rule is CloudTrail's. Out: what is wrong with the value
//! and what to write; what the form of a value says is [`super::forms`]'. Of a set that ECS closes, only what is nearly one of its values is wrong: events
//! that do not follow ECS may have others.

use super::forms::{self, ACTIONS, FormOf, PROVIDERS};
use super::pattern::matches;
use crate::source::diagnostic::short;
use firstseen_kql::{ValueForm, WrittenValue};

/// The sets that ECS 9.4.0 closes.
const SETS: &[(&str, &[&str])] = &[
    (
        "event.kind",
        &["alert", "asset", "enrichment", "event", "metric", "pipeline_error", "signal", "state"],
    ),
    (
        "event.category",
        &[
            "api",
            "authentication",
            "configuration",
            "database",
            "driver",
            "email",
            "file",
            "host",
            "iam",
            "intrusion_detection",
            "library",
            "malware",
            "network",
            "package",
            "process",
            "registry",
            "session",
            "threat",
            "vulnerability",
            "web",
        ],
    ),
    ("event.outcome", OUTCOMES),
    (
        "event.type",
        &[
            "access",
            "admin",
            "allowed",
            "change",
            "connection",
            "creation",
            "deletion",
            "denied",
            "device",
            "end",
            "error",
            "group",
            "indicator",
            "info",
            "installation",
            "protocol",
            "start",
            "user",
        ],
    ),
];

const OUTCOMES: &[&str] = &["failure", "success", "unknown"];

/// Of CloudTrail's events.
const OUTCOMES_IN_CLOUDTRAIL: &[&str] = &["failure", "success"];

/// Shorter values differ from one another in one letter.
const SHORTEST: usize = 5;

/// Longer ones are far from every value.
const LONGEST: usize = 32;

/// What is wrong with a value that its field never has, and what to write. `all` are the values of the
/// query: where it has a value in both spellings, its author knows of such events.
pub(super) fn never(
    leaf: &WrittenValue,
    all: &[&WrittenValue],
    is_cloudtrail: bool,
) -> Option<(String, String)> {
    let is_pattern = leaf.form == ValueForm::Wildcard;
    if !is_pattern && !matches!(leaf.form, ValueForm::Plain | ValueForm::Quoted) {
        return None;
    }
    let (field, value) = (leaf.field.as_str(), leaf.value.as_str());
    if leaf.is_pattern || leaf.form == ValueForm::Plain && value == "null" {
        return None;
    }
    let set = match field {
        "event.outcome" if is_cloudtrail => Some(OUTCOMES_IN_CLOUDTRAIL),
        _ => SETS.iter().find(|(name, _)| *name == field).map(|(_, set)| *set),
    };
    let is_word = ACTIONS.contains(&field) || PROVIDERS.contains(&field);
    if (set.is_some() || is_word && is_cloudtrail)
        && leaf.form != ValueForm::Quoted
        && value.contains(char::is_whitespace)
    {
        let message = format!("`{}` is one value, and `{field}` has no spaces", short(value));
        let each: Vec<&str> = value.split_whitespace().collect();
        return Some((message, format!("write `({})`", short(&each.join(" or ")))));
    }
    let both = |meant: &str| all.iter().any(|one| one.field == field && one.value == meant);
    if let Some(set) = set
        && let Some((meant, said)) = outside(field, set, value, is_pattern, is_cloudtrail)
    {
        return Some(said).filter(|_| !meant.is_some_and(both));
    }
    let wrong = forms::wrong(FormOf { field, value, is_pattern }, is_cloudtrail)?;
    (!wrong.meant.as_deref().is_some_and(both)).then_some((wrong.message, wrong.help))
}

/// A value that is in no closed set, but nearly: the value that was meant, and what to say.
fn outside(
    field: &str,
    set: &[&'static str],
    value: &str,
    is_pattern: bool,
    is_cloudtrail: bool,
) -> Option<(Option<&'static str>, (String, String))> {
    let find = |text: &str| {
        set.iter().find(|one| if is_pattern { matches(text, one) } else { text == **one })
    };
    if find(value).is_some() {
        return None;
    }
    let lower = value.to_ascii_lowercase();
    let near = |one: &&&str| {
        let sizes = SHORTEST..=LONGEST;
        !is_pattern && sizes.contains(&lower.len()) && strsim::osa_distance(&lower, one) <= 1
    };
    if let Some(meant) = find(&lower) {
        let message = format!("`{}` is no `{field}` of ECS", short(value));
        let written = if is_pattern { short(&lower).to_string() } else { (*meant).to_owned() };
        let help = format!("values are compared with their case: write `{written}`");
        return Some((Some(meant), (message, help)));
    }
    if let Some(meant) = set.iter().find(near) {
        let message = format!("`{}` is no `{field}` of ECS", short(value));
        return Some((Some(meant), (message, format!("did you mean `{meant}`?"))));
    }
    (is_cloudtrail && field == "event.outcome").then(|| {
        let message = format!("`event.outcome` is never `{}`", short(value));
        (None, (message, format!("it is `{}`", set.join("` or `"))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(query: &str, is_cloudtrail: bool) -> Option<String> {
        let query = firstseen_kql::written(query).unwrap();
        let leaves = query.leaves();
        never(leaves[0], &leaves, is_cloudtrail).map(|(message, help)| format!("{message}; {help}"))
    }

    #[test]
    fn closed_sets_are_left_by_case_or_by_a_letter() {
        for (query, word) in [
            (
                "event.outcome: Success",
                "`Success` is no `event.outcome` of ECS; values are compared with their case",
            ),
            ("event.outcome: \"FAILURE\"", "write `failure`"),
            ("event.outcome: succes", "did you mean `success`?"),
            ("event.outcome: Succ*", "write `succ*`"),
            ("event.category: IAM", "write `iam`"),
            ("event.category: proces", "did you mean `process`?"),
            ("event.type: changed", "did you mean `change`?"),
            ("event.kind: Alert", "write `alert`"),
            ("event.type: start end", "is one value"),
        ] {
            for is_cloudtrail in [false, true] {
                let said = said(query, is_cloudtrail).unwrap_or_default();
                assert!(said.contains(word), "{query}: {said}");
            }
        }
        for query in [
            "event.outcome: success",
            "event.outcome: succ*",
            "event.outcome: *",
            "event.outcome.caseless: Success",
            "event.type: ens",
            "event.category: (iam or authentication)",
            "event.category: files.shared",
            "event.outcome: (Success or success)",
        ] {
            assert_eq!(said(query, true), None, "{query}");
        }
    }

    #[test]
    fn raw_cloudtrail_has_its_outcomes_and_words() {
        for (query, word) in [
            ("event.outcome: failed", "it is `failure` or `success`"),
            ("event.outcome: unknown", "is never `unknown`"),
            ("event.outcome: unk*", "is never `unk*`"),
            ("event.provider: iam", "as in `iam.amazonaws.com`"),
            ("event.provider: IAM.amazonaws.com", "write `iam.amazonaws.com`"),
            ("event.kind: alert", "always `event`"),
            ("event.action: \"iam:CreateUser\"", "is an action of a policy"),
            ("event.action: CreateUser DeleteUser", "write `(CreateUser or DeleteUser)`"),
            ("event.action: Create* Delete*", "write `(Create* or Delete*)`"),
        ] {
            let found = said(query, true).unwrap_or_default();
            assert!(found.contains(word), "{query}: {found}");
            assert_eq!(said(query, false), None, "{query}");
        }
        for query in [
            "event.provider: iam.amazonaws.com",
            "event.provider: \"ec2.amazonaws.com.cn\"",
            "event.provider: (IAM.amazonaws.com or iam.amazonaws.com)",
            "event.outcome: null",
            "event.action: \"Add member\"",
        ] {
            assert_eq!(said(query, true), None, "{query}");
        }
    }
}

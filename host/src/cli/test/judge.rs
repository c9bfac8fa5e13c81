//! What was expected, compared with the results.
//!
//! In: a case and what became of its events. Out: failures, each with the two sides as lines and
//! the reason that the rule itself gives. It runs nothing.

use super::execute::{EventResult, TermResult};
use super::file::{CaseSpec, EventSpec, Expectation, ExpectedTerm, TestOutcome};
use super::time;
use crate::terminal::value::lookup;
use firstseen_rule::state::TermState;
use serde_json::Value;

/// One thing that is not as it was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// Where it was expected.
    pub(super) line: usize,
    /// Which event, or what else.
    pub(super) about: String,
    pub(super) expected: Vec<String>,
    pub(super) got: Vec<String>,
    /// Sentences that help.
    pub(super) why: Vec<String>,
}

/// Judges an event, or the events of a file.
pub(super) fn event(
    case: &CaseSpec,
    number: usize,
    event: &EventSpec,
    executed: &[EventResult],
    window: &str,
) -> Vec<Failure> {
    let mut failures = Vec::new();
    let got: Vec<&TermResult> = executed.iter().flat_map(|p| &p.got).collect();
    let about = about(case, number, executed);
    let failure = |expected: Vec<String>, got: Vec<String>, why: Vec<String>| Failure {
        line: event.line,
        about: about.clone(),
        expected,
        got,
        why,
    };
    if let Some((expected, got)) = differs(&event.expected, &got) {
        let mut why: Vec<String> = Vec::new();
        for reason in executed.iter().flat_map(|p| reasons(p, window)) {
            if why.len() < MAX_REASONS && !why.contains(&reason) {
                why.push(reason);
            }
        }
        failures.push(failure(expected, got, why));
    } else {
        let alerts = got.iter().filter(|g| g.outcome == TestOutcome::Alert);
        for alert in alerts {
            if let Some((expected, got)) = fields_differ(&event.expected.fields, &alert.alert) {
                failures.push(failure(expected, got, Vec::new()));
            }
        }
    }
    for text in executed.iter().filter_map(|p| p.disagreement.as_ref()) {
        let expected = vec!["evaluate agrees with keys and decide".to_owned()];
        let why = vec!["this is a fault of the engine, not of the rule".to_owned()];
        failures.push(failure(expected, vec![text.clone()], why));
    }
    failures
}

/// Reasons shown for one failure.
const MAX_REASONS: usize = 12;

fn about(case: &CaseSpec, number: usize, executed: &[EventResult]) -> String {
    match executed {
        [one] => match one.time_ms {
            Some(ms) => {
                format!("event {number}, {}, {}", time::shown(ms - case.start_ms), time::date(ms))
            }
            None => format!("event {number}"),
        },
        many => format!("event {number}, a file of {}", many.len()),
    }
}

/// The two sides, where they are not the same.
fn differs(expected: &Expectation, got: &[&TermResult]) -> Option<(Vec<String>, Vec<String>)> {
    let sides = sides(expected, got)?;
    (sides.0 != sides.1).then_some(sides)
}

fn sides(expected: &Expectation, got: &[&TermResult]) -> Option<(Vec<String>, Vec<String>)> {
    let all = || got.iter().map(|g| told(g)).collect::<Vec<_>>();
    let alerts: Vec<&&TermResult> =
        got.iter().filter(|g| g.outcome == TestOutcome::Alert).collect();
    if let Some(terms) = &expected.terms {
        let mut wanted: Vec<String> =
            terms.iter().map(|values| format!("alert {}", Value::Array(values.clone()))).collect();
        let mut came: Vec<String> = alerts.iter().map(|g| told(g)).collect();
        wanted.sort();
        came.sort();
        // What did not alert is listed only where something is missing.
        return if wanted == came { Some((wanted, came)) } else { Some((wanted, sorted(all()))) };
    }
    if let Some(outcome) = expected.outcome {
        let wanted = got.iter().map(|g| one_line(outcome, &g.terms)).collect();
        return Some((wanted, got.iter().map(|g| one_line(g.outcome, &g.terms)).collect()));
    }
    match expected.must_alert().ok().flatten()? {
        true if alerts.is_empty() => Some((vec!["alert".to_owned()], all())),
        false if !alerts.is_empty() => Some((vec!["no alert".to_owned()], all())),
        _ => None,
    }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// The outcome and the term.
fn one_line(outcome: TestOutcome, terms: &Value) -> String {
    if terms.is_null() || !outcome.is_of_a_term() {
        return outcome.word().to_owned();
    }
    format!("{} {terms}", outcome.word())
}

/// The same, with what else is known of it.
fn told(got: &TermResult) -> String {
    let line = one_line(got.outcome, &got.terms);
    if got.text.is_empty() { line } else { format!("{line}: {}", got.text) }
}

/// The reason, as far as the rule knows it.
fn reasons(executed: &EventResult, window: &str) -> Vec<String> {
    let mut out = Vec::new();
    let known = |got: &TermResult| {
        let (Some(last), Some(now)) = (got.last_ms, executed.time_ms) else { return String::new() };
        let ago = time::shown(now - last);
        let ago = ago.trim_start_matches(['+', '-']);
        let side = if now >= last { "earlier" } else { "later" };
        format!("; the last known sighting was at {}, {ago} {side}", time::date(last))
    };
    for got in &executed.got {
        match got.outcome {
            TestOutcome::NoMatch => out.extend(clauses(&executed.why)),
            TestOutcome::Seen => {
                out.push(format!("seen within the window of {window}{}", known(got)))
            }
            TestOutcome::Alert if got.last_ms.is_none() => {
                out.push("new: the term was never seen before".to_owned());
            }
            TestOutcome::Alert => out.push(format!("new in the window of {window}{}", known(got))),
            TestOutcome::Missing => out.push(format!("the event has no {}", got.text)),
            TestOutcome::Excepted => {
                out.push(format!("the exception `{}` suppresses it", got.text))
            }
            TestOutcome::OtherIndex => {
                out.push(format!("index {} is not in the rule's patterns", got.text))
            }
            TestOutcome::Repeat => {
                out.push("the same event (id and time) alerted before".to_owned())
            }
            TestOutcome::Learned => out.push("new, but dated before `learn_until`".to_owned()),
            TestOutcome::Late => {
                out.push("older than every remembered sighting of the term".to_owned())
            }
            _ => {}
        }
    }
    out
}

/// The clauses that decided a miss, with what was found.
fn clauses(why: &Value) -> Vec<String> {
    let list = why.get("decided_by").and_then(Value::as_array);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").to_owned();
    list.into_iter()
        .flatten()
        .map(|clause| {
            let found: Vec<String> = clause
                .get("found")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|value| text(Some(value)))
                .collect();
            let found = match found.as_slice() {
                [] => "the event has no such field".to_owned(),
                found => format!("found {}", found.join(", ")),
            };
            format!("false: {}; {found}", text(clause.get("clause")))
        })
        .collect()
}

/// The expected fields of an alert that are not there or hold something else.
fn fields_differ(fields: &[(String, Value)], alert: &Value) -> Option<(Vec<String>, Vec<String>)> {
    let (mut expected, mut got) = (Vec::new(), Vec::new());
    for (name, value) in fields {
        let found = lookup(alert, name);
        if found != Some(value) {
            expected.push(format!("{name}: {value}"));
            got.push(match found {
                Some(found) => format!("{name}: {found}"),
                None => format!("{name} is missing"),
            });
        }
    }
    (!expected.is_empty()).then_some((expected, got))
}

/// Judges what is known of a term when the case has ended.
pub(super) fn after(
    case: &CaseSpec,
    after: &ExpectedTerm,
    known: Option<&TermState>,
) -> Option<Failure> {
    let term = Value::Array(after.terms.clone());
    let episodes = known.map(TermState::episodes).unwrap_or_default();
    let first = episodes.iter().map(|e| e.first_ms).min();
    let last = episodes.iter().map(|e| e.last_ms).max();
    let line = |first: Option<i64>, last: Option<i64>| {
        let said = [("first", first), ("last", last)].into_iter().filter_map(|(word, ms)| {
            let offset = time::shown(ms? - case.start_ms);
            Some(format!("{word} {offset} ({})", time::date(ms?)))
        });
        match said.collect::<Vec<_>>().join(", ") {
            said if said.is_empty() => format!("{term} is in the state"),
            said => format!("{term}: {said}"),
        }
    };
    let unknown = format!("{term} is not in the state");
    let (expected, got) = match (after.absent, known) {
        (true, None) => return None,
        (true, Some(_)) => (unknown, line(None, last)),
        (false, None) => (line(after.first_ms, after.last_ms), unknown),
        (false, Some(_)) => {
            // Only what was asked for is compared.
            let first = first.filter(|_| after.first_ms.is_some());
            let last = last.filter(|_| after.last_ms.is_some());
            (line(after.first_ms, after.last_ms), line(first, last))
        }
    };
    (expected != got).then(|| Failure {
        line: after.line,
        about: "state after the events".to_owned(),
        expected: vec![expected],
        got: vec![got],
        why: Vec::new(),
    })
}

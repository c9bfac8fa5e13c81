//! An explanation for a person: the event, the clauses that decided, what the state knew.
//!
//! In: what a rule says of an event, and what the state said of its terms, as JSON. Out: a paragraph.
//! What comes from an event is escaped.

use super::value::{field, show_time, span, text, time};
use super::wrap::{whole, wrapped};
use crate::observe::EventLocation;
use serde_json::{Map, Value};

/// The paragraph; it ends with a line break.
#[must_use]
pub fn paragraph(at: &EventLocation, document: Map<String, Value>, state: &[Value]) -> String {
    let mut out = wrapped(&at.to_string(), "", "  ");
    let document = &Value::Object(document);
    let of = |name: &str| field(document, name).unwrap_or_default();
    if document.get("error").is_some() {
        let why = format!("cannot be read: {}: {}", of("error.code"), of("error.reason"));
        out += &wrapped(&why, "  ", "    ");
        return out;
    }
    if document.get("no_events").is_some() {
        out += &wrapped(&format!("no event: {}", of("no_events")), "  ", "    ");
        return out;
    }
    let when = time(document, "event.when").map(show_time);
    let id = field(document, "event.id").map(|id| format!("id {id}"));
    let facts: Vec<_> = [when, field(document, "event.who"), id].into_iter().flatten().collect();
    if !facts.is_empty() {
        out += &wrapped(&facts.join(", "), "  ", "    ");
    }
    if let Some(alert) = field(document, "event.of_alert") {
        out += &wrapped(&format!("the alert {alert} is of this event"), "  ", "    ");
    }
    let matched = document.get("matched") == Some(&Value::Bool(true));
    let word = if matched { "matches" } else { "does not match" };
    let mut add = |text: String| out += &text;
    add(labelled("  ", &format!("{word}: {}", of("rule"))));
    if let Some(name) = field(document, "other_index") {
        add(labelled("    ", &format!("left out: index {name} is not in the rule's patterns")));
    }
    if let Some(name) = field(document, "excepted") {
        let until = field(document, "excepted_until").map(|end| format!(", until {end}"));
        add(labelled(
            "    ",
            &format!("suppressed by exception: {name}{}", until.unwrap_or_default()),
        ));
        if let Some(reason) = field(document, "excepted_because") {
            add(labelled("          ", &format!("because: {reason}")));
        }
    }
    let list = |name: &str| document.get(name).and_then(Value::as_array).into_iter().flatten();
    for clause in list("decided_by") {
        let truth = if clause.get("true") == Some(&Value::Bool(true)) { "true " } else { "false" };
        let found = clause.get("found").and_then(text);
        add(labelled(&format!("    {truth} "), &field(clause, "clause").unwrap_or_default()));
        add(labelled(
            "          ",
            &format!("found: {}", found.as_deref().unwrap_or("no such field")),
        ));
    }
    for missing in list("missing") {
        let name = text(missing).unwrap_or_default();
        add(labelled("    ", &format!("missing: {name} (no new term without it)")));
    }
    let names: Vec<_> = list("new_terms_fields").map(text).collect();
    let mut keys = list("keys").map(text);
    for term in list("terms") {
        let values = term.as_array().into_iter().flatten();
        let pair = |(name, value): (&Option<String>, &Value)| {
            let value = text(value).unwrap_or_default();
            format!("{} = {value}", name.as_deref().unwrap_or_default())
        };
        let pairs: Vec<_> = names.iter().zip(values).map(pair).collect();
        add(labelled("    term:  ", &pairs.join(", ")));
        add(whole(&keys.next().flatten().unwrap_or_default(), "    key:   "));
    }
    for answer in state {
        add(labelled("    state: ", &sentence(document, answer)));
    }
    out
}

/// A line goes on under its text; one without a label, a little further in.
fn labelled(label: &str, text: &str) -> String {
    let further = if label.trim().is_empty() { 2 } else { 0 };
    wrapped(text, label, &" ".repeat(label.len() + further))
}

/// `seen: last 2025-03-06 10:12:00 UTC, 8 hours before, alerted then as f07d..`.
fn sentence(document: &Value, answer: &Value) -> String {
    let says = field(answer, "says").unwrap_or_default();
    let mut parts = Vec::new();
    let at = |name| time(answer, name);
    if let Some(last) = at("last_sighting").or_else(|| at("previous_sighting")) {
        parts.push(format!("last {}", show_time(last)));
        if let Some(now) = time(document, "time") {
            let ms = now.signed_duration_since(last).num_milliseconds();
            let side = if ms < 0 { "after" } else { "before" };
            parts.push(format!("{} {side}", span(ms.abs())));
        }
    } else if says == "new" {
        parts.push("never in the state".to_owned());
    }
    if let Some(ids) = field(answer, "alerted_as") {
        match at("first_sighting").filter(|first| Some(*first) != at("last_sighting")) {
            Some(first) => parts.push(format!("first {}, alerted as {ids}", show_time(first))),
            None => parts.push(format!("alerted then as {ids}")),
        }
    }
    if let Some(id) = field(answer, "alert") {
        parts.push(format!("alert {id}"));
    }
    if let Some(until) = at("approved_until") {
        let word = if says == "approved" { "" } else { "approved " };
        parts.push(format!("{word}until {}", show_time(until)));
        parts.extend(field(answer, "approved_because").map(|reason| format!("because: {reason}")));
    }
    parts.extend(field(answer, "reason"));
    if parts.is_empty() { says } else { format!("{says}: {}", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::wrap::WIDTH;
    use firstseen_envelope::Place;
    use serde_json::json;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn long_lines_are_wrapped() {
        let words = "words that go on ".repeat(12);
        let document = json!({
            "matched": true, "rule": words, "other_index": words, "excepted": words,
            "excepted_because": words, "missing": [words], "new_terms_fields": ["a"],
            "decided_by": [{ "clause": words, "found": words, "true": true }],
            "terms": [[words]], "keys": ["k"], "event": { "who": words, "of_alert": "id" },
        });
        let Value::Object(document) = document else { unreachable!() };
        let place = Place { offset: 0, line: 1, record: None };
        let at = EventLocation { file: "f".into(), place };
        let page = paragraph(&at, document, &[json!({ "says": "error", "reason": words })]);
        assert!(page.lines().all(|line| line.width() <= WIDTH), "{page}");
        assert_eq!(page.matches("words").count(), 12 * 10, "{page}");
        assert!(page.contains("  the alert id is of this event\n"), "{page}");
    }

    #[test]
    fn the_state_answers_in_a_sentence() {
        let document = json!({ "time": "2025-03-06T18:12:00.000Z" });
        let last = "2025-03-06T10:12:00.000Z";
        for (answer, expected) in [
            (
                json!({ "says": "seen", "first_sighting": last, "last_sighting": last,
                        "alerted_as": ["f07d"] }),
                "seen: last 2025-03-06 10:12:00 UTC, 8 hours before, alerted then as f07d",
            ),
            (
                json!({ "says": "seen", "first_sighting": "2025-03-01T10:00:00Z",
                        "last_sighting": last, "alerted_as": ["f07d"] }),
                "seen: last 2025-03-06 10:12:00 UTC, 8 hours before, first 2025-03-01 10:00:00 \
                 UTC, alerted as f07d",
            ),
            (
                json!({ "says": "seen", "first_sighting": last,
                        "last_sighting": "2025-03-06T19:12:00Z" }),
                "seen: last 2025-03-06 19:12:00 UTC, 1 hour after",
            ),
            (json!({ "says": "new", "alert": "a1" }), "new: never in the state, alert a1"),
            (
                json!({ "says": "new", "previous_sighting": "2025-02-01T18:12:00Z", "alert": "a1" }),
                "new: last 2025-02-01 18:12:00 UTC, 33 days before, alert a1",
            ),
            (json!({ "says": "repeat", "alert": "a1" }), "repeat: alert a1"),
            (json!({ "says": "learned" }), "learned"),
            (
                json!({ "says": "approved", "approved_until": last, "approved_because": "a\u{1b}" }),
                "approved: until 2025-03-06 10:12:00 UTC, because: a\\u{1b}",
            ),
            (json!({ "says": "error", "reason": "bad\u{1b}" }), "error: bad\\u{1b}"),
        ] {
            assert_eq!(sentence(&document, &answer), expected, "{answer}");
        }
    }
}

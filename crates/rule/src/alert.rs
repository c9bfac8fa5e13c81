//! The alert's document, in the ECS alert form.
//!
//! In: the event's text, the rule, the term, the sighting before. Out: one JSON object: the event
//! as a nested ECS document, and flat `kibana.alert.*` names beside it, as Elasticsearch stores
//! them. Nothing else goes in - no clock, no counter - so that the same alert has the same bytes.

use crate::identity;
use crate::plan::RulePlan;
use crate::settings::{AlertRuleText, BRIEF_WITHOUT};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use chrono::{DateTime, SecondsFormat};
use firstseen_event::json::{Json, Object};
use firstseen_event::{ALERT_NAMES, WrittenDocument, WrittenField};
use firstseen_value::{hex, push_escaped, push_plain, push_quoted};

/// What an alert is about.
#[derive(Debug, Clone, Copy)]
pub struct AlertContext<'a> {
    /// The rule.
    pub rule: &'a RulePlan,
    /// Its fingerprint.
    pub fingerprint: &'a str,
    /// The window as it is written.
    pub window: &'a str,
    /// Time of the event, milliseconds since 1970.
    pub time_ms: i64,
    /// Identity of the event.
    pub identity: &'a [u8; 16],
    /// The term, a JSON array.
    pub term: &'a str,
    /// The sighting before it.
    pub previous_ms: Option<i64>,
    /// How many bytes the event has, where the alert holds only a part of them.
    pub shortened_from: Option<usize>,
}

/// What alerts have besides the event's fields. [`Self::Own`] are the same in all alerts of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AlertPart {
    Time,
    Event,
    Evidence,
    Ancestors,
    Terms,
    OriginalEvent,
    OriginalTime,
    Reason,
    Uuid,
    Own,
}

/// Their names, and the text of those that are the same in all alerts.
const PARTS: [(&str, AlertPart, &str); 12] = [
    ("@timestamp", AlertPart::Time, ""),
    ("event", AlertPart::Event, ""),
    ("firstseen", AlertPart::Evidence, ""),
    ("kibana.alert.ancestors", AlertPart::Ancestors, ""),
    ("kibana.alert.depth", AlertPart::Own, "1"),
    ("kibana.alert.new_terms", AlertPart::Terms, ""),
    ("kibana.alert.original_event", AlertPart::OriginalEvent, ""),
    ("kibana.alert.original_time", AlertPart::OriginalTime, ""),
    ("kibana.alert.reason", AlertPart::Reason, ""),
    ("kibana.alert.status", AlertPart::Own, "\"active\""),
    ("kibana.alert.uuid", AlertPart::Uuid, ""),
    ("kibana.alert.workflow_status", AlertPart::Own, "\"open\""),
];

/// What a rule gives all of its alerts, as it is written, and the order of all that an alert has besides the
/// event's fields. It is most of an alert.
#[derive(Debug)]
pub struct AlertTemplate(Vec<TemplatePart>);

/// A part that is filled in, or members that are the same in all alerts.
#[derive(Debug)]
struct TemplatePart {
    part: AlertPart,
    /// Its first name.
    name: String,
    /// `"NAME":`, or whole members.
    text: String,
}

impl AlertTemplate {
    /// The template of a rule.
    ///
    /// # Errors
    /// A message, when the rule's part of the alert cannot be read.
    pub fn new(rule: &RulePlan, rule_text: AlertRuleText) -> Result<Self, String> {
        let damaged = |fault| format!("the rule's part of the alert is damaged: {fault}");
        let mut members = Object::new();
        Json::read_members(&rule.alert, &mut members).map_err(damaged)?;
        if rule_text == AlertRuleText::Brief {
            members.retain(|name, _| !BRIEF_WITHOUT.contains(&name.as_str()));
        }
        for (name, part, text) in PARTS {
            let _ = (part, members.insert(name.to_owned(), Json::Written(text.to_owned())));
        }
        let mut parts: Vec<TemplatePart> = Vec::new();
        for (name, value) in members {
            let known = PARTS.iter().find(|(known, ..)| *known == name);
            let part = known.map_or(AlertPart::Own, |(_, part, _)| *part);
            let mut text = String::new();
            if part != AlertPart::OriginalEvent {
                push_quoted(&mut text, &name);
                text.push(':');
            }
            value.write(&mut text);
            // Between two names of alerts there is none of an event.
            match parts.last_mut() {
                Some(last)
                    if part == AlertPart::Own
                        && last.part == AlertPart::Own
                        && [&last.name, &name].iter().all(|name| is_of_alerts(name)) =>
                {
                    last.text.push(',');
                    last.text.push_str(&text);
                }
                _ => parts.push(TemplatePart { part, name, text }),
            }
        }
        Ok(Self(parts))
    }
}

fn is_of_alerts(name: &str) -> bool {
    name.strip_prefix(ALERT_NAMES).is_some_and(|rest| rest.starts_with('.'))
}

/// Bytes of an alert besides its event and what the rule says of itself, mostly.
pub const BESIDE_EVENT: usize = 2 << 10;

/// Adds the alert as JSON text, which is UTF-8.
///
/// # Errors
/// A message, when the term cannot be read; what was added until then is of no use.
pub fn render(
    event: &WrittenDocument,
    template: &AlertTemplate,
    about: &AlertContext<'_>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    // At once: to grow step by step takes three times the room.
    let own = template.0.iter().map(|part| part.text.len()).sum::<usize>();
    let beside = own.saturating_add(about.term.len()).saturating_add(BESIDE_EVENT);
    out.reserve(event.text().len().saturating_add(beside));
    let time = rfc3339(about.time_ms);
    let mut members = event.members();
    out.push(b'{');
    for part in &template.0 {
        // The event's members before it, which stand together in its text; one of the same name is left
        // out.
        let (before, behind) = around(members, &part.name);
        if let Some(text) = event.text_of(before) {
            add(out, text);
            out.push(b',');
        }
        members = behind;
        add(out, part.text.as_bytes());
        match part.part {
            AlertPart::Own => {}
            AlertPart::Time => push_plain(out, &time),
            AlertPart::Event => push_event(out, event),
            AlertPart::Evidence => push_evidence(out, about),
            AlertPart::Ancestors => push_ancestor(out, event, about),
            AlertPart::Terms => push_terms(out, about.term)?,
            AlertPart::OriginalEvent => {
                push_original(out, event);
                continue;
            }
            AlertPart::OriginalTime => {
                // Where another field is the time, the event's own `@timestamp` stays on record.
                match event.member("@timestamp").filter(|_| about.rule.event_time.is_some()) {
                    Some(own) => add(out, own),
                    None => push_plain(out, &time),
                }
            }
            AlertPart::Reason => push_reason(out, event, about.rule),
            AlertPart::Uuid => {
                let of = (about.fingerprint, about.identity, about.term);
                push_plain(out, &identity::of_alert(&about.rule.id, of.0, of.1, of.2));
            }
        }
        out.push(b',');
    }
    match event.text_of(members) {
        Some(text) => add(out, text),
        None => {
            out.pop();
        }
    }
    out.push(b'}');
    Ok(())
}

/// The members before a name, and those behind it; one of that name is left out.
fn around<'m>(members: &'m [WrittenField], name: &str) -> (&'m [WrittenField], &'m [WrittenField]) {
    let before = members.iter().take_while(|member| *member.name < *name).count();
    let (before, rest) = members.split_at_checked(before).unwrap_or((members, &[]));
    match rest.split_first() {
        Some((same, behind)) if same.name == name => (before, behind),
        _ => (before, rest),
    }
}

/// In little code: a copy at each place would be as much again.
#[inline(never)]
fn add(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
}

/// Adds `event` as it is in an alert.
fn push_event(out: &mut Vec<u8>, event: &WrittenDocument) {
    const KIND: (&str, &[u8]) = ("kind", b"\"kind\":\"signal\"");
    let (before, behind) = around(event.in_event(), KIND.0);
    out.push(b'{');
    if let Some(text) = event.text_of(before) {
        add(out, text);
        out.push(b',');
    }
    add(out, KIND.1);
    if let Some(text) = event.text_of(behind) {
        out.push(b',');
        add(out, text);
    }
    out.push(b'}');
}

fn push_evidence(out: &mut Vec<u8>, about: &AlertContext<'_>) {
    out.push(b'{');
    if let Some(ms) = about.previous_ms {
        add(out, b"\"previous_sighting\":");
        push_plain(out, &rfc3339(ms));
        out.push(b',');
    }
    if let Some(bytes) = about.shortened_from {
        add(out, b"\"shortened_from_bytes\":");
        add(out, bytes.to_string().as_bytes());
        out.push(b',');
    }
    add(out, b"\"window\":\"");
    push_escaped(out, about.window);
    add(out, b"\"}");
}

fn push_ancestor(out: &mut Vec<u8>, event: &WrittenDocument, about: &AlertContext<'_>) {
    let id = event.of_event().iter().find(|field| field.name == "id");
    let id = id.and_then(|id| event.text().get(id.value.clone()));
    add(out, b"[{\"depth\":0,\"id\":");
    match id.filter(|id| id.first() == Some(&b'"')) {
        Some(id) => add(out, id),
        None => push_plain(out, &hex(about.identity)),
    }
    add(out, b",\"index\":\"\",\"type\":\"event\"}]");
}

/// Adds the term's values.
fn push_terms(out: &mut Vec<u8>, term: &str) -> Result<(), String> {
    // Plain texts are written as they are read.
    if are_plain_texts(term.as_bytes()) {
        add(out, term.as_bytes());
        return Ok(());
    }
    let mut values = String::new();
    Json::read(term).map_err(|e| e.to_string())?.write(&mut values);
    add(out, values.as_bytes());
    Ok(())
}

/// Whether it is a list of texts without escapes and without white space around them.
fn are_plain_texts(term: &[u8]) -> bool {
    let Some(mut rest) = term.strip_prefix(b"[\"") else { return false };
    while let Some((byte, behind)) = rest.split_first() {
        rest = match byte {
            b'"' if behind == b"]" => return true,
            b'"' => match behind.strip_prefix(b",\"") {
                Some(next) => next,
                None => return false,
            },
            b'\\' | 0..0x20 => return false,
            _ => behind,
        };
    }
    false
}

/// Adds what the event says of itself, each by its path, with a comma behind it.
fn push_original(out: &mut Vec<u8>, event: &WrittenDocument) {
    for field in event.of_event() {
        add(out, b"\"kibana.alert.original_event.");
        push_escaped(out, &field.name);
        add(out, b"\":");
        add(out, event.text().get(field.value.clone()).unwrap_or_default());
        out.push(b',');
    }
}

/// A time as RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |t| t.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Adds one sentence, in the words that Elastic's alerts use.
fn push_reason(out: &mut Vec<u8>, doc: &WrittenDocument, rule: &RulePlan) {
    let mut add_all = |parts: &[&[u8]]| parts.iter().for_each(|part| add(out, part));
    add_all(&[b"\""]);
    if let Some(category) = doc.first("event.category") {
        add_all(&[category, b" "]);
    }
    add_all(&[b"event"]);
    let mut with: &[u8] = b" with ";
    for (label, path) in [
        ("process ", "process.name"),
        ("parent process ", "process.parent.name"),
        ("file ", "file.name"),
    ] {
        if let Some(value) = doc.first(path) {
            add_all(&[with, label.as_bytes(), value, b","]);
            with = b" ";
        }
    }
    for (side, ip, port) in [
        ("source ", "source.ip", "source.port"),
        ("destination ", "destination.ip", "destination.port"),
    ] {
        if let Some(ip) = doc.first(ip) {
            add_all(&[with, side.as_bytes(), ip]);
            with = b" ";
            if let Some(port) = doc.first(port) {
                add_all(&[b":", port, b","]);
            }
        }
    }
    if let Some(user) = doc.first("user.name") {
        add_all(&[b" by ", user]);
    }
    if let Some(host) = doc.first("host.name") {
        add_all(&[b" on ", host]);
    }
    add_all(&[b" created "]);
    push_escaped(out, &rule.severity);
    add(out, b" alert ");
    push_escaped(out, &rule.name);
    add(out, b".\"");
}

#[cfg(test)]
mod tests;

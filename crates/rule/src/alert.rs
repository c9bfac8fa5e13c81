//! The alert's document, in the ECS alert form.
//!
//! In: the event's text, the rule, the term, the sighting before. Out: one JSON object: the event
//! as a nested ECS document, and flat `kibana.alert.*` names beside it, as Elasticsearch stores
//! them. Nothing else goes in - no clock, no counter - so that the same alert has the same bytes.

use crate::identity;
use crate::plan::RulePlan;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use chrono::{DateTime, SecondsFormat};
use firstseen_event::json::{Json, Object, write_layers};
use firstseen_value::hex;

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

/// What a rule gives all of its alerts, each member as it is written. It is most of an alert.
///
/// # Errors
/// A message, when the rule's part of the alert cannot be read.
pub fn rule_members(rule: &RulePlan) -> Result<Object, String> {
    let damaged = |fault| format!("the rule's part of the alert is damaged: {fault}");
    let mut members = Object::new();
    Json::read_members(&rule.alert, &mut members).map_err(damaged)?;
    Ok(members)
}

/// The alert as JSON text; `event` is the event as an ECS document, which may be deep, and `members` what the
/// rule gives all of its alerts.
///
/// # Errors
/// A message, when the term cannot be read.
pub fn render(
    event: &Object,
    members: &Object,
    about: &AlertContext<'_>,
) -> Result<String, String> {
    let time = rfc3339(about.time_ms);
    // Where another field is the time, the event's own `@timestamp` stays on record.
    let own = event.get("@timestamp").filter(|_| about.rule.event_time.is_some());
    let original_time = own.map_or_else(|| Json::from(&*time), copy);
    let mut alert = original_event(event);
    let id = match alert.get("kibana.alert.original_event.id") {
        Some(Json::Text(id)) => id.clone(),
        _ => hex(about.identity),
    };
    let values = Json::read(about.term).map_err(|e| e.to_string())?;
    let uuid = identity::of_alert(&about.rule.id, about.fingerprint, about.identity, about.term);
    let ancestor = Json::from([
        ("depth", Json::from(0)),
        ("id", Json::from(id)),
        ("index", Json::from("")),
        ("type", Json::from("event")),
    ]);
    let mut evidence = Object::new();
    if let Some(ms) = about.previous_ms {
        set(&mut evidence, "previous_sighting", rfc3339(ms));
    }
    if let Some(bytes) = about.shortened_from {
        set(&mut evidence, "shortened_from_bytes", bytes);
    }
    set(&mut evidence, "window", about.window);
    for (name, value) in [
        ("@timestamp", Json::from(time)),
        ("event", signal(event)),
        ("firstseen", Json::Object(evidence)),
        ("kibana.alert.ancestors", Json::List(vec![ancestor])),
        ("kibana.alert.depth", Json::from(1)),
        ("kibana.alert.new_terms", values),
        ("kibana.alert.original_time", original_time),
        ("kibana.alert.reason", Json::from(reason(event, about.rule))),
        ("kibana.alert.status", Json::from("active")),
        ("kibana.alert.uuid", Json::from(uuid)),
        ("kibana.alert.workflow_status", Json::from("open")),
    ] {
        set(&mut alert, name, value);
    }
    let mut out = String::new();
    write_layers([event, members, &alert], &mut out);
    Ok(out)
}

fn set(object: &mut Object, name: &str, value: impl Into<Json>) {
    object.insert(name.to_owned(), value.into());
}

/// A time as RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |t| t.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// `event` as it is in an alert.
fn signal(event: &Object) -> Json {
    let mut kind = Object::new();
    set(&mut kind, "kind", "signal");
    match event.get("event") {
        Some(Json::Object(members)) => {
            let mut text = String::new();
            write_layers([members, &kind, &Object::new()], &mut text);
            Json::Written(text)
        }
        _ => Json::Object(kind),
    }
}

/// A value to be written once more. A container is copied as text, because it may be deep.
fn copy(value: &Json) -> Json {
    match value {
        Json::List(_) | Json::Object(_) => {
            let mut text = String::new();
            value.write(&mut text);
            Json::Written(text)
        }
        scalar => scalar.clone(),
    }
}

/// How many objects below `event` are opened.
const ORIGINAL_LEVELS: usize = 8;

/// The members of `event` by their paths.
fn original_event(event: &Object) -> Object {
    let mut to = Object::new();
    let mut path = String::from("kibana.alert.original_event");
    let mut open = Vec::new();
    if let Some(Json::Object(members)) = event.get("event") {
        open.push((members.iter(), path.len()));
    }
    while let Some((members, length)) = open.last_mut() {
        path.truncate(*length);
        let Some((name, value)) = members.next() else {
            open.pop();
            continue;
        };
        path.push('.');
        path.push_str(name);
        match value {
            Json::Object(inner) if open.len() <= ORIGINAL_LEVELS => {
                open.push((inner.iter(), path.len()));
            }
            other => {
                to.insert(path.clone(), copy(other));
            }
        }
    }
    // The document holds the raw event already.
    to.remove("kibana.alert.original_event.original");
    to
}

/// The first value at a path, as text.
fn at(doc: &Object, path: &str) -> Option<String> {
    let mut names = path.split('.');
    let mut value = doc.get(names.next()?)?;
    for name in names {
        let Json::Object(members) = value else { return None };
        value = members.get(name)?;
    }
    let first = match value {
        Json::List(list) => list.first()?,
        other => other,
    };
    match first {
        Json::Text(s) if !s.is_empty() => Some(s.clone()),
        Json::Number(n) => Some(n.clone()),
        _ => None,
    }
}

/// One sentence, in the words that Elastic's alerts use.
fn reason(doc: &Object, rule: &RulePlan) -> String {
    let mut out = String::new();
    if let Some(category) = at(doc, "event.category") {
        out.push_str(&category);
        out.push(' ');
    }
    out.push_str("event");
    let mut things = String::new();
    for (label, path) in [
        ("process", "process.name"),
        ("parent process", "process.parent.name"),
        ("file", "file.name"),
    ] {
        if let Some(value) = at(doc, path) {
            things.push_str(&format!(" {label} {value},"));
        }
    }
    for side in ["source", "destination"] {
        if let Some(ip) = at(doc, &format!("{side}.ip")) {
            things.push_str(&format!(" {side} {ip}"));
            if let Some(port) = at(doc, &format!("{side}.port")) {
                things.push_str(&format!(":{port},"));
            }
        }
    }
    if !things.is_empty() {
        out.push_str(" with");
        out.push_str(&things);
    }
    if let Some(user) = at(doc, "user.name") {
        out.push_str(&format!(" by {user}"));
    }
    if let Some(host) = at(doc, "host.name") {
        out.push_str(&format!(" on {host}"));
    }
    out.push_str(&format!(" created {} alert {}.", rule.severity, rule.name));
    out
}

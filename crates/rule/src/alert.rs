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
use firstseen_event::json::{Json, Object};
use firstseen_value::{hex, push_quoted};

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

/// The members that a rule gives its alerts, each as JSON text, in the order of their names. They are most of an alert
/// and the same in all of them, so that they are rendered once.
#[derive(Debug)]
pub struct RuleMembers(Vec<(String, String)>);

impl RuleMembers {
    /// The members of this rule.
    ///
    /// # Errors
    /// A message, when they cannot be read.
    pub fn of(rule: &RulePlan) -> Result<Self, String> {
        let damaged = |what: &str| format!("the rule's part of the alert is damaged: {what}");
        match Json::read(&rule.alert).map_err(|e| damaged(&e.to_string()))? {
            Json::Object(members) => {
                let rendered = members.into_iter().map(|(name, value)| {
                    let mut text = String::new();
                    value.write(&mut text);
                    (name, text)
                });
                Ok(Self(rendered.collect()))
            }
            _ => Err(damaged("it is not an object")),
        }
    }

    /// About how many bytes they are.
    fn len(&self) -> usize {
        self.0.iter().map(|(name, text)| name.len().saturating_add(text.len())).sum()
    }
}

/// The alert as JSON text; `document` is the event as an ECS document.
///
/// # Errors
/// A message, when the term cannot be read.
pub fn render(
    document: &Object,
    members: &RuleMembers,
    about: &AlertContext<'_>,
) -> Result<String, String> {
    let time = rfc3339(about.time_ms);
    // Where another field is the time, the event's own `@timestamp` stays on record.
    let own_time = document.get("@timestamp").filter(|_| about.rule.event_time.is_some());
    let original_time = own_time.cloned().unwrap_or_else(|| Json::from(&*time));
    let mut own = Object::new();
    match document.get("event") {
        Some(Json::Object(event)) => flatten("kibana.alert.original_event", event, &mut own, 8),
        _ => set(&mut own, "event", Json::from([("kind", Json::from("signal"))])),
    }
    let id = match own.get("kibana.alert.original_event.id") {
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
        ("firstseen", Json::Object(evidence)),
        ("kibana.alert.ancestors", Json::List(vec![ancestor])),
        ("kibana.alert.depth", Json::from(1)),
        ("kibana.alert.new_terms", values),
        ("kibana.alert.original_time", original_time),
        ("kibana.alert.reason", Json::from(reason(document, about.rule))),
        ("kibana.alert.status", Json::from("active")),
        ("kibana.alert.uuid", Json::from(uuid)),
        ("kibana.alert.workflow_status", Json::from("open")),
    ] {
        set(&mut own, name, value);
    }
    let mut out = String::with_capacity(members.len().saturating_add(ROOM));
    write(document, members, &own, &mut out);
    Ok(out)
}

/// Room for the event in an alert, to begin with.
const ROOM: usize = 8 << 10;

/// Members of all three in the order of their names. Of one name the alert's own counts, then the rule's.
fn write(document: &Object, members: &RuleMembers, own: &Object, out: &mut String) {
    let (mut own, mut members) = (own.iter().peekable(), members.0.iter().peekable());
    let mut document = document.iter().peekable();
    let mut before = '{';
    loop {
        let names = [
            own.peek().map(|member| member.0),
            members.peek().map(|member| &member.0),
            document.peek().map(|member| member.0),
        ];
        let Some(name) = names.into_iter().flatten().min() else { break };
        out.push(before);
        before = ',';
        push_quoted(out, name);
        out.push(':');
        let of_own = own.next_if(|member| member.0 == name);
        let of_rule = members.next_if(|member| member.0 == *name);
        let of_event = document.next_if(|member| member.0 == name);
        match (of_own, of_rule, of_event) {
            (Some((_, value)), ..) => value.write(out),
            (None, Some((_, text)), _) => out.push_str(text),
            (None, None, Some((name, Json::Object(event)))) if name == "event" => {
                write_event(event, out);
            }
            (None, None, Some((_, value))) => value.write(out),
            (None, None, None) => {}
        }
    }
    out.push('}');
}

/// The event's own members, of which the kind becomes that of an alert.
fn write_event(event: &Object, out: &mut String) {
    let (mut before, mut is_written) = ('{', false);
    let mut member = |name: &str, value: Option<&Json>| {
        out.push(before);
        before = ',';
        push_quoted(out, name);
        out.push(':');
        match value {
            Some(value) => value.write(out),
            None => out.push_str("\"signal\""),
        }
    };
    for (name, value) in event {
        if !is_written && name.as_str() >= "kind" {
            is_written = true;
            member("kind", None);
        }
        if name != "kind" {
            member(name, Some(value));
        }
    }
    if !is_written {
        member("kind", None);
    }
    out.push('}');
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

/// The event's text among its members: the document holds it already.
const TEXT: &str = "kibana.alert.original_event.original";

/// The members of the event by their paths, but for its text.
fn flatten(prefix: &str, from: &Object, to: &mut Object, depth: u8) {
    for (name, value) in from {
        let path = format!("{prefix}.{name}");
        match value {
            Json::Object(inner) if depth > 0 => flatten(&path, inner, to, depth.saturating_sub(1)),
            _ if path == TEXT => {}
            other => {
                to.insert(path, other.clone());
            }
        }
    }
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

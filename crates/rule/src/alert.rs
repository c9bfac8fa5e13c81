//! The alert's document, in the ECS alert form.
//!
//! In: the event's text, the rule, the term, the sighting before. Out: one JSON object: the event
//! as a nested ECS document, and flat `kibana.alert.*` names beside it, as Elasticsearch stores
//! them. Nothing else goes in - no clock, no counter - so that the same alert has the same bytes.

use crate::identity;
use crate::plan::RulePlan;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

/// What an alert is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The rule.
    pub rule: &'a RulePlan,
    /// Its fingerprint.
    pub fingerprint: &'a str,
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

/// The alert as JSON text; `source` is the event as an ECS document.
///
/// # Errors
/// A sentence, when the plan's own part cannot be read.
pub fn render(source: Map<String, Value>, about: &About<'_>) -> Result<String, String> {
    let mut alert = source;
    let time = rfc3339(about.time_ms);
    let reason = reason(&alert, about.rule);
    // Where another field is the time, the event's own `@timestamp` stays on record.
    let own = alert.get("@timestamp").filter(|_| about.rule.event_time.is_some());
    let original_time = own.cloned().unwrap_or_else(|| json!(time));
    let mut original = Map::new();
    if let Some(Value::Object(event)) = alert.get("event") {
        flatten("kibana.alert.original_event", event, &mut original, 8);
    }
    // The raw event stands in the document already.
    original.remove("kibana.alert.original_event.original");
    let id = match original.get("kibana.alert.original_event.id") {
        Some(Value::String(id)) => id.clone(),
        _ => {
            let mut hex = String::new();
            identity::push_hex(&mut hex, about.identity);
            hex
        }
    };
    alert.append(&mut original);
    let rule: Map<String, Value> = serde_json::from_str(&about.rule.alert)
        .map_err(|e| format!("the rule's part of the alert is damaged: {e}"))?;
    alert.extend(rule);
    set_kind(&mut alert);
    let values: Value = serde_json::from_str(about.term).map_err(|e| e.to_string())?;
    let uuid = identity::of_alert(&about.rule.id, about.fingerprint, about.identity, about.term);
    let ours = [
        ("@timestamp", json!(time)),
        ("kibana.alert.ancestors", json!([{ "depth": 0, "id": id, "index": "", "type": "event" }])),
        ("kibana.alert.depth", json!(1)),
        ("kibana.alert.new_terms", values),
        ("kibana.alert.original_time", original_time),
        ("kibana.alert.reason", json!(reason)),
        ("kibana.alert.status", json!("active")),
        ("kibana.alert.uuid", json!(uuid)),
        ("kibana.alert.workflow_status", json!("open")),
    ];
    alert.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    let mut evidence = Map::new();
    if let Some(ms) = about.previous_ms {
        evidence.insert("previous_sighting".to_owned(), json!(rfc3339(ms)));
    }
    if let Some(bytes) = about.shortened_from {
        evidence.insert("shortened_from_bytes".to_owned(), json!(bytes));
    }
    evidence.insert("window".to_owned(), json!(about.rule.window));
    alert.insert("firstseen".to_owned(), Value::Object(evidence));
    serde_json::to_string(&alert).map_err(|e| e.to_string())
}

/// A time as RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |t| t.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn set_kind(alert: &mut Map<String, Value>) {
    match alert.get_mut("event") {
        Some(Value::Object(event)) => {
            event.insert("kind".to_owned(), json!("signal"));
        }
        _ => {
            alert.insert("event".to_owned(), json!({ "kind": "signal" }));
        }
    }
}

fn flatten(prefix: &str, from: &Map<String, Value>, to: &mut Map<String, Value>, depth: u8) {
    for (name, value) in from {
        let path = format!("{prefix}.{name}");
        match value {
            Value::Object(inner) if depth > 0 => flatten(&path, inner, to, depth.saturating_sub(1)),
            other => {
                to.insert(path, other.clone());
            }
        }
    }
}

/// The first value at a path, as text.
fn at(doc: &Map<String, Value>, path: &str) -> Option<String> {
    let mut names = path.split('.');
    let mut value = doc.get(names.next()?)?;
    for name in names {
        value = value.as_object()?.get(name)?;
    }
    let first = match value {
        Value::Array(list) => list.first()?,
        other => other,
    };
    match first {
        Value::String(s) if !s.is_empty() => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

/// One sentence, in the words that Elastic's alerts use.
fn reason(doc: &Map<String, Value>, rule: &RulePlan) -> String {
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

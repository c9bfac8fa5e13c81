//! Alerts as they are written against a plain way of making them, from trees.

use super::*;
use alloc::vec;
use firstseen_event::{Scratch, Trust, document, written_document};
use proptest::prelude::*;
use serde_json::{Value, json};

fn rendered(
    event: &WrittenDocument,
    template: &AlertTemplate,
    about: &AlertContext<'_>,
) -> Result<String, String> {
    let mut out = b"before".to_vec();
    render(event, template, about, &mut out)?;
    Ok(String::from_utf8(out.split_off(6)).unwrap())
}

/// The alert of an event's tree, and of what the rule gives all of its alerts.
fn plain(event: &Object, members: &Object, about: &AlertContext<'_>) -> Result<String, String> {
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

/// The members of all three; of one name that of the last.
fn write_layers(layers: [&Object; 3], out: &mut String) {
    let mut all = Object::new();
    layers.into_iter().for_each(|layer| all.extend(layer.clone()));
    Json::Object(all).write(out);
}

fn rule(severity: &str) -> RulePlan {
    let text = format!(
        r#"[rule]
type = "new_terms"
rule_id = "r"
name = "A \"name\" \\u00e4"
description = "d"
author = ["a"]
severity = "{severity}"
risk_score = 1
query = "event.action: *"
note = "n"
[rule.new_terms]
field = "new_terms_fields"
value = ["user.name"]
[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-7d"
"#
    );
    crate::source::read(&text, &crate::source::ReadOptions::default()).unwrap().plan
}

const KEYS: &[&str] = &[
    "event",
    "kind",
    "id",
    "original",
    "action",
    "category",
    "kibana",
    "alert",
    "kibana.alert.depth",
    "kibana.z",
    "event.kind",
    "event.a.b",
    "a",
    "a-b",
    "a.b",
    "firstseen",
    "firstseeo",
    "@timestamp",
    "source",
    "ip",
    "port",
    "source.port",
    "destination",
    "process",
    "name",
    "process.parent.name",
    "file",
    "user",
    "user.name",
    "host",
    "host.name",
    "k..l",
    "\u{e4}\"",
    "z",
];

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\"\\\\\n\u{e4}]{0,6}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            4 => members(inner),
        ]
    })
}

fn members(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let members = prop::collection::btree_map(prop::sample::select(KEYS), values, 0..6);
    members.prop_map(|members| json!(members))
}

fn about<'a>(rule: &'a RulePlan, term: &'a str, previous_ms: Option<i64>) -> AlertContext<'a> {
    AlertContext {
        rule,
        fingerprint: "f",
        window: "7d",
        time_ms: 1_700_000_000_123,
        identity: &[7; 16],
        term,
        previous_ms,
        shortened_from: previous_ms.map(|_| 12),
    }
}

proptest! {
    #[test]
    fn an_alert_is_what_the_trees_say(
        event in members(value()),
        is_other_time in any::<bool>(),
        is_raw in any::<bool>(),
        term in prop::sample::select(&["[\"x\"]", "[\"x\\u0041\",1]", "[ \"a\",\"b\" ]", "[]"][..]),
        previous_ms in prop::option::of(0_i64..1 << 45),
    ) {
        let mut event = event;
        if is_raw {
            let raw = json!({"eventName": "CreateUser", "eventSource": "iam.amazonaws.com",
                "eventTime": "2024-05-01T10:00:00Z", "requestParameters": event.clone()});
            event = raw;
        } else {
            event["@timestamp"] = json!(1);
        }
        let text = event.to_string();
        let mut rule = rule("low");
        if is_other_time {
            rule.event_time = Some(crate::plan::TimeField { field: "z".to_owned(), fallback: true });
        }
        let about = about(&rule, term, previous_ms);
        let template = AlertTemplate::new(&rule, AlertRuleText::Full).unwrap();
        let written = written_document(&text, Trust::DEFAULT, &mut Scratch::default()).unwrap();
        let found = rendered(&written, &template, &about).unwrap();
        // What an event says of alerts is left out.
        let mut tree = document(&text).unwrap();
        tree.retain(|name, _| !name.starts_with("kibana.alert"));
        if let Some(Json::Object(kibana)) = tree.get_mut("kibana") {
            let length = kibana.len();
            kibana.retain(|name, _| name != "alert" && !name.starts_with("alert."));
            if kibana.is_empty() && length > 0 {
                tree.remove("kibana");
            }
        }
        let mut members = Object::new();
        Json::read_members(&rule.alert, &mut members).unwrap();
        if !text.contains("[{") && !text.contains("[[") {
            prop_assert_eq!(found.clone(), plain(&tree, &members, &about).unwrap(), "{}", text);
        }
        let value: Value = serde_json::from_str(&found).unwrap();
        prop_assert_eq!(&value["kibana.alert.depth"], &json!(1));
        let nested = value["kibana"].get("alert");
        prop_assert_eq!(nested, None);
    }
}

#[test]
fn a_brief_alert_is_without_the_long_texts() {
    let rule = rule("low");
    let event = r#"{"@timestamp":1}"#;
    let written = written_document(event, Trust::DEFAULT, &mut Scratch::default()).unwrap();
    let names = |text| {
        let template = AlertTemplate::new(&rule, text).unwrap();
        let alert = rendered(&written, &template, &about(&rule, "[]", None)).unwrap();
        let alert: serde_json::Map<String, Value> = serde_json::from_str(&alert).unwrap();
        alert.keys().cloned().collect::<Vec<String>>()
    };
    let (mut full, brief) = (names(AlertRuleText::Full), names(AlertRuleText::Brief));
    assert!(full.iter().any(|name| name == "kibana.alert.rule.note"));
    full.retain(|name| !BRIEF_WITHOUT.contains(&name.as_str()));
    assert_eq!(brief, full);
    assert!(brief.iter().any(|name| name == "kibana.alert.rule.name"));
}

#[test]
fn a_term_that_is_no_json_is_an_error() {
    let rule = rule("low");
    let template = AlertTemplate::new(&rule, AlertRuleText::Full).unwrap();
    let event = r#"{"@timestamp":1}"#;
    let written = written_document(event, Trust::DEFAULT, &mut Scratch::default()).unwrap();
    for term in ["[", "[\"a\" \"b\"]", "[\"\\x\"]", ""] {
        assert!(rendered(&written, &template, &about(&rule, term, None)).is_err(), "{term}");
    }
}

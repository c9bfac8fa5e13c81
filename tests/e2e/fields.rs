//! `firstseen fields`: events as rules see them.
//!
//! In: events in several envelopes. Out: whether names, types and values are right.

use crate::support::{Folder, call};
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;

fn event(id: &str) -> Value {
    json!({
        "eventVersion": "1.11", "eventID": id, "eventTime": "2025-03-03T10:00:00Z",
        "eventSource": "iam.amazonaws.com", "eventName": "CreateUser", "readOnly": false,
        "sourceIPAddress": "203.0.113.24", "recipientAccountId": "111122223333",
        "requestParameters": { "userName": "bob", "tags": [{ "key": "a" }, { "key": "b" }] },
        "userIdentity": { "type": "IAMUser", "userName": "alice" },
    })
}

/// Type and values of a field.
fn field(line: &Value, name: &str) -> Option<(String, Value)> {
    let fields = line["fields"].as_array().unwrap();
    let found = fields.iter().find(|field| field["name"] == name)?;
    Some((found["type"].as_str().unwrap().to_owned(), found["values"].clone()))
}

#[test]
fn an_event_is_shown_as_flat_ecs_with_types() {
    let text = event("one").to_string();
    let done = call("fields").arg(&text).args(&["--format", "ndjson"]).ok();
    let line: Value = serde_json::from_str(&done.stdout).unwrap();
    for (name, kind, values) in [
        ("@timestamp", "date", json!(["2025-03-03T10:00:00Z"])),
        ("event.action", "keyword", json!(["CreateUser"])),
        ("source.ip", "ip", json!(["203.0.113.24"])),
        ("user.name", "keyword", json!(["alice"])),
        ("aws.cloudtrail.flattened.request_parameters.tags.key", "flattened", json!(["a", "b"])),
    ] {
        assert_eq!(field(&line, name), Some((kind.to_owned(), values)), "{name}: {line}");
    }
    let page = call("fields").arg(&text).args(&["--format", "pretty"]).ok().stdout;
    assert!(page.starts_with("the event: line 1"), "{page}");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<_> = page.lines().map(words).collect();
    assert!(
        lines.contains(&vec!["source.ip".into(), "ip".into(), "203.0.113.24".into()]),
        "{page}"
    );
    let ecs = r#"{"@timestamp":"2025-03-03T10:00:00Z","event.action":"x","process":{"pid":7}}"#;
    let done = call("fields").arg(ecs).args(&["--format", "ndjson"]).ok();
    let line: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(field(&line, "process.pid"), Some(("number".to_owned(), json!([7]))));
}

#[test]
fn envelopes_and_gzip_are_opened_and_one_event_is_found_by_its_id() {
    let folder = Folder::new();
    let records = json!({ "Records": [event("one"), event("two")] }).to_string();
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(records.as_bytes()).unwrap();
    let file = folder.write("a.json.gz", packed.finish().unwrap());
    let ids = |done: crate::support::Done| -> Vec<Value> {
        let lines = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.map(|line: Value| field(&line, "event.id").unwrap().1[0].clone()).collect()
    };
    assert_eq!(ids(call("fields").arg(&file).ok()), ["one", "two"]);
    assert_eq!(ids(call("fields").arg(&file).args(&["--id", "two"]).ok()), ["two"]);
    assert_eq!(ids(call("fields").arg("-").pipe(records).ok()), ["one", "two"]);
    call("fields").arg(&file).args(&["--id", "none"]).fails(&["no event has the id none"]);
    call("fields").arg(folder.path("missing")).fails(&["missing"]);
    call("fields").arg(folder.write("empty.json", "")).fails(&["no event"]);
    call("fields").arg("{\"a\": ").fails(&["cannot be read"]);
}

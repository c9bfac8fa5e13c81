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
    let told = call("fields").arg(folder.write("empty.json", "")).ok().stderr;
    assert!(told.contains("no input holds an event") && told.contains("empty input"), "{told}");
    call("fields").arg("{\"a\": ").fails(&["cannot be read"]);
}

/// `run`, `explain` and `fields` tell the same of their inputs, and end with the same status.
#[test]
fn what_is_told_of_inputs_is_what_run_tells() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("in")).unwrap();
    std::fs::create_dir(folder.path("none")).unwrap();
    let raw = event("one").to_string().replace("CreateUser", "CreateStack");
    let raw = raw.replace("iam.amazonaws.com", "cloudformation.amazonaws.com");
    let time = "2025-03-03T10:00:00Z";
    let dataset = json!({ "@timestamp": time, "event": { "dataset": "app.log" }, "message": raw });
    let log_event = json!({ "id": "1", "timestamp": 1, "message": raw });
    let group = json!({
        "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "app", "logStream": "s",
        "logEvents": [log_event],
    });
    let digest = json!({ "awsAccountId": "1", "digestS3Bucket": "x", "digestStartTime": time, "logFiles": [] });
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(raw.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    folder.write("in/cut.json.gz", &packed[..packed.len() / 2]);
    folder.write("in/one.json", format!("{raw}\n"));
    folder.write("in/dataset.json", format!("{dataset}\n"));
    folder.write("in/group.json", format!("{group}\n"));
    folder.write("in/digest.json", format!("{digest}\n"));
    folder.write("in/bad.json", "{\"eventName\":\"CreateStack\",,}\n");
    for (name, text) in
        [("in/README", "text"), ("in/empty", ""), ("in/blank", " "), ("none/README", "text")]
    {
        folder.write(name, text);
    }
    let told = |command: &str, input: &str| {
        let done = call(command).args(&["--format", "ndjson"]).arg(folder.path(input)).ok();
        done.stderr
    };
    // What is said of single inputs, and the sums.
    let of_inputs = |text: &str| -> Vec<String> {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let sums = [
            "1 input could not be read to its end",
            "were not opened: --trust-envelopes dataset:app.log opens it",
            "was not opened: --trust-envelopes dataset:app.log opens it",
            "was not opened: --trust-envelopes log-group:app opens it",
            "skipped, no events: 1 file that is no log",
            "1 CloudTrail digest, 1 empty input, 1 input of white space alone",
            "nothing was read: no input holds an event",
        ];
        let sums = sums.into_iter().filter(|sum| words.contains(sum)).map(str::to_owned);
        let mut all: Vec<_> = sums.collect();
        let is_input = |line: &&str| line.starts_with("skipped: ") && !line.contains(": line ");
        all.extend(text.lines().filter(is_input).map(str::to_owned));
        // `explain` names in the order of its output.
        all.sort();
        all
    };
    let run = of_inputs(&told("run", "in"));
    assert_eq!(run.len(), 9, "{run:#?}");
    assert_eq!(run, of_inputs(&told("explain", "in")));
    assert_eq!(run, of_inputs(&told("fields", "in")));
    let run = of_inputs(&told("run", "none"));
    assert_eq!(run.len(), 3, "{run:#?}");
    assert_eq!(run, of_inputs(&told("explain", "none")));
    assert_eq!(run, of_inputs(&told("fields", "none")));
}

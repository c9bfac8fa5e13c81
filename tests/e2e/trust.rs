//! No text that somebody else chooses decides whether an event is judged.
//!
//! In: small inputs, made here, in the forms in which logs arrive. Out: the alerts and the counts of
//! `run`. What docs/trust.md says is tested here.

use crate::build::artifact;
use crate::stream::Live;
use crate::support::{Folder, create_stack, run};
use base64::Engine;
use serde_json::{Value, json};
use std::io::Write;

/// A query about another dataset.
const EXEC: &str =
    "event.dataset: kubernetes.audit_logs and kubernetes.audit.objectRef.subresource: exec";

/// An event of a Kubernetes audit log as an ECS document, by a client of this name.
fn exec(user: &str, agent: &str) -> Value {
    let audit = json!({
        "kind": "Event", "verb": "create", "user": { "username": user }, "userAgent": agent,
        "objectRef": { "resource": "pods", "subresource": "exec" },
    });
    json!({
        "@timestamp": "2025-03-03T09:14:55Z",
        "data_stream": { "dataset": "kubernetes.audit_logs", "type": "logs" },
        "event": { "dataset": "kubernetes.audit_logs", "original": audit.to_string() },
        "kubernetes": { "audit": audit },
        "message": agent,
    })
}

#[test]
fn words_and_events_in_a_user_agent_do_not_hide_an_event() {
    let folder = Folder::new();
    let rule = artifact(&folder, "exec", EXEC, &["kubernetes.audit.user.username"]);
    let forged = create_stack("forged", "2025-03-03T09:00:00Z", "mallory").to_string();
    let agents = [
        "kubectl/v1.30",
        "kubectl/v1.30 eventName eventSource",
        "eventVersion eventTime",
        &forged,
        &format!("[{forged},{forged}]"),
        &json!({ "Records": [create_stack("f", "2025-03-03T09:00:00Z", "m")] }).to_string(),
        "[",
        "\u{feff}{\"eventName\":",
    ];
    let lines: String = agents
        .iter()
        .enumerate()
        .map(|(number, agent)| format!("{}\n", exec(&format!("user-{number}"), agent)))
        .collect();
    let done = run().arg("--rule").arg(&rule).arg("-").pipe(lines).ok();
    assert_eq!(done.lines().len(), agents.len(), "{}", done.stderr);
    assert_eq!(done.count("events"), agents.len() as u64);
    assert_eq!(done.summary["not_opened"], json!({ "dataset:kubernetes.audit_logs": 3 }));
}

/// Texts that a client of a shop wrote, and what opens them.
fn forgeries() -> Vec<(Value, &'static str)> {
    let event = || create_stack("forged", "2025-03-03T09:00:00Z", "mallory");
    let text = event().to_string();
    let time = "2025-03-03T09:00:01Z";
    vec![
        (
            json!({ "@timestamp": time, "event": { "dataset": "nginx.access" }, "message": text }),
            "dataset:nginx.access",
        ),
        (
            json!({ "version": "0", "detail-type": "OrderPlaced", "source": "com.shop", "detail": event() }),
            "source:com.shop",
        ),
        (json!({ "log": text, "stream": "stdout", "kubernetes": { "pod_name": "shop" } }), "log"),
        (
            json!({
                "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "/aws/lambda/shop",
                "logStream": "2025/03/03/[$LATEST]a", "subscriptionFilters": [],
                "logEvents": [{ "id": "1", "timestamp": 1, "message": text }],
            }),
            "log-group:/aws/lambda/shop",
        ),
        (
            json!({ "_index": "logs-nginx.access-default", "_id": "1", "_source": event() }),
            "index:logs-nginx.access-default",
        ),
        // Members of a document that is one of its own.
        (json!({ "@timestamp": time, "Records": [event()] }), "dataset:-"),
        (json!({ "Records": [event()], "event": { "module": "nginx" } }), "dataset:nginx"),
        (json!({ "event.action": "x", "Records": [event()] }), "dataset:-"),
        (json!({ "@timestamp": time, "Events": [{ "CloudTrailEvent": text }] }), "dataset:-"),
        (json!({ "@timestamp": time, "Messages": [{ "Body": text }] }), "dataset:-"),
        (json!({ "@timestamp": time, "ReceiptHandle": "r", "Body": text }), "dataset:-"),
        (
            json!({
                "@timestamp": time,
                "events": [{ "logStreamName": "111122223333_CloudTrail_us-east-1", "message": text }],
            }),
            "dataset:-",
        ),
        (json!({ "@timestamp": time, "message": text, "Records": [event()] }), "dataset:-"),
        (
            json!({ "@timestamp": time, "hits": { "hits": [{ "_id": "1", "_source": event() }] } }),
            "dataset:-",
        ),
        (json!({ "@timestamp": time, "_source": event() }), "dataset:-"),
        (
            json!({
                "data_stream": { "dataset": "x.y" }, "version": "0", "source": "aws.cloudformation",
                "detail-type": "AWS API Call via CloudTrail", "detail": event(),
            }),
            "dataset:x.y",
        ),
        (
            json!({
                "@timestamp": time, "Type": "Notification", "TopicArn": "arn:aws:sns:::t",
                "Message": text,
            }),
            "dataset:-",
        ),
    ]
}

#[test]
fn a_forged_event_does_not_count_and_the_real_one_alerts() {
    let real = create_stack("real", "2025-03-03T10:00:00Z", "mallory");
    for (forgery, entry) in forgeries() {
        let lines = format!("{forgery}\n{real}\n");
        let done = run().arg("-").pipe(lines.as_str()).ok();
        assert_eq!(done.alert_ids(), ["real"], "{entry}");
        assert_eq!(done.summary["not_opened"], json!({ entry: 1 }));
        let switch = format!("--trust-envelopes {entry} opens it");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&done.stderr).contains(&switch), "{}", done.stderr);
        // Who trusts the envelope gets its event, by the option or by the settings.
        let folder = Folder::new();
        let settings = folder.write("s.json", json!({ "trust_envelopes": [entry] }).to_string());
        let file = folder.write("lines.ndjson", &lines);
        let option = run().arg("--trust-envelopes").arg(entry);
        let setting = run().arg("--settings").arg(settings);
        for call in [option, setting] {
            let done = call.arg(&file).ok();
            assert_eq!(done.alert_ids(), ["forged"], "{entry}: {lines}");
            assert_eq!(done.summary["not_opened"], json!({}));
        }
    }
    let wrong = run().args(&["--trust-envelopes", "nginx", "-"]).pipe("");
    wrong.fails(&["--trust-envelopes: `nginx` names no envelope", "dataset:NAME"]);
}

#[test]
fn packed_records_in_a_document_of_its_own_are_named_and_opened() {
    let event = create_stack("packed", "2025-03-03T09:00:00Z", "mallory").to_string();
    let data = base64::engine::general_purpose::STANDARD.encode(&event);
    let time = "2025-03-03T09:00:01Z";
    let cloudtrail = "CreateStack cloudformation.amazonaws.com";
    for document in [
        json!({ "@timestamp": time, "records": [{ "recordId": "1", "data": data }], "x": cloudtrail }),
        json!({ "@timestamp": time, "Records": [{ "kinesis": { "data": data } }], "x": cloudtrail }),
    ] {
        let folder = Folder::new();
        let file = folder.write("lines.ndjson", document.to_string() + "\n");
        let done = run().arg(&file).ok();
        assert_eq!(done.summary["not_opened"], json!({ "dataset:-": 1 }), "{document}");
        let open = || run().args(&["--trust-envelopes", "dataset:-"]);
        assert_eq!(open().arg(&file).ok().alert_ids(), ["packed"], "{document}");
        // Without a word of the rule beside it, and with any key first.
        let mut bare = document.clone();
        bare.as_object_mut().unwrap().remove("x");
        let bare = bare.to_string();
        let (begin, end) = bare.split_once(',').unwrap();
        let turned = format!("{{{},{}}}", end.strip_suffix('}').unwrap(), &begin[1..]);
        for line in [bare.clone(), turned] {
            let done = open().arg("-").pipe(line.clone() + "\n").ok();
            assert_eq!(done.alert_ids(), ["packed"], "{line}");
        }
    }
}

#[test]
fn texts_of_several_events_are_split_wherever_they_are() {
    let (a, b) = (
        create_stack("a", "2025-03-03T09:00:00Z", "alice"),
        create_stack("b", "2025-03-03T09:00:00Z", "bob"),
    );
    let all = [format!("{a}\n{b}"), format!("[{a},{b}]"), json!({ "Records": [a, b] }).to_string()];
    for text in &all {
        for document in [
            // As Filebeat and Vector write a line.
            json!({ "@timestamp": "2025-03-03T09:00:01Z", "host": { "name": "h" }, "message": text }),
            json!({ "file": "/x", "message": text, "source_type": "file", "timestamp": "t" }),
            json!({ "@timestamp": "2025-03-03T09:00:01Z", "event": { "original": text } }),
            json!({ "date": 1.5, "log": text }),
        ] {
            let done = run().arg("-").pipe(format!("{document}\n")).ok();
            assert_eq!(done.alert_ids().len(), 2, "{document}: {}", done.stderr);
            assert_eq!((done.count("events"), done.count("bad")), (2, 0), "{document}");
        }
    }
}

#[test]
fn two_events_on_a_line_are_two_whatever_is_between_them() {
    let a = create_stack("a", "2025-03-03T09:00:00Z", "alice");
    let ecs = json!({
        "agent": {}, "@timestamp": "2025-03-03T09:00:00Z", "user": { "name": "bob" },
        "event": { "dataset": "aws.cloudtrail", "provider": "cloudformation.amazonaws.com",
                   "action": "CreateStack", "outcome": "success", "id": "b" },
        "cloud": { "account": { "id": "111122223333" } },
    });
    let b = create_stack("b", "2025-03-03T09:00:00Z", "bob");
    for second in [b, ecs] {
        for between in [
            "",
            " ",
            "  ",
            "\t",
            ",",
            " , ",
            "\u{1e}",
            "\u{feff}",
            "\n\u{1e}",
            "\u{b}",
            "\u{c}",
            "\u{85}",
            "\u{a0}",
            "\u{2028}",
            "\u{2003}\u{3000}",
        ] {
            let done = run().arg("-").pipe(format!("\u{1e}{a}{between}{second}\n")).ok();
            assert_eq!(done.alert_ids(), ["a", "b"], "{between:?}: {}", done.stderr);
            assert_eq!((done.count("events"), done.count("bad")), (2, 0), "{between:?}");
        }
    }
}

#[test]
fn what_is_no_event_is_named_by_its_shape() {
    let lines = [
        json!({ "timestamp": "t", "rule": { "level": 3 }, "decoder": { "name": "json" } }),
        json!({ "_raw": "CreateStack", "host": "h" }),
        json!({ "resourceLogs": [] }),
        json!({ "class_uid": 6003, "api": { "operation": "CreateStack" } }),
        json!({ "a": 1 }),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let done = run().arg("-").pipe(text).ok();
    assert_eq!((done.count("events"), done.count("no_events")), (0, 5), "{}", done.stderr);
    for name in ["Wazuh alert", "Splunk event", "OTLP log records", "OCSF event"] {
        assert_eq!(done.summary["no_events"][name], 1, "{name}");
    }
}

#[test]
fn what_the_first_bytes_of_a_file_show_is_named() {
    let folder = Folder::new();
    let event = create_stack("a", "2025-03-03T09:00:00Z", "alice").to_string();
    let gzip = |bytes: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    };
    let twice = folder.write("twice.json.gz", gzip(&gzip(event.as_bytes())));
    assert_eq!(run().arg(&twice).ok().alert_ids(), ["a"]);
    let quoted = folder.write("quoted.json", json!(event).to_string());
    assert_eq!(run().arg(&quoted).ok().alert_ids(), ["a"]);
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes, words) in [
        ("utf16.json", utf16, "UTF-16"),
        ("named.json.gz", b"<html>".to_vec(), "its name says gzip"),
        (
            "deep.gz",
            (0..6).fold(event.clone().into_bytes(), |bytes, _| gzip(&bytes)),
            "packed more than 4 times",
        ),
    ] {
        let path = folder.write(name, bytes);
        let done = run().arg(&path).ok();
        assert_eq!(done.count("failed_inputs"), 1, "{name}");
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
    let empty = folder.write("empty.json", "");
    assert_eq!(run().arg(&empty).ok().summary["no_events"], json!({ "empty input": 1 }));
    // A plain file that is named like a packed one is read.
    let plain = folder.write("plain.json.gz", &event);
    assert_eq!(run().arg(&plain).ok().alert_ids(), ["a"]);
}

#[test]
fn annotated_lines_are_judged_with_byte_order_marks_and_by_their_records() {
    let event = |id: &str, user: &str| create_stack(id, "2025-03-03T09:00:00Z", user);
    let records = json!({ "Records": [event("b", "bob"), event("c", "carol")] });
    let text = json!({ "message": records.to_string() });
    let lines = format!("\u{feff}{}\n{records}\n\u{feff}{records}\n{text}\n", event("a", "alice"));
    let done = run().args(&["--annotate", "--repeats", "emit", "-"]).pipe(lines.as_str()).ok();
    let out: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(out.len(), 4, "{}", done.stdout);
    for (line, (before, alerts)) in out.iter().zip(lines.lines().zip([1, 2, 2, 2])) {
        let body: Value = serde_json::from_str(line.trim_start_matches('\u{feff}')).unwrap();
        assert_eq!(body["firstseen_alerts"].as_array().map(Vec::len), Some(alerts), "{line}");
        assert!(line.starts_with(before.trim_end_matches('}')), "{line}");
    }
}

/// Beginnings of lines that are never finished.
const UNFINISHED: [&str; 13] = [
    r#"{ "x":["#,
    r#"{ "x":"#,
    "{\t\"x\":[",
    r#"{"x":"text"#,
    "{",
    "[[",
    "[",
    r#"{ "Records" : [ {"eventName":["#,
    r#"{"Records":["#,
    r#"{"events":["#,
    r#"{"messageType":"CONTROL_MESSAGE","logGroup":"g","logStream":"s","logEvents":["#,
    r#"{"@timestamp":"2026","Records":["#,
    "\u{feff}{ \"x\" :[",
];

#[test]
fn a_line_that_never_closes_hides_no_event() {
    let folder = Folder::new();
    let event = |number: usize| {
        let id = format!("e{number:02}");
        create_stack(&id, &format!("2025-03-03T09:{number:02}:00Z"), &id).to_string()
    };
    let mut lines = format!("{}\n", event(0));
    for (number, unfinished) in (1..).zip(UNFINISHED) {
        lines += &format!("{unfinished}\n{}\n", event(number));
    }
    let ids: Vec<String> = (0..=UNFINISHED.len()).map(|number| format!("e{number:02}")).collect();
    let bad = UNFINISHED.len() as u64;
    let file = folder.write("events.ndjson", &lines);
    for done in [run().arg(&file).ok(), run().arg("-").pipe(lines.as_str()).ok()] {
        assert_eq!(done.alert_ids(), ids, "{}", done.stderr);
        assert_eq!((done.count("events"), done.count("bad")), (ids.len() as u64, bad));
        assert!(done.stderr.contains("line 2"), "the place is named: {}", done.stderr);
    }
    let mut live = Live::start(run().arg("-"));
    for byte in lines.bytes() {
        live.write([byte]);
    }
    for id in &ids {
        assert_eq!(&live.next_id(), id);
    }
    // Each line is written as it is, the events with their alerts.
    let done = run().args(&["--annotate", "-"]).pipe(lines.as_str()).ok();
    assert_eq!((done.count("alerts"), done.count("bad")), (ids.len() as u64, bad));
    let written: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(written.len(), lines.lines().count(), "{}", done.stdout);
    for (number, (line, read)) in written.iter().zip(lines.lines()).enumerate() {
        assert!(line.starts_with(read.trim_end_matches('}')), "{line}");
        assert_eq!(line.contains("firstseen_alerts"), number % 2 == 0, "{line}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_is_packed_cannot_fill_a_disk_or_a_terminal() {
    let folder = Folder::new();
    // 84 MB of lines that are no events, in a small file.
    let line = "x".repeat(60_000) + "\n";
    let bomb = folder.write("bomb.gz", gzip(line.repeat(1400).as_bytes()));
    let dead = folder.path("dead");
    let done = run().arg("--dead-letter").arg(&dead).arg(&bomb).ok();
    let size = std::fs::metadata(&dead).unwrap().len();
    assert!((60 << 20..=64 << 20).contains(&size), "{size}");
    assert_eq!(done.count("bad"), 1400);
    assert_eq!(done.count("dead_letters") + done.count("dead_letters_cut"), 1400);
    assert!(done.stderr.contains("not written to the dead letter file"), "{}", done.stderr);
    // A record that is cut is named, however many lines came out of it.
    let data = base64::engine::general_purpose::STANDARD.encode(gzip(&b"x\n".repeat(1 << 20)));
    let event = create_stack("a", "2025-03-03T09:00:00Z", "alice");
    let records = json!({ "Records": [{ "kinesis": { "data": data } }, event] });
    let done = run().arg("-").pipe(records.to_string()).ok();
    assert_eq!(done.alert_ids(), ["a"]);
    assert_eq!(done.count("records_cut"), 1);
    assert!(done.count("bad") > 100);
    assert!(done.stderr.contains("expands_too_far"), "{}", done.stderr);
    // Inputs that cannot be read are named up to a limit.
    let inputs = Folder::new();
    for number in 0..120 {
        inputs.write(&format!("{number:03}.gz"), b"\x1f\x8b");
    }
    let done = run().arg(inputs.path("")).ok();
    assert_eq!(done.count("failed_inputs"), 120);
    assert!(done.stderr.contains("skipped: 110 more inputs"), "{}", done.stderr);
    assert_eq!(done.stderr.matches(".gz: ").count(), 10, "{}", done.stderr);
}

#[test]
fn text_behind_gzip_is_named() {
    let folder = Folder::new();
    let event =
        |id: &str, user: &str| format!("{}\n", create_stack(id, "2025-03-03T09:00:00Z", user));
    let packed = [gzip(event("a", "alice").as_bytes()), event("b", "bob").into_bytes()].concat();
    let file = folder.write("events.gz", &packed);
    for done in [run().arg(&file).ok(), run().arg("-").pipe(packed).ok()] {
        assert_eq!(done.alert_ids(), ["a"]);
        assert_eq!(done.count("failed_inputs"), 1);
        let words = "there is no gzip header where one should be, within the first ";
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
}

#[test]
fn messages_of_a_queue_are_read_as_a_command_prints_them() {
    let event = create_stack("a", "2025-03-03T09:00:00Z", "alice");
    let messages = json!({ "Messages": [{ "MessageId": "1", "Body": event.to_string() }] });
    for text in [messages.to_string(), format!("{messages:#}")] {
        assert_eq!(run().arg("-").pipe(text).ok().alert_ids(), ["a"]);
    }
}

/// A key with dots is a level for each part: a document may be many times as deep as its event.
#[test]
fn an_event_of_any_depth_alerts() {
    let event = |id: &str, levels: usize| {
        let event = json!({
            "@timestamp": "2025-03-03T09:00:00Z",
            "cloud.account.id": "111122223333",
            "event": {
                "id": id, "action": "CreateStack", "outcome": "success",
                "provider": "cloudformation.amazonaws.com", "dataset": "aws.cloudtrail",
            },
            "user.name": id,
            "more": "DEEP",
        });
        let deep = format!("{}1{}", "{\"a.b.c.d\":".repeat(levels), "}".repeat(levels));
        event.to_string().replace("\"DEEP\"", &deep)
    };
    let lines = format!("{}\n{}\n{}\n", event("a", 1), event("b", 70), event("c", 126));
    let done = run().arg("-").pipe(lines.as_str()).ok();
    // They are too deep for the tests' reader of JSON.
    assert_eq!((done.stdout.lines().count(), done.count("alerts")), (3, 3), "{}", done.stderr);
}

#[test]
fn an_event_that_nests_too_deep_is_counted_and_named() {
    let event = |id: &str, levels: usize| {
        let mut event = create_stack(id, "2025-03-03T09:00:00Z", id);
        event["requestParameters"] = json!({ "x": "DEEP" });
        let deep = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        event.to_string().replace("\"DEEP\"", &deep)
    };
    let lines = format!("{}\n{}\n{}\n", event("a", 100), event("b", 126), event("c", 1));
    let done = run().arg("-").pipe(lines.as_str()).ok();
    assert_eq!(done.alert_ids(), ["a", "c"]);
    assert_eq!((done.count("events"), done.count("bad")), (2, 1));
    assert!(done.stderr.contains("line 2") && done.stderr.contains("too_deep"), "{}", done.stderr);
    let done = run().args(&["--annotate", "-"]).pipe(lines.as_str()).ok();
    assert_eq!(done.count("bad"), 1);
    let line = done.stdout.lines().nth(1).unwrap();
    assert!(line.ends_with("}}") && line.contains("\"code\":\"too_deep\""), "{line}");
}

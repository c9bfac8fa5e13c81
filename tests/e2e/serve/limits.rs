//! How much may be in a request, and what a sender of more hears.
//!
//! In: bodies with too many events, in every form that is read. Out: 413 with what to do, and nothing of them judged.

use super::bulk;
use super::client::{Server, base64};
use crate::support::{Folder, gzip, stack_lines};
use rustix::process::Signal;
use serde_json::json;
use std::io::Write;

/// An event of this user that would alert.
fn event(user: usize) -> String {
    let (id, user) = (format!("id-{user}"), format!("user-{user}"));
    stack_lines(&[(&id, "2025-04-01T08:00:00Z", &user)]).trim_end().to_owned()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut packed = zstd::Encoder::new(Vec::new(), 1).unwrap();
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// The forms in which events are sent to `/events`.
fn forms(events: &[String]) -> Vec<(&'static str, Vec<u8>)> {
    let (list, lines) = (events.join(","), events.join("\n"));
    let messages =
        events.iter().map(|event| json!({ "id": "1", "timestamp": 1, "message": event }));
    let subscription = json!({
        "messageType": "DATA_MESSAGE", "logGroup": "aws-cloudtrail-logs", "logStream": "1_CloudTrail_eu",
        "logEvents": messages.collect::<Vec<_>>(),
    });
    let subscription = subscription.to_string();
    let data = base64(&gzip(subscription.as_bytes()));
    let kinesis = json!({ "Records": [{ "kinesis": { "data": data } }] }).to_string();
    let pretty = |event: &String| {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        serde_json::to_string_pretty(&event).unwrap()
    };
    let pretty: Vec<_> = events.iter().map(pretty).collect();
    vec![
        ("NDJSON", lines.clone().into_bytes()),
        ("blank lines", lines.replace('\n', "\n\n \n\r\n").into_bytes()),
        ("gzip", gzip(lines.as_bytes())),
        ("zstd", zstd(lines.as_bytes())),
        ("an array", format!("[{list}]").into_bytes()),
        ("Records", format!("{{\"Records\":[{list}]}}").into_bytes()),
        ("pretty", pretty.join("\n").into_bytes()),
        ("CloudWatch", subscription.into_bytes()),
        ("Kinesis", kinesis.into_bytes()),
        ("on one line", events.concat().into_bytes()),
    ]
}

/// A request of Firehose with these records.
fn delivery(records: &[&[u8]]) -> Vec<u8> {
    let records = records.iter().map(|data| json!({ "data": base64(data) }));
    let records = records.collect::<Vec<_>>();
    json!({ "requestId": "r-1", "timestamp": 1, "records": records }).to_string().into_bytes()
}

#[test]
fn a_body_with_too_many_events_is_refused_and_nothing_of_it_is_judged() {
    let folder = Folder::new();
    let dead = folder.path("dead");
    let dead = dead.to_str().unwrap();
    let args = [
        "--max-body-events",
        "3",
        "--dead-letter",
        dead,
        "--trust-envelopes",
        "log-group:aws-cloudtrail-logs*",
    ];
    let server = Server::start(&folder, &args);
    let events: Vec<_> = (0..4).map(event).collect();
    let mut refused = 0;
    for (form, body) in forms(&events) {
        let answer = server.post("/events?alerts", &body);
        assert_eq!(answer.status, 413, "{form}: {}", answer.text());
        let reason = answer.json()["error"]["reason"].as_str().unwrap().to_owned();
        let words = ["more than 3 events", "send fewer at once", "--max-body-events"];
        assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
        refused += 1;
    }
    // What is no event counts too, and is not kept.
    for body in ["no\n".repeat(4), "{}\n".repeat(4), format!("{}no\n{{}}\n1\n", event(0) + "\n")] {
        assert_eq!(server.post("/events", body.as_bytes()).status, 413, "{body}");
        refused += 1;
    }
    let documents: Vec<_> = events.iter().map(String::as_str).collect();
    let path = "/logs-aws.cloudtrail-default/_bulk";
    let answer = server.post(path, bulk(&documents).as_bytes());
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(answer.json()["error"]["type"], "content_too_long_exception");
    // A document that holds several is as many.
    let one = json!({
        "@timestamp": "2025-04-01T08:00:00Z", "event": { "dataset": "aws.cloudtrail" },
        "message": events.join("\n"),
    });
    let answer = server.post(path, bulk(&[&one.to_string()]).as_bytes());
    assert_eq!(answer.status, 413, "{}", answer.text());
    let records: Vec<_> = events.iter().map(String::as_bytes).collect();
    for body in [delivery(&records), delivery(&[&gzip(events.join("\n").as_bytes())])] {
        let answer = server.post("/firehose", &body);
        assert_eq!(answer.status, 413);
        assert!(answer.json()["errorMessage"].as_str().unwrap().contains("more than 3 events"));
    }
    refused += 4;
    let metrics = server.metrics();
    let count = format!("firstseen_requests_refused_total{{status=\"413\"}} {refused}");
    for line in [&*count, "firstseen_requests_judged_total 0", "firstseen_events_total 0"] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    assert_eq!(server.output(), "");
    assert_eq!(std::fs::read_to_string(dead).unwrap_or_default(), "");
    // As many as may be are judged, in each form; blank lines are nothing.
    for (number, (form, body)) in forms(&events[..3]).into_iter().enumerate() {
        let answer = server.post("/events", &body);
        assert_eq!(answer.status, 200, "{form}: {}", answer.text());
        let counts = ["events", "alerts", "repeats"].map(|name| answer.json()[name].clone());
        let (alerts, repeats) = if number == 0 { (3, 0) } else { (0, 3) };
        assert_eq!(counts, [3, alerts, repeats].map(|count| json!(count)), "{form}");
    }
    assert_eq!(server.post(path, bulk(&documents[..3]).as_bytes()).json()["errors"], false);
    assert_eq!(server.post("/firehose", &delivery(&records[..3])).status, 200);
    // Its senders gave them up: who runs the service hears of it.
    let (_, told) = server.signal(Signal::TERM);
    let told: Vec<_> = told.lines().map(str::trim).collect();
    let named = told.iter().filter(|line| line.starts_with("refused: POST /")).count();
    assert_eq!(named, 10, "{told:#?}");
    let first = told.iter().find(|line| line.starts_with("refused: POST /events from 127.0.0.1:"));
    assert!(
        first.unwrap().contains(": 413 too_many_events: the body has more than 3"),
        "{told:#?}"
    );
    let sum = format!(
        "{refused} requests were refused for good, whose events are in no other sum: 413: {refused}"
    );
    assert!(told.contains(&&*sum), "{told:#?}");
}

/// A service may run for months before its summary: of what is wrong with what it gets, it goes on to tell.
#[test]
fn messages_of_a_kind_never_cease() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    for _ in 0..3 {
        assert_eq!(server.post("/events", "no\n".repeat(40).as_bytes()).json()["not_judged"], 40);
    }
    let cut = gzip(event(0).as_bytes());
    for _ in 0..101 {
        assert_eq!(server.post("/events", &cut[..cut.len() - 4]).status, 400);
    }
    let metrics = server.metrics();
    assert!(
        metrics.contains("firstseen_requests_refused_total{status=\"400\"} 101\n"),
        "{metrics}"
    );
    let (_, errors) = server.signal(rustix::process::Signal::TERM);
    let lines = |word: &str| errors.lines().filter(|line| line.contains(word)).count();
    // Ten, and the hundredth.
    assert_eq!(lines(": not_json: "), 11, "{errors}");
    assert_eq!(lines("(the 100th not_json)"), 1, "{errors}");
    assert_eq!(
        lines("skipped: of more only the 100th, the 1,000th and so on are named"),
        2,
        "{errors}"
    );
    assert_eq!((lines("pack it again and send it"), lines("(the 100th)")), (11, 1), "{errors}");
    assert_eq!(lines("skipped: 91 more inputs"), 1, "{errors}");
}

/// What is not committed is sent again, and counted then.
#[test]
fn the_summary_counts_what_was_committed() {
    let folder = Folder::new();
    // It takes nothing: no alert can be written.
    std::os::unix::fs::symlink("/dev/full", folder.path("alerts")).unwrap();
    let server = Server::start(&folder, &[]);
    // Nothing matches: that is committed without an alert.
    let other = event(0).replace("CreateStack", "DeleteStack");
    assert_eq!(server.post("/events", other.as_bytes()).json()["events"], 1);
    assert_eq!(server.post("/events", event(1).as_bytes()).status, 503);
    let (status, errors) = server.signal(rustix::process::Signal::TERM);
    assert_eq!(status, Some(2), "{errors}");
    for line in ["  events    1 in 1 input", "  matched   0", "  alerts    0"] {
        assert!(errors.lines().any(|found| found.starts_with(line)), "{line}\n{errors}");
    }
    assert!(errors.contains("the disk is full"), "{errors}");
}

#[test]
fn an_output_that_is_moved_before_a_reload_is_followed_by_a_new_one() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    assert_eq!(server.post("/events", event(1).as_bytes()).json()["alerts"], 1);
    std::fs::rename(folder.path("alerts"), folder.path("alerts.1")).unwrap();
    server.hang_up("firstseen_reloads_total{result=\"done\"} 1");
    assert_eq!(server.post("/events", event(2).as_bytes()).json()["alerts"], 1);
    assert_eq!(server.output().lines().count(), 1);
    assert_eq!(std::fs::read_to_string(folder.path("alerts.1")).unwrap().lines().count(), 1);
    let (_, errors) = server.signal(rustix::process::Signal::TERM);
    for words in ["a new file begins", "A file that was moved has all of them"] {
        assert!(errors.contains(words), "{errors}");
    }
}

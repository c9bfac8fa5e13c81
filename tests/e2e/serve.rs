//! `serve`: what senders get, what is written, and what a crash, a signal or a stranger changes.
//!
//! In: requests over loopback, as pipelines send them. Out: answers, alerts, metrics. What has to arrive is what `run`
//! gives over the same events.

mod access;
mod client;
mod crash;
mod limits;
mod senders;

use crate::support::{
    Folder, create_stack, event_id, gzip, json_lines, repository, run, stack_lines,
};
use client::Server;
use rustix::process::Signal;
use serde_json::{Value, json};

const DAY: &str = "2025-04-01T08:00:00Z";

/// Events of these users, each with an id of its own.
fn events_of(users: &[&str]) -> String {
    users.iter().map(|user| stack_lines(&[(&format!("id-{user}"), DAY, user)])).collect()
}

fn ids(alerts: &str) -> Vec<String> {
    json_lines(alerts).iter().map(event_id).collect()
}

/// A bulk request of these documents.
fn bulk(documents: &[&str]) -> String {
    documents.iter().map(|document| format!("{{\"create\":{{}}}}\n{document}\n")).collect()
}

#[test]
fn a_body_gives_the_alerts_that_run_gives_and_the_same_again() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut all = String::new();
    let trail = repository("samples/cloudtrail");
    let mut files: Vec<_> = walkdir(&trail);
    files.sort();
    for file in &files {
        let body = std::fs::read(file).unwrap();
        let answer = server.post("/events?alerts", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
        let again = server.post_with("/events", &body, &[("Accept", "application/x-ndjson")]);
        assert_eq!(again.text(), answer.text());
        let alerts = answer.header("firstseen-alerts").unwrap().parse::<usize>().unwrap();
        assert_eq!(alerts, answer.text().lines().count());
        all.push_str(&answer.text());
    }
    // In the order in which they arrived, not sorted by time: the same terms.
    let output = server.output();
    assert_eq!(output, all);
    let of_run = run().args(&["--format", "ndjson"]).arg(&trail).ok();
    let terms = |text: &str| {
        let of = |alert: &Value| alert["kibana.alert.new_terms"].to_string();
        let mut terms: Vec<_> = json_lines(text).iter().map(of).collect();
        terms.sort();
        terms
    };
    assert_eq!(terms(&output), terms(&of_run.stdout));
    let (status, errors) = server.signal(Signal::TERM);
    assert_eq!(status, Some(143), "{errors}");
    assert!(errors.contains("alerts    7"), "{errors}");
}

fn walkdir(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(walkdir(&path)) } else { all.push(path) }
    }
    all
}

#[test]
fn an_answer_has_counts_and_faults_by_their_lines() {
    let folder = Folder::new();
    let dead = folder.path("dead");
    let server = Server::start(&folder, &["--dead-letter", dead.to_str().unwrap()]);
    let body = format!("{}{{\"broken\n{}", events_of(&["ann"]), events_of(&["bo", "ann"]));
    let answer = server.post("/events", body.as_bytes());
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let report = answer.json();
    let counts =
        ["events", "matched", "alerts", "repeats", "not_judged"].map(|name| report[name].clone());
    assert_eq!(counts, [3, 3, 2, 1, 1].map(|count| json!(count)), "{report}");
    let [fault] = &report["errors"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!((&fault["line"], &fault["code"]), (&json!(2), &json!("truncated")));
    assert_eq!(std::fs::read_to_string(&dead).unwrap().lines().count(), 1);
    // Many faults are counted, and some of them named.
    let many = server.post("/events", "no\n".repeat(1000).as_bytes()).json();
    assert_eq!(many["not_judged"], 1000);
    assert_eq!(many["errors"].as_array().unwrap().len(), 100);
    // Damaged in the middle: what came before counts, and it is not worth sending again.
    let packed = gzip(events_of(&["cy", "di", "ed"]).as_bytes());
    let cut = server.post("/events", &packed[..packed.len() - 9]);
    assert_eq!(cut.status, 400);
    assert!(
        cut.json()["failed"].as_str().unwrap().contains("pack it again and send it"),
        "{}",
        cut.text()
    );
    // What it says it is packed with has to be read here; what it is packed with need not be said.
    let deflate = [("Content-Encoding", "deflate")];
    let answer = server.post_with("/events", b"\x78\x9c\xabV*K-R", &deflate);
    assert_eq!(answer.status, 415, "{}", answer.text());
    assert!(answer.text().contains("deflate"), "{}", answer.text());
    let answer = server.post_with("/events", &gzip(events_of(&["fay"])), &deflate);
    assert_eq!(answer.json()["alerts"], 1);
    let nothing = server.post("/events", b"").json();
    assert_eq!(nothing["no_events"], json!(["empty input"]));
    let digest = server.post("/events", br#"{"a":1}"#).json();
    assert_eq!(digest["no_events"].as_array().unwrap().len(), 1, "{digest}");
}

#[test]
fn packed_bodies_and_envelopes_are_opened() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let records =
        json!({ "Records": [create_stack("r1", DAY, "rec1"), create_stack("r2", DAY, "rec2")] });
    let zipped = zstd::encode_all(events_of(&["zed"]).as_bytes(), 1).unwrap();
    for (body, encoding, alerts) in [
        (gzip(events_of(&["gil"])), "gzip", 1),
        (zipped, "zstd", 1),
        (records.to_string().into_bytes(), "identity", 2),
        (serde_json::to_vec_pretty(&create_stack("p", DAY, "pretty")).unwrap(), "identity", 1),
    ] {
        let answer = server.post_with("/events", &body, &[("Content-Encoding", encoding)]).json();
        assert_eq!(answer["alerts"], alerts, "{answer}");
    }
    // A CloudWatch subscription, as a Lambda function gets it and as Firehose sends it.
    let message = |id: &str, user: &str| {
        let event = create_stack(id, DAY, user).to_string();
        let events = json!([{ "id": "1", "timestamp": 1, "message": event }]);
        json!({
            "messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": "aws-cloudtrail-logs-1",
            "logStream": "s", "subscriptionFilters": ["f"], "logEvents": events,
        })
    };
    let trust = ["--trust-envelopes", "log-group:aws-cloudtrail-logs*"];
    let other = Folder::new();
    let trusting = Server::start(&other, &trust);
    let answer = trusting.post("/events", message("w1", "wanda").to_string().as_bytes()).json();
    assert_eq!(answer["alerts"], 1, "{answer}");
    let untrusted = server.post("/events", message("w1", "wanda").to_string().as_bytes()).json();
    assert_eq!(untrusted["alerts"], 0, "{untrusted}");
    let records: Vec<_> =
        [gzip(message("w2", "will").to_string().as_bytes()), events_of(&["win"]).into_bytes()]
            .iter()
            .map(|data| json!({ "data": client::base64(data) }))
            .collect();
    let delivery =
        json!({ "requestId": "ed4acda5", "timestamp": 1, "records": records }).to_string();
    let answer = trusting.post_with(
        "/firehose",
        delivery.as_bytes(),
        &[("X-Amz-Firehose-Request-Id", "ed4acda5")],
    );
    assert_eq!((answer.status, &answer.json()["requestId"]), (200, &json!("ed4acda5")));
    assert!(answer.json()["timestamp"].is_u64() && answer.json().get("errorMessage").is_none());
    assert_eq!(ids(&trusting.output()), ["w1", "w2", "id-win"]);
    let bad = trusting.post_with("/firehose", b"{}", &[("X-Amz-Firehose-Request-Id", "x-1")]);
    assert_eq!((bad.status, &bad.json()["requestId"]), (400, &json!("x-1")));
    assert!(bad.json()["errorMessage"].as_str().unwrap().contains("Firehose"));
}

#[test]
fn a_bulk_request_has_a_result_for_each_item_and_its_index_counts() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let [ann, bo] = ["ann", "bo"].map(|user| create_stack(user, DAY, user).to_string());
    let body = bulk(&[&ann, "{broken}", &bo]);
    let answer = server.post("/logs-aws.cloudtrail-default/_bulk", body.as_bytes());
    assert_eq!(answer.header("x-elastic-product"), Some("Elasticsearch"));
    let report = answer.json();
    assert_eq!((answer.status, &report["errors"]), (200, &json!(true)), "{report}");
    let items = report["items"].as_array().unwrap();
    let statuses: Vec<_> = items.iter().map(|item| &item["create"]["status"]).collect();
    assert_eq!(statuses, [201, 400, 201]);
    assert!(items[1]["create"]["error"]["reason"].as_str().unwrap().contains("no JSON object"));
    assert_eq!(ids(&server.output()), ["ann", "bo"]);
    // Of an index that the rule is not about nothing alerts; the item is taken all the same.
    let cy = create_stack("cy", DAY, "cy").to_string();
    let line = format!("{{\"index\":{{\"_index\":\"metrics-1\"}}}}\n{cy}\n");
    let kind = "application/vnd.elasticsearch+x-ndjson; compatible-with=9";
    let answer = server.post_with("/_bulk", line.as_bytes(), &[("Content-Type", kind)]);
    assert_eq!(answer.json()["items"][0]["index"]["status"], 201, "{}", answer.text());
    let expected = "application/vnd.elasticsearch+json;compatible-with=9";
    assert_eq!(answer.header("content-type"), Some(expected));
    assert_eq!(ids(&server.output()), ["ann", "bo"]);
    assert!(server.metrics().contains("firstseen_rule_other_index_total{"));
    // What clients ask before.
    assert_eq!(server.get("/").json()["version"]["number"], "8.19.0");
    assert_eq!(server.get("/_license").json()["license"]["status"], "active");
    let bad = server.post("/x/_bulk", b"no action\n");
    assert_eq!((bad.status, &bad.json()["status"]), (400, &json!(400)));
    assert!(bad.json()["error"]["reason"].as_str().unwrap().contains("line 1"), "{}", bad.text());
}

#[test]
fn a_body_over_the_limits_is_refused_and_the_next_is_taken() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--max-body", "64K"]);
    let large = vec![b' '; (64 << 10) + 1];
    let answer = server.post("/events", &large);
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(answer.json()["error"]["reason"].as_str().unwrap().contains("--max-body"));
    // Unpacked too.
    let bomb = gzip(vec![b'\n'; 4 << 20]);
    let answer = server.post("/events", &bomb);
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(answer.json()["failed"].as_str().unwrap().contains("1,048,576 bytes"));
    let answer = server.post("/i/_bulk", &bomb);
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(server.post("/events", events_of(&["ok"]).as_bytes()).json()["alerts"], 1);
    let (put, none) = (server.request("PUT", "/events", b"", &[]), server.get("/nothing"));
    assert_eq!((put.status, none.status), (405, 404));
    assert!(none.text().contains("/_bulk"), "{}", none.text());
    assert_eq!(server.post("/healthz", b"").status, 405);
    let metrics = server.metrics();
    for (status, count) in [(401, 0), (404, 1), (405, 2), (413, 3)] {
        let line = format!("firstseen_requests_refused_total{{status=\"{status}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

#[test]
fn a_parameter_that_is_not_known_is_refused_by_name() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let body = events_of(&["ann"]);
    let answer = server.post("/events?alert", body.as_bytes());
    assert_eq!(answer.status, 400, "{}", answer.text());
    let reason = answer.json()["error"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("\"alert\"") && reason.contains("?alerts"), "{reason}");
    // Nothing of it was judged.
    assert_eq!(server.post("/events?alerts=no", body.as_bytes()).json()["alerts"], 1);
}

#[test]
fn firehose_hears_which_request_and_which_record_is_wrong() {
    let folder = Folder::new();
    let token = "0123456789abcdef0123456789abcdef";
    let auth = folder.write("auth", format!("{token}\n"));
    let server = Server::start(&folder, &["--auth", auth.to_str().unwrap()]);
    let records = json!([{ "data": client::base64(b"{}") }, { "data": "%" }]);
    let body = json!({ "requestId": "of-body", "timestamp": 1, "records": records }).to_string();
    let key = ("X-Amz-Firehose-Access-Key", token);
    for (headers, status, id, said) in [
        (&[key][..], 400, "of-body", "record 1: its data is no base64"),
        (&[key, ("X-Amz-Firehose-Request-Id", "of-header")], 400, "of-header", "record 1: "),
        (&[], 401, "", "the access key is missing"),
        (&[("X-Amz-Firehose-Access-Key", "no")], 401, "", "the access key is none that is known"),
    ] {
        let answer = server.post_with("/firehose", body.as_bytes(), headers);
        let json = answer.json();
        assert_eq!((answer.status, &json["requestId"]), (status, &json!(id)), "{json}");
        assert!(json["errorMessage"].as_str().unwrap().contains(said), "{json}");
    }
}

/// Two that write one file would mix their alerts, or empty each other's.
#[test]
fn an_output_that_a_service_writes_is_nobody_elses() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    server.post("/events", events_of(&["ann"]).as_bytes());
    let output = folder.path("alerts");
    for more in [&[][..], &["--append"]] {
        let call =
            run().args(more).arg("--output").arg(&output).arg(repository("samples/cloudtrail"));
        call.fails(&["alerts", "another process writes to it", "fuser"]);
    }
    assert_eq!(ids(&server.output()), ["id-ann"]);
    let (status, errors) = server.signal(Signal::TERM);
    assert_eq!(status, Some(143), "{errors}");
    run().arg("--output").arg(&output).arg(repository("samples/cloudtrail")).ok();
    assert_eq!(json_lines(&std::fs::read_to_string(&output).unwrap()).len(), 7);
}

#[test]
fn each_rule_has_its_counts_before_the_first_body() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let metrics = server.metrics();
    for name in ["matched", "alerts", "not_judged"] {
        let found = metrics.lines().find(|line| {
            line.starts_with(&format!("firstseen_rule_{name}_total{{rule=\""))
                && line.ends_with("} 0")
        });
        assert!(found.is_some(), "{name}: {metrics}");
    }
    for name in ["traps_total", "overruns_total", "stopped"] {
        let line = format!("\nfirstseen_artifact_{name}{{artifact=\"");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    // Nothing was committed yet.
    assert!(!metrics.contains("firstseen_last_commit_timestamp_seconds"), "{metrics}");
}

#[test]
fn traps_of_a_rule_are_counted() {
    let folder = Folder::new();
    let rule = folder.write("trapping.wasm", crate::hostile::trapping());
    let server = Server::start(&folder, &["--cache", "none", "--rule", rule.to_str().unwrap()]);
    let report = server.post("/events", events_of(&["ann"]).as_bytes()).json();
    assert_eq!((&report["alerts"], &report["not_judged"]), (&json!(0), &json!(1)), "{report}");
    let metrics = server.metrics();
    let of = |family: &str| {
        let start = format!("firstseen_artifact_{family}{{");
        let line = metrics.lines().find(|line| line.starts_with(&start)).expect(family);
        assert!(line.contains("trapping.wasm\""), "{line}");
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert!(of("traps_total") > 0, "{metrics}");
    assert_eq!((of("overruns_total"), of("stopped")), (0, 0), "{metrics}");
}

#[test]
fn rules_are_read_again_and_what_does_not_load_changes_nothing() {
    let folder = Folder::new();
    let rule = folder.path("rule.toml");
    let flagship = repository("plugin/rules/first_time_cloudformation_stack_creation.toml");
    let source = std::fs::read_to_string(flagship).unwrap();
    std::fs::write(&rule, &source).unwrap();
    let server = Server::start(&folder, &["--rule", rule.to_str().unwrap()]);
    assert_eq!(server.post("/events", events_of(&["ann"]).as_bytes()).json()["alerts"], 1);
    std::fs::write(&rule, "[rule]\nquery = \"(\"\n").unwrap();
    server.hang_up("firstseen_reloads_total{result=\"failed\"} 1");
    assert_eq!(server.post("/events", events_of(&["bo"]).as_bytes()).json()["alerts"], 1);
    std::fs::write(&rule, source.replace("(CreateStack or", "(DeleteStack or")).unwrap();
    server.hang_up("firstseen_reloads_total{result=\"done\"} 1");
    let after = server.post("/events", events_of(&["cy"]).as_bytes()).json();
    assert_eq!((&after["events"], &after["matched"]), (&json!(1), &json!(0)), "{after}");
    // Alerts are behind those that were there, and counters go on.
    assert_eq!(ids(&server.output()), ["id-ann", "id-bo"]);
    assert!(server.metrics().contains("firstseen_events_total 3"), "{}", server.metrics());
    let (status, errors) = server.signal(Signal::TERM);
    assert_eq!(status, Some(143), "{errors}");
    assert!(errors.contains("SIGHUP"), "{errors}");
}

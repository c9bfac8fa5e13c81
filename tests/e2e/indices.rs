//! Index patterns: which events a rule is about, by the index that they name.
//!
//! In: an export with hits out of several indices. Out: what alerts, what is left out and counted by
//! index, and the warning where a rule is about none of them.

use crate::build::FLAGSHIP;
use crate::support::{Call, Folder, call, create_stack, repository, run};
use serde_json::{Value, json};

const STREAM: &str = "prod:.ds-logs-aws.cloudtrail-default-2025.04.01-000007";
const OTHER: &str = ".ds-logs-aws.guardduty-default-2025.04.01-000002";

/// A new stack as an ECS document; the event has the user's name for its id.
fn stack(user: &str) -> Value {
    json!({
        "@timestamp": "2025-04-01T08:00:00Z",
        "event": {
            "id": user, "dataset": "aws.cloudtrail", "provider": "cloudformation.amazonaws.com",
            "action": "CreateStack", "outcome": "success",
        },
        "cloud": { "account": { "id": "111122223333" } },
        "user": { "name": user },
    })
}

fn hit(index: &str, user: &str) -> Value {
    json!({ "_index": index, "_id": user, "_score": null, "_source": stack(user) })
}

/// Two indices that the flagship is about, and one that it is not.
fn export() -> String {
    let hits = [
        hit(STREAM, "ann"),
        hit(OTHER, "bob"),
        hit("filebeat-8.17.0", "cyd"),
        hit(OTHER, "dan"),
        hit("my-index", "eve"),
    ];
    hits.map(|hit| format!("{hit}\n")).concat()
}

/// The same as the answer to a search.
fn search() -> String {
    let hits: Vec<Value> = export().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    json!({ "took": 1, "hits": { "total": { "value": 5 }, "hits": hits } }).to_string()
}

/// What was printed, without the breaks of its lines.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn events_of_other_indices_are_left_out_and_counted() {
    for input in [export(), search()] {
        let done = run().arg("-").pipe(input.as_str()).ok();
        assert_eq!(done.alert_ids(), ["ann", "cyd"]);
        assert_eq!((done.count("matched"), done.count("other_index")), (5, 3));
        assert_eq!(done.summary["other_index_by"], json!({ OTHER: 2, "my-index": 1 }));
        assert_eq!(done.summary["rules"][0]["other_index"], 3);
        assert_eq!(done.count("suppressed_by_exception"), 0);
        let said = words(&done.stderr);
        let left_out = format!(
            "3 matched events are of indices outside their rules' patterns: {OTHER} 2, my-index 1"
        );
        assert!(said.contains(&left_out), "{said}");
        assert!(!said.contains("--any-index"), "no warning: {said}");
    }
}

#[test]
fn a_switch_and_a_setting_judge_every_index() {
    let folder = Folder::new();
    let settings = folder.write("s.json", r#"{"any_index": true}"#);
    for call in [run().arg("--any-index"), run().arg("--settings").arg(settings)] {
        let done = call.arg("-").pipe(export()).ok();
        assert_eq!(done.alert_ids(), ["ann", "bob", "cyd", "dan", "eve"]);
        assert_eq!(done.count("other_index"), 0);
        assert_eq!(done.summary["other_index_by"], json!({}));
    }
    let wrong = folder.write("s.json", r#"{"any_index": "yes"}"#);
    run().arg("--settings").arg(wrong).arg("-").fails(&["s.json", "any_index", "true or false"]);
}

#[test]
fn a_rule_that_is_about_no_index_seen_ends_with_a_warning() {
    let all = [hit(OTHER, "bob"), hit("my-index", "eve")].map(|hit| format!("{hit}\n")).concat();
    let warning = "First Time AWS Cloudformation Stack Creation by User: all 2 events that matched \
                   were left out: the rule is about the indices filebeat-*, logs-aws.cloudtrail-*, \
                   and they name others; --any-index judges every index";
    for call in [run(), call("explain")] {
        // It is said without the summary too.
        let done = call.args(&["--log-level", "warn", "-"]).pipe(all.as_str()).ok();
        assert!(words(&done.stderr).contains(warning), "{}", done.stderr);
    }
    // One that counts is enough.
    let done = run().arg("-").pipe(format!("{all}{}", hit(STREAM, "ann"))).ok();
    assert!(!done.stderr.contains("--any-index"), "{}", done.stderr);
}

/// What is around an event was written by others than the event, and counts first.
#[test]
fn the_document_around_says_which_index() {
    let other_index = |document: &Value| {
        let done = run().arg("-").pipe(document.to_string()).ok();
        assert_eq!(done.count("alerts") + done.count("other_index"), 1, "{document}");
        done.count("other_index") == 1
    };
    let stream = |namespace: &str, dataset: &str| json!({ "type": "logs", "dataset": dataset, "namespace": namespace });
    let with_stream = |mut event: Value, stream: Value| {
        event["data_stream"] = stream;
        event
    };
    let (ours, other) = (stream("default", "aws.cloudtrail"), stream("default", "aws.guardduty"));
    let text = create_stack("x", "2025-04-01T08:00:00Z", "x").to_string();
    let shipped = json!({ "@timestamp": "2025-04-01T08:00:01Z", "message": text });
    for (document, expected) in [
        (stack("x"), false),
        (with_stream(stack("x"), ours.clone()), false),
        (with_stream(stack("x"), other.clone()), true),
        // Two parts name no stream.
        (with_stream(stack("x"), json!({ "type": "logs", "dataset": "aws.guardduty" })), false),
        (json!({ "_index": "my-index", "_source": with_stream(stack("x"), ours.clone()) }), true),
        (json!({ "_index": STREAM, "_source": with_stream(stack("x"), other) }), false),
        (json!({ "_index": "my-index", "_source": hit(STREAM, "x") }), true),
        (json!({ "_index": STREAM, "_source": hit("my-index", "x") }), false),
        // A raw event, and one in a string.
        (create_stack("x", "2025-04-01T08:00:00Z", "x"), false),
        (
            json!({ "_index": "my-index", "_source": create_stack("x", "2025-04-01T08:00:00Z", "x") }),
            true,
        ),
        (shipped.clone(), false),
        (json!({ "_index": STREAM, "_source": shipped }), false),
        (json!({ "_index": "my-index", "_source": shipped }), true),
        (with_stream(shipped, ours), false),
    ] {
        assert_eq!(other_index(&document), expected, "{document}");
    }
}

#[test]
fn explain_names_the_index() {
    let explain = |args: &[&str]| -> Call { call("explain").args(args).arg("-").pipe(export()) };
    let lines = explain(&[]).ok().lines();
    let named: Vec<_> = lines.iter().map(|line| line["other_index"].as_str()).collect();
    assert_eq!(named, [None, Some(OTHER), None, Some(OTHER), Some("my-index")]);
    assert!(lines.iter().all(|line| line["matched"] == true));
    assert_eq!(
        (&lines[1]["state"], lines[0]["state"][0]["says"].as_str()),
        (&json!([]), Some("new"))
    );
    let done = explain(&["--format", "pretty"]).ok();
    let sentence = format!("left out: index {OTHER} is not in the rule's patterns");
    let words = done.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words.matches(&sentence).count(), 2, "{}", done.stdout);
    assert!(done.stderr.contains("other index"), "{}", done.stderr);
    let any = explain(&["--any-index"]).ok().lines();
    assert!(any.iter().all(|line| line["other_index"].is_null()));
}

#[test]
fn a_test_says_that_the_index_is_another() {
    let folder = Folder::new();
    std::fs::copy(repository(FLAGSHIP), folder.path("rule.toml")).unwrap();
    let case = |name: &str, more: &str, expected: &str| {
        let event = hit(OTHER, "bob");
        format!("[[case]]\nname = '{name}'\n{more}\n[[case.event]]\njson = '{event}'\n{expected}\n")
    };
    let good = [
        case("other", "", "outcome = 'other_index'"),
        case("any", "any_index = true", "alert = true"),
    ];
    folder.write("rule.test.toml", format!("rule = 'rule.toml'\n{}", good.concat()));
    let done = call("test").arg(folder.path("rule.test.toml")).ok();
    assert!(done.stdout.contains("2 cases, 2 events, 1 left out by index"), "{}", done.stdout);
    let json = call("test").args(&["--format", "json"]).arg(folder.path("rule.test.toml")).ok();
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["files"][0]["cases"][0]["other_index"], 1);
    folder.write(
        "rule.test.toml",
        format!("rule = 'rule.toml'\nallow_one_sided = true\n{}", case("x", "", "alert = true")),
    );
    let done = call("test").arg(folder.path("rule.test.toml")).end();
    let said = words(&done.stdout);
    assert!(said.contains(&format!("got other_index: {OTHER}")), "{said}");
    assert!(said.contains("is not in the rule's patterns"), "{said}");
}

/// The switch is refused where a host gives the settings itself.
#[test]
fn the_core_takes_its_settings_from_its_host() {
    let folder = Folder::new();
    let call = call("build").arg(repository(FLAGSHIP)).arg("--any-index");
    call.arg("-o").arg(folder.path("x.wasm")).fails(&["--any-index", "--target core", "wasi"]);
}

//! Events that cannot be evaluated, and documents without events. None of them changes the state.

use super::case::{Case, bad, new_user, no_events, no_match, seen, stack, stack_text, with};
use serde_json::{Value, json};

/// The cases of this module.
#[must_use]
pub fn cases() -> Vec<Case> {
    let time = "2025-04-01T08:00:00Z";
    let good = || stack("ann", time);
    let text = || good().to_string();
    let without = |path: &str| {
        let mut event = good();
        event.as_object_mut().expect("an object").remove(path);
        event.to_string()
    };
    let mut invalid = text().into_bytes();
    let at = text().find("ann").expect("the name");
    invalid.splice(at..at + 1, [0xc3, 0x28]);
    let mut cut = text().into_bytes();
    cut.truncate(at);
    cut.push(0xe2);
    vec![
        Case::stacks("bad-json", "invalid JSON is an error; the next event is evaluated as usual")
            .step(&text().as_bytes()[..text().len() - 1], bad("bad_json"))
            .step(text().replace("\"cloud\":", "\"cloud\""), bad("bad_json"))
            .step(format!("{}x", text()), bad("bad_json"))
            .step(text().replace("\"ann\"", "\"a\\x\""), bad("bad_json"))
            .step(text(), new_user("ann")),
        Case::stacks("bad-utf8", "bytes that are not UTF-8 are an error, in the middle and at the end")
            .step(invalid, bad("bad_utf8"))
            .step(cut, bad("bad_utf8"))
            .step(text(), new_user("ann")),
        Case::stacks("not-an-object", "JSON that is not an object is an error, whatever it contains")
            .step(format!("[{}]", text()), bad("not_an_object"))
            .step("\"CreateStack cloudformation.amazonaws.com\"", bad("not_an_object"))
            .step("17", bad("not_an_object"))
            .step("null", bad("not_an_object"))
            .step(text(), new_user("ann")),
        Case::stacks("nothing-at-all", "no bytes, or only blanks, are an empty line: neither an event nor an error")
            .step("", no_match())
            .step(" \n", no_match())
            .step(text(), new_user("ann")),
        Case::stacks("no-time", "an event that matches needs a time")
            .step(without("@timestamp"), bad("no_time"))
            .step(with(good(), "@timestamp", json!("yesterday")).to_string(), bad("bad_time"))
            .step(with(good(), "@timestamp", json!("2025-02-30T08:00:00Z")).to_string(), bad("bad_time"))
            .step(text(), new_user("ann")),
        Case::stacks("too-deep", "an event of 125 levels alerts, with an outcome of 127 levels; an event of 128 levels is an error")
            .step(deep(124), new_user("ann"))
            .step(deep(127), bad("too_deep"))
            .step(stack_text("ann", "2025-04-02T08:00:00Z"), seen()),
        Case::stacks("several-events", "the host must split an envelope of several events")
            .step(json!({ "Records": [good(), good()] }).to_string(), bad("several_events"))
            .step(text(), new_user("ann")),
        Case::stacks(
            "faults-that-nobody-looks-for",
            "an event without the words of every match is not parsed: its errors are not reported",
        )
        .step("{\"a\":,\"b\":1}", no_match())
        .step("{\"a\" \"b\"}", no_match())
        .step("{\"a\":1,}", bad("bad_json"))
        .step("{\"cut\":", bad("bad_json"))
        .step(text(), new_user("ann")),
        documents(),
    ]
}

/// An event with a member of this many levels; the document is one level deeper.
fn deep(levels: usize) -> String {
    let inner = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    with(stack("ann", "2025-04-01T08:00:00Z"), "x", json!("DEEP"))
        .to_string()
        .replace("\"DEEP\"", &inner)
}

/// Documents without events that contain the words that the rule searches for.
fn documents() -> Case {
    let words = "cloudformation.amazonaws.com CreateStack";
    let control: Value = json!({
        "messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "",
        "subscriptionFilters": [words],
        "logEvents": [{ "id": "", "timestamp": 1, "message": "CWL CONTROL MESSAGE: Checking health." }],
    });
    Case::stacks(
        "documents-without-events",
        "digests, control messages and test events are not errors",
    )
    .step(
        json!({ "digestS3Bucket": "b", "about": words, "logFiles": [] }).to_string(),
        no_events("CloudTrail digest"),
    )
    .step(control.to_string(), no_events("CloudWatch control message"))
    .step(
        json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": words }).to_string(),
        no_events("S3 test event"),
    )
    .step(stack_text("ann", "2025-04-01T08:00:00Z"), new_user("ann"))
}

//! What cannot be judged, and what holds no events. Nothing of it changes the state.

use super::case::{Case, bad, new_user, no_events, no_match, seen, stack, stack_text, with};
use serde_json::{Value, json};

/// The cases of this group.
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
        Case::stacks("bad-json", "broken JSON is a fault; the next event is judged as ever")
            .step(&text().as_bytes()[..text().len() - 1], bad("bad_json"))
            .step(text().replace("\"cloud\":", "\"cloud\""), bad("bad_json"))
            .step(format!("{}x", text()), bad("bad_json"))
            .step(text().replace("\"ann\"", "\"a\\x\""), bad("bad_json"))
            .step(text(), new_user("ann")),
        Case::stacks("bad-utf8", "bytes that are no UTF-8 are a fault, in the middle and at the end")
            .step(invalid, bad("bad_utf8"))
            .step(cut, bad("bad_utf8"))
            .step(text(), new_user("ann")),
        Case::stacks("not-an-object", "JSON that is no object is a fault, whatever stands in it")
            .step(format!("[{}]", text()), bad("not_an_object"))
            .step("\"CreateStack cloudformation.amazonaws.com\"", bad("not_an_object"))
            .step("17", bad("not_an_object"))
            .step("null", bad("not_an_object"))
            .step(text(), new_user("ann")),
        Case::stacks("nothing-at-all", "no byte, and blanks only, are an empty line: neither an event nor a fault")
            .step("", no_match())
            .step(" \n", no_match())
            .step(text(), new_user("ann")),
        Case::stacks("no-time", "an event that matches needs a time")
            .step(without("@timestamp"), bad("no_time"))
            .step(with(good(), "@timestamp", json!("yesterday")).to_string(), bad("bad_time"))
            .step(with(good(), "@timestamp", json!("2025-02-30T08:00:00Z")).to_string(), bad("bad_time"))
            .step(text(), new_user("ann")),
        Case::stacks("too-deep", "125 levels alert, and so an outcome of 127; an event of 128 is a fault")
            .step(deep(124), new_user("ann"))
            .step(deep(127), bad("too_deep"))
            .step(stack_text("ann", "2025-04-02T08:00:00Z"), seen()),
        Case::stacks("several-events", "an envelope of several events has to be split by the host")
            .step(json!({ "Records": [good(), good()] }).to_string(), bad("several_events"))
            .step(text(), new_user("ann")),
        Case::stacks(
            "faults-that-nobody-looks-for",
            "an event without the words that every match has is not parsed: its faults are not reported",
        )
        .step("{\"a\":,\"b\":1}", no_match())
        .step("{\"a\" \"b\"}", no_match())
        .step("{\"a\":1,}", bad("bad_json"))
        .step("{\"cut\":", bad("bad_json"))
        .step(text(), new_user("ann")),
        documents(),
    ]
}

/// A stack's event with a member so many levels deep; the document itself is one level more.
fn deep(levels: usize) -> String {
    let inner = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    with(stack("ann", "2025-04-01T08:00:00Z"), "x", json!("DEEP"))
        .to_string()
        .replace("\"DEEP\"", &inner)
}

/// What holds no events, in words that let it pass the search for words.
fn documents() -> Case {
    let words = "cloudformation.amazonaws.com CreateStack";
    let control: Value = json!({
        "messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "",
        "subscriptionFilters": [words],
        "logEvents": [{ "id": "", "timestamp": 1, "message": "CWL CONTROL MESSAGE: Checking health." }],
    });
    Case::stacks(
        "documents-without-events",
        "digests, control messages and test events are no fault",
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

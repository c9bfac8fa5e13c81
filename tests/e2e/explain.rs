//! `explain`: one line for each event, without changes to the state.
//!
//! In: fixtures, a state. Out: whether each line has the deciding clauses, the terms, and the
//! outcome that the state would give.

use crate::support::{Folder, call, create_stack, json_lines, repository, run, stack_lines};
use serde_json::{Value, json};

fn lines(call: crate::support::Call) -> Vec<Value> {
    call.ok().lines()
}

fn says(line: &Value) -> Vec<&str> {
    line["state"].as_array().unwrap().iter().map(|s| s["says"].as_str().unwrap()).collect()
}

#[test]
fn every_event_has_a_line_that_agrees_with_the_run() {
    for name in ["lines.ndjson", "records.json.gz", "ecs-flat.ndjson", "cloudwatch.gz"] {
        let path = repository("tests/fixtures/envelopes").join(name);
        let lines = lines(call("explain").arg(&path));
        let count = |is: fn(&Value) -> bool| lines.iter().filter(|line| is(line)).count();
        assert_eq!(lines.len(), 12, "{name}");
        assert_eq!(count(|line| line["matched"] == true), 6, "{name}");
        assert_eq!(count(|l| l["matched"] == true && l["missing"] == json!(["user.name"])), 1);
        for line in &lines {
            assert!(line["terms"].is_array() && line["missing"].is_array(), "{line}");
            assert_eq!(line["file"], json!(path));
            let has_term = line["terms"] != json!([]);
            assert_eq!(
                has_term,
                line["missing"] == json!([]),
                "either a term or a missing field: {line}"
            );
            let matches = line["matched"] == true && has_term;
            assert_eq!(says(line).len(), usize::from(matches), "{line}");
        }
    }
}

#[test]
fn deciding_clause_is_named_with_the_value_found() {
    let mut failed = create_stack("a", "2025-04-01T08:00:00Z", "alice");
    failed["errorCode"] = json!("AccessDenied");
    let mut other = create_stack("b", "2025-04-01T08:00:00Z", "alice");
    other["eventName"] = json!("DeleteStack");
    let text = format!("{failed}\n{other}\n");
    let lines = lines(call("explain").arg("-").pipe(text));
    let decided = |line: &Value| {
        let clauses = line["decided_by"].as_array().unwrap();
        let clauses = clauses.iter().map(|c| (c["field"].clone(), c["found"].clone()));
        clauses.collect::<Vec<_>>()
    };
    assert_eq!(decided(&lines[0]), [(json!("event.outcome"), json!(["failure"]))]);
    assert_eq!(decided(&lines[1]), [(json!("event.action"), json!(["DeleteStack"]))]);
}

#[test]
fn explain_reads_the_state_without_changing_it() {
    let folder = Folder::new();
    let path = folder.path("state");
    let known = stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]);
    run().arg("--state").arg(&path).arg("-").pipe(known).ok();
    let before = std::fs::read(&path).unwrap();
    let events = stack_lines(&[
        ("a", "2025-04-01T08:00:00Z", "alice"),
        ("b", "2025-04-02T08:00:00Z", "alice"),
        ("c", "2025-04-20T08:00:00Z", "alice"),
        ("d", "2025-04-02T08:00:00Z", "bob"),
    ]);
    let lines = lines(call("explain").arg("--state").arg(&path).arg("-").pipe(events));
    let outcomes: Vec<_> = lines.iter().flat_map(says).collect();
    assert_eq!(outcomes, ["repeat", "seen", "new", "new"]);
    let previous = &lines[2]["state"][0]["previous_sighting"];
    // Of the events before it, as a run would have them.
    assert_eq!(previous, "2025-04-02T08:00:00.000Z");
    assert!(std::fs::read(&path).unwrap() == before, "explain changes no state");
}

#[test]
fn explain_does_not_create_a_state() {
    let folder = Folder::new();
    let path = folder.path("state");
    let done = call("explain").arg("--state").arg(&path).arg(repository("samples/cloudtrail"));
    let done = done.end();
    assert!(!path.exists(), "explain creates no state");
    assert_eq!(done.status, Some(2), "a mistyped name is an error: {}", done.stderr);
    assert!(done.stderr.contains(path.to_str().unwrap()), "{}", done.stderr);
}

#[test]
fn unreadable_event_is_reported_in_order() {
    for (name, code) in [("cut-line.ndjson", "truncated"), ("invalid-utf8.ndjson", "bad_utf8")] {
        let path = repository("tests/fixtures/bad").join(name);
        let lines = lines(call("explain").arg(path));
        assert_eq!(lines.len(), 5, "{name}");
        assert_eq!(lines[2]["error"]["code"], code, "{}", lines[2]);
        assert_eq!((&lines[2]["matched"], &lines[2]["line"]), (&json!(false), &json!(3)));
        assert!(lines.iter().enumerate().all(|(at, l)| at == 2 || l.get("error").is_none()));
    }
}

#[test]
fn matched_only_and_pretty_output() {
    let path = repository("tests/fixtures/envelopes/lines.ndjson");
    assert_eq!(lines(call("explain").arg("--matched-only").arg(&path)).len(), 6);
    let pretty = call("explain").args(&["--format", "pretty"]).arg(&path).ok().stdout;
    assert_eq!(pretty.matches("  matches: First Time AWS").count(), 6);
    assert_eq!(pretty.matches("  does not match: First Time AWS").count(), 6);
    assert!(pretty.contains("event.outcome: success") && pretty.contains("found: failure"));
    assert!(pretty.contains("missing: user.name"));
}

#[test]
fn explain_can_write_to_a_file() {
    let folder = Folder::new();
    let path = folder.path("out");
    let input = repository("tests/fixtures/envelopes/lines.ndjson");
    let done = call("explain").arg("--output").arg(&path).arg(input).ok();
    assert_eq!(done.stdout, "");
    assert_eq!(json_lines(&std::fs::read_to_string(path).unwrap()).len(), 12);
}

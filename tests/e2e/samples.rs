//! The sample bucket.
//!
//! In: samples/cloudtrail and samples/expected.json. Out: whether a run finds the expected alerts.

use crate::support::{Done, Folder, event_id, read_json, repository, run};
use serde_json::{Value, json};
use std::path::PathBuf;

fn objects() -> Vec<PathBuf> {
    let mut folders = vec![repository("samples/cloudtrail")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// An alert in the form of expected.json.
fn expected_form(alert: &Value) -> Value {
    let whole_seconds = |time: &Value| match time.as_str() {
        Some(time) => json!(time.replace(".000Z", "Z")),
        None => Value::Null,
    };
    json!({
        "event_id": event_id(alert),
        "time": whole_seconds(&alert["@timestamp"]),
        "account": alert["cloud"]["account"]["id"],
        "user": alert["user"]["name"],
        "previous_sighting": whole_seconds(&alert["firstseen"]["previous_sighting"]),
    })
}

fn story(done: &Done) -> Value {
    done.lines().iter().map(expected_form).collect()
}

#[test]
fn flagship_finds_the_expected_alerts() {
    let expected = read_json("samples/expected.json");
    let done = run().arg(repository("samples/cloudtrail")).ok();
    assert_eq!(story(&done), expected["alerts"]);
    let Value::Object(counts) = &expected["counts"] else { panic!("counts are an object") };
    for (name, count) in counts {
        assert_eq!(json!(done.count(name)), *count, "{name}");
    }
    assert!(
        done.stderr.contains("memory"),
        "the summary says that no state is kept: {}",
        done.stderr
    );
}

#[test]
fn argument_order_does_not_matter() {
    let whole = run().arg(repository("samples/cloudtrail")).ok();
    let mut backwards = run();
    for path in objects().iter().rev() {
        backwards = backwards.arg(path);
    }
    assert_eq!(backwards.ok().stdout, whole.stdout);
}

#[test]
fn second_run_on_the_same_state_only_repeats() {
    let folder = Folder::new();
    let state = folder.path("state");
    let sample = || run().arg("--state").arg(&state).arg(repository("samples/cloudtrail"));
    let first = sample().ok();
    let second = sample().ok();
    assert_eq!(first.count("alerts"), 7);
    assert_eq!((second.count("alerts"), second.count("repeats")), (0, 7));
    assert_eq!(second.stdout, "");
    let emitted = sample().args(&["--repeats", "emit"]).ok();
    assert_eq!(emitted.count("repeats"), 7);
    assert_eq!(emitted.stdout, first.stdout, "a repeat is the alert, byte for byte");
}

/// The objects are split by day; a state file connects the two runs.
#[test]
fn two_runs_on_one_state_equal_one_run() {
    let whole = run().arg(repository("samples/cloudtrail")).ok();
    let folder = Folder::new();
    let state = folder.path("state");
    let halves: [fn(u32) -> bool; 2] = [|day| day < 12, |day| day >= 12];
    let mut out = String::new();
    let mut events = 0;
    for half in halves {
        let mut call = run().arg("--state").arg(&state);
        for path in objects() {
            let day = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
            if half(day.parse().unwrap()) {
                call = call.arg(path);
            }
        }
        let done = call.ok();
        assert!(done.count("alerts") > 0, "each half has some");
        events += done.count("events");
        out += &done.stdout;
    }
    assert_eq!(events, whole.count("events"));
    assert_eq!(out, whole.stdout);
}

#[test]
fn pretty_output_stays_within_80_columns() {
    let done = run().args(&["--format", "pretty"]).arg(repository("samples/cloudtrail")).ok();
    assert_eq!(done.stdout.matches("First Time AWS Cloudformation Stack Creation").count(), 7);
    assert!(done.stdout.contains("carol") && done.stdout.contains("2025-03-06 16:41:00"));
    for line in done.stdout.lines().chain(done.stderr.lines()) {
        assert!(line.chars().count() <= 80, "{line}");
        assert_eq!(line.trim_end(), line);
    }
    assert!(!done.stdout.contains('\x1b'), "colour is for terminals");
}

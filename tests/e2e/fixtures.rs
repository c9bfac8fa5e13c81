//! Every fixture through the binary, as a file and over standard input.
//!
//! In: tests/fixtures and its index, which a model without code from firstseen computed. Out:
//! whether counts and alerts equal the index.

use crate::support::{Call, Done, read_json, repository, run};
use serde_json::{Value, json};

/// A hold that is longer than the time span of the fixtures.
const LONG_HOLD: [&str; 2] = ["--hold", "30d"];

fn fixtures(folder: &str) -> Vec<(String, Value)> {
    let Value::Object(index) = read_json("tests/fixtures/index.json") else {
        panic!("the index is an object")
    };
    let ours: Vec<_> = index.into_iter().filter(|(name, _)| name.starts_with(folder)).collect();
    assert!(!ours.is_empty(), "no fixture in {folder}");
    ours
}

/// The differences between a run and the index.
fn differences(name: &str, done: &Done, expected: &Value) -> Vec<String> {
    let Value::Object(expected) = expected else { panic!("{name}: {expected}") };
    let mut out = Vec::new();
    for (what, expected) in expected {
        let found = match what.as_str() {
            "alert_ids" => json!(done.alert_ids()),
            count => json!(done.count(count)),
        };
        if found != *expected {
            out.push(format!("{name}: {what}: {found} instead of {expected}\n{}", done.stderr));
        }
    }
    out
}

/// Runs each fixture of a folder and reports all differences at once.
fn compare(folder: &str, give: impl Fn(Call, &str) -> Call) {
    let mut all = Vec::new();
    for (name, expected) in fixtures(folder) {
        let done = give(run(), &format!("tests/fixtures/{name}")).ok();
        all.extend(differences(&name, &done, &expected));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

fn as_file(call: Call, path: &str) -> Call {
    call.arg(repository(path))
}

fn as_stream(call: Call, path: &str) -> Call {
    call.args(&LONG_HOLD).arg("-").stdin(&repository(path))
}

#[test]
fn every_envelope_gives_the_same_alerts() {
    compare("envelopes/", as_file);
}

#[test]
fn every_envelope_gives_the_same_alerts_over_standard_input() {
    compare("envelopes/", as_stream);
}

#[test]
fn documents_without_events_are_not_errors() {
    compare("no-events/", as_file);
}

#[test]
fn documents_without_events_are_not_errors_over_standard_input() {
    compare("no-events/", as_stream);
}

#[test]
fn events_beside_an_error_are_kept() {
    compare("bad/", as_file);
}

#[test]
fn events_beside_an_error_are_kept_over_standard_input() {
    compare("bad/", as_stream);
}

/// The same twelve events many times: three alerts, and everything else is a repeat or a sighting.
#[test]
fn all_envelopes_at_once_give_only_repeats() {
    let envelopes = fixtures("envelopes/");
    let (_, first) = envelopes.first().unwrap();
    let times = envelopes.len() as u64;
    let done = run().arg(repository("tests/fixtures/envelopes")).ok();
    assert_eq!(done.count("files"), times);
    for count in ["events", "matched", "missing_terms"] {
        assert_eq!(done.count(count), times * first[count].as_u64().unwrap(), "{count}");
    }
    assert_eq!(json!(done.alert_ids()), first["alert_ids"]);
    assert_eq!(done.count("repeats"), 3 * (times - 1));
    assert_eq!(done.count("bad") + done.count("failed_inputs"), 0, "{}", done.stderr);
}

/// The alert does not depend on the envelope.
#[test]
fn raw_envelopes_give_byte_identical_alerts() {
    let alerts = |name: &str| run().arg(repository("tests/fixtures/envelopes").join(name)).ok();
    let lines = alerts("lines.ndjson").stdout;
    assert_eq!(lines.lines().count(), 3);
    for name in ["records.json.gz", "array.json", "eventbridge.ndjson", "lookup-events.json"] {
        assert_eq!(alerts(name).stdout, lines, "{name}");
    }
}

/// In a folder, a file that does not look like a log is skipped without an error.
#[test]
fn every_error_in_a_folder_is_reported() {
    let done = run().arg(repository("tests/fixtures/bad")).ok();
    let logs = fixtures("bad/").into_iter().filter(|(name, _)| name != "bad/text.txt");
    let bad: u64 = logs.map(|(_, expected)| expected["bad"].as_u64().unwrap()).sum();
    assert_eq!(done.count("bad"), bad, "{}", done.stderr);
    assert_eq!(done.count("no_events"), 1, "{}", done.summary);
    assert_eq!(done.count("failed_inputs"), 3);
    for name in ["truncated.ndjson.gz", "corrupt.ndjson.gz", "checksum.ndjson.gz"] {
        assert!(done.stderr.contains(name), "{name} is not named: {}", done.stderr);
    }
}

//! A host that shares no code with ours: `tests/foreign_host/host.mjs`, written from docs/abi.md.
//!
//! In: an artifact of `firstseen build`, events as NDJSON. Out: whether that host gives the alerts
//! of `firstseen run`, byte for byte, in both ways of the contract and with any number of
//! conflicts. Without Node the tests print that they were skipped.

use crate::support::{Done, Folder, call, repository, run};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::collections::HashSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

const RULE: &str = "plugin/rules/first_time_cloudformation_stack_creation.toml";
const HOST: &str = "tests/foreign_host/host.mjs";
const WAYS: [&str; 2] = ["evaluate", "decide"];

/// Whether Node 18 or newer is installed. If not, prints a line that the test runner does not hide,
/// as it would hide one of `eprintln!`.
fn has_node() -> bool {
    let asked = Command::new("node").arg("--version").output();
    let version = asked.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    let version = version.unwrap_or_else(|_| "none".to_owned());
    let major = version.trim_start_matches('v').split('.').next().and_then(|n| n.parse().ok());
    if major.is_some_and(|major: u32| major >= 18) {
        return true;
    }
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED: the foreign host needs Node 18 or newer, found {version}").ok();
    false
}

/// The artifact of the flagship rule.
fn artifact(folder: &Folder) -> PathBuf {
    let wasm = folder.path("rule.wasm");
    call("build").arg(repository(RULE)).arg("-o").arg(&wasm).ok();
    wasm
}

fn ours(wasm: &Path, events: &Path) -> Done {
    run().arg("--rule").arg(wasm).args(&["--format", "ndjson"]).arg(events).ok()
}

struct Foreign {
    status: Option<i32>,
    alerts: String,
    messages: String,
    counts: Value,
}

/// Runs the host in Node. Its store refuses the first `conflicts` writes of each key.
fn foreign_host(way: &str, wasm: &Path, events: &Path, conflicts: u32) -> Foreign {
    let mut node = Command::new("node");
    node.arg(repository(HOST)).arg(way).args([wasm, events]).arg(conflicts.to_string());
    let out = node.output().unwrap();
    let messages = String::from_utf8(out.stderr).unwrap();
    let counts = messages.lines().last().and_then(|line| serde_json::from_str(line).ok());
    Foreign {
        status: out.status.code(),
        alerts: String::from_utf8(out.stdout).unwrap(),
        counts: counts.unwrap_or_default(),
        messages,
    }
}

#[track_caller]
fn same_alerts(ours: &Done, theirs: &Foreign, alerts: usize) {
    assert_eq!(theirs.status, Some(0), "{}", theirs.messages);
    assert_eq!(ours.stdout.lines().count(), alerts, "{}", ours.stderr);
    assert!(ours.stdout == theirs.alerts, "ours:\n{}theirs:\n{}", ours.stdout, theirs.alerts);
    assert_eq!(theirs.counts["matched"], ours.count("matched"));
}

/// The records of the sample folder as lines, sorted by time.
fn sample_in_order() -> Vec<String> {
    let (mut folders, mut events) = (vec![repository("samples/cloudtrail")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "gz") {
                let mut text = String::new();
                MultiGzDecoder::new(std::fs::File::open(path).unwrap())
                    .read_to_string(&mut text)
                    .unwrap();
                let file: Value = serde_json::from_str(&text).unwrap();
                events.extend(file["Records"].as_array().cloned().unwrap_or_default());
            }
        }
    }
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    events.sort_by_cached_key(|event| (text(event, "eventTime"), text(event, "eventID")));
    events.iter().map(|event| format!("{event}\n")).collect()
}

#[test]
fn both_ways_give_the_same_alerts_with_any_conflicts() {
    if !has_node() {
        return;
    }
    let folder = Folder::new();
    let wasm = artifact(&folder);
    let lines = repository("tests/fixtures/envelopes/lines.ndjson");
    let sample = folder.write("sample.ndjson", sample_in_order().concat());
    // With 15 conflicts, the last of 16 tries succeeds.
    for (events, alerts, conflicts) in [(lines, 3, vec![0, 15]), (sample, 7, vec![1])] {
        let ours = ours(&wasm, &events);
        let terms: HashSet<String> =
            ours.lines().iter().map(|alert| alert["kibana.alert.new_terms"].to_string()).collect();
        for (way, conflicts) in WAYS.iter().flat_map(|way| conflicts.iter().map(move |n| (way, n)))
        {
            let theirs = foreign_host(way, &wasm, &events, *conflicts);
            same_alerts(&ours, &theirs, alerts);
            let refused = terms.len() as u64 * u64::from(*conflicts);
            assert_eq!(theirs.counts["conflicts"], refused, "{}", theirs.messages);
        }
    }
}

#[test]
fn sorting_by_the_host_is_sufficient() {
    if !has_node() {
        return;
    }
    let folder = Folder::new();
    let wasm = artifact(&folder);
    let mut newest_first = sample_in_order();
    newest_first.reverse();
    let events = folder.write("newest-first.ndjson", newest_first.concat());
    let theirs = foreign_host("decide", &wasm, &events, 1);
    same_alerts(&ours(&wasm, &events), &theirs, 7);
    // Without sorting, the alerts name other previous sightings.
    assert_ne!(foreign_host("evaluate", &wasm, &events, 0).alerts, theirs.alerts);
}

#[test]
fn endless_conflicts_are_an_error_without_alert() {
    if !has_node() {
        return;
    }
    let folder = Folder::new();
    let wasm = artifact(&folder);
    let events = folder.write("one.ndjson", sample_in_order().concat());
    let theirs = foreign_host("evaluate", &wasm, &events, 1_000_000);
    assert_eq!((theirs.status, &*theirs.alerts), (Some(0), ""));
    assert!(theirs.messages.contains("conflict: "), "{}", theirs.messages);
    let theirs = foreign_host("decide", &wasm, &events, 1_000_000);
    assert_eq!((theirs.status, &*theirs.alerts), (Some(1), ""));
    assert!(theirs.messages.contains("16 conflicts"), "{}", theirs.messages);
}

#[test]
fn bad_event_is_reported_and_the_others_are_evaluated() {
    if !has_node() {
        return;
    }
    let folder = Folder::new();
    let wasm = artifact(&folder);
    let mut lines = sample_in_order();
    lines.insert(0, "{\"eventName\":\"CreateStack\"\n".to_owned());
    let events = folder.write("bad.ndjson", lines.concat());
    let ours = ours(&wasm, &events);
    for way in WAYS {
        let theirs = foreign_host(way, &wasm, &events, 0);
        same_alerts(&ours, &theirs, 7);
        assert!(theirs.messages.contains("bad_json: "), "{}", theirs.messages);
    }
}

#[test]
fn host_is_small_and_has_no_dependencies() {
    let text = std::fs::read_to_string(repository(HOST)).unwrap();
    assert!(text.lines().count() < 150, "{} lines", text.lines().count());
    let imports: Vec<_> = text.lines().filter(|line| line.starts_with("import ")).collect();
    assert_eq!(imports, ["import { readFileSync } from \"node:fs\";"]);
    assert!(!text.contains("require(") && !text.contains("import("));
}

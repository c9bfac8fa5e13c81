//! Several artifacts in one run give the same alerts as each one alone.
//!
//! In: rules that match different events. Out: whether the alerts and counts of a run with all of
//! them are right.

use crate::build::{artifact, rule};
use crate::support::{Folder, call, repository, run};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// An ECS document with this action.
fn event(day: u32, action: &str) -> String {
    let time = format!("2025-{:02}-{:02}T08:00:00Z", 1 + day / 28, 1 + day % 28);
    json!({ "@timestamp": time, "event": { "id": format!("{action}-{day}"), "action": action },
            "user": { "name": "alice" } })
    .to_string()
}

fn lines(events: &[String]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

/// The alert lines and the summary of a run with these artifacts.
fn alerts(rules: &[&Path], state: &Path, input: &Path) -> (Vec<String>, Value) {
    let mut call = run().arg("--format").arg("ndjson").arg("--state").arg(state).arg(input);
    for rule in rules {
        call = call.arg("--rule").arg(rule);
    }
    let done = call.ok();
    (done.stdout.lines().map(str::to_owned).collect(), done.summary.clone())
}

#[test]
fn later_events_of_one_artifact_do_not_expire_another() {
    let folder = Folder::new();
    let ahead = artifact(&folder, "ahead", "event.action: Ahead", &["user.name"]);
    let behind = artifact(&folder, "behind", "event.action: Behind", &["user.name"]);
    let before = folder.write("before.ndjson", lines(&[event(0, "Behind")]));
    // 20 days are more than the window of 7 days and less than the three weeks for which an alert
    // names the previous sighting.
    let after = [event(20, "Behind"), event(90, "Ahead")];
    let after = folder.write("after.ndjson", lines(&after));
    let ways: [&[&Path]; 2] = [&[&behind], &[&ahead, &behind]];
    let mut named = Vec::new();
    for (number, rules) in ways.into_iter().enumerate() {
        let state = folder.path(&format!("state-{number}"));
        alerts(rules, &state, &before);
        let (all, _) = alerts(rules, &state, &after);
        named.extend(all.into_iter().find(|alert| alert.contains("Behind-20")));
    }
    assert_eq!(named.len(), 2, "{named:?}");
    assert_eq!(named[0], named[1]);
    let alert: Value = serde_json::from_str(&named[0]).unwrap();
    assert_eq!(alert["firstseen"]["previous_sighting"], "2025-01-01T08:00:00.000Z");
}

#[test]
fn event_counts_once_for_any_number_of_artifacts() {
    let folder = Folder::new();
    let one = artifact(&folder, "one", "event.action: First", &["user.name"]);
    let two = artifact(&folder, "two", "event.action: Second", &["user.name"]);
    let any = artifact(&folder, "any", "user.name: *", &["event.action"]);
    let broken = event(3, "Second").replace("alice", "alice\u{1}");
    let text = lines(&[
        event(1, "First"),
        event(2, "Second"),
        event(2, "Third"),
        broken,
        r#"{"@timestamp":"2025-01-01T00:00:00Z","Second":1}"#.to_owned(),
        "no event at all".to_owned(),
    ]);
    let input = folder.write("input.ndjson", text);
    let memory = PathBuf::from("memory:");
    // Only the second artifact reads the broken event; only the third reads every event.
    for (rules, matched) in [
        (&[one.as_path(), &two][..], 2),
        (&[&two, &one], 2),
        (&[&one, &two, &any], 5),
        (&[&any, &two, &one], 5),
    ] {
        let (_, summary) = alerts(rules, &memory, &input);
        assert_eq!(summary["matched"], matched, "{summary}");
        assert_eq!(summary["bad"], 2, "{summary}");
        assert_eq!(summary["events"], 4, "{summary}");
    }
}

#[test]
fn pack_gives_the_alerts_of_its_rules() {
    let folder = Folder::new();
    let mut sources = Vec::new();
    let mut singles = Vec::new();
    for number in 0..6 {
        let id = format!("rule-{number}");
        let query = format!("event.action: (Call{number} or Call{}) and user.name: *", number + 1);
        let fields = if number % 2 == 0 { &["user.name"][..] } else { &["event.action"] };
        sources.push(folder.write(&format!("{id}.toml"), rule(&id, &query, fields)));
        singles.push(artifact(&folder, &id, &query, fields));
    }
    let pack = folder.path("pack.wasm");
    let build = call("build").arg("--pack").arg("-o").arg(&pack);
    sources.iter().fold(build, |call, source| call.arg(source)).ok();
    let events: Vec<_> = (0..50).map(|n| event(n, &format!("Call{n}"))).collect();
    let input = folder.write("input.ndjson", lines(&events));
    let memory = PathBuf::from("memory:");
    let (together, counts) = alerts(&[&pack], &memory, &input);
    let all: Vec<&Path> = singles.iter().map(PathBuf::as_path).collect();
    let (side_by_side, other) = alerts(&all, &memory, &input);
    assert_eq!(together, side_by_side);
    let mut alone: Vec<String> =
        singles.iter().flat_map(|single| alerts(&[single], &memory, &input).0).collect();
    let mut sorted = together.clone();
    alone.sort();
    sorted.sort();
    assert_eq!(sorted, alone);
    // Rules with user.name alert once each, rules with event.action twice.
    assert_eq!(together.len(), 3 + 2 * 3);
    for name in ["events", "matched", "alerts", "seen", "bad"] {
        assert_eq!(counts[name], other[name], "{name}");
    }
}

/// Compiled code is kept where the option says, and nowhere with `none`. The engine of this version is compiled with
/// the binary, so that code is kept of others.
#[test]
fn compiled_code_is_kept_where_it_is_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let wasm = repository("tests/fixtures/artifacts/flagship-0.1.0.wasm");
    let cache = folder.path("cache/deep");
    let run_with = |cache: &std::ffi::OsStr| {
        let mut call = run().arg("--cache").arg(cache).arg("--rule").arg(&wasm).arg("-");
        call.command.env("XDG_CACHE_HOME", folder.path("home"));
        call
    };
    run_with("none".as_ref()).ok();
    assert!(!folder.path("home").exists() && !folder.path("none").exists());
    run_with(cache.as_os_str()).ok();
    run_with(cache.as_os_str()).ok();
    let kept = || std::fs::read_dir(&cache).unwrap().count();
    assert_eq!((kept(), folder.path("home").exists()), (1, false));
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777)).unwrap();
    run_with(cache.as_os_str()).fails(&["--cache", "cache/deep", "nobody else may write"]);
}

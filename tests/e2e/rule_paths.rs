//! What may stand behind `--rule`: several artifacts as a shell expands them, folders, rule.toml.
//!
//! In: rules in files and folders, events. Out: whether all of them run and no event is read from one.

use crate::build::{artifact, rule};
use crate::support::{Call, Folder, call, run};
use serde_json::json;
use std::path::PathBuf;

/// A folder with rules `one` and `two`, and an event for each.
fn scene() -> (Folder, [PathBuf; 2], PathBuf) {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("out")).unwrap();
    let rules = ["one", "two"].map(|id| {
        let built = artifact(&folder, id, &format!("event.action: {id}"), &["user.name"]);
        let to = folder.path(&format!("out/{id}.wasm"));
        std::fs::rename(built, &to).unwrap();
        to
    });
    let event = |action: &str, hour: u32| {
        json!({ "@timestamp": format!("2025-01-01T{hour:02}:00:00Z"), "event": { "id": action, "action": action },
                "user": { "name": "alice" } })
    };
    let events =
        folder.write("events.ndjson", format!("{}\n{}\n", event("one", 8), event("two", 9)));
    (folder, rules, events)
}

#[track_caller]
fn both_run(call: Call) {
    let done = call.ok();
    assert_eq!(done.alert_ids(), ["one", "two"], "{}", done.stderr);
    assert_eq!((done.count("files"), done.count("events"), done.count("bad")), (1, 2, 0));
}

#[test]
fn all_rules_that_a_shell_expands_run() {
    let (_folder, [one, two], events) = scene();
    both_run(run().arg("--rule").arg(&one).arg(&two).arg(&events));
    both_run(run().arg(&events).arg("--rule").arg(&one).arg(&two));
    let explained = call("explain").arg("--rule").arg(&one).arg(&two).arg(&events).ok().lines();
    assert_eq!(explained.iter().filter(|line| line["matched"] == true).count(), 2);
    assert_eq!(explained.len(), 4);
}

#[test]
fn folders_and_rule_files_run_and_artifacts_come_first() {
    let (folder, [one, _], events) = scene();
    both_run(run().arg("--rule").arg(folder.path("out")).arg(&events));
    // Beside the artifacts stands what would be another rule.
    folder.write("out/three.toml", rule("three", "event.action: *", &["user.name"]));
    both_run(run().arg("--rule").arg(folder.path("out")).arg(&events));
    // Built in memory, with artifacts and alone.
    let two = folder.path("two.toml");
    both_run(run().arg("--rule").arg(&one).arg(&two).arg(&events));
    std::fs::create_dir(folder.path("src")).unwrap();
    for id in ["one", "two"] {
        let text = rule(id, &format!("event.action: {id}"), &["user.name"]);
        folder.write(&format!("src/{id}.toml"), text);
    }
    folder.write("src/one.test.toml", "[[case]]\n");
    folder.write("src/other.toml", "[package]\n");
    let call = run().arg("--rule").arg(folder.path("src")).arg(&events);
    let done = call.end();
    assert!(done.stderr.contains("other.toml: skipped: it has no [rule]"), "{}", done.stderr);
    assert_eq!(done.alert_ids(), ["one", "two"]);
    assert!(!folder.path("src/one.wasm").exists(), "nothing is written");
}

#[test]
fn rule_that_cannot_run_says_why() {
    let (folder, [one, two], events) = scene();
    let among = ["one.wasm: a rule among the inputs", "--rule"];
    run().arg("--rule").arg(&two).arg(&events).arg(&one).fails(&among);
    run().arg(&one).fails(&among);
    call("explain").arg(folder.path("one.toml")).fails(&["one.toml: a rule among the inputs"]);
    let broken = folder.write("broken.toml", rule("b", "event.action: (", &["user.name"]));
    let words = ["broken.toml", "error[", "cannot be built"];
    let done = run().arg("--rule").arg(&broken).arg(&events).fails(&words);
    assert_eq!(done.stdout, "");
    std::fs::create_dir(folder.path("none")).unwrap();
    run().arg("--rule").arg(folder.path("none")).arg(&events).fails(&["no rule in this folder"]);
}

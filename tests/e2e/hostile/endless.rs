//! Guests whose calls do not end, beside one whose calls do.
//!
//! In: guests that loop. Out: whether they are stopped for the run and named, what they did not judge is counted, the other
//! rule judges everything, and the exit status says it.

use super::guest::HostileGuest;
use super::words;
use crate::support::{Done, Folder, call, run, stack_lines};
use std::path::PathBuf;

/// A folder with the flagship, a guest whose export loops, and twenty events.
fn scene(export: &'static str) -> (Folder, [PathBuf; 3]) {
    let folder = Folder::new();
    let mut guest = HostileGuest::default();
    // An empty object, where `configure` has its own: `test` asks for an explanation first.
    guest.bodies.push(("explain", format!("(i64.const {})", (1032_u64 << 32) | 2)));
    // The honest answer is of one event; where `decide` is to loop, each event needs one.
    guest.bodies.push((export, "(loop $ever (br $ever)) unreachable".to_owned()));
    if export == "decide" {
        guest.bodies.push(("keys", every_event()));
    }
    let hostile = folder.write("hostile.wasm", guest.wasm());
    let names: Vec<String> = (0..20).map(|n| format!("user{n}")).collect();
    let events: Vec<_> =
        names.iter().map(|name| (name.as_str(), "2025-04-01T08:00:00Z", name.as_str())).collect();
    let flagship = folder.write("flagship.wasm", firstseen_engines::flagship());
    let events = folder.write("events.ndjson", stack_lines(&events));
    (folder, [flagship, hostile, events])
}

/// A run over twenty events, with the flagship and with a guest whose export loops.
fn run_beside(export: &'static str) -> Done {
    let (_folder, [flagship, hostile, events]) = scene(export);
    let run = run().args(&["--cache", "none", "--threads", "1", "--rule"]).arg(&flagship);
    run.arg("--rule").arg(hostile).arg("-").stdin(&events).end()
}

/// Writes a match for each event: the honest item, with the place of the event.
fn every_event() -> String {
    // The head, then items of the same bytes.
    let item = HostileGuest::default().keys.len() - 32;
    format!(
        "(local $i i32) (local $at i32)
        (memory.copy (i32.const 400000) (i32.const 131072) (i32.const 32))
        (local.set $at (i32.const 400032))
        (loop $next
            (memory.copy (local.get $at) (i32.const 131104) (i32.const {item}))
            (i64.store offset=8 (local.get $at)
                (i64.load (i32.add (local.get 2) (i32.mul (local.get $i) (i32.const 8)))))
            (local.set $at (i32.add (local.get $at) (i32.const {item})))
            (br_if $next (i32.lt_u
                (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 3))))
        (i32.store offset=24 (i32.const 400000) (local.get 3))
        (i64.or (i64.shl (i64.const 400000) (i64.const 32))
            (i64.extend_i32_u (i32.sub (local.get $at) (i32.const 400000))))"
    )
}

fn is_stopped_and_named(done: &Done) {
    let said = words(&done.stderr);
    assert_eq!(done.status, Some(2), "{said}");
    assert!(said.contains("hostile.wasm: stopped, as it ran over its time 3 times"), "{said}");
    assert_eq!(done.summary["bad_by"]["rule_stopped"], 20, "{said}");
    assert_eq!((done.count("alerts"), done.lines().len()), (20, 20), "the other rule went on");
    let stopped = &done.summary["stopped_rules"][0];
    assert!(stopped["name"].as_str().unwrap().ends_with("hostile.wasm"), "{stopped}");
    assert_eq!(stopped["overruns"], 3);
}

/// What a rule did not judge is behind the position: it is said whose it is, how it is judged all the same, and each of
/// these events is a dead letter with the rule's name.
#[test]
fn a_position_that_passes_what_a_stopped_rule_did_not_judge_says_so() {
    let (folder, [flagship, hostile, events]) = scene("keys");
    let letters = folder.path("bad.ndjson");
    let resumed = |rules: &[&PathBuf], name: &str| {
        let mut run = run().args(&["--cache", "none", "--threads", "1", "--resume", "--state"]);
        run = run.arg(folder.path("state.redb")).arg("--output").arg(folder.path(name));
        for rule in rules {
            run = run.arg("--rule").arg(rule);
        }
        run.arg(&events).arg("--dead-letter").arg(&letters)
    };
    let done = resumed(&[&flagship, &hostile], "out.ndjson").end();
    let said = words(&done.stderr);
    assert_eq!(done.status, Some(2), "{said}");
    assert!(said.contains("hostile.wasm: stopped, as it ran over its time 3 times"), "{said}");
    assert!(said.contains("behind these events, and they are not read again"), "{said}");
    assert!(said.contains("another --name"), "{said}");
    let letters = std::fs::read_to_string(&letters).unwrap();
    assert_eq!(letters.lines().count(), 20);
    let last: serde_json::Value = serde_json::from_str(letters.lines().last().unwrap()).unwrap();
    assert_eq!(last["code"], "rule_stopped");
    assert!(last["reason"].as_str().unwrap().contains("hostile.wasm ran over its time 3 times"));
    // The other rule is done with them: nothing is read again, and nothing is said twice.
    let done = resumed(&[&flagship, &hostile], "out.ndjson").ok();
    assert_eq!((done.count("already_read"), done.count("events")), (1, 0));
    assert!(done.summary.get("stopped_rules").is_none());
    // What is advised: under another name, which is that of the output here, one rule reads the same inputs again.
    let done = resumed(&[&flagship], "again.ndjson").ok();
    assert_eq!((done.count("events"), done.count("repeats")), (20, 20), "{}", done.stderr);
}

#[test]
fn explain_names_a_rule_that_was_stopped() {
    let (_folder, [flagship, hostile, events]) = scene("keys");
    let explain = call("explain").args(&["--cache", "none", "--format", "ndjson", "--rule"]);
    let done = explain.arg(&flagship).arg("--rule").arg(&hostile).arg(&events).end();
    let said = words(&done.stderr);
    assert_eq!(done.status, Some(2), "{said}");
    assert!(said.contains("hostile.wasm: stopped, as it ran over its time 3 times"), "{said}");
    assert!(said.contains("has the error `rule_stopped`"), "{said}");
    let (mut stopped, mut matched) = (0, 0);
    for line in done.stdout.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        stopped += u32::from(line["error"]["code"] == "rule_stopped");
        matched += u32::from(line["matched"] == true);
    }
    assert_eq!((stopped, matched), (18, 20), "{said}");
}

/// Numbers of a run in which a rule was not called would be compared with those of one in which it was.
#[test]
fn bench_has_no_result_where_a_rule_was_stopped() {
    let (folder, [flagship, hostile, events]) = scene("keys");
    let result = folder.path("result.json");
    let bench = call("bench").args(&["--cache", "none", "--threads", "1", "--rounds", "1"]);
    let bench = bench.arg("--output").arg(&result).arg("--rule").arg(&flagship).arg("--rule");
    let done = bench.arg(&hostile).arg(&events).end();
    let said = words(&done.stderr);
    assert_eq!((done.status, &*done.stdout), (Some(2), ""), "{said}");
    assert!(said.contains("hostile.wasm: stopped, as it ran over its time 3 times"), "{said}");
    assert!(said.contains("there is no result"), "{said}");
    assert!(!result.exists());
}

#[test]
fn test_names_a_rule_that_was_stopped() {
    let (folder, [_, hostile, _]) = scene("keys");
    let text = format!(
        "rule = {:?}\nallow_one_sided = true\nstart = 2025-04-01T08:00:00Z\n[base]\n\"user.name\" = \"ann\"\n\
         {}",
        hostile.to_str().unwrap(),
        // A call that is late ends its case.
        (0..4)
            .map(|n| format!(
                "[[case]]\nname = \"{n}\"\n[[case.event]]\nat = \"+0s\"\nalert = true\n"
            ))
            .collect::<String>()
    );
    let test = folder.write("hostile.test.toml", text);
    let done = call("test").args(&["--cache", "none"]).arg(&test).end();
    let said = words(&(done.stdout + &done.stderr));
    assert_ne!(done.status, Some(0), "{said}");
    assert!(said.contains("hostile.wasm ran over its time 3 times"), "{said}");
}

#[test]
fn keys_that_never_ends_is_stopped_for_the_run() {
    is_stopped_and_named(&run_beside("keys"));
}

#[test]
fn decide_that_never_ends_is_stopped_for_the_run() {
    is_stopped_and_named(&run_beside("decide"));
}

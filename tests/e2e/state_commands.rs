//! `firstseen state`: what a state knows is seen and corrected.
//!
//! In: a state that `run` made of a few events. Out: whether the commands say what is in it, whether a
//! change is what the next run decides by, and whether the log tells of it.

use crate::stream::Live;
use crate::support::{Call, Done, Folder, call, run, stack_lines};
use serde_json::Value;
use std::path::{Path, PathBuf};

const RULE: &str = "0415258b-a7b2-48a6-891a-3367cd9d4d31";

fn state(command: &str, path: &Path) -> Call {
    call("state").arg(command).arg(path)
}

/// A state of three terms: alice twice, bob, and one whose name is hostile.
fn three(folder: &Folder) -> PathBuf {
    let path = folder.path("s.redb");
    let events = stack_lines(&[
        ("a", "2025-04-01T08:00:00Z", "alice"),
        ("b", "2025-04-02T08:00:00Z", "bob"),
        ("c", "2025-04-03T08:00:00Z", "alice"),
        ("d", "2025-04-04T08:00:00Z", "\u{1b}[2Jmallory=\u{202e}"),
    ]);
    let done = run().arg("--state").arg(&path).arg("-").pipe(events).ok();
    assert_eq!(done.count("alerts"), 3);
    path
}

fn users(done: &Done) -> Vec<String> {
    let mut users: Vec<_> = done
        .lines()
        .iter()
        .map(|line| line["term"][1].as_str().unwrap_or_else(|| panic!("{line}")).to_owned())
        .collect();
    users.sort();
    users
}

#[test]
fn stats_and_terms_are_read_and_nothing_is_written() {
    let folder = Folder::new();
    let path = three(&folder);
    let before = std::fs::read(&path).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o400);
    std::fs::set_permissions(&path, mode).unwrap();
    let stats = state("stats", &path).ok().lines();
    let [stats] = stats.as_slice() else { panic!("{stats:?}") };
    for (name, expected) in [
        ("rule_id", Value::from(RULE)),
        ("rule", "First Time AWS Cloudformation Stack Creation by User".into()),
        ("terms", 3.into()),
        ("expired", 0.into()),
        ("first_sighting", "2025-04-01T08:00:00.000Z".into()),
        ("last_sighting", "2025-04-04T08:00:00.000Z".into()),
        ("window", "10d".into()),
        ("fields", vec!["cloud.account.id", "user.name"].into()),
        ("older", false.into()),
    ] {
        assert_eq!(stats[name], expected, "{name}");
    }
    assert!(stats["bytes"].as_u64().unwrap() > 300);
    let done = state("list", &path).ok();
    assert_eq!(users(&done), ["\u{1b}[2Jmallory=\u{202e}", "alice", "bob"]);
    let alice = state("get", &path).args(&["--term", "111122223333", "--term", "alice"]).ok();
    let alice = &alice.lines()[0];
    assert_eq!(alice["first_sighting"], "2025-04-01T08:00:00.000Z");
    assert_eq!(alice["last_sighting"], "2025-04-03T08:00:00.000Z");
    assert!(alice["episodes"][0]["alerted"][0]["alert"].as_str().unwrap().len() == 36);
    for command in ["stats", "list"] {
        for done in [
            state(command, &path).args(&["--format", "pretty"]).ok(),
            state(command, &path).args(&["--format", "pretty", "--rule", "*Stack*"]).ok(),
        ] {
            assert!(done.stdout.contains("First Time AWS Cloud"), "{}", done.stdout);
            assert!(!done.stdout.contains(['\u{1b}', '\u{202e}']), "{}", done.stdout);
            assert!(done.stdout.lines().all(|line| line.chars().count() <= 80));
        }
    }
    assert!(std::fs::read(&path).unwrap() == before, "reading writes nothing");
}

#[test]
fn terms_are_chosen_by_value_and_by_time() {
    let folder = Folder::new();
    let path = three(&folder);
    for (args, expected) in [
        (&["--where", "user.name=a*"][..], &["alice"][..]),
        (
            &["--where", "user.name=*o*", "--where", "cloud.account.id=1*3"],
            &["\u{1b}[2Jmallory=\u{202e}", "bob"],
        ),
        (&["--where", "user.name=A*"], &[]),
        (&["--seen-before", "2025-04-03T08:00:00Z"], &["bob"]),
        (&["--seen-since", "2025-04-03T08:00:00Z"], &["\u{1b}[2Jmallory=\u{202e}", "alice"]),
        (&["--seen-before", "1d"], &["bob"]),
        (&["--seen-since", "1d", "--where", "user.name=a*"], &["alice"]),
        (&["--term", "111122223333", "--term", "bob"], &["bob"]),
        (&["--term", "user.name=bob", "--term", "cloud.account.id=111122223333"], &["bob"]),
        (
            &["--term", "111122223333", "--term", "\u{1b}[2Jmallory=\u{202e}"],
            &["\u{1b}[2Jmallory=\u{202e}"],
        ),
        (
            &["--rule", RULE, "--tenant", "default", "--limit", "9"],
            &["\u{1b}[2Jmallory=\u{202e}", "alice", "bob"],
        ),
        (&["--tenant", "other"], &[]),
    ] {
        assert_eq!(users(&state("list", &path).args(args).ok()), expected, "{args:?}");
    }
    assert_eq!(state("list", &path).args(&["--limit", "2"]).ok().lines().len(), 2);
    let two = state("list", &path).args(&["--limit", "2", "--format", "pretty"]).ok().stdout;
    assert!(two.contains("alice") && two.contains("1 term more") && !two.contains("bob"), "{two}");
    state("list", &path).args(&["--where", "user.id=1"]).fails(&["user.id", "cloud.account.id"]);
    state("list", &path).args(&["--rule", "none"]).fails(&["none", RULE]);
    state("list", &path).args(&["--seen-since", "soon"]).fails(&["RFC 3339"]);
    state("get", &path)
        .args(&["--term", "alice"])
        .fails(&["2 values", "cloud.account.id and user.name"]);
    let unknown = state("get", &path).args(&["--term", "1", "--term", "alice"]).end();
    assert_eq!((unknown.status, unknown.stdout.as_str()), (Some(1), ""));
    assert!(unknown.stderr.contains("not known"), "{}", unknown.stderr);
}

#[test]
fn a_state_that_a_run_has_open_says_so() {
    let folder = Folder::new();
    let path = folder.path("s.redb");
    state("stats", &path).fails(&["no state file"]);
    assert!(!path.exists());
    let mut live = Live::start(run().arg("--state").arg(&path).arg("-"));
    live.write(stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]));
    assert_eq!(live.next_id(), "a");
    for command in ["stats", "list"] {
        state(command, &path).fails(&["end the run first", "another process is using this state"]);
    }
    live.end();
    assert_eq!(users(&state("list", &path).ok()), ["alice"]);
}

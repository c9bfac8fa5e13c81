//! `firstseen state`: what a state knows is seen and corrected.
//!
//! In: a state that `run` made of a few events. Out: whether the commands say what is in it, whether a
//! change is what the next run decides by, and whether the log tells of it.

use crate::stream::Live;
use crate::support::{Call, Done, Folder, call, run, stack_lines};
use serde_json::{Value, json};
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
    // A name that is none, one beside a value alone, one twice: never a value by itself.
    for term in [
        ["user.nam=alice", "cloud.account.id=111122223333"],
        ["User.Name=alice", "cloud.account.id=111122223333"],
        ["user.name=alice", "111122223333"],
        ["cloud.account.id=1", "cloud.account.id=2"],
    ] {
        let term = ["--term", term[0], "--term", term[1]];
        state("get", &path).args(&term).fails(&["cloud.account.id and user.name", term[1]]);
        state("forget", &path).args(&term).fails(&["FIELD=VALUE"]);
        state("approve", &path).args(&["--reason", "x"]).args(&term).fails(&["FIELD=VALUE"]);
    }
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

/// What `run` decides of one more event of this user.
fn decides(path: &Path, time: &str, user: &str) -> Done {
    let events = stack_lines(&[(&format!("{time}{user}"), time, user)]);
    run().arg("--state").arg(path).arg("-").pipe(events).ok()
}

fn log(path: &Path) -> Vec<Value> {
    state("log", path).ok().lines()
}

#[test]
fn forgotten_terms_are_new_again_and_the_log_tells_of_it() {
    let folder = Folder::new();
    let path = three(&folder);
    assert_eq!(decides(&path, "2025-04-05T08:00:00Z", "bob").count("alerts"), 0);
    let bob = ["--term", "user.name=bob", "--term", "cloud.account.id=111122223333"];
    let dry = state("forget", &path).args(&bob).arg("--dry-run").ok();
    assert!(dry.stderr.contains("1 term would be forgotten"), "{}", dry.stderr);
    state("forget", &path).arg("--yes").fails(&["say which", "--all"]);
    state("forget", &path).args(&bob).arg("--all").fails(&["leave out"]);
    let every = state("forget", &path).args(&["--all", "--dry-run"]).ok();
    assert!(every.stderr.contains("3 terms would be forgotten"), "{}", every.stderr);
    let all = state("forget", &path).args(&["--where", "user.name=*o*"]);
    all.fails(&["2 terms would be forgotten", "--yes", "--dry-run"]);
    assert!(log(&path).is_empty());
    let mut forget = state("forget", &path).args(&bob).args(&["--reason", "left \u{1b}[2J"]);
    forget.command.env("SUDO_USER", "dana\u{9b}");
    forget.ok();
    assert_eq!(users(&state("list", &path).ok()), ["\u{1b}[2Jmallory=\u{202e}", "alice"]);
    assert_eq!(decides(&path, "2025-04-06T08:00:00Z", "bob").count("alerts"), 1);
    assert_eq!(decides(&path, "2025-04-06T08:00:00Z", "alice").count("alerts"), 0);
    let none = state("forget", &path).args(&["--term", "1", "--term", "2"]).end();
    assert_eq!(none.status, Some(1));
    state("forget", &path).args(&["--seen-since", "1h", "--yes"]).ok();
    assert_eq!(users(&state("list", &path).ok()), ["\u{1b}[2Jmallory=\u{202e}"]);
    let entries = log(&path);
    assert_eq!(entries.len(), 2, "{entries:?}");
    let words = "111122223333, bob (First Time AWS Cloudformation Stack Creation by User)";
    for (name, expected) in [
        ("who", Value::from("dana\u{9b}")),
        ("action", "forget".into()),
        ("terms", 1.into()),
        ("what", words.into()),
        ("reason", "left \u{1b}[2J".into()),
    ] {
        assert_eq!(entries[0][name], expected, "{name}");
    }
    assert_eq!(entries[1]["terms"], 2);
    assert!(entries[1]["what"].as_str().unwrap().contains("--seen-since"), "{entries:?}");
    let shown = state("log", &path).args(&["--format", "pretty"]).ok().stdout;
    assert!(shown.contains("because: left") && !shown.contains(['\u{1b}', '\u{9b}']), "{shown}");
}

/// The rule's window changed: what it knew under the window before must not come back.
#[test]
fn a_forgotten_term_is_not_taken_over_from_the_rule_as_it_was() {
    let folder = Folder::new();
    let rule = "plugin/rules/first_time_cloudformation_stack_creation.toml";
    let rule = std::fs::read_to_string(crate::support::repository(rule)).unwrap();
    let short = folder.write("short.toml", rule.replace("now-10d", "now-5d"));
    let path = three(&folder);
    let with_short = |id: &str, user: &str| {
        let events = stack_lines(&[(id, "2025-04-06T08:00:00Z", user)]);
        let call = run().arg("--state").arg(&path).arg("--rule").arg(&short).arg("-");
        call.pipe(events).ok().count("alerts")
    };
    assert_eq!(with_short("e", "alice"), 0, "taken over");
    assert_eq!(state("stats", &path).ok().lines().len(), 2);
    let bob = ["--term", "111122223333", "--term", "bob"];
    assert_eq!(state("get", &path).args(&bob).ok().lines().len(), 1);
    state("forget", &path).args(&bob).ok();
    assert_eq!(with_short("f", "bob"), 1);
    // Of both prefixes, however it was chosen.
    let alice = ["--term", "111122223333", "--term", "alice", "--rule", RULE];
    assert_eq!(state("get", &path).args(&alice).ok().lines().len(), 2);
    state("forget", &path).args(&alice).ok();
    assert_eq!(with_short("g", "alice"), 1);
    assert_eq!(log(&path)[1]["terms"], 1);
}

#[test]
fn an_export_is_imported_and_again_changes_nothing() {
    let folder = Folder::new();
    let path = three(&folder);
    let exported = state("export", &path).ok().stdout;
    assert_eq!(exported.lines().count(), 4);
    let file = folder.write("export.ndjson", &exported);
    let copy = folder.path("copy.redb");
    let done = state("import", &copy).arg(&file).args(&["--reason", "a new machine"]).ok();
    assert!(done.stderr.contains("3 terms: 3 new"), "{}", done.stderr);
    assert_eq!(state("export", &copy).ok().stdout, exported);
    let again = state("import", &copy).arg("-").pipe(exported.clone()).ok();
    assert!(again.stderr.contains("3 terms: 3 known"), "{}", again.stderr);
    assert_eq!(state("export", &copy).ok().stdout, exported);
    let entries = log(&copy);
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["reason"], "a new machine");
    // What both know: the newer sighting of either counts, whichever is added to which.
    decides(&path, "2025-04-12T08:00:00Z", "alice");
    decides(&copy, "2025-04-13T08:00:00Z", "bob");
    let done = state("import", &copy).arg("-").pipe(state("export", &path).ok().stdout).ok();
    assert!(done.stderr.contains("3 terms: 1 added to, 2 known"), "{}", done.stderr);
    assert_eq!(decides(&copy, "2025-04-22T08:00:00Z", "alice").count("alerts"), 0);
    assert_eq!(decides(&copy, "2025-04-22T08:00:00Z", "bob").count("alerts"), 0);
    // The rule knows itself again: nothing is said to have changed.
    let run = decides(&copy, "2025-04-22T08:00:00Z", "carol");
    assert!(!run.stderr.contains("set aside"), "{}", run.stderr);
}

#[test]
fn a_wrong_import_changes_nothing() {
    let folder = Folder::new();
    let path = three(&folder);
    let exported = state("export", &path).ok().stdout;
    let copy = folder.path("copy.redb");
    let lines: Vec<&str> = exported.lines().collect();
    state("import", &copy).arg("-").pipe(lines[0]).ok();
    let with = |line: &str| format!("{}\n{}\n{line}\n", lines[0], lines[1]);
    let newer = lines[0].replace("\"firstseen_state\":1", "\"firstseen_state\":2");
    for (text, words) in [
        (lines[1].to_owned(), &["first line"][..]),
        (String::new(), &["first line"]),
        (newer, &["newer firstseen", "form 2"]),
        (lines[0].replace("864000000", "1"), &[]),
        (with("{"), &["line 3"]),
        (with(&lines[2].replace("\"key\":\"", "\"key\":\"0")), &["line 3", "32 hexadecimal"]),
        (with(&lines[2].replace("default:", "other:")), &["line 3", "first line"]),
        (with(&lines[2].replace("\"first\":\"20", "\"first\":\"29")), &["line 3", "sightings"]),
        (with(&lines[2].replace("\"first\":\"20", "\"first\":\"x")), &["line 3", "RFC 3339"]),
        (with(&lines[2].replace("\"term\":", "\"term_\":")), &["line 3", "term"]),
        (with(&lines[2].replace("\"last\":\"2025", "\"last\":\"9999")), &["line 3", "future"]),
        (lines[0].replace("864000000", "-1"), &["line 1", "window_ms"]),
        (lines[0].replace("864000000", &i64::MAX.to_string()), &["line 1", "window_ms"]),
    ] {
        if words.is_empty() {
            // Another window under the same prefix as the state has it.
            state("import", &path).arg("-").pipe(text).fails(&["window"]);
            continue;
        }
        let none = folder.path("none.redb");
        state("import", &none).arg("-").pipe(text.clone()).fails(words);
        assert!(!none.exists(), "{words:?}");
        state("import", &copy).arg("-").pipe(text).fails(words);
        assert_eq!(state("list", &copy).ok().stdout, "", "{words:?}");
        assert!(log(&copy).is_empty());
    }
    assert_eq!(state("export", &path).ok().stdout, exported);
}

#[test]
fn a_state_moves_with_its_log() {
    let folder = Folder::new();
    let path = three(&folder);
    let bob = ["--term", "111122223333", "--term", "bob"];
    state("forget", &path).args(&bob).ok();
    let to = folder.path("to.redb");
    state("migrate", &path).arg(&path).fails(&["added to itself"]);
    let done = state("migrate", &path).arg(&to).ok();
    assert!(done.stderr.contains("2 terms: 2 new"), "{}", done.stderr);
    assert_eq!(state("export", &to).ok().stdout, state("export", &path).ok().stdout);
    let actions: Vec<_> = log(&to).iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, ["forget", "migrate"]);
    let again = state("migrate", &path).arg(&to).ok();
    assert!(again.stderr.contains("2 terms: 2 known"), "{}", again.stderr);
    assert_eq!(log(&to).len(), 2);
}

#[test]
fn a_state_is_made_smaller_and_its_damage_is_named() {
    let folder = Folder::new();
    let path = folder.path("s.redb");
    let names: Vec<_> = (0..3000).map(|n| format!("user-{n}")).collect();
    let time = "2025-04-01T08:00:00Z";
    let events: Vec<_> = names.iter().map(|name| (name.as_str(), time, name.as_str())).collect();
    run().arg("--state").arg(&path).arg("-").pipe(stack_lines(&events)).ok();
    state("forget", &path).args(&["--where", "user.name=user-*0*", "--yes"]).ok();
    let left = state("export", &path).ok().stdout;
    let before = path.metadata().unwrap().len();
    let done = state("compact", &path).ok();
    assert!(done.stderr.contains(" before, "), "{}", done.stderr);
    assert!(path.metadata().unwrap().len() < before);
    assert_eq!(state("export", &path).ok().stdout, left);
    assert_eq!(log(&path)[1]["action"], "compact");
    let good = state("verify", &path).args(&["--format", "pretty"]).ok().stdout;
    let count = left.lines().count() - 1;
    let line = state("verify", &path).ok().lines().remove(0);
    let name = path.to_str().unwrap();
    let expected = json!({ "state": name, "good": true, "terms": count, "rules": 1, "faults": [],
                           "more_faults": 0, "needs_repair": false });
    assert_eq!(line, expected);
    assert!(good.contains(&format!("good: {} terms of 1 rule", formatted(count))), "{good}");

    let mut bytes = std::fs::read(&path).unwrap();
    // Pages that are free hold it too.
    let places = 0..bytes.len() - 8;
    let places: Vec<_> = places.filter(|at| bytes[*at..].starts_with(b"user-999")).collect();
    places.iter().for_each(|at| bytes[*at] ^= 0x20);
    let damaged = folder.write("damaged.redb", &bytes);
    let done = state("verify", &damaged).end();
    assert_eq!(done.status, Some(1), "{}{}", done.stdout, done.stderr);
    let line: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(line["good"], false);
    assert!(!line["faults"].as_array().unwrap().is_empty(), "{line}");
    let done = state("verify", &damaged).args(&["--format", "pretty"]).end();
    assert_eq!(done.status, Some(1), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("damaged"), "{}", done.stdout);
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    assert!(std::fs::read(&damaged).unwrap() == bytes, "verify writes nothing");
    state("verify", &folder.write("x", "x")).fails(&["no firstseen state"]);
}

fn formatted(count: usize) -> String {
    if count < 1000 { count.to_string() } else { format!("{},{:03}", count / 1000, count % 1000) }
}

#[test]
fn an_approved_term_does_not_alert_until_the_end() {
    let folder = Folder::new();
    let path = three(&folder);
    let carol = ["--term", "111122223333", "--term", "carol"];
    let approve = || state("approve", &path).args(&carol);
    approve().fails(&["--reason"]);
    approve().args(&["--reason", " "]).fails(&["say why"]);
    approve().args(&["--reason", &"x".repeat(121)]).fails(&["at most 120"]);
    let over = approve().args(&["--reason", "x", "--until", "2025-05-01T00:00:00Z"]);
    over.fails(&["over already"]);
    state("approve", &path).args(&["--term", "carol", "--reason", "x"]).fails(&["2 values"]);
    assert!(log(&path).is_empty());
    let reason = "ticket 7\u{1b}[2J";
    approve().args(&["--reason", reason, "--until", "2099-01-01T00:00:00Z"]).ok();
    // An end that is over can be given to an approval that is there.
    let shorter = approve().args(&["--reason", reason, "--until", "2025-05-01T00:00:00Z"]).ok();
    assert!(
        shorter.stderr.contains(", not until 2099-01-01 00:00:00 UTC as before"),
        "{}",
        shorter.stderr
    );
    let known = &state("get", &path).args(&carol).ok().lines()[0];
    assert_eq!(known["approved_until"], "2025-05-01T00:00:00.000Z");
    assert_eq!(known["approved_reason"], reason);
    assert_eq!(known["episodes"], Value::Null, "it is no sighting");
    // A window of ten days behind the end.
    assert_eq!(known["expires"], "2025-05-11T00:00:00.000Z");
    assert_eq!(log(&path).len(), 2);
    assert_eq!(log(&path)[0]["reason"], reason);

    let table = state("list", &path).args(&["--format", "pretty"]).ok().stdout;
    assert!(table.contains("approved until 2025-05-01 00:00:00 UTC: ticket 7"), "{table}");
    let event = stack_lines(&[("e", "2025-04-20T08:00:00Z", "carol")]);
    let explain = || call("explain").arg("--state").arg(&path).arg("-").pipe(event.clone());
    let explained = explain().ok().lines();
    let says = &explained[0]["state"][0];
    assert_eq!(says["says"], "approved");
    assert_eq!(says["approved_until"], "2025-05-01T00:00:00.000Z");
    assert_eq!(says["approved_because"], reason);
    let shown = explain().args(&["--format", "pretty"]).ok().stdout;
    assert!(
        shown.contains("approved: until 2025-05-01 00:00:00 UTC, because: ticket 7"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let done = decides(&path, "2025-04-20T08:00:00Z", "carol");
    assert_eq!((done.count("alerts"), done.count("learned")), (0, 1));
    assert_eq!(decides(&path, "2025-04-20T08:00:00Z", "dave").count("alerts"), 1, "another term");
    // The end has come: seen within the window, then new.
    assert_eq!(decides(&path, "2025-04-30T23:59:59Z", "carol").count("alerts"), 0);
    assert_eq!(decides(&path, "2025-05-05T08:00:00Z", "carol").count("alerts"), 0);
    assert_eq!(decides(&path, "2025-06-05T08:00:00Z", "carol").count("alerts"), 1);
    let copy = folder.path("copy.redb");
    state("import", &copy).arg("-").pipe(state("export", &path).ok().stdout).ok();
    assert_eq!(state("export", &copy).ok().stdout, state("export", &path).ok().stdout);
}

/// An engine of before approvals refuses the value, says so, and leaves it as it is.
#[test]
fn an_older_engine_leaves_an_approval_alone() {
    let folder = Folder::new();
    let path = three(&folder);
    let carol = ["--term", "111122223333", "--term", "carol"];
    let until = ["--reason", "ticket 7", "--until", "2099-01-01T00:00:00Z"];
    let before = state("export", &path).ok().stdout;
    let artifacts = std::fs::read_dir(crate::support::repository("tests/fixtures/artifacts"));
    let mut refused = 0;
    for entry in artifacts.unwrap() {
        let artifact = entry.unwrap().path();
        let copy = folder.path("copy.redb");
        let _ = std::fs::remove_file(&copy);
        state("import", &copy).arg("-").pipe(before.clone()).ok();
        let is_flagship = artifact.extension().is_some_and(|ending| ending == "wasm")
            && state("list", &copy).arg("--rule").arg(&artifact).end().status == Some(0);
        if !is_flagship {
            continue;
        }
        let approve = state("approve", &copy).args(&carol).args(&until).arg("--rule");
        approve.arg(&artifact).ok();
        let approved = state("list", &copy).args(&carol).ok().stdout;
        let events = stack_lines(&[("e", "2025-04-20T08:00:00Z", "carol")]);
        let old = run().arg("--rule").arg(&artifact).arg("--state").arg(&copy).arg("-");
        let done = old.pipe(events).end();
        assert_eq!(done.count("alerts"), 0, "{}", done.stderr);
        assert!(done.stderr.contains("newer engine"), "{}", done.stderr);
        assert_eq!(state("list", &copy).args(&carol).ok().stdout, approved);
        refused += 1;
    }
    assert!(refused > 0, "no artifact of before is the flagship");
}

/// A rule that the state has nothing of yet.
#[test]
fn a_term_is_approved_before_the_first_run() {
    let folder = Folder::new();
    let path = three(&folder);
    let rule = folder.write("other.toml", OTHER);
    let approve =
        state("approve", &path).args(&["--term", "203.0.113.24", "--reason", "the office"]);
    approve.args(&["--until", "2099-01-01T00:00:00Z", "--rule"]).arg(&rule).ok();
    let events = stack_lines(&[("a", "2025-04-20T08:00:00Z", "alice")]);
    let done = run().arg("--rule").arg(&rule).arg("--state").arg(&path).arg("-").pipe(events).ok();
    assert_eq!((done.count("alerts"), done.count("learned")), (0, 1), "{}", done.stderr);
    let two = ["--reason", "x", "--term", "a"];
    state("approve", &path).args(&two).fails(&["several rules", RULE, "--rule"]);
}

const OTHER: &str = r#"
[rule]
author = ["me"]
description = "d"
index = ["logs-aws.cloudtrail-*"]
language = "kuery"
license = "Apache-2.0"
name = "Addresses"
risk_score = 21
rule_id = "addresses"
severity = "low"
type = "new_terms"
query = "event.action: CreateStack"
[rule.new_terms]
field = "new_terms_fields"
value = ["source.ip"]
[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-10d"
"#;

mod moved {
    use super::state;
    use crate::support::{Folder, run, stack_lines};
    use proptest::prelude::*;

    const USERS: [&str; 5] = ["a", "b\"\\", "\u{1b}c\u{202e}", "long-name-long-name", "ünï"];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]
        /// A state that was exported and imported decides as the one that it came from.
        #[test]
        fn an_imported_state_decides_as_its_original(
            days in prop::collection::vec((0u32..60, 0usize..5), 1..40),
            cut in any::<prop::sample::Index>(),
        ) {
            let events: Vec<_> = days.iter().enumerate().map(|(n, (day, user))| {
                let (month, day) = (1 + day / 28, 1 + day % 28);
                (n.to_string(), format!("2025-0{month}-{day:02}T08:00:00Z"), USERS[*user])
            }).collect();
            let lines = |events: &[(String, String, &str)]| {
                let events: Vec<_> = events.iter().map(|(id, time, user)| (&**id, &**time, *user)).collect();
                stack_lines(&events)
            };
            let (before, after) = events.split_at(cut.index(events.len()));
            let folder = Folder::new();
            let (one, two) = (folder.path("one.redb"), folder.path("two.redb"));
            run().arg("--state").arg(&one).arg("-").pipe(lines(before)).ok();
            let exported = state("export", &one).ok().stdout;
            state("import", &two).arg("-").pipe(exported.clone()).ok();
            prop_assert_eq!(state("export", &two).ok().stdout, exported);
            let [one, two] = [one, two].map(|path| {
                let done = run().arg("--state").arg(&path).arg("-").pipe(lines(after)).ok();
                (done.count("repeats"), done.stdout, state("export", &path).ok().stdout)
            });
            prop_assert_eq!(one, two);
        }
    }
}

//! Learning from a number of events.
//!
//! In: events in files and streams, in one run and in several. Out: whether a rule learns from its first matching
//! events and from no others, however they come, and says how many are left.

use crate::build::{artifact, rule};
use crate::support::{Call, Done, Folder, call, repository, run};
use serde_json::json;
use std::path::Path;

/// One event an hour from the first of January on: who, and perhaps in which account.
fn lines(from: usize, events: &[(&str, Option<&str>)]) -> String {
    let line = |(at, (user, account)): (usize, &(&str, Option<&str>))| {
        let number = from + at;
        let time = format!("2025-01-{:02}T{:02}:00:00Z", 1 + number / 24, number % 24);
        let mut event = json!({ "@timestamp": time, "user": { "name": user },
            "event": { "id": number.to_string(), "action": "login" } });
        if let Some(account) = account {
            event["cloud"] = json!({ "account": { "id": account } });
        }
        format!("{event}\n")
    };
    events.iter().enumerate().map(line).collect()
}

fn logins(users: &[&'static str]) -> Vec<(&'static str, Option<&'static str>)> {
    users.iter().map(|user| (*user, None)).collect()
}

fn flat(done: &Done) -> String {
    done.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn users(done: &Done) -> Vec<String> {
    let names =
        done.lines().into_iter().map(|alert| alert["user"]["name"].as_str().unwrap().to_owned());
    names.collect()
}

struct Case {
    folder: Folder,
    rule: std::path::PathBuf,
}

impl Case {
    fn new() -> Self {
        let folder = Folder::new();
        let rule = artifact(&folder, "logins", "event.action: login", &["user.name"]);
        Self { folder, rule }
    }

    fn run(&self, state: &str, events: &str) -> Call {
        let state = self.folder.path(state);
        run()
            .args(&["--learn-events", events])
            .arg("--rule")
            .arg(&self.rule)
            .arg("--state")
            .arg(state)
    }
}

#[test]
fn a_rule_learns_from_its_first_events_and_goes_on_behind_a_restart() {
    let case = Case::new();
    let all = logins(&["ann", "bob", "ann", "cid", "dan", "cid", "eve"]);
    let file =
        |name: &str, from: usize, to: usize| case.folder.write(name, lines(from, &all[from..to]));
    let whole = case.run("whole", "4").arg(file("all.ndjson", 0, 7)).ok();
    assert_eq!(
        (users(&whole), whole.count("learned")),
        (vec!["dan".to_owned(), "eve".to_owned()], 3)
    );
    assert!(
        flat(&whole).contains("the rule has learned from its first 4 matching events"),
        "{}",
        whole.stderr
    );
    assert!(!flat(&whole).contains("every term is new"), "{}", whole.stderr);

    // The same in parts; what is read again is not counted again.
    let done = case.run("parts", "4").arg(file("a.ndjson", 0, 2)).ok();
    let words =
        "the rule learned from 2 of its first 4 matching events, without alerting; 2 are left";
    assert!(flat(&done).contains(words), "{}", done.stderr);
    assert_eq!(done.summary["rules"][0]["learned_events"], json!({ "counted": 2, "of": 4 }));
    for _ in 0..3 {
        let done = case.run("parts", "4").arg(file("a.ndjson", 0, 2)).ok();
        assert!(flat(&done).contains(words), "{}", done.stderr);
    }
    let done = case.run("parts", "4").arg(file("b.ndjson", 2, 4)).ok();
    assert_eq!((done.count("alerts"), done.count("learned")), (0, 1));
    let done = case.run("parts", "4").arg("-").pipe(lines(4, &all[4..])).ok();
    assert_eq!(done.stdout, whole.stdout);
    // Nor do the commands for the state take the count for a term.
    let state = case.folder.path("parts");
    let listed = call("state").args(&["list", "--format", "ndjson"]).arg(&state).ok();
    assert_eq!(listed.lines().len(), 5, "{}", listed.stdout);
    call("state").arg("verify").arg(&state).ok();
}

#[test]
fn a_run_that_is_resumed_counts_each_event_once() {
    let case = Case::new();
    let all = logins(&["ann", "bob", "cid", "dan", "eve", "fay"]);
    let input = case.folder.path("events.ndjson");
    let output = case.folder.path("alerts.ndjson");
    for to in [1, 3, 3, 4, 6] {
        std::fs::write(&input, lines(0, &all[..to])).unwrap();
        let call = case.run("state", "4").arg("--resume").arg("--output").arg(&output);
        let done = call.arg(&input).ok();
        let counted = json!({ "counted": to.min(4), "of": 4 });
        assert_eq!(done.summary["rules"][0]["learned_events"], counted, "{to}: {}", done.summary);
    }
    let alerts = std::fs::read_to_string(&output).unwrap();
    assert_eq!(alerts.lines().count(), 2, "{alerts}");
}

#[test]
fn a_history_counts_where_it_is_told_so() {
    let case = Case::new();
    let history = case.folder.write("history.ndjson", lines(0, &logins(&["ann", "bob"])));
    let state = case.folder.path("state");
    let learned = call("learn").args(&["--learn-events", "3"]).arg("--rule").arg(&case.rule);
    let done = learned.arg("--state").arg(&state).arg(history).ok();
    let words =
        "the rule learned from 2 of its first 3 matching events, without alerting; 1 is left";
    assert!(flat(&done).contains(words), "{}", done.stderr);
    // Another state takes the count over.
    call("state").arg("migrate").arg(&state).arg(case.folder.path("moved")).ok();
    for state in ["state", "moved"] {
        let events = case.folder.write("events.ndjson", lines(2, &logins(&["cid", "dan"])));
        let done = case.run(state, "3").arg(events).ok();
        assert_eq!((users(&done), done.count("learned")), (vec!["dan".to_owned()], 1), "{state}");
    }
}

#[test]
fn with_a_time_both_have_to_be_over_and_a_time_that_is_given_wins() {
    let case = Case::new();
    let events =
        case.folder.write("events.ndjson", lines(0, &logins(&["ann", "bob", "cid", "dan"])));
    let with = |events_n: &str, options: &[&str]| {
        let call = run().args(&["--learn-events", events_n]).args(options);
        users(&call.arg("--rule").arg(&case.rule).arg(&events).ok())
    };
    assert_eq!(with("1", &["--learn-for", "2h"]), ["cid", "dan"]);
    assert_eq!(with("3", &["--learn-for", "2h"]), ["dan"]);
    assert_eq!(with("0", &["--learn-for", "2h"]), ["cid", "dan"]);
    assert_eq!(with("0", &[]).len(), 4);
    assert_eq!(with("3", &["--learn-until", "2025-01-01T01:00:00Z"]), ["bob", "cid", "dan"]);
}

#[test]
fn each_account_is_learned_from_its_own_events() {
    let case = Case::new();
    let (a, b) = (Some("1"), Some("2"));
    let all = [
        ("ann", a),
        ("bob", a),
        ("cid", a),
        ("dan", b),
        ("eve", a),
        ("fay", b),
        ("gil", b),
        ("hal", None),
    ];
    let events = case.folder.write("events.ndjson", lines(0, &all));
    let done = case.run("state", "2").args(&["--learn-by", "cloud.account.id"]).arg(&events).ok();
    assert_eq!(users(&done), ["cid", "eve", "gil"]);
    assert!(
        flat(&done).contains("each cloud.account.id is learned from its first 2 matching events"),
        "{}",
        done.stderr
    );
    let by = json!({ "of": 2, "by": "cloud.account.id" });
    assert_eq!(done.summary["rules"][0]["learned_events"], by);
    // By its only field each term of a rule would be learned.
    let call = case.run("other", "2").args(&["--learn-by", "user.name"]).arg(&events);
    call.fails(&["learn_by", "only new-terms field", "Rule logins"]);
    let text = rule("logins", "event.action: login", &["user.name"]);
    let own = format!("{text}\n[firstseen]\nlearn_events = 2\nlearn_by = \"user.name\"\n");
    let path = case.folder.write("only.toml", own);
    run().arg("--rule").arg(path).arg(&events).fails(&["bad_value", "only new-terms field"]);
}

#[test]
fn a_rules_file_and_settings_say_it_and_what_cannot_count_refuses() {
    let case = Case::new();
    let text = rule("logins", "event.action: login", &["user.name"]);
    let path = case.folder.write("rule.toml", format!("{text}\n[firstseen]\nlearn_events = 2\n"));
    let events = case.folder.write("events.ndjson", lines(0, &logins(&["ann", "bob", "cid"])));
    let of =
        |options: &[&str]| users(&run().args(options).arg("--rule").arg(&path).arg(&events).ok());
    assert_eq!(of(&[]), ["cid"]);
    let settings = case.folder.write("settings.json", r#"{"learn_events":1}"#);
    assert_eq!(of(&["--settings", settings.to_str().unwrap()]), ["bob", "cid"]);
    assert_eq!(of(&["--settings", settings.to_str().unwrap(), "--learn-events", "0"]).len(), 3);
    let built = case.folder.path("rule.wasm");
    call("build").arg(&path).arg("-o").arg(&built).ok();
    let page = call("inspect").arg(&built).ok().stdout;
    assert!(page.contains("  learns       from 2 matching events\n"), "{page}");
    let bad = case.folder.write("bad.toml", format!("{text}\n[firstseen]\nlearn_events = -2\n"));
    run().arg("--rule").arg(bad).arg(&events).fails(&["bad_value", "learn_events", "from 0 to"]);
    for option in [&["--learn-events", "2"][..], &[]] {
        let call = run().args(option).args(&["--state", "redis://127.0.0.1:1/0"]);
        call.arg("--rule").arg(&path).arg(&events).fails(&[
            "learn_events",
            "Rule logins",
            "--learn-events 0",
        ]);
    }
    let call = run().args(&["--schedule", "--learn-events", "2"]);
    call.arg("--rule").arg(&path).arg(&events).fails(&["--schedule", "--learn-events"]);
    let old = repository("tests/fixtures/artifacts/flagship-0.1.0.wasm");
    let call = run().args(&["--learn-events", "2"]).arg("--rule").arg(Path::new(&old));
    call.arg(&events).fails(&["learn_events", "firstseen rebuild"]);
    for given in ["-1", "1.5", "many"] {
        run().arg(format!("--learn-events={given}")).arg(&events).fails(&["--learn-events"]);
    }
}

#[test]
fn a_wrong_time_is_told_in_lines_that_fit() {
    let told = |width: Option<&str>| {
        let mut call = run().args(&["--learn-until", "soon", "events.ndjson"]);
        if let Some(width) = width {
            call.command.env("COLUMNS", width);
        }
        call.fails(&["--learn-until"]).stderr
    };
    let is_narrow = |line: &str| line.chars().count() <= 80;
    assert!(told(Some("80")).lines().all(is_narrow));
    // Where nobody reads it, it is one line.
    assert!(!told(None).lines().all(is_narrow));
}

#[test]
fn what_is_built_in_is_refused_where_a_host_says_it() {
    let folder = Folder::new();
    let path = folder.write("rule.toml", rule("logins", "event.action: login", &["user.name"]));
    let in_file = "whoever runs it says it, or the rule's file";
    for (option, value, who) in [
        ("--learn-events", "5", in_file),
        ("--learn-for", "10d", in_file),
        ("--learn-by", "cloud.account.id", in_file),
        ("--learn-until", "2026-01-01T00:00:00Z", "whoever runs it says it\n"),
        ("--forget-after", "30d", in_file),
    ] {
        let call = call("build").args(&[option, value]).arg(&path).arg("-o");
        call.arg(folder.path("out.wasm")).fails(&[option, "--target core", "wasi", who]);
    }
}

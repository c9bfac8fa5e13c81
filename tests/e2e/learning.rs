//! Learning: a state filled from past events, and what a run makes of it.
//!
//! In: histories and events behind them. Out: whether nothing alerts that was learned, everything else does,
//! and the command says how much was learned and whether it was enough.

use crate::build::{artifact, rule};
use crate::support::{Call, Done, Folder, call, run, stack_lines};
use serde_json::{Value, json};
use std::path::Path;

fn learn(state: &Path) -> Call {
    let call = call("learn");
    let path = call.folder.path("summary.json");
    call.arg("--summary").arg(path).arg("--state").arg(state)
}

fn on(state: &Path, events: &[(&str, &str, &str)]) -> Done {
    run().arg("--state").arg(state).arg("-").pipe(stack_lines(events)).ok()
}

/// The messages as one line.
fn flat(done: &Done) -> String {
    done.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Ten days: alice on the first, bob on the eighth.
const HISTORY: [(&str, &str, &str); 4] = [
    ("a", "2025-04-01T08:00:00Z", "alice"),
    ("b", "2025-04-05T08:00:00Z", "alice"),
    ("c", "2025-04-08T08:00:00Z", "bob"),
    ("d", "2025-04-10T09:00:00Z", "alice"),
];

#[test]
fn a_history_is_learned_without_alerts_and_only_what_is_new_behind_it_alerts() {
    let folder = Folder::new();
    let state = folder.path("state");
    // The order of a file does not matter.
    let mut turned = HISTORY;
    turned.reverse();
    let history = folder.write("history.ndjson", stack_lines(&turned));
    let done = learn(&state).arg(&history).ok();
    assert_eq!((done.stdout.as_str(), done.count("alerts"), done.count("learned")), ("", 0, 2));
    let words = "2 terms learned from 2025-04-01 08:00 to 2025-04-10 09:00; the last new \
                 term came 2 d before the end, 8 of 10 days brought none; this is shorter than its \
                 window of 10d";
    assert!(flat(&done).contains(words), "{}", done.stderr);
    assert!(!flat(&done).contains("every term is new"), "{}", done.stderr);
    let expected = json!({
        "first_time_ms": 1_743_494_400_000_u64, "last_time_ms": 1_744_275_600_000_u64,
        "last_new_ms": 1_744_099_200_000_u64, "days": 10, "days_without_new": 8,
        "window": "10d", "is_shorter_than_window": true,
    });
    assert_eq!(done.summary["rules"][0]["learning"], expected);
    assert!(
        done.summary["state"].as_str().unwrap().ends_with(", new, 2 terms"),
        "{}",
        done.summary
    );

    // Once more it teaches nothing, and the state is the same.
    let done = learn(&state).arg(&history).ok();
    assert_eq!((done.count("learned"), done.count("seen")), (0, 4));
    assert!(flat(&done).contains("0 terms learned from 2025-04-01 08:00 to 2025-04-10 09:00; none of 10 days brought a new one"), "{}", done.stderr);

    let behind = [("e", "2025-04-11T08:00:00Z", "alice"), ("f", "2025-04-11T09:00:00Z", "carol")];
    let done = on(&state, &behind);
    assert_eq!(done.alert_ids(), ["f"]);
    let words = "learned before: 2025-04-01 08:00 to 2025-04-10 09:00";
    assert!(done.stderr.contains(words), "{}", done.stderr);
    assert!(!flat(&done).contains("every term is new"), "{}", done.stderr);
    assert_eq!(done.summary["rules"][0]["learning"]["last_time_ms"], 1_744_275_600_000_u64);
    // The start of learning is no term for the commands that show terms.
    let listed = call("state").args(&["list", "--format", "ndjson"]).arg(&state).ok();
    assert_eq!(listed.lines().len(), 3, "{}", listed.stdout);
    let stats = call("state").args(&["stats", "--format", "ndjson"]).arg(&state).ok();
    assert_eq!(stats.lines()[0]["terms"], 3, "{}", stats.stdout);
    call("state").arg("verify").arg(&state).ok();
    // Another state takes it over.
    let moved = folder.path("moved");
    call("state").arg("migrate").arg(&state).arg(&moved).ok();
    let done = on(&moved, &[("g", "2025-04-12T09:00:00Z", "carol")]);
    assert_eq!(done.count("alerts"), 0);
    assert!(done.stderr.contains(words), "{}", done.stderr);
}

#[test]
fn it_reads_what_run_reads() {
    let folder = Folder::new();
    let (state, dead) = (folder.path("state"), folder.path("dead.ndjson"));
    let events: Vec<Value> =
        stack_lines(&HISTORY).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let records = folder.write("a.json", json!({ "Records": events[..2] }).to_string());
    let broken = format!("{}\n{{\"eventName\":\"CreateStack\",\n", events[2]);
    let done =
        learn(&state).arg("--dead-letter").arg(&dead).arg(&records).arg("-").pipe(broken).ok();
    assert_eq!((done.count("learned"), done.count("bad")), (2, 1), "{}", done.stderr);
    assert_eq!(std::fs::read_to_string(&dead).unwrap().lines().count(), 1);
    assert_eq!(on(&state, &HISTORY).count("alerts"), 0);
    learn(&folder.path("memory")).args(&["--output", "x"]).arg(&records).fails(&["--output"]);
    learn(Path::new("memory:")).arg(&records).fails(&["memory:", "nowhere"]);
    call("learn").arg(&records).fails(&["--state"]);
}

#[test]
fn each_rule_says_what_it_learned_and_a_silent_one_too() {
    let folder = Folder::new();
    let state = folder.path("state");
    let event = |id: u32, action: &str, user: &str| {
        let time = format!("2025-01-{:02}T08:00:00Z", 1 + id);
        let event = json!({ "@timestamp": time, "event": { "id": id.to_string(), "action": action },
                            "user": { "name": user } });
        format!("{event}\n")
    };
    let rules = [
        artifact(&folder, "logins", "event.action: login", &["user.name"]),
        artifact(&folder, "logouts", "event.action: logout", &["user.name"]),
    ];
    let with = |call: Call| rules.iter().fold(call, |call, rule| call.arg("--rule").arg(rule));
    let history = [event(0, "login", "ann"), event(3, "login", "bob"), event(5, "read", "eve")];
    let history = folder.write("history.ndjson", history.concat());
    let done = with(learn(&state)).arg(&history).ok();
    let of = |n: usize| done.summary["rules"][n]["learning"].clone();
    assert_eq!(
        (&of(0)["days"], &of(0)["days_without_new"]),
        (&json!(6), &json!(4)),
        "{}",
        done.summary
    );
    assert_eq!((&of(1)["days"], &of(1)["days_without_new"]), (&json!(6), &json!(6)));
    let text = flat(&done);
    assert!(
        text.contains("Rule logins: 2 terms learned from 2025-01-01 08:00 to 2025-01-06 08:00;"),
        "{text}"
    );
    assert!(
        text.contains("Rule logouts: 0 terms learned from 2025-01-01 08:00 to 2025-01-06 08:00;"),
        "{text}"
    );
    // A rule that joins later has not learned.
    let more = artifact(&folder, "reads", "event.action: read", &["user.name"]);
    let events = folder.write("events.ndjson", event(6, "login", "eve") + &event(6, "read", "eve"));
    let done = with(run()).arg("--rule").arg(&more).arg("--state").arg(&state).arg(&events).ok();
    assert_eq!(done.count("alerts"), 2);
    assert!(flat(&done).contains("learned before by 2 of 3 rules: 2025-01-01"), "{}", done.stderr);
    // Nothing of it is lost where the window changes.
    let text = rule("logins", "event.action: login", &["user.name"]);
    let longer = folder.write("longer.toml", text.replace("now-7d", "now-20d"));
    let events = folder.write("events.ndjson", event(7, "login", "ann"));
    let done = run().arg("--rule").arg(longer).arg("--state").arg(&state).arg(&events).ok();
    assert_eq!(done.count("alerts"), 0);
    assert!(flat(&done).contains("last sightings of 3 terms are taken over"), "{}", done.stderr);
    assert!(flat(&done).contains("learned before: 2025-01-01 08:00"), "{}", done.stderr);
}

#[test]
fn a_run_over_an_empty_state_says_once_that_everything_is_new() {
    let folder = Folder::new();
    let state = folder.path("state");
    let words = "empty: every term is new once and alerts; `firstseen learn INPUT --state PATH` takes past \
                 ones as known, --learn-until TIME those before it";
    let says = |done: &Done| flat(done).matches(words).count();
    let first = [HISTORY[0]];
    let done = run().arg("-").pipe(stack_lines(&first)).ok();
    assert_eq!((says(&done), done.stderr.contains("the state is empty: ")), (1, true));
    // Of files with the summary, where a person looks.
    let file = folder.write("first.ndjson", stack_lines(&first));
    let done = run().arg(&file).ok();
    assert_eq!((says(&done), done.stderr.contains("the state was empty: ")), (1, true));
    assert_eq!(says(&run().arg("-q").arg("-").pipe(stack_lines(&first)).ok()), 0);
    let until = run().args(&["--learn-until", "2025-01-01T00:00:00Z"]);
    assert_eq!(says(&until.arg("-").pipe(stack_lines(&first)).ok()), 0);
    assert_eq!(says(&on(&state, &first)), 1);
    assert_eq!(says(&on(&state, &first)), 0);
}

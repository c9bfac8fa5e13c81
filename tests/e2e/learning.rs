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
    // Of a stream before anything is read: it may never end.
    let done = run().arg("-").pipe(stack_lines(&first)).ok();
    assert_eq!((says(&done), done.stderr.contains("the state is empty: ")), (1, true));
    let none = folder.write(
        "none.ndjson",
        "{\"eventVersion\":\"1.11\",\"eventTime\":\"2025-04-01T08:00:00Z\"}\n",
    );
    assert_eq!(says(&run().arg(&none).ok()), 0);
    // With the summary, where something alerted.
    let file = folder.write("first.ndjson", stack_lines(&first));
    let done = run().arg(&file).ok();
    assert_eq!((says(&done), done.stderr.contains("the state was empty: ")), (1, true));
    assert_eq!(says(&run().arg("-q").arg("-").pipe(stack_lines(&first)).ok()), 0);
    let until = run().args(&["--learn-until", "2025-01-01T00:00:00Z"]);
    assert_eq!(says(&until.arg("-").pipe(stack_lines(&first)).ok()), 0);
    assert_eq!(says(&on(&state, &first)), 1);
    assert_eq!(says(&on(&state, &first)), 0);
}

const AFTER: [(&str, &str, &str); 2] =
    [("late", "2025-04-11T07:59:59Z", "eve"), ("new", "2025-04-11T08:00:00Z", "frank")];

#[test]
fn a_run_learns_by_event_time_from_its_first_event_on_and_a_restart_goes_on() {
    let folder = Folder::new();
    let state = folder.path("state");
    let learns = |events: &[(&str, &str, &str)]| {
        let call = run().args(&["--learn-for", "10d"]).arg("--state").arg(&state);
        // As a file: events of a year ago are no stray ones.
        call.arg(folder.write("events.ndjson", stack_lines(events))).ok()
    };
    let done = learns(&HISTORY[..2]);
    assert_eq!((done.count("alerts"), done.count("learned")), (0, 1));
    assert!(!flat(&done).contains("every term is new"), "{}", done.stderr);
    let words = "the rule learns from events before 2025-04-11 08:00 without alerting";
    assert!(flat(&done).contains(words), "{}", done.stderr);
    assert_eq!(done.summary["rules"][0]["learning"]["until_ms"], 1_744_358_400_000_u64);
    // Each run reads later events, and none begins anew.
    let done = learns(&HISTORY[2..]);
    assert_eq!((done.count("alerts"), done.count("learned")), (0, 1));
    let done = learns(&AFTER);
    assert_eq!((done.alert_ids(), done.count("learned")), (vec!["new".to_owned()], 1));
    let listed = call("state").args(&["list", "--format", "ndjson"]).arg(&state).ok();
    assert_eq!(listed.lines().len(), 4, "{}", listed.stdout);
    // A time that is given counts, and it can be turned off.
    let more = folder.write("more.ndjson", stack_lines(&[("m", "2025-04-12T00:00:00Z", "mia")]));
    let until = run().args(&["--learn-for", "90d", "--learn-until", "2025-04-01T00:00:00Z"]);
    let done = until.arg("--state").arg(folder.path("other")).arg(&more).ok();
    assert_eq!(done.count("alerts"), 1);
    let off = run().args(&["--learn-for", "0"]).arg(&more).ok();
    assert_eq!(off.count("alerts"), 1);
    run().args(&["--learn-for", "10"]).arg(&more).fails(&["--learn-for", "unit"]);
}

#[test]
fn a_history_that_was_learned_counts_and_of_a_stream_no_stray_event_does() {
    let folder = Folder::new();
    let state = folder.path("state");
    let history = folder.write("history.ndjson", stack_lines(&HISTORY));
    learn(&state).arg(&history).ok();
    let events = folder.write("events.ndjson", stack_lines(&AFTER));
    let done = run().args(&["--learn-for", "10d"]).arg("--state").arg(&state).arg(&events).ok();
    assert_eq!(done.alert_ids(), ["new"]);
    // What is far older than the clock says is learned and starts nothing, so nothing alerts.
    let done = run().args(&["--learn-for", "1d"]).arg("-").pipe(stack_lines(&HISTORY)).ok();
    assert_eq!((done.count("alerts"), done.count("learned")), (0, 2), "{}", done.stderr);
    assert_eq!(done.summary["rules"][0].get("learning"), None);
    let since =
        folder.write("since.json", r#"{"learn_for":"1d","learn_since":"2025-04-02T00:00:00Z"}"#);
    let done = run().arg("--settings").arg(since).arg("-").pipe(stack_lines(&HISTORY)).ok();
    assert_eq!((done.count("alerts"), done.count("learned")), (1, 1), "{}", done.stderr);
}

/// Events of an action in accounts.
fn in_accounts(events: &[(&str, &str, Option<&str>)]) -> String {
    let line = |(number, (day, user, account)): (usize, &(&str, &str, Option<&str>))| {
        let mut event = json!({ "@timestamp": format!("2025-01-{day}T08:00:00Z"),
            "event": { "id": number.to_string(), "action": "login" }, "user": { "name": user } });
        if let Some(account) = account {
            event["cloud"] = json!({ "account": { "id": account } });
        }
        format!("{event}\n")
    };
    events.iter().enumerate().map(line).collect()
}

#[test]
fn each_account_is_learned_on_its_own() {
    let folder = Folder::new();
    let state = folder.path("state");
    let rule = artifact(&folder, "logins", "event.action: login", &["user.name"]);
    let (a, b) = (Some("111"), Some("222"));
    let events = [
        ("01", "ann", a),
        ("02", "bob", None),
        ("05", "cid", a),
        // The account is new: it is learned first.
        ("11", "dan", b),
        ("11", "eve", a),
        // What has no account is learned as a whole.
        ("11", "fay", None),
        ("14", "gil", None),
        ("20", "hal", b),
        ("21", "ida", b),
    ];
    let by = |call: Call| call.args(&["--learn-for", "10d", "--learn-by", "cloud.account.id"]);
    let with = |events: &[_]| {
        let events = folder.write("events.ndjson", in_accounts(events));
        let call = by(run()).arg("--rule").arg(&rule).arg("--state").arg(&state);
        call.arg(events).ok()
    };
    let done = with(&events[..4]);
    assert_eq!((done.count("alerts"), done.count("learned"), done.count("seen")), (0, 4, 0));
    let each = "each cloud.account.id is learned for 10 d from its first event on";
    assert!(done.stderr.contains(each), "{}", done.stderr);
    assert!(done.summary["rules"][0]["learning"]["until_ms"].is_null(), "{}", done.summary);
    let done = with(&events[4..]);
    assert_eq!((done.count("alerts"), done.count("learned")), (4, 1), "{}", done.stdout);
    let names = done.lines().into_iter().map(|alert| alert["user"]["name"].to_string());
    let mut users: Vec<_> = names.collect();
    users.sort();
    assert_eq!(users.concat(), r#""eve""fay""gil""ida""#);
    assert!(done.summary["state"].as_str().unwrap().contains(", 9 terms"), "{}", done.summary);
    let listed = call("state").args(&["list", "--format", "ndjson"]).arg(&state).ok();
    assert_eq!(listed.lines().len(), 9, "{}", listed.stdout);
    call("state").arg("verify").arg(&state).ok();
    let copy = folder.path("copy");
    call("state").arg("migrate").arg(&state).arg(&copy).ok();
    // Another window, even a shorter one, goes on with the starts.
    let events = folder.write("events.ndjson", in_accounts(&[("22", "jo", b), ("22", "ida", b)]));
    let call = by(run()).args(&["--forget-after", "3d"]).arg("--rule").arg(&rule);
    let done = call.arg("--state").arg(&copy).arg(&events).ok();
    assert_eq!((done.count("alerts"), done.count("seen")), (1, 1), "{}", done.stderr);
    let by = ["--learn-by", "cloud.account.id"];
    run().args(&by).arg("--rule").arg(&rule).arg(&events).fails(&["learn_by", "Rule logins"]);
}

#[test]
fn a_rules_file_says_how_it_learns_and_forgets() {
    let folder = Folder::new();
    let text = rule("logins", "event.action: login", &["user.name"]);
    let own = "[firstseen]\nlearn_for = \"10d\"\nlearn_by = \"cloud.account.id\"\nforget_after = \"2d\"\n";
    let path = folder.write("rule.toml", format!("{text}\n{own}"));
    let a = Some("111");
    let events = [("01", "ann", a), ("05", "bob", a), ("11", "ann", a), ("12", "ann", a)];
    let events = folder.write("events.ndjson", in_accounts(&events));
    let done = run().arg("--rule").arg(&path).arg(&events).ok();
    assert_eq!((done.count("alerts"), done.count("learned"), done.count("seen")), (1, 2, 1));
    assert_eq!(done.lines()[0]["firstseen"]["window"], "2d");
    let done = run().args(&["--learn-for", "0", "--forget-after", "30d"]);
    let done = done.arg("--rule").arg(&path).arg(&events).ok();
    assert_eq!((done.count("alerts"), done.count("seen")), (2, 2));
    assert_eq!(done.lines()[0]["firstseen"]["window"], "30d");
    let built = folder.path("rule.wasm");
    call("build").arg(&path).arg("-o").arg(&built).ok();
    let page = call("inspect").arg(&built).ok().stdout;
    assert!(page.contains("  window       2d (forget_after; the rule's own is 7d)\n"), "{page}");
    for (own, part) in [
        ("learn_for = \"10\"", "unit"),
        ("learn_by = \"user.name\"", "learn_for"),
        ("forget_after = \"1M\"", "no fixed length"),
    ] {
        let path = folder.write("bad.toml", format!("{text}\n[firstseen]\n{own}\n"));
        run().arg("--rule").arg(&path).arg(&events).fails(&["bad_value", part]);
    }
}

#[test]
fn an_older_artifact_is_not_told_what_it_does_not_know() {
    let folder = Folder::new();
    let events = folder.write("events.ndjson", stack_lines(&HISTORY));
    let old = crate::support::repository("tests/fixtures/artifacts/flagship-0.1.0.wasm");
    for option in [["--learn-for", "10d"], ["--forget-after", "30d"]] {
        let name = option[0].trim_start_matches("--").replace('-', "_");
        let call = run().args(&option).arg("--rule").arg(&old).arg(&events);
        call.fails(&[&name, "firstseen rebuild", "older"]);
    }
    let by = run().args(&["--learn-for", "10d", "--learn-by", "cloud.account.id"]);
    by.arg("--rule").arg(&old).arg(&events).fails(&["firstseen rebuild"]);
    assert_eq!(run().arg("--rule").arg(&old).arg(&events).ok().count("alerts"), 2);
}

#[test]
fn a_stream_of_old_events_says_that_learning_never_begins() {
    let folder = Folder::new();
    let lines =
        stack_lines(&[("1", "2021-02-01T08:00:00Z", "ann"), ("2", "2021-02-28T08:00:00Z", "bob")]);
    let with = || run().args(&["--state", "memory:", "--learn-for", "10d"]);
    let events = run().args(&["--state", "memory:", "--learn-events", "1", "-"]);
    let done = events.pipe(lines.clone()).ok();
    assert!(done.stderr.contains("learning has not begun"), "{}", done.stderr);
    let done = with().arg("-").pipe(lines.clone()).ok();
    assert_eq!((done.count("alerts"), done.count("learned")), (0, 2));
    let told = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("learning has not begun: all events are dated over 30 days"), "{told}");
    let done = with().arg(folder.write("events", lines)).ok();
    assert_eq!((done.count("alerts"), done.stderr.contains("has not begun")), (1, false));
}

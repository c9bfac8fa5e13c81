//! `explain` says what `run` does: over the samples, the fixtures, a state, several rules, a stream.
//!
//! In: the same inputs, rules and state for both, `explain` first. Out: whether the alerts have the
//! same ids, and the terms that were seen, repeated or learned are as many.

use crate::build::artifact;
use crate::support::{Call, Done, Folder, call, create_stack, repository, run, stack_lines};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What `explain` says of all terms.
fn explained(done: &Done) -> (Vec<String>, [u64; 3]) {
    let lines = done.lines();
    let states = lines.iter().flat_map(|line| line["state"].as_array().unwrap());
    let (mut alerts, mut sums) = (Vec::new(), [0; 3]);
    for state in states {
        match state["says"].as_str().unwrap() {
            "new" => alerts.push(state["alert"].as_str().unwrap().to_owned()),
            "seen" => sums[0] += 1,
            "repeat" => sums[1] += 1,
            "learned" => sums[2] += 1,
            "older_than_state" | "future_event" | "too_many_terms" => {}
            other => panic!("{other}: {state}"),
        }
    }
    alerts.sort();
    (alerts, sums)
}

/// Calls both with the same arguments, and compares.
#[track_caller]
fn agree(arguments: impl Fn(Call) -> Call, what: &str) -> u64 {
    let said = explained(&arguments(call("explain")).ok());
    let done = arguments(run().args(&["--format", "ndjson"])).ok();
    let id = |alert: &Value| alert["kibana.alert.uuid"].as_str().unwrap().to_owned();
    let mut alerts: Vec<String> = done.lines().iter().map(id).collect();
    alerts.sort();
    let sums = ["seen", "repeats", "learned"].map(|name| done.count(name));
    assert_eq!(said, (alerts, sums), "{what}");
    done.count("matched")
}

fn with_rules(call: Call, rules: &[PathBuf]) -> Call {
    rules.iter().fold(call, |call, rule| call.arg("--rule").arg(rule))
}

#[test]
fn explain_agrees_with_run_over_samples_and_fixtures() {
    let folder = Folder::new();
    let several = [
        artifact(&folder, "who", "event.action: *", &["user.name"]),
        artifact(&folder, "where", "event.outcome: success", &["cloud.region", "event.provider"]),
    ];
    let mut matched = 0;
    for input in ["samples/cloudtrail", "tests/fixtures"] {
        let path = repository(input);
        for rules in [&several[..0], &several[..]] {
            let arguments = |call: Call| with_rules(call.arg(&path), rules);
            matched += agree(arguments, &format!("{input}, {} rules", rules.len()));
        }
    }
    assert!(matched > 1000, "{matched} matches");
}

#[test]
fn explain_agrees_with_run_over_a_state_and_a_stream() {
    let folder = Folder::new();
    let state = folder.path("state");
    let days = repository("samples/cloudtrail/AWSLogs/111122223333/CloudTrail/us-east-1/2025/03");
    let one = |day: &str| days.join(day);
    let with_state = |call: Call, input: &Path| call.arg("--state").arg(&state).arg(input);
    with_state(run(), &one("03")).ok();
    // The second day is new, and then it is known.
    for (day, times) in [("04", 2), ("06", 1), ("05", 1), ("03", 1)] {
        for time in 0..times {
            let path = one(day);
            let what = format!("{day}, time {time}");
            agree(|call| with_state(call, &path), &what);
        }
    }
    // A stream is decided as it comes, files before it.
    let text = stack_lines(&[
        ("b", "2025-04-02T08:00:00Z", "alice"),
        ("a", "2025-04-01T08:00:00Z", "alice"),
        ("c", "2025-01-01T08:00:00Z", "alice"),
        ("d", "2025-02-01T08:00:00Z", "alice"),
        ("b", "2025-04-02T08:00:00Z", "alice"),
    ]);
    let file = folder
        .write("file.ndjson", format!("{}\n", create_stack("z", "2025-03-20T08:00:00Z", "alice")));
    agree(|call| call.arg("-").pipe(text.clone()), "a stream");
    agree(|call| call.arg("-").arg(&file).pipe(text.clone()), "a file and a stream");
    let settings = folder.write("s.json", r#"{"learn_until": "2025-04-01T12:00:00Z"}"#);
    agree(|call| call.arg("--settings").arg(&settings).arg("-").pipe(text.clone()), "learning");
}

#[test]
fn events_are_decided_by_time_and_shown_as_they_stand() {
    let folder = Folder::new();
    // Newest first, as an export may be.
    let text = stack_lines(&[
        ("c", "2025-04-02T16:00:00Z", "alice"),
        ("b", "2025-04-02T08:00:00Z", "alice"),
        ("a", "2025-04-01T08:00:00Z", "bob"),
    ]);
    let path = folder.write("events.ndjson", text);
    let lines = call("explain").arg(&path).ok().lines();
    let says: Vec<_> = lines.iter().map(|line| &line["state"][0]["says"]).collect();
    assert_eq!(says, ["seen", "new", "new"]);
    let seen = &lines[0]["state"][0];
    assert_eq!(seen["last_sighting"], "2025-04-02T08:00:00.000Z");
    assert_eq!(seen["alerted_as"], json!([lines[1]["state"][0]["alert"]]));
    let event = json!({ "id": "c", "when": "2025-04-02T16:00:00.000Z", "who": "alice" });
    assert_eq!(lines[0]["event"], event);
    let done = call("explain").args(&["--format", "pretty"]).arg(&path).ok();
    let alert = lines[1]["state"][0]["alert"].as_str().unwrap();
    let sentence = format!(
        "state: seen: last 2025-04-02 08:00:00 UTC, 8 hours before, alerted then as\n           {alert}\n"
    );
    assert!(done.stdout.contains(&sentence), "{}", done.stdout);
    assert!(done.stdout.contains("  2025-04-02 16:00:00 UTC, alice, id c\n"), "{}", done.stdout);
    let mut rows = done.stderr.lines().map(|row| row.split_whitespace().take(3));
    assert!(rows.any(|row| row.eq(["3", "2", "1"])), "{}", done.stderr);
}

/// From an alert to its event: by the alert's id, whether the state knows the alert or not.
#[test]
fn an_alerts_id_leads_to_its_event() {
    let folder = Folder::new();
    let text = stack_lines(&[
        ("a", "2025-04-01T08:00:00Z", "alice"),
        ("b", "2025-04-02T08:00:00Z", "alice"),
        ("c", "2025-04-02T08:00:00Z", "bob"),
    ]);
    let path = folder.write("events.ndjson", text);
    let state = folder.path("s.redb");
    let run = call("run").arg(&path).arg("--state").arg(&state);
    let alerts = run.args(&["--format", "ndjson"]).ok().lines();
    assert_eq!(alerts.len(), 2);
    for alert in &alerts {
        let id = alert["kibana.alert.uuid"].as_str().unwrap();
        let event = &alert["event"]["id"];
        for stated in [false, true] {
            let explain = |form: &str| {
                let explain = call("explain").args(&["--id", id, "--format", form]).arg(&path);
                if stated { explain.arg("--state").arg(&state) } else { explain }
            };
            let lines = explain("ndjson").ok().lines();
            assert_eq!(lines.len(), 1);
            assert_eq!(
                (&lines[0]["event"]["id"], &lines[0]["event"]["of_alert"]),
                (event, &json!(id))
            );
            assert_eq!(lines[0]["state"][0]["alert"], id);
            let page = explain("pretty").ok().stdout;
            assert!(page.contains(&format!("the alert {id} is of this event")), "{page}");
        }
        let other = call("explain").args(&["--where", "user.name: zed", "--id", id]).arg(&path);
        other.fails(&[id, "--where"]);
    }
    // A pretty alert names both.
    let page = call("run").args(&["--format", "pretty"]).arg(&path).ok().stdout;
    for alert in &alerts {
        for id in [&alert["event"]["id"], &alert["kibana.alert.uuid"]] {
            let id = id.as_str().unwrap();
            assert!(
                page.lines().any(|line| line.trim_end().ends_with(&format!(" {id}"))),
                "{page}"
            );
        }
    }
    call("explain")
        .args(&["--id", "zz"])
        .arg(&path)
        .fails(&["no event and no alert has the id zz"]);
}

#[test]
fn one_event_or_those_of_a_query_are_shown_and_all_are_decided() {
    let folder = Folder::new();
    let text = stack_lines(&[
        ("a", "2025-04-01T08:00:00Z", "alice"),
        ("b", "2025-04-02T08:00:00Z", "alice"),
        ("c", "2025-04-02T08:00:00Z", "bob"),
    ]);
    let path = folder.write("events.ndjson", text + "{\"cut\n");
    let shown = |arguments: &[&str]| {
        let lines = call("explain").args(arguments).arg(&path).ok().lines();
        let of = |line: &Value| (line["event"]["id"].clone(), line["state"][0]["says"].clone());
        lines.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(shown(&["--id", "b"]), [(json!("b"), json!("seen"))]);
    let of_bob = [(json!("c"), json!("new"))];
    assert_eq!(shown(&["--where", "user.name: b* and event.action: CreateStack"]), of_bob);
    let none = call("explain").args(&["--where", "user.name: bob", "--id", "a"]).arg(&path);
    none.fails(&["no event that matches --where has the id a, nor has its alert"]);
    assert_eq!(shown(&[]).len(), 4);
    call("explain")
        .args(&["--where", "user.name: ("])
        .arg(&path)
        .fails(&["--where", "user.name: ("]);
    // A query is looked at as a rule's is.
    for (query, said) in [
        ("iam where event.action == \"x\"", &["error[other_language]", "this is EQL"][..]),
        ("from logs-* | limit 1", &["this is ES|QL", "--where:1:1"]),
        ("a: b and user.name == \"bob\"", &["--where:1:20", "`==` is not KQL"]),
    ] {
        call("explain").args(&["--where", query]).arg(&path).fails(said);
    }
    let done =
        call("explain").args(&["--where", "usr.name: bob or user.name: bob"]).arg(&path).ok();
    assert!(done.stderr.contains("warning[unknown_field]"), "{}", done.stderr);
    assert!(done.stderr.contains("did you mean `user.name`?"), "{}", done.stderr);
}

#[test]
fn texts_of_several_events_are_taken_apart_where_a_rule_says_so() {
    let folder = Folder::new();
    let raw = |id: &str, user: &str| create_stack(id, "2025-04-01T08:00:00Z", user).to_string();
    let both = format!("[{},{}]", raw("a", "ann"), raw("b", "bob"));
    let carrier = |extra: &str| {
        format!("{{\"@timestamp\":\"2025-04-01T08:00:00Z\"{extra},\"message\":{}}}", json!(both))
    };
    for (name, text, matches) in [
        ("two on a line", format!("{} {}\n", raw("a", "ann"), raw("b", "bob")), 2),
        ("a text of several", format!("{}\n", carrier("")), 2),
        // The rule reads what a strict parser does not.
        ("a lone surrogate", format!("{}\n", carrier(",\"x\":\"\\ud800\"")), 2),
        ("a number beyond f64", format!("{}\n", carrier(",\"x\":1e999")), 2),
        // One event to a rule: it names what it is.
        ("a parsed event", format!("{}\n", carrier(",\"event\":{\"action\":\"CreateStack\"}")), 0),
        ("in an array", format!("[{},{}]", carrier(""), raw("c", "cem")), 3),
        ("cut", format!("{} {}\n", raw("a", "ann"), "{\"eventName\""), 1),
    ] {
        let path = folder.write("events.json", text);
        assert_eq!(agree(|call| call.arg(&path), name), matches, "{name}");
    }
}

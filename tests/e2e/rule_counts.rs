//! What `run` says of each rule and each exception: in the table, at the end, in the JSON.
//!
//! In: several rules, exceptions, events. Out: whether every match is counted for its rule, and whether
//! a rule or an exception that did nothing is named with a reason that is true.

use crate::build::{artifact, rule};
use crate::support::{Done, Folder, call, create_stack, run, stack_lines};
use serde_json::{Value, json};

fn event(id: u32, action: &str, user: Option<&str>) -> String {
    let time = format!("2025-01-{:02}T08:00:00Z", 1 + id);
    let user = user.map_or(json!({}), |name| json!({ "name": name }));
    let event = json!({ "@timestamp": time, "user": user,
                        "event": { "id": id.to_string(), "action": action } });
    format!("{event}\n")
}

/// The counts of a rule by its id.
fn of<'d>(done: &'d Done, id: &str) -> &'d Value {
    let rules = done.summary["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["id"] == id).expect(id)
}

#[test]
fn each_rule_has_its_counts_and_silent_ones_a_reason() {
    let folder = Folder::new();
    let logins = artifact(&folder, "logins", "event.action: login", &["user.name"]);
    let all = artifact(&folder, "all", "event.action: *", &["user.name"]);
    let typo = artifact(&folder, "typo", "event.action: login and usr.name: ann", &["user.name"]);
    let other = artifact(&folder, "other", "event.action: logout", &["user.name"]);
    let fails =
        artifact(&folder, "fails", "event.action: (log*) and not user.name: *", &["user.name"]);
    let text = [
        event(1, "login", Some("ann")),
        event(2, "login", Some("ann")),
        event(3, "login", None),
        event(4, "read", Some("robot")),
    ]
    .concat();
    let events = folder.write("events.ndjson", text);
    let exceptions = folder.write(
        "e.toml",
        "[[exceptions]]\nname='robots'\nreason='r'\nexpires=2099-01-01\nquery='user.name: robot'\n\
         [[exceptions]]\nname='typo'\nreason='r'\nexpires=2099-01-01\nquery='usr.name: robot'\n\
         [[exceptions]]\nname='idle'\nreason='r'\nexpires=2099-01-01\nquery='user.name: eve'\n",
    );
    let rules = [&logins, &all, &typo, &other];
    let run_all = rules.iter().fold(run(), |call, rule| call.arg("--rule").arg(rule));
    let done = run_all.arg("--exceptions").arg(&exceptions).arg(&events).ok();
    let numbers = |id: &str| {
        ["matched", "alerts", "seen", "missing", "excepted"]
            .map(|n| of(&done, id)[n].as_u64().unwrap())
    };
    assert_eq!(numbers("logins"), [3, 1, 1, 1, 0]);
    assert_eq!(numbers("all"), [4, 1, 1, 1, 1]);
    assert_eq!(numbers("typo"), [0; 5]);
    let silent = |id: &str| of(&done, id)["silent"].as_str().map(str::to_owned);
    assert_eq!(silent("all"), None);
    assert_eq!(silent("other").unwrap(), "no event holds logout");
    assert_eq!(silent("typo").unwrap(), "none of the 2 events that it might concern has usr.name");
    let unused = &done.summary["unused_exceptions"];
    let reason = "none of the 7 events that it might concern has usr.name";
    assert_eq!(*unused, json!([{ "name": "typo", "reason": reason }, { "name": "idle" }]));
    for line in [
        "    matched    alerts      seen   missing  excepted  rule\n",
        "          4         1         1         1         1  Rule all\n",
        "          3         1         1         1         0  Rule logins\n",
        "  matched nothing: Rule other: no event holds logout\n",
        "  exception took nothing out: idle\n",
    ] {
        assert!(done.stderr.contains(line), "{line}: {}", done.stderr);
    }
    // `explain` says the same.
    let why = rules.iter().fold(call("explain"), |call, rule| call.arg("--rule").arg(rule));
    let explained = why.arg("--exceptions").arg(&exceptions).arg(&events).ok().stderr;
    for line in done
        .stderr
        .lines()
        .filter(|line| ["rule", "Rule", "took nothing"].iter().any(|word| line.contains(word)))
    {
        assert!(explained.contains(line), "{line}: {explained}");
    }
    // A single rule has no table, and its reason all the same.
    let done = run()
        .arg("--rule")
        .arg(&fails)
        .arg(folder.write("one.ndjson", event(1, "login", Some("a"))))
        .ok();
    assert!(!done.stderr.contains("    matched "), "{}", done.stderr);
    let reason = of(&done, "fails")["silent"].as_str().unwrap();
    assert_eq!(reason, "not user.name: * fails in 1 of 1 event");
    assert!(done.stderr.contains(&format!("Rule fails: {reason}")), "{}", done.stderr);
}

#[test]
fn exceptions_inside_a_rule_are_named_too() {
    let folder = Folder::new();
    let own = "[[rule.exceptions]]\nname='inside'\nreason='r'\nquery='host.nme: x'\n";
    let text = rule("own", "event.action: *", &["user.name"]);
    let text = text.replace("[rule.new_terms]", &format!("{own}\n[rule.new_terms]"));
    let rule = folder.write("own.toml", text);
    let events = folder.write("events.ndjson", event(1, "login", Some("ann")));
    let done = run().arg("--rule").arg(&rule).arg(&events).ok();
    assert_eq!(done.summary["unused_exceptions"][0]["name"], "inside", "{}", done.stderr);
    let reason = "the one event that it might concern has no host.nme";
    assert_eq!(done.summary["unused_exceptions"][0]["reason"], reason);
}

#[test]
fn why_a_field_is_missing_is_said_where_the_event_shows_it() {
    let folder = Folder::new();
    let with = |id: &str, identity: Value| {
        let mut event = create_stack(id, "2025-04-01T08:00:00Z", "x");
        event["userIdentity"] = identity;
        format!("{event}\n")
    };
    let text = [
        with("a", json!({ "type": "Root", "accountId": "111122223333" })),
        with("b", json!({ "type": "AWSAccount", "accountId": "444455556666" })),
        with("c", json!({ "type": "AWSAccount", "accountId": "444455556666" })),
    ]
    .concat();
    let done = run().arg(folder.write("events.ndjson", text)).ok();
    let causes = json!({ "user.name": { "root user": 1, "caller of another account": 2 } });
    assert_eq!(done.summary["missing_causes"], causes);
    let flat = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let words =
        "3 matched events have no user.name (caller of another account 2, root user 1): they";
    assert!(flat.contains(words), "{}", done.stderr);
}

#[test]
fn a_state_is_new_or_existing_and_a_stream_says_so_at_its_start() {
    let folder = Folder::new();
    let state = folder.path("state");
    let on = |events: String| run().arg("--state").arg(&state).arg("-").pipe(events).ok();
    let done = on(stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]));
    let name = state.display().to_string();
    let start = |done: &Done| done.stderr.lines().next().unwrap().to_owned();
    let begins = "reading standard input with 1 rule; state ";
    assert_eq!(start(&done), format!("{begins}{name}, new, 0 terms"));
    assert!(done.summary["state"].as_str().unwrap().ends_with(", new, 1 term"), "{}", done.summary);
    let done = on(stack_lines(&[("b", "2025-04-01T08:00:00Z", "bob")]));
    assert_eq!(start(&done), format!("{begins}{name}, existing, 1 term"));
    let text = done.summary["state"].as_str().unwrap();
    assert!(text.ends_with(", existing, 2 terms, 1 before"), "{text}");
}

#[test]
fn a_changed_rule_is_told_before_anything_is_decided() {
    let folder = Folder::new();
    let state = folder.path("state");
    let week = rule("r", "event.action: *", &["user.name"]);
    let month = folder.write("month.toml", week.replace("now-7d", "now-30d"));
    let hosts = folder.write("hosts.toml", rule("r", "event.action: *", &["event.action"]));
    let week = folder.write("week.toml", week);
    let on = |name: &str, rule, id: u32| {
        let events = folder.write("events.ndjson", event(id, "login", Some("ann")));
        let call = call(name).args(&["--format", "ndjson"]).arg("--state").arg(&state);
        call.arg("--rule").arg(rule).arg(events).ok()
    };
    assert_eq!(on("run", &week, 1).lines().len(), 1);
    // Fifteen days later: seen in the longer window.
    for name in ["explain", "run"] {
        let done = on(name, &month, 16);
        let words = "its window was 7d and is now 30d: the last sightings of 1 term are taken over";
        assert!(done.stderr.contains(words), "{}", done.stderr);
        assert!(done.stderr.contains("from 2025-01-02T08:00:00.000Z on"), "{}", done.stderr);
        assert!(!done.stdout.contains("kibana.alert.uuid"), "{}", done.stdout);
    }
    assert!(!on("run", &month, 17).stderr.contains("window was"), "it is said once");
    let done = on("run", &hosts, 18);
    let words = "its new-terms fields were user.name and are now event.action";
    assert!(done.stderr.contains(words) && done.stderr.contains("set aside"), "{}", done.stderr);
    assert_eq!(done.lines().len(), 1);
}

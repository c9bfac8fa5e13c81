//! Exceptions: in a rule, in files, and changed while a stream runs.
//!
//! In: rules, files of exceptions, events. Out: whether the right events alert, count as sightings
//! or are excluded, the counts by name, and the messages about invalid files.

use crate::build::{FLAGSHIP, build};
use crate::stream::Live;
use crate::support::{Done, Folder, call, repository, run, stack_lines};
use std::path::Path;

const EVENTS: &[(&str, &str, &str)] = &[
    ("office-1", "2025-04-01T08:00:00Z", "alice"),
    ("home", "2025-04-01T09:00:00Z", "alice"),
    ("robot", "2025-04-01T10:00:00Z", "ci-7"),
    ("bob", "2025-04-01T11:00:00Z", "bob"),
];

const TOML: &str = r#"
[[exceptions]]
name = "the office"
reason = "everything there is known"
query = "user.name: alice and event.id: office-*"

[[exceptions]]
name = "robots"
reason = "deployments are reviewed before they run"
rule_id = "0415258b-a7b2-48a6-891a-3367cd9d4d31"
entries = [{ field = "user.name", type = "wildcard", value = "ci-*" }]
"#;

const JSON: &str = r#"{"exceptions": [{"name": "b", "reason": "c",
    "fields": {"user.name": ["bob", "carol"], "cloud.account.id": 111122223333}}]}"#;

/// Runs the events with these exception files.
fn with(files: &[&Path]) -> Done {
    let mut call = run();
    for file in files {
        call = call.arg("--exceptions").arg(file);
    }
    call.arg("-").pipe(stack_lines(EVENTS)).ok()
}

#[test]
fn exception_files_exclude_events() {
    let folder = Folder::new();
    let (toml, json) = (folder.write("e.toml", TOML), folder.write("e.json", JSON));
    assert_eq!(with(&[]).alert_ids(), ["office-1", "robot", "bob"]);
    let done = with(&[&toml]);
    assert_eq!(done.alert_ids(), ["home", "bob"]);
    assert_eq!((done.count("suppressed_by_exception"), done.count("matched")), (2, 4));
    assert_eq!(done.summary["suppressed_by"]["the office"], 1);
    assert_eq!(done.summary["suppressed_by"]["robots"], 1);
    let words = "2 matched events were suppressed by exceptions: robots 1, the office 1";
    assert!(done.stderr.contains(words), "{}", done.stderr);
    let done = with(&[&toml, &json]);
    assert_eq!(done.alert_ids(), ["home"]);
    assert!(!done.stderr.contains("exceptions: /"), "no warnings: {}", done.stderr);
}

#[test]
fn exceptions_from_settings_and_files_are_combined() {
    let folder = Folder::new();
    let toml = folder.write("e.toml", TOML);
    let settings = r#"{"learn_until": "2025-04-01T09:30:00Z",
        "exceptions": [{"name": "b", "query": "user.name: bob"}]}"#;
    let settings = folder.write("s.json", settings);
    let call = run().arg("--exceptions").arg(toml).arg("--settings").arg(settings);
    let done = call.arg("-").pipe(stack_lines(EVENTS)).ok();
    assert_eq!(done.alert_ids(), Vec::<String>::new());
    assert_eq!((done.count("suppressed_by_exception"), done.count("learned")), (3, 1));
}

/// An exception expires by the time of the event, not by the clock.
#[test]
fn exception_expires_by_event_time() {
    let folder = Folder::new();
    for (expires, alerts) in [
        ("2025-04-01T09:00:00Z", vec!["home", "robot", "bob"]),
        ("2025-04-01T09:00:01Z", vec!["robot", "bob"]),
        ("2025-04-01", vec![]),
    ] {
        let file = folder.write(
            "e",
            format!("[[exceptions]]\nname='x'\nreason='y'\nexpires={expires}\nquery='*'"),
        );
        let done = with(&[&file]);
        assert_eq!(done.alert_ids(), alerts, "{expires}");
        assert!(done.stderr.contains("`x` ended at 2025-04-"), "{}", done.stderr);
    }
}

#[test]
fn exception_for_an_unknown_rule_is_reported() {
    let folder = Folder::new();
    let file = folder.write(
        "e",
        "[[exceptions]]\nname='x'\nreason='y'\nrules=['no\\u001b-such']\nquery='*'"
            .replace('\'', "\""),
    );
    let done = with(&[&file]);
    assert_eq!(done.count("suppressed_by_exception"), 0);
    let words = "`x` is for the rule no\\u{1b}-such, which is not here";
    assert!(done.stderr.contains(words), "{}", done.stderr);
}

#[test]
fn invalid_exception_file_stops_the_run_at_the_start() {
    let folder = Folder::new();
    let output = folder.write("out", "from before");
    for (text, words) in [
        ("[[exceptions]]\nname = 'x'\nreason = 'y'\nquery = 'a: ('\n", [":4:14", "expected"]),
        ("[[exceptions]]\nname = 'x'\nquery = 'a: b'\n", [":1:1", "reason"]),
        ("{\"exceptions\": [{\"name\": 1}]}", [":1:", "expected a string"]),
        ("exceptions", ["toml_syntax", ":1:"]),
        ("", ["a file without `exceptions`", "exceptions = []"]),
    ] {
        let file = folder.write("e", text);
        let call = run().arg("--exceptions").arg(&file).arg("--output").arg(&output);
        let done = call.arg("-").pipe(stack_lines(EVENTS)).fails(&words);
        assert!(done.stderr.lines().all(|line| line.chars().count() <= 80 || line.contains('/')));
        assert_eq!(std::fs::read_to_string(&output).unwrap(), "from before");
    }
    let missing = folder.path("none");
    run().arg("--exceptions").arg(&missing).arg("-").fails(&["--exceptions", "none"]);
    let both = folder.write("both", TOML);
    let call = run().arg("--exceptions").arg(&both).arg("--output").arg(&both);
    call.arg("-").fails(&["exceptions", "at once"]);
}

#[test]
fn explain_names_the_exception() {
    let folder = Folder::new();
    let text = TOML.replace("rule_id", "expires = 2030-01-31\nrule_id");
    let file = folder.write("e.toml", text);
    let explain = || {
        let call = call("explain").arg("--exceptions").arg(&file);
        call.arg("-").pipe(stack_lines(&EVENTS[2..3]))
    };
    let line = explain().ok().lines().remove(0);
    assert_eq!(line["excepted"], "robots");
    assert_eq!(line["excepted_because"], "deployments are reviewed before they run");
    assert_eq!(line["excepted_until"], "2030-02-01T00:00:00.000Z");
    assert_eq!(line["state"], serde_json::json!([]));
    let pretty = explain().args(&["--format", "pretty"]).ok().stdout;
    assert!(
        pretty.contains("suppressed by exception: robots, until 2030-02-01T00:00:00.000Z"),
        "{pretty}"
    );
    assert!(pretty.contains("because: deployments are reviewed"), "{pretty}");
}

#[test]
fn rule_contains_its_own_exceptions() {
    let folder = Folder::new();
    let rule = std::fs::read_to_string(repository(FLAGSHIP)).unwrap();
    let own = TOML.replace("[[exceptions]]", "[[rule.exceptions]]");
    let own = own.lines().filter(|line| !line.starts_with("rule_id")).collect::<Vec<_>>();
    let rule = folder.write("rule.toml", format!("{rule}\n{}", own.join("\n")));
    let wasm = folder.path("rule.wasm");
    build(&rule, &wasm);
    let file = folder.write("e.json", JSON);
    let call = run().arg("--rule").arg(&wasm);
    let done = call.arg("-").pipe(stack_lines(EVENTS)).ok();
    assert_eq!(done.alert_ids(), ["home", "bob"]);
    assert_eq!(done.summary["suppressed_by"]["robots"], 1);
    let call = run().arg("--rule").arg(&wasm).arg("--exceptions").arg(file);
    assert_eq!(call.arg("-").pipe(stack_lines(EVENTS)).ok().alert_ids(), ["home"]);
    // The state of the rule without exceptions stays valid.
    let state = folder.path("state");
    let call = run().arg("--state").arg(&state).arg("-").pipe(stack_lines(EVENTS));
    assert_eq!(call.ok().alert_ids(), ["office-1", "robot", "bob"]);
    let call = run().arg("--rule").arg(&wasm).arg("--state").arg(&state);
    let done = call.arg("-").pipe(stack_lines(EVENTS)).ok();
    assert_eq!((done.count("alerts"), done.count("repeats"), done.count("seen")), (0, 1, 1));
}

/// Ends a run and returns its standard error.
fn end(live: Live) -> String {
    let (rest, status, stderr) = live.end_with_errors();
    assert_eq!((rest, status), (vec![], Some(0)), "{stderr}");
    stderr
}

fn excepting(user: &str) -> String {
    format!("[[exceptions]]\nname = 'x'\nreason = 'y'\nfields = {{ 'user.name' = '{user}' }}\n")
}

/// The file changes only after an event is answered and before the next is sent, so nothing here
/// depends on time.
#[test]
fn running_stream_reloads_exceptions() {
    let folder = Folder::new();
    let file = folder.write("e", excepting("nobody"));
    let mut live = Live::start(run().arg("--exceptions").arg(&file).arg("-"));
    let send = |live: &mut Live, id, user| {
        live.write(stack_lines(&[(id, "2025-04-01T08:00:00Z", user)]));
    };
    send(&mut live, "a", "alice");
    assert_eq!(live.next_id(), "a");
    // Changed in place, with the same length. Carol's alert shows that robert's event was excluded.
    std::fs::write(&file, excepting("robert")).unwrap();
    send(&mut live, "r", "robert");
    send(&mut live, "c", "carol");
    assert_eq!(live.next_id(), "c");
    // Replaced by renaming another file.
    let new = folder.write("new", excepting("daniel"));
    std::fs::rename(new, &file).unwrap();
    send(&mut live, "d", "daniel");
    send(&mut live, "r2", "robert");
    assert_eq!(live.next_id(), "r2");
    // Invalid: the exceptions in force stay.
    std::fs::write(&file, "[[exceptions]]\nname = 'x'\n").unwrap();
    send(&mut live, "d2", "daniel");
    send(&mut live, "e", "eve");
    assert_eq!(live.next_id(), "e");
    // Removed: they stay.
    std::fs::remove_file(&file).unwrap();
    send(&mut live, "d3", "daniel");
    send(&mut live, "f", "frank");
    assert_eq!(live.next_id(), "f");
    // Created again, and empty: it may be half of what is to come. They stay.
    std::fs::write(&file, "").unwrap();
    send(&mut live, "d4", "daniel");
    send(&mut live, "g", "grace");
    assert_eq!(live.next_id(), "g");
    // None, in so many words.
    std::fs::write(&file, "exceptions = []\n").unwrap();
    send(&mut live, "d5", "daniel");
    assert_eq!(live.next_id(), "d5");
    let stderr = end(live);
    let messages: Vec<&str> =
        stderr.lines().filter(|line| line.starts_with("exceptions: ")).collect();
    let has = |at: usize, words: &str| {
        assert!(messages.get(at).is_some_and(|line| line.contains(words)), "{words}: {stderr}");
    };
    has(0, "exceptions: 1 in ");
    has(1, "exceptions: 1 in ");
    has(2, "changed and cannot be used; those from before stay in force");
    has(3, "those from before stay in force");
    has(4, "changed and cannot be used; those from before stay in force");
    has(5, "exceptions: 0 in ");
    assert_eq!(messages.len(), 6, "{stderr}");
    assert!(stderr.contains("is missing: say why"), "{stderr}");
    assert!(stderr.contains("5 matched events were suppressed by exceptions: x 5"), "{stderr}");
}

//! Rule files through the binary: how errors are shown, filters, event time.
//!
//! In: rules and events. Out: whether the alerts and the messages are right.

use crate::support::{Call, Done, Folder, call, repository, run};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const FLAGSHIP: &str = "plugin/rules/first_time_cloudformation_stack_creation.toml";

/// The flagship with one part of its text replaced.
fn flagship(folder: &Folder, from: &str, to: &str) -> PathBuf {
    let text = std::fs::read_to_string(repository(FLAGSHIP)).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from}");
    folder.write("rule.toml", text.replace(from, to))
}

fn build(rule: &Path, to: &Path) -> Call {
    call("build").arg(rule).arg("-o").arg(to)
}

fn run_on(rule: &Path, events: &[Value]) -> Done {
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    run().arg("--rule").arg(rule).arg("-").pipe(lines).ok()
}

#[test]
fn error_is_shown_with_file_line_and_caret() {
    let folder = Folder::new();
    let rule = flagship(&folder, "event.outcome:success", "event.outcome:(success");
    let to = folder.path("rule.wasm");
    let done = build(&rule, &to).fails(&["error[unclosed]", "not built: 1 error"]);
    let text = std::fs::read_to_string(&rule).unwrap();
    let at = text.find("(success").unwrap();
    let line = text[..at].matches('\n').count() + 1;
    let start = text[..at].rfind('\n').unwrap() + 1;
    let column = at - start;
    assert!(done.stderr.contains(&format!("rule.toml:{line}:{}", column + 1)), "{}", done.stderr);
    // The caret is below the bracket, however much of the line is shown.
    let lines: Vec<&str> = done.stderr.lines().collect();
    let caret = lines.iter().position(|line| line.contains(" ^")).expect("a caret");
    let under = lines[caret].chars().position(|c| c == '^').unwrap();
    assert_eq!(lines[caret - 1].chars().nth(under), Some('('), "{}", done.stderr);
    assert!(!done.stderr.contains('\u{1b}'), "colour in a pipe");
    assert!(!to.exists());
}

#[test]
fn all_errors_of_all_files_are_shown_and_warnings_do_not_stop_a_build() {
    let folder = Folder::new();
    let wrong = flagship(&folder, "interval = \"5m\"", "interval = \"often\"\nfilter = []");
    let other = folder.write("other.toml", "[rule]\n");
    let to = folder.path("rule.wasm");
    let built = call("build").arg(&wrong).arg(&other).arg("-o").arg(folder.path("out"));
    built.fails(&["bad_duration", "did you mean `filters`", "other.toml:1:1", "2 failed"]);

    let unlike =
        flagship(&folder, "interval = \"5m\"", "alert_suppression = { group_by = [] , x = 1 }");
    let done = build(&unlike, &to).ok();
    assert!(done.stderr.contains("warning[not_done]"), "{}", done.stderr);
    assert!(to.exists());
}

/// Text from a file cannot control the terminal, and a long line is cut to the width.
#[test]
fn quoted_source_is_escaped_and_at_most_80_columns() {
    let folder = Folder::new();
    let query = format!("a: \"\u{9b}2J\u{202e}{}\" b: c {}", "x ".repeat(60), "y ".repeat(200));
    let rule = folder
        .write("rule.toml", format!("[rule]\nseverity = \"\\u001b[31m\"\nquery = '{query}'\n"));
    let done = build(&rule, &folder.path("rule.wasm")).fails(&["bad_value", "unexpected"]);
    let stays = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
    assert!(done.stderr.chars().all(stays), "{:?}", done.stderr);
    for line in done.stderr.lines().filter(|line| !line.contains("-->")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

/// The events are far apart by one time field and close by the other.
#[test]
fn timestamp_override_is_used_only_on_request() {
    let folder = Folder::new();
    let rule = repository(FLAGSHIP);
    let event = |id: &str, time: &str, ingested: Option<&str>| {
        let mut event = json!({
            "@timestamp": time,
            "event": { "id": id, "dataset": "aws.cloudtrail", "action": "CreateStack",
                "provider": "cloudformation.amazonaws.com", "outcome": "success" },
            "cloud.account.id": "1", "user.name": "ann",
        });
        if let Some(ingested) = ingested {
            event["event"]["ingested"] = json!(ingested);
        }
        event
    };
    let events = [
        event("a", "2025-01-01T00:00:00Z", Some("2025-02-01T00:00:00Z")),
        event("b", "2025-01-20T00:00:00Z", Some("2025-02-02T00:00:00Z")),
        // It falls back to its `@timestamp`, which is within the window of the others.
        event("c", "2025-02-03T00:00:00Z", None),
    ];
    let (plain, followed) = (folder.path("plain.wasm"), folder.path("followed.wasm"));
    build(&rule, &plain).arg("--event-time=timestamp").ok();
    build(&rule, &followed).arg("--event-time=timestamp_override").ok();
    assert_eq!(run_on(&plain, &events).alert_ids(), ["a", "b", "c"]);
    let wasm = std::fs::read(&followed).unwrap();
    let member = br#""event_time":"event.ingested""#;
    assert!(wasm.windows(member.len()).any(|window| window == member), "in the metadata");
    let done = run_on(&followed, &events);
    assert_eq!(done.alert_ids(), ["a"]);
    let alert = &done.lines()[0];
    assert_eq!(alert["@timestamp"], "2025-02-01T00:00:00.000Z");
    assert_eq!(alert["kibana.alert.original_time"], "2025-01-01T00:00:00Z");
    // The two rules have different states.
    let prefix = |alert: &Value| alert["kibana.alert.uuid"].clone();
    assert_ne!(prefix(alert), prefix(&run_on(&plain, &events).lines()[0]));

    // Without the fallback, an event without the field is an error.
    let strict =
        "timestamp_override = \"event.ingested\"\ntimestamp_override_fallback_disabled = true";
    let strict = flagship(&folder, "timestamp_override = \"event.ingested\"", strict);
    build(&strict, &followed).arg("--event-time=timestamp_override").ok();
    let done = run_on(&followed, &events);
    assert_eq!((done.alert_ids(), done.count("bad")), (vec!["a".to_owned()], 1));
    assert!(done.stderr.contains("no event.ingested"), "{}", done.stderr);

    let without = flagship(&folder, "timestamp_override = \"event.ingested\"", "");
    build(&without, &followed)
        .arg("--event-time=timestamp_override")
        .fails(&["no_timestamp_override"]);
}

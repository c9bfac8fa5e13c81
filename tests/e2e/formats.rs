//! The forms in which alerts are written.
//!
//! In: the samples. Out: whether each form has every alert, in lines that fit the terminal, and what
//! `--compact` leaves out.

use crate::support::{Done, Folder, read_json, repository, run, stack_lines};
use crate::terminal::{on_terminal, on_terminal_of};
use serde_json::Value;

/// The samples in this form.
fn samples(args: &[&str]) -> Done {
    run().args(args).arg(repository("samples/cloudtrail")).ok()
}

fn expected() -> Vec<Value> {
    let Value::Array(alerts) = read_json("samples/expected.json")["alerts"].take() else {
        panic!("a list of alerts");
    };
    alerts
}

#[test]
fn a_line_per_alert_fits_every_terminal() {
    let piped = samples(&["--format", "line"]);
    assert_eq!(piped.stdout.lines().count(), expected().len());
    assert!(piped.stdout.starts_with(
        "2025-03-03T09:14:55Z  medium    First Time AWS Cloudformation Stack Creation by User  \
         111122223333, alice  never seen\n"
    ));
    for columns in [80, 120] {
        let call = run().args(&["--format", "line", "--color", "never"]);
        let (shown, _) = on_terminal(call.arg(repository("samples/cloudtrail")), columns);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), expected().len());
        let widths = lines.iter().map(|line| line.chars().count());
        assert!(widths.max().unwrap() <= usize::from(columns), "{shown}");
        // The last column is at the same place in all lines.
        let last = |line: &&str| line.rfind("never seen").or(line.rfind(" before"));
        assert!(lines.iter().all(|line| last(line).is_some()), "{shown}");
    }
}

#[test]
fn pretty_is_as_wide_as_the_terminal() {
    // Without rows its columns count all the same; without columns it is a usual one.
    for (rows, columns, expected) in
        [(24, 60, 60), (24, 80, 80), (24, 120, 120), (0, 120, 120), (24, 0, 80), (0, 0, 80)]
    {
        let call = run().args(&["--color", "never"]).arg(repository("samples/cloudtrail"));
        let (shown, _) = on_terminal_of(call, rows, columns);
        let widest = shown.lines().map(|line| line.chars().count()).max();
        assert_eq!(widest, Some(expected), "{rows} rows, {columns} columns: {shown}");
    }
    let widest = samples(&["--format", "pretty"]).stdout;
    assert_eq!(widest.lines().map(|line| line.chars().count()).max(), Some(80));
}

#[test]
fn csv_has_a_row_per_alert_below_the_names() {
    let done = samples(&["--format", "csv"]);
    let mut reader = csv::Reader::from_reader(done.stdout.as_bytes());
    let names = reader.headers().unwrap().clone();
    let column = |name: &str| names.iter().position(|known| known == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let ids = |rows: &[csv::StringRecord]| -> Vec<String> {
        rows.iter().map(|row| row[column("event_id")].to_owned()).collect()
    };
    let expected: Vec<_> = expected().iter().map(|a| a["event_id"].clone()).collect();
    assert_eq!(ids(&rows), expected);
    assert_eq!(&rows[0][column("new_terms")], "cloud.account.id=111122223333; user.name=alice");
    // What is appended has no second row of names.
    let folder = Folder::new();
    let path = folder.path("alerts.csv");
    for _ in 0..2 {
        let call = run().args(&["--format", "csv", "--append", "--output"]).arg(&path);
        call.arg(repository("samples/cloudtrail")).ok();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("time,severity").count(), 1);
    assert_eq!(text.lines().count(), 1 + 2 * expected.len());
}

/// The option, and the setting that it stands for.
#[test]
fn brief_alerts_lack_the_texts_of_their_rule_alone() {
    let whole = samples(&["--format", "ndjson"]);
    let folder = Folder::new();
    let settings = folder.write("s.json", r#"{"rule_text": "brief"}"#);
    let settings = settings.to_str().expect("UTF-8");
    let by_option = samples(&["--format", "ndjson", "--rule-text", "brief"]);
    let by_setting = samples(&["--format", "ndjson", "--settings", settings]);
    assert_eq!(by_option.stdout, by_setting.stdout);
    let over = ["--format", "ndjson", "--settings", settings, "--rule-text", "full"];
    assert_eq!(samples(&over).stdout, whole.stdout);
    let mut count = 0;
    for (mut whole, brief) in whole.lines().into_iter().zip(by_option.lines()) {
        let members = whole.as_object_mut().expect("an object");
        let before = members.len();
        for name in ["description", "note", "references", "setup"] {
            members.remove(&format!("kibana.alert.rule.{name}"));
        }
        assert!(members.len() < before);
        assert_eq!(whole, brief);
        count += 1;
    }
    assert!(count > 0);
    let wrong = folder.write("w.json", r#"{"rule_text": "short"}"#);
    run().arg("--settings").arg(wrong).arg("-").fails(&["w.json", "rule_text", "full or brief"]);
}

#[test]
fn compact_alerts_lack_texts_and_raw_events_alone() {
    let (whole, compact) = (samples(&["--format", "ndjson"]), samples(&["--compact"]));
    assert!(compact.stdout.len() * 2 < whole.stdout.len());
    for (whole, compact) in whole.lines().into_iter().zip(compact.lines()) {
        let (Value::Object(mut whole), Value::Object(mut compact)) = (whole, compact) else {
            panic!("alerts are objects");
        };
        for name in ["description", "note", "parameters", "references", "false_positives"] {
            let name = format!("kibana.alert.rule.{name}");
            assert!(whole.remove(&name).is_some() && compact.remove(&name).is_none(), "{name}");
        }
        let setup = "kibana.alert.rule.setup";
        whole.remove(setup);
        assert!(!compact.contains_key(setup));
        let event = |alert: &mut serde_json::Map<String, Value>| {
            alert["event"].as_object_mut().unwrap().remove("original")
        };
        assert!(event(&mut whole).is_some() && event(&mut compact).is_none());
        assert_eq!(whole, compact);
    }
    let input = stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]);
    let done = run().args(&["--annotate", "--compact", "-"]).pipe(input).ok();
    assert!(done.stdout.contains("firstseen_alerts") && !done.stdout.contains("rule.note"));
}

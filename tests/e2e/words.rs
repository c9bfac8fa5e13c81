//! What a person reads of a run: what was left out is named, also under `--quiet`, up to a limit whatever
//! somebody else put into folders and events, and each line fits the terminal.

use crate::support::{Folder, call, run, stack_lines};
use serde_json::json;
use std::fmt::Write as _;

const ALICE: (&str, &str, &str) = ("a", "2025-04-01T08:00:00Z", "alice");
/// The most lines of one kind.
const MOST: usize = 10;

fn count(text: &str, word: &str) -> usize {
    text.lines().filter(|line| line.contains(word)).count()
}

#[test]
fn quiet_says_what_was_left_out_and_nothing_else() {
    let folder = Folder::new();
    let logs = folder.path("logs");
    std::fs::create_dir(&logs).unwrap();
    for n in 0..13 {
        std::fs::write(logs.join(format!("note{n:02}\x1b.txt")), "no log").unwrap();
    }
    let nginx = json!({ "@timestamp": "2025-04-01T08:00:00Z", "event": { "dataset": "nginx.access" },
        "message": stack_lines(&[ALICE]).trim() });
    let text =
        format!("{}{nginx}\n{}\n{{\"_raw\":1}}\n{{\"_raw\":2}}\n", stack_lines(&[ALICE]), "{\"a");
    std::fs::write(logs.join("z.ndjson"), text).unwrap();
    for level in [&["-q"][..], &["--log-level", "warn"]] {
        let done = run().args(level).arg(&logs).ok();
        assert_eq!(done.alert_ids(), ["a"]);
        let said = done.stderr;
        assert_eq!(count(&said, ": file that is no log"), MOST, "{said}");
        assert!(said.contains("note00\\u{1b}.txt: file that is no log\n"), "{said}");
        for words in [
            "skipped: 3 more files without events\n",
            "  1 event could not be judged: truncated 1\n",
            "--trust-envelopes dataset:nginx.access opens it\n",
            "  skipped, no events: 13 files that are no logs, 2 Splunk events\n",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        for words in ["  events ", "  matched ", "  state ", "every term is new"] {
            assert!(!said.contains(words), "{words}: {said}");
        }
    }
    assert_eq!(run().args(&["--log-level", "error"]).arg(&logs).ok().stderr, "");
    // Where all was judged, nothing is said.
    let clean = folder.write("clean.ndjson", stack_lines(&[ALICE]));
    assert_eq!(run().arg("-q").arg(clean).ok().stderr, "");
}

#[test]
fn hidden_files_alone_are_named_by_their_folder() {
    let folder = Folder::new();
    let logs = folder.path("logs");
    std::fs::create_dir_all(logs.join(".more")).unwrap();
    std::fs::write(logs.join(".a.ndjson"), stack_lines(&[ALICE])).unwrap();
    let words = "logs: 2 hidden files or folders; give their paths to read them\n";
    for command in ["run", "explain"] {
        let done = call(command).arg("-q").arg(&logs).ok();
        assert!(done.stderr.contains(words), "{command}: {}", done.stderr);
        let done = call(command).arg(&logs).ok();
        assert!(
            done.stderr.contains("nothing was read: no input holds an event"),
            "{}",
            done.stderr
        );
        assert!(!done.stderr.contains("no event holds"), "{}", done.stderr);
    }
    // Beside others they are worth a word, and no warning.
    std::fs::write(logs.join("b.ndjson"), stack_lines(&[ALICE])).unwrap();
    assert_eq!(run().arg("-q").arg(&logs).ok().stderr, "");
    assert!(run().arg(&logs).ok().stderr.contains(words));
}

#[test]
fn names_that_others_chose_fill_no_screen() {
    let folder = Folder::new();
    let logs = folder.path("logs");
    std::fs::create_dir(&logs).unwrap();
    let inner = stack_lines(&[ALICE]);
    let mut text = String::new();
    for n in 0..3000 {
        let dataset = format!("d{n:04}{}", "x".repeat(300));
        let event = json!({ "@timestamp": "2025-04-01T08:00:00Z", "event": { "dataset": dataset },
            "message": inner.trim() });
        writeln!(text, "{event}").unwrap();
    }
    std::fs::write(logs.join("z.ndjson"), text).unwrap();
    for n in 0..40 {
        let path = logs.join(format!("fifo{n:02}"));
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }
    let done = run().arg(&logs).ok();
    let said = &done.stderr;
    assert_eq!(count(said, "a named pipe"), MOST, "{said}");
    assert!(said.contains("left out: 30 more pipes, devices or links into /proc\n"), "{said}");
    assert!(said.lines().count() < 70 && said.len() < 8000, "{said}");
    assert!(said.contains("  2,990 more texts were not opened"), "{said}");
    let names = done.summary["not_opened"].as_object().unwrap();
    assert_eq!((names.len(), &names["others"]), (1001, &json!(2000)));
    assert!(names.keys().all(|name| name.chars().count() < 260));
}

#[test]
fn every_code_has_its_count_and_its_first_events_a_name() {
    let folder = Folder::new();
    let event = stack_lines(&[ALICE]);
    let deep = event.trim().replacen(
        '{',
        &format!("{{\"deep\":{}1{},", "[".repeat(300), "]".repeat(300)),
        1,
    );
    let mut text = "{\"broken\n".repeat(50);
    for _ in 0..5 {
        text += &format!("{deep}\n");
    }
    let path = folder.write("logs.ndjson", text);
    let done = run().arg(&path).ok();
    let said = &done.stderr;
    assert_eq!(count(said, ": truncated: "), 10, "{said}");
    assert_eq!(count(said, ": too_deep: "), 3, "{said}");
    assert_eq!(count(said, "more are counted in the summary"), 1, "{said}");
    assert!(said.contains("  55 events could not be judged: truncated 50, too_deep 5\n"), "{said}");
    assert_eq!(done.summary["bad_by"], json!({ "truncated": 50, "too_deep": 5 }));
}

/// COLUMNS is heard where no terminal says how wide it is; without it a message is one line, as a log
/// wants it.
#[test]
fn lines_fit_where_a_person_reads_them() {
    let folder = Folder::new();
    let text = "{\"broken\n".repeat(20) + &stack_lines(&[ALICE]);
    let path = folder.write("a-file-with-a-name.ndjson", text);
    for width in [60, 80, 120] {
        for command in [
            &["run", "--format", "pretty"][..],
            &["explain", "--format", "pretty"],
            &["fields", "--format", "pretty"],
        ] {
            let mut asked = call(command[0]).args(&command[1..]).arg(&path);
            asked.command.env("COLUMNS", width.to_string());
            let done = asked.end();
            for line in done.stderr.lines().chain(done.stdout.lines()) {
                // A path or another value stays whole.
                let is_whole = line.split_whitespace().any(|word| word.len() > width / 2);
                assert!(line.chars().count() <= width || is_whole, "{command:?} {width}: {line}");
            }
        }
    }
    let done = run().arg(&path).ok();
    let skipped = done.stderr.lines().next().unwrap();
    assert!(
        skipped.starts_with("skipped: ") && skipped.contains(": truncated: a new"),
        "{skipped}"
    );
}

//! Hostile and broken input of any size: the run reports it and never uses more than 300 MB.
//!
//! In: generated files of 100 MB and more. Out: whether the valid events are read, whether the
//! error is reported, and the peak memory of the process. Each run ends with an event from standard
//! input: once its alert is written, all earlier input is done, and the test can read the peak
//! while the process still waits.

use crate::build::artifact;
use crate::stream::Live;
use crate::support::{Folder, create_stack, json_file, json_lines, repository, run, stack_lines};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// The highest allowed peak of memory, in kB.
const CEILING: u64 = 300_000;
const LARGE: usize = 100 << 20;

/// Writes events, of which one in ten matches.
fn write_events(to: &mut impl Write, bytes: usize, between: &str) -> u64 {
    let mut other = create_stack("", "2025-04-01T08:00:00Z", "");
    other["eventName"] = json!("DescribeStacks");
    let other = other.to_string();
    let (mut written, mut events) = (0, 0);
    while written < bytes {
        let matched;
        let text = if events % 10 == 0 {
            let id = format!("event-{events}");
            matched = create_stack(&id, "2025-04-01T08:00:00Z", &format!("user-{}", events % 1000));
            &matched.to_string()
        } else {
            &other
        };
        let lead = if events == 0 { "" } else { between };
        write!(to, "{lead}{text}").unwrap();
        written += lead.len() + text.len();
        events += 1;
    }
    events
}

/// Writes a file in pieces.
fn write_file(path: &Path, write: impl FnOnce(&mut BufWriter<File>)) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    write(&mut file);
    file.flush().unwrap();
}

/// Writes a piece again and again, up to this many bytes.
fn repeat(to: &mut impl Write, piece: &[u8], bytes: usize) {
    for _ in 0..bytes / piece.len() {
        to.write_all(piece).unwrap();
    }
}

/// Runs over the file and then one more event. Returns the summary, the event ids of the alerts
/// without the last one, and the peak of memory in kB.
fn measured(options: &[&str], file: &Path) -> (Value, Vec<String>, u64) {
    let folder = Folder::new();
    let path = folder.path("summary.json");
    let call = crate::support::call("run").args(options).arg("--summary").arg(&path);
    let mut live = Live::start(call.arg(file).arg("-"));
    live.write(stack_lines(&[("the last", "2025-05-01T08:00:00Z", "nobody-else")]));
    let mut ids = Vec::new();
    loop {
        match live.next_id() {
            id if id == "the last" => break,
            id => ids.push(id),
        }
    }
    let peak = peak(live.id());
    assert_eq!(live.end(), (vec![], Some(0)));
    (json_file(&path), ids, peak)
}

/// The peak memory of a process so far, in kB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Checks the peak and the counts, which include the last event.
#[track_caller]
fn check(what: &str, run: &(Value, Vec<String>, u64), counts: &[(&str, u64)]) {
    let (summary, ids, peak) = run;
    eprintln!("{what}: {peak} kB");
    assert!(*peak < CEILING, "{what}: {peak} kB");
    assert_eq!(summary["alerts"], ids.len() as u64 + 1, "{what}");
    for (name, count) in counts {
        assert_eq!(summary[*name], *count, "{what}: {name}: {summary}");
    }
}

/// Writes a valid event before and after the given content.
fn between_events(path: &Path, write: impl FnOnce(&mut BufWriter<File>)) {
    write_file(path, |file| {
        file.write_all(stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]).as_bytes()).unwrap();
        write(file);
        file.write_all(stack_lines(&[("b", "2025-04-01T09:00:00Z", "bob")]).as_bytes()).unwrap();
    });
}

#[test]
fn line_of_100_mb_is_skipped_while_streaming() {
    let folder = Folder::new();
    let path = folder.path("long");
    for (what, head, piece, end) in [
        ("a string", "{\"a\":\"", "x".repeat(1000), "\"}\n"),
        ("an event of many fields", "{\"a\":{\"b\":1", ",\"c\":{\"d\":[1,2]}".to_owned(), "}}\n"),
        ("no JSON at all", "", "all work and no play ".to_owned(), "\n"),
        ("a string without an end", "{\"a\":\"", "x".repeat(1000), "\n"),
    ] {
        between_events(&path, |file| {
            file.write_all(head.as_bytes()).unwrap();
            repeat(file, piece.as_bytes(), LARGE);
            file.write_all(end.as_bytes()).unwrap();
        });
        let run = measured(&[], &path);
        check(what, &run, &[("events", 3), ("bad", 1), ("alerts", 3)]);
        assert_eq!(run.1, ["a", "b"], "{what}");
    }
}

#[test]
fn any_nesting_depth_is_handled() {
    let folder = Folder::new();
    let path = folder.path("deep");
    for (what, open, close, depth) in [
        ("arrays", "[", "]", 100_000),
        ("objects", "{\"a\":", "}", 100_000),
        ("arrays that never close", "[", "", 8 << 20),
        ("objects that never close", "{\"a\":", "", 1 << 20),
    ] {
        between_events(&path, |file| {
            let inside = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let event = create_stack("deep", "2025-04-01T08:30:00Z", "deep").to_string();
            let event = event.replace("null", &inside);
            writeln!(file, "{event}").unwrap();
        });
        let run = measured(&[], &path);
        check(what, &run, &[("events", 3), ("bad", 1), ("alerts", 3)]);
        // As the only line too, where it decides which kind of file this is.
        write_file(&path, |file| writeln!(file, "{}", open.repeat(depth)).unwrap());
        check(what, &measured(&[], &path), &[("events", 1), ("alerts", 1)]);
    }
}

#[test]
fn records_of_100_mb_in_one_line_are_streamed() {
    let folder = Folder::new();
    let path = folder.path("records");
    let mut events = 0;
    write_file(&path, |file| {
        write!(file, "{{\"Records\":[").unwrap();
        events = write_events(file, LARGE, ",");
        write!(file, "]}}").unwrap();
    });
    let run = measured(&[], &path);
    let matched = events.div_ceil(10) + 1;
    check("records", &run, &[("events", events + 1), ("matched", matched), ("alerts", 101)]);
    // A truncated file still has all records but the last.
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 100).unwrap();
    let run = measured(&[], &path);
    check("records, cut short", &run, &[("events", events), ("bad", 1), ("alerts", 101)]);
}

/// Matches are sorted on disk if they do not fit into memory.
#[test]
fn more_matches_than_fit_in_memory_are_sorted() {
    let folder = Folder::new();
    let path = folder.path("matches");
    let mut count = 0u64;
    write_file(&path, |file| {
        let template = create_stack("ID", "2025-04-01TT:00Z", "USER").to_string();
        let padding = "p".repeat(4000);
        let template = template.replace("null", &format!("{{\"stackId\":\"{padding}\"}}"));
        // Newest first; twenty users.
        for minute in (0..24 * 60u64).rev() {
            let time = format!("T{:02}:{:02}", minute / 60, minute % 60);
            for user in 0..20 {
                let text = template.replace("TT", &time).replace("USER", &format!("u{user}"));
                let text = text.replace("\"ID\"", &format!("\"{minute}-{user}\""));
                writeln!(file, "{text}").unwrap();
                count += 1;
            }
        }
    });
    let run = measured(&[], &path);
    check("matches", &run, &[("matched", count + 1), ("alerts", 21)]);
    assert!(run.1.iter().all(|id| id.starts_with("0-")), "the oldest alerts: {:?}", run.1);
}

#[test]
fn decompression_bomb_is_read_in_bounded_memory() {
    let folder = Folder::new();
    let path = folder.path("bomb.gz");
    let good = stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]);
    write_file(&path, |file| {
        let mut gzip = GzEncoder::new(file, Compression::fast());
        gzip.write_all(good.as_bytes()).unwrap();
        repeat(&mut gzip, &b" ".repeat(1 << 16), LARGE);
        gzip.write_all(b"\n").unwrap();
        repeat(&mut gzip, &b"0".repeat(1 << 16), LARGE);
        gzip.write_all(b"\n").unwrap();
        gzip.finish().unwrap();
    });
    let run = measured(&[], &path);
    check("gzip", &run, &[("events", 2), ("alerts", 2)]);
    assert_eq!(run.1, ["a"]);
    // A truncated file is a failed input, but the events before are read.
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    let run = measured(&[], &path);
    check("gzip, cut short", &run, &[("failed_inputs", 1), ("alerts", 2)]);
}

/// A zstd frame can ask for a window of any size; a too large one is refused.
#[test]
fn zstd_window_is_limited() {
    let folder = Folder::new();
    let path = folder.path("wide.zst");
    write_file(&path, |file| {
        let mut zstd = zstd::Encoder::new(file, 1).unwrap();
        zstd.window_log(30).unwrap();
        zstd.include_contentsize(false).unwrap();
        write_events(&mut zstd, 1 << 20, "\n");
        zstd.finish().unwrap();
    });
    check("zstd", &measured(&[], &path), &[("failed_inputs", 1), ("alerts", 1)]);
}

#[test]
fn invalid_utf8_is_reported_with_its_place() {
    let folder = Folder::new();
    let path = folder.path("bytes");
    between_events(&path, |file| {
        let mut event = create_stack("bad", "2025-04-01T08:30:00Z", "bad").to_string().into_bytes();
        let at = event.windows(8).position(|w| w == b"aws-cli/").unwrap();
        event[at] = 0xff;
        file.write_all(&event).unwrap();
        file.write_all(b"\n").unwrap();
    });
    let done = run().arg(&path).ok();
    assert_eq!((done.alert_ids().len(), done.count("bad")), (2, 1));
    assert!(done.stderr.contains("bytes: line 2, byte "), "{}", done.stderr);
    assert!(done.stderr.contains("UTF-8"), "{}", done.stderr);
    // Zeros, as after a crashed writer.
    between_events(&path, |file| repeat(file, &[0; 1 << 16], 1 << 24));
    let (summary, ids, peak) = measured(&[], &path);
    check("zeros", &(summary.clone(), ids, peak), &[]);
    assert!(summary["bad"].as_u64() > Some(0) || summary["failed_inputs"] == 1, "{summary}");
}

#[test]
fn event_over_the_limit_is_skipped_in_every_envelope() {
    let folder = Folder::new();
    let large = |id: &str| {
        let mut event = create_stack(id, "2025-04-01T08:30:00Z", id);
        event["requestParameters"]["stackName"] = json!("x".repeat(2000));
        event
    };
    let small = |id: &str| create_stack(id, "2025-04-01T08:00:00Z", id);
    let events = [small("a"), large("b"), small("c")];
    let lines: String = events.iter().map(|e| format!("{e}\n")).collect();
    let records = json!({ "Records": events }).to_string();
    let array = serde_json::to_string_pretty(&events).unwrap();
    let dead = folder.path("dead");
    for (name, text) in [("lines", lines), ("records", records), ("array", array)] {
        let path = folder.write(name, text);
        let limited = run().args(&["--max-event", "2K", "--dead-letter"]).arg(&dead);
        let done = limited.arg(&path).ok();
        assert_eq!(done.alert_ids(), ["a", "c"], "{name}");
        assert_eq!((done.count("bad"), done.count("events")), (1, 2), "{name}");
        assert!(done.stderr.contains("too_large"), "{name}: {}", done.stderr);
        let letters = json_lines(&std::fs::read_to_string(&dead).unwrap());
        assert_eq!(letters.len(), 1, "{name}: {letters:?}");
        assert_eq!(run().arg(&path).ok().count("alerts"), 3, "{name}");
    }
}

/// Padding does not hide a call: an event up to the limit is evaluated, whatever it contains, and
/// its alert is at most 1 MiB.
#[test]
fn event_just_under_the_limit_is_evaluated() {
    let folder = Folder::new();
    let room = (16 << 20) - 2000;
    for (what, padding) in [
        ("one string", json!("x".repeat(room)).to_string()),
        ("a string of escapes", json!("\"\n".repeat(room / 4)).to_string()),
        ("a list of numbers", format!("[{}0]", "1,".repeat(room / 2 - 2))),
        ("a list of objects", format!("[{}{{}}]", "{},".repeat(room / 3 - 2))),
        ("lists in lists", format!("[{}0]", "[[[[[[1]]]]]],".repeat(room / 14 - 2))),
    ] {
        let event = create_stack("large", "2025-04-01T08:30:00Z", "alice").to_string();
        let event = event.replace("\"network-base\"", &format!("\"large\",\"padding\":{padding}"));
        let path = folder.write("events", event + "\n");
        let run = measured(&[], &path);
        check(what, &run, &[("events", 2), ("bad", 0), ("alerts", 2)]);
        assert_eq!(run.1, ["large"], "{what}");
        let out = run_alone(&path);
        assert!(out.len() < 1 << 20, "{what}: an alert of {} bytes", out.len());
        let alert = &json_lines(&out)[0];
        let size = std::fs::metadata(&path).unwrap().len() - 1;
        assert_eq!(alert["firstseen"]["shortened_from_bytes"], size, "{what}");
        assert_eq!(alert["user"]["name"], "alice", "{what}");
        let parameters = &alert["aws"]["cloudtrail"]["flattened"]["request_parameters"];
        assert_eq!(parameters["stackName"], "large", "{what}");
    }
}

fn run_alone(path: &Path) -> String {
    run().arg(path).ok().stdout
}

/// 256 terms are evaluated, each with its own alert, even for a large event; of 257 the first 256 are,
/// and the event is named.
#[test]
fn many_terms_of_a_large_event_are_evaluated() {
    let folder = Folder::new();
    let rule = artifact(&folder, "hosts", "event.action: login", &["host.ip"]);
    for (terms, more) in [(256, 0), (257, 1)] {
        let event = json!({
            "@timestamp": "2025-04-01T08:00:00Z",
            "event": { "action": "login", "id": "a" },
            "host": { "ip": (0..terms).rev().map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect::<Vec<_>>() },
            "message": "x".repeat(15 << 20),
        });
        let path = folder.write("events", event.to_string());
        let done = run().arg("--rule").arg(&rule).arg(&path).ok();
        assert_eq!(done.count("alerts"), 256, "{}", done.stderr);
        assert_eq!(done.count("matched"), 1, "{}", done.stderr);
        assert_eq!(done.count("too_many_terms"), more);
        // The last in the order of bytes is not judged, though it is the first in the event.
        assert!(done.stdout.contains("\"10.0.0.99\"]"));
        assert!(!done.stdout.contains("\"10.0.1.0\"]"));
        assert_eq!(done.count("bad"), 0, "{}", done.stderr);
    }
}

#[test]
fn thousands_of_errors_are_counted_and_a_few_are_shown() {
    let folder = Folder::new();
    let path = folder.path("many");
    between_events(&path, |file| repeat(file, b"{\"no\": event\n", 13 * 5000));
    let done = run().arg(&path).ok();
    assert_eq!((done.count("bad"), done.count("alerts")), (5000, 2));
    assert!(done.stderr.lines().count() < 30, "{}", done.stderr);
    assert!(done.stderr.contains("--dead-letter"), "{}", done.stderr);
}

/// Control characters in an event are shown escaped.
#[test]
fn control_characters_do_not_reach_the_terminal() {
    let mut event = create_stack("a\u{1b}[2J", "2025-04-01T08:30:00Z", "eve\u{1b}]0;owned\u{7}");
    event["requestParameters"]["stackName"] = json!("\u{202e}gnp.exe\u{9b}31m");
    for command in ["run", "explain"] {
        let call = crate::support::call(command).args(&["--format", "pretty", "-"]);
        let done = call.pipe(event.to_string()).ok();
        for sign in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}'] {
            assert!(!done.stdout.contains(sign), "{command}: {:?}", done.stdout);
        }
        assert!(done.stdout.contains("eve"));
    }
    let path = repository("tests/fixtures/bad");
    let shown = run().arg(path).ok().stderr;
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
}

//! `run --annotate`: one line out for each line in.
//!
//! In: lines of all kinds, in a pipe that stays open or all at once. Out: whether the same lines
//! are written in order, byte for byte, with only their alerts and errors added.

use crate::stream::Live;
use crate::support::{Folder, create_stack, json_lines, run, stack_lines};
use serde_json::Value;

/// The alerts that `run --annotate` added to a line.
fn alerts(line: &str) -> Vec<Value> {
    let mut line: Value = serde_json::from_str(line).expect(line);
    match line.as_object_mut().and_then(|members| members.remove("firstseen_alerts")) {
        Some(Value::Array(alerts)) => alerts,
        other => panic!("no alerts: {other:?}"),
    }
}

#[test]
fn every_line_is_written_and_alerts_are_added() {
    let folder = Folder::new();
    let other = r#"{"eventName":"DescribeStacks", "note": "CreateStack  is only named"}"#;
    let event = |id, time, user| create_stack(id, time, user).to_string();
    let undated = event("u", "", "ulf").replace(r#""eventTime":"","#, "");
    let lines: Vec<Vec<u8>> = vec![
        event("a", "2025-04-01T08:00:00Z", "alice").into(),
        other.into(),
        event("b", "2025-04-01T08:01:00Z", "alice").into(),
        b"".to_vec(),
        b"<134>a line of syslog, CreateStack cloudformation.amazonaws.com".to_vec(),
        b"\xff not text".to_vec(),
        (event("c", "2025-04-01T08:02:00Z", "carol") + "\r").into(),
        undated.into(),
        b"[1, 2]".to_vec(),
        // The last line has no newline.
        event("d", "2025-04-01T08:03:00Z", "dan").into(),
    ];
    let out = folder.path("out");
    let done = run().arg("--annotate").arg("--output").arg(&out).arg("-");
    let done = done.pipe(lines.join(&b'\n')).ok();
    let written = std::fs::read(out).unwrap();
    let written = written.strip_suffix(b"\n").expect("the last line has a newline");
    let written: Vec<&[u8]> = written.split(|b| *b == b'\n').collect();
    assert_eq!(written.len(), lines.len());
    let plain = run().arg("-").pipe(lines.join(&b'\n')).ok();
    let mut found = Vec::new();
    for (at, (input, output)) in lines.iter().zip(&written).enumerate() {
        match at {
            0 | 6 | 9 => {
                let text = std::str::from_utf8(output).unwrap();
                found.extend(alerts(text));
                let kept = input.trim_ascii_end();
                assert!(output.starts_with(&kept[..kept.len() - 1]), "{text}");
                assert_eq!(text.ends_with('\r'), at == 6);
            }
            7 => {
                let line: Value = serde_json::from_slice(output).unwrap();
                assert_eq!(line["firstseen_error"]["code"], "no_time");
            }
            _ => assert_eq!(*output, input.as_slice(), "line {}", at + 1),
        }
    }
    assert_eq!(found, plain.lines());
    for count in ["alerts", "seen", "bad"] {
        assert_eq!(done.count(count), plain.count(count), "{count}");
    }
    // The text, the invalid bytes, the event without a time, and the two elements of the array.
    assert_eq!(done.count("bad"), 5);
}

#[test]
fn each_line_is_answered_at_once_and_survives_a_crash() {
    let folder = Folder::new();
    let state = folder.path("state");
    let start = || Live::start(run().args(&["--annotate", "-", "--state"]).arg(&state));
    let mut live = start();
    for (line, count) in [
        (stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]), 1),
        ("{\"some\":\"other\"}\n".to_owned(), 0),
        (stack_lines(&[("b", "2025-04-01T08:01:00Z", "bob")]), 1),
    ] {
        live.write(&line);
        let answer = live.next_line();
        if count == 0 {
            assert_eq!(answer, line.trim_end());
        } else {
            assert_eq!(alerts(&answer).len(), count);
        }
    }
    live.kill();
    let mut live = start();
    let seen = stack_lines(&[("c", "2025-04-01T08:02:00Z", "alice")]);
    live.write(&seen);
    assert_eq!(live.next_line(), seen.trim_end());
    assert_eq!(live.end(), (vec![], Some(0)));
}

/// Many lines in few reads, with several new terms.
#[test]
fn large_block_keeps_its_order() {
    let mut text = String::new();
    for i in 0..3000 {
        if i % 10 == 0 {
            let user = format!("user-{}", i % 70);
            text += &stack_lines(&[(&format!("e{i}"), "2025-04-01T08:00:00Z", &user)]);
        } else {
            text += &format!("{{\"number\":{i}}}\n");
        }
    }
    let done = run().args(&["--annotate", "-"]).pipe(text.clone()).ok();
    let (input, output) = (text.lines(), done.stdout.lines());
    assert_eq!(output.clone().count(), 3000);
    let mut found = Vec::new();
    for (before, after) in input.zip(output) {
        if before != after {
            found.extend(alerts(after));
        }
    }
    assert_eq!(found, json_lines(&run().arg("-").pipe(text).ok().stdout));
    assert_eq!(found.len(), 7);
}

#[test]
fn too_long_line_is_passed_through_and_counted() {
    let long = format!("{{\"long\":\"{}\"}}\n", "x".repeat(600_000));
    let text = format!(
        "{}{long}{}",
        stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]),
        stack_lines(&[("b", "2025-04-01T08:00:00Z", "bob")]),
    );
    let done = run().args(&["--annotate", "-", "--max-event", "64K"]).pipe(text.clone()).ok();
    let (input, output): (Vec<_>, Vec<_>) = (text.lines().collect(), done.stdout.lines().collect());
    assert_eq!(output.len(), 3);
    assert_eq!(output[1], input[1]);
    assert_eq!([alerts(output[0]).len(), alerts(output[2]).len()], [1, 1]);
    assert_eq!(done.count("bad"), 1);
    assert!(done.stderr.contains("too_large") && done.stderr.contains("line 2"), "{}", done.stderr);
}

#[test]
fn annotate_reads_only_standard_input() {
    let folder = Folder::new();
    let file = folder.write("file", "{}\n");
    run().arg("--annotate").arg(file).fails(&["--annotate", "standard input"]);
}

/// `--annotate` reads what everything else reads: gzip, and envelopes on a line.
#[test]
fn gzip_and_envelopes_are_read_as_everywhere() {
    let event = |id, time, user| create_stack(id, time, user).to_string();
    let records = format!(
        r#"{{"Records":[{},{}]}}"#,
        event("a", "2025-04-01T08:00:00Z", "alice"),
        event("b", "2025-04-01T08:01:00Z", "bob"),
    );
    let array = format!("[{}]", event("c", "2025-04-01T08:02:00Z", "carol"));
    let lines = [records.as_str(), array.as_str(), "{}"];
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, lines.join("\n").as_bytes()).unwrap();
    for input in [lines.join("\n").into_bytes(), packed.finish().unwrap()] {
        let done = run().args(&["--annotate", "-"]).pipe(input).ok();
        let written: Vec<&str> = done.stdout.lines().collect();
        // A line that is an object has the alerts of all its events; those of an array follow it.
        assert_eq!(alerts(written[0]).len(), 2);
        assert!(written[0].starts_with(&records[..records.len() - 1]));
        assert_eq!(written[1], array);
        assert_eq!(alerts(written[2]).len(), 1);
        assert!(written[2].starts_with("{\"firstseen_alerts\":["));
        assert_eq!(&written[3..], ["{}"]);
    }
}

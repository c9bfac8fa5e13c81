//! `run --annotate`: one line out for each line in.
//!
//! In: lines of all kinds, in a pipe that stays open or at once. Out: whether they come out again in
//! their order, byte for byte, with their alerts and faults and nothing else added.

use crate::stream::Live;
use crate::support::{Folder, create_stack, json_lines, run, stack_lines};
use serde_json::Value;

/// The member that is added, taken out.
fn alerts(line: &str) -> Vec<Value> {
    let mut line: Value = serde_json::from_str(line).expect(line);
    match line.as_object_mut().and_then(|members| members.remove("firstseen_alerts")) {
        Some(Value::Array(alerts)) => alerts,
        other => panic!("no alerts: {other:?}"),
    }
}

#[test]
fn all_lines_come_out_and_those_with_alerts_carry_them() {
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
        // The last line has no end.
        event("d", "2025-04-01T08:03:00Z", "dan").into(),
    ];
    let out = folder.path("out");
    let done = run().arg("--annotate").arg("--output").arg(&out).arg("-");
    let done = done.pipe(lines.join(&b'\n')).ok();
    let written = std::fs::read(out).unwrap();
    let written = written.strip_suffix(b"\n").expect("the last line ends too");
    let written: Vec<&[u8]> = written.split(|b| *b == b'\n').collect();
    assert_eq!(written.len(), lines.len());
    let plain = run().arg("-").pipe(lines.join(&b'\n')).ok();
    let mut found = Vec::new();
    for (at, (came, went)) in lines.iter().zip(&written).enumerate() {
        match at {
            0 | 6 | 9 => {
                let text = std::str::from_utf8(went).unwrap();
                found.extend(alerts(text));
                let kept = came.trim_ascii_end();
                assert!(went.starts_with(&kept[..kept.len() - 1]), "{text}");
                assert_eq!(text.ends_with('\r'), at == 6);
            }
            7 => {
                let line: Value = serde_json::from_slice(went).unwrap();
                assert_eq!(line["firstseen_error"]["code"], "no_time");
            }
            _ => assert_eq!(*went, came.as_slice(), "line {}", at + 1),
        }
    }
    assert_eq!(found, plain.lines());
    for count in ["alerts", "seen"] {
        assert_eq!(done.count(count), plain.count(count), "{count}");
    }
    // The text, the bytes, the event without a time, the array: a line is one of them here.
    assert_eq!(done.count("bad"), 4);
}

#[test]
fn a_line_is_answered_before_the_next_goes_in_and_a_crash_forgets_nothing() {
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

/// Many lines in few reads, several new terms among them, and a rule that each of them matches.
#[test]
fn a_large_block_keeps_its_order() {
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
    let (came, went) = (text.lines(), done.stdout.lines());
    assert_eq!(went.clone().count(), 3000);
    let mut found = Vec::new();
    for (came, went) in came.zip(went) {
        if came != went {
            found.extend(alerts(went));
        }
    }
    assert_eq!(found, json_lines(&run().arg("-").pipe(text).ok().stdout));
    assert_eq!(found.len(), 7);
}

#[test]
fn a_line_that_is_too_long_goes_through_and_is_counted() {
    let long = format!("{{\"long\":\"{}\"}}\n", "x".repeat(600_000));
    let text = format!(
        "{}{long}{}",
        stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]),
        stack_lines(&[("b", "2025-04-01T08:00:00Z", "bob")]),
    );
    let done = run().args(&["--annotate", "-", "--max-event", "64K"]).pipe(text.clone()).ok();
    let (came, went): (Vec<_>, Vec<_>) = (text.lines().collect(), done.stdout.lines().collect());
    assert_eq!(went.len(), 3);
    assert_eq!(went[1], came[1]);
    assert_eq!([alerts(went[0]).len(), alerts(went[2]).len()], [1, 1]);
    assert_eq!(done.count("bad"), 1);
    assert!(done.stderr.contains("too_large") && done.stderr.contains("line 2"), "{}", done.stderr);
}

#[test]
fn only_standard_input_has_lines_to_write_again() {
    let folder = Folder::new();
    let file = folder.write("file", "{}\n");
    run().arg("--annotate").arg(file).fails(&["--annotate", "standard input"]);
}

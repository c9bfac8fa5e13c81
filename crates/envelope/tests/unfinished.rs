//! A line that never closes takes no event with it.
//!
//! In: lines of events, and between them the beginning of a document that somebody left unfinished, as
//! a whole and in pieces. Out: whether each event before and after it is there, and the rest reported.
mod common;

use common::{SplitOutput, brief, events, quoted, split, split_at};
use firstseen_envelope::SplitOptions;
use proptest::prelude::*;

const A: &str = r#"{"eventVersion":"1.08","eventName":"A","eventSource":"s"}"#;
const B: &str = r#"{"@timestamp":"2026-01-01","event":{"action":"B"},"message":"m","data":"eA=="}"#;

/// Beginnings of lines that are never finished.
const HOSTILE: [&str; 26] = [
    r#"{ "x":["#,
    r#"{ "x":"#,
    "{\t\"x\":[",
    r#"{"x":[{ "y":"#,
    r#"{"x":[1,"#,
    r#"{"x":1,"#,
    r#"{"x":"text"#,
    r#"{"x"#,
    "{",
    "[",
    "[[",
    "[ [ {",
    "[x:",
    "[ {\"a\":[",
    r#"{ "Records" : [ {"eventName":["#,
    r#"{"Records":["#,
    r#"{"Records":[{ "a":["#,
    r#"{"records":["#,
    r#"{"Events":["#,
    r#"{"events":["#,
    r#"{"hits":{"hits":["#,
    r#"{"logGroup":"g","logStream":"s","logEvents":["#,
    r#"{"messageType":"CONTROL_MESSAGE","logGroup":"g","logStream":"s","logEvents":["#,
    r#"{"@timestamp":"2026","Records":["#,
    r#"{"eventVersion":["#,
    "\u{feff}{ \"x\" :[",
];

#[test]
fn the_next_line_is_judged_whatever_was_left_open() {
    for hostile in HOSTILE {
        for indent in ["", "  ", "\u{1e}"] {
            // An indented element of an array that never ends is an element.
            let input = format!("{A}\n{hostile}\n{indent}{B}\n{A}\n{B}\n");
            let output = split(&input);
            assert_eq!(events(&output), [A, B, A, B], "{hostile} {indent:?}: {output:?}");
        }
        let list = format!("{hostile}\n[{A},{B}]\n{{\"Records\":[{A},{B}]}}\n{A}\n");
        let output = split(&list);
        assert_eq!(events(&output), [A, B, A, B, A], "{hostile}: {output:?}");
        let at_the_end = format!("{A}\n{hostile}\n{B}");
        assert_eq!(events(&split(&at_the_end)), [A, B], "{hostile}");
        // What was left open is reported once: where it began, or where an array of records ends.
        let output = split(format!("{A}\n{hostile}\n{B}\n{A}\n"));
        let bad: Vec<_> = output
            .iter()
            .filter_map(|output| match output {
                SplitOutput::Bad(place, code, _) => Some((place.line, *code)),
                _ => None,
            })
            .collect();
        assert_eq!(bad.len(), 1, "{hostile}: {output:?}");
        assert!(matches!(bad[..], [(2 | 4, "truncated" | "bad_json")]), "{hostile}: {output:?}");
    }
}

#[test]
fn documents_over_several_lines_stay_whole() {
    for (text, expected) in [
        (format!("[\n{A},\n{B}\n]\n{A}\n"), vec![A, B, A]),
        (format!("[{A}\n,{B}\n, {A}]\n"), vec![A, B, A]),
        (format!("{{\"Records\":[\n{A},\n{B}\n]}}\n{A}\n"), vec![A, B, A]),
        (format!("{{ \"Records\" :\n[\n  {A},\n  {B}\n]\n}}\n"), vec![A, B]),
        (format!("{{\"hits\":{{\"hits\":[\n{A},\n{B}\n]}}}}\n"), vec![A, B]),
    ] {
        assert_eq!(brief(&split(&text)), expected, "{text}");
    }
    // Without an indent, a `{` alone on a line is a part; so are elements that are no events.
    let flat = "{\n\"eventVersion\":\"1.08\",\n\"requestParameters\":{\n\"items\":[\n{\n\"a\":[\n\
                {},\n{\"b\":{}}\n]\n}\n]\n},\n\"eventName\":\"n\",\n\"eventSource\":\"s\"\n}";
    let output = split(format!("{flat}\n{A}\n"));
    assert_eq!(brief(&output), [flat, A]);
}

/// A document with white space of all kinds, to be cut off anywhere.
fn document() -> impl Strategy<Value = String> {
    let space = || proptest::sample::select(&["", " ", "\t", "  "][..]);
    let key = proptest::sample::select(
        &[
            "x",
            "Records",
            "records",
            "Events",
            "events",
            "hits",
            "logEvents",
            "message",
            "eventName",
            "@timestamp",
            "event",
            "awslogs",
            "detail",
            "Message",
            "_source",
            "log",
        ][..],
    );
    let leaf =
        proptest::sample::select(&["1", "null", "\"t\"", "\"{\"", "\"\\\"\"", "[]", "{}"][..])
            .prop_map(str::to_owned);
    let value = leaf.prop_recursive(4, 16, 3, move |inner| {
        let member = (space(), key.clone(), space(), inner.clone(), space())
            .prop_map(|(a, key, b, value, c)| format!("{a}\"{key}\"{b}:{c}{value}"));
        prop_oneof![
            proptest::collection::vec(inner, 1..3).prop_map(|list| format!("[{}]", list.join(","))),
            proptest::collection::vec(member, 1..4)
                .prop_map(|list| format!("{{{}}}", list.join(","))),
        ]
    });
    value.prop_filter("a document", |text| text.starts_with(['{', '[']))
}

/// An event that is a line.
fn line() -> impl Strategy<Value = String> {
    ("[a-z]{1,8}", "[ -~]{0,20}", any::<bool>()).prop_map(|(name, agent, is_ecs)| {
        let agent = quoted(&agent);
        if is_ecs {
            format!(r#"{{"@timestamp":"2026-01-01T00:00:00Z","event":{{"action":"{name}"}},"a":{agent}}}"#)
        } else {
            format!(r#"{{"eventVersion":"1.08","eventName":"{name}","eventSource":"s","a":{agent}}}"#)
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn no_event_is_lost_to_an_unfinished_line(
        before in proptest::collection::vec(line(), 0..3),
        after in proptest::collection::vec(line(), 1..4),
        hostile in prop_oneof![
            1 => proptest::sample::select(&HOSTILE[..]).prop_map(str::to_owned),
            4 => (document(), any::<usize>()).prop_map(|(text, seed)| {
                text[..1 + seed % (text.len() - 1).max(1)].to_owned()
            }),
        ],
        seeds in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        let mut lines = before.clone();
        lines.push(hostile.clone());
        lines.extend(after.iter().cloned());
        let input = lines.join("\n") + "\n";
        let output = split(&input);
        let expected: Vec<&str> = before.iter().chain(&after).map(String::as_str).collect();
        // The cut line may have closed early and be a document of its own.
        let found: Vec<&str> =
            events(&output).into_iter().filter(|event| expected.contains(event)).collect();
        prop_assert_eq!(&found, &expected, "{}\n{:?}", hostile, output);
        let mut cuts: Vec<usize> = seeds.iter().map(|seed| seed % (input.len() + 1)).collect();
        cuts.sort_unstable();
        let options = SplitOptions::default();
        prop_assert_eq!(&split_at(input.as_bytes(), &cuts, options), &output);
        let every_byte: Vec<usize> = (0..input.len()).collect();
        prop_assert_eq!(&split_at(input.as_bytes(), &every_byte, options), &output);
    }
}

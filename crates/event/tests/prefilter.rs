//! The prefilter: what does not pass cannot hold the literals; `next` is `passes`, line by line.

mod common;

use common::{JsonTree, leaves, object, tree, write};
use firstseen_event::{ByteTraits, LiteralSearch, Prefilter, SearchHits, looks_whole};
use proptest::prelude::*;
use serde_json::Value;

fn filter(rules: &[&[&[&str]]]) -> Prefilter {
    let owned = |clause: &&[&str]| clause.iter().map(|literal| (*literal).to_owned()).collect();
    let rules: Vec<Vec<Vec<String>>> =
        rules.iter().map(|clauses| clauses.iter().map(owned).collect()).collect();
    Prefilter::new(&rules)
}

/// The lines that `next` finds.
fn found<'l>(filter: &Prefilter, lines: &'l str) -> Vec<&'l str> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(line) = filter.next(lines.as_bytes(), from) {
        from = line.end + 1;
        found.push(&lines[line]);
    }
    assert_eq!(found_line_by_line(filter, lines), found, "{lines}");
    found
}

/// The same, as a caller finds them who looks at every line anyway.
fn found_line_by_line<'l>(filter: &Prefilter, lines: &'l str) -> Vec<&'l str> {
    let mut found = Vec::new();
    let mut candidate = filter.next_plain(lines.as_bytes(), 0);
    let mut start = 0;
    for line in lines.split_inclusive('\n') {
        let end = start + line.len();
        let text = line.strip_suffix('\n').unwrap_or(line);
        let traits = ByteTraits::of(line.as_bytes());
        assert_eq!(traits, ByteTraits { ascii: line.is_ascii(), backslash: line.contains('\\') });
        if candidate.as_ref().is_some_and(|range| range.start < end) {
            found.push(text);
            candidate = filter.next_plain(lines.as_bytes(), end);
        } else if traits.backslash && filter.passes(text.as_bytes()) {
            found.push(text);
        }
        start = end;
    }
    found
}

#[test]
fn clauses_and_rules() {
    let one = filter(&[&[&["cloudformation"], &["CreateStack", "UpdateStack"]]]);
    assert!(!one.passes_all());
    for (line, passes) in [
        ("cloudformation CreateStack", true),
        ("UpdateStack cloudformation", true),
        ("cloudformation", false),
        ("CreateStack", false),
        ("", false),
        (r"x \u0043 x", true),
        (r"x \\\\u004A x", true),
        (r"x \u0143 x", false),
        (r"x \/ x", false),
    ] {
        assert_eq!(one.passes(line.as_bytes()), passes, "{line}");
    }
    let two = filter(&[&[&["aa"], &["bb"]], &[&["cc"]]]);
    assert!(two.passes(b"cc") && two.passes(b"bb aa") && !two.passes(b"aa"));
    let slash = filter(&[&[&["a/b"]]]);
    assert!(slash.passes(br"a\/b") && slash.passes(b"a/b") && !slash.passes(b"a-b"));
}

#[test]
fn literals_that_json_may_escape_are_not_searched() {
    for literal in ["a\"b", "a\\b", "é", "a\nb", "\u{7f}", ""] {
        assert!(filter(&[&[&[literal]]]).passes_all(), "{literal:?}");
        // A dropped clause leaves the others; a dropped literal takes its clause along.
        assert!(!filter(&[&[&[literal], &["x"]]]).passes_all(), "{literal:?}");
        assert!(filter(&[&[&["x", literal]]]).passes_all(), "{literal:?}");
    }
    assert!(filter(&[&[]]).passes_all());
    assert!(filter(&[&[&["x"]], &[]]).passes_all());
    assert!(!filter(&[]).passes_all() && !filter(&[]).passes(b"x"));
}

#[test]
fn whole_lines_are_returned() {
    let some = filter(&[&[&["hit"]]]);
    assert_eq!(found(&some, "a hit\nb\nhit c\n\nhit"), ["a hit", "hit c", "hit"]);
    assert_eq!(found(&some, ""), Vec::<&str>::new());
    assert_eq!(found(&some, "\n\n"), Vec::<&str>::new());
    assert_eq!(found(&filter(&[&[]]), "a\n \r\n\nb\r\n"), ["a", "b\r"]);
    assert_eq!(some.next(b"hit\nhit\n", 4), Some(4..7));
    assert_eq!(some.next(b"hit\n", 99), None);
    // Of several literals close together, the first line wins, whatever their order.
    let several = filter(&[&[&["first one"]], &[&["a", "b", "c"]], &[&["long long long"]]]);
    assert_eq!(found(&several, "b\na\nc\nx\na\n"), ["b", "a", "c", "a"]);
    // Further away than one stretch of searching.
    let far = format!("{}hit\n", "nothing here\n".repeat(10_000));
    assert_eq!(found(&some, &far), ["hit"]);
    let long = format!("{}hit\n", "x".repeat(100_000));
    assert_eq!(found(&some, &long), [&long[..long.len() - 1]]);
}

#[test]
fn lines_that_look_whole() {
    for line in [
        "",
        "  \r\n",
        "{}",
        " { } ",
        r#"{"a":1}"#,
        r#"{ "a": true } "#,
        r#"{"a":[]}"#,
        r#"{"a":null }"#,
    ] {
        assert!(looks_whole(line.as_bytes()), "{line}");
    }
    for line in ["{", "}", "[]", "hello", r#"{"a":1"#, "{a}", r#"{"a":,}"#, r#"{"a":1}}x"#, "{1}"] {
        assert!(!looks_whole(line.as_bytes()), "{line}");
    }
}

const KEYS: &[&str] = &["event", "action", "message"];
const TEXTS: &[&str] =
    &["CreateStack", "CreateStackSet", "a/b/CreateStack", "cloudformation", "x", "é"];
const LITERALS: &[&str] = &["CreateStack", "a/b", "cloud", "/", "x", "Set", "é", "St"];

fn line() -> impl Strategy<Value = String> {
    let plain = (object(KEYS, tree(KEYS, TEXTS)), any::<u64>());
    let plain = plain.prop_map(|(document, style)| write(&document, style));
    // The same inside a JSON string, alone or among others, as some envelopes carry it.
    let inner = (plain.clone(), any::<u64>(), 0..4u8).prop_map(|(text, style, form)| {
        let text = match form {
            0 => text,
            1 => format!("[{text},{text}]"),
            2 => format!("{{\"Records\":[{text}]}}"),
            _ => format!("{text}\n{text}\n"),
        };
        let message = ("message".to_owned(), JsonTree::Text(text));
        write(&JsonTree::Object(vec![message]), style)
    });
    prop_oneof![plain, inner].prop_map(|line| line.replace(['\n', '\r'], " "))
}

/// All strings of a document, also of the documents in its strings.
fn strings(text: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(text).expect("valid");
    let mut all = Vec::new();
    for (_, value) in leaves(&value) {
        if let Some(text) = value.as_str() {
            for inner in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
                match inner {
                    Ok(inner @ (Value::Object(_) | Value::Array(_))) => {
                        all.extend(strings(&inner.to_string()));
                    }
                    _ => break,
                }
            }
            all.push(text.to_owned());
        }
    }
    all
}

/// A rule's clauses.
fn clauses() -> impl Strategy<Value = Vec<Vec<String>>> {
    let literal = prop::sample::select(LITERALS).prop_map(str::to_owned);
    prop::collection::vec(prop::collection::vec(literal, 0..3), 0..3)
}

#[test]
fn a_search_finds_every_one_of_many_keys() {
    // One vector search, several of them, the automaton; with keys that begin in each other.
    for count in [3, 64, 65, 500, 2000] {
        let key = |number: usize| format!("{number:04}-key-{number:04}");
        let rule = |number: usize| vec![vec![key(number)], vec!["cloud".to_owned()]];
        let artifacts: Vec<_> = (0..count).map(|number| vec![rule(number)]).collect();
        let (search, mut found) = (LiteralSearch::new(&artifacts), SearchHits::default());
        for number in 0..count {
            let next = (number + 1) % count;
            let event = format!("0{}-key-{} cloud {}", key(number), key(next), "x".repeat(200));
            assert!(search.find(event.as_bytes(), false, &mut found));
            let mut expected = [number, next];
            expected.sort_unstable();
            assert_eq!(found.artifacts.iter().collect::<Vec<_>>(), expected, "{event}");
            assert!(!search.find(key(number).as_bytes(), false, &mut found), "no cloud");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 800,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_line_that_does_not_pass_holds_no_literal(line in line()) {
        let strings = strings(&line);
        for literal in LITERALS {
            if !filter(&[&[&[literal]]]).passes(line.as_bytes()) {
                prop_assert!(!strings.iter().any(|text| text.contains(literal)), "{} {}", literal, line);
            }
        }
    }

    #[test]
    fn one_search_for_many_finds_what_each_alone_finds(
        lines in prop::collection::vec(prop_oneof![line(), "(x|St|Set|/|Create| ){0,6}"], 1..8),
        artifacts in prop::collection::vec(prop::collection::vec(clauses(), 0..4), 0..6),
    ) {
        let search = LiteralSearch::new(&artifacts);
        let alone: Vec<Prefilter> = artifacts.iter().map(|rules| Prefilter::new(rules)).collect();
        prop_assert_eq!(search.passes_all(), alone.iter().all(Prefilter::passes_all));
        let mut found = SearchHits::default();
        for line in &lines {
            let some = search.find(line.as_bytes(), line.contains('\\'), &mut found);
            let passes = |alone: &Prefilter| alone.passes(line.as_bytes());
            let expected: Vec<usize> =
                (0..alone.len()).filter(|artifact| passes(&alone[*artifact])).collect();
            prop_assert_eq!(found.artifacts.iter().collect::<Vec<_>>(), &expected[..], "{}", line);
            prop_assert_eq!(some, !expected.is_empty());
        }
    }

    #[test]
    fn next_agrees_with_passes_line_by_line(
        // Short ones too, so that literals of different lines stand close together.
        lines in prop::collection::vec(prop_oneof![line(), "(x|St|Set|/| ){0,4}"], 0..20),
        rules in prop::collection::vec(clauses(), 0..3),
    ) {
        let filter = Prefilter::new(&rules);
        let text = lines.join("\n");
        let expected: Vec<&str> =
            text.lines().filter(|line| !line.trim().is_empty() && filter.passes(line.as_bytes())).collect();
        prop_assert_eq!(found(&filter, &text), expected);
    }
}

//! Index patterns against a plain second implementation.
//!
//! In: names that are put together from their parts, and lists of patterns, from a seed. Out: whether a
//! model that was given the parts, and never takes a name apart, covers the same names.

use firstseen_event::StatedIndex;
use firstseen_rule::index_patterns::IndexPatterns;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

/// A name and its parts.
#[derive(Debug, Clone)]
struct Named {
    cluster: Option<String>,
    /// What Elasticsearch puts before the name of a backing index.
    before: &'static str,
    stream: String,
    is_backing: bool,
}

impl Named {
    fn full(&self) -> String {
        let Self { before, stream, .. } = self;
        match (self.is_backing, *before) {
            (true, ".reindexed-v8-" | ".migrated-") => {
                format!("{before}ds-{stream}-2025.04.01-000007")
            }
            (true, _) => format!("{before}.ds-{stream}-2025.04.01-000007"),
            (false, _) => format!("{before}{stream}"),
        }
    }
}

fn words() -> impl Strategy<Value = String> {
    prop::collection::vec(select(vec!["a", "b", "ab"]), 1..4).prop_map(|words| words.join("-"))
}

fn name() -> impl Strategy<Value = Named> {
    let before =
        vec!["", "", "partial-", "restored-", "partial-restored-", ".reindexed-v8-", ".migrated-"];
    let cluster = prop::option::of(select(vec!["p", "pq"]).prop_map(str::to_owned));
    (cluster, select(before), words(), any::<bool>()).prop_map(
        |(cluster, before, stream, backs)| Named { cluster, before, stream, is_backing: backs },
    )
}

fn pattern() -> impl Strategy<Value = String> {
    let piece = select(vec!["a", "b", "-", "*", "ab", ".ds-", "partial-", "2025", "7"]);
    let body = prop_oneof![
        3 => words(),
        3 => words().prop_map(|name| format!("{name}*")),
        1 => words().prop_map(|name| format!("*{name}")),
        1 => Just("*".to_owned()),
        2 => prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat()),
    ];
    let cluster = select(vec!["", "", "", "p:", "*:", "p*:", "-p:"]);
    let minus = select(vec!["", "", "-"]);
    (cluster, minus, body).prop_map(|(cluster, minus, body)| format!("{cluster}{minus}{body}"))
}

/// Whether a pattern covers a text: each star is tried with every length.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skipped| like(rest, &text[skipped..])),
        Some((byte, rest)) => text.first() == Some(byte) && like(rest, &text[1..]),
    }
}

/// Goes through the patterns in order, as Elasticsearch does: each adds the name or takes it out.
fn model(patterns: &[String], named: &Named) -> bool {
    let fits = |pattern: &str| {
        let pattern = pattern.as_bytes();
        like(pattern, named.full().as_bytes()) || like(pattern, named.stream.as_bytes())
    };
    let (mut is_in, mut star_seen) = (false, false);
    for pattern in patterns {
        let parts: Vec<&str> = pattern.splitn(2, ':').collect();
        let mut takes_out = false;
        let mut all_fit = true;
        for (at, part) in parts.iter().enumerate() {
            let mut part = *part;
            if star_seen && part.starts_with('-') {
                takes_out = true;
                part = &part[1..];
            }
            all_fit &= if parts.len() == 2 && at == 0 {
                named.cluster.as_deref().is_some_and(|c| like(part.as_bytes(), c.as_bytes()))
            } else {
                fits(part)
            };
        }
        if all_fit {
            is_in = !takes_out;
        }
        star_seen |= pattern.contains('*');
    }
    is_in
}

#[test]
fn patterns_cover_what_a_plain_model_says() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) };
    let (covered, left_out) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let cases = (prop::collection::vec(pattern(), 1..5), name());
    let result = TestRunner::new(config).run(&cases, |(patterns, named)| {
        let full = named.full();
        let name = named.cluster.as_ref().map_or(full.clone(), |c| format!("{c}:{full}"));
        let expected = model(&patterns, &named);
        let index = StatedIndex { name, is_stream: false };
        prop_assert_eq!(IndexPatterns::new(&patterns).cover(&index), expected, "{:?}", index);
        let count = if expected { &covered } else { &left_out };
        count.set(count.get() + 1);
        Ok(())
    });
    result.unwrap_or_else(|fault| panic!("{fault}"));
    // Both happen often, else the comparison says little.
    assert!(covered.get() > 3000 && left_out.get() > 3000, "{covered:?} {left_out:?}");
}

//! What is said of queries that match nothing is true of events.
//!
//! In: small random queries and events, a fixed seed. Out: a query that the check says no event
//! matches matches none of the events, by the matcher itself; so does each alternative.

use firstseen_kql::{Doc, FieldRef, Query, parse};
use firstseen_rule::source::check_query;
use firstseen_value::Value;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, RngSeed};
use std::cell::Cell;

/// Fields, whether an event of CloudTrail has them once, clauses about them, and values.
type Field = (&'static str, bool, &'static [&'static str], &'static [&'static str]);

const FIELDS: &[Field] = &[
    (
        "event.action",
        true,
        &[
            ": A",
            ": B",
            ": AB",
            ": A*",
            ": *B",
            ": A*B",
            ": AB*",
            ": *",
            ": (A or B)",
            ": (A* and *B)",
            ": \"A*\"",
            ": null",
            " > A",
            " <= A",
            " < 5",
            " >= 10",
        ],
        &["A", "B", "AB", "AxB", "ABC", "A*", "", "7"],
    ),
    (
        "event.category",
        false,
        &[": A", ": B", ": A*", ": AB", ": *", ": (not A)", ": (A and B)"],
        &["A", "B", "AB", "C"],
    ),
    (
        "source.ip",
        true,
        &[
            ": 10.0.0.1",
            ": \"10.0.0.0/24\"",
            ": \"10.0.0.0/25\"",
            ": \"10.0.0.128/25\"",
            ": *",
            " > 10.0.0.1",
            " < 10.0.0.9",
            " <= 10.0.0.1",
            " >= 10.0.0.9",
            ": 10.*",
            ": home",
        ],
        &["10.0.0.1", "10.0.0.5", "10.0.0.200", "::ffff:10.0.0.1", "192.0.2.1", "home"],
    ),
    (
        "@timestamp",
        true,
        &[
            ": 2024-02-03",
            ": \"2024-02-03T10:00\"",
            " > 2024-02-03",
            " < 2024-02-03",
            ": *",
            " >= 2024-02-03",
            " <= \"2024-02-03T10:00\"",
        ],
        &[
            "2024-02-03",
            "2024-02-03T10:00:30Z",
            "2024-02-03T12:00:00Z",
            "2025-01-01",
            "1706954400000",
        ],
    ),
    (
        "source.port",
        false,
        &[": 5", ": 5.0", " > 5", " < 5", " >= 5", " <= 4.5", ": *", ": x"],
        &["5", "5.0", "4", "6", "5.5", "x"],
    ),
    (
        "aws.cloudtrail.read_only",
        true,
        &[": true", ": false", ": *", ": \"\""],
        &["true", "false", "", "x"],
    ),
];

/// A query as text, with brackets around all of it if it has parts.
fn query(depth: u32) -> impl Strategy<Value = String> {
    clause().prop_recursive(depth, 24, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" and "))),
            vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|part| format!("(not {part})")),
        ]
    })
}

fn clause() -> impl Strategy<Value = String> {
    // Mostly of few fields, so that conditions meet.
    let field = prop_oneof![4 => select(&FIELDS[..1]), 3 => select(FIELDS)];
    field.prop_flat_map(|(name, _, clauses, _)| {
        select(clauses).prop_map(move |c| format!("{name}{c}"))
    })
}

/// The values of each field: at most one where an event has it once.
type Event = Vec<(&'static str, Vec<Value<'static>>)>;

fn event() -> impl Strategy<Value = Event> {
    let each = FIELDS.iter().map(|(name, once, _, values)| {
        let most = if *once { 1 } else { values.len() };
        let typed = (subsequence(*values, 0..=most), any::<bool>());
        typed.prop_map(move |(texts, as_json)| {
            (*name, texts.into_iter().map(|t| value(t, as_json)).collect())
        })
    });
    each.collect::<Vec<_>>()
}

/// A text, or what it is in JSON without quotes.
fn value(text: &'static str, as_json: bool) -> Value<'static> {
    match text {
        "true" | "false" if as_json => Value::Bool(text == "true"),
        _ if as_json && text.parse::<f64>().is_ok() => Value::Number(text),
        _ => Value::Text(text.into()),
    }
}

struct Bound<'e>(&'e Event, &'e Query);

impl Doc for Bound<'_> {
    fn any(&self, field: usize, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        let FieldRef::Name(name) = &self.1.fields()[field] else {
            panic!("only names are asked for")
        };
        let values =
            self.0.iter().filter(|(known, _)| known == name).flat_map(|(_, values)| values);
        values.into_iter().any(test)
    }
    fn any_object(&self, _: usize, _: &mut dyn FnMut(&dyn Doc) -> bool) -> bool {
        false
    }
}

fn matches(query: &str, event: &Event) -> bool {
    let query = parse(query).unwrap();
    query.matches(&Bound(event, &query))
}

/// The contradictions that are told: message with label, and the text under the caret.
fn told(query: &str) -> Vec<(String, String)> {
    let found = check_query(query).unwrap();
    let found = found.into_iter().filter(|one| one.code == "contradiction");
    found.map(|one| (one.to_string(), query[one.span.unwrap()].to_owned())).collect()
}

fn config(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(0x0c0f_f1c7),
        failure_persistence: None,
        ..Config::default()
    }
}

thread_local! {
    /// How many queries were said to match nothing, in the thread of one test.
    static SAID: Cell<u32> = const { Cell::new(0) };
}

fn said() {
    SAID.with(|said| said.set(said.get() + 1));
}

/// Runs a property, and shows that it was about something.
fn run<S: Strategy>(
    cases: u32,
    at_least: u32,
    strategy: S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    println!("seed {:?}", config(cases).rng_seed);
    SAID.with(|said| said.set(0));
    let mut runner = proptest::test_runner::TestRunner::new(config(cases));
    runner.run(&strategy, property).unwrap_or_else(|fault| panic!("{fault}"));
    let said = SAID.with(Cell::get);
    println!("{said} of {cases} were said to match nothing or all");
    assert!(said >= at_least, "only {said} of {cases} queries had the warning");
}

#[test]
fn a_query_that_is_said_to_match_nothing_matches_nothing() {
    run(3000, 200, (query(4), vec(event(), 12)), |(query, events)| {
        let told = told(&query);
        if told.iter().any(|(said, _)| said.contains("the rule matches no event")) {
            said();
            for event in &events {
                prop_assert!(!matches(&query, event), "{query}: {told:?} and {event:?}");
            }
        }
        Ok(())
    });
}

#[test]
fn an_alternative_that_is_said_to_match_nothing_matches_nothing() {
    let parts = (vec(clause(), 2..4), query(2), vec(event(), 12));
    run(1500, 100, parts, |(alternatives, rest, events)| {
        let query = format!("({}) and {rest}", alternatives.join(" or "));
        for (message, under) in told(&query) {
            // Only one that stands alone is found by the text under the caret.
            let of = |one: &&String| one.ends_with(&format!(": {under}"));
            let (true, Some(dead)) = (
                message.contains("this alternative"),
                alternatives.iter().find(of).filter(|_| !rest.contains(&under)),
            ) else {
                continue;
            };
            said();
            for event in &events {
                let both = matches(&query, event) && matches(dead, event);
                prop_assert!(!both, "{query}: {message} {dead} and {event:?}");
            }
        }
        Ok(())
    });
}

#[test]
fn alternatives_that_are_said_to_be_always_true_are() {
    let one = (clause(), any::<bool>());
    let one = one.prop_map(|(text, negated)| if negated { format!("not {text}") } else { text });
    run(2000, 100, (vec(one, 2..4), vec(event(), 12)), |(parts, events)| {
        let query = parts.join(" or ");
        if told(&query).iter().any(|(said, _)| {
            said.contains("true of every event") || said.contains("is always true")
        }) {
            said();
            for event in &events {
                prop_assert!(matches(&query, event), "{query} and {event:?}");
            }
        }
        Ok(())
    });
}

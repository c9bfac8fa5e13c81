//! Random queries and events: what the crate says against a naive reading of the language.

mod common;

use std::net::IpAddr;

use common::{Bound, Event, Item};
use firstseen_kql::{FieldRef, Query, parse};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

/// A query as the oracle sees it.
#[derive(Debug, Clone)]
enum Naive {
    Everything,
    And(Vec<Naive>),
    Or(Vec<Naive>),
    Not(Box<Naive>),
    Is(&'static str, List),
    Range(&'static str, &'static str, &'static str),
    Nested(Box<Naive>),
}

/// A value list.
#[derive(Debug, Clone)]
enum List {
    Quoted(&'static str),
    Plain(&'static str),
    Wild(&'static str),
    Null,
    And(Vec<List>),
    Or(Vec<List>),
    Not(Box<List>),
}

const FIELDS: &[&str] = &["a", "a.b", "source.port", "source.ip", "process.interactive", "a*"];
const WORDS: &[&str] =
    &["", "x", "xy", "yx", "X", "x y", "or", "cannot", "a:\"b\\", "443", "4.430e2", "true", "é"];
const ADDRESSES: &[&str] = &["10.0.0.1", "10.0.0.0/8", "::ffff:10.0.0.1", "2001:db8::/32"];
const VALUES: &[&str] = &["10.0.0.1", "10.9.9.9", "::ffff:10.0.0.1", "2001:db8::7", "443", "443.0"];
const PATTERNS: &[&str] = &["*", "x*", "*y", "*x*", "*x*y*", "x* *y", "4*", "*not", "*:*"];

impl Naive {
    fn text(&self) -> String {
        match self {
            Self::Everything => "*".to_owned(),
            Self::And(items) => joined(items, " and ", Self::text),
            Self::Or(items) => joined(items, "\nOR\t", Self::text),
            Self::Not(item) => format!("not  ({})", item.text()),
            Self::Is(field, list) => format!("{field} : {}", list.text()),
            Self::Range(field, operator, bound) => format!("{field}{operator}{}", quoted(bound)),
            Self::Nested(inner) => format!("n:{{ {} }}", inner.text()),
        }
    }

    fn holds(&self, event: &Event) -> bool {
        match self {
            Self::Everything => true,
            Self::And(items) => items.iter().all(|item| item.holds(event)),
            Self::Or(items) => items.iter().any(|item| item.holds(event)),
            Self::Not(item) => !item.holds(event),
            Self::Is(field, list) => list.holds(field, event),
            Self::Range(field, operator, bound) => {
                values(field, event).iter().any(|item| in_range(field, item, operator, bound))
            }
            Self::Nested(inner) => values("n", event)
                .iter()
                .any(|item| matches!(item, Item::Object(event) if inner.holds(event))),
        }
    }
}

impl List {
    fn text(&self) -> String {
        match self {
            Self::Quoted(value) => quoted(value),
            Self::Plain(value) => value.chars().map(escaped).collect(),
            Self::Wild(pattern) => {
                let keep = |c| if c == '*' { "*".to_owned() } else { escaped(c) };
                pattern.chars().map(keep).collect()
            }
            Self::Null => "null".to_owned(),
            Self::And(items) => joined(items, " AND ", Self::text),
            Self::Or(items) => joined(items, "  or ", Self::text),
            Self::Not(item) => format!("(not ({}))", item.text()),
        }
    }

    fn holds(&self, field: &str, event: &Event) -> bool {
        let any = |test: &dyn Fn(&Item) -> bool| values(field, event).iter().any(test);
        match self {
            Self::Quoted(value) | Self::Plain(value) => any(&|item| equal(field, item, value)),
            Self::Wild("*") => any(&|item| !matches!(item, Item::Object(_))),
            Self::Wild(pattern) => {
                any(&|item| written(item).is_some_and(|text| covers(pattern, &text)))
            }
            Self::Null => false,
            Self::And(items) => items.iter().all(|item| item.holds(field, event)),
            Self::Or(items) => items.iter().any(|item| item.holds(field, event)),
            Self::Not(item) => !item.holds(field, event),
        }
    }
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A character as an escape unless it is harmless. `n` could begin `not`.
fn escaped(c: char) -> String {
    if c.is_ascii_alphanumeric() && c != 'n' {
        c.to_string()
    } else {
        format!("\\u{:04X}", u32::from(c))
    }
}

fn joined<T>(items: &[T], word: &str, text: fn(&T) -> String) -> String {
    format!("( {} )", items.iter().map(text).collect::<Vec<_>>().join(word))
}

fn values(field: &str, event: &Event) -> Vec<Item> {
    let field = if field.contains('*') {
        FieldRef::Pattern(field.to_owned())
    } else {
        FieldRef::Name(field.to_owned())
    };
    event.values(&field).cloned().collect()
}

fn written(item: &Item) -> Option<String> {
    match item {
        Item::Null | Item::Object(_) => None,
        Item::Bool(value) => Some(value.to_string()),
        Item::Number(text) | Item::Text(text) => Some(text.clone()),
    }
}

fn equal(field: &str, item: &Item, wanted: &str) -> bool {
    let Some(text) = written(item) else { return false };
    match (field, wanted.parse::<f64>(), network(wanted)) {
        ("source.port", Ok(wanted), _) => text.parse::<f64>() == Ok(wanted),
        ("source.ip", _, Some((base, bits))) => {
            matches!(item, Item::Text(_))
                && address(&text)
                    .is_some_and(|address| address >> (128 - bits) == base >> (128 - bits))
        }
        _ => text == wanted,
    }
}

fn in_range(field: &str, item: &Item, operator: &str, bound: &str) -> bool {
    let Some(text) = written(item) else { return false };
    let numbers = || Some((text.parse::<f64>().ok()?, bound.parse::<f64>().ok()?));
    let order = match (field, item) {
        ("source.port", Item::Bool(_)) => None,
        ("source.port", _) => numbers().and_then(|(value, bound)| value.partial_cmp(&bound)),
        (_, Item::Number(_)) if numbers().is_some() => {
            numbers().and_then(|(value, bound)| value.partial_cmp(&bound))
        }
        _ => Some(text.as_bytes().cmp(bound.as_bytes())),
    };
    order.is_some_and(|order| match operator {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })
}

fn address(text: &str) -> Option<u128> {
    match text.parse().ok()? {
        IpAddr::V4(v4) => Some(v4.to_ipv6_mapped().to_bits()),
        IpAddr::V6(v6) => Some(v6.to_bits()),
    }
}

fn network(text: &str) -> Option<(u128, u32)> {
    let (base, bits) = text.split_once('/').unwrap_or((text, ""));
    let offset = if base.contains(':') { 0 } else { 96 };
    Some((address(base)?, bits.parse::<u32>().map_or(128, |bits| bits + offset)))
}

fn covers(pattern: &str, value: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == value,
        Some((first, rest)) => value.strip_prefix(first).is_some_and(|tail| {
            (0..=tail.len()).any(|at| tail.is_char_boundary(at) && covers(rest, &tail[at..]))
        }),
    }
}

fn list() -> impl Strategy<Value = List> {
    let leaf = prop_oneof![
        select(WORDS).prop_map(List::Quoted),
        select(&WORDS[1..]).prop_map(List::Plain),
        select(ADDRESSES).prop_map(List::Quoted),
        select(PATTERNS).prop_map(List::Wild),
        Just(List::Null),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(List::And),
            vec(inner.clone(), 2..5).prop_map(List::Or),
            inner.prop_map(|item| List::Not(Box::new(item))),
        ]
    })
}

fn query() -> impl Strategy<Value = Naive> {
    let operators = select(&["<", "<=", ">", ">="][..]);
    let leaf = prop_oneof![
        1 => Just(Naive::Everything),
        8 => (select(FIELDS), list()).prop_map(|(field, list)| Naive::Is(field, list)),
        1 => (operators.clone(), select(&["-1", "443", "0443.00", "1e3"][..]))
            .prop_map(|(operator, bound)| Naive::Range("source.port", operator, bound)),
        1 => (select(&["a", "a*"][..]), operators, select(WORDS))
            .prop_map(|(field, operator, bound)| Naive::Range(field, operator, bound)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Naive::And),
            vec(inner.clone(), 2..4).prop_map(Naive::Or),
            inner.clone().prop_map(|item| Naive::Not(Box::new(item))),
            inner.prop_map(|item| Naive::Nested(Box::new(item))),
        ]
    })
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        1 => Just(Item::Null),
        1 => any::<bool>().prop_map(Item::Bool),
        2 => select(&["443", "443.0", "80", "-2"][..]).prop_map(|n| Item::Number(n.to_owned())),
        4 => select(WORDS).prop_map(|word| Item::Text(word.to_owned())),
        3 => select(VALUES).prop_map(|value| Item::Text(value.to_owned())),
    ]
}

fn fields() -> impl Strategy<Value = Event> {
    vec((select(&FIELDS[..5]), vec(item(), 0..3)), 0..6).prop_map(|fields| {
        Event(fields.into_iter().map(|(name, values)| (name.to_owned(), values)).collect())
    })
}

fn event() -> impl Strategy<Value = Event> {
    fields().prop_recursive(2, 6, 3, |object| {
        (fields(), vec(object.prop_map(Item::Object), 0..3))
            .prop_map(|(event, objects)| event.with("n", objects))
    })
}

/// The content of an event, one value per line.
fn all_text(event: &Event) -> String {
    let values = event.0.iter().flat_map(|(_, values)| values);
    values
        .map(|item| match item {
            Item::Object(event) => all_text(event),
            other => written(other).unwrap_or_default() + "\n",
        })
        .collect()
}

/// Pieces of text that the grammar cares about.
const TOKENS: &[&str] = &[
    "a",
    "b.c",
    "x*",
    "*",
    "\"x y\"",
    "\"",
    "(",
    ")",
    ":",
    "{",
    "}",
    " ",
    " ",
    " or ",
    " and ",
    "not ",
    "\\",
    "\\not",
    "\\or",
    "\\u0020",
    "\\u000a",
    "\\n",
    "\\:",
    ">=",
    "<",
    "source.ip:",
    "10.0.0.0/8",
    "a:b",
    "a:b",
    "a:(",
    "é",
    "\u{a0}",
    "\n",
    "\t",
    "null",
    "true",
    "?",
    "no",
    "t",
];

/// Bounded, the same cases on each run, and nothing written to disk.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 300,
        rng_seed: RngSeed::Fixed(0x0415_258b),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn agrees_with_the_naive_reading(naive in query(), events in vec(event(), 1..6)) {
        let query = parse(&naive.text()).unwrap();
        prop_assert_eq!(query.check(), Ok(()));
        let clauses = query.literals(&|_, _| true);
        for event in &events {
            let expected = naive.holds(event);
            prop_assert_eq!(event.matches(&query), expected, "{} on {:?}", query, event);
            let text = all_text(event);
            for clause in clauses.iter().filter(|_| expected) {
                let held = clause.iter().any(|literal| text.contains(literal.as_str()));
                prop_assert!(held, "{} needs {:?} in {:?}", query, clause, event);
            }
        }
    }

    #[test]
    fn each_clause_has_its_span_and_its_own_truth(naive in query(), event in event()) {
        let text = naive.text();
        let query = parse(&text).unwrap();
        let (clauses, places) = (query.clauses(), firstseen_kql::spans(&text).unwrap());
        let truths = query.truths(&Bound { event: &event, fields: query.fields() });
        prop_assert_eq!((clauses.len(), places.len()), (truths.len(), truths.len()), "{}", text);
        for ((clause, place), truth) in clauses.iter().zip(places).zip(truths) {
            prop_assert_eq!(event.matches(&parse(clause).unwrap()), truth, "{} in {}", clause, text);
            // A value of a list has no field in front.
            let typed = &text[place];
            let field = clause.split_once(": ").map_or("", |(field, _)| field);
            let read = [typed.to_owned(), format!("{field}: {typed}")];
            let found = read.iter().any(|t| parse(t).is_ok_and(|q| q.to_string() == *clause));
            prop_assert!(found, "{} is not {} in {}", typed, clause, text);
        }
    }

    #[test]
    fn text_and_bytes_read_back(naive in query()) {
        let query = parse(&naive.text()).unwrap();
        prop_assert_eq!(&parse(&query.to_string()).unwrap(), &query);
        let bytes = postcard::to_allocvec(&query).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Query>(&bytes).unwrap(), query);
    }

    #[test]
    fn filters_are_and(left in query(), right in query(), negate: bool, event in event()) {
        let parsed = |naive: &Naive| parse(&naive.text()).unwrap();
        let query = parsed(&left).and_filter(parsed(&right), negate);
        prop_assert_eq!(query.check(), Ok(()));
        let expected = left.holds(&event) && right.holds(&event) != negate;
        prop_assert_eq!(event.matches(&query), expected, "{}", query);
        prop_assert_eq!(&parse(&query.to_string()).unwrap(), &query);
    }

    #[test]
    fn any_text_is_a_query_or_an_error_with_a_position(tokens in vec(select(TOKENS), 0..14)) {
        let text = tokens.concat();
        match parse(&text) {
            Ok(query) => {
                prop_assert_eq!(query.check(), Ok(()));
                let normal = query.to_string();
                prop_assert_eq!(&parse(&normal), &Ok(query.clone()), "{:?} {:?}", text, normal);
                let places = firstseen_kql::spans(&text).unwrap();
                prop_assert!(places.iter().all(|place| text.get(place.clone()).is_some()));
                prop_assert_eq!(places.len(), query.clauses().len());
            }
            Err(error) => {
                prop_assert!(text.is_char_boundary(error.at));
                let shown = error.to_string();
                let caret = shown.lines().nth(2).and_then(|line| line.find('^'));
                prop_assert!(caret.is_some_and(|caret| caret < 76), "{}", shown);
            }
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = parse(&text).map(|query| query.to_string()).map_err(|error| error.to_string());
        let _ = parse(&format!("a: \"{text}\"")).map_err(|error| error.to_string());
    }

    #[test]
    fn damaged_bytes_never_panic(naive in query(), event in event(),
                                 damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = postcard::to_allocvec(&parse(&naive.text()).unwrap()).unwrap();
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(query) = postcard::from_bytes::<Query>(&bytes) {
            prop_assert_eq!(query.check(), Ok(()));
            let bound = Bound { event: &event, fields: query.fields() };
            prop_assert_eq!(query.explain(&bound).matched, query.matches(&bound));
            prop_assert_eq!(query.truths(&bound).len(), query.clauses().len());
            let _ = (query.literals(&|_, _| true), query.to_string());
        }
    }
}

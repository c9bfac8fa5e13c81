//! The native engine's results for a case, compared with the expectations.
//!
//! In: a case. Out: a vector with the exact bytes. The engine runs in both ways of the contract,
//! each with its own store: `evaluate`, and `keys` with `decide`. If the results differ, this
//! panics.

use super::case::{Case, Claim, Sighting};
use super::{Counts, Rules, Step, Vector, hex};
use crate::store::{Rows, Store};
use firstseen_abi::{DecideRequest, Decision, Keys, OutcomeKind, RequestWriter};
use firstseen_rule::engine::Framing;
use firstseen_rule::source::{self, EventTime, ReadOptions};
use firstseen_rule::{Engine, Plan, Settings};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The results of the pure way for one event.
#[derive(Debug, Default)]
struct Decided {
    alerts: Vec<String>,
    repeats: Vec<String>,
    error: Option<String>,
}

/// The engine of a case's rules and settings.
///
/// # Panics
/// If a rule or the settings cannot be read.
#[must_use]
pub fn engine(case: &Case) -> Engine {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project's root");
    let event_time =
        if case.timestamp_override { EventTime::TimestampOverride } else { EventTime::Timestamp };
    let plan = |file: &&str| {
        let text = std::fs::read_to_string(root.join(file));
        let text = text.unwrap_or_else(|fault| panic!("{file}: {fault}"));
        let rule = source::read(&text, &ReadOptions { event_time, skips_lint: true });
        rule.unwrap_or_else(|faults| panic!("{file}: {faults:?}")).plan
    };
    let plan = Plan { rules: case.rules.iter().map(plan).collect() };
    let settings = case.settings.as_ref().map(|settings| Settings::read(&settings.to_string()));
    Engine::new(plan, settings.transpose().expect("settings").unwrap_or_default())
}

/// The vector of a case.
///
/// # Panics
/// If the engine's results differ from the expectations.
#[must_use]
pub fn run(case: &Case) -> Vector {
    let (mut once, mut twice) = (engine(case), engine(case));
    let mut store = Store::default();
    case.before.iter().for_each(|(key, value)| store.put(key.as_bytes(), value));
    let mut rows = store.rows();
    let mut steps = Vec::new();
    for (index, given) in case.steps.iter().enumerate() {
        let place = format!("{}, step {index}", case.name);
        let json = once.evaluate(&given.event, given.now_ms, &mut store);
        let decided = decide(&mut twice, &given.event, given.now_ms, &mut rows);
        // The outcome of `evaluate` must contain the alerts of the pure way byte for byte.
        let lists = format!(
            "\"alerts\":[{}],\"repeats\":[{}],",
            decided.alerts.join(","),
            decided.repeats.join(",")
        );
        assert!(json.contains(&lists), "{place}: {json}\nlacks {lists}");
        let outcome: Value = serde_json::from_str(&json).expect("an outcome is JSON");
        let code = outcome["error"]["code"].as_str().map(str::to_owned);
        assert_eq!(code, decided.error, "{place}");
        let result = Claim {
            alerts: decided.alerts.iter().map(|text| sighting(text)).collect(),
            repeats: decided.repeats.iter().map(|text| sighting(text)).collect(),
            counts: counts(&outcome),
            error: code.clone(),
        };
        assert_eq!(result, given.claim, "{place}: left the result, right the expectation");
        let text = std::str::from_utf8(&given.event).ok().map(str::to_owned);
        steps.push(Step {
            event_hex: text.is_none().then(|| hex(&given.event)),
            event: text,
            now_ms: (given.now_ms != 0).then_some(given.now_ms),
            alerts: decided.alerts,
            repeats: decided.repeats,
            error: code,
            counts: result.counts,
        });
    }
    assert_eq!(store.rows(), rows, "{}: the two ways leave different states", case.name);
    Vector {
        name: case.name,
        about: case.about,
        rule: match &case.rules[..] {
            [one] => Rules::One(one),
            pack => Rules::Pack(pack.to_vec()),
        },
        event_time: case.timestamp_override.then_some("timestamp_override"),
        settings: case.settings.clone(),
        before: (!case.before.is_empty())
            .then(|| case.before.iter().map(|(key, value)| (key.clone(), hex(value))).collect()),
        steps,
        after: after(&rows),
    }
}

fn after(rows: &Rows) -> BTreeMap<String, String> {
    let text = |key: &Vec<u8>| String::from_utf8(key.clone()).expect("a key is ASCII");
    rows.iter().map(|(key, value)| (text(key), hex(value))).collect()
}

/// The subject of an alert.
fn sighting(alert: &str) -> Sighting {
    let alert: Value = serde_json::from_str(alert).expect("an alert is JSON");
    let previous = alert["firstseen"]["previous_sighting"].as_str().map(str::to_owned);
    Sighting { terms: alert["kibana.alert.new_terms"].clone(), previous }
}

fn counts(outcome: &Value) -> Counts {
    let number = |name: &str| outcome[name].as_u64().expect("a count") as u32;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    Counts {
        matched: number("matched"),
        seen: number("seen"),
        learned: number("learned"),
        late: number("late"),
        excepted: number("excepted"),
        other_index: outcome["other_index"].as_u64().unwrap_or(0) as u32,
        missing: outcome["missing"].as_array().expect("a list").iter().map(text).collect(),
        no_events: outcome.get("no_events").map(text),
    }
}

/// Runs `keys`, then `decide` with the current values, then applies the writes.
fn decide(engine: &mut Engine, event: &[u8], now_ms: i64, rows: &mut Rows) -> Decided {
    let mut bytes = Vec::new();
    engine.keys(event, Framing::One, now_ms, &mut bytes).expect("one event needs no table");
    let keys = Keys::read(&bytes).expect("the engine's own layout");
    let mut decided = Decided::default();
    let (mut request, mut known) = (RequestWriter::default(), BTreeSet::new());
    for item in keys.items() {
        let item = item.expect("the engine's own layout");
        if let Some((code, _)) = item.text.split_once(": ") {
            decided.error.get_or_insert_with(|| code.to_owned());
        }
        if item.terms().next().is_none() {
            continue;
        }
        for term in item.keys() {
            if known.insert(term.key.to_vec()) {
                request.key(term.key, rows.get(term.key).map(Vec::as_slice));
            }
        }
        request.item(item.raw, event);
    }
    let (head, keys, items) = request.parts();
    let (bytes, mut answer) = ([&head[..], keys, items].concat(), Vec::new());
    engine.decide(&bytes, &mut answer).expect("a request of ours");
    let request = DecideRequest::read(&bytes).expect("a request of ours");
    let decision = Decision::read(&answer).expect("the engine's own layout");
    for write in &decision.writes {
        rows.insert(request.keys[write.key as usize].key.to_vec(), write.value.to_vec());
    }
    for outcome in &decision.outcomes {
        match outcome.kind {
            OutcomeKind::Alert => decided.alerts.push(outcome.text.to_owned()),
            OutcomeKind::Repeat => decided.repeats.push(outcome.text.to_owned()),
            OutcomeKind::Error => {
                let code = outcome.text.split(':').next().unwrap_or_default();
                decided.error.get_or_insert_with(|| code.to_owned());
            }
            _ => {}
        }
    }
    decided
}

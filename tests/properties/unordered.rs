//! Events that are late, out of order and repeated, one by one through `evaluate`: no episode is
//! lost, a repeat is the same alert, and only a late event causes an extra alert.

use firstseen_tests::call::{Call, Who};
use firstseen_tests::cases::check;
use firstseen_tests::event::Shape;
use firstseen_tests::model::{WINDOW_MS, batch};
use firstseen_tests::rules::Which;
use firstseen_tests::store::Store;
use proptest::prelude::*;
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeMap;

/// A sixteenth of the window, so that times and delays often meet its ends.
const STEP_MS: i64 = WINDOW_MS / 16;

/// One call: its time and the delay of each of its copies, in steps.
#[derive(Clone, Debug)]
struct Sent {
    step: i64,
    name: &'static str,
    delays: Vec<i64>,
}

fn stream(max_delay: i64) -> impl Strategy<Value = Vec<Sent>> {
    let names = prop::sample::select(&["alice", "bob"][..]);
    let delays = prop::collection::vec(0..max_delay, 1..4);
    // Times within two steps around whole windows.
    let step = (0..9i64, -2..3i64).prop_map(|(window, step)| 16 * window + step + 2);
    let sent = (step, names, delays);
    prop::collection::vec(sent.prop_map(|(step, name, delays)| Sent { step, name, delays }), 1..24)
}

/// The events in order of arrival: number, name, time and text.
fn arrivals(stream: &[Sent]) -> Vec<(usize, &'static str, i64, String)> {
    let mut arrivals = Vec::new();
    for (id, sent) in stream.iter().enumerate() {
        let call = Call {
            time_ms: 1_700_000_000_000 + sent.step * STEP_MS,
            id: id as u32,
            who: Who::User(sent.name),
            account: "111122223333",
            provider: "cloudformation.amazonaws.com",
            action: "CreateStack",
            failed: false,
            address: "203.0.113.7",
            agent: "aws-cli",
            stack: "web",
        };
        for delay in &sent.delays {
            let text = Shape::Raw.of(&call).to_string();
            arrivals.push((sent.step + delay, (id, sent.name, call.time_ms, text)));
        }
    }
    // The sort is stable: events that arrive in the same step stay in the order of the calls.
    arrivals.sort_by_key(|(at, _)| *at);
    arrivals.into_iter().map(|(_, event)| event).collect()
}

fn list<'a>(outcome: &'a Value, name: &str) -> &'a [Value] {
    outcome[name].as_array().expect("a list")
}

#[test]
fn lateness_below_the_window_loses_no_episode() {
    let (extra, repeats) = (Cell::new(0), Cell::new(0));
    check(400, stream(16), |stream| {
        let (mut engine, mut store) = (Which::Flagship.engine(), Store::default());
        let mut arrived: Vec<(&str, i64)> = Vec::new();
        let mut alerts: BTreeMap<usize, String> = BTreeMap::new();
        for (id, name, time, text) in arrivals(&stream) {
            let outcome = engine.evaluate(text.as_bytes(), 0, &mut store);
            let outcome: Value = serde_json::from_str(&outcome).expect("JSON");
            prop_assert_eq!(&outcome["error"], &Value::Null);
            prop_assert_eq!(&outcome["late"], 0, "no event is older than the state");
            if let Some(alert) = alerts.get(&id) {
                // An alerted event repeats its alert, and nothing else.
                prop_assert_eq!(list(&outcome, "repeats").len(), 1);
                prop_assert_eq!(&list(&outcome, "repeats")[0].to_string(), alert);
                prop_assert!(list(&outcome, "alerts").is_empty());
                repeats.set(repeats.get() + 1);
                continue;
            }
            prop_assert!(list(&outcome, "repeats").is_empty());
            // It alerts if and only if no earlier arrival is within a window of it.
            let near = |(n, t): &(&str, i64)| *n == name && (t - time).abs() <= WINDOW_MS;
            let new = !arrived.iter().any(near);
            prop_assert_eq!(list(&outcome, "alerts").len(), usize::from(new));
            if new {
                alerts.insert(id, list(&outcome, "alerts")[0].to_string());
            }
            arrived.push((name, time));
        }
        // Every episode alerts at least once. It alerts more than once only if the alerts are more
        // than a window apart, so that an event between them arrived after both.
        let starts = batch(&arrived);
        let alerted: Vec<(&str, i64)> = alerts
            .keys()
            .map(|id| (stream[*id].name, 1_700_000_000_000 + stream[*id].step * STEP_MS))
            .collect();
        for (name, start, _) in &starts {
            let next = starts.iter().filter(|(n, t, _)| n == name && t > start).map(|s| s.1).min();
            let inside = |(n, t): &&(&str, i64)| {
                n == name && t >= start && next.is_none_or(|next| *t < next)
            };
            let mut times: Vec<i64> = alerted.iter().filter(inside).map(|a| a.1).collect();
            prop_assert!(!times.is_empty(), "the episode of {name} from {start} was lost");
            times.sort_unstable();
            prop_assert!(times.windows(2).all(|pair| pair[1] - pair[0] > WINDOW_MS));
            extra.set(extra.get() + times.len() - 1);
        }
        Ok(())
    });
    assert!(extra.get() > 0 && repeats.get() > 0, "the cases cover too little");
}

#[test]
fn late_episode_alerts_or_counts_as_late_beyond_memory() {
    let late_ones = Cell::new(0);
    check(300, stream(160), |stream| {
        let (mut engine, mut store) = (Which::Flagship.engine(), Store::default());
        let mut all: Vec<(&str, i64)> = Vec::new();
        let mut noticed: Vec<(&str, i64)> = Vec::new();
        for (_, name, time, text) in arrivals(&stream) {
            let outcome = engine.evaluate(text.as_bytes(), 0, &mut store);
            let outcome: Value = serde_json::from_str(&outcome).expect("JSON");
            all.push((name, time));
            let (new, late) = (!list(&outcome, "alerts").is_empty(), outcome["late"] != 0);
            if late {
                // The state holds two episodes, so an older event is older than a gap.
                let mut newer: Vec<i64> =
                    all.iter().filter(|(n, t)| *n == name && *t > time).map(|a| a.1).collect();
                newer.sort_unstable();
                prop_assert!(newer.windows(2).any(|pair| pair[1] - pair[0] > WINDOW_MS));
            }
            if new || late {
                noticed.push((name, time));
            }
            late_ones.set(late_ones.get() + usize::from(late));
            if new {
                // Again at once: the same alert as a repeat, and the state does not change.
                let before = store.rows();
                let again = engine.evaluate(text.as_bytes(), 0, &mut store);
                let again: Value = serde_json::from_str(&again).expect("JSON");
                prop_assert_eq!(&again["repeats"], &outcome["alerts"]);
                prop_assert_eq!(&again["alerts"], &serde_json::json!([]));
                prop_assert_eq!(store.rows(), before);
            }
        }
        let starts = batch(&all);
        for (name, start, _) in &starts {
            let next = starts.iter().filter(|(n, t, _)| n == name && t > start).map(|s| s.1).min();
            let inside =
                |(n, t): &(&str, i64)| n == name && t >= start && next.is_none_or(|next| *t < next);
            prop_assert!(noticed.iter().any(inside), "no alert for {name} from {start}");
        }
        Ok(())
    });
    assert!(late_ones.get() > 0, "no case was late beyond memory");
}

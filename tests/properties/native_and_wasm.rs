//! Rules give the same bytes natively and as a module in wasmtime: `keys`, `decide`, `evaluate` and
//! `explain`, for valid and invalid events.

use firstseen_abi::{Decision, Keys, OutcomeKind, RequestWriter};
use firstseen_rule::Engine;
use firstseen_rule::engine::Framing;
use firstseen_runtime::Guest;
use firstseen_session::{Decide, Rules};
use firstseen_tests::cases::check;
use firstseen_tests::event::{Event, any_event};
use firstseen_tests::rules::Which;
use firstseen_tests::store::{Rows, Store};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeSet;

/// A clock that is late enough for most events and too early for some.
const NOW_MS: i64 = 1_740_000_000_000 + 35 * 86_400_000;

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![Just(Which::Flagship), Just(Which::Pack)]
}

/// Runs `keys` on both sides, compares the bytes and returns them.
fn keys(engine: &mut Engine, guest: &mut Guest, events: &[Event], now_ms: i64) -> Vec<u8> {
    let mut table = Vec::new();
    let mut at = 0;
    for event in events {
        table.push((at, event.0.len() as u32));
        at += event.0.len() as u32;
    }
    let buffer: Vec<u8> = events.iter().flat_map(|event| event.0.iter().copied()).collect();
    let words: Vec<u8> =
        table.iter().flat_map(|(at, len)| [at.to_le_bytes(), len.to_le_bytes()].concat()).collect();
    let mut native = Vec::new();
    engine.keys(&buffer, Framing::Table(&words), now_ms, &mut native).expect("the table fits");
    let wasm = guest.keys(&buffer, &table, now_ms).expect("the module answers");
    assert!(native == wasm, "native {:?}\nwasm   {:?}", Keys::read(&native), Keys::read(&wasm));
    native
}

/// A request for all matched events with the store's values, with or without event texts.
fn request(keys: &[u8], events: &[Event], rows: &Rows, with_text: bool) -> RequestWriter {
    let keys = Keys::read(keys).expect("checked before");
    let mut request = RequestWriter::default();
    let mut known: BTreeSet<Vec<u8>> = BTreeSet::new();
    let starts: Vec<u32> = events
        .iter()
        .scan(0, |at, event| {
            let start = *at;
            *at += event.0.len() as u32;
            Some(start)
        })
        .collect();
    for item in keys.items() {
        let item = item.expect("a whole item");
        for term in item.terms() {
            if known.insert(term.key.to_vec()) {
                request.key(term.key, rows.get(term.key).map(Vec::as_slice));
            }
        }
        if item.terms().next().is_none() {
            continue;
        }
        let is_it = |(start, event): &(&u32, &Event)| {
            **start == item.offset && event.0.len() as u32 == item.len
        };
        let event = starts.iter().zip(events).find(is_it).expect("an event of ours").1;
        if with_text {
            request.item(item.raw, &event.0);
        } else {
            request.item_alone(item.raw);
        }
    }
    request
}

/// Runs `decide` on both sides, compares the results, and returns the request and the result.
fn decide(engine: &Engine, guest: &mut Guest, request: &RequestWriter) -> (Vec<u8>, Vec<u8>) {
    let (head, keys, items) = request.parts();
    let bytes = [&head[..], keys, items].concat();
    let mut native = Vec::new();
    engine.decide(&bytes, &mut native).expect("a request of ours");
    let wasm = guest.decide(request).expect("the module answers");
    let show = |bytes| Decision::read(bytes).map(|decision| format!("{decision:?}"));
    assert!(native == wasm, "native {:?}\nwasm   {:?}", show(&native), show(&wasm));
    (bytes, native)
}

#[test]
fn keys_and_decide_give_the_same_bytes() {
    let (alerts, repeats, errors) = (Cell::new(0), Cell::new(0), Cell::new(0));
    // The first batch is repeated at the end.
    let batches = prop::collection::vec(prop::collection::vec(any_event(), 1..12), 1..4).prop_map(
        |mut batches| {
            batches.push(batches[0].clone());
            batches
        },
    );
    let damage = prop_oneof![3 => Just(None), 1 => (0..40usize, any::<u8>()).prop_map(Some)];
    check(120, (which(), batches, damage, any::<bool>()), |(which, batches, damage, clock)| {
        let (mut engine, mut guest) = (which.engine(), which.guest());
        let mut rows = Rows::new();
        for events in &batches {
            let keys = keys(&mut engine, &mut guest, events, if clock { NOW_MS } else { 0 });
            // Without event texts, a term that would alert needs the text.
            let alone = request(&keys, events, &rows, false);
            let (_, alone) = decide(&engine, &mut guest, &alone);
            let alone = Decision::read(&alone).expect("a decision");
            let (bytes, native) = decide(&engine, &mut guest, &request(&keys, events, &rows, true));
            let read = firstseen_abi::DecideRequest::read(&bytes).expect("a request of ours");
            let decision = Decision::read(&native).expect("a decision");
            let as_alone = |kind| match kind {
                OutcomeKind::Alert | OutcomeKind::Repeat => OutcomeKind::NeedsEvent,
                other => other,
            };
            let with_text: Vec<_> =
                decision.outcomes.iter().map(|o| (o.item, as_alone(o.kind))).collect();
            let without: Vec<_> = alone.outcomes.iter().map(|o| (o.item, o.kind)).collect();
            prop_assert_eq!(without, with_text);
            for write in &decision.writes {
                rows.insert(read.keys[write.key as usize].key.to_vec(), write.value.to_vec());
            }
            for outcome in &decision.outcomes {
                let count = match outcome.kind {
                    OutcomeKind::Alert => &alerts,
                    OutcomeKind::Repeat => &repeats,
                    OutcomeKind::Error => &errors,
                    _ => continue,
                };
                count.set(count.get() + 1);
            }
            // The next batch may read damaged values.
            if let Some((at, byte)) = damage {
                rows.values_mut().filter_map(|value| value.get_mut(at)).for_each(|b| *b = byte);
            }
        }
        Ok(())
    });
    for (count, what) in [(alerts, "alert"), (repeats, "repeat"), (errors, "damaged state")] {
        assert!(count.get() > 0, "no case had a {what}");
    }
}

#[test]
fn evaluate_gives_the_same_outcomes_and_the_same_state() {
    let alerts = Cell::new(0);
    let events = prop::collection::vec(any_event(), 1..20);
    check(120, (which(), events, any::<bool>()), |(which, events, clock)| {
        let (mut engine, mut guest) = (which.engine(), which.guest());
        let (mut native_store, wasm_store) = (Store::default(), Store::default());
        guest.set_kv(Box::new(wasm_store.clone()));
        let now_ms = if clock { NOW_MS } else { 0 };
        for event in &events {
            let native = engine.evaluate(&event.0, now_ms, &mut native_store);
            let wasm = guest.evaluate(&event.0, now_ms).expect("the module answers");
            let outcome: serde_json::Value = serde_json::from_slice(&wasm).expect("JSON");
            alerts.set(alerts.get() + outcome["alerts"].as_array().expect("a list").len());
            prop_assert_eq!(native, String::from_utf8(wasm).expect("text"));
        }
        prop_assert_eq!(native_store.rows(), wasm_store.rows());
        Ok(())
    });
    assert!(alerts.get() > 0, "no case had an alert");
}

#[test]
fn explain_gives_the_same_text() {
    let matched = Cell::new(0);
    check(300, (which(), any_event()), |(which, event)| {
        let native = which.engine().explain(&event.0);
        let wasm = which.guest().explain(&event.0).expect("the module answers");
        matched.set(matched.get() + native.matches("\"matched\":true").count());
        prop_assert_eq!(native, String::from_utf8(wasm).expect("text"));
        Ok(())
    });
    assert!(matched.get() > 0, "no case matched");
}

//! Any bytes as state values, requests, results and plans. They are refused or parsed, never with a
//! panic, and a parsed value is written back as the same bytes.
#![no_main]

use firstseen_abi::{DecideRequest, Decision, Keys, MAX_VALUE};
use firstseen_rule::engine::Framing;
use firstseen_rule::state::TermState;
use firstseen_rule::{Engine, Plan, Settings, source};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;

const RULE: &str = include_str!("../../plugin/rules/first_time_cloudformation_stack_creation.toml");

thread_local! {
    static ENGINE: RefCell<Engine> = RefCell::new({
        let rules = vec![source::read(RULE, &source::ReadOptions::default()).expect("the flagship is a rule").plan];
        Engine::new(Plan { rules }, Settings::default())
    });
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which % 6 {
        0 => state(bytes),
        1 => {
            if let Ok(keys) = Keys::read(bytes) {
                let items = keys.items().take_while(Result::is_ok).flatten();
                assert!(items.map(|item| item.raw.len()).sum::<usize>() <= bytes.len());
            }
        }
        2 => {
            let _ = DecideRequest::read(bytes);
            let mut out = Vec::new();
            let decided = ENGINE.with_borrow(|engine| engine.decide(bytes, &mut out));
            if decided.is_ok() {
                let decision = Decision::read(&out).expect("what decide writes is a decision");
                assert!(decision.writes.iter().all(|write| write.value.len() <= MAX_VALUE));
            }
        }
        3 => {
            if let Ok(decision) = Decision::read(bytes) {
                let mut out = Vec::new();
                decision.write(&mut out);
                let again = Decision::read(&out).expect("written by us");
                assert_eq!((again.writes, again.outcomes), (decision.writes, decision.outcomes));
            }
        }
        4 => {
            if let Ok(plan) = Plan::decode(bytes) {
                let mut engine = Engine::new(plan, Settings::default());
                let mut out = Vec::new();
                let event = br#"{"@timestamp":1,"event":{"action":"a"},"user":{"name":["b","c"]}}"#;
                engine.keys(event, Framing::One, 0, &mut out).expect("one event needs no table");
                let _ = engine.explain(event);
            }
        }
        _ => {
            let (table, buffer) = bytes.split_at(bytes.len().min(16));
            let mut out = Vec::new();
            ENGINE.with_borrow_mut(|engine| {
                let _ = engine.keys(buffer, Framing::Table(table), 0, &mut out);
                engine.keys(buffer, Framing::Lines, 0, &mut out).expect("lines need no table");
            });
            assert!(Keys::read(&out).is_ok());
        }
    }
});

/// A stored value, and sightings after it, written back as the same bytes.
fn state(bytes: &[u8]) {
    let value = &bytes[..bytes.len().min(MAX_VALUE)];
    let Ok(mut state) = TermState::read(value) else { return };
    assert_eq!(TermState::read(&state.write("term")), Ok(state.clone()));
    for sighting in bytes.chunks_exact(9) {
        let (identity, time) = sighting.split_at(1);
        let time = i64::from_le_bytes(time.try_into().expect("eight bytes"));
        state.sight(time, &[identity[0]; 16], 864_000_000);
        let stored = state.write("term");
        assert!(stored.len() <= MAX_VALUE);
        assert_eq!(TermState::read(&stored), Ok(state.clone()));
    }
}

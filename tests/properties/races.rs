//! Instances of a rule share a store and interrupt each other at each access: there is one alert
//! per term and episode, whichever instance wins.

use firstseen_abi::kv::{Cas, Kv, KvError};
use firstseen_rule::Engine;
use firstseen_runtime::Guest;
use firstseen_tests::call::{ACCOUNTS, Call, NAMES, Who};
use firstseen_tests::cases::check;
use firstseen_tests::event::Shape;
use firstseen_tests::model::{WINDOW_MS, batch};
use firstseen_tests::rules::Which;
use firstseen_tests::store::Store;
use proptest::prelude::*;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// When the others run: one bit for each access to the store.
type Script = VecDeque<bool>;

/// An instance with its remaining events and its outcomes so far.
struct Worker<E> {
    evaluator: E,
    events: VecDeque<String>,
    outcomes: Vec<Value>,
}

impl<E> Worker<E> {
    fn new(evaluator: E, events: &[String]) -> Self {
        Self { evaluator, events: events.iter().cloned().collect(), outcomes: Vec::new() }
    }
}

/// The store of a native engine, which lets other engines run first.
struct Contended<'w> {
    store: Store,
    others: &'w mut [Worker<Engine>],
    script: &'w RefCell<Script>,
    conflicts: &'w Cell<u32>,
}

impl Contended<'_> {
    fn interrupt(&mut self) {
        if self.script.borrow_mut().pop_front() == Some(true) {
            step(&self.store, self.others, self.script, self.conflicts);
        }
    }
}

impl Kv for Contended<'_> {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.interrupt();
        self.store.get(key)
    }

    fn cas(
        &mut self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: &[u8],
        ttl_ms: i64,
    ) -> Result<Cas, KvError> {
        self.interrupt();
        let done = self.store.cas(key, expected, value, ttl_ms);
        if let Ok(Cas::Conflict(_)) = done {
            self.conflicts.set(self.conflicts.get() + 1);
        }
        done
    }
}

/// The first worker evaluates its next event; the others may interrupt it.
fn step(
    store: &Store,
    workers: &mut [Worker<Engine>],
    script: &RefCell<Script>,
    conflicts: &Cell<u32>,
) {
    let Some((worker, others)) = workers.split_first_mut() else { return };
    let Some(event) = worker.events.pop_front() else { return };
    let mut kv = Contended { store: store.clone(), others, script, conflicts };
    let outcome = worker.evaluator.evaluate(event.as_bytes(), 0, &mut kv);
    worker.outcomes.push(serde_json::from_str(&outcome).expect("JSON"));
}

/// The calls of a run in order of time, with few terms and gaps around the window.
fn calls() -> impl Strategy<Value = Vec<Call>> {
    let gap = prop::sample::select(&[0, 1000, WINDOW_MS, WINDOW_MS + 1000, 3 * WINDOW_MS][..]);
    let call = (gap, 0..2usize, 0..2usize);
    prop::collection::vec(call, 1..10).prop_map(|list| {
        let mut time_ms = 1_700_000_000_000;
        let mut calls = Vec::new();
        for (id, (gap, name, account)) in list.into_iter().enumerate() {
            time_ms += gap;
            calls.push(Call {
                time_ms,
                id: id as u32,
                who: Who::Role(NAMES[name]),
                account: ACCOUNTS[account],
                provider: "cloudformation.amazonaws.com",
                action: "CreateStackSet",
                failed: false,
                address: "203.0.113.7",
                agent: "aws-cli",
                stack: "web",
            });
        }
        calls
    })
}

fn script() -> impl Strategy<Value = Script> {
    prop::collection::vec(any::<bool>(), 0..60).prop_map(Script::from)
}

fn texts(calls: &[Call]) -> Vec<String> {
    calls.iter().map(|call| Shape::Raw.of(call).to_string()).collect()
}

/// Alerts as terms and times, sorted.
type Alerts = Vec<(String, i64)>;

fn expected(calls: &[Call]) -> Alerts {
    let term = |call: &Call| serde_json::json!([call.account, call.who.name()]).to_string();
    let sightings: Vec<(String, i64)> = calls.iter().map(|c| (term(c), c.time_ms)).collect();
    let mut alerts: Alerts = batch(&sightings).into_iter().map(|(t, ms, _)| (t, ms)).collect();
    alerts.sort();
    alerts
}

fn given<'a>(outcomes: impl Iterator<Item = &'a Value>) -> Alerts {
    let alerts = outcomes.flat_map(|outcome| {
        assert_eq!(outcome["error"], Value::Null);
        outcome["alerts"].as_array().expect("a list").iter()
    });
    let mut alerts: Alerts = alerts
        .map(|alert| {
            let time = alert["@timestamp"].as_str().expect("a time");
            let time = firstseen_value::parse_time_ms(time).expect("a time");
            (alert["kibana.alert.new_terms"].to_string(), time)
        })
        .collect();
    alerts.sort();
    alerts
}

#[test]
fn native_instances_give_one_alert_per_episode() {
    let conflicts = Cell::new(0);
    check(300, (calls(), script(), 2..4usize), |(calls, script, count)| {
        let events = texts(&calls);
        let store = Store::default();
        let worker = || Worker::new(Which::Flagship.engine(), &events);
        let mut workers: Vec<_> = std::iter::repeat_with(worker).take(count).collect();
        let script = RefCell::new(script);
        // The first worker changes from event to event.
        while workers.iter().any(|worker| !worker.events.is_empty()) {
            step(&store, &mut workers, &script, &conflicts);
            workers.rotate_left(1);
        }
        let outcomes = workers.iter().flat_map(|worker| &worker.outcomes);
        prop_assert_eq!(given(outcomes), expected(&calls));
        Ok(())
    });
    assert!(conflicts.get() > 100, "only {} conflicts were forced", conflicts.get());
}

/// A module's store that lets the other module run first.
struct Interrupted {
    store: Store,
    other: Arc<Mutex<Worker<Guest>>>,
    script: Script,
    conflicts: Arc<Mutex<u32>>,
}

impl Interrupted {
    fn interrupt(&mut self) {
        if self.script.pop_front() == Some(true) {
            evaluate_next(&self.other);
        }
    }
}

impl Kv for Interrupted {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.interrupt();
        self.store.get(key)
    }

    fn cas(
        &mut self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: &[u8],
        ttl_ms: i64,
    ) -> Result<Cas, KvError> {
        self.interrupt();
        let done = self.store.cas(key, expected, value, ttl_ms)?;
        let lost = matches!(done, Cas::Conflict(_));
        *self.conflicts.lock().expect("no holder panics") += u32::from(lost);
        Ok(done)
    }
}

/// A module evaluates its next event.
fn evaluate_next(worker: &Mutex<Worker<Guest>>) {
    let mut worker = worker.lock().expect("no holder panics");
    let Some(event) = worker.events.pop_front() else { return };
    let outcome = worker.evaluator.evaluate(event.as_bytes(), 0).expect("the module answers");
    worker.outcomes.push(serde_json::from_slice(&outcome).expect("JSON"));
}

#[test]
fn modules_give_one_alert_per_episode() {
    let conflicts = Arc::new(Mutex::new(0));
    check(100, (calls(), script()), |(calls, script)| {
        let events = texts(&calls);
        let store = Store::default();
        let mut second = Which::Flagship.guest();
        second.set_kv(Box::new(store.clone()));
        let second = Arc::new(Mutex::new(Worker::new(second, &events)));
        let mut first = Which::Flagship.guest();
        let conflicts = Arc::clone(&conflicts);
        first.set_kv(Box::new(Interrupted {
            store,
            other: Arc::clone(&second),
            script,
            conflicts,
        }));
        let first = Mutex::new(Worker::new(first, &events));
        for _ in &events {
            evaluate_next(&first);
        }
        for _ in &events {
            evaluate_next(&second);
        }
        let (first, second) = (first.into_inner(), second.lock());
        let (first, second) = (first.expect("unlocked"), second.expect("unlocked"));
        prop_assert_eq!(given(first.outcomes.iter().chain(&second.outcomes)), expected(&calls));
        Ok(())
    });
    assert!(*conflicts.lock().expect("unlocked") > 30, "too few conflicts were forced");
}

/// A store in which every write conflicts.
#[derive(Default)]
struct Hopeless(u32);

impl Kv for Hopeless {
    fn get(&mut self, _: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(None)
    }

    fn cas(&mut self, _: &[u8], _: Option<&[u8]>, _: &[u8], _: i64) -> Result<Cas, KvError> {
        self.0 += 1;
        Ok(Cas::Conflict(None))
    }
}

#[test]
fn endless_race_ends_with_an_error_and_no_alert() {
    let mut kv = Hopeless::default();
    let call = Call {
        time_ms: 1_700_000_000_000,
        id: 1,
        who: Who::User("alice"),
        account: ACCOUNTS[0],
        provider: "cloudformation.amazonaws.com",
        action: "CreateStack",
        failed: false,
        address: "203.0.113.7",
        agent: "aws-cli",
        stack: "web",
    };
    let outcome = Which::Flagship.engine().evaluate(texts(&[call])[0].as_bytes(), 0, &mut kv);
    let outcome: Value = serde_json::from_str(&outcome).expect("JSON");
    assert_eq!(outcome["error"]["code"], "conflict");
    assert_eq!(outcome["alerts"], serde_json::json!([]));
    assert_eq!(kv.0, 16);
}

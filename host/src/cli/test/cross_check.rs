//! The other way of the contract, beside the one that is tested: `evaluate` has to agree.
//!
//! In: the same events, in the same order, and what `keys` and `decide` made of each. Out: where
//! `evaluate`, over a state of its own, says or leaves something else. It decides nothing.

use super::execute::TermResult;
use super::file::TestOutcome;
use crate::state::{Applied, Memory, StateStore, StateWrite};
use anyhow::Context;
use firstseen_abi::kv::{Cas, Kv, KvError};
use firstseen_runtime::Guest;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What `evaluate` should say of one event, for all rules of the artifact.
#[derive(Debug, Default)]
pub(super) struct ExpectedAnswer {
    matched: u32,
    /// The state keys that were looked at.
    pub(super) keys: Vec<Vec<u8>>,
    alerts: Vec<Value>,
    repeats: Vec<Value>,
    seen: u32,
    learned: u32,
    late: u32,
    excepted: u32,
    other_index: u32,
    missing: Vec<String>,
    no_events: Option<String>,
    error: Option<String>,
}

impl ExpectedAnswer {
    /// An event that matched so many rules.
    pub(super) fn of(matched: u32) -> Self {
        Self { matched, ..Self::default() }
    }

    /// Adds what became of an item.
    pub(super) fn add(&mut self, got: &[TermResult]) {
        for got in got {
            match got.outcome {
                TestOutcome::Alert => self.alerts.push(got.alert.clone()),
                TestOutcome::Repeat => self.repeats.push(got.alert.clone()),
                TestOutcome::Seen => self.seen += 1,
                TestOutcome::Learned => self.learned += 1,
                TestOutcome::Late => self.late += 1,
                TestOutcome::Excepted => self.excepted += 1,
                TestOutcome::OtherIndex => self.other_index += 1,
                TestOutcome::Missing => self.missing.push(got.text.clone()),
                TestOutcome::NoEvents => self.no_events = Some(got.text.clone()),
                TestOutcome::NoMatch => {}
                TestOutcome::Bad
                | TestOutcome::Future
                | TestOutcome::TooManyTerms
                | TestOutcome::Error => {
                    self.error.get_or_insert_with(|| got.text.clone());
                }
            }
        }
    }

    /// In the form of the contract, section 6.
    fn json(&self) -> Value {
        let mut out = json!({
            "matched": self.matched, "alerts": self.alerts, "repeats": self.repeats,
            "seen": self.seen, "learned": self.learned, "late": self.late,
            "excepted": self.excepted, "missing": self.missing,
        });
        if self.other_index > 0 {
            out["other_index"] = json!(self.other_index);
        }
        if let Some(what) = &self.no_events {
            out["no_events"] = json!(what);
        }
        if let Some(error) = &self.error {
            let (code, reason) = error.split_once(": ").unwrap_or(("error", error));
            out["error"] = json!({ "code": code, "reason": reason });
        }
        out
    }
}

/// A second guest, with a state that it asks itself.
pub(super) struct CrossCheck {
    guest: Guest,
    store: SharedMemory,
}

impl CrossCheck {
    pub(super) fn new(mut guest: Guest) -> Self {
        let store = SharedMemory::default();
        guest.set_kv(Box::new(store.clone()));
        Self { guest, store }
    }

    /// Puts what is known when a case begins.
    pub(super) fn put(&self, key: &[u8], value: &[u8], expires_ms: i64) {
        self.store.lock().memory.put(key, value, expires_ms);
    }

    pub(super) fn advance(&self, newest_ms: i64) {
        let mut store = self.store.lock();
        store.memory.advance(0, newest_ms);
        store.newest_ms = newest_ms;
    }

    /// Hands the event in. `first` is the state that `keys` and `decide` left.
    pub(super) fn compare(
        &mut self,
        event: &[u8],
        now_ms: i64,
        expected: &ExpectedAnswer,
        first: &Memory,
    ) -> anyhow::Result<Option<String>> {
        let said: Value = serde_json::from_slice(&self.guest.evaluate(event, now_ms)?)
            .context("what the rule evaluates is no JSON")?;
        let pure = expected.json();
        if said != pure {
            return Ok(Some(format!("keys and decide return {pure}, but evaluate returns {said}")));
        }
        for key in &expected.keys {
            if first.get(key) != self.store.lock().memory.get(key) {
                let key = String::from_utf8_lossy(key);
                return Ok(Some(format!("evaluate leaves a different state under {key}")));
            }
        }
        Ok(None)
    }
}

/// The second state; the guest holds one handle, the test the other.
#[derive(Clone, Default)]
struct SharedMemory(Arc<Mutex<SharedRows>>);

#[derive(Default)]
struct SharedRows {
    memory: Memory,
    newest_ms: i64,
}

impl SharedMemory {
    fn lock(&self) -> MutexGuard<'_, SharedRows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kv for SharedMemory {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.lock().memory.get(key).map(<[u8]>::to_vec))
    }

    fn cas(
        &mut self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: &[u8],
        ttl_ms: i64,
    ) -> Result<Cas, KvError> {
        let mut rows = self.lock();
        let expires_ms = rows.newest_ms.saturating_add(ttl_ms.max(0));
        let write = StateWrite { key, expected, value, expires_ms };
        let applied = rows.memory.apply(&mut std::iter::once(write)).map_err(|_| KvError::Away)?;
        match applied.into_iter().next() {
            Some(Applied::Done) => Ok(Cas::Done),
            Some(Applied::Conflict(current)) => Ok(Cas::Conflict(current)),
            None => Err(KvError::Away),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_engines::flagship;
    use firstseen_runtime::{Artifact, CodeCache, Runtime};
    use firstseen_session::Rules;

    const EVENT: &str = r#"{"@timestamp":"2025-04-01T08:00:00Z","event":{"dataset":"aws.cloudtrail",
        "provider":"cloudformation.amazonaws.com","action":"CreateStack","outcome":"success"},
        "cloud":{"account":{"id":"1"}},"user":{"name":"ann"}}"#;

    #[test]
    fn what_does_not_agree_is_told() {
        // Not through the cache, which is the user's.
        let runtime = Runtime::with_cache(CodeCache::none()).unwrap();
        let artifact = Artifact::new(&runtime, "flagship".to_owned(), flagship()).unwrap();
        let start = || CrossCheck::new(Guest::new(&runtime, &artifact, "default", None).unwrap());
        let first = Memory::default();

        let told = start().compare(EVENT.as_bytes(), 0, &ExpectedAnswer::of(0), &first).unwrap();
        assert!(told.unwrap().starts_with("keys and decide return "));

        // The same outcome, and a state that only `evaluate` wrote.
        let said = start().guest.evaluate(EVENT.as_bytes(), 0).unwrap();
        let said: Value = serde_json::from_slice(&said).unwrap();
        let mut cross_check = start();
        let mut expected = ExpectedAnswer::of(1);
        expected.alerts.push(said["alerts"][0].clone());
        assert_eq!(cross_check.compare(EVENT.as_bytes(), 0, &expected, &first).unwrap(), None);
        let why: Value =
            serde_json::from_slice(&cross_check.guest.explain(EVENT.as_bytes()).unwrap()).unwrap();
        let key = why["rules"][0]["keys"][0].as_str().unwrap();
        expected.keys.push(key.as_bytes().to_vec());
        expected.alerts.clear();
        expected.repeats.push(said["alerts"][0].clone());
        let told = cross_check.compare(EVENT.as_bytes(), 0, &expected, &first).unwrap();
        assert!(told.unwrap().starts_with("evaluate leaves a different state under default:"));
    }
}

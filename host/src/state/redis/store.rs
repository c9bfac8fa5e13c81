//! The state of a run at a server.
//!
//! In: keys and writes of a round. Out: values, and what became of each write, in one round trip to each server. A write is
//! there for every process when this returns, and durable as far as the server keeps its word: so alerts
//! come after it, and those that were not written when a run died come again as repeats. It has no
//! checkpoint and no mark of an output: those would have to be in one commit with the terms.

use super::nodes::ServerCommand;
use super::{LONGEST_MS, RedisState, StoredRow, name_of, parse, row_of, script};
use crate::state::{Applied, StateError, StateStore, StateWrite};
use firstseen_rule::learn::is_learn_key;
use redis::{Script, Value, cmd, from_redis_value};
use std::collections::BTreeMap;

/// The newest time is told again when it is so much later: each time costs what a write does.
const TOLD_APART_MS: i64 = 60_000;

impl StateStore for RedisState {
    fn get_many(
        &mut self,
        keys: &mut dyn Iterator<Item = &[u8]>,
    ) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        let keys: Vec<&[u8]> = keys.collect();
        let rows = self.rows_of(&keys)?;
        Ok(rows.into_iter().map(|row| row.map(|(_, value)| value)).collect())
    }

    fn apply(
        &mut self,
        writes: &mut dyn Iterator<Item = StateWrite<'_>>,
    ) -> Result<Vec<Applied>, StateError> {
        let writes: Vec<StateWrite<'_>> = writes.collect();
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        if self.read_only {
            return Err(self.read_only());
        }
        self.in_order.take();
        let keys: Vec<&[u8]> = writes.iter().map(|write| write.key).collect();
        let slots = self.by_slot(&keys)?;
        let hash = Script::new(script::COMPARE_AND_SET).get_hash().to_owned();
        let now_ms = self.clocks.now();
        let asked = slots.iter().map(|(tag, slot)| {
            let mut ask = cmd("EVALSHA");
            ask.arg(&hash).arg(slot.len());
            for (_, name) in slot {
                ask.arg(name);
            }
            for write in slot.iter().filter_map(|(at, _)| writes.get(*at)) {
                ask.arg(if write.expected.is_some() { "1" } else { "0" });
                ask.arg(write.expected.unwrap_or_default());
                ask.arg(row_of(write.expires_ms, write.value));
                ask.arg(write.expires_ms.saturating_sub(now_ms).clamp(1, LONGEST_MS));
            }
            ServerCommand { slot: self.keys.slot(*tag), cmd: ask }
        });
        let answers = self.link.borrow_mut().ask_all(&asked.collect::<Vec<_>>())?;
        let mut out = vec![Applied::Conflict(None); writes.len()];
        let mut answered = 0;
        for (slot, answers) in slots.values().zip(answers) {
            let Value::Array(answers) = answers else {
                return Err(self.corrupt("the server answers a script with what it cannot"));
            };
            for ((at, _), answer) in slot.iter().zip(answers) {
                let applied = match answer {
                    Value::Int(1) => Applied::Done,
                    Value::Int(0) => Applied::Conflict(None),
                    Value::BulkString(value) => Applied::Conflict(Some(value)),
                    _ => {
                        return Err(self.corrupt("the server answers a script with what it cannot"));
                    }
                };
                if let Some(out) = out.get_mut(*at) {
                    *out = applied;
                    answered += 1;
                }
            }
        }
        if answered != writes.len() {
            return Err(self.corrupt("the server answers a script for another number of keys"));
        }
        Ok(out)
    }

    fn advance(&mut self, artifact: u16, newest_event_ms: i64) {
        self.clocks.advance(artifact, newest_event_ms);
    }

    fn commit(&mut self) -> Result<(), StateError> {
        let newest_ms = self.clocks.newest();
        if self.read_only || newest_ms < self.told_newest.saturating_add(TOLD_APART_MS) {
            return Ok(());
        }
        let hash = Script::new(script::NEWEST).get_hash().to_owned();
        let mut told = cmd("EVALSHA");
        told.arg(hash).arg(1).arg(self.keys.meta("newest")).arg(newest_ms);
        self.link.borrow_mut().ask::<Value>(self.keys.meta_slot(), told)?;
        self.told_newest = newest_ms;
        Ok(())
    }

    fn count(&self) -> Result<u64, StateError> {
        let keys = self.keys_in_order()?;
        Ok(keys.iter().filter(|key| !is_learn_key(key)).count() as u64)
    }

    fn is_empty(&self) -> Result<bool, StateError> {
        // A run was here before.
        Ok(self.known_until.is_none() && self.has_no_terms()?)
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn known_until(&self) -> Option<i64> {
        self.known_until
    }

    fn describe(&self) -> String {
        format!("{}, shared", self.name)
    }
}

/// The names of one slot's keys, each with the place of its key.
type SlotKeys = Vec<(usize, Vec<u8>)>;

impl RedisState {
    /// The keys by the tag of their names.
    fn by_slot(&self, keys: &[&[u8]]) -> Result<BTreeMap<[u8; 2], SlotKeys>, StateError> {
        let mut slots: BTreeMap<[u8; 2], SlotKeys> = BTreeMap::new();
        for (at, key) in keys.iter().enumerate() {
            let name = self.name_of(key)?;
            slots.entry(super::keys::tag_of(key)).or_default().push((at, name));
        }
        Ok(slots)
    }

    pub(super) fn name_of(&self, key: &[u8]) -> Result<Vec<u8>, StateError> {
        name_of(&self.keys, &self.name, key)
    }

    /// Expiry and value of each key, in one round trip to each server.
    pub(super) fn rows_of(&self, keys: &[&[u8]]) -> Result<Vec<StoredRow>, StateError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let slots = self.by_slot(keys)?;
        let asked = slots.iter().map(|(tag, slot)| {
            let mut get = cmd("MGET");
            for (_, name) in slot {
                get.arg(name);
            }
            ServerCommand { slot: self.keys.slot(*tag), cmd: get }
        });
        let answers = self.link.borrow_mut().ask_all(&asked.collect::<Vec<_>>())?;
        let mut out = vec![None; keys.len()];
        for (slot, rows) in slots.values().zip(answers) {
            let rows: Vec<Option<Vec<u8>>> = from_redis_value(rows)
                .map_err(|_| self.corrupt("the server answers for a key with what is no value"))?;
            if slot.len() != rows.len() {
                return Err(self.corrupt("the server answers for another number of keys"));
            }
            for ((at, _), row) in slot.iter().zip(rows) {
                let Some(row) = row else { continue };
                let Some((expires_ms, value)) = parse(&row) else {
                    return Err(self.corrupt("a value is too short"));
                };
                if let Some(out) = out.get_mut(*at) {
                    *out = Some((expires_ms, value.to_vec()));
                }
            }
        }
        Ok(out)
    }
}

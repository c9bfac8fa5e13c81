//! The history in memory: for one run, kept nowhere.
//!
//! In and out: keys and values. It removes what has expired whenever it has doubled, so that its
//! size follows the terms that are alive.

use super::clocks::ExpiryClocks;
use super::{Applied, StateError, StateStore, StateWrite, prefix_of};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap};

/// Below so many keys it is not worth looking for expired ones.
const SMALL: usize = 1 << 14;

/// A store that is gone when the process ends.
#[derive(Debug)]
pub struct Memory {
    terms: HashMap<Box<[u8]>, Row, RandomState>,
    clocks: ExpiryClocks,
    sweep_at: usize,
    /// How many terms each rule may have, where that is limited.
    max: Option<usize>,
    /// With so many terms of all rules it is looked whether one has too many.
    count_at: usize,
    forgotten: BTreeMap<Vec<u8>, u64>,
}

#[derive(Debug)]
struct Row {
    expires_ms: i64,
    /// The artifact that wrote it.
    artifact: u16,
    value: Box<[u8]>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            terms: HashMap::default(),
            clocks: ExpiryClocks::default(),
            sweep_at: SMALL,
            max: None,
            count_at: usize::MAX,
            forgotten: BTreeMap::new(),
        }
    }
}

impl Memory {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let alive = self.terms.get(key).filter(|row| row.expires_ms > self.clocks.now());
        alive.map(|row| &*row.value)
    }

    /// Puts a value, whatever is there.
    pub fn put(&mut self, key: &[u8], value: &[u8], expires_ms: i64) {
        let artifact = self.clocks.present();
        let row = Row { expires_ms, artifact, value: value.into() };
        match self.terms.get_mut(key) {
            Some(old) => *old = row,
            None => {
                self.terms.insert(key.into(), row);
            }
        }
    }

    /// Takes out what a rule has beyond the limit. It is looked for whenever an eighth of the limit has come
    /// in, because it costs a look at all terms.
    fn enforce(&mut self, max: usize) {
        let mut of_rules: BTreeMap<&[u8], Vec<(i64, &[u8])>> = BTreeMap::new();
        for (key, row) in &self.terms {
            if let Some(prefix) = prefix_of(key) {
                of_rules.entry(prefix).or_default().push((row.expires_ms, key));
            }
        }
        let mut gone: Vec<Box<[u8]>> = Vec::new();
        for (prefix, mut terms) in of_rules {
            if let Some(excess @ 1..) = terms.len().checked_sub(max) {
                terms.sort_unstable();
                gone.extend(terms.iter().take(excess).map(|(_, key)| Box::from(*key)));
                *self.forgotten.entry(prefix.to_vec()).or_default() += excess as u64;
            }
        }
        gone.iter().for_each(|key| _ = self.terms.remove(key));
        self.count_at = self.terms.len() + (max / 8).max(1);
    }

    fn write(&mut self, write: &StateWrite<'_>) -> Applied {
        let StateWrite { key, expected, value, expires_ms } = *write;
        let (now_ms, artifact) = (self.clocks.now(), self.clocks.present());
        match self.terms.get_mut(key) {
            Some(row) => {
                let current = (row.expires_ms > now_ms).then_some(&*row.value);
                if current != expected {
                    return Applied::Conflict(current.map(<[u8]>::to_vec));
                }
                *row = Row { expires_ms, artifact, value: value.into() };
            }
            None if expected.is_some() => return Applied::Conflict(None),
            None => {
                self.terms.insert(key.into(), Row { expires_ms, artifact, value: value.into() });
            }
        }
        Applied::Done
    }
}

impl StateStore for Memory {
    fn get_many(
        &mut self,
        keys: &mut dyn Iterator<Item = &[u8]>,
    ) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        Ok(keys.map(|key| self.get(key).map(<[u8]>::to_vec)).collect())
    }

    fn apply(
        &mut self,
        writes: &mut dyn Iterator<Item = StateWrite<'_>>,
    ) -> Result<Vec<Applied>, StateError> {
        Ok(writes.map(|write| self.write(&write)).collect())
    }

    fn advance(&mut self, artifact: u16, newest_event_ms: i64) {
        self.clocks.advance(artifact, newest_event_ms);
    }

    fn commit(&mut self) -> Result<(), StateError> {
        if self.terms.len() >= self.sweep_at {
            self.terms.retain(|_, row| row.expires_ms > self.clocks.of(row.artifact));
            self.sweep_at = (2 * self.terms.len()).max(SMALL);
        }
        if let Some(max) = self.max.filter(|_| self.terms.len() >= self.count_at) {
            self.enforce(max);
        }
        Ok(())
    }

    fn limit_terms(&mut self, max: u64) -> Result<(), StateError> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        (self.max, self.count_at) = (Some(max), max.saturating_add(1));
        Ok(())
    }

    fn take_forgotten(&mut self) -> BTreeMap<Vec<u8>, u64> {
        std::mem::take(&mut self.forgotten)
    }

    fn count(&self) -> Result<u64, StateError> {
        Ok(self.terms.len() as u64)
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        "memory, nothing is kept; --state PATH keeps it".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_until_they_expire() {
        let mut store = Memory::default();
        store.put(b"k", b"1", 100);
        store.put(b"k", b"2", 200);
        store.advance(0, 199);
        store.advance(0, 5);
        assert_eq!(store.get(b"k"), Some(&b"2"[..]));
        store.advance(0, 200);
        assert_eq!(store.get(b"k"), None);
    }

    #[test]
    fn a_write_needs_the_expected_value() {
        let mut store = Memory::default();
        let write = |expected, value| StateWrite { key: b"k", expected, value, expires_ms: 100 };
        let conflict = |value: &[u8]| Applied::Conflict(Some(value.to_vec()));
        assert_eq!(store.write(&write(Some(b"0"), b"1")), Applied::Conflict(None));
        assert_eq!(store.write(&write(None, b"1")), Applied::Done);
        assert_eq!(store.write(&write(None, b"2")), conflict(b"1"));
        assert_eq!(store.write(&write(Some(b"0"), b"2")), conflict(b"1"));
        assert_eq!(store.write(&write(Some(b"1"), b"2")), Applied::Done);
        // An expired value is absent.
        store.advance(0, 100);
        assert_eq!(store.write(&write(Some(b"2"), b"3")), Applied::Conflict(None));
        assert_eq!(store.write(&write(None, b"3")), Applied::Done);
    }

    #[test]
    fn size_follows_what_is_alive() {
        let mut store = Memory::default();
        for i in 0..10 * SMALL as i64 {
            store.advance(0, i);
            store.put(&i.to_le_bytes(), b"", i + 100);
            store.commit().unwrap();
            assert!(store.count().unwrap() <= SMALL as u64);
        }
        assert!(store.get(&(10 * SMALL as i64 - 1).to_le_bytes()).is_some());
    }
}

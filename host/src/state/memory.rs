//! The history in memory: for one run, kept nowhere.
//!
//! In and out: keys and values. It removes what has expired whenever it has doubled, so that its
//! size follows the terms that are alive.
use super::{StateError, Store};
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// Below so many keys it is not worth looking for expired ones.
const SMALL: usize = 1 << 14;

/// A store that is gone when the process ends.
#[derive(Debug)]
pub struct Memory {
    terms: HashMap<Box<[u8]>, Row, RandomState>,
    now_ms: i64,
    sweep_at: usize,
}

#[derive(Debug)]
struct Row {
    expires_ms: i64,
    value: Box<[u8]>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { terms: HashMap::default(), now_ms: i64::MIN, sweep_at: SMALL }
    }
}

impl Store for Memory {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let alive = self.terms.get(key).filter(|row| row.expires_ms > self.now_ms);
        Ok(alive.map(|row| row.value.to_vec()))
    }

    fn put(&mut self, key: &[u8], value: &[u8], expires_ms: i64) -> Result<(), StateError> {
        let row = Row { expires_ms, value: value.into() };
        match self.terms.get_mut(key) {
            Some(old) => *old = row,
            None => {
                self.terms.insert(key.into(), row);
            }
        }
        Ok(())
    }

    fn advance(&mut self, newest_event_ms: i64) {
        self.now_ms = self.now_ms.max(newest_event_ms);
    }

    fn commit(&mut self) -> Result<(), StateError> {
        if self.terms.len() >= self.sweep_at {
            self.terms.retain(|_, row| row.expires_ms > self.now_ms);
            self.sweep_at = (2 * self.terms.len()).max(SMALL);
        }
        Ok(())
    }

    fn count(&self) -> Result<u64, StateError> {
        Ok(self.terms.len() as u64)
    }

    fn describe(&self) -> String {
        "memory, nothing is kept; --state PATH keeps it".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_there_until_they_expire() {
        let mut store = Memory::default();
        store.put(b"k", b"1", 100).unwrap();
        store.put(b"k", b"2", 200).unwrap();
        store.advance(199);
        store.advance(5);
        assert_eq!(store.get(b"k").unwrap().as_deref(), Some(&b"2"[..]));
        store.advance(200);
        assert_eq!(store.get(b"k").unwrap(), None);
    }

    #[test]
    fn the_size_follows_what_is_alive() {
        let mut store = Memory::default();
        for i in 0..10 * SMALL as i64 {
            store.advance(i);
            store.put(&i.to_le_bytes(), b"", i + 100).unwrap();
            store.commit().unwrap();
            assert!(store.count().unwrap() <= SMALL as u64);
        }
        assert!(store.get(&(10 * SMALL as i64 - 1).to_le_bytes()).unwrap().is_some());
    }
}

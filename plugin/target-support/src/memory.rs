//! A state in memory for pipelines that keep none, within a limit.
//!
//! In and out: keys and values. At the limit it forgets what was written longest ago, which is what
//! was not sighted for longest, and counts it: a term that is forgotten is new again. It expires
//! nothing by time: the rule itself looks at the window, and one event dated wrongly must not make
//! the rest forgotten. When a rule began to learn is never forgotten, or it would begin anew, in silence; it
//! takes at most half of the limit, and beyond that no new start is taken.

use firstseen_abi::kv::{Cas, Kv, KvError};
use firstseen_rule::learn::is_learn_key;
use std::collections::BTreeMap;

/// What a term costs besides its key and its value: two trees point at it.
const OVERHEAD: usize = 96;

/// What an operator has to know when terms begin to be forgotten.
pub const FULL: &str = "state_limit: the state is full, and the terms that were not sighted for \
    longest are forgotten: they will be new again; build with a larger --state-limit";

/// A store that holds at most so many bytes.
#[derive(Debug)]
pub struct BoundedMemory {
    values: BTreeMap<Box<[u8]>, Row>,
    /// Keys by when they were written.
    order: BTreeMap<u64, Box<[u8]>>,
    /// Of starts of learning, which stay.
    kept: usize,
    writes: u64,
    held: usize,
    limit: usize,
    forgotten: u64,
}

#[derive(Debug)]
struct Row {
    value: Box<[u8]>,
    written: u64,
}

impl BoundedMemory {
    /// An empty one that holds at most so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let (values, order) = (BTreeMap::new(), BTreeMap::new());
        Self { values, order, kept: 0, writes: 0, held: 0, limit, forgotten: 0 }
    }

    /// The value of a key.
    #[must_use]
    pub fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.values.get(key).map(|row| &*row.value)
    }

    /// Writes a value, whatever the key holds, and forgets others until the limit holds. A value
    /// that alone is over the limit is kept: it is the one that is needed now.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.writes = self.writes.saturating_add(1);
        let row = Row { value: value.into(), written: self.writes };
        self.held = self.held.saturating_add(cost(key, value));
        let stays = is_learn_key(key);
        if let Some(old) = self.values.insert(key.into(), row) {
            let cost = cost(key, &old.value);
            self.held = self.held.saturating_sub(cost);
            self.order.remove(&old.written);
            self.kept = self.kept.saturating_sub(if stays { cost } else { 0 });
        }
        if stays {
            self.kept = self.kept.saturating_add(cost(key, value));
        } else {
            self.order.insert(self.writes, key.into());
        }
        while self.held > self.limit && self.order.len() > 1 {
            let Some((_, key)) = self.order.pop_first() else { return };
            if let Some(row) = self.values.remove(&key) {
                self.held = self.held.saturating_sub(cost(&key, &row.value));
                self.forgotten = self.forgotten.saturating_add(1);
            }
        }
    }

    /// All keys and values: starts of learning, then those first that were written longest ago.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let starts = self.values.iter().filter(|(key, _)| is_learn_key(key));
        let starts = starts.map(|(key, row)| (&**key, &*row.value));
        starts.chain(self.order.values().filter_map(|key| Some((&**key, self.value(key)?))))
    }

    /// How many keys it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many keys it forgot because of the limit.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

const fn cost(key: &[u8], value: &[u8]) -> usize {
    // The key is in both trees.
    key.len().saturating_mul(2).saturating_add(value.len()).saturating_add(OVERHEAD)
}

impl Kv for BoundedMemory {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.value(key).map(<[u8]>::to_vec))
    }

    fn cas(
        &mut self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: &[u8],
        _ttl_ms: i64,
    ) -> Result<Cas, KvError> {
        let current = self.value(key);
        if current != expected {
            return Ok(Cas::Conflict(current.map(<[u8]>::to_vec)));
        }
        let is_full = self.kept.saturating_add(cost(key, value)) > self.limit / 2;
        if current.is_none() && is_full && is_learn_key(key) {
            return Err(KvError::Refused);
        }
        self.put(key, value);
        Ok(Cas::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_only_over_the_expected_one() {
        let mut store = BoundedMemory::new(1 << 20);
        assert_eq!(store.cas(b"k", None, b"1", 1), Ok(Cas::Done));
        assert_eq!(store.cas(b"k", None, b"2", 1), Ok(Cas::Conflict(Some(b"1".to_vec()))));
        assert_eq!(store.cas(b"k", Some(b"1"), b"2", 1), Ok(Cas::Done));
        assert_eq!(store.cas(b"x", Some(b"1"), b"2", 1), Ok(Cas::Conflict(None)));
        assert_eq!(store.get(b"k"), Ok(Some(b"2".to_vec())));
    }

    #[test]
    fn a_start_of_learning_is_never_forgotten_and_many_are_not_taken() {
        let start = |i: u8| format!("t:r:f:learn:{:032x}", i).into_bytes();
        let mut store = BoundedMemory::new(4 * cost(&start(0), b"v"));
        for i in 0..2 {
            assert_eq!(store.cas(&start(i), None, b"v", 1), Ok(Cas::Done));
        }
        assert_eq!(store.cas(&start(2), None, b"v", 1), Err(KvError::Refused));
        // One that is there may count on.
        assert_eq!(store.cas(&start(1), Some(b"v"), b"w", 1), Ok(Cas::Done));
        assert_eq!(store.kept, 2 * cost(&start(0), b"v"));
        for i in 0..99u8 {
            store.put(&[b'k', i], b"v");
        }
        assert!(store.forgotten() > 0 && store.value(&start(0)).is_some());
        let keys: Vec<_> = store.iter().map(|(key, _)| key.to_vec()).collect();
        assert_eq!(keys[..2], [start(0), start(1)]);
        assert_eq!(keys.len(), store.len());
    }

    #[test]
    fn at_the_limit_what_was_written_longest_ago_goes() {
        let mut store = BoundedMemory::new(10 * cost(b"k0", b"v"));
        for i in 0..10u8 {
            store.put(&[b'k', i], b"v");
        }
        assert_eq!((store.len(), store.forgotten()), (10, 0));
        // Written again: now it is the newest.
        store.put(&[b'k', 0], b"w");
        store.put(&[b'k', 10], b"v");
        assert_eq!((store.len(), store.forgotten()), (10, 1));
        assert_eq!(store.value(&[b'k', 0]), Some(&b"w"[..]));
        assert_eq!(store.value(&[b'k', 1]), None);
        assert_eq!(store.iter().next().map(|(key, _)| key.to_vec()), Some(vec![b'k', 2]));
        store.put(b"large", &[0; 1 << 12]);
        assert_eq!((store.len(), store.value(b"large").map(<[u8]>::len)), (1, Some(1 << 12)));
    }
}

//! A state without expiry that all clones of a store share.

use firstseen_abi::kv::{Cas, Kv, KvError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Keys and values.
pub type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store. Clones share its content.
#[derive(Clone, Debug, Default)]
pub struct Store(Arc<Mutex<Rows>>);

impl Store {
    /// The content.
    ///
    /// # Panics
    /// If another thread panicked while it held the lock.
    pub fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().expect("no holder panics")
    }
}

impl Kv for Store {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.rows().get(key).cloned())
    }

    fn cas(
        &mut self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: &[u8],
        _ttl_ms: i64,
    ) -> Result<Cas, KvError> {
        let mut rows = self.rows();
        let current = rows.get(key);
        if current.map(Vec::as_slice) != expected {
            return Ok(Cas::Conflict(current.cloned()));
        }
        rows.insert(key.to_vec(), value.to_vec());
        Ok(Cas::Done)
    }
}

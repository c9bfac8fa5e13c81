//! A store for tests that all clones share: the memory that pipelines' modules keep their state in,
//! without a limit.

use firstseen_abi::kv::{Cas, Kv, KvError};
use firstseen_target_support::memory::BoundedMemory;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Keys and values.
pub type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store. Clones share its content.
#[derive(Clone, Debug)]
pub struct Store(Arc<Mutex<BoundedMemory>>);

impl Default for Store {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(BoundedMemory::new(usize::MAX))))
    }
}

impl Store {
    /// The content.
    ///
    /// # Panics
    /// If another thread panicked while it held the lock.
    pub fn rows(&self) -> Rows {
        self.lock().iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    /// Writes a value, whatever the key has.
    ///
    /// # Panics
    /// If another thread panicked while it held the lock.
    pub fn put(&self, key: &[u8], value: &[u8]) {
        self.lock().put(key, value);
    }

    fn lock(&self) -> MutexGuard<'_, BoundedMemory> {
        self.0.lock().expect("no holder panics")
    }
}

impl Kv for Store {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.lock().get(key)
    }

    fn cas(
        &mut self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: &[u8],
        ttl_ms: i64,
    ) -> Result<Cas, KvError> {
        self.lock().cas(key, expected, value, ttl_ms)
    }
}

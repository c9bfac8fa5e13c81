//! The host's store and its two imports, as in docs/abi.md.
//!
//! In: untrusted ranges of the guest's memory. Out: the codes of the contract. Values do not
//! expire, because the time to live is only for garbage collection.

use crate::engine::Memory;
use firstseen_abi::{MAX_KEY, MAX_VALUE, kv};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Keys and values.
pub(crate) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// The keys that a guest may access, and the state.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// The allowed key prefixes: `TENANT:` and a prefix of the artifact.
    pub(crate) prefixes: Vec<String>,
    /// The state.
    pub(crate) rows: Rows,
}

/// Shared by the host and the imports.
pub(crate) type Shared = Arc<Mutex<Store>>;

impl Store {
    /// Whether a key belongs to the artifact.
    pub(crate) fn owns(&self, key: &[u8]) -> bool {
        key.len() <= MAX_KEY && self.prefixes.iter().any(|own| key.starts_with(own.as_bytes()))
    }
}

/// The import `kv_get`: key and length, buffer and capacity.
pub(crate) fn kv_get(memory: &mut impl Memory, store: &Shared, call: [u32; 4]) -> i32 {
    let [key, key_len, buf, cap] = call;
    let store = store.lock().expect("one thread");
    let Some(key) = memory.get(key, key_len).filter(|key| store.owns(key)) else {
        return kv::REFUSED;
    };
    match store.rows.get(&key) {
        None => kv::ABSENT,
        Some(value) => hand_over(memory, value, buf, cap),
    }
}

/// The import `kv_cas`: key, expected and new value, each with its length; time to live; buffer and
/// capacity.
pub(crate) fn kv_cas(
    memory: &mut impl Memory,
    store: &Shared,
    call: [u32; 6],
    ttl_ms: i64,
    [buf, cap]: [u32; 2],
) -> i32 {
    let [key, key_len, expected, expected_len, new, new_len] = call;
    let mut store = store.lock().expect("one thread");
    let key = memory.get(key, key_len).filter(|key| store.owns(key));
    let new = memory.get(new, new_len).filter(|new| new.len() <= MAX_VALUE && ttl_ms > 0);
    let absent = expected_len.cast_signed() == kv::ABSENT;
    let expected = if absent { Some(None) } else { memory.get(expected, expected_len).map(Some) };
    let (Some(key), Some(new), Some(expected)) = (key, new, expected) else { return kv::REFUSED };
    let current = store.rows.get(&key);
    if current == expected.as_ref() {
        store.rows.insert(key, new);
        return kv::DONE;
    }
    match current {
        None => kv::CONFLICT_ABSENT,
        Some(value) => match hand_over(memory, value, buf, cap) {
            refused if refused < 0 => refused,
            len => kv::CONFLICT | len,
        },
    }
}

/// Copies a value to the guest's buffer if it fits, and returns its length.
fn hand_over(memory: &mut impl Memory, value: &[u8], buf: u32, cap: u32) -> i32 {
    if value.len() <= cap as usize && !memory.put(buf, value) {
        return kv::REFUSED;
    }
    i32::try_from(value.len()).unwrap_or(kv::REFUSED)
}

//! The store that `evaluate` reads and writes: the codes of the imports, and the trait behind them.
//!
//! In: keys and values. Out: values, or why there is none. A guest calls the trait over its
//! imports, a host answers the imports by the trait, and native callers of crate rule pass any
//! store that implements it. It never looks into a value.

use alloc::vec::Vec;

/// `kv_get`: the key is absent. `kv_cas`, as the expected length: it must be absent.
pub const ABSENT: i32 = -1;
/// The store cannot be reached; nothing was written.
pub const AWAY: i32 = -2;
/// The host refuses the call: a key outside the artifact's prefix, or over a limit.
pub const REFUSED: i32 = -3;
/// `kv_cas`: written.
pub const DONE: i32 = 0;
/// `kv_cas`: the key has another value. It is in the buffer, and its length is in the low 30 bits
/// of the result (`CONFLICT | length`). [`CONFLICT_ABSENT`] when there is none.
pub const CONFLICT: i32 = 1 << 30;
/// `kv_cas`: a value was expected and there is none.
pub const CONFLICT_ABSENT: i32 = 1;

/// Why a store gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvError {
    /// It cannot be reached; the event may be passed in again.
    Away,
    /// It refuses the key or the value.
    Refused,
}

/// The result of compare-and-set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cas {
    /// The value was written.
    Done,
    /// The key has another value, this one or none; nothing was written.
    Conflict(Option<Vec<u8>>),
}

/// A store with get and compare-and-set, one call at a time.
pub trait Kv {
    /// The value of a key; `None` when there is none.
    ///
    /// # Errors
    /// [`KvError`] when the store gave no answer.
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;

    /// Writes when the present value is the expected one (`None`: absent). The store must keep the
    /// value for `ttl_ms` milliseconds.
    ///
    /// # Errors
    /// [`KvError`] when the store gave no answer; as far as is known nothing was written.
    fn cas(
        &mut self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: &[u8],
        ttl_ms: i64,
    ) -> Result<Cas, KvError>;
}

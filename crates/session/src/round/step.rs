//! What a round asks of its caller, and what it is answered.
//!
//! In: nothing. Out: the steps, a write that is asked for, and what became of one.

use alloc::string::String;
use alloc::vec::Vec;

/// What a round needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The values of [`Round::keys_to_read`](super::Round::keys_to_read), by [`Round::values`](super::Round::values).
    Read,
    /// The texts of [`Round::texts_to_fetch`](super::Round::texts_to_fetch), by [`Round::texts`](super::Round::texts).
    Text,
    /// The results of [`Round::writes`](super::Round::writes), by [`Round::written`](super::Round::written).
    Write,
    /// Nothing: [`Round::finish`](super::Round::finish).
    Done,
}

/// A write that a round asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedWrite<'r> {
    /// The state key.
    pub key: &'r [u8],
    /// The value that has to be there now; `None`: none.
    pub expected: Option<&'r [u8]>,
    /// The new value.
    pub value: &'r [u8],
    /// How long the store must keep it, in milliseconds.
    pub ttl_ms: i64,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteResult {
    /// The write was made.
    Done,
    /// Another value is there: this one, or none.
    Conflict(Option<Vec<u8>>),
    /// Another value is there, and the store does not say which: it is read again.
    ConflictUnread,
    /// The store did not answer: `code: reason`.
    Failed(String),
}

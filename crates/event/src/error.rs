//! What can be wrong with an event: a stable code, a sentence, and the place.

use alloc::string::String;

/// Why an event could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {at} ({code})")]
pub struct EventError {
    /// Stable, for machines: `bad_json`, `not_an_object`, `too_deep`, `too_large`, `no_time`,
    /// `bad_time`, `not_one_event`.
    pub code: &'static str,
    /// For people: what is wrong and, where it helps, what was expected.
    pub reason: String,
    /// Where, as a byte offset in the text that was handed in.
    pub at: usize,
}

impl EventError {
    /// A fault in the JSON itself. Out of line, so that the scanner's loops stay small.
    #[cold]
    #[inline(never)]
    pub(crate) fn json(reason: &str, at: usize) -> Self {
        Self::new("bad_json", reason, at)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn new(code: &'static str, reason: impl Into<String>, at: usize) -> Self {
        Self { code, reason: reason.into(), at }
    }
}

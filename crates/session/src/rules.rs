//! The interface to an artifact's rules: a guest in WebAssembly, or the native engine.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use firstseen_abi::RequestWriter;

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The guest trapped: a fault of the guest, for this input.
    #[error("the rule trapped: {0}")]
    Trap(String),
    /// The guest ran over its deadline.
    #[error("the rule ran over its time")]
    Deadline,
    /// The guest has no room for an input of so many bytes.
    #[error("the rule has no room for {0} bytes")]
    NoRoom(usize),
    /// What the guest returned breaks the contract.
    #[error("the rule broke the contract: {0}")]
    Contract(String),
    /// The guest ran over its deadline so often that it is not called any more.
    #[error("rule {rule} ran over its time {overruns} times and is stopped for this run")]
    Stopped {
        /// The artifact's name: dead letters say which rule did not judge them.
        rule: Arc<str>,
        /// How often.
        overruns: u32,
    },
}

impl CallError {
    /// Its code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        if matches!(self, Self::Stopped { .. }) { "rule_stopped" } else { "rule_failed" }
    }

    /// The error as `code: reason`.
    #[must_use]
    pub fn coded(&self) -> String {
        format!("{}: {self}", self.code())
    }
}

/// Step two of the contract, all that a [`Round`](crate::Round) needs.
pub trait Decide {
    /// Decides; the result has the layout of [`firstseen_abi::Decision`].
    ///
    /// # Errors
    /// [`CallError`]; the rule is ready for the next call.
    fn decide(&mut self, request: &RequestWriter) -> Result<Vec<u8>, CallError>;

    /// Whether a state key is of this artifact's own rules.
    fn owns(&self, key: &[u8]) -> bool;

    /// How many rules the artifact has: items name them by their numbers.
    fn rule_count(&self) -> usize {
        usize::from(u16::MAX).saturating_add(1)
    }

    /// Whether a text can be an alert of this rule. An untrusted rule's alerts are looked at more closely.
    fn is_alert(&self, _rule: u16, text: &str) -> bool {
        !text.contains('\n')
    }
}

/// All of an artifact's calls; one thread at a time makes them.
pub trait Rules: Decide + Send {
    /// Step one on events given by offset and length in `buffer`; the result has the layout of
    /// [`firstseen_abi::Keys`]. `now_ms` is the clock, or 0 where there is none.
    ///
    /// # Errors
    /// [`CallError`]; the rule is ready for the next call.
    fn keys(
        &mut self,
        buffer: &[u8],
        table: &[(u32, u32)],
        now_ms: i64,
    ) -> Result<Vec<u8>, CallError>;

    /// Why an event matched or not, as JSON.
    ///
    /// # Errors
    /// [`CallError`]; the rule is ready for the next call.
    fn explain(&mut self, event: &[u8]) -> Result<Vec<u8>, CallError>;

    /// Takes other settings; where they are refused, those from before stay.
    ///
    /// # Errors
    /// What the rule says of them, or how it failed.
    fn configure(&mut self, settings: &str) -> Result<(), String>;

    /// What the rule logged since the last look: level and line.
    fn take_log(&mut self) -> Vec<(i32, String)>;
}

//! A state as a person looks at it and corrects it.
//!
//! In: ranges of keys; changes, and the entry of the log that tells of them. Out: terms with their
//! expiry, the log. A change is durable together with its entry, or nothing of it is. It judges no
//! event. A store that implements the two traits can be used by every command of `firstseen state`.

use super::{PrefixOwner, PrefixRecord, StateError, StateHistory};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// A term as a store has it.
#[derive(Debug, Clone, Copy)]
pub struct StoredTerm<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
    /// When it may go, in event time, milliseconds since 1970.
    pub expires_ms: i64,
}

/// What [`StateAdmin::each_term`] calls with each term.
pub type EachStored<'e> = dyn FnMut(StoredTerm<'_>) -> ControlFlow<()> + 'e;

/// What [`StateAdmin::edit`] calls once.
pub type EditWork<'e> = dyn FnMut(&mut dyn StateEdit) -> anyhow::Result<()> + 'e;

/// A change that a person made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When, by the clock of the machine, RFC 3339.
    pub at: String,
    /// Who.
    pub who: String,
    /// Which command: `approve`, `forget`, `import`, `compact`, `migrate`.
    pub action: String,
    /// How many terms it changed.
    pub terms: u64,
    /// What it did, in words.
    pub what: String,
    /// Why, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A state that can be looked at and corrected.
pub trait StateAdmin: StateHistory {
    /// The committed terms from `from` on, up to and without `to` where there is one, in the order of
    /// their keys, expired ones too, until `each` breaks.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn each_term(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        each: &mut EachStored<'_>,
    ) -> Result<(), StateError>;

    /// The terms of these keys.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn stored(&self, key: &[u8]) -> Result<Option<(Vec<u8>, i64)>, StateError>;

    /// Makes one change: all that `work` did is durable when this returns, or nothing where it failed.
    ///
    /// # Errors
    /// When `work` failed, or the store cannot be written.
    fn edit(&mut self, work: &mut EditWork<'_>) -> anyhow::Result<()>;

    /// The log, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn log(&self) -> Result<Vec<AuditEntry>, StateError>;
}

/// A change on its way.
pub trait StateEdit {
    /// A term's value and its expiry, with what this change wrote.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, i64)>, StateError>;

    /// Writes a term.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn put(&mut self, term: StoredTerm<'_>) -> Result<(), StateError>;

    /// Removes a term; whether it was there.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn remove(&mut self, key: &[u8]) -> Result<bool, StateError>;

    /// Writes what is kept of a rule.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn record(&mut self, record: &PrefixRecord) -> Result<(), StateError>;

    /// Writes who owns a prefix.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn own(&mut self, owner: &PrefixOwner) -> Result<(), StateError>;

    /// Adds an entry to the log.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn log(&mut self, entry: &AuditEntry) -> Result<(), StateError>;
}

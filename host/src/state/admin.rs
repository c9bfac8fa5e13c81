//! A state as a person looks at it and corrects it.
//!
//! In: ranges of keys; changes, and the entry of the log that tells of them. Out: terms with their
//! expiry, the log. A change is durable together with its entry, or nothing of it is. It judges no
//! event. A store that implements the two traits can be used by every command of `firstseen state`.

use super::{EachTerm, PrefixOwner, PrefixRecord, StateError, StateHistory, StoredRun};
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

impl AuditEntry {
    /// Reads an entry; of one that a newer version wrote in another way, its text.
    #[must_use]
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self {
            at: String::new(),
            who: String::new(),
            action: "unknown".to_owned(),
            terms: 0,
            what: text.to_owned(),
            reason: None,
        })
    }
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

    /// The runs that can be resumed, by their names.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn stored_runs(&self) -> Result<Vec<(String, StoredRun)>, StateError> {
        Ok(Vec::new())
    }
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

impl StateHistory for Box<dyn StateAdmin> {
    fn records(&self) -> Result<Vec<PrefixRecord>, StateError> {
        (**self).records()
    }

    fn owners(&self) -> Result<Vec<PrefixOwner>, StateError> {
        (**self).owners()
    }

    fn record(&mut self, records: &[PrefixRecord]) -> Result<(), StateError> {
        (**self).record(records)
    }

    fn scan(&self, from: &[u8], to: &[u8], each: &mut EachTerm<'_>) -> Result<(), StateError> {
        (**self).scan(from, to, each)
    }

    fn prefixes_of(&self, of_rule: &str) -> Result<Vec<String>, StateError> {
        (**self).prefixes_of(of_rule)
    }
}

/// A state of any kind.
impl StateAdmin for Box<dyn StateAdmin> {
    fn each_term(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        each: &mut EachStored<'_>,
    ) -> Result<(), StateError> {
        (**self).each_term(from, to, each)
    }

    fn stored(&self, key: &[u8]) -> Result<Option<(Vec<u8>, i64)>, StateError> {
        (**self).stored(key)
    }

    fn edit(&mut self, work: &mut EditWork<'_>) -> anyhow::Result<()> {
        (**self).edit(work)
    }

    fn log(&self) -> Result<Vec<AuditEntry>, StateError> {
        (**self).log()
    }

    fn stored_runs(&self) -> Result<Vec<(String, StoredRun)>, StateError> {
        (**self).stored_runs()
    }
}

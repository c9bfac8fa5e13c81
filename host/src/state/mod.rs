//! The history of terms: a small key-value store with expiry by event time.
//!
//! In: keys and values as the module made them. Out: the same, until they expire. Backends:
//! [`Memory`], which keeps nothing, [`Redb`], one crash-safe file, and `RedisState`, a server that several
//! processes share; [`ScratchState`] lays over any, [`CarryOver`] reads a changed rule's older keys. A store knows nothing of
//! what a value means, and has no clock: [`StateStore::advance`]
//! gives it the time.

pub mod admin;
mod carry;
mod clocks;
mod file;
mod memory;
mod owner;
#[cfg(feature = "redis")]
mod redis;
mod runs;
mod scratch;
pub mod shared;

pub use carry::{CarryOver, fingerprint_under, record_of};
pub use clocks::NewestTimes;
pub use file::{Redb, VerifiedState};
pub use memory::Memory;
pub use owner::{OwnerChanges, PrefixOwner, claim};
#[cfg(feature = "redis")]
pub use redis::RedisState;
pub use runs::{
    BatchPosition, BatchRecord, RecordedInput, RunChange, RunUse, StoredRun, StreamPosition,
    digest_text,
};
pub use scratch::ScratchState;
pub use shared::SharedOptions;

use firstseen_rule::learn::is_learn_key;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// A write that counts only where the expected value is there.
#[derive(Debug, Clone, Copy)]
pub struct StateWrite<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value that has to be there; `None`: none.
    pub expected: Option<&'a [u8]>,
    /// The new value.
    pub value: &'a [u8],
    /// When it may go, in event time, milliseconds since 1970.
    pub expires_ms: i64,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The write was made; it is durable with the next commit.
    Done,
    /// Another value is there: this one, or none.
    Conflict(Option<Vec<u8>>),
}

/// Where the history lives.
pub trait StateStore {
    /// The values of these keys, in their order. Sees what this run wrote, committed or not; an
    /// expired value is absent.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get_many(
        &mut self,
        keys: &mut dyn Iterator<Item = &[u8]>,
    ) -> Result<Vec<Option<Vec<u8>>>, StateError>;

    /// Makes the writes whose expected values are there; the results, in their order.
    ///
    /// # Errors
    /// When the store takes no writes.
    fn apply(
        &mut self,
        writes: &mut dyn Iterator<Item = StateWrite<'_>>,
    ) -> Result<Vec<Applied>, StateError>;

    /// Takes the time of the newest event of an artifact, by its number in the run. It never goes back,
    /// and it is nothing to other artifacts' terms. The reads and writes that follow are this artifact's.
    fn advance(&mut self, artifact: u16, newest_event_ms: i64);

    /// Makes everything written since the last commit durable at once, or nothing of it, and removes
    /// some of what has expired.
    ///
    /// # Errors
    /// When it could not be written; what was committed before stays.
    fn commit(&mut self) -> Result<(), StateError>;

    /// How many keys there are, with expired ones that were not removed yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn count(&self) -> Result<u64, StateError>;

    /// Whether it has no term.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn is_empty(&self) -> Result<bool, StateError> {
        Ok(self.count()? == 0)
    }

    /// Whether other processes write to it at the same time. Then each write is there at once, before
    /// the alert that it belongs to, and repeats are given like alerts.
    fn is_shared(&self) -> bool {
        false
    }

    /// For the summary: what it is and what becomes of it.
    fn describe(&self) -> String;

    /// Whether what is committed outlives the process: then the alerts that it knows have to, too.
    fn is_durable(&self) -> bool {
        true
    }

    /// The newest time of events that earlier runs committed, where it is known: terms whose last
    /// sighting is a window older may be forgotten.
    fn known_until(&self) -> Option<i64> {
        None
    }

    /// The bytes that wait in memory for the next commit.
    fn waiting_bytes(&self) -> usize {
        0
    }

    /// Lets no rule have more terms than this: with each commit those beyond it go that were written the
    /// longest ago.
    ///
    /// # Errors
    /// Where the store has no limit; when it cannot be read.
    fn limit_terms(&mut self, _max: u64) -> Result<(), StateError> {
        Err(StateError::Failed {
            path: "--max-terms".to_owned(),
            reason: "this kind of state has no limit of its own".to_owned(),
        })
    }

    /// How many terms went because of the limit since this was asked last, by the prefix of their keys.
    fn take_forgotten(&mut self) -> BTreeMap<Vec<u8>, u64> {
        BTreeMap::new()
    }

    /// Keeps how long an output is, with the next commit.
    fn mark(&mut self, _mark: OutputMark) {}

    /// How long the output at this path was at the last commit.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn marked(&self, _path: &str) -> Result<Option<OutputMark>, StateError> {
        Ok(None)
    }

    /// Changes what is kept of a run, with the next commit.
    fn change_run(&mut self, _run: &str, _change: RunChange) {}

    /// What is kept of a run.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn stored_run(&self, _run: &str) -> Result<StoredRun, StateError> {
        Ok(StoredRun::default())
    }
}

/// An output as it was when the state was committed: what is behind it no state knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputMark {
    /// The path, without links.
    #[serde(skip)]
    pub path: String,
    /// The file's number in its file system: another file at the path is not meant.
    pub inode: u64,
    /// Its length in bytes.
    pub length: u64,
    /// A digest of its last bytes, where it could be read: a file that goes on from here has them too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<String>,
    /// A digest of all of it, where it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<WholeOutput>,
    /// Whether the run that wrote it went on after this: then what is behind is that run's, if it died.
    #[serde(default)]
    pub open: bool,
}

/// All of an output as a digest, and when the file was changed last: as long as that stands, nobody edited it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WholeOutput {
    /// A digest of its whole blocks of 1 MiB, one behind the other.
    pub blocks: String,
    /// A digest of what is behind them.
    pub rest: String,
    /// Seconds and nanoseconds of the last change, as the system counts it.
    pub changed: (i64, i64),
}

/// What a state keeps of a rule whose terms are under one prefix of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixRecord {
    /// `TENANT:RULE_ID:FINGERPRINT:`.
    #[serde(skip)]
    pub prefix: String,
    /// The rule's name, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new-terms fields.
    pub fields: Vec<String>,
    /// The window in milliseconds.
    pub window_ms: i64,
    /// The window as the rule writes it.
    pub window: String,
    /// The field that the time of an event is read from, where that is not `@timestamp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_field: Option<String>,
    /// The rule's `state_epoch`, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// Counts up: the prefix with the highest number is the one that its rule has now.
    pub used: u64,
}

impl PrefixRecord {
    /// What is kept of a rule under its prefix, where it can be read.
    pub(crate) fn read(prefix: &str, text: &str) -> Option<Self> {
        let record = serde_json::from_str::<Self>(text).ok()?;
        Some(Self { prefix: prefix.to_owned(), ..record })
    }
}

/// A store that outlives a run, and what it knows of runs before.
pub trait StateHistory {
    /// The records of all prefixes.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn records(&self) -> Result<Vec<PrefixRecord>, StateError>;

    /// The owners of all prefixes that are recorded.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn owners(&self) -> Result<Vec<PrefixOwner>, StateError>;

    /// Writes these records, durable at once.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn record(&mut self, records: &[PrefixRecord]) -> Result<(), StateError>;

    /// The committed keys from `from` up to, and without, `to`, in order, with their values, expired
    /// ones too, until `each` breaks.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan(&self, from: &[u8], to: &[u8], each: &mut EachTerm<'_>) -> Result<(), StateError>;

    /// The prefixes of a rule that have terms, of which all keys begin with `of_rule`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn prefixes_of(&self, of_rule: &str) -> Result<Vec<String>, StateError> {
        carry::prefixes_by_scan(self, of_rule)
    }
}

/// What [`StateHistory::scan`] calls with each key and its value.
pub type EachTerm<'e> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'e;

/// The prefix of a term's key; nothing where the key is no term's.
pub(crate) fn prefix_of(key: &[u8]) -> Option<&[u8]> {
    let end = memchr::memrchr(b':', key)? + 1;
    key.get(..end).filter(|_| !is_learn_key(key))
}

/// What can go wrong with a store. Every text names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is no such file, and it may not be made.
    #[error("{path}: there is no state file; a run with --state {path} makes it")]
    Absent {
        /// The state.
        path: String,
    },
    /// Another process has it open.
    #[error("{path}: another process is using this state; wait for it to end, or use another file")]
    Locked {
        /// The state.
        path: String,
    },
    /// The file is something else.
    #[error(
        "{path}: this is no firstseen state ({found}); it was left as it is, use another place"
    )]
    Foreign {
        /// The state.
        path: String,
        /// What it seems to be.
        found: String,
    },
    /// A newer firstseen wrote it.
    #[error(
        "{path}: written by a newer firstseen (state format {found}, this one reads {known}); \
         update firstseen, or use another place"
    )]
    Newer {
        /// The state.
        path: String,
        /// The format of the file.
        found: u64,
        /// The newest format that is understood.
        known: u64,
    },
    /// A read-only store was asked to write.
    #[error("{path}: opened for reading only, nothing can be written to it")]
    ReadOnly {
        /// The state.
        path: String,
    },
    /// The last process died while writing, and repairing means writing.
    #[error(
        "{path}: not closed cleanly, and repairing it means writing; firstseen run repairs it \
         when it opens it, firstseen state compact too"
    )]
    NeedsRepair {
        /// The state.
        path: String,
    },
    /// The disk is full.
    #[error("{path}: the disk is full; what was committed stands, make room and run again")]
    Full {
        /// The state.
        path: String,
    },
    /// The content contradicts itself.
    #[error(
        "{path}: the state is damaged ({reason}); restore a copy of it (`firstseen state verify` \
         checks one), or start at another place"
    )]
    Corrupt {
        /// The state.
        path: String,
        /// What the store says.
        reason: String,
    },
    /// Another file is at its path, or none.
    #[error(
        "{path}: the state file was replaced or deleted while this run used it, so what the run \
         learned since is not kept; leave it in place, and run again"
    )]
    Replaced {
        /// The state.
        path: String,
    },
    /// The terms that a rule would use are another's.
    #[error(
        "the state's terms under {} are those of rule {}: rule {} would make it miss alerts; give \
         another --state, or --take-over if it is meant to go on with them",
        crate::escape::escaped(prefix),
        crate::escape::escaped(owner),
        crate::escape::escaped(rule)
    )]
    Owned {
        /// The prefix of their keys.
        prefix: String,
        /// The id of the rule that owns it.
        owner: String,
        /// The id of the rule that would use it.
        rule: String,
    },
    /// A server stayed away.
    #[error(
        "{path}: away for {seconds} s ({reason}); what was not decided by then is not lost: it is \
         decided when the same input is read again"
    )]
    Away {
        /// The state's name.
        path: String,
        /// What the connection or the server says.
        reason: String,
        /// For how long it was waited for.
        seconds: u64,
    },
    /// The run was asked to end while a server was away.
    #[error(
        "{path}: away, and the run was asked to end; what was not decided by then is not lost: it is \
         decided when the same input is read again"
    )]
    Stopped {
        /// The state's name.
        path: String,
    },
    /// Anything else.
    #[error("{path}: {reason}")]
    Failed {
        /// The state.
        path: String,
        /// What the store or the operating system says.
        reason: String,
    },
}

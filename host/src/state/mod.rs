//! The history of terms: a small key-value store with expiry by event time.
//!
//! In: keys and values as the module made them. Out: the same, until they expire. Backends:
//! [`Memory`], which keeps nothing, and [`Redb`], one crash-safe file. A store knows nothing of
//! what a value means, and has no clock: [`Store::advance`] is told the time.

mod file;
mod memory;

pub use file::Redb;
pub use memory::Memory;

/// Where the history lives.
pub trait Store {
    /// The value of a key. Sees what this run put, committed or not; an expired value is absent.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;

    /// Puts a value that expires at `expires_ms`, in event time. It is kept at the next
    /// [`Store::commit`].
    ///
    /// # Errors
    /// When the store takes no writes.
    fn put(&mut self, key: &[u8], value: &[u8], expires_ms: i64) -> Result<(), StateError>;

    /// Tells the time of the newest event. It never goes back.
    fn advance(&mut self, newest_event_ms: i64);

    /// Makes everything put since the last commit durable at once, or nothing of it, and removes
    /// some of what has expired.
    ///
    /// # Errors
    /// When it could not be written; what was committed before stands.
    fn commit(&mut self) -> Result<(), StateError>;

    /// How many keys there are, with expired ones that were not removed yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn count(&self) -> Result<u64, StateError>;

    /// For the summary: what it is and what becomes of it.
    fn describe(&self) -> String;
}

/// What can go wrong with a store. Every text names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is no such file, and it may not be made.
    #[error("{path}: there is no state file; a run with --state {path} makes it")]
    Absent {
        /// The state file.
        path: String,
    },
    /// Another process has it open.
    #[error("{path}: another process is using this state; wait for it to end, or use another file")]
    Locked {
        /// The state file.
        path: String,
    },
    /// The file is something else.
    #[error("{path}: this is no firstseen state ({found}); it was left as it is, use another path")]
    Foreign {
        /// The state file.
        path: String,
        /// What it seems to be.
        found: String,
    },
    /// A newer firstseen wrote it.
    #[error(
        "{path}: written by a newer firstseen (state format {found}, this one reads {known}); \
         update firstseen, or use another path"
    )]
    Newer {
        /// The state file.
        path: String,
        /// The format of the file.
        found: u64,
        /// The newest format that is understood.
        known: u64,
    },
    /// A read-only store was asked to write.
    #[error("{path}: opened for reading only, nothing can be written to it")]
    ReadOnly {
        /// The state file.
        path: String,
    },
    /// The last process died while writing, and repairing means writing.
    #[error(
        "{path}: not closed cleanly, and repairing it means writing; firstseen run repairs it \
         when it opens it"
    )]
    NeedsRepair {
        /// The state file.
        path: String,
    },
    /// The disk is full.
    #[error("{path}: the disk is full; what was committed stands, make room and run again")]
    Full {
        /// The state file.
        path: String,
    },
    /// The content contradicts itself.
    #[error("{path}: the state is damaged ({reason}); restore a copy, or start with another path")]
    Corrupt {
        /// The state file.
        path: String,
        /// What the store says.
        reason: String,
    },
    /// Anything else.
    #[error("{path}: {reason}")]
    Failed {
        /// The state file.
        path: String,
        /// What the store or the operating system says.
        reason: String,
    },
}

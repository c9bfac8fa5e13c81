//! The history in one crash-safe file (redb).
//!
//! In and out: keys and values. What is put waits in memory until `commit` writes all of it in one
//! durable transaction: after a crash the file holds a whole number of commits. One process at a
//! time has it open. It never touches a file that is something else.
//!
//! ```text
//! table meta     "product" -> "firstseen", "format" -> "1"
//!                "prefix/" PREFIX -> what is kept of its rule, as JSON
//!                "newest" -> the newest time of events, ms
//!                "owner/" PREFIX -> the rule that owns its terms, as JSON
//!                "output/" PATH -> how long an output was at the last commit, as JSON
//! table terms    key -> i64 expiry (ms, little-endian) | value
//! table expiry   (hour of the expiry, key) -> nothing      finds what can be removed
//! ```
//! The index knows only the hour, so that refreshing a term seldom has to move its entry.

use super::clocks::ExpiryClocks;
use super::{Applied, OutputMark, RunChange, StateError, StateStore, StateWrite};
use crate::escape::escaped;
use create::{FileId, create, fill, refuse_locked, regular_file};
use foldhash::fast::RandomState;
use format::{check_magic, check_meta, initialise};
use guard::guarded;
use limit::{TermLimit, has_counts};
use redb::backends::FileBackend;
use redb::{
    Builder, Database, ReadOnlyDatabase, ReadOnlyTable, ReadTransaction, ReadableDatabase,
    TableDefinition, TableError, WriteTransaction,
};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

mod admin;
mod create;
mod damage;
mod format;
mod guard;
mod history;
mod limit;
mod runs;
mod store;
mod verify;

pub use verify::VerifiedState;

type Bytes = &'static [u8];
const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
const TERMS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("terms");
const EXPIRY: TableDefinition<'_, (i64, Bytes), ()> = TableDefinition::new("expiry");

const PRODUCT: &str = "firstseen";
/// The newest format that this code reads, and the one it writes.
const FORMAT: u64 = 1;
/// How every redb file begins.
const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";
/// redb's own limit would be 1 GiB.
const CACHE_BYTES: usize = 32 << 20;
/// All checksums of a file up to this size are compared when it is opened; `firstseen state verify`
/// does it for any.
const CHECKED_BYTES: u64 = 16 << 20;
/// How often it is looked again where another process makes or replaces the file at the same time.
const OPEN_TRIES: usize = 16;
const HOUR_MS: i64 = 3_600_000;
/// Expired keys that a commit removes besides two for each key it writes: so the file shrinks
/// whenever more expires than arrives, and a commit stays short.
const SWEEP: usize = 1000;
/// What a row that waits takes in memory besides its bytes, about.
const ROW_BYTES: usize = 64;

/// A state file.
pub struct Redb {
    path: String,
    /// `None` only while it is closed.
    handle: Option<Handle>,
    /// Where the file is, which one, and how long it was at the last commit.
    place: Option<(PathBuf, FileId, u64)>,
    /// What is committed, as of the last commit. `None` only where reopening it failed.
    terms: Option<ReadOnlyTable<Bytes, Bytes>>,
    pending: HashMap<Box<[u8]>, Row, RandomState>,
    pending_bytes: usize,
    mark: Option<OutputMark>,
    run_changes: Vec<(String, RunChange)>,
    clocks: ExpiryClocks,
    known_until: Option<i64>,
    /// Where the last commit stopped looking for what has expired.
    swept: Option<(i64, Vec<u8>)>,
    /// Terms when it was opened; `None`: it was made then.
    found: Option<u64>,
    /// How many terms each rule may have, where that is limited.
    limit: Option<TermLimit>,
    /// An earlier run was limited: its counts are kept.
    has_counts: bool,
}

enum Handle {
    Write(Database),
    Read(ReadOnlyDatabase),
}

/// A value with its expiry, as it is stored.
struct Row(Box<[u8]>);

impl Row {
    fn new(expires_ms: i64, value: &[u8]) -> Self {
        Self([&expires_ms.to_le_bytes(), value].concat().into())
    }
}

/// Expiry and value of a stored row.
fn parse(row: &[u8]) -> Option<(i64, &[u8])> {
    let (expires, value) = row.split_first_chunk()?;
    Some((i64::from_le_bytes(*expires), value))
}

fn hour(expires_ms: i64) -> i64 {
    expires_ms.div_euclid(HOUR_MS)
}

impl Redb {
    /// Opens the state, or makes it, readable by its owner alone.
    ///
    /// # Errors
    /// When it is in use, something else, newer, damaged, or cannot be made.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let name = escaped(&path.to_string_lossy()).into_owned();
        guarded(&name.clone(), || Self::open_or_make(name, path))
    }

    fn open_or_make(name: String, path: &Path) -> Result<Self, StateError> {
        for _ in 0..OPEN_TRIES {
            let target = regular_file(&name, path)?;
            let mut file = match OpenOptions::new().read(true).write(true).open(&target) {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    match create(&target, None).map_err(|e| fault(&name, e))? {
                        Some((database, id)) => {
                            return Self::new(
                                name,
                                Handle::Write(database),
                                Some((target, id)),
                                true,
                            );
                        }
                        // Another process was quicker: that one's is opened.
                        None => continue,
                    }
                }
                Err(e) => return Err(fault(&name, e)),
            };
            // Before anything is read: what another process is writing may look like anything.
            refuse_locked(&name, file.try_lock())?;
            let meta = file.metadata().map_err(|e| fault(&name, e))?;
            let id = FileId::of(&meta);
            if !id.is_at(&target) {
                continue;
            }
            // An empty file was made for us, by mktemp for one.
            let is_made = check_magic(&name, &mut file)?;
            if !is_made {
                if let Ok(Some((database, id))) = create(&target, Some(&file)) {
                    return Self::new(name, Handle::Write(database), Some((target, id)), true);
                }
                fill(&file).map_err(|e| fault(&name, e))?;
            }
            let mut builder = builder();
            builder.set_check_integrity_on_open(is_made && meta.len() <= CHECKED_BYTES);
            let database = FileBackend::new(file)
                .and_then(|backend| builder.create_with_backend(backend))
                .map_err(|e| fault(&name, e))?;
            let is_known = check_meta(&name, &begin_read(&name, &database)?)?;
            if !is_known {
                initialise(&database).map_err(|e| fault(&name, e))?;
            }
            let is_new = !is_known || !is_made;
            return Self::new(name, Handle::Write(database), Some((target, id)), is_new);
        }
        Err(StateError::Locked { path: name })
    }

    /// A state in this storage, which a test lets fail.
    #[cfg(test)]
    pub(crate) fn on_backend(backend: impl redb::StorageBackend) -> Result<Self, StateError> {
        let name = "state".to_owned();
        guarded(&name.clone(), || {
            let database = builder().create_with_backend(backend).map_err(|e| fault(&name, e))?;
            let is_known = check_meta(&name, &begin_read(&name, &database)?)?;
            if !is_known {
                initialise(&database).map_err(|e| fault(&name, e))?;
            }
            Self::new(name, Handle::Write(database), None, !is_known)
        })
    }

    /// Opens an existing state without ever writing to it.
    ///
    /// # Errors
    /// As for [`Redb::open`]; when there is none; when its last process died while writing.
    pub fn open_read_only(path: &Path) -> Result<Self, StateError> {
        Self::open_to_read(path, CHECKED_BYTES)
    }

    /// The same, and all checksums are compared however large the file is: for what is copied.
    ///
    /// # Errors
    /// As [`Redb::open_read_only`].
    pub fn open_to_copy(path: &Path) -> Result<Self, StateError> {
        Self::open_to_read(path, u64::MAX)
    }

    /// Checksums are compared of a file of at most so many bytes.
    fn open_to_read(path: &Path, checked: u64) -> Result<Self, StateError> {
        let name = escaped(&path.to_string_lossy()).into_owned();
        guarded(&name.clone(), || {
            let file = existing(&name, path)?;
            if file.metadata().map_err(|e| fault(&name, e))?.len() <= checked {
                verify::check(&name, file)?;
            }
            let database = builder().open_read_only(path).map_err(|e| fault(&name, e))?;
            if !check_meta(&name, &begin_read(&name, &database)?)? {
                return Err(StateError::Absent { path: name });
            }
            Self::new(name, Handle::Read(database), None, false)
        })
    }

    fn new(
        path: String,
        handle: Handle,
        place: Option<(PathBuf, FileId)>,
        is_new: bool,
    ) -> Result<Self, StateError> {
        let place = place.map(|(target, id)| (target, id, 0));
        let handle = Some(handle);
        let (pending, clocks, swept) = (HashMap::default(), ExpiryClocks::default(), None);
        let (terms, mark, found) = (None, None, None);
        let mut state = Self {
            path,
            handle,
            place,
            terms,
            pending,
            pending_bytes: 0,
            mark,
            run_changes: Vec::new(),
            clocks,
            swept,
            known_until: None,
            found,
            limit: None,
            has_counts: false,
        };
        state.terms = Some(state.open_terms()?);
        state.known_until = state.read_newest()?;
        state.has_counts = has_counts(&state.begin_read()?).map_err(|e| fault(&state.path, e))?;
        state.found = if is_new { None } else { Some(state.count()?) };
        Ok(state)
    }

    fn begin_read(&self) -> Result<ReadTransaction, StateError> {
        match &self.handle {
            Some(Handle::Write(database)) => begin_read(&self.path, database),
            Some(Handle::Read(database)) => begin_read(&self.path, database),
            None => Err(self.closed()),
        }
    }

    fn open_terms(&self) -> Result<ReadOnlyTable<Bytes, Bytes>, StateError> {
        let transaction = self.begin_read()?;
        transaction.open_table(TERMS).map_err(|e| fault(&self.path, e))
    }

    fn terms(&self) -> Result<&ReadOnlyTable<Bytes, Bytes>, StateError> {
        self.terms.as_ref().ok_or_else(|| self.closed())
    }

    fn closed(&self) -> StateError {
        StateError::Failed {
            path: self.path.clone(),
            reason: "could not be opened again after a commit; run again".to_owned(),
        }
    }

    /// Whether the file is the one that was opened, as long as it was at least: what is committed into
    /// another is gone with it.
    fn check_place(&mut self) -> Result<(), StateError> {
        let Some((target, id, length)) = &mut self.place else { return Ok(()) };
        let path = self.path.clone();
        match target.metadata() {
            Ok(meta) if FileId::of(&meta) == *id && meta.len() >= *length => {
                *length = 0;
                Ok(())
            }
            Ok(meta) if FileId::of(&meta) == *id => {
                let reason = "another process cut it short".to_owned();
                Err(StateError::Corrupt { path, reason })
            }
            _ => Err(StateError::Replaced { path }),
        }
    }

    /// Notes how long the file is now: a write of ours may have made it shorter.
    fn measure(&mut self) {
        if let Some((target, _, length)) = &mut self.place {
            *length = target.metadata().map_or(0, |meta| meta.len());
        }
    }

    fn read_only(&self) -> StateError {
        StateError::ReadOnly { path: self.path.clone() }
    }
}

impl Redb {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let alive = |row: &[u8]| {
            let (expires, value) = parse(row).ok_or_else(|| StateError::Corrupt {
                path: self.path.clone(),
                reason: "a value is too short".to_owned(),
            })?;
            Ok((expires > self.clocks.now()).then(|| value.to_vec()))
        };
        if let Some(Row(row)) = self.pending.get(key) {
            return alive(row);
        }
        match self.terms()?.get(key).map_err(|e| fault(&self.path, e))? {
            Some(row) => alive(row.value()),
            None => Ok(None),
        }
    }

    fn write(&mut self, write: &StateWrite<'_>) -> Result<Applied, StateError> {
        self.clocks.meets(write.key);
        let current = self.get(write.key)?;
        if current.as_deref() != write.expected {
            return Ok(Applied::Conflict(current));
        }
        self.pending_bytes += write.key.len() + write.value.len() + ROW_BYTES;
        self.pending.insert(write.key.into(), Row::new(write.expires_ms, write.value));
        Ok(Applied::Done)
    }
}

impl Drop for Redb {
    fn drop(&mut self) {
        let open = (self.terms.take(), self.handle.take());
        // What cannot be closed well is repaired when it is opened next.
        let _ = guarded(&self.path, || {
            drop(open);
            Ok(())
        });
    }
}

fn hour_of(row: &[u8]) -> Option<i64> {
    parse(row).map(|(expires, _)| hour(expires))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Opens a file that is there for reading, and holds it against a writer; it begins as a state does.
fn existing(name: &str, path: &Path) -> Result<File, StateError> {
    let absent = || StateError::Absent { path: name.to_owned() };
    let mut file = match File::open(regular_file(name, path)?) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(absent()),
        Err(e) => return Err(fault(name, e)),
    };
    refuse_locked(name, file.try_lock_shared())?;
    if check_magic(name, &mut file)? { Ok(file) } else { Err(absent()) }
}

fn begin_read(path: &str, database: &impl ReadableDatabase) -> Result<ReadTransaction, StateError> {
    database.begin_read().map_err(|e| fault(path, e))
}

/// A table, where there is one already: those that only some states need are made when they are written.
fn table_if_there<K: redb::Key + 'static, V: redb::Value + 'static>(
    transaction: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>, redb::Error> {
    match transaction.open_table(table) {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        table => Ok(Some(table?)),
    }
}

/// A transaction after which a crash is repaired at once, however large the file is: each commit writes what
/// is free too.
fn begin_write(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// What a fault of redb or of the operating system means to the user.
fn fault(path: &str, error: impl Into<redb::Error>) -> StateError {
    use io::ErrorKind::{
        FileTooLarge, InvalidData, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull, UnexpectedEof,
    };
    let path = path.to_owned();
    match error.into() {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
            StateError::Locked { path }
        }
        redb::Error::RepairAborted => StateError::NeedsRepair { path },
        redb::Error::Corrupted(reason) => {
            StateError::Corrupt { path, reason: damage::told(&reason) }
        }
        redb::Error::Io(e) => match e.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => StateError::Full { path },
            InvalidData | UnexpectedEof => {
                StateError::Corrupt { path, reason: damage::told(&e.to_string()) }
            }
            PermissionDenied | ReadOnlyFilesystem => {
                let reason = format!("{e}; use a path that may be written to");
                StateError::Failed { path, reason }
            }
            _ => StateError::Failed { path, reason: e.to_string() },
        },
        e => StateError::Failed { path, reason: e.to_string() },
    }
}

#[cfg(test)]
mod tests;

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
use super::{Applied, OutputMark, StateError, StateHistory, StateStore, StateWrite};
use crate::escape::escaped;
use admin::put_row;
use create::{FileId, UNFINISHED, create, fill, refuse_locked, regular_file};
use firstseen_rule::learn::{is_learn_key, learn_key};
use foldhash::fast::RandomState;
use guard::guarded;
use redb::backends::FileBackend;
use redb::{
    Builder, Database, ReadOnlyDatabase, ReadOnlyTable, ReadTransaction, ReadableDatabase,
    ReadableTable, ReadableTableMetadata, TableDefinition, TableError,
};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

mod admin;
mod create;
mod guard;
mod history;
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
    clocks: ExpiryClocks,
    known_until: Option<i64>,
    /// Where the last commit stopped looking for what has expired.
    swept: Option<(i64, Vec<u8>)>,
    /// Terms when it was opened; `None`: it was made then.
    found: Option<u64>,
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

    /// Opens an existing state without ever writing to it.
    ///
    /// # Errors
    /// As for [`Redb::open`]; when there is none; when its last process died while writing.
    pub fn open_read_only(path: &Path) -> Result<Self, StateError> {
        let name = escaped(&path.to_string_lossy()).into_owned();
        guarded(&name.clone(), || Self::open_to_read(name, path))
    }

    fn open_to_read(name: String, path: &Path) -> Result<Self, StateError> {
        let mut file = match File::open(regular_file(&name, path)?) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(StateError::Absent { path: name });
            }
            Err(e) => return Err(fault(&name, e)),
        };
        refuse_locked(&name, file.try_lock_shared())?;
        if !check_magic(&name, &mut file)? {
            return Err(StateError::Absent { path: name });
        }
        drop(file);
        let database = builder().open_read_only(path).map_err(|e| fault(&name, e))?;
        if !check_meta(&name, &begin_read(&name, &database)?)? {
            return Err(StateError::Absent { path: name });
        }
        Self::new(name, Handle::Read(database), None, false)
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
            clocks,
            swept,
            known_until: None,
            found,
        };
        state.terms = Some(state.open_terms()?);
        state.known_until = state.read_newest()?;
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

impl StateStore for Redb {
    fn get_many(
        &mut self,
        keys: &mut dyn Iterator<Item = &[u8]>,
    ) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        let Self { path, .. } = &*self;
        let path = path.clone();
        let mut get = |key| {
            self.clocks.meets(key);
            self.get(key)
        };
        guarded(&path, || keys.map(&mut get).collect())
    }

    fn apply(
        &mut self,
        writes: &mut dyn Iterator<Item = StateWrite<'_>>,
    ) -> Result<Vec<Applied>, StateError> {
        if let Some(Handle::Read(_)) = self.handle {
            return Err(self.read_only());
        }
        guarded(&self.path.clone(), || writes.map(|write| self.write(&write)).collect())
    }

    fn advance(&mut self, artifact: u16, newest_event_ms: i64) {
        self.clocks.advance(artifact, newest_event_ms);
    }

    fn commit(&mut self) -> Result<(), StateError> {
        if self.pending.is_empty() && self.mark.is_none() {
            return Ok(());
        }
        self.check_place()?;
        // A reader left open would keep the pages that this commit replaces.
        self.terms = None;
        let Some(Handle::Write(database)) = &self.handle else { return Err(self.read_only()) };
        let mut swept = self.swept.clone();
        let terms = guarded(&self.path, || {
            let mark = self.mark.as_ref();
            let result = write(database, &self.pending, mark, &self.clocks, &mut swept);
            let terms = self.open_terms()?;
            result.map_err(|e| fault(&self.path, e))?;
            Ok(terms)
        });
        self.terms = Some(terms?);
        self.swept = swept;
        // Whoever put another file there may have done it meanwhile.
        self.check_place()?;
        if let Some((target, _, length)) = &mut self.place {
            *length = target.metadata().map_or(0, |meta| meta.len());
        }
        self.pending.clear();
        (self.pending_bytes, self.mark) = (0, None);
        Ok(())
    }

    fn count(&self) -> Result<u64, StateError> {
        guarded(&self.path, || {
            let terms = self.terms()?;
            let mut count = terms.len().map_err(|e| fault(&self.path, e))?;
            for record in self.records()? {
                let learned = terms.get(learn_key(&record.prefix).as_bytes());
                let learned = learned.map_err(|e| fault(&self.path, e))?;
                count = count.saturating_sub(u64::from(learned.is_some()));
            }
            for key in self.pending.keys().filter(|key| !is_learn_key(key)) {
                let committed = terms.get(&key[..]).map_err(|e| fault(&self.path, e))?;
                count += u64::from(committed.is_none());
            }
            Ok(count)
        })
    }

    fn known_until(&self) -> Option<i64> {
        self.known_until
    }

    fn waiting_bytes(&self) -> usize {
        self.pending_bytes
    }

    fn mark(&mut self, mark: OutputMark) {
        self.mark = Some(mark);
    }

    fn marked(&self, path: &str) -> Result<Option<OutputMark>, StateError> {
        guarded(&self.path, || self.read_mark(path))
    }

    fn describe(&self) -> String {
        let Ok(count) = self.count() else { return self.path.clone() };
        let terms = if count == 1 { "1 term".to_owned() } else { format!("{count} terms") };
        match self.found {
            None => format!("{}, new, {terms}", self.path),
            Some(found) if found == count => format!("{}, existing, {terms}", self.path),
            Some(found) => format!("{}, existing, {terms}, {found} before", self.path),
        }
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

/// One durable transaction: everything that waits, and some of what has expired.
fn write(
    database: &Database,
    pending: &HashMap<Box<[u8]>, Row, RandomState>,
    mark: Option<&OutputMark>,
    clocks: &ExpiryClocks,
    swept: &mut Option<(i64, Vec<u8>)>,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        if let Some(mark) = mark {
            history::write_mark(&mut meta, mark)?;
        }
        history::write_newest(&mut meta, clocks.newest())?;
    }
    {
        let mut terms = transaction.open_table(TERMS)?;
        let mut expiry = transaction.open_table(EXPIRY)?;
        // In the order of the tree neighbours are written together.
        let mut rows: Vec<_> = pending.iter().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        for (key, Row(row)) in rows {
            put_row(&mut terms, &mut expiry, key, row)?;
        }
        // All of an hour has expired once the next one has begun. It goes on where it stopped: what is
        // kept, as its rule has no newer events, is not looked at by every commit.
        let limit = SWEEP + 2 * pending.len();
        let from = swept.take().unwrap_or((i64::MIN, Vec::new()));
        let (mut expired, mut looked) = (Vec::new(), 0);
        let to = (hour(clocks.newest()), &[][..]);
        if (from.0, &from.1[..]) < to {
            for entry in expiry.range::<(i64, &[u8])>((from.0, &from.1[..])..to)? {
                let (entry, _) = entry?;
                let (at, key) = entry.value();
                if looked == limit {
                    *swept = Some((at, key.to_vec()));
                    break;
                }
                looked += 1;
                if clocks.of_key(key).is_some_and(|now_ms| at < hour(now_ms)) {
                    expired.push((at, key.to_vec()));
                }
            }
        }
        for (at, key) in expired {
            expiry.remove((at, &key[..]))?;
            terms.remove(&key[..])?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn hour_of(row: &[u8]) -> Option<i64> {
    parse(row).map(|(expires, _)| hour(expires))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn begin_read(path: &str, database: &impl ReadableDatabase) -> Result<ReadTransaction, StateError> {
    database.begin_read().map_err(|e| fault(path, e))
}

/// Whether there is something in the file; an error if it is not redb's.
fn check_magic(path: &str, file: &mut File) -> Result<bool, StateError> {
    let mut first = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut first).map_err(|e| fault(path, e))?;
    if first.is_empty() || first == MAGIC || first == UNFINISHED {
        return Ok(first == MAGIC);
    }
    let found = match first[0] {
        b'{' | b'[' => "it looks like JSON",
        0x1f => "it looks like gzip",
        _ => "it does not begin like one",
    };
    Err(StateError::Foreign { path: path.to_owned(), found: found.to_owned() })
}

/// Whether the file was initialised; an error if somebody else's data or a newer format is in it.
fn check_meta(path: &str, transaction: &ReadTransaction) -> Result<bool, StateError> {
    let foreign = || StateError::Foreign {
        path: path.to_owned(),
        found: "a redb file of another program".to_owned(),
    };
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        // A process that died between making the file and its first commit left no table at all.
        Err(TableError::TableDoesNotExist(_)) => {
            let mut tables = transaction.list_tables().map_err(|e| fault(path, e))?;
            return if tables.next().is_none() { Ok(false) } else { Err(foreign()) };
        }
        Err(TableError::Storage(e)) => return Err(fault(path, e)),
        Err(_) => return Err(foreign()),
    };
    let text = |key| -> Result<_, StateError> {
        let value = meta.get(key).map_err(|e| fault(path, e))?;
        Ok(value.map(|value| value.value().to_owned()))
    };
    if text("product")?.as_deref() != Some(PRODUCT) {
        return Err(foreign());
    }
    match text("format")?.and_then(|format| format.parse::<u64>().ok()) {
        Some(FORMAT) => Ok(true),
        Some(found) if found > FORMAT => {
            Err(StateError::Newer { path: path.to_owned(), found, known: FORMAT })
        }
        _ => Err(StateError::Corrupt {
            path: path.to_owned(),
            reason: "it does not say which format it has".to_owned(),
        }),
    }
}

fn initialise(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("product", PRODUCT)?;
        meta.insert("format", FORMAT.to_string().as_str())?;
        transaction.open_table(TERMS)?;
        transaction.open_table(EXPIRY)?;
    }
    transaction.commit()?;
    Ok(())
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
        redb::Error::Corrupted(reason) => StateError::Corrupt { path, reason },
        redb::Error::Io(e) => match e.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => StateError::Full { path },
            InvalidData | UnexpectedEof => StateError::Corrupt { path, reason: e.to_string() },
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

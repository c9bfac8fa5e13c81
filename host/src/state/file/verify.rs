//! Reads a state file to its end, and says what is damaged in it.
//!
//! In: a path. Out: how many terms it has, and each record, key or index entry that is not what this
//! code writes. The file is never written: what redb writes while it looks stays in memory.

use super::admin::{AUDIT, read_audit};
use super::damage::told;
use super::guard::guarded;
use super::history::RECORD;
use super::{
    EXPIRY, META, Redb, StateError, TERMS, begin_read, builder, check_meta, existing, fault,
    hour_of, parse, table_if_there,
};
use super::{limit, runs};
use crate::escape::escaped;
use crate::numbers::counted;
use crate::state::PrefixRecord;
use firstseen_rule::learn::LEARN;
use firstseen_rule::state::TermState;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageBackend};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;

/// Faults that are told one by one.
const SHOWN: usize = 20;

/// What was found in a state.
#[derive(Debug, Default)]
pub struct VerifiedState {
    /// How many terms.
    pub terms: u64,
    /// How many prefixes of keys.
    pub rules: u64,
    /// What is damaged, the first of it.
    pub faults: Vec<String>,
    /// How much more.
    pub more_faults: u64,
    /// Its last process died while writing.
    pub needs_repair: bool,
}

impl VerifiedState {
    pub(in crate::state) fn fault(&mut self, text: String) {
        if self.faults.len() < SHOWN {
            self.faults.push(text);
        } else {
            self.more_faults += 1;
        }
    }
}

impl VerifiedState {
    /// Looks at a term, and takes its prefix.
    pub(in crate::state) fn term(
        &mut self,
        key: &[u8],
        value: &[u8],
        prefixes: &mut BTreeSet<String>,
    ) {
        self.terms += 1;
        let name = String::from_utf8_lossy(key);
        match prefix_of(key) {
            Some(prefix) if prefixes.contains(prefix) => {}
            Some(prefix) => _ = prefixes.insert(prefix.to_owned()),
            None => self.fault(format!("key {name}: it is not TENANT:RULE_ID:FINGERPRINT:HASH")),
        }
        if let Err(reason) = TermState::read(value) {
            self.fault(format!("term {name}: {reason}"));
        }
    }
}

impl Redb {
    /// Reads all of a state.
    ///
    /// # Errors
    /// As for [`Redb::open_read_only`]; [`StateError::Corrupt`] where nothing can be read.
    pub fn verify(path: &Path) -> Result<VerifiedState, StateError> {
        let name = escaped(&path.to_string_lossy()).into_owned();
        let file = existing(&name, path)?;
        guarded(&name, || look(&name, file))
    }
}

/// Compares all checksums, and writes nothing.
///
/// # Errors
/// [`StateError::Corrupt`]; [`StateError::NeedsRepair`] where what was committed can be had by a repair.
pub(super) fn check(name: &str, file: File) -> Result<(), StateError> {
    match read(name, file)? {
        (_, true) => Ok(()),
        (_, false) => Err(StateError::NeedsRepair { path: name.to_owned() }),
    }
}

/// The database as a repair would leave it, and whether it needs none.
fn read(name: &str, file: File) -> Result<(Database, bool), StateError> {
    let length = file.metadata().map_err(|e| fault(name, e))?.len();
    let layer = MemoryLayer { file, state: Mutex::new(Layer { length, pages: BTreeMap::new() }) };
    let mut database = builder().create_with_backend(layer).map_err(|e| damage(name, e))?;
    let is_whole = database.check_integrity().map_err(|e| damage(name, e))?;
    Ok((database, is_whole))
}

fn look(name: &str, file: File) -> Result<VerifiedState, StateError> {
    let (database, is_whole) = read(name, file)?;
    let mut found = VerifiedState { needs_repair: !is_whole, ..VerifiedState::default() };
    if !check_meta(name, &begin_read(name, &database)?)? {
        return Err(StateError::Absent { path: name.to_owned() });
    }
    tables(&database, &mut found).map_err(|e| damage(name, e))?;
    Ok(found)
}

/// What a fault of redb means in a file that begins as a state does: whatever the operating system did
/// not cause is in the file.
fn damage(name: &str, error: impl Into<redb::Error>) -> StateError {
    match error.into() {
        e @ (redb::Error::Io(_) | redb::Error::Corrupted(_)) => fault(name, e),
        e => StateError::Corrupt { path: name.to_owned(), reason: told(&e.to_string()) },
    }
}

fn tables(database: &Database, found: &mut VerifiedState) -> Result<(), redb::Error> {
    let transaction = database.begin_read()?;
    let (terms, expiry) = (transaction.open_table(TERMS)?, transaction.open_table(EXPIRY)?);
    let mut prefixes = BTreeSet::new();
    for row in terms.iter()? {
        let (key, row) = row?;
        let (key, row) = (key.value(), row.value());
        let name = String::from_utf8_lossy(key);
        let Some((_, value)) = parse(row) else {
            found.terms += 1;
            found.fault(format!("term {name}: its value is too short"));
            continue;
        };
        found.term(key, value, &mut prefixes);
        let hour = hour_of(row).unwrap_or_default();
        if expiry.get((hour, key))?.is_none() {
            found.fault(format!("term {name}: it is not in the index, and would never expire"));
        }
    }
    if let more @ 1.. = expiry.len()?.saturating_sub(found.terms) {
        let more = counted(more, "entry", "entries");
        found.fault(format!("the index of expiries has {more} of no term"));
    }
    found.rules = prefixes.len() as u64;
    for (prefix, kept, counted) in limit::differences(&transaction)? {
        found.fault(format!("the count of {prefix} is {kept}, and its terms are {counted}"));
    }
    for fault in runs::faults(&transaction)? {
        found.fault(fault);
    }
    for row in transaction.open_table(META)?.range(RECORD..)? {
        let (key, value) = row?;
        let Some(prefix) = key.value().strip_prefix(RECORD) else { break };
        if PrefixRecord::read(prefix, value.value()).is_none() {
            found.fault(format!("the record of {prefix}: it cannot be read"));
        }
    }
    if let Some(log) = table_if_there(&transaction, AUDIT)? {
        for row in log.iter()? {
            let (number, text) = row?;
            if read_audit(text.value()).is_none() {
                found.fault(format!("entry {} of the log: it cannot be read", number.value()));
            }
        }
    }
    Ok(())
}

/// The prefix of a key as a guest makes it.
fn prefix_of(key: &[u8]) -> Option<&str> {
    let (prefix, hash) = std::str::from_utf8(key).ok()?.rsplit_once(':')?;
    let is_hash = hash == LEARN || hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    (is_hash && prefix.split(':').count() > 2).then_some(prefix)
}

/// A file that is read, under what was written in memory.
#[derive(Debug)]
struct MemoryLayer {
    file: File,
    state: Mutex<Layer>,
}

#[derive(Debug)]
struct Layer {
    length: u64,
    /// Pieces of this size, by their number.
    pages: BTreeMap<u64, Vec<u8>>,
}

const PIECE: u64 = 4096;

impl MemoryLayer {
    /// A piece as the file has it; zeros behind its end.
    fn piece(&self, number: u64) -> io::Result<Vec<u8>> {
        let mut piece = vec![0; PIECE as usize];
        let mut at = 0;
        while at < piece.len() {
            match self.file.read_at(&mut piece[at..], number * PIECE + at as u64)? {
                0 => break,
                read => at += read,
            }
        }
        Ok(piece)
    }

    /// Calls with each part of a range: the piece that it is in, where it begins there, and where in
    /// the range.
    fn parts(
        offset: u64,
        length: usize,
    ) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let from = offset + at as u64;
            let inside = (from % PIECE) as usize;
            let end = length.min(at + PIECE as usize - inside);
            let part = (from / PIECE, inside, at..end);
            at = end;
            (!part.2.is_empty()).then_some(part)
        })
    }
}

fn poisoned<T>(_: T) -> io::Error {
    io::Error::other("a thread failed while it wrote")
}

impl StorageBackend for MemoryLayer {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().map_err(poisoned)?.length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let layer = self.state.lock().map_err(poisoned)?;
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > layer.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, inside, part) in Self::parts(offset, out.len()) {
            let to = &mut out[part];
            match layer.pages.get(&number) {
                Some(page) => to.copy_from_slice(&page[inside..inside + to.len()]),
                None => self.file.read_exact_at(to, number * PIECE + inside as u64)?,
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut layer = self.state.lock().map_err(poisoned)?;
        // What comes behind the end later is zeros, whatever the file has there.
        let (from, to) = (layer.length.min(length), layer.length.max(length));
        let mut at = from;
        while at < to {
            let number = at / PIECE;
            let end = ((number + 1) * PIECE).min(to);
            let piece = match layer.pages.remove(&number) {
                Some(piece) => Ok(piece),
                None => self.piece(number),
            };
            let mut piece = piece?;
            piece[(at % PIECE) as usize..(end - number * PIECE) as usize].fill(0);
            layer.pages.insert(number, piece);
            at = end;
        }
        layer.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut layer = self.state.lock().map_err(poisoned)?;
        for (number, inside, part) in Self::parts(offset, data.len()) {
            let from = &data[part];
            let piece = match layer.pages.remove(&number) {
                Some(piece) => Ok(piece),
                None => self.piece(number),
            };
            let mut piece = piece?;
            piece[inside..inside + from.len()].copy_from_slice(from);
            layer.pages.insert(number, piece);
        }
        layer.length = layer.length.max(offset + data.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Whether a file is a state, and of which format.
//!
//! In: a file's first bytes and its table `meta`. Out: whether it is one, or why it is not read. It reads
//! no term.

use super::create::UNFINISHED;
use super::{EXPIRY, FORMAT, MAGIC, META, PRODUCT, TERMS, begin_write, fault};
use crate::state::StateError;
use redb::{Database, ReadTransaction, TableError};
use std::fs::File;
use std::io::Read;

/// Whether there is something in the file; an error if it is not redb's.
pub(super) fn check_magic(path: &str, file: &mut File) -> Result<bool, StateError> {
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
pub(super) fn check_meta(path: &str, transaction: &ReadTransaction) -> Result<bool, StateError> {
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

pub(super) fn initialise(database: &Database) -> Result<(), redb::Error> {
    let transaction = begin_write(database)?;
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

//! A state file as a person looks at it and corrects it.
//!
//! In: ranges of keys, one change. Out: terms and the log; the change in one durable transaction, or
//! nothing of it. The log is a table of its own, which an earlier version passes over:
//!
//! ```text
//! table audit    number, counting up -> what was changed, by whom and why, as JSON
//! ```

use super::history::{put_owner, put_record};
use super::limit::forget_counts;
use super::{
    Bytes, EXPIRY, Handle, META, Redb, Row, StateError, TERMS, begin_write, fault, guarded,
    hour_of, parse, table_if_there,
};
use crate::state::admin::{AuditEntry, EachStored, EditWork, StateAdmin, StateEdit, StoredTerm};
use crate::state::{PrefixOwner, PrefixRecord, StoredRun};
use redb::{Database, ReadableTable, Table, TableDefinition};
use std::io;

pub(super) const AUDIT: TableDefinition<'_, u64, &str> = TableDefinition::new("audit");

impl StateAdmin for Redb {
    fn each_term(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        each: &mut EachStored<'_>,
    ) -> Result<(), StateError> {
        self.each_row(from, to, &mut |key, row| {
            // What is too short for an expiry is shown as what it is, a value that nobody can read.
            let (expires_ms, value) = parse(row).unwrap_or((0, &[]));
            each(StoredTerm { key, value, expires_ms })
        })
    }

    fn stored(&self, key: &[u8]) -> Result<Option<(Vec<u8>, i64)>, StateError> {
        guarded(&self.path, || {
            let row = self.terms()?.get(key).map_err(|e| fault(&self.path, e))?;
            Ok(row.and_then(|row| value_and_expiry(row.value())))
        })
    }

    fn edit(&mut self, work: &mut EditWork<'_>) -> anyhow::Result<()> {
        let Some(Handle::Write(database)) = &self.handle else {
            return Err(self.read_only().into());
        };
        // A reader left open would keep the pages that this change replaces.
        self.terms = None;
        let result = guarded(&self.path, || Ok(edit(&self.path, database, work)));
        self.measure();
        self.terms = Some(self.open_terms()?);
        result?
    }

    fn stored_runs(&self) -> Result<Vec<(String, StoredRun)>, StateError> {
        self.read_runs()
    }

    fn log(&self) -> Result<Vec<AuditEntry>, StateError> {
        guarded(&self.path, || {
            let table =
                table_if_there(&self.begin_read()?, AUDIT).map_err(|e| fault(&self.path, e))?;
            let Some(table) = table else { return Ok(Vec::new()) };
            let mut out = Vec::new();
            for row in table.iter().map_err(|e| fault(&self.path, e))? {
                let (_, text) = row.map_err(|e| fault(&self.path, e))?;
                out.push(AuditEntry::read(text.value()));
            }
            Ok(out)
        })
    }
}

/// An entry, where it can be read.
pub(super) fn read_audit(text: &str) -> Option<AuditEntry> {
    serde_json::from_str(text).ok()
}

impl Redb {
    /// Moves what is in the file together, so that it has fewer bytes.
    ///
    /// # Errors
    /// When it was opened for reading, or cannot be written.
    pub fn compact(&mut self) -> Result<(), StateError> {
        // Compacting needs the file for itself.
        self.terms = None;
        let path = &self.path;
        let result = match &mut self.handle {
            Some(Handle::Write(database)) => {
                guarded(path, || database.compact().map_err(|e| fault(path, e)))
            }
            _ => Err(StateError::ReadOnly { path: path.clone() }),
        };
        self.terms = Some(self.open_terms()?);
        result.map(|_| ())
    }
}

fn edit(path: &str, database: &Database, work: &mut EditWork<'_>) -> anyhow::Result<()> {
    let transaction = begin_write(database).map_err(|e| fault(path, e))?;
    {
        let open = || -> Result<RedbEdit<'_>, redb::Error> {
            Ok(RedbEdit {
                path,
                meta: transaction.open_table(META)?,
                terms: transaction.open_table(TERMS)?,
                expiry: transaction.open_table(EXPIRY)?,
                audit: transaction.open_table(AUDIT)?,
            })
        };
        work(&mut open().map_err(|e| fault(path, e))?)?;
    }
    forget_counts(&transaction).map_err(|e| fault(path, e))?;
    transaction.commit().map_err(|e| fault(path, e))?;
    Ok(())
}

/// A change within its transaction.
struct RedbEdit<'t> {
    path: &'t str,
    meta: Table<'t, &'static str, &'static str>,
    terms: Table<'t, Bytes, Bytes>,
    expiry: Table<'t, (i64, Bytes), ()>,
    audit: Table<'t, u64, &'static str>,
}

impl StateEdit for RedbEdit<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, i64)>, StateError> {
        let row = self.terms.get(key).map_err(|e| fault(self.path, e))?;
        Ok(row.and_then(|row| value_and_expiry(row.value())))
    }

    fn put(&mut self, term: StoredTerm<'_>) -> Result<(), StateError> {
        let Row(row) = Row::new(term.expires_ms, term.value);
        put_row(&mut self.terms, &mut self.expiry, term.key, &row)
            .map_err(|e| fault(self.path, e))?;
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<bool, StateError> {
        let mut remove = || -> Result<bool, redb::Error> {
            let Some(old) = self.terms.remove(key)?.map(|old| hour_of(old.value())) else {
                return Ok(false);
            };
            if let Some(old) = old {
                self.expiry.remove((old, key))?;
            }
            Ok(true)
        };
        remove().map_err(|e| fault(self.path, e))
    }

    fn own(&mut self, owner: &PrefixOwner) -> Result<(), StateError> {
        put_owner(&mut self.meta, owner).map_err(|e| fault(self.path, e))
    }

    fn record(&mut self, record: &PrefixRecord) -> Result<(), StateError> {
        put_record(&mut self.meta, record).map_err(|e| fault(self.path, e))
    }

    fn log(&mut self, entry: &AuditEntry) -> Result<(), StateError> {
        let mut add = || -> Result<(), redb::Error> {
            let last = self.audit.last()?.map_or(0, |(number, _)| number.value());
            let text = serde_json::to_string(entry).map_err(io::Error::other)?;
            self.audit.insert(last + 1, text.as_str())?;
            Ok(())
        };
        add().map_err(|e| fault(self.path, e))
    }
}

/// A term's value and its expiry.
fn value_and_expiry(row: &[u8]) -> Option<(Vec<u8>, i64)> {
    parse(row).map(|(expires_ms, value)| (value.to_vec(), expires_ms))
}

/// Writes a row, and moves its entry in the index of expiries; whether there was none before.
pub(super) fn put_row(
    terms: &mut Table<'_, Bytes, Bytes>,
    expiry: &mut Table<'_, (i64, Bytes), ()>,
    key: &[u8],
    row: &[u8],
) -> Result<bool, redb::Error> {
    let old = terms.insert(key, row)?.map(|old| hour_of(old.value()));
    let is_new = old.is_none();
    let (old, new) = (old.flatten(), hour_of(row));
    if old != new {
        if let Some(old) = old {
            expiry.remove((old, key))?;
        }
        if let Some(new) = new {
            expiry.insert((new, key), ())?;
        }
    }
    Ok(is_new)
}

//! What a state file keeps of its rules, and its terms in order.
//!
//! In: records of prefixes, ranges of keys. Out: the same again, durable at once; terms as they were
//! committed. An earlier version passes the records over.

use super::{Handle, META, Redb, begin_write, fault, guarded, parse};
use crate::state::{EachTerm, OutputMark, PrefixOwner, PrefixRecord, StateError, StateHistory};
use redb::{ReadableTable, Table};
use serde::Serialize;
use std::io;
use std::ops::ControlFlow;

/// Before the prefix whose record it is.
pub(super) const RECORD: &str = "prefix/";

/// Writes what is kept of something under its name, as JSON.
fn put(
    meta: &mut Table<'_, &str, &str>,
    kind: &str,
    name: &str,
    kept: &impl Serialize,
) -> Result<(), redb::Error> {
    let value = serde_json::to_string(kept).map_err(io::Error::other)?;
    meta.insert(format!("{kind}{name}").as_str(), value.as_str())?;
    Ok(())
}

/// Writes what is kept of a rule.
pub(super) fn put_record(
    meta: &mut Table<'_, &str, &str>,
    record: &PrefixRecord,
) -> Result<(), redb::Error> {
    put(meta, RECORD, &record.prefix, record)
}

/// Before the path whose mark it is.
const OUTPUT: &str = "output/";

pub(super) fn write_mark(
    meta: &mut Table<'_, &str, &str>,
    mark: &OutputMark,
) -> Result<(), redb::Error> {
    put(meta, OUTPUT, &mark.path, mark)
}

/// Before the prefix whose owner it is.
const OWNER: &str = "owner/";

/// Writes who owns a prefix.
pub(super) fn put_owner(
    meta: &mut Table<'_, &str, &str>,
    owner: &PrefixOwner,
) -> Result<(), redb::Error> {
    put(meta, OWNER, &owner.prefix, owner)
}

/// The newest time of events.
const NEWEST: &str = "newest";

/// Writes the newest time of a run, where it is newer than what is there.
pub(super) fn write_newest(
    meta: &mut Table<'_, &str, &str>,
    newest_ms: i64,
) -> Result<(), redb::Error> {
    let known = meta.get(NEWEST)?.and_then(|text| text.value().parse::<i64>().ok());
    if newest_ms > known.unwrap_or(i64::MIN) {
        meta.insert(NEWEST, newest_ms.to_string().as_str())?;
    }
    Ok(())
}

impl Redb {
    pub(super) fn read_newest(&self) -> Result<Option<i64>, StateError> {
        let meta = self.begin_read()?.open_table(META).map_err(|e| fault(&self.path, e))?;
        let text = meta.get(NEWEST).map_err(|e| fault(&self.path, e))?;
        Ok(text.and_then(|text| text.value().parse().ok()))
    }

    /// What is kept of a kind, as `read` makes it of a name and its text. What a newer version wrote in
    /// another way is as good as not there.
    fn read_all<T>(
        &self,
        kind: &str,
        read: impl Fn(&str, &str) -> Option<T>,
    ) -> Result<Vec<T>, StateError> {
        let meta = self.begin_read()?.open_table(META).map_err(|e| fault(&self.path, e))?;
        let mut out = Vec::new();
        for row in meta.range(kind..).map_err(|e| fault(&self.path, e))? {
            let (key, value) = row.map_err(|e| fault(&self.path, e))?;
            let Some(name) = key.value().strip_prefix(kind) else { break };
            out.extend(read(name, value.value()));
        }
        Ok(out)
    }

    pub(super) fn read_mark(&self, path: &str) -> Result<Option<OutputMark>, StateError> {
        let meta = self.begin_read()?.open_table(META).map_err(|e| fault(&self.path, e))?;
        let row = meta.get(format!("{OUTPUT}{path}").as_str()).map_err(|e| fault(&self.path, e))?;
        let mark = row.and_then(|row| serde_json::from_str::<OutputMark>(row.value()).ok());
        Ok(mark.map(|mark| OutputMark { path: path.to_owned(), ..mark }))
    }
}

impl StateHistory for Redb {
    fn owners(&self) -> Result<Vec<PrefixOwner>, StateError> {
        guarded(&self.path, || self.read_all(OWNER, PrefixOwner::read))
    }

    fn records(&self) -> Result<Vec<PrefixRecord>, StateError> {
        guarded(&self.path, || self.read_all(RECORD, PrefixRecord::read))
    }

    fn record(&mut self, records: &[PrefixRecord]) -> Result<(), StateError> {
        let Some(Handle::Write(database)) = &self.handle else { return Err(self.read_only()) };
        let write = || -> Result<(), redb::Error> {
            let transaction = begin_write(database)?;
            {
                let mut meta = transaction.open_table(META)?;
                for record in records {
                    put_record(&mut meta, record)?;
                }
            }
            transaction.commit()?;
            Ok(())
        };
        guarded(&self.path, || write().map_err(|e| fault(&self.path, e)))
    }

    fn scan(&self, from: &[u8], to: &[u8], each: &mut EachTerm<'_>) -> Result<(), StateError> {
        self.each_row(from, Some(to), &mut |key, row| match parse(row) {
            Some((_, value)) => each(key, value),
            None => ControlFlow::Continue(()),
        })
    }
}

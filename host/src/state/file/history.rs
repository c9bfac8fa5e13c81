//! What a state file keeps of its rules, and its terms in order.
//!
//! In: records of prefixes, ranges of keys. Out: the same again, durable at once; terms as they were
//! committed. An earlier version passes the records over.

use super::{Handle, META, Redb, fault, guarded, parse};
use crate::state::{EachTerm, OutputMark, PrefixOwner, PrefixRecord, StateError, StateHistory};
use redb::{ReadableTable, Table};
use std::io;

/// Before the prefix whose record it is.
pub(super) const RECORD: &str = "prefix/";

/// What is kept of a rule, where it can be read.
pub(super) fn read_record(prefix: &str, text: &str) -> Option<PrefixRecord> {
    let record = serde_json::from_str::<PrefixRecord>(text).ok()?;
    Some(PrefixRecord { prefix: prefix.to_owned(), ..record })
}

/// Writes what is kept of a rule.
pub(super) fn put_record(
    meta: &mut Table<'_, &'static str, &'static str>,
    record: &PrefixRecord,
) -> Result<(), redb::Error> {
    let key = format!("{RECORD}{}", record.prefix);
    let value = serde_json::to_string(record).map_err(io::Error::other)?;
    meta.insert(key.as_str(), value.as_str())?;
    Ok(())
}

/// Before the path whose mark it is.
const OUTPUT: &str = "output/";

pub(super) fn write_mark(
    meta: &mut Table<'_, &str, &str>,
    mark: &OutputMark,
) -> Result<(), redb::Error> {
    let value = serde_json::to_string(mark).map_err(io::Error::other)?;
    meta.insert(format!("{OUTPUT}{}", mark.path).as_str(), value.as_str())?;
    Ok(())
}

/// Before the prefix whose owner it is.
const OWNER: &str = "owner/";

/// Writes who owns a prefix.
pub(super) fn put_owner(
    meta: &mut Table<'_, &'static str, &'static str>,
    owner: &PrefixOwner,
) -> Result<(), redb::Error> {
    let value = serde_json::to_string(owner).map_err(io::Error::other)?;
    meta.insert(format!("{OWNER}{}", owner.prefix).as_str(), value.as_str())?;
    Ok(())
}

/// The newest time of events.
const NEWEST: &str = "newest";

/// Writes the newest time of a run, where it is newer than what is there.
pub(super) fn write_newest(
    meta: &mut Table<'_, &'static str, &'static str>,
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

    fn read_owners(&self) -> Result<Vec<PrefixOwner>, StateError> {
        let meta = self.begin_read()?.open_table(META).map_err(|e| fault(&self.path, e))?;
        let mut out = Vec::new();
        for row in meta.range(OWNER..).map_err(|e| fault(&self.path, e))? {
            let (key, value) = row.map_err(|e| fault(&self.path, e))?;
            let Some(prefix) = key.value().strip_prefix(OWNER) else { break };
            if let Ok(owner) = serde_json::from_str::<PrefixOwner>(value.value()) {
                out.push(PrefixOwner { prefix: prefix.to_owned(), ..owner });
            }
        }
        Ok(out)
    }

    fn read_records(&self) -> Result<Vec<PrefixRecord>, StateError> {
        let meta = self.begin_read()?.open_table(META).map_err(|e| fault(&self.path, e))?;
        let mut out = Vec::new();
        for row in meta.range(RECORD..).map_err(|e| fault(&self.path, e))? {
            let (key, value) = row.map_err(|e| fault(&self.path, e))?;
            let Some(prefix) = key.value().strip_prefix(RECORD) else { break };
            // What a newer version wrote in another way is as good as not recorded.
            out.extend(read_record(prefix, value.value()));
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
        guarded(&self.path, || self.read_owners())
    }

    fn records(&self) -> Result<Vec<PrefixRecord>, StateError> {
        guarded(&self.path, || self.read_records())
    }

    fn record(&mut self, records: &[PrefixRecord]) -> Result<(), StateError> {
        let Some(Handle::Write(database)) = &self.handle else { return Err(self.read_only()) };
        let write = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
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
        guarded(&self.path, || {
            let rows = self.terms()?.range(from..to).map_err(|e| fault(&self.path, e))?;
            for row in rows {
                let (key, row) = row.map_err(|e| fault(&self.path, e))?;
                let Some((_, value)) = parse(row.value()) else { continue };
                if each(key.value(), value).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}

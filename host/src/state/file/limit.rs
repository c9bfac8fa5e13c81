//! A limit on the terms that each rule has in a state.
//!
//! In: what a commit adds and removes. Out: within the same transaction, the terms beyond the limit are gone,
//! those first that were written the longest ago, and are counted. What is not limited is not counted either.
//!
//! ```text
//! table counts   PREFIX -> how many terms it has; "" -> how many rows there were when this was written
//! ```
//! Whoever writes terms and does not keep the counts takes the row "" out, or leaves another number of rows:
//! then they are counted anew.

use super::{Bytes, TERMS, hour_of, parse, table_if_there};
use crate::state::prefix_of;
use firstseen_rule::state::has_approval;
use redb::{
    ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table,
    TableDefinition, WriteTransaction,
};
use std::collections::BTreeMap;

const COUNTS: TableDefinition<'_, Bytes, u64> = TableDefinition::new("counts");
/// The row that says for how many rows the counts are.
const ALL: &[u8] = b"";

/// The limit, and how many terms there are.
#[derive(Debug, Clone)]
pub(super) struct TermLimit {
    max: u64,
    counts: BTreeMap<Vec<u8>, u64>,
    /// Before this hour the index has no entry of a prefix that may go.
    from: BTreeMap<Vec<u8>, i64>,
    forgotten: BTreeMap<Vec<u8>, u64>,
}

impl TermLimit {
    /// Counts the terms, or reads how many there are.
    pub(super) fn open(max: u64, database: &impl ReadableDatabase) -> Result<Self, redb::Error> {
        let transaction = database.begin_read()?;
        let counts = match kept(&transaction)? {
            Some(counts) => counts,
            None => counted(&transaction)?,
        };
        Ok(Self { max, counts, from: BTreeMap::new(), forgotten: BTreeMap::new() })
    }

    /// How many terms were forgotten since this was asked last, by the prefix of their keys.
    pub(super) fn take_forgotten(&mut self) -> BTreeMap<Vec<u8>, u64> {
        std::mem::take(&mut self.forgotten)
    }

    /// A key has been written; in this hour it expires.
    pub(super) fn written(&mut self, key: &[u8], hour: i64, is_new: bool) {
        let Some(prefix) = prefix_of(key) else { return };
        if let Some(from) = self.from.get_mut(prefix) {
            *from = (*from).min(hour);
        }
        match self.counts.get_mut(prefix).filter(|_| is_new) {
            Some(count) => *count += 1,
            None if is_new => _ = self.counts.insert(prefix.to_vec(), 1),
            None => {}
        }
    }

    /// A key that was there is gone.
    pub(super) fn removed(&mut self, key: &[u8]) {
        if let Some(count) = prefix_of(key).and_then(|prefix| self.counts.get_mut(prefix)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Takes out what is beyond the limit, and writes how many there are.
    pub(super) fn enforce(
        &mut self,
        transaction: &WriteTransaction,
        terms: &mut Table<'_, Bytes, Bytes>,
        expiry: &mut Table<'_, (i64, Bytes), ()>,
    ) -> Result<(), redb::Error> {
        let over = self.counts.iter().filter(|(_, count)| **count > self.max);
        let over: Vec<_> = over.map(|(prefix, count)| (prefix.clone(), count - self.max)).collect();
        for (prefix, excess) in over {
            let from = self.from.get(&prefix).copied().unwrap_or(i64::MIN);
            let oldest = oldest_of(expiry, terms, &prefix, from, excess)?;
            for (hour, key) in &oldest {
                expiry.remove((*hour, &key[..]))?;
                terms.remove(&key[..])?;
                self.removed(key);
            }
            *self.forgotten.entry(prefix.clone()).or_default() += oldest.len() as u64;
            if let Some((hour, _)) = oldest.last() {
                self.from.insert(prefix, *hour);
            }
        }
        let mut counts = transaction.open_table(COUNTS)?;
        for (prefix, count) in &self.counts {
            counts.insert(&prefix[..], count)?;
        }
        counts.insert(ALL, terms.len()?)?;
        Ok(())
    }
}

/// The first entries of a prefix in the index, from an hour on, without what a person approved.
fn oldest_of(
    expiry: &Table<'_, (i64, Bytes), ()>,
    terms: &Table<'_, Bytes, Bytes>,
    prefix: &[u8],
    from: i64,
    most: u64,
) -> Result<Vec<(i64, Vec<u8>)>, redb::Error> {
    let mut found = Vec::new();
    for entry in expiry.range::<(i64, &[u8])>((from, &[][..])..)? {
        let (entry, _) = entry?;
        let (hour, key) = entry.value();
        let is_approved = || -> Result<bool, redb::Error> {
            let row = terms.get(key)?;
            let value = row.as_ref().and_then(|row| parse(row.value()));
            Ok(value.is_some_and(|(_, value)| has_approval(value)))
        };
        if prefix_of(key) == Some(prefix) && !is_approved()? {
            found.push((hour, key.to_vec()));
            if found.len() as u64 == most {
                break;
            }
        }
    }
    Ok(found)
}

/// The counts that a transaction before kept, if they are of all rows.
fn kept(transaction: &ReadTransaction) -> Result<Option<BTreeMap<Vec<u8>, u64>>, redb::Error> {
    let Some(table) = table_if_there(transaction, COUNTS)? else { return Ok(None) };
    let all = table.get(ALL)?.map(|all| all.value());
    if all != Some(transaction.open_table(TERMS)?.len()?) {
        return Ok(None);
    }
    let mut counts = BTreeMap::new();
    for row in table.iter()? {
        let (prefix, count) = row?;
        counts.insert(prefix.value().to_vec(), count.value());
    }
    counts.remove(ALL);
    Ok(Some(counts))
}

fn counted(transaction: &ReadTransaction) -> Result<BTreeMap<Vec<u8>, u64>, redb::Error> {
    let mut counts = BTreeMap::<Vec<u8>, u64>::new();
    for row in transaction.open_table(TERMS)?.iter()? {
        let (key, row) = row?;
        let Some(prefix) = prefix_of(key.value()).filter(|_| hour_of(row.value()).is_some()) else {
            continue;
        };
        match counts.get_mut(prefix) {
            Some(count) => *count += 1,
            None => _ = counts.insert(prefix.to_vec(), 1),
        }
    }
    Ok(counts)
}

/// Terms are written or removed uncounted: the counts say nothing any more.
pub(super) fn forget_counts(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let mut tables = transaction.list_tables()?;
    if tables.any(|table| redb::TableHandle::name(&table) == redb::TableHandle::name(&COUNTS)) {
        drop(tables);
        transaction.open_table(COUNTS)?.remove(ALL)?;
    }
    Ok(())
}

/// Whether there are counts that are kept.
pub(super) fn has_counts(transaction: &ReadTransaction) -> Result<bool, redb::Error> {
    Ok(kept(transaction)?.is_some())
}

/// Counts that are wrong, as far as they are kept: the prefix, and what it is said to have.
pub(super) fn differences(
    transaction: &ReadTransaction,
) -> Result<Vec<(String, u64, u64)>, redb::Error> {
    let Some(kept) = kept(transaction)? else { return Ok(Vec::new()) };
    let counted = counted(transaction)?;
    let mut prefixes: Vec<_> = kept.keys().chain(counted.keys()).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    let of = |counts: &BTreeMap<_, _>, prefix| counts.get(prefix).copied().unwrap_or_default();
    let all = prefixes.into_iter().map(|prefix| {
        (String::from_utf8_lossy(prefix).into_owned(), of(&kept, prefix), of(&counted, prefix))
    });
    Ok(all.filter(|(_, kept, counted)| kept != counted).collect())
}

#[cfg(test)]
mod tests;

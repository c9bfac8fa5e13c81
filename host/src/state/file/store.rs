//! The file as a store: what is looked up, what waits, and the transaction that writes it.
//!
//! In: keys, writes, the time of events. Out: values, and one durable transaction for each commit, which
//! removes some of what has expired too. It opens no file.

use super::admin::put_row;
use super::guard::guarded;
use super::limit::{TermLimit, forget_counts};
use super::{
    EXPIRY, Handle, META, Redb, Row, SWEEP, TERMS, begin_write, fault, history, hour, hour_of, runs,
};
use crate::numbers::{counted, number};
use crate::state::clocks::ExpiryClocks;
use crate::state::{
    Applied, EachTerm, OutputMark, RunChange, StateError, StateHistory, StateStore, StateWrite,
    StoredRun,
};
use firstseen_rule::learn::{is_learn_key, learn_key};
use foldhash::fast::RandomState;
use redb::{Database, ReadableTable, ReadableTableMetadata};
use std::collections::{BTreeMap, HashMap};

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
        if self.pending.is_empty() && self.mark.is_none() && self.run_changes.is_empty() {
            return Ok(());
        }
        self.check_place()?;
        // A reader left open would keep the pages that this commit replaces.
        self.terms = None;
        let Some(Handle::Write(database)) = &self.handle else { return Err(self.read_only()) };
        let (mut swept, mut limit) = (self.swept.clone(), self.limit.clone());
        let terms = guarded(&self.path, || {
            let kept = KeptWithTerms {
                mark: self.mark.as_ref(),
                run_changes: &self.run_changes,
                has_counts: self.has_counts,
            };
            let result =
                write(database, &self.pending, &kept, &self.clocks, &mut swept, &mut limit);
            let terms = self.open_terms()?;
            result.map_err(|e| fault(&self.path, e))?;
            Ok(terms)
        });
        self.terms = Some(terms?);
        (self.swept, self.limit) = (swept, limit);
        self.has_counts = self.limit.is_some();
        // Whoever put another file there may have done it meanwhile.
        self.check_place()?;
        self.measure();
        self.pending.clear();
        self.run_changes.clear();
        (self.pending_bytes, self.mark) = (0, None);
        Ok(())
    }

    fn count(&self) -> Result<u64, StateError> {
        guarded(&self.path, || {
            let terms = self.terms()?;
            let mut count = terms.len().map_err(|e| fault(&self.path, e))?;
            for record in self.records()? {
                // The start of the rule, and behind it those of single values.
                let (from, to) = (learn_key(&record.prefix), learn_key(&record.prefix) + ";");
                let starts = terms.range(from.as_bytes()..to.as_bytes());
                for row in starts.map_err(|e| fault(&self.path, e))? {
                    let (key, _) = row.map_err(|e| fault(&self.path, e))?;
                    count = count.saturating_sub(u64::from(is_learn_key(key.value())));
                }
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

    fn change_run(&mut self, run: &str, change: RunChange) {
        self.run_changes.push((run.to_owned(), change));
    }

    fn stored_run(&self, run: &str) -> Result<StoredRun, StateError> {
        self.read_run(run)
    }

    fn limit_terms(&mut self, max: u64) -> Result<(), StateError> {
        let limit = match &self.handle {
            Some(Handle::Write(database)) => TermLimit::open(max, database),
            _ => return Err(self.read_only()),
        };
        self.limit = Some(limit.map_err(|e| fault(&self.path, e))?);
        Ok(())
    }

    fn take_forgotten(&mut self) -> BTreeMap<Vec<u8>, u64> {
        self.limit.as_mut().map(TermLimit::take_forgotten).unwrap_or_default()
    }

    fn describe(&self) -> String {
        let Ok(count) = self.count() else { return self.path.clone() };
        let terms = counted(count, "term", "terms");
        match self.found {
            None => format!("{}, new, {terms}", self.path),
            Some(found) if found == count => format!("{}, existing, {terms}", self.path),
            Some(found) => format!("{}, existing, {terms}, {} before", self.path, number(found)),
        }
    }
}

impl Redb {
    /// Calls with each committed row from a key on, up to another where there is one, in the order of the
    /// keys, until it breaks.
    pub(super) fn each_row(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        each: &mut EachTerm<'_>,
    ) -> Result<(), StateError> {
        guarded(&self.path, || {
            let terms = self.terms()?;
            let rows = match to {
                Some(to) => terms.range(from..to),
                None => terms.range(from..),
            };
            for row in rows.map_err(|e| fault(&self.path, e))? {
                let (key, row) = row.map_err(|e| fault(&self.path, e))?;
                if each(key.value(), row.value()).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// What is written together with terms.
struct KeptWithTerms<'k> {
    mark: Option<&'k OutputMark>,
    run_changes: &'k [(String, RunChange)],
    /// There are counts of terms, which hold no longer unless they are kept.
    has_counts: bool,
}

/// One durable transaction: everything that waits, and some of what has expired.
fn write(
    database: &Database,
    pending: &HashMap<Box<[u8]>, Row, RandomState>,
    kept: &KeptWithTerms<'_>,
    clocks: &ExpiryClocks,
    swept: &mut Option<(i64, Vec<u8>)>,
    limit: &mut Option<TermLimit>,
) -> Result<(), redb::Error> {
    let KeptWithTerms { mark, run_changes, has_counts } = *kept;
    let transaction = begin_write(database)?;
    {
        let mut meta = transaction.open_table(META)?;
        if let Some(mark) = mark {
            history::write_mark(&mut meta, mark)?;
        }
        history::write_newest(&mut meta, clocks.newest())?;
    }
    for (run, change) in run_changes {
        runs::write(&transaction, run, change)?;
    }
    {
        let mut terms = transaction.open_table(TERMS)?;
        let mut expiry = transaction.open_table(EXPIRY)?;
        // In the order of the tree neighbours are written together.
        let mut rows: Vec<_> = pending.iter().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        for (key, Row(row)) in rows {
            let is_new = put_row(&mut terms, &mut expiry, key, row)?;
            if let (Some(limit), Some(hour)) = (limit.as_mut(), hour_of(row)) {
                limit.written(key, hour, is_new);
            }
        }
        // All of an hour has expired once the next one has begun. It goes on where it stopped: what is
        // kept, as its rule has no newer events, is not looked at by every commit.
        let most = SWEEP + 2 * pending.len();
        let from = swept.take().unwrap_or((i64::MIN, Vec::new()));
        let (mut expired, mut looked) = (Vec::new(), 0);
        let to = (hour(clocks.newest()), &[][..]);
        if (from.0, &from.1[..]) < to {
            for entry in expiry.range::<(i64, &[u8])>((from.0, &from.1[..])..to)? {
                let (entry, _) = entry?;
                let (at, key) = entry.value();
                if looked == most {
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
            let was_there = terms.remove(&key[..])?.is_some();
            if let Some(limit) = limit.as_mut().filter(|_| was_there) {
                limit.removed(&key);
            }
        }
        match limit {
            Some(limit) => limit.enforce(&transaction, &mut terms, &mut expiry)?,
            None if has_counts => forget_counts(&transaction)?,
            None => {}
        }
    }
    transaction.commit()?;
    Ok(())
}

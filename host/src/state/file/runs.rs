//! The tables of runs that can be resumed. An earlier version passes them over.
//!
//! In: changes of a run, within a commit's transaction. Out: the run.
//!
//! ```text
//! table runs     RUN -> the batch that is not finished, and how far it is decided, as JSON
//! table batch    (RUN, number) -> an input of it, as JSON
//! table read     (RUN, device and number of the file) -> an input that was read, as JSON
//! table used     RUN -> when it was used last, and how long it is kept behind that, as JSON
//! ```
//! A checkpoint rewrites the row in `runs` alone, however many inputs there are.

use super::{Redb, fault, guarded, table_if_there};
use crate::state::{BatchRecord, RecordedInput, RunChange, RunUse, StateError, StoredRun};
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

const RUNS: TableDefinition<'_, &str, &str> = TableDefinition::new("runs");
const BATCH: TableDefinition<'_, (&str, u64), &str> = TableDefinition::new("batch");
const READ: TableDefinition<'_, (&str, &str), &str> = TableDefinition::new("read");

const USED: TableDefinition<'_, &str, &str> = TableDefinition::new("used");

/// Makes a change of a run.
pub(super) fn write(
    transaction: &WriteTransaction,
    run: &str,
    change: &RunChange,
) -> Result<(), redb::Error> {
    let mut runs = transaction.open_table(RUNS)?;
    let mut batch = transaction.open_table(BATCH)?;
    let mut read = transaction.open_table(READ)?;
    let json = |kept: &BatchRecord| serde_json::to_string(kept).map_err(io::Error::other);
    match change {
        RunChange::Begin(record, inputs) => {
            batch.retain_in((run, 0)..=(run, u64::MAX), |_, _| false)?;
            for (number, input) in (0..).zip(inputs) {
                let text = serde_json::to_string(input).map_err(io::Error::other)?;
                batch.insert((run, number), text.as_str())?;
            }
            runs.insert(run, json(record)?.as_str())?;
        }
        RunChange::Reached(_) | RunChange::ReadTo(_) | RunChange::Letters(_) => {
            let text = runs.get(run)?.map(|text| text.value().to_owned());
            let Some(text) = text else { return Ok(()) };
            let mut record: BatchRecord = serde_json::from_str(&text).map_err(io::Error::other)?;
            match change {
                RunChange::Reached(position) => record.position = position.clone(),
                RunChange::ReadTo(position) => record.stream = Some(position.clone()),
                RunChange::Letters(letters) => record.has_dead_letters(letters.clone()),
                _ => {}
            }
            runs.insert(run, json(&record)?.as_str())?;
        }
        RunChange::Finished(lines) => {
            for row in batch.extract_from_if((run, 0)..=(run, u64::MAX), |_, _| true)? {
                let (key, text) = row?;
                let mut input: RecordedInput =
                    serde_json::from_str(text.value()).map_err(io::Error::other)?;
                let (_, number) = key.value();
                input.has_lines(lines.get(number as usize).copied().flatten());
                let text = serde_json::to_string(&input).map_err(io::Error::other)?;
                read.insert((run, file_key(&input).as_str()), text.as_str())?;
            }
            runs.remove(run)?;
        }
        RunChange::Positions(changed, gone) => {
            for input in changed {
                let text = serde_json::to_string(input).map_err(io::Error::other)?;
                read.insert((run, file_key(input).as_str()), text.as_str())?;
            }
            for input in gone {
                read.remove((run, file_key(input).as_str()))?;
            }
        }
        RunChange::Used(used) => {
            let text = serde_json::to_string(used).map_err(io::Error::other)?;
            transaction.open_table(USED)?.insert(run, text.as_str())?;
        }
        RunChange::Forgotten => {
            let mut files = Vec::new();
            for row in read.range((run, "")..)? {
                let (key, _) = row?;
                let (name, file) = key.value();
                if name != run {
                    break;
                }
                files.push(file.to_owned());
            }
            for file in files {
                read.remove((run, file.as_str()))?;
            }
            runs.remove(run)?;
            transaction.open_table(USED)?.remove(run)?;
        }
    }
    Ok(())
}

/// A file's key among those that were read.
fn file_key(input: &RecordedInput) -> String {
    format!("{}/{}", input.device, input.inode)
}

/// What is damaged in the tables of runs.
pub(super) fn faults(transaction: &ReadTransaction) -> Result<Vec<String>, redb::Error> {
    let mut faults = Vec::new();
    let is_input = |text: &str| serde_json::from_str::<RecordedInput>(text).is_ok();
    if let Some(runs) = table_if_there(transaction, RUNS)? {
        for row in runs.iter()? {
            let (run, text) = row?;
            if serde_json::from_str::<BatchRecord>(text.value()).is_err() {
                faults.push(format!("the record of run {}: it cannot be read", run.value()));
            }
        }
    }
    if let Some(batch) = table_if_there(transaction, BATCH)? {
        for row in batch.iter()? {
            let (key, text) = row?;
            if !is_input(text.value()) {
                let (run, number) = key.value();
                faults.push(format!("input {number} of run {run}: it cannot be read"));
            }
        }
    }
    if let Some(read) = table_if_there(transaction, READ)? {
        for row in read.iter()? {
            let (key, text) = row?;
            if !is_input(text.value()) {
                let (run, file) = key.value();
                faults.push(format!("file {file} that run {run} read: it cannot be read"));
            }
        }
    }
    if let Some(used) = table_if_there(transaction, USED)? {
        for row in used.iter()? {
            let (run, text) = row?;
            if serde_json::from_str::<RunUse>(text.value()).is_err() {
                faults.push(format!("the last use of run {}: it cannot be read", run.value()));
            }
        }
    }
    Ok(faults)
}

impl Redb {
    pub(super) fn read_run(&self, run: &str) -> Result<StoredRun, StateError> {
        guarded(&self.path, || {
            let transaction = self.begin_read()?;
            let mut stored = self.read_one(&transaction, run)?;
            stored.others = others(&transaction, run).map_err(|e| fault(&self.path, e))?;
            Ok(stored)
        })
    }

    /// All runs, by their names, without what each would know of the others.
    pub(super) fn read_runs(&self) -> Result<Vec<(String, StoredRun)>, StateError> {
        guarded(&self.path, || {
            let transaction = self.begin_read()?;
            let names = names(&transaction).map_err(|e| fault(&self.path, e))?;
            let read = |run: String| Ok((run.clone(), self.read_one(&transaction, &run)?));
            names.into_iter().map(read).collect()
        })
    }

    fn read_one(&self, transaction: &ReadTransaction, run: &str) -> Result<StoredRun, StateError> {
        let corrupt = |e: serde_json::Error| StateError::Corrupt {
            path: self.path.clone(),
            reason: format!("the record of run {run} cannot be read: {e}"),
        };
        let mut stored = StoredRun::default();
        if let Some(runs) = table_if_there(transaction, RUNS).map_err(|e| fault(&self.path, e))?
            && let Some(text) = runs.get(run).map_err(|e| fault(&self.path, e))?
        {
            stored.batch = Some(serde_json::from_str(text.value()).map_err(corrupt)?);
        }
        if let Some(batch) = table_if_there(transaction, BATCH).map_err(|e| fault(&self.path, e))? {
            let rows = batch.range((run, 0)..=(run, u64::MAX));
            for row in rows.map_err(|e| fault(&self.path, e))? {
                let (_, text) = row.map_err(|e| fault(&self.path, e))?;
                stored.inputs.push(serde_json::from_str(text.value()).map_err(corrupt)?);
            }
        }
        if let Some(read) = table_if_there(transaction, READ).map_err(|e| fault(&self.path, e))? {
            for row in read.range((run, "")..).map_err(|e| fault(&self.path, e))? {
                let (key, text) = row.map_err(|e| fault(&self.path, e))?;
                if key.value().0 != run {
                    break;
                }
                stored.read.push(serde_json::from_str(text.value()).map_err(corrupt)?);
            }
        }
        Ok(stored)
    }
}

/// Other runs that are at their end. What cannot be read of one is as good as not there.
fn others(
    transaction: &ReadTransaction,
    run: &str,
) -> Result<BTreeMap<String, Option<RunUse>>, redb::Error> {
    let used = table_if_there(transaction, USED)?;
    let runs = table_if_there(transaction, RUNS)?;
    let mut others = BTreeMap::new();
    for name in names(transaction)?.into_iter().filter(|name| name != run) {
        let batch = runs.as_ref().map(|runs| runs.get(name.as_str())).transpose()?.flatten();
        let batch = batch.map(|text| serde_json::from_str::<BatchRecord>(text.value()).ok());
        let is_over = |batch: BatchRecord| batch.stream.is_some_and(|stream| stream.ended);
        if batch.is_none_or(|batch| batch.is_some_and(is_over)) {
            let row = used.as_ref().map(|used| used.get(name.as_str())).transpose()?.flatten();
            others.insert(name, row.and_then(|row| serde_json::from_str(row.value()).ok()));
        }
    }
    Ok(others)
}

/// The names of all runs.
fn names(transaction: &ReadTransaction) -> Result<BTreeSet<String>, redb::Error> {
    let mut names = BTreeSet::new();
    if let Some(runs) = table_if_there(transaction, RUNS)? {
        for row in runs.iter()? {
            names.insert(row?.0.value().to_owned());
        }
    }
    if let Some(read) = table_if_there(transaction, READ)? {
        // From run to run: each may have read any number of files.
        let mut from = String::new();
        while let Some(row) = read.range((from.as_str(), "")..)?.next() {
            let name = row?.0.value().0.to_owned();
            from = format!("{name}\0");
            names.insert(name);
        }
    }
    if let Some(used) = table_if_there(transaction, USED)? {
        for row in used.iter()? {
            names.insert(row?.0.value().to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::StateStore;
    use crate::state::admin::StateAdmin;

    #[test]
    fn positions_of_inputs_come_change_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Redb::open(&folder.path().join("state")).unwrap();
        let input = |inode, start_line| RecordedInput { inode, start_line, ..Default::default() };
        let mut change = |change| {
            store.change_run("r", change);
            store.commit().unwrap();
            store.stored_run("r").unwrap()
        };
        let begun = change(RunChange::Begin(Box::default(), vec![input(1, 7), input(2, 0)]));
        assert_eq!((begun.inputs.len(), begun.read.len()), (2, 0));
        let read = change(RunChange::Finished(vec![Some(3), None])).read;
        let lines: Vec<_> = read.iter().map(|input| (input.inode, input.lines)).collect();
        assert_eq!(lines, [(1, Some(10)), (2, None)]);
        let missing = RecordedInput { missing_since_ms: Some(5), ..read[1].clone() };
        let left = change(RunChange::Positions(vec![missing.clone()], vec![read[0].clone()]));
        assert_eq!(left, StoredRun { read: vec![missing], ..StoredRun::default() });
        // Another run's are its own.
        store.change_run("s", RunChange::Begin(Box::default(), vec![input(2, 0)]));
        store.change_run("s", RunChange::Finished(Vec::new()));
        store.change_run("s", RunChange::Positions(Vec::new(), vec![input(2, 0)]));
        store.commit().unwrap();
        assert_eq!(store.stored_runs().unwrap(), [("r".to_owned(), left)]);
        // A run that is over goes as a whole, and one that is in the middle of a batch is not offered.
        let used = RunUse { used_ms: 100, memory_ms: 50 };
        store.change_run("r", RunChange::Used(used));
        store.change_run("t", RunChange::Begin(Box::default(), vec![input(3, 0)]));
        store.commit().unwrap();
        let others = store.stored_run("s").unwrap().others;
        assert_eq!(others, BTreeMap::from([("r".to_owned(), Some(used))]));
        assert!(used.is_over(151) && !used.is_over(150) && !used.is_over(5));
        store.change_run("r", RunChange::Forgotten);
        store.commit().unwrap();
        let names: Vec<_> = store.stored_runs().unwrap().into_iter().map(|(run, _)| run).collect();
        assert_eq!(names, ["t"]);
    }
}

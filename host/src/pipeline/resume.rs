//! How far a batch of inputs is decided, so that a later process goes on behind it.
//!
//! In: the matches of a batch in their order. Out: whether an earlier process decided one, and the position
//! for the state to keep. The order is that of the sorter, so equal inputs under equal rules give equal
//! matches; that they do is checked by a digest over all that were decided.

use super::order::Sorter;
use super::{Order, Pipeline};
use crate::observe::Counter;
use crate::source::Input;
use crate::state::{BatchPosition, BatchRecord, RecordedInput, RunChange, digest_text};
use anyhow::bail;
use firstseen_abi::{Cursor, Item};
use firstseen_session::Match;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// The progress of a batch.
pub struct BatchProgress {
    /// The name of the run in the state.
    pub run: String,
    before: BatchPosition,
    decided: u64,
    keys: blake3::Hasher,
    /// How many lines ended in each input so far, where it is plain.
    pub lines: Vec<Option<u64>>,
}

impl BatchProgress {
    /// Of a run, whose batch was decided so far.
    #[must_use]
    pub fn new(run: String, before: BatchPosition) -> Self {
        Self { run, before, decided: 0, keys: blake3::Hasher::new(), lines: Vec::new() }
    }

    /// Takes a block of the present input.
    pub fn read(&mut self, block: &[u8]) {
        if let Some(Some(lines)) = self.lines.last_mut() {
            *lines += line_ends(block);
        }
    }

    /// Takes a match that is decided.
    pub fn take(&mut self, m: &Match) {
        self.decided += 1;
        self.keys.update(&m.time_ms.to_le_bytes());
        self.keys.update(&m.identity);
        self.keys.update(&m.rule.artifact.to_le_bytes());
        self.keys.update(&m.rule.rule.to_le_bytes());
        // Another user in a decided event would be one that never alerts.
        if let Ok(item) = Item::read(&mut Cursor::new(&m.item)) {
            for term in item.terms() {
                self.keys.update(&(term.key.len() as u64).to_le_bytes());
                self.keys.update(term.key);
            }
        }
    }

    /// Whether the next match was decided by an earlier process; it counts as taken then.
    ///
    /// # Errors
    /// Where the matches up to the position are not those that were decided.
    pub fn skips(&mut self, m: &Match) -> anyhow::Result<bool> {
        if self.decided >= self.before.decided {
            return Ok(false);
        }
        self.take(m);
        if self.decided == self.before.decided && self.reached().digest != self.before.digest {
            return Err(changed());
        }
        Ok(true)
    }

    /// All matches came.
    ///
    /// # Errors
    /// Where there are fewer than were decided.
    pub fn ends(&self) -> anyhow::Result<()> {
        if self.decided < self.before.decided {
            bail!(changed());
        }
        Ok(())
    }

    /// The position.
    #[must_use]
    pub fn reached(&self) -> BatchPosition {
        BatchPosition { decided: self.decided, digest: digest_text(&self.keys.finalize()) }
    }
}

impl Pipeline<'_> {
    /// Has a batch of a run in the state, before anything of it is decided.
    ///
    /// # Errors
    /// When the state failed.
    pub fn begin_batch(
        &mut self,
        run: &str,
        mut batch: BatchRecord,
        inputs: Vec<RecordedInput>,
    ) -> anyhow::Result<BatchRecord> {
        self.observer.sync()?;
        batch.has_dead_letters(self.observer.mark());
        self.decider.change_run(run, RunChange::Begin(Box::new(batch.clone()), inputs))?;
        Ok(batch)
    }

    /// Has in the state that the dead letters of a batch are in the present file from now on.
    ///
    /// # Errors
    /// When the state failed.
    pub fn keep_dead_letters(&mut self, run: &str, batch: &mut BatchRecord) -> anyhow::Result<()> {
        self.observer.sync()?;
        let letters = self.observer.mark();
        batch.has_dead_letters(letters.clone());
        self.decider.change_run(run, RunChange::Letters(letters))
    }

    /// Has in the state which inputs of earlier batches have come or gone, and removes the others' positions.
    ///
    /// # Errors
    /// When the state failed.
    pub fn keep_positions(
        &mut self,
        run: &str,
        changed: Vec<RecordedInput>,
        gone: Vec<RecordedInput>,
    ) -> anyhow::Result<()> {
        if changed.is_empty() && gone.is_empty() {
            return Ok(());
        }
        self.decider.change_run(run, RunChange::Positions(changed, gone))
    }

    /// Has a change of a run in the state with the next commit.
    pub fn keep_run(&mut self, run: &str, change: RunChange) {
        self.decider.store.change_run(run, change);
    }

    /// Decides what is left of a batch. Gives how many lines ended in each of its inputs that is plain, or nothing
    /// where somebody asked to end before.
    ///
    /// # Errors
    /// As for [`Self::run`]; an input that cannot be read to its end. Nothing is decided then that was
    /// not before.
    pub fn run_batch(
        &mut self,
        run: &str,
        batch: &BatchRecord,
        inputs: &[Input],
    ) -> anyhow::Result<Option<Vec<Option<u64>>>> {
        self.now_ms = batch.now_ms;
        // Nothing is pending: names and numbers begin anew.
        self.names.clear();
        self.decider.batch = Some(BatchProgress::new(run.to_owned(), batch.position.clone()));
        self.read_all(inputs, Order::Sorted(Sorter::new(self.options.order_budget)))?;
        let Some(batch) = self.decider.batch.take() else { return Ok(None) };
        self.decider.change_run(run, RunChange::Finished(batch.lines.clone()))?;
        Ok(Some(batch.lines))
    }

    /// Inputs that a batch before has read.
    pub fn already_read(&mut self, inputs: u64) {
        self.observer.count(Counter::AlreadyRead, inputs);
    }
}

/// How many lines end in a block.
pub(super) fn line_ends(block: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', block).count() as u64
}

/// How many lines end in the first bytes of a file.
///
/// # Errors
/// When it cannot be read.
pub fn line_ends_to(file: &File, length: u64) -> std::io::Result<u64> {
    let mut block = vec![0; length.min(1 << 20) as usize];
    let (mut lines, mut at) = (0, 0);
    while at < length {
        let size = (length - at).min(block.len() as u64);
        let part = block.get_mut(..size as usize).unwrap_or_default();
        file.read_exact_at(part, at)?;
        lines += line_ends(part);
        at += size;
    }
    Ok(lines)
}

fn changed() -> anyhow::Error {
    anyhow::anyhow!(
        "the events that an earlier run decided are not those of its inputs any more: restore the inputs, \
         or give --restart-batch to start over with them as they are"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::order::test_match;

    #[test]
    fn what_was_decided_is_skipped_and_nothing_else() {
        let all: Vec<_> = (0..5).map(|n| test_match(n, n as u8, 0)).collect();
        for decided in 0..=5 {
            let mut first = BatchProgress::new(String::new(), BatchPosition::default());
            all[..decided].iter().for_each(|m| first.take(m));
            let again = || BatchProgress::new(String::new(), first.reached());
            let mut next = again();
            let skipped = all.iter().take_while(|m| next.skips(m).unwrap()).count();
            assert_eq!(skipped, decided);
            next.ends().unwrap();
            if decided > 0 {
                let mut next = again();
                let mut other = all.clone();
                other[decided - 1].identity = [9; 16];
                assert!(other.iter().try_for_each(|m| next.skips(m).map(|_| ())).is_err());
                assert!(again().ends().is_err());
            }
        }
    }
}

//! How far a batch of inputs is decided, so that a later process goes on behind it.
//!
//! In: the matches of a batch in their order. Out: whether an earlier process decided one, and the position
//! for the state to keep. The order is that of the sorter, so equal inputs under equal rules give equal
//! matches; that they do is checked by a digest over all that were decided.

use crate::state::{BatchPosition, digest_text};
use anyhow::bail;
use firstseen_abi::{Cursor, Item};
use firstseen_session::Match;

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
            *lines += memchr::memchr_iter(b'\n', block).count() as u64;
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

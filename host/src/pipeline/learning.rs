//! From when to when the rules of a run learned: kept in the state, under a key of each rule.
//!
//! In: the times of the events that are read, a store. Out: what the state knows; under `firstseen learn` a key for
//! each rule, made before its first round if it is absent, whose beginning never changes and whose end moves with
//! what is read. It judges no event.

use crate::state::{Applied, StateError, StateStore, StateWrite};
use anyhow::{Context, anyhow};
use firstseen_rule::learn::{LEARN_TTL_MS, LearnedSpan, learn_key};
use firstseen_session::RuleRef;

/// From when to when the rules learned.
#[derive(Debug, Default)]
pub struct Learning {
    /// By artifact, and in it by rule.
    artifacts: Vec<Vec<RuleStart>>,
    /// How far ahead of the clock an event may be dated.
    future_slack_ms: i64,
    /// Whether this run learns: `firstseen learn`. Any other reads what the state has.
    learns: bool,
    /// Of the events that were read.
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    began: bool,
}

#[derive(Debug)]
struct RuleStart {
    key: Vec<u8>,
    span: Option<LearnedSpan>,
    /// The value that the state has.
    value: Option<Vec<u8>>,
}

impl Learning {
    /// For these rules: of each artifact the prefixes of its rules' keys.
    #[must_use]
    pub fn new(artifacts: Vec<Vec<String>>, future_slack_ms: i64, learns: bool) -> Self {
        let start = |prefix: String| RuleStart {
            key: learn_key(&prefix).into_bytes(),
            span: None,
            value: None,
        };
        let artifacts = artifacts.into_iter().map(|rules| rules.into_iter().map(start).collect());
        Self { artifacts: artifacts.collect(), future_slack_ms, learns, ..Self::default() }
    }

    /// Whether the time of the first event is still wanted.
    #[must_use]
    pub fn wants_first(&self) -> bool {
        self.learns && self.first_ms.is_none()
    }

    /// An event of this time was read.
    pub fn read(&mut self, time_ms: i64, now_ms: i64) {
        let is_future = now_ms != 0 && time_ms > now_ms.saturating_add(self.future_slack_ms);
        if !is_future {
            self.first_ms = Some(self.first_ms.map_or(time_ms, |first| first.min(time_ms)));
            self.last_ms = self.last_ms.max(Some(time_ms));
        }
    }

    /// Reads what the state has.
    ///
    /// # Errors
    /// When the store failed, or holds what this version cannot read.
    pub fn look(&mut self, store: &mut dyn StateStore) -> anyhow::Result<()> {
        for (artifact, rules) in (0u16..).zip(&mut self.artifacts) {
            store.advance(artifact, i64::MIN);
            let keys: Vec<&[u8]> = rules.iter().map(|rule| &*rule.key).collect();
            let values = store.get_many(&mut keys.into_iter()).context("the state was not read")?;
            for (rule, value) in rules.iter_mut().zip(values) {
                rule.value = value;
                rule.take()?;
            }
        }
        Ok(())
    }

    /// Makes the keys that are absent; does nothing before an event was read.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub fn begin(&mut self, store: &mut dyn StateStore) -> anyhow::Result<()> {
        let begins = self.learns && !self.began;
        let Some(first_ms) = self.first_ms.filter(|_| begins) else { return Ok(()) };
        self.look(store)?;
        for (artifact, rules) in (0u16..).zip(&mut self.artifacts) {
            store.advance(artifact, i64::MIN);
            for rule in rules.iter_mut().filter(|rule| rule.value.is_none()) {
                rule.write(store, LearnedSpan { first_ms, last_ms: first_ms })?;
            }
        }
        self.began = true;
        Ok(())
    }

    /// What was read is decided: how far it came is written. Whether anything was.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub fn advance(&mut self, store: &mut dyn StateStore) -> anyhow::Result<bool> {
        let had_begun = self.began;
        self.begin(store)?;
        let mut wrote = self.began && !had_begun;
        let Some(last_ms) = self.last_ms.filter(|_| self.learns) else { return Ok(wrote) };
        for (artifact, rules) in (0u16..).zip(&mut self.artifacts) {
            for rule in rules {
                // Where another writer was faster, the later end counts.
                while let Some(span) = rule.span.filter(|span| span.last_ms < last_ms) {
                    store.advance(artifact, i64::MIN);
                    rule.write(store, LearnedSpan { last_ms, ..span })?;
                    wrote = true;
                }
            }
        }
        Ok(wrote)
    }

    /// From when to when a rule learned.
    #[must_use]
    pub fn span(&self, at: RuleRef) -> Option<LearnedSpan> {
        self.artifacts.get(usize::from(at.artifact))?.get(usize::from(at.rule))?.span
    }
}

impl RuleStart {
    /// Writes a span over the value that is known; where another writer was faster, that one's is.
    fn write(&mut self, store: &mut dyn StateStore, span: LearnedSpan) -> anyhow::Result<()> {
        let value = span.write();
        let write = StateWrite {
            key: &self.key,
            expected: self.value.as_deref(),
            value: &value,
            expires_ms: span.last_ms.saturating_add(LEARN_TTL_MS),
        };
        let applied: Result<_, StateError> = store.apply(&mut std::iter::once(write));
        self.value = match applied.context("the state was not written")?.pop() {
            Some(Applied::Conflict(current)) => current,
            _ => Some(value),
        };
        self.take()
    }

    fn take(&mut self) -> anyhow::Result<()> {
        let value = self.value.as_deref();
        let span = value.map(LearnedSpan::read).transpose().map_err(|fault| {
            anyhow!("{}: {fault}", String::from_utf8_lossy(&self.key).escape_debug())
        })?;
        self.span = span.flatten();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Memory;

    const NOW: i64 = 1000;

    fn one(learns: bool) -> Learning {
        Learning::new(vec![vec!["t:r:0:".to_owned()]], 10, learns)
    }

    fn span(learning: &Learning) -> Option<(i64, i64)> {
        learning.span(RuleRef::default()).map(|span| (span.first_ms, span.last_ms))
    }

    #[test]
    fn the_beginning_is_made_once_and_the_end_never_moves_back() {
        let mut store = Memory::default();
        let mut none = one(true);
        none.read(NOW + 11, NOW);
        assert!(none.wants_first() && !none.advance(&mut store).unwrap(), "none was read");
        for (times, end) in [([9, 5], 9), ([3, 4], 9), ([7, 20], 20)] {
            let mut learning = one(true);
            times.iter().for_each(|time| learning.read(*time, NOW));
            learning.begin(&mut store).unwrap();
            learning.advance(&mut store).unwrap();
            assert_eq!(span(&learning), Some((5, end)));
            assert!(!learning.advance(&mut store).unwrap(), "nothing more was read");
        }
    }

    #[test]
    fn a_run_that_does_not_learn_reads_and_writes_nothing() {
        let mut store = Memory::default();
        let mut known = one(false);
        known.read(4, NOW);
        assert!(!known.advance(&mut store).unwrap() && !known.wants_first());
        assert_eq!((span(&known), store.count().unwrap()), (None, 0));
        store.put(b"t:r:0:learn", &LearnedSpan { first_ms: 2, last_ms: 8 }.write(), i64::MAX);
        known.look(&mut store).unwrap();
        assert_eq!(span(&known), Some((2, 8)));
        store.put(b"t:r:0:learn", &[9], i64::MAX);
        let error = known.look(&mut store).unwrap_err().to_string();
        assert!(error.contains("t:r:0:learn: the state was written by a newer engine"), "{error}");
    }
}

//! From when to when the rules of a run learned: kept in the state, under a key of each rule.
//!
//! In: the times of the events that are read, a store. Out: what the state knows; under `firstseen learn` a key for
//! each rule, made before its first round if it is absent, whose beginning never changes and whose end moves with
//! what is read; under `--learn-for` the beginning alone, by which the rule decides. Under `--learn-events` the rule
//! counts in the same key; what it counted is read. It judges no event.

use crate::state::{Applied, StateError, StateStore, StateWrite};
use anyhow::{Context, anyhow};
use firstseen_rule::learn::{LEARN, LEARN_TTL_MS, LearnedSpan, learn_key};
use firstseen_rule::window::DAY_MS;
use firstseen_session::RuleRef;

/// How old the first event of a stream may be: a stray one would end the learning at once.
pub const OLDEST_MS: i64 = 30 * DAY_MS;

/// From when to when the rules learned.
#[derive(Debug, Default)]
pub struct Learning {
    /// By artifact, and in it by rule.
    artifacts: Vec<Vec<RuleStart>>,
    /// How far ahead of the clock an event may be dated.
    future_slack_ms: i64,
    /// Whether this run is `firstseen learn`. Any other begins what learns for a time, and reads.
    learns: bool,
    /// Of the events that were read.
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    began: bool,
}

#[derive(Debug)]
struct RuleStart {
    /// How long it learns from its start on; 0: not at all.
    for_ms: i64,
    /// From how many events it learns; 0: from none.
    events: i64,
    key: Vec<u8>,
    span: Option<LearnedSpan>,
    /// The value that the state has.
    value: Option<Vec<u8>>,
}

impl Learning {
    /// For these rules: of each artifact the prefixes of its rules' keys, how long each learns, and from how
    /// many events.
    #[must_use]
    pub fn new(
        artifacts: Vec<Vec<(String, i64, i64)>>,
        future_slack_ms: i64,
        learns: bool,
    ) -> Self {
        let start = |(prefix, for_ms, events): (String, i64, i64)| RuleStart {
            for_ms,
            events,
            key: learn_key(&prefix).into_bytes(),
            span: None,
            value: None,
        };
        let artifacts = artifacts.into_iter().map(|rules| rules.into_iter().map(start).collect());
        Self { artifacts: artifacts.collect(), future_slack_ms, learns, ..Self::default() }
    }

    /// One that only hears when events of other inputs happened, for [`Self::join`].
    #[must_use]
    pub fn hearing(&self) -> Self {
        let Self { future_slack_ms, learns, .. } = *self;
        Self { future_slack_ms, learns, ..Self::default() }
    }

    /// Takes the times that another heard of inputs that end.
    pub fn join(&mut self, other: &Self) {
        let firsts = [self.first_ms, other.first_ms];
        self.first_ms = firsts.into_iter().flatten().min();
        self.last_ms = self.last_ms.max(other.last_ms);
    }

    /// Whether the time of the first event is still wanted.
    #[must_use]
    pub fn wants_first(&self) -> bool {
        self.first_ms.is_none()
            && (self.learns || self.artifacts.iter().flatten().any(|rule| rule.for_ms > 0))
    }

    /// Whether anything depends on when events happened.
    #[must_use]
    pub fn is_asked_for(&self) -> bool {
        let learns = |rule: &RuleStart| rule.for_ms > 0 || rule.events > 0;
        self.learns || self.artifacts.iter().flatten().any(learns)
    }

    /// Whether rules learn first, and no event has begun it.
    #[must_use]
    pub fn waits_for_first(&self) -> bool {
        let waits = |rule: &RuleStart| (rule.for_ms > 0 || rule.events > 0) && rule.span.is_none();
        !self.learns && self.first_ms.is_none() && self.artifacts.iter().flatten().any(waits)
    }

    /// An event of this time was read. Inputs that end are put in order, so that the earliest counts. Of a
    /// stream the first does, unless it is very old: a stray one would end what is learned by time.
    pub fn read(&mut self, time_ms: i64, now_ms: i64, is_stream: bool) {
        let by_time = is_stream && !self.learns;
        let is_stray = now_ms != 0 && time_ms < now_ms.saturating_sub(OLDEST_MS);
        if by_time && (is_stray || self.first_ms.is_some()) {
            return;
        }
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
        let Some(first_ms) = self.first_ms.filter(|_| !self.began) else { return Ok(()) };
        let learns = self.learns;
        if !learns && self.artifacts.iter().flatten().all(|rule| rule.for_ms == 0) {
            return Ok(());
        }
        self.look(store)?;
        for (artifact, rules) in (0u16..).zip(&mut self.artifacts) {
            store.advance(artifact, i64::MIN);
            let begins = |rule: &&mut RuleStart| learns || rule.for_ms > 0;
            for rule in rules.iter_mut().filter(begins).filter(|rule| rule.value.is_none()) {
                rule.write(store, LearnedSpan { first_ms, last_ms: first_ms, events: 0 })?;
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

    /// Reads what the rules counted, where they learn from a number of events.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub fn count(&mut self, store: &mut dyn StateStore) -> anyhow::Result<()> {
        let counts = |rule: &RuleStart| {
            rule.events > 0 && rule.span.is_none_or(|span| span.events < rule.events)
        };
        if self.artifacts.iter().flatten().any(counts) { self.look(store) } else { Ok(()) }
    }

    /// How many events a rule counted, and from how many it learns, where it does from a number of them.
    #[must_use]
    pub fn events(&self, at: RuleRef) -> Option<(i64, i64)> {
        let rule = self.rule(at).filter(|rule| rule.events > 0)?;
        Some((rule.span.map_or(0, |span| span.events.clamp(0, rule.events)), rule.events))
    }

    /// Until when a rule learns, where it does for a time.
    #[must_use]
    pub fn until_ms(&self, at: RuleRef) -> Option<i64> {
        let rule = self.rule(at)?;
        let span = rule.span.filter(|_| rule.for_ms > 0)?;
        Some(span.first_ms.saturating_add(rule.for_ms))
    }

    /// From when to when a rule learned.
    #[must_use]
    pub fn span(&self, at: RuleRef) -> Option<LearnedSpan> {
        self.rule(at)?.span
    }

    fn rule(&self, at: RuleRef) -> Option<&RuleStart> {
        self.artifacts.get(usize::from(at.artifact))?.get(usize::from(at.rule))
    }
}

impl RuleStart {
    /// Writes a span over the value that is known; where another writer was faster, that one's is.
    fn write(&mut self, store: &mut dyn StateStore, span: LearnedSpan) -> anyhow::Result<()> {
        let value = span.write(LEARN);
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

    const NOW: i64 = 1000 * DAY_MS;

    fn one(learns: bool) -> Learning {
        Learning::new(vec![vec![("t:r:0:".to_owned(), 0, 0)]], 10, learns)
    }

    fn for_a_day() -> Learning {
        Learning::new(vec![vec![("t:r:0:".to_owned(), DAY_MS, 0)]], 10, false)
    }

    fn span(learning: &Learning) -> Option<(i64, i64)> {
        learning.span(RuleRef::default()).map(|span| (span.first_ms, span.last_ms))
    }

    #[test]
    fn the_beginning_is_made_once_and_the_end_never_moves_back() {
        let mut store = Memory::default();
        let mut none = one(true);
        none.read(NOW + 11, NOW, false);
        assert!(none.wants_first() && !none.advance(&mut store).unwrap(), "none was read");
        for (times, end) in [([9, 5], 9), ([3, 4], 9), ([7, 20], 20)] {
            let mut learning = one(true);
            times.iter().for_each(|time| learning.read(*time, NOW, true));
            learning.begin(&mut store).unwrap();
            learning.advance(&mut store).unwrap();
            assert_eq!(span(&learning), Some((5, end)));
            assert!(!learning.advance(&mut store).unwrap(), "nothing more was read");
        }
    }

    #[test]
    fn what_learns_for_a_time_begins_once_with_the_first_event_that_is_not_astray() {
        let first = |times: &[i64], is_stream: bool| {
            let (mut learning, mut store) = (for_a_day(), Memory::default());
            times.iter().for_each(|time| learning.read(*time, NOW, is_stream));
            assert_eq!(learning.wants_first(), learning.first_ms.is_none());
            learning.advance(&mut store).unwrap();
            let mut again = for_a_day();
            again.read(NOW, NOW, is_stream);
            again.read(1, NOW, false);
            again.begin(&mut store).unwrap();
            assert!(span(&learning).is_none() || span(&again) == span(&learning));
            assert_eq!(
                learning.until_ms(RuleRef::default()),
                span(&learning).map(|s| s.0 + DAY_MS)
            );
            span(&learning)
        };
        assert_eq!(first(&[NOW + 11, 7, 3, 9], false), Some((3, 3)));
        let astray = NOW - 31 * DAY_MS;
        assert_eq!(first(&[NOW + 11, astray, NOW - 2, NOW - 9], true), Some((NOW - 2, NOW - 2)));
        assert_eq!(first(&[NOW + 11, astray], true), None);
        assert_eq!(one(false).until_ms(RuleRef::default()), None);
    }

    #[test]
    fn what_a_rule_counted_is_read_and_is_never_lost() {
        let mut store = Memory::default();
        let rules = || vec![vec![("t:r:0:".to_owned(), 0, 7)]];
        let mut learning = Learning::new(rules(), 10, true);
        learning.read(5, NOW, false);
        learning.begin(&mut store).unwrap();
        assert_eq!(learning.events(RuleRef::default()), Some((0, 7)));
        // The rule counts while its events are decided.
        let counted = LearnedSpan { first_ms: 5, last_ms: 5, events: 3 };
        store.put(b"t:r:0:learn", &counted.write(LEARN), i64::MAX);
        learning.read(9, NOW, false);
        assert!(learning.advance(&mut store).unwrap());
        learning.count(&mut store).unwrap();
        assert_eq!(
            (span(&learning), learning.events(RuleRef::default())),
            (Some((5, 9)), Some((3, 7)))
        );
        assert_eq!(
            (one(true).events(RuleRef::default()), learning.until_ms(RuleRef::default())),
            (None, None)
        );
    }

    #[test]
    fn a_run_that_does_not_learn_reads_and_writes_nothing() {
        let mut store = Memory::default();
        let mut known = one(false);
        known.read(4, NOW, false);
        assert!(!known.advance(&mut store).unwrap() && !known.wants_first());
        assert_eq!((span(&known), store.count().unwrap()), (None, 0));
        let kept = LearnedSpan { first_ms: 2, last_ms: 8, events: 0 };
        store.put(b"t:r:0:learn", &kept.write(LEARN), i64::MAX);
        known.look(&mut store).unwrap();
        assert_eq!(span(&known), Some((2, 8)));
        store.put(b"t:r:0:learn", &[9], i64::MAX);
        let error = known.look(&mut store).unwrap_err().to_string();
        assert!(error.contains("t:r:0:learn: the state was written by a newer engine"), "{error}");
    }
}

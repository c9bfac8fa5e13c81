//! The executions of one rule, as Elastic would run them over events that are all there.
//!
//! In: sightings of terms in order of time. Out: for each execution that keeps something the sightings that it
//! keeps, and what is counted. It knows no event: what it holds for its caller it hands back.
//!
//! An execution that ends at E looks at (E - lookback, E], and at the history [E - window, E]. A term is new
//! where its first sighting in that history is later than E - lookback; that sighting is the alert's. So one
//! sighting alone can be it: the one at whose time T the term was not seen from E - window on, for an E from T
//! on and before T + lookback. All others are counted and forgotten at once.
//!
//! An alert that was kept before is not kept again, and takes no place of `max_signals`. One that was left
//! out is looked at again by the next execution, if the two overlap there.

use super::term_order::TermOrder;
use crate::observe::schedule::RuleSchedule;
use firstseen_rule::state::time_to_live_ms;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

/// Terms that are held before those that are too old are let go.
const PRUNE_AT: usize = 4096;

/// When a rule's executions are, and what they look at, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutionTimes {
    /// Between the ends of two executions.
    pub interval_ms: i64,
    /// Ends are so much behind multiples of the interval since 1970.
    pub offset_ms: i64,
    /// How far back of its end an execution looks for new terms.
    pub lookback_ms: i64,
    /// How far back of its end the history reaches.
    pub window_ms: i64,
}

impl ExecutionTimes {
    /// The number of the first execution that ends at or after a time.
    fn first(&self, time_ms: i64) -> i128 {
        let from = i128::from(time_ms) - i128::from(self.offset_ms);
        -(-from).div_euclid(i128::from(self.interval_ms.max(1)))
    }

    /// When an execution ends.
    fn end(&self, number: i128) -> i64 {
        let end = number * i128::from(self.interval_ms.max(1)) + i128::from(self.offset_ms);
        end.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    fn end_at_or_after(&self, time_ms: i64) -> i64 {
        self.end(self.first(time_ms))
    }
}

/// A sighting that an execution keeps: an alert.
#[derive(Debug)]
pub(super) struct KeptSighting<E> {
    /// Its event.
    pub(super) event: E,
    /// Its term.
    pub(super) key: Rc<[u8]>,
    /// The sighting before it, where that is more than a window ago.
    pub(super) previous_ms: Option<i64>,
}

/// What an execution kept, in order of time.
#[derive(Debug)]
pub(super) struct ExecutionResult<E> {
    /// The earliest time that it looked at, without it.
    pub(super) from_ms: i64,
    /// When it ended.
    pub(super) end_ms: i64,
    /// What it kept.
    pub(super) kept: Vec<KeptSighting<E>>,
    /// Events of sightings that no execution can keep any more.
    pub(super) left: Vec<E>,
}

/// A term's sightings.
#[derive(Debug)]
struct TermSightings {
    last_ms: i64,
    count: u64,
}

/// When a term was seen, and when before that.
#[derive(Debug, Clone, Copy)]
struct SightedAt {
    time_ms: i64,
    before_ms: Option<i64>,
}

/// A sighting that may be an alert's.
#[derive(Debug)]
struct Candidate<E> {
    event: E,
    key: Rc<[u8]>,
    term: Box<str>,
    at: SightedAt,
    /// How many sightings of the term there were before it.
    before: u64,
    /// An execution had no room for it.
    missed: bool,
}

/// The executions of one rule.
#[derive(Debug)]
pub(super) struct RuleExecutions<E> {
    times: ExecutionTimes,
    max_signals: usize,
    order: TermOrder,
    terms: HashMap<Rc<[u8]>, TermSightings>,
    prune_at: usize,
    /// In order of time. Each may be new in an execution that is not over.
    waiting: VecDeque<Candidate<E>>,
    next_end_ms: Option<i64>,
    /// The last execution that was counted.
    counted: Option<i128>,
    counts: RuleSchedule,
}

impl<E> RuleExecutions<E> {
    /// Of a rule that keeps so many alerts of each execution.
    pub(super) fn new(times: ExecutionTimes, max_signals: usize, order: TermOrder) -> Self {
        Self {
            times,
            max_signals: max_signals.max(1),
            order,
            terms: HashMap::new(),
            prune_at: PRUNE_AT,
            waiting: VecDeque::new(),
            next_end_ms: None,
            counted: None,
            counts: RuleSchedule::default(),
        }
    }

    /// When the next execution ends that may keep something.
    pub(super) fn next_end_ms(&self) -> Option<i64> {
        self.next_end_ms
    }

    /// What is counted; of sightings that wait nothing is.
    pub(super) fn counts(&self) -> &RuleSchedule {
        &self.counts
    }

    /// A matched event of this time is looked at. Executions that ended before it were run.
    pub(super) fn look(&mut self, time_ms: i64) {
        let first = self.times.first(time_ms);
        // The last that begins at or before it.
        let behind_ms = time_ms.saturating_add(self.times.lookback_ms).saturating_add(1);
        let last = self.times.first(behind_ms) - 1;
        let from = self.counted.map_or(first, |counted| first.max(counted + 1));
        if let Ok(more @ 1..) = u64::try_from(last - from + 1) {
            self.counts.executions = self.counts.executions.saturating_add(more);
            self.counted = Some(last);
        }
    }

    /// A term of an event that was looked at before: the same document again.
    pub(super) fn same(&mut self) {
        self.counts.sightings += 1;
    }

    /// A term of that event. `event` is asked for it where it may alert.
    pub(super) fn sight(
        &mut self,
        time_ms: i64,
        key: &[u8],
        term: &str,
        event: impl FnOnce() -> E,
    ) {
        self.counts.sightings += 1;
        let (key, before) = match self.terms.get_key_value(key) {
            Some((key, known)) => (Rc::clone(key), Some((known.last_ms, known.count))),
            None => (Rc::from(key), None),
        };
        let at = SightedAt { time_ms, before_ms: before.map(|(last_ms, _)| last_ms) };
        let before = before.map_or(0, |(_, count)| count);
        let known = TermSightings { last_ms: time_ms, count: before.saturating_add(1) };
        self.terms.insert(Rc::clone(&key), known);
        if let Some(end_ms) = at.next_end(&self.times, i64::MIN) {
            let (event, term) = (event(), term.into());
            self.waiting.push_back(Candidate { event, key, term, at, before, missed: false });
            self.next_end_ms = Some(self.next_end_ms.map_or(end_ms, |next| next.min(end_ms)));
        }
        if self.terms.len() >= self.prune_at {
            // Longer than a window, so that an alert names the sighting before it as a run without a
            // schedule does.
            let oldest = time_ms.saturating_sub(time_to_live_ms(self.times.window_ms));
            self.terms.retain(|_, known| known.last_ms >= oldest);
            self.prune_at = PRUNE_AT.max(self.terms.len().saturating_mul(2));
        }
    }

    /// Runs the next execution. All events up to its end were looked at, and none behind it.
    pub(super) fn run(&mut self) -> Option<ExecutionResult<E>> {
        let end_ms = self.next_end_ms.take()?;
        let new = self.waiting.iter().enumerate().filter(|(_, c)| c.at.is_new(&self.times, end_ms));
        let mut new: Vec<usize> = new.map(|(index, _)| index).collect();
        if new.len() > self.max_signals {
            new.sort_by_cached_key(|index| {
                self.waiting.get(*index).map(|c| {
                    let events = self.terms.get(&c.key).map_or(0, |known| known.count);
                    self.order.key(&c.term, events.saturating_sub(c.before))
                })
            });
            let left_out = new.split_off(self.max_signals);
            self.counts.over(end_ms, left_out.len() as u64);
            for index in left_out {
                if let Some(candidate) = self.waiting.get_mut(index) {
                    candidate.missed = true;
                }
            }
        }
        let new: HashSet<usize> = new.into_iter().collect();
        let (mut kept, mut left) = (Vec::with_capacity(new.len()), Vec::new());
        for (index, candidate) in std::mem::take(&mut self.waiting).into_iter().enumerate() {
            if new.contains(&index) {
                let Candidate { event, key, at, .. } = candidate;
                let is_gone = |ms: &i64| at.time_ms.saturating_sub(*ms) > self.times.window_ms;
                kept.push(KeptSighting { event, key, previous_ms: at.before_ms.filter(is_gone) });
                continue;
            }
            match candidate.at.next_end(&self.times, end_ms) {
                Some(next_ms) => {
                    self.next_end_ms = Some(self.next_end_ms.map_or(next_ms, |m| m.min(next_ms)));
                    self.waiting.push_back(candidate);
                }
                None => {
                    self.counts.over_max_signals += u64::from(candidate.missed);
                    left.push(candidate.event);
                }
            }
        }
        self.counts.kept += kept.len() as u64;
        let from_ms = end_ms.saturating_sub(self.times.lookback_ms);
        Some(ExecutionResult { from_ms, end_ms, kept, left })
    }
}

impl SightedAt {
    /// Whether it is the first sighting of a term that is new in the execution of this end.
    fn is_new(self, times: &ExecutionTimes, end_ms: i64) -> bool {
        let back = |length_ms| end_ms.saturating_sub(length_ms);
        let is_unseen = self.before_ms.is_none_or(|before_ms| before_ms < back(times.window_ms));
        is_unseen && self.time_ms > back(times.lookback_ms) && self.time_ms <= end_ms
    }

    /// The end of the first execution behind this end in which it is new.
    fn next_end(self, times: &ExecutionTimes, behind_ms: i64) -> Option<i64> {
        let unseen = |ms: i64| ms.saturating_add(times.window_ms).saturating_add(1);
        let from = self.time_ms.max(self.before_ms.map_or(i64::MIN, unseen));
        let end_ms = times.end_at_or_after(from.max(behind_ms.saturating_add(1)));
        Some(end_ms).filter(|end_ms| self.is_new(times, *end_ms))
    }
}

#[cfg(test)]
mod tests;

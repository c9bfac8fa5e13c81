//! Elastic's schedule: of the matches of inputs that end, those that an execution makes alerts of.
//!
//! In: matches in order of (time, identity). Out: by execution the matches to decide, with a state in which what
//! the execution kept is new; and counts. It stands between the order and the round, and knows no rule:
//! a term is a key. It reads no state of other runs and leaves none.

mod executions;
mod memory;
mod term_order;
#[cfg(test)]
mod tests;

pub use executions::ExecutionTimes;
pub use term_order::TermOrder;

use super::order::held_bytes;
use super::{OutputStatus, Pipeline};
use crate::observe::schedule::RuleSchedule;
use crate::observe::{Counter, RuleCounter};
use crate::state::StateStore;
use anyhow::{anyhow, bail};
use executions::RuleExecutions;
use firstseen_abi::{Cursor, Item};
use firstseen_session::{Match, RuleRef};
use memory::ExecutionState;
use std::rc::Rc;

/// Bytes of matches that may wait for their execution.
pub const SCHEDULE_BUDGET: usize = 512 << 20;

/// A rule's executions, before the first.
#[derive(Debug, Clone)]
pub struct SchedulePlan {
    /// When they are.
    pub times: ExecutionTimes,
    /// Alerts that each keeps.
    pub max_signals: usize,
    /// The order in which they take terms.
    pub order: TermOrder,
}

/// A rule's executions, and the event that it looked at last.
#[derive(Debug)]
struct ScheduledRule {
    executions: RuleExecutions<Rc<Match>>,
    newest: Option<(i64, [u8; 16])>,
}

/// The executions of all rules of a run.
#[derive(Debug)]
pub struct Schedule {
    /// By artifact, and in it by rule.
    rules: Vec<Vec<ScheduledRule>>,
    /// When the next execution of any of them ends.
    next_ms: Option<i64>,
    /// Bytes of matches that wait.
    held: usize,
    budget: usize,
}

impl Schedule {
    /// Executions of these rules, by artifact. `budget` is how many bytes of matches may wait.
    #[must_use]
    pub fn new(plans: Vec<Vec<SchedulePlan>>, budget: usize) -> Self {
        let rule = |SchedulePlan { times, max_signals, order }| ScheduledRule {
            executions: RuleExecutions::new(times, max_signals, order),
            newest: None,
        };
        Self {
            rules: plans.into_iter().map(|rules| rules.into_iter().map(rule).collect()).collect(),
            next_ms: None,
            held: 0,
            budget,
        }
    }

    /// The state before the first execution; each has one of its own.
    #[must_use]
    pub fn state() -> Box<dyn StateStore> {
        Box::new(ExecutionState::default())
    }

    /// What was counted, by artifact and rule.
    #[must_use]
    pub fn counts(&self) -> Vec<Vec<RuleSchedule>> {
        let counts = |rule: &ScheduledRule| rule.executions.counts().clone();
        self.rules.iter().map(|rules| rules.iter().map(counts).collect()).collect()
    }

    /// Takes the next match; executions that ended before it were run.
    ///
    /// # Errors
    /// Where too many wait, or the match is of no rule.
    fn take(&mut self, matched: Match) -> anyhow::Result<()> {
        let Match { rule: at, time_ms, identity, .. } = matched;
        let rules = self.rules.get_mut(usize::from(at.artifact));
        let rule = rules.and_then(|rules| rules.get_mut(usize::from(at.rule)));
        let rule = rule.ok_or_else(|| anyhow!("a match is of rule {}, which is none", at.rule))?;
        rule.executions.look(time_ms);
        // The same event again is one document.
        if rule.newest.replace((time_ms, identity)) == Some((time_ms, identity)) {
            let item = Item::read(&mut Cursor::new(&matched.item))?;
            item.terms().for_each(|_| rule.executions.same());
            return Ok(());
        }
        let waiting = Rc::new(matched);
        let item = Item::read(&mut Cursor::new(&waiting.item))?;
        for term in item.terms() {
            rule.executions.sight(time_ms, term.key, term.values, || Rc::clone(&waiting));
        }
        let ends = [self.next_ms, rule.executions.next_end_ms()];
        self.next_ms = ends.into_iter().flatten().min();
        if Rc::strong_count(&waiting) > 1 {
            self.held += held_bytes(&waiting);
        }
        if self.held > self.budget {
            bail!(
                "more than {} MiB of events with new terms wait for one execution: plain files need less, as \
                 their events are read again",
                self.budget >> 20
            );
        }
        Ok(())
    }

    /// Runs the next execution that ends before a time: its matches, in order of time, and the state that
    /// they are decided by.
    fn due(&mut self, before_ms: Option<i64>) -> Option<(ExecutionState, Vec<Match>)> {
        let next_ms = self.next_ms.filter(|next| before_ms.is_none_or(|before| *next < before))?;
        let mut rules = self.rules.iter_mut().flatten();
        let execution = rules
            .find(|rule| rule.executions.next_end_ms() == Some(next_ms))
            .and_then(|rule| rule.executions.run());
        self.next_ms = self.rules.iter().flatten().filter_map(|r| r.executions.next_end_ms()).min();
        let execution = execution?;
        let state = ExecutionState::of(&execution);
        let mut events: Vec<_> = execution.kept.into_iter().map(|kept| kept.event).collect();
        // The terms of an event stand together.
        events.dedup_by(|a, b| Rc::ptr_eq(a, b));
        let mut freed = 0;
        let mut matched = |event: Rc<Match>| match Rc::try_unwrap(event) {
            Ok(matched) => {
                freed += held_bytes(&matched);
                matched
            }
            // Another of its terms waits.
            Err(shared) => Match::clone(&shared),
        };
        let kept = events.into_iter().map(&mut matched).collect();
        for left in execution.left.into_iter().filter_map(Rc::into_inner) {
            freed += held_bytes(&left);
        }
        self.held = self.held.saturating_sub(freed);
        Some((state, kept))
    }
}

impl Pipeline<'_> {
    /// Takes a match of inputs that end: it is decided, or waits for its execution.
    pub(super) fn take(&mut self, matched: Match) -> anyhow::Result<OutputStatus> {
        if self.schedule.is_none() {
            return self.push(matched);
        }
        if self.execute(Some(matched.time_ms))? == OutputStatus::Closed {
            return Ok(OutputStatus::Closed);
        }
        if let Some(schedule) = &mut self.schedule {
            schedule.take(matched)?;
        }
        Ok(OutputStatus::Open)
    }

    /// Runs the executions that end before a time, and decides what they keep.
    fn execute(&mut self, before_ms: Option<i64>) -> anyhow::Result<OutputStatus> {
        while let Some((state, kept)) = self.schedule.as_mut().and_then(|s| s.due(before_ms)) {
            self.decider.judge_by(Box::new(state));
            for matched in kept {
                if self.push(matched)? == OutputStatus::Closed {
                    return Ok(OutputStatus::Closed);
                }
            }
            // The next execution has another state.
            if self.decide()? == OutputStatus::Closed {
                return Ok(OutputStatus::Closed);
            }
        }
        Ok(OutputStatus::Open)
    }

    /// Runs the executions that are left, and counts the sightings that gave nothing.
    pub(super) fn end_schedule(&mut self) -> anyhow::Result<OutputStatus> {
        let status = self.execute(None)?;
        let counts = self.schedule.as_ref().map(Schedule::counts).unwrap_or_default();
        for (artifact, rules) in (0u16..).zip(&counts) {
            for (rule, seen) in (0u16..).zip(rules.iter().map(RuleSchedule::seen)) {
                self.observer.count(Counter::Seen, seen);
                self.observer.count_of(RuleRef { artifact, rule }, RuleCounter::Seen, seen);
            }
        }
        Ok(status)
    }
}

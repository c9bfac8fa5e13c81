//! What Elastic's executions of a rule did, in numbers.
//!
//! In: executions as the schedule ran them. Out: sums by rule, and the executions that were over
//! `max_signals`, the first of them by their ends.

use serde::Serialize;

/// Executions that are named: a rule could have any number of them.
const MAX_NAMED: usize = 100;

/// The executions of one rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleSchedule {
    /// Executions that looked at an event which matches.
    pub executions: u64,
    /// Alerts that they kept.
    pub kept: u64,
    /// Alerts that none of them kept, because an execution had more than `max_signals`.
    pub over_max_signals: u64,
    /// Executions that had more.
    pub executions_over: u64,
    /// The first of them.
    pub over: Vec<ExecutionOver>,
    /// Sightings of terms, each once.
    #[serde(skip)]
    pub sightings: u64,
}

/// An execution with more alerts than `max_signals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExecutionOver {
    /// When it ended, in milliseconds since 1970, UTC.
    pub end_ms: i64,
    /// How many more there were. The next execution may keep some of them.
    pub not_created: u64,
}

impl RuleSchedule {
    /// An execution had so many more than it could keep.
    pub fn over(&mut self, end_ms: i64, not_created: u64) {
        self.executions_over += 1;
        if self.over.len() < MAX_NAMED {
            self.over.push(ExecutionOver { end_ms, not_created });
        }
    }

    /// Sightings that gave no alert, and could not have given one.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.sightings.saturating_sub(self.kept).saturating_sub(self.over_max_signals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_counted_and_the_first_are_named() {
        let mut schedule = RuleSchedule { sightings: 9, kept: 2, ..RuleSchedule::default() };
        for end_ms in 0..300 {
            schedule.over(end_ms, 7);
        }
        assert_eq!((schedule.executions_over, schedule.over.len()), (300, MAX_NAMED));
        assert_eq!(schedule.over[1], ExecutionOver { end_ms: 1, not_created: 7 });
        schedule.over_max_signals = 3;
        assert_eq!(schedule.seen(), 4);
    }
}

//! What a rule learned, by day.
//!
//! In: the times of the events whose terms were taken as known. Out: on how many days of a span none was
//! new, and when the last was: whether it was enough. A day is one of UTC.

use firstseen_rule::window::DAY_MS;
use serde::Serialize;
use std::collections::BTreeSet;

/// Days that are remembered: a hundred years. Events could be dated anywhere.
const MAX_DAYS: usize = 36_525;

/// The days on which a rule learned something.
#[derive(Debug, Clone, Default)]
pub struct LearnedDays {
    last_new_ms: Option<i64>,
    days: BTreeSet<i64>,
}

/// From when to when a rule learned, and what of it `firstseen learn` saw now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleLearning {
    /// The first event that it learned from, now or ever, in milliseconds since 1970, UTC.
    pub first_time_ms: i64,
    /// The last that was learned from.
    pub last_time_ms: i64,
    /// Until when the rule learns, where it does for a time, in milliseconds since 1970, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
    /// For how long each value of a field is learned, from its first event on, and the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<LearnedEach>,
    /// Only of `firstseen learn`.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub now: Option<LearnedNow>,
}

/// Learning of each value of a field on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LearnedEach {
    /// The field.
    pub by: String,
    /// How long, in milliseconds of event time.
    pub for_ms: i64,
}

/// From how many matching events a rule learns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LearnedEvents {
    /// So many were counted; not known where each value of a field has a count of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<u64>,
    /// In all.
    pub of: u64,
    /// The field of which each value is learned on its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What `firstseen learn` saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LearnedNow {
    /// The last event that brought a new term.
    pub last_new_ms: Option<i64>,
    /// Days, the first and the last included.
    pub days: u64,
    /// Of them, those that brought no new term.
    pub days_without_new: u64,
    /// The rule's window.
    pub window: String,
    /// Whether the days are fewer than the window has.
    pub is_shorter_than_window: bool,
}

impl LearnedDays {
    /// An event of this time brought a new term.
    pub fn learned(&mut self, time_ms: i64) {
        self.last_new_ms = self.last_new_ms.max(Some(time_ms));
        if self.days.len() < MAX_DAYS {
            self.days.insert(time_ms.div_euclid(DAY_MS));
        }
    }

    /// What it makes of the events from `first_ms` to `last_ms`.
    #[must_use]
    pub fn over(&self, first_ms: i64, last_ms: i64, window: (&str, i64)) -> LearnedNow {
        let (first, last) = (first_ms.div_euclid(DAY_MS), last_ms.div_euclid(DAY_MS));
        let days = last.saturating_sub(first).saturating_add(1).max(0).unsigned_abs();
        let with_new = self.days.range(first..=last.max(first)).count() as u64;
        LearnedNow {
            last_new_ms: self.last_new_ms,
            days,
            days_without_new: days.saturating_sub(with_new),
            window: window.0.to_owned(),
            is_shorter_than_window: last_ms.saturating_sub(first_ms) < window.1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_without_anything_new_are_counted() {
        let mut learned = LearnedDays::default();
        for (day, hour) in [(0, 23), (1, 0), (1, 5), (7, 12), (3, 1)] {
            learned.learned(day * DAY_MS + hour * 3_600_000);
        }
        let first = 23 * 3_600_000;
        let now = learned.over(first, 9 * DAY_MS, ("10d", 10 * DAY_MS));
        assert_eq!((now.days, now.days_without_new), (10, 6));
        assert_eq!(now.last_new_ms, Some(7 * DAY_MS + 12 * 3_600_000));
        assert!(now.is_shorter_than_window);
        let none = LearnedDays::default().over(5, 5, ("1d", DAY_MS));
        assert_eq!((none.days, none.days_without_new, none.last_new_ms), (1, 1, None));
        // What a guest makes up is no more than days.
        let odd = learned.over(i64::MIN, i64::MAX, ("1d", DAY_MS));
        assert!(odd.days_without_new < odd.days && !odd.is_shorter_than_window);
        assert_eq!(learned.over(9, 3, ("1d", DAY_MS)).days, 1);
    }
}

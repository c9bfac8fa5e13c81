//! How often the guests of an artifact ran over their time or trapped in a run, and when they are stopped.
//!
//! In: calls of all guests of an artifact, whatever thread they are in, and whether they ended at their deadline. Out: how
//! much time the next call has, and whether there is one. It has no clock. A service runs for months: an overrun is
//! forgiven after many calls that ended in time, as a machine that stood still for a while is no fault of a rule.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// So often an artifact may run over its time; then it is stopped.
pub const MAX_OVERRUNS: u32 = 3;

/// So many calls in time after each other make one overrun forgotten. What a guest gains by overrunning as often as it
/// may is a small part of what these calls take.
const FORGIVEN_AFTER: u32 = 10_000;

/// The overruns of an artifact.
#[derive(Debug, Default)]
pub struct Overruns {
    count: AtomicU32,
    /// Calls that ended in time since the last one, counted only while there are some.
    in_time: AtomicU32,
    /// All of them, those that were forgiven too.
    all: AtomicU64,
    /// Calls that ended in a trap; they stop nothing, as each is of an event that others may not be like.
    traps: AtomicU64,
}

impl Overruns {
    /// One more.
    pub(crate) fn count(&self) {
        // Many threads may be at work when it is stopped; nothing depends on how many were.
        let _ = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1));
        self.in_time.store(0, Ordering::Relaxed);
        self.all.fetch_add(1, Ordering::Relaxed);
    }

    /// A call ended in a trap.
    pub(crate) fn trapped(&self) {
        self.traps.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were, forgiven or not.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.all.load(Ordering::Relaxed)
    }

    /// How many calls ended in a trap.
    #[must_use]
    pub fn traps(&self) -> u64 {
        self.traps.load(Ordering::Relaxed)
    }

    /// A call ended in time.
    pub(crate) fn ended_in_time(&self) {
        let count = self.count.load(Ordering::Relaxed);
        // One that is stopped stays so; one without an overrun costs nothing here.
        if count == 0 || count >= MAX_OVERRUNS {
            return;
        }
        if self.in_time.fetch_add(1, Ordering::Relaxed) + 1 >= FORGIVEN_AFTER {
            self.in_time.store(0, Ordering::Relaxed);
            let less = |n: u32| (0 < n && n < MAX_OVERRUNS).then(|| n - 1);
            let _ = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// How many there were, if they were too many.
    #[must_use]
    pub fn stopped(&self) -> Option<u32> {
        Some(self.count.load(Ordering::Relaxed)).filter(|count| *count >= MAX_OVERRUNS)
    }

    /// The ticks that a call has, of so many that it would have: half as many after each overrun, so that all of them
    /// take no longer than two.
    pub(crate) fn ticks(&self, ticks: u64) -> u64 {
        let count = self.count.load(Ordering::Relaxed).min(MAX_OVERRUNS);
        (ticks >> count).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overrun_is_forgiven_after_many_calls_in_time_and_a_stop_is_not() {
        let overruns = Overruns::default();
        let many = || (0..FORGIVEN_AFTER).for_each(|_| overruns.ended_in_time());
        overruns.count();
        overruns.count();
        many();
        assert_eq!(overruns.ticks(400), 200);
        many();
        assert_eq!(overruns.ticks(400), 400);
        many();
        for _ in 0..MAX_OVERRUNS {
            overruns.count();
            (1..FORGIVEN_AFTER).for_each(|_| overruns.ended_in_time());
        }
        many();
        assert_eq!(overruns.stopped(), Some(3));
        assert_eq!((overruns.all(), overruns.traps()), (5, 0));
    }

    #[test]
    fn the_third_stops_and_each_has_less_time() {
        let overruns = Overruns::default();
        let mut ticks = Vec::new();
        for _ in 0..MAX_OVERRUNS {
            assert_eq!(overruns.stopped(), None);
            ticks.push(overruns.ticks(500));
            overruns.count();
        }
        assert_eq!((ticks, overruns.stopped()), (vec![500, 250, 125], Some(3)));
        overruns.count();
        assert_eq!((overruns.ticks(500), overruns.ticks(0)), (62, 1));
    }
}

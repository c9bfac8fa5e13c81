//! How often the guests of an artifact ran over their time in a run, and when they are stopped.
//!
//! In: calls that ended at their deadline, of all guests of an artifact, whatever thread they are in. Out: how much time
//! the next call has, and whether there is one. It has no clock.

use std::sync::atomic::{AtomicU32, Ordering};

/// So often an artifact may run over its time; then it is stopped.
pub const MAX_OVERRUNS: u32 = 3;

/// The overruns of an artifact.
#[derive(Debug, Default)]
pub struct Overruns(AtomicU32);

impl Overruns {
    /// One more.
    pub(crate) fn count(&self) {
        // Many threads may be at work when it is stopped; nothing depends on how many were.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1));
    }

    /// How many there were, if they were too many.
    #[must_use]
    pub fn stopped(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|count| *count >= MAX_OVERRUNS)
    }

    /// The ticks that a call has, of so many that it would have: half as many after each overrun, so that all of them
    /// take no longer than two.
    pub(crate) fn ticks(&self, ticks: u64) -> u64 {
        let count = self.0.load(Ordering::Relaxed).min(MAX_OVERRUNS);
        (ticks >> count).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

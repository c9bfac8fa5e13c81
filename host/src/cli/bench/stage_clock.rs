//! CPU time of each stage, summed over all threads.
//!
//! In: where each thread is. Out: nanoseconds of CPU time. A thread that waits adds nothing.

use crate::observe::stages::{RunStage, StageClock};
use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many stages there are.
pub(in crate::cli) const STAGES: usize = RunStage::ALL.len();

thread_local! {
    /// Where this thread is, and its CPU time when it came there.
    static PRESENT: Cell<(Option<RunStage>, u64)> = const { Cell::new((None, 0)) };
}

/// CPU time of the process, in nanoseconds.
pub(super) fn process_nanos() -> u64 {
    nanos(ClockId::ProcessCPUTime)
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}

/// Sums of one round.
#[derive(Default)]
pub(in crate::cli) struct CpuStageClock {
    sums: [AtomicU64; STAGES],
}

impl CpuStageClock {
    /// Nanoseconds of each stage, in the order of [`RunStage::ALL`].
    pub(in crate::cli) fn sums(&self) -> [u64; STAGES] {
        std::array::from_fn(|at| self.sums.get(at).map_or(0, |sum| sum.load(Ordering::Relaxed)))
    }
}

impl StageClock for CpuStageClock {
    fn enter(&self, stage: Option<RunStage>) -> Option<RunStage> {
        let now = nanos(ClockId::ThreadCPUTime);
        let (before, since) = PRESENT.replace((stage, now));
        if let Some(sum) = before.and_then(|before| self.sums.get(before as usize)) {
            sum.fetch_add(now.saturating_sub(since), Ordering::Relaxed);
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_a_sum_of_its_own() {
        let clock = CpuStageClock::default();
        for (at, stage) in RunStage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, at, "{stage:?}");
            assert_eq!(clock.enter(Some(stage)), None);
            // Something to do: the clock of a thread has steps of nanoseconds.
            assert!((0..10_000_u64).map(std::hint::black_box).sum::<u64>() > 0);
            assert_eq!(clock.enter(None), Some(stage));
            let sums = clock.sums();
            assert!(sums[at] > 0 && sums[at + 1..].iter().all(|sum| *sum == 0), "{sums:?}");
        }
    }
}

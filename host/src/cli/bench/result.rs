//! The result of a measurement, as it is kept for a later one.
//!
//! In: what rounds and latency gave. Out: medians and counts, to and from JSON. It reads and writes no file.

use super::latency::Latency;
use super::round::MeasuredRound;
use super::stage_clock::STAGES;
use crate::observe::stages::RunStage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was measured, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct BenchResult {
    /// The version that was measured.
    pub(super) firstseen: String,
    /// The rules' names.
    pub(super) rules: Vec<String>,
    /// Threads that may read.
    pub(super) threads: u64,
    /// `memory` or `file`.
    pub(super) state: String,
    pub(super) rounds: u64,
    /// What one round did.
    pub(super) work: Work,
    /// Seconds of a round, the median.
    pub(super) seconds: f64,
    /// Seconds of the fastest and of the slowest round.
    pub(super) fastest_seconds: f64,
    pub(super) slowest_seconds: f64,
    /// CPU seconds of a round in all threads, the median.
    pub(super) cpu_seconds: f64,
    pub(super) events_per_second: f64,
    /// Of what was read, unpacked, and of the same as it is stored.
    pub(super) bytes_per_second: f64,
    pub(super) stored_bytes_per_second: f64,
    /// CPU seconds of each stage in all threads, medians; `other` is what is in none.
    pub(super) stage_cpu_seconds: BTreeMap<String, f64>,
    /// From an event's arrival to its decision, one by one.
    pub(super) latency: Latency,
    /// The most memory that the process had while rounds were measured.
    pub(super) peak_memory_bytes: Option<u64>,
}

/// What one round did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Work {
    pub(super) inputs: u64,
    pub(super) bytes: u64,
    pub(super) stored_bytes: u64,
    pub(super) events: u64,
    pub(super) matched: u64,
    pub(super) alerts: u64,
    pub(super) seen: u64,
    pub(super) skipped: u64,
}

/// What is put together to a result.
pub(super) struct Measured {
    pub(super) rules: Vec<String>,
    pub(super) threads: usize,
    pub(super) state: &'static str,
    pub(super) stored_bytes: u64,
    pub(super) rounds: Vec<MeasuredRound>,
    pub(super) latency: Latency,
    pub(super) peak: Option<u64>,
}

/// What is in no stage.
pub(super) const OTHER: &str = "other";

impl BenchResult {
    pub(super) fn of(measured: Measured) -> Self {
        let Measured { rules, threads, state, stored_bytes, rounds, latency, peak } = measured;
        let counts = rounds.first().map(|round| round.counts.clone()).unwrap_or_default();
        let work = Work {
            inputs: counts.inputs,
            bytes: counts.bytes,
            stored_bytes,
            events: counts.events,
            matched: counts.matched,
            alerts: counts.alerts,
            seen: counts.seen,
            skipped: counts.skipped,
        };
        let of =
            |value: &dyn Fn(&MeasuredRound) -> f64| rounds.iter().map(value).collect::<Vec<_>>();
        let all = of(&|round| round.seconds);
        let (seconds, cpu_seconds) = (median(all.clone()), median(of(&|round| round.cpu_seconds)));
        let mut stage_cpu_seconds: BTreeMap<String, f64> = BTreeMap::new();
        for (at, stage) in RunStage::ALL.into_iter().enumerate() {
            let of_stage = of(&|round| stage_seconds(&round.stage_nanos, at));
            stage_cpu_seconds.insert(stage.name().to_owned(), median(of_stage));
        }
        let in_stages: f64 = stage_cpu_seconds.values().sum();
        stage_cpu_seconds.insert(OTHER.to_owned(), rounded((cpu_seconds - in_stages).max(0.0)));
        let per_second = |n: u64| if seconds > 0.0 { (n as f64 / seconds).round() } else { 0.0 };
        Self {
            firstseen: env!("CARGO_PKG_VERSION").to_owned(),
            rules,
            threads: threads as u64,
            state: state.to_owned(),
            rounds: rounds.len() as u64,
            seconds,
            fastest_seconds: rounded(all.iter().copied().reduce(f64::min).unwrap_or_default()),
            slowest_seconds: rounded(all.iter().copied().reduce(f64::max).unwrap_or_default()),
            cpu_seconds,
            events_per_second: per_second(work.events),
            bytes_per_second: per_second(work.bytes),
            stored_bytes_per_second: per_second(work.stored_bytes),
            stage_cpu_seconds,
            latency,
            peak_memory_bytes: peak,
            work,
        }
    }
}

fn stage_seconds(nanos: &[u64; STAGES], at: usize) -> f64 {
    nanos.get(at).map_or(0.0, |nanos| *nanos as f64 / 1e9)
}

/// The one in the middle, or between the two there; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |at: usize| values.get(at).copied();
    let middle = values.len() / 2;
    let two = if values.len() % 2 == 1 { at(middle) } else { at(middle.wrapping_sub(1)) };
    rounded((at(middle).unwrap_or_default() + two.unwrap_or_default()) / 2.0)
}

/// To microseconds: what is finer is noise.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::bench::latency::LatencyOf;
    use crate::cli::bench::observer::BenchCounts;

    pub(in crate::cli::bench) fn measured(seconds: &[f64]) -> BenchResult {
        let round = |seconds: &f64| MeasuredRound {
            seconds: *seconds,
            cpu_seconds: seconds * 2.0,
            stage_nanos: std::array::from_fn(|at| at as u64 * 50_000_000),
            counts: BenchCounts {
                inputs: 2,
                bytes: 200_000_000,
                events: 150_000,
                matched: 300,
                alerts: 20,
                seen: 280,
                ..BenchCounts::default()
            },
        };
        let of = |events, p50_us, p99_us| Some(LatencyOf { events, p50_us, p99_us });
        BenchResult::of(Measured {
            rules: vec!["Rule\x1b One".to_owned(), "Rule Two".to_owned()],
            threads: 2,
            state: "memory",
            stored_bytes: 20_000_000,
            rounds: seconds.iter().map(round).collect(),
            latency: Latency {
                all: of(10_000, 1.25, 20.5),
                matched: of(190, 15.0, 30.0),
                alerted: None,
            },
            peak: Some(70 << 20),
        })
    }

    #[test]
    fn a_result_is_of_medians() {
        let result = measured(&[1.0, 8.0, 2.0]);
        assert_eq!((result.seconds, result.cpu_seconds, result.rounds), (2.0, 4.0, 3));
        assert_eq!((result.fastest_seconds, result.slowest_seconds), (1.0, 8.0));
        assert_eq!((result.events_per_second, result.bytes_per_second), (75_000.0, 1e8));
        assert_eq!(result.stored_bytes_per_second, 1e7);
        assert_eq!(result.stage_cpu_seconds["keys"], 0.15);
        // 0.05 * (1 + 2 + ... + 6) of 4 seconds are in stages.
        assert_eq!(result.stage_cpu_seconds[OTHER], 2.95);
        assert_eq!(measured(&[1.0, 2.0]).seconds, 1.5);
        let json = serde_json::to_string(&result).unwrap();
        assert_eq!(serde_json::from_str::<BenchResult>(&json).unwrap(), result);
    }
}

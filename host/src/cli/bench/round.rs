//! One round: all inputs through all rules, with a state that begins empty.
//!
//! In: what a setup has opened. Out: time, CPU time, CPU time of each stage, counts. Alerts are rendered, and
//! written to nowhere.

use super::observer::{BenchCounts, BenchObserver};
use super::stage_clock::{CpuStageClock, STAGES, process_nanos};
use crate::cli::run::SystemClock;
use crate::cli::setup::{Setup, start_of};
use crate::cli::signal::Signals;
use crate::observe::stages::Stages;
use crate::pipeline::order::DEFAULT_BUDGET;
use crate::pipeline::workers::Threads;
use crate::pipeline::{Parts, Pipeline, PipelineOptions};
use crate::rules::LiveSettings;
use crate::rules::prefilter::Prefiltering;
use crate::rules::sample::RunSamples;
use crate::sink::{Format, Output};
use crate::source::ReadLimits;
use crate::state::{CarryOver, Memory, Redb, StateStore};
use anyhow::Context;
use firstseen_session::Rules;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

/// What all rounds have in common.
pub(super) struct Bench<'b> {
    pub(super) setup: &'b Setup,
    pub(super) limits: ReadLimits,
    pub(super) threads: usize,
    /// Whether they are used however little there is to read.
    pub(super) always: bool,
    /// Whether the state is in a file.
    pub(super) in_file: bool,
    pub(super) signals: &'b Signals,
}

/// What a round took.
pub(super) struct MeasuredRound {
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    pub(super) stage_nanos: [u64; STAGES],
    pub(super) counts: BenchCounts,
}

/// A state that is gone with its folder.
pub(super) struct RoundState {
    store: Option<Box<dyn StateStore>>,
    /// Goes after the store.
    _folder: Option<TempDir>,
}

impl Bench<'_> {
    /// Measures a round.
    ///
    /// # Errors
    /// When it could not be begun or ended.
    pub(super) fn round(&self) -> anyhow::Result<MeasuredRound> {
        let (mut state, clock) = (self.state()?, Arc::new(CpuStageClock::default()));
        let stages = Stages::measured(Arc::clone(&clock) as _);
        let mut observer = BenchObserver::default();
        let mut pipeline = self.pipeline(&mut state, &mut observer, stages, self.threads)?;
        let (began, cpu) = (Instant::now(), process_nanos());
        pipeline.run(&self.setup.found.inputs)?;
        let seconds = began.elapsed().as_secs_f64();
        let cpu_seconds = (process_nanos() - cpu) as f64 / 1e9;
        drop(pipeline);
        Ok(MeasuredRound {
            seconds,
            cpu_seconds,
            stage_nanos: clock.sums(),
            counts: observer.counts,
        })
    }

    /// An empty state.
    pub(super) fn state(&self) -> anyhow::Result<RoundState> {
        if !self.in_file {
            return Ok(RoundState { store: Some(Box::new(Memory::default())), _folder: None });
        }
        let folder = TempDir::new().context("a folder for the state")?;
        let store = Redb::open(&folder.path().join("bench.redb"))?;
        let rules = self.setup.artifacts.iter().flat_map(|artifact| &artifact.meta.rules);
        let (store, _) = CarryOver::open(store, &self.setup.settings.tenant, rules, false)?;
        Ok(RoundState { store: Some(Box::new(store)), _folder: Some(folder) })
    }

    /// A pipeline with guests of its own.
    pub(super) fn pipeline<'r>(
        &'r self,
        state: &mut RoundState,
        observer: &'r mut BenchObserver,
        stages: Stages,
        threads: usize,
    ) -> anyhow::Result<Pipeline<'r>> {
        let Setup { artifacts, own_exceptions, more_guests, exceptions, settings, .. } = self.setup;
        let make = || -> anyhow::Result<Vec<Box<dyn Rules>>> {
            let guests = more_guests.of(artifacts)?;
            Ok(guests.into_iter().map(|guest| Box::new(guest) as Box<dyn Rules>).collect())
        };
        let mut store = state.store.take().context("a state is used once")?;
        let mut learning = start_of(artifacts, settings, false);
        learning.look(&mut *store)?;
        let has_exceptions = !own_exceptions.is_empty() || !exceptions.exceptions().is_empty();
        Ok(Pipeline::new(Parts {
            rules: make()?,
            prefilter: Prefiltering::new(artifacts),
            samples: RunSamples::of(artifacts, has_exceptions),
            store,
            sink: Box::new(Output::file(Path::new("/dev/null"), Format::Ndjson)?),
            observer,
            clock: &SystemClock,
            stop: self.signals,
            live_settings: None,
            learning,
            schedule: None,
            options: PipelineOptions {
                read: ReadLimits { stages, ..self.limits.clone() },
                hold_ms: 0,
                future_slack_ms: settings.future_slack_ms,
                order_budget: DEFAULT_BUDGET,
                emit_repeats: false,
                memory_from: Vec::new(),
            },
            threads: Some(Threads {
                count: threads,
                always: self.always,
                reads_ahead: true,
                rules: Box::new(make),
            }),
        }))
    }
}

/// The most memory that this process had so far, in bytes; nothing where the system does not say.
pub(super) fn peak_memory() -> Option<u64> {
    peak_of(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_what_linux_says() {
        let status = "Name:\tfirstseen\nVmPeak:\t  1 kB\nVmHWM:\t   12345 kB\nVmRSS:\t 2 kB\n";
        assert_eq!(peak_of(status), Some(12_345 << 10));
        for wrong in ["", "VmHWM:\t12345\n", "VmHWM:\tx kB\n"] {
            assert_eq!(peak_of(wrong), None, "{wrong:?}");
        }
    }
}

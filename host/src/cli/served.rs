//! What a run does otherwise where bodies arrive instead of inputs.
//!
//! In: the run, once its rules and its state are open. Out: the loop over what arrives. `serve` implements it; `run`
//! knows no protocol.

use super::observer::RunObserver;
use crate::escape::escaped;
use crate::observe::stages::Stages;
use crate::pipeline::{OutputStatus, Pipeline, Stop};
use crate::serve::ledger::BodyLedger;
use crate::serve::observer::Publish;
use crate::source::{ReadLimits, Wake};
use crate::terminal::{formats, message};
use firstseen_runtime::Artifact;

/// Hands bodies to the loop of a run.
pub(super) trait ServedRun {
    /// What is told of each body.
    fn ledger(&self) -> BodyLedger;

    /// Measures the stages of the work.
    fn stages(&self) -> Stages;

    /// Is given the observer at the start and before each answer; these artifacts are judged by.
    fn publish(&self, artifacts: &[Artifact]) -> Publish<RunObserver>;

    /// Whether who sends an event again may ask for its alert again.
    fn gives_repeats(&self) -> bool {
        true
    }

    /// Whether it goes on from another loop of the same process: what is said at a start was said.
    fn goes_on(&self) -> bool {
        false
    }

    /// Whether another loop goes on behind this one: then there is no end to sum up.
    fn is_followed(&self) -> bool {
        false
    }

    /// The loop, from the moment where all is open.
    ///
    /// # Errors
    /// As [`Pipeline::serve`].
    fn serve(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        limits: ReadLimits,
        opened: &Opened,
    ) -> anyhow::Result<OutputStatus>;
}

/// What a run that may never come to its summary says of itself when it begins.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// How many rules there are.
    pub(super) rules: usize,
    /// The state, in its own words.
    pub(super) state: String,
}

impl Opened {
    /// Says what the run does from now on, and with what.
    pub(super) fn tell(&self, what: &str) {
        let rules = formats::count(self.rules, "rule");
        message::info(&format!("{what} with {rules}; state {}", escaped(&self.state)));
    }
}

/// Of a run that bodies arrive at: it ends when nothing more comes, and what arrived is decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct NeverStops;

impl Stop for NeverStops {
    fn is_requested(&self) -> bool {
        false
    }

    fn wake(&self) -> Option<Wake> {
        None
    }
}

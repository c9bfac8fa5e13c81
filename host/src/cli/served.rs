//! What a run does otherwise where bodies arrive instead of inputs.
//!
//! In: the run, once its rules and its state are open. Out: the loop over what arrives. `serve` implements it; `run`
//! knows no protocol.

use super::observer::RunObserver;
use crate::escape::escaped;
use crate::observe::stages::Stages;
use crate::pipeline::{OutputStatus, Pipeline, Stop};
use crate::serve::ledger::BodyLedger;
use crate::source::{ReadLimits, Wake};
use crate::terminal::{formats, message};

/// Hands bodies to the loop of a run.
pub(super) trait ServedRun {
    /// What is told of each body.
    fn ledger(&self) -> BodyLedger;

    /// Measures the stages of the work.
    fn stages(&self) -> Stages;

    /// Is given the observer before each answer.
    fn publish(&self) -> Box<dyn FnMut(&mut RunObserver)>;

    /// Whether who sends an event again may ask for its alert again.
    fn gives_repeats(&self) -> bool {
        true
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

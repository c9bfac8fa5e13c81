//! What a run does otherwise where bodies arrive instead of inputs.
//!
//! In: the run, once its rules and its state are open. Out: the loop over what arrives. `serve` implements it; `run`
//! knows no protocol.

use super::observer::RunObserver;
use crate::observe::stages::Stages;
use crate::pipeline::{OutputStatus, Pipeline, Stop};
use crate::serve::ledger::BodyLedger;
use crate::source::{ReadLimits, Wake};

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

    /// The loop, from the moment where all is open: so many rules, and the state in words.
    ///
    /// # Errors
    /// As [`Pipeline::serve`].
    fn serve(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        limits: ReadLimits,
        opened: (usize, &str),
    ) -> anyhow::Result<OutputStatus>;
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

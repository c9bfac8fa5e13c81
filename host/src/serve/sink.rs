//! Alerts on their way to the output, and to the body that they are of.
//!
//! In: alerts, repeats and faults, with the place of their event. Out: alerts to the output, all of them to the ledger.
//! A repeat goes to whoever sent its event again, and to the output only if that was asked for.

use super::ledger::BodyLedger;
use crate::sink::{AlertSink, OutputError};
use crate::state::OutputMark;
use firstseen_session::EventAt;

/// Hands alerts on and keeps account of them.
pub struct ServedSink {
    inner: Box<dyn AlertSink>,
    ledger: BodyLedger,
    /// Whether the output has repeats too.
    emits_repeats: bool,
}

impl ServedSink {
    /// Before this output.
    #[must_use]
    pub fn new(inner: Box<dyn AlertSink>, ledger: BodyLedger, emits_repeats: bool) -> Self {
        Self { inner, ledger, emits_repeats }
    }
}

impl AlertSink for ServedSink {
    fn alert(&mut self, at: &EventAt, json: &str) -> Result<(), OutputError> {
        self.ledger.alert(at, json, false);
        self.inner.alert(at, json)
    }

    fn repeat(&mut self, at: &EventAt, json: &str) -> Result<(), OutputError> {
        self.ledger.alert(at, json, true);
        if self.emits_repeats { self.inner.repeat(at, json) } else { Ok(()) }
    }

    fn not_judged(&mut self, at: &EventAt, text: &str) {
        self.ledger.fault(at, text);
        self.inner.not_judged(at, text);
    }

    fn wants_input(&self) -> bool {
        self.ledger.annotates()
    }

    fn input(&mut self, block: &[u8]) {
        self.ledger.input(block);
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        self.inner.flush()
    }

    fn sync(&mut self) -> Result<(), OutputError> {
        self.inner.sync()
    }

    fn mark(&self) -> Option<OutputMark> {
        self.inner.mark()
    }
}

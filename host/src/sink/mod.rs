//! Where alerts go, and skipped events.
//!
//! In: alerts as the rules wrote them, with the place of their event. Out: bytes. A sink decides
//! nothing and after [`AlertSink::flush`] everything that is complete is written. A new sink is a file here.

pub mod annotate;
pub mod compact;
pub mod dead_letter;
mod exclusive;
mod known;
pub mod output;
mod torn;

pub use known::KnownOutput;
pub use output::{AlertRenderer, Format, Output, OutputError};
pub use torn::UnknownLines;
pub(crate) use torn::last_piece;

use crate::state::OutputMark;
use firstseen_session::EventAt;

/// Takes the alerts of a run.
pub trait AlertSink {
    /// An alert, one line of JSON.
    ///
    /// # Errors
    /// [`OutputError`].
    fn alert(&mut self, at: &EventAt, json: &str) -> Result<(), OutputError>;

    /// An alert that was given before, where repeats are given again: the same bytes.
    ///
    /// # Errors
    /// [`OutputError`].
    fn repeat(&mut self, at: &EventAt, json: &str) -> Result<(), OutputError> {
        self.alert(at, json)
    }

    /// The event here could not be judged: `code: reason`. For sinks that answer every event.
    fn not_judged(&mut self, _at: &EventAt, _text: &str) {}

    /// Whether the sink wants the input besides ([`AlertSink::input`]).
    fn wants_input(&self) -> bool {
        false
    }

    /// A block of the input, unpacked. Called before the block's alerts.
    fn input(&mut self, _block: &[u8]) {}

    /// The input is over.
    fn input_ends(&mut self) {}

    /// Writes what waits.
    ///
    /// # Errors
    /// [`OutputError`].
    fn flush(&mut self) -> Result<(), OutputError>;

    /// Has on the disk what was written, where it is written to a file: after a power loss too it is
    /// there if a state is that knows it. Called after [`AlertSink::flush`].
    ///
    /// # Errors
    /// [`OutputError`].
    fn sync(&mut self) -> Result<(), OutputError>;

    /// How long the file of alerts is, for the state to keep.
    fn mark(&self) -> Option<OutputMark> {
        None
    }
}

impl AlertSink for Output {
    fn alert(&mut self, _: &EventAt, json: &str) -> Result<(), OutputError> {
        Self::alert(self, json)
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        Self::flush(self)
    }

    fn sync(&mut self) -> Result<(), OutputError> {
        Self::sync(self)
    }

    fn mark(&self) -> Option<OutputMark> {
        Self::mark(self)
    }
}

//! Where events come from: one block at a time, unpacked and split.
//!
//! In: paths as typed. Out: [`Input`]s, and behind each a [`Source`] that hands one block's events to
//! a sink and returns. What compresses a file is recognised by its first bytes, never by its name. It
//! knows nothing of rules, and decides nothing.
//!
//! A new kind of source implements [`Source`] in a file here, and is opened in `input.rs`.

pub mod body;
mod bounds;
mod content;
mod event_count;
mod feed;
mod find;
mod gunzip;
mod input;
mod marker;
mod stdin;
mod unpack;
mod whole;

pub use content::{is_plain, packed_content};
pub use feed::{EMPTY_INPUTS, NO_LOG};
pub use find::{FoundInputs, InputProblem, find, find_existing};
pub use input::{Input, InputKind, ReadError, ReadErrorKind, ReadLimits};
pub use stdin::Wake;

use crate::escape::escaped;
use crate::observe::EventLocation;
use crate::observe::place::input_name;
use firstseen_envelope::EventSink;
use std::time::Duration;

/// What is left of a source after a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// There may be more.
    More,
    /// It is over: everything was handed on, or the sink wants no more.
    End,
}

/// Gives events block by block.
pub trait Source {
    /// Reads one block, hands the events in it to `into`, and returns. A pipe gives what one read
    /// gives; nothing that arrived is held back until the next block but the beginning of an event.
    ///
    /// # Errors
    /// [`ReadError`], after everything before the fault was handed on; the source is over then.
    fn poll(&mut self, into: &mut dyn EventSink) -> Result<Polled, ReadError>;

    /// How long the next `poll` may wait for a block; `None`: as long as it takes. When that is over
    /// it returns [`Polled::More`] with nothing read. Sources that never wait need not heed it.
    fn wait_at_most(&mut self, _limit: Option<Duration>) {}

    /// The unpacked bytes of the last block.
    fn block(&self) -> &[u8];

    /// How many unpacked bytes were read.
    fn unpacked(&self) -> u64;

    /// How many bytes were read as they are stored.
    fn stored(&self) -> u64;
}

/// Whether it is an input as a whole that is called so.
#[must_use]
pub fn is_whole_input(what: &str) -> bool {
    what == NO_LOG || EMPTY_INPUTS.contains(&what)
}

/// What is said of something that holds no event: its place, or the input where it is one as a whole.
#[must_use]
pub fn no_event(at: &EventLocation, what: &str) -> String {
    let place = if is_whole_input(what) { input_name(&at.file) } else { at.to_string() };
    format!("{place}: no event: {}", escaped(what))
}

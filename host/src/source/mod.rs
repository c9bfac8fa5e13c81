//! From what was named on the command line to the events' text.
//!
//! In: paths. Out: calls of a [`firstseen_envelope::Sink`], with bytes unpacked. What compresses a
//! file is recognised by its first bytes, never by its name. It knows nothing of events or rules.
mod feed;
mod find;
mod gunzip;
mod source;
mod unpack;

pub use find::{FoundInputs, InputProblem, find};
pub use source::{Input, ReadError, ReadErrorKind, ReadLimits, Source};

//! A stream of bytes becomes events, however they were packed.
//!
//! In: bytes, in pieces of any size (already decompressed). Out: whole lines of single events, or
//! single events, through a [`EventSink`]; and a report of everything that held none or was broken. It
//! recognises by content: newline-delimited JSON, arrays, CloudTrail's `Records`, CloudWatch Logs
//! subscriptions, Kinesis and Firehose records, LookupEvents, search responses, pretty-printed
//! and concatenated documents, notifications and digests. It never reads an event's fields beyond
//! what that takes, and never holds more than one event. What is trusted to carry events is decided
//! in crate event (`trust`), here as in a module.
//!
//! ```text
//! bytes --> splitter --+--> lines of plain events, untouched -----------------> EventSink::lines
//!                      |      sniff: the first key of each line
//!                      |
//!                      +--> frame: where the records of a document begin and end
//!                             | recognise: what a record is
//!                             +--> an event ----------------------------------> EventSink::event
//!                             +--> a notification, a digest ------------------> EventSink::no_events
//!                             +--> base64, gzip, messages: a splitter inside, 4 deep at most
//!                             +--> JSON strings: the raw events in them, nothing else
//!                             +--> broken ------------------------------------> EventSink::bad
//! ```
//!
//! What holds:
//! - Any split of the input into pieces gives the same events with the same places.
//! - Every byte that is neither white space nor an envelope's frame reaches some callback.
//! - After a fault it goes on: with the next element in an array, with the next line elsewhere. A
//!   document that is cut off is noticed where a new one begins in the first column.
//! - A line is decided by its first key, its last byte and a search for what marks an envelope;
//!   only where these do not settle it are its other keys looked at.
//!
//! ```
//! use std::ops::ControlFlow::{self, Continue};
//! use firstseen_envelope::{SplitFault, SplitOptions, Place, EventSink, Splitter};
//!
//! struct Print;
//! impl EventSink for Print {
//!     fn lines(&mut self, at: Place, chunk: &[u8]) -> ControlFlow<()> {
//!         println!("lines from {}: {}", at.line, String::from_utf8_lossy(chunk));
//!         Continue(())
//!     }
//!     fn event(&mut self, at: Place, text: &[u8]) -> ControlFlow<()> {
//!         println!("event {:?}: {}", at.record, String::from_utf8_lossy(text));
//!         Continue(())
//!     }
//!     fn no_events(&mut self, at: Place, what: &str) -> ControlFlow<()> {
//!         println!("line {}: {what}, no events here", at.line);
//!         Continue(())
//!     }
//!     fn bad(&mut self, at: Place, fault: SplitFault, _: &[u8]) -> ControlFlow<()> {
//!         println!("line {}: {fault}", at.line);
//!         Continue(())
//!     }
//! }
//!
//! let mut splitter = Splitter::new(SplitOptions::default());
//! assert!(splitter.push(b"{\"Records\":[{\"eventName\":\"CreateSta", &mut Print).is_continue());
//! assert!(splitter.push(b"ck\"}]}", &mut Print).is_continue());
//! assert!(splitter.finish(&mut Print).is_continue());
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::string_slice
    )
)]

mod brackets;
mod budget;
mod bytes;
mod chunk;
mod fields;
mod frame;
pub mod gunzip;
mod marks;
mod recognise;
mod record_buffer;
mod sink;
mod sniff;
mod splitter;
mod unescape;

pub use brackets::is_one_event;
pub use chunk::{line_ends, line_events, lines_at};
pub use marks::{Marker, Marks, mark, mark_rest};
pub use sink::{EventSink, KnownLines, Place, SplitFault, code};
pub use splitter::{SplitOptions, Splitter};

/// The longest text that [`EventSink::bad`] receives, in bytes.
pub const MAX_BAD_TEXT: usize = 64 << 10;

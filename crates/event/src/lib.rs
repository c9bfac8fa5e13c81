//! One JSON event's text in, the asked fields out, by their ECS names.
//!
//! It reads raw CloudTrail and ECS documents (nested, flat and mixed) as the same thing, opens
//! envelopes that hold one event, and says of others what they are. Only what was asked for is
//! computed, but all of the text is checked. It never splits envelopes of several events (crate
//! envelope does), never decides whether an event matches (crates kql and rule do), and does no
//! input or output; it never panics, whatever the text.
//!
//! ```text
//!            scan    walk, with the asked paths (path)      judge (envelope)
//!   text --> tokens --> spans of what was asked (Scratch) --> Event | Inner | Nothing | Many
//!                                                               |
//!   EventFields::values: the spans of an ECS document <--------------+
//!                   or computed from raw CloudTrail (cloudtrail, identity, java)
//! ```
//!
//! `Prefilter` (for many rules at once `LiteralSearch`) stands before all of it and tells which lines need
//! no reading; `document` stands
//! behind it and makes the one event that matched into an alert's document.
//!
//! ```
//! use firstseen_event::{Ask, Read, EventReader, Scratch, Value};
//!
//! let reader = EventReader::new(vec![FieldRequest::Values("event.outcome".into())]);
//! let text = r#"{"eventName":"CreateStack","eventSource":"cloudformation.amazonaws.com",
//!     "eventTime":"2024-05-01T10:00:00Z"}"#;
//! let mut scratch = Scratch::default();
//! let ReadOutcome::Event(fields) = reader.read(text, &mut scratch)? else { panic!() };
//! assert_eq!(fields.values(0).next(), Some(Value::Text("success".into())));
//! assert_eq!(fields.time_ms()?, 1_714_557_600_000);
//! # Ok::<(), firstseen_event::EventError>(())
//! ```
#![cfg_attr(not(test), no_std)]
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

extern crate alloc;

mod bits;
mod block;
mod cloudtrail;
mod document;
mod envelope;
mod error;
mod fields;
mod identity;
mod java;
pub mod json;
mod number;
mod path;
mod pattern;
mod prefilter;
mod reader;
mod scan;
#[cfg(feature = "search")]
mod search;
pub mod shorten;
mod time;
mod tokens;
mod verbatim;
mod walk;

pub use bits::BitSet;
pub use document::document;
pub use error::EventError;
pub use fields::{EventFields, Value};
pub use number::canonical_number;
pub use prefilter::{ByteTraits, Prefilter, looks_whole};
pub use reader::{EventReader, FieldRequest, ReadOutcome};
#[cfg(feature = "search")]
pub use search::{LiteralSearch, SearchHits};
pub use shorten::shorten;
pub use time::parse_time_ms;
pub use verbatim::verbatim;
pub use walk::Scratch;

/// The bytes as text, checked by vector instructions.
///
/// # Errors
/// `bad_utf8`, with the byte where it is none.
pub fn utf8(bytes: &[u8]) -> Result<&str, EventError> {
    simdutf8::compat::from_utf8(bytes)
        .map_err(|fault| EventError::new("bad_utf8", "not UTF-8", fault.valid_up_to()))
}

/// Whether the bytes are UTF-8.
#[must_use]
pub fn is_utf8(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok()
}

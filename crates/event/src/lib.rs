//! One JSON event's text in, the requested fields out, by their ECS names.
//!
//! It reads events as a service writes them (raw CloudTrail) and ECS documents (nested, flat and
//! mixed) as the same thing. It opens envelopes that hold one event, and names the others. Only
//! what is requested is computed, but all of the text is checked. It never splits envelopes of
//! several events (crate envelope does), never decides whether an event matches (crates kql and rule
//! do), does no input or output, and never panics, whatever the text.
//!
//! ```
//! use firstseen_event::{EventReader, FieldRequest, ReadOutcome, Scratch};
//! use firstseen_value::Value;
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
//!
//! # The way of an event
//! ```text
//!   requests --> plan: a trie of all paths, and how each request is answered
//!                  |
//!                  v
//!   text --scan--> walk --> spans of what is wanted (Scratch) --form--> Event | Inner | NoEvent
//!                                                                         |      | SeveralEvents
//!   EventFields::values: the spans of an ECS document  <------------------+
//!                        or computed by the raw source
//! ```
//! [`Prefilter`] (for many rules at once `LiteralSearch`) comes first: it finds the events that need
//! no reading. [`document()`] comes last: it makes an alert's document of an event that matched.
//!
//! # Modules, each of which uses only those above it
//! | module | what |
//! | --- | --- |
//! | `error`, `block`, `scan`, `tokens` | JSON: the grammar, the ends of values |
//! | `clean`, `cut` | what counts as no value in raw events; texts taken apart |
//! | [`json`], `dots`, `tree` | trees: dotted keys opened; a text read as a tree |
//! | `path`, `walk` | the trie of wanted paths; one pass over an object |
//! | `spans` | the low view: the values at a node of the trie |
//! | `flat` | a part of an event as a list of its values |
//! | `raw` | what a raw source is, and where its fields come from |
//! | `cloudtrail` | one raw source: tables, and what is computed |
//! | `sources` | the table of raw sources |
//! | `index_name` | the name of an index, taken apart |
//! | `trust`, `inner` | which envelopes are trusted; the events in a text |
//! | `pattern`, `form`, `plan` | how requests are answered; what an object is |
//! | `fields` | the high answer: the fields of an event by ECS name |
//! | `reader` | text to fields |
//! | `document`, `written`, `verbatim`, `origins` | what alerts, the prefilter and documentation want to know |
//!
//! `bits`, `prefilter`, `search` and [`shorten`](mod@shorten) use at most `scan`.
//!
//! # A second raw source
//! A source is one folder beside `cloudtrail` and one row in `sources`. The folder exports a constant
//! `SOURCE` of type `RawSource`. It is data:
//! - `marks`: sets of keys that only its events have together. They distinguish its events from others;
//!   `lookalikes` names what has the same keys and is no event.
//! - `dataset`, `time` and `id`: its `event.dataset`, and the paths of an event's time and identity.
//! - `copied`, `distinct`, `first_of`, `constants`: ECS names whose values are taken as they are,
//!   with their paths or texts.
//! - `chosen` and `made`: the ECS names that are computed. The values of the first are parts of the
//!   event's text, so that the prefilter may search for them.
//! - `objects`, `moved`, `number` and `lists`: objects without ECS names for their members.
//! - `derive`: the one function. For a derived name it adds the paths that it needs to the trie and
//!   gives a `RawField`, mostly code of its own (`ComputedField`)
//!   that sees the event's spans and nothing else.
//!
//! The reader finds the paths of all sources in the same pass. Nothing else names a source.
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
mod clean;
mod cloudtrail;
mod cut;
mod document;
mod dots;
mod error;
mod fields;
mod flat;
mod form;
mod index_name;
mod inner;
pub mod json;
mod origins;
mod path;
mod pattern;
mod plan;
mod prefilter;
mod raw;
mod reader;
mod scan;
#[cfg(feature = "search")]
mod search;
pub mod shorten;
mod sources;
mod spans;
mod tokens;
mod tree;
mod trust;
mod verbatim;
mod walk;
mod written;

pub use bits::BitSet;
pub use document::{document, document_trusting, inner_text};
pub use error::EventError;
pub use fields::EventFields;
pub use form::is_ecs_key;
pub use index_name::{IndexName, StatedIndex};
pub use inner::{InnerPart, inner_parts, is_raw_event};
pub use origins::{FieldOrigin, fields_of_outside_data, raw_fields};
pub use plan::FieldRequest;
pub use prefilter::{ByteTraits, Prefilter, looks_whole};
pub use reader::{EventReader, ReadOutcome};
#[cfg(feature = "search")]
pub use search::{LiteralSearch, SearchHits};
pub use shorten::shorten;
pub use trust::{NOT_OPENED, TEXT_NOT_OPENED, Trust, TrustKind, trust_entry, trust_lines};
pub use verbatim::verbatim;
pub use walk::Scratch;
pub use written::{ALERT_NAMES, TOLD, WrittenDocument, WrittenField, written_document};

/// The bytes as text, checked by vector instructions.
///
/// # Errors
/// `bad_utf8`, with the first byte that is not UTF-8.
pub fn utf8(bytes: &[u8]) -> Result<&str, EventError> {
    simdutf8::compat::from_utf8(bytes)
        .map_err(|fault| EventError::new("bad_utf8", "not UTF-8", fault.valid_up_to()))
}

/// The bytes as text, if they are UTF-8: quicker than [`utf8`], which says where they are not.
#[must_use]
pub fn as_utf8(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// Whether the bytes are UTF-8.
#[must_use]
pub fn is_utf8(bytes: &[u8]) -> bool {
    as_utf8(bytes).is_some()
}

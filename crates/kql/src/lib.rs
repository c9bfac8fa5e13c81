//! The Kibana Query Language: a rule's query as text, compiled to something that says whether an
//! event matches, and why.
//!
//! In: query text, and events behind the trait [`Doc`]. Out: a [`Query`], its answers, and the
//! literals that every matching event must hold. It never reads an event's bytes itself, never
//! allocates while it matches, and never panics: neither on query text nor on a decoded query.
//!
//! ```text
//! text --lexer, parser--> syntax tree --compile--> Query (fields by index, tests typed by field)
//!                                                   |-- matches   yes or no
//!                                                   |-- explain   the clauses that decided
//!                                                   |-- truths    each clause, for coverage
//!                                                   |-- literals  for a prefilter over raw bytes
//!                                                   |-- required  for an index over many queries
//!                                                   `-- Display   normalised text
//! ```
//!
//! # Where it differs from Elasticsearch
//! - Text fields (`message`, `*.text`) are analysed upstream. Here a value is a sequence of words
//!   that has to stand in the text in that order, whatever the case; quoted or not.
//! - A keyword over 1,024 characters is not indexed upstream (`ignore_above`) and so never
//!   matches; here it is matched like any other.
//! - A field's type comes from a table ([`field_type`]), as there is no index mapping. A value that
//!   does not fit the type (`source.port: http`) is compared as text instead of failing at run
//!   time; a range on a keyword compares JSON numbers by value.
//! - Free text, a value without a field, is an error: upstream it searches every field.
//! - Date math (`now-1d`) is an error: time is the event's, there is no clock.
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

mod compile;
mod condition;
mod coverage;
mod date;
mod display;
mod error;
mod explain;
mod ip;
mod lexer;
mod literals;
mod make;
mod matches;
mod number;
mod order;
mod parser;
mod query;
mod required;
mod syntax;
mod types;
mod wildcard;
mod words;

pub use coverage::spans;
pub use error::SyntaxError;
pub use explain::{Clause, Explanation};
pub use make::{any_of, everything, exists, nested, one_of, range, wildcard, wildcards};
pub use matches::{Doc, Value};
pub use order::sort_by;
pub use query::{FieldRef, Query};
pub use required::Pair;
pub use syntax::Comparison;
pub use types::{FieldType, field_type};

/// The longest query, in bytes. The longest of the public rules has 8 KB.
pub const MAX_TEXT: usize = 64 * 1024;

/// How deep parentheses and braces may nest. The public rules go to 8; the bound keeps every walk
/// over a query within a small stack.
pub const MAX_DEPTH: usize = 200;

/// Compiles query text.
///
/// An empty query matches every event.
///
/// # Errors
/// [`SyntaxError`], with the place, where the text is no KQL or asks for what cannot be decided
/// from one event (free text, date math).
pub fn parse(text: &str) -> Result<Query, SyntaxError> {
    parser::parse(text).and_then(|tree| compile::compile(text, &tree)).map_err(|fault| *fault)
}

//! The Kibana Query Language: compiles a rule's query, and answers whether an event matches and why.
//!
//! In: query text, and events behind the trait [`Doc`]. Out: a [`Query`], its answers, and the
//! literals that every matching event contains. It never reads an event's bytes itself, never
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
//! ```
//! use firstseen_kql::{Doc, FieldRef, Query, parse};
//! use firstseen_value::Value;
//!
//! /// An event with one text for each field.
//! struct Event<'e>(&'e Query, &'e [(&'e str, &'e str)]);
//!
//! impl Doc for Event<'_> {
//!     fn any(&self, field: usize, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
//!         let FieldRef::Name(name) = &self.0.fields()[field] else { return false };
//!         self.1.iter().any(|(known, text)| known == name && test(&Value::Text((*text).into())))
//!     }
//!     fn any_object(&self, _: usize, _: &mut dyn FnMut(&dyn Doc) -> bool) -> bool {
//!         false
//!     }
//! }
//!
//! let query = parse("event.action: (CreateStack or Create*Set) and not user.name: ci-*")?;
//! assert!(query.matches(&Event(&query, &[("event.action", "CreateStack")])));
//!
//! let robot = Event(&query, &[("event.action", "CreateStack"), ("user.name", "ci-7")]);
//! assert_eq!(query.explain(&robot).decided_by[0].text, "not user.name: ci-*");
//! assert_eq!(parse("CreateStack").unwrap_err().code, "free_text");
//! # Ok::<(), firstseen_kql::SyntaxError>(())
//! ```
//!
//! Order of modules, each importing only from those before it: `limits`, `types`, `field`, `doc`,
//! `words`, `ip`, `error`; `syntax`, `lexer`, `foreign`, `parser`; `condition`, `query`, `compile`, `builder`;
//! `matches`, `display`, `explain`, `coverage`, `admitted`, `written`, `literals`, `required`.
//!
//! # Where it differs from Elasticsearch
//! - Text fields (`message`, `*.text`) are analysed upstream. Here a value is a sequence of words
//!   that the text has to contain in that order, in any case; quoted or not.
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

mod admitted;
mod builder;
mod compile;
mod condition;
mod coverage;
mod display;
mod doc;
mod error;
mod explain;
mod field;
mod foreign;
mod ip;
mod lexer;
mod limits;
mod literals;
mod matches;
mod parser;
mod query;
mod required;
mod syntax;
mod types;
mod words;
mod written;

pub use admitted::{Admitted, ValueTest};
pub use builder::{any_of, everything, exists, nested, one_of, range, wildcard, wildcards};
pub use coverage::spans;
pub use doc::Doc;
pub use error::SyntaxError;
pub use explain::{ExplainedClause, Explanation};
pub use field::FieldRef;
pub use foreign::{alternatives, foreign};
pub use limits::{MAX_DEPTH, MAX_TEXT};
pub use query::Query;
pub use required::Pair;
pub use syntax::Comparison;
pub use types::{FieldType, field_type, typed_fields};
pub use written::{ValueForm, WrittenQuery, WrittenValue, written};

/// Compiles query text.
///
/// An empty query matches every event.
///
/// # Errors
/// [`SyntaxError`] with its position, if the text is not KQL or needs more than one event to decide
/// (free text, date math).
pub fn parse(text: &str) -> Result<Query, SyntaxError> {
    parser::parse(text).and_then(|tree| compile::compile(text, &tree)).map_err(|fault| *fault)
}

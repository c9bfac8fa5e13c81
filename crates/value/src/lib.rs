//! Values and how they are written: what events, queries and rules must agree on.
//!
//! In: text, as an event or a query writes it. Out: values, numbers, dates, patterns, hexadecimal
//! digits and JSON strings, each with one meaning for the whole project. This crate knows no event,
//! no query and no rule. It does no input or output, reads no clock, and never panics.
//!
//! ```text
//!   crate event          crate kql            crate rule          crate envelope, plugin, host
//!      |  fields, times     |  conditions        |  terms, ids       |  strings, digests
//!      +--------------------+---------+----------+------------------+
//!                                     v
//!   Value     Decimal, canonical_number     date     address     Glob, Wildcard     hex     quote     sort
//! ```
//!
//! | what | use it for |
//! | --- | --- |
//! | [`Value`] | one value of a field: what a query compares and a term is made of |
//! | [`Decimal`], [`compare_numbers`], [`canonical_number`], [`whole_part`], [`is_finite`] | numbers by their digits, never rounded |
//! | [`parse_time_ms`], [`number_to_time_ms`] | the time of an event |
//! | [`parse_date_range`], [`parse_epoch_ms`] | the date of a query: the milliseconds that it covers |
//! | [`parse_address`], [`address_text`] | addresses, IPv4 and IPv6 |
//! | [`Glob`], [`Wildcard`] | patterns over a whole value |
//! | [`push_hex`], [`hex`], [`parse_hex`], [`four_hex_digits`] | bytes as lower-case hexadecimal digits |
//! | [`push_quoted`], [`quoted`], [`read_escape`] | strings as JSON writes them |
//! | [`heap_sort_by`] | sorting in little code |
//!
//! # Values
//! ```
//! use firstseen_value::Value;
//!
//! let port = Value::Number("443.0");
//! assert_eq!(port.as_text(), "443.0");
//! assert_eq!(Value::Bool(true).into_text(), "true");
//! ```
//!
//! # Numbers
//! ```
//! use firstseen_value::{Decimal, canonical_number, compare_numbers, whole_part};
//! use std::cmp::Ordering;
//!
//! assert_eq!(compare_numbers("4.43e2", "443"), Some(Ordering::Equal));
//! assert_eq!(compare_numbers("9007199254740993", "9007199254740992"), Some(Ordering::Greater));
//! assert_eq!(canonical_number("443.0").as_deref(), Some("443"));
//! assert_eq!(whole_part("1.9"), Some(1));
//! assert!(Decimal::parse("http").is_none());
//! ```
//!
//! # Dates
//! ```
//! use firstseen_value::{parse_date_range, parse_time_ms};
//!
//! assert_eq!(parse_time_ms("1970-01-01T00:00:01.5Z"), Some(1_500));
//! // A date that is cut short covers more than one millisecond.
//! assert_eq!(parse_date_range("1970-01-01"), Some((0, 86_399_999)));
//! // A leap second is the second after it.
//! assert_eq!(parse_time_ms("2016-12-31T23:59:60Z"), parse_time_ms("2017-01-01T00:00:00Z"));
//! ```
//!
//! # Patterns
//! ```
//! use firstseen_value::{Glob, Wildcard};
//!
//! assert!(Glob::parse("Invoke*").matches("Invoke20150331"));
//! assert!(Wildcard::parse("a?c*", true).matches("ABCD"));
//! ```
//!
//! # Hexadecimal digits and JSON strings
//! ```
//! use firstseen_value::{hex, parse_hex, quoted};
//!
//! assert_eq!(hex(&[0, 0xff]), "00ff");
//! assert_eq!(parse_hex("00ff"), Some(vec![0, 0xff]));
//! assert_eq!(quoted("a\n\"b\""), r#""a\n\"b\"""#);
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

mod address;
mod block;
mod date;
mod decimal;
mod glob;
mod hex;
mod quote;
mod sort;
mod value;
mod wildcard;

pub use address::{address_text, parse_address};
pub use block::{BLOCK, first_stop};
pub use date::{
    number_to_time_ms, parse_date_range, parse_epoch_ms, parse_time_ms, parse_utc_seconds,
};
pub use decimal::{Decimal, canonical_number, compare_numbers, is_finite, whole_part};
pub use glob::Glob;
pub use hex::{four_hex_digits, hex, parse_hex, push_hex};
pub use quote::{
    EscapeError, push_escaped, push_plain, push_quoted, quoted, read_escape, stop_from,
};
pub use sort::heap_sort_by;
pub use value::Value;
pub use wildcard::{Wildcard, WildcardUnit};

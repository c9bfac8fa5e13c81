//! The test that one value of a field has to pass.
//!
//! In: a literal and the type of its field; later, values. Out: a condition, and whether a value
//! meets it. It never sees more than one value: arrays are the caller's.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use firstseen_value::{
    Decimal, Glob, Value, Wildcard, compare_numbers, is_finite, parse_address, parse_date_range,
    parse_epoch_ms,
};
use serde::{Deserialize, Serialize};

use crate::error::{SyntaxError, shown};
use crate::ip::{Network, NotANetwork};
use crate::syntax::{Comparison, Literal, Word};
use crate::types::FieldType;
use crate::words;

/// A test of one value, made for the type of its field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Condition {
    /// `*`: any value.
    Exists,
    /// `null`: no value is null, so none meets it.
    Null,
    /// This text, as it is written.
    Exact(String),
    /// A KQL wildcard.
    Glob(Glob),
    /// An Elasticsearch DSL wildcard that no simpler condition expresses.
    Wildcard(Wildcard),
    /// Text field: these words.
    Words(String),
    /// Text field: one word, or the whole text, under a wildcard.
    WordGlob(Glob, Wildcard),
    /// A number, by value.
    Number(String),
    /// A boolean.
    Bool(bool),
    /// An address within a network.
    Network(Network),
    /// A date within the one written.
    Date(Date),
    /// On one side of a bound.
    Range(Comparison, Bound),
    /// One of these texts, as they are written; they are sorted.
    OneOf(Vec<String>),
}

/// A date of a query, and the first and last millisecond that it covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Date {
    /// As it is written.
    pub(crate) text: String,
    /// The first millisecond since 1970.
    pub(crate) first: i64,
    /// The last millisecond.
    pub(crate) last: i64,
}

impl Date {
    /// Reads a date; `None` if the text is not one.
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = parse_date_range(text)?;
        Some(Self { text: text.to_owned(), first, last })
    }
}

/// What a range compares with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Bound {
    /// By value.
    Number(String),
    /// In time.
    Date(Date),
    /// By address.
    Address(u128),
    /// By bytes; JSON numbers by value, if this is a number too.
    Text(String),
}

/// The condition of `field: literal`. Text that does not fit the field's type is compared as text.
pub(crate) fn of_literal(
    text: &str,
    kind: FieldType,
    literal: &Literal,
) -> Result<Condition, SyntaxError> {
    let value = match &literal.word {
        Word::Wildcard(pieces) => return Ok(of_pieces(pieces.clone(), kind)),
        Word::Plain(value) if value == "null" => return Ok(Condition::Null),
        Word::Plain(value) | Word::Quoted(value) => value,
    };
    of_text(kind, value).ok_or_else(|| bad_network(text, literal.at, value))
}

/// The condition of a plain value. `None`: an address with a bad prefix length.
pub(crate) fn of_text(kind: FieldType, value: &str) -> Option<Condition> {
    let as_text = || Condition::Exact(value.to_owned());
    Some(match kind {
        FieldType::Keyword | FieldType::Wildcard => as_text(),
        FieldType::Lowercase => Condition::Exact(value.to_lowercase()),
        FieldType::Text => Condition::Words(value.to_owned()),
        FieldType::Number if Decimal::parse(value).is_some() => Condition::Number(value.to_owned()),
        FieldType::Boolean => value.parse().map_or_else(|_| as_text(), Condition::Bool),
        FieldType::Date => Date::parse(value).map_or_else(as_text, Condition::Date),
        FieldType::Ip => match Network::parse(value) {
            Ok(network) => Condition::Network(network),
            Err(NotANetwork::NoAddress) => as_text(),
            Err(NotANetwork::BadPrefix) => return None,
        },
        FieldType::Number => as_text(),
    })
}

/// The error for an address with a bad prefix length, `value` at byte `at` of `text`.
pub(crate) fn bad_network(text: &str, at: usize, value: &str) -> SyntaxError {
    SyntaxError::new(
        text,
        at,
        "bad_network",
        format!("{} has a bad prefix length", shown(value)),
        "at most /32 after an IPv4 address, /128 after an IPv6 address",
    )
}

fn of_pieces(pieces: Vec<String>, kind: FieldType) -> Condition {
    let lower = |piece: String| piece.to_lowercase();
    let glob = Glob::new(match kind {
        FieldType::Lowercase => pieces.into_iter().map(lower).collect(),
        _ => pieces,
    });
    if glob.is_any() {
        Condition::Exists
    } else if kind == FieldType::Text {
        let ignoring_case = glob.ignoring_case();
        Condition::WordGlob(glob, ignoring_case)
    } else {
        Condition::Glob(glob)
    }
}

/// The condition of an Elasticsearch DSL wildcard, of the simplest kind that expresses it.
pub(crate) fn dsl_wildcard(pattern: &str, ignore_case: bool) -> Condition {
    let wildcard = Wildcard::parse(pattern, ignore_case);
    match wildcard.plain_pieces() {
        Some(pieces) => match <[String; 1]>::try_from(pieces) {
            Ok([exact]) => Condition::Exact(exact),
            Err(pieces) => of_pieces(pieces, FieldType::Keyword),
        },
        None if wildcard.is_any() => Condition::Exists,
        None => Condition::Wildcard(wildcard),
    }
}

impl Condition {
    /// Whether a value meets the condition.
    #[inline]
    pub(crate) fn met_by(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Exists => true,
            Self::Null => false,
            Self::Exact(wanted) => value.as_text() == wanted,
            Self::Glob(glob) => glob.matches(value.as_text()),
            Self::Wildcard(wildcard) => wildcard.matches(value.as_text()),
            Self::Words(wanted) => words::contains(value.as_text(), wanted),
            Self::WordGlob(_, wildcard) => {
                let text = value.as_text();
                wildcard.matches(text) || words::words(text).any(|word| wildcard.matches(word))
            }
            // What no double holds is not compared by value, but it is still itself.
            Self::Number(wanted) => {
                compare_with_number(value, wanted) == Some(Ordering::Equal)
                    || value.as_text() == wanted
            }
            Self::Bool(true) => value.as_text() == "true",
            // A boolean field takes an empty string for false.
            Self::Bool(false) => matches!(value.as_text(), "false" | ""),
            Self::Network(network) => {
                address(value).is_some_and(|address| network.contains(address))
            }
            Self::Date(date) => millis(value).is_some_and(|at| date.first <= at && at <= date.last),
            Self::Range(comparison, bound) => {
                bound.order_of(value, *comparison).is_some_and(|order| comparison.holds(order))
            }
            Self::OneOf(sorted) => {
                let value = value.as_text();
                sorted.binary_search_by(|known| known.as_str().cmp(value)).is_ok()
            }
        }
    }
}

impl Bound {
    /// Reads a bound for a type of field, or says why it is invalid and what would be valid.
    pub(crate) fn parse(
        kind: FieldType,
        value: &str,
    ) -> Result<Self, (&'static str, &'static str)> {
        match kind {
            FieldType::Number => Decimal::parse(value)
                .map(|_| Self::Number(value.to_owned()))
                .ok_or(("the field holds numbers", "a number such as 443")),
            FieldType::Date if value.starts_with("now") || value.contains("||") => Err((
                "there is no clock for date math",
                "a date such as 2024-01-01 or \"2024-01-01T12:00:00Z\"",
            )),
            FieldType::Date => Date::parse(value).map(Self::Date).ok_or((
                "the field holds dates",
                "a date such as 2024-01-01 or \"2024-01-01T12:00:00Z\", or epoch milliseconds",
            )),
            FieldType::Ip => parse_address(value)
                .map(Self::Address)
                .ok_or(("the field holds addresses", "an address such as 10.0.0.1 or \"::1\"")),
            FieldType::Lowercase => Ok(Self::Text(value.to_lowercase())),
            FieldType::Keyword | FieldType::Wildcard | FieldType::Text | FieldType::Boolean => {
                Ok(Self::Text(value.to_owned()))
            }
        }
    }

    /// The order of a value and the bound; `None` if the two cannot be compared.
    fn order_of(&self, value: &Value<'_>, comparison: Comparison) -> Option<Ordering> {
        match self {
            Self::Number(bound) => compare_with_number(value, bound),
            Self::Date(date) => {
                // After a day means after its end, before a day means before its begin.
                let bound = match comparison {
                    Comparison::Greater | Comparison::AtMost => date.last,
                    Comparison::AtLeast | Comparison::Less => date.first,
                };
                millis(value).map(|at| at.cmp(&bound))
            }
            Self::Address(bound) => address(value).map(|address| address.cmp(bound)),
            Self::Text(bound) => match value {
                // What no double holds is in no range.
                Value::Number(written) if !is_finite(written) => return None,
                Value::Number(written) => compare_numbers(written, bound),
                _ => None,
            }
            .or_else(|| Some(value.as_text().as_bytes().cmp(bound.as_bytes()))),
        }
    }
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

fn compare_with_number(value: &Value<'_>, bound: &str) -> Option<Ordering> {
    match value {
        Value::Bool(_) => None,
        Value::Number(_) | Value::Text(_) => {
            let text = value.as_text();
            is_finite(text).then(|| compare_numbers(text, bound)).flatten()
        }
    }
}

fn address(value: &Value<'_>) -> Option<u128> {
    match value {
        Value::Text(text) => parse_address(text),
        Value::Bool(_) | Value::Number(_) => None,
    }
}

fn millis(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Text(text) => parse_date_range(text).map(|(first, _)| first),
        Value::Number(written) => parse_epoch_ms(written),
        Value::Bool(_) => None,
    }
}

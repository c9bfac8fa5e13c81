//! Exceptions: matching events that neither alert nor count as a sighting.
//!
//! In: an exception as a person wrote it, in a rule's TOML, in a file for `--exceptions` or in the
//! settings (untrusted). Out: a query with a name and an end, or an error. Values of lists become
//! conditions directly, never by way of query text. It never asks a clock: an exception with an end
//! applies to the events that are dated before it.

use crate::window::DAY_MS;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use firstseen_kql::{Query, SyntaxError};
use firstseen_value::parse_time_ms;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) mod json;

/// The longest name, in bytes.
pub const MAX_NAME: usize = 200;
/// The longest reason, in bytes.
pub const MAX_REASON: usize = 4096;
/// The longest field name, in bytes.
const MAX_FIELD: usize = 1024;
/// The most parts of one exception: entries, entries of nested ones, fields.
const MAX_PARTS: usize = 100;

/// An exception: matching events are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exception {
    /// For the reader of the summary.
    pub name: String,
    /// Why.
    pub reason: Option<String>,
    /// The rules that it applies to, by id; empty: all rules.
    pub rules: Vec<String>,
    /// It applies to events before this time, milliseconds since 1970; without, to all events.
    pub expires_ms: Option<i64>,
    /// The events that it leaves out.
    pub query: Query,
}

impl Exception {
    /// Whether it applies to this rule.
    #[must_use]
    pub fn is_for(&self, rule_id: &str) -> bool {
        self.rules.is_empty() || self.rules.iter().any(|id| id == rule_id)
    }

    /// Whether it applies to events of this time. Without a time only exceptions without an end do.
    #[must_use]
    pub fn holds_at(&self, time_ms: Option<i64>) -> bool {
        self.expires_ms.is_none_or(|end| time_ms.is_some_and(|time_ms| time_ms < end))
    }
}

/// An exception as it is written, of the same shape in TOML and JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExceptionDocument {
    /// Its name.
    pub name: String,
    /// Why it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its end: an RFC 3339 time, or a date, which means the end of that day in UTC.
    #[serde(default, deserialize_with = "end", skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// The rule that it applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<String>,
    /// The rules that it applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<String>>,
    /// The events that it leaves out: as KQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Or as a list of conditions that must all hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<ExceptionEntry>>,
    /// Or as fields, each with its values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<BTreeMap<String, TextList>>,
}

/// A condition, in the shape of the entries of Elastic's exception items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExceptionEntry {
    /// The field; for `nested` the path of the objects, within it relative to them.
    pub field: String,
    /// `match`, `match_any`, `wildcard`, `exists` or `nested`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `included`, as without it, or `excluded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The values, for the types that have some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<TextList>,
    /// Of `nested`: what one object has to meet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<ExceptionEntry>>,
}

/// A value or a list of values; whole numbers and booleans as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TextList(pub Vec<String>);

/// Where an exception comes from, which decides which members it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExceptionOrigin {
    /// The settings: `reason` is optional, as older hosts do not send it.
    Settings,
    /// A file of exceptions: `reason` is required.
    File,
    /// A rule: `reason` is required, and it applies to that rule.
    Rule,
}

/// Why a document is not a valid exception.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ExceptionError {
    /// Its `query`.
    #[error("query: {0}")]
    Query(Box<SyntaxError>),
    /// Another of its members.
    #[error("{member}{}: {reason}", entry.map(|at| format!("[{at}]")).unwrap_or_default())]
    Member {
        /// Its name.
        member: &'static str,
        /// Of `entries`: which, from 0.
        entry: Option<usize>,
        /// What is wrong with it and what to write instead.
        reason: String,
    },
}

fn wrong(member: &'static str, reason: impl Into<String>) -> ExceptionError {
    ExceptionError::Member { member, entry: None, reason: reason.into() }
}

impl ExceptionDocument {
    /// Checks the document and compiles its query.
    ///
    /// # Errors
    /// The first [`ExceptionError`].
    pub fn compile(self, place: ExceptionOrigin) -> Result<Exception, ExceptionError> {
        if self.name.trim().is_empty() || self.name.len() > MAX_NAME {
            return Err(wrong("name", format!("must have 1 to {MAX_NAME} bytes")));
        }
        let reason = self.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        if reason.is_none() && place != ExceptionOrigin::Settings {
            return Err(wrong("reason", "is missing: say why these events are harmless"));
        }
        if reason.is_some_and(|reason| reason.len() > MAX_REASON) {
            return Err(wrong("reason", format!("is longer than {MAX_REASON} bytes")));
        }
        let reason = reason.map(str::to_owned);
        let expires_ms = self.expires.as_deref().map(expires).transpose()?;
        let rules = match (self.rule_id, self.rules) {
            (None, None) => Vec::new(),
            _ if place == ExceptionOrigin::Rule => {
                return Err(wrong(
                    "rules",
                    "an exception in a rule applies to that rule: remove this key",
                ));
            }
            (Some(id), None) => vec![id],
            (None, Some(list)) if !list.is_empty() => list,
            (None, Some(_)) => {
                return Err(wrong("rules", "is empty: remove it to apply to all rules"));
            }
            (Some(_), Some(_)) => return Err(wrong("rules", "use `rules` or `rule_id`, not both")),
        };
        let query = match (self.query, self.entries, self.fields) {
            (Some(text), None, None) => {
                firstseen_kql::parse(&text).map_err(|e| ExceptionError::Query(Box::new(e)))?
            }
            (None, Some(entries), None) => all_of(entries)?,
            (None, None, Some(fields)) => each_of(fields)?,
            (None, None, None) => {
                return Err(wrong("query", "is missing: use `query`, `entries` or `fields`"));
            }
            _ => return Err(wrong("query", "use only one of `query`, `entries` and `fields`")),
        };
        Ok(Exception { name: self.name, reason, rules, expires_ms, query })
    }
}

/// The first moment to which it does not apply any more.
fn expires(text: &str) -> Result<i64, ExceptionError> {
    let is_date = text.len() == "2026-12-31".len();
    // A number would be a time too, and no person writes one.
    parse_time_ms(text)
        .filter(|_| text.as_bytes().get(4) == Some(&b'-'))
        .and_then(|ms| ms.checked_add(if is_date { DAY_MS } else { 0 }))
        .ok_or_else(|| {
            let example = "use a date such as 2026-12-31 or a time such as 2026-12-31T18:00:00Z";
            wrong("expires", format!("`{text}` is not a time: {example}"))
        })
}

/// `fields`: each has one of its values.
fn each_of(fields: BTreeMap<String, TextList>) -> Result<Query, ExceptionError> {
    if fields.is_empty() || fields.len() > MAX_PARTS {
        return Err(wrong("fields", format!("must have 1 to {MAX_PARTS} fields")));
    }
    let mut query = firstseen_kql::everything();
    for (field, TextList(values)) in fields {
        let about = |reason: &str| wrong("fields", format!("`{field}`: {reason}"));
        is_field(&field).map_err(&about)?;
        if values.iter().any(|value| value.contains('*')) {
            // It would silently match nothing.
            return Err(about(
                "`*` is not a wildcard here; use `query` or an entry of type wildcard for a pattern, an \
                 entry of type match for a literal star",
            ));
        }
        query = query.and_filter(listed("", &field, values).map_err(|e| about(&e))?, false);
    }
    Ok(query)
}

fn all_of(entries: Vec<ExceptionEntry>) -> Result<Query, ExceptionError> {
    let parts =
        |entry: &ExceptionEntry| entry.entries.as_ref().map_or(0, Vec::len).saturating_add(1);
    if !(1..=MAX_PARTS).contains(&entries.iter().map(parts).sum::<usize>()) {
        return Err(wrong("entries", format!("must have 1 to {MAX_PARTS} entries")));
    }
    let mut query = firstseen_kql::everything();
    for (at, entry) in entries.into_iter().enumerate() {
        let (part, negate) = entry.compile("").map_err(|reason| ExceptionError::Member {
            member: "entries",
            entry: Some(at),
            reason,
        })?;
        query = query.and_filter(part, negate);
    }
    Ok(query)
}

impl ExceptionEntry {
    /// The condition and whether it is negated, or an error message. `within` is the path of a
    /// nested entry around it, or empty: one level, as upstream.
    fn compile(self, within: &str) -> Result<(Query, bool), String> {
        is_field(&self.field)?;
        let negate = match self.operator.as_deref() {
            None | Some("included") => false,
            Some("excluded") => true,
            Some(other) => {
                return Err(format!("unknown operator `{other}`: use included or excluded"));
            }
        };
        let kind = self.kind.as_str();
        if self.entries.is_some() && kind != "nested" {
            return Err(format!("type {kind} has no `entries`"));
        }
        if self.value.is_some() && matches!(kind, "exists" | "nested") {
            return Err(format!("type {kind} has no `value`"));
        }
        let TextList(values) = self.value.unwrap_or(TextList(Vec::new()));
        let query = match kind {
            "match" if values.len() != 1 => {
                return Err("type match needs exactly one `value`".to_owned());
            }
            "match" | "match_any" => listed(within, &self.field, values)?,
            "wildcard" if values.is_empty() => return Err("`value` is missing".to_owned()),
            "wildcard" => firstseen_kql::wildcards(&self.field, &values),
            "exists" => firstseen_kql::exists(&self.field),
            "nested" if within.is_empty() => {
                let mut object = firstseen_kql::everything();
                for entry in self.entries.unwrap_or_default() {
                    let (part, negate) = entry.compile(&self.field)?;
                    object = object.and_filter(part, negate);
                }
                if object == firstseen_kql::everything() {
                    return Err("type nested needs `entries`".to_owned());
                }
                firstseen_kql::nested(&self.field, object)
            }
            "nested" => return Err("nested inside nested: use one level".to_owned()),
            other => {
                return Err(format!(
                    "unknown type `{other}`: use match, match_any, wildcard, exists or nested"
                ));
            }
        };
        Ok((query, negate))
    }
}

fn listed(within: &str, field: &str, values: Vec<String>) -> Result<Query, String> {
    if values.is_empty() {
        return Err("needs at least one value".to_owned());
    }
    firstseen_kql::one_of(within, field, values)
        .map_err(|e| format!("{}; expected {}", e.message, e.expected))
}

fn is_field(name: &str) -> Result<(), &'static str> {
    if name.trim().is_empty() || name.len() > MAX_FIELD {
        return Err("a field name must have 1 to 1024 bytes");
    }
    if name.contains('*') { Err("a field name must not contain `*` here") } else { Ok(()) }
}

impl<'de> Deserialize<'de> for TextList {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(TextListVisitor)
    }
}

struct TextListVisitor;

impl<'de> Visitor<'de> for TextListVisitor {
    type Value = TextList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a whole number, a boolean, or a list of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<TextList, E> {
        Ok(TextList(vec![text.to_owned()]))
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<TextList, E> {
        Ok(TextList(vec![value.to_string()]))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<TextList, E> {
        Ok(TextList(vec![value.to_string()]))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<TextList, E> {
        Ok(TextList(vec![value.to_string()]))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<TextList, A::Error> {
        let mut texts = Vec::new();
        while let Some(TextList(mut one)) = list.next_element()? {
            // A list in a list is flattened; recursion ends where the reader's own does.
            texts.append(&mut one);
        }
        Ok(TextList(texts))
    }
}

/// `expires`: text; in TOML a date or time without quotes too.
fn end<'de, D: Deserializer<'de>>(source: D) -> Result<Option<String>, D::Error> {
    struct End;
    impl<'de> Visitor<'de> for End {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a date or a time")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(text.to_owned()))
        }
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        #[cfg(feature = "source")]
        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            let time =
                toml::value::Datetime::deserialize(de::value::MapAccessDeserializer::new(map));
            time.map(|time| Some(time.to_string()))
        }
    }
    source.deserialize_any(End)
}

#[cfg(test)]
mod tests;

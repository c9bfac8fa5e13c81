//! Terms: the tuples of new-terms values that an event carries.
//!
//! In: an event's fields, the rule's new-terms fields. Out: each distinct tuple once, as a JSON
//! array and as a state key. It never decides whether one is new.
//!
//! A number field's values are numbers, a date's are epoch milliseconds, all others are text as it
//! is written; `1` and `"1"` are the same value of a keyword field. Several fields give the cartesian
//! product of their values.

use crate::identity::TaggedHasher;
use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use firstseen_event::EventFields;
use firstseen_kql::{FieldType, field_type};
use firstseen_value::{Value, canonical_number, parse_time_ms, push_hex, push_quoted};

/// The most terms that one event may have.
pub const MAX_TERMS: usize = 256;

/// The most bytes of values that the terms of one event may hold together. A value is in every
/// term that it is part of, so that a few long ones would otherwise fill a guest's memory.
pub const MAX_TERM_BYTES: usize = 8 << 20;

/// How a new-terms field's values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermKind {
    /// As text.
    Text,
    /// As a number.
    Number,
    /// As true or false.
    Boolean,
    /// As a time, in milliseconds.
    Date,
}

impl TermKind {
    /// The kind of a field.
    #[must_use]
    pub fn of(field: &str) -> Self {
        match field_type(field) {
            FieldType::Number => Self::Number,
            FieldType::Boolean => Self::Boolean,
            FieldType::Date => Self::Date,
            _ => Self::Text,
        }
    }
}

/// One new-terms field: the index of its values, and how they are read.
#[derive(Debug, Clone, Copy)]
pub struct TermField {
    /// The ask in the reader.
    pub ask: usize,
    /// The kind of its values.
    pub kind: TermKind,
}

/// What an event's terms are.
#[derive(Debug)]
pub enum Terms {
    /// The term of most events.
    Some(Vec<Term>),
    /// This field (by index) has no value.
    Missing(usize),
    /// More than [`MAX_TERMS`]: this many.
    TooMany(usize),
    /// Together longer than was allowed: this many bytes.
    TooLong(usize),
}

/// One term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// 128 bits over the typed values.
    pub hash: [u8; 16],
    /// The values in the order of the fields, as a JSON array.
    pub json: String,
}

impl Term {
    /// The term of these values, each with the kind of its field: what an event that holds them
    /// would give. For callers that know a term without an event, such as a test of a rule.
    #[must_use]
    pub fn of_values<'v>(values: impl IntoIterator<Item = (TermKind, &'v str)>) -> Self {
        let mut tuple = Tuple::new();
        for (kind, text) in values {
            tuple.push(&part(Value::Text(Cow::Borrowed(text)), kind));
        }
        tuple.finish()
    }

    /// `PREFIX` and the hash: where the term's state lives.
    #[must_use]
    pub fn key(&self, prefix: &str) -> String {
        let mut key = String::with_capacity(prefix.len().saturating_add(32));
        key.push_str(prefix);
        push_hex(&mut key, &self.hash);
        key
    }
}

/// One value: its tag and its canonical text, which is also its JSON unless it is a string.
struct Part<'v> {
    tag: u8,
    canonical: Cow<'v, str>,
}

#[inline]
fn part(value: Value<'_>, kind: TermKind) -> Part<'_> {
    let text = value.into_text();
    let plain = match kind {
        TermKind::Text => None,
        TermKind::Number => canonical_number(&text).map(|n| (b'n', n)),
        TermKind::Boolean => matches!(&*text, "true" | "false").then(|| (b'b', text.to_string())),
        TermKind::Date => parse_time_ms(&text).map(|ms| (b'd', ms.to_string())),
    };
    match plain {
        Some((tag, canonical)) => Part { tag, canonical: Cow::Owned(canonical) },
        None => Part { tag: b's', canonical: text },
    }
}

/// Adds a value as JSON.
#[inline]
fn push_json(out: &mut String, part: &Part<'_>) {
    let text = &*part.canonical;
    let plain = |b: u8| b >= b' ' && b != b'"' && b != b'\\';
    if part.tag != b's' {
        out.push_str(text);
    } else if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        push_quoted(out, text);
    }
}

/// The terms of an event, if their values have at most so many bytes together.
#[must_use]
pub fn of_event(fields: &EventFields<'_>, slots: &[TermField], most: usize) -> Terms {
    if let Some(term) = single(fields, slots, most) {
        return Terms::Some(vec![term]);
    }
    let mut columns: Vec<Vec<Part<'_>>> = Vec::with_capacity(slots.len());
    let mut product = 1usize;
    for (index, slot) in slots.iter().enumerate() {
        let mut column: Vec<Part<'_>> = Vec::new();
        for value in fields.values(slot.ask) {
            let next = part(value, slot.kind);
            let known = column.iter().any(|p| p.tag == next.tag && p.canonical == next.canonical);
            if !known {
                column.push(next);
            }
            // Comparing each with all is quadratic: stop where the answer is clear.
            if column.len() > MAX_TERMS {
                return Terms::TooMany(column.len());
            }
        }
        if column.is_empty() {
            return Terms::Missing(index);
        }
        product = product.saturating_mul(column.len());
        columns.push(column);
    }
    if product > MAX_TERMS {
        return Terms::TooMany(product);
    }
    let bytes = columns.iter().fold(0usize, |sum, column| {
        let one_each: usize = column.iter().map(|part| part.canonical.len()).sum();
        let times = product.checked_div(column.len()).unwrap_or(0);
        sum.saturating_add(one_each.saturating_mul(times))
    });
    if bytes > most {
        return Terms::TooLong(bytes);
    }
    let mut terms = Vec::with_capacity(product);
    for number in 0..product {
        terms.push(combination(&columns, number, product));
    }
    Terms::Some(terms)
}

/// The term of an event that has one value in each field, as nearly all do: the same as
/// [`combination`] gives, with less memory.
fn single(fields: &EventFields<'_>, slots: &[TermField], most: usize) -> Option<Term> {
    let mut tuple = Tuple::new();
    for slot in slots {
        let mut values = fields.values(slot.ask);
        tuple.push(&part(values.next()?, slot.kind));
        if values.next().is_some() || tuple.json.len() > most {
            return None;
        }
    }
    Some(tuple.finish())
}

/// The combination of that number; the last field runs fastest.
fn combination(columns: &[Vec<Part<'_>>], number: usize, product: usize) -> Term {
    let mut tuple = Tuple::new();
    let mut block = product;
    let mut rest = number;
    for column in columns {
        block = block.checked_div(column.len()).unwrap_or(1).max(1);
        let at = rest.checked_div(block).unwrap_or(0);
        rest = rest.checked_rem(block).unwrap_or(0);
        if let Some(part) = column.get(at) {
            tuple.push(part);
        }
    }
    tuple.finish()
}

/// A term while its values are put together.
struct Tuple {
    parts: TaggedHasher,
    json: String,
}

impl Tuple {
    fn new() -> Self {
        let mut json = String::with_capacity(64);
        json.push('[');
        Self { parts: TaggedHasher::new("term"), json }
    }

    #[inline]
    fn push(&mut self, part: &Part<'_>) {
        self.parts.add(part.tag, part.canonical.as_bytes());
        if self.json.len() > 1 {
            self.json.push(',');
        }
        push_json(&mut self.json, part);
    }

    fn finish(mut self) -> Term {
        self.json.push(']');
        Term { hash: self.parts.finish(), json: self.json }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_event::{EventReader, FieldRequest, ReadOutcome, Scratch};

    fn terms(event: &str, names: &[&str]) -> Result<Vec<Term>, String> {
        let reader =
            EventReader::new(names.iter().map(|n| FieldRequest::Values((*n).to_owned())).collect());
        let mut scratch = Scratch::default();
        let Ok(ReadOutcome::Event(fields)) = reader.read(event, &mut scratch) else {
            panic!("{event}")
        };
        let slots: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(ask, name)| TermField { ask, kind: TermKind::of(name) })
            .collect();
        match of_event(&fields, &slots, MAX_TERM_BYTES) {
            Terms::Some(terms) => Ok(terms),
            Terms::Missing(index) => Err(format!("no {}", names[index])),
            Terms::TooMany(n) => Err(format!("{n} terms")),
            Terms::TooLong(n) => Err(format!("{n} bytes")),
        }
    }

    fn json(event: &str, names: &[&str]) -> Result<Vec<String>, String> {
        terms(event, names).map(|t| t.into_iter().map(|t| t.json).collect())
    }

    #[test]
    fn several_values_give_the_product_each_once() {
        let event = r#"{"@timestamp":"2024-01-01T00:00:00Z","user":{"name":["a","b","a"]},"host":{"id":["x","y"]}}"#;
        assert_eq!(
            json(event, &["user.name", "host.id"]).unwrap(),
            [r#"["a","x"]"#, r#"["a","y"]"#, r#"["b","x"]"#, r#"["b","y"]"#]
        );
    }

    #[test]
    fn a_missing_null_or_empty_field_is_missing() {
        for value in ["null", "[]", "[null]"] {
            let event =
                format!(r#"{{"@timestamp":1,"user":{{"name":{value}}},"host":{{"id":"x"}}}}"#);
            assert_eq!(json(&event, &["host.id", "user.name"]).unwrap_err(), "no user.name");
        }
    }

    #[test]
    fn numbers_by_value_in_number_fields_and_by_text_elsewhere() {
        let one = |v: &str, f: &str| {
            let event = format!(r#"{{"@timestamp":1,"{f}":{v}}}"#);
            terms(&event, &[f]).unwrap().remove(0)
        };
        let f = "source.port";
        assert_eq!(one("443", f), one("443.0", f));
        assert_eq!(one("443", f), one("\"443\"", f));
        assert_eq!(one("443", f).json, "[443]");
        assert_eq!(one("0.5", f).json, "[0.5]");
        assert_eq!(one("443", "user.name"), one("\"443\"", "user.name"));
        assert_eq!(one("443", "user.name").json, r#"["443"]"#);
    }

    #[test]
    fn a_term_of_values_is_the_term_of_an_event_that_holds_them() {
        let names = ["source.port", "user.name", "process.interactive", "process.start"];
        let event = r#"{"@timestamp":1,"source.port":4.43e2,"user.name":"a\"b",
            "process.interactive":true,"process.start":"2024-01-01T00:00:00Z"}"#;
        let texts = ["443", "a\"b", "true", "2024-01-01T00:00:00.000Z"];
        let values = names.iter().map(|name| TermKind::of(name)).zip(texts);
        assert_eq!(terms(event, &names).unwrap(), [Term::of_values(values)]);
    }

    #[test]
    fn more_than_256_are_too_many() {
        let many: Vec<String> = (0..257).map(|n| format!("\"{n}\"")).collect();
        let event = format!(r#"{{"@timestamp":1,"user":{{"name":[{}]}}}}"#, many.join(","));
        assert_eq!(json(&event, &["user.name"]).unwrap_err(), "257 terms");
        let some: Vec<String> = (0..17).map(|n| format!("\"{n}\"")).collect();
        let list = some.join(",");
        let event = format!(r#"{{"@timestamp":1,"user":{{"name":[{list}],"id":[{list}]}}}}"#);
        assert_eq!(json(&event, &["user.name", "user.id"]).unwrap_err(), "289 terms");
    }

    #[test]
    fn a_long_value_in_many_terms_is_too_long() {
        let long = "x".repeat(1 << 20);
        let event =
            |ids: &str| format!(r#"{{"@timestamp":1,"user":{{"name":"{long}","id":[{ids}]}}}}"#);
        let names = ["user.name", "user.id"];
        assert_eq!(json(&event("1,2,3,4,5,6,7"), &names).unwrap().len(), 7);
        let error = json(&event("1,2,3,4,5,6,7,8"), &names).unwrap_err();
        assert_eq!(error, format!("{} bytes", 8 * ((1 << 20) + 1)));
    }
}

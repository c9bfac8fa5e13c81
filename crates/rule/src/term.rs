//! Terms: the tuples of new-terms values that an event carries.
//!
//! In: an event's fields, the rule's new-terms fields. Out: each distinct tuple once, as a JSON
//! array and as a state key. It never decides whether one is new.
//!
//! A number field's values are numbers, a date's are epoch milliseconds, an address's are its
//! shortest text, all others are text as it is written; `1` and `"1"` are the same value of a keyword
//! field. Several fields give the cartesian product of their values. Of more than 256 combinations
//! the first ones count, by the values' bytes: whatever the order in the event, the same ones.

use crate::identity::TaggedHasher;
use crate::memo::TermMemo;
use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;
use firstseen_event::EventFields;
use firstseen_kql::{FieldType, field_type};
use firstseen_value::{
    Value, address_text, canonical_number, heap_sort_by, parse_address, parse_time_ms, push_hex,
    push_quoted,
};

/// The most terms of one event that are judged.
pub const MAX_TERMS: usize = 256;

/// The most bytes of values that the terms of one event may hold together. A value is in every
/// term that it is part of, so that a few long ones would otherwise fill a guest's memory.
pub const MAX_TERM_BYTES: usize = 8 << 20;

/// So many values of a field are held before those that cannot be judged are let go.
const MAX_HELD: usize = 65_536;

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
    /// As an address.
    Ip,
}

impl TermKind {
    /// The kind of a field.
    #[must_use]
    pub fn of(field: &str) -> Self {
        match field_type(field) {
            FieldType::Number => Self::Number,
            FieldType::Boolean => Self::Boolean,
            FieldType::Date => Self::Date,
            FieldType::Ip => Self::Ip,
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
    /// The terms to judge, and how many more the event has: with those that are here, more than
    /// [`MAX_TERMS`].
    Some(Vec<Term>, usize),
    /// This field (by index) has no value.
    Missing(usize),
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
        self.push_key(prefix, &mut key);
        key
    }

    /// Adds it to a text; all keys of a prefix are of one length.
    pub(crate) fn push_key(&self, prefix: &str, out: &mut String) {
        out.push_str(prefix);
        push_hex(out, &self.hash);
    }
}

/// One value: its tag and its canonical text, which is also its JSON unless it is a string.
struct Part<'v> {
    tag: u8,
    canonical: Cow<'v, str>,
}

impl Part<'_> {
    #[inline]
    fn order(&self, other: &Self) -> Ordering {
        self.canonical.as_bytes().cmp(other.canonical.as_bytes()).then(self.tag.cmp(&other.tag))
    }
}

#[inline]
fn part(value: Value<'_>, kind: TermKind) -> Part<'_> {
    let text = value.into_text();
    let plain = match kind {
        TermKind::Text => None,
        TermKind::Number => canonical_number(&text).map(|n| (b'n', n)),
        TermKind::Boolean => matches!(&*text, "true" | "false").then(|| (b'b', text.to_string())),
        TermKind::Date => parse_time_ms(&text).map(|ms| (b'd', ms.to_string())),
        // Text as well, so that the key of an address in its usual spelling is that of its text.
        TermKind::Ip => parse_address(&text).map(|bits| (b's', address_text(bits))),
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
    if part.tag != b's' {
        out.push_str(text);
    } else {
        push_quoted(out, text);
    }
}

/// The terms of an event, if their values have at most so many bytes together.
#[must_use]
pub fn of_event(fields: &EventFields<'_>, slots: &[TermField], most: usize) -> Terms {
    of_event_with(fields, slots, most, None)
}

/// The same, with the hashes of the terms that this rule met before.
#[must_use]
pub(crate) fn of_event_with(
    fields: &EventFields<'_>,
    slots: &[TermField],
    most: usize,
    known: Option<(&mut TermMemo, usize)>,
) -> Terms {
    if let Some(term) = single(fields, slots, most, known) {
        return Terms::Some(vec![term], 0);
    }
    let mut columns: Vec<TermColumn<'_>> = Vec::with_capacity(slots.len());
    let mut product = 1usize;
    for (index, slot) in slots.iter().enumerate() {
        let mut column = TermColumn::default();
        for value in fields.values(slot.ask) {
            column.add(part(value, slot.kind));
        }
        if column.is_crowded {
            column.sort();
        }
        if column.parts.is_empty() {
            return Terms::Missing(index);
        }
        product = product.saturating_mul(column.len());
        columns.push(column);
    }
    if product > MAX_TERMS {
        columns.iter_mut().for_each(TermColumn::sort);
    }
    let count = product.min(MAX_TERMS);
    let numbers = 0..count;
    let bytes = numbers.clone().fold(0usize, |sum, number| {
        let parts = combination(&columns, number).map(|part| part.canonical.len());
        sum.saturating_add(parts.sum())
    });
    if bytes > most {
        return Terms::TooLong(bytes);
    }
    let term = |number| {
        let mut tuple = Tuple::new();
        combination(&columns, number).for_each(|part| tuple.push(part));
        tuple.finish()
    };
    Terms::Some(numbers.map(term).collect(), product.saturating_sub(count))
}

/// The distinct values of a field.
#[derive(Default)]
struct TermColumn<'v> {
    /// Each once; in a crowded column perhaps more often, until it is sorted.
    parts: Vec<Part<'v>>,
    /// It had more than [`MAX_TERMS`] values.
    is_crowded: bool,
    /// How many were let go, because no judged term holds them. Beyond [`MAX_HELD`] values the same
    /// one may count twice.
    gone: usize,
}

impl<'v> TermColumn<'v> {
    fn add(&mut self, next: Part<'v>) {
        // Comparing each with all is quadratic: many are sorted instead.
        if !self.is_crowded && self.parts.iter().any(|known| known.order(&next).is_eq()) {
            return;
        }
        self.parts.push(next);
        self.is_crowded |= self.parts.len() > MAX_TERMS;
        if self.parts.len() >= MAX_HELD {
            self.sort();
        }
    }

    fn len(&self) -> usize {
        self.parts.len().saturating_add(self.gone)
    }

    /// By bytes, each once, and only those that may be judged.
    fn sort(&mut self) {
        heap_sort_by(&mut self.parts, Part::order);
        self.parts.dedup_by(|a, b| a.order(b).is_eq());
        self.gone = self.gone.saturating_add(self.parts.len().saturating_sub(MAX_TERMS));
        self.parts.truncate(MAX_TERMS);
    }
}

/// The term of an event that has one value in each field, as nearly all do: the same as
/// [`combination`] gives, with less memory.
fn single(
    fields: &EventFields<'_>,
    slots: &[TermField],
    most: usize,
    known: Option<(&mut TermMemo, usize)>,
) -> Option<Term> {
    let Some((memo, rule)) = known else {
        let mut tuple = Tuple::new();
        for slot in slots {
            tuple.push(&only_part(fields, slot)?);
            if tuple.json.len() > most {
                return None;
            }
        }
        return Some(tuple.finish());
    };
    let mut json = open_json();
    for slot in slots {
        push_part(&mut json, &only_part(fields, slot)?);
        if json.len() > most {
            return None;
        }
    }
    json.push(']');
    if let Some(hash) = memo.find(rule, &json) {
        return Some(Term { hash, json });
    }
    let mut parts = TaggedHasher::new(PURPOSE);
    for slot in slots {
        let part = only_part(fields, slot)?;
        parts.add(part.tag, part.canonical.as_bytes());
    }
    let hash = parts.finish();
    memo.keep(rule, &json, hash);
    Some(Term { hash, json })
}

/// The value of a field that has one.
#[inline]
fn only_part<'v>(fields: &EventFields<'v>, slot: &TermField) -> Option<Part<'v>> {
    if let Some(value) = fields.only_value(slot.ask) {
        return Some(part(value, slot.kind));
    }
    let mut values = fields.values(slot.ask);
    let value = values.next()?;
    values.next().is_none().then(|| part(value, slot.kind))
}

/// The values of the combination of that number; the last field runs fastest.
fn combination<'c, 'v>(
    columns: &'c [TermColumn<'v>],
    number: usize,
) -> impl Iterator<Item = &'c Part<'v>> {
    columns.iter().enumerate().filter_map(move |(at, column)| {
        let inner = columns.iter().skip(at.saturating_add(1));
        let block = inner.fold(1usize, |block, column| block.saturating_mul(column.parts.len()));
        column.parts.get(number.checked_div(block)?.checked_rem(column.parts.len())?)
    })
}

/// A term while its values are put together.
struct Tuple {
    parts: TaggedHasher,
    json: String,
}

/// What keeps the hashes of terms apart from others.
const PURPOSE: &str = "term";

fn open_json() -> String {
    let mut json = String::with_capacity(64);
    json.push('[');
    json
}

/// Adds a value to a JSON array.
#[inline]
fn push_part(json: &mut String, part: &Part<'_>) {
    if json.len() > 1 {
        json.push(',');
    }
    push_json(json, part);
}

impl Tuple {
    fn new() -> Self {
        Self { parts: TaggedHasher::new(PURPOSE), json: open_json() }
    }

    #[inline]
    fn push(&mut self, part: &Part<'_>) {
        self.parts.add(part.tag, part.canonical.as_bytes());
        push_part(&mut self.json, part);
    }

    fn finish(mut self) -> Term {
        self.json.push(']');
        Term { hash: self.parts.finish(), json: self.json }
    }
}

#[cfg(test)]
mod tests;

//! An event for the tests: names and values, bound to the fields of a query.
//!
//! It is as plain as can be, so that it can be trusted: fields are looked up by name each time.
#![allow(dead_code, unreachable_pub, reason = "each test file takes its part")]

use firstseen_kql::{Doc, FieldRef, Query};
use firstseen_value::Value;

/// A value of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A string.
    Text(String),
    /// An object.
    Object(Event),
}

/// Names and the values of each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Event(pub Vec<(String, Vec<Item>)>);

impl Event {
    /// Adds a field.
    pub fn with(mut self, name: &str, values: Vec<Item>) -> Self {
        self.0.push((name.to_owned(), values));
        self
    }

    /// Whether the query matches; `explain` and the encoded query have to agree.
    pub fn matches(&self, query: &Query) -> bool {
        let bound = Bound { event: self, fields: query.fields() };
        let matched = query.matches(&bound);
        let why = query.explain(&bound);
        assert_eq!(why.matched, matched, "{query} {self:?}");
        for clause in &why.decided_by {
            assert_eq!(clause.truth, matched, "{query} {self:?} {clause:?}");
        }
        matched
    }

    /// The values of all fields that a name or a pattern means; null is no value.
    pub fn values(&self, field: &FieldRef) -> impl Iterator<Item = &Item> {
        let wanted = move |name: &str| match field {
            FieldRef::Name(wanted) => wanted == name,
            FieldRef::Pattern(pattern) => fits(pattern, name),
            FieldRef::Nested { path, .. } => path == name,
        };
        let named = self.0.iter().filter(move |(name, _)| wanted(name));
        named.flat_map(|(_, values)| values).filter(|item| **item != Item::Null)
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((first, rest)) => name.strip_prefix(first).is_some_and(|tail| {
            (0..=tail.len()).any(|at| tail.is_char_boundary(at) && fits(rest, &tail[at..]))
        }),
    }
}

/// Shorthand for a string.
pub fn text(value: &str) -> Item {
    Item::Text(value.to_owned())
}

/// Shorthand for a number.
pub fn number(value: &str) -> Item {
    Item::Number(value.to_owned())
}

/// An event bound to the fields of a query.
pub struct Bound<'a> {
    /// The event.
    pub event: &'a Event,
    /// The fields.
    pub fields: &'a [FieldRef],
}

impl Doc for Bound<'_> {
    fn any(&self, field: usize, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        self.event.values(&self.fields[field]).any(|item| match item {
            Item::Null | Item::Object(_) => false,
            Item::Bool(value) => test(&Value::Bool(*value)),
            Item::Number(value) => test(&Value::Number(value)),
            Item::Text(value) => test(&Value::Text(value.as_str().into())),
        })
    }

    fn any_object(&self, field: usize, test: &mut dyn FnMut(&dyn Doc) -> bool) -> bool {
        let FieldRef::Nested { inner, .. } = &self.fields[field] else { panic!("no object") };
        self.event.values(&self.fields[field]).any(|item| match item {
            Item::Object(event) => test(&Bound { event, fields: inner }),
            _ => false,
        })
    }
}

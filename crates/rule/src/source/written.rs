//! The parts of a rule that select events, as they are written: its query, filters and exceptions.
//!
//! In: clauses and their places. Out: trees of fields and values for warnings about them. What they
//! mean is crate kql's.

#[cfg(feature = "lint")]
use super::position;
use super::table::At;
use firstseen_kql::{Query, ValueForm, WrittenQuery, WrittenValue};
use std::ops::Range;

/// A part of a rule.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "lint"), allow(dead_code))]
pub(super) struct WrittenPart {
    pub(super) kind: PartKind,
    pub(super) written: WrittenQuery,
    /// Where all of it is.
    pub(super) span: Range<usize>,
    /// Its text, if it is KQL: then places are in that, else in the file.
    pub(super) kql: Option<String>,
}

/// What a part does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "lint"), allow(dead_code))]
pub(super) enum PartKind {
    /// An event has to meet it.
    Query,
    /// It too, or its opposite.
    Filter {
        /// Its opposite.
        negated: bool,
    },
    /// An event that meets it is left out.
    Exception {
        /// Only before a time.
        ends: bool,
    },
}

/// A clause of a filter: what it matches, and how it is written.
#[derive(Debug)]
pub(super) struct WrittenClause {
    pub(super) query: Query,
    pub(super) written: WrittenQuery,
}

impl WrittenClause {
    /// Every event.
    pub(super) fn everything() -> Self {
        Self { query: firstseen_kql::everything(), written: WrittenQuery::Everything }
    }

    /// One clause over one field.
    pub(super) fn of(
        query: Query,
        field: &Range<usize>,
        value: &At<&str>,
        form: ValueForm,
    ) -> Self {
        let place = [field.clone(), value.span.clone()];
        let leaf = WrittenValue::of_clause(&query, value.value.to_owned(), form, place);
        Self { query, written: leaf.map_or(WrittenQuery::Everything, WrittenQuery::Value) }
    }

    /// Both, or the first and not the second.
    pub(super) fn and(self, other: Self, negate: bool) -> Self {
        let query = self.query.and_filter(other.query, negate);
        let added = if negate { WrittenQuery::Not(Box::new(other.written)) } else { other.written };
        let written = match self.written {
            WrittenQuery::Everything => added,
            WrittenQuery::And(mut items) => {
                items.push(added);
                WrittenQuery::And(items)
            }
            one => WrittenQuery::And(vec![one, added]),
        };
        Self { query, written }
    }

    /// Any of them.
    pub(super) fn any(parts: Vec<Self>) -> Self {
        let (queries, written) = parts.into_iter().map(|one| (one.query, one.written)).unzip();
        Self { query: firstseen_kql::any_of(queries), written: WrittenQuery::Or(written) }
    }
}

#[cfg(feature = "lint")]
impl WrittenPart {
    /// A query in KQL, if it is one.
    pub(super) fn of_kql(kind: PartKind, query: &At<&str>) -> Option<Self> {
        let written = firstseen_kql::written(query.value).ok()?;
        let (span, kql) = (query.span.clone(), Some(query.value.to_owned()));
        Some(Self { kind, written, span, kql })
    }

    /// A place in it, as a place in the file.
    pub(super) fn place(&self, file: &str, span: &Range<usize>) -> Range<usize> {
        let Some(value) = &self.kql else { return span.clone() };
        let at = |at| position::place(file, &self.span, value, at);
        match (at(span.start), at(span.end)) {
            (Some(start), Some(end)) => start..end,
            _ => self.span.clone(),
        }
    }

    /// The text of a value as it is written, quotes and all; of a filter without them.
    pub(super) fn source<'s>(&'s self, leaf: &'s WrittenValue) -> &'s str {
        match &self.kql {
            Some(text) => text.get(leaf.span.clone()).unwrap_or_default(),
            None => &leaf.value,
        }
    }
}

//! Literals that every matching event contains, for a prefilter over raw bytes.
//!
//! In: a query, and which fields appear verbatim in an event's text. Out: clauses; the text of every
//! matching event contains at least one literal of each clause. A query without such literals has no
//! clause.

use crate::condition::Condition;
use crate::field::FieldRef;
use crate::query::{Query, QueryNode, children};
use crate::types::{FieldType, field_type};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// The shortest piece of a wildcard worth searching for.
const MIN_PIECE: usize = 3;
/// So many pieces of a wildcard are searched for, the longest.
const MAX_PIECES: usize = 2;

impl Query {
    /// The clauses: the text of every matching event contains at least one literal of each.
    ///
    /// `verbatim` says whether a literal in a value of a field, given by its full name, appears in the
    /// text as it is compared. Only exact and wildcard values of such keyword fields count, and nothing
    /// under `not`.
    #[must_use]
    pub fn literals(&self, verbatim: &dyn Fn(&str, &str) -> bool) -> Vec<Vec<String>> {
        let mut clauses: Vec<Vec<String>> = vec![];
        for clause in required(&self.nodes, &self.fields, "", verbatim) {
            if !clauses.contains(&clause) {
                clauses.push(clause);
            }
        }
        clauses
    }
}

/// The clauses of the tree at the start of `nodes`. Names of fields are relative to `prefix`.
fn required(
    nodes: &[QueryNode],
    fields: &[FieldRef],
    prefix: &str,
    verbatim: &dyn Fn(&str, &str) -> bool,
) -> Vec<Vec<String>> {
    let Some((node, below)) = nodes.split_first() else { return vec![] };
    let child_clauses = |child| required(child, fields, prefix, verbatim);
    match node {
        QueryNode::Everything | QueryNode::Not { .. } => vec![],
        QueryNode::And { .. } => children(below, node).flat_map(child_clauses).collect(),
        QueryNode::Or { .. } => any_of(children(below, node).map(child_clauses)),
        QueryNode::Is { field, conditions } => {
            let Some(FieldRef::Name(name)) = fields.get(*field as usize) else { return vec![] };
            let name = format!("{prefix}{name}");
            match conditions.as_slice() {
                [condition] => clauses(condition, &name, verbatim),
                several => any_of(several.iter().map(|one| clauses(one, &name, verbatim))),
            }
        }
        QueryNode::Nested { field, .. } => match fields.get(*field as usize) {
            Some(FieldRef::Nested { path, inner }) => {
                required(below, inner, &format!("{prefix}{path}."), verbatim)
            }
            _ => vec![],
        },
    }
}

/// One clause where one of several has to hold; none where one of them has none.
fn any_of(several: impl Iterator<Item = Vec<Vec<String>>>) -> Vec<Vec<String>> {
    let each: Option<Vec<_>> = several.map(most_selective).collect();
    each.map(|clauses| shortest_needed(clauses.concat())).into_iter().collect()
}

/// What a field's value meets the condition by.
fn clauses(
    condition: &Condition,
    field: &str,
    verbatim: &dyn Fn(&str, &str) -> bool,
) -> Vec<Vec<String>> {
    let is_exact = matches!(field_type(field), FieldType::Keyword | FieldType::Wildcard);
    if !is_exact || field.ends_with(".caseless") {
        return vec![];
    }
    let found = match condition {
        Condition::Exact(text) if !text.is_empty() => vec![text],
        Condition::Glob(glob) => longest(glob.pieces()),
        _ => vec![],
    };
    let found = found.into_iter().filter(|text| verbatim(field, text));
    found.map(|text| vec![text.clone()]).collect()
}

/// The pieces that are worth searching for, in their order; none that is a part of another one.
fn longest(pieces: &[String]) -> Vec<&String> {
    let mut by_length: Vec<&String> =
        pieces.iter().filter(|piece| piece.len() >= MIN_PIECE).collect();
    by_length.sort_by_key(|piece| Reverse(piece.len()));
    let mut kept: Vec<&String> = vec![];
    for piece in by_length {
        if kept.len() < MAX_PIECES && !kept.iter().any(|longer| longer.contains(piece.as_str())) {
            kept.push(piece);
        }
    }
    let place = |piece: &&String| pieces.iter().position(|known| known == *piece);
    kept.sort_by_key(place);
    kept
}

/// The clause whose weakest literal is the strongest; of those the one with the fewest.
fn most_selective(clauses: Vec<Vec<String>>) -> Option<Vec<String>> {
    clauses.into_iter().max_by_key(|clause| {
        let weakest = clause.iter().map(String::len).min().unwrap_or(0);
        (weakest, Reverse(clause.len()))
    })
}

/// A clause without the literals that contain another one of it: they add nothing.
fn shortest_needed(mut clause: Vec<String>) -> Vec<String> {
    clause.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    let mut kept: Vec<String> = vec![];
    for literal in clause {
        if !kept.iter().any(|shorter| literal.contains(shorter.as_str())) {
            kept.push(literal);
        }
    }
    kept
}

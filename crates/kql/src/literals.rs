//! Literals that every matching event contains, for a prefilter over raw bytes.
//!
//! In: a query, and what an event's text holds of its fields. Out: clauses; the text of every
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

/// What an event's text holds of the values of its fields, which are given by their full names.
pub trait FieldTexts {
    /// Whether a part of a value appears in the text as it is compared.
    fn verbatim(&self, field: &str, part: &str) -> bool;

    /// Of a field whose values are not in the text: some texts, one of which is in each event that has this value.
    /// None where nothing is known.
    fn traces(&self, field: &str, value: &str) -> Vec<String>;
}

impl Query {
    /// The clauses: the text of every matching event contains at least one literal of each.
    ///
    /// Only exact and wildcard values of keyword fields count, and nothing under `not`.
    #[must_use]
    pub fn literals(&self, texts: &dyn FieldTexts) -> Vec<Vec<String>> {
        let mut clauses: Vec<Vec<String>> = vec![];
        for clause in required(&self.nodes, &self.fields, "", texts) {
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
    texts: &dyn FieldTexts,
) -> Vec<Vec<String>> {
    let Some((node, below)) = nodes.split_first() else { return vec![] };
    let child_clauses = |child| required(child, fields, prefix, texts);
    match node {
        QueryNode::Everything | QueryNode::Not { .. } => vec![],
        QueryNode::And { .. } => children(below, node).flat_map(child_clauses).collect(),
        QueryNode::Or { .. } => any_of(children(below, node).map(child_clauses)),
        QueryNode::Is { field, conditions } => {
            let Some(FieldRef::Name(name)) = fields.get(*field as usize) else { return vec![] };
            let name = format!("{prefix}{name}");
            match conditions.as_slice() {
                [condition] => clauses(condition, &name, texts),
                several => any_of(several.iter().map(|one| clauses(one, &name, texts))),
            }
        }
        QueryNode::Nested { field, .. } => match fields.get(*field as usize) {
            Some(FieldRef::Nested { path, inner }) => {
                required(below, inner, &format!("{prefix}{path}."), texts)
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
fn clauses(condition: &Condition, field: &str, texts: &dyn FieldTexts) -> Vec<Vec<String>> {
    let is_verbatim = |text: &String| texts.verbatim(field, text);
    let is_exact = matches!(field_type(field), FieldType::Keyword | FieldType::Wildcard);
    match condition {
        _ if field.ends_with(".caseless") => vec![],
        Condition::Exact(text) if is_exact && !text.is_empty() => {
            let found =
                if is_verbatim(text) { vec![text.clone()] } else { texts.traces(field, text) };
            Some(found).filter(|found| !found.is_empty()).into_iter().collect()
        }
        Condition::Glob(glob) if is_exact => {
            let worth = |piece: &&String| piece.len() >= MIN_PIECE && is_verbatim(piece);
            let mut pieces: Vec<&String> = glob.pieces().iter().filter(worth).collect();
            pieces.sort_by_key(|piece| Reverse(piece.len()));
            pieces.into_iter().take(MAX_PIECES).map(|piece| vec![piece.clone()]).collect()
        }
        _ => vec![],
    }
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

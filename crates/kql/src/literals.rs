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

/// The shortest piece of a wildcard worth searching for.
const MIN_PIECE: usize = 3;

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
        QueryNode::Or { .. } => {
            let mut union = vec![];
            for child in children(below, node) {
                match most_selective(child_clauses(child)) {
                    Some(clause) => union.extend(clause),
                    None => return vec![],
                }
            }
            vec![shortest_needed(union)]
        }
        QueryNode::Is { field, conditions } => {
            let Some(FieldRef::Name(name)) = fields.get(*field as usize) else { return vec![] };
            let name = format!("{prefix}{name}");
            let exact_text = matches!(field_type(&name), FieldType::Keyword | FieldType::Wildcard);
            if !exact_text || name.ends_with(".caseless") {
                return vec![];
            }
            let literals: Option<Vec<String>> = conditions
                .iter()
                .map(|condition| literal(condition).filter(|text| verbatim(&name, text)))
                .collect();
            literals.map(shortest_needed).into_iter().collect()
        }
        QueryNode::Nested { field, .. } => match fields.get(*field as usize) {
            Some(FieldRef::Nested { path, inner }) => {
                required(below, inner, &format!("{prefix}{path}."), verbatim)
            }
            _ => vec![],
        },
    }
}

/// Text that a value contains if it meets the condition.
fn literal(condition: &Condition) -> Option<String> {
    match condition {
        Condition::Exact(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Condition::Glob(glob) => {
            let longest = glob.pieces().iter().max_by_key(|piece| piece.len())?;
            (longest.len() >= MIN_PIECE).then(|| longest.clone())
        }
        _ => None,
    }
}

/// The clause whose weakest literal is the strongest; of those the one with the fewest.
fn most_selective(clauses: Vec<Vec<String>>) -> Option<Vec<String>> {
    clauses.into_iter().max_by_key(|clause| {
        let weakest = clause.iter().map(String::len).min().unwrap_or(0);
        (weakest, core::cmp::Reverse(clause.len()))
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

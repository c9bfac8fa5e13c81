//! Why an event matched, or did not.
//!
//! In: a query and an event's fields. Out: the answer and the clauses that decided it, with the
//! values found. It never disagrees with [`Query::matches`], and costs more: all clauses are
//! evaluated.

use crate::display::clause_text;
use crate::doc::Doc;
use crate::field::FieldRef;
use crate::matches::holds;
use crate::query::{Query, QueryNode, children};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// The most values that a clause lists.
const MAX_FOUND: usize = 8;
/// The most characters of a value that a clause lists.
const MAX_CHARS: usize = 120;

/// The answer for one event, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether the event matches.
    pub matched: bool,
    /// For a match the clauses that made it one, all true; for a miss those that broke it, all
    /// false.
    pub decided_by: Vec<ExplainedClause>,
}

/// One clause of a query, as an event met it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedClause {
    /// The clause as normalised text, such as `event.action: (CreateStack or CreateStackSet)`;
    /// with `not` in front if it is negated.
    pub text: String,
    /// The field, pattern or path that it asks for.
    pub field: String,
    /// Whether it holds, the `not` included.
    pub truth: bool,
    /// Values of the field, at most 8 and each of at most 120 characters; those that meet the
    /// condition, if any do. Empty for nested clauses.
    pub found: Vec<String>,
    /// Whether the event has no value (for a nested clause: no object) there.
    pub missing: bool,
}

impl Query {
    /// Whether an event matches, and the clauses that decided.
    #[must_use]
    pub fn explain(&self, doc: &dyn Doc) -> Explanation {
        let mut decided_by = vec![];
        let matched = decide(&self.nodes, &self.fields, doc, false, &mut decided_by);
        Explanation { matched, decided_by }
    }
}

impl Query {
    /// Whether each clause holds for an event by itself, regardless of a `not` in front of it and
    /// whatever the others say: what coverage counts. Each value of a list is a clause of its own,
    /// a nested query is one. The order is that of [`Query::clauses`].
    #[must_use]
    pub fn truths(&self, doc: &dyn Doc) -> Vec<bool> {
        let mut truths = vec![];
        for nodes in leaves(&self.nodes) {
            match nodes.first() {
                Some(QueryNode::Is { field, conditions }) => truths.extend(
                    conditions.iter().map(|c| doc.any(*field as usize, &mut |v| c.met_by(v))),
                ),
                _ => truths.push(holds(nodes, doc)),
            }
        }
        truths
    }
}

/// The nodes that are clauses, each at the start of the rest of the list; not what is below a
/// nested one, nor what is true of every event.
pub(crate) fn leaves(nodes: &[QueryNode]) -> impl Iterator<Item = &[QueryNode]> {
    let mut rest = nodes;
    core::iter::from_fn(move || {
        loop {
            let here = rest;
            let (node, after) = here.split_first()?;
            match node {
                QueryNode::Nested { .. } => rest = after.get(node.below()..).unwrap_or(&[]),
                _ => rest = after,
            }
            if matches!(node, QueryNode::Is { .. } | QueryNode::Nested { .. }) {
                return Some(here);
            }
        }
    })
}

/// Evaluates the tree at the start of `nodes`, the opposite of it if `negated`, and appends the
/// clauses that decided.
fn decide(
    nodes: &[QueryNode],
    fields: &[FieldRef],
    doc: &dyn Doc,
    negated: bool,
    decided_by: &mut Vec<ExplainedClause>,
) -> bool {
    let Some((node, below)) = nodes.split_first() else { return negated };
    match node {
        QueryNode::Everything => !negated,
        QueryNode::Not { .. } => decide(below, fields, doc, !negated, decided_by),
        QueryNode::And { .. } | QueryNode::Or { .. } => {
            // `not (a or b)` is `not a and not b`.
            let all = matches!(node, QueryNode::And { .. }) != negated;
            let start = decided_by.len();
            let mut truth = all;
            for child in children(below, node) {
                let child_start = decided_by.len();
                let holds = decide(child, fields, doc, negated, decided_by);
                if holds == truth {
                    continue;
                }
                // A child that agrees with what was so far decides nothing any more, before or
                // after the one that turned the answer.
                if truth == all {
                    truth = !all;
                    decided_by.drain(start..child_start);
                } else {
                    decided_by.truncate(child_start);
                }
            }
            truth
        }
        QueryNode::Is { field, .. } => {
            let field = *field as usize;
            let meets = holds(nodes, doc);
            let found = found(nodes, doc, field, meets);
            decided_by.push(ExplainedClause {
                text: clause_text(nodes, fields, negated),
                field: name(fields, field),
                truth: meets != negated,
                missing: found.is_empty(),
                found,
            });
            meets != negated
        }
        QueryNode::Nested { field, .. } => {
            let field = *field as usize;
            let meets = holds(nodes, doc);
            decided_by.push(ExplainedClause {
                text: clause_text(nodes, fields, negated),
                field: name(fields, field),
                truth: meets != negated,
                found: vec![],
                missing: !doc.any_object(field, &mut |_| true),
            });
            meets != negated
        }
    }
}

fn name(fields: &[FieldRef], field: usize) -> String {
    match fields.get(field) {
        Some(
            FieldRef::Name(name) | FieldRef::Pattern(name) | FieldRef::Nested { path: name, .. },
        ) => name.clone(),
        None => String::new(),
    }
}

/// Values of a field: those that meet the clause where it holds, all otherwise.
fn found(nodes: &[QueryNode], doc: &dyn Doc, field: usize, meets: bool) -> Vec<String> {
    let Some(QueryNode::Is { conditions, .. }) = nodes.first() else { return vec![] };
    let mut found = vec![];
    doc.any(field, &mut |value| {
        if !meets || conditions.iter().any(|condition| condition.met_by(value)) {
            found.push(cut(value.as_text()));
        }
        found.len() >= MAX_FOUND
    });
    found
}

fn cut(value: &str) -> String {
    if value.chars().nth(MAX_CHARS).is_none() {
        return value.to_owned();
    }
    value.chars().take(MAX_CHARS - 1).chain(['…']).collect()
}

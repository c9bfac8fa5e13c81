//! Whether an event matches.
//!
//! In: a query and an event's fields, behind [`Doc`]. Out: yes or no. It never allocates, and asks
//! for a field only when the answer depends on it. Recursion follows the query's depth, which is
//! bounded.

use crate::doc::Doc;
use crate::query::{Query, QueryNode, children};

impl Query {
    /// Whether an event matches.
    #[must_use]
    pub fn matches(&self, doc: &dyn Doc) -> bool {
        holds(&self.nodes, doc)
    }
}

/// Whether the tree at the start of `nodes` holds.
pub(crate) fn holds(nodes: &[QueryNode], doc: &dyn Doc) -> bool {
    let Some((node, below)) = nodes.split_first() else { return false };
    match node {
        QueryNode::Everything => true,
        QueryNode::And { .. } => children(below, node).all(|child| holds(child, doc)),
        QueryNode::Or { .. } => children(below, node).any(|child| holds(child, doc)),
        QueryNode::Not { .. } => !holds(below, doc),
        QueryNode::Is { field, conditions } => doc.any(*field as usize, &mut |value| {
            conditions.iter().any(|condition| condition.met_by(value))
        }),
        QueryNode::Nested { field, .. } => {
            doc.any_object(*field as usize, &mut |object| holds(below, object))
        }
    }
}

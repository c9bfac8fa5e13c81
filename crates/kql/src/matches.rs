//! Whether an event matches.
//!
//! In: a query and an event's fields, behind [`Doc`]. Out: yes or no. It never allocates, and asks
//! for a field only when the answer depends on it. Recursion follows the query's depth, which is
//! bounded.

use alloc::borrow::Cow;

use crate::query::{Node, Query, children};

/// A value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A JSON boolean.
    Bool(bool),
    /// A JSON number, as it is written.
    Number(&'a str),
    /// A JSON string, decoded.
    Text(Cow<'a, str>),
}

impl Value<'_> {
    /// The value's text: how a keyword field would hold it.
    #[must_use]
    #[inline]
    pub fn written(&self) -> &str {
        match self {
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Number(written) => written,
            Self::Text(text) => text,
        }
    }
}

/// The fields of an event, or of an object within one.
///
/// A field is the index in [`Query::fields`], or in the `inner` list of the
/// [`FieldRef::Nested`](crate::FieldRef::Nested) that the object belongs to. Null and empty arrays
/// count as no value; arrays are their elements.
pub trait Doc {
    /// Whether any value of the field meets the test; stops at the first that does.
    fn any(&self, field: usize, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool;

    /// Whether any object at the field's path meets the test; stops at the first that does.
    fn any_object(&self, field: usize, test: &mut dyn FnMut(&dyn Doc) -> bool) -> bool;
}

impl Query {
    /// Whether an event matches.
    #[must_use]
    pub fn matches(&self, doc: &dyn Doc) -> bool {
        holds(&self.nodes, doc)
    }
}

/// Whether the tree at the start of `nodes` holds.
pub(crate) fn holds(nodes: &[Node], doc: &dyn Doc) -> bool {
    let Some((node, below)) = nodes.split_first() else { return false };
    match node {
        Node::Everything => true,
        Node::And { .. } => children(below, node).all(|child| holds(child, doc)),
        Node::Or { .. } => children(below, node).any(|child| holds(child, doc)),
        Node::Not { .. } => !holds(below, doc),
        Node::Is { field, conditions } => doc.any(*field as usize, &mut |value| {
            conditions.iter().any(|condition| condition.met_by(value))
        }),
        Node::Nested { field, .. } => {
            doc.any_object(*field as usize, &mut |object| holds(below, object))
        }
    }
}

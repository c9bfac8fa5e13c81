//! The compiled query, and how it is encoded.
//!
//! In: a tree of conditions from [`crate::compile`], or untrusted bytes. Out: a [`Query`] that is
//! known to be well formed. Decoding never recurses and never yields a malformed query: the
//! nodes are in one list, and that list is checked.
//!
//! ```text
//! a: x and not (b: y or c: z)      nodes, each before what is below it; `len` counts that
//!                                  And 4, Is a, Not 3, Or 2, Is b, Is c
//! ```

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::field::FieldRef;
use crate::limits::{MAX_DEPTH, MAX_NESTED};

/// The deepest tree: each bracket can bring an `or`, an `and` and a `not`; two more for
/// [`Query::and_filter`].
const MAX_TREE_DEPTH: usize = 3 * (MAX_DEPTH + 1) + MAX_NESTED + 2;

/// A compiled query.
///
/// It encodes with serde; decoding refuses what is not well formed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Encoded", into = "Encoded")]
pub struct Query {
    pub(crate) fields: Vec<FieldRef>,
    pub(crate) nodes: Vec<QueryNode>,
}

/// A node of the tree. `len` is the number of nodes below it, which follow it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum QueryNode {
    /// Every event.
    Everything,
    /// All children hold.
    And {
        /// Nodes below.
        len: u32,
    },
    /// Any child holds.
    Or {
        /// Nodes below.
        len: u32,
    },
    /// The one child does not hold.
    Not {
        /// Nodes below.
        len: u32,
    },
    /// Any value of a field meets any of the conditions.
    Is {
        /// Index into the fields of the scope.
        field: u32,
        /// At least one.
        conditions: Vec<Condition>,
    },
    /// Any object meets the one child, whose fields are those of the object.
    Nested {
        /// Index into the fields of the scope.
        field: u32,
        /// Nodes below.
        len: u32,
    },
}

impl QueryNode {
    /// How many nodes are below.
    pub(crate) fn below(&self) -> usize {
        match self {
            Self::Everything | Self::Is { .. } => 0,
            Self::And { len } | Self::Or { len } | Self::Not { len } | Self::Nested { len, .. } => {
                *len as usize
            }
        }
    }
}

/// The trees right below `node`, where `after` is what follows it in the list.
pub(crate) fn children<'n>(
    after: &'n [QueryNode],
    node: &QueryNode,
) -> impl Iterator<Item = &'n [QueryNode]> {
    let mut rest = after.get(..node.below()).unwrap_or(&[]);
    core::iter::from_fn(move || {
        let (tree, next) = rest.split_at_checked(1 + rest.first()?.below())?;
        rest = next;
        Some(tree)
    })
}

/// The index of a field, added where it is new.
pub(crate) fn intern(fields: &mut Vec<FieldRef>, field: FieldRef) -> u32 {
    let index = fields.iter().position(|known| *known == field).unwrap_or_else(|| {
        fields.push(field);
        fields.len() - 1
    });
    count(index)
}

/// A count of nodes or fields. Query text is bounded, so it always fits.
pub(crate) fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl Query {
    /// Each distinct field of the query, in order of first use. A [`Doc`](crate::Doc) is asked by
    /// the index in this list.
    #[must_use]
    pub fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    /// The names among them: no patterns, and no paths of nested objects.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter_map(|field| match field {
            FieldRef::Name(name) => Some(name.as_str()),
            FieldRef::Pattern(_) | FieldRef::Nested { .. } => None,
        })
    }

    /// Whether the query is well formed: parsed and decoded ones are.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), &'static str> {
        let end = check(&self.nodes, &self.fields, 0)?;
        if end == self.nodes.len() { Ok(()) } else { Err("the query has nodes after its end") }
    }

    /// The nodes of another query, with the places that their fields have here.
    fn adopt(&mut self, other: Self) -> Vec<QueryNode> {
        let mut nodes = other.nodes;
        let places: Vec<u32> =
            other.fields.into_iter().map(|field| intern(&mut self.fields, field)).collect();
        renumber(&mut nodes, &places);
        nodes
    }

    /// Appends another query's tree, under whatever node counts it.
    pub(crate) fn add(&mut self, other: Self) {
        let mut nodes = self.adopt(other);
        self.nodes.append(&mut nodes);
    }

    /// This query and another one, or and not the other one where `negate` is set: how a rule's
    /// `filters` join its query.
    #[must_use]
    pub fn and_filter(mut self, filter: Self, negate: bool) -> Self {
        let mut added = self.adopt(filter);
        if negate {
            added.insert(0, QueryNode::Not { len: count(added.len()) });
        } else if added == [QueryNode::Everything] {
            return self;
        }
        if self.nodes == [QueryNode::Everything] {
            return Self { fields: self.fields, nodes: added };
        }
        if matches!(added.first(), Some(QueryNode::And { .. })) {
            added.remove(0);
        }
        if !matches!(self.nodes.first(), Some(QueryNode::And { .. })) {
            self.nodes.insert(0, QueryNode::And { len: 0 });
        }
        self.nodes.append(&mut added);
        let len = count(self.nodes.len() - 1);
        if let Some(root) = self.nodes.first_mut() {
            *root = QueryNode::And { len };
        }
        self
    }
}

/// Moves nodes to another list of fields; what is below a nested node has its own list.
fn renumber(nodes: &mut [QueryNode], places: &[u32]) {
    let mut skip = 0_usize;
    for node in nodes {
        if skip > 0 {
            skip -= 1;
            continue;
        }
        if let QueryNode::Is { field, .. } | QueryNode::Nested { field, .. } = node
            && let Some(place) = places.get(*field as usize)
        {
            *field = *place;
        }
        if let QueryNode::Nested { len, .. } = node {
            skip = *len as usize;
        }
    }
}

/// Checks the tree at the start of `nodes`; its length. Recursion ends at [`MAX_TREE_DEPTH`].
fn check(nodes: &[QueryNode], fields: &[FieldRef], depth: usize) -> Result<usize, &'static str> {
    if depth > MAX_TREE_DEPTH {
        return Err("the query is nested too deeply");
    }
    let (node, after) = nodes.split_first().ok_or("the query ends too early")?;
    let below = after.get(..node.below()).ok_or("the query ends too early")?;
    let one_child = |scope: &[FieldRef]| {
        let end = check(below, scope, depth + 1)?;
        if end == below.len() { Ok(()) } else { Err("a node has more than one child") }
    };
    match node {
        QueryNode::Everything => {}
        QueryNode::And { .. } | QueryNode::Or { .. } => {
            let mut at = 0;
            while at < below.len() {
                at += check(below.get(at..).unwrap_or(&[]), fields, depth + 1)?;
            }
            if at == 0 {
                return Err("a node has no children");
            }
        }
        QueryNode::Not { .. } => one_child(fields)?,
        QueryNode::Is { field, conditions } => match fields.get(*field as usize) {
            Some(FieldRef::Name(_) | FieldRef::Pattern(_)) if !conditions.is_empty() => {}
            Some(FieldRef::Name(_) | FieldRef::Pattern(_)) => return Err("a clause has no values"),
            _ => return Err("a clause has no field"),
        },
        QueryNode::Nested { field, .. } => match fields.get(*field as usize) {
            Some(FieldRef::Nested { inner, .. }) => one_child(inner)?,
            _ => return Err("a nested clause has no path"),
        },
    }
    Ok(1 + below.len())
}

/// How a query is written: fields in one list, an object's right after it, so that reading them
/// needs no recursion.
#[derive(Serialize, Deserialize)]
struct Encoded {
    fields: Vec<EncodedField>,
    nodes: Vec<QueryNode>,
}

#[derive(Serialize, Deserialize)]
enum EncodedField {
    Name(String),
    Pattern(String),
    /// The path and how many fields it has; those follow, with all that is within them.
    Nested(String, u32),
}

impl From<Query> for Encoded {
    fn from(query: Query) -> Self {
        let mut fields = Vec::with_capacity(query.fields.len());
        encode(query.fields, &mut fields);
        Self { fields, nodes: query.nodes }
    }
}

fn encode(fields: Vec<FieldRef>, out: &mut Vec<EncodedField>) {
    for field in fields {
        match field {
            FieldRef::Name(name) => out.push(EncodedField::Name(name)),
            FieldRef::Pattern(pattern) => out.push(EncodedField::Pattern(pattern)),
            FieldRef::Nested { path, inner } => {
                out.push(EncodedField::Nested(path, count(inner.len())));
                encode(inner, out);
            }
        }
    }
}

impl TryFrom<Encoded> for Query {
    type Error = &'static str;

    fn try_from(encoded: Encoded) -> Result<Self, Self::Error> {
        let mut source = encoded.fields.into_iter();
        let mut fields = Vec::with_capacity(source.len());
        while let Some(field) = source.next() {
            fields.push(decode(field, &mut source, 0)?);
        }
        let query = Self { fields, nodes: encoded.nodes };
        query.check().map(|()| query)
    }
}

/// Takes a field and what is within it. Recursion ends at [`MAX_NESTED`].
fn decode(
    field: EncodedField,
    source: &mut alloc::vec::IntoIter<EncodedField>,
    depth: usize,
) -> Result<FieldRef, &'static str> {
    Ok(match field {
        EncodedField::Name(name) => FieldRef::Name(name),
        EncodedField::Pattern(pattern) => FieldRef::Pattern(pattern),
        EncodedField::Nested(..) if depth >= MAX_NESTED => {
            return Err("the fields are nested too deeply");
        }
        EncodedField::Nested(path, length) => {
            let mut inner = vec![];
            for _ in 0..length {
                let field = source.next().ok_or("the fields end too early")?;
                inner.push(decode(field, source, depth + 1)?);
            }
            FieldRef::Nested { path, inner }
        }
    })
}

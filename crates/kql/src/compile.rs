//! From the syntax tree to the compiled query.
//!
//! In: a syntax tree. Out: a [`Query`]: fields by index, literals as conditions made for the type
//! of their field, values joined by `or` in one clause. It never changes what matches.

use crate::condition::{self, Bound, Condition};
use crate::error::{BoxedSyntaxError, SyntaxError, shown};
use crate::field::FieldRef;
use crate::query::{Query, QueryNode, count, intern};
use crate::syntax::{Clause, Literal, Spanned, Tree, Typed};
use crate::types::{FieldType, field_type};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// Compiles the tree of `text`.
pub(crate) fn compile(text: &str, tree: &Typed) -> Result<Query, BoxedSyntaxError> {
    let mut scope = Scope { text, prefix: String::new(), fields: vec![] };
    let meaning = scope.query(tree)?;
    let mut nodes = vec![];
    emit(meaning, &mut nodes);
    Ok(Query { fields: scope.fields, nodes })
}

/// A leaf of the compiled tree.
enum Leaf {
    Everything,
    Is { field: u32, conditions: Vec<Condition> },
    Nested { field: u32, inner: Box<Tree<Leaf>> },
}

/// The event, or the objects of a nested query, with the fields asked of it so far.
struct Scope<'a> {
    text: &'a str,
    /// The path of the objects with a dot after it: types go by full names.
    prefix: String,
    fields: Vec<FieldRef>,
}

impl Scope<'_> {
    fn query(&mut self, tree: &Typed) -> Result<Tree<Leaf>, BoxedSyntaxError> {
        Ok(match tree {
            Tree::And(items) => Tree::and(self.queries(items)?),
            Tree::Or(items) => Tree::or(self.queries(items)?),
            Tree::Not(item) => Tree::negate(self.query(item)?),
            Tree::Leaf(clause) => self.clause(&clause.leaf)?,
        })
    }

    /// Apart from `query`, and never inlined: the recursion's frames stay small without it.
    #[inline(never)]
    fn clause(&mut self, clause: &Clause) -> Result<Tree<Leaf>, BoxedSyntaxError> {
        Ok(match clause {
            Clause::Everything => Tree::Leaf(Leaf::Everything),
            Clause::Is { field, values } => {
                let kind = self.kind(field);
                self.values(field, kind, values)?
            }
            Clause::Range { field, comparison, at, value } => {
                let bound =
                    Bound::parse(self.kind(field), value).map_err(|(reason, expected)| {
                        let message = format!("cannot compare with {}: {reason}", shown(value));
                        SyntaxError::new(self.text, *at, "bad_range", message, expected)
                    })?;
                self.leaf(field, vec![Condition::Range(*comparison, bound)])
            }
            Clause::Nested { path, inner } => {
                let prefix = format!("{}{path}.", self.prefix);
                let mut object = Scope { text: self.text, prefix, fields: vec![] };
                let inner = Box::new(object.query(inner)?);
                let field = FieldRef::Nested { path: path.clone(), inner: object.fields };
                Tree::Leaf(Leaf::Nested { field: intern(&mut self.fields, field), inner })
            }
        })
    }

    fn queries(&mut self, items: &[Typed]) -> Result<Vec<Tree<Leaf>>, BoxedSyntaxError> {
        items.iter().map(|item| self.query(item)).collect()
    }

    fn kind(&self, field: &FieldRef) -> FieldType {
        match field {
            FieldRef::Name(name) | FieldRef::Pattern(name) => {
                field_type(&format!("{}{name}", self.prefix))
            }
            FieldRef::Nested { .. } => FieldType::Keyword,
        }
    }

    /// A value list, distributed over the field: each part may be met by another value.
    fn values(
        &mut self,
        field: &FieldRef,
        kind: FieldType,
        tree: &Tree<Spanned<Literal>>,
    ) -> Result<Tree<Leaf>, BoxedSyntaxError> {
        Ok(match tree {
            Tree::Leaf(literal) => {
                let condition = condition::of_literal(self.text, kind, &literal.leaf)?;
                self.leaf(field, vec![condition])
            }
            Tree::Not(item) => Tree::negate(self.values(field, kind, item)?),
            Tree::And(items) => {
                let parts = items.iter().map(|item| self.values(field, kind, item));
                Tree::and(parts.collect::<Result<_, _>>()?)
            }
            Tree::Or(items) => {
                // Plain values are tested together, in one pass over the field.
                let mut conditions = vec![];
                let mut others = vec![];
                for item in items {
                    match item {
                        Tree::Leaf(literal) => {
                            conditions.push(condition::of_literal(self.text, kind, &literal.leaf)?);
                        }
                        other => others.push(self.values(field, kind, other)?),
                    }
                }
                if !conditions.is_empty() {
                    others.insert(0, self.leaf(field, conditions));
                }
                Tree::or(others)
            }
        })
    }

    fn leaf(&mut self, field: &FieldRef, conditions: Vec<Condition>) -> Tree<Leaf> {
        // `*:*` is how Kibana writes "every event".
        let any_field = matches!(field, FieldRef::Pattern(pattern) if pattern == "*");
        Tree::Leaf(if any_field && conditions == [Condition::Exists] {
            Leaf::Everything
        } else {
            Leaf::Is { field: intern(&mut self.fields, field.clone()), conditions }
        })
    }
}

/// Appends a tree to the list, each node before what is below it.
fn emit(tree: Tree<Leaf>, nodes: &mut Vec<QueryNode>) {
    let at = nodes.len();
    match tree {
        Tree::Leaf(Leaf::Everything) => nodes.push(QueryNode::Everything),
        Tree::Leaf(Leaf::Is { field, conditions }) => {
            nodes.push(QueryNode::Is { field, conditions })
        }
        Tree::Leaf(Leaf::Nested { field, inner }) => {
            nodes.push(QueryNode::Nested { field, len: 0 });
            emit(*inner, nodes);
        }
        Tree::Not(item) => {
            nodes.push(QueryNode::Not { len: 0 });
            emit(*item, nodes);
        }
        Tree::And(items) => {
            nodes.push(QueryNode::And { len: 0 });
            items.into_iter().for_each(|item| emit(item, nodes));
        }
        Tree::Or(items) => {
            nodes.push(QueryNode::Or { len: 0 });
            items.into_iter().for_each(|item| emit(item, nodes));
        }
    }
    let below = count(nodes.len() - at - 1);
    if let Some(
        QueryNode::And { len }
        | QueryNode::Or { len }
        | QueryNode::Not { len }
        | QueryNode::Nested { len, .. },
    ) = nodes.get_mut(at)
    {
        *len = below;
    }
}

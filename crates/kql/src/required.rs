//! Values that every matching event has in some field, to find the rules that an event may match.
//!
//! In: a query, and what a pair of field and text costs. Out: the cheapest set of pairs of which
//! every matching event has at least one. It never promises more than that, and gives no set where
//! there is none.

use crate::condition::Condition;
use crate::field::FieldRef;
use crate::query::{Query, QueryNode, children};
use alloc::vec;
use alloc::vec::Vec;

/// A field that has a value that is written so, byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair<'q> {
    /// Index in [`Query::fields`]; a field with one name.
    pub field: usize,
    /// What [`Value::as_text`](firstseen_value::Value::as_text) gives.
    pub text: &'q str,
}

impl Query {
    /// The set of pairs with the least sum of costs: every matching event has one of them.
    /// Only exact text counts (of whatever type the field is: where a literal does not fit the
    /// type, it is compared as text), and nothing under `not` or in a nested query.
    #[must_use]
    pub fn required(&self, cost: &dyn Fn(Pair<'_>) -> u64) -> Option<Vec<Pair<'_>>> {
        self.cheapest(&self.nodes, cost).map(|(_, pairs)| pairs)
    }

    /// All pairs that the query names outside nested queries, those under `not` among them.
    pub fn exact(&self) -> impl Iterator<Item = Pair<'_>> {
        let mut rest = self.nodes.as_slice();
        let outside = core::iter::from_fn(move || {
            let (node, below) = rest.split_first()?;
            // What is below a nested node asks for the object's fields.
            let inside = if matches!(node, QueryNode::Nested { .. }) { node.below() } else { 0 };
            rest = below.get(inside..).unwrap_or_default();
            Some(node)
        });
        outside.flat_map(|node| match node {
            QueryNode::Is { field, conditions } => self.pairs(*field, conditions),
            _ => vec![],
        })
    }

    /// The pairs of a clause's conditions, those that are none left out.
    fn pairs<'q>(&'q self, field: u32, conditions: &'q [Condition]) -> Vec<Pair<'q>> {
        let field = field as usize;
        let Some(FieldRef::Name(_)) = self.fields.get(field) else { return vec![] };
        let pair = |condition: &'q Condition| match condition {
            Condition::Exact(text) => Some(Pair { field, text }),
            _ => None,
        };
        conditions.iter().filter_map(pair).collect()
    }

    /// The set for the tree at the start of `nodes`, with its cost.
    fn cheapest<'q>(
        &'q self,
        nodes: &'q [QueryNode],
        cost: &dyn Fn(Pair<'_>) -> u64,
    ) -> Option<(u64, Vec<Pair<'q>>)> {
        let (node, below) = nodes.split_first()?;
        let mut sets = children(below, node).map(|child| self.cheapest(child, cost));
        match node {
            QueryNode::Everything | QueryNode::Not { .. } | QueryNode::Nested { .. } => None,
            QueryNode::And { .. } => sets.flatten().min_by_key(|(sum, _)| *sum),
            QueryNode::Or { .. } => sets.try_fold((0_u64, vec![]), |(sum, mut pairs), set| {
                let (more, others) = set?;
                pairs.extend(others);
                Some((sum.saturating_add(more), pairs))
            }),
            QueryNode::Is { field, conditions } => {
                let pairs = self.pairs(*field, conditions);
                if pairs.len() < conditions.len() {
                    return None;
                }
                let sum = pairs.iter().fold(0_u64, |sum, pair| sum.saturating_add(cost(*pair)));
                Some((sum, pairs))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Pair, parse};

    /// The set as text, where long texts cost more.
    fn required(query: &str) -> Option<Vec<String>> {
        let query = parse(query).unwrap();
        let pairs = query.required(&|pair: Pair<'_>| pair.text.len() as u64)?;
        let name = |pair: &Pair<'_>| match &query.fields()[pair.field] {
            crate::FieldRef::Name(name) => format!("{name}={}", pair.text),
            other => panic!("{other:?}"),
        };
        Some(pairs.iter().map(name).collect())
    }

    #[test]
    fn all_exact_pairs_of_a_query() {
        let query = parse("a: (x or y*) and not b: z and c: { d: w } and a: v").unwrap();
        let pairs: Vec<_> = query.exact().map(|pair| (pair.field, pair.text)).collect();
        assert_eq!(pairs, [(0, "x"), (1, "z"), (0, "v")]);
    }

    #[test]
    fn required_pairs_of_a_query() {
        for (query, expected) in [
            ("a: x", Some(&["a=x"][..])),
            ("a: (x or y)", Some(&["a=x", "a=y"])),
            ("a: xxx and b: y", Some(&["b=y"])),
            ("a: xx and b: (y or z or w)", Some(&["a=xx"])),
            ("a: x or b: y", Some(&["a=x", "b=y"])),
            ("(a: xxx and b: y) or c: z", Some(&["b=y", "c=z"])),
            ("a: (x and y)", Some(&["a=x"])),
            ("a: \"x*\" and not b: y", Some(&["a=x*"])),
            ("a: \"\" and b: y", Some(&["a="])),
            ("a.caseless: x", Some(&["a.caseless=x"])),
            // Compared as text, whatever the field's type.
            ("source.port: http", Some(&["source.port=http"])),
            ("a: x or b: *", None),
            ("a: x or not b: y", None),
            ("not a: x", None),
            ("a: x*", None),
            ("a: (x or y*)", None),
            ("a: { b: x }", None),
            ("a*: x", None),
            ("source.port: 443", None),
            ("source.ip: 10.0.0.1", None),
            ("message: x", None),
            ("process.interactive: true", None),
            ("a >= x", None),
            ("a: null", None),
            ("", None),
        ] {
            let expected = expected.map(|pairs| pairs.iter().map(ToString::to_string).collect());
            assert_eq!(required(query), expected, "{query}");
        }
    }
}

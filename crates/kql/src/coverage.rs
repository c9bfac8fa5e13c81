//! The clauses of a query, one by one, for coverage.
//!
//! In: a query, or its text. Out: the text of each clause, and its span in the query, both in the
//! order of [`Query::truths`]. It never evaluates anything. A compiled query keeps no spans: callers
//! that need them have the text.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::condition::Condition;
use crate::display::clause_text;
use crate::error::{BoxedSyntaxError, SyntaxError};
use crate::explain::leaves;
use crate::field::FieldRef;
use crate::query::{Query, QueryNode};
use crate::syntax::{Clause, Literal, Spanned, Tree, Typed, Word};
use crate::{compile, parser};

impl Query {
    /// Each clause as normalised text: a value of a list is one of its own, a nested query is one.
    #[must_use]
    pub fn clauses(&self) -> Vec<String> {
        let mut texts = vec![];
        for nodes in leaves(&self.nodes) {
            match nodes.first() {
                Some(QueryNode::Is { field, conditions }) => {
                    let one = |condition: &Condition| {
                        let node =
                            QueryNode::Is { field: *field, conditions: vec![condition.clone()] };
                        clause_text(&[node], &self.fields, false)
                    };
                    texts.extend(conditions.iter().map(one));
                }
                _ => texts.push(clause_text(nodes, &self.fields, false)),
            }
        }
        texts
    }
}

/// The span of each clause in query text, in bytes: of a list its values, otherwise field and
/// value. Filters that joined the query later have no span; their clauses come last.
///
/// # Errors
/// [`SyntaxError`], as from [`parse`](crate::parse).
pub fn spans(text: &str) -> Result<Vec<Range<usize>>, SyntaxError> {
    let tree = parser::parse(text).and_then(|tree| compile::compile(text, &tree).map(|_| tree));
    let mut spans = vec![];
    tree.map(|tree| of_query(&tree, &mut spans)).map_err(|fault: BoxedSyntaxError| *fault)?;
    Ok(spans)
}

/// Recursion follows brackets, which the parser bounds.
fn of_query(tree: &Typed, spans: &mut Vec<Range<usize>>) {
    match tree {
        Tree::And(items) | Tree::Or(items) => {
            items.iter().for_each(|item| of_query(item, spans));
        }
        Tree::Not(item) => of_query(item, spans),
        Tree::Leaf(Spanned { span, leaf }) => match leaf {
            Clause::Everything => {}
            Clause::Is { field, values: Tree::Leaf(value) } => {
                if !(is_any_field(field) && is_star(&value.leaf)) {
                    spans.push(span.clone());
                }
            }
            Clause::Is { field, values } => of_values(field, values, spans),
            Clause::Range { .. } | Clause::Nested { .. } => spans.push(span.clone()),
        },
    }
}

/// Plain values of an `or` first, then its other parts: so they are compiled.
fn of_values(field: &FieldRef, tree: &Tree<Spanned<Literal>>, spans: &mut Vec<Range<usize>>) {
    // `*:*` is every event, and no clause.
    let every = |values: &[&Spanned<Literal>]| {
        is_any_field(field) && matches!(values, [one] if is_star(&one.leaf))
    };
    match tree {
        Tree::Leaf(value) if every(&[value]) => {}
        Tree::Leaf(value) => spans.push(value.span.clone()),
        Tree::Not(item) => of_values(field, item, spans),
        Tree::And(items) => items.iter().for_each(|item| of_values(field, item, spans)),
        Tree::Or(items) => {
            let mut plain = vec![];
            let mut others = vec![];
            for item in items {
                match item {
                    Tree::Leaf(value) => plain.push(value),
                    other => others.push(other),
                }
            }
            if !every(&plain) {
                spans.extend(plain.into_iter().map(|value| value.span.clone()));
            }
            others.into_iter().for_each(|item| of_values(field, item, spans));
        }
    }
}

fn is_any_field(field: &FieldRef) -> bool {
    matches!(field, FieldRef::Pattern(pattern) if pattern == "*")
}

fn is_star(literal: &Literal) -> bool {
    matches!(&literal.word, Word::Wildcard(pieces) if pieces.iter().all(String::is_empty))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    /// The text at each span, and the normalised text of the compiled clause.
    fn placed(text: &str) -> Vec<(&str, String)> {
        let places = spans(text).unwrap();
        let clauses = parse(text).unwrap().clauses();
        assert_eq!(places.len(), clauses.len(), "{text}");
        places.into_iter().map(|place| &text[place]).zip(clauses).collect()
    }

    #[test]
    fn each_value_of_a_list_is_a_clause() {
        let text =
            "event.dataset:aws and\n event.action : (CreateStack or \"Create Set\" ) and not x:y*";
        let expected = [
            ("event.dataset:aws", "event.dataset: aws"),
            ("CreateStack", "event.action: CreateStack"),
            ("\"Create Set\"", "event.action: \"Create Set\""),
            ("x:y*", "x: y*"),
        ];
        assert_eq!(placed(text), expected.map(|(place, clause)| (place, clause.to_owned())));
    }

    #[test]
    fn brackets_ranges_and_nested_queries() {
        let text = "(a:(not b) or c >= 3 ) and n:{ x:1 and y:(2 or 3) } and d:(e) and f: g h  ";
        let places: Vec<_> = placed(text).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["b", "c >= 3", "n:{ x:1 and y:(2 or 3) }", "d:(e)", "f: g h"]);
    }

    #[test]
    fn plain_values_come_before_the_other_parts_of_their_list() {
        let text = "a:((b and c) or d or (not e) or f)";
        let places: Vec<_> = placed(text).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["d", "f", "b", "c", "e"]);
    }

    #[test]
    fn a_condition_that_every_event_meets_is_not_a_clause() {
        for text in ["", " ", "*", "*:*", "not *:*", "* and *:(*)", "*:(not *)"] {
            assert_eq!(placed(text), [], "{text}");
        }
        assert_eq!(placed("*:(* or a)").len(), 2);
        assert_eq!(placed("a:* and *").len(), 1);
    }

    #[test]
    fn filters_come_last_and_have_no_span() {
        let query = parse("a:b").unwrap().and_filter(crate::wildcard("c", "d?", true), true);
        assert_eq!(query.clauses(), ["a: b", "c: /d?/i"]);
        assert!(spans("a:(").is_err());
    }
}

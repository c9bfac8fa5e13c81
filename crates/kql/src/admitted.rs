//! What one value of a query admits, for checks of a query without events.
//!
//! In: conditions that [`crate::compile`] or [`crate::builder`] made. Out: the same test as the
//! matcher's, and a view of the values that pass it. The view never leaves out a value that passes.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Bound as End;

use firstseen_value::{Value, is_finite};

use crate::condition::{Bound, Condition};
use crate::query::{Query, QueryNode};
use crate::syntax::Comparison;

/// The test of one value of a field; one of its conditions has to be met.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueTest {
    conditions: Vec<Condition>,
}

/// The values that pass a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// None.
    Nothing,
    /// Every value.
    Anything,
    /// Values whose text is one of these.
    Texts(Vec<String>),
    /// Values whose text has these pieces with anything between them.
    Pattern(Vec<String>),
    /// Numbers between two written numbers, by value.
    Numbers(End<String>, End<String>),
    /// Times from the first to the last millisecond since 1970, both included.
    Times(i64, i64),
    /// Addresses from the first to the last, both included.
    Addresses(u128, u128),
    /// Texts on one side of a text, by their bytes; JSON numbers by value, if the bound is a number.
    TextRange(Comparison, String),
    /// What the other kinds do not express.
    Other,
}

impl ValueTest {
    /// Of one condition.
    pub(crate) fn of(condition: Condition) -> Self {
        Self { conditions: vec![condition] }
    }

    /// Whether a value passes, as the matcher decides it.
    #[must_use]
    pub fn passes(&self, value: &Value<'_>) -> bool {
        self.conditions.iter().any(|condition| condition.met_by(value))
    }

    /// How a bound compares, if this is one.
    #[must_use]
    pub fn comparison(&self) -> Option<Comparison> {
        match self.conditions.as_slice() {
            [Condition::Range(comparison, _)] => Some(*comparison),
            _ => None,
        }
    }

    /// The values that pass.
    #[must_use]
    pub fn admitted(&self) -> Admitted {
        match self.conditions.as_slice() {
            [] => Admitted::Nothing,
            [one] => admitted(one),
            _ => Admitted::Other,
        }
    }
}

impl Query {
    /// The test of a query that is one clause over one field.
    #[must_use]
    pub fn value_test(&self) -> Option<ValueTest> {
        match self.nodes.as_slice() {
            [QueryNode::Is { conditions, .. }] => {
                Some(ValueTest { conditions: conditions.clone() })
            }
            _ => None,
        }
    }
}

fn admitted(condition: &Condition) -> Admitted {
    match condition {
        Condition::Null => Admitted::Nothing,
        Condition::Exists => Admitted::Anything,
        Condition::Exact(text) => Admitted::Texts(vec![text.clone()]),
        Condition::OneOf(texts) => Admitted::Texts(texts.clone()),
        Condition::Bool(true) => Admitted::Texts(vec!["true".into()]),
        Condition::Bool(false) => Admitted::Texts(vec!["false".into(), String::new()]),
        Condition::Glob(glob) => Admitted::Pattern(glob.pieces().to_vec()),
        // What no double holds is only itself.
        Condition::Number(number) if !is_finite(number) => Admitted::Texts(vec![number.clone()]),
        Condition::Number(number) => {
            Admitted::Numbers(End::Included(number.clone()), End::Included(number.clone()))
        }
        Condition::Network(network) => {
            let (first, last) = network.ends();
            Admitted::Addresses(first, last)
        }
        Condition::Date(date) => Admitted::Times(date.first, date.last),
        Condition::Range(comparison, bound) => range(*comparison, bound),
        Condition::Wildcard(_) | Condition::Words(_) | Condition::WordGlob(..) => Admitted::Other,
    }
}

fn range(comparison: Comparison, bound: &Bound) -> Admitted {
    let empty = Admitted::Nothing;
    match bound {
        Bound::Number(number) => {
            let (below, above) = match comparison {
                Comparison::Less => (End::Unbounded, End::Excluded(number)),
                Comparison::AtMost => (End::Unbounded, End::Included(number)),
                Comparison::Greater => (End::Excluded(number), End::Unbounded),
                Comparison::AtLeast => (End::Included(number), End::Unbounded),
            };
            Admitted::Numbers(below.cloned(), above.cloned())
        }
        Bound::Date(date) => match comparison {
            Comparison::Less => {
                date.first.checked_sub(1).map_or(empty, |last| Admitted::Times(i64::MIN, last))
            }
            Comparison::AtMost => Admitted::Times(i64::MIN, date.last),
            Comparison::Greater => {
                date.last.checked_add(1).map_or(empty, |first| Admitted::Times(first, i64::MAX))
            }
            Comparison::AtLeast => Admitted::Times(date.first, i64::MAX),
        },
        Bound::Address(address) => match comparison {
            Comparison::Less => {
                address.checked_sub(1).map_or(empty, |last| Admitted::Addresses(0, last))
            }
            Comparison::AtMost => Admitted::Addresses(0, *address),
            Comparison::Greater => {
                address.checked_add(1).map_or(empty, |first| Admitted::Addresses(first, u128::MAX))
            }
            Comparison::AtLeast => Admitted::Addresses(*address, u128::MAX),
        },
        Bound::Text(text) => Admitted::TextRange(comparison, text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{WrittenQuery, written};
    use std::borrow::Cow;

    fn test(query: &str) -> ValueTest {
        let WrittenQuery::Value(leaf) = written(query).unwrap() else { panic!("{query}") };
        leaf.test
    }

    #[test]
    fn a_test_is_the_matchers_and_shows_what_passes_it() {
        let number = |n: &str| n.to_owned();
        for (query, expected) in [
            ("a: b", Admitted::Texts(vec!["b".into()])),
            ("a: \"b*\"", Admitted::Texts(vec!["b*".into()])),
            ("a: b*c", Admitted::Pattern(vec!["b".into(), "c".into()])),
            ("a: *", Admitted::Anything),
            ("a: null", Admitted::Nothing),
            ("a > b", Admitted::TextRange(Comparison::Greater, "b".into())),
            (
                "source.port: 5",
                Admitted::Numbers(End::Included(number("5")), End::Included(number("5"))),
            ),
            ("source.port < 5", Admitted::Numbers(End::Unbounded, End::Excluded(number("5")))),
            ("source.ip: \"10.0.0.0/8\"", {
                let base = 0xffff_0a00_0000;
                Admitted::Addresses(base, base + 0x00ff_ffff)
            }),
            ("source.ip > 0.0.0.0", Admitted::Addresses(0xffff_0000_0001, u128::MAX)),
            ("source.ip < \"::\"", Admitted::Nothing),
            ("@timestamp: 1970-01-01", Admitted::Times(0, 86_399_999)),
            ("@timestamp < 1970-01-01", Admitted::Times(i64::MIN, -1)),
            ("@timestamp > 1970-01-01", Admitted::Times(86_400_000, i64::MAX)),
            ("message: word", Admitted::Other),
        ] {
            assert_eq!(test(query).admitted(), expected, "{query}");
        }
        let text = |text: &'static str| Value::Text(Cow::Borrowed(text));
        assert!(test("a: b*").passes(&text("bc")) && !test("a: b*").passes(&text("cb")));
    }

    #[test]
    fn a_clause_made_of_parts_has_its_test_and_a_longer_query_has_none() {
        let made = crate::one_of("", "a", vec!["b".into()]).unwrap();
        assert_eq!(made.value_test(), Some(test("a: b")));
        assert_eq!(crate::everything().value_test(), None);
    }
}

//! The syntax tree: the query as it is written, before fields and types give it a meaning.
//!
//! In: pieces from the parser. Out: a tree with runs of `and` and `or` flattened. It never knows
//! what a field is; [`crate::compile`] does.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::field::FieldRef;

/// A leaf with its span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spanned<T> {
    /// Its bytes in the text, without the white space around them.
    pub(crate) span: Range<usize>,
    /// The leaf.
    pub(crate) leaf: T,
}

/// A whole query as it is written.
pub(crate) type Typed = Tree<Spanned<Clause>>;

/// `and`, `or` and `not` over leaves: clauses in a query, literals in a value list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree<T> {
    /// One leaf.
    Leaf(T),
    /// All of at least two, none of them an `And`.
    And(Vec<Tree<T>>),
    /// Any of at least two, none of them an `Or`.
    Or(Vec<Tree<T>>),
    /// The opposite.
    Not(Box<Tree<T>>),
}

impl<T> Tree<T> {
    /// Joins with `and`.
    pub(crate) fn and(items: Vec<Self>) -> Self {
        Self::flat(items, Self::And, |item| match item {
            Self::And(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// Joins with `or`.
    pub(crate) fn or(items: Vec<Self>) -> Self {
        Self::flat(items, Self::Or, |item| match item {
            Self::Or(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// The opposite of a tree.
    pub(crate) fn negate(item: Self) -> Self {
        Self::Not(Box::new(item))
    }

    fn flat(
        items: Vec<Self>,
        join: fn(Vec<Self>) -> Self,
        open: fn(Self) -> Result<Vec<Self>, Self>,
    ) -> Self {
        let mut flat = Vec::with_capacity(items.len());
        for item in items {
            match open(item) {
                Ok(inner) => flat.extend(inner),
                Err(other) => flat.push(other),
            }
        }
        match flat.pop() {
            Some(only) if flat.is_empty() => only,
            Some(last) => {
                flat.push(last);
                join(flat)
            }
            None => join(flat),
        }
    }
}

/// A clause of a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Clause {
    /// `*`, or an empty query.
    Everything,
    /// `field: values`.
    Is {
        /// The field: a name or a pattern, never nested.
        field: FieldRef,
        /// One literal, or a list in parentheses.
        values: Tree<Spanned<Literal>>,
    },
    /// `field >= value`.
    Range {
        /// The field: a name or a pattern, never nested.
        field: FieldRef,
        /// The operator.
        comparison: Comparison,
        /// Where the bound begins, in bytes.
        at: usize,
        /// The bound.
        value: String,
    },
    /// `path: { query }`.
    Nested {
        /// The path of the objects.
        path: String,
        /// What one of them has to meet.
        inner: Box<Typed>,
    },
}

/// How a range compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// A literal, with its position for errors that depend on the field's type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Literal {
    /// Where it begins, in bytes.
    pub(crate) at: usize,
    /// Its content.
    pub(crate) word: Word,
}

/// The content of a literal, escapes resolved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    /// Between quotes: never a wildcard, never typed.
    Quoted(String),
    /// Without quotes and wildcards.
    Plain(String),
    /// Without quotes: the pieces between the `*`, at least two.
    Wildcard(Vec<String>),
}

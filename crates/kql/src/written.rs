//! A query as it is written: its fields and values with their places, for warnings about them.
//!
//! In: query text. Out: the tree of `and`, `or` and `not` over one leaf for each value, with spans.
//! It is made of the syntax tree, so it never disagrees with what the query means. It warns of
//! nothing: what a field or a value should look like is the caller's knowledge.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::error::{BoxedSyntaxError, SyntaxError};
use crate::field::FieldRef;
use crate::lexer::Lexer;
use crate::syntax::{Clause, Literal, Spanned, Tree, Typed, Word};
use crate::{compile, parser};

/// A query, or a part of it, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrittenQuery {
    /// True of every event: `*`, or an empty query.
    Everything,
    /// All of them hold.
    And(Vec<WrittenQuery>),
    /// Any of them holds.
    Or(Vec<WrittenQuery>),
    /// It does not hold.
    Not(Box<WrittenQuery>),
    /// One field and one value; a list has a leaf for each of its values.
    Value(WrittenValue),
}

/// A field and one value that it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenValue {
    /// The field's full name, with the path of the nested query around it.
    pub field: String,
    /// Whether the name is a pattern, as in `user.*: x`.
    pub is_pattern: bool,
    /// The place of the name, in bytes of the query.
    pub field_span: Range<usize>,
    /// The value, escapes resolved; a wildcard's stars as they are written.
    pub value: String,
    /// How it is written.
    pub form: ValueForm,
    /// The place of the value.
    pub span: Range<usize>,
    /// Whether the value is in parentheses, `field: (a or b)`.
    pub in_list: bool,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueForm {
    /// In double quotes: taken as it is.
    Quoted,
    /// Without quotes and wildcards.
    Plain,
    /// Without quotes, with a wildcard.
    Wildcard,
    /// `*` alone: any value.
    Exists,
    /// The bound of a range.
    Bound,
}

/// The query as it is written.
///
/// # Errors
/// [`SyntaxError`], as from [`parse`](crate::parse).
pub fn written(text: &str) -> Result<WrittenQuery, SyntaxError> {
    let tree = parser::parse(text).and_then(|tree| compile::compile(text, &tree).map(|_| tree));
    let tree = tree.map_err(|fault: BoxedSyntaxError| *fault)?;
    Ok(Reading { text }.query(&tree, ""))
}

struct Reading<'a> {
    text: &'a str,
}

/// Recursion follows brackets, which the parser bounds.
impl Reading<'_> {
    fn query(&self, tree: &Typed, prefix: &str) -> WrittenQuery {
        match tree {
            Tree::And(items) => WrittenQuery::And(self.queries(items, prefix)),
            Tree::Or(items) => WrittenQuery::Or(self.queries(items, prefix)),
            Tree::Not(item) => WrittenQuery::Not(Box::new(self.query(item, prefix))),
            Tree::Leaf(Spanned { span, leaf }) => self.clause(span, leaf, prefix),
        }
    }

    fn queries(&self, items: &[Typed], prefix: &str) -> Vec<WrittenQuery> {
        items.iter().map(|item| self.query(item, prefix)).collect()
    }

    fn clause(&self, span: &Range<usize>, clause: &Clause, prefix: &str) -> WrittenQuery {
        match clause {
            Clause::Everything => WrittenQuery::Everything,
            Clause::Is { field, values } => {
                let in_list = match values {
                    Tree::Leaf(value) => self.before(value.span.start).ends_with('('),
                    _ => true,
                };
                self.values(&self.named(span, field, prefix, in_list), values)
            }
            Clause::Range { field, at, value, .. } => WrittenQuery::Value(WrittenValue {
                value: value.clone(),
                form: ValueForm::Bound,
                span: *at..span.end,
                ..self.named(span, field, prefix, false)
            }),
            Clause::Nested { path, inner } => self.query(inner, &format!("{prefix}{path}.")),
        }
    }

    /// A leaf with its field and without its value.
    fn named(
        &self,
        span: &Range<usize>,
        field: &FieldRef,
        prefix: &str,
        in_list: bool,
    ) -> WrittenValue {
        let (name, is_pattern) = match field {
            FieldRef::Name(name) => (name, false),
            FieldRef::Pattern(name) | FieldRef::Nested { path: name, .. } => (name, true),
        };
        let mut lexer = Lexer { text: self.text, at: span.start };
        // It was read before, so it is one.
        let _ = lexer.literal();
        let length = self.text.get(span.start..lexer.at).unwrap_or("").trim_end().len();
        WrittenValue {
            field: format!("{prefix}{name}"),
            is_pattern,
            field_span: span.start..span.start + length,
            value: String::new(),
            form: ValueForm::Exists,
            span: span.clone(),
            in_list,
        }
    }

    fn values(&self, field: &WrittenValue, tree: &Tree<Spanned<Literal>>) -> WrittenQuery {
        let all = |items: &[Tree<Spanned<Literal>>]| {
            items.iter().map(|item| self.values(field, item)).collect()
        };
        match tree {
            Tree::And(items) => WrittenQuery::And(all(items)),
            Tree::Or(items) => WrittenQuery::Or(all(items)),
            Tree::Not(item) => WrittenQuery::Not(Box::new(self.values(field, item))),
            Tree::Leaf(Spanned { span, leaf }) => {
                let (value, form) = match &leaf.word {
                    Word::Quoted(value) => (value.clone(), ValueForm::Quoted),
                    Word::Plain(value) => (value.clone(), ValueForm::Plain),
                    Word::Wildcard(pieces) if pieces.iter().all(String::is_empty) => {
                        ("*".into(), ValueForm::Exists)
                    }
                    Word::Wildcard(pieces) => (pieces.join("*"), ValueForm::Wildcard),
                };
                let leaf = WrittenValue { value, form, span: span.clone(), ..field.clone() };
                WrittenQuery::Value(leaf)
            }
        }
    }

    /// What is before a place, white space left out.
    fn before(&self, at: usize) -> &str {
        self.text.get(..at).unwrap_or("").trim_end()
    }
}

impl WrittenQuery {
    /// All its leaves, in the order of the text.
    #[must_use]
    pub fn leaves(&self) -> Vec<&WrittenValue> {
        let mut out = vec![];
        self.collect(&mut out);
        out
    }

    fn collect<'q>(&'q self, out: &mut Vec<&'q WrittenValue>) {
        match self {
            Self::Everything => {}
            Self::And(items) | Self::Or(items) => items.iter().for_each(|item| item.collect(out)),
            Self::Not(item) => item.collect(out),
            Self::Value(value) => out.push(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field, the text at its place, value, the text at its place.
    fn leaves(text: &str) -> Vec<(String, &str, String, &str)> {
        let query = written(text).unwrap();
        let leaves = query.leaves().into_iter();
        let parts = |leaf: &WrittenValue| {
            let (field, value) = (leaf.field.clone(), leaf.value.clone());
            (field, &text[leaf.field_span.clone()], value, &text[leaf.span.clone()])
        };
        leaves.map(parts).collect()
    }

    #[test]
    fn each_value_has_its_field_and_both_have_their_places() {
        let text = "event.action : (CreateStack or \"a b\") and not \"user.name\": ci* or n >= 3";
        let found = leaves(text);
        let found: Vec<_> = found.iter().map(|(a, b, c, d)| (&**a, *b, &**c, *d)).collect();
        assert_eq!(
            found,
            [
                ("event.action", "event.action", "CreateStack", "CreateStack"),
                ("event.action", "event.action", "a b", "\"a b\""),
                ("user.name", "\"user.name\"", "ci*", "ci*"),
                ("n", "n", "3", "3"),
            ]
        );
    }

    #[test]
    fn nested_fields_have_their_full_names_and_their_own_places() {
        let found = leaves("a: { b: c and d.e: * }");
        assert_eq!(found[0], ("a.b".to_owned(), "b", "c".to_owned(), "c"));
        assert_eq!(found[1], ("a.d.e".to_owned(), "d.e", "*".to_owned(), "*"));
    }

    #[test]
    fn the_form_of_a_value_and_its_brackets_are_kept() {
        let form = |text: &str| {
            let query = written(text).unwrap();
            let leaf = query.leaves()[0].clone();
            (leaf.form, leaf.in_list, leaf.is_pattern)
        };
        assert_eq!(form("a: b"), (ValueForm::Plain, false, false));
        assert_eq!(form("a: ( b )"), (ValueForm::Plain, true, false));
        assert_eq!(form("a: (b or c)"), (ValueForm::Plain, true, false));
        assert_eq!(form("a: \"b\""), (ValueForm::Quoted, false, false));
        assert_eq!(form("a.*: b*"), (ValueForm::Wildcard, false, true));
        assert_eq!(form("a: *"), (ValueForm::Exists, false, false));
        assert_eq!(form("a < \"b\""), (ValueForm::Bound, false, false));
        assert_eq!(written(" * ").unwrap(), WrittenQuery::Everything);
        assert!(written("a").is_err());
    }
}

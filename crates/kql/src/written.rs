//! A query as it is written: its fields and values with their places, for warnings about them.
//!
//! In: query text. Out: the tree of `and`, `or` and `not` over one leaf for each value, with spans.
//! The caller may put leaves of clauses that were made of parts into such a tree too.
//! It is made of the syntax tree, so it never disagrees with what the query means. It warns of
//! nothing: what a field or a value should look like is the caller's knowledge.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::admitted::ValueTest;
use crate::condition::{self, Bound, Condition};
use crate::error::{BoxedSyntaxError, SyntaxError};
use crate::field::FieldRef;
use crate::lexer::Lexer;
use crate::query::Query;
use crate::syntax::{Clause, Literal, Spanned, Tree, Typed, Word};
use crate::types::field_type;
use crate::{compile, parser};

/// A query, or a part of it, as it is written.
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone, PartialEq)]
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
    /// Whether it is about an object's field, `path: { field: value }`: two of those may be about two
    /// objects.
    pub is_nested: bool,
    /// What a value of the field has to pass.
    pub test: ValueTest,
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
    /// A pattern that KQL cannot write: with `?`, with escapes, or in any case. Only of filters.
    OtherPattern,
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
            Clause::Range { field, comparison, at, value } => {
                let named = self.named(span, field, prefix, false);
                let bound = Bound::parse(field_type(&named.field), value);
                WrittenQuery::Value(WrittenValue {
                    value: value.clone(),
                    form: ValueForm::Bound,
                    span: *at..span.end,
                    test: ValueTest::of(match bound {
                        Ok(bound) => Condition::Range(*comparison, bound),
                        // It was read before, so it is one.
                        Err(_) => Condition::Exists,
                    }),
                    ..named
                })
            }
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
            is_nested: !prefix.is_empty(),
            test: ValueTest::of(Condition::Exists),
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
                let kind = field_type(&field.field);
                let test = condition::of_literal(self.text, kind, leaf);
                let test = ValueTest::of(test.unwrap_or(Condition::Exists));
                let span = span.clone();
                WrittenQuery::Value(WrittenValue { value, form, span, test, ..field.clone() })
            }
        }
    }

    /// What is before a place, white space left out.
    fn before(&self, at: usize) -> &str {
        self.text.get(..at).unwrap_or("").trim_end()
    }
}

impl WrittenValue {
    /// Of a clause that was made of parts instead of text; `None` where it has more than one field.
    #[must_use]
    pub fn of_clause(
        clause: &Query,
        value: String,
        form: ValueForm,
        place: [Range<usize>; 2],
    ) -> Option<Self> {
        let field = clause.field_names().next()?;
        let [field_span, span] = place;
        Some(Self {
            field: field.into(),
            is_pattern: false,
            field_span,
            value,
            form,
            span,
            in_list: false,
            is_nested: false,
            test: clause.value_test()?,
        })
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

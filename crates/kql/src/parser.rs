//! The grammar: query text to a syntax tree.
//!
//! In: query text. Out: a tree of clauses, or the first error with its position. It never looks back:
//! each construct is known by its first characters. Recursion follows parentheses and braces only,
//! and those are bounded by [`crate::MAX_DEPTH`].
//!
//! ```text
//! query  = and-query { " or " and-query }        and-query = not-query { " and " not-query }
//! not    = [ "not " ] sub                        sub       = "(" query ")" | clause
//! clause = field ":" "{" query "}" | field (">" | ">=" | "<" | "<=") literal
//!        | field ":" list | "*"
//! list   = the same as query, with literals in the place of clauses
//! ```

use crate::error::BoxedSyntaxError;
use crate::field::FieldRef;
use crate::lexer::{Lexer, strip_keyword};
use crate::limits::{MAX_DEPTH, MAX_NESTED, MAX_TEXT};
use crate::syntax::{Clause, Comparison, Literal, Spanned, Tree, Typed, Word};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;

/// What may follow a complete clause.
const AFTER_CLAUSE: &str = "` and `, ` or `, a closing bracket or the end";

/// Parses a whole query.
pub(crate) fn parse(text: &str) -> Result<Typed, BoxedSyntaxError> {
    let mut parser = Parser { lexer: Lexer { text, at: 0 }, depth: 0, nested: 0 };
    if text.len() > MAX_TEXT {
        let at = (0..=MAX_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let message = format!("the query is longer than {MAX_TEXT} bytes");
        return Err(parser.lexer.error(at, "too_long", message, "a shorter query"));
    }
    parser.lexer.spaces();
    if parser.lexer.rest().is_empty() {
        let span = text.len()..text.len();
        return Ok(Tree::Leaf(Spanned { span, leaf: Clause::Everything }));
    }
    let query = parser.any_of(Parser::clause)?;
    parser.lexer.spaces();
    match parser.lexer.peek() {
        None => Ok(query),
        Some(_) => Err(parser.unexpected(AFTER_CLAUSE)),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    depth: usize,
    nested: usize,
}

/// What reads a leaf: a clause of a query, or a literal of a value list.
type ReadLeaf<'a, T> = fn(&mut Parser<'a>) -> Result<T, BoxedSyntaxError>;

impl<'a> Parser<'a> {
    fn any_of<T>(&mut self, leaf: ReadLeaf<'a, T>) -> Result<Tree<Spanned<T>>, BoxedSyntaxError> {
        let mut items = vec![self.all_of(leaf)?];
        while self.lexer.operator("or") {
            items.push(self.all_of(leaf)?);
        }
        Ok(Tree::or(items))
    }

    fn all_of<T>(&mut self, leaf: ReadLeaf<'a, T>) -> Result<Tree<Spanned<T>>, BoxedSyntaxError> {
        let mut items = vec![self.negatable(leaf)?];
        while self.lexer.operator("and") {
            items.push(self.negatable(leaf)?);
        }
        Ok(Tree::and(items))
    }

    fn negatable<T>(
        &mut self,
        leaf: ReadLeaf<'a, T>,
    ) -> Result<Tree<Spanned<T>>, BoxedSyntaxError> {
        if self.lexer.not() { Ok(Tree::negate(self.sub(leaf)?)) } else { self.sub(leaf) }
    }

    fn sub<T>(&mut self, leaf: ReadLeaf<'a, T>) -> Result<Tree<Spanned<T>>, BoxedSyntaxError> {
        let open = self.lexer.at;
        if !self.lexer.eat('(') {
            let leaf = leaf(self)?;
            // White space behind a literal was read with it.
            let read = self.lexer.text.get(open..self.lexer.at).unwrap_or("");
            let span = open..open + read.trim_end().len();
            return Ok(Tree::Leaf(Spanned { span, leaf }));
        }
        self.bracketed(open, ')', leaf)
    }

    /// The content of brackets, after the opening one.
    fn bracketed<T>(
        &mut self,
        open: usize,
        close: char,
        leaf: ReadLeaf<'a, T>,
    ) -> Result<Tree<Spanned<T>>, BoxedSyntaxError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("brackets nest deeper than {MAX_DEPTH}");
            return Err(self.lexer.error(open, "too_deep", message, "a flatter query"));
        }
        self.lexer.spaces();
        let inner = self.any_of(leaf)?;
        self.lexer.spaces();
        if !self.lexer.eat(close) {
            return Err(match self.lexer.peek() {
                None => self.lexer.error(
                    open,
                    "unclosed",
                    "this bracket is never closed",
                    format!("a `{close}` for it"),
                ),
                Some(_) => self.unexpected(&format!("` and `, ` or ` or `{close}`")),
            });
        }
        self.depth -= 1;
        Ok(inner)
    }

    fn clause(&mut self) -> Result<Clause, BoxedSyntaxError> {
        let Some(name) = self.lexer.literal()? else {
            return Err(self.unexpected("a field name, `(` or `*`"));
        };
        // White space after a quoted name belongs to an operator if no `:` or range follows.
        let after_name = self.lexer.at;
        self.lexer.spaces();
        let open = self.lexer.at;
        match self.lexer.peek() {
            Some(':') => {
                self.lexer.at += 1;
                self.lexer.spaces();
                let open = self.lexer.at;
                if self.lexer.eat('{') {
                    return self.nested(name, open);
                }
                let field = self.field(name)?;
                Ok(Clause::Is { field, values: self.sub(Self::value)? })
            }
            Some(c @ ('<' | '>')) => {
                self.lexer.at += 1;
                let or_equal = self.lexer.eat('=');
                let comparison = match (c, or_equal) {
                    ('<', false) => Comparison::Less,
                    ('<', true) => Comparison::AtMost,
                    (_, false) => Comparison::Greater,
                    (_, true) => Comparison::AtLeast,
                };
                self.lexer.spaces();
                let field = self.field(name)?;
                self.bound(field, comparison)
            }
            next => {
                self.lexer.at = after_name;
                match name.word {
                    Word::Wildcard(pieces) if pieces.iter().all(String::is_empty) => {
                        Ok(Clause::Everything)
                    }
                    // `a and(b)` reads as one literal up to the bracket; the error is the bracket.
                    _ if matches!(next, Some('(' | '{' | '"')) => {
                        self.lexer.at = open;
                        Err(self.unexpected(AFTER_CLAUSE))
                    }
                    _ => Err(self.lexer.error(
                        name.at,
                        "free_text",
                        "free text is not supported: name a field",
                        "`field: value` (quote a value that contains `or`, `and`, a colon or \
                         brackets)",
                    )),
                }
            }
        }
    }

    fn nested(&mut self, name: Literal, open: usize) -> Result<Clause, BoxedSyntaxError> {
        let path = match self.field(name.clone())? {
            FieldRef::Name(path) => path,
            _ => {
                return Err(self.lexer.error(
                    name.at,
                    "bad_field",
                    "the path of a nested query cannot contain a wildcard",
                    "one field name",
                ));
            }
        };
        self.nested += 1;
        if self.nested > MAX_NESTED {
            let message = format!("nested queries nest deeper than {MAX_NESTED}");
            return Err(self.lexer.error(open, "too_deep", message, "fewer levels of `{`"));
        }
        let inner = Box::new(self.bracketed(open, '}', Self::clause)?);
        self.nested -= 1;
        Ok(Clause::Nested { path, inner })
    }

    fn bound(
        &mut self,
        field: FieldRef,
        comparison: Comparison,
    ) -> Result<Clause, BoxedSyntaxError> {
        let at = self.lexer.at;
        match self.lexer.literal()? {
            None => Err(self.unexpected("one value to compare with (a range takes no list)")),
            Some(Literal { word: Word::Wildcard(_), .. }) => Err(self.lexer.error(
                at,
                "bad_range",
                "a range cannot compare with a wildcard",
                "one value (quote it to compare with the `*` itself)",
            )),
            Some(Literal { word: Word::Plain(value) | Word::Quoted(value), .. }) => {
                Ok(Clause::Range { field, comparison, at, value })
            }
        }
    }

    fn value(&mut self) -> Result<Literal, BoxedSyntaxError> {
        match self.lexer.literal()? {
            Some(value) => Ok(value),
            None => Err(self.unexpected("a value, or a list of values in parentheses")),
        }
    }

    /// A literal that is a field name.
    fn field(&self, name: Literal) -> Result<FieldRef, BoxedSyntaxError> {
        let fault = |message: &str, expected: &str| {
            self.lexer.error(name.at, "bad_field", message, expected)
        };
        match name.word {
            Word::Quoted(name) | Word::Plain(name) if name.is_empty() => {
                Err(fault("the field name is empty", "a field name such as `event.action`"))
            }
            Word::Quoted(name) | Word::Plain(name) => Ok(FieldRef::Name(name)),
            Word::Wildcard(pieces) if pieces.iter().any(|piece| piece.contains('*')) => Err(fault(
                "a field name cannot contain both a wildcard and a literal `*`",
                "one of them",
            )),
            Word::Wildcard(mut pieces) => {
                // Several stars in a row mean the same as one.
                let mut first = true;
                let last = pieces.len() - 1;
                let mut index = 0;
                pieces.retain(|piece| {
                    let keep = first || index == last || !piece.is_empty();
                    first = false;
                    index += 1;
                    keep
                });
                Ok(FieldRef::Pattern(pieces.join("*")))
            }
        }
    }

    /// The error for an unexpected character at the current position.
    fn unexpected(&self, expected: &str) -> BoxedSyntaxError {
        let at = self.lexer.at;
        let Some(found) = self.lexer.peek() else {
            let message = "the query ends too early";
            return self.lexer.error(at, "unexpected", message, expected);
        };
        if self.lexer.is_at_not() {
            return self.lexer.error(
                at,
                "misplaced_not",
                "`not` is not allowed here",
                "`not field: x`, `field: (not x)` or `not (not field: x)`",
            );
        }
        let message = match found {
            '(' if self.follows_keyword() => {
                "`(` right after a keyword: `and`, `or` and `not` need white space on both sides"
                    .to_owned()
            }
            ':' => "unexpected `:`; in a value write `\\:`, or quote the value".to_owned(),
            c if c.is_control() => format!("unexpected character U+{:04X}", u32::from(c)),
            c => format!("unexpected `{c}`"),
        };
        self.lexer.error(at, "unexpected", message, expected)
    }

    /// Whether the word that ends at the current position is `and`, `or` or `not`.
    fn follows_keyword(&self) -> bool {
        let before = self.lexer.text.get(..self.lexer.at).unwrap_or("");
        let word = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
        ["and", "or", "not"]
            .iter()
            .any(|keyword| strip_keyword(word, keyword).is_some_and(str::is_empty))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth_error(text: &str) -> Option<(&'static str, usize)> {
        parse(text).err().map(|error| (error.code, error.at))
    }

    #[test]
    fn depth_is_bounded_and_reported() {
        let within = format!("{}f:v{}", "(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
        assert_eq!(depth_error(&within), None);
        assert_eq!(depth_error(&format!("({within})")), Some(("too_deep", MAX_DEPTH)));
        assert_eq!(depth_error(&"(".repeat(60_000)), Some(("too_deep", MAX_DEPTH)));
        assert_eq!(depth_error(&"f:(".repeat(20_000)).unwrap().0, "unexpected");
        assert_eq!(depth_error(&format!("f:{}", "(".repeat(50_000))).unwrap().0, "too_deep");
        assert_eq!(depth_error(&"a:{".repeat(20_000)), Some(("too_deep", 3 * MAX_NESTED + 2)));
        let nested = format!("{}b:c{}", "a:{".repeat(MAX_NESTED), "}".repeat(MAX_NESTED));
        assert_eq!(depth_error(&nested), None);
    }

    #[test]
    fn length_is_bounded_and_reported() {
        let fits = format!("f:{}", "v".repeat(MAX_TEXT - 2));
        assert_eq!(depth_error(&fits), None);
        assert_eq!(depth_error(&format!("{fits}v")), Some(("too_long", MAX_TEXT)));
        assert_eq!(depth_error(&format!("{}éx", &fits[1..])), Some(("too_long", MAX_TEXT - 1)));
    }

    #[test]
    fn runs_of_white_space_take_linear_time() {
        // Quadratic work would be two thousand million steps here.
        assert!(parse(&format!("f:a{}b", " ".repeat(60_000))).is_ok());
        assert!(parse(&"(a:b) or ".repeat(7_000)).is_err());
    }

    #[test]
    fn brackets_side_by_side_are_not_depth() {
        assert!(parse(&vec!["(f:(a))"; 1_000].join(" or ")).is_ok());
        assert!(parse(&vec!["f:{(a:b)}"; 1_000].join(" and ")).is_ok());
    }
}

//! White space, keywords and literals.
//!
//! In: query text and a position. Out: the next literal or keyword, with escapes resolved. It
//! never looks at a character more than a few times: runs of white space are taken whole.

use crate::error::{BoxedSyntaxError, SyntaxError};
use crate::syntax::{Literal, Word};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_value::four_hex_digits;

/// Characters that end an unquoted literal unless a backslash precedes them.
const SPECIAL: &[char] = &['\\', '(', ')', ':', '<', '>', '"', '*', '{', '}'];

/// White space between words.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{a0}')
}

/// Whether a character is literal in an unquoted literal only after a backslash.
pub(crate) fn is_special(c: char) -> bool {
    SPECIAL.contains(&c)
}

/// Whether a character is trimmed off the ends of an unquoted literal: JavaScript's white space,
/// which is wider than the white space between words.
fn is_trimmed(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

/// `text` without the keyword at its start, in any case.
pub(crate) fn strip_keyword<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then_some(tail)
}

/// Whether the text begins with the keyword `not`: white space has to follow.
fn at_not(text: &str) -> bool {
    strip_keyword(text, "not").is_some_and(|tail| tail.starts_with(is_space))
}

/// A position in query text.
pub(crate) struct Lexer<'a> {
    /// All of the text.
    pub(crate) text: &'a str,
    /// The position, in bytes.
    pub(crate) at: usize,
}

impl<'a> Lexer<'a> {
    /// The text that is not read yet.
    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// The next character.
    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Skips white space.
    pub(crate) fn spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(is_space).len();
    }

    /// Takes a character if it is the next.
    pub(crate) fn eat(&mut self, wanted: char) -> bool {
        let here = self.peek() == Some(wanted);
        if here {
            self.at += wanted.len_utf8();
        }
        here
    }

    /// Takes ` or ` or ` and `, with the white space that both need on both sides.
    pub(crate) fn operator(&mut self, keyword: &str) -> bool {
        let Some(tail) = self.after_operator(keyword) else { return false };
        self.at = self.text.len() - tail.len();
        self.spaces();
        true
    }

    fn after_operator(&self, keyword: &str) -> Option<&'a str> {
        let rest = self.rest();
        let word = rest.trim_start_matches(is_space);
        let tail = strip_keyword(word, keyword)?;
        (word.len() < rest.len() && tail.starts_with(is_space)).then_some(tail)
    }

    /// Takes `not ` with all white space after it.
    pub(crate) fn not(&mut self) -> bool {
        let here = at_not(self.rest());
        if here {
            self.at += 3;
            self.spaces();
        }
        here
    }

    /// Whether `not ` is next.
    pub(crate) fn is_at_not(&self) -> bool {
        at_not(self.rest())
    }

    /// The literal that begins here, or `None` where none can.
    pub(crate) fn literal(&mut self) -> Result<Option<Literal>, BoxedSyntaxError> {
        let at = self.at;
        let word = if self.eat('"') { Some(self.quoted(at)?) } else { self.unquoted()? };
        Ok(word.map(|word| Literal { at, word }))
    }

    /// The rest of a quoted literal. An unknown escape keeps its backslash.
    fn quoted(&mut self, open: usize) -> Result<Word, BoxedSyntaxError> {
        let mut value = String::new();
        loop {
            let start = self.at;
            let Some(c) = self.peek() else {
                return Err(self.error(
                    open,
                    "unterminated",
                    "this quote is never closed",
                    "a closing `\"` (inside a quoted value write `\\\"`)",
                ));
            };
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(Word::Quoted(value)),
                '\\' => match self.peek() {
                    Some(next @ ('\\' | '"')) => {
                        self.at += 1;
                        value.push(next);
                    }
                    _ => match self.common_escape(start)? {
                        Some(c) => value.push(c),
                        None => value.push('\\'),
                    },
                },
                other => value.push(other),
            }
        }
    }

    /// An unquoted literal: up to a special character, ` or `, ` and ` or `not `.
    fn unquoted(&mut self) -> Result<Option<Word>, BoxedSyntaxError> {
        let start = self.at;
        let mut done = Vec::new();
        let mut piece = String::new();
        while let Some(c) = self.peek() {
            if is_space(c) {
                if ["or", "and"].iter().any(|keyword| self.after_operator(keyword).is_some()) {
                    break;
                }
                let from = self.at;
                self.spaces();
                piece.push_str(self.text.get(from..self.at).unwrap_or(""));
                continue;
            }
            match c {
                '*' => done.push(core::mem::take(&mut piece)),
                '\\' => {
                    self.unquoted_escape(&mut piece)?;
                    continue;
                }
                c if is_special(c) => break,
                'n' | 'N' if at_not(self.rest()) => break,
                c => piece.push(c),
            }
            self.at += c.len_utf8();
        }
        if self.at == start {
            return Ok(None);
        }
        if done.is_empty() {
            return Ok(Some(Word::Plain(piece.trim_matches(is_trimmed).to_owned())));
        }
        done.push(piece.trim_end_matches(is_trimmed).to_owned());
        if let Some(first) = done.first_mut() {
            *first = first.trim_start_matches(is_trimmed).to_owned();
        }
        Ok(Some(Word::Wildcard(done)))
    }

    fn unquoted_escape(&mut self, piece: &mut String) -> Result<(), BoxedSyntaxError> {
        let start = self.at;
        self.at += 1;
        for keyword in ["or", "and", "not"] {
            // `\n` is a line feed as well, so `\not` counts as the keyword only at the
            // end of a word: only there could `not` be a keyword.
            if let Some(tail) = strip_keyword(self.rest(), keyword)
                && (keyword != "not" || !tail.starts_with(char::is_alphanumeric))
            {
                piece.push_str(self.rest().get(..keyword.len()).unwrap_or(""));
                self.at += keyword.len();
                return Ok(());
            }
        }
        if let Some(c) = self.peek().filter(|c| is_special(*c)) {
            self.at += c.len_utf8();
            piece.push(c);
        } else if let Some(c) = self.common_escape(start)? {
            piece.push(c);
        } else {
            return Err(self.error(
                start,
                "bad_escape",
                "this character needs no backslash",
                "`\\\\` for a backslash itself, or the value in quotes",
            ));
        }
        Ok(())
    }

    /// `\t`, `\r`, `\n` or `\uXXXX`, the backslash at `start` being read already.
    fn common_escape(&mut self, start: usize) -> Result<Option<char>, BoxedSyntaxError> {
        let simple = match self.peek() {
            Some('t') => '\t',
            Some('r') => '\r',
            Some('n') => '\n',
            Some('u') => return self.unicode_escape(start),
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(simple))
    }

    fn unicode_escape(&mut self, start: usize) -> Result<Option<char>, BoxedSyntaxError> {
        let Some(first) = hex4(self.rest()) else { return Ok(None) };
        self.at += 5;
        let mut code = u32::from(first);
        // Characters beyond the first 65,536 are written as two escapes, as in JSON.
        if (0xd800..0xdc00).contains(&code)
            && let Some(second) = self.rest().strip_prefix('\\').and_then(hex4)
            && (0xdc00..0xe000).contains(&second)
        {
            self.at += 6;
            code = 0x10000 + ((code - 0xd800) << 10) + (u32::from(second) - 0xdc00);
        }
        char::from_u32(code).map(Some).ok_or_else(|| {
            self.error(
                start,
                "bad_escape",
                "half of a surrogate pair is not a character",
                "both halves, such as `\\ud83d\\ude00`, or the character itself",
            )
        })
    }

    pub(crate) fn error(
        &self,
        at: usize,
        code: &'static str,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> BoxedSyntaxError {
        Box::new(SyntaxError::new(self.text, at, code, message, expected))
    }
}

/// The four hexadecimal digits after `u`.
fn hex4(text: &str) -> Option<u16> {
    four_hex_digits(text.strip_prefix('u')?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Option<Word> {
        Lexer { text, at: 0 }.literal().unwrap().map(|literal| literal.word)
    }

    fn plain(text: &str) -> Option<Word> {
        Some(Word::Plain(text.to_owned()))
    }

    #[test]
    fn unquoted_literals_end_where_a_keyword_or_a_special_character_begins() {
        let cases = [
            ("bar baz", "bar baz"),
            ("bar  or baz", "bar"),
            ("bar\u{a0}AND\tbaz", "bar"),
            ("bar or", "bar or"),
            ("bar and(x", "bar and"),
            ("order by", "order by"),
            ("or x", "or x"),
            ("cannot be", "can"),
            ("cannot", "cannot"),
            ("knot)", "knot"),
            ("nothing much", "nothing much"),
            ("what?", "what?"),
            ("a\nb", "a\nb"),
            ("x \u{2003}", "x"),
        ];
        for (text, expected) in cases {
            assert_eq!(word(text), plain(expected), "{text:?}");
        }
        for text in ["", "not x", ")", ":", "}", "<"] {
            assert_eq!(word(text), None, "{text:?}");
        }
    }

    #[test]
    fn unquoted_escapes() {
        let cases = [
            (r"a\:b\\c\(\)\<\>\*\{\}", r"a:b\c()<>*{}"),
            (r#"\""#, "\""),
            (r"a\tb\rc\nd", "a\tb\rc\nd"),
            (r"\u0041\u00e9\uD83D\uDE00", "Aé😀"),
            (r"this \or that \AND not\not ", "this or that AND notnot"),
            (r"a\nothing", "a\nothing"),
            (r"\ttrimmed\n", "trimmed"),
        ];
        for (text, expected) in cases {
            assert_eq!(word(text), plain(expected), "{text:?}");
        }
    }

    #[test]
    fn quoted_literals_keep_unknown_escapes() {
        let cases = [
            (r#""C:\Windows""#, r"C:\Windows"),
            (r#""C:\temp""#, "C:\temp"),
            (r#""a\\b\"c""#, r#"a\b"c"#),
            (r#""\u0000""#, "\0"),
            (r#""\u12 \* \q""#, r"\u12 \* \q"),
            (r#""* or not {x}""#, "* or not {x}"),
            (r#""""#, ""),
        ];
        for (text, expected) in cases {
            assert_eq!(word(text), Some(Word::Quoted(expected.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn wildcards_are_split_at_the_stars() {
        let cases = [
            ("*", &["", ""][..]),
            ("a*", &["a", ""]),
            ("*S3 Browser*", &["", "S3 Browser", ""]),
            (" a * b ", &["a ", " b"]),
            (r"a\**b", &["a*", "b"]),
        ];
        for (text, expected) in cases {
            let pieces = expected.iter().map(|piece| (*piece).to_owned()).collect();
            assert_eq!(word(text), Some(Word::Wildcard(pieces)), "{text:?}");
        }
    }

    #[test]
    fn errors_have_positions() {
        let cases = [
            ("abc \"def", 4, "unterminated"),
            (r"ab\q", 2, "bad_escape"),
            (r"ab\", 2, "bad_escape"),
            (r"\u12", 0, "bad_escape"),
            (r"x\ud800y", 1, "bad_escape"),
        ];
        for (text, at, code) in cases {
            let mut lexer = Lexer { text, at: text.find('"').unwrap_or(0) };
            let error = lexer.literal().unwrap_err();
            assert_eq!((error.at, error.code), (at, code), "{text:?}");
        }
    }
}

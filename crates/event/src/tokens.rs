//! A text that was checked before, taken apart once more, token by token.
//!
//! For the few values that need a whole object (stringified parameters, fields requested by a
//! pattern); faults in the text end it early, silently, since `walk` has refused them already.

use crate::scan::{Scan, Span};

/// A piece of a checked JSON text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Token {
    /// An object (true) or an array begins.
    Open(bool),
    /// The innermost container ends.
    Close,
    Key(Span),
    Scalar(Span),
}

/// The tokens from `at` on, to the end of the value that begins there.
pub(crate) struct Tokens<'t> {
    scan: Scan<'t>,
    open: usize,
    done: bool,
}

impl<'t> Tokens<'t> {
    pub(crate) fn new(text: &'t str, at: usize) -> Self {
        Self { scan: Scan::new(text, at), open: 0, done: false }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        if self.done {
            return None;
        }
        if self.scan.token() == b',' {
            self.scan.at += 1;
        }
        let token = match self.scan.token() {
            opening @ (b'{' | b'[') => {
                self.scan.at += 1;
                self.open += 1;
                Token::Open(opening == b'{')
            }
            b'}' | b']' => {
                self.scan.at += 1;
                self.open = self.open.saturating_sub(1);
                Token::Close
            }
            _ => {
                let span = self.scan.scalar().ok()?;
                if self.scan.token() == b':' {
                    self.scan.at += 1;
                    return Some(Token::Key(span));
                }
                Token::Scalar(span)
            }
        };
        self.done = self.open == 0;
        Some(token)
    }
}

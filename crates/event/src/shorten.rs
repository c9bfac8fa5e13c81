//! A large event as a smaller one, for alerts that cannot hold the whole of it.
//!
//! In: an event's JSON text, and about how many bytes it may have. Out: JSON in which long strings
//! are cut, long lists and objects end early and deep parts are left out; what is near the top
//! stays. It reads the text once and keeps nothing of it but what it gives back.

use crate::error::EventError;
use crate::scan::{MAX_DEPTH, Scalar, Scan, Span};
use alloc::format;
use alloc::string::String;
use firstseen_value::push_quoted;

/// The longest string, within the budget and beyond it.
pub const STRING: (usize, usize) = (2048, 64);
/// The most members of an object.
pub const MEMBERS: usize = 256;
/// The most elements of a list.
pub const ELEMENTS: usize = 64;
/// The longest name of a member; one with a longer name is left out.
const NAME: usize = 256;
/// What replaces an object or a list beyond the budget.
const LEFT_OUT: &str = "\"\u{2026}\"";

/// The event in about that many bytes: over them, only short strings are copied, and nothing that
/// holds other values, except at the top.
///
/// # Errors
/// `bad_json`, or `too_deep` for over 127 levels.
pub fn shorten(text: &str, budget: usize) -> Result<String, EventError> {
    let mut copy = Shortener { text, scan: Scan::new(text, 0), out: String::new(), budget };
    copy.value(0)?;
    copy.scan.token();
    if copy.scan.at_end() { Ok(copy.out) } else { Err(copy.scan.wrong("the end was expected")) }
}

struct Shortener<'t> {
    text: &'t str,
    scan: Scan<'t>,
    out: String,
    budget: usize,
}

impl Shortener<'_> {
    fn is_full(&self) -> bool {
        self.out.len() > self.budget
    }

    /// One value, so many containers deep. Recursion ends at [`MAX_DEPTH`].
    fn value(&mut self, depth: usize) -> Result<(), EventError> {
        let opening = self.scan.token();
        if !matches!(opening, b'{' | b'[') {
            let span = self.scan.scalar()?;
            self.scalar(span);
            return Ok(());
        }
        if self.is_full() && depth > 0 {
            self.out.push_str(LEFT_OUT);
            return self.scan.skip(depth);
        }
        if depth == MAX_DEPTH {
            return Err(self.scan.too_deep());
        }
        self.scan.at += 1;
        self.out.push(char::from(opening));
        // `{` and `}` differ by 2, so do `[` and `]`.
        let closing = opening + 2;
        let mut copied = 0;
        let mut is_done = self.scan.token() == closing;
        while !is_done {
            copied += usize::from(self.part(opening == b'{', depth + 1, copied)?);
            match self.scan.token() {
                b',' => self.scan.at += 1,
                byte if byte == closing => is_done = true,
                _ => return Err(self.scan.wrong_after_value(opening == b'{')),
            }
        }
        self.scan.at += 1;
        self.out.push(char::from(closing));
        Ok(())
    }

    /// A member or an element, after so many others; whether it was copied.
    fn part(&mut self, of_object: bool, depth: usize, behind: usize) -> Result<bool, EventError> {
        let mut name = None;
        if of_object {
            self.scan.token();
            name = Some(self.scan.key()?);
        }
        let leave_out = match name {
            // The members at the top are looked at to the end.
            Some(name) => {
                let is_late = self.is_full() && depth > 1;
                behind == MEMBERS || name.decoded(self.text).len() > NAME || is_late
            }
            None => behind == ELEMENTS || self.is_full(),
        };
        if leave_out {
            self.scan.skip(depth)?;
            return Ok(false);
        }
        if behind > 0 {
            self.out.push(',');
        }
        if let Some(name) = name {
            push_quoted(&mut self.out, &name.decoded(self.text));
            self.out.push(':');
        }
        self.value(depth)?;
        Ok(true)
    }

    /// What is too long is cut, between letters, and is a string then.
    fn scalar(&mut self, span: Span) {
        let content = span.decoded(self.text);
        let in_quotes = matches!(span.scalar, Scalar::Plain | Scalar::Escaped);
        // Of a number nobody means a thousand digits either.
        let most = if in_quotes && !self.is_full() { STRING.0 } else { STRING.1 };
        if content.len() > most {
            let kept = content.get(..content.floor_char_boundary(most)).unwrap_or_default();
            let cut = format!("{kept}\u{2026} ({} bytes)", content.len());
            push_quoted(&mut self.out, &cut);
        } else if in_quotes {
            push_quoted(&mut self.out, &content);
        } else {
            self.out.push_str(&content);
        }
    }
}

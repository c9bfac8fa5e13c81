//! The JSON scanner: bytes in, the ends of values out, every rule of the grammar checked.
//!
//! It skips what was not requested, which is most of an event, without decoding it, but finds the
//! same faults as a full parser would. It accepts what serde_json accepts, and two things more that
//! other parsers accept and that whoever is logged may choose: half of a surrogate pair, and a
//! number that is larger than a double (property: nothing else).
//! It never recurses and never allocates. A reader of structural marks found with SIMD can take
//! this file's place: `walk` uses nothing but what is public here.

mod skip;

use crate::error::EventError;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::ops::Range;
use firstseen_value::{BLOCK, EscapeError, first_stop, read_escape, stop_from};

/// How deep arrays and objects may nest. The same as serde_json's, so that each event that can be
/// read can also become an alert's document.
pub(crate) const MAX_DEPTH: usize = 127;

/// What a scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Null,
    True,
    False,
    Number,
    /// A string without a backslash: the text between the quotes is the value.
    Plain,
    /// A string with escapes.
    Escaped,
}

/// A scalar and its place in the text; strings without their quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) scalar: Scalar,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    /// The span's own bytes in the text.
    #[inline]
    pub(crate) fn content(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// The value of a string or a number.
    #[inline]
    pub(crate) fn decoded(self, text: &str) -> Cow<'_, str> {
        match self.scalar {
            Scalar::Escaped => decode(self.content(text)),
            _ => Cow::Borrowed(self.content(text)),
        }
    }
}

/// A position in a text. What is out of line takes it by value, so that the loops have it in registers.
#[derive(Clone, Copy)]
pub(crate) struct Scan<'t> {
    bytes: &'t [u8],
    pub(crate) at: usize,
}

impl<'t> Scan<'t> {
    pub(crate) fn new(text: &'t str, at: usize) -> Self {
        Self { bytes: text.as_bytes(), at }
    }

    /// The byte here; 0 at the end, which is as wrong in JSON as the end itself.
    #[inline(always)]
    fn byte(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Skips white space; the byte that follows it, 0 at the end.
    #[inline(always)]
    pub(crate) fn token(&mut self) -> u8 {
        loop {
            let byte = self.byte();
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return byte;
            }
            self.at += 1;
        }
    }

    pub(crate) fn at_end(self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The bytes of a span.
    #[inline(always)]
    pub(crate) fn bytes(&self, start: usize, end: usize) -> &'t [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// A key with its colon. The position is at the opening quote before, behind the colon after.
    #[inline(always)]
    pub(crate) fn key(&mut self) -> Result<Span, EventError> {
        if self.byte() != b'"' {
            return Err(self.wrong("a key in quotes was expected"));
        }
        let key = self.string()?;
        if self.token() != b':' {
            return Err(self.wrong("a colon was expected after the key"));
        }
        self.at += 1;
        Ok(key)
    }

    /// Whether a quote is here.
    #[inline(always)]
    pub(crate) fn is_at_quote(self) -> bool {
        self.byte() == b'"'
    }

    /// Where the key ends whose opening quote is here, and the first byte of its value, if it is written as machines
    /// do: without an escape, and without white space around the colon. The position stays.
    #[inline(always)]
    pub(crate) fn compact_key(self) -> Option<(usize, u8)> {
        let end = plain_end(self.bytes, self.at + 1);
        match self.bytes.get(end..)?.first_chunk::<3>()? {
            [b'"', b':', first] => Some((end, *first)),
            _ => None,
        }
    }

    /// Whether a comma is here, and right behind it a quote.
    #[inline(always)]
    pub(crate) fn is_before_key(self) -> bool {
        let next = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<2>());
        next.is_some_and(|next| next == b",\"")
    }

    /// The same, white space before it. For readers that have time.
    #[inline(never)]
    pub(crate) fn next_key(&mut self) -> Result<Span, EventError> {
        self.token();
        self.key()
    }

    /// A string. The position is at the opening quote before, behind the closing one after.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Result<Span, EventError> {
        let start = self.at + 1;
        let end = plain_end(self.bytes, start);
        let span = match self.bytes.get(end) {
            Some(b'"') => Span { scalar: Scalar::Plain, start, end },
            _ => self.escaped_string(end)?,
        };
        self.at = span.end + 1;
        Ok(span)
    }

    /// The same, for a string whose plain part ends at `at` with something else than its closing quote.
    #[inline(never)]
    fn escaped_string(self, mut at: usize) -> Result<Span, EventError> {
        loop {
            match self.bytes.get(at) {
                Some(b'"') => {
                    return Ok(Span { scalar: Scalar::Escaped, start: self.at + 1, end: at });
                }
                Some(b'\\') => at = plain_end(self.bytes, escape_end(self.bytes, at)?),
                Some(_) => {
                    return Err(EventError::json("a control character stands in a string", at));
                }
                None => return Err(EventError::json("the text ends inside a string", at)),
            }
        }
    }

    /// A string, number, boolean or null.
    #[inline(never)]
    pub(crate) fn scalar(&mut self) -> Result<Span, EventError> {
        if self.byte() == b'"' { self.string() } else { self.unquoted() }
    }

    /// A number, boolean or null.
    #[inline(always)]
    pub(crate) fn unquoted(&mut self) -> Result<Span, EventError> {
        let span = self.unquoted_span()?;
        self.at = span.end;
        Ok(span)
    }

    #[inline(never)]
    fn unquoted_span(mut self) -> Result<Span, EventError> {
        match self.byte() {
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true", Scalar::True),
            b'f' => self.word(b"false", Scalar::False),
            b'n' => self.word(b"null", Scalar::Null),
            _ => Err(self.wrong("a value was expected")),
        }
    }

    #[inline]
    fn word<const N: usize>(&mut self, word: &[u8; N], scalar: Scalar) -> Result<Span, EventError> {
        let (start, end) = (self.at, self.at + N);
        // Of a known length, so that comparing is no call.
        if self.bytes.get(start..).and_then(|rest| rest.first_chunk()) != Some(word) {
            return Err(self.wrong("a value was expected (true, false and null are lower case)"));
        }
        self.at = end;
        Ok(Span { scalar, start, end })
    }

    fn number(&mut self) -> Result<Span, EventError> {
        let start = self.at;
        if self.byte() == b'-' {
            self.at += 1;
        }
        match self.byte() {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return Err(self.wrong("a digit was expected")),
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.needed_digits()?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.at += 1;
            }
            self.needed_digits()?;
        }
        Ok(Span { scalar: Scalar::Number, start, end: self.at })
    }

    fn needed_digits(&mut self) -> Result<(), EventError> {
        if !self.byte().is_ascii_digit() {
            return Err(self.wrong("a digit was expected"));
        }
        self.digits();
        Ok(())
    }

    #[inline]
    fn digits(&mut self) {
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
    }

    /// Behind a value: skips a comma, or says that the container ends here with this byte.
    pub(crate) fn ends(&mut self, closing: u8) -> Result<bool, EventError> {
        match self.token() {
            b',' => {
                self.at += 1;
                Ok(false)
            }
            byte if byte == closing => Ok(true),
            _ => Err(self.wrong_after_value(closing == b'}')),
        }
    }

    #[cold]
    pub(crate) fn wrong_after_value(self, in_object: bool) -> EventError {
        self.wrong(if in_object {
            "a comma or a closing brace was expected"
        } else {
            "a comma or a closing bracket was expected"
        })
    }

    #[cold]
    pub(crate) fn wrong(self, reason: &str) -> EventError {
        if self.at_end() {
            EventError::json(&format!("the text ends where {reason}"), self.at)
        } else {
            EventError::json(reason, self.at)
        }
    }

    #[cold]
    pub(crate) fn too_deep(self) -> EventError {
        EventError::new(
            "too_deep",
            format!("arrays and objects nest deeper than {MAX_DEPTH} levels"),
            self.at,
        )
    }
}

/// Gives each member of the object at `at`: its name, the first byte of its value and where that
/// is; returns where the object ends.
pub(crate) fn members(
    text: &str,
    at: usize,
    each: &mut dyn FnMut(&str, u8, Range<usize>),
) -> Result<usize, EventError> {
    let mut scan = Scan::new(text, at + 1);
    if scan.token() == b'}' {
        return Ok(scan.at + 1);
    }
    loop {
        let name = scan.next_key()?;
        let opening = scan.token();
        let value = scan.at;
        scan.skip(1)?;
        each(&name.decoded(text), opening, value..scan.at);
        if scan.ends(b'}')? {
            return Ok(scan.at + 1);
        }
    }
}

/// The first quote, backslash or control character at or after `at`; the length if there is none.
#[inline(always)]
fn plain_end(bytes: &[u8], at: usize) -> usize {
    // Most strings end in their first block. A loop for the others would take registers from the loop around.
    match bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        Some(block) => match first_stop(block) {
            Some(stop) => at + stop,
            None => stop_from(bytes, at + BLOCK),
        },
        None => stop_from(bytes, at),
    }
}

/// Checks the escape that begins at `at`; where it ends.
fn escape_end(bytes: &[u8], at: usize) -> Result<usize, EventError> {
    match read_escape(bytes.get(at..).unwrap_or_default()) {
        Ok((_, length)) => Ok(at + length),
        Err(error) => Err(EventError::json(
            match error {
                EscapeError::Unfinished => "the text ends inside a string",
                EscapeError::Unknown => "no such escape",
                EscapeError::MissingDigits => "four hexadecimal digits must follow \\u",
            },
            at,
        )),
    }
}

/// The value of a string, from its content (checked before).
pub(crate) fn decode(content: &str) -> Cow<'_, str> {
    let bytes = content.as_bytes();
    let Some(mut at) = memchr::memchr(b'\\', bytes) else { return Cow::Borrowed(content) };
    let mut text = String::with_capacity(content.len());
    let mut plain = 0;
    loop {
        text.push_str(content.get(plain..at).unwrap_or_default());
        // The content was checked before, so this is an escape.
        let escape = read_escape(bytes.get(at..).unwrap_or_default());
        let (character, length) = escape.unwrap_or((char::REPLACEMENT_CHARACTER, 1));
        text.push(character);
        plain = at + length;
        match bytes.get(plain..).and_then(|rest| memchr::memchr(b'\\', rest)) {
            Some(next) => at = plain + next,
            None => {
                text.push_str(content.get(plain..).unwrap_or_default());
                return Cow::Owned(text);
            }
        }
    }
}

//! A large event as a smaller one, for alerts that cannot hold the whole of it.
//!
//! In: an event's JSON text, and about how many bytes it may have. Out: JSON in which long strings
//! are cut, long lists and objects end early and deep parts are left out; what is near the top
//! stays. It reads the text once and keeps nothing of it but what it gives back.

use crate::error::EventError;
use crate::scan::{MAX_DEPTH, Scalar, Scan, Span};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
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
    copy.value()?;
    copy.scan.token();
    if copy.scan.at_end() { Ok(copy.out) } else { Err(copy.scan.wrong("the end was expected")) }
}

struct Shortener<'t> {
    text: &'t str,
    scan: Scan<'t>,
    out: String,
    budget: usize,
}

/// A container that is being copied, and how many of its parts were.
struct OpenCopy {
    closing: u8,
    copied: usize,
}

impl Shortener<'_> {
    fn is_full(&self) -> bool {
        self.out.len() > self.budget
    }

    /// One value. The containers that are open nest at most [`MAX_DEPTH`] deep.
    fn value(&mut self) -> Result<(), EventError> {
        let mut open: Vec<OpenCopy> = Vec::new();
        loop {
            let opening = self.scan.token();
            let mut is_behind = true;
            if !matches!(opening, b'{' | b'[') {
                let span = self.scan.scalar()?;
                self.scalar(span);
            } else if self.is_full() && !open.is_empty() {
                self.out.push_str(LEFT_OUT);
                self.scan.skip(open.len())?;
            } else {
                if open.len() == MAX_DEPTH {
                    return Err(self.scan.too_deep());
                }
                self.scan.at += 1;
                self.out.push(char::from(opening));
                // `{` and `}` differ by 2, so do `[` and `]`.
                open.push(OpenCopy { closing: opening + 2, copied: 0 });
                is_behind = false;
            }
            // To the next part that is copied.
            loop {
                let depth = open.len();
                let Some(container) = open.last_mut() else { return Ok(()) };
                let ends = match is_behind {
                    true => self.scan.ends(container.closing)?,
                    false => self.scan.token() == container.closing,
                };
                is_behind = true;
                if ends {
                    self.scan.at += 1;
                    self.out.push(char::from(container.closing));
                    open.pop();
                } else if self.part(container.closing == b'}', depth, container.copied)? {
                    container.copied += 1;
                    break;
                }
            }
        }
    }

    /// Begins a member or an element, behind so many others; whether its value is copied. Else it is
    /// skipped.
    fn part(&mut self, of_object: bool, depth: usize, behind: usize) -> Result<bool, EventError> {
        let mut name = None;
        if of_object {
            name = Some(self.scan.next_key()?);
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

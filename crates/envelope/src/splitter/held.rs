//! A line inside an open document: part of it, or a document of its own?
//!
//! In: a line that begins where a document is still open. Out: whether the open one is over. A document
//! that never closes must not take the events behind it with it, whatever it looks like: so a line
//! that closes by itself and would be judged by itself ends it. Lines that are elements of an array of
//! records are not asked about: they are judged as elements. A line that goes on in the next piece is
//! held until it can be told. It never drops a byte.

use std::ops::ControlFlow;

use super::document::NEW_DOCUMENT;
use super::{Mode, Splitter};
use crate::brackets::Brackets;
use crate::bytes::{from, is_space, may_separate, part};
use crate::sink::EventSink;

/// What a line inside an open document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineInDocument {
    /// A part of the document.
    Part,
    /// A document of its own: the open one was cut off.
    Alone,
    /// That shows only when its end is there.
    Open,
}

impl Splitter {
    /// What the line that begins at `at` is.
    pub(super) fn line_in_document(&mut self, bytes: &[u8], at: usize) -> LineInDocument {
        if bytes.get(at) == Some(&b'{') && self.new_document_begins(bytes) {
            return LineInDocument::Alone;
        }
        let line = from(bytes, at);
        match memchr::memchr(b'\n', line) {
            Some(newline) if self.is_alone(part(line, 0, newline)) => LineInDocument::Alone,
            None if self.may_be_alone(line) => LineInDocument::Open,
            _ => LineInDocument::Part,
        }
    }

    /// Whether the beginning of a line allows that it is a document of its own.
    fn may_be_alone(&self, line: &[u8]) -> bool {
        line.len() < self.opener.options.max_event
            && match line.iter().position(|byte| !is_before(*byte)) {
                None => true,
                Some(first) => match line.get(first) {
                    // What no JSON has before it is no element either.
                    Some(b'{') => {
                        !self.frame.expects_record()
                            || !part(line, 0, first).iter().all(|b| is_space(*b))
                    }
                    byte => byte == Some(&b'['),
                },
            }
    }

    /// Whether a `{` in the first column can only be a new document: where no value may be, in
    /// the middle of a string (JSON's strings have no line breaks), or inside a record that was
    /// not pretty-printed.
    fn new_document_begins(&self, bytes: &[u8]) -> bool {
        self.frame.in_string()
            || !matches!(self.last_byte, b'[' | b',' | b':')
            || (self.capture.is_open() && self.capture.byte(1, bytes) == Some(b'"'))
    }

    /// Whether a whole line holds a document that is judged, or opened, by itself.
    fn is_alone(&self, line: &[u8]) -> bool {
        if !self.may_be_alone(line) {
            return false;
        }
        let mut rest = line;
        loop {
            let next = rest.iter().position(|byte| !may_separate(*byte));
            rest = from(rest, next.unwrap_or(rest.len()));
            // What the elements of an array are, its first level shows.
            rest = match rest.first() {
                Some(b'{') => {
                    let Some(end) = Brackets::default().find_end(rest) else { return false };
                    if self.opener.is_judged(part(rest, 0, end)) {
                        return true;
                    }
                    from(rest, end)
                }
                Some(b'[' | b']') => from(rest, 1),
                _ => return false,
            };
        }
    }

    /// What begins at `at` waits for the next piece.
    pub(super) fn hold(&mut self, bytes: &[u8], at: usize) {
        self.capture.carry(part(bytes, 0, at));
        self.capture.go_on_at(bytes.len());
        self.carry_start = self.place(at).offset;
        self.carry.extend_from_slice(from(bytes, at));
    }

    /// Goes on with a line that waits.
    pub(super) fn held_line(
        &mut self,
        bytes: &[u8],
        at: usize,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<(), usize> {
        let end = self.line_end(bytes, at);
        self.carry.extend_from_slice(part(bytes, at, end));
        if self.carry.last() != Some(&b'\n') && self.may_be_alone(&self.carry) {
            self.capture.go_on_at(bytes.len());
        } else {
            self.held_ends(end, sink)?;
        }
        ControlFlow::Continue(end)
    }

    /// The line that waits, up to `end` in the present piece, can be told now.
    pub(super) fn held_ends(&mut self, end: usize, sink: &mut dyn EventSink) -> ControlFlow<()> {
        self.capture.go_on_at(0);
        let line = std::mem::take(&mut self.carry);
        let is_alone = self.is_alone(line.strip_suffix(b"\n").unwrap_or(&line));
        self.carry = line;
        if is_alone {
            let base = std::mem::replace(&mut self.base, self.carry_start);
            self.cut_off(&[], 0, NEW_DOCUMENT, sink)?;
            self.base = base;
        }
        // `fresh_line` was taken when the line began to wait: it is not asked about again.
        self.read_held(end, sink)
    }

    /// Reads what waits, up to `end` in the present piece.
    pub(super) fn read_held(&mut self, end: usize, sink: &mut dyn EventSink) -> ControlFlow<()> {
        let held = std::mem::take(&mut self.carry);
        let base = std::mem::replace(&mut self.base, self.carry_start);
        self.feed(&held, sink)?;
        self.capture.carry(&held);
        self.capture.go_on_at(end);
        self.piece_begins();
        self.base = base;
        ControlFlow::Continue(())
    }

    /// Whether a line waits inside a document.
    pub(super) fn holds_line(&self) -> bool {
        self.mode == Mode::Document && !self.carry.is_empty()
    }
}

/// Where the next line begins that may be a document, or that is not known yet.
pub(super) fn next_line_like_a_document(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).map(|newline| newline + 1).find(|start| {
        let first = from(bytes, *start).iter().find(|byte| !is_before(**byte));
        matches!(first, None | Some(b'{' | b'['))
    })
}

/// Whether `byte` may stand before the first document of a line. Behind a comma is an element.
fn is_before(byte: u8) -> bool {
    byte != b',' && may_separate(byte)
}

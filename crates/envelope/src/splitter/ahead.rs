//! Looks to the end of a document before the first of its records is handed on.
//!
//! In: a document whose array of records begins. Out: whether another member makes it a document of its
//! own, which nobody opens (an ECS document): the order of its keys must not matter. It looks as far as
//! the document, the longest event, or the line goes; over lines only where the next does not begin
//! like a document, and not twice over the same bytes. What was looked at waits, and is then read as if
//! it came now: nothing is lost, and what is behind the limit is read as it streams by.

use std::ops::ControlFlow;

use super::Splitter;
use crate::bytes::{from, part};
use crate::frame::{Frame, FrameStep};
use crate::recognise::Container;
use crate::sink::EventSink;

/// A look ahead, between two pieces.
#[derive(Debug)]
pub(super) struct LookAhead {
    /// Reads the document without its array.
    frame: Frame,
    container: Option<Container>,
    /// It may go on in the next line.
    over_lines: bool,
    /// It went on in the next line.
    has_lines: bool,
    /// The next byte is the first of a line.
    fresh_line: bool,
}

/// What a look ahead shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ArrayOwner {
    Unknown,
    /// An envelope, or a document whose end is too far away.
    Envelope,
    Document,
}

impl LookAhead {
    /// Reads on; returns how far.
    fn read(&mut self, bytes: &[u8]) -> (usize, ArrayOwner) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if std::mem::take(&mut self.fresh_line)
                && (!self.over_lines || matches!(byte, b'{' | b'['))
            {
                return (at, ArrayOwner::Envelope);
            }
            let newline = memchr::memchr(b'\n', from(bytes, at));
            let end = newline.map_or(bytes.len(), |newline| at + newline + 1);
            while at < end {
                let (used, step) = self.frame.advance(part(bytes, at, end));
                at += used;
                match step {
                    FrameStep::More => {}
                    FrameStep::DocumentEnds if self.frame.owns_array(self.container) => {
                        return (at, ArrayOwner::Document);
                    }
                    _ => return (at, ArrayOwner::Envelope),
                }
            }
            self.fresh_line = newline.is_some();
            self.has_lines |= self.fresh_line;
        }
        (at, ArrayOwner::Unknown)
    }
}

impl Splitter {
    /// An array of records begins at `at`.
    pub(super) fn array_begins(&mut self, at: usize) {
        self.frame.has_looked_ahead();
        self.last_byte = b'[';
        self.ahead = Some(LookAhead {
            frame: self.frame.without_arrays(),
            container: self.frame.container(),
            over_lines: self.place(at).offset >= self.looked_until,
            has_lines: false,
            fresh_line: false,
        });
    }

    /// Looks on from `at`.
    pub(super) fn look_ahead(
        &mut self,
        bytes: &[u8],
        at: usize,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<(), usize> {
        let Some(ahead) = &mut self.ahead else { return ControlFlow::Continue(at) };
        let room = self.opener.options.max_event.saturating_sub(self.carry.len());
        let most = bytes.len().min(at.saturating_add(room));
        let (used, mut owner) = ahead.read(part(bytes, at, most));
        let end = at + used;
        if owner == ArrayOwner::Unknown && end < bytes.len() {
            owner = ArrayOwner::Envelope;
        }
        if ahead.has_lines {
            self.looked_until = self.looked_until.max(self.base + end as u64);
        }
        let is_first = self.carry.is_empty();
        match (owner, is_first) {
            (ArrayOwner::Unknown, true) => self.hold(bytes, at),
            (ArrayOwner::Unknown, false) => {
                self.carry.extend_from_slice(part(bytes, at, end));
                self.capture.go_on_at(bytes.len());
            }
            (_, true) => {
                self.array_is(owner);
                return ControlFlow::Continue(at);
            }
            (_, false) => {
                self.carry.extend_from_slice(part(bytes, at, end));
                self.capture.go_on_at(0);
                self.array_is(owner);
                self.read_held(end, sink)?;
            }
        }
        ControlFlow::Continue(end)
    }

    fn array_is(&mut self, owner: ArrayOwner) {
        self.ahead = None;
        if owner == ArrayOwner::Document {
            self.frame.array_is_member();
        } else {
            self.capture.drop_text();
        }
    }

    /// Nothing more is there: what was looked at is read as what it is as far as it goes. A pause
    /// inside a line is none.
    pub(super) fn looked_enough(
        &mut self,
        is_pause: bool,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<()> {
        if self.ahead.as_ref().is_none_or(|ahead| is_pause && !ahead.has_lines) {
            return ControlFlow::Continue(());
        }
        self.array_is(ArrayOwner::Envelope);
        self.read_held(0, sink)
    }
}

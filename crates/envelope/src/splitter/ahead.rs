//! Looks to the end of a document before the first of its records is handed on.
//!
//! In: a document whose array of records begins. Out: whether another member makes it a document of its
//! own, which nobody opens (an ECS document): the order of its keys must not matter. It looks as far as
//! the document, the longest event, or the line goes; over lines only where the next does not begin
//! like a document, and not twice over the same bytes. What was looked at waits. Where the document ended on
//! its line its records are known then; all else is read as if it came now: nothing is lost, and what is behind
//! the limit is read as it streams by.

use std::ops::ControlFlow;

use super::{Mode, Splitter};
use crate::bytes::{from, part};
use crate::frame::{Frame, FrameStep};
use crate::recognise::Container;
use crate::sink::EventSink;

/// A look ahead, between two pieces.
#[derive(Debug)]
pub(super) struct LookAhead {
    frame: Frame,
    container: Option<Container>,
    /// How much of the document was read.
    read: usize,
    /// Where the records are in what was read; the last one may be open. Too many are not kept, and none
    /// where the document has another array.
    records: Option<Vec<RecordSpan>>,
    /// It may go on in the next line.
    over_lines: bool,
    /// It went on in the next line.
    has_lines: bool,
    /// The next byte is the first of a line.
    fresh_line: bool,
}

/// How many records a look ahead keeps in mind. A trail's file has fewer, and what has more is read again.
const MAX_RECORDS: usize = 1 << 16;

/// Where a record begins and ends.
#[derive(Clone, Copy, Debug)]
struct RecordSpan {
    start: usize,
    end: usize,
}

/// What a look ahead shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ArrayOwner {
    Unknown,
    /// An envelope, or a document whose end is too far away.
    Envelope,
    /// An envelope that was read to its end.
    WholeEnvelope,
    Document,
}

impl LookAhead {
    /// Notes a step of the frame, behind `at`.
    fn note(&mut self, step: FrameStep, at: usize) {
        match (&mut self.records, step) {
            (Some(records), FrameStep::RecordStarts) if records.len() < MAX_RECORDS => {
                records.push(RecordSpan { start: at, end: at });
            }
            (Some(records), FrameStep::RecordEnds) => {
                if let Some(last) = records.last_mut() {
                    last.end = at;
                }
            }
            _ => self.records = None,
        }
    }

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
                    FrameStep::DocumentEnds => return (at, ArrayOwner::WholeEnvelope),
                    FrameStep::Fault => return (at, ArrayOwner::Envelope),
                    step => self.note(step, self.read + at),
                }
            }
            self.fresh_line = newline.is_some();
            self.has_lines |= self.fresh_line;
        }
        (at, ArrayOwner::Unknown)
    }

    /// The records of an envelope that ended on its line.
    fn known_records(self, owner: ArrayOwner) -> Option<(Frame, Vec<RecordSpan>)> {
        let is_known = owner == ArrayOwner::WholeEnvelope && !self.has_lines;
        Some((self.frame, self.records.filter(|_| is_known)?))
    }
}

impl Splitter {
    /// An array of records begins at `at`.
    pub(super) fn array_begins(&mut self, at: usize) {
        self.frame.has_looked_ahead();
        self.last_byte = b'[';
        self.ahead = Some(LookAhead {
            frame: self.frame.clone(),
            container: self.frame.container(),
            read: 0,
            records: Some(Vec::new()),
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
        ahead.read += used;
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
                if let Some((frame, records)) = self.array_is(owner) {
                    self.known(part(bytes, at, end), at, (frame, &records), sink)?;
                    return ControlFlow::Continue(end);
                }
                return ControlFlow::Continue(at);
            }
            (_, false) => {
                self.carry.extend_from_slice(part(bytes, at, end));
                self.capture.go_on_at(0);
                match self.array_is(owner) {
                    Some((frame, records)) => {
                        let held = std::mem::take(&mut self.carry);
                        let base = std::mem::replace(&mut self.base, self.carry_start);
                        self.known(&held, 0, (frame, &records), sink)?;
                        self.base = base;
                    }
                    None => self.read_held(end, sink)?,
                }
            }
        }
        ControlFlow::Continue(end)
    }

    /// Hands on the records of a document that was read to its end: `text` is it from its array on, and
    /// begins `at` bytes behind the base.
    fn known(
        &mut self,
        text: &[u8],
        at: usize,
        (frame, records): (Frame, &[RecordSpan]),
        sink: &mut dyn EventSink,
    ) -> ControlFlow<()> {
        for record in records {
            self.capture.begin(record.start, self.place(at + record.start));
            self.record_ends(text, record.end, sink)?;
        }
        self.frame = frame;
        self.mode = Mode::Between;
        self.last_byte = b'}';
        self.document_ends(text, text.len(), sink)
    }

    fn array_is(&mut self, owner: ArrayOwner) -> Option<(Frame, Vec<RecordSpan>)> {
        let ahead = self.ahead.take()?;
        if owner == ArrayOwner::Document {
            self.frame.array_is_member();
            return None;
        }
        self.capture.drop_text();
        ahead.known_records(owner)
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
        let _ = self.array_is(ArrayOwner::Envelope);
        self.read_held(0, sink)
    }
}

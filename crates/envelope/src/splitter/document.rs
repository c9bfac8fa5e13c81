//! Documents that are not a plain line, followed through their frame.

use std::ops::ControlFlow;

use super::held::{LineInDocument, next_line_like_a_document};
use super::nested;
use super::{Mode, Splitter};
use crate::bytes::{Separator, from, is_space, part};
use crate::frame::{Frame, FrameStep};
use crate::recognise::CONTROL_MESSAGE;
use crate::sink::{EventSink, Place, SplitFault, code};

/// Why a document is not read on.
pub(super) const NEW_DOCUMENT: &str = "a new document begins before this one ends";

impl Splitter {
    /// Between two documents of a line.
    pub(super) fn between(&mut self, bytes: &[u8], mut at: usize) -> usize {
        while let Some(byte) = bytes.get(at) {
            if !self.gap.is_empty() {
                self.gap.push(*byte);
                match Separator::of(&self.gap) {
                    Separator::Open => {}
                    Separator::Bytes(_) => {
                        self.gap.clear();
                        self.capture.drop_text();
                    }
                    Separator::None => {
                        // What it began with is kept already.
                        self.gap.clear();
                        self.go_on_skipping();
                        return at;
                    }
                }
                at += 1;
                continue;
            }
            match *byte {
                b'\n' => {
                    self.line += 1;
                    self.mode = Mode::Lines;
                    return at + 1;
                }
                b'{' | b'[' => {
                    self.mode = Mode::Document;
                    self.frame = Frame::new(self.opener.lines.is_some());
                    self.records = 0;
                    self.fresh_line = false;
                    self.capture.begin(at, self.place(at));
                    return at;
                }
                _ => match Separator::of(from(bytes, at)) {
                    Separator::Bytes(length) => at += length,
                    Separator::Open => {
                        self.capture.begin(at, self.place(at));
                        self.gap.extend_from_slice(from(bytes, at));
                        return bytes.len();
                    }
                    Separator::None => {
                        self.skip_not_json(at);
                        return at;
                    }
                },
            }
        }
        at
    }

    /// Inside a document, up to its end or the piece's.
    pub(super) fn document(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<(), usize> {
        while at < bytes.len() {
            if std::mem::take(&mut self.fresh_line) {
                match self.line_in_document(bytes, at) {
                    LineInDocument::Part => {}
                    LineInDocument::Alone => {
                        self.cut_off(bytes, at, NEW_DOCUMENT, sink)?;
                        return ControlFlow::Continue(at);
                    }
                    LineInDocument::Open => {
                        self.hold(bytes, at);
                        return ControlFlow::Continue(bytes.len());
                    }
                }
            }
            let start = at;
            let mut counted = at;
            let end = self.piece_end(bytes, at);
            while at < end {
                let (used, step) = self.frame.advance(part(bytes, at, end));
                at += used;
                self.line += newlines(part(bytes, counted, at));
                counted = at;
                match step {
                    FrameStep::More => {}
                    FrameStep::Array if self.frame.has_unread_members() => {
                        self.array_begins(at);
                        return ControlFlow::Continue(at);
                    }
                    FrameStep::Array => self.capture.drop_text(),
                    FrameStep::RecordStarts => self.capture.begin(at, self.place(at)),
                    FrameStep::RecordEnds => self.record_ends(bytes, at, sink)?,
                    FrameStep::DocumentEnds => {
                        self.mode = Mode::Between;
                        self.document_ends(bytes, at, sink)?;
                        return ControlFlow::Continue(at);
                    }
                    FrameStep::Fault => {
                        self.skip_bad_json(at);
                        return ControlFlow::Continue(at);
                    }
                }
            }
            let read = part(bytes, start, end);
            if let Some(last) = read.iter().rfind(|byte| !is_space(**byte)) {
                self.last_byte = *last;
            }
            self.fresh_line = read.last() == Some(&b'\n');
        }
        ControlFlow::Continue(at)
    }

    /// Up to where the frame can read without a look at the beginning of a line. Searched once,
    /// however often it is needed.
    fn piece_end(&mut self, bytes: &[u8], at: usize) -> usize {
        if self.piece_end <= at {
            let found = next_line_like_a_document(from(bytes, at));
            self.piece_end = found.map_or(bytes.len(), |line| at + line);
        }
        self.piece_end
    }

    /// The open document was cut off before `at`.
    pub(super) fn cut_off(
        &mut self,
        bytes: &[u8],
        at: usize,
        reason: &str,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<()> {
        self.mode = Mode::Lines;
        let place = if self.capture.is_open() { self.capture.place() } else { self.place(at) };
        let place = self.in_document(place);
        let captured = self.capture.take(bytes, at);
        nested::bad(place, SplitFault::new(code::TRUNCATED, reason), captured.text, sink)
    }

    /// `place` with the number of the record there, if the document has any.
    pub(super) fn in_document(&self, place: Place) -> Place {
        Place { record: self.frame.container().map(|_| self.records), ..place }
    }

    pub(super) fn record_ends(
        &mut self,
        bytes: &[u8],
        end: usize,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<()> {
        let captured = self.capture.take(bytes, end);
        let place = captured.place;
        let max = self.opener.options.max_event as u64;
        let Some(container) = self.frame.container().filter(|_| captured.size <= max) else {
            let place = Place { record: Some(self.records), ..place };
            self.records += 1;
            return nested::bad(place, too_large(captured.size, max), captured.text, sink);
        };
        if self.frame.is_control() && !self.opener.is_event(captured.text) {
            let place = Place { record: Some(self.records), ..place };
            self.records += 1;
            return sink.no_events(place, CONTROL_MESSAGE);
        }
        let lines = self.frame.lines();
        self.opener.record(container, lines, place, captured.text, &mut self.records, sink)
    }

    pub(super) fn document_ends(
        &mut self,
        bytes: &[u8],
        end: usize,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<()> {
        let first_key = self.first_key.take();
        if self.frame.container().is_some() {
            return if self.frame.is_control() && self.records == 0 {
                sink.no_events(self.capture.place(), CONTROL_MESSAGE)
            } else {
                ControlFlow::Continue(())
            };
        }
        let captured = self.capture.take(bytes, end);
        let place = captured.place;
        let max = self.opener.options.max_event as u64;
        if captured.size > max {
            return nested::bad(place, too_large(captured.size, max), captured.text, sink);
        }
        let is_event = self.opener.document(place, captured.text, &mut self.records, sink)?;
        if let Some(key) = first_key.filter(|_| is_event) {
            self.opener.keys.learn(key);
        }
        ControlFlow::Continue(())
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

fn too_large(size: u64, max: u64) -> SplitFault {
    let reason = format!("an event of {size} bytes, over the limit of {max}");
    SplitFault::new(code::TOO_LARGE, reason)
}

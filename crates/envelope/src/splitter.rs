//! The splitter: lines on the fast path, documents through their frame.
//!
//! In: pieces of the stream. Out: calls of the [`EventSink`]. It holds at most one line or one record
//! between two pieces. A line that is surely one event is only found (`lines.rs`); all else goes
//! through [`Frame`] from its first byte (`document.rs`), until the document and its line are
//! over; what cannot be followed is skipped to where it can (`skip.rs`).

use std::ops::ControlFlow;
use std::sync::Arc;

use firstseen_event::Trust;

use crate::bytes::from;
use crate::frame::Frame;
use crate::marks::{Marker, PieceMarks};
use crate::record_buffer::RecordBuffer;
use crate::sink::{EventSink, Place};
use crate::sniff::FirstKeys;

mod ahead;
mod document;
mod held;
mod lines;
mod nested;
mod skip;

use ahead::LookAhead;
use lines::{LineFinders, OpenLine};
use nested::Opener;

/// How a [`Splitter`] reads.
#[derive(Clone, Copy, Debug)]
pub struct SplitOptions {
    /// The longest event, in bytes. Longer ones are skipped as they stream by and reported.
    pub max_event: usize,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self { max_event: 16 << 20 }
    }
}

/// Splits a stream into events. See the [crate's page](crate).
#[derive(Debug)]
pub struct Splitter {
    mode: Mode,
    /// The offset of the present piece in the stream.
    base: u64,
    /// The present line, from 1.
    line: u64,
    /// The beginning of a line that was not over at the end of the last piece: outside of documents,
    /// or inside one (`held.rs`).
    carry: Vec<u8>,
    /// Where in the stream `carry` began.
    carry_start: u64,
    /// Whether the brackets of `carry` close.
    carry_end: OpenLine,
    /// See [`Splitter::line_end`].
    line_end: usize,
    /// See `Splitter::piece_end`.
    piece_end: usize,
    /// The text of the record, document or faulty line that is being read.
    capture: RecordBuffer,
    frame: Frame,
    /// The document's end is looked for before its records are handed on.
    ahead: Option<LookAhead>,
    /// How far documents of several lines were looked through.
    looked_until: u64,
    /// The beginning of a separator that was not over at the end of the last piece.
    gap: Vec<u8>,
    /// How many records of the present document have been handed on.
    records: u64,
    /// The first key of the present document if its line has to be learned.
    first_key: Option<Vec<u8>>,
    /// The present place is the first column of a line.
    fresh_line: bool,
    /// The last byte that was no white space.
    last_byte: u8,
    finders: LineFinders,
    /// See [`Splitter::marking`].
    marks: Option<PieceMarks>,
    /// The ends of the plain lines that are handed on next, and which of them are escaped.
    ends: Vec<u32>,
    escaped: Vec<u32>,
    opener: Opener,
}

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Lines that are plain events. The present place is the start of a line, unless `carry` holds
    /// its beginning.
    Lines,
    /// Between two documents of one line.
    Between,
    /// Inside a document.
    Document,
    /// The rest of a line that has no place in JSON, or of one that is too long.
    Skip(skip::SkipReason),
}

impl Splitter {
    /// A splitter at the start of a stream, with nothing trusted besides what always is.
    #[must_use]
    pub fn new(options: SplitOptions) -> Self {
        Self::trusting(options, Arc::default())
    }

    /// A splitter at the start of a stream.
    #[must_use]
    pub fn trusting(options: SplitOptions, trust: Arc<Trust>) -> Self {
        Self::with_opener(Opener::new(options, trust))
    }

    /// The same, at this byte of its input: places count from there, lines from 1.
    #[must_use]
    pub fn starting_at(self, offset: u64) -> Self {
        Self { base: offset, ..self }
    }

    /// The same, where pieces are marked in one pass: the same answers, faster where the machine has SIMD.
    #[must_use]
    pub fn marking(self, marker: Marker) -> Self {
        Self { marks: Some(PieceMarks::new(marker)), ..self }
    }

    /// Splits a line that was taken for one event and is not: another document is on it, or a string
    /// in it holds several.
    pub fn line(
        options: SplitOptions,
        trust: Arc<Trust>,
        line: &[u8],
        sink: &mut dyn EventSink,
    ) -> ControlFlow<()> {
        let mut splitter = Self::trusting(options, trust);
        splitter.mode = Mode::Between;
        splitter.push(line, sink)?;
        splitter.finish(sink)
    }

    fn with_opener(opener: Opener) -> Self {
        Self {
            mode: Mode::Lines,
            base: 0,
            line: 1,
            carry: Vec::new(),
            carry_start: 0,
            carry_end: OpenLine::default(),
            line_end: 0,
            piece_end: 0,
            capture: RecordBuffer::new(opener.options.max_event),
            frame: Frame::new(false),
            ahead: None,
            looked_until: 0,
            gap: Vec::new(),
            records: 0,
            first_key: None,
            fresh_line: false,
            last_byte: b' ',
            finders: LineFinders::new(),
            marks: None,
            ends: Vec::new(),
            escaped: Vec::new(),
            opener,
        }
    }

    fn into_keys(self) -> FirstKeys {
        self.opener.keys
    }

    /// Reads the next piece of the stream. `Break` is the sink's, passed on.
    pub fn push(&mut self, bytes: &[u8], sink: &mut dyn EventSink) -> ControlFlow<()> {
        self.feed(bytes, sink)?;
        self.capture.carry(bytes);
        self.base += bytes.len() as u64;
        ControlFlow::Continue(())
    }

    /// Nothing more is there for now: a plain event whose line has no end yet is handed on if its
    /// brackets close. What follows it on the line is then read as if it began one.
    pub fn pause(&mut self, sink: &mut dyn EventSink) -> ControlFlow<()> {
        self.looked_enough(true, sink)?;
        if self.mode == Mode::Lines && self.carry_end.closes(&self.carry) {
            return self.carry_ends(0, sink);
        }
        ControlFlow::Continue(())
    }

    /// The stream is over: what is still open is a truncated document.
    pub fn finish(&mut self, sink: &mut dyn EventSink) -> ControlFlow<()> {
        loop {
            if self.ahead.is_some() {
                self.looked_enough(false, sink)?;
            } else if self.holds_line() {
                self.held_ends(0, sink)?;
            } else if !self.carry.is_empty() {
                self.carry_ends(0, sink)?;
            } else {
                break;
            }
        }
        match self.mode {
            Mode::Between if !self.gap.is_empty() => {
                self.skip_ends(skip::SkipReason::NotJson, &[], 0, sink)
            }
            Mode::Lines | Mode::Between => ControlFlow::Continue(()),
            Mode::Document => {
                self.cut_off(&[], 0, "the input ends before this document does", sink)
            }
            Mode::Skip(why) => self.skip_ends(why, &[], 0, sink),
        }
    }

    fn feed(&mut self, bytes: &[u8], sink: &mut dyn EventSink) -> ControlFlow<()> {
        self.piece_begins();
        let mut at = 0;
        while at < bytes.len() {
            at = match self.mode {
                Mode::Lines => self.lines(bytes, at, sink)?,
                Mode::Between => self.between(bytes, at),
                Mode::Document if self.ahead.is_some() => self.look_ahead(bytes, at, sink)?,
                Mode::Document if self.holds_line() => self.held_line(bytes, at, sink)?,
                Mode::Document => self.document(bytes, at, sink)?,
                Mode::Skip(why) => self.skip(why, bytes, at, sink)?,
            };
        }
        ControlFlow::Continue(())
    }

    /// Nothing is known of the bytes that come.
    fn piece_begins(&mut self) {
        (self.line_end, self.piece_end) = (0, 0);
        if let Some(marks) = &mut self.marks {
            marks.restart();
        }
    }

    fn place(&self, at: usize) -> Place {
        Place { offset: self.base + at as u64, line: self.line, record: None }
    }

    /// The position after the present line, or the piece's end if that comes first. Searched once
    /// per line, however often it is needed.
    fn line_end(&mut self, bytes: &[u8], at: usize) -> usize {
        if self.line_end <= at {
            let newline = memchr::memchr(b'\n', from(bytes, at));
            self.line_end = newline.map_or(bytes.len(), |newline| at + newline + 1);
        }
        self.line_end
    }
}

//! Lines that are single events, found and handed on untouched.

use std::ops::ControlFlow;

use memchr::memmem::Finder;

use super::{Mode, Splitter};
use crate::brackets::Brackets;
use crate::bytes::{from, is_gap, is_space, part};
use crate::marks::{LineLook, PieceMarks};
use crate::sink::{EventSink, KnownLines};
use crate::sniff::{REACH, Sniff};

/// Why a run of plain lines ends.
enum LineStop {
    /// White space, or nothing more in this piece.
    Space,
    /// A line that is not over in this piece.
    Carry,
    /// A byte order mark.
    Bom,
    /// A line that is not a plain event, with its first key.
    Document(Option<Vec<u8>>),
    /// A line that is not JSON.
    NotJson,
}

impl Splitter {
    /// Hands on the plain lines from `at` on; returns where something else begins.
    pub(super) fn lines(
        &mut self,
        bytes: &[u8],
        at: usize,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<(), usize> {
        if !self.carry.is_empty() {
            return self.carried_line(bytes, at, sink);
        }
        let start = self.skip_space(bytes, at);
        let place = self.place(start);
        let mut end = start;
        self.ends.clear();
        self.escaped.clear();
        let stop = loop {
            let rest = from(bytes, end);
            let sniff = self.opener.keys.sniff(rest);
            match sniff {
                Sniff::Plain | Sniff::Learned => match self.look(bytes, end) {
                    None => break LineStop::Carry,
                    Some(look) if self.is_event(&sniff, part(bytes, end, look.newline), look) => {
                        // In a piece of over 4 GiB they would be wrong; see below.
                        if look.is_escaped {
                            self.escaped.push(self.ends.len() as u32);
                        }
                        end = look.newline + 1;
                        self.line += 1;
                        self.ends.push((end - start) as u32);
                    }
                    Some(_) => break LineStop::Document(None),
                },
                Sniff::Unknown(key) => break LineStop::Document(Some(key.to_vec())),
                Sniff::Document => break LineStop::Document(None),
                Sniff::NotJson => break LineStop::NotJson,
                Sniff::Bom => break LineStop::Bom,
                Sniff::More => break LineStop::Carry,
            }
            if bytes.get(end).is_none_or(|byte| is_gap(*byte)) {
                break LineStop::Space;
            }
        };
        if end > start {
            let chunk = part(bytes, start, end);
            if u32::try_from(chunk.len()).is_ok() {
                let marks = self.marks.as_ref();
                let known = KnownLines {
                    ends: &self.ends,
                    escaped: marks.map(|_| self.escaped.as_slice()),
                    is_ascii: marks.is_some_and(PieceMarks::is_ascii),
                };
                sink.known_lines(place, chunk, &known)?;
            } else {
                sink.lines(place, chunk)?;
            }
        }
        match stop {
            LineStop::Space => {}
            LineStop::Bom => end += 3,
            LineStop::Document(first_key) => self.expect_document(first_key),
            LineStop::NotJson => self.skip_not_json(end),
            LineStop::Carry => {
                self.carry_start = self.place(end).offset;
                self.carry_end = OpenLine::default();
                self.carry.extend_from_slice(from(bytes, end));
                end = bytes.len();
            }
        }
        ControlFlow::Continue(end)
    }

    /// Goes on with a line that earlier pieces began.
    fn carried_line(
        &mut self,
        bytes: &[u8],
        at: usize,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<(), usize> {
        let mut end = self.line_end(bytes, at);
        if self.opener.keys.sniff(&self.carry) == Sniff::More {
            // A line that is not plain is better read from the piece: take only what decides that.
            end = end.min(at + REACH);
        }
        self.carry.extend_from_slice(part(bytes, at, end));
        let is_over = self.carry.last() == Some(&b'\n');
        match self.opener.keys.sniff(&self.carry) {
            Sniff::Plain | Sniff::Learned | Sniff::More
                if !is_over && self.carry.len() <= self.opener.options.max_event => {}
            _ => self.carry_ends(end, sink)?,
        }
        ControlFlow::Continue(end)
    }

    /// The carried line, which ends at `end` in the present piece, is over or is known to be no
    /// plain line.
    pub(super) fn carry_ends(&mut self, end: usize, sink: &mut dyn EventSink) -> ControlFlow<()> {
        let mut carried = std::mem::take(&mut self.carry);
        let base = std::mem::replace(&mut self.base, self.carry_start);
        let line = carried.strip_suffix(b"\n").unwrap_or(&carried);
        match self.opener.keys.sniff(&carried) {
            // Without its line's end it is whole only where its brackets close.
            sniff @ (Sniff::Plain | Sniff::Learned)
                if self.is_one_event(&sniff, line)
                    && (line.len() < carried.len() || self.carry_end.closes(line)) =>
            {
                let place = self.place(0);
                self.line += (carried.len() - line.len()) as u64;
                sink.lines(place, &carried)?;
                carried.clear();
                self.carry = carried;
            }
            sniff => {
                let mut rest = carried.as_slice();
                match sniff {
                    Sniff::Bom => {
                        rest = from(rest, 3);
                        self.base += 3;
                    }
                    Sniff::Unknown(key) => self.expect_document(Some(key.to_vec())),
                    Sniff::More if rest.first() != Some(&b'{') => self.skip_not_json(0),
                    Sniff::NotJson => self.skip_not_json(0),
                    _ => self.expect_document(None),
                }
                // Once more, in the mode that it needs.
                self.feed(rest, sink)?;
                self.capture.carry(rest);
                self.capture.go_on_at(end);
                self.piece_begins();
            }
        }
        self.base = base;
        ControlFlow::Continue(())
    }

    /// What the line that begins at `start` is like; nothing where it does not end in this piece.
    fn look(&mut self, bytes: &[u8], start: usize) -> Option<LineLook> {
        match &mut self.marks {
            Some(marks) => marks.line(bytes, start),
            None => {
                let newline = start + memchr::memchr(b'\n', from(bytes, start))?;
                Some(LineLook { newline, ..self.finders.look(part(bytes, start, newline)) })
            }
        }
    }

    /// Whether a line that begins as an event is one, and one only. It may also go on in the next
    /// line, hold another document, be too long, or be an envelope after a learned key.
    fn is_one_event(&self, sniff: &Sniff<'_>, line: &[u8]) -> bool {
        self.is_event(sniff, line, self.finders.look(line))
    }

    /// The same of a line that was looked at.
    fn is_event(&self, sniff: &Sniff<'_>, line: &[u8], look: LineLook) -> bool {
        let last = line.iter().rposition(|byte| !is_space(*byte));
        last.and_then(|last| line.get(last)) == Some(&b'}')
            && line.len() <= self.opener.options.max_event
            && !look.has_braces
            // Where the line begins otherwise, that key means nothing: `{ "eventVersion"` is no document over several
            // lines because of it.
            && match line.starts_with(RAW_START) {
                true => !look.has_key,
                false => !self.finders.has_second_start(line),
            }
            && (*sniff == Sniff::Plain
                || !self.finders.containers.iter().any(|key| key.find(line).is_some()))
    }

    fn skip_space(&mut self, bytes: &[u8], mut at: usize) -> usize {
        while let Some(byte) = bytes.get(at).filter(|byte| is_gap(**byte)) {
            self.line += u64::from(*byte == b'\n');
            at += 1;
        }
        at
    }

    fn expect_document(&mut self, first_key: Option<Vec<u8>>) {
        self.first_key = first_key;
        self.mode = Mode::Between;
    }
}

/// How far the brackets of a line without an end were counted.
#[derive(Debug, Default)]
pub(super) struct OpenLine {
    brackets: Brackets,
    counted: usize,
    /// Where they close.
    end: Option<usize>,
}

impl OpenLine {
    /// Whether nothing but white space is behind the bracket that closes the first one. `line` is what
    /// was given before, and what came since; most reads end elsewhere, and nothing is counted then.
    pub(super) fn closes(&mut self, line: &[u8]) -> bool {
        let Some(last) = line.iter().rposition(|byte| !is_space(*byte)) else { return false };
        if line.get(last) != Some(&b'}') || line.first() != Some(&b'{') {
            return false;
        }
        if self.end.is_none() {
            let found = self.brackets.find_end(from(line, self.counted));
            self.end = found.map(|end| self.counted + end);
            self.counted = line.len();
        }
        self.end == Some(last + 1)
    }
}

/// How lines of raw CloudTrail begin, and ECS documents.
const RAW_START: &[u8] = b"{\"eventVersion\"";
const ECS_START: &[u8] = b"{\"@timestamp\"";

/// What to search for.
#[derive(Debug)]
pub(super) struct LineFinders {
    /// What a line that is one event seldom holds. Where it is in a string or deep inside, the
    /// line is only read more closely.
    braces: Finder<'static>,
    spaced_braces: Finder<'static>,
    /// The most frequent first keys, searched for again where a line begins with one. Documents on one
    /// line are alike, whatever stands between them.
    raw_key: Finder<'static>,
    ecs_key: Finder<'static>,
    /// The same, for the keys of arrays of events.
    containers: [Finder<'static>; 6],
}

impl LineFinders {
    pub(super) fn new() -> Self {
        Self {
            braces: Finder::new("}{"),
            spaced_braces: Finder::new("} {"),
            raw_key: Finder::new("\"eventVersion\""),
            ecs_key: Finder::new("\"@timestamp\""),
            containers: [
                "\"Records\"",
                "\"records\"",
                "\"Events\"",
                "\"Messages\"",
                "\"logEvents\"",
                "\"hits\"",
            ]
            .map(Finder::new),
        }
    }

    /// What may be a second document on a line. Two searches, not more: this is where lines are fast.
    /// What they and [`has_second_start`](Self::has_second_start) miss (documents of two kinds on one line, with
    /// more than a space between them) the reader of the events finds, as text behind an event.
    fn look(&self, line: &[u8]) -> LineLook {
        let raw = line.strip_prefix(RAW_START);
        LineLook {
            has_braces: self.braces.find(line).is_some(),
            has_key: raw.is_some_and(|rest| self.raw_key.find(rest).is_some()),
            ..LineLook::default()
        }
    }

    /// Whether a line that begins otherwise holds what a second document behind some space begins with.
    fn has_second_start(&self, line: &[u8]) -> bool {
        match line.strip_prefix(ECS_START) {
            Some(rest) => self.ecs_key.find(rest).is_some(),
            None => self.spaced_braces.find(line).is_some(),
        }
    }
}

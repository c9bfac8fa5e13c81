//! Keeps the text of the record that is being read, however the input is cut into pieces.
//!
//! In: where it begins and ends in the pieces. Out: its text, borrowed from the piece when it lies
//! in one. It never keeps more than the bound: of a record over it only the beginning, for the
//! report, and its size.

use crate::MAX_BAD_TEXT;
use crate::bytes::part;
use crate::sink::Place;

/// One record's text, while it is read.
#[derive(Debug)]
pub(crate) struct RecordBuffer {
    /// Where it began.
    place: Place,
    /// Where its part in the present piece begins; `None` when nothing is being kept.
    start: Option<usize>,
    /// What earlier pieces held of it.
    carried: Vec<u8>,
    /// How much of it earlier pieces held (more than `carried` once it is over the bound).
    carried_size: u64,
    max: usize,
}

/// A record's text at its end.
#[derive(Debug)]
pub(crate) struct BufferedRecord<'a> {
    /// Where it began.
    pub(crate) place: Place,
    /// All of it, or its beginning when it is over the bound.
    pub(crate) text: &'a [u8],
    /// How long it is.
    pub(crate) size: u64,
}

impl RecordBuffer {
    pub(crate) fn new(max: usize) -> Self {
        let place = Place { offset: 0, line: 1, record: None };
        Self { place, start: None, carried: Vec::new(), carried_size: 0, max }
    }

    /// A record begins at `start` in the present piece.
    pub(crate) fn begin(&mut self, start: usize, place: Place) {
        self.drop_text();
        self.place = place;
        self.start = Some(start);
    }

    /// What was kept was no record: an envelope's frame.
    pub(crate) fn drop_text(&mut self) {
        self.start = None;
        self.carried.clear();
        self.carried_size = 0;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.start.is_some()
    }

    /// Where the record that is being kept, or was kept last, began.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// The piece ends and the record goes on.
    pub(crate) fn carry(&mut self, piece: &[u8]) {
        let Some(start) = self.start else { return };
        let more = part(piece, start, piece.len());
        self.carried_size += more.len() as u64;
        if self.carried_size <= self.max as u64 {
            self.carried.extend_from_slice(more);
        } else {
            let room = MAX_BAD_TEXT.saturating_sub(self.carried.len());
            self.carried.extend_from_slice(part(more, 0, room.min(more.len())));
            self.carried.truncate(MAX_BAD_TEXT);
            self.carried.shrink_to(MAX_BAD_TEXT);
        }
        self.start = Some(0);
    }

    /// The record goes on at `start` in the next piece, not at its beginning.
    pub(crate) fn go_on_at(&mut self, start: usize) {
        self.start = self.start.map(|_| start);
    }

    /// The byte at `index` of the record, if it has been read already.
    pub(crate) fn byte(&self, index: usize, piece: &[u8]) -> Option<u8> {
        match self.carried.get(index) {
            Some(byte) => Some(*byte),
            None => piece.get(self.start? + index - self.carried.len()).copied(),
        }
    }

    /// The record ends before `end` in the present piece.
    pub(crate) fn take<'a>(&'a mut self, piece: &'a [u8], end: usize) -> BufferedRecord<'a> {
        if self.start.is_none() {
            self.drop_text();
        }
        let last = self.start.take().map_or(&[][..], |start| part(piece, start, end));
        let size = self.carried_size + last.len() as u64;
        self.carried_size = 0;
        let text = if size > self.max as u64 {
            let room = MAX_BAD_TEXT.saturating_sub(self.carried.len());
            self.carried.extend_from_slice(part(last, 0, room.min(last.len())));
            self.carried.truncate(MAX_BAD_TEXT);
            &self.carried
        } else if self.carried.is_empty() {
            last
        } else {
            self.carried.extend_from_slice(last);
            &self.carried
        };
        BufferedRecord { place: self.place, text, size }
    }
}

//! The lines of a bulk request, unpacked as they are read.
//!
//! In: what unpacks a body, untrusted. Out: one line at a time, with its number; how long it is is told before it is kept.
//! Blank lines where an action may be cost next to nothing. It knows nothing of what is on a line.

use super::exchange::Refusal;
use std::io::{BufRead, BufReader, Read};

/// Bytes that are unpacked at a time.
const BLOCK: usize = 64 << 10;

/// The lines of a body, one at a time. As where a text is split: behind the last newline there is one more.
pub(super) struct BulkLines<R> {
    body: BufReader<R>,
    /// The present one, without its newline; of one that is too long the beginning.
    pub(super) line: Vec<u8>,
    /// Its number, from 1.
    pub(super) number: u64,
    is_over: bool,
    /// Bytes of a line that are kept.
    most: usize,
    /// Whether the present one is longer.
    pub(super) is_too_long: bool,
}

impl<R: Read> BulkLines<R> {
    /// Of a line so many bytes are kept.
    pub(super) fn new(body: R, most: usize) -> Self {
        let (body, line) = (BufReader::with_capacity(BLOCK, body), Vec::new());
        Self { body, line, number: 0, is_over: false, most, is_too_long: false }
    }

    fn block(&mut self) -> Result<&[u8], Refusal> {
        Ok(self.body.fill_buf()?)
    }

    /// The next line that is not blank; whether there is one. `holds` hears how long it is by now.
    pub(super) fn next_action(
        &mut self,
        holds: &mut dyn FnMut(usize) -> Result<(), Refusal>,
    ) -> Result<bool, Refusal> {
        // Blank ones are passed over at once: there may be any number of them.
        while !self.is_over {
            let block = self.block()?;
            let blank = block.iter().position(|byte| !byte.is_ascii_whitespace());
            let passed = blank.unwrap_or(block.len());
            let newlines = memchr::memchr_iter(b'\n', block.get(..passed).unwrap_or_default());
            let newlines = newlines.count() as u64;
            let is_end = block.is_empty();
            self.number += newlines;
            self.body.consume(passed);
            if is_end {
                self.is_over = true;
            } else if blank.is_some() {
                return self.next(holds);
            }
        }
        Ok(false)
    }

    /// The next line; whether there is one.
    pub(super) fn next(
        &mut self,
        holds: &mut dyn FnMut(usize) -> Result<(), Refusal>,
    ) -> Result<bool, Refusal> {
        self.line.clear();
        self.is_too_long = false;
        if self.is_over {
            return Ok(false);
        }
        self.number += 1;
        loop {
            let block = self.body.fill_buf()?;
            if block.is_empty() {
                self.is_over = true;
                return Ok(true);
            }
            let newline = memchr::memchr(b'\n', block);
            let part = block.get(..newline.unwrap_or(block.len())).unwrap_or_default();
            let passed = part.len() + usize::from(newline.is_some());
            let room = self.most - self.line.len();
            self.is_too_long |= part.len() > room;
            let part = part.get(..room).unwrap_or(part);
            holds(self.line.len() + part.len())?;
            self.line.extend_from_slice(part);
            self.body.consume(passed);
            if newline.is_some() {
                return Ok(true);
            }
        }
    }
}

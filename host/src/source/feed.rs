//! The way of one input's bytes to its sink.
//!
//! In: a reader of the bytes as they are stored. Out: blocks of unpacked bytes through a splitter.
//! Memory: one block, what unpacking needs, and one event. A pipe is never waited for longer than
//! it takes to hand on what it gave.
use super::unpack::{MAGIC, recognise, undecided, unpacked};
use firstseen_envelope::{Place, Sink, Splitter};
use std::cell::Cell;
use std::io::{self, Cursor, Read};
use std::rc::Rc;

/// How much of a file is unpacked before the events in it are looked at: little enough that it is
/// still in the processor's cache when it is searched.
pub(super) const FILE_BLOCK: usize = 128 << 10;
/// The same for pipes, which hand on what there is.
const PIPE_BLOCK: usize = 256 << 10;

/// What a file out of a folder without any JSON is called.
const NO_LOG: &str = "file that is no log";

/// One input on its way.
pub(super) struct Feed<'a> {
    pub(super) splitter: Splitter,
    pub(super) sink: &'a mut dyn Sink,
    pub(super) progress: &'a mut dyn FnMut(u64),
    /// Unpacked bytes handed on.
    pub(super) offset: u64,
    /// Stored bytes read.
    pub(super) stored: Rc<Cell<u64>>,
    /// Whether it may turn out to be a file without events beside the logs.
    pub(super) may_be_no_log: bool,
}

impl Feed<'_> {
    /// Reads to the end; a pipe hands on what one read gives, a file whole blocks.
    pub(super) fn read(&mut self, input: impl Read, is_pipe: bool) -> io::Result<()> {
        let mut input = Counted { input, count: Rc::clone(&self.stored) };
        let first = first_bytes(&mut input)?;
        let mut unpacked = unpacked(recognise(&first), Cursor::new(first).chain(input))?;
        let mut block = vec![0; if is_pipe { PIPE_BLOCK } else { FILE_BLOCK }];
        loop {
            let (filled, end) = next_block(&mut unpacked, &mut block, !is_pipe);
            let is_whole = self.offset == 0 && matches!(end, Some(Ok(())));
            if is_whole && self.may_be_no_log && filled > 0 && !has_json(&block[..filled]) {
                let place = Place { offset: 0, line: 1, record: None };
                (self.progress)(self.stored.get());
                let _ = self.sink.no_events(place, NO_LOG);
                return Ok(());
            }
            if filled > 0 {
                self.offset += filled as u64;
                if self.splitter.push(&block[..filled], self.sink).is_break() {
                    return Ok(());
                }
                (self.progress)(self.stored.get());
            }
            if let Some(result) = end {
                // What is open at the end is the sink's to hear of too; nothing is left to stop.
                let _ = self.splitter.finish(self.sink);
                return result;
            }
        }
    }
}

/// Whether a line of the text begins as JSON does that can hold events. If none does, no event can
/// be in it.
pub(super) fn has_json(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.split(|b| *b == b'\n').any(|line| matches!(line.trim_ascii_start(), [b'{' | b'[', ..]))
}

/// As many bytes as it takes to recognise the packing.
fn first_bytes(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(MAGIC);
    while undecided(&first) {
        let mut more = [0; MAGIC];
        let room = MAGIC - first.len();
        match input.read(&mut more[..room]) {
            Ok(0) => break,
            Ok(n) => first.extend_from_slice(&more[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(first)
}

/// Reads a block: as much as one read gives, or all of it if it is to be filled. The second part is
/// there when nothing follows.
fn next_block(
    input: &mut dyn Read,
    block: &mut [u8],
    fill: bool,
) -> (usize, Option<io::Result<()>>) {
    let mut filled = 0;
    loop {
        match input.read(&mut block[filled..]) {
            Ok(0) => return (filled, Some(Ok(()))),
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return (filled, Some(Err(error))),
        }
        if !fill || filled == block.len() {
            return (filled, None);
        }
    }
}

/// Counts what is read.
struct Counted<R> {
    input: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(out)?;
        self.count.set(self.count.get() + n as u64);
        Ok(n)
    }
}

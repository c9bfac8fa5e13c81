//! Reads one input block by block, unpacks it and passes the events on.
//!
//! In: a reader of the bytes as they are stored. Out: blocks of unpacked bytes through a splitter.
//! Memory: one block, what unpacking needs, and one event. Data from a
//! pipe is passed on after each read, without waiting for a full block.

use super::Polled;
use super::bounds::{Bounded, Failing, FaultLimit, too_many_faults};
use super::stdin::{QUIET, WOKEN};
use super::unpack::{MAGIC, Packing, recognise, undecided, unpacked};
use super::whole::{MOST_STORED, WholeRoom};
use crate::observe::stages::{RunStage, Stages};
use firstseen_envelope::{EventSink, Place, Splitter};
use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much of a file is unpacked before the events in it are looked at: little enough that it is
/// still in the processor's cache when it is searched.
pub(super) const FILE_BLOCK: usize = 128 << 10;
/// The same for pipes, which hand on what there is.
const PIPE_BLOCK: usize = 256 << 10;

/// What a file out of a folder without any JSON is called.
pub const NO_LOG: &str = "file that is no log";
const EMPTY: &str = "empty input";
const BLANK: &str = "input of white space alone";
/// What inputs are called that have nothing in them.
pub const EMPTY_INPUTS: [&str; 2] = [EMPTY, BLANK];

/// How often packed data may be packed.
const MAX_PACKED: usize = 4;

/// What is known of an input before it is read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FeedTraits {
    pub(super) is_pipe: bool,
    /// Whether it may turn out to be a file without events beside the logs.
    pub(super) may_be_no_log: bool,
    pub(super) is_named_gzip: bool,
    /// Its length as it is stored, if it may be read as a whole.
    pub(super) length: Option<u64>,
}

/// One input on its way.
pub(super) struct Feed {
    reader: Box<dyn Read>,
    /// What was unpacked as a whole instead.
    whole: Option<WholeContent>,
    splitter: Splitter,
    block: Vec<u8>,
    /// How much of the block the last read filled.
    filled: usize,
    /// Unpacked bytes handed on.
    offset: u64,
    /// Whether all of it was white space so far.
    is_blank: bool,
    /// Whether its name says gzip and it is read as the plain text that it is.
    is_misnamed: bool,
    is_pipe: bool,
    /// Whether it may turn out to be a file without events beside the logs.
    may_be_no_log: bool,
    /// See [`ReadLimits::open_lines`](super::ReadLimits::open_lines).
    open_lines: bool,
    /// Of a packed input: how many faults it had. Few bytes may unpack to any number of them.
    faults: Option<u64>,
    stored: Arc<AtomicU64>,
    stages: Stages,
}

impl Feed {
    /// Recognises the packing, also of packed data in packed data. A pipe hands on what one read
    /// gives, a file whole blocks.
    pub(super) fn open(
        input: impl Read + 'static,
        traits: FeedTraits,
        splitter: Splitter,
        stored: &Arc<AtomicU64>,
        stages: &Stages,
    ) -> io::Result<Self> {
        let FeedTraits { is_pipe, may_be_no_log, is_named_gzip, length } = traits;
        let mut input = Counted { input, count: Arc::clone(stored), stages: stages.clone() };
        let first = first_bytes(&mut input)?;
        let mut packing = recognise(&first);
        if packing == Packing::Plain && is_named_gzip && !may_be_text(&first) {
            let text = "its name says gzip and it is not; fetch it again, or name it otherwise";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        let is_packed = packing != Packing::Plain;
        let is_misnamed = is_named_gzip && packing != Packing::Gzip && !first.is_empty();
        let (input, whole) = match length {
            Some(length) if packing == Packing::Gzip && length <= MOST_STORED => {
                read_whole(&first, input, stages)
            }
            _ => (Box::new(input) as Box<dyn Read>, None),
        };
        if whole.is_some() {
            packing = Packing::Plain;
        }
        let mut reader = unpacked(packing, Cursor::new(first).chain(input))?;
        for times in 1.. {
            if packing == Packing::Plain {
                break;
            }
            let mut fault = None;
            let first = first_bytes_or(&mut reader, &mut fault);
            packing = recognise(&first);
            if times == MAX_PACKED && packing != Packing::Plain {
                let text = format!("it is packed more than {MAX_PACKED} times over");
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
            let rest: Box<dyn Read> = match fault {
                None => reader,
                Some(fault) => Box::new(Failing(Some(fault))),
            };
            reader = unpacked(packing, Cursor::new(first).chain(rest))?;
            if packing != Packing::Plain {
                reader = Box::new(Bounded { input: reader, given: 0, stored: Arc::clone(stored) });
            }
        }
        Ok(Self {
            reader,
            block: match (&whole, is_pipe) {
                (Some(_), _) => Vec::new(),
                (None, true) => vec![0; PIPE_BLOCK],
                (None, false) => vec![0; FILE_BLOCK],
            },
            whole,
            splitter,
            filled: 0,
            offset: 0,
            is_blank: true,
            is_misnamed,
            is_pipe,
            may_be_no_log,
            open_lines: false,
            faults: is_packed.then_some(0),
            stored: Arc::clone(stored),
            stages: stages.clone(),
        })
    }

    /// Hands on a last line whose end was not read yet, if it is whole without it.
    pub(super) fn with_open_lines(self, open_lines: bool) -> Self {
        Self { open_lines, ..self }
    }

    /// Shows all of its content before any of it is read, where that is at most so many bytes or was unpacked as a
    /// whole anyhow.
    pub(super) fn peek<T>(&mut self, most: usize, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
        if let Some(whole) = &self.whole {
            return Some(look(whole.room.content()));
        }
        let reader = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        let mut first = Vec::new();
        let mut reader = reader.take(most as u64 + 1);
        let fault = reader.read_to_end(&mut first).err();
        let seen = (first.len() <= most).then(|| look(&first));
        let first = Cursor::new(first);
        self.reader = match fault {
            None => Box::new(first.chain(reader.into_inner())),
            Some(fault) => Box::new(first.chain(Failing(Some(fault)))),
        };
        seen
    }

    /// Unpacks all of its content, or all before a fault, as long as more of it is wanted. Nothing is left to be read.
    pub(super) fn each_block(mut self, block: &mut dyn FnMut(&[u8]) -> bool) {
        if let Some(whole) = &self.whole {
            block(whole.room.content());
            return;
        }
        loop {
            let (filled, end) = next_block(&mut *self.reader, &mut self.block, true);
            if !block(self.block.get(..filled).unwrap_or_default()) || end.is_some() {
                return;
            }
        }
    }

    /// Reads a block and hands on what is in it.
    pub(super) fn poll(&mut self, sink: &mut dyn EventSink) -> io::Result<Polled> {
        let is_packed = self.faults.is_some();
        let stage = if is_packed { RunStage::Inflate } else { RunStage::Read };
        let (filled, end) = match &mut self.whole {
            Some(whole) => whole.next(),
            None => {
                let _stage = self.stages.enter(stage);
                next_block(&mut *self.reader, &mut self.block, !self.is_pipe)
            }
        };
        self.filled = filled;
        let block = match &self.whole {
            Some(whole) => whole.block(),
            None => self.block.get(..filled).unwrap_or_default(),
        };
        // A file without events beside the logs is small.
        let is_whole =
            self.offset == 0 && matches!(end, Some(Ok(()))) && filled <= self.small_most();
        self.offset += filled as u64;
        self.is_blank = self.is_blank && block.trim_ascii().is_empty();
        let what = match end {
            Some(Ok(())) if self.offset == 0 => Some(EMPTY),
            Some(Ok(())) if self.is_blank => Some(BLANK),
            _ if is_whole && self.may_be_no_log && !has_json(block) => Some(NO_LOG),
            _ => None,
        };
        if let Some(what) = what {
            let _ = sink.no_events(Place { offset: 0, line: 1, record: None }, what);
            return Ok(Polled::End);
        }
        if filled > 0 {
            let stored = self.stored.load(Ordering::Relaxed);
            let mut limit = FaultLimit { sink, faults: &mut self.faults, stored };
            if self.splitter.push(block, &mut limit).is_break() {
                return if limit.is_over() { Err(too_many_faults()) } else { Ok(Polled::End) };
            }
        }
        match end {
            None if self.open_lines && self.splitter.pause(sink).is_break() => Ok(Polled::End),
            None => Ok(Polled::More),
            // Nothing came so far; what is open stays open.
            Some(Err(error)) if error.kind() == QUIET => Ok(Polled::More),
            // What is open now is not cut off: whoever sends it sends it again.
            Some(Err(error)) if error.kind() == WOKEN => Ok(Polled::End),
            Some(result) => {
                // What is open at the end is the sink's to hear of too; nothing is left to stop.
                let _ = self.splitter.finish(sink);
                result.map(|()| Polled::End)
            }
        }
    }

    pub(super) fn block(&self) -> &[u8] {
        match &self.whole {
            Some(whole) => whole.block(),
            None => self.block.get(..self.filled).unwrap_or_default(),
        }
    }

    /// The most bytes of an input that is read with the first block.
    fn small_most(&self) -> usize {
        if self.is_pipe { PIPE_BLOCK } else { FILE_BLOCK - 1 }
    }

    /// Unpacked bytes handed on.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether its name says gzip and it is read as it is.
    pub(super) fn is_misnamed(&self) -> bool {
        self.is_misnamed
    }
}

/// The content of an input that was unpacked as a whole, handed on in blocks.
struct WholeContent {
    room: WholeRoom,
    start: usize,
    end: usize,
    /// It is one line: a block would be a part of a document that waits for the others.
    is_line: bool,
}

impl WholeContent {
    fn new(room: WholeRoom) -> Self {
        let newline = memchr::memchr(b'\n', room.content());
        let is_line = newline.is_none_or(|newline| newline + 1 == room.content().len());
        Self { room, start: 0, end: 0, is_line }
    }

    /// The next block: how long it is, and that nothing follows where that shows, as for a reader.
    fn next(&mut self) -> (usize, Option<io::Result<()>>) {
        let rest = self.room.content().len() - self.end;
        let length = if self.is_line { rest } else { rest.min(FILE_BLOCK) };
        (self.start, self.end) = (self.end, self.end + length);
        (length, (self.is_line || length < FILE_BLOCK).then_some(Ok(())))
    }

    fn block(&self) -> &[u8] {
        self.room.content().get(self.start..self.end).unwrap_or_default()
    }
}

impl Drop for WholeContent {
    fn drop(&mut self) {
        std::mem::take(&mut self.room).give_back();
    }
}

/// Reads what is behind the first bytes, and unpacks all of it if that can be done at once. What is left to be
/// read otherwise is what was read, and why no more was.
fn read_whole(
    first: &[u8],
    mut input: Counted<impl Read>,
    stages: &Stages,
) -> (Box<dyn Read>, Option<WholeContent>) {
    let mut room = WholeRoom::take();
    room.stored.extend_from_slice(first);
    let fault = {
        let _read = stages.enter(RunStage::Read);
        input.input.read_to_end(&mut room.stored).err()
    };
    let is_unpacked = fault.is_none() && {
        let _inflate = stages.enter(RunStage::Inflate);
        room.unpack()
    };
    let begins = room.content().get(..MAGIC).unwrap_or(room.content());
    if is_unpacked && recognise(begins) == Packing::Plain {
        let read = (room.stored.len() - first.len()) as u64;
        input.count.fetch_add(read, Ordering::Relaxed);
        return (Box::new(io::empty()), Some(WholeContent::new(room)));
    }
    let rest = Cursor::new(room.stored.get(first.len()..).unwrap_or_default().to_vec());
    room.give_back();
    let Counted { count, stages, .. } = input;
    (Box::new(Counted { input: rest.chain(Failing(fault)), count, stages }), None)
}

/// Whether a line of the text begins as JSON does that can hold events. If none does, no event can
/// be in it.
pub(super) fn has_json(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    // A comma, a separator of records or the quote of a string may stand before it.
    let is_before = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'"' | 0x1e);
    let first = |line: &[u8]| line.iter().copied().find(|byte| !is_before(byte));
    text.split(|b| *b == b'\n').any(|line| matches!(first(line), Some(b'{' | b'[')))
}

/// Whether text that events may be in begins so.
fn may_be_text(first: &[u8]) -> bool {
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
    matches!(text, [] | [b'{' | b'[' | b'"' | 0x1e, ..])
}

/// The same, from unpacked data: what is wrong with it behind those bytes is kept for later.
fn first_bytes_or(input: &mut dyn Read, fault: &mut Option<io::Error>) -> Vec<u8> {
    let mut first = Vec::with_capacity(MAGIC);
    while undecided(&first) {
        let mut more = [0; MAGIC];
        let room = MAGIC - first.len();
        match input.read(&mut more[..room]) {
            Ok(0) => break,
            Ok(n) => first.extend_from_slice(&more[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                *fault = Some(error);
                break;
            }
        }
    }
    first
}

/// As many bytes as it takes to recognise the packing.
fn first_bytes(input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut fault = None;
    let first = first_bytes_or(input, &mut fault);
    fault.map_or(Ok(first), Err)
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
    count: Arc<AtomicU64>,
    stages: Stages,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let _read = self.stages.enter(RunStage::Read);
        let n = self.input.read(out)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

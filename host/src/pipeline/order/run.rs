//! A sorted run on disk, and the form in which a match is kept there and in the sorter's arena.
//!
//! In: matches in order. Out: the same matches, read back one at a time through a small buffer. The
//! file is unnamed: nothing is left behind, however the process ends.
//!
//! ```text
//! i64 time | 16 bytes identity | u16 artifact | u16 rule | u32 item length | u32 text length | body
//!
//! body: u32 input | u64 offset | u64 line | u64 record (all ones: none)
//!       item | u8 0, the text     carried
//!            | u8 1, u32 input, u64 offset, u32 length, u64 digest   to be read again
//! ```

use crate::escape::escaped;
use firstseen_session::{EventAt, EventText, Match, RuleRef};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

/// Length of what is before the body.
const HEAD: usize = 36;
/// Length of an event's place at the beginning of a body.
pub(super) const AT: usize = 28;
const CARRIED: u8 = 0;
const REREAD: u8 = 1;

/// One for each run that a merge reads, up to 64 at once.
const READ_BUFFER: usize = 64 << 10;
const WRITE_BUFFER: usize = 256 << 10;

/// A match whose bytes are elsewhere.
#[derive(Clone, Copy)]
pub(super) struct PackedMatch<'a> {
    pub(super) time_ms: i64,
    pub(super) identity: [u8; 16],
    pub(super) rule: RuleRef,
    pub(super) item_len: u32,
    pub(super) text_len: u32,
    /// Place, item and text.
    pub(super) body: &'a [u8],
}

/// Where a match is among the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InputPlace {
    input: u32,
    offset: u64,
    record: u64,
}

impl InputPlace {
    /// The place at the beginning of a body.
    pub(super) fn packed(body: &[u8]) -> Self {
        let read = || {
            let (input, rest) = take(body)?;
            let (offset, rest) = take(rest)?;
            let (_line, rest) = take::<8>(rest)?;
            let (record, _) = take(rest)?;
            let (input, offset) = (u32::from_le_bytes(input), u64::from_le_bytes(offset));
            Some(Self { input, offset, record: u64::from_le_bytes(record) })
        };
        read().unwrap_or(Self { input: u32::MAX, offset: 0, record: 0 })
    }
}

impl PackedMatch<'_> {
    pub(super) fn unpack(&self) -> io::Result<Match> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a match on disk is damaged");
        let read = || {
            let (input, rest) = take(self.body)?;
            let (offset, rest) = take(rest)?;
            let (line, rest) = take(rest)?;
            let (record, rest) = take(rest)?;
            let at = EventAt {
                input: u32::from_le_bytes(input),
                offset: u64::from_le_bytes(offset),
                line: u64::from_le_bytes(line),
                record: Some(u64::from_le_bytes(record)).filter(|record| *record != u64::MAX),
            };
            let (item, text) = rest.split_at_checked(self.item_len as usize)?;
            let text = match text.split_first()? {
                (&CARRIED, text) => EventText::Carried(text.to_vec()),
                (_, place) => {
                    let (input, rest) = take(place)?;
                    let (offset, rest) = take(rest)?;
                    let (len, rest) = take(rest)?;
                    let (digest, _) = take(rest)?;
                    EventText::At {
                        input: u32::from_le_bytes(input),
                        offset: u64::from_le_bytes(offset),
                        len: u32::from_le_bytes(len),
                        digest: u64::from_le_bytes(digest),
                    }
                }
            };
            let (time_ms, identity, rule) = (self.time_ms, self.identity, self.rule);
            Some(Match { rule, time_ms, identity, at, item: item.to_vec(), text })
        };
        read().ok_or_else(damaged)
    }
}

/// Writes place, item and text of a match; the length of the text as it is written.
pub(super) fn pack_body(
    out: &mut Vec<u8>,
    at: &EventAt,
    item: &[u8],
    text: &MatchText<'_>,
) -> io::Result<u32> {
    out.extend_from_slice(&at.input.to_le_bytes());
    out.extend_from_slice(&at.offset.to_le_bytes());
    out.extend_from_slice(&at.line.to_le_bytes());
    out.extend_from_slice(&at.record.unwrap_or(u64::MAX).to_le_bytes());
    out.extend_from_slice(item);
    let before = out.len();
    match text {
        MatchText::Carried(text) => {
            out.push(CARRIED);
            out.extend_from_slice(text);
        }
        MatchText::At { input, offset, len, digest } => {
            out.push(REREAD);
            out.extend_from_slice(&input.to_le_bytes());
            out.extend_from_slice(&offset.to_le_bytes());
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&digest.to_le_bytes());
        }
    }
    length(out.get(before..).unwrap_or_default())
}

/// A match's text, borrowed.
#[derive(Debug, Clone, Copy)]
pub enum MatchText<'a> {
    /// The text itself.
    Carried(&'a [u8]),
    /// Where it can be read again.
    At {
        /// The input that is the file.
        input: u32,
        /// The byte in the file.
        offset: u64,
        /// Its length in bytes.
        len: u32,
        /// By which its bytes are known again.
        digest: u64,
    },
}

impl<'a> From<&'a EventText> for MatchText<'a> {
    fn from(text: &'a EventText) -> Self {
        match text {
            EventText::Carried(text) => Self::Carried(text),
            EventText::At { input, offset, len, digest } => {
                Self::At { input: *input, offset: *offset, len: *len, digest: *digest }
            }
        }
    }
}

/// A finished run.
pub(super) struct Run(File);

/// A run being written.
pub(super) struct RunWriter {
    out: BufWriter<File>,
}

impl RunWriter {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(|e| explain(e, folder))?;
        Ok(Self { out: BufWriter::with_capacity(WRITE_BUFFER, file) })
    }

    pub(super) fn write(&mut self, m: PackedMatch<'_>) -> io::Result<()> {
        self.out.write_all(&m.time_ms.to_le_bytes())?;
        self.out.write_all(&m.identity)?;
        self.out.write_all(&m.rule.artifact.to_le_bytes())?;
        self.out.write_all(&m.rule.rule.to_le_bytes())?;
        self.out.write_all(&m.item_len.to_le_bytes())?;
        self.out.write_all(&m.text_len.to_le_bytes())?;
        self.out.write_all(m.body)
    }

    pub(super) fn finish(self) -> io::Result<Run> {
        let mut file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Run(file))
    }
}

/// Reads a run from its beginning.
pub(super) struct RunReader {
    input: BufReader<File>,
    head: PackedHead,
    body: Vec<u8>,
}

/// What is before a body.
#[derive(Clone, Copy, Default)]
struct PackedHead {
    time_ms: i64,
    identity: [u8; 16],
    rule: RuleRef,
    item_len: u32,
    text_len: u32,
}

impl RunReader {
    pub(super) fn new(run: Run) -> Self {
        let input = BufReader::with_capacity(READ_BUFFER, run.0);
        Self { input, head: PackedHead::default(), body: Vec::new() }
    }

    /// Goes on to the next match; `None` at the end.
    pub(super) fn advance(&mut self) -> io::Result<Option<PackedMatch<'_>>> {
        let mut head = [0; HEAD];
        // The end is only the end before a match; inside one it is a fault.
        if self.input.read(&mut head[..1])? == 0 {
            return Ok(None);
        }
        self.input.read_exact(&mut head[1..])?;
        let read = || {
            let (time_ms, rest) = take(&head)?;
            let (identity, rest) = take(rest)?;
            let (artifact, rest) = take(rest)?;
            let (rule, rest) = take(rest)?;
            let (item_len, rest) = take(rest)?;
            let (text_len, _) = take(rest)?;
            Some(PackedHead {
                time_ms: i64::from_le_bytes(time_ms),
                identity,
                rule: RuleRef {
                    artifact: u16::from_le_bytes(artifact),
                    rule: u16::from_le_bytes(rule),
                },
                item_len: u32::from_le_bytes(item_len),
                text_len: u32::from_le_bytes(text_len),
            })
        };
        self.head = read().ok_or(io::ErrorKind::InvalidData)?;
        let size = AT + self.head.item_len as usize + self.head.text_len as usize;
        self.body.clear();
        (&mut self.input).take(size as u64).read_to_end(&mut self.body)?;
        if self.body.len() < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(self.present()))
    }

    /// The match that was read last.
    pub(super) fn present(&self) -> PackedMatch<'_> {
        let PackedHead { time_ms, identity, rule, item_len, text_len } = self.head;
        PackedMatch { time_ms, identity, rule, item_len, text_len, body: &self.body }
    }
}

/// The first `N` bytes and the rest.
fn take<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk().map(|(first, rest)| (*first, rest))
}

/// A length as it is written.
pub(super) fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "an event of over 4 GiB cannot be sorted")
    })
}

/// Adds to an error what was being done, where, and what helps.
pub(super) fn explain(error: io::Error, folder: &Path) -> io::Error {
    let folder = folder.to_string_lossy();
    let folder = escaped(&folder);
    let text = format!(
        "the sorted events that do not fit into memory could not be kept in {folder}: {error}; \
         make room there, or set TMPDIR to a folder with more"
    );
    io::Error::new(error.kind(), text)
}

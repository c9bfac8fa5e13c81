//! A sorted run on disk.
//!
//! In: records in order. Out: the same records, read back one at a time through a small buffer. The
//! file is unnamed: nothing is left behind, however the process ends.
//!
//! ```text
//! i64 time | 16 bytes identity | u32 rule | u32 item length | u32 event length | item | event
//! ```
use super::Record;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

/// Length of what stands before item and event.
const HEAD: usize = 36;
/// One for each run that a merge reads, up to 64 at once.
const READ_BUFFER: usize = 64 << 10;
const WRITE_BUFFER: usize = 256 << 10;

/// A record whose bytes stand elsewhere.
#[derive(Clone, Copy)]
pub(super) struct RecordRef<'a> {
    pub(super) time_ms: i64,
    pub(super) identity: [u8; 16],
    pub(super) rule: u32,
    pub(super) item: &'a [u8],
    pub(super) event: &'a [u8],
}

impl<'a> From<&'a Record> for RecordRef<'a> {
    fn from(r: &'a Record) -> Self {
        let Record { time_ms, identity, rule, .. } = *r;
        Self { time_ms, identity, rule, item: &r.item, event: &r.event }
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

    pub(super) fn write(&mut self, r: RecordRef<'_>) -> io::Result<()> {
        self.out.write_all(&r.time_ms.to_le_bytes())?;
        self.out.write_all(&r.identity)?;
        self.out.write_all(&r.rule.to_le_bytes())?;
        self.out.write_all(&length(r.item)?.to_le_bytes())?;
        self.out.write_all(&length(r.event)?.to_le_bytes())?;
        self.out.write_all(r.item)?;
        self.out.write_all(r.event)
    }

    pub(super) fn finish(self) -> io::Result<Run> {
        let mut file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Run(file))
    }
}

/// Reads a run from its beginning.
pub(super) struct RunReader(BufReader<File>);

impl RunReader {
    pub(super) fn new(run: Run) -> Self {
        Self(BufReader::with_capacity(READ_BUFFER, run.0))
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        let mut head = [0; HEAD];
        // The end is only the end before a record; inside one it is a fault.
        if self.0.read(&mut head[..1])? == 0 {
            return Ok(None);
        }
        self.0.read_exact(&mut head[1..])?;
        let (time_ms, rest) = take(&head);
        let (identity, rest) = take(rest);
        let (rule, rest) = take(rest);
        let (item_len, rest) = take(rest);
        let (event_len, _) = take(rest);
        Ok(Some(Record {
            line: 0,
            time_ms: i64::from_le_bytes(time_ms),
            identity,
            rule: u32::from_le_bytes(rule),
            item: self.bytes(u32::from_le_bytes(item_len))?,
            event: self.bytes(u32::from_le_bytes(event_len))?,
        }))
    }

    fn bytes(&mut self, length: u32) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length as usize];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// The first `N` bytes and the rest; `bytes` is long enough, because the head is.
fn take<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    let (first, rest) = bytes.split_first_chunk().expect("the head has room for all its numbers");
    (*first, rest)
}

/// A length as it is written.
pub(super) fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "an event of over 4 GiB cannot be sorted")
    })
}

/// Adds to an error what was being done, where, and what helps.
pub(super) fn explain(error: io::Error, folder: &Path) -> io::Error {
    let folder = folder.display();
    let text = format!(
        "the sorted events that do not fit into memory could not be kept in {folder}: {error}; \
         make room there, or set TMPDIR to a folder with more"
    );
    io::Error::new(error.kind(), text)
}

//! Whether a file begins with what a run has read, by digests of the edges of that.
//!
//! In: files, records of what was read. Out: which record a file, or the content of a packed one, begins with. It holds two
//! blocks of a file in memory, however long it is.

use crate::state::{RecordedInput, digest_text};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// How much at each end of a file its digest covers.
pub(super) const EDGE: u64 = 64 << 10;

/// Whether an open file of this length begins with what was recorded.
pub(in crate::cli) fn begins_so(record: &RecordedInput, file: &File, length: u64) -> bool {
    length >= record.length && edges(file, record.length).is_ok_and(|edges| edges == record.edges)
}

/// A digest of the first and the last block up to a length.
pub(in crate::cli) fn edges(file: &File, length: u64) -> io::Result<String> {
    let mut block = vec![0; length.min(EDGE) as usize];
    let mut hasher = blake3::Hasher::new();
    file.read_exact_at(&mut block, 0)?;
    hasher.update(&block);
    let last = length - block.len() as u64;
    file.read_exact_at(&mut block, last)?;
    hasher.update(&block);
    Ok(digest_text(&hasher.finalize()))
}

/// The longest of the records that some content begins with, and whether the content ends there. Content that cannot be
/// read so far begins with none.
pub(super) fn content_begins_with<'r>(
    mut content: impl Read,
    records: &[&'r RecordedInput],
) -> Option<(&'r RecordedInput, bool)> {
    let mut records: Vec<_> = records.iter().copied().filter(|one| one.length > 0).collect();
    records.sort_by_key(|record| record.length);
    let mut seen = ContentEdges::default();
    let mut longest = None;
    for record in records {
        if !seen.reads_to(&mut content, record.length).ok()? {
            break;
        }
        if seen.digest() == record.edges {
            longest = Some(record);
        }
    }
    let longest = longest?;
    let is_over = seen.length == longest.length && content.read(&mut [0]).ok()? == 0;
    Some((longest, is_over))
}

/// The edges of what was read of some content.
#[derive(Default)]
struct ContentEdges {
    length: u64,
    first: Vec<u8>,
    /// At least the last block, if there was so much.
    last: Vec<u8>,
}

impl ContentEdges {
    /// Reads on to a length; false where the content ends before.
    fn reads_to(&mut self, content: &mut impl Read, length: u64) -> io::Result<bool> {
        while self.length < length {
            let before = self.last.len();
            let read =
                content.take((length - self.length).min(EDGE)).read_to_end(&mut self.last)?;
            if read == 0 {
                return Ok(false);
            }
            let more = self.last.get(before..).unwrap_or_default();
            let wanted = (EDGE as usize - self.first.len()).min(more.len());
            self.first.extend_from_slice(more.get(..wanted).unwrap_or_default());
            self.last.drain(..self.last.len().saturating_sub(EDGE as usize));
            self.length += read as u64;
        }
        Ok(true)
    }

    /// As [`edges`] of a file that holds so much.
    fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.first);
        hasher.update(&self.last);
        digest_text(&hasher.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_of_the_edges_sees_the_beginning_and_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut bytes = vec![b'x'; 3 * EDGE as usize];
        let length = bytes.len() as u64;
        let of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            edges(&File::open(&path).unwrap(), length).unwrap()
        };
        let before = of(&bytes);
        bytes.push(b'y');
        assert_eq!(of(&bytes), before, "what was added is behind it");
        for at in [0, EDGE as usize - 1, 2 * EDGE as usize, length as usize - 1] {
            let mut other = bytes.clone();
            other[at] = b'y';
            assert_ne!(of(&other), before, "{at}");
        }
    }

    /// Gives a few bytes with each read, as unpacking may.
    struct Slow<'b>(&'b [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(self.0.len()).min(1000);
            self.0.read(buffer.get_mut(..length).unwrap_or_default())
        }
    }

    #[test]
    fn content_has_the_digests_of_a_file_that_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let bytes: Vec<u8> = (0..5 * EDGE / 2).map(|n| (n / 7 % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        let lengths = [0, 1, 999, EDGE - 1, EDGE, EDGE + 1, 2 * EDGE, 2 * EDGE + 1, 5 * EDGE / 2];
        let record = |length| {
            let edges = edges(&file, length).unwrap();
            RecordedInput { length, edges, ..RecordedInput::default() }
        };
        let records = lengths.map(record);
        let [other, longer] = [EDGE, bytes.len() as u64 + 1]
            .map(|length| RecordedInput { length, ..RecordedInput::default() });
        for (n, known) in records.iter().enumerate() {
            let all: Vec<_> =
                [&other, &longer].into_iter().chain(records.iter().take(n + 1)).collect();
            let found = content_begins_with(Slow(&bytes), &all);
            let is_over = known.length == bytes.len() as u64;
            // Nothing begins with what is empty.
            let expected = (n > 0).then_some((known, is_over));
            assert_eq!(found, expected, "{}", known.length);
        }
        assert_eq!(content_begins_with(Slow(&bytes), &[&other, &longer]), None);
    }
}

//! Reads an event's text again from its file, which stayed open, and uses it only if nothing changed.
//!
//! In: where a matched event is, and the digest of its text. Out: its text, for the few that
//! alert. Carrying every text through the sorter costs as much as reading it; most are never looked
//! at again. What cannot be read a second time - standard input, packed files, events in envelopes -
//! is carried. A text that is read again counts only if its bytes are the same as before: the file
//! may have changed, and the rule has judged what was there then.

use foldhash::quality::RandomState;
use std::collections::HashMap;
use std::fs::File;
use std::hash::BuildHasher;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, LazyLock};

/// Files that are kept open, at most; events of others are carried.
const MOST_OPEN: usize = 4096;

/// A file, and what it is called.
type NamedFile = (Arc<str>, Arc<File>);

/// The files that can be read again.
#[derive(Debug, Default, Clone)]
pub struct RereadTexts {
    /// Each with its name. Several threads read texts, none adds a file meanwhile.
    files: Arc<HashMap<u32, NamedFile>>,
}

impl RereadTexts {
    /// How many more inputs there is room for.
    #[must_use]
    pub fn room(&self) -> usize {
        most_kept().saturating_sub(self.files.len())
    }

    /// Adds an input that is a plain file; whether there was room for it.
    pub fn add(&mut self, input: u32, name: Arc<str>, file: Arc<File>) -> bool {
        let has_room = self.files.len() < most_kept();
        if has_room {
            Arc::make_mut(&mut self.files).insert(input, (name, file));
        }
        has_room
    }

    /// Closes an input whose events are not asked for.
    pub fn remove(&mut self, input: u32) {
        Arc::make_mut(&mut self.files).remove(&input);
    }

    /// The text at a place that had this digest.
    ///
    /// # Errors
    /// A sentence, when the file cannot be read again or has changed.
    pub fn read(&self, input: u32, offset: u64, len: u32, digest: u64) -> Result<Vec<u8>, String> {
        let name = self.files.get(&input).map_or("", |(name, _)| name);
        let text = self.bytes(input, offset, len).map_err(|e| format!("{name}: {e}"))?;
        if text_digest(&text) == digest {
            return Ok(text);
        }
        Err(format!("{name}: byte {offset}: the file changed while it was read; run again"))
    }

    fn bytes(&self, input: u32, offset: u64, len: u32) -> std::io::Result<Vec<u8>> {
        let (_, file) = self.files.get(&input).ok_or(std::io::ErrorKind::NotFound)?;
        let mut text = vec![0; len as usize];
        file.read_exact_at(&mut text, offset)?;
        Ok(text)
    }
}

/// How many files are kept open: half of what the process may have open, as others need some.
fn most_kept() -> usize {
    (most_open() / 2).min(MOST_OPEN)
}

/// How many files the process may have open; no more than twice as many as are kept.
pub(super) fn most_open() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(2 * MOST_OPEN);
    limit.min(2 * MOST_OPEN)
}

/// By which a text is known again within this process. Its seed is drawn anew each time, so that nobody who
/// writes to a file can have made another text of the same digest.
pub(super) fn text_digest(text: &[u8]) -> u64 {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::default);
    SEED.hash_one(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(texts: &mut RereadTexts, input: u32, path: &std::path::Path) {
        let name = path.to_string_lossy().into();
        assert!(texts.add(input, name, Arc::new(File::open(path).unwrap())));
    }

    #[test]
    fn a_file_that_changed_gives_no_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (one, other) = (br#"{"user":"alice"}"#, br#"{"user":"mallo"}"#);
        let (len, digest) = (one.len() as u32, text_digest(one));
        let read = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            let mut texts = RereadTexts::default();
            add(&mut texts, 0, &path);
            texts.read(0, 1, len, digest)
        };
        assert_eq!(read(&[b" ", &one[..]].concat()), Ok(one.to_vec()));
        let changed = read(&[b" ", &other[..]].concat()).unwrap_err();
        assert!(changed.contains("log: byte 1: the file changed"), "{changed}");
        let cut = read(b" {").unwrap_err();
        assert!(cut.contains("log: "), "{cut}");
    }

    #[test]
    fn a_file_is_read_where_the_reference_points() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, b"0123456789").unwrap();
        let mut texts = RereadTexts::default();
        add(&mut texts, 4, &path);
        std::fs::rename(&path, folder.path().join("g")).unwrap();
        std::fs::write(&path, b"another file").unwrap();
        assert_eq!(texts.bytes(4, 3, 4).unwrap(), b"3456");
        assert!(texts.bytes(4, 8, 4).is_err());
        assert!(texts.bytes(9, 0, 1).is_err());
        texts.remove(4);
        assert!(texts.bytes(4, 3, 4).is_err());
    }
}

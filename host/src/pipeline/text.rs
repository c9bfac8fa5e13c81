//! Reads an event's text again from its file, which stayed open, and uses it only if nothing changed.
//!
//! In: where a matched event is, and what the rule answered about it. Out: its text, for the few that
//! alert. Carrying every text through the sorter costs as much as reading it; most are never looked
//! at again. What cannot be read a second time - standard input, packed files, events in envelopes -
//! is carried. A text that is read again counts only if the rule says the same of it as before: the
//! file may have changed.

use firstseen_abi::Item;
use firstseen_session::{CallError, EventBatch, ItemVisitor, Rules};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

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

    /// The text at a place; `item` is the answer of the rule about it.
    ///
    /// # Errors
    /// A sentence, when the file cannot be read again or has changed.
    pub fn read(
        &self,
        input: u32,
        offset: u64,
        len: u32,
        item: &[u8],
        rules: &mut dyn Rules,
    ) -> Result<Vec<u8>, String> {
        let name = self.files.get(&input).map_or("", |(name, _)| name);
        let text = self.bytes(input, offset, len).map_err(|e| format!("{name}: {e}"))?;
        let mut batch = EventBatch::default();
        batch.push(&text);
        let mut same = SameItem { item, found: false };
        batch.keys(rules, 0, &mut same);
        if same.found {
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

/// Whether the rule says the same of a text as it did before, its place in the buffer aside.
struct SameItem<'i> {
    item: &'i [u8],
    found: bool,
}

impl ItemVisitor for SameItem<'_> {
    fn item(&mut self, _: usize, item: &Item<'_>) {
        // Kind and rule; then, behind offset and length, time, identity and terms.
        self.found |=
            item.raw.get(..8) == self.item.get(..8) && item.raw.get(16..) == self.item.get(16..);
    }

    fn failed(&mut self, _: usize, _: &CallError) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_engines::flagship;
    use firstseen_runtime::{Artifact, Guest, Runtime};

    /// Keeps what a guest says of the one event.
    #[derive(Default)]
    struct Said(Vec<u8>);

    impl ItemVisitor for Said {
        fn item(&mut self, _: usize, item: &Item<'_>) {
            self.0 = item.raw.to_vec();
        }
        fn failed(&mut self, _: usize, _: &CallError) {}
    }

    fn add(texts: &mut RereadTexts, input: u32, path: &std::path::Path) {
        let name = path.to_string_lossy().into();
        assert!(texts.add(input, name, Arc::new(File::open(path).unwrap())));
    }

    #[test]
    fn a_file_that_changed_gives_no_text() {
        let event = |user: &str| {
            format!(
                r#"{{"eventVersion":"1.08","eventID":"1","eventTime":"2025-01-01T00:00:00Z","eventSource":"cloudformation.amazonaws.com","eventName":"CreateStack","recipientAccountId":"111122223333","userIdentity":{{"type":"IAMUser","userName":"{user}"}}}}"#
            )
        };
        let runtime = Runtime::new().unwrap();
        let artifact = Artifact::new(&runtime, "flagship".to_owned(), flagship()).unwrap();
        let mut guest = Guest::new(&runtime, &artifact, "default", None).unwrap();
        let (one, other) = (event("alice"), event("mallo"));
        let mut batch = EventBatch::default();
        batch.push(b"{}");
        batch.push(one.as_bytes());
        let mut said = Said::default();
        batch.keys(&mut guest, 0, &mut said);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let len = u32::try_from(one.len()).unwrap();
        for (content, ok) in [(&one, true), (&other, false)] {
            std::fs::write(&path, format!(" {content}")).unwrap();
            let mut texts = RereadTexts::default();
            add(&mut texts, 0, &path);
            let text = texts.read(0, 1, len, &said.0, &mut guest);
            assert_eq!(text.is_ok(), ok, "{text:?}");
            if let Err(reason) = text {
                assert!(reason.contains("the file changed"), "{reason}");
            }
        }
        std::fs::write(&path, " {").unwrap();
        let mut texts = RereadTexts::default();
        add(&mut texts, 0, &path);
        assert!(texts.read(0, 1, len, &said.0, &mut guest).is_err());
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

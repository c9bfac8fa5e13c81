//! The text of a matched event on its way to the state: itself, or where it stands in a file.
//!
//! In: matched events. Out: their texts, for the few that alert. Carrying every text through the
//! sorter costs as much as reading it; most are never looked at again. What cannot be read a second
//! time - standard input, packed files, events in envelopes - is carried. A text that is read again
//! counts only if the rule says the same of it as before: the file may have changed.

use firstseen_abi::Item;
use firstseen_runtime::Guest;
use firstseen_runtime::batch::Sort;
use firstseen_runtime::{Batch, CallError};
use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// An event's text begins with a brace, a reference with this.
const REFERENCE: u8 = 0;
/// Length of a reference: the mark, the file, the offset, the length.
const REFERENCE_LEN: usize = 17;

/// A reference to a text: the file's index, the offset, the length.
#[must_use]
pub fn reference(file: u32, offset: u64, len: u32) -> [u8; REFERENCE_LEN] {
    let mut out = [REFERENCE; REFERENCE_LEN];
    let parts = file.to_le_bytes().into_iter().chain(offset.to_le_bytes()).chain(len.to_le_bytes());
    for (to, from) in out.iter_mut().skip(1).zip(parts) {
        *to = from;
    }
    out
}

/// The files that references point into.
#[derive(Debug, Default)]
pub struct Texts {
    files: Vec<PathBuf>,
    open: Option<(u32, File)>,
}

impl Texts {
    /// Adds a file; `None` when there are too many to count.
    pub fn add(&mut self, path: PathBuf) -> Option<u32> {
        let index = u32::try_from(self.files.len()).ok()?;
        self.files.push(path);
        Some(index)
    }

    /// The text behind what was kept of an event; `item` is what the guest said of it.
    ///
    /// # Errors
    /// A sentence, when the file cannot be read again or has changed.
    pub fn resolve<'k>(
        &mut self,
        kept: &'k [u8],
        item: &[u8],
        guest: &mut Guest,
    ) -> Result<Cow<'k, [u8]>, String> {
        let Some((file, offset, len)) = parse(kept) else { return Ok(Cow::Borrowed(kept)) };
        let name = self.files.get(file as usize).map(|p| p.display().to_string());
        let name = name.unwrap_or_default();
        let text = self.read(file, offset, len).map_err(|e| format!("{name}: {e}"))?;
        let mut batch = Batch::default();
        batch.push(&text);
        let mut same = Same { item, found: false };
        batch.keys(guest, 0, &mut same);
        if same.found {
            return Ok(Cow::Owned(text));
        }
        Err(format!("{name}: byte {offset}: the file changed while it was read; run again"))
    }

    fn read(&mut self, file: u32, offset: u64, len: u32) -> std::io::Result<Vec<u8>> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != file) {
            let path = self.files.get(file as usize).ok_or(std::io::ErrorKind::NotFound)?;
            self.open = Some((file, File::open(path)?));
        }
        let mut text = vec![0; len as usize];
        if let Some((_, file)) = &mut self.open {
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(&mut text)?;
        }
        Ok(text)
    }
}

fn parse(kept: &[u8]) -> Option<(u32, u64, u32)> {
    let (mark, rest) = kept.split_first()?;
    if *mark != REFERENCE || kept.len() != REFERENCE_LEN {
        return None;
    }
    let (file, rest) = rest.split_first_chunk::<4>()?;
    let (offset, rest) = rest.split_first_chunk::<8>()?;
    let (len, _) = rest.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*file), u64::from_le_bytes(*offset), u32::from_le_bytes(*len)))
}

/// Whether the guest says the same of a text as it did before, its place in the buffer aside.
struct Same<'i> {
    item: &'i [u8],
    found: bool,
}

impl Sort for Same<'_> {
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
    use firstseen_runtime::{Artifact, Runtime};

    #[test]
    fn a_reference_is_told_from_a_text_and_read_back() {
        let made = reference(7, 1 << 40, 4711);
        assert_eq!(parse(&made), Some((7, 1 << 40, 4711)));
        assert_eq!(parse(b"{\"seventeen\":1234}"), None);
        assert_eq!(parse(b""), None);
    }

    /// Keeps what a guest says of the one event.
    #[derive(Default)]
    struct Said(Vec<u8>);

    impl Sort for Said {
        fn item(&mut self, _: usize, item: &Item<'_>) {
            self.0 = item.raw.to_vec();
        }
        fn failed(&mut self, _: usize, _: &CallError) {}
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
        let mut batch = Batch::default();
        batch.push(b"{}");
        batch.push(one.as_bytes());
        let mut said = Said::default();
        batch.keys(&mut guest, 0, &mut said);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let kept = reference(0, 1, u32::try_from(one.len()).unwrap());
        for (content, ok) in [(&one, true), (&other, false)] {
            std::fs::write(&path, format!(" {content}")).unwrap();
            let mut texts = Texts::default();
            texts.add(path.clone());
            let text = texts.resolve(&kept, &said.0, &mut guest);
            assert_eq!(text.is_ok(), ok, "{text:?}");
            if let Err(reason) = text {
                assert!(reason.contains("the file changed"), "{reason}");
            }
        }
        std::fs::write(&path, " {").unwrap();
        let mut texts = Texts::default();
        texts.add(path);
        assert!(texts.resolve(&kept, &said.0, &mut guest).is_err());
        let carried = texts.resolve(one.as_bytes(), &said.0, &mut guest).unwrap();
        assert_eq!(carried, one.as_bytes());
    }

    #[test]
    fn a_file_is_read_where_the_reference_points() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, b"0123456789").unwrap();
        let mut texts = Texts::default();
        let file = texts.add(path).unwrap();
        assert_eq!(texts.read(file, 3, 4).unwrap(), b"3456");
        assert!(texts.read(file, 8, 4).is_err());
        assert!(texts.read(9, 0, 1).is_err());
    }
}

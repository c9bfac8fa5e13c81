//! An output as the state recorded it, beside the file as it is.
//!
//! In: a file, and how it was when its state was committed last. Out: how it differs, and a digest of all that
//! is in it, which goes on with what is written. Nothing is changed. A file that nobody has touched since is
//! not read again but for its last block: the time of its last change, which no editor sets, says so.

use crate::numbers::{counted, number};
use crate::state::{OutputMark, WholeOutput, digest_text};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// So many bytes before its end tell a file from another one.
const TAIL: u64 = 4 << 10;
/// The digest goes from block to block, so that it can go on behind the last whole one.
const BLOCK: u64 = 1 << 20;

/// What to do about alerts that are gone from an output.
pub(super) const HAVE_AGAIN: &str = "restore a copy of it, or have them again by a run over the same inputs with \
                                     --repeats emit, another --output and without --resume";

/// What the state recorded of a file, and what became of it.
pub struct KnownOutput<'m> {
    /// As it was recorded.
    pub mark: &'m OutputMark,
    /// How it differs from that.
    pub differs: Option<String>,
    /// That is because it is not there.
    pub(super) is_missing: bool,
    /// Where it does not: a digest of what the state knows of it.
    pub(super) digest: Option<OutputDigest>,
}

impl<'m> KnownOutput<'m> {
    /// Looks at the file; nothing is changed. One that is not there has nothing of what was recorded.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn look(path: &Path, mark: &'m OutputMark) -> io::Result<Self> {
        let mut is_missing = false;
        let (differs, digest) = match File::open(path) {
            Ok(file) => compare(&file, &file.metadata()?, mark)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let lost = || {
                    format!(
                        "it is not there, and had {} of alerts that do not come again",
                        counted(mark.length, "byte", "bytes")
                    )
                };
                is_missing = mark.length > 0;
                (is_missing.then(lost), None)
            }
            Err(e) => return Err(e),
        };
        Ok(Self { mark, differs, is_missing, digest })
    }
}

fn compare(
    file: &File,
    meta: &Metadata,
    mark: &OutputMark,
) -> io::Result<(Option<String>, Option<OutputDigest>)> {
    let lost = "the alerts that were in it do not come again";
    let differs = |how: String| Ok((Some(how), None));
    let is_long = meta.len() >= mark.length;
    // A copy of it, as a backup brings it back, ends with the same alerts.
    let is_copy = || -> io::Result<bool> {
        let Some(tail) = mark.tail.as_ref().filter(|_| is_long) else { return Ok(false) };
        Ok(*tail == tail_digest(file, mark.length)?)
    };
    if meta.ino() != mark.inode && mark.length > 0 && !is_copy()? {
        return differs(format!(
            "it is not the file that the state knows, which was moved or deleted with {} of alerts; \
             nothing of it was cut, and {lost}",
            counted(mark.length, "byte", "bytes")
        ));
    }
    if !is_long {
        let missing = counted(mark.length - meta.len(), "byte", "bytes");
        return differs(format!("it is {missing} shorter than the state knows it: {lost}"));
    }
    if mark.tail.is_some() && mark.tail != Some(tail_digest(file, mark.length)?) {
        return differs(format!(
            "it was written anew since the state was committed: nothing of it was cut, and {lost}"
        ));
    }
    let Some(whole) = &mark.whole else { return Ok((None, None)) };
    let is_untouched =
        meta.len() == mark.length && meta.ino() == mark.inode && last_change(meta) == whole.changed;
    let mut digest = match is_untouched {
        true => OutputDigest::behind(whole.blocks.clone(), mark.length),
        false => OutputDigest::default(),
    };
    digest.read_to(file, mark.length)?;
    if digest.reached() != (whole.blocks.clone(), whole.rest.clone()) {
        return differs(format!(
            "something in its first {} bytes was changed since the state was committed: nothing of it was cut, \
             and alerts that are gone from it do not come again",
            number(mark.length)
        ));
    }
    Ok((None, Some(digest)))
}

/// When a file was changed last, content or not, by the system's own account.
pub(super) fn last_change(meta: &Metadata) -> (i64, i64) {
    (meta.ctime(), meta.ctime_nsec())
}

/// A digest of the last bytes before a length.
pub(super) fn tail_digest(file: &File, length: u64) -> io::Result<String> {
    let mut tail = vec![0; length.min(TAIL) as usize];
    let begin = length - tail.len() as u64;
    file.read_exact_at(&mut tail, begin)?;
    Ok(digest_text(&blake3::hash(&tail)))
}

/// A digest of all of an output, from its beginning to a length.
#[derive(Debug, Clone, Default)]
pub(super) struct OutputDigest {
    /// Of its whole blocks.
    blocks: String,
    /// What is behind them.
    rest: blake3::Hasher,
    length: u64,
}

impl OutputDigest {
    /// Behind the last whole block before a length, of which this is the digest.
    fn behind(blocks: String, length: u64) -> Self {
        Self { blocks, rest: blake3::Hasher::new(), length: length - length % BLOCK }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = usize::try_from(BLOCK - self.length % BLOCK).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.rest.update(now);
            self.length += now.len() as u64;
            if self.length.is_multiple_of(BLOCK) {
                let rest = digest_text(&self.rest.finalize());
                self.blocks = digest_text(&blake3::hash((self.blocks.clone() + &rest).as_bytes()));
                self.rest.reset();
            }
            bytes = later;
        }
    }

    /// Takes what is in the file up to a length.
    pub(super) fn read_to(&mut self, file: &File, length: u64) -> io::Result<()> {
        let mut block = vec![0; length.saturating_sub(self.length).min(BLOCK) as usize];
        while self.length < length {
            let size = (length - self.length).min(block.len() as u64) as usize;
            file.read_exact_at(&mut block[..size], self.length)?;
            self.update(&block[..size]);
        }
        Ok(())
    }

    fn reached(&self) -> (String, String) {
        (self.blocks.clone(), digest_text(&self.rest.finalize()))
    }

    /// For the state to keep, where this is all of the file.
    pub(super) fn of_whole(&self, meta: &Metadata) -> Option<WholeOutput> {
        let (blocks, rest) = self.reached();
        let changed = last_change(meta);
        (self.length == meta.len()).then_some(WholeOutput { blocks, rest, changed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_goes_on_behind_its_last_whole_block() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts");
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7] {
            let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            let file = File::open(&path).unwrap();
            let mut read = OutputDigest::default();
            read.read_to(&file, length).unwrap();
            let mut written = OutputDigest::default();
            bytes.chunks(1000).for_each(|chunk| written.update(chunk));
            assert_eq!(read.reached(), written.reached());
            let mut behind = OutputDigest::behind(read.blocks.clone(), length);
            behind.read_to(&file, length).unwrap();
            assert_eq!(behind.reached(), read.reached());
            behind.update(b"more");
            read.update(b"more");
            assert_eq!(behind.reached(), read.reached());
        }
    }

    /// What is said of a file after this was done to it.
    fn said(change: impl Fn(&Path)) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts");
        let bytes = vec![b'x'; 2 * BLOCK as usize + 10_000];
        std::fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        let meta = file.metadata().unwrap();
        let mut digest = OutputDigest::default();
        digest.update(&bytes);
        let mark = OutputMark {
            path: String::new(),
            inode: meta.ino(),
            length: meta.len(),
            tail: tail_digest(&file, meta.len()).ok(),
            whole: digest.of_whole(&meta),
            open: true,
        };
        change(&path);
        KnownOutput::look(&path, &mark).unwrap().differs
    }

    #[test]
    fn a_change_anywhere_is_seen() {
        let write_at = |at: u64| {
            move |path: &Path| {
                // The system's clock may not have moved on since the file was made.
                std::fs::File::options().append(true).open(path).unwrap().set_len(1 << 22).unwrap();
                let file = File::options().write(true).open(path).unwrap();
                file.write_all_at(b"y", at).unwrap();
            }
        };
        let length = 2 * BLOCK + 10_000;
        assert_eq!(said(|_| {}), None);
        assert_eq!(said(write_at(length)), None, "behind what the state knows");
        for at in [0, 5, BLOCK - 1, BLOCK, 2 * BLOCK, length - TAIL - 1] {
            assert!(said(write_at(at)).is_some_and(|how| how.contains("was changed")), "{at}");
        }
        for at in [length - TAIL, length - 1] {
            assert!(said(write_at(at)).is_some_and(|how| how.contains("anew")), "{at}");
        }
        // A copy of the same is the same, and one that was changed on the way is not.
        let copy = |with: &'static [u8]| {
            move |path: &Path| {
                let mut bytes = std::fs::read(path).unwrap();
                bytes[..with.len()].copy_from_slice(with);
                std::fs::write(path.with_extension("copy"), bytes).unwrap();
                std::fs::rename(path.with_extension("copy"), path).unwrap();
            }
        };
        assert_eq!(said(copy(b"")), None);
        assert!(said(copy(b"abc")).is_some_and(|how| how.contains("was changed")));
        assert!(said(|path| std::fs::remove_file(path).unwrap()).is_some());
    }
}

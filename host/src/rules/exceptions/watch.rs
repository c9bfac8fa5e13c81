//! A file that may change while it is in use.
//!
//! In: a path. Out: the text, and whether it is another one now. A look costs one question to the
//! file system. A text that changed is read twice, a moment apart, and counts when it is the same both
//! times: a file that is being written holds a part of what it will hold. It uses no thread, and the
//! clock only to mistrust what it says of recent changes.

use anyhow::{Context, anyhow, bail};
use std::fs::Metadata;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The longest file, in bytes. A guest holds it more than once while it reads it.
const MAX_FILE: u64 = 4 << 20;

/// File systems count time in ticks, some of two seconds: within a tick a file can change and look
/// the same. So the text of a file that changed a moment ago is compared itself.
const SETTLED_AFTER: Duration = Duration::from_secs(3);

/// Between two reads of a file that changed.
const A_MOMENT: Duration = Duration::from_millis(100);

/// Reads of a file that is another one each time, before it is left for the next look.
const READS: usize = 5;

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
    /// Device, inode, and when the inode last changed: nobody sets that one back.
    #[cfg(unix)]
    inode: (u64, u64, i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Self {
            len: meta.len(),
            modified: meta.modified().ok(),
            #[cfg(unix)]
            inode: (meta.dev(), meta.ino(), meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// When the file last changed.
    #[cfg(unix)]
    fn changed(&self) -> Option<SystemTime> {
        let (_, _, seconds, nanoseconds) = self.inode;
        let since = Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?);
        SystemTime::UNIX_EPOCH.checked_add(since)
    }

    #[cfg(not(unix))]
    fn changed(&self) -> Option<SystemTime> {
        self.modified
    }

    /// Whether a change after this stamp shows in another stamp for certain.
    fn is_settled(&self, now: SystemTime) -> bool {
        let age = self.changed().and_then(|changed| now.duration_since(changed).ok());
        age.is_some_and(|age| age >= SETTLED_AFTER)
    }
}

/// What a look found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// What was there before; also where it is still gone.
    Same,
    /// Another text.
    Changed(String),
    /// It cannot be read any more, and why. Printed once.
    Lost(String),
}

/// A file under watch.
#[derive(Debug)]
pub(super) struct Watched {
    /// Where it is.
    pub(super) path: PathBuf,
    /// As it was last read; `None` when it is not trusted to tell a change.
    stamp: Option<Stamp>,
    /// Of the text that was last read.
    digest: blake3::Hash,
    /// Why it could not be read when it was last tried.
    lost: Option<String>,
    /// A pipe gives its text once.
    is_file: bool,
}

impl Watched {
    /// Reads a file for the first time.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn open(path: &Path) -> anyhow::Result<(Self, String)> {
        Self::open_with(path, &mut pause)
    }

    fn open_with(path: &Path, pause: &mut dyn FnMut()) -> anyhow::Result<(Self, String)> {
        let (mut meta, mut text) = read(path)?;
        // What last changed long ago is not being written.
        if meta.is_file() && !Stamp::of(&meta).is_settled(SystemTime::now()) {
            (meta, text) = read_again(path, text, pause)?;
        }
        let mut watched = Self {
            path: path.to_path_buf(),
            stamp: None,
            digest: blake3::hash(text.as_bytes()),
            lost: None,
            is_file: meta.is_file(),
        };
        watched.trust(&meta, SystemTime::now());
        Ok((watched, text))
    }

    /// Looks whether it changed.
    pub(super) fn look(&mut self) -> Look {
        self.look_at(SystemTime::now(), &mut pause)
    }

    fn look_at(&mut self, now: SystemTime, pause: &mut dyn FnMut()) -> Look {
        if !self.is_file {
            return Look::Same;
        }
        let stamp = std::fs::metadata(&self.path).ok().map(|meta| Stamp::of(&meta));
        if stamp.is_some() && stamp == self.stamp {
            return Look::Same;
        }
        let found = read(&self.path).and_then(|(meta, text)| {
            if blake3::hash(text.as_bytes()) == self.digest {
                return Ok((meta, text));
            }
            read_again(&self.path, text, pause)
        });
        match found {
            Err(error) => {
                let reason = format!("{error:#}");
                self.stamp = None;
                if self.lost.as_ref() == Some(&reason) {
                    return Look::Same;
                }
                self.lost = Some(reason.clone());
                Look::Lost(reason)
            }
            Ok((meta, text)) => {
                self.lost = None;
                self.trust(&meta, now);
                let digest = blake3::hash(text.as_bytes());
                if std::mem::replace(&mut self.digest, digest) == digest {
                    return Look::Same;
                }
                Look::Changed(text)
            }
        }
    }

    fn trust(&mut self, meta: &Metadata, now: SystemTime) {
        self.stamp = Some(Stamp::of(meta)).filter(|stamp| stamp.is_settled(now));
    }
}

fn pause() {
    std::thread::sleep(A_MOMENT);
}

/// Reads a file until two reads a moment apart are the same; `before` is the one before the first.
fn read_again(
    path: &Path,
    mut before: String,
    pause: &mut dyn FnMut(),
) -> anyhow::Result<(Metadata, String)> {
    for _ in 1..READS {
        pause();
        let (meta, text) = read(path)?;
        if text == before {
            return Ok((meta, text));
        }
        before = text;
    }
    bail!("it is being written; put a finished file in its place by renaming it")
}

/// A file's text, and its metadata from before it was read: a change after that shows.
fn read(path: &Path) -> anyhow::Result<(Metadata, String)> {
    let file = std::fs::File::open(path)?;
    let meta = file.metadata()?;
    if meta.is_dir() {
        bail!("it is a folder; give a file");
    }
    let mut text = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        bail!("it is larger than {} MiB", MAX_FILE >> 20);
    }
    let text = String::from_utf8(text)
        .map_err(|e| anyhow!("it is not UTF-8 (at byte {})", e.utf8_error().valid_up_to()));
    Ok((meta, text.context("it cannot be read")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long after whatever the test does.
    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(3600)
    }

    fn changed(text: &str) -> Look {
        Look::Changed(text.to_owned())
    }

    #[test]
    fn a_change_is_seen_however_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "one").unwrap();
        let (mut watched, text) = Watched::open(&path).unwrap();
        assert_eq!(text, "one");
        assert_eq!(watched.look(), Look::Same);
        // In place, of the same length, at once.
        std::fs::write(&path, "two").unwrap();
        assert_eq!(watched.look(), changed("two"));
        assert_eq!(watched.look(), Look::Same);
        // Settled, so that the stamp alone is asked; then another file under its name.
        assert_eq!(watched.look_at(later(), &mut || ()), Look::Same);
        assert!(watched.stamp.is_some());
        std::fs::write(folder.path().join("new"), "six").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(watched.look_at(later(), &mut || ()), changed("six"));
        // Written anew with the same text.
        std::fs::write(&path, "six").unwrap();
        assert_eq!(watched.look_at(later(), &mut || ()), Look::Same);
    }

    /// What an editor writes in parts is taken when it is whole, and what never rests is not taken.
    #[test]
    fn a_file_that_is_being_written_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "old").unwrap();
        let (mut watched, _) = Watched::open_with(&path, &mut || ()).unwrap();
        // Emptied, then half of it, then all: seen whole at the third read, and taken at the fourth.
        std::fs::write(&path, "").unwrap();
        let mut parts = ["ne", "new"].into_iter();
        let mut write = || parts.next().into_iter().for_each(|t| std::fs::write(&path, t).unwrap());
        assert_eq!(watched.look_at(later(), &mut write), changed("new"));
        assert_eq!(watched.look_at(later(), &mut || ()), Look::Same);
        // Another text at each read.
        let mut n = 0;
        let mut write = || {
            n += 1;
            std::fs::write(&path, format!("{n}")).unwrap();
        };
        write();
        let Look::Lost(reason) = watched.look_at(later(), &mut write) else { panic!("taken") };
        assert!(reason.contains("being written"), "{reason}");
        assert_eq!(n, READS);
        // It rests: now it counts.
        assert_eq!(watched.look_at(later(), &mut || ()), changed("5"));
        // A run that begins while it is written waits too.
        std::fs::write(&path, "a").unwrap();
        let mut parts = ["ab", "abc"].into_iter();
        let mut write = || parts.next().into_iter().for_each(|t| std::fs::write(&path, t).unwrap());
        assert_eq!(Watched::open_with(&path, &mut write).unwrap().1, "abc");
    }

    #[test]
    fn what_cannot_be_read_is_said_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "one").unwrap();
        let (mut watched, _) = Watched::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(watched.look(), Look::Lost(_)));
        assert_eq!(watched.look(), Look::Same);
        std::fs::write(&path, b"\xff").unwrap();
        let Look::Lost(reason) = watched.look() else { panic!("it is not UTF-8") };
        assert!(reason.contains("UTF-8"), "{reason}");
        std::fs::write(&path, "one").unwrap();
        assert_eq!(watched.look(), Look::Same);
        std::fs::write(&path, "two").unwrap();
        assert_eq!(watched.look(), changed("two"));
    }

    #[test]
    fn a_stamp_is_trusted_when_its_change_is_past() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "one").unwrap();
        let (watched, _) = Watched::open(&path).unwrap();
        assert!(watched.stamp.is_none());
        let stamp = Stamp::of(&std::fs::metadata(&path).unwrap());
        assert!(stamp.is_settled(later()));
        assert!(!stamp.is_settled(SystemTime::UNIX_EPOCH));
    }

    #[test]
    fn what_is_no_file_of_text_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Watched::open(folder.path()).is_err());
        assert!(Watched::open(&folder.path().join("none")).is_err());
        let path = folder.path().join("large");
        std::fs::File::create(&path).unwrap().set_len(MAX_FILE + 1).unwrap();
        let error = Watched::open(&path).unwrap_err().to_string();
        assert!(error.contains("larger than 4 MiB"), "{error}");
    }
}

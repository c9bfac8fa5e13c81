//! `run --follow`: batch after batch, as files grow, rotate and appear.
//!
//! In: the inputs as they were typed. Out: when something may have changed, and which files are to be looked at then. It
//! reads nothing of them: what a batch reads, `resume` says, by positions in the state. What was looked at and did not
//! change since is not looked at again.

use super::resume::{FileNumber, InputGone, ResumedRun};
use super::run::SystemClock;
use super::served::Opened;
use crate::files::shown;
use crate::pipeline::{BatchUnread, Clock, Pipeline, Stop};
use crate::source::{self, FoundInputs, Input, InputKind, Wake};
use crate::state::RecordedInput;
use crate::terminal::{formats, message};
use anyhow::{Context, bail};
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// After so many seconds files are looked at in any case: not every file system tells of changes.
const LOOK_AGAIN: i64 = 5;
/// Changes so close to each other make one batch, in nanoseconds.
const QUIET: i64 = 100_000_000;
/// A packed file is read once it has been as it is for so many seconds: whoever writes it may not be done.
const SETTLED_SECONDS: i64 = 5;

/// How a file was when it was looked at: its length, and its time in nanoseconds.
type FileLook = (u64, i128);

/// Follows files.
pub(super) struct Follow {
    paths: Vec<PathBuf>,
    wake: Option<Wake>,
    changes: UnixStream,
    /// Watches as long as it is there.
    watcher: RecommendedWatcher,
    watched: HashSet<PathBuf>,
    /// Files that were looked at.
    looks: HashMap<FileNumber, FileLook>,
    /// Inputs that could not be looked at, each said once.
    told: HashSet<String>,
}

/// What is to be looked at next.
#[derive(Default)]
pub(super) struct FollowedInputs {
    /// Files that are new or changed.
    pub inputs: Vec<Input>,
    /// All files that are there.
    pub present: HashSet<FileNumber>,
    looks: HashMap<FileNumber, FileLook>,
}

impl Follow {
    /// Watches the folders that the inputs are in.
    ///
    /// # Errors
    /// Where standard input is among them, or files cannot be watched here.
    pub(super) fn new(paths: &[PathBuf], stop: &dyn Stop) -> anyhow::Result<Self> {
        if paths.is_empty() || paths.iter().any(|path| path.as_os_str() == "-") {
            bail!("--follow: give files and folders; a stream is read with `run -`");
        }
        let (changes, to_changes) = UnixStream::pair()?;
        changes.set_nonblocking(true)?;
        to_changes.set_nonblocking(true)?;
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| is_reading(event.kind)) {
                return;
            }
            // Where it is full, enough was said.
            let _ = (&to_changes).write(b"x");
        });
        let watcher = watcher.context("files cannot be watched here")?;
        let mut follow = Self {
            paths: paths.to_vec(),
            wake: stop.wake(),
            changes,
            watcher,
            watched: HashSet::new(),
            looks: HashMap::new(),
            told: HashSet::new(),
        };
        follow.watch();
        Ok(follow)
    }

    /// Those of the paths that are there.
    pub(super) fn existing(paths: &[PathBuf]) -> Vec<PathBuf> {
        paths.iter().filter(|path| path.exists()).cloned().collect()
    }

    /// Watches what is not watched yet: a folder may have come only now.
    fn watch(&mut self) {
        for path in &self.paths {
            let is_folder = path.is_dir();
            let (folder, mode) = if is_folder {
                (path.clone(), RecursiveMode::Recursive)
            } else {
                (parent(path), RecursiveMode::NonRecursive)
            };
            if !self.watched.contains(&folder) && self.watcher.watch(&folder, mode).is_ok() {
                self.watched.insert(folder);
            }
        }
    }

    /// Waits until something may have changed; false where the run is to end.
    pub(super) fn wait(&mut self, stop: &dyn Stop) -> bool {
        if self.poll(LOOK_AGAIN, 0, stop) {
            // What belongs to the same change arrives meanwhile.
            self.drain();
            self.poll(0, QUIET, stop);
        }
        self.drain();
        self.watch();
        !stop.is_requested()
    }

    /// Whether something changed within this time; at once where the run is to end.
    fn poll(&self, tv_sec: i64, tv_nsec: i64, stop: &dyn Stop) -> bool {
        loop {
            if stop.is_requested() {
                return false;
            }
            let limit = Timespec { tv_sec, tv_nsec };
            let changes = PollFd::new(&self.changes, PollFlags::IN);
            let polled = match &self.wake {
                Some(wake) => poll(&mut [changes, PollFd::new(wake, PollFlags::IN)], Some(&limit)),
                None => poll(&mut [changes], Some(&limit)),
            };
            match polled {
                Err(Errno::INTR) => {}
                Err(_) | Ok(0) => return false,
                Ok(_) => return !stop.is_requested(),
            }
        }
    }

    fn drain(&mut self) {
        let mut some = [0; 4096];
        while matches!(self.changes.read(&mut some), Ok(1..)) {}
    }

    /// The files that may hold something new. `read` are those that have a position: one that was renamed beside a
    /// path that was typed is found by its number, so that what was written to it last is not lost. `now_s` is the
    /// time, in seconds since 1970.
    ///
    /// # Errors
    /// As [`source::find`].
    pub(super) fn find(
        &mut self,
        read: &[RecordedInput],
        now_s: i64,
    ) -> anyhow::Result<FollowedInputs> {
        let FoundInputs { inputs, faults, .. } = source::find(&Self::existing(&self.paths))?;
        for fault in faults {
            self.tell(fault.text());
        }
        let mut found = FollowedInputs::default();
        for input in inputs {
            if !is_being_made(&input, read) {
                self.look(input, now_s, &mut found);
            }
        }
        for input in self.renamed(&found.present, read) {
            self.look(input, now_s, &mut found);
        }
        Ok(found)
    }

    /// Takes an input that may hold something new.
    fn look(&mut self, input: Input, now_s: i64, found: &mut FollowedInputs) {
        let InputKind::File(path) = input.kind() else { return };
        let Some(bytes) = input.bytes else {
            self.tell(format!("{}: it is no regular file, and not followed", shown(path)));
            return;
        };
        let Ok(meta) = path.metadata() else { return };
        let number = (meta.dev(), meta.ino());
        if !found.present.insert(number) {
            return;
        }
        let look = (bytes, time_ns(&meta));
        let is_unchanged = self.looks.get(&number) == Some(&look);
        // A plain one is open already.
        if !is_unchanged && input.readable_again().is_none() {
            if let Err(error) = std::fs::File::open(path) {
                self.tell(format!("{}: {error}; run as a user who may read it", shown(path)));
                return;
            }
            if now_s.saturating_sub(meta.mtime()) < SETTLED_SECONDS {
                return;
            }
        }
        found.looks.insert(number, look);
        if !is_unchanged {
            found.inputs.push(input);
        }
    }

    /// These were looked at: what was read of them has a position.
    pub(super) fn looked(&mut self, found: FollowedInputs) {
        self.looks = found.looks;
    }

    fn tell(&mut self, text: String) {
        if self.told.len() < 1000 && !self.told.contains(&text) {
            message::warning(&format!("skipped: {text}"));
            self.told.insert(text);
        }
    }

    /// Files with a position that are not present by their paths, and are beside a path that was typed.
    fn renamed(&self, present: &HashSet<FileNumber>, read: &[RecordedInput]) -> Vec<Input> {
        let folders: HashSet<PathBuf> =
            self.paths.iter().filter(|path| !path.is_dir()).map(|path| parent(path)).collect();
        if folders.is_empty() {
            return Vec::new();
        }
        let lost = read.iter().map(|record| (record.device, record.inode));
        let lost: HashSet<FileNumber> = lost.filter(|number| !present.contains(number)).collect();
        let mut renamed = Vec::new();
        for entry in folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten() {
            let Ok(entry) = entry else { continue };
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_file() && lost.contains(&(meta.dev(), meta.ino())) {
                renamed.push(Input::whole(entry.path(), meta.len()));
            }
        }
        renamed
    }
}

/// Decides what is there, and then what comes, until the run is to end.
///
/// # Errors
/// As for the pipeline.
pub(super) fn run(
    mut resumed: ResumedRun,
    pipeline: &mut Pipeline<'_>,
    paths: &[PathBuf],
    stop: &dyn Stop,
    opened: &Opened,
) -> anyhow::Result<()> {
    let mut follow = Follow::new(paths, stop)?;
    opened.tell(&format!("following {}", formats::count(paths.len(), "input")));
    resumed.keep_runs(pipeline, SystemClock.now_ms());
    loop {
        let now_ms = SystemClock.now_ms();
        let found = follow.find(resumed.read(), now_ms / 1000)?;
        match resumed.run_files(pipeline, &found.inputs, &found.present, now_ms, stop) {
            Ok(true) => follow.looked(found),
            // A signal came in the middle of a batch: the next start goes on with it.
            Ok(false) => return Ok(()),
            Err(error) if error.is::<InputGone>() || error.is::<BatchUnread>() => {
                resumed.give_up(&error);
            }
            Err(error) => return Err(error),
        }
        if !follow.wait(stop) {
            return pipeline.close();
        }
    }
}

/// Whether somebody only read, as each look does with the folders: answered by another look, it would never end.
fn is_reading(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    }
}

/// Whether a file holds nothing yet. One that was read before was emptied: its position has to go.
fn is_being_made(input: &Input, read: &[RecordedInput]) -> bool {
    let InputKind::File(path) = input.kind() else { return false };
    if input.bytes != Some(0) {
        return false;
    }
    let Ok(meta) = path.metadata() else { return false };
    !read.iter().any(|record| (record.device, record.inode) == (meta.dev(), meta.ino()))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn time_ns(meta: &Metadata) -> i128 {
    i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, DataChange, ModifyKind, RemoveKind, RenameMode};

    /// A look opens the folders and closes them: where that began another one, an idle run would look without end.
    #[test]
    fn what_only_reads_is_no_reason_to_look() {
        for access in [
            AccessKind::Any,
            AccessKind::Read,
            AccessKind::Open(AccessMode::Any),
            AccessKind::Close(AccessMode::Read),
        ] {
            assert!(is_reading(EventKind::Access(access)), "{access:?}");
        }
        for change in [
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
            EventKind::Remove(RemoveKind::File),
            // Some events were lost.
            EventKind::Other,
            EventKind::Any,
        ] {
            assert!(!is_reading(change), "{change:?}");
        }
    }
}

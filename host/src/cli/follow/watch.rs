//! Waits until something may have changed in folders.
//!
//! In: folders. Out: when to look at them again: soon after the system tells of a change, and every few seconds, as not every
//! file system does. It reads nothing of them.

use crate::pipeline::Stop;
use crate::source::Wake;
use crate::waiting::{WaitEnd, wait_for};
use anyhow::Context;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::HashSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// After so many seconds files are looked at in any case: not every file system tells of changes.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Changes so close to each other make one batch.
const QUIET: Duration = Duration::from_millis(100);
/// Watches folders.
pub(super) struct FolderWatch {
    wake: Option<Wake>,
    changes: UnixStream,
    /// Watches as long as it is there.
    watcher: RecommendedWatcher,
    watched: HashSet<PathBuf>,
}

impl FolderWatch {
    /// Watches nothing yet; `stop` ends a wait.
    ///
    /// # Errors
    /// Where files cannot be watched here.
    pub(super) fn new(stop: &dyn Stop) -> anyhow::Result<Self> {
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
        Ok(Self { wake: stop.wake(), changes, watcher, watched: HashSet::new() })
    }

    /// Watches those of the folders that are there and are not watched yet.
    pub(super) fn add(&mut self, folders: impl Iterator<Item = (PathBuf, RecursiveMode)>) {
        for (folder, mode) in folders {
            if !self.watched.contains(&folder) && self.watcher.watch(&folder, mode).is_ok() {
                self.watched.insert(folder);
            }
        }
    }

    /// Waits until something may have changed, or the run is to end.
    pub(super) fn wait(&mut self, stop: &dyn Stop) {
        if self.changes(LOOK_AGAIN, stop) {
            // What belongs to the same change arrives meanwhile.
            self.drain();
            self.changes(QUIET, stop);
        }
        self.drain();
    }

    /// Whether something changed within this time; at once where the run is to end.
    fn changes(&self, limit: Duration, stop: &dyn Stop) -> bool {
        let is_over = stop.is_requested();
        let ready = || wait_for(&self.changes, self.wake.as_ref(), Some(limit));
        !is_over && matches!(ready(), Ok(WaitEnd::Ready))
    }

    fn drain(&mut self) {
        let mut some = [0; 4096];
        while matches!(self.changes.read(&mut some), Ok(1..)) {}
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

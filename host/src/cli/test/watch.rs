//! `--watch`: the tests again, whenever a file changes that they depend on.
//!
//! In: the same paths. Out: a report after each change. Folders are watched, not files: editors put
//! a new file in the place of the old one. Only what may change a result counts, so that reading
//! the files, or writing the report beside them, starts nothing.

use super::find::{find, same};
use super::{ReportStatus, TestArgs, once, tell};
use crate::cli::ExitStatus;
use crate::escape::escaped;
use crate::files::folder_of;
use crate::terminal::formats::counted;
use crate::terminal::message;
use anyhow::Context;
use firstseen_runtime::Runtime;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Changes so close to each other are one: an editor writes a file in several steps.
const QUIET: Duration = Duration::from_millis(100);

/// Tests until the reader of the output goes away, or the process is ended.
///
/// # Errors
/// When the paths cannot be used at the start, or files cannot be watched here.
pub(super) fn watch(runtime: &Runtime, args: &TestArgs) -> anyhow::Result<ExitStatus> {
    let (send, changes) = channel();
    let watcher = notify::recommended_watcher(move |event| {
        // The receiver is gone only when the process ends.
        let _ = send.send(event);
    });
    let mut watched = WatchedInputs {
        watcher: watcher.context("files cannot be watched here")?,
        folders: BTreeSet::new(),
        inputs: BTreeSet::new(),
        output: args.output.as_deref().map(place),
    };
    // Before the first run: what changes while it runs is not lost.
    let found = find(&args.paths)?;
    watched.add(found.folders.iter().chain(&found.tests).chain(&found.rules));
    let mut first = true;
    loop {
        let told = match once(runtime, args) {
            Ok((report, inputs)) => {
                watched.add(&inputs);
                tell(args, &report)
            }
            Err(error) => Err(error),
        };
        match told {
            Ok(ReportStatus::Closed) => return Ok(ExitStatus::Done),
            Ok(ReportStatus::Ended(_)) => {}
            Err(error) if first && watched.inputs.is_empty() => return Err(error),
            Err(error) => message::error(&format!("error: {error:#}")),
        }
        first = false;
        message::info(&format!(
            "watching {}; Ctrl-C ends",
            counted(watched.inputs.len() as u64, "file or folder", "files and folders")
        ));
        let Some(changed) = watched.next(&changes) else { return Ok(ExitStatus::Done) };
        message::info(&format!("changed: {}", escaped(&changed.display().to_string())));
    }
}

struct WatchedInputs {
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
    /// Files and folders that a result depends on.
    inputs: BTreeSet<PathBuf>,
    output: Option<PathBuf>,
}

impl WatchedInputs {
    /// Watches these files and folders too.
    fn add<'p>(&mut self, paths: impl IntoIterator<Item = &'p PathBuf>) {
        for path in paths {
            let path = place(path);
            let folder = if path.is_dir() { Some(path.as_path()) } else { path.parent() };
            if let Some(folder) = folder
                && !self.folders.contains(folder)
            {
                match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                    Ok(()) => {
                        self.folders.insert(folder.to_owned());
                    }
                    Err(error) => {
                        let name = folder.display().to_string();
                        message::warning(&format!("{}: not watched: {error}", escaped(&name)));
                    }
                }
            }
            self.inputs.insert(path);
        }
    }

    /// Waits for a change that counts, and for quiet after it.
    fn next(&self, changes: &Receiver<notify::Result<Event>>) -> Option<PathBuf> {
        let first = loop {
            if let Some(path) = self.counts(&changes.recv().ok()?) {
                break path;
            }
        };
        while changes.recv_timeout(QUIET).is_ok() {}
        Some(first)
    }

    /// The path of a change that may change a result.
    fn counts(&self, change: &notify::Result<Event>) -> Option<PathBuf> {
        let event = change.as_ref().ok()?;
        if event.kind.is_access() {
            return None;
        }
        let may = |path: &&PathBuf| {
            let is_output = self.output.as_ref() == Some(path);
            let is_new = path.extension().is_some_and(|e| e == "toml") || path.is_dir();
            !is_output && (self.inputs.contains(*path) || is_new)
        };
        event.paths.iter().find(may).cloned()
    }
}

/// Where a file is or would be: its folder need be there, it need not.
fn place(path: &Path) -> PathBuf {
    let folder = folder_of(path);
    match path.file_name() {
        Some(name) if !path.is_dir() => same(folder).join(name),
        _ => same(path),
    }
}

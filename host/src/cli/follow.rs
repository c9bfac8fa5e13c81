//! `run --follow`: batch after batch, as files grow, rotate and appear.
//!
//! In: the inputs as they were typed. Out: when something may have changed, and which files are to be looked at then. It
//! reads nothing of them: what a batch reads, `resume` says, by positions in the state. What was looked at and did not
//! change since is not looked at again.

mod rotated;
mod watch;

use super::paths;
use super::resume::{FileNumber, FoundFiles, InputGone, ResumedRun, begins_so, edges};
use super::run::SystemClock;
use super::served::Opened;
use crate::files::{folder_of, shown};
use crate::pipeline::{BatchUnread, Clock, Pipeline, Stop};
use crate::source::{self, FoundInputs, Input, InputKind};
use crate::state::RecordedInput;
use crate::terminal::{formats, message};
use anyhow::bail;
use notify::RecursiveMode;
pub(super) use rotated::LogFamily;
use rotated::{RotatedFile, changed_ns};
use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use watch::FolderWatch;

/// A packed file is read once it has been as it is for so many seconds: whoever writes it may not be done.
const SETTLED_SECONDS: i64 = 5;
/// What changed so many milliseconds before it was looked at is looked at again: another change may have the same time.
/// File systems count in steps of up to 2 seconds.
const SAME_TIME_MS: i64 = 2000;

/// How a file was when it was looked at: its length, and when it changed last, or its name or rights did.
type FileLook = (u64, (i64, i64));

/// Files with a position, by their numbers.
type KnownFiles<'r> = HashMap<FileNumber, &'r RecordedInput>;

/// Follows files.
pub(super) struct Follow {
    paths: Vec<PathBuf>,
    watch: FolderWatch,
    /// Files that were looked at.
    looks: HashMap<FileNumber, FileLook>,
    /// Since when rotated files count, of logs that have no position yet.
    after: HashMap<PathBuf, i64>,
    /// Where paths led to that are links.
    targets: HashMap<PathBuf, PathBuf>,
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
    /// Which of them belong to a log that is followed by its name.
    pub families: HashMap<FileNumber, Rc<LogFamily>>,
    /// The logs that are followed by their names.
    pub logs: Vec<Rc<LogFamily>>,
    /// Packed files that changed a moment ago, and are read later.
    pub unsettled: HashSet<FileNumber>,
    looks: HashMap<FileNumber, FileLook>,
}

impl FollowedInputs {
    pub(super) fn files(&self) -> FoundFiles<'_> {
        let Self { inputs, present, families, logs, unsettled, .. } = self;
        FoundFiles { inputs, present, families, logs, unsettled }
    }
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
        let mut follow = Self {
            paths: paths.to_vec(),
            watch: FolderWatch::new(stop)?,
            looks: HashMap::new(),
            after: HashMap::new(),
            targets: HashMap::new(),
            told: HashSet::new(),
        };
        follow.watch();
        Ok(follow)
    }

    /// Refuses to write to a file that would be read as one that rotation made of a path.
    ///
    /// # Errors
    /// Where it is named so; `option` says what it was given for.
    pub(super) fn refuse_output(
        paths: &[PathBuf],
        option: &str,
        output: &Path,
    ) -> anyhow::Result<()> {
        let output = paths::whole(output);
        let log = paths.iter().find(|path| LogFamily::of(path, None).has(&output));
        let Some(log) = log.filter(|path| !path.is_dir()) else { return Ok(()) };
        let (output, log) = (shown(&output), shown(log));
        bail!(
            "{option} {output}: it is followed as {log}, or as what rotation makes of that; write to another file"
        )
    }

    /// Watches the folders that the paths are in: one may have come only now.
    fn watch(&mut self) {
        let trees = self.paths.iter().filter(|path| path.is_dir());
        let trees = trees.map(|tree| (tree.clone(), RecursiveMode::Recursive));
        let beside = self.folders().into_iter().map(|folder| (folder, RecursiveMode::NonRecursive));
        self.watch.add(trees.chain(beside));
    }

    /// Waits until something may have changed; false where the run is to end.
    pub(super) fn wait(&mut self, stop: &dyn Stop) -> bool {
        self.watch.wait(stop);
        self.watch();
        !stop.is_requested()
    }

    /// The files that may hold something new. `known` are those that have a position: one that was renamed beside a
    /// path that was typed is found by its number, so that what was written to it last is not lost. What rotation made
    /// of such a path since it was looked at first is found by name. `now_ms` is the time, in milliseconds since 1970.
    ///
    /// # Errors
    /// As [`source::find_existing`].
    pub(super) fn find(
        &mut self,
        known: &[&RecordedInput],
        now_ms: i64,
    ) -> anyhow::Result<FollowedInputs> {
        let FoundInputs { inputs, faults, .. } = source::find_existing(&self.paths)?;
        for fault in faults {
            self.tell(fault.text());
        }
        let known_files: KnownFiles<'_> =
            known.iter().map(|one| ((one.device, one.inode), *one)).collect();
        let mut found = FollowedInputs::default();
        for input in self.rotated(&inputs, known, &known_files, &mut found) {
            self.look(input, now_ms, &mut found);
        }
        for input in inputs {
            let number = metadata(&input).map(|(_, meta)| number(&meta));
            let is_log = number.is_some_and(|number| found.families.contains_key(&number));
            let is_known = number.is_some_and(|number| known_files.contains_key(&number));
            // What holds nothing yet is being made. One that was read before was emptied: its position has to go; and one
            // that is followed by its name has a position from now on, so that what rotation makes of it is known.
            if input.bytes != Some(0) || is_known || is_log {
                self.look(input, now_ms, &mut found);
            }
        }
        for input in self.renamed(&found.present, &known_files) {
            self.look(input, now_ms, &mut found);
        }
        Ok(found)
    }

    /// What rotation made of the paths that were typed since they were looked at first, the oldest first; and what
    /// belongs to which of them.
    fn rotated(
        &mut self,
        inputs: &[Input],
        known: &[&RecordedInput],
        known_files: &KnownFiles<'_>,
        found: &mut FollowedInputs,
    ) -> Vec<Input> {
        if self.paths.iter().all(|path| path.is_dir()) {
            return Vec::new();
        }
        let metas: Vec<_> = inputs.iter().filter_map(metadata).collect();
        let own: HashSet<_> = metas.iter().map(|(_, meta)| number(meta)).collect();
        let mut rotated = Vec::new();
        for path in self.paths.iter().filter(|path| !path.is_dir()) {
            if let Ok(target) = path.canonicalize() {
                self.targets.insert(path.clone(), target);
            }
            let mut family = LogFamily::of(path, self.targets.get(path));
            let log = metas.iter().find(|(other, _)| *other == path).map(|(_, meta)| number(meta));
            let mut files = family.files();
            files.retain(|file| !own.contains(&number(&file.meta)));
            family.after_ns = family.kept_after(known.iter().copied()).unwrap_or_else(|| {
                // Looked at for the first time: what is there by now is older than the log.
                let strange =
                    files.iter().filter(|file| !known_files.contains_key(&number(&file.meta)));
                let newest = strange.map(|file| changed_ns(&file.meta)).max().unwrap_or_default();
                *self.after.entry(path.clone()).or_insert(newest)
            });
            let after_ns = family.after_ns;
            let family = Rc::new(family);
            found.logs.push(Rc::clone(&family));
            found.families.extend(log.map(|log| (log, Rc::clone(&family))));
            for file in files {
                let is_new = || {
                    changed_ns(&file.meta) > after_ns
                        && file.meta.len() > 0
                        && !is_copy(&file, path)
                };
                found.families.insert(number(&file.meta), Rc::clone(&family));
                if is_new() || is_read(&file.path, &file.meta, known_files) {
                    rotated.push(Input::whole(file.path, file.meta.len()));
                }
            }
        }
        rotated
    }

    /// Takes an input that may hold something new.
    fn look(&mut self, input: Input, now_ms: i64, found: &mut FollowedInputs) {
        let InputKind::File(path) = input.kind() else { return };
        let Some(bytes) = input.bytes else {
            self.tell(format!("{}: it is no regular file, and not followed", shown(path)));
            return;
        };
        let Ok(meta) = path.metadata() else { return };
        let number = number(&meta);
        if !found.present.insert(number) {
            return;
        }
        let look = (bytes, (meta.ctime(), meta.ctime_nsec()));
        let is_unchanged = self.looks.get(&number) == Some(&look);
        // A plain one is open already.
        if !is_unchanged && input.readable_again().is_none() {
            if let Err(error) = File::open(path) {
                self.tell(format!("{}: {error}; run as a user who may read it", shown(path)));
                return;
            }
            if (now_ms / 1000).saturating_sub(meta.mtime()) < SETTLED_SECONDS {
                found.unsettled.insert(number);
                return;
            }
        }
        let changed_ms = meta.ctime().saturating_mul(1000);
        if is_unchanged || now_ms.saturating_sub(changed_ms) >= SAME_TIME_MS {
            found.looks.insert(number, look);
        }
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
    fn renamed(&self, present: &HashSet<FileNumber>, known: &KnownFiles<'_>) -> Vec<Input> {
        let folders: HashSet<PathBuf> = self.folders().into_iter().collect();
        if folders.is_empty() {
            return Vec::new();
        }
        let mut renamed = Vec::new();
        for entry in folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten() {
            let Ok(entry) = entry else { continue };
            let Ok(meta) = entry.metadata() else { continue };
            let number = number(&meta);
            if meta.is_file() && !present.contains(&number) && is_read(&entry.path(), &meta, known)
            {
                renamed.push(Input::whole(entry.path(), meta.len()));
            }
        }
        renamed
    }

    /// The folders that files are in which were typed themselves; of a link, also where it leads.
    fn folders(&self) -> Vec<PathBuf> {
        let files = self.paths.iter().filter(|path| !path.is_dir());
        let of = |path: &PathBuf| {
            let target = self.targets.get(path).map(|target| folder_of(target).to_path_buf());
            let folder = folder_of(path).to_path_buf();
            let is_other = |target: &PathBuf| folder.canonicalize().is_ok_and(|at| at != *target);
            let target = target.filter(is_other);
            [Some(folder), target]
        };
        files.flat_map(of).flatten().collect()
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
        let found = follow.find(&resumed.known(), now_ms)?;
        let unsettled = found.unsettled.len() as u64;
        match resumed.run_files(pipeline, found.files(), now_ms, stop) {
            Ok(true) => follow.looked(found),
            // A signal came in the middle of a batch: the next start goes on with it.
            Ok(false) => return Ok(()),
            Err(error) if error.is::<InputGone>() || error.is::<BatchUnread>() => {
                resumed.give_up(&error);
            }
            Err(error) => return Err(error),
        }
        if !follow.wait(stop) {
            if unsettled > 0 {
                message::info(&format!(
                    "{} not read yet: changed less than {SETTLED_SECONDS} seconds before",
                    formats::counted(unsettled, "packed file was", "packed files were")
                ));
            }
            return pipeline.close();
        }
    }
}

/// Whether a file begins with what was read of one with its number: that is given again when a file is removed.
fn is_read(path: &Path, meta: &Metadata, known: &KnownFiles<'_>) -> bool {
    let record = known.get(&number(meta)).filter(|record| record.length > 0);
    record.is_some_and(|record| {
        File::open(path).is_ok_and(|file| begins_so(record, &file, meta.len()))
    })
}

/// Whether a file holds what the log itself begins with: rotation may be about to copy it, and to cut it then.
fn is_copy(file: &RotatedFile, log: &Path) -> bool {
    let begins = |path: &Path| {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (length, opened) = opened.ok().filter(|(length, _)| *length >= file.meta.len())?;
        (length > 0).then(|| edges(&opened, file.meta.len()).ok()).flatten()
    };
    begins(log).is_some_and(|edges| begins(&file.path) == Some(edges))
}

fn metadata(input: &Input) -> Option<(&PathBuf, Metadata)> {
    let InputKind::File(path) = input.kind() else { return None };
    Some((path, path.metadata().ok()?))
}

fn number(meta: &Metadata) -> FileNumber {
    (meta.dev(), meta.ino())
}

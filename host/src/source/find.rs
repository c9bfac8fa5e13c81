//! Files, folders and `-` to a list of inputs.
//!
//! In: paths as typed. Out: the inputs in order, folders walked by name, and what could not be
//! walked. It opens no file: whether something is a log shows when it is read.
use super::input::{Input, InputKind};
use crate::escape::escaped;
use crate::numbers::{SHOWN_LINES, counted};
use crate::observe::place::input_name;
use crate::observe::{Notice, NoticeSeverity, Observer};
use crate::walk::{Walk, WalkEntry, WalkFault};
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What was found.
#[derive(Debug, Default)]
pub struct FoundInputs {
    /// In the order of the arguments, and inside a folder by path.
    pub inputs: Vec<Input>,
    /// Folders and links that could not be followed.
    pub faults: Vec<InputProblem>,
    /// What is in folders and is read only where it is named itself: pipes, devices, links into `/proc`.
    pub left_out: Vec<InputProblem>,
    /// The folders with hidden files or folders, how many, and whether there was something else.
    pub hidden: Vec<(PathBuf, u64, bool)>,
}

impl FoundInputs {
    /// Refuses to write to a file that is to be read: opening it would empty it first.
    ///
    /// # Errors
    /// When the path leads to one of the inputs; `option` says what it was given for.
    pub fn refuse_output(&self, option: &str, path: &Path) -> anyhow::Result<()> {
        let Ok(meta) = fs::metadata(path) else { return Ok(()) };
        let is_same = |source: &Input| match source.kind() {
            InputKind::File(input) => {
                fs::metadata(input).is_ok_and(|m| identity(&m) == identity(&meta))
            }
            InputKind::Stdin => false,
        };
        if meta.is_file() && self.inputs.iter().any(is_same) {
            let name = input_name(&path.to_string_lossy());
            anyhow::bail!("{option} {name}: it is one of the inputs; write to another file");
        }
        Ok(())
    }
}

impl FoundInputs {
    /// Says what was left out of folders, and how to read it: a warning where that may be what was meant.
    #[must_use]
    pub fn left_out(&self) -> Vec<(NoticeSeverity, String)> {
        let named = self.left_out.iter().take(SHOWN_LINES);
        let named = named.map(|problem| format!("left out: {}", problem.text()));
        let mut out: Vec<_> = named.map(|text| (NoticeSeverity::Warning, text)).collect();
        if let more @ 1.. = self.left_out.len().saturating_sub(SHOWN_LINES) {
            let what =
                counted(more as u64, "more pipe, device or link", "more pipes, devices or links");
            out.push((NoticeSeverity::Warning, format!("left out: {what} into /proc")));
        }
        for (folder, count, has_others) in self.hidden.iter().take(SHOWN_LINES) {
            let level = if *has_others { NoticeSeverity::Info } else { NoticeSeverity::Warning };
            let name = input_name(&folder.to_string_lossy());
            let one = "hidden file or folder; give its path to read it";
            let many = "hidden files or folders; give their paths to read them";
            out.push((level, format!("left out: {name}: {}", counted(*count, one, many))));
        }
        out
    }

    /// Gives what could not be walked to an observer.
    ///
    /// # Errors
    /// Those of the observer.
    pub fn report(&self, observer: &mut dyn Observer) -> anyhow::Result<()> {
        let mut faults = self.faults.iter();
        faults.try_for_each(|fault| observer.notice(&Notice::InputFailed { text: &fault.text() }))
    }
}

/// Something inside a folder that is no log by what it is, or could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputProblem {
    /// Where.
    pub path: PathBuf,
    /// What was wrong and what to do.
    pub reason: String,
}

impl InputProblem {
    /// Both, safe for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}: {}", input_name(&self.path.to_string_lossy()), escaped(&self.reason))
    }
}

/// Finds the inputs. Folders are walked without their hidden files and folders, and links are followed;
/// a file or folder that one argument reaches twice is taken once. Hidden files, pipes, devices and links
/// into `/proc` are inputs only where they are named themselves: in a folder they hold no logs, and
/// opening one could wait for ever.
///
/// # Errors
/// An argument that does not exist or cannot be an input.
pub fn find(args: &[PathBuf]) -> anyhow::Result<FoundInputs> {
    let mut found = FoundInputs::default();
    for path in args {
        if path.as_os_str() == "-" {
            found.inputs.push(Input::stdin());
            continue;
        }
        let name = input_name(&path.to_string_lossy());
        let meta = fs::metadata(path)
            .map_err(|e| anyhow::anyhow!("{name}: {e}; give a file, a folder, or - for stdin"))?;
        take(path, &meta, &mut found)?;
    }
    Ok(found)
}

/// Finds the files and folders that are there: any of them may come and go at any moment.
///
/// # Errors
/// One that cannot be an input.
pub fn find_existing(paths: &[PathBuf]) -> anyhow::Result<FoundInputs> {
    let mut found = FoundInputs::default();
    for path in paths {
        if let Ok(meta) = fs::metadata(path) {
            take(path, &meta, &mut found)?;
        }
    }
    Ok(found)
}

/// Takes what an argument names.
fn take(path: &Path, meta: &Metadata, found: &mut FoundInputs) -> anyhow::Result<()> {
    let kind = meta.file_type();
    let input = |bytes| Input::new(InputKind::File(path.to_path_buf()), bytes);
    if kind.is_dir() {
        walk(path, found);
    } else if kind.is_file() {
        found.inputs.push(input(Some(meta.len())));
    } else if kind.is_fifo() || kind.is_char_device() {
        found.inputs.push(input(None));
    } else {
        let name = input_name(&path.to_string_lossy());
        anyhow::bail!("{name}: neither a file, a folder nor a pipe; it cannot be read");
    }
    Ok(())
}

fn walk(root: &Path, found: &mut FoundInputs) {
    let proc = fs::metadata("/proc").map(|meta| meta.dev()).ok();
    let hidden = Rc::default();
    let before = found.inputs.len();
    for entry in Walk::Logs.counting(root, Rc::clone(&hidden)) {
        match entry {
            Ok(WalkEntry { meta, .. }) if meta.is_dir() => {}
            Ok(entry) => match odd_kind(&entry, proc) {
                Some(kind) => {
                    let reason = format!("{kind}; name it itself to read it");
                    found.left_out.push(InputProblem { path: entry.path, reason });
                }
                None => {
                    let bytes = Some(entry.meta.len());
                    let source = Input::new(InputKind::File(entry.path), bytes);
                    found.inputs.push(source.in_folder());
                }
            },
            Err(WalkFault { path, error }) => {
                let reason = match error.kind() {
                    ErrorKind::PermissionDenied => {
                        format!("{error}; run as a user who may read it")
                    }
                    ErrorKind::NotFound => format!("{error}; a link that leads nowhere"),
                    _ => error.to_string(),
                };
                found.faults.push(InputProblem { path, reason });
            }
        }
    }
    if hidden.get() > 0 {
        found.hidden.push((root.to_path_buf(), hidden.get(), found.inputs.len() > before));
    }
}

/// What something in a folder is, if it is read only where it is named; `proc` is the device of `/proc`.
fn odd_kind(entry: &WalkEntry, proc: Option<u64>) -> Option<&'static str> {
    let leads_to_proc =
        || fs::read_link(&entry.path).is_ok_and(|target| target.starts_with("/proc"));
    let kind = entry.meta.file_type();
    if kind.is_fifo() {
        Some("a named pipe")
    } else if entry.is_link && leads_to_proc() || Some(entry.meta.dev()) == proc {
        Some("a link into /proc")
    } else if kind.is_file() {
        None
    } else {
        Some("a device or a socket")
    }
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn names(found: &FoundInputs, root: &Path) -> Vec<String> {
        let root = format!("{}/", root.display());
        found.inputs.iter().map(|s| s.name.replace(&root, "")).collect()
    }

    #[test]
    fn folders_are_walked_by_path_without_hidden_files_and_loops_end() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("b/2026/01")).unwrap();
        fs::create_dir_all(at("CloudTrail-Digest")).unwrap();
        for name in ["z", "a", "b/2026/01/2", "b/2026/01/1", "b/.hidden", "CloudTrail-Digest/d"] {
            fs::write(at(name), name).unwrap();
        }
        symlink(root.path(), at("b/loop")).unwrap();
        symlink(at("z"), at("again")).unwrap();
        symlink(at("nowhere"), at("c")).unwrap();
        let found = find(&[root.path().to_path_buf()]).unwrap();
        assert_eq!(
            names(&found, root.path()),
            ["CloudTrail-Digest/d", "a", "again", "b/2026/01/1", "b/2026/01/2"]
        );
        assert_eq!(found.inputs[1].bytes, Some(1));
        assert_eq!(names(&find(&[at("b/.hidden")]).unwrap(), root.path()), ["b/.hidden"]);
        assert_eq!(found.faults.len(), 1, "{:?}", found.faults);
        assert_eq!(found.faults[0].path, at("c"));
    }

    #[test]
    fn arguments_keep_their_order_and_may_repeat() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        fs::write(&a, "1").unwrap();
        fs::write(&b, "").unwrap();
        let found = find(&[b.clone(), "-".into(), a.clone(), b]).unwrap();
        assert_eq!(names(&found, root.path()), ["b", "-", "a", "b"]);
        assert_eq!(found.inputs[1].bytes, None);
        let there = find_existing(&[root.path().join("gone"), a]).unwrap();
        assert_eq!(names(&there, root.path()), ["a"]);
    }

    #[test]
    fn an_input_is_no_output_by_whatever_name() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("a"), "1").unwrap();
        symlink(at("a"), at("link")).unwrap();
        let found = find(&[at("a"), "/dev/null".into(), "-".into()]).unwrap();
        for path in [at("a"), at("link"), at("../").join(root.path()).join("./a")] {
            let error = found.refuse_output("--output", &path).unwrap_err().to_string();
            assert!(error.starts_with("--output ") && error.contains("another file"), "{error}");
        }
        for path in [at("b"), "/dev/null".into(), "-".into()] {
            found.refuse_output("--output", &path).unwrap();
        }
    }

    #[test]
    fn what_does_not_exist_is_named() {
        let error = find(&["no/such\x1bfile".into()]).unwrap_err().to_string();
        assert!(error.starts_with("no/such\\u{1b}file: "), "{error}");
    }

    #[test]
    fn a_folder_without_rights_is_a_fault_and_the_rest_is_found() {
        let root = tempfile::tempdir().unwrap();
        let closed = root.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::write(root.path().join("open"), "").unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::read_dir(&closed).is_ok() {
            eprintln!("skipped: this user may read everything");
            return;
        }
        let found = find(&[root.path().to_path_buf()]).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(names(&found, root.path()), ["open"]);
        assert_eq!(found.faults[0].path, closed);
        assert!(found.faults[0].reason.contains("may read it"), "{:?}", found.faults);
    }

    #[test]
    fn a_socket_is_no_input() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("s");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(find(&[path]).unwrap_err().to_string().contains("neither a file"));
        assert_eq!(find(&[root.path().to_path_buf()]).unwrap().inputs.len(), 0);
        assert_eq!(find(&["/dev/null".into()]).unwrap().inputs.len(), 1);
    }

    #[test]
    fn what_is_left_out_is_named_up_to_a_limit() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in [".a", ".b"] {
            fs::write(at(name), "{}").unwrap();
        }
        let said = || find(&[root.path().to_path_buf()]).unwrap().left_out();
        let [(NoticeSeverity::Warning, hidden)] = &said()[..] else { panic!("{:?}", said()) };
        assert!(hidden.ends_with("2 hidden files or folders; give their paths to read them"));
        for n in 0..40 {
            let name = at(&format!("fifo{n:02}"));
            rustix::fs::mkfifoat(rustix::fs::CWD, name, rustix::fs::Mode::RWXU).unwrap();
        }
        fs::write(at("log"), "{}").unwrap();
        let said = said();
        assert_eq!(said.len(), SHOWN_LINES + 2);
        assert_eq!(said[SHOWN_LINES].1, "left out: 30 more pipes, devices or links into /proc");
        assert_eq!(said[SHOWN_LINES + 1].0, NoticeSeverity::Info, "hidden beside others");
    }

    #[test]
    fn pipes_and_links_into_proc_are_left_out_of_folders_by_name() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::RWXU).unwrap();
        fs::write(at("log"), "{}").unwrap();
        if Path::new("/proc/self/status").exists() {
            symlink("/proc/self/status", at("status")).unwrap();
        }
        let found = find(&[root.path().to_path_buf()]).unwrap();
        assert_eq!(names(&found, root.path()), ["log"]);
        let left_out: Vec<_> = found.left_out.iter().map(|p| p.reason.as_str()).collect();
        assert_eq!(left_out[0], "a named pipe; name it itself to read it");
        if let Some(link) = left_out.get(1) {
            assert_eq!(*link, "a link into /proc; name it itself to read it");
            assert_eq!(find(&[at("status")]).unwrap().inputs.len(), 1);
        }
        assert_eq!(find(&[at("fifo")]).unwrap().inputs[0].bytes, None);
    }
}

//! Folders, walked: the one place that lists what is in them.
//!
//! In: a folder, and what is wanted of it. Out: its files and folders by name, each folder before
//! what is in it; what could not be read, named, in its place. It opens no file. The depth of folders
//! costs no stack.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use walkdir::{DirEntry, WalkDir};

/// What is wanted of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    /// Logs: everything whose name does not begin with a dot. Links are followed, and what is reached
    /// twice is taken once: loops end.
    Logs,
    /// What a person keeps there: nothing whose name begins with a dot, no folder that a tool marked
    /// as a cache (CACHEDIR.TAG), no linked folder.
    Kept,
}

/// A file, a folder, or something else that has a name.
#[derive(Debug)]
pub(crate) struct WalkEntry {
    pub(crate) path: PathBuf,
    /// Of what a link leads to, where links are followed.
    pub(crate) meta: Metadata,
    /// Its name is a link's.
    pub(crate) is_link: bool,
}

/// What could not be read.
#[derive(Debug)]
pub(crate) struct WalkFault {
    pub(crate) path: PathBuf,
    pub(crate) error: io::Error,
}

impl Walk {
    /// Walks a folder; the folder itself comes first.
    pub(crate) fn folder(
        self,
        root: &Path,
    ) -> impl Iterator<Item = Result<WalkEntry, WalkFault>> + use<> {
        self.counting(root, Rc::default())
    }

    /// The same, and counts the files and folders that are left out because they are hidden.
    pub(crate) fn counting(
        self,
        root: &Path,
        hidden: Rc<Cell<u64>>,
    ) -> impl Iterator<Item = Result<WalkEntry, WalkFault>> + use<> {
        let mut met = HashSet::new();
        let root = root.to_path_buf();
        let logs = self == Self::Logs;
        let take = move |entry: &DirEntry| {
            if entry.depth() > 0 && is_hidden(entry) {
                hidden.set(hidden.get() + 1);
                return false;
            }
            match self {
                Self::Logs => {
                    entry.metadata().map_or(true, |meta| met.insert((meta.dev(), meta.ino())))
                }
                Self::Kept => entry.depth() == 0 || !is_cache(entry),
            }
        };
        let entries = WalkDir::new(&root).sort_by_file_name().follow_links(logs);
        entries.into_iter().filter_entry(take).filter_map(move |entry| match entry {
            Ok(entry) => match entry.metadata() {
                Ok(meta) => {
                    let is_link = entry.path_is_symlink();
                    Some(Ok(WalkEntry { path: entry.into_path(), meta, is_link }))
                }
                Err(error) => Some(Err(fault(&root, error))),
            },
            // A link back to a folder around it.
            Err(error) if error.loop_ancestor().is_some() => None,
            Err(error) => Some(Err(fault(&root, error))),
        })
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// What a build leaves behind holds copies; tools mark such folders.
fn is_cache(entry: &DirEntry) -> bool {
    entry.file_type().is_dir() && entry.path().join("CACHEDIR.TAG").exists()
}

fn fault(root: &Path, error: walkdir::Error) -> WalkFault {
    let path = error.path().unwrap_or(root).to_path_buf();
    let error = error.into_io_error().unwrap_or_else(|| io::Error::other("a loop of links"));
    WalkFault { path, error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn walked(walk: Walk, root: &Path) -> (Vec<String>, Vec<String>) {
        let below = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
        let (mut files, mut faults) = (Vec::new(), Vec::new());
        for entry in walk.folder(root) {
            match entry {
                Ok(entry) if entry.meta.is_dir() => files.push(format!("{}/", below(&entry.path))),
                Ok(entry) => files.push(below(&entry.path)),
                Err(fault) => faults.push(below(&fault.path)),
            }
        }
        (files, faults)
    }

    #[test]
    fn a_folder_is_walked_by_name_and_loops_end() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for folder in ["b/deep", ".git", "target"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for name in ["z", "b/deep/1", "b/.hidden", ".git/x", "target/CACHEDIR.TAG", "target/y"] {
            fs::write(at(name), name).unwrap();
        }
        symlink(root.path(), at("b/loop")).unwrap();
        symlink(at("z"), at("again")).unwrap();
        symlink(at("b/deep"), at("linked")).unwrap();
        symlink(at("nowhere"), at("c")).unwrap();
        let logs = "/ again b/ b/deep/ b/deep/1 target/ target/CACHEDIR.TAG target/y";
        let (files, faults) = walked(Walk::Logs, root.path());
        assert_eq!(files.join(" "), logs);
        assert_eq!(faults, ["c"]);
        let hidden = Rc::default();
        assert!(Walk::Logs.counting(root.path(), Rc::clone(&hidden)).count() > 5);
        assert_eq!(hidden.get(), 2, "a folder counts once");
        // One that was named is walked.
        let named: Vec<_> = Walk::Logs.folder(&at(".git")).flatten().map(|e| e.path).collect();
        assert_eq!(named, [at(".git"), at(".git/x")]);
        let (files, faults) = walked(Walk::Kept, root.path());
        assert_eq!(files.join(" "), "/ again b/ b/deep/ b/deep/1 b/loop c linked z");
        assert_eq!(faults, [""; 0]);
        assert_eq!(walked(Walk::Logs, &at("none")).1, [""]);
    }
}

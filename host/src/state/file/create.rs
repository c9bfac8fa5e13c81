//! Makes a state file that another process sees whole or not at all, and finds out whose it is.
//!
//! In: a path. Out: the file behind its links, a lock, a new and locked database. It never writes to a
//! file that is there, unless that is empty.

use super::{StateError, builder, fault, initialise};
use crate::files::{WriteTarget, folder_of, keep_mode_and_owner, temporary_in, write_target};
use redb::Database;
use redb::backends::FileBackend;
use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The path behind links of what is a regular file, or nothing yet: opening anything else may wait, or
/// do something.
pub(super) fn regular_file(name: &str, path: &Path) -> Result<PathBuf, StateError> {
    let found = match write_target(path).map_err(|e| fault(name, e))? {
        WriteTarget::File(_, Some(meta)) if meta.is_dir() => "a directory",
        WriteTarget::File(target, _) => return Ok(target),
        WriteTarget::Stream => "a pipe or a device",
    };
    Err(StateError::Foreign { path: name.to_owned(), found: found.to_owned() })
}

/// A file system without such locks has redb's own, or none.
pub(super) fn refuse_locked(name: &str, lock: Result<(), TryLockError>) -> Result<(), StateError> {
    match lock {
        Err(TryLockError::WouldBlock) => Err(StateError::Locked { path: name.to_owned() }),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Whether the open file is the one at the path: another process may have put one there since.
pub(super) fn is_still(file: &File, path: &Path) -> bool {
    let same =
        |file: &Metadata, path: &Metadata| (file.dev(), file.ino()) == (path.dev(), path.ino());
    matches!((file.metadata(), path.metadata()), (Ok(file), Ok(path)) if same(&file, &path))
}

/// Makes a state under another name, and gives it its name when it is whole and locked: a process that
/// dies on the way leaves nothing that looks like a damaged state. It replaces the locked `empty` file,
/// or else nothing: `None` where another process has made one.
pub(super) fn create(path: &Path, empty: Option<&File>) -> Result<Option<Database>, redb::Error> {
    let folder = folder_of(path);
    let (file, temporary) = temporary_in(folder, 0o600)?.into_parts();
    if let Some(empty) = empty {
        keep_mode_and_owner(&file, &empty.metadata()?)?;
    }
    let database = builder().create_with_backend(FileBackend::new(file)?)?;
    initialise(&database)?;
    let named = match empty {
        Some(_) => temporary.persist(path),
        None => temporary.persist_noclobber(path),
    };
    match named {
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        named => named.map_err(|e| e.error)?,
    }
    File::open(folder)?.sync_all()?;
    Ok(Some(database))
}

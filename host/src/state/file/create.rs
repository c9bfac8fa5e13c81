//! Makes a state file that another process sees whole or not at all, and finds out whose it is.
//!
//! In: a path. Out: the file behind its links, a lock, a new and locked database. It never writes to a
//! file that is there, unless that is empty or was left so by a process that died here.

use super::{StateError, builder, fault, initialise};
use crate::files::{WriteTarget, folder_of, keep_mode_and_owner, temporary_in, write_target};
use redb::Database;
use redb::backends::FileBackend;
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt};
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

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { device: meta.dev(), inode: meta.ino() }
    }

    /// Whether it is the file at the path: another process may have put one there since.
    pub(super) fn is_at(self, path: &Path) -> bool {
        path.metadata().is_ok_and(|meta| Self::of(&meta) == self)
    }
}

/// Makes a state under another name, and gives it its name when it is whole and locked: a process that
/// dies on the way leaves nothing that looks like a damaged state. It replaces the locked `empty` file,
/// or else nothing: `None` where another process has made one.
pub(super) fn create(
    path: &Path,
    empty: Option<&File>,
) -> Result<Option<(Database, FileId)>, redb::Error> {
    let folder = folder_of(path);
    let (file, temporary) = temporary_in(folder, 0o600)?.into_parts();
    step();
    if let Some(empty) = empty {
        keep_mode_and_owner(&file, &empty.metadata()?)?;
    }
    let id = FileId::of(&file.metadata()?);
    let database = builder().create_with_backend(FileBackend::new(file)?)?;
    step();
    initialise(&database)?;
    step();
    let named = match empty {
        Some(_) => temporary.persist(path),
        None => temporary.persist_noclobber(path),
    };
    match named {
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        named => named.map_err(|e| e.error)?,
    }
    step();
    File::open(folder)?.sync_all()?;
    step();
    Ok(Some((database, id)))
}

/// What a file begins with while [`fill`] writes it.
pub(super) const UNFINISHED: &[u8] = b"redb\x1a\x0a\xa9\x0d\x00";

/// Makes a state inside a locked file that is empty or unfinished, where no other can take its place:
/// its folder may not be written to. Its first bytes are the last that are written.
pub(super) fn fill(file: &File) -> Result<(), redb::Error> {
    let mut made = tempfile::tempfile()?;
    let database = builder().create_with_backend(FileBackend::new(made.try_clone()?)?)?;
    initialise(&database)?;
    drop(database);
    let mut bytes = Vec::new();
    made.rewind()?;
    made.read_to_end(&mut bytes)?;
    let (magic, rest) = bytes.split_at(UNFINISHED.len().min(bytes.len()));
    file.write_all_at(UNFINISHED, 0)?;
    file.set_len(UNFINISHED.len() as u64)?;
    file.sync_all()?;
    step();
    file.write_all_at(rest, magic.len() as u64)?;
    file.sync_all()?;
    step();
    file.write_all_at(magic, 0)?;
    file.sync_all()?;
    step();
    Ok(())
}

/// A moment at which a test kills the process.
fn step() {
    #[cfg(test)]
    super::tests::kills::step();
}

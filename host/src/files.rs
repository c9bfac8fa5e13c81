//! Small files, read with a bound and written whole.
//!
//! In: paths. Out: their text; or a file that holds either what it held before or all of the new
//! bytes. Errors begin with the file's name. A device or a named pipe is never replaced by a file.

use crate::observe::place::input_name;
use anyhow::{Context, anyhow, bail};
use std::fs::{File, Metadata, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// No rule, test or settings file is larger.
const MAX_TEXT: u64 = 16 << 20;
/// Links behind each other, as the system itself follows.
const MAX_LINKS: usize = 40;

/// A path for a message.
#[must_use]
pub fn shown(path: &Path) -> String {
    input_name(&path.to_string_lossy())
}

/// The text of a file.
///
/// # Errors
/// When it cannot be read, is larger than 16 MiB, or is not UTF-8.
pub fn read_text(path: &Path) -> anyhow::Result<String> {
    let name = shown(path);
    let file = File::open(path).map_err(|e| anyhow!("{name}: {e}"))?;
    let mut bytes = Vec::new();
    file.take(MAX_TEXT + 1).read_to_end(&mut bytes).map_err(|e| anyhow!("{name}: {e}"))?;
    if bytes.len() as u64 > MAX_TEXT {
        bail!("{name}: larger than {} MiB: firstseen reads no text of that size", MAX_TEXT >> 20);
    }
    if bytes.starts_with(b"\0asm") {
        bail!("{name}: a WebAssembly file, but text was expected");
    }
    String::from_utf8(bytes).map_err(|e| {
        anyhow!("{name}: not UTF-8 (byte {}): save it as UTF-8", e.utf8_error().valid_up_to())
    })
}

/// Writes a file under another name first: a reader sees the old file or the new one, also after the
/// machine stopped, as file and folder are on the disk when this returns.
///
/// A link stays, and the file that it leads to is replaced, with its mode and, where the process may,
/// its owner. What is no regular file (a device, a named pipe) is written into and never replaced.
///
/// # Errors
/// When it cannot be written; then what was there before is there still.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let (target, old) = match write_target(path)? {
            WriteTarget::Stream => return open_stream(path)?.write_all(bytes),
            WriteTarget::File(target, old) => (target, old),
        };
        let folder = folder_of(&target);
        // Another's eyes see the new bytes only under the old mode.
        let mut file = temporary_in(folder, if old.is_some() { 0o600 } else { 0o666 })?;
        file.write_all(bytes)?;
        if let Some(old) = &old {
            keep_mode_and_owner(file.as_file(), old)?;
        }
        file.as_file().sync_all()?;
        file.persist(&target).map_err(|e| e.error)?;
        File::open(folder)?.sync_all()
    };
    write().with_context(|| shown(path))
}

/// What stands where something is to be written.
pub enum WriteTarget {
    /// A regular file, with what is known of it, or nothing yet: the path behind all links.
    File(PathBuf, Option<Metadata>),
    /// A device, a named pipe, or a file that a process has open (`/dev/stdout`): bytes can only be
    /// written into it.
    Stream,
}

/// Follows the links of a path; the file need not exist.
///
/// # Errors
/// When links lead in a circle, or what is there cannot be looked at.
pub fn write_target(path: &Path) -> io::Result<WriteTarget> {
    let old = match path.metadata() {
        Ok(meta) if meta.is_file() || meta.is_dir() => Some(meta),
        Ok(_) => return Ok(WriteTarget::Stream),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    let mut target = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match target.read_link() {
            // Such a link names what is open, which may have no path any more.
            Ok(_) if target.starts_with("/proc") => return Ok(WriteTarget::Stream),
            Ok(to) => target = folder_of(&target).join(to),
            Err(_) => return Ok(WriteTarget::File(target, old)),
        }
    }
    Err(io::Error::other("too many links; give the path of the file itself"))
}

/// Opens what is no file of its own, to write into it.
///
/// # Errors
/// When it cannot be opened.
pub fn open_stream(path: &Path) -> io::Result<File> {
    File::options().append(true).open(path)
}

/// The folder that a path is in.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file that is removed unless it gets another name. The umask takes away of the mode what it
/// should.
///
/// # Errors
/// When it cannot be made; the text does not name the file, whose name means nothing to anybody.
pub fn temporary_in(folder: &Path, mode: u32) -> io::Result<NamedTempFile> {
    // Says what is wrong with the folder itself.
    folder.metadata()?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".firstseen-").permissions(Permissions::from_mode(mode));
    builder.tempfile_in(folder).map_err(|e| match e.kind() {
        kind @ (io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => kind.into(),
        _ => e,
    })
}

/// Gives a file the mode of the one that it replaces, and its owner where the process may.
///
/// # Errors
/// When the mode cannot be set.
pub fn keep_mode_and_owner(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    let mut mode = old.mode() & 0o7777;
    if (new.uid(), new.gid()) != (old.uid(), old.gid())
        && fchown(file, Some(old.uid()), Some(old.gid())).is_err()
    {
        // Only root may give a file away; a group may be one of the user's. What was to run as its
        // owner would run as somebody else.
        let _ = fchown(file, None, Some(old.gid()));
        mode &= 0o777;
    }
    file.set_permissions(Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{FileType, Mode};

    #[test]
    fn text_is_read_and_what_is_none_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a\x1b");
        let mut said = Vec::new();
        for bytes in [&b"text"[..], b"\xff", b"\0asm\x01\0\0\0"] {
            std::fs::write(&path, bytes).unwrap();
            said.push(read_text(&path).map_err(|e| e.to_string()));
        }
        assert_eq!(said[0], Ok("text".to_owned()));
        assert!(said[1].as_ref().unwrap_err().contains("a\\u{1b}: not UTF-8 (byte 0)"));
        assert!(said[2].as_ref().unwrap_err().contains("WebAssembly"));
        File::create(&path).unwrap().set_len(MAX_TEXT + 1).unwrap();
        assert!(read_text(&path).unwrap_err().to_string().contains("larger than 16 MiB"));
        assert!(read_text(folder.path()).is_err());
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert!(write_whole(&folder.path().join("no/b"), b"").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// Whether the path itself, not what it leads to, is of this kind.
    fn is(path: &Path, kind: fn(&std::fs::FileType) -> bool) -> bool {
        kind(&path.symlink_metadata().unwrap().file_type())
    }

    #[test]
    fn a_link_stays_and_its_target_is_replaced_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("sub")).unwrap();
        std::fs::write(at("sub/file"), b"old").unwrap();
        std::fs::set_permissions(at("sub/file"), Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("file", at("sub/near")).unwrap();
        std::os::unix::fs::symlink(at("sub/near"), at("far")).unwrap();
        std::os::unix::fs::symlink("sub/none", at("dangling")).unwrap();
        write_whole(&at("far"), b"new").unwrap();
        write_whole(&at("dangling"), b"made").unwrap();
        for link in ["far", "sub/near", "dangling"] {
            assert!(is(&at(link), std::fs::FileType::is_symlink), "{link}");
        }
        assert_eq!(std::fs::read(at("sub/file")).unwrap(), b"new");
        assert_eq!(at("sub/file").metadata().unwrap().mode() & 0o7777, 0o640);
        assert_eq!(std::fs::read(at("sub/none")).unwrap(), b"made");
        std::os::unix::fs::symlink("b", at("a")).unwrap();
        std::os::unix::fs::symlink("a", at("b")).unwrap();
        assert!(write_whole(&at("a"), b"").is_err(), "a circle");
    }

    #[test]
    fn a_pipe_and_a_device_are_written_into() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, link, device) =
            (folder.path().join("pipe"), folder.path().join("link"), folder.path().join("full"));
        let node = |path: &Path, kind, device| {
            rustix::fs::mknodat(rustix::fs::CWD, path, kind, Mode::from_raw_mode(0o600), device)
        };
        node(&pipe, FileType::Fifo, 0).unwrap();
        std::os::unix::fs::symlink("pipe", &link).unwrap();
        let reader = pipe.clone();
        let reader = std::thread::spawn(move || std::fs::read(reader).unwrap());
        write_whole(&link, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(is(&link, std::fs::FileType::is_symlink));
        assert!(!is(&pipe, std::fs::FileType::is_file));
        // Only root may make a device; a user's folder holds one that root made for nobody.
        if node(&device, FileType::CharacterDevice, rustix::fs::makedev(1, 7)).is_ok() {
            let _ = write_whole(&device, b"x");
            assert!(!is(&device, std::fs::FileType::is_file), "/dev/full itself would be gone");
        }
        assert!(std::fs::read_dir(folder.path()).unwrap().count() <= 3, "nothing beside them");
    }

    #[test]
    fn the_owner_is_kept_where_the_process_may() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"old").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        // Of root alone; else the owner stays the process's own.
        let _ = std::os::unix::fs::chown(&path, Some(12_345), Some(12_346));
        let before = path.metadata().unwrap();
        write_whole(&path, b"new").unwrap();
        let after = path.metadata().unwrap();
        let of = |meta: &Metadata| (meta.uid(), meta.gid(), meta.mode());
        assert_eq!(of(&after), of(&before));
        assert_ne!(after.ino(), before.ino(), "written under another name first");
    }
}

//! The folder of compiled code, opened once.
//!
//! In: a path, then names of files in it. Out: their bytes, if the folder and the file are this user's alone. All of
//! it goes through one descriptor: whatever becomes of the path, what is read, written and removed is in the folder
//! that was looked at. It does not look into what it reads.

use anyhow::{Context, bail};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, renameat, unlinkat};
use rustix::process::geteuid;
use std::fs::{self, File, Metadata};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The bit by which only the owner of a file may rename it, in a folder to which others may write.
const STICKY: u32 = 0o1000;
/// Whom a file belongs to that everybody has to trust.
const ROOT: u32 = 0;

/// A folder that nobody else may write to.
#[derive(Debug)]
pub(super) struct CodeFolder {
    folder: File,
}

impl CodeFolder {
    /// Makes the folder where it is not there, and opens it.
    ///
    /// # Errors
    /// When it cannot be made, or when somebody else could put a file into it or another folder in its place.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let builder = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        builder.context("the folder cannot be made")?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(folder) = openat(rustix::fs::CWD, path, flags, Mode::empty()) else {
            bail!(
                "compiled code is not kept there: it must be a folder that you may read, and no link"
            );
        };
        let folder = File::from(folder);
        let meta = folder.metadata().context("the folder")?;
        if let Some(fault) = fault_of(&meta) {
            bail!("compiled code is not kept there: {fault}");
        }
        check_parents(path, &meta)?;
        Ok(Self { folder })
    }

    /// The bytes of a file, at most so many; nothing where there is no such file, or where it could be somebody
    /// else's. What is in use is not what goes first: it is dated.
    pub(super) fn read(&self, name: &str, most: u64) -> Option<Vec<u8>> {
        // Without waiting: a pipe has no other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&self.folder, name, flags, Mode::empty()).ok()?);
        let meta = file.metadata().ok()?;
        // A second name could be in a folder of somebody else.
        let is_ours = fault_of(&meta).is_none() && meta.nlink() == 1;
        if !meta.is_file() || !is_ours || meta.len() > most {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).ok()?);
        (&file).take(most).read_to_end(&mut bytes).ok()?;
        // A file whose time cannot be set is an older one.
        let _ = file.set_modified(SystemTime::now());
        Some(bytes)
    }

    /// Writes a file. It has another name until its bytes are on the disk, so that nobody reads half of it, and no crash
    /// leaves other bytes under its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, name: &str, parts: [&[u8]; 2]) -> anyhow::Result<()> {
        let new = format!("new-{:016x}", RandomState::new().build_hasher().finish());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&self.folder, &new, flags | OFlags::NOFOLLOW, Mode::RUSR | Mode::WUSR)?;
        let written = fill(File::from(file), parts)
            .and_then(|()| Ok(renameat(&self.folder, &new, &self.folder, name)?));
        if written.is_err() {
            // It is what was written, and of no use.
            let _ = unlinkat(&self.folder, &new, AtFlags::empty());
        }
        Ok(written?)
    }

    /// Removes files whose names are of this kind, those that were not used for longest, until the rest of them has no
    /// more than so many bytes.
    ///
    /// # Errors
    /// When the folder cannot be read, or a file cannot be removed.
    pub(super) fn sweep(&self, is_ours: fn(&[u8]) -> bool, kept: u64) -> anyhow::Result<()> {
        let mut files = Vec::new();
        for entry in Dir::read_from(&self.folder)? {
            let name = entry?.file_name().to_owned();
            if !is_ours(name.to_bytes()) {
                continue;
            }
            // Another process, or thread, may have swept it away.
            let Ok(stat) = rustix::fs::statat(&self.folder, &name, AtFlags::SYMLINK_NOFOLLOW)
            else {
                continue;
            };
            let len = u64::try_from(stat.st_size).unwrap_or_default();
            files.push((stat.st_mtime, stat.st_mtime_nsec, name, len));
        }
        files.sort();
        let mut sum = 0_u64;
        for (_, _, name, len) in files.iter().rev() {
            sum = sum.saturating_add(*len);
            if sum > kept {
                unlinkat(&self.folder, name, AtFlags::empty())?;
            }
        }
        Ok(())
    }
}

fn fill(mut file: File, parts: [&[u8]; 2]) -> std::io::Result<()> {
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_data()
}

/// Why something is not this user's alone.
fn fault_of(meta: &Metadata) -> Option<&'static str> {
    if meta.uid() != geteuid().as_raw() {
        return Some("the folder must belong to you");
    }
    (meta.mode() & 0o022 != 0).then_some("nobody else may write to it (chmod go-w)")
}

/// Whoever may rename a folder above can put another one in the place of the folder: nobody else may, in none of those
/// that the path goes through, up to the root; and the path leads to what was opened.
fn check_parents(path: &Path, opened: &Metadata) -> anyhow::Result<()> {
    let named = std::path::absolute(path).context("the folder")?;
    // Without links. What the links are in is above the folder as it is named.
    let real = fs::canonicalize(&named).context("the folder")?;
    let meta = fs::symlink_metadata(&real).context("the folder")?;
    if (meta.dev(), meta.ino()) != (opened.dev(), opened.ino()) {
        bail!("compiled code is not kept there: the folder was moved while it was opened");
    }
    for path in [&named, &real] {
        let mut below: &PathBuf = path;
        let parents: Vec<PathBuf> = path.ancestors().skip(1).map(Path::to_path_buf).collect();
        for parent in &parents {
            if let Some(fault) = fault_of_parent(parent, below)? {
                bail!("compiled code is not kept there: {fault}: {}", parent.display());
            }
            below = parent;
        }
    }
    Ok(())
}

/// Why somebody else may rename what is in a folder.
fn fault_of_parent(parent: &Path, below: &Path) -> anyhow::Result<Option<&'static str>> {
    let is_trusted = |uid: u32| uid == ROOT || uid == geteuid().as_raw();
    let meta = fs::metadata(parent).context("a folder above it")?;
    if !is_trusted(meta.uid()) {
        return Ok(Some("a folder above it belongs to somebody else"));
    }
    if meta.mode() & 0o022 == 0 {
        return Ok(None);
    }
    let owner = fs::symlink_metadata(below).context("a folder above it")?.uid();
    let is_kept = meta.mode() & STICKY != 0 && is_trusted(owner);
    Ok((!is_kept).then_some("nobody else may write to a folder above it (chmod go-w)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn allow(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_what_nobody_else_can_write_is_read() {
        let place = tempfile::tempdir().unwrap();
        let folder = CodeFolder::open(place.path()).unwrap();
        folder.write("a", [b"12", b"3"]).unwrap();
        let read = |name: &str| folder.read(name, 3);
        assert_eq!(read("a").as_deref(), Some(&b"123"[..]));
        assert_eq!(folder.read("a", 2), None, "too long");
        let file = place.path().join("a");
        for mode in [0o620, 0o602, 0o666] {
            allow(&file, mode);
            assert_eq!(read("a"), None, "{mode:o}");
        }
        allow(&file, 0o600);
        symlink(&file, place.path().join("link")).unwrap();
        fs::create_dir(place.path().join("folder")).unwrap();
        assert_eq!((read("link"), read("folder"), read("none")), (None, None, None));
        fs::hard_link(&file, place.path().join("second")).unwrap();
        assert_eq!((read("a"), read("second")), (None, None));
        fs::remove_file(place.path().join("second")).unwrap();
        assert!(read("a").is_some());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3, "nothing is left half written");
    }

    /// What is read and written is in the folder that was looked at, whatever takes its place.
    #[test]
    fn a_folder_is_opened_once() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("code");
        let folder = CodeFolder::open(&path).unwrap();
        folder.write("a", [b"", b"ours"]).unwrap();
        fs::rename(&path, place.path().join("moved")).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("a"), "theirs").unwrap();
        assert_eq!(folder.read("a", 9).as_deref(), Some(&b"ours"[..]));
        folder.write("b", [b"", b"too"]).unwrap();
        assert!(place.path().join("moved/b").exists() && !path.join("b").exists());
    }

    #[test]
    fn a_folder_that_others_may_replace_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let above = place.path().join("above");
        let path = above.join("between/code");
        let fault = |path: &Path| CodeFolder::open(path).err().map(|fault| format!("{fault:#}"));
        assert_eq!(fault(&path), None);
        for (mode, is_refused) in [(0o775, true), (0o757, true), (0o1777, false), (0o755, false)] {
            allow(&above, mode);
            let fault = fault(&path);
            let names = |fault: &String| {
                fault.contains("folder above") && fault.ends_with(&above.display().to_string())
            };
            assert_eq!(fault.as_ref().is_some_and(names), is_refused, "{mode:o}: {fault:?}");
            assert_eq!(fault.is_some(), is_refused);
        }
        // A link on the way: both the folder that it is in and those that it leads through count.
        let other = place.path().join("other");
        fs::create_dir(&other).unwrap();
        let link = other.join("link");
        symlink(&above, &link).unwrap();
        let through = link.join("between/code");
        assert_eq!(fault(&through), None);
        for open in [&above, &other] {
            allow(open, 0o777);
            assert!(fault(&through).unwrap().contains("folder above"));
            allow(open, 0o755);
        }
        // The folder itself.
        let last = place.path().join("last");
        symlink(&path, &last).unwrap();
        assert!(fault(&last).unwrap().contains("no link"));
        allow(&path, 0o770);
        assert!(fault(&path).unwrap().contains("nobody else may write to it"));
        fs::write(place.path().join("file"), "").unwrap();
        assert!(fault(&place.path().join("file")).is_some());
    }

    #[test]
    fn no_more_than_its_share_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let folder = CodeFolder::open(place.path()).unwrap();
        let path = |n: u64| place.path().join(format!("{n}.cwasm"));
        for n in 0..10 {
            fs::write(path(n), [0; 100]).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(n);
            fs::File::options().write(true).open(path(n)).unwrap().set_modified(time).unwrap();
        }
        fs::write(place.path().join("other"), [0; 1000]).unwrap();
        // What is read is used: it stays longest.
        folder.read("0.cwasm", 100).unwrap();
        folder.sweep(|name| name.ends_with(b".cwasm"), 450).unwrap();
        let left: Vec<u64> = (0..10).filter(|n| path(*n).exists()).collect();
        assert_eq!(left, [0, 7, 8, 9]);
        assert!(place.path().join("other").exists());
    }
}

//! Compiled code, kept between runs. Unsafe code, as loading code that is compiled is.
//!
//! In: a module's bytes. Out: the module, compiled or loaded. A kept file is used only when its
//! name holds the digest of the module, of wasmtime's version and of this CPU's features, and when
//! folder and file belong to this user and nobody else may write there: loading it runs what is in
//! it. Where that cannot be had, the module is compiled and nothing is kept.
#![allow(unsafe_code)]

use super::runtime::plain;
use anyhow::{Context, bail};
use etcetera::{BaseStrategy, choose_base_strategy};
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wasmtime::{Engine, Module};

/// Bytes kept; the files that were not used for longest go first. A rule takes 1 to 2 MB.
pub const KEPT: u64 = 256 << 20;

/// Where compiled code is kept; nowhere, if there is no folder.
#[derive(Debug, Clone)]
pub struct CodeCache {
    folder: Option<PathBuf>,
}

impl CodeCache {
    /// `firstseen` in the user's cache folder, made when it is not there. Where it cannot be made or
    /// others may write to it, nothing is kept.
    #[must_use]
    pub fn of_user() -> Self {
        let folder = choose_base_strategy().ok().map(|user| user.cache_dir().join("firstseen"));
        Self { folder: folder.filter(|folder| make(folder).is_ok() && ours(folder, true)) }
    }

    /// This folder, made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or when code out of it could be somebody else's.
    pub fn in_folder(folder: &Path) -> anyhow::Result<Self> {
        make(folder).context("the folder cannot be made")?;
        if !ours(folder, true) {
            bail!(
                "compiled code is not kept there: the folder must belong to you, be no link, and \
                 nobody else may write to it (chmod go-w)"
            );
        }
        Ok(Self { folder: Some(folder.to_path_buf()) })
    }

    /// Nothing is kept.
    #[must_use]
    pub const fn none() -> Self {
        Self { folder: None }
    }

    /// The module of these bytes, from the cache when it is there.
    ///
    /// # Errors
    /// When the bytes are no module that wasmtime takes.
    pub fn load(&self, engine: &Engine, wasm: &[u8]) -> anyhow::Result<Module> {
        let Some(folder) = &self.folder else { return compile(engine, wasm) };
        let path = folder.join(name(engine, wasm));
        if let Some(module) = kept(engine, &path) {
            return Ok(module);
        }
        let module = compile(engine, wasm)?;
        // A cache that cannot be written is slower next time, and that is all.
        let _ = keep(folder, &path, &module);
        Ok(module)
    }
}

fn compile(engine: &Engine, wasm: &[u8]) -> anyhow::Result<Module> {
    Module::new(engine, wasm).map_err(plain)
}

/// The file's name: everything that the compiled code depends on.
fn name(engine: &Engine, wasm: &[u8]) -> String {
    struct Digest(blake3::Hasher);
    impl Hasher for Digest {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut digest = Digest(blake3::Hasher::new());
    // wasmtime's version, its settings and the features of this CPU.
    engine.precompile_compatibility_hash().hash(&mut digest);
    env!("CARGO_PKG_VERSION").hash(&mut digest);
    digest.0.update(wasm);
    format!("{}.cwasm", digest.0.finalize().to_hex())
}

fn kept(engine: &Engine, path: &Path) -> Option<Module> {
    if !ours(path, false) {
        return None;
    }
    // SAFETY: the file is ours alone (checked above, as its folder was), under a name that only
    // `keep` gives, after the code was written whole; wasmtime checks its version besides.
    let module = unsafe { Module::deserialize_file(engine, path) }.ok()?;
    // What is in use is not what goes first. A file whose time cannot be set is an older one.
    let _ =
        fs::File::options().append(true).open(path).and_then(|f| f.set_modified(SystemTime::now()));
    Some(module)
}

/// Writes under another name first, so that nobody loads half a file; and waits until the code is on
/// the disk before the file has its name, so that no crash leaves other bytes under it.
fn keep(folder: &Path, path: &Path, module: &Module) -> anyhow::Result<()> {
    let code = module.serialize().map_err(plain)?;
    let mut file = tempfile::Builder::new().prefix("new-").tempfile_in(folder)?;
    file.write_all(&code)?;
    file.as_file().sync_data()?;
    file.persist(path)?;
    sweep(folder, KEPT)
}

fn sweep(folder: &Path, kept: u64) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|e| e == "cwasm") {
            // Another process, or thread, may have swept it away.
            let Ok(meta) = entry.metadata() else { continue };
            files.push((meta.modified()?, entry.path(), meta.len()));
        }
    }
    files.sort();
    let mut sum = 0;
    for (_, path, len) in files.iter().rev() {
        sum += len;
        if sum > kept {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn make(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Whether it belongs to this user and nobody else may write to it; links are not followed.
#[cfg(unix)]
fn ours(path: &Path, folder: bool) -> bool {
    use rustix::process::geteuid;
    use std::os::unix::fs::MetadataExt;
    let Ok(meta) = fs::symlink_metadata(path) else { return false };
    let kind = if folder { meta.is_dir() } else { meta.is_file() };
    kind && meta.uid() == geteuid().as_raw() && meta.mode() & 0o022 == 0
}

#[cfg(not(unix))]
fn make(_: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(not(unix))]
fn ours(_: &Path, _: bool) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn only_what_nobody_else_can_write_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let module = compile(&engine, EMPTY).unwrap();
        let path = folder.path().join(name(&engine, EMPTY));
        keep(folder.path(), &path, &module).unwrap();
        assert!(kept(&engine, &path).is_some());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(kept(&engine, &path).is_none());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"not code").unwrap();
        assert!(kept(&engine, &path).is_none());
        let link = folder.path().join("link.cwasm");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(!ours(&link, false));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!ours(folder.path(), true));
    }

    #[test]
    fn a_folder_that_is_named_is_used_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("a/b");
        let cache = CodeCache::in_folder(&own).unwrap();
        cache.load(&Engine::default(), EMPTY).unwrap();
        cache.load(&Engine::default(), EMPTY).unwrap();
        assert_eq!(fs::read_dir(&own).unwrap().count(), 1);
        fs::set_permissions(&own, fs::Permissions::from_mode(0o770)).unwrap();
        let error = CodeCache::in_folder(&own).unwrap_err().to_string();
        assert!(error.contains("nobody else may write"), "{error}");
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(CodeCache::in_folder(&folder.path().join("file")).is_err());
    }

    /// Used code is younger than code that was only written later.
    #[test]
    fn what_is_used_stays_longest() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CodeCache::in_folder(folder.path()).unwrap();
        let engine = Engine::default();
        cache.load(&engine, EMPTY).unwrap();
        let code = folder.path().join(name(&engine, EMPTY));
        let size = fs::metadata(&code).unwrap().len();
        let set = |path: &Path, seconds| {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
        };
        let other = folder.path().join("other.cwasm");
        fs::write(&other, [0; 8]).unwrap();
        set(&other, 2);
        set(&code, 1);
        cache.load(&engine, EMPTY).unwrap();
        sweep(folder.path(), size).unwrap();
        assert!(code.exists() && !other.exists());
    }

    #[test]
    fn the_name_depends_on_the_module() {
        let engine = Engine::default();
        assert_ne!(name(&engine, b"a"), name(&engine, b"b"));
    }

    #[test]
    fn no_more_than_its_share_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = |n: u64| folder.path().join(format!("{n}.cwasm"));
        for n in 0..10 {
            fs::write(path(n), [0; 100]).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(n);
            fs::File::options().write(true).open(path(n)).unwrap().set_modified(time).unwrap();
        }
        fs::write(folder.path().join("other"), [0; 1000]).unwrap();
        sweep(folder.path(), 450).unwrap();
        let left: Vec<u64> = (0..10).filter(|n| path(*n).exists()).collect();
        assert_eq!(left, [6, 7, 8, 9]);
        assert!(folder.path().join("other").exists());
    }
}

//! Compiled code, kept between runs. All unsafe code of the host.
//!
//! In: a module's bytes. Out: the module, compiled or loaded. A kept file is used only when its
//! name holds the digest of the module, of wasmtime's version and of this CPU's features, and when
//! folder and file belong to this user and nobody else may write there: loading it runs what is in
//! it. Where that cannot be had, the module is compiled and nothing is kept.
#![allow(unsafe_code)]

use super::runtime::plain;
use etcetera::{BaseStrategy, choose_base_strategy};
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use wasmtime::{Engine, Module};

/// Bytes kept; the oldest files go first. A rule takes 1 to 2 MB, so that a run with a few hundred
/// artifacts finds them all again.
const KEPT: u64 = 1 << 30;

/// The module of these bytes, from the cache when it is there.
///
/// # Errors
/// When the bytes are no module that wasmtime takes.
pub fn load(engine: &Engine, wasm: &[u8]) -> anyhow::Result<Module> {
    let Some(folder) = folder() else { return compile(engine, wasm) };
    let path = folder.join(name(engine, wasm));
    if let Some(module) = kept(engine, &path) {
        return Ok(module);
    }
    let module = compile(engine, wasm)?;
    // A cache that cannot be written is slower next time, and that is all.
    let _ = keep(&folder, &path, &module);
    Ok(module)
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
    unsafe { Module::deserialize_file(engine, path) }.ok()
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

/// `firstseen` in the user's cache folder, made when it is not there.
fn folder() -> Option<PathBuf> {
    let folder = choose_base_strategy().ok()?.cache_dir().join("firstseen");
    make(&folder)?;
    ours(&folder, true).then_some(folder)
}

#[cfg(unix)]
fn make(folder: &Path) -> Option<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).ok()
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
fn make(_: &Path) -> Option<()> {
    None
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

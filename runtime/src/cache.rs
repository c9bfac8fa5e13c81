//! Compiled code, kept between runs. Unsafe code, as loading code that is compiled is.
//!
//! In: a module's bytes. Out: the module, compiled or loaded. A kept file is used only when its name holds the digest
//! of the module, of wasmtime's version and of this CPU's features, when its own digest says that every byte is as it
//! was written, and when folder and file belong to this user and nobody else may write there: loading it runs what is
//! in it. Where that cannot be had, the module is compiled and nothing is kept.
#![allow(unsafe_code)]

mod entry;
mod folder;

use crate::compile::{Compiler, ModuleFault};
use etcetera::{BaseStrategy, choose_base_strategy};
use folder::CodeFolder;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use wasmtime::{Engine, Module};

/// Bytes kept; the files that were not used for longest go first. A rule takes 1 to 2 MB.
pub const KEPT: u64 = 256 << 20;
/// What the names of files end in.
const ENDING: &str = ".cwasm";

/// Where compiled code is kept; nowhere, if there is no folder.
#[derive(Debug, Clone, Default)]
pub struct CodeCache {
    folder: Option<Arc<CodeFolder>>,
    /// Why there is none, though one was wanted.
    refused: Option<Arc<str>>,
    /// Why code that was compiled since is not kept.
    unkept: Arc<OnceLock<Arc<str>>>,
}

impl CodeCache {
    /// `firstseen` in the user's cache folder, made when it is not there. Where it cannot be made or
    /// others may write to it, nothing is kept: [`CodeCache::unkept`] says why.
    #[must_use]
    pub fn of_user() -> Self {
        let Some(folder) = Self::user_folder() else {
            return Self::refusing(
                "this user has no home folder (HOME, XDG_CACHE_HOME)".to_owned(),
            );
        };
        let opened = Self::in_folder(&folder);
        opened.unwrap_or_else(|error| Self::refusing(format!("{}: {error:#}", folder.display())))
    }

    fn refusing(reason: String) -> Self {
        Self { refused: Some(reason.into()), ..Self::default() }
    }

    /// Why code that was compiled is not kept, so that it is compiled again next time. Nothing as long as none was
    /// compiled, and where nothing was to be kept.
    #[must_use]
    pub fn unkept(&self) -> Option<Arc<str>> {
        self.unkept.get().cloned()
    }

    /// `firstseen` in the user's cache folder, whether it is there or not.
    #[must_use]
    pub fn user_folder() -> Option<PathBuf> {
        choose_base_strategy().ok().map(|user| user.cache_dir().join("firstseen"))
    }

    /// This folder, made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or when code out of it could be somebody else's.
    pub fn in_folder(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self { folder: Some(Arc::new(CodeFolder::open(folder)?)), ..Self::default() })
    }

    /// Nothing is kept.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The module of these bytes, from the cache when it is there. What is there and damaged is replaced.
    pub(crate) fn load(
        &self,
        engine: &Engine,
        compiler: &Compiler,
        wasm: &[u8],
    ) -> Result<Module, ModuleFault> {
        let Some(folder) = &self.folder else {
            let module = loaded(engine, &compiler.compile(engine, wasm)?)?;
            if let Some(reason) = &self.refused {
                let _ = self.unkept.set(Arc::clone(reason));
            }
            return Ok(module);
        };
        let name = name(engine, wasm);
        if let Some(module) = kept(engine, folder, &name) {
            return Ok(module);
        }
        let code = compiler.compile(engine, wasm)?;
        let module = loaded(engine, &code)?;
        // A cache that cannot be written is slower next time, and that is all.
        if let Err(error) = keep(folder, &name, &code) {
            let _ = self.unkept.set(format!("it cannot be written: {error:#}").into());
        }
        Ok(module)
    }
}

/// The module of code that was compiled just now.
fn loaded(engine: &Engine, code: &[u8]) -> Result<Module, ModuleFault> {
    // SAFETY: this program, or the same program as its child, compiled it just now; wasmtime checks its version and its
    // settings besides.
    let module = unsafe { Module::deserialize(engine, code) };
    module.map_err(|error| ModuleFault::Invalid(format!("{error:#}")))
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
    format!("{}{ENDING}", digest.0.finalize().to_hex())
}

/// Whether a file's name is one as [`name`] makes them. What else is in the folder is not for the cache to remove.
fn is_name(name: &[u8]) -> bool {
    let digits = name.strip_suffix(ENDING.as_bytes()).unwrap_or_default();
    digits.len() == 2 * blake3::OUT_LEN
        && digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn kept(engine: &Engine, folder: &CodeFolder, name: &str) -> Option<Module> {
    let bytes = folder.read(name, KEPT)?;
    let code = entry::code(name, &bytes)?;
    // SAFETY: the bytes were read from a file that is ours alone, in a folder that is, and are what `keep` wrote under
    // this name, which holds all that the code depends on; wasmtime checks its version besides.
    unsafe { Module::deserialize(engine, code) }.ok()
}

fn keep(folder: &CodeFolder, name: &str, code: &[u8]) -> anyhow::Result<()> {
    folder.write(name, [&entry::head(name, code), code])?;
    folder.sweep(is_name, KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::config;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use wasmtime::{Instance, Store};

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    fn engine() -> Engine {
        Engine::new(&config()).unwrap()
    }

    fn load(cache: &CodeCache, engine: &Engine, wasm: &[u8]) -> Module {
        cache.load(engine, &Compiler::InProcess, wasm).unwrap()
    }

    #[test]
    fn a_folder_that_is_named_is_used_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("a/b");
        let cache = CodeCache::in_folder(&own).unwrap();
        load(&cache, &engine(), EMPTY);
        load(&cache, &engine(), EMPTY);
        assert_eq!(fs::read_dir(&own).unwrap().count(), 1);
        fs::set_permissions(&own, fs::Permissions::from_mode(0o770)).unwrap();
        let error = CodeCache::in_folder(&own).unwrap_err().to_string();
        assert!(error.contains("nobody else may write"), "{error}");
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(CodeCache::in_folder(&folder.path().join("file")).is_err());
    }

    /// What costs a second at each start is not silent; where nothing is compiled, nothing is said.
    #[test]
    fn code_that_is_not_kept_has_a_reason() {
        let engine = engine();
        let refusing = CodeCache::refusing("others may write".to_owned());
        assert_eq!(refusing.unkept(), None);
        load(&refusing, &engine, EMPTY);
        assert_eq!(refusing.clone().unkept().as_deref(), Some("others may write"));
        let none = CodeCache::none();
        load(&none, &engine, EMPTY);
        assert_eq!(none.unkept(), None);
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        let cache = CodeCache::in_folder(&own).unwrap();
        load(&cache, &engine, EMPTY);
        assert_eq!(cache.unkept(), None);
        // What has no name any more takes no file.
        fs::remove_dir_all(&own).unwrap();
        load(&cache, &engine, EMPTY);
        assert!(cache.unkept().unwrap().contains("cannot be written"));
    }

    #[test]
    fn the_name_depends_on_the_module() {
        let engine = engine();
        assert_ne!(name(&engine, b"a"), name(&engine, b"b"));
    }

    /// A folder that is named may hold code of other programs.
    #[test]
    fn only_names_of_the_cache_are_names_of_the_cache() {
        let own = name(&engine(), b"a");
        assert!(is_name(own.as_bytes()), "{own}");
        for other in
            ["big.cwasm".to_owned(), ENDING.to_owned(), own.to_uppercase(), own[1..].to_owned()]
        {
            assert!(!is_name(other.as_bytes()), "{other}");
        }
        for other in [format!("0{own}"), format!("g{}", &own[1..]), own.replace(ENDING, "")] {
            assert!(!is_name(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn code_that_another_program_keeps_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, engine) = (CodeCache::in_folder(folder.path()).unwrap(), engine());
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
        let large = |name: &str| {
            let path = folder.path().join(name);
            let file = fs::File::create(&path).unwrap();
            // A hole: it takes no place on the disk.
            file.set_len(KEPT + 1).unwrap();
            file.set_modified(old).unwrap();
            path
        };
        let other = large("big.cwasm");
        let own = large(&name(&engine, b"what was used long ago"));
        load(&cache, &engine, EMPTY);
        assert!(other.exists() && !own.exists());
        assert!(folder.path().join(name(&engine, EMPTY)).exists());
    }

    /// What is kept is used: code under the name of another module is that of the other one, if its digest says so.
    #[test]
    fn a_file_counts_under_its_own_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, engine) = (CodeCache::in_folder(folder.path()).unwrap(), engine());
        let wasm = [7, 8].map(answering);
        load(&cache, &engine, &wasm[0]);
        let [first, second] = wasm.each_ref().map(|wasm| folder.path().join(name(&engine, wasm)));
        fs::copy(&first, &second).unwrap();
        assert_eq!(answer(&engine, &load(&cache, &engine, &wasm[1])), 8);
        let code = Compiler::InProcess.compile(&engine, &wasm[0]).unwrap();
        let named = name(&engine, &wasm[1]);
        keep(cache.folder.as_ref().unwrap(), &named, &code).unwrap();
        assert_eq!(answer(&engine, &load(&cache, &engine, &wasm[1])), 7, "it is not compiled");
    }

    /// A module whose function answers with a number, after some work.
    fn answering(number: u32) -> Vec<u8> {
        wat::parse_str(format!(
            r#"(module (memory 1) (data (i32.const 0) "some bytes")
                (table 2 funcref) (elem (i32.const 0) $nine $number)
                (func $nine (result i32) (i32.const 9)) (func $number (result i32) (i32.const {number}))
                (func (export "answer") (result i32)
                    (i32.add
                        (call_indirect (result i32) (i32.const 1))
                        (i32.sub (i32.load8_u (i32.const 0)) (i32.const 115)))))"#
        ))
        .unwrap()
    }

    fn answer(engine: &Engine, module: &Module) -> i32 {
        let mut store = Store::new(engine, ());
        store.set_epoch_deadline(1);
        let instance = Instance::new(&mut store, module, &[]).unwrap();
        let answer = instance.get_typed_func::<(), i32>(&mut store, "answer").unwrap();
        answer.call(&mut store, ()).unwrap()
    }

    /// A byte of a kept file may change on a disk, or in a copy of it.
    #[test]
    fn damaged_code_is_compiled_again_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, engine) = (CodeCache::in_folder(folder.path()).unwrap(), engine());
        let wasm = answering(7);
        assert_eq!(answer(&engine, &load(&cache, &engine, &wasm)), 7);
        let path = folder.path().join(name(&engine, &wasm));
        let sound = fs::read(&path).unwrap();
        let mut damaged = Vec::new();
        for at in (0..sound.len()).step_by(97) {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (at % 8);
            damaged.push(bytes);
        }
        assert!(damaged.len() > 50, "{}", sound.len());
        damaged.extend([0, 8, 40, sound.len() / 2, sound.len() - 1].map(|n| sound[..n].to_vec()));
        damaged.push([&sound[..], b"\0"].concat());
        for (number, bytes) in damaged.iter().enumerate() {
            fs::write(&path, bytes).unwrap();
            assert_eq!(answer(&engine, &load(&cache, &engine, &wasm)), 7, "{number}");
            assert!(fs::read(&path).unwrap() == sound, "{number} is replaced");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

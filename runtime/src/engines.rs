//! The engines' modules of this process.
//!
//! In: an engine, as it is without a plan. Out: its compiled module, which is loaded, read from the cache or compiled
//! once, however many artifacts and threads ask for it: who comes while that is done waits. The core engine of
//! this version was compiled with the binary. Unsafe code, as loading code that is compiled is.
#![allow(unsafe_code)]

use crate::compile::ModuleFault;
use crate::runtime::Runtime;
use firstseen_engines::core;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use wasmtime::{Engine, Module};

/// The core engine as machine code; empty where the build script could make none.
const CORE_CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/core.cwasm"));

/// A compiled engine.
pub(super) struct LoadedEngine {
    pub(super) module: Module,
    /// It is the core engine that this program embeds.
    pub(super) is_own: bool,
}

/// An engine's module, once it was asked for.
type CompiledOnce = Arc<OnceLock<Result<Module, ModuleFault>>>;

/// Compiled engines; nothing for the core engine where this processor does not run its code.
#[derive(Default)]
pub(super) struct EngineModules {
    core: OnceLock<Option<Module>>,
    /// By their digests.
    others: Mutex<HashMap<blake3::Hash, CompiledOnce>>,
}

impl EngineModules {
    /// The module of an engine, or why it cannot be compiled.
    pub(super) fn load(
        &self,
        runtime: &Runtime,
        engine: &[u8],
    ) -> Result<LoadedEngine, ModuleFault> {
        let is_own = engine == core().wasm;
        if is_own && let Some(module) = self.core.get_or_init(|| embedded(&runtime.engine)) {
            return Ok(LoadedEngine { module: module.clone(), is_own });
        }
        let digest = blake3::hash(engine);
        // Nothing is left half done in the map by a thread that panics.
        let mut modules = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let module = Arc::clone(modules.entry(digest).or_default());
        // Others may look for other engines while this one is compiled.
        drop(modules);
        let module = module.get_or_init(|| runtime.compiled(engine));
        Ok(LoadedEngine { module: module.clone()?, is_own })
    }
}

/// The core engine's module, if this processor runs the code in the binary.
fn embedded(engine: &Engine) -> Option<Module> {
    if CORE_CODE.is_empty() {
        return None;
    }
    // SAFETY: the bytes are part of this binary, as wasmtime wrote them; it checks its version, its settings and the
    // processor.
    unsafe { Module::deserialize(engine, CORE_CODE) }.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CodeCache;

    /// Where it is not loaded, every run would compile it, and nothing else would tell.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_code_in_the_binary_is_loaded() {
        let runtime = Runtime::with_cache(CodeCache::none()).unwrap();
        assert!(std::is_x86_feature_detected!("avx2") <= embedded(&runtime.engine).is_some());
    }
}

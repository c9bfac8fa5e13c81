//! wasmtime, the engine of the `firstseen` binary: compiles with Cranelift. It is there twice, the second
//! time with SIMD turned off, where a module that has any is refused.

use super::{Guest, Module, Number};
use crate::store::{self, Shared};
use anyhow::{Context as _, Result, anyhow};
use wasmtime::{Caller, Extern, Instance, Linker, Memory, Store, Val};

/// The engine.
pub(crate) struct Engine {
    engine: wasmtime::Engine,
    has_simd: bool,
}

impl Engine {
    /// As it is.
    pub(crate) fn with_simd() -> Self {
        Self { engine: wasmtime::Engine::default(), has_simd: true }
    }

    /// With SIMD turned off.
    pub(crate) fn without_simd() -> Result<Self> {
        let mut config = wasmtime::Config::new();
        config.wasm_simd(false).wasm_relaxed_simd(false);
        let engine = wasmtime::Engine::new(&config).map_err(|fault| anyhow!("{fault:?}"))?;
        Ok(Self { engine, has_simd: false })
    }
}

struct Loaded(wasmtime::Module);

struct Running {
    store: Store<Shared>,
    instance: Instance,
    memory: Memory,
}

impl super::Engine for Engine {
    fn name(&self) -> &'static str {
        "wasmtime 48"
    }

    fn has_simd(&self) -> bool {
        self.has_simd
    }

    fn load(&self, wasm: &[u8]) -> Result<Box<dyn Module>> {
        let module =
            wasmtime::Module::new(&self.engine, wasm).map_err(|fault| anyhow!("{fault:?}"))?;
        Ok(Box::new(Loaded(module)))
    }
}

/// The context of an import: the caller's memory and the store.
fn parts<'a>(caller: &'a mut Caller<'_, Shared>) -> Option<(&'a mut [u8], &'a Shared)> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory)?;
    let (memory, shared) = memory.data_and_store_mut(caller);
    Some((memory, shared))
}

impl Module for Loaded {
    fn guest(&self, shared: Shared) -> Result<Box<dyn Guest>> {
        let mut linker = Linker::new(self.0.engine());
        let module = firstseen_abi::IMPORT_NAMESPACE;
        let get = |mut caller: Caller<'_, Shared>, key, key_len, buf, cap| match parts(&mut caller)
        {
            Some((mut memory, shared)) => {
                store::kv_get(&mut memory, shared, [key, key_len, buf, cap])
            }
            None => firstseen_abi::kv::REFUSED,
        };
        let cas = |mut caller: Caller<'_, Shared>, a, b, c, d, e, f, ttl, buf, cap| match parts(
            &mut caller,
        ) {
            Some((mut memory, shared)) => {
                store::kv_cas(&mut memory, shared, [a, b, c, d, e, f], ttl, [buf, cap])
            }
            None => firstseen_abi::kv::REFUSED,
        };
        let log = |_: i32, _: u32, _: u32| {};
        linker.func_wrap(module, "kv_get", get).map_err(|fault| anyhow!("{fault:?}"))?;
        linker.func_wrap(module, "kv_cas", cas).map_err(|fault| anyhow!("{fault:?}"))?;
        linker.func_wrap(module, "log", log).map_err(|fault| anyhow!("{fault:?}"))?;
        let mut store = Store::new(self.0.engine(), shared);
        let instance = linker.instantiate(&mut store, &self.0);
        let instance = instance.map_err(|fault| anyhow!("{fault:?}"))?;
        let memory = instance.get_memory(&mut store, "memory").context("no memory is exported")?;
        Ok(Box::new(Running { store, instance, memory }))
    }
}

impl Guest for Running {
    fn call(&mut self, export: &str, parameters: &[Number]) -> Result<u64> {
        let function = self.instance.get_func(&mut self.store, export);
        let function = function.with_context(|| format!("no {export} is exported"))?;
        let parameters: Vec<Val> = parameters
            .iter()
            .map(|number| match *number {
                Number::I32(n) => Val::I32(n.cast_signed()),
                Number::I64(n) => Val::I64(n),
            })
            .collect();
        let count = function.ty(&self.store).results().len();
        let mut results = vec![Val::I32(0); count];
        let called = function.call(&mut self.store, &parameters, &mut results);
        called.map_err(|fault| anyhow!("{export}: {fault:?}"))?;
        match results.first() {
            Some(Val::I32(n)) => Ok(n.cast_unsigned().into()),
            Some(Val::I64(n)) => Ok(n.cast_unsigned()),
            _ => Ok(0),
        }
    }

    fn read(&mut self, at: u32, len: u32) -> Result<Vec<u8>> {
        let memory = self.memory.data_mut(&mut self.store);
        super::Memory::get(&memory, at, len).context("a range outside of the memory")
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<()> {
        let mut memory = self.memory.data_mut(&mut self.store);
        super::Memory::put(&mut memory, at, bytes)
            .then_some(())
            .context("a range outside of the memory")
    }
}

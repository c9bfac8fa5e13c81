//! wasmer: compiles with its own version of Cranelift.

use super::{Guest, Module, Number};
use crate::store::{self, Shared};
use anyhow::{Context as _, Result};
use wasmer::{Function, FunctionEnv, FunctionEnvMut, Instance, Memory, MemoryView, Store, Value};

/// The engine.
#[derive(Default)]
pub(crate) struct Engine(wasmer::Engine);

struct Loaded {
    engine: wasmer::Engine,
    module: wasmer::Module,
}

/// The context of the imports. The memory is known once the instance exists.
struct Environment {
    shared: Shared,
    memory: Option<Memory>,
}

struct Running {
    store: Store,
    instance: Instance,
    memory: Memory,
}

struct View<'a>(MemoryView<'a>);

impl super::Memory for View<'_> {
    fn get(&self, at: u32, len: u32) -> Option<Vec<u8>> {
        // Checked first, so that no buffer is allocated for an impossible length.
        let end = u64::from(at) + u64::from(len);
        let mut bytes = vec![0; (end <= self.0.data_size()).then_some(len as usize)?];
        self.0.read(at.into(), &mut bytes).ok().map(|()| bytes)
    }

    fn put(&mut self, at: u32, bytes: &[u8]) -> bool {
        self.0.write(at.into(), bytes).is_ok()
    }
}

impl super::Engine for Engine {
    fn name(&self) -> &'static str {
        "wasmer 7.4"
    }

    fn has_simd(&self) -> bool {
        true
    }

    fn load(&self, wasm: &[u8]) -> Result<Box<dyn Module>> {
        let module = wasmer::Module::new(&self.0, wasm)?;
        Ok(Box::new(Loaded { engine: self.0.clone(), module }))
    }
}

/// Runs an import on the caller's memory.
fn import(
    mut environment: FunctionEnvMut<'_, Environment>,
    work: impl FnOnce(&mut View<'_>, &Shared) -> i32,
) -> i32 {
    let (environment, store) = environment.data_and_store_mut();
    match &environment.memory {
        Some(memory) => work(&mut View(memory.view(&store)), &environment.shared),
        None => firstseen_abi::kv::REFUSED,
    }
}

impl Module for Loaded {
    fn guest(&self, shared: Shared) -> Result<Box<dyn Guest>> {
        type Env<'a> = FunctionEnvMut<'a, Environment>;
        let mut store = Store::new(self.engine.clone());
        let environment = FunctionEnv::new(&mut store, Environment { shared, memory: None });
        let get = |env: Env<'_>, key: u32, key_len: u32, buf: u32, cap: u32| {
            import(env, |memory, shared| store::kv_get(memory, shared, [key, key_len, buf, cap]))
        };
        #[rustfmt::skip]
        let cas = |env: Env<'_>, a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, ttl: i64, buf: u32, cap: u32| {
            import(env, |memory, shared| {
                store::kv_cas(memory, shared, [a, b, c, d, e, f], ttl, [buf, cap])
            })
        };
        let log = |_: Env<'_>, _: i32, _: u32, _: u32| {};
        let imports = wasmer::imports! {
            firstseen_abi::IMPORT_NAMESPACE => {
                "kv_get" => Function::new_typed_with_env(&mut store, &environment, get),
                "kv_cas" => Function::new_typed_with_env(&mut store, &environment, cas),
                "log" => Function::new_typed_with_env(&mut store, &environment, log),
            }
        };
        let instance = Instance::new(&mut store, &self.module, &imports)?;
        let memory = instance.exports.get_memory("memory")?.clone();
        environment.as_mut(&mut store).memory = Some(memory.clone());
        Ok(Box::new(Running { store, instance, memory }))
    }
}

impl Guest for Running {
    fn call(&mut self, export: &str, parameters: &[Number]) -> Result<u64> {
        let function = self.instance.exports.get_function(export)?;
        let parameters: Vec<Value> = parameters
            .iter()
            .map(|number| match *number {
                Number::I32(n) => Value::I32(n.cast_signed()),
                Number::I64(n) => Value::I64(n),
            })
            .collect();
        let results = function.call(&mut self.store, &parameters).context(export.to_owned())?;
        match results.first() {
            Some(Value::I32(n)) => Ok(n.cast_unsigned().into()),
            Some(Value::I64(n)) => Ok(n.cast_unsigned()),
            _ => Ok(0),
        }
    }

    fn read(&mut self, at: u32, len: u32) -> Result<Vec<u8>> {
        let view = View(self.memory.view(&self.store));
        super::Memory::get(&view, at, len).context("a range outside of the memory")
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<()> {
        self.memory
            .view(&self.store)
            .write(at.into(), bytes)
            .context("a range outside of the memory")
    }
}

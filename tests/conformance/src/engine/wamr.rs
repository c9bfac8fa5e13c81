//! WAMR's interpreter, which Fluent Bit contains.
//!
//! Its host functions get only numbers, so they access the memory through the calling instance.
//! WAMR looks them up by name in a table of the process when it loads a module, so only one guest
//! exists at a time.

use super::{Guest, Module, Number};
use crate::store::{self, Shared};
use anyhow::{Context as _, Result};
use std::cell::RefCell;
use std::rc::{Rc, Weak};
use wamrx::{FuncType, Instance, Linker, Val, ValType};

/// The engine.
pub(crate) struct Engine(wamrx::Engine);

struct Loaded {
    engine: wamrx::Engine,
    wasm: Vec<u8>,
}

struct Running(Rc<Instance>);

/// The calling instance, once it exists. Weak, because the instance owns what its imports hold.
type Caller = Rc<RefCell<Weak<Instance>>>;

impl Engine {
    /// Starts the runtime.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(wamrx::Engine::new()?))
    }
}

impl super::Engine for Engine {
    fn name(&self) -> &'static str {
        "WAMR (wamrx 0.3)"
    }

    fn has_simd(&self) -> bool {
        false
    }

    fn load(&self, wasm: &[u8]) -> Result<Box<dyn Module>> {
        Ok(Box::new(Loaded { engine: self.0.clone(), wasm: wasm.to_vec() }))
    }
}

fn u32_at(parameters: &[Val], place: usize) -> u32 {
    match parameters.get(place) {
        Some(Val::I32(n)) => n.cast_unsigned(),
        _ => unreachable!("WAMR checked the signature"),
    }
}

/// Runs an import on the caller's memory.
fn import(caller: &Caller, work: impl FnOnce(&mut &mut [u8]) -> i32) -> Val {
    let instance = caller.borrow().upgrade();
    let memory = instance.as_ref().and_then(|instance| instance.get_memory("memory").ok());
    Val::I32(match memory {
        Some(mut memory) => work(&mut memory.data_mut()),
        None => firstseen_abi::kv::REFUSED,
    })
}

impl Module for Loaded {
    fn guest(&self, shared: Shared) -> Result<Box<dyn Guest>> {
        use ValType::{I32, I64};
        let caller = Caller::default();
        let mut linker = Linker::new(&self.engine);
        let module = firstseen_abi::IMPORT_NAMESPACE;
        let (here, store) = (caller.clone(), shared.clone());
        linker.define_func(
            module,
            "kv_get",
            FuncType::new([I32; 4], [I32]),
            move |p, results| {
                let numbers = [0, 1, 2, 3].map(|n| u32_at(p, n));
                results[0] = import(&here, |memory| store::kv_get(memory, &store, numbers));
            },
        )?;
        let cas = FuncType::new([I32, I32, I32, I32, I32, I32, I64, I32, I32], [I32]);
        let (here, store) = (caller.clone(), shared);
        linker.define_func(module, "kv_cas", cas, move |p, results| {
            let numbers = [0, 1, 2, 3, 4, 5].map(|n| u32_at(p, n));
            let Some(Val::I64(ttl)) = p.get(6) else { unreachable!("WAMR checked the signature") };
            let room = [7, 8].map(|n| u32_at(p, n));
            let work = |memory: &mut &mut [u8]| store::kv_cas(memory, &store, numbers, *ttl, room);
            results[0] = import(&here, work);
        })?;
        linker.define_func(module, "log", FuncType::new([I32; 3], []), |_, _| {})?;
        let module = wamrx::Module::new(&self.engine, &self.wasm)?;
        let instance = Rc::new(linker.instantiate(module)?);
        *caller.borrow_mut() = Rc::downgrade(&instance);
        Ok(Box::new(Running(instance)))
    }
}

impl Guest for Running {
    fn call(&mut self, export: &str, parameters: &[Number]) -> Result<u64> {
        let function = self.0.get_func(export)?;
        let parameters: Vec<Val> = parameters
            .iter()
            .map(|number| match *number {
                Number::I32(n) => Val::I32(n.cast_signed()),
                Number::I64(n) => Val::I64(n),
            })
            .collect();
        let mut results = vec![Val::I32(0); function.ty().results().len()];
        function.call(&parameters, &mut results).context(export.to_owned())?;
        match results.first() {
            Some(Val::I32(n)) => Ok(n.cast_unsigned().into()),
            Some(Val::I64(n)) => Ok(n.cast_unsigned()),
            _ => Ok(0),
        }
    }

    fn read(&mut self, at: u32, len: u32) -> Result<Vec<u8>> {
        let mut memory = self.0.get_memory("memory")?;
        super::Memory::get(&memory.data_mut(), at, len).context("a range outside of the memory")
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<()> {
        let mut memory = self.0.get_memory("memory")?;
        let written = super::Memory::put(&mut memory.data_mut(), at, bytes);
        written.then_some(()).context("a range outside of the memory")
    }
}

//! The interface of a WebAssembly engine. Each engine has one file in this folder.
//!
//! In: an artifact, a store. Out: calls, and the guest's memory with checked ranges. An engine's
//! file does not depend on rules or layouts.

pub(crate) mod wamr;
pub(crate) mod wasmer;
pub(crate) mod wasmi;
pub(crate) mod wasmtime;

use crate::store::Shared;
use anyhow::Result;

/// A WebAssembly engine.
pub(crate) trait Engine {
    /// The name and version for the table.
    fn name(&self) -> &'static str;

    /// Whether it supports fixed-width SIMD.
    fn has_simd(&self) -> bool;

    /// Loads an artifact, once for all vectors.
    fn load(&self, wasm: &[u8]) -> Result<Box<dyn Module>>;
}

/// A loaded artifact.
pub(crate) trait Module {
    /// A new instance, whose imports use this store.
    fn guest(&self, store: Shared) -> Result<Box<dyn Guest>>;
}

/// An instance.
pub(crate) trait Guest {
    /// Calls an export. An `i32` is zero-extended; no result is 0.
    fn call(&mut self, export: &str, parameters: &[Number]) -> Result<u64>;

    /// Reads its memory.
    fn read(&mut self, at: u32, len: u32) -> Result<Vec<u8>>;

    /// Writes to its memory.
    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<()>;
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    /// An address, a length, a count.
    I32(u32),
    /// A time.
    I64(i64),
}

/// The guest's memory as an import sees it.
pub(crate) trait Memory {
    /// The bytes of a range, or `None` if it is outside memory.
    fn get(&self, at: u32, len: u32) -> Option<Vec<u8>>;

    /// Writes, and returns whether the range is inside memory.
    fn put(&mut self, at: u32, bytes: &[u8]) -> bool;
}

impl Memory for &mut [u8] {
    fn get(&self, at: u32, len: u32) -> Option<Vec<u8>> {
        let at = at as usize;
        <[u8]>::get(self, at..at.checked_add(len as usize)?).map(<[u8]>::to_vec)
    }

    fn put(&mut self, at: u32, bytes: &[u8]) -> bool {
        let at = at as usize;
        let range = at.checked_add(bytes.len()).and_then(|end| self.get_mut(at..end));
        range.map(|range| range.copy_from_slice(bytes)).is_some()
    }
}

//! The code of an artifact.
//!
//! In: an artifact's bytes. Out: a compiled module, and what an instance's memory gets before it is called. The
//! module is the engine's, which all artifacts of an engine share; where an artifact is not exactly an engine
//! with a plan, it is the artifact's own, and the memory gets nothing. It calls no guest.

use crate::compile::ModuleFault;
use crate::engines::LoadedEngine;
use crate::instance::MEMORY_LIMIT;
use crate::runtime::{Runtime, plain};
use anyhow::Context;
use firstseen_artifact::{Separated, separate};
use std::sync::Arc;
use wasmtime::{AsContextMut, Memory, Module};

/// Bytes of a page of memory.
const PAGE: u64 = 65_536;

/// The code of an artifact. Its clones share it.
#[derive(Clone)]
pub struct Code {
    module: Module,
    placed: Option<Arc<PlacedBytes>>,
    is_own: bool,
}

/// What an artifact has in its memory besides the engine's own.
struct PlacedBytes {
    /// The pages that it begins with.
    pages: u64,
    /// In this order.
    at: Vec<(u32, Box<[u8]>)>,
}

impl Code {
    /// Compiles an artifact, or takes what was compiled: its engine, if it has one.
    ///
    /// # Errors
    /// When the bytes are no module that wasmtime takes, or one that costs too much to compile.
    pub fn load(runtime: &Runtime, wasm: &[u8]) -> anyhow::Result<Self> {
        // A memory over the limit is refused when the artifact itself is instantiated.
        let fits = |parts: &Separated<'_>| {
            parts.pages.checked_mul(PAGE).is_some_and(|bytes| bytes <= MEMORY_LIMIT as u64)
        };
        let Some(parts) = separate(wasm).filter(fits) else { return Self::whole(runtime, wasm) };
        let LoadedEngine { module, is_own } = match runtime.modules.load(runtime, &parts.engine) {
            Ok(engine) => engine,
            // It costs no less as a whole.
            Err(fault @ ModuleFault::TooCostly(_)) => return Err(fault.into()),
            // What is wrong with an engine is said of the artifact.
            Err(ModuleFault::Invalid(_)) => return Self::whole(runtime, wasm),
        };
        let at = parts.placed.iter().map(|(at, bytes)| (*at, Box::from(*bytes))).collect();
        let placed = Some(Arc::new(PlacedBytes { pages: parts.pages, at }));
        Ok(Self { module, placed, is_own })
    }

    /// Compiles an artifact as it is, whatever engine it has.
    ///
    /// # Errors
    /// As [`Code::load`].
    pub fn whole(runtime: &Runtime, wasm: &[u8]) -> anyhow::Result<Self> {
        Ok(Self { module: runtime.compiled(wasm)?, placed: None, is_own: false })
    }

    /// The compiled module. An instance of it is one of the artifact after [`Code::place`].
    #[must_use]
    pub const fn module(&self) -> &Module {
        &self.module
    }

    /// Whether the module is the engine's.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.placed.is_some()
    }

    /// Whether the engine is the core engine that this program embeds: what it writes is JSON, and its outline is
    /// enough of a check.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        self.is_own
    }

    /// Makes the memory of a new instance that of the artifact.
    ///
    /// # Errors
    /// When it cannot grow.
    pub fn place(&self, mut store: impl AsContextMut, memory: Memory) -> anyhow::Result<()> {
        let Some(placed) = &self.placed else { return Ok(()) };
        let more = placed.pages.saturating_sub(memory.size(&store));
        memory.grow(&mut store, more).map_err(plain).context("its memory")?;
        for (at, bytes) in &placed.at {
            memory.write(&mut store, *at as usize, bytes).context("its plan")?;
        }
        Ok(())
    }
}

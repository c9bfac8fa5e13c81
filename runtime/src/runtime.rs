//! wasmtime, set up once, and the clock that ends calls.
//!
//! In: where compiled code is kept. Out: an engine whose epoch moves every [`TICK`]. A call may run for a time that
//! grows with the bytes it was given; it never runs for ever.

use crate::cache::CodeCache;
use crate::compile::{Compiler, ModuleFault};
use crate::config::config;
use crate::engines::EngineModules;
use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use wasmtime::{Engine, Module};

/// How often the epoch moves.
pub const TICK: Duration = Duration::from_millis(10);
/// Ticks that every call has, whatever its input: 5 s, a slow machine's share included.
const BASE_TICKS: u64 = 500;
/// Ticks for each 64 KiB of input: at least 0.6 MB/s, a hundredth of what a slow machine does.
const BYTES_PER_TICK_BLOCK: u64 = 65_536;
const TICKS_PER_BLOCK: u64 = 10;

/// wasmtime and its clock, which runs as long as one of its clones is there.
#[derive(Clone)]
pub struct Runtime {
    /// The engine that all modules of this process share.
    pub engine: Engine,
    /// Compiled code of earlier runs.
    cache: CodeCache,
    /// What compiles all other code.
    compiler: Compiler,
    /// What artifacts share.
    pub(super) modules: Arc<EngineModules>,
    _clock: Arc<Clock>,
}

/// The thread that moves the epoch.
struct Clock {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Runtime {
    /// Sets wasmtime up, with the user's cache.
    ///
    /// # Errors
    /// When this machine cannot run it.
    pub fn new() -> anyhow::Result<Self> {
        Self::with_cache(CodeCache::of_user())
    }

    /// Sets wasmtime up. Modules are compiled in this process.
    ///
    /// # Errors
    /// When this machine cannot run it.
    pub fn with_cache(cache: CodeCache) -> anyhow::Result<Self> {
        Self::with_compiler(cache, Compiler::InProcess)
    }

    /// Sets wasmtime up. This compiles what is neither in the cache nor in the binary.
    ///
    /// # Errors
    /// When this machine cannot run it.
    pub fn with_compiler(cache: CodeCache, compiler: Compiler) -> anyhow::Result<Self> {
        let engine = Engine::new(&config())
            .map_err(plain)
            .context("WebAssembly cannot run on this machine")?;
        let clock = Clock::start(engine.clone())?;
        let modules = Arc::default();
        Ok(Self { engine, cache, compiler, modules, _clock: Arc::new(clock) })
    }

    /// Why code that was compiled is not kept: [`CodeCache::unkept`].
    #[must_use]
    pub fn unkept(&self) -> Option<Arc<str>> {
        self.cache.unkept()
    }

    /// A module, compiled before or now.
    pub(super) fn compiled(&self, wasm: &[u8]) -> Result<Module, ModuleFault> {
        self.cache.load(&self.engine, &self.compiler, wasm)
    }
}

impl Clock {
    fn start(engine: Engine) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("epoch".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(TICK);
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread only counts: there is nothing to learn from how it ended.
            let _ = thread.join();
        }
    }
}

/// The ticks that a call with this many bytes has.
#[must_use]
pub const fn deadline_ticks(bytes: usize) -> u64 {
    let blocks = (bytes as u64).div_ceil(BYTES_PER_TICK_BLOCK);
    BASE_TICKS.saturating_add(blocks.saturating_mul(TICKS_PER_BLOCK))
}

/// wasmtime's error as everybody else's: its whole chain in one sentence.
pub(super) fn plain(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

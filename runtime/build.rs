//! Compiles the core engine to machine code, which the binary embeds: so that no run has to wait for it.
//!
//! In: the core engine, from the build script of crate engines. Out, in OUT_DIR: `core.cwasm`, which is empty where
//! wasmtime cannot compile for the target from here; then the host compiles the engine itself. It depends on nothing
//! of this machine, so that the same source gives the same code elsewhere.
#![allow(unsafe_code)]

#[path = "src/config.rs"]
mod config;

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

/// What processors of the level x86-64-v3 have: nearly all since 2015. Where one lacks something, wasmtime
/// refuses the code, and the host compiles for what is there.
const X86_64: &[&str] = &[
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
    "has_avx",
    "has_avx2",
    "has_bmi1",
    "has_bmi2",
    "has_lzcnt",
    "has_fma",
];

fn main() -> Result<(), Box<dyn Error>> {
    let core = PathBuf::from(env::var_os("DEP_FIRSTSEEN_ENGINES_CORE").ok_or("no core engine")?);
    for path in [core.as_path(), "build.rs".as_ref(), "src/config.rs".as_ref()] {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR")?);
    let code = compiled(&fs::read(core)?).unwrap_or_else(|fault| {
        println!("cargo::warning=the core engine is compiled when rules run: {fault:#}");
        Vec::new()
    });
    fs::write(out.join("core.cwasm"), code)?;
    Ok(())
}

fn compiled(engine: &[u8]) -> wasmtime::Result<Vec<u8>> {
    let mut config = config::config();
    config.target(&env::var("TARGET")?)?;
    if env::var("CARGO_CFG_TARGET_ARCH")? == "x86_64" {
        for flag in X86_64 {
            // SAFETY: the code runs only where wasmtime finds all of them: it checks that when it loads it.
            unsafe { config.cranelift_flag_enable(flag) };
        }
    }
    wasmtime::Engine::new(&config)?.precompile_module(engine)
}

//! The engines in this binary, and the flagship rule made of one.
//!
//! In: what the build script built. Out: their bytes. They are data here: nothing of them runs.

/// The flagship rule, built with this binary.
pub static FLAGSHIP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/flagship.wasm"));
/// The engine of the contract, into which `build` embeds rules.
pub static ENGINE: crate::compile::Engine<'static> =
    crate::compile::Engine::core(include_bytes!(concat!(env!("OUT_DIR"), "/core.wasm")));

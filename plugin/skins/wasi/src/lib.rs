//! The skin for wasi.
#![cfg(target_family = "wasm")]

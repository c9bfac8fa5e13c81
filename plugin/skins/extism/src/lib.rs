//! The skin for extism.
#![cfg(target_family = "wasm")]

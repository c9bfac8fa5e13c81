//! The skin for js.
#![cfg(target_family = "wasm")]

//! The skin for fluent-bit.
#![cfg(target_family = "wasm")]

//! The skin for connect.
#![cfg(target_family = "wasm")]

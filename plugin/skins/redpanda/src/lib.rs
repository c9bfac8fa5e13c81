//! The skin for redpanda.
#![cfg(target_family = "wasm")]

//! The guest: crate rule behind the core ABI, version 1 (docs/abi.md).
//!
//! In: numbers that say where bytes lie. Out: the same. It checks every range before it looks, keeps
//! the engine and the arena, and decides nothing itself. This crate alone has unsafe code; it
//! stands in `border.rs`, and never calls across the border but through the three imports.
//!
//! Built for wasm32-unknown-unknown it is the engine module: crate artifact lays a plan into it.
//!
//! Without the standard library: what it does on a panic is a tenth of a module's code, and nobody
//! reads it. A panic is a trap.

#![cfg_attr(target_family = "wasm", no_std)]

#[cfg(target_family = "wasm")]
extern crate alloc;

#[cfg(target_family = "wasm")]
mod arena;
#[cfg(target_family = "wasm")]
mod border;
#[cfg(target_family = "wasm")]
mod guest;
#[cfg(target_family = "wasm")]
mod imports;
#[cfg(target_family = "wasm")]
mod store;

//! The guest: crate rule behind the core ABI, version 1 (docs/abi.md).
//!
//! In: addresses and lengths of buffers. Out: the same. It checks every range before it reads it, owns
//! the engine and the arena, and contains no rule logic. Unsafe code is in `border.rs` (exports) and
//! `imports.rs` only.
//!
//! Compiled for wasm32-unknown-unknown it is the engine module; crate artifact embeds a plan in it.
//!
//! It uses no standard library: the code for panics would be a tenth of the module, and nobody reads
//! their messages. A panic is a trap.
//!
//! ```text
//! border --> guest --> store --> imports
//!               |--> arena
//! ```

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

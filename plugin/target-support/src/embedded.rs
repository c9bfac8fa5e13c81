//! The plan and the options that crate artifact embedded in the module.
//!
//! In: two exported slots, which hold address and length. Out: bytes. A range outside of
//! memory counts as empty.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, Ordering};

/// The plan: address and length.
#[unsafe(no_mangle)]
pub static FIRSTSEEN_PLAN: Slot = [AtomicU32::new(0), AtomicU32::new(0)];

/// The options: address and length.
#[unsafe(no_mangle)]
pub static FIRSTSEEN_OPTIONS: Slot = [AtomicU32::new(0), AtomicU32::new(0)];

/// Two numbers that the module's data segments fill before anything runs.
pub type Slot = [AtomicU32; 2];

/// The plan's bytes; none where the engine was not built into an artifact.
#[must_use]
pub fn plan() -> &'static [u8] {
    at(&FIRSTSEEN_PLAN)
}

/// The options' bytes, JSON; none where all is as by default.
#[must_use]
pub fn options() -> &'static [u8] {
    at(&FIRSTSEEN_OPTIONS)
}

#[cfg(target_family = "wasm")]
fn at([address, len]: &'static Slot) -> &'static [u8] {
    let (address, len) = (address.load(Ordering::Relaxed), len.load(Ordering::Relaxed));
    let size = (core::arch::wasm32::memory_size(0) as u64).saturating_mul(65_536);
    let end = u64::from(address).saturating_add(u64::from(len));
    if len == 0 || address == 0 || end > size {
        return &[];
    }
    // SAFETY: the range is in memory, behind everything that the engine allocates from: crate
    // artifact puts it into pages of its own. Nobody writes there.
    unsafe { core::slice::from_raw_parts(address as usize as *const u8, len as usize) }
}

/// Natively nothing is ever embedded.
#[cfg(not(target_family = "wasm"))]
fn at(slot: &'static Slot) -> &'static [u8] {
    let _ = slot[0].load(Ordering::Relaxed);
    &[]
}

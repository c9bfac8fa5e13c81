//! The border: exports, and addresses to slices.
//!
//! In: addresses and lengths from the host, untrusted. Out: packed addresses and lengths. A range
//! outside of memory is refused before it is read.
//!
//! Why the unsafe code is sound: the module has one thread and the host never calls in while an
//! import runs, so the one `GuestState` is never borrowed twice; every range is checked against the
//! memory's size, which only grows; the host writes into buffers of the arena only between calls.
#![allow(unsafe_code)]

use crate::guest::{GuestState, refusal_json};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};
use firstseen_abi::{ABI_VERSION, FRAMING_LINES, FRAMING_ONE, pack, status};

/// Address and length of the plan. Crate artifact writes it into the module.
#[unsafe(no_mangle)]
pub(crate) static FIRSTSEEN_PLAN: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];

struct OneThread(UnsafeCell<GuestState>);
// SAFETY: a core module without shared memory has one thread.
unsafe impl Sync for OneThread {}
static GUEST: OneThread = OneThread(UnsafeCell::new(GuestState::new()));

/// The guest. Called once per export, and never below one.
#[allow(clippy::mut_from_ref)]
fn guest() -> &'static mut GuestState {
    // SAFETY: each export takes it once, and the host does not re-enter (see above).
    unsafe { &mut *GUEST.0.get() }
}

/// The bytes at an address, if the whole range is in memory.
fn slice(address: u32, len: u32) -> Option<&'static [u8]> {
    // An empty range may be anywhere: hosts pass any address with a length of 0.
    if len == 0 {
        return Some(&[]);
    }
    let end = u64::from(address).checked_add(u64::from(len))?;
    let size = (core::arch::wasm32::memory_size(0) as u64).checked_mul(65_536)?;
    if end > size || address == 0 {
        return None;
    }
    // SAFETY: the range is in memory and is not address 0; nobody writes to it during the call:
    // the arena's buffers are the host's to fill between calls, and results go to new buffers.
    Some(unsafe { core::slice::from_raw_parts(address as usize as *const u8, len as usize) })
}

fn plan() -> &'static [u8] {
    let [address, len] =
        [&FIRSTSEEN_PLAN[0], &FIRSTSEEN_PLAN[1]].map(|n| n.load(Ordering::Relaxed));
    slice(address, len).unwrap_or_default()
}

fn packed((address, len): (u32, u32)) -> i64 {
    pack(address, len)
}

fn bad_argument(json: bool) -> i64 {
    let result = if json {
        refusal_json("bad_argument", "the range does not lie in the module's memory").into_bytes()
    } else {
        status::BAD_ARGUMENT.to_le_bytes().to_vec()
    };
    packed(guest().arena.keep(result))
}

/// The version of the contract.
#[unsafe(no_mangle)]
extern "C" fn abi_version() -> i32 {
    ABI_VERSION
}

/// A zeroed buffer that lives until `reset`; 0 where there is no room.
#[unsafe(no_mangle)]
extern "C" fn alloc(len: u32) -> u32 {
    guest().arena.alloc(len as usize)
}

/// Ends the life of every buffer, handed in or out.
#[unsafe(no_mangle)]
extern "C" fn reset() {
    guest().arena.reset();
}

/// Step one: which events match, when, under which keys.
#[unsafe(no_mangle)]
extern "C" fn keys(address: u32, len: u32, table: u32, count: i32, now_ms: i64) -> i64 {
    let table_len = match count {
        FRAMING_ONE | FRAMING_LINES => Some(0),
        count => u32::try_from(count).ok().and_then(|n| n.checked_mul(8)),
    };
    let table = table_len.and_then(|n| slice(table, n));
    let (Some(buffer), Some(table)) = (slice(address, len), table) else {
        return bad_argument(false);
    };
    packed(guest().keys(plan(), buffer, table, count, now_ms))
}

/// Step two: what the matched events mean, given the prior values of their keys.
#[unsafe(no_mangle)]
extern "C" fn decide(address: u32, len: u32) -> i64 {
    let Some(request) = slice(address, len) else { return bad_argument(false) };
    packed(guest().decide(plan(), request))
}

/// Both steps for one event, through the imports.
#[unsafe(no_mangle)]
extern "C" fn evaluate(address: u32, len: u32, now_ms: i64) -> i64 {
    let Some(event) = slice(address, len) else { return bad_argument(true) };
    packed(guest().evaluate(plan(), event, now_ms))
}

/// Why an event matched or not.
#[unsafe(no_mangle)]
extern "C" fn explain(address: u32, len: u32) -> i64 {
    let Some(event) = slice(address, len) else { return bad_argument(true) };
    packed(guest().explain(plan(), event))
}

/// Takes settings.
#[unsafe(no_mangle)]
extern "C" fn configure(address: u32, len: u32) -> i64 {
    let Some(settings) = slice(address, len) else { return bad_argument(true) };
    packed(guest().configure(plan(), settings))
}

/// The allocator that the standard library has for WebAssembly.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// A panic is a trap: the host reports the event at hand and takes a new instance.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

//! The contract between a rule's module (the guest) and whatever runs it (the host).
//!
//! In: numbers and bytes. Out: the same, read and written with every length checked. Both sides
//! share this crate, so that the layout is defined once; `docs/abi.md` describes it for hosts
//! in other languages. It never calls across the border itself, and it never panics: bytes
//! from the other side are untrusted.
//!
//! All integers are little-endian and may be unaligned. A "packed" result is
//! `pointer << 32 | length`; 0 means that the guest has no memory left.
//!
//! ```text
//! host                                   guest
//! alloc(n) ------------------------->    a buffer in the arena
//! write events into it
//! keys(ptr, len, table, count, now) ->   items: which events matched, when, under which keys
//! read the prior value of each key
//! decide(ptr, len) ----------------->    writes (compare and set) and outcomes (alerts)
//! apply the writes; on a conflict read again and ask again
//! reset() -------------------------->    the arena is empty again
//! ```
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::string_slice
    )
)]

extern crate alloc;

mod bytes;
mod decision;
mod item;
pub mod kv;

pub use bytes::{Cursor, Malformed};
pub use decision::{DecideRequest, Decision, Outcome, OutcomeKind, PriorKey, RequestWriter, Write};
pub use item::{Counts, Item, ItemKind, ItemTerm, Keys, KeysWriter};

/// The version of the contract that this crate describes; the export `abi_version` returns it.
pub const ABI_VERSION: i32 = 1;

/// The namespace of the imports `kv_get`, `kv_cas` and `log`.
pub const IMPORT_NAMESPACE: &str = "firstseen_v1";

/// The longest state key, in bytes.
pub const MAX_KEY: usize = 256;
/// The longest state value, in bytes.
pub const MAX_VALUE: usize = 512;

/// `count` for [`keys`](self) when the buffer holds whole lines instead of one event.
pub const FRAMING_LINES: i32 = -1;
/// `count` for [`keys`](self) when the buffer holds one event (with `table` 0).
pub const FRAMING_ONE: i32 = 0;

/// The first word of a binary result.
pub mod status {
    /// Success; the rest has the layout of the call.
    pub const OK: u32 = 0;
    /// The arguments do not describe a buffer in the guest's memory, or the framing is wrong.
    pub const BAD_ARGUMENT: u32 = 1;
    /// The artifact holds no plan, or one that this engine cannot read.
    pub const BAD_PLAN: u32 = 2;
    /// The request to `decide` is malformed.
    pub const BAD_REQUEST: u32 = 3;
}

/// Levels of the import `log`.
pub mod level {
    /// The operator has to act.
    pub const ERROR: i32 = 1;
    /// Something was left out.
    pub const WARN: i32 = 2;
    /// Worth knowing.
    pub const INFO: i32 = 3;
}

/// Packs a pointer and a length into one result.
#[must_use]
pub const fn pack(pointer: u32, length: u32) -> i64 {
    (((pointer as u64) << 32) | length as u64) as i64
}

/// The pointer and the length of a packed result.
#[must_use]
pub const fn unpack(packed: i64) -> (u32, u32) {
    let bits = packed as u64;
    ((bits >> 32) as u32, (bits & 0xffff_ffff) as u32)
}

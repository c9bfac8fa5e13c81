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
//!
//! ```
//! use firstseen_abi::{ItemKind, ItemTerm, Keys, KeysWriter};
//!
//! // The guest writes the result of `keys` ..
//! let mut bytes = Vec::new();
//! let mut writer = KeysWriter::new(&mut bytes);
//! let term = ItemTerm { key: b"tenant:rule:fingerprint:hash", values: r#"["bob"]"# };
//! let (place, time_ms, identity) = ((0, 120), 1_700_000_000_000, [7; 16]);
//! writer.item(ItemKind::Matched, 0, place, time_ms, &identity, "", [term].into_iter());
//! writer.finish();
//!
//! // .. and the host reads it.
//! let keys = Keys::read(&bytes).unwrap();
//! let item = keys.items().next().unwrap()?;
//! assert_eq!(item.terms().next(), Some(term));
//! # Ok::<(), firstseen_abi::Malformed>(())
//! ```
//!
//! Order of modules, each importing only from those before it: `codes`, `kv`, `bytes`, `item`,
//! `decision`.
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
mod codes;
mod decision;
mod item;
pub mod kv;

pub use bytes::{Cursor, Malformed, pack, unpack};
pub use codes::{
    ABI_VERSION, FRAMING_LINES, FRAMING_ONE, IMPORT_NAMESPACE, MAX_KEY, MAX_VALUE, level, status,
};
pub use decision::{
    DecideRequest, Decision, Outcome, OutcomeKind, OutcomesWriter, PriorKey, RequestWriter, Write,
};
pub use item::{Counts, Item, ItemKind, ItemTerm, Keys, KeysWriter};

//! What hosts share: batches of events, matches, and the decide round.
//!
//! In: events' texts, a rule behind [`Rules`], the answers of whoever holds the state. Out: matches,
//! the keys to read, the writes to make, the outcomes. It reads no file, calls no store and has no
//! clock: a caller asks a [`Round`] what it needs, fetches it, and hands it in. `run`,
//! `explain`, `test` and the JavaScript target decide through it.
//!
//! ```text
//! events --EventBatch::keys--> items --> Match (kept until it is its turn)
//!                                          |
//!        +---------------------------------+
//!        v
//!      Round::step --Step::Read---> caller reads keys    --values()--+
//!        ^        \--Step::Text---> caller fetches texts --texts()---+
//!        |         \-Step::Write--> caller writes        --written()-+
//!        |                                                           |
//!        +-----------------------------------------------------------+
//!                 \-Step::Done----> outcomes, in the order of the matches
//! ```
//!
//! # Conflicts
//! A write expects the value that was read. Where another writer was faster, the outcomes of that
//! key are void, and only that key is decided again, at most [`MAX_TRIES`] times. A key whose write
//! was made is never decided again: its alert is given exactly once.
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

mod batch;
mod check;
mod matched;
mod outline;
mod round;
mod rules;

pub use batch::{EventBatch, ItemVisitor};
pub use matched::{EventAt, EventText, Match, RuleRef};
pub use outline::has_outline;
pub use round::{
    KEY_CLOSED, MAX_TRIES, PlannedWrite, Round, RoundEnd, Step, TermOutcome, WriteResult,
};
pub use rules::{CallError, Decide, Rules};

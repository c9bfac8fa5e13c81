//! How much one record may expand to, over all that is packed inside it.
//!
//! In: the record's own length, and what comes out of it. Out: whether there is more room. All levels
//! of packing share one budget, so that data inside data inside data expands no further than any.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a record may expand to for each of its own bytes. CloudTrail's JSON packs 10 to 50 times.
const FOR_EACH_BYTE: u64 = 256;
/// What every record may expand to.
const LEAST: u64 = 1 << 20;
/// What none may expand to.
const MOST: u64 = 256 << 20;

/// What an event costs besides its bytes, which were paid for when they were unpacked.
pub(crate) const EVENT: u64 = 64;
/// What something costs that is counted.
pub(crate) const NOTHING: u64 = 256;
/// What a fault costs: it is reported, and may be kept.
pub(crate) const FAULT: u64 = 4096;

/// The room that is left, shared by all splitters inside one record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    left: Arc<AtomicU64>,
    is_cut: Arc<AtomicBool>,
}

impl Budget {
    /// A new record of so many bytes begins; returns what it may expand to.
    pub(crate) fn begin(&self, length: usize) {
        self.left.store(most(length), Ordering::Relaxed);
        self.is_cut.store(false, Ordering::Relaxed);
    }

    /// Takes some of it; `false` when it is used up.
    pub(crate) fn take(&self, cost: u64) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        match left.checked_sub(cost) {
            Some(left) => self.left.store(left, Ordering::Relaxed),
            None => self.is_cut.store(true, Ordering::Relaxed),
        }
        left >= cost
    }

    /// Whether something was refused.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }
}

/// What a record of so many bytes may expand to.
pub(crate) fn most(length: usize) -> u64 {
    (length as u64).saturating_mul(FOR_EACH_BYTE).saturating_add(LEAST).min(MOST)
}

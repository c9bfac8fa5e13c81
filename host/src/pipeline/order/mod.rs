//! Matched events put in order of time before the state is asked.
//!
//! In: records in order of arrival. Out: the same records in order of (time, identity, rule,
//! arrival), in bounded memory: [`Sorter`] for inputs that end, [`Hold`] for streams. Neither looks
//! into an event, and neither drops one.
mod hold;
mod run;
mod sorter;

pub use hold::Hold;
pub use sorter::{DEFAULT_BUDGET, Sorted, Sorter};

/// A matched event on its way to the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The event's time in milliseconds since 1970, UTC.
    pub time_ms: i64,
    /// The event's identity, as the module gave it.
    pub identity: [u8; 16],
    /// Which rule: index of the artifact in the upper 16 bits, of its rule in the lower.
    pub rule: u32,
    /// The item, as `keys` wrote it.
    pub item: Vec<u8>,
    /// The event's text.
    pub event: Vec<u8>,
    /// The line of the stream that it came on; 0 for what came out of a file.
    pub line: u64,
}

/// What records are ordered by, besides arrival. An identity compares as the number it is in
/// big-endian order, which is the order of its bytes.
type Key = (i64, u128, u32);

impl Record {
    fn key(&self) -> Key {
        (self.time_ms, u128::from_be_bytes(self.identity), self.rule)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.item.len() + self.event.len()
    }
}

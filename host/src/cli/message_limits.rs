//! How many messages of a kind are printed.
//!
//! In: how many there were. Out: whether one more is, and its number. A run prints the first of each kind and counts the
//! others in its summary; a service, whose summary may be months away, goes on with the 100th, the 1,000th and so on.

use crate::numbers::number;
use crate::terminal::formats::SHOWN_LINES;

/// Messages of one kind on standard error, and events that could not be judged: an input, a rule or a store
/// could have any number of them. The summary counts them all.
pub(super) const NAMED: u64 = SHOWN_LINES as u64;
/// Of them of each code, however many there are of others before.
pub(super) const NAMED_OF_CODE: u64 = 3;
/// Codes that this holds for: more than there are, unless a guest makes them up.
pub(super) const MAX_CODES: usize = 40;
/// Which messages a service goes on to print, of each kind.
pub(super) const MILESTONES: &str = "100th, the 1,000th and so on are named, all are counted";

/// Whether a service that printed enough of a kind prints this one too.
pub(super) fn is_milestone(count: u64) -> bool {
    count >= 100 && 10_u64.checked_pow(count.ilog10()) == Some(count)
}

/// `1,000th`, of a count that ends in 0.
pub(super) fn nth(count: u64) -> String {
    format!("the {}th", number(count))
}

/// The kinds of messages that have a limit each.
#[derive(Debug, Clone, Copy)]
pub(super) enum OtherKind {
    NotDecided,
    Inputs,
    NoLogs,
    Rules,
    Cut,
    Messages,
}

pub(super) const OTHER_KINDS: usize = 6;

impl OtherKind {
    /// What stands before each, and what several are.
    pub(super) const ALL: [(Self, &str, &str, &str); OTHER_KINDS] = [
        (Self::NotDecided, "not decided", "more match", "more matches"),
        (Self::Inputs, "skipped", "more input", "more inputs"),
        (Self::NoLogs, "skipped", "more file without events", "more files without events"),
        (Self::Rules, "a rule says", "more line", "more lines"),
        (Self::Cut, "cut", "more record", "more records"),
        (Self::Messages, "warning", "more message", "more messages"),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_goes_on_at_each_power_of_ten() {
        let printed: Vec<u64> = (0..=100_000).filter(|count| is_milestone(*count)).collect();
        assert_eq!(printed, [100, 1_000, 10_000, 100_000]);
        assert!(is_milestone(10_000_000_000_000_000_000) && !is_milestone(u64::MAX));
        assert_eq!(nth(1_000), "the 1,000th");
    }
}

//! Numbers, sizes and times for a person.
//!
//! In: a count, a number of bytes, a duration. Out: short text, the same on every machine.

use indicatif::{DecimalBytes, HumanCount};
use std::time::Duration;

/// Lines of one kind that a person is shown; the rest is counted. Somebody else chooses how many there are.
pub const SHOWN_LINES: usize = 10;
/// Names in one sentence.
pub const SHOWN_NAMES: usize = 5;

/// A number with commas between its thousands: `1,234,567`.
#[must_use]
pub fn number(number: u64) -> String {
    HumanCount(number).to_string()
}

/// A number of bytes in the unit that fits, of 1000 bytes each: `1.23 MB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    DecimalBytes(bytes).to_string()
}

/// A number with its noun, in the singular or the plural: `1 input`, `12 inputs`.
#[must_use]
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A number with a noun whose plural ends in `s`.
#[must_use]
pub fn count(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(count as u64))
}

/// How long something took: `12 ms`, `1.2 s`.
#[must_use]
pub fn time(took: Duration) -> String {
    match took.as_millis() {
        ms @ ..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_are_readable() {
        for (size, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (99_949, "99.95 kB"),
            (1_234_567, "1.23 MB"),
        ] {
            assert_eq!(bytes(size), expected);
        }
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "matched event has", "matched events have"), "1 matched event has");
        assert_eq!(
            (count(1, "case"), count(1200, "case")),
            ("1 case".into(), "1,200 cases".into())
        );
        assert_eq!([12, 1234].map(|ms| time(Duration::from_millis(ms))), ["12 ms", "1.2 s"]);
    }
}

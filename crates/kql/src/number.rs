//! Numbers compared exactly, whatever their size.
//!
//! In: numbers as they are written. Out: their order. It never rounds: account and object ids have
//! more digits than a double holds.

use core::cmp::Ordering;

/// A written number, taken apart: `0.DIGITS * 10^exponent`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decimal<'a> {
    negative: bool,
    /// All digits, perhaps with a point between them; from the first that is not zero to the last
    /// that is not zero. Empty for zero.
    digits: &'a str,
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Takes a number apart; `None` where the text is none. JSON's numbers, and with them a sign
    /// before and zeros at either end.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, written_exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let has_point = whole.len() < mantissa.len();
        if whole.is_empty()
            || (has_point && fraction.is_empty())
            || !all_digits(whole)
            || !all_digits(fraction)
        {
            return None;
        }
        let significant = whole.trim_start_matches('0');
        let (tail, place) = if significant.is_empty() {
            let tail = fraction.trim_start_matches('0');
            (tail, -signed(fraction.len() - tail.len()))
        } else {
            (mantissa.trim_start_matches('0'), signed(significant.len()))
        };
        let digits = tail.trim_end_matches(['0', '.']);
        Some(Self {
            negative: text.starts_with('-') && !digits.is_empty(),
            digits,
            exponent: if digits.is_empty() { 0 } else { written_exponent.saturating_add(place) },
        })
    }

    /// The order of two numbers by value.
    pub(crate) fn compare(&self, other: &Decimal<'_>) -> Ordering {
        let by_size = || match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self
                .exponent
                .cmp(&other.exponent)
                .then_with(|| figures(self.digits).cmp(figures(other.digits))),
        };
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => by_size(),
            (true, true) => by_size().reverse(),
        }
    }
}

/// The digits without the point.
fn figures(digits: &str) -> impl Iterator<Item = u8> + '_ {
    digits.bytes().filter(|b| *b != b'.')
}

/// The order of two written numbers; `None` where one is none.
pub(crate) fn compare(left: &str, right: &str) -> Option<Ordering> {
    Some(Decimal::parse(left)?.compare(&Decimal::parse(right)?))
}

/// An exponent; beyond what 64 bits hold it stays at the end of the range.
fn parse_exponent(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Half of the range, so that moving the point cannot saturate it differently for two texts.
    let limit = i64::MAX / 2;
    let size = unsigned.parse::<i64>().map_or(limit, |size| size.min(limit));
    Some(if text.starts_with('-') { -size } else { size })
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_values_written_differently() {
        let groups = [
            &["443", "443.0", "0443", "+443", "4.43e2", "4430E-1", "44300.00e-2", "0.443e3"][..],
            &["0", "-0", "0.0", "0e99", "000.000", "-0e-5"],
            &["-0.05", "-5e-2", "-00.0500", "-0.5e-1"],
            &["100", "1e2", "10.0e1"],
            &["1e99999999999999999999999", "10e99999999999999999999998"],
        ];
        for group in &groups[..4] {
            for left in *group {
                for right in *group {
                    assert_eq!(compare(left, right), Some(Ordering::Equal), "{left} {right}");
                }
            }
        }
        assert!(compare(groups[4][0], "1").unwrap().is_gt());
    }

    #[test]
    fn order_without_rounding() {
        let ascending = [
            "-1e400",
            "-9007199254740993",
            "-9007199254740992",
            "-1.5",
            "-1",
            "-0.001",
            "0",
            "1e-400",
            "0.09",
            "0.1",
            "0.11",
            "1",
            "9.99",
            "10",
            "10.01",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "1e400",
        ];
        for (i, left) in ascending.iter().enumerate() {
            for (j, right) in ascending.iter().enumerate() {
                assert_eq!(compare(left, right), Some(i.cmp(&j)), "{left} {right}");
            }
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in
            ["", "-", "+", "1.", ".5", "1e", "1e+", "0x10", "1_000", " 1", "1 ", "NaN", "1.2.3"]
        {
            assert!(Decimal::parse(text).is_none(), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn agrees_with_fixed_point(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000,
                                   places_a in 0_usize..5, places_b in 0_usize..5) {
            let written = |n: i64, places: usize| {
                let digits = format!("{:0width$}", n.unsigned_abs(), width = places + 1);
                let (whole, fraction) = digits.split_at(digits.len() - places);
                let point = if places == 0 { "" } else { "." };
                format!("{}{whole}{point}{fraction}", if n < 0 { "-" } else { "" })
            };
            let scaled = |n: i64, places: usize| n * 10_i64.pow(4 - places as u32);
            prop_assert_eq!(
                compare(&written(a, places_a), &written(b, places_b)),
                Some(scaled(a, places_a).cmp(&scaled(b, places_b)))
            );
        }
    }
}

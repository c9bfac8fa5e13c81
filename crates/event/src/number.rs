//! Numbers by their digits: what a double would say of them, without one.
//!
//! In: a number as it is written. Out: whether a double can hold it, its whole part, one text for
//! all its spellings. It never rounds: two numbers that differ in the twentieth digit differ.
//!
//! Why not `f64`: reading and writing doubles takes 25 KB in a module.

use alloc::borrow::ToOwned;
use alloc::string::String;

/// Where doubles end: what is not below this, rounded, is infinite.
const END: (&str, i64) = ("179769313486231580793", 309);
/// Below `0.1 * 10` to this power a double is zero.
const NOTHING: i64 = -323;
/// Up to here doubles count whole numbers one by one: 2 to the power of 53.
const EXACT: u64 = 1 << 53;
/// Whole numbers up to here fit [`EXACT`]'s digits.
const EXACT_DIGITS: i64 = 16;

/// A number: `0.DIGITS * 10^point`. No digit at either end is zero; zero has none.
struct Decimal {
    negative: bool,
    digits: String,
    point: i64,
}

impl Decimal {
    /// What [`f64::from_str`] takes for a number, but for its names of what is none.
    fn read(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, power(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut digits = String::new();
        // Zeros at the front move the point and are no digits.
        let mut point = exponent;
        for (part, is_whole) in [(whole, 1), (fraction, 0)] {
            for byte in part.bytes() {
                if !byte.is_ascii_digit() {
                    return None;
                }
                if digits.is_empty() && byte == b'0' {
                    point = point.saturating_add(is_whole - 1);
                } else {
                    digits.push(char::from(byte));
                    point = point.saturating_add(is_whole);
                }
            }
        }
        digits.truncate(digits.trim_end_matches('0').len());
        Some(Self { negative: text.starts_with('-'), digits, point })
    }

    fn is_finite(&self) -> bool {
        let (digits, point) = END;
        self.digits.is_empty() || (self.point, &*self.digits) < (point, digits)
    }

    /// The whole part without its sign; `None` where it has more than 19 digits.
    fn whole(&self) -> Option<u64> {
        let length = usize::try_from(self.point).unwrap_or(0);
        if self.digits.is_empty() || length == 0 {
            return Some(0);
        }
        if length > 19 {
            return None;
        }
        let digits = self.digits.bytes().chain(core::iter::repeat(b'0')).take(length);
        Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }
}

/// An exponent; beyond what anybody means it stays there.
fn power(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    Some(if text.starts_with('-') { -size } else { size })
}

/// Whether a double can hold it.
pub(crate) fn is_finite(text: &str) -> bool {
    Decimal::read(text).is_some_and(|number| number.is_finite())
}

/// The whole part, where it has at most 18 digits.
pub(crate) fn whole_part(text: &str) -> Option<i64> {
    let number = Decimal::read(text)?;
    let whole = i64::try_from(number.whole()?).ok()?;
    Some(if number.negative { -whole } else { whole })
}

/// One text for all spellings of a number, `443` for `443.0` and `4.43e2`; `None` for what is no
/// number or larger than a double. Whole numbers of up to 2 to the power of 53 are written as such;
/// others as Rust writes the double, but with all digits.
#[must_use]
pub fn canonical_number(text: &str) -> Option<String> {
    // The form that most have.
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits && text.len() < 19 && (text == "0" || !text.starts_with('0')) {
        return Some(text.to_owned());
    }
    let number = Decimal::read(text).filter(Decimal::is_finite)?;
    let Decimal { negative, digits, point } = &number;
    let mut out = String::new();
    if digits.is_empty() || *point < NOTHING {
        out.push('0');
        return Some(out);
    }
    if *negative {
        out.push('-');
    }
    // An integer as it is written, of 64 bits, keeps all of them.
    let is_integer = !text.contains(['.', 'e', 'E']) && fits_64_bits(&number);
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let is_exact = || number.whole().is_some_and(|whole| whole <= EXACT);
    if is_integer || (length <= *point && *point <= EXACT_DIGITS && is_exact()) {
        push_zeros(&mut out, digits, *point);
    } else if *point > EXACT_DIGITS || *point < -3 {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        out.push('e');
        out.push_str(&alloc::string::ToString::to_string(&point.saturating_sub(1)));
    } else if *point <= 0 {
        out.push_str("0.");
        push_zeros(&mut out, "", -*point);
        out.push_str(digits);
    } else {
        let split = usize::try_from(*point).unwrap_or(0);
        match digits.split_at_checked(split) {
            Some((whole, fraction)) if !fraction.is_empty() => {
                out.push_str(whole);
                out.push('.');
                out.push_str(fraction);
            }
            _ => {
                push_zeros(&mut out, digits, *point);
                out.push_str(".0");
            }
        }
    }
    Some(out)
}

/// From -2^63 to 2^64.
fn fits_64_bits(number: &Decimal) -> bool {
    let limit = if number.negative { "9223372036854775808" } else { "18446744073709551615" };
    let length = i64::try_from(limit.len()).unwrap_or(0);
    number.point < length || (number.point == length && *number.digits <= *limit)
}

/// Digits, and zeros behind them up to that length.
fn push_zeros(out: &mut String, digits: &str, length: i64) {
    out.push_str(digits);
    let zeros = usize::try_from(length).unwrap_or(0).saturating_sub(digits.len());
    out.extend(core::iter::repeat_n('0', zeros));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same by doubles.
    fn by_double(text: &str) -> Option<String> {
        if let Ok(n) = text.parse::<i64>() {
            return Some(n.to_string());
        }
        if let Ok(n) = text.parse::<u64>() {
            return Some(n.to_string());
        }
        let n = text.parse::<f64>().ok().filter(|n| n.is_finite())?;
        if n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_992.0 {
            return Some((n as i64).to_string());
        }
        Some(format!("{n:?}"))
    }

    #[test]
    fn spellings_are_one() {
        for (text, canonical) in [
            ("443", Some("443")),
            ("443.0", Some("443")),
            ("4.43e2", Some("443")),
            ("+443", Some("443")),
            ("0443", Some("443")),
            ("-0.0", Some("0")),
            ("-0", Some("0")),
            ("0.5", Some("0.5")),
            (".5", Some("0.5")),
            ("5.", Some("5")),
            ("-1.25", Some("-1.25")),
            ("0.0001", Some("0.0001")),
            ("0.00001", Some("1e-5")),
            ("1e16", Some("1e16")),
            ("9.1e15", Some("9100000000000000.0")),
            ("1234.5e20", Some("1.2345e23")),
            ("9007199254740992.0", Some("9007199254740992")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("-9223372036854775808", Some("-9223372036854775808")),
            ("-9223372036854775809", Some("-9.223372036854775809e18")),
            ("1e-400", Some("0")),
            ("1.7976931348623157e308", Some("1.7976931348623157e308")),
            ("1.7976931348623159e308", None),
            ("1e309", None),
            ("1e99999999999999999999", None),
            ("inf", None),
            ("NaN", None),
            ("", None),
            ("-", None),
            (".", None),
            ("1e", None),
            ("1e+", None),
            ("1_0", None),
            ("1.2.3", None),
            (" 1", None),
        ] {
            assert_eq!(canonical_number(text).as_deref(), canonical, "{text}");
        }
    }

    #[test]
    fn more_digits_than_a_double_has_still_tell_numbers_apart() {
        let (a, b) = ("0.12345678901234567891", "0.12345678901234567892");
        assert_eq!(canonical_number(a).unwrap(), a);
        assert_eq!(canonical_number(b).unwrap(), b);
    }

    #[test]
    fn whole_parts() {
        assert_eq!(whole_part("1688989356000.7"), Some(1_688_989_356_000));
        assert_eq!(whole_part("1.688989356e12"), Some(1_688_989_356_000));
        assert_eq!(whole_part("-1.9"), Some(-1));
        assert_eq!(whole_part("0.9"), Some(0));
        assert_eq!(whole_part("1e-99999999999999999999"), Some(0));
        assert_eq!(whole_part("1e30"), None);
        assert_eq!(whole_part("x"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            cases: 4096,
            ..ProptestConfig::default()
        })]

        #[test]
        fn up_to_fifteen_digits_it_is_what_doubles_say(
            text in "[+-]?(0{0,3}[0-9]{1,8}(\\.[0-9]{0,7})?|\\.[0-9]{1,9})([eE][+-]?[0-9]{1,2})?",
        ) {
            prop_assert_eq!(canonical_number(&text), by_double(&text), "{}", text);
            prop_assert_eq!(is_finite(&text), true);
        }

        #[test]
        fn what_is_no_number_is_none(text in "[+-]?[0-9.e+-]{0,8}(e[+-]?3[0-9]{2})?") {
            prop_assert_eq!(canonical_number(&text).is_some(), by_double(&text).is_some());
            let finite = text.parse::<f64>().is_ok_and(f64::is_finite);
            prop_assert_eq!(is_finite(&text), finite, "{}", text);
        }
    }
}

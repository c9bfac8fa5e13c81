//! Numbers by their digits: compared exactly, and one text for all spellings.
//!
//! In: numbers as they are written. Out: their order, whole part, and canonical text. It never
//! rounds: account and object ids have more digits than a double holds, and two numbers that differ
//! in the twentieth digit differ.
//!
//! Why not `f64`: reading and writing doubles takes 25 KB in a module.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::cmp::Ordering;

/// Where doubles end: what is not below this, rounded, is infinite.
const INFINITY: (i64, &str) = (309, "179769313486231580793");
/// Below `0.1 * 10` to this power a double is zero.
const ZERO: i64 = -323;
/// Up to here doubles count whole numbers one by one: 2 to the power of 53.
const EXACT: u64 = 1 << 53;
/// Whole numbers up to here fit [`EXACT`]'s digits.
const EXACT_DIGITS: i64 = 16;
/// Where exponents end: half of the range, so that moving the point cannot overflow.
const MAX_EXPONENT: i64 = i64::MAX / 2;

/// A written number, taken apart: `0.DIGITS * 10^exponent`.
#[derive(Debug, Clone, Copy)]
pub struct Decimal<'a> {
    negative: bool,
    /// All digits, perhaps with a point between them; from the first that is not zero to the last
    /// that is not zero. Empty for zero.
    digits: &'a str,
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Takes a number apart; `None` where the text is none. JSON's numbers, and with them a plus
    /// sign and zeros at the front: a point has a digit on both sides.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let unsigned = unsigned(text);
        let mantissa = unsigned.split_once(['e', 'E']).map_or(unsigned, |(mantissa, _)| mantissa);
        if mantissa.starts_with('.') || mantissa.ends_with('.') {
            return None;
        }
        Self::parse_lenient(text)
    }

    /// The same, and `.5` and `5.` as [`f64::from_str`](core::str::FromStr) takes them.
    fn parse_lenient(text: &'a str) -> Option<Self> {
        let unsigned = unsigned(text);
        let (mantissa, written_exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let is_empty = whole.is_empty() && fraction.is_empty();
        if is_empty || !all_digits(whole) || !all_digits(fraction) {
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
    #[must_use]
    pub fn compare(&self, other: &Decimal<'_>) -> Ordering {
        let by_size = || match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => {
                self.exponent.cmp(&other.exponent).then_with(|| self.figures().cmp(other.figures()))
            }
        };
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => by_size(),
            (true, true) => by_size().reverse(),
        }
    }

    /// Whether a double can hold it: it is not larger than the largest double.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.is_below(INFINITY)
    }

    /// Whether its size is below `0.DIGITS * 10^exponent`.
    fn is_below(&self, (exponent, digits): (i64, &str)) -> bool {
        let by_figures = || self.figures().cmp(digits.bytes());
        self.digits.is_empty() || self.exponent.cmp(&exponent).then_with(by_figures).is_lt()
    }

    /// The digits without the point.
    fn figures(&self) -> impl Iterator<Item = u8> + 'a {
        self.digits.bytes().filter(|b| *b != b'.')
    }

    /// The whole part without its sign; `None` where it has more than 19 digits.
    fn whole(&self) -> Option<u64> {
        let length = usize::try_from(self.exponent).unwrap_or(0);
        if self.digits.is_empty() || length == 0 {
            return Some(0);
        }
        if length > 19 {
            return None;
        }
        let figures = self.figures().chain(core::iter::repeat(b'0')).take(length);
        Some(figures.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }

    /// Whether a whole number is from -2^63 up to 2^64 - 1.
    fn fits_64_bits(&self) -> bool {
        let limit = if self.negative { "9223372036854775809" } else { "18446744073709551616" };
        self.is_below((signed(limit.len()), limit))
    }
}

/// Whether a number, as JSON writes it, is one that a double can hold.
#[must_use]
pub fn is_finite(number: &str) -> bool {
    // Only long or exponential numbers can be too large.
    let is_small = number.len() < 300 && !number.bytes().any(|byte| matches!(byte, b'e' | b'E'));
    is_small || Decimal::parse(number).is_some_and(|number| number.is_finite())
}

/// The order of two written numbers; `None` where one is none.
#[must_use]
pub fn compare_numbers(left: &str, right: &str) -> Option<Ordering> {
    Some(Decimal::parse(left)?.compare(&Decimal::parse(right)?))
}

/// The whole part of a written number, where it has at most 18 digits; `.5` and `5.` are numbers
/// here.
#[must_use]
pub fn whole_part(text: &str) -> Option<i64> {
    let number = Decimal::parse_lenient(text)?;
    let whole = i64::try_from(number.whole()?).ok()?;
    Some(if number.negative { -whole } else { whole })
}

/// One text for all spellings of a number, `443` for `443.0` and `4.43e2`; `None` for what is no
/// number or larger than a double. Whole numbers of up to 2 to the power of 53 are written as such;
/// others as Rust writes the double, but with all digits. `.5` and `5.` are numbers here.
#[must_use]
pub fn canonical_number(text: &str) -> Option<String> {
    // The form that most have.
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits && text.len() < 19 && (text == "0" || !text.starts_with('0')) {
        return Some(text.to_owned());
    }
    let number = Decimal::parse_lenient(text).filter(Decimal::is_finite)?;
    let point = number.exponent;
    let mut out = String::new();
    if number.digits.is_empty() || point < ZERO {
        out.push('0');
        return Some(out);
    }
    if number.negative {
        out.push('-');
    }
    let digits: String = number.figures().map(char::from).collect();
    let length = signed(digits.len());
    // An integer as it is written, of 64 bits, keeps all of them.
    let is_integer = !text.contains(['.', 'e', 'E']) && number.fits_64_bits();
    let is_exact = || number.whole().is_some_and(|whole| whole <= EXACT);
    if is_integer || (length <= point && point <= EXACT_DIGITS && is_exact()) {
        out.push_str(&digits);
        push_zeros(&mut out, point.saturating_sub(length));
    } else if !(-3..=EXACT_DIGITS).contains(&point) {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        out.push('e');
        out.push_str(&point.saturating_sub(1).to_string());
    } else if point <= 0 {
        out.push_str("0.");
        push_zeros(&mut out, -point);
        out.push_str(&digits);
    } else if point < length {
        let at = usize::try_from(point).unwrap_or(0);
        let (whole, fraction) = digits.split_at_checked(at).unwrap_or((&digits, ""));
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    } else {
        out.push_str(&digits);
        push_zeros(&mut out, point.saturating_sub(length));
        out.push_str(".0");
    }
    Some(out)
}

fn push_zeros(out: &mut String, count: i64) {
    for _ in 0..count {
        out.push('0');
    }
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

/// An exponent; beyond [`MAX_EXPONENT`] it stays there.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = unsigned(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().map_or(MAX_EXPONENT, |size| size.min(MAX_EXPONENT));
    Some(if text.starts_with('-') { -size } else { size })
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests;

//! Numbers as Java writes them: `Double.toString`.
//!
//! In: a JSON number. Out: its other spelling, where Java's differs. A number without a point and
//! an exponent is an integer, of any size, and stays as it is. One beyond doubles stays too.
//!
//! Why not `f64`: reading and writing doubles takes 25 KB in a module. A decimal of up to 15 digits is
//! the shortest one of its double, so that only the layout changes.

use super::shortest::shortest;
use crate::cut::first_part;
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};

/// Decimals of so many digits are the shortest of their doubles.
const EXACT: usize = 15;
/// Below this power of ten doubles have fewer digits.
const SUBNORMAL: i64 = -300;
/// Beyond this power of ten there are no doubles; at it there are some.
const LARGEST: i64 = 309;
/// Below it doubles are zero.
const SMALLEST: i64 = -330;

/// Java's spelling of a number, where it is another one.
pub(super) fn respelled(text: &str) -> Option<String> {
    if text == "-0" {
        return Some("0".to_owned());
    }
    memchr::memchr3(b'.', b'e', b'E', text.as_bytes())?;
    written(text).filter(|java| java != text)
}

fn written(text: &str) -> Option<String> {
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let mark = memchr::memchr2(b'e', b'E', unsigned.as_bytes()).unwrap_or(unsigned.len());
    let (mantissa, exponent) = unsigned.split_at_checked(mark)?;
    let (whole, fraction) = first_part(mantissa, b'.');
    let mut figures = whole.to_owned();
    figures.push_str(fraction);
    let zeros = figures.bytes().take_while(|digit| *digit == b'0').count();
    let end = figures.bytes().rposition(|digit| digit != b'0').map_or(zeros, |last| last + 1);
    let digits = figures.get(zeros..end)?;
    let mut out = sign.to_owned();
    if digits.is_empty() {
        out.push_str("0.0");
        return Some(out);
    }
    // The value is 0.DIGITS times ten to this power.
    let power = exponent_of(exponent.get(1..).unwrap_or("0"))
        .saturating_add(whole.len() as i64 - zeros as i64);
    if power > LARGEST {
        return None;
    }
    if power < SMALLEST {
        out.push_str("0.0");
        return Some(out);
    }
    if digits.len() <= EXACT && SUBNORMAL < power && power < LARGEST {
        lay_out(&mut out, digits, power);
    } else {
        let (digits, power) = shortest(digits, power)?;
        if digits.is_empty() {
            out.push_str("0.0");
        } else {
            lay_out(&mut out, &digits, power);
        }
    }
    Some(out)
}

/// An exponent; a very large one is cut.
fn exponent_of(text: &str) -> i64 {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let size = digits.parse::<i64>().map_or(1 << 40, |size| size.min(1 << 40));
    if is_negative { -size } else { size }
}

/// `0.DIGITS` times ten to that power, in Java's layout.
fn lay_out(out: &mut String, digits: &str, power: i64) {
    let length = digits.len() as i64;
    if !(-2..=7).contains(&power) {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
        out.push_str(first);
        out.push('.');
        out.push_str(if rest.is_empty() { "0" } else { rest });
        out.push('E');
        out.push_str(&(power - 1).to_string());
    } else if power <= 0 {
        out.push_str("0.");
        (power..0).for_each(|_| out.push('0'));
        out.push_str(digits);
    } else if power < length {
        let at = usize::try_from(power).unwrap_or_default();
        let (whole, fraction) = digits.split_at_checked(at).unwrap_or((digits, ""));
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    } else {
        out.push_str(digits);
        (length..power).for_each(|_| out.push('0'));
        out.push_str(".0");
    }
}

#[cfg(test)]
mod tests {
    use super::respelled;

    #[test]
    fn doubles_as_java_writes_them() {
        for (json, java) in [
            ("1.688560107857E9", "1.688560107857E9"),
            ("1688560107.857", "1.688560107857E9"),
            ("1.50", "1.5"),
            ("1.0", "1.0"),
            ("1e2", "100.0"),
            ("1E6", "1000000.0"),
            ("9999999.0", "9999999.0"),
            ("1e7", "1.0E7"),
            ("10000000.0", "1.0E7"),
            ("0.001", "0.001"),
            ("0.00012", "1.2E-4"),
            ("1e-3", "0.001"),
            ("123.25", "123.25"),
            ("-0.0", "-0.0"),
            ("-0", "0"),
            ("0e5", "0.0"),
            ("0.5", "0.5"),
            ("-12.5e-1", "-1.25"),
            ("1e-999999999999999999999", "0.0"),
            ("7", "7"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1e400", "1e400"),
            ("1e309", "1e309"),
            ("0.10000000000000000555", "0.1"),
            ("0.0020833333333333333", "0.0020833333333333333"),
            ("1.7976931348623157e308", "1.7976931348623157E308"),
        ] {
            assert_eq!(respelled(json).as_deref().unwrap_or(json), java, "{json}");
        }
    }
}

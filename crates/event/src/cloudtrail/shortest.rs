//! The shortest decimal of a double, for decimals of more than 15 digits.
//!
//! In: `0.DIGITS` times ten to a power. Out: the same form of the shortest decimal that is rounded to
//! the same double. Exact, with whole numbers of any size: slow, and needed for few numbers.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// Digits beyond these can only tip a tie, as one more digit does.
const DIGITS: usize = 800;
/// The smallest and the largest power of two that a whole number of 53 bits is multiplied with.
const POWERS: (i64, i64) = (-1074, 971);

/// The shortest digits and their power; `None` where the double is infinite, no digits where it is
/// zero. The power is between -400 and 400.
pub(super) fn shortest(digits: &str, power: i64) -> Option<(String, i64)> {
    let (mantissa, exponent) = nearest_double(digits, power)?;
    if mantissa == 0 {
        return Some((String::new(), 0));
    }
    Some(digits_of(mantissa, exponent, power))
}

/// A double as a whole number times a power of two.
fn nearest_double(digits: &str, power: i64) -> Option<(u64, i64)> {
    let kept = digits.get(..DIGITS).unwrap_or(digits);
    let mut numerator = WholeNumber::default();
    for digit in kept.bytes() {
        numerator.multiply(10, u32::from(digit.wrapping_sub(b'0')));
    }
    let mut places = power - kept.len() as i64;
    if digits.len() > DIGITS {
        // Any digit but zero: the rest is not zero, it was trimmed.
        numerator.multiply(10, 1);
        places -= 1;
    }
    let mut denominator = WholeNumber::from(1);
    let of_places = if places < 0 { &mut denominator } else { &mut numerator };
    for _ in 0..places.unsigned_abs() {
        of_places.multiply(10, 0);
    }
    let mut exponent = (numerator.bits() - denominator.bits() - 54).max(POWERS.0);
    loop {
        // The quotient has 53 bits, or less at the smallest power.
        let (mut top, mut bottom) = (numerator.clone(), denominator.clone());
        if exponent < 0 {
            top.shift(exponent.unsigned_abs());
        } else {
            bottom.shift(exponent.unsigned_abs());
        }
        if top.bits() - bottom.bits() > 53 {
            exponent += 1;
            continue;
        }
        let mut mantissa = 0_u64;
        for bit in (0..=53).rev() {
            let mut part = bottom.clone();
            part.shift(bit);
            if top.compare(&part).is_ge() {
                top.subtract(&part);
                mantissa |= 1 << bit;
            }
        }
        if mantissa >> 53 != 0 {
            exponent += 1;
            continue;
        }
        top.shift(1);
        let is_up = match top.compare(&bottom) {
            Ordering::Greater => true,
            Ordering::Equal => mantissa & 1 == 1,
            Ordering::Less => false,
        };
        mantissa += u64::from(is_up);
        if mantissa >> 53 != 0 {
            (mantissa, exponent) = (mantissa >> 1, exponent + 1);
        }
        return (exponent <= POWERS.1).then_some((mantissa, exponent));
    }
}

/// Steele and White's algorithm: digits until only one double is meant. The power of the decimal is
/// near `power`.
fn digits_of(mantissa: u64, exponent: i64, power: i64) -> (String, i64) {
    // Value and half the distances to the neighbours, all over `unit`.
    let is_border = mantissa == 1 << 52 && exponent > POWERS.0;
    let mut value = WholeNumber::from(mantissa);
    let (mut above, mut below) = (WholeNumber::from(1), WholeNumber::from(1));
    let mut unit = WholeNumber::from(1);
    value.shift(1 + u64::from(is_border));
    above.shift(u64::from(is_border));
    unit.shift(1 + u64::from(is_border));
    let shift = exponent.unsigned_abs();
    if exponent >= 0 {
        for number in [&mut value, &mut above, &mut below] {
            number.shift(shift);
        }
    } else {
        unit.shift(shift);
    }
    // A tie is rounded to the even double.
    let is_even = mantissa & 1 == 0;
    let mut power = power;
    if power >= 0 {
        (0..power).for_each(|_| unit.multiply(10, 0));
    } else {
        for number in [&mut value, &mut above, &mut below] {
            (power..0).for_each(|_| number.multiply(10, 0));
        }
    }
    let reaches = |value: &WholeNumber, above: &WholeNumber, unit: &WholeNumber| {
        let mut high = value.clone();
        high.add(above);
        let order = high.compare(unit);
        order.is_gt() || is_even && order.is_eq()
    };
    while reaches(&value, &above, &unit) {
        unit.multiply(10, 0);
        power += 1;
    }
    let mut digits = String::new();
    let mut is_first = true;
    loop {
        for number in [&mut value, &mut above, &mut below] {
            number.multiply(10, 0);
        }
        let mut digit = 0_u8;
        while value.compare(&unit).is_ge() {
            value.subtract(&unit);
            digit += 1;
        }
        let order = value.compare(&below);
        let is_low = order.is_lt() || is_even && order.is_eq();
        let is_high = reaches(&value, &above, &unit);
        // The estimate of the power was too high.
        if is_first && digit == 0 && !is_high {
            power -= 1;
            continue;
        }
        is_first = false;
        if !is_low && !is_high {
            digits.push(char::from(b'0' + digit));
            continue;
        }
        value.shift(1);
        let is_up = is_high && (!is_low || value.compare(&unit).is_ge());
        digits.push(char::from(b'0' + digit + u8::from(is_up)));
        return (digits, power);
    }
}

/// A whole number of any size, the lowest 32 bits first.
#[derive(Clone, Debug, Default)]
struct WholeNumber(Vec<u32>);

impl From<u64> for WholeNumber {
    fn from(number: u64) -> Self {
        let mut parts = Self([number as u32, (number >> 32) as u32].into());
        parts.trim();
        parts
    }
}

impl WholeNumber {
    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn bits(&self) -> i64 {
        let top = self.0.last().map_or(0, |top| 32 - top.leading_zeros());
        self.0.len().saturating_sub(1) as i64 * 32 + i64::from(top)
    }

    #[inline(never)]
    fn multiply(&mut self, by: u32, and_add: u32) {
        let mut carry = u64::from(and_add);
        for part in &mut self.0 {
            carry += u64::from(*part) * u64::from(by);
            *part = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    #[inline(never)]
    fn shift(&mut self, bits: u64) {
        self.multiply(1 << (bits % 32), 0);
        if !self.0.is_empty() {
            let zeros = core::iter::repeat_n(0, (bits / 32) as usize);
            self.0.splice(0..0, zeros);
        }
    }

    #[inline(never)]
    fn add(&mut self, other: &Self) {
        let mut carry = 0;
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (at, part) in self.0.iter_mut().enumerate() {
            carry += u64::from(*part) + u64::from(other.0.get(at).copied().unwrap_or(0));
            *part = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    /// Takes away a number that is not larger.
    #[inline(never)]
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (at, part) in self.0.iter_mut().enumerate() {
            let (less, first) = part.overflowing_sub(other.0.get(at).copied().unwrap_or(0));
            let (less, second) = less.overflowing_sub(u32::from(borrow));
            *part = less;
            borrow = first || second;
        }
        self.trim();
    }

    #[inline(never)]
    fn compare(&self, other: &Self) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

#[cfg(test)]
mod tests {
    use super::shortest;
    use proptest::prelude::*;

    /// The same by the standard library.
    fn expected(digits: &str, power: i64) -> Option<(String, i64)> {
        let double: f64 = format!("0.{digits}e{power}").parse().expect("a number");
        if double.is_infinite() {
            return None;
        }
        if double == 0.0 {
            return Some((String::new(), 0));
        }
        let text = format!("{double:e}");
        let (mantissa, exponent) = text.split_once('e').expect("an exponent");
        let exponent: i64 = exponent.parse().expect("a number");
        Some((mantissa.replace('.', "").trim_end_matches('0').to_owned(), exponent + 1))
    }

    proptest! {
        #[test]
        fn it_is_what_the_standard_library_finds(
            digits in "[1-9][0-9]{0,30}[1-9]",
            power in prop_oneof![-340..320_i64, -5..20_i64],
        ) {
            prop_assert_eq!(shortest(&digits, power), expected(&digits, power));
        }

        #[test]
        fn so_it_is_for_doubles_and_what_lies_between_two(bits in any::<u64>(), more in "[0-9]{0,3}[1-9]") {
            let double = f64::from_bits(bits & !(1 << 63));
            if double.is_finite() && double > 0.0 {
                let text = format!("{double:.800e}");
                let (mantissa, exponent) = text.split_once('e').expect("an exponent");
                let digits = mantissa.replace('.', "");
                let power = exponent.parse::<i64>().expect("a number") + 1;
                for digits in [digits.trim_end_matches('0').to_owned(), digits + &more] {
                    prop_assert_eq!(shortest(&digits, power), expected(&digits, power));
                }
            }
        }
    }

    #[test]
    fn ties_go_to_the_even_double() {
        for (digits, power) in [
            // 2 to the power of 53, and 1 more: between two doubles.
            ("9007199254740993", 16),
            ("9007199254740995", 16),
            ("90071992547409930000000000000000000000000001", 16),
            ("17976931348623157", 309),
            ("17976931348623159", 309),
            ("5", -323),
            ("22250738585072014", -307),
            ("2470328229206232720", -323),
            ("2470328229206232721", -323),
        ] {
            let found = shortest(digits, power);
            assert_eq!(found, expected(digits, power), "{digits} {power}");
        }
    }
}

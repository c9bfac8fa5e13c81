//! Bytes as hexadecimal digits.
//!
//! In: bytes, or digits of either case. Out: lower-case digits, or bytes. It never skips a
//! character that is no digit.

use alloc::string::String;
use alloc::vec::Vec;

/// Adds bytes as lower-case hexadecimal digits, two for each.
#[inline]
pub fn push_hex(out: &mut String, bytes: &[u8]) {
    for block in bytes.chunks(16) {
        let mut text = [[b'0'; 8]; 4];
        let (words, rest) = block.as_chunks::<4>();
        for (digits, word) in text.iter_mut().zip(words) {
            *digits = eight_digits(u32::from_be_bytes(*word));
        }
        if let Some(digits) = text.get_mut(words.len()) {
            for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(rest) {
                *pair = [digit(byte >> 4), digit(byte & 15)];
            }
        }
        let text = text.as_flattened().get(..block.len().saturating_mul(2)).unwrap_or_default();
        out.push_str(core::str::from_utf8(text).unwrap_or_default());
    }
}

/// The digits of a number, all at once.
const fn eight_digits(number: u32) -> [u8; 8] {
    // Each digit into a byte of its own.
    let mut digits = number as u64;
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
    digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 where it is a letter: `a` comes 39 behind what would follow `9`.
    let letters = (digits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (digits + 0x3030_3030_3030_3030 + letters * 39).to_be_bytes()
}

/// Bytes as lower-case hexadecimal digits, two for each.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().saturating_mul(2));
    push_hex(&mut out, bytes);
    out
}

/// The bytes that digits of either case stand for; `None` where a character is no digit or a byte
/// lacks one.
#[must_use]
pub fn parse_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(nibble(*high)? << 4 | nibble(*low)?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect()).flatten()
}

/// The number that the first four bytes stand for: the digits of a `\u` escape. What follows them
/// does not matter.
#[must_use]
pub fn four_hex_digits(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.first_chunk::<4>()?;
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | u16::from(nibble(*digit)?)))
}

const fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble }
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_hexadecimal() {
        for text in ["0", "000", "0g", "é", "+1", " 1"] {
            assert_eq!(parse_hex(text), None, "{text:?}");
        }
        for text in ["", "123", "12g4", "+123", "éé"] {
            assert_eq!(four_hex_digits(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn four_digits_of_either_case() {
        assert_eq!(four_hex_digits(b"d83Dx"), Some(0xd83d));
        assert_eq!(four_hex_digits(b"FFFF"), Some(0xffff));
    }

    proptest! {
        #[test]
        fn bytes_survive(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            let digits = hex(&bytes);
            let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(&digits, &expected);
            prop_assert_eq!(parse_hex(&digits), Some(bytes.clone()));
            prop_assert_eq!(parse_hex(&digits.to_uppercase()), Some(bytes));
        }
    }
}

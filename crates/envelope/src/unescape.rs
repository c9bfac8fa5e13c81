//! A JSON string's text without its escapes.
//!
//! In: what stands between the quotes. Out: the bytes it means. It never guesses: an unknown
//! escape or half a surrogate pair is an error, since what follows may be an event.

use crate::bytes::from;
use crate::sink::{SplitFault, code};

/// Undoes the escapes of a JSON string.
pub(crate) fn unescape(text: &[u8]) -> Result<Vec<u8>, SplitFault> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = one(escape, &mut out).ok_or_else(|| {
            SplitFault::new(code::BAD_JSON, "a string with an escape JSON has not")
        })?;
    }
    out.extend_from_slice(rest);
    Ok(out)
}

/// The escape that `text` begins with; returns what follows it.
fn one<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let byte = match text.get(1)? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        b'u' => return unicode(text, out),
        same @ (b'"' | b'\\' | b'/') => *same,
        _ => return None,
    };
    out.push(byte);
    Some(from(text, 2))
}

/// `\uXXXX`, or two of them that make a surrogate pair.
fn unicode<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let first = hex(text.get(2..6)?)?;
    let mut rest = from(text, 6);
    let mut value = first;
    if (0xd800..0xdc00).contains(&first) {
        let second = hex(rest.strip_prefix(b"\\u")?.get(..4)?)?;
        if !(0xdc00..0xe000).contains(&second) {
            return None;
        }
        value = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        rest = from(rest, 6);
    }
    let mut buffer = [0; 4];
    out.extend_from_slice(char::from_u32(value)?.encode_utf8(&mut buffer).as_bytes());
    Some(rest)
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes() {
        let text = br#"\"a\" \\ \/ \b\f\n\r\t \u00e9 \ud83d\ude00 \u0041"#;
        let expected = "\"a\" \\ / \u{8}\u{c}\n\r\t é 😀 A";
        assert_eq!(unescape(text).unwrap(), expected.as_bytes());
    }

    #[test]
    fn faults() {
        for text in [r"\", r"\x", r"\u", r"\u12", r"\u12g4", r"\ud83d", r"\ud83d\u0041", r"\ude00"]
        {
            assert_eq!(unescape(text.as_bytes()).unwrap_err().code, code::BAD_JSON, "{text}");
        }
    }

    proptest! {
        #[test]
        fn undoes_what_serde_json_does(text in any::<String>()) {
            let quoted = serde_json::to_string(&text).unwrap();
            let inner = &quoted.as_bytes()[1..quoted.len() - 1];
            prop_assert_eq!(unescape(inner).unwrap(), text.as_bytes());
        }
    }
}

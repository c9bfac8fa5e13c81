//! A JSON string's text without its escapes.
//!
//! In: the text between the quotes. Out: the bytes it means, U+FFFD for half of a surrogate pair. It
//! never guesses: an unknown escape is an error, since what follows may be an event.

use crate::bytes::from;
use crate::sink::{SplitFault, code};
use firstseen_value::read_escape;

/// Undoes the escapes of a JSON string.
pub(crate) fn unescape(text: &[u8]) -> Result<Vec<u8>, SplitFault> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        let (character, length) = read_escape(escape).map_err(|_| {
            SplitFault::new(code::BAD_JSON, "a string with an escape that JSON does not have")
        })?;
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = from(escape, length);
    }
    out.extend_from_slice(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes() {
        let text = br#"\"a\" \\ \/ \b\f\n\r\t \u00e9 \ud83d\ude00 \u0041 \ud83d\u0041 \ude00"#;
        let expected = "\"a\" \\ / \u{8}\u{c}\n\r\t é 😀 A \u{fffd}A \u{fffd}";
        assert_eq!(unescape(text).unwrap(), expected.as_bytes());
    }

    #[test]
    fn faults() {
        for text in [r"\", r"\x", r"\u", r"\u12", r"\u12g4"] {
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

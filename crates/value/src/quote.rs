//! Strings as JSON writes them.
//!
//! In: a text, or an escape of a JSON string. Out: the text in quotes, or the character that the
//! escape stands for. It escapes what JSON wants escaped and nothing else. Half a surrogate pair is
//! U+FFFD, because most readers of JSON take it: an event must not go unread for one in its texts.

use crate::block::{BLOCK, first_stop};
use crate::hex::four_hex_digits;
use alloc::string::String;
use alloc::vec::Vec;

/// Adds a text as a JSON string, quotes included.
pub fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    let mut start = 0;
    loop {
        let stop = stop_from(text.as_bytes(), start);
        // All of these are ASCII: the text can be cut around them.
        out.push_str(text.get(start..stop).unwrap_or_default());
        let Some(byte) = text.as_bytes().get(stop) else { break };
        let mut escape = [0; 6];
        let escape = escape_of(*byte, &mut escape);
        escape.iter().for_each(|byte| out.push(char::from(*byte)));
        start = stop.saturating_add(1);
    }
    out.push('"');
}

/// Adds what stands between the quotes of a text as a JSON string. For documents, which are gathered as
/// bytes: what has quotes in it everywhere, as JSON has, is copied from quote to quote.
#[inline(never)]
pub fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    if rest.len() >= LONG {
        rest = push_blocks(out, rest);
    }
    while let Some(block) = rest.first_chunk::<BLOCK>() {
        let length = out.len();
        // A copy of known length needs no call. What is too much of it is taken back.
        out.extend_from_slice(block);
        let Some(stop) = first_stop(block) else {
            rest = rest.get(BLOCK..).unwrap_or_default();
            continue;
        };
        out.truncate(length.saturating_add(stop));
        push_escape(out, block.get(stop).copied().unwrap_or(b' '));
        rest = rest.get(stop.saturating_add(1)..).unwrap_or_default();
    }
    // The last block whole, where nothing in it needs an escape: a part of it is there already.
    if let Some(block) = text.as_bytes().last_chunk::<BLOCK>()
        && first_stop(block).is_none()
    {
        let again = BLOCK.saturating_sub(rest.len());
        out.truncate(out.len().saturating_sub(again));
        return out.extend_from_slice(block);
    }
    for byte in rest {
        match byte {
            b'"' | b'\\' | 0..0x20 => push_escape(out, *byte),
            plain => out.push(*plain),
        }
    }
}

/// A text of so many bytes is worth making room for at once.
const LONG: usize = 128;

/// The same for whole blocks, in room that is made at once; what is left of the text.
#[inline(never)]
fn push_blocks<'t>(out: &mut Vec<u8>, text: &'t [u8]) -> &'t [u8] {
    let mut rest = text;
    let mut end = out.len();
    // Twice is enough, but for the rare escapes of six bytes, and the last block may be written whole.
    let room = text.len().saturating_mul(2).saturating_add(BLOCK);
    out.resize(end.saturating_add(room), 0);
    while let Some(block) = rest.first_chunk::<BLOCK>() {
        let Some(to) = out.get_mut(end..).and_then(<[u8]>::first_chunk_mut::<BLOCK>) else { break };
        *to = *block;
        let Some(stop) = first_stop(block) else {
            end = end.saturating_add(BLOCK);
            rest = rest.get(BLOCK..).unwrap_or_default();
            continue;
        };
        let byte = block.get(stop).copied().unwrap_or(b' ');
        end = end.saturating_add(stop);
        rest = rest.get(stop.saturating_add(1)..).unwrap_or_default();
        if byte == b'"' {
            let Some(to) = out.get_mut(end..).and_then(<[u8]>::first_chunk_mut::<2>) else { break };
            *to = *b"\\\"";
            end = end.saturating_add(2);
            continue;
        }
        let mut escape = [0; 6];
        let escape = escape_of(byte, &mut escape);
        let behind = end.saturating_add(escape.len());
        out.resize(out.len().saturating_add(escape.len().saturating_sub(2)), 0);
        if let Some(to) = out.get_mut(end..behind) {
            to.copy_from_slice(escape);
        }
        end = behind;
    }
    out.truncate(end);
    rest
}

/// Adds a text in quotes in which nothing needs an escape.
#[inline(never)]
pub fn push_plain(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

#[inline]
fn push_escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        other => out.extend_from_slice(escape_of(other, &mut [0; 6])),
    }
}

/// The place of the first quote, backslash or control character at or after `at`: the first byte that JSON does not
/// write as it is. The length where there is none.
// A number, and not an option of one: that would be handed over in memory.
#[must_use]
#[inline(never)]
pub fn stop_from(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        if let Some(stop) = first_stop(block) {
            return at.saturating_add(stop);
        }
        at = at.saturating_add(BLOCK);
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at = at.saturating_add(1);
    }
    at
}

/// The escape of a byte.
fn escape_of(byte: u8, to: &mut [u8; 6]) -> &[u8] {
    let digit = |value: u8| value.wrapping_add(if value < 10 { b'0' } else { b'a' - 10 });
    let letter = match byte {
        8 => b'b',
        9 => b't',
        10 => b'n',
        12 => b'f',
        13 => b'r',
        b'"' | b'\\' => byte,
        control => {
            *to = [b'\\', b'u', b'0', b'0', digit(control >> 4), digit(control & 15)];
            return to;
        }
    };
    let [first, second, ..] = to;
    (*first, *second) = (b'\\', letter);
    to.split_at_checked(2).map_or(&[], |(escape, _)| escape)
}

/// A text as a JSON string, quotes included.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    push_quoted(&mut out, text);
    out
}

/// Why bytes are no escape of a JSON string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EscapeError {
    /// Nothing follows the backslash.
    Unfinished,
    /// JSON has no such escape.
    Unknown,
    /// `\u` without four hexadecimal digits.
    MissingDigits,
}

/// The character of the escape that `bytes` begins with (the backslash comes first), and the
/// escape's length in bytes: 2, 6, or 12 for a surrogate pair. Half a pair alone is U+FFFD.
///
/// # Errors
/// [`EscapeError`]
#[inline]
pub fn read_escape(bytes: &[u8]) -> Result<(char, usize), EscapeError> {
    let character = match bytes.get(1).ok_or(EscapeError::Unfinished)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return read_unicode_escape(bytes),
        same @ (b'"' | b'\\' | b'/') => char::from(*same),
        _ => return Err(EscapeError::Unknown),
    };
    Ok((character, 2))
}

fn read_unicode_escape(bytes: &[u8]) -> Result<(char, usize), EscapeError> {
    let digits = |at: usize| bytes.get(at..).and_then(four_hex_digits);
    let first = digits(2).ok_or(EscapeError::MissingDigits)?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Ok((character, 6));
    }
    let second = (bytes.get(6..8) == Some(b"\\u")).then(|| digits(8)).flatten();
    Ok(match char::decode_utf16([first, second.unwrap_or(0)]).next() {
        Some(Ok(character)) => (character, 12),
        _ => (char::REPLACEMENT_CHARACTER, 6),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_escape() {
        for (text, character, length) in [
            (r#"\"x"#, '"', 2),
            (r"\\x", '\\', 2),
            (r"\/", '/', 2),
            (r"\b", '\u{8}', 2),
            (r"\f", '\u{c}', 2),
            (r"\n", '\n', 2),
            (r"\r", '\r', 2),
            (r"\t", '\t', 2),
            (r"\u0041", 'A', 6),
            (r"\u00e9f", 'é', 6),
            (r"\ud83d\uDE00x", '😀', 12),
            (r"\ud83d", '\u{fffd}', 6),
            (r"\ud83d\n", '\u{fffd}', 6),
            (r"\ud83d\u", '\u{fffd}', 6),
            (r"\ud83d\u0041", '\u{fffd}', 6),
            (r"\ud83d\ud83d", '\u{fffd}', 6),
            (r"\ude00", '\u{fffd}', 6),
            (r"\ude00\ud83d", '\u{fffd}', 6),
        ] {
            assert_eq!(read_escape(text.as_bytes()), Ok((character, length)), "{text}");
        }
    }

    #[test]
    fn what_is_no_escape() {
        for (text, error) in [
            ("", EscapeError::Unfinished),
            (r"\", EscapeError::Unfinished),
            (r"\x41", EscapeError::Unknown),
            (r"\u", EscapeError::MissingDigits),
            (r"\u12", EscapeError::MissingDigits),
            (r"\u12g4", EscapeError::MissingDigits),
        ] {
            assert_eq!(read_escape(text.as_bytes()), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_quoted_as_serde_json_quotes_it(text in "(\\PC|[\\x00-\\x1f\"\\\\]){0,12}") {
            let expected = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(quoted(&text), &*expected);
            // Stops at every place of a block, and behind one.
            for before in ["", "0123456789", "0123456789abcdef0123456789abcdef"] {
                let text = format!("{before}{text}{before}{text}{text}");
                let mut out = b"\"".to_vec();
                push_escaped(&mut out, &text);
                out.push(b'"');
                let expected = serde_json::to_string(&text).unwrap();
                prop_assert_eq!(String::from_utf8(out).unwrap(), &*expected);
                prop_assert_eq!(quoted(&text), expected);
            }
        }

        #[test]
        fn an_escape_means_what_serde_json_reads_and_half_a_pair_too(
            text in "\\\\(u[dD][89abcdefABCDEF][0-9a-f]{2}(\\\\u[dD][89a-f][0-9a-f]{2})?|u[0-9a-f]{3,4}|.)",
        ) {
            let escape = read_escape(text.as_bytes());
            let read: Option<String> = serde_json::from_str(&format!("\"{text}\"")).ok();
            match escape {
                Ok((char::REPLACEMENT_CHARACTER, 6)) if !text.ends_with("ufffd") => {
                    prop_assert_eq!(read, None);
                }
                Ok((character, length)) if length == text.len() => {
                    prop_assert_eq!(read, Some(character.to_string()));
                }
                Ok(_) => {}
                Err(_) => prop_assert_eq!(read, None),
            }
        }
    }
}

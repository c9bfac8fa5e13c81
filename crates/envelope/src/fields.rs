//! The values of a few top-level keys of one object.
//!
//! In: a whole object's text. Out: the text of the requested values. It checks no more of the
//! JSON than it needs to get from key to key; what it cannot follow counts as absent.

use crate::brackets::Brackets;
use crate::bytes::{from, is_space, part};
use crate::unescape::unescape;

/// The text of the values of `names` in `object`, quotes and brackets included.
pub(crate) fn fields<'a, const N: usize>(
    object: &'a [u8],
    names: [&[u8]; N],
) -> [Option<&'a [u8]>; N] {
    let mut found = [None; N];
    let mut rest = object.strip_prefix(b"{").unwrap_or_default();
    while let Some((key, value, after)) = member(rest) {
        for (name, slot) in names.iter().zip(&mut found) {
            if same_key(key, name) {
                *slot = Some(value);
            }
        }
        rest = after;
    }
    found
}

/// The text between the quotes, if `value` is a string.
pub(crate) fn string(value: Option<&[u8]>) -> Option<&[u8]> {
    value?.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// Whether `key`, the text between its quotes, is `name`.
pub(crate) fn same_key(key: &[u8], name: &[u8]) -> bool {
    key == name || (key.contains(&b'\\') && unescape(key).is_ok_and(|key| key == name))
}

/// `, "key": value` -> the key between its quotes, the value, and what follows.
fn member(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let text = skip(text, |byte| is_space(byte) || byte == b',');
    let key_end = string_end(text)?;
    let key = part(text, 1, key_end - 1);
    let text = skip(from(text, key_end), is_space).strip_prefix(b":")?;
    let text = skip(text, is_space);
    let value_end = match text.first()? {
        b'"' => string_end(text)?,
        b'{' | b'[' => Brackets::default().find_end(text)?,
        _ => text.iter().position(|byte| matches!(byte, b',' | b'}') || is_space(*byte))?,
    };
    Some((key, part(text, 0, value_end), from(text, value_end)))
}

fn skip(text: &[u8], what: impl Fn(u8) -> bool) -> &[u8] {
    from(text, text.iter().position(|byte| !what(*byte)).unwrap_or(text.len()))
}

/// The position behind the closing quote of the string that `text` begins with.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    text.strip_prefix(b"\"")?;
    loop {
        at += memchr::memchr2(b'"', b'\\', from(text, at))?;
        if text.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_keys() {
        let object = br#"{ "a" : "x\"}" , "b":[1,{"a":2}],"c":-1.5 ,"\u0064":{"e":"]"}, "f":true}"#;
        let [a, b, c, d, e, f] = fields(object, [b"a", b"b", b"c", b"d", b"e", b"f"]);
        assert_eq!(string(a), Some(&br#"x\"}"#[..]));
        assert_eq!(b, Some(&br#"[1,{"a":2}]"#[..]));
        assert_eq!(c, Some(&b"-1.5"[..]));
        assert_eq!(d, Some(&br#"{"e":"]"}"#[..]));
        assert_eq!(e, None);
        assert_eq!(f, Some(&b"true"[..]));
        assert_eq!(string(f), None);
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for text in
            ["", "{", "{}", "[1]", r#"{"a""#, r#"{"a":"#, r#"{"a":"x"#, r#"{"a" 1}"#, "{a:1}"]
        {
            assert_eq!(fields(text.as_bytes(), [b"a"]), [None], "{text}");
        }
    }
}

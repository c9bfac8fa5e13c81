//! Whether a text can be a document on one line, by its outline alone.
//!
//! In: a text. Out: whether strings and brackets end as they begin. For what a trusted engine wrote: what is
//! between brackets and strings is not looked at. It accepts each line that is JSON (property), and allocates
//! nothing.

use firstseen_value::stop_from;

/// How deep brackets may nest, one bit for each. A document may be deeper than the event that it is made of: a key
/// with dots is a level for each part.
const MAX_DEPTH: usize = 256;
const BITS: usize = u64::BITS as usize;

/// Whether the text is one line, not empty, with its strings closed and its brackets closed in their order; none where
/// they nest deeper than this looks.
#[must_use]
pub fn has_outline(text: &str) -> Option<bool> {
    let bytes = text.as_bytes();
    // One bit a level: 1 for an object, 0 for an array.
    let mut objects = [0_u64; MAX_DEPTH / BITS];
    let (mut at, mut depth) = (0_usize, 0_usize);
    while let Some(byte) = bytes.get(at) {
        at = at.saturating_add(1);
        match byte {
            b'"' => match string_end(bytes, at) {
                Some(end) => at = end,
                None => return Some(false),
            },
            b'{' | b'[' => {
                let levels = objects.get_mut(depth / BITS)?;
                let bit = 1 << (depth % BITS);
                *levels = if *byte == b'{' { *levels | bit } else { *levels & !bit };
                depth = depth.saturating_add(1);
            }
            b'}' | b']' => {
                let Some(innermost) = depth.checked_sub(1) else { return Some(false) };
                let levels = objects.get(innermost / BITS).copied().unwrap_or_default();
                if (levels >> (innermost % BITS) & 1 == 1) != (*byte == b'}') {
                    return Some(false);
                }
                depth = innermost;
            }
            b'\n' => return Some(false),
            _ => {}
        }
    }
    Some(depth == 0 && !bytes.is_empty())
}

/// Behind the quote that ends the string; none where nothing ends it, or where it holds a line break.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let stop = stop_from(bytes, at);
        match bytes.get(stop)? {
            b'"' => return stop.checked_add(1),
            b'\\' if *bytes.get(stop.checked_add(1)?)? >= 0x20 => at = stop.checked_add(2)?,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use proptest::prelude::*;
    use serde_json::Value;

    /// The same, by a stack and one character after the other.
    fn plain(text: &str) -> bool {
        let mut open = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let is_closed = match character {
                '{' | '[' => {
                    open.push(character);
                    true
                }
                '}' => open.pop() == Some('{'),
                ']' => open.pop() == Some('['),
                '"' => loop {
                    match characters.next() {
                        Some('"') => break true,
                        Some('\\') if characters.next().is_some_and(|it| it >= ' ') => {}
                        Some('\\' | '\0'..' ') | None => break false,
                        Some(_) => {}
                    }
                },
                '\n' => false,
                _ => true,
            };
            if !is_closed {
                return false;
            }
        }
        open.is_empty() && !text.is_empty()
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            "(\\PC|[\\x00-\\x1f\"\\\\\\[\\]{}]){0,24}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[\"\\\\{}\\]a-c]{0,9}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_line_that_is_json_has_an_outline(value in documents()) {
            prop_assert_eq!(has_outline(&value.to_string()), Some(true));
        }

        /// Whatever is done to a document: what serde_json takes on one line is taken, and what is taken is
        /// balanced.
        #[test]
        fn what_is_taken_is_one_balanced_line(
            value in documents(),
            at in any::<prop::sample::Index>(),
            put in prop_oneof![Just(""), Just("\n"), Just("\""), Just("\\"), Just("}"), Just("["), Just(" ")],
            removed in 0..3_usize,
        ) {
            let text: Vec<char> = value.to_string().chars().collect();
            let at = at.index(text.len());
            let behind = text.iter().skip(at + removed);
            let text: String = text.iter().take(at).copied().chain(put.chars()).chain(behind.copied()).collect();
            let is_json = serde_json::from_str::<Value>(&text).is_ok() && !text.contains('\n');
            prop_assert!(!is_json || has_outline(&text) == Some(true), "{}", text);
            prop_assert_eq!(has_outline(&text), Some(plain(&text)), "{}", text);
        }
    }

    #[test]
    fn outlines() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for (text, has) in [
            ("{}", true),
            (r#"{"a":["}",{"b":"\"]"}]}"#, true),
            ("1", true),
            ("", false),
            ("{", false),
            ("}", false),
            ("{]", false),
            ("[{]}", false),
            ("{}\n", false),
            ("{\n}", false),
            ("\"a\nb\"", false),
            ("\"a", false),
            ("\"a\\", false),
            ("\"a\\\nb\"", false),
            ("\"a\\\"", false),
            (&deep(64), true),
            (&deep(65), true),
            (&deep(256), true),
            (&format!("{}1{}", "[{\"a\":".repeat(127), "}]".repeat(127)), true),
            (&format!("{}1{}", "[{\"a\":".repeat(127), "]}".repeat(127)), false),
        ] {
            assert_eq!(has_outline(text), Some(has), "{text}");
        }
        assert_eq!(has_outline(&deep(257)), None);
    }
}

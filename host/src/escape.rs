//! Untrusted text made safe for a terminal.
//!
//! In: any text. Out: the same text with everything that a terminal would act on, or that would
//! hide or reorder what is read, written as an escape. It never shortens and never drops.
use std::borrow::Cow;
use std::fmt::Write as _;

/// Escapes control characters (`\n`, `\t`, `\r`, else `\u{1b}`), line separators, characters that
/// turn the direction of writing, and invisible ones.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if acts(c) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Whether a terminal or a reader would take the character for something else than a letter.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            // Zero width, and marks of direction.
            | '\u{200b}'..='\u{200f}'
            // Line and paragraph separator, embeddings and overrides of direction.
            | '\u{2028}'..='\u{202e}'
            // Invisible operators, isolates of direction.
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            // Tags: invisible ASCII.
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_acts_on_is_shown() {
        for (raw, shown) in [
            ("plain ünïcode 漢字", "plain ünïcode 漢字"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("admin\u{202e}nimda", "admin\\u{202e}nimda"),
            ("a\u{2066}b\u{200b}c\u{2028}d", "a\\u{2066}b\\u{200b}c\\u{2028}d"),
            ("\u{feff}x\u{e0041}", "\\u{feff}x\\u{e0041}"),
        ] {
            assert_eq!(escaped(raw), shown);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn nothing_that_acts_is_left(text in any::<String>()) {
            let once = escaped(&text).into_owned();
            prop_assert!(!once.chars().any(acts));
            prop_assert_eq!(escaped(&once).into_owned(), once);
        }
    }
}

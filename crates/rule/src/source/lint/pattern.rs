//! Patterns with `*`, compared with texts.
//!
//! In: patterns as they are written. Out: whether they match. It compares as keywords are compared:
//! with the case of letters, and the whole text.

use firstseen_value::Glob;

/// Whether a pattern with `*` matches a text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    Glob::parse(pattern).matches(text)
}

/// What is before the first `*` of a pattern, and what is behind the last.
pub(super) fn ends(pattern: &str) -> (&str, &str) {
    let first = pattern.split('*').next().unwrap_or(pattern);
    (first, pattern.rsplit('*').next().unwrap_or(pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, expected) in [
            ("a*", "abc", true),
            ("a*c", "abc", true),
            ("*b*", "abc", true),
            ("abc", "abc", true),
            ("ab", "abc", false),
            ("a*b", "abc", false),
            ("*", "", true),
            ("b*", "abc", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}

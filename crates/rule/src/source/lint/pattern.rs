//! Patterns with `*`, compared with texts and with each other.
//!
//! In: patterns as they are written. Out: whether they match, and whether one text can match two. It
//! compares as keywords are compared: with the case of letters, and the whole text.

use firstseen_value::Glob;

/// Whether a pattern with `*` matches a text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    Glob::parse(pattern).matches(text)
}

/// Whether a text may match two patterns, as far as their beginnings and ends say.
pub(super) fn may_meet(one: &str, other: &str) -> bool {
    let ((one_first, one_last), (other_first, other_last)) = (ends(one), ends(other));
    let begin = one_first.starts_with(other_first) || other_first.starts_with(one_first);
    begin && (one_last.ends_with(other_last) || other_last.ends_with(one_last))
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

    #[test]
    fn two_patterns_meet_unless_their_ends_exclude_each_other() {
        for (one, other, expected) in [
            ("Create*", "*Stack", true),
            ("Create*", "CreateS*", true),
            ("Create*", "Delete*", false),
            ("*Stack", "*Role", false),
            ("*a*", "b*", true),
        ] {
            assert_eq!(may_meet(one, other), expected, "{one} {other}");
            assert_eq!(may_meet(other, one), expected, "{one} {other}");
        }
    }
}

//! Wildcards over a whole value.
//!
//! In: a pattern and a value. Out: whether the pattern covers all of it. Each piece between two
//! stars is looked for once, leftmost first, and never given back: if a pattern matches at all, it
//! does so with the leftmost place of each piece. So nothing blows up: [`Glob`] reads a value once,
//! [`Wildcard`] at worst once per character of its pattern.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use memchr::memmem;
use serde::{Deserialize, Serialize};

/// KQL's wildcard: only `*`, and case counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Glob {
    /// What stands between the stars, at least two; the first and the last may be empty.
    pub(crate) pieces: Vec<String>,
}

impl Glob {
    /// From the pieces between the stars; several stars in a row count as one.
    pub(crate) fn new(pieces: Vec<String>) -> Self {
        Self { pieces: without_empty_middles(pieces, String::is_empty) }
    }

    /// Whether all of `value` is covered.
    pub(crate) fn matches(&self, value: &str) -> bool {
        let value = value.as_bytes();
        let (first, middles, last) = match self.pieces.as_slice() {
            [first, middles @ .., last] => (first, middles, last),
            [only] => return value == only.as_bytes(),
            [] => return false,
        };
        let Some(mut rest) = value.strip_prefix(first.as_bytes()) else { return false };
        for piece in middles {
            let after = memmem::find(rest, piece.as_bytes()).map(|at| at + piece.len());
            match after.and_then(|after| rest.get(after..)) {
                Some(tail) => rest = tail,
                None => return false,
            }
        }
        rest.ends_with(last.as_bytes())
    }

    /// The same pattern without regard to case, for text fields.
    pub(crate) fn ignoring_case(self) -> Wildcard {
        let units = |piece: &String| piece.chars().map(Unit::Is).collect();
        Wildcard { pieces: self.pieces.iter().map(units).collect(), ignore_case: true }
    }
}

/// A place in a piece of a [`Wildcard`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unit {
    /// This character.
    Is(char),
    /// Any one character.
    Any,
}

/// The wildcard of Elasticsearch's own queries: `*`, `?`, and case may be ignored (ASCII letters).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wildcard {
    /// What stands between the stars; a single piece has none around it.
    pub(crate) pieces: Vec<Vec<Unit>>,
    /// Whether ASCII letters match their other case.
    pub(crate) ignore_case: bool,
}

impl Wildcard {
    /// Reads a pattern. A backslash takes the next character literally; at the end it stands for
    /// itself.
    pub(crate) fn parse(pattern: &str, ignore_case: bool) -> Self {
        let mut pieces = vec![];
        let mut piece = vec![];
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' => pieces.push(core::mem::take(&mut piece)),
                '?' => piece.push(Unit::Any),
                '\\' => piece.push(Unit::Is(chars.next().unwrap_or('\\'))),
                c => piece.push(Unit::Is(c)),
            }
        }
        pieces.push(piece);
        Self { pieces: without_empty_middles(pieces, Vec::is_empty), ignore_case }
    }

    /// The text between the stars, if no `?` and no ignored case stand in the way of the simpler
    /// kinds of match.
    pub(crate) fn plain_pieces(&self) -> Option<Vec<String>> {
        let plain = |piece: &Vec<Unit>| {
            let chars = piece.iter().map(|unit| match unit {
                Unit::Is(c) => Some(*c),
                Unit::Any => None,
            });
            chars.collect::<Option<String>>()
        };
        if self.ignore_case { None } else { self.pieces.iter().map(plain).collect() }
    }

    /// Whether all of `value` is covered.
    pub(crate) fn matches(&self, value: &str) -> bool {
        let (first, middles, last) = match self.pieces.as_slice() {
            [first, middles @ .., last] => (first, middles, last),
            [only] => return self.strip(value, only) == Some(""),
            [] => return false,
        };
        let Some(mut rest) = self.strip(value, first) else { return false };
        for piece in middles {
            let mut places = rest.char_indices();
            match places.find_map(|(at, _)| self.strip(rest.get(at..)?, piece)) {
                Some(tail) => rest = tail,
                None => return false,
            }
        }
        let Some(from_end) = last.len().checked_sub(1) else { return true };
        rest.char_indices()
            .nth_back(from_end)
            .and_then(|(at, _)| rest.get(at..))
            .is_some_and(|tail| self.strip(tail, last) == Some(""))
    }

    /// `value` without a piece at its start.
    fn strip<'v>(&self, value: &'v str, piece: &[Unit]) -> Option<&'v str> {
        let mut chars = value.chars();
        for unit in piece {
            let c = chars.next()?;
            let same = match unit {
                Unit::Any => true,
                Unit::Is(wanted) if self.ignore_case => c.eq_ignore_ascii_case(wanted),
                Unit::Is(wanted) => c == *wanted,
            };
            if !same {
                return None;
            }
        }
        Some(chars.as_str())
    }
}

/// Drops what stands between two stars in a row.
fn without_empty_middles<T>(pieces: Vec<T>, is_empty: impl Fn(&T) -> bool) -> Vec<T> {
    let last = pieces.len().saturating_sub(1);
    let kept = |(index, piece): (usize, T)| {
        (index == 0 || index == last || !is_empty(&piece)).then_some(piece)
    };
    pieces.into_iter().enumerate().filter_map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(pattern: &str) -> Glob {
        Glob::new(pattern.split('*').map(str::to_owned).collect())
    }

    #[test]
    fn globs_cover_the_whole_value() {
        let cases = [
            ("Invoke*", "Invoke", true),
            ("Invoke*", "Invoke20150331", true),
            ("Invoke*", "invoke", false),
            ("*:i-*", "AROA:i-0abc", true),
            ("*S3 Browser*", "[S3 Browser 11]", true),
            ("*S3 Browser*", "[S3  Browser 11]", false),
            ("*.so.*", "libc.so.6", true),
            ("*.so.*", "libc.so", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*ab*ab*", "xabx", false),
            ("*ab*b", "abab", true),
            ("a**b", "a b", true),
            ("*?*", "why?", true),
            ("*?*", "why", false),
            ("é*", "été", true),
        ];
        for (pattern, value, expected) in cases {
            assert_eq!(glob(pattern).matches(value), expected, "{pattern} {value}");
        }
    }

    #[test]
    fn dsl_wildcards() {
        let cases = [
            (r"*?:\\Program Files\\*", true, r"x c:\program files\a", true),
            (r"*?:\\Program Files\\*", false, r"c:\program files\a", false),
            (r"*?:\\Program Files (x86)\\*", true, r"C:\PROGRAM FILES (X86)\", true),
            (r"*?:\\Program Files\\*", true, r":\Program Files\a", false),
            ("a?c", false, "abc", true),
            ("a?c", false, "aéc", true),
            ("a?c", false, "ac", false),
            (r"a\?c\*", false, "a?c*", true),
            (r"a\?c", false, "abc", false),
            (r"a\", false, r"a\", true),
            ("*a?", false, "xaay", true),
            ("??*", false, "a", false),
            ("?*?", false, "ab", true),
            ("*", true, "", true),
            ("", true, "", true),
            ("", true, "a", false),
            ("ÄB*", true, "Äbc", true),
        ];
        for (pattern, ignore_case, value, expected) in cases {
            let wildcard = Wildcard::parse(pattern, ignore_case);
            assert_eq!(wildcard.matches(value), expected, "{pattern} {value}");
        }
    }

    #[test]
    fn no_blow_up() {
        // A backtracking matcher would need 2^50 steps.
        let pattern = format!("{}b", "a*".repeat(50));
        let value = "a".repeat(10_000);
        assert!(!glob(&pattern).matches(&value));
        assert!(!Wildcard::parse(&pattern, true).matches(&value));
    }

    #[test]
    fn decoded_nonsense_matches_nothing_and_does_no_harm() {
        assert!(!Glob { pieces: vec![] }.matches(""));
        assert!(!Wildcard { pieces: vec![], ignore_case: true }.matches(""));
    }

    /// By definition: a star is nothing, or one character and a star.
    fn oracle(pattern: &[char], value: &[char]) -> bool {
        match (pattern.split_first(), value.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => oracle(rest, value),
            (Some(('*', rest)), Some((_, tail))) => oracle(rest, value) || oracle(pattern, tail),
            (Some(('?', rest)), Some((_, tail))) => oracle(rest, tail),
            (Some((p, rest)), Some((v, tail))) => p == v && oracle(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn agrees_with_the_definition(pattern in "[abé*?]{0,8}", value in "[abé]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = oracle(&chars(&pattern), &chars(&value));
            prop_assert_eq!(Wildcard::parse(&pattern, false).matches(&value), expected);
            if !pattern.contains('?') {
                prop_assert_eq!(glob(&pattern).matches(&value), expected);
            }
        }
    }
}

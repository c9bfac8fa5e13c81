//! The wildcard of Elasticsearch's own queries, over a whole value.
//!
//! In: a pattern and a value. Out: whether the pattern covers all of it. As in [`crate::Glob`] the
//! leftmost place of each piece is enough; a value is read at worst once per character of the
//! pattern.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A place in a piece of a [`Wildcard`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WildcardUnit {
    /// This character.
    Is(char),
    /// Any one character.
    Any,
}

/// The wildcard of Elasticsearch's own queries: `*`, `?`, and case may be ignored (ASCII letters).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wildcard {
    /// The pieces between the stars; a single piece has none around it.
    pieces: Vec<Vec<WildcardUnit>>,
    /// Whether ASCII letters match their other case.
    ignore_case: bool,
}

impl Wildcard {
    pub(crate) fn new(pieces: Vec<Vec<WildcardUnit>>, ignore_case: bool) -> Self {
        Self { pieces, ignore_case }
    }

    /// Reads a pattern. A backslash takes the next character literally; at the end it stands for
    /// itself.
    #[must_use]
    pub fn parse(pattern: &str, ignore_case: bool) -> Self {
        let mut pieces = vec![];
        let mut piece = vec![];
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' => pieces.push(core::mem::take(&mut piece)),
                '?' => piece.push(WildcardUnit::Any),
                '\\' => piece.push(WildcardUnit::Is(chars.next().unwrap_or('\\'))),
                c => piece.push(WildcardUnit::Is(c)),
            }
        }
        pieces.push(piece);
        Self { pieces: without_empty_middles(pieces, Vec::is_empty), ignore_case }
    }

    /// The pieces between the stars, in order.
    #[must_use]
    pub fn pieces(&self) -> &[Vec<WildcardUnit>] {
        &self.pieces
    }

    /// Whether ASCII letters match their other case.
    #[must_use]
    pub fn ignores_case(&self) -> bool {
        self.ignore_case
    }

    /// Whether it is nothing but stars, and so matches every value.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.pieces.len() > 1 && self.pieces.iter().all(Vec::is_empty)
    }

    /// The text between the stars, if no `?` and no ignored case are in the way of the simpler
    /// kinds of match.
    #[must_use]
    pub fn plain_pieces(&self) -> Option<Vec<String>> {
        let plain = |piece: &Vec<WildcardUnit>| {
            let chars = piece.iter().map(|unit| match unit {
                WildcardUnit::Is(c) => Some(*c),
                WildcardUnit::Any => None,
            });
            chars.collect::<Option<String>>()
        };
        if self.ignore_case { None } else { self.pieces.iter().map(plain).collect() }
    }

    /// Whether all of `value` is covered.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
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
    fn strip<'v>(&self, value: &'v str, piece: &[WildcardUnit]) -> Option<&'v str> {
        let mut chars = value.chars();
        for unit in piece {
            let c = chars.next()?;
            let same = match unit {
                WildcardUnit::Any => true,
                WildcardUnit::Is(wanted) if self.ignore_case => c.eq_ignore_ascii_case(wanted),
                WildcardUnit::Is(wanted) => c == *wanted,
            };
            if !same {
                return None;
            }
        }
        Some(chars.as_str())
    }
}

/// Drops the empty pieces between two stars in a row.
pub(crate) fn without_empty_middles<T>(pieces: Vec<T>, is_empty: impl Fn(&T) -> bool) -> Vec<T> {
    let last = pieces.len().saturating_sub(1);
    let kept = |(index, piece): (usize, T)| {
        (index == 0 || index == last || !is_empty(&piece)).then_some(piece)
    };
    pieces.into_iter().enumerate().filter_map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Glob;
    use proptest::prelude::*;

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
    fn a_long_pattern_does_not_blow_up() {
        // A backtracking matcher would need 2^50 steps.
        let pattern = format!("{}b", "a*".repeat(50));
        assert!(!Wildcard::parse(&pattern, true).matches(&"a".repeat(10_000)));
    }

    #[test]
    fn a_decoded_wildcard_without_pieces_matches_nothing() {
        assert!(!Wildcard { pieces: vec![], ignore_case: true }.matches(""));
    }

    #[test]
    fn a_glob_that_ignores_case_is_a_wildcard() {
        let wildcard = Glob::parse("In*T").ignoring_case();
        assert!(
            wildcard.ignores_case() && wildcard.matches("iNpUt") && !wildcard.matches("inputs")
        );
        assert!(Glob::parse("*").ignoring_case().is_any() && !wildcard.is_any());
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
                prop_assert_eq!(Glob::parse(&pattern).matches(&value), expected);
            }
        }
    }
}

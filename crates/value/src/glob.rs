//! A pattern over a whole value in which `*` stands for any characters.
//!
//! In: a pattern and a value. Out: whether the pattern covers all of it. Each piece between two
//! stars is looked for once, leftmost first, and never given back: if a pattern matches at all, it
//! does so with the leftmost place of each piece. So nothing blows up: a value is read once.

use crate::wildcard::{Wildcard, WildcardUnit, without_empty_middles};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use memchr::memmem;
use serde::{Deserialize, Serialize};

/// KQL's wildcard: only `*`, and case counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glob {
    /// The pieces between the stars; a single piece has none around it. The first and the last
    /// may be empty.
    pieces: Vec<String>,
}

impl Glob {
    /// From the pieces between the stars; several stars in a row count as one.
    #[must_use]
    pub fn new(pieces: Vec<String>) -> Self {
        Self { pieces: without_empty_middles(pieces, String::is_empty) }
    }

    /// From a pattern in which each `*` is a star.
    #[must_use]
    pub fn parse(pattern: &str) -> Self {
        Self::new(pattern.split('*').map(ToOwned::to_owned).collect())
    }

    /// The pieces between the stars, in order.
    #[must_use]
    pub fn pieces(&self) -> &[String] {
        &self.pieces
    }

    /// Whether it is nothing but stars, and so matches every value.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.pieces.len() > 1 && self.pieces.iter().all(String::is_empty)
    }

    /// Whether all of `value` is covered.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
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

    /// The same pattern without regard to the case of ASCII letters.
    #[must_use]
    pub fn ignoring_case(&self) -> Wildcard {
        let units = |piece: &String| piece.chars().map(WildcardUnit::Is).collect();
        Wildcard::new(self.pieces.iter().map(units).collect(), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(Glob::parse(pattern).matches(value), expected, "{pattern} {value}");
        }
    }

    #[test]
    fn field_names_are_covered_as_a_whole() {
        for (pattern, name, fit) in [
            ("*", "a.b", true),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("*.b", "a.b", true),
            ("*.b", "a.bc", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("ab*ba", "aba", false),
            ("**", "", true),
            ("a**b", "ab", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Glob::parse(pattern).matches(name), fit, "{pattern} {name}");
        }
    }

    #[test]
    fn only_stars_match_everything() {
        for (pattern, any) in [("*", true), ("***", true), ("", false), ("*a", false)] {
            assert_eq!(Glob::parse(pattern).is_any(), any, "{pattern}");
        }
    }

    #[test]
    fn a_long_pattern_does_not_blow_up() {
        // A backtracking matcher would need 2^50 steps.
        let pattern = format!("{}b", "a*".repeat(50));
        assert!(!Glob::parse(&pattern).matches(&"a".repeat(10_000)));
    }

    #[test]
    fn a_decoded_glob_without_pieces_matches_nothing() {
        assert!(!Glob { pieces: Vec::new() }.matches(""));
    }
}

//! The hashes of terms that were met before: most events of a broad rule carry a term that others had.
//!
//! In: a rule, and a term's values as JSON. Out: the hash that was kept for them. What it answers is what
//! hashing them again gives; it has a bounded size, and the newest of those that share a place stays.

use crate::key::{hash, same};
use alloc::string::String;
use alloc::vec::Vec;

/// So many are kept, at the most: a power of two.
const PLACES: usize = 2048;

/// Longer ones are not kept, in bytes of JSON.
const LONGEST: usize = 128;

/// Hashes by rule and values. It has no memory before the first is kept.
#[derive(Debug, Default)]
pub(crate) struct TermMemo {
    places: Vec<KeptHash>,
}

#[derive(Debug, Clone, Default)]
struct KeptHash {
    /// The rule's index: a rule knows of each of its fields how a value is read, so that its JSON says it all.
    rule: usize,
    /// Empty: nothing is here.
    json: String,
    hash: [u8; 16],
}

impl TermMemo {
    /// The hash of a term, if it is kept.
    #[inline]
    pub(crate) fn find(&self, rule: usize, json: &str) -> Option<[u8; 16]> {
        let known = self.places.get(place(rule, json))?;
        let is_it = known.rule == rule && same(known.json.as_bytes(), json.as_bytes());
        is_it.then_some(known.hash)
    }

    /// Keeps the hash of a term.
    pub(crate) fn keep(&mut self, rule: usize, json: &str, hash: [u8; 16]) {
        if json.len() > LONGEST {
            return;
        }
        if self.places.is_empty() {
            self.places.resize_with(PLACES, KeptHash::default);
        }
        if let Some(known) = self.places.get_mut(place(rule, json)) {
            (known.rule, known.hash) = (rule, hash);
            known.json.clear();
            known.json.push_str(json);
        }
    }
}

/// Where a term of a rule would be.
#[inline]
fn place(rule: usize, json: &str) -> usize {
    (hash(json.as_bytes()) as usize).wrapping_add(rule) % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn what_is_kept_is_found_for_its_rule_alone() {
        let mut memo = TermMemo::default();
        assert_eq!(memo.find(0, "[\"a\"]"), None);
        memo.keep(0, "[\"a\"]", [1; 16]);
        memo.keep(1, "[\"a\"]", [2; 16]);
        assert_eq!(memo.find(0, "[\"a\"]"), Some([1; 16]));
        assert_eq!(memo.find(1, "[\"a\"]"), Some([2; 16]));
        assert_eq!(memo.find(2, "[\"a\"]"), None);
        assert_eq!(memo.find(0, "[\"b\"]"), None);
        assert_eq!(memo.find(0, ""), None);
    }

    #[test]
    fn it_is_bounded_and_never_mistaken() {
        let mut memo = TermMemo::default();
        let term = |n: u32| format!("[\"{n}\",\"the same for all of them, and long\"]");
        for n in 0..10_000 {
            memo.keep(0, &term(n), [n as u8; 16]);
            assert_eq!(memo.find(0, &term(n)), Some([n as u8; 16]));
        }
        assert_eq!(memo.places.len(), PLACES);
        for n in 0..10_000 {
            assert!(memo.find(0, &term(n)).is_none_or(|hash| hash == [n as u8; 16]));
        }
        let long = "x".repeat(LONGEST + 1);
        memo.keep(0, &long, [1; 16]);
        assert_eq!(memo.find(0, &long), None);
    }
}

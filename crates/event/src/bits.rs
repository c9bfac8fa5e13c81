//! Sets of small numbers: the rules of an artifact, the artifacts of a run.
//!
//! In: numbers. Out: whether a set holds them, and all of them in order. A set is as long as its
//! largest number needs.

use alloc::vec::Vec;

/// A set of numbers, a bit for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BitSet(Vec<u64>);

impl BitSet {
    /// Adds a number; whether it is new.
    pub fn insert(&mut self, number: usize) -> bool {
        let (at, bit) = (number / 64, 1 << (number % 64));
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        let Some(word) = self.0.get_mut(at) else { return false };
        let before = core::mem::replace(word, *word | bit);
        before & bit == 0
    }

    /// Whether a number is in it.
    #[must_use]
    pub fn has(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Removes all numbers and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Becomes a copy of the other one, in the memory that it has.
    pub fn copy(&mut self, other: &Self) {
        self.0.clear();
        self.0.extend_from_slice(&other.0);
    }

    /// Adds all of another one.
    pub fn add_all(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    /// The numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut word = *word;
            core::iter::from_fn(move || {
                let low = (word != 0).then(|| word.trailing_zeros() as usize)?;
                word &= word - 1;
                Some(at * 64 + low)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_added() {
        let mut some = BitSet::default();
        assert!(some.is_empty() && !some.has(0));
        for number in [70, 0, 63, 64, 3] {
            assert!(some.insert(number) && !some.insert(number) && some.has(number));
        }
        assert!(!some.is_empty() && !some.has(1) && !some.has(1000));
        assert_eq!(some.iter().collect::<Vec<_>>(), [0, 3, 63, 64, 70]);
        let mut other = BitSet::default();
        other.insert(5);
        let mut both = other.clone();
        both.add_all(&some);
        assert_eq!(both.iter().collect::<Vec<_>>(), [0, 3, 5, 63, 64, 70]);
        some.add_all(&other);
        assert_eq!(some, both);
        both.copy(&other);
        assert_eq!(both, other);
        both.clear();
        assert!(both.is_empty() && !both.has(5));
    }
}

//! The state keys of one request, found by their bytes.
//!
//! In: the keys in the request's order. Out: the index of a key. Bytes are compared and mixed as
//! words: in a module without the operating system's help the usual ways take a byte at a time. A
//! key ends in a hash already; what a host makes up instead can only slow its own request down.

use alloc::vec;
use alloc::vec::Vec;

/// No key.
const NONE: u32 = u32::MAX;

/// A table of keys, at most half full, each at the first free slot from where its hash points.
#[derive(Debug)]
pub(crate) struct KeyTable<'a> {
    keys: Vec<&'a [u8]>,
    slots: Vec<u32>,
}

impl<'a> KeyTable<'a> {
    pub(crate) fn new(keys: impl ExactSizeIterator<Item = &'a [u8]>) -> Self {
        let room = keys.len().saturating_mul(2).max(2).next_power_of_two();
        let mut places = Self { keys: Vec::with_capacity(keys.len()), slots: vec![NONE; room] };
        for key in keys {
            let slot = places.slot(key);
            // If a key is given twice, the later index counts.
            if let Some(slot) = places.slots.get_mut(slot) {
                *slot = u32::try_from(places.keys.len()).unwrap_or(NONE);
            }
            places.keys.push(key);
        }
        places
    }

    /// The index of a key.
    pub(crate) fn of(&self, key: &[u8]) -> Option<usize> {
        let place = *self.slots.get(self.slot(key))?;
        (place != NONE).then_some(place as usize)
    }

    /// The slot that holds the key, or the free one where it would go: there is always one.
    fn slot(&self, key: &[u8]) -> usize {
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = hash(key) as usize & mask;
        while let Some(known) = self.slots.get(slot).and_then(|at| self.keys.get(*at as usize)) {
            if same(known, key) {
                break;
            }
            slot = slot.wrapping_add(1) & mask;
        }
        slot
    }
}

/// Whether they are the same bytes.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    // From the end: keys of one rule begin alike.
    a_rest == b_rest
        && a.len() == b.len()
        && a.iter().rev().zip(b.iter().rev()).all(|(a, b)| word(*a) == word(*b))
}

/// A number of the last bytes.
#[inline]
pub(crate) fn hash(key: &[u8]) -> u64 {
    // The last 32 bytes hold the hash.
    let (_, words) = key.as_rchunks::<8>();
    let mixed = words.iter().rev().take(4).fold(0u64, |mixed, chunk| {
        (mixed.rotate_left(5) ^ word(*chunk)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    mixed ^ (mixed >> 32)
}

const fn word(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_any_length_are_found() {
        let keys: Vec<Vec<u8>> = (1..200u8)
            .flat_map(|n| [vec![n; usize::from(n)], [vec![b'k'; 90], vec![n; 3]].concat()])
            .collect();
        let places = KeyTable::new(keys.iter().map(Vec::as_slice));
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(places.of(key), Some(index));
        }
        assert_eq!(places.of(b"absent"), None);
        assert_eq!(places.of(b""), None);
    }

    #[test]
    fn no_keys_one_key_and_the_same_key_twice() {
        assert_eq!(KeyTable::new([].into_iter()).of(b"a"), None);
        assert_eq!(KeyTable::new([&b"a"[..]].into_iter()).of(b"a"), Some(0));
        assert_eq!(KeyTable::new([&b"a"[..], b"b", b"a"].into_iter()).of(b"a"), Some(2));
    }

    #[test]
    fn keys_that_share_a_slot_are_found() {
        // Only the last four words are mixed: these differ before them.
        let keys: Vec<Vec<u8>> = (0..100u8).map(|n| [vec![n; 8], vec![7; 32]].concat()).collect();
        let places = KeyTable::new(keys.iter().map(Vec::as_slice));
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(places.of(key), Some(index));
        }
    }
}

//! State keys as keys of a map.
//!
//! In: keys of one request. Out: equality and a hash, both over words instead of bytes: in a module
//! without the operating system's help the usual ones take a byte at a time. A key ends in a hash
//! already; what a host makes up instead can only slow its own request down.

use std::hash::{Hash, Hasher};

/// A state key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'a>(pub(crate) &'a [u8]);

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        let ((a, a_rest), (b, b_rest)) = (self.0.as_chunks::<8>(), other.0.as_chunks::<8>());
        // From the end: keys of one rule begin alike.
        a_rest == b_rest
            && a.len() == b.len()
            && a.iter().rev().zip(b.iter().rev()).all(|(a, b)| word(*a) == word(*b))
    }
}

impl Eq for Key<'_> {}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The last 32 bytes hold the hash.
        let (_, words) = self.0.as_rchunks::<8>();
        for chunk in words.iter().rev().take(4) {
            state.write_u64(word(*chunk));
        }
    }
}

const fn word(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes)
}

/// Mixes words.
#[derive(Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::hash::BuildHasherDefault;

    #[test]
    fn keys_of_any_length_are_found_and_told_apart() {
        let mut map: HashMap<Key<'_>, usize, BuildHasherDefault<KeyHasher>> = HashMap::default();
        let keys: Vec<Vec<u8>> = (0..200u8)
            .flat_map(|n| [vec![n; usize::from(n)], [vec![b'k'; 90], vec![n; 3]].concat()])
            .collect();
        for (index, key) in keys.iter().enumerate() {
            map.insert(Key(key), index);
        }
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(map.get(&Key(key)), Some(&index));
        }
        assert_eq!(map.get(&Key(b"absent")), None);
    }
}

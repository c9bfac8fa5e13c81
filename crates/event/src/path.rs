//! The requested paths as a trie: which keys of an event lead to something wanted.
//!
//! In: dotted paths. Out: for a node and a key, the child. A key may be dotted itself
//! (`"event.action"`, `"aws.cloudtrail"`), so each node knows all its descendants by the rest of
//! their paths, and one exact look-up serves nested, flat and mixed documents alike.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// A node's number; also the place of its values in `Scratch`.
pub(crate) type Node = u32;

/// The event itself.
pub(crate) const ROOT: Node = 0;

/// What is wanted at a node: strings, numbers and booleans, also as elements of arrays.
pub(crate) const SCALARS: u8 = 1;
/// Each object, also as an element of an array.
pub(crate) const OBJECTS: u8 = 2;
/// Each array, whole.
pub(crate) const ARRAYS: u8 = 4;
/// Something below.
pub(crate) const BELOW: u8 = 8;

/// A path of more segments than this is never found: more than any mapping allows, and it bounds
/// the tables, which are quadratic in it.
const MAX_SEGMENTS: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Trie {
    nodes: Vec<NodeKeys>,
    paths: Vec<String>,
    /// The nodes that keys lead to, in the order of their paths.
    sorted: Vec<Node>,
    wants: Vec<u8>,
}

impl Trie {
    pub(crate) fn new() -> Self {
        let mut trie = Self::default();
        trie.node("");
        trie
    }

    /// Asks for `path`, for the kinds of values that `wants` names.
    pub(crate) fn add(&mut self, path: &str, wants: u8) -> Node {
        if path.split('.').count() > MAX_SEGMENTS {
            // A node that no key leads to.
            self.paths.push(String::new());
            self.wants.push(0);
            return self.len() as Node - 1;
        }
        for (end, _) in path.match_indices('.') {
            let above = self.node(path.get(..end).unwrap_or_default());
            self.want(above, BELOW);
        }
        let node = self.node(path);
        self.want(node, wants);
        node
    }

    fn node(&mut self, path: &str) -> Node {
        match self.place(path) {
            Ok(place) => self.sorted.get(place).copied().unwrap_or(ROOT),
            Err(place) => {
                let node = self.len() as Node;
                self.sorted.insert(place, node);
                self.paths.push(path.to_owned());
                self.wants.push(0);
                node
            }
        }
    }

    fn path(&self, node: Node) -> &str {
        self.paths.get(node as usize).map_or("", String::as_str)
    }

    /// Where in the order a path is, or would be.
    fn place(&self, path: &str) -> Result<usize, usize> {
        self.sorted.binary_search_by(|node| self.path(*node).cmp(path))
    }

    fn want(&mut self, node: Node, wants: u8) {
        if let Some(known) = self.wants.get_mut(node as usize) {
            *known |= wants;
        }
    }

    /// Builds the look-up tables, after the last `add`.
    pub(crate) fn finish(&mut self) {
        let mut keys = vec![Vec::new(); self.len()];
        for &node in &self.sorted {
            let path = self.path(node);
            let starts = path.match_indices('.').filter(|(end, _)| *end > 0);
            let below_others = starts.filter_map(|(end, _)| {
                let above = self.sorted.get(self.place(path.get(..end)?).ok()?)?;
                Some((*above, path.get(end + 1..)?))
            });
            let below_root = (node != ROOT).then_some((ROOT, path));
            for (above, rest) in below_root.into_iter().chain(below_others) {
                if let Some(keys) = keys.get_mut(above as usize) {
                    keys.push((Box::from(rest.as_bytes()), node));
                }
            }
        }
        self.nodes = keys.into_iter().map(NodeKeys::new).collect();
    }

    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    #[inline(always)]
    pub(crate) fn wants(&self, node: Node) -> u8 {
        self.wants.get(node as usize).copied().unwrap_or(0)
    }

    /// The node that `key` leads to, if anything is wanted there or below.
    #[inline(always)]
    pub(crate) fn child(&self, node: Node, key: &[u8]) -> Option<Node> {
        self.nodes.get(node as usize)?.find(key)
    }
}

/// The keys below one node: a small hash table, open addressing.
#[derive(Debug)]
struct NodeKeys {
    /// Bit n: there is a key of n bytes (63: of 63 or more). Most keys end here.
    lengths: u64,
    /// A power of two of entries, at most half of them taken.
    table: Box<[Option<TrieKey>]>,
}

/// The rest of a descendant's path, and the descendant.
#[derive(Clone, Debug)]
struct TrieKey {
    words: KeyWords,
    length: u32,
    node: Node,
    text: Box<[u8]>,
}

impl NodeKeys {
    fn new(keys: Vec<(Box<[u8]>, Node)>) -> Self {
        let size = (keys.len() * 2).next_power_of_two();
        let mut table: Box<[_]> = vec![None; size].into_boxed_slice();
        let mut lengths = 0;
        for (text, node) in keys {
            lengths |= length_bit(&text);
            let (words, length) = (KeyWords::new(&text), text.len() as u32);
            let mut slot = words.hash(text.len());
            while let Some(Some(_)) = table.get(slot & (size - 1)) {
                slot += 1;
            }
            if let Some(free) = table.get_mut(slot & (size - 1)) {
                *free = Some(TrieKey { words, length, node, text });
            }
        }
        Self { lengths, table }
    }

    #[inline(always)]
    fn find(&self, key: &[u8]) -> Option<Node> {
        if self.lengths & length_bit(key) == 0 {
            return None;
        }
        let words = KeyWords::new(key);
        let mut slot = words.hash(key.len());
        loop {
            let known = self.table.get(slot & (self.table.len() - 1))?.as_ref()?;
            if known.length as usize == key.len()
                && known.words == words
                && (key.len() <= 24 || *known.text == *key)
            {
                return Some(known.node);
            }
            slot += 1;
        }
    }
}

#[inline(always)]
fn length_bit(key: &[u8]) -> u64 {
    1 << key.len().min(63)
}

/// A key's first and last eight bytes and those behind the first: with its length, up to 24 bytes, the whole key, so that
/// nearly all are distinguished without a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeyWords {
    first: u64,
    second: u64,
    last: u64,
}

impl KeyWords {
    #[inline(always)]
    fn new(key: &[u8]) -> Self {
        let (first, last) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => (Self::of_short(key), 0),
        };
        let second = match key.get(8..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(second) if key.len() > 16 => u64::from_le_bytes(*second),
            _ => 0,
        };
        Self { first, second, last }
    }

    /// All of a key of up to seven bytes: its first and last four, or its first, middle and last.
    #[inline(always)]
    fn of_short(key: &[u8]) -> u64 {
        if let (Some(first), Some(last)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
            return u64::from(u32::from_le_bytes(*first))
                | u64::from(u32::from_le_bytes(*last)) << 32;
        }
        let byte = |at: usize| key.get(at).map_or(0, |byte| u64::from(*byte));
        byte(0) | byte(key.len() / 2) << 8 | byte(key.len().saturating_sub(1)) << 16
    }

    #[inline(always)]
    fn hash(self, length: usize) -> usize {
        let mixed = (self.first ^ self.last.rotate_left(23)).wrapping_add(length as u64);
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_leads_to_the_same_node() {
        let mut trie = Trie::new();
        let arn = trie.add("aws.cloudtrail.user_identity.arn", SCALARS);
        let action = trie.add("event.action", SCALARS);
        trie.finish();
        let walk = |keys: &[&str]| {
            keys.iter().try_fold(ROOT, |node, key| trie.child(node, key.as_bytes()))
        };
        assert_eq!(walk(&["event", "action"]), Some(action));
        assert_eq!(walk(&["event.action"]), Some(action));
        assert_eq!(walk(&["aws.cloudtrail", "user_identity.arn"]), Some(arn));
        assert_eq!(walk(&["aws", "cloudtrail.user_identity", "arn"]), Some(arn));
        assert_eq!(walk(&["event", "actio"]), None);
        assert_eq!(walk(&["action"]), None);
        assert_eq!(walk(&[""]), None);
    }

    #[test]
    fn keys_are_told_apart_wherever_they_differ() {
        let mut trie = Trie::new();
        let lengths = 1..40;
        let keys: Vec<String> = lengths.map(|length| "k".repeat(length)).collect();
        let nodes: Vec<Node> = keys.iter().map(|key| trie.add(key, SCALARS)).collect();
        trie.finish();
        for (key, node) in keys.iter().zip(nodes) {
            assert_eq!(trie.child(ROOT, key.as_bytes()), Some(node));
            for at in 0..key.len() {
                let mut other = key.clone().into_bytes();
                other[at] = b'x';
                assert_eq!(trie.child(ROOT, &other), None, "{key} with x at {at}");
            }
        }
    }

    #[test]
    fn a_path_beyond_all_measure_costs_nothing() {
        let mut trie = Trie::new();
        trie.add(&"a.".repeat(100_000), SCALARS);
        trie.finish();
        assert_eq!(trie.child(ROOT, b"a"), None);
        assert_eq!(trie.child(ROOT, b""), None);
    }
}

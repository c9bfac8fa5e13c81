//! Matches in groups that have no state key in common, so that each can be decided by itself.
//!
//! In: matches of one artifact, in the order in which they count. Out: the same matches in groups of about equal
//! size, each in that order. Keys never depend on each other (docs/abi.md, Conflicts): whoever decides all
//! matches with a key decides as if there were no others.

use super::part::DecidePart;
use firstseen_abi::{Cursor, Item};
use firstseen_session::Match;
use foldhash::fast::RandomState;
use std::cmp::Reverse;
use std::collections::HashMap;

/// Matches in at most so many groups; none of them is empty.
pub(super) fn groups(part: DecidePart, most: usize) -> Vec<DecidePart> {
    if most < 2 || part.matches.len() < 2 {
        return vec![part];
    }
    let group_of = balanced(&roots(&part.matches), most);
    let mut groups: Vec<DecidePart> = Vec::new();
    groups.resize_with(most, DecidePart::default);
    let room = part.matches.len() / most + part.matches.len() / 8;
    for group in &mut groups {
        group.turns.reserve(room);
        group.matches.reserve(room);
    }
    for ((turn, matched), group) in part.turns.into_iter().zip(part.matches).zip(group_of) {
        if let Some(group) = groups.get_mut(group) {
            group.turns.push(turn);
            group.matches.push(matched);
        }
    }
    groups.retain(|group| !group.matches.is_empty());
    groups
}

/// For each match the first one that it has to be decided with.
fn roots(matches: &[Match]) -> Vec<u32> {
    let mut parents: Vec<u32> = (0u32..).take(matches.len()).collect();
    let mut first: HashMap<&[u8], u32, RandomState> =
        HashMap::with_capacity_and_hasher(matches.len(), RandomState::default());
    for (at, matched) in (0u32..).zip(matches) {
        // One that is no item has no keys: its group is told what is wrong with it.
        let Ok(item) = Item::read(&mut Cursor::new(&matched.item)) else { continue };
        for term in item.keys() {
            let with = *first.entry(term.key).or_insert(at);
            if with != at {
                join(&mut parents, with, at);
            }
        }
    }
    (0u32..).take(matches.len()).map(|at| root(&mut parents, at)).collect()
}

fn root(parents: &mut [u32], mut at: u32) -> u32 {
    while let Some(parent) = parents.get(at as usize).copied().filter(|parent| *parent != at) {
        // The way is half as long the next time.
        let above = parents.get(parent as usize).copied().unwrap_or(parent);
        if let Some(parent) = parents.get_mut(at as usize) {
            *parent = above;
        }
        at = above;
    }
    at
}

fn join(parents: &mut [u32], a: u32, b: u32) {
    let (a, b) = (root(parents, a), root(parents, b));
    if let Some(parent) = parents.get_mut(a.max(b) as usize) {
        *parent = a.min(b);
    }
}

/// For each match the number of its group: the largest sets first, each into the smallest group.
fn balanced(roots: &[u32], most: usize) -> Vec<usize> {
    let mut sizes = vec![0u32; roots.len()];
    for root in roots {
        if let Some(size) = sizes.get_mut(*root as usize) {
            *size += 1;
        }
    }
    let mut sets: Vec<(Reverse<u32>, u32)> = (0u32..)
        .zip(&sizes)
        .filter(|(_, size)| **size > 0)
        .map(|(root, size)| (Reverse(*size), root))
        .collect();
    sets.sort_unstable();
    let mut groups = vec![0u32; most];
    let mut group_of_root = vec![0usize; roots.len()];
    for (Reverse(size), root) in sets {
        let smallest = groups.iter().enumerate().min_by_key(|(_, size)| **size);
        let group = smallest.map_or(0, |(group, _)| group);
        if let (Some(sum), Some(of_root)) =
            (groups.get_mut(group), group_of_root.get_mut(root as usize))
        {
            *sum += size;
            *of_root = group;
        }
    }
    roots.iter().map(|root| group_of_root.get(*root as usize).copied().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::order::test_match;
    use firstseen_abi::{ItemKind, ItemTerm, Keys, KeysWriter};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn matched(at: usize, keys: &[u8]) -> Match {
        let mut out = Vec::new();
        let mut writer = KeysWriter::new(&mut out);
        let names: Vec<String> = keys.iter().map(|key| format!("key-{key}")).collect();
        let terms: Vec<ItemTerm<'_>> =
            names.iter().map(|key| ItemTerm { key: key.as_bytes(), values: "[]" }).collect();
        let identity = [0; 16];
        writer.item(ItemKind::Matched, 0, (0, 2), 1, &identity, "", terms.into_iter());
        writer.finish();
        let item = Keys::read(&out).unwrap().items().next().unwrap().unwrap().raw.to_vec();
        Match { item, ..test_match(at as i64, 0, 0) }
    }

    fn grouped(keys: &[Vec<u8>], most: usize) -> Vec<DecidePart> {
        let matches = keys.iter().enumerate().map(|(at, keys)| matched(at, keys)).collect();
        groups(DecidePart { turns: (0..keys.len()).collect(), matches }, most)
    }

    #[test]
    fn what_has_nothing_in_common_is_spread_evenly() {
        let keys: Vec<Vec<u8>> = (0..100).map(|key| vec![key]).collect();
        let sizes = |most| -> Vec<usize> {
            grouped(&keys, most).iter().map(|group| group.matches.len()).collect()
        };
        assert_eq!((sizes(1), sizes(2), sizes(3)), (vec![100], vec![50; 2], vec![34, 33, 33]));
    }

    #[test]
    fn what_is_no_item_is_in_a_group_all_the_same() {
        let broken = test_match(1, 7, 0);
        let matches = vec![broken.clone(), matched(1, &[1]), broken];
        let groups = groups(DecidePart { turns: vec![0, 1, 2], matches }, 2);
        assert_eq!(groups.iter().map(|group| group.turns.len()).sum::<usize>(), 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_key_is_in_two_groups_and_none_is_lost(
            keys in prop::collection::vec(prop::collection::vec(0u8..40, 0..4), 0..120),
            most in 1usize..9,
        ) {
            let groups = grouped(&keys, most);
            prop_assert!(groups.len() <= most.max(1));
            let (mut owner, mut all) = (BTreeMap::new(), Vec::<usize>::new());
            for (number, group) in groups.iter().enumerate() {
                prop_assert!(group.turns.is_sorted());
                for (turn, matched) in group.turns.iter().zip(&group.matches) {
                    prop_assert_eq!(matched.time_ms, *turn as i64);
                    for key in &keys[*turn] {
                        prop_assert_eq!(*owner.entry(*key).or_insert(number), number);
                    }
                }
                all.extend(&group.turns);
            }
            all.sort_unstable();
            prop_assert_eq!(all, (0..keys.len()).collect::<Vec<_>>());
        }
    }
}

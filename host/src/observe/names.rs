//! Counts by name, where somebody else chooses the names.
//!
//! In: names, from events or guests. Out: how often each came, of so many names; the rest is one count. It
//! never grows beyond them, however many names there are and however long they are.

use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Names that are counted one by one.
pub const MAX_NAMES: usize = 1000;
/// Characters of a name that are kept.
const MAX_NAME: usize = 256;
/// What the names beyond them are counted under.
pub const OTHERS: &str = "others";

/// How often each name came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameCounts {
    counts: BTreeMap<String, u64>,
    others: u64,
}

impl NameCounts {
    /// One more of a name; a long one is counted by its beginning.
    pub fn add(&mut self, name: &str) {
        if let Some(count) = self.counts.get_mut(name) {
            *count += 1;
            return;
        }
        let kept = match name.char_indices().nth(MAX_NAME) {
            Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
            None => name.to_owned(),
        };
        let is_full = self.counts.len() >= MAX_NAMES;
        match self.counts.entry(kept) {
            Entry::Occupied(mut known) => *known.get_mut() += 1,
            Entry::Vacant(new) if !is_full && new.key() != OTHERS => _ = new.insert(1),
            Entry::Vacant(_) => self.others += 1,
        }
    }

    /// How often it came, if it is one of those that are counted one by one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.counts.get(name).copied()
    }

    /// Adds what was counted elsewhere.
    pub fn join(&mut self, other: &Self) {
        for (name, more) in &other.counts {
            let is_full = self.counts.len() >= MAX_NAMES;
            match self.counts.get_mut(name) {
                Some(count) => *count += more,
                None if is_full => self.others += more,
                None => _ = self.counts.insert(name.clone(), *more),
            }
        }
        self.others += other.others;
    }

    /// The sum over all names.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum::<u64>() + self.others
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.others == 0
    }

    /// The names, the most frequent first.
    #[must_use]
    pub fn most_first(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.counts.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        all.sort_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
        all
    }
}

impl<'n> FromIterator<(&'n str, u64)> for NameCounts {
    fn from_iter<I: IntoIterator<Item = (&'n str, u64)>>(names: I) -> Self {
        let mut out = Self::default();
        for (name, count) in names {
            (0..count).for_each(|_| out.add(name));
        }
        out
    }
}

impl Serialize for NameCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, count) in &self.counts {
            map.serialize_entry(name, count)?;
        }
        if self.others > 0 {
            map.serialize_entry(OTHERS, &self.others)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_the_rest_is_counted() {
        let mut names = NameCounts::default();
        assert!(names.is_empty());
        for n in 0..3 * MAX_NAMES {
            names.add(&format!("{n:04}"));
        }
        names.add("0007");
        assert_eq!(names.total(), 3001);
        assert_eq!(names.most_first()[0], ("0007", 2));
        let json = serde_json::to_value(&names).unwrap();
        assert_eq!(json.as_object().unwrap().len(), MAX_NAMES + 1);
        assert_eq!(json[OTHERS], 2000);
        // Nobody's name is that of the rest.
        let forged: NameCounts = [(OTHERS, 2), ("a", 1)].into_iter().collect();
        assert_eq!(serde_json::to_string(&forged).unwrap(), r#"{"a":1,"others":2}"#);
    }

    #[test]
    fn a_long_name_is_kept_by_its_beginning() {
        let mut names = NameCounts::default();
        let long = "ü".repeat(5000);
        names.add(&long);
        names.add(&long);
        let [(name, 2)] = names.most_first()[..] else { panic!("{names:?}") };
        assert_eq!(name.chars().count(), MAX_NAME + 1);
        assert_eq!((names.get(name), names.get("x")), (Some(2), None));
    }
}

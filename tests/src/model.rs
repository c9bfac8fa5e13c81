//! The definition of a new term: computed over all sightings at once, without a state.

use std::collections::BTreeMap;

const DAY_MS: i64 = 86_400_000;
/// Ten days, the flagship's window, in milliseconds.
pub const WINDOW_MS: i64 = 10 * DAY_MS;

/// A sighting of a term is new if the previous one is more than a window earlier. Returns each new
/// sighting with its term, time and previous sighting, sorted. The input may be in any order and
/// may contain repeats.
#[must_use]
pub fn batch<T: Ord + Clone>(sightings: &[(T, i64)]) -> Vec<(T, i64, Option<i64>)> {
    let mut sorted = sightings.to_vec();
    sorted.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    let mut last: BTreeMap<T, i64> = BTreeMap::new();
    let mut new = Vec::new();
    for (term, time) in sorted {
        let before = last.insert(term.clone(), time);
        if before.is_none_or(|before| time - before > WINDOW_MS) {
            // An alert names it only while a store must keep it: two windows and a week.
            let named = before.filter(|before| time - before < 2 * WINDOW_MS + 7 * DAY_MS);
            new.push((term, time, named));
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_window_ago_is_still_seen() {
        let w = WINDOW_MS;
        let sightings =
            [("b", 5), ("a", 2 * w), ("a", 0), ("a", w), ("a", 3 * w + 1), ("a", 3 * w + 1)];
        let new = [("a", 0, None), ("b", 5, None), ("a", 3 * w + 1, Some(2 * w))];
        assert_eq!(batch(&sightings), new);
        let long = 2 * w + 7 * DAY_MS;
        let new = [("a", 0, None), ("a", long - 1, Some(0)), ("a", 2 * long - 1, None)];
        assert_eq!(batch(&[("a", 0), ("a", long - 1), ("a", 2 * long - 1)]), new);
    }
}

//! Sorting in bounded memory: an arena, sorted runs on disk when it is full, and a merge.
//!
//! In: matches in any order, in one sorter or in several. Out: matches by (time, identity, rule, place in the
//! inputs): nothing is left to arrival. Memory: the budget, plus for each of at most [`FAN_IN`] runs of a
//! sorter a small buffer and one match.

use super::OrderKey;
use super::run::{
    AT, InputPlace, MatchText, PackedMatch, Run, RunReader, RunWriter, explain, length, pack_body,
};
use firstseen_session::{EventAt, Match, RuleRef};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io;
use std::path::{Path, PathBuf};

/// What a sorter may hold in memory if nobody says otherwise.
pub const DEFAULT_BUDGET: usize = 48 << 20;

/// How many runs are merged at once: bounds open files and buffers.
const FAN_IN: usize = 64;

/// Where a match is in the arena.
struct Entry {
    identity: u128,
    time_ms: i64,
    at: usize,
    rule: RuleRef,
    item_len: u32,
    text_len: u32,
}

impl Entry {
    fn key(&self) -> OrderKey {
        (self.time_ms, self.identity, self.rule)
    }
}

/// What matches in a sorter are ordered by.
type PlacedKey = (OrderKey, InputPlace);

/// Takes matches in any order.
pub struct Sorter {
    budget: usize,
    folder: PathBuf,
    arena: Vec<u8>,
    entries: Vec<Entry>,
    /// Each with the number of merges behind it.
    runs: Vec<(u8, Run)>,
    /// Others, whose matches are sorted among these.
    others: Vec<Self>,
}

impl Sorter {
    /// A sorter that keeps up to `budget_bytes` in memory and the rest in the folder for temporary
    /// files (`TMPDIR`).
    #[must_use]
    pub fn new(budget_bytes: usize) -> Self {
        Self::in_folder(budget_bytes, std::env::temp_dir())
    }

    /// The same, with the rest in `folder`.
    #[must_use]
    pub fn in_folder(budget_bytes: usize, folder: PathBuf) -> Self {
        let (arena, entries, runs, others) = (vec![], vec![], vec![], vec![]);
        Self { budget: budget_bytes, folder, arena, entries, runs, others }
    }

    /// Takes a match.
    ///
    /// # Errors
    /// When memory is full and the folder for temporary files has no room or cannot be written to.
    pub fn push(&mut self, m: &Match) -> io::Result<()> {
        let text = (&m.text).into();
        self.push_parts(m.time_ms, m.identity, m.rule, &m.at, &m.item, &text)
    }

    /// [`Sorter::push`] for a match whose bytes are elsewhere.
    ///
    /// # Errors
    /// The same.
    pub fn push_parts(
        &mut self,
        time_ms: i64,
        identity: [u8; 16],
        rule: RuleRef,
        at: &EventAt,
        item: &[u8],
        text: &MatchText<'_>,
    ) -> io::Result<()> {
        let held = self.arena.len() + self.entries.len() * size_of::<Entry>();
        let more = if let MatchText::Carried(text) = text { text.len() } else { 0 };
        if held + item.len() + more > self.budget && !self.entries.is_empty() {
            self.spill()?;
        }
        let item_len = length(item)?;
        let begin = self.arena.len();
        let text_len = pack_body(&mut self.arena, at, item, text)?;
        let identity = u128::from_be_bytes(identity);
        self.entries.push(Entry { identity, time_ms, at: begin, rule, item_len, text_len });
        Ok(())
    }

    /// Puts what is in memory in order, so that [`Self::finish`] need not.
    pub fn sort(&mut self) {
        let Self { arena, entries, .. } = self;
        let place = |entry: &Entry| InputPlace::packed(arena.get(entry.at..).unwrap_or_default());
        entries.sort_unstable_by(|a, b| {
            a.key().cmp(&b.key()).then_with(|| place(a).cmp(&place(b))).then(a.at.cmp(&b.at))
        });
    }

    /// Takes the matches of another.
    pub fn join(&mut self, other: Self) {
        self.others.push(other);
    }

    /// Ends the input.
    ///
    /// # Errors
    /// As for [`Sorter::push`], and when a run cannot be read back.
    pub fn finish(mut self) -> io::Result<Sorted> {
        let (mut parts, folder) = (Vec::new(), self.folder.clone());
        let others = std::mem::take(&mut self.others);
        for sorter in std::iter::once(self).chain(others) {
            sorter.parts(&mut parts)?;
        }
        Sorted::new(parts).map_err(|e| explain(e, &folder))
    }

    fn parts(mut self, parts: &mut Vec<SortedPart>) -> io::Result<()> {
        self.sort();
        // One place in the merge is for what is still in memory.
        while self.runs.len() >= FAN_IN {
            let excess = self.runs.len() + 2 - FAN_IN;
            self.merge_last(excess.min(FAN_IN))?;
        }
        let runs = self.runs.into_iter().map(|(_, run)| SortedPart::Disk(RunReader::new(run)));
        parts.extend(runs);
        parts.push(SortedPart::Memory { arena: self.arena, entries: self.entries, next: 0 });
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let run = write_run(&self.folder, |out| {
            self.entries.iter().try_for_each(|entry| out.write(packed_at(&self.arena, entry)))
        })?;
        self.entries.clear();
        self.arena.clear();
        self.runs.push((0, run));
        // Runs of one size are merged with each other, so that each match is written again only
        // once for every factor of 64.
        while let Some(tail) = self.runs.len().checked_sub(FAN_IN)
            && self.runs[tail].0 == self.runs[self.runs.len() - 1].0
        {
            self.merge_last(FAN_IN)?;
        }
        Ok(())
    }

    /// Merges the `count` newest runs into one, which takes their place.
    fn merge_last(&mut self, count: usize) -> io::Result<()> {
        let tail = self.runs.split_off(self.runs.len() - count);
        let level = tail.iter().map(|(level, _)| level + 1).max().unwrap_or_default();
        let parts = tail.into_iter().map(|(_, run)| SortedPart::Disk(RunReader::new(run)));
        let mut sorted = Sorted::new(parts.collect()).map_err(|e| explain(e, &self.folder))?;
        let run = write_run(&self.folder, |out| {
            while let Some(part) = sorted.first() {
                out.write(sorted.parts[part].present())?;
                sorted.advance()?;
            }
            Ok(())
        })?;
        self.runs.push((level, run));
        Ok(())
    }
}

fn write_run(
    folder: &Path,
    fill: impl FnOnce(&mut RunWriter) -> io::Result<()>,
) -> io::Result<Run> {
    let mut out = RunWriter::create(folder)?;
    fill(&mut out).and_then(|()| out.finish()).map_err(|e| explain(e, folder))
}

fn packed_at<'a>(arena: &'a [u8], entry: &Entry) -> PackedMatch<'a> {
    let Entry { identity, time_ms, at, rule, item_len, text_len } = *entry;
    let end = at + AT + item_len as usize + text_len as usize;
    let identity = identity.to_be_bytes();
    PackedMatch { time_ms, identity, rule, item_len, text_len, body: &arena[at..end] }
}

/// Matches in order, from memory or from disk.
enum SortedPart {
    Memory { arena: Vec<u8>, entries: Vec<Entry>, next: usize },
    Disk(RunReader),
}

impl SortedPart {
    /// Goes on to the next match; its key.
    fn advance(&mut self) -> io::Result<Option<PlacedKey>> {
        let key = |m: PackedMatch<'_>| {
            let key = (m.time_ms, u128::from_be_bytes(m.identity), m.rule);
            (key, InputPlace::packed(m.body))
        };
        match self {
            Self::Disk(reader) => Ok(reader.advance()?.map(key)),
            Self::Memory { arena, entries, next } => {
                let entry = entries.get(*next);
                *next += 1;
                Ok(entry.map(|entry| key(packed_at(arena, entry))))
            }
        }
    }

    /// The match that [`SortedPart::advance`] went to last.
    fn present(&self) -> PackedMatch<'_> {
        match self {
            Self::Disk(reader) => reader.present(),
            Self::Memory { arena, entries, next } => packed_at(arena, &entries[*next - 1]),
        }
    }
}

/// The matches in order.
pub struct Sorted {
    parts: Vec<SortedPart>,
    /// The key of each part's present match, for those that have one.
    order: BinaryHeap<Reverse<(PlacedKey, usize)>>,
}

impl Sorted {
    fn new(parts: Vec<SortedPart>) -> io::Result<Self> {
        let mut sorted = Self { parts, order: BinaryHeap::new() };
        for (index, part) in sorted.parts.iter_mut().enumerate() {
            if let Some(key) = part.advance()? {
                sorted.order.push(Reverse((key, index)));
            }
        }
        Ok(sorted)
    }

    /// The part whose present match is the first of all.
    fn first(&self) -> Option<usize> {
        self.order.peek().map(|Reverse((_, index))| *index)
    }

    /// Goes on to the match behind the first of all.
    fn advance(&mut self) -> io::Result<()> {
        let Some(mut first) = self.order.peek_mut() else { return Ok(()) };
        let Reverse((_, index)) = *first;
        match self.parts[index].advance()? {
            // In its place: where the next is of the same part as a rule, nothing has to be moved.
            Some(key) => *first = Reverse((key, index)),
            None => _ = PeekMut::pop(first),
        }
        Ok(())
    }
}

impl Iterator for Sorted {
    type Item = io::Result<Match>;

    /// After an error there is nothing more: what would follow could be out of order.
    fn next(&mut self) -> Option<Self::Item> {
        let index = self.first()?;
        let result = self.parts[index].present().unpack();
        let result = result.and_then(|m| self.advance().map(|()| m));
        Some(result.map_err(|error| {
            self.order.clear();
            let text = format!("the sorted events on disk could not be read back: {error}");
            io::Error::new(error.kind(), text)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::order::order_key;
    use proptest::prelude::*;

    fn record(time_ms: i64, identity: u8, rule: u16, arrival: usize) -> Match {
        let n = arrival as u64;
        let carried = firstseen_session::EventText::Carried(vec![7; arrival % 9]);
        let at = firstseen_session::EventText::At { input: 3, offset: n, len: 5, digest: n };
        Match {
            rule: RuleRef { artifact: 1, rule },
            time_ms,
            identity: [identity; 16],
            at: EventAt { input: 1, offset: n, line: n, record: Some(n).filter(|n| n % 3 == 0) },
            item: arrival.to_le_bytes().to_vec(),
            text: if arrival.is_multiple_of(4) { at } else { carried },
        }
    }

    fn sort(records: &[Match], budget: usize) -> Vec<Match> {
        let mut sorter = Sorter::new(budget);
        for r in records {
            sorter.push(r).unwrap();
        }
        sorter.finish().unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn nothing_in_nothing_out() {
        assert_eq!(sort(&[], 0), []);
    }

    #[test]
    fn many_runs_take_several_passes() {
        // A budget of nothing spills every record but the last: over 64 * 64 runs.
        let records: Vec<_> = (0..4500).map(|i| record(i as i64 * 7919 % 100, 1, 0, i)).collect();
        let mut expected = records.clone();
        expected.sort_by_key(order_key);
        assert_eq!(sort(&records, 0), expected);
    }

    #[test]
    fn a_folder_without_room_is_named() {
        let gone = std::env::temp_dir().join("firstseen-no-such-folder");
        let mut sorter = Sorter::in_folder(0, gone);
        sorter.push(&record(1, 1, 1, 1)).unwrap();
        let error = sorter.push(&record(1, 1, 1, 2)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let text = error.to_string();
        assert!(text.contains("firstseen-no-such-folder") && text.contains("TMPDIR"), "{text}");
    }

    #[test]
    fn the_full_disk_keeps_its_kind() {
        let error = explain(io::ErrorKind::StorageFull.into(), Path::new("/t"));
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn agrees_with_a_stable_sort(
            keys in prop::collection::vec((-3i64..3, 0u8..3, 0u16..3), 0..400),
            budget in 0usize..3000,
        ) {
            let records: Vec<_> =
                keys.iter().enumerate().map(|(i, k)| record(k.0, k.1, k.2, i)).collect();
            let mut expected = records.clone();
            expected.sort_by_key(order_key);
            prop_assert_eq!(sort(&records, budget), expected);
        }
    }
}

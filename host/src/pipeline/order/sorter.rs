//! Sorting in bounded memory: an arena, sorted runs on disk when it is full, and a merge.
//!
//! In: records in any order. Out: records by (time, identity, rule, arrival). Memory: the budget,
//! plus for each of at most [`FAN_IN`] runs a small buffer and one record.
use super::run::{RecordRef, Run, RunReader, RunWriter, explain, length};
use super::{Key, Record};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::path::{Path, PathBuf};

/// What a sorter may hold in memory if nobody says otherwise.
pub const DEFAULT_BUDGET: usize = 96 << 20;

/// How many runs are merged at once: bounds open files and buffers.
const FAN_IN: usize = 64;

/// Where a record stands in the arena: its item, its event behind it.
struct Entry {
    identity: u128,
    time_ms: i64,
    /// Grows with every record, so that it is the order of arrival too.
    at: usize,
    rule: u32,
    item_len: u32,
    event_len: u32,
}

impl Entry {
    fn key(&self) -> Key {
        (self.time_ms, self.identity, self.rule)
    }
}

/// Takes records in any order.
pub struct Sorter {
    budget: usize,
    folder: PathBuf,
    arena: Vec<u8>,
    entries: Vec<Entry>,
    /// From the oldest to the newest arrivals, each with the number of merges behind it.
    runs: Vec<(u8, Run)>,
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
        Self { budget: budget_bytes, folder, arena: vec![], entries: vec![], runs: vec![] }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// When memory is full and the folder for temporary files has no room or cannot be written to.
    pub fn push(&mut self, record: Record) -> io::Result<()> {
        let Record { time_ms, identity, rule, item, event, .. } = record;
        self.push_parts(time_ms, identity, rule, &item, &event)
    }

    /// [`Sorter::push`] for a record whose bytes stand elsewhere.
    ///
    /// # Errors
    /// The same.
    pub fn push_parts(
        &mut self,
        time_ms: i64,
        identity: [u8; 16],
        rule: u32,
        item: &[u8],
        event: &[u8],
    ) -> io::Result<()> {
        let held = self.arena.len() + self.entries.len() * size_of::<Entry>();
        if held + item.len() + event.len() > self.budget && !self.entries.is_empty() {
            self.spill()?;
        }
        self.entries.push(Entry {
            identity: u128::from_be_bytes(identity),
            time_ms,
            at: self.arena.len(),
            rule,
            item_len: length(item)?,
            event_len: length(event)?,
        });
        self.arena.extend_from_slice(item);
        self.arena.extend_from_slice(event);
        Ok(())
    }

    /// Ends the input.
    ///
    /// # Errors
    /// As for [`Sorter::push`], and when a run cannot be read back.
    pub fn finish(mut self) -> io::Result<Sorted> {
        self.sort();
        // One place in the merge is for what is still in memory.
        while self.runs.len() >= FAN_IN {
            let excess = self.runs.len() + 2 - FAN_IN;
            self.merge_last(excess.min(FAN_IN))?;
        }
        let mut sources: Vec<_> =
            self.runs.into_iter().map(|(_, run)| Source::Disk(RunReader::new(run))).collect();
        sources.push(Source::Memory { arena: self.arena, entries: self.entries.into_iter() });
        Sorted::new(sources).map_err(|e| explain(e, &self.folder))
    }

    fn sort(&mut self) {
        self.entries.sort_unstable_by_key(|entry| (entry.key(), entry.at));
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let run = write_run(&self.folder, |out| {
            self.entries.iter().try_for_each(|entry| out.write(record_at(&self.arena, entry)))
        })?;
        self.entries.clear();
        self.arena.clear();
        self.runs.push((0, run));
        // Runs of one size are merged with each other, so that each record is written again only
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
        let sources = tail.into_iter().map(|(_, run)| Source::Disk(RunReader::new(run))).collect();
        let mut sorted = Sorted::new(sources).map_err(|e| explain(e, &self.folder))?;
        let run = write_run(&self.folder, |out| sorted.try_for_each(|r| out.write((&r?).into())))?;
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

fn record_at<'a>(arena: &'a [u8], entry: &Entry) -> RecordRef<'a> {
    let event_at = entry.at + entry.item_len as usize;
    RecordRef {
        time_ms: entry.time_ms,
        identity: entry.identity.to_be_bytes(),
        rule: entry.rule,
        item: &arena[entry.at..event_at],
        event: &arena[event_at..event_at + entry.event_len as usize],
    }
}

/// Records in order, from memory or from disk.
enum Source {
    Memory { arena: Vec<u8>, entries: std::vec::IntoIter<Entry> },
    Disk(RunReader),
}

impl Source {
    fn next(&mut self) -> io::Result<Option<Record>> {
        match self {
            Self::Disk(reader) => reader.next(),
            Self::Memory { arena, entries } => Ok(entries.next().map(|entry| {
                let RecordRef { time_ms, identity, rule, item, event } = record_at(arena, &entry);
                Record {
                    time_ms,
                    identity,
                    rule,
                    item: item.to_vec(),
                    event: event.to_vec(),
                    line: 0,
                }
            })),
        }
    }
}

/// The records in order.
pub struct Sorted {
    /// From the oldest to the newest arrivals: the index breaks ties.
    sources: Vec<Source>,
    /// The next record of each source that has one.
    fronts: Vec<Option<Record>>,
    order: BinaryHeap<Reverse<(Key, usize)>>,
}

impl Sorted {
    fn new(sources: Vec<Source>) -> io::Result<Self> {
        let fronts = sources.iter().map(|_| None).collect();
        let mut sorted = Self { sources, fronts, order: BinaryHeap::new() };
        for index in 0..sorted.sources.len() {
            sorted.advance(index)?;
        }
        Ok(sorted)
    }

    fn advance(&mut self, index: usize) -> io::Result<()> {
        if let Some(record) = self.sources[index].next()? {
            self.order.push(Reverse((record.key(), index)));
            self.fronts[index] = Some(record);
        }
        Ok(())
    }
}

impl Iterator for Sorted {
    type Item = io::Result<Record>;

    /// After an error there is nothing more: what would follow could be out of order.
    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((_, index)) = self.order.pop()?;
        let record = self.fronts[index].take()?;
        if let Err(error) = self.advance(index) {
            self.order.clear();
            let text = format!("the sorted events on disk could not be read back: {error}");
            return Some(Err(io::Error::new(error.kind(), text)));
        }
        Some(Ok(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(time_ms: i64, identity: u8, rule: u32, arrival: usize) -> Record {
        let item = arrival.to_le_bytes().to_vec();
        Record {
            time_ms,
            identity: [identity; 16],
            rule,
            item,
            event: vec![7; arrival % 9],
            line: 0,
        }
    }

    fn sort(records: &[Record], budget: usize) -> Vec<Record> {
        let mut sorter = Sorter::new(budget);
        for r in records {
            sorter.push(r.clone()).unwrap();
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
        expected.sort_by_key(Record::key);
        assert_eq!(sort(&records, 0), expected);
    }

    #[test]
    fn a_folder_without_room_is_named() {
        let gone = std::env::temp_dir().join("firstseen-no-such-folder");
        let mut sorter = Sorter::in_folder(0, gone);
        sorter.push(record(1, 1, 1, 1)).unwrap();
        let error = sorter.push(record(1, 1, 1, 2)).unwrap_err();
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
            keys in prop::collection::vec((-3i64..3, 0u8..3, 0u32..3), 0..400),
            budget in 0usize..3000,
        ) {
            let records: Vec<_> =
                keys.iter().enumerate().map(|(i, k)| record(k.0, k.1, k.2, i)).collect();
            let mut expected = records.clone();
            expected.sort_by_key(Record::key);
            prop_assert_eq!(sort(&records, budget), expected);
        }
    }
}

//! A bounded sample of events, drawn while they pass.
//!
//! In: events and their places. Out: up to a number of them, each with the same chance, and how many there
//! were. The draw depends on the places alone: the same inputs give the same sample, whoever looks at which
//! of them, and in whatever order.

use firstseen_event::BitSet;
use firstseen_runtime::Artifact;
use firstseen_session::EventAt;
use std::collections::BinaryHeap;

/// Larger events are counted and not kept.
const MAX_EVENT: usize = 64 << 10;
/// Events kept of each artifact, where there are few rules.
const OF_ONE: usize = 64;
/// Explanations of an event by a rule, of all rules together, but for two of each: they take 40 µs each.
const OF_ALL: usize = 1024;

/// A sample of events: those of the lowest ranks.
#[derive(Debug, Clone, Default)]
pub struct EventSample {
    most: usize,
    /// How many events there were.
    pub count: u64,
    kept: BinaryHeap<KeptEvent>,
}

/// An event with a number that its place draws.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct KeptEvent {
    rank: u64,
    event: Box<[u8]>,
}

impl EventSample {
    /// A sample of at most so many events.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self { most, count: 0, kept: BinaryHeap::new() }
    }

    /// Takes an event, or only counts it.
    pub fn offer(&mut self, at: &EventAt, event: &[u8]) {
        self.offer_ranked(rank(at), event);
    }

    fn offer_ranked(&mut self, rank: u64, event: &[u8]) {
        self.count += 1;
        let is_drawn = self.kept.len() < self.most
            || self.most > 0 && self.kept.peek().is_some_and(|last| rank < last.rank);
        if is_drawn && event.len() <= MAX_EVENT {
            self.kept.push(KeptEvent { rank, event: event.into() });
            self.cut();
        }
    }

    /// Takes a sample of other events.
    pub fn join(&mut self, other: Self) {
        self.count += other.count;
        self.kept.extend(other.kept);
        self.cut();
    }

    /// Leaves those of the lowest ranks.
    fn cut(&mut self) {
        while self.kept.len() > self.most {
            self.kept.pop();
        }
    }

    /// The events that were kept, in no order that means something.
    pub fn kept(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.kept.iter().map(|kept| &*kept.event)
    }

    /// Whether all events were kept.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.kept.len() as u64 == self.count
    }
}

/// A number without a pattern for each place.
fn rank(at: &EventAt) -> u64 {
    let mut rank = scattered(u64::from(at.input));
    for part in [at.offset, at.record.unwrap_or(u64::MAX)] {
        rank = scattered(rank ^ part);
    }
    rank
}

/// A number without a pattern for each number (SplitMix64).
const fn scattered(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a run keeps of the events that it looked at more closely.
#[derive(Debug, Default)]
pub struct RunSamples {
    /// Of each artifact the events that its rules might have matched.
    pub passed: Vec<EventSample>,
    /// Events that a rule matched; none where nobody asks for them.
    pub matched: EventSample,
}

impl RunSamples {
    /// Samples for these artifacts.
    #[must_use]
    pub fn of(artifacts: &[Artifact], of_matched: bool) -> Self {
        let rules = artifacts.iter().map(|artifact| artifact.meta.rules.len()).sum();
        Self::new(artifacts.len(), rules, of_matched)
    }

    /// Samples for so many artifacts that hold so many rules together; of matched events only where `of_matched` is
    /// set. An event may be explained by each rule of its artifact.
    #[must_use]
    pub(crate) fn new(artifacts: usize, rules: usize, of_matched: bool) -> Self {
        let each = (OF_ALL / rules.max(1)).clamp(2, OF_ONE);
        let matched = EventSample::of(if of_matched { 4 * OF_ONE } else { 0 });
        Self { passed: vec![EventSample::of(each); artifacts], matched }
    }

    /// The same, with no event in it.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let passed = self.passed.iter().map(|sample| EventSample::of(sample.most));
        Self { passed: passed.collect(), matched: EventSample::of(self.matched.most) }
    }

    /// An event that may matter to these artifacts.
    pub fn passes(&mut self, artifacts: &BitSet, at: &EventAt, event: &[u8]) {
        let rank = rank(at);
        for artifact in artifacts.iter() {
            if let Some(sample) = self.passed.get_mut(artifact) {
                sample.offer_ranked(rank, event);
            }
        }
    }

    /// Takes samples of other events, for the same artifacts.
    pub fn join(&mut self, others: Self) {
        self.passed.iter_mut().zip(others.passed).for_each(|(sample, other)| sample.join(other));
        self.matched.join(others.matched);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u32) -> EventAt {
        EventAt { input: number % 3, offset: u64::from(number), line: 1, record: None }
    }

    fn drawn(sample: &EventSample) -> Vec<&[u8]> {
        let mut kept: Vec<_> = sample.kept().collect();
        kept.sort_unstable();
        kept
    }

    #[test]
    fn every_event_has_the_same_chance_and_the_draw_is_fixed() {
        let draw = |numbers: &mut dyn Iterator<Item = u32>| {
            let mut sample = EventSample::of(64);
            numbers.for_each(|number| sample.offer(&at(number), &number.to_le_bytes()));
            sample
        };
        let sample = draw(&mut (0..6400));
        assert_eq!((sample.count, sample.kept().len(), sample.is_whole()), (6400, 64, false));
        let numbers = sample.kept().map(|event| u32::from_le_bytes(event.try_into().unwrap()));
        let mean = numbers.map(f64::from).sum::<f64>() / 64.0;
        assert!((2400.0..4000.0).contains(&mean), "{mean}");

        assert_eq!(drawn(&sample), drawn(&draw(&mut (0..6400).rev())), "in another order");
        let mut parts = draw(&mut (0..6400).filter(|number| number % 7 < 3));
        parts.join(draw(&mut (0..6400).filter(|number| number % 7 >= 3)));
        assert_eq!((parts.count, drawn(&parts)), (6400, drawn(&sample)), "in two parts");
    }

    #[test]
    fn few_events_are_kept_whole_and_large_ones_are_counted() {
        let mut samples = RunSamples::new(2, 2, true);
        let mut second = BitSet::default();
        second.insert(1);
        samples.passes(&second, &at(1), b"a");
        samples.passes(&second, &at(2), &vec![b'x'; MAX_EVENT + 1]);
        let [first, second] = &samples.passed[..] else { panic!("two artifacts") };
        assert_eq!((first.count, first.is_whole()), (0, true));
        assert_eq!((second.count, second.kept().len(), second.is_whole()), (2, 1, false));
        assert_eq!(RunSamples::new(1, 1, false).matched.most, 0);
        let mut none = RunSamples::new(1, 1, false).matched;
        none.offer(&at(1), b"a");
        assert_eq!((none.count, none.kept().len()), (1, 0));
        let most = |artifacts, rules| RunSamples::new(artifacts, rules, false).passed[0].most;
        assert_eq!([most(16, 16), most(1, 16), most(1, 200), most(200, 200)], [64, 64, 5, 5]);
        assert_eq!(most(100_000, 100_000), 2);
    }
}

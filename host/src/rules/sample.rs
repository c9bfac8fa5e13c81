//! A bounded sample of events, drawn while they pass.
//!
//! In: events. Out: up to a number of them, each with the same chance, and how many there were. The
//! draw depends on the events' number alone: the same input gives the same sample.

use firstseen_event::BitSet;

/// Larger events are counted and not kept.
const MAX_EVENT: usize = 64 << 10;
/// Events kept of each artifact, where there are few artifacts.
const OF_ONE: usize = 64;
/// Events kept of all artifacts together, but for two of each.
const OF_ALL: usize = 1024;

/// A sample of events.
#[derive(Debug, Clone, Default)]
pub struct EventSample {
    most: usize,
    /// How many events there were.
    pub count: u64,
    /// Those that were kept.
    pub kept: Vec<Box<[u8]>>,
}

impl EventSample {
    /// A sample of at most so many events.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self { most, count: 0, kept: Vec::new() }
    }

    /// Takes an event, or only counts it.
    pub fn offer(&mut self, event: &[u8]) {
        self.count += 1;
        if self.kept.len() < self.most {
            if event.len() <= MAX_EVENT {
                self.kept.push(event.into());
            }
            return;
        }
        // Every event has the chance most/count to be kept.
        let place = scattered(self.count) % self.count;
        if let Some(kept) = usize::try_from(place).ok().and_then(|place| self.kept.get_mut(place))
            && event.len() <= MAX_EVENT
        {
            *kept = event.into();
        }
    }

    /// Whether all events were kept.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.kept.len() as u64 == self.count
    }
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
    /// Samples for so many artifacts; of matched events only where `of_matched` is set.
    #[must_use]
    pub fn new(artifacts: usize, of_matched: bool) -> Self {
        let each = (OF_ALL / artifacts.max(1)).clamp(2, OF_ONE);
        let matched = EventSample::of(if of_matched { 4 * OF_ONE } else { 0 });
        Self { passed: vec![EventSample::of(each); artifacts], matched }
    }

    /// An event that may matter to these artifacts.
    pub fn passes(&mut self, artifacts: &BitSet, event: &[u8]) {
        for artifact in artifacts.iter() {
            if let Some(sample) = self.passed.get_mut(artifact) {
                sample.offer(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_the_same_chance_and_the_draw_is_fixed() {
        let draw = || {
            let mut sample = EventSample::of(64);
            (0..6400u32).for_each(|event| sample.offer(&event.to_le_bytes()));
            sample
        };
        let sample = draw();
        assert_eq!((sample.count, sample.kept.len(), sample.is_whole()), (6400, 64, false));
        assert_eq!(sample.kept, draw().kept);
        let numbers =
            sample.kept.iter().map(|event| u32::from_le_bytes((&event[..]).try_into().unwrap()));
        let mean = numbers.map(f64::from).sum::<f64>() / 64.0;
        assert!((2400.0..4000.0).contains(&mean), "{mean}");
    }

    #[test]
    fn few_events_are_kept_whole_and_large_ones_are_counted() {
        let mut samples = RunSamples::new(2, true);
        let mut second = BitSet::default();
        second.insert(1);
        samples.passes(&second, b"a");
        samples.passes(&second, &vec![b'x'; MAX_EVENT + 1]);
        let [first, second] = &samples.passed[..] else { panic!("two artifacts") };
        assert_eq!((first.count, first.is_whole()), (0, true));
        assert_eq!((second.count, second.kept.len(), second.is_whole()), (2, 1, false));
        assert_eq!(RunSamples::new(1, false).matched.most, 0);
        let mut none = RunSamples::new(1, false).matched;
        none.offer(b"a");
        assert_eq!((none.count, none.kept.len()), (1, 0));
        assert_eq!(RunSamples::new(100_000, false).passed[0].most, 2);
    }
}

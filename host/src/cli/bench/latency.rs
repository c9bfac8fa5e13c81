//! Latency: events that arrive one by one, as on standard input, each measured until it is decided.
//!
//! In: the first events of the inputs. Out: for all, for those that matched and for those that alerted, how long the
//! median and the slowest hundredth took. The stream is in memory: nothing waits for a pipe.

use super::observer::{BenchObserver, SharedCounts};
use super::round::Bench;
use crate::observe::stages::Stages;
use crate::source::{Input, Polled, ReadError, Source};
use firstseen_envelope::{EventSink, Place, SplitFault, SplitOptions, Splitter, line_events};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Bytes of events that are kept for it, at most.
const MOST_BYTES: usize = 64 << 20;

/// How long events of one kind took, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct LatencyOf {
    /// How many there were.
    pub(super) events: u64,
    pub(super) p50_us: f64,
    /// 99 of 100 took no longer.
    pub(super) p99_us: f64,
}

/// The same for each kind; a kind without events is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Latency {
    pub(super) all: Option<LatencyOf>,
    /// Events that matched without an alert.
    pub(super) matched: Option<LatencyOf>,
    /// Events that alerted.
    pub(super) alerted: Option<LatencyOf>,
}

impl Bench<'_> {
    /// Judges this many events one by one.
    ///
    /// # Errors
    /// When it could not be begun or ended.
    pub(super) fn latency(&self, events: usize) -> anyhow::Result<Latency> {
        let texts = self.first_events(events);
        let mut observer = BenchObserver::default();
        let trust = Arc::clone(&self.limits.trust);
        let options = SplitOptions { max_event: self.limits.max_event };
        let mut source = OneByOne {
            counts: observer.shared.clone(),
            splitter: Splitter::trusting(options, trust),
            present: None,
            took: Vec::with_capacity(texts.len()),
            next: 0,
            unpacked: 0,
            texts,
        };
        let mut state = self.state()?;
        // Several threads would read ahead, as all of this stream is there at once.
        let mut pipeline = self.pipeline(&mut state, &mut observer, Stages::default(), 1)?;
        pipeline.read_stream(&mut source, "events")?;
        drop(pipeline);
        Ok(of(&source.took))
    }

    /// The texts of the first events, each with a line end.
    fn first_events(&self, most: usize) -> Vec<Vec<u8>> {
        let mut first = FirstEvents { most, bytes: 0, texts: Vec::new() };
        for input in &self.setup.found.inputs {
            if first.is_full() {
                break;
            }
            // What cannot be read was said by the rounds.
            let _ = Input::read(input, self.limits.clone(), &mut first);
        }
        first.texts
    }
}

/// What an event was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EventKind {
    Passed,
    Matched,
    Alerted,
}

fn of(took: &[(EventKind, u64)]) -> Latency {
    let kind = |wanted: Option<EventKind>| {
        let of_kind = took.iter().filter(|(kind, _)| wanted.is_none_or(|wanted| wanted == *kind));
        let mut nanos: Vec<u64> = of_kind.map(|(_, nanos)| *nanos).collect();
        nanos.sort_unstable();
        let at = |percent: usize| {
            let rank = (nanos.len() * percent).div_ceil(100).max(1);
            nanos.get(rank - 1).map(|nanos| *nanos as f64 / 1000.0)
        };
        Some(LatencyOf { events: nanos.len() as u64, p50_us: at(50)?, p99_us: at(99)? })
    };
    Latency {
        all: kind(None),
        matched: kind(Some(EventKind::Matched)),
        alerted: kind(Some(EventKind::Alerted)),
    }
}

/// Keeps events until it has enough.
struct FirstEvents {
    most: usize,
    bytes: usize,
    texts: Vec<Vec<u8>>,
}

impl FirstEvents {
    fn is_full(&self) -> bool {
        self.texts.len() >= self.most || self.bytes >= MOST_BYTES
    }

    fn keep(&mut self, text: &[u8]) -> ControlFlow<()> {
        if self.is_full() {
            return ControlFlow::Break(());
        }
        self.bytes += text.len() + 1;
        self.texts.push([text, b"\n"].concat());
        ControlFlow::Continue(())
    }
}

impl EventSink for FirstEvents {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        line_events(place, chunk).try_for_each(|(_, text)| self.keep(text))
    }

    fn event(&mut self, _: Place, text: &[u8]) -> ControlFlow<()> {
        self.keep(text)
    }

    fn no_events(&mut self, _: Place, _: &str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn bad(&mut self, _: Place, _: SplitFault, _: &[u8]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// A stream that gives an event at each poll, and measures from there to the next poll: by then it is decided, its
/// alerts are written and the state is committed.
struct OneByOne {
    texts: Vec<Vec<u8>>,
    counts: SharedCounts,
    splitter: Splitter,
    next: usize,
    /// When the present event came, and what had matched and alerted before.
    present: Option<(Instant, u64, u64)>,
    took: Vec<(EventKind, u64)>,
    unpacked: u64,
}

impl OneByOne {
    fn now(&self) -> (u64, u64) {
        let SharedCounts { matched, alerts } = &self.counts;
        (matched.load(Ordering::Relaxed), alerts.load(Ordering::Relaxed))
    }
}

impl Source for OneByOne {
    fn poll(&mut self, into: &mut dyn EventSink) -> Result<Polled, ReadError> {
        let now = self.now();
        if let Some((came, matched, alerts)) = self.present.take() {
            let nanos = u64::try_from(came.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let kind = match now {
                (_, now) if now > alerts => EventKind::Alerted,
                (now, _) if now > matched => EventKind::Matched,
                _ => EventKind::Passed,
            };
            self.took.push((kind, nanos));
        }
        let Some(text) = self.texts.get(self.next) else { return Ok(Polled::End) };
        self.next += 1;
        self.unpacked += text.len() as u64;
        self.present = Some((Instant::now(), now.0, now.1));
        let pushed = self.splitter.push(text, into);
        Ok(if pushed.is_break() { Polled::End } else { Polled::More })
    }

    fn block(&self) -> &[u8] {
        self.next.checked_sub(1).and_then(|at| self.texts.get(at)).map_or(&[], Vec::as_slice)
    }

    fn unpacked(&self) -> u64 {
        self.unpacked
    }

    fn stored(&self) -> u64 {
        self.unpacked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_of_each_kind() {
        assert_eq!(of(&[]), Latency::default());
        let took: Vec<_> = (1..=200)
            .rev()
            .map(|n| (if n > 150 { EventKind::Matched } else { EventKind::Passed }, n * 1000))
            .collect();
        let latency = of(&took);
        let all = LatencyOf { events: 200, p50_us: 100.0, p99_us: 198.0 };
        let matched = LatencyOf { events: 50, p50_us: 175.0, p99_us: 200.0 };
        assert_eq!(latency, Latency { all: Some(all), matched: Some(matched), alerted: None });
        let one = of(&[(EventKind::Alerted, 1500)]);
        assert_eq!(one.alerted, Some(LatencyOf { events: 1, p50_us: 1.5, p99_us: 1.5 }));
        assert_eq!(one.all, one.alerted);
    }
}

//! What a worker has to say, kept until its turn comes.
//!
//! In: the observer's calls by the intake of a worker. Out: the same calls, in the same order, to the run's
//! observer, when what is before them in the inputs was told. Counts are summed up and dates put together; what
//! is told again and again in a row is kept once.

use crate::observe::{
    Counter, EventLocation, Notice, NoticeSeverity, Observer, RuleCounter, SkipKind,
};
use crate::sink::{AlertSink, OutputError};
use firstseen_session::{EventAt, Match, RuleRef};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

/// Bytes of what is told that are handed on together.
const PART_BYTES: usize = 256 << 10;
/// Matches without a field whose events are kept for their cause, in an input: as many as the observer looks at.
pub const MISSING_EVENTS: u64 = 1000;

/// A part of what there is to tell about one input.
#[derive(Default)]
pub(super) struct Told {
    counts: HashMap<Counter, u64, RandomState>,
    of_rules: HashMap<(RuleRef, RuleCounter), u64, RandomState>,
    /// The earliest and the latest time of events that may match nothing.
    dates: Option<(i64, i64)>,
    /// The times of matched events.
    matched: Vec<i64>,
    events: Vec<ToldEvent>,
    /// The matches of a stream's block, in the order in which they came.
    pub(super) matches: Vec<Match>,
    /// Whether a match refers to a text in the input.
    pub(super) refers_to_text: bool,
    /// How many lines ended in the input, where that is asked for.
    pub(super) lines: Option<u64>,
    /// The file that it is in, where only the worker has it.
    pub(super) file: Option<Arc<File>>,
    bytes: usize,
}

/// Something that is told in its turn.
enum ToldEvent {
    Skipped { kind: SkipKind, at: EventLocation, code: String, reason: String, raw: Vec<u8> },
    Missing { field: String, event: Vec<u8> },
    Excepted { name: String, times: u64 },
    OtherIndex { name: String, times: u64 },
    NoEvents { what: String },
    InputFailed { text: String },
    BatchUnread { text: String },
    RuleLog { line: String },
    Message { severity: NoticeSeverity, text: String },
    Reading { stored: u64 },
}

impl Told {
    /// Whether it is time to hand it on.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= PART_BYTES
    }

    fn push(&mut self, event: ToldEvent, bytes: usize) {
        self.bytes += size_of::<ToldEvent>() + bytes;
        self.events.push(event);
    }

    /// So many bytes of the input were read, as they are stored.
    pub(super) fn reading(&mut self, stored: u64) {
        if let Some(ToldEvent::Reading { stored: last }) = self.events.last_mut() {
            *last = stored;
        } else {
            self.push(ToldEvent::Reading { stored }, 0);
        }
    }

    /// Tells it.
    ///
    /// # Errors
    /// As [`Observer::notice`]; what is behind is not told.
    pub(super) fn tell(
        self,
        (input, name): (u32, &Arc<str>),
        observer: &mut dyn Observer,
    ) -> anyhow::Result<()> {
        self.counts.into_iter().for_each(|(counter, n)| observer.count(counter, n));
        for ((rule, counter), n) in self.of_rules {
            observer.count_of(rule, counter, n);
        }
        if let Some((first, last)) = self.dates {
            observer.dated(first, false);
            observer.dated(last, false);
        }
        self.matched.into_iter().for_each(|time_ms| observer.dated(time_ms, true));
        for event in self.events {
            let (notice, times) = match &event {
                ToldEvent::Reading { stored } => {
                    observer.reading(input, *stored);
                    continue;
                }
                ToldEvent::Excepted { name, times } => (Notice::Excepted { name }, *times),
                ToldEvent::OtherIndex { name, times } => (Notice::OtherIndex { name }, *times),
                ToldEvent::Skipped { kind, at, code, reason, raw } => {
                    (Notice::Skipped { kind: *kind, at, code, reason, raw }, 1)
                }
                ToldEvent::Missing { field, event } => (Notice::Missing { field, event }, 1),
                ToldEvent::NoEvents { what } => (Notice::NoEvents { what, input: name }, 1),
                ToldEvent::InputFailed { text } => (Notice::InputFailed { text }, 1),
                ToldEvent::BatchUnread { text } => (Notice::BatchUnread { text }, 1),
                ToldEvent::RuleLog { line } => (Notice::RuleLog { line }, 1),
                ToldEvent::Message { severity, text } => {
                    (Notice::Message { severity: *severity, text }, 1)
                }
            };
            for _ in 0..times {
                observer.notice(&notice)?;
            }
        }
        Ok(())
    }
}

/// The observer of a worker, at one input.
#[derive(Default)]
pub(super) struct TellingObserver {
    /// What is kept.
    pub(super) told: Told,
    /// Matches without a field, in this input.
    missing: u64,
}

impl TellingObserver {
    /// What is kept, to be told; the rest of the input goes on behind it.
    pub(super) fn hand_over(&mut self) -> Told {
        let refers_to_text = self.told.refers_to_text;
        std::mem::replace(&mut self.told, Told { refers_to_text, ..Told::default() })
    }
}

impl Observer for TellingObserver {
    fn count(&mut self, counter: Counter, n: u64) {
        *self.told.counts.entry(counter).or_default() += n;
    }

    fn count_of(&mut self, rule: RuleRef, counter: RuleCounter, n: u64) {
        *self.told.of_rules.entry((rule, counter)).or_default() += n;
    }

    fn dated(&mut self, time_ms: i64, matched: bool) {
        if matched {
            self.told.matched.push(time_ms);
            self.told.bytes += size_of::<i64>();
        } else {
            let (first, last) = self.told.dates.unwrap_or((time_ms, time_ms));
            self.told.dates = Some((first.min(time_ms), last.max(time_ms)));
        }
    }

    fn notice(&mut self, notice: &Notice<'_>) -> anyhow::Result<()> {
        let last = self.told.events.last_mut();
        let (event, bytes) = match (*notice, last) {
            (Notice::Excepted { name }, Some(ToldEvent::Excepted { name: last, times }))
            | (Notice::OtherIndex { name }, Some(ToldEvent::OtherIndex { name: last, times }))
                if last == name =>
            {
                *times += 1;
                return Ok(());
            }
            (Notice::Excepted { name }, _) => {
                (ToldEvent::Excepted { name: name.to_owned(), times: 1 }, name.len())
            }
            (Notice::OtherIndex { name }, _) => {
                (ToldEvent::OtherIndex { name: name.to_owned(), times: 1 }, name.len())
            }
            (Notice::Skipped { kind, at, code, reason, raw }, _) => {
                let (at, raw) = (at.clone(), raw.to_vec());
                let bytes = code.len() + reason.len() + raw.len();
                let (code, reason) = (code.to_owned(), reason.to_owned());
                (ToldEvent::Skipped { kind, at, code, reason, raw }, bytes)
            }
            (Notice::Missing { field, event }, _) => {
                self.missing += 1;
                let event = if self.missing <= MISSING_EVENTS { event } else { &[] };
                let bytes = field.len() + event.len();
                (ToldEvent::Missing { field: field.to_owned(), event: event.to_vec() }, bytes)
            }
            (Notice::NoEvents { what, .. }, _) => {
                (ToldEvent::NoEvents { what: what.to_owned() }, what.len())
            }
            (Notice::InputFailed { text }, _) => {
                (ToldEvent::InputFailed { text: text.to_owned() }, text.len())
            }
            (Notice::BatchUnread { text }, _) => {
                (ToldEvent::BatchUnread { text: text.to_owned() }, text.len())
            }
            (Notice::RuleLog { line }, _) => {
                (ToldEvent::RuleLog { line: line.to_owned() }, line.len())
            }
            (Notice::Message { severity, text }, _) => {
                (ToldEvent::Message { severity, text: text.to_owned() }, text.len())
            }
            // Nothing is decided here.
            (Notice::NotDecided { text, .. }, _) => {
                let severity = NoticeSeverity::Warning;
                (ToldEvent::Message { severity, text: text.to_owned() }, text.len())
            }
        };
        self.told.push(event, bytes);
        Ok(())
    }
}

/// The sink of a worker, which gets no alert. Who wants to hear of each event reads one stream.
pub(super) struct NoAlerts;

impl AlertSink for NoAlerts {
    fn alert(&mut self, _: &EventAt, _: &str) -> Result<(), OutputError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}

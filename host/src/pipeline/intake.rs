//! Filters events, calls `keys`, and passes matches to the order.
//!
//! In: chunks of lines and single events from a source. Out: matches, handed to the order; faults,
//! given to the observer. An event that cannot match by the literals that the artifacts declare never
//! reaches a rule; it is only checked for its frame and its UTF-8. It decides nothing.

mod collector;
mod looks;

use super::dates;
use super::gather::{EventGathering, EventSpot, GatheredResult};
use super::learning::Learning;
use super::parts::{LinePart, SplitText};
use super::{Clock, Order};
use crate::observe::stages::RunStage;
use crate::observe::{Counter, EventLocation, Notice, Observer, RuleCounter, SkipKind};
use crate::rules::LiveSettings;
use crate::rules::prefilter::Prefiltering;
use crate::rules::sample::RunSamples;
use crate::sink::AlertSink;
use crate::source::ReadLimits;
use collector::MatchCollector;
use firstseen_abi::ItemKind;
use firstseen_envelope::{EventSink, KnownLines, Place, SplitFault, lines_at};
use firstseen_event::{BitSet, ByteTraits, is_utf8, looks_whole};
use firstseen_session::{EventAt, Rules};
use looks::{LineLooks, LinesOf};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Takes the events of one block.
pub struct Intake<'p> {
    /// One for each artifact.
    pub rules: &'p mut [Box<dyn Rules>],
    /// Which events are worth a call.
    pub prefilter: &'p mut Prefiltering,
    /// Keeps some of the events that passed.
    pub samples: &'p mut RunSamples,
    /// Events that wait for a call.
    pub gathering: &'p mut EventGathering,
    /// Hears when events happened.
    pub learning: &'p mut Learning,
    /// Where matches go.
    pub order: &'p mut Order,
    /// Receives counts and notices.
    pub observer: &'p mut dyn Observer,
    /// Settings that may have changed.
    pub live_settings: Option<&'p mut (dyn LiveSettings + 'static)>,
    /// The clock that a stream is judged by; files are all judged by the time of the run's start.
    pub clock: Option<&'p dyn Clock>,
    /// The time that events are judged by.
    pub now_ms: &'p mut i64,
    /// The present input, by name and by number.
    pub name: Arc<str>,
    /// See `name`.
    pub input: u32,
    /// How many lines of it end before what is read: places name lines of the file.
    pub lines_before: u64,
    /// How far ahead of it an event may be dated.
    pub future_slack_ms: i64,
    /// Whether the input's texts can be read again.
    pub rereadable: bool,
    /// Set where a match refers to a text in the input.
    pub refers_to_text: &'p mut bool,
    /// How inputs are read.
    pub read: &'p ReadLimits,
    /// No event of the block was taken yet.
    pub is_first: bool,
    /// Hears of events that cannot be judged.
    pub sink: &'p mut dyn AlertSink,
    /// Why reading has to end.
    pub fault: Option<anyhow::Error>,
}

impl Intake<'_> {
    /// Takes a line of the input; its place is that of the line.
    fn take_line(&mut self, mut place: Place, line: &[u8]) -> ControlFlow<()> {
        place.offset += (line.len() - line.trim_ascii_start().len()) as u64;
        self.take(place, line.trim_ascii(), true)
    }

    /// Takes an event that passed the prefilter.
    fn take(&mut self, place: Place, event: &[u8], as_is: bool) -> ControlFlow<()> {
        let count = self.rules.len();
        let artifacts = self.prefilter.artifacts();
        self.samples.passes(artifacts, &self.at(place), event);
        let spot = EventSpot { place, as_is, is_part: false };
        self.gathering.push(spot, event, artifacts, count);
        self.call_keys_if_full()
    }

    fn call_keys_if_full(&mut self) -> ControlFlow<()> {
        if self.gathering.is_full() { self.call_keys() } else { ControlFlow::Continue(()) }
    }

    /// Runs the gathered events through the rules.
    pub fn call_keys(&mut self) -> ControlFlow<()> {
        if self.gathering.is_empty() {
            return self.flow();
        }
        let read = self.read;
        let _keys = read.stages.enter(RunStage::Keys);
        if let Some(clock) = self.clock {
            *self.now_ms = clock.now_ms();
        }
        if let Some(settings) = &mut self.live_settings {
            settings.refresh(self.rules, *self.now_ms);
        }
        let mut matches = MatchCollector {
            order: &mut *self.order,
            learning: &mut *self.learning,
            now_ms: *self.now_ms,
            observer: &mut *self.observer,
            sample: &mut self.samples.matched,
            fault: &mut self.fault,
            input: (self.input, self.lines_before),
            rereadable: self.rereadable,
            refers_to_text: &mut *self.refers_to_text,
        };
        let latest_ms = match *self.now_ms {
            0 => i64::MAX,
            now_ms => now_ms.saturating_add(self.future_slack_ms),
        };
        let result = self.gathering.run(self.rules, *self.now_ms, latest_ms, &mut matches);
        let parts = self.report_all(result);
        self.gathering.clear();
        self.take_parts(parts)
    }

    /// Takes the parts of texts that turned out to be more than one event.
    fn take_parts(&mut self, parts: Vec<SplitText>) -> ControlFlow<()> {
        let count = self.rules.len();
        for SplitText { place, parts } in parts {
            // What is a record itself counts on from there.
            for (record, part) in (place.record.unwrap_or_default()..).zip(parts) {
                let place = Place { record: Some(record), ..place };
                match part {
                    LinePart::Event(text) => {
                        let backslash = ByteTraits::of(&text).backslash;
                        if self.prefilter.passes(&text, backslash) {
                            let spot = EventSpot { place, as_is: false, is_part: true };
                            self.gathering.push(spot, &text, self.prefilter.artifacts(), count);
                            self.call_keys_if_full()?;
                        } else {
                            self.observer.count(Counter::Events, 1);
                        }
                    }
                    LinePart::NoEvents(what) => self.no_event(&what),
                    LinePart::Bad(fault, text) => self.skipped(place, &fault, &text),
                }
            }
        }
        // Parts are never split again.
        if self.gathering.is_empty() { self.flow() } else { self.call_keys() }
    }

    /// Counts the answers of the rules, and gives what is wrong with single events to the observer.
    /// Returns what is to be judged in parts.
    fn report_all(&mut self, result: GatheredResult) -> Vec<SplitText> {
        let mut split = Vec::new();
        self.observer.count(Counter::Events, result.events);
        self.observer.count(Counter::Matched, result.matched);
        for line in &result.log {
            self.notice(&Notice::RuleLog { line });
        }
        for note in &result.notes {
            let kind = match note.kind {
                ItemKind::NoEvents => {
                    self.no_event(&note.text);
                    continue;
                }
                ItemKind::Future => SkipKind::Future,
                ItemKind::TooManyTerms => SkipKind::TooManyTerms,
                _ => SkipKind::Bad,
            };
            if let Some(rule) = note.rule {
                self.observer.count_of(rule, RuleCounter::Matched, u64::from(!note.is_judged));
                self.observer.count_of(rule, RuleCounter::NotJudged, 1);
            }
            let (spot, raw) = self.gathering.event(note.event);
            if kind == SkipKind::Bad
                && !spot.is_part
                && let Some(parts) = LinePart::all(self.read, &note.text, raw)
            {
                split.push(SplitText { place: spot.place, parts });
                continue;
            }
            let (code, reason) = note.text.split_once(": ").unwrap_or(("bad", &note.text));
            let at = self.at(spot.place);
            self.sink.not_judged(&at, &note.text);
            let at = EventLocation::of(Arc::clone(&self.name), &at);
            let notice = Notice::Skipped { kind, at: &at, code, reason, raw };
            let result = self.observer.notice(&notice);
            keep_first(&mut self.fault, result);
        }
        split
    }

    fn skipped(&mut self, place: Place, fault: &SplitFault, text: &[u8]) {
        let at = self.at(place);
        self.sink.not_judged(&at, &format!("{}: {}", fault.code, fault.reason));
        let at = EventLocation::of(Arc::clone(&self.name), &at);
        let (kind, code, reason) = (SkipKind::Bad, fault.code, fault.reason.as_str());
        self.notice(&Notice::Skipped { kind, at: &at, code, reason, raw: text });
    }

    fn no_event(&mut self, what: &str) {
        let input = Arc::clone(&self.name);
        self.notice(&Notice::NoEvents { what, input: &input });
    }

    fn notice(&mut self, notice: &Notice<'_>) {
        let result = self.observer.notice(notice);
        keep_first(&mut self.fault, result);
    }

    /// Dates the first and the last line: enough to say what time the input is from, and no work.
    /// Of a stream only what matches is dated: where its blocks end depends on its sender.
    fn date(&mut self, lines: &[u8]) {
        if let Some(clock) = self.clock {
            if self.learning.wants_first()
                && let Some(time_ms) = dates::first_time(lines)
            {
                self.learning.read(time_ms, clock.now_ms(), true);
            }
            return;
        }
        let lines = lines.trim_ascii_end();
        let last = memchr::memrchr(b'\n', lines).map_or(0, |newline| newline + 1);
        for line in [lines, lines.get(last..).unwrap_or_default()] {
            if let Some(time_ms) = dates::first_time(line) {
                self.observer.dated(time_ms, false);
                self.learning.read(time_ms, *self.now_ms, false);
            }
        }
    }

    fn at(&self, place: Place) -> EventAt {
        event_at((self.input, self.lines_before), place)
    }

    fn flow(&self) -> ControlFlow<()> {
        if self.fault.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// A line that cannot match: looked at just enough to know that it is one.
    fn pass_by(&mut self, place: Place, line: &[u8], utf8: bool) -> ControlFlow<()> {
        if looks_whole(line) && (utf8 || is_utf8(line)) {
            let is_event = u64::from(!line.trim_ascii_start().is_empty());
            self.observer.count(Counter::Events, is_event);
            return ControlFlow::Continue(());
        }
        // A rule says what is wrong with it, in the same words as of any other.
        let mut first = BitSet::default();
        first.insert(0);
        let count = self.rules.len();
        let spot = EventSpot { place, as_is: false, is_part: false };
        self.gathering.push(spot, line, &first, count);
        self.call_keys_if_full()
    }

    /// All lines are taken.
    fn all_lines(&mut self, place: Place, chunk: &[u8], lines: LinesOf<'_>) -> ControlFlow<()> {
        for (place, line, _) in lines_at(place, chunk, lines.ends(chunk)) {
            self.take_line(place, line)?;
        }
        ControlFlow::Continue(())
    }

    fn all_or_some(&mut self, place: Place, chunk: &[u8], lines: LinesOf<'_>) -> ControlFlow<()> {
        self.date(chunk);
        if self.prefilter.passes_all() {
            return self.all_lines(place, chunk, lines);
        }
        let looks = LineLooks::new(chunk, lines, self.prefilter.has_slash());
        let mut passed = 0;
        let flow = self.filtered_lines(place, chunk, looks, &mut passed);
        self.observer.count(Counter::Events, passed);
        flow
    }

    /// Lines that may match are taken, the others passed by. Where it can be, all of them are searched for literals
    /// at once; else each is.
    fn filtered_lines(
        &mut self,
        place: Place,
        chunk: &[u8],
        mut looks: LineLooks<'_>,
        passed: &mut u64,
    ) -> ControlFlow<()> {
        let next = |prefilter: &Prefiltering, from| prefilter.over_lines()?.next_plain(chunk, from);
        let is_over_lines = self.prefilter.over_lines().is_some();
        let mut candidate = next(&*self.prefilter, 0);
        let lines = lines_at(place, chunk, looks.lines.ends(chunk));
        for (number, (place, line, end)) in lines.enumerate() {
            let look = looks.of(number, line);
            let is_found = candidate.as_ref().is_some_and(|range| range.start < end);
            if is_found {
                candidate = next(&*self.prefilter, end);
            }
            let asks = !is_over_lines || look.backslash;
            if is_found || (asks && self.prefilter.passes(line, look.backslash)) {
                self.take_line(place, line)?;
            } else if looks_whole(line) && (look.is_utf8 || is_utf8(line)) {
                *passed += u64::from(!line.trim_ascii_start().is_empty());
            } else {
                self.pass_by(place, line, look.is_utf8)?;
            }
        }
        ControlFlow::Continue(())
    }
}

impl EventSink for Intake<'_> {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        self.all_or_some(place, chunk, LinesOf::Chunk)
    }

    fn known_lines(
        &mut self,
        place: Place,
        chunk: &[u8],
        known: &KnownLines<'_>,
    ) -> ControlFlow<()> {
        self.all_or_some(place, chunk, LinesOf::Known(known))
    }

    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        if std::mem::take(&mut self.is_first) {
            self.date(text);
        }
        let traits = ByteTraits::of(text);
        if self.prefilter.passes(text, traits.backslash) {
            return self.take(place, text, false);
        }
        self.pass_by(place, text, traits.ascii)
    }

    fn no_events(&mut self, _: Place, what: &str) -> ControlFlow<()> {
        self.no_event(what);
        self.flow()
    }

    fn bad(&mut self, place: Place, fault: SplitFault, text: &[u8]) -> ControlFlow<()> {
        // In the order of the input: what was gathered is first.
        self.call_keys()?;
        self.skipped(place, &fault, text);
        self.flow()
    }
}

fn event_at((input, lines_before): (u32, u64), place: Place) -> EventAt {
    let line = place.line + lines_before;
    EventAt { input, offset: place.offset, line, record: place.record }
}

fn keep_first(fault: &mut Option<anyhow::Error>, result: anyhow::Result<()>) {
    if let Err(error) = result {
        fault.get_or_insert(error);
    }
}

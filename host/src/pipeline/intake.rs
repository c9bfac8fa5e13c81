//! Events to ordered matches: step one, for everything that is read.
//!
//! In: chunks of lines and single events from an input. Out: matched events, handed on in order of
//! time (files) or of arrival within the hold (standard input); faults, counted, named and kept.
//! An event which cannot match by the literals that the artifacts declare never crosses into a
//! guest; it is only checked for its frame and its UTF-8.

use super::keys::{Crossed, Crossing, Spot, Take};
use super::text::{Texts, reference};
use crate::observe::place::Where;
use crate::observe::summary::Summary;
use crate::pipeline::order::{Hold, Record, Sorter};
use crate::rules::exceptions::Exceptions;
use crate::rules::prefilter::Sieve;
use crate::sink::dead_letter::DeadLetter;
use crate::source::Source;
use crate::terminal::message;
use anyhow::{Context, anyhow};
use firstseen_abi::{Item, ItemKind};
use firstseen_envelope::{Place, Sink, SplitFault};
use firstseen_event::{BitSet, ByteTraits, is_utf8, looks_whole};
use firstseen_runtime::{Artifact, Guest};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What to do with an event that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnError {
    /// Leave it out: it is counted, named, and kept with --dead-letter.
    Skip,
    /// End with an error; what came before it is decided all the same.
    Fail,
}

/// Hears of an event that cannot be judged: its line, code and reason.
pub type OnFault = Box<dyn FnMut(u64, &str, &str)>;

/// Faults named one by one on standard error; the summary counts them all.
const NAMED_FAULTS: u64 = 10;

/// Where matched events go.
pub enum Order {
    /// All of them first, then in order.
    Sorted(Sorter),
    /// On, as soon as nothing earlier is to be expected.
    Held(Hold),
}

/// Takes what inputs hand on.
pub struct Collector {
    /// The rules.
    pub guests: Vec<Guest>,
    /// The sums so far.
    pub tally: Summary,
    /// Where matches go.
    pub order: Order,
    /// Says something to the person who watches.
    pub say: Box<dyn Fn(&str)>,
    /// Why reading ended early.
    pub fault: Option<anyhow::Error>,
    /// Hears of each event that cannot be judged: its line, code and reason.
    pub on_fault: Option<OnFault>,
    /// Exceptions that may change while events come.
    pub exceptions: Option<Exceptions>,
    sieve: Sieve,
    clock: fn() -> i64,
    now_ms: i64,
    on_error: OnError,
    dead: Option<DeadLetter>,
    file: Arc<str>,
    crossing: Crossing,
    named: u64,
    /// The files whose texts need not be carried.
    pub texts: Texts,
    /// The present one among them.
    again: Option<u32>,
}

impl Collector {
    /// A collector for these artifacts' guests; the clock says 0 where there is none. Files are all
    /// judged by its first answer, a stream by the time when an event comes.
    #[must_use]
    pub fn new(
        artifacts: &[Artifact],
        guests: Vec<Guest>,
        order: Order,
        clock: fn() -> i64,
        on_error: OnError,
        dead: Option<DeadLetter>,
    ) -> Self {
        Self {
            guests,
            tally: Summary::default(),
            order,
            say: Box::new(message::warning),
            fault: None,
            on_fault: None,
            exceptions: None,
            sieve: Sieve::new(artifacts),
            clock,
            now_ms: clock(),
            on_error,
            dead,
            file: Arc::from("-"),
            crossing: Crossing::default(),
            named: 0,
            texts: Texts::default(),
            again: None,
        }
    }

    /// Begins an input.
    pub fn begin(&mut self, source: &Source) {
        self.file = Arc::clone(&source.name);
        self.again = source.readable_again().and_then(|path| self.texts.add(path.to_path_buf()));
        self.tally.files += 1;
    }

    /// Ends an input: everything that was read has crossed.
    pub fn end(&mut self) -> ControlFlow<()> {
        let flow = self.cross();
        // A stream may stay open for months: what it could not give is kept now.
        if matches!(self.order, Order::Held(_))
            && let Err(error) = self.finish()
        {
            self.fault.get_or_insert(error);
        }
        flow
    }

    /// A fault of a whole input.
    pub fn input_failed(&mut self, text: &str) {
        self.tally.failed_inputs += 1;
        if self.on_error == OnError::Fail {
            self.fault.get_or_insert_with(|| anyhow!("{text}"));
        } else {
            (self.say)(&format!("skipped: {text}"));
        }
    }

    /// Ends all inputs.
    ///
    /// # Errors
    /// When the dead letters could not be written.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        if let Some(dead) = &mut self.dead {
            dead.flush().context("--dead-letter")?;
        }
        Ok(())
    }

    /// Takes a line of the input; its place is that of the line.
    fn take_line(&mut self, mut place: Place, line: &[u8]) -> ControlFlow<()> {
        place.offset += (line.len() - line.trim_ascii_start().len()) as u64;
        self.take(place, line.trim_ascii(), true)
    }

    /// Takes an event that passed the sieve.
    fn take(&mut self, place: Place, event: &[u8], as_is: bool) -> ControlFlow<()> {
        let count = self.guests.len();
        self.crossing.push(Spot { place, as_is }, event, self.sieve.artifacts(), count);
        self.cross_if_full()
    }

    fn cross_if_full(&mut self) -> ControlFlow<()> {
        if self.crossing.is_full() { self.cross() } else { ControlFlow::Continue(()) }
    }

    /// Runs the gathered events through the guests.
    fn cross(&mut self) -> ControlFlow<()> {
        if self.crossing.is_empty() {
            return self.flow();
        }
        if matches!(self.order, Order::Held(_)) {
            self.now_ms = (self.clock)();
        }
        let mut crossing = std::mem::take(&mut self.crossing);
        let mut guests = std::mem::take(&mut self.guests);
        if let Some(exceptions) = &mut self.exceptions {
            exceptions.refresh(&mut guests, self.now_ms);
        }
        let crossed = crossing.run(&mut guests, self.now_ms, self);
        self.guests = guests;
        self.tell(crossed, &crossing);
        crossing.clear();
        self.crossing = crossing;
        self.flow()
    }

    /// Counts what came of a crossing, and names what is wrong with single events.
    fn tell(&mut self, crossed: Crossed, crossing: &Crossing) {
        self.tally.events += crossed.events;
        self.tally.matched += crossed.matched;
        for line in crossed.log {
            (self.say)(&format!("a rule says: {}", crate::terminal::escape::escaped(&line)));
        }
        for note in crossed.notes {
            let (spot, raw) = crossing.event(note.event);
            let (code, reason) = note.text.split_once(": ").unwrap_or(("bad", &note.text));
            let count = match note.kind {
                ItemKind::NoEvents => {
                    *self.tally.no_events.entry(note.text).or_default() += 1;
                    continue;
                }
                ItemKind::Future => &mut self.tally.future,
                ItemKind::TooManyTerms => &mut self.tally.too_many_terms,
                _ => &mut self.tally.bad,
            };
            *count += 1;
            self.report(spot.place, code, reason, raw);
        }
    }

    fn flow(&self) -> ControlFlow<()> {
        if self.fault.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Counts, names and keeps an event that cannot be read or judged.
    fn report(&mut self, place: Place, code: &str, reason: &str, raw: &[u8]) {
        if let Some(on_fault) = &mut self.on_fault {
            on_fault(place.line, code, reason);
        }
        let at = Where { file: Arc::clone(&self.file), place };
        if let Some(dead) = &mut self.dead {
            match dead.write(&at, code, reason, raw) {
                Ok(()) => self.tally.dead_letters += 1,
                // Kept nowhere is lost: no skipping without the place that was asked for.
                Err(e) => {
                    self.fault.get_or_insert_with(|| anyhow!(e).context("--dead-letter"));
                }
            }
        }
        let reason = crate::terminal::escape::escaped(reason);
        if self.on_error == OnError::Fail {
            self.fault.get_or_insert_with(|| anyhow!("{at}: {code}: {reason}"));
            return;
        }
        self.named += 1;
        if self.named <= NAMED_FAULTS {
            (self.say)(&format!("skipped: {at}: {code}: {reason}"));
        } else if self.named == NAMED_FAULTS + 1 {
            let hint = if self.dead.is_some() { "" } else { "; --dead-letter FILE keeps them all" };
            (self.say)(&format!("skipped: more are counted in the summary{hint}"));
        }
    }

    fn bad(&mut self, place: Place, code: &str, reason: &str, raw: &[u8]) {
        self.tally.bad += 1;
        self.report(place, code, reason, raw);
    }

    /// A line that is too long to be judged, or its beginning.
    pub fn too_large(&mut self, place: Place, reason: &str, raw: &[u8]) {
        self.bad(place, "too_large", reason, raw);
    }

    /// A line that cannot match: looked at just enough to know that it is one.
    fn pass_by(&mut self, place: Place, line: &[u8], utf8: bool) -> ControlFlow<()> {
        if looks_whole(line) && (utf8 || is_utf8(line)) {
            self.tally.events += u64::from(!line.trim_ascii_start().is_empty());
            return ControlFlow::Continue(());
        }
        // A guest says what is wrong with it, in the same words as of any other.
        let mut first = BitSet::default();
        first.insert(0);
        let count = self.guests.len();
        self.crossing.push(Spot { place, as_is: false }, line, &first, count);
        self.cross_if_full()
    }

    fn all_lines(
        &mut self,
        mut place: Place,
        chunk: &[u8],
        ends: impl Iterator<Item = usize>,
    ) -> ControlFlow<()> {
        let mut start = 0;
        for end in ends {
            let line = chunk.get(start..end).unwrap_or_default();
            self.take_line(place, line)?;
            place.line += 1;
            place.offset += line.len() as u64;
            start = end;
        }
        ControlFlow::Continue(())
    }

    fn all_or_some(
        &mut self,
        place: Place,
        chunk: &[u8],
        ends: impl Iterator<Item = usize>,
    ) -> ControlFlow<()> {
        self.tally.bytes += chunk.len() as u64;
        if self.sieve.passes_all() {
            self.all_lines(place, chunk, ends)
        } else if self.sieve.over_lines().is_some() {
            self.filtered_lines(place, chunk, ends)
        } else {
            self.searched_lines(place, chunk, ends)
        }
    }

    /// Lines between candidates are passed by, candidates are taken.
    fn filtered_lines(
        &mut self,
        mut place: Place,
        chunk: &[u8],
        ends: impl Iterator<Item = usize>,
    ) -> ControlFlow<()> {
        let next = |sieve: &Sieve, from| sieve.over_lines()?.next_plain(chunk, from);
        let mut candidate = next(&self.sieve, 0);
        let mut start = 0;
        for end in ends {
            let line = chunk.get(start..end).unwrap_or_default();
            let traits = ByteTraits::of(line);
            if candidate.as_ref().is_some_and(|range| range.start < end) {
                self.take_line(place, line)?;
                candidate = next(&self.sieve, end);
            } else if traits.backslash && self.sieve.passes(line, true) {
                self.take_line(place, line)?;
            } else {
                self.pass_by(place, line, traits.ascii)?;
            }
            place.line += 1;
            place.offset += line.len() as u64;
            start = end;
        }
        ControlFlow::Continue(())
    }

    /// Each line is searched for the literals of all artifacts.
    fn searched_lines(
        &mut self,
        mut place: Place,
        chunk: &[u8],
        ends: impl Iterator<Item = usize>,
    ) -> ControlFlow<()> {
        let mut start = 0;
        for end in ends {
            let line = chunk.get(start..end).unwrap_or_default();
            let traits = ByteTraits::of(line);
            if self.sieve.passes(line, traits.backslash) {
                self.take_line(place, line)?;
            } else {
                self.pass_by(place, line, traits.ascii)?;
            }
            place.line += 1;
            place.offset += line.len() as u64;
            start = end;
        }
        ControlFlow::Continue(())
    }
}

/// The ends of a chunk's lines, each behind its newline.
fn line_ends(chunk: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let last = (!chunk.ends_with(b"\n") && !chunk.is_empty()).then_some(chunk.len());
    memchr::memchr_iter(b'\n', chunk).map(|newline| newline + 1).chain(last)
}

impl Sink for Collector {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        self.all_or_some(place, chunk, line_ends(chunk))
    }

    fn lines_with_ends(&mut self, place: Place, chunk: &[u8], ends: &[u32]) -> ControlFlow<()> {
        self.all_or_some(place, chunk, ends.iter().map(|end| *end as usize))
    }

    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        self.tally.bytes += text.len() as u64;
        let traits = ByteTraits::of(text);
        if self.sieve.passes(text, traits.backslash) {
            return self.take(place, text, false);
        }
        self.pass_by(place, text, traits.ascii)
    }

    fn no_events(&mut self, _: Place, what: &'static str) -> ControlFlow<()> {
        *self.tally.no_events.entry(what.to_owned()).or_default() += 1;
        ControlFlow::Continue(())
    }

    fn bad(&mut self, place: Place, fault: SplitFault, text: &[u8]) -> ControlFlow<()> {
        // In the order of the input: what was gathered came first.
        self.cross()?;
        Self::bad(self, place, fault.code, &fault.reason, text);
        self.flow()
    }
}

impl Take for Collector {
    fn item(&mut self, artifact: usize, spot: Spot, raw: &[u8], item: &Item<'_>) {
        match item.kind {
            ItemKind::Matched => {
                let rule = (artifact as u32) << 16 | u32::from(item.rule);
                let result = match &mut self.order {
                    Order::Sorted(sorter) => {
                        // Where the event's text can be read again, it is not carried.
                        let file = self.again.filter(|_| spot.as_is);
                        let again = file.map(|file| reference(file, spot.place.offset, item.len));
                        let kept = again.as_ref().map_or(raw, |reference| reference.as_slice());
                        sorter.push_parts(item.time_ms, item.identity, rule, item.raw, kept)
                    }
                    Order::Held(hold) => {
                        hold.push(Record {
                            time_ms: item.time_ms,
                            identity: item.identity,
                            rule,
                            item: item.raw.to_vec(),
                            event: raw.to_vec(),
                            line: spot.place.line,
                        });
                        Ok(())
                    }
                };
                if let Err(e) = result {
                    let fault = anyhow!(e).context("matched events could not be put in order");
                    self.fault.get_or_insert(fault);
                }
            }
            ItemKind::Missing => {
                self.tally.missing_terms += 1;
                *self.tally.missing_by_field.entry(item.text.to_owned()).or_default() += 1;
            }
            ItemKind::Excepted => self.tally.suppress(item.text),
            ItemKind::Bad | ItemKind::NoEvents | ItemKind::Future | ItemKind::TooManyTerms => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_engines::flagship;
    use firstseen_runtime::Runtime;
    use std::sync::atomic::{AtomicI64, Ordering};

    const EVENT: &str = r#"{"@timestamp":"2025-03-03T12:00:00Z","event.dataset":"aws.cloudtrail",
        "event.provider":"cloudformation.amazonaws.com","event.action":"CreateStack",
        "event.outcome":"success","cloud.account.id":"1","user.name":"alice"}"#;
    /// When the event happened, in milliseconds since 1970.
    const THEN: i64 = 1_741_003_200_000;
    static CLOCK: AtomicI64 = AtomicI64::new(0);

    #[test]
    fn a_stream_that_runs_for_hours_takes_no_event_for_one_of_the_future() {
        let runtime = Runtime::new().unwrap();
        let artifact = Artifact::new(&runtime, "flagship".to_owned(), flagship()).unwrap();
        let guest = Guest::new(&runtime, &artifact, "default", None).unwrap();
        let clock = || CLOCK.load(Ordering::Relaxed);
        CLOCK.store(THEN - 7_200_000, Ordering::Relaxed);
        let order = Order::Held(Hold::new(0, 1 << 20));
        let mut collector =
            Collector::new(&[artifact], vec![guest], order, clock, OnError::Skip, None);
        let place = Place { offset: 0, line: 1, record: None };
        let event = EVENT.replace('\n', "");
        for (future, matched) in [(1, 1), (1, 2)] {
            assert!(Sink::event(&mut collector, place, event.as_bytes()).is_continue());
            assert!(collector.end().is_continue());
            assert_eq!((collector.tally.future, collector.tally.matched), (future, matched));
            CLOCK.store(THEN, Ordering::Relaxed);
        }
    }
}

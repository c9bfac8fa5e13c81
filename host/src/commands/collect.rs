//! Events to ordered matches: step one, for everything that is read.
//!
//! In: chunks of lines and single events from an input. Out: matched events, handed on in order of
//! time (files) or of arrival within the hold (standard input); faults, counted, named and kept.
//! It searches the required literals that the artifacts declare, so that an event which cannot
//! match never crosses into a guest; such an event is only checked for its frame and its UTF-8.

use super::text::{Texts, reference};
use crate::deadletter::DeadLetter;
use crate::guest::batch::Sort;
use crate::guest::{Artifact, Batch, CallError, Guest};
use crate::input::Source;
use crate::order::{Hold, Record, Sorter};
use crate::place::Where;
use crate::say::say;
use crate::summary::Summary;
use anyhow::{Context, anyhow};
use firstseen_abi::{Item, ItemKind};
use firstseen_envelope::{Fault, Place, Sink};
use firstseen_event::{Prefilter, Texture, is_utf8, looks_whole};
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
    prefilter: Prefilter,
    now_ms: i64,
    on_error: OnError,
    dead: Option<DeadLetter>,
    file: Arc<str>,
    batch: Batch,
    spots: Vec<Spot>,
    named: u64,
    /// The files whose texts need not be carried.
    pub texts: Texts,
    /// The present one among them.
    again: Option<u32>,
}

/// Where an event of the batch stands.
#[derive(Debug, Clone, Copy)]
struct Spot {
    place: Place,
    /// Its text stands at the place as it is.
    as_is: bool,
}

impl Collector {
    /// A collector for these artifacts' guests; `now_ms` is the clock, or 0.
    #[must_use]
    pub fn new(
        artifacts: &[Artifact],
        guests: Vec<Guest>,
        order: Order,
        now_ms: i64,
        on_error: OnError,
        dead: Option<DeadLetter>,
    ) -> Self {
        let rules = artifacts.iter().flat_map(|a| &a.meta.rules);
        let literals: Vec<_> = rules.map(|r| r.literals.clone()).collect();
        Self {
            guests,
            tally: Summary::default(),
            order,
            say: Box::new(say),
            fault: None,
            prefilter: Prefilter::new(&literals),
            now_ms,
            on_error,
            dead,
            file: Arc::from("-"),
            batch: Batch::default(),
            spots: Vec::new(),
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
        self.cross()
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

    fn take(&mut self, place: Place, event: &[u8], as_is: bool) -> ControlFlow<()> {
        self.batch.push(event);
        self.spots.push(Spot { place, as_is });
        if self.batch.is_full() { self.cross() } else { ControlFlow::Continue(()) }
    }

    /// Runs the gathered events through every guest.
    fn cross(&mut self) -> ControlFlow<()> {
        if self.batch.is_empty() {
            return self.flow();
        }
        let batch = std::mem::take(&mut self.batch);
        let mut guests = std::mem::take(&mut self.guests);
        // An event that one rule cannot read, no rule can: counted for the first alone.
        let mut unread = 0;
        for (index, guest) in guests.iter_mut().enumerate() {
            let mut sorter = Sorting { to: self, batch: &batch, artifact: index, unread: 0 };
            let counts = batch.keys(guest, sorter.to.now_ms, &mut sorter);
            if index == 0 {
                unread = sorter.unread;
            }
            self.tally.matched += u64::from(counts.matched);
            for (_, line) in guest.take_log() {
                (self.say)(&format!("a rule says: {}", crate::output::escape::escaped(&line)));
            }
        }
        self.tally.events += (batch.table.len() as u64).saturating_sub(unread);
        self.guests = guests;
        self.batch = batch;
        self.batch.clear();
        self.spots.clear();
        self.flow()
    }

    fn flow(&self) -> ControlFlow<()> {
        if self.fault.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Counts, names and keeps an event that cannot be read or judged.
    fn report(&mut self, place: Place, code: &str, reason: &str, raw: &[u8]) {
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
        let reason = crate::output::escape::escaped(reason);
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

    /// A line that cannot match: looked at just enough to know that it is one.
    fn pass_by(&mut self, place: Place, line: &[u8], utf8: bool) -> ControlFlow<()> {
        if looks_whole(line) && (utf8 || is_utf8(line)) {
            self.tally.events += u64::from(!line.trim_ascii_start().is_empty());
            return ControlFlow::Continue(());
        }
        // The guest says what is wrong with it, in the same words as of any other.
        self.take(place, line, false)
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
        if self.prefilter.passes_all() {
            self.all_lines(place, chunk, ends)
        } else {
            self.filtered_lines(place, chunk, ends)
        }
    }

    /// Lines between candidates are passed by, candidates are taken.
    fn filtered_lines(
        &mut self,
        mut place: Place,
        chunk: &[u8],
        ends: impl Iterator<Item = usize>,
    ) -> ControlFlow<()> {
        let mut candidate = self.prefilter.next_plain(chunk, 0);
        let mut start = 0;
        for end in ends {
            let line = chunk.get(start..end).unwrap_or_default();
            let texture = Texture::of(line);
            if candidate.as_ref().is_some_and(|range| range.start < end) {
                self.take_line(place, line)?;
                candidate = self.prefilter.next_plain(chunk, end);
            } else if texture.backslash && self.prefilter.passes(line) {
                self.take_line(place, line)?;
            } else {
                self.pass_by(place, line, texture.ascii)?;
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
        if self.prefilter.passes_all() || self.prefilter.passes(text) {
            return self.take(place, text, false);
        }
        self.pass_by(place, text, false)
    }

    fn no_events(&mut self, _: Place, what: &'static str) -> ControlFlow<()> {
        *self.tally.no_events.entry(what.to_owned()).or_default() += 1;
        ControlFlow::Continue(())
    }

    fn bad(&mut self, place: Place, fault: Fault, text: &[u8]) -> ControlFlow<()> {
        // In the order of the input: what was gathered came first.
        self.cross()?;
        Self::bad(self, place, fault.code, &fault.reason, text);
        self.flow()
    }
}

/// Sorts the items of one crossing.
struct Sorting<'c> {
    to: &'c mut Collector,
    batch: &'c Batch,
    artifact: usize,
    /// Events that were none, or could not be read.
    unread: u64,
}

impl Sorting<'_> {
    fn place(&self, event: usize) -> Place {
        let nowhere = Place { offset: 0, line: 0, record: None };
        self.to.spots.get(event).map_or(nowhere, |spot| spot.place)
    }

    /// Where the event's text can be read again.
    fn reference(&self, event: usize, len: u32) -> Option<[u8; 17]> {
        let spot = self.to.spots.get(event).filter(|spot| spot.as_is)?;
        Some(reference(self.to.again?, spot.place.offset, len))
    }
}

impl Sort for Sorting<'_> {
    fn item(&mut self, event: usize, item: &Item<'_>) {
        let place = self.place(event);
        let raw = self.batch.event(event);
        let (code, reason) = item.text.split_once(": ").unwrap_or(("bad", item.text));
        match item.kind {
            ItemKind::Matched => {
                let rule = (self.artifact as u32) << 16 | u32::from(item.rule);
                let again = self.reference(event, item.len);
                let result = match &mut self.to.order {
                    Order::Sorted(sorter) => {
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
                        });
                        Ok(())
                    }
                };
                if let Err(e) = result {
                    let fault = anyhow!(e).context("matched events could not be put in order");
                    self.to.fault.get_or_insert(fault);
                }
            }
            ItemKind::Missing => {
                self.to.tally.missing_terms += 1;
                *self.to.tally.missing_by_field.entry(item.text.to_owned()).or_default() += 1;
            }
            ItemKind::Excepted => self.to.tally.excepted += 1,
            ItemKind::Bad => {
                if self.artifact == 0 {
                    self.unread += 1;
                    self.to.bad(place, code, reason, raw);
                }
            }
            ItemKind::NoEvents => {
                if self.artifact == 0 {
                    self.unread += 1;
                    *self.to.tally.no_events.entry(item.text.to_owned()).or_default() += 1;
                }
            }
            ItemKind::Future => {
                self.to.tally.future += 1;
                self.to.report(place, code, reason, raw);
            }
            ItemKind::TooManyTerms => {
                self.to.tally.too_many_terms += 1;
                self.to.report(place, code, reason, raw);
            }
        }
    }

    fn failed(&mut self, event: usize, error: &CallError) {
        let place = self.place(event);
        self.unread += 1;
        self.to.bad(place, "rule_failed", &error.to_string(), self.batch.event(event));
    }
}

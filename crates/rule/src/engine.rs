//! The engine: the rules of one artifact, and step one: `keys`.
//!
//! In: a plan and settings; then buffers of events. Out: results in the layout of crate abi. It
//! never calls a store, and from call to call it keeps only buffers.

use crate::alert;
use crate::exception::Exception;
use crate::fields::{EventDoc, FieldRequests, FieldSlot, event_error_text};
use crate::index::RuleIndex;
use crate::memo::TermMemo;
use crate::open::{OpenedEvent, Outside, open_event};
use crate::plan::{Plan, RulePlan};
use crate::prepared::PreparedRule;
use crate::settings::Settings;
use crate::term::{self, Terms};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_abi::{ItemKind, ItemTerm, KeysWriter, Malformed};
use firstseen_event::{
    BitSet, EventFields, EventReader, Prefilter, Scratch, TEXT_NOT_OPENED, Trust, looks_whole,
};

/// Literals that are searched for in every event one by one, at the most.
const MAX_SEARCHED: usize = 16;

/// How a buffer holds its events.
#[derive(Debug, Clone, Copy)]
pub enum Framing<'a> {
    /// The buffer is one event.
    One,
    /// Whole lines, each an event; blank ones are skipped.
    Lines,
    /// Pairs of offset and length, both u32, little-endian.
    Table(&'a [u8]),
}

/// The rules of an artifact, prepared to run.
#[derive(Debug)]
pub struct Engine {
    pub(crate) plan: Plan,
    pub(crate) settings: Settings,
    reader: EventReader,
    prefilter: Prefilter,
    pub(crate) prepared: Vec<PreparedRule>,
    /// Of each of the settings' exceptions, whichever rules it is for.
    added: Vec<Vec<FieldSlot>>,
    index: RuleIndex,
    pub(crate) scratch: Scratch,
    /// Of the terms of events that came in tables: where single ones are handed in, memory is rarer.
    known: TermMemo,
    /// The most bytes of values that the terms of one event may hold together.
    pub(crate) max_term_bytes: usize,
}

/// What lasts for one call of [`Engine::keys`].
struct Pass<'w> {
    now_ms: i64,
    /// The rules that the event at hand may match.
    candidates: BitSet,
    /// The state keys of the match at hand, one after another.
    keys: String,
    /// The hashes of terms that were met before.
    known: Option<TermMemo>,
    writer: KeysWriter<'w>,
}

impl Engine {
    /// Prepares the rules.
    #[must_use]
    pub fn new(plan: Plan, settings: Settings) -> Self {
        let mut asks = FieldRequests::default();
        let prepared: Vec<_> =
            plan.rules.iter().map(|rule| PreparedRule::new(rule, &settings, &mut asks)).collect();
        let added = settings.exceptions.iter().map(|e| asks.slots(e.query.fields())).collect();
        Self {
            reader: asks.reader(),
            prefilter: prefilter(&plan),
            index: RuleIndex::new(&plan.rules, &prepared),
            plan,
            settings,
            prepared,
            added,
            scratch: Scratch::default(),
            known: TermMemo::default(),
            max_term_bytes: term::MAX_TERM_BYTES,
        }
    }

    /// The same rules under other settings.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { max_term_bytes: self.max_term_bytes, ..Self::new(self.plan, settings) }
    }

    /// The same where there is little memory: an event whose terms hold more bytes of values than
    /// this is not judged (`too_many_terms`). Elsewhere it is [`term::MAX_TERM_BYTES`].
    #[must_use]
    pub const fn with_max_term_bytes(mut self, most: usize) -> Self {
        self.max_term_bytes = most;
        self
    }

    /// The rules.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The envelopes that its settings trust besides those that always are.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.settings.trust
    }

    /// Whether an event has to be read: it contains the literals of a match, or it does not look
    /// like an event. It allocates nothing, however large the event is.
    #[must_use]
    #[inline]
    pub fn may_match(&self, event: &[u8]) -> bool {
        self.prefilter.passes_all() || self.prefilter.passes(event) || !looks_whole(event)
    }

    /// Step one: which events match, when, under which keys. `now_ms` is the host's clock, or 0
    /// where it has none. Whether the table fits the buffer is an error; a bad event is an item.
    ///
    /// # Errors
    /// [`Malformed`] when the table does not describe ranges of the buffer.
    pub fn keys(
        &mut self,
        buffer: &[u8],
        framing: Framing<'_>,
        now_ms: i64,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        let mut scratch = core::mem::take(&mut self.scratch);
        let (writer, candidates) = (KeysWriter::new(out), BitSet::default());
        let known = matches!(framing, Framing::Table(_)).then(|| core::mem::take(&mut self.known));
        let mut pass = Pass { now_ms, candidates, keys: String::new(), known, writer };
        let result = match framing {
            Framing::One => {
                self.event(buffer, (0, buffer.len()), &mut scratch, &mut pass);
                Ok(())
            }
            Framing::Lines => {
                self.lines(buffer, &mut scratch, &mut pass);
                Ok(())
            }
            Framing::Table(table) => self.table(buffer, table, &mut scratch, &mut pass),
        };
        self.scratch = scratch;
        if let Some(known) = pass.known {
            self.known = known;
        }
        pass.writer.finish();
        result
    }

    fn table(
        &self,
        buffer: &[u8],
        table: &[u8],
        scratch: &mut Scratch,
        pass: &mut Pass<'_>,
    ) -> Result<(), Malformed> {
        let mut c = firstseen_abi::Cursor::new(table);
        // All of them at once, for nearly all buffers.
        let whole = firstseen_event::as_utf8(buffer);
        while !c.is_done() {
            let (at, len) = (c.u32("offset")? as usize, c.u32("length")? as usize);
            let bytes = at.checked_add(len).and_then(|end| buffer.get(at..end));
            let bytes = bytes.ok_or(c.malformed("range in the table"))?;
            match whole.and_then(|whole| whole.get(at..at.saturating_add(len))) {
                Some(text) => self.text(text, (at, len), scratch, pass),
                None => self.event(bytes, (at, len), scratch, pass),
            }
        }
        Ok(())
    }

    fn lines(&self, buffer: &[u8], scratch: &mut Scratch, pass: &mut Pass<'_>) {
        let mut at = 0usize;
        for line in buffer.split_inclusive(|b| *b == b'\n') {
            let text = line.trim_ascii_end();
            if !text.trim_ascii_start().is_empty() {
                self.event(text, (at, text.len()), scratch, pass);
            }
            at = at.saturating_add(line.len());
        }
    }

    fn event(
        &self,
        bytes: &[u8],
        place: (usize, usize),
        scratch: &mut Scratch,
        pass: &mut Pass<'_>,
    ) {
        match firstseen_event::utf8(bytes) {
            Ok(text) => self.text(text, place, scratch, pass),
            Err(fault) => {
                count(&mut pass.writer.counts.read);
                bad(&mut pass.writer, place, &event_error_text(&fault));
            }
        }
    }

    fn text(&self, text: &str, place: (usize, usize), scratch: &mut Scratch, pass: &mut Pass<'_>) {
        count(&mut pass.writer.counts.read);
        if !self.may_match(text.as_bytes()) {
            return;
        }
        self.open(text, scratch, &mut |opened| match opened {
            OpenedEvent::Event(fields) => {
                self.matches(&fields, place, pass);
                if let Some(entry) = fields.unopened() {
                    nothing(&mut pass.writer, place, &format!("{TEXT_NOT_OPENED}{entry}"));
                }
            }
            OpenedEvent::Bad(error) => bad(&mut pass.writer, place, &event_error_text(&error)),
            OpenedEvent::Nothing(what) => {
                let writer = &mut pass.writer;
                writer.counts.read = writer.counts.read.saturating_sub(1);
                nothing(writer, place, what);
            }
        });
    }

    /// Unwraps the strings that an event may be nested in, and passes its fields on.
    pub(crate) fn open(
        &self,
        text: &str,
        scratch: &mut Scratch,
        then: &mut dyn FnMut(OpenedEvent<'_>),
    ) {
        let outside = Outside::default();
        open_event(&self.reader, &self.settings.trust, text, scratch, outside, then);
    }

    fn matches(&self, fields: &EventFields<'_>, place: (usize, usize), pass: &mut Pass<'_>) {
        let Pass { now_ms, candidates, keys, known, writer } = pass;
        self.index.candidates(fields, candidates);
        for index in candidates.iter() {
            let at = self.plan.rules.get(index).zip(self.prepared.get(index));
            let Some((rule, prepared)) = at else { continue };
            if !rule.query.matches(&EventDoc { fields, slots: &prepared.slots }) {
                continue;
            }
            let other_index = prepared.other_index(fields, &self.settings.trust);
            let time_ms = match prepared.time_ms(rule, fields) {
                Ok(time_ms) => time_ms,
                Err(_) if other_index.is_some() => 0,
                Err(error) => return bad(writer, place, &event_error_text(&error)),
            };
            count(&mut writer.counts.matched);
            let identity = prepared.identity(fields, time_ms);
            let MatchVerdict { kind, text, terms, more } = match other_index {
                Some(name) => MatchVerdict::without_terms(ItemKind::OtherIndex, name),
                None => {
                    let known = known.as_mut().map(|known| (known, index));
                    self.verdict((prepared, rule), fields, time_ms, *now_ms, known)
                }
            };
            match kind {
                ItemKind::Missing => count(&mut writer.counts.missing),
                ItemKind::Excepted => count(&mut writer.counts.excepted),
                ItemKind::OtherIndex => count(&mut writer.counts.other_index),
                _ => {}
            }
            let rule = u16::try_from(index).unwrap_or(u16::MAX);
            let judged = terms.len();
            keys.clear();
            terms.iter().for_each(|term| term.push_key(&prepared.prefix, keys));
            let length = keys.len().checked_div(judged).unwrap_or(0).max(1);
            let start = prepared.learn.as_ref().filter(|_| kind == ItemKind::Matched);
            let start = start.map(|learn| learn.start(&prepared.prefix, fields));
            let keys = keys.as_bytes().chunks_exact(length);
            let terms = keys.zip(terms.iter().map(|term| &*term.json));
            let mut terms = terms.map(|(key, values)| ItemTerm { key, values });
            let mut started;
            let looked_up: &mut dyn ExactSizeIterator<Item = ItemTerm<'_>> = match &start {
                None => &mut terms,
                Some((key, values)) => {
                    let start = ItemTerm { key: key.as_bytes(), values };
                    started = terms.chain([start]).collect::<Vec<_>>().into_iter();
                    &mut started
                }
            };
            writer.item(kind, rule, pair(place), time_ms, &identity, &text, looked_up);
            if more > 0 {
                let text = format!(
                    "too_many_terms: the event has {}; the first {judged} in byte order are judged, {more} are not",
                    judged.saturating_add(more)
                );
                let (kind, place) = (ItemKind::TooManyTerms, pair(place));
                writer.item(kind, rule, place, time_ms, &identity, &text, [].into_iter());
            }
        }
    }

    /// The first exception of a rule that matches an event of this time.
    pub(crate) fn excepted<'a>(
        &'a self,
        rule: &'a RulePlan,
        prepared: &PreparedRule,
        fields: &EventFields<'_>,
        time_ms: Option<i64>,
    ) -> Option<&'a Exception> {
        let own = rule.exceptions.iter().zip(&prepared.exceptions);
        let added = prepared.added.iter().filter_map(|place| {
            Some((self.settings.exceptions.get(*place)?, self.added.get(*place)?))
        });
        let holds = |(exception, slots): &(&Exception, &Vec<FieldSlot>)| {
            exception.holds_at(time_ms) && exception.query.matches(&EventDoc { fields, slots })
        };
        own.chain(added).find(holds).map(|(exception, _)| exception)
    }

    /// The terms of a match, or why it has none.
    fn verdict(
        &self,
        (prepared, rule): (&PreparedRule, &RulePlan),
        fields: &EventFields<'_>,
        time_ms: i64,
        now_ms: i64,
        known: Option<(&mut TermMemo, usize)>,
    ) -> MatchVerdict {
        let without_terms = MatchVerdict::without_terms;
        if let Some(exception) = self.excepted(rule, prepared, fields, Some(time_ms)) {
            return without_terms(ItemKind::Excepted, exception.name.clone());
        }
        if now_ms != 0 && time_ms > now_ms.saturating_add(self.settings.future_slack_ms) {
            let text = format!(
                "future_event: dated {}, the clock says {}",
                alert::rfc3339(time_ms),
                alert::rfc3339(now_ms)
            );
            return without_terms(ItemKind::Future, text);
        }
        match term::of_event_with(fields, &prepared.terms, self.max_term_bytes, known) {
            Terms::Some(terms, more) => {
                MatchVerdict { kind: ItemKind::Matched, text: String::new(), terms, more }
            }
            Terms::Missing(at) => {
                let name = rule.new_terms.get(at).cloned().unwrap_or_default();
                without_terms(ItemKind::Missing, name)
            }
            Terms::TooLong(bytes) => {
                let text = format!(
                    "too_many_terms: together they hold {bytes} bytes, at most {} are judged",
                    self.max_term_bytes
                );
                without_terms(ItemKind::TooManyTerms, text)
            }
        }
    }
}

/// What becomes of a match.
struct MatchVerdict {
    kind: ItemKind,
    /// Why it has no terms.
    text: String,
    terms: Vec<term::Term>,
    /// How many terms more the event has, which are not judged.
    more: usize,
}

impl MatchVerdict {
    const fn without_terms(kind: ItemKind, text: String) -> Self {
        Self { kind, text, terms: Vec::new(), more: 0 }
    }
}

/// One more.
fn count(sum: &mut u32) {
    *sum = sum.saturating_add(1);
}

/// The search for the rules' literals; none for many of them, where reading an event and looking
/// the rules up costs less than searching its text for each literal. A host searches for them too,
/// in ways that a module cannot.
fn prefilter(plan: &Plan) -> Prefilter {
    let literals: Vec<_> = plan.rules.iter().map(|rule| rule.literals.clone()).collect();
    let prefilter = Prefilter::new(&literals);
    if prefilter.searched() > MAX_SEARCHED { Prefilter::new(&[Vec::new()]) } else { prefilter }
}

fn bad(writer: &mut KeysWriter<'_>, place: (usize, usize), text: &str) {
    count(&mut writer.counts.bad);
    writer.item(ItemKind::Bad, 0, pair(place), 0, &[0; 16], text, [].into_iter());
}

/// Names a document that holds no event, or a text in an event that was not opened.
fn nothing(writer: &mut KeysWriter<'_>, place: (usize, usize), what: &str) {
    writer.item(ItemKind::NoEvents, 0, pair(place), 0, &[0; 16], what, [].into_iter());
}

fn pair((at, len): (usize, usize)) -> (u32, u32) {
    (u32::try_from(at).unwrap_or(u32::MAX), u32::try_from(len).unwrap_or(u32::MAX))
}

//! Step two: `decide`.
//!
//! In: requests with matched events and the prior values of their keys. Out: the writes and the
//! outcomes, in the layout of crate abi. It never calls a store: the caller applies the
//! writes.

use crate::alert::{self, AlertContext, BESIDE_EVENT};
use crate::engine::Engine;
use crate::key::KeyTable;
use crate::learn::LEARN_TTL_MS;
use crate::plan::RulePlan;
use crate::prepared::PreparedRule;
use crate::shorten::{AlertEvent, AlertRoom};
use crate::state::{TermState, TermStateError, Verdict, time_to_live_ms};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_abi::{DecideRequest, Item, Malformed, OutcomeKind, OutcomesWriter, Write};

/// Bytes that are made room for at once.
const MOST_RESERVED: usize = 4 << 20;

impl Engine {
    /// Step two: what the matched events mean, given the prior values of their keys.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not a request for these rules.
    pub fn decide(&self, request: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let request = DecideRequest::read(request)?;
        let malformed = |what| Malformed { what, at: 0 };
        let places = KeyTable::new(request.keys.iter().map(|prior| prior.key));
        let mut states: Vec<PendingState> =
            request.keys.iter().map(|prior| PendingState::new(prior.value)).collect();
        let mut outcomes = OutcomesWriter::default();
        // What alerts hold of their events, and what their rules give them.
        let events = request.items.iter().filter_map(|(_, event)| *event);
        let bytes = |event: &str| event.len().saturating_mul(3).saturating_add(BESIDE_EVENT);
        outcomes.reserve(events.map(bytes).sum::<usize>().min(MOST_RESERVED));
        let mut room = AlertRoom::default();
        for (index, (item, event)) in request.items.iter().enumerate() {
            let rule = self.plan.rules.get(usize::from(item.rule)).ok_or(malformed("rule"))?;
            let prepared = self.prepared.get(usize::from(item.rule)).ok_or(malformed("rule"))?;
            let place = u32::try_from(index).unwrap_or(u32::MAX);
            let trust = &self.settings.trust;
            let mut copied = AlertEvent::new(*event, item.terms().count(), trust, room);
            let until_ms = match item.start() {
                None => Ok(self.settings.learn_until_ms),
                Some(start) => {
                    let at = places.of(start.key).ok_or(malformed("key of a start"))?;
                    let pending = states.get_mut(at).ok_or(malformed("key of a start"))?;
                    self.learned_until(prepared, item, start.values, pending)
                }
            };
            let mut moves = false;
            for (number, term) in (0u16..).zip(item.terms()) {
                let at = places.of(term.key).ok_or(malformed("key of a term"))?;
                let pending = states.get_mut(at).ok_or(malformed("key of a term"))?;
                let out = outcomes.begin(place, number);
                let decided = match &until_ms {
                    Ok(until_ms) => {
                        let term = (term.values, *until_ms);
                        self.decide_term(rule, prepared, item, term, &mut copied, pending, out)
                    }
                    Err(text) => {
                        out.extend_from_slice(text.as_bytes());
                        Some(OutcomeKind::Error)
                    }
                };
                outcomes.end(decided);
                moves |= core::mem::take(&mut pending.moved);
            }
            room = copied.into_room();
            if let Some(start) = item.start().filter(|_| moves)
                && let Some(pending) = places.of(start.key).and_then(|at| states.get_mut(at))
            {
                pending.count(prepared, start.values);
            }
        }
        let mut values = Vec::new();
        for (index, pending) in states.iter().enumerate() {
            if let Some((value, ttl_ms)) = pending.write() {
                values.push((u32::try_from(index).unwrap_or(u32::MAX), value, ttl_ms));
            }
        }
        let writes =
            values.iter().map(|(key, value, ttl_ms)| Write { key: *key, value, ttl_ms: *ttl_ms });
        let writes: Vec<Write<'_>> = writes.collect();
        outcomes.write(&writes, out);
        Ok(())
    }

    /// Until when new terms of an event are learned, by the start that it has or makes. The start is kept
    /// whatever `learn_until` says.
    pub(crate) fn learned_until(
        &self,
        prepared: &PreparedRule,
        item: &Item<'_>,
        shown: &str,
        pending: &mut PendingState,
    ) -> Result<Option<i64>, String> {
        let Some(learn) = &prepared.learn else { return Ok(self.settings.learn_until_ms) };
        let state = pending.state.as_mut().map_err(|fault| format!("bad_state: {fault}"))?;
        let since_ms = self.settings.learn_since_ms;
        let (until_ms, is_new) = learn.until_ms(state, item.time_ms, since_ms);
        if is_new {
            pending.changed = Some((shown.to_owned(), LEARN_TTL_MS));
        }
        Ok(self.settings.learn_until_ms.or(Some(until_ms)))
    }

    /// Takes one term of one event into its state, whose new terms are learned before a time. `None`: it
    /// was seen before. Adds to `out` the alert, or `code: reason`.
    #[allow(clippy::too_many_arguments)] // a term, what it is judged by, and where its text goes
    pub(crate) fn decide_term(
        &self,
        rule: &RulePlan,
        prepared: &PreparedRule,
        item: &Item<'_>,
        (term, until_ms): (&str, Option<i64>),
        copied: &mut AlertEvent<'_>,
        pending: &mut PendingState,
        out: &mut Vec<u8>,
    ) -> Option<OutcomeKind> {
        let mut error = |text: &str| {
            out.extend_from_slice(text.as_bytes());
            Some(OutcomeKind::Error)
        };
        let state = match &mut pending.state {
            Ok(state) => state,
            Err(fault) => return error(&format!("bad_state: {fault}")),
        };
        let (time_ms, identity, window_ms) = (item.time_ms, &item.identity, prepared.window_ms);
        let verdict = state.judge(time_ms, identity, window_ms);
        let (kind, previous_ms) = match verdict {
            Verdict::Seen => {
                if state.take(time_ms, identity, window_ms, verdict) {
                    pending.mark(window_ms, time_ms, term);
                }
                return None;
            }
            Verdict::LateBeyondMemory => {
                return Some(OutcomeKind::LateBeyondMemory);
            }
            Verdict::New { .. }
                if until_ms.is_some_and(|until_ms| time_ms < until_ms)
                    || state.is_approved(time_ms) =>
            {
                state.take(time_ms, identity, window_ms, verdict);
                state.unalert(identity);
                pending.mark(window_ms, time_ms, term);
                return Some(OutcomeKind::Learned);
            }
            Verdict::New { previous_ms } => (OutcomeKind::Alert, previous_ms),
            Verdict::Repeat { previous_ms } => (OutcomeKind::Repeat, previous_ms),
        };
        let document = match copied.document() {
            Some(Ok(document)) => document,
            Some(Err(reason)) => return error(reason),
            None => {
                // As if it had alerted, so that the other items are judged as they will be.
                if state.take(time_ms, identity, window_ms, verdict) {
                    pending.mark(window_ms, time_ms, term);
                }
                return Some(OutcomeKind::NeedsEvent);
            }
        };
        let about = AlertContext {
            rule,
            fingerprint: &prepared.fingerprint,
            window: &prepared.window,
            time_ms,
            identity,
            term,
            previous_ms,
            shortened_from: document.shortened_from,
        };
        let begun = out.len();
        let template = prepared.alert_template(rule);
        let rendered =
            template.and_then(|template| alert::render(document.document, template, &about, out));
        match rendered {
            // The state is kept only with its alert.
            Ok(()) => {
                if state.take(time_ms, identity, window_ms, verdict) {
                    pending.mark(window_ms, time_ms, term);
                }
                Some(kind)
            }
            Err(reason) => {
                out.truncate(begun);
                out.extend_from_slice(format!("alert: {reason}").as_bytes());
                Some(OutcomeKind::Error)
            }
        }
    }
}

/// A key's state while a batch is decided.
#[derive(Debug)]
pub(crate) struct PendingState {
    state: Result<TermState, TermStateError>,
    changed: Option<(String, i64)>,
    /// The event at hand told it something.
    moved: bool,
}

impl PendingState {
    pub(crate) fn new(value: Option<&[u8]>) -> Self {
        let state = value.map_or_else(|| Ok(TermState::default()), TermState::read);
        Self { state, changed: None, moved: false }
    }

    /// The state changed: it is to be written.
    fn mark(&mut self, window_ms: i64, time_ms: i64, term: &str) {
        self.moved = true;
        if self.changed.is_none() {
            let mut ttl_ms = time_to_live_ms(window_ms);
            if let Ok(state) = &self.state {
                ttl_ms = ttl_ms.max(state.approved_for_ms(time_ms));
            }
            self.changed = Some((term.to_owned(), ttl_ms));
        }
    }

    /// Counts an event that told the state something, of a start of learning. The same event again tells it
    /// nothing, and is not counted again.
    pub(crate) fn count(&mut self, prepared: &PreparedRule, shown: &str) {
        let most = prepared.learn.as_ref().map_or(0, |learn| learn.events);
        if self.state.as_mut().is_ok_and(|state| state.count(most)) {
            self.changed = Some((shown.to_owned(), LEARN_TTL_MS));
        }
    }

    /// The new value and its time to live, if it changed.
    pub(crate) fn write(&self) -> Option<(Vec<u8>, i64)> {
        let (Ok(state), Some((term, ttl_ms))) = (&self.state, &self.changed) else { return None };
        Some((state.write(term), *ttl_ms))
    }
}

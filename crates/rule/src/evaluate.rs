//! Both steps as one, over a store that the host provides: one event in, one outcome out.
//!
//! In: an event's text, the host's clock, a store with get and compare-and-set. Out: one JSON
//! object. Each term is independent: its write is done before its outcome counts, and after a lost
//! race it is read and decided again, at most 16 times.

use crate::decide::PendingState;
use crate::engine::{Engine, Framing};
use crate::shorten::{AlertEvent, AlertRoom};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_abi::kv::{Cas, Kv, KvError};
use firstseen_abi::{Item, ItemKind, Keys, OutcomeKind};
use firstseen_event::TEXT_NOT_OPENED;
use firstseen_value::quoted;

/// How often a lost race is tried.
const MAX_TRIES: u8 = 16;

/// The result for one event. If it has an error, the other results still happened, and passing the
/// event in again only repeats its alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// Rules that it matched.
    pub matched: u32,
    /// Alerts, each a JSON document.
    pub alerts: Vec<String>,
    /// Alerts that the same event gave before, the same bytes.
    pub repeats: Vec<String>,
    /// Terms that were seen within the window.
    pub seen: u32,
    /// Terms that were learned without an alert.
    pub learned: u32,
    /// Terms of an event that is older than what the state remembers.
    pub late: u32,
    /// Rules under which an exception excluded it.
    pub excepted: u32,
    /// Rules whose index patterns do not cover the index that it names.
    pub other_index: u32,
    /// New-terms fields that it does not have.
    pub missing: Vec<String>,
    /// What the text is, if it holds no event at all.
    pub no_events: Option<String>,
    /// The entry of `trust_envelopes` that would have opened a text in it.
    pub not_opened: Option<String>,
    /// `code: reason`, if something could not be decided.
    pub error: Option<String>,
}

/// An alert on its way out: a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alert {
    /// Of a term that was new.
    New(String),
    /// That the same event gave before.
    Repeat(String),
}

impl Engine {
    /// One event in, one outcome out, as [`Evaluation::json`] writes it.
    pub fn evaluate(&mut self, event: &[u8], now_ms: i64, kv: &mut dyn Kv) -> String {
        self.judge(event, now_ms, kv).json()
    }

    /// One event in, one outcome out. `now_ms` is a clock that can be trusted, or 0.
    pub fn judge(&mut self, event: &[u8], now_ms: i64, kv: &mut dyn Kv) -> Evaluation {
        self.collect(event, now_ms, None, kv)
    }

    /// As [`Engine::judge`], for the term of one state key only; the store is asked for no other key.
    /// Alerts have the same bytes and ids. Results of [`Engine::keys`] that have no key (such as an
    /// event that cannot be read) are not repeated.
    pub fn judge_key(
        &mut self,
        event: &[u8],
        now_ms: i64,
        key: &[u8],
        kv: &mut dyn Kv,
    ) -> Evaluation {
        self.collect(event, now_ms, Some(key), kv)
    }

    fn collect(
        &mut self,
        event: &[u8],
        now_ms: i64,
        only: Option<&[u8]>,
        kv: &mut dyn Kv,
    ) -> Evaluation {
        let (mut alerts, mut repeats) = (Vec::new(), Vec::new());
        let outcome = self.judge_terms(event, now_ms, only, kv, &mut |alert| match alert {
            Alert::New(text) => alerts.push(text),
            Alert::Repeat(text) => repeats.push(text),
        });
        Evaluation { alerts, repeats, ..outcome }
    }

    /// As [`Engine::judge`], for hosts with little memory: each alert is passed to `give` as soon as
    /// its write is done, and is not in the result. An event has up to 256 of them.
    pub fn judge_each(
        &mut self,
        event: &[u8],
        now_ms: i64,
        kv: &mut dyn Kv,
        give: &mut dyn FnMut(Alert),
    ) -> Evaluation {
        self.judge_terms(event, now_ms, None, kv, give)
    }

    fn judge_terms(
        &mut self,
        event: &[u8],
        now_ms: i64,
        only: Option<&[u8]>,
        kv: &mut dyn Kv,
        give: &mut dyn FnMut(Alert),
    ) -> Evaluation {
        let mut out = Vec::new();
        let mut outcome = Evaluation::default();
        if let Err(fault) = self.keys(event, Framing::One, now_ms, &mut out) {
            outcome.error = Some(format!("bad_argument: {fault}"));
            return outcome;
        }
        if let Ok(keys) = Keys::read(&out) {
            outcome.matched = keys.counts.matched;
            for item in keys.items().flatten() {
                if only.is_none() || item.kind == ItemKind::Matched {
                    self.judge_item(&item, event, only, kv, &mut outcome, give);
                }
            }
        }
        outcome
    }

    fn judge_item(
        &self,
        item: &Item<'_>,
        event: &[u8],
        only: Option<&[u8]>,
        kv: &mut dyn Kv,
        outcome: &mut Evaluation,
        give: &mut dyn FnMut(Alert),
    ) {
        match item.kind {
            ItemKind::Matched => {}
            ItemKind::Missing => return outcome.missing.push(item.text.to_owned()),
            ItemKind::Excepted => {
                outcome.excepted = outcome.excepted.saturating_add(1);
                return;
            }
            ItemKind::OtherIndex => {
                outcome.other_index = outcome.other_index.saturating_add(1);
                return;
            }
            ItemKind::NoEvents => {
                match item.text.strip_prefix(TEXT_NOT_OPENED) {
                    Some(entry) => outcome.not_opened = Some(entry.to_owned()),
                    None => outcome.no_events = Some(item.text.to_owned()),
                }
                return;
            }
            ItemKind::Bad | ItemKind::Future | ItemKind::TooManyTerms => {
                outcome.error.get_or_insert_with(|| item.text.to_owned());
                return;
            }
        }
        let until_ms = match self.settle_start(item, kv, false) {
            Ok(until_ms) => until_ms,
            Err(text) => {
                outcome.error.get_or_insert(text);
                return;
            }
        };
        let event = core::str::from_utf8(event).unwrap_or_default();
        let trust = &self.settings.trust;
        let room = AlertRoom::default();
        let mut copied = AlertEvent::new(Some(event), item.terms().count(), trust, room);
        let mut moves = false;
        for term in item.terms().filter(|term| only.is_none_or(|key| key == term.key)) {
            let decided =
                self.settle(item, term.key, (term.values, until_ms), &mut copied, kv, &mut moves);
            match decided {
                Ok(None) => outcome.seen = outcome.seen.saturating_add(1),
                Ok(Some((OutcomeKind::Alert, text))) => give(Alert::New(text)),
                Ok(Some((OutcomeKind::Repeat, text))) => give(Alert::Repeat(text)),
                Ok(Some((OutcomeKind::Learned, _))) => {
                    outcome.learned = outcome.learned.saturating_add(1);
                }
                Ok(Some((OutcomeKind::LateBeyondMemory, _))) => {
                    outcome.late = outcome.late.saturating_add(1);
                }
                Ok(Some((OutcomeKind::Error | OutcomeKind::NeedsEvent, text))) => {
                    outcome.error.get_or_insert(text);
                }
                Err(text) => {
                    outcome.error.get_or_insert_with(|| text.to_owned());
                }
            }
        }
        if moves && let Err(text) = self.settle_start(item, kv, true) {
            outcome.error.get_or_insert(text);
        }
    }

    /// Until when new terms of an event are learned, by the store, which keeps the start. Where the store
    /// has no room for one more, the event is not learned: an alert too many is better than none. With
    /// `counts` its terms are written, and it is counted.
    fn settle_start(
        &self,
        item: &Item<'_>,
        kv: &mut dyn Kv,
        counts: bool,
    ) -> Result<Option<i64>, String> {
        let known = self.settings.learn_until_ms;
        let Some(start) = item.start() else { return Ok(known) };
        let prepared = self.prepared.get(usize::from(item.rule)).ok_or("bad_plan: no such rule")?;
        if counts && prepared.learn.as_ref().is_none_or(|learn| learn.events == 0) {
            return Ok(known);
        }
        let mut prior = kv.get(start.key).map_err(refusal)?;
        for _ in 0..MAX_TRIES {
            let mut pending = PendingState::new(prior.as_deref());
            let until_ms = self.learned_until(prepared, item, start.values, &mut pending)?;
            if counts {
                pending.count(prepared, start.values);
            }
            let Some((value, ttl_ms)) = pending.write() else { return Ok(until_ms) };
            match kv.cas(start.key, prior.as_deref(), &value, ttl_ms) {
                Ok(Cas::Done) => return Ok(until_ms),
                Ok(Cas::Conflict(current)) => prior = current,
                Err(KvError::Refused) => return Ok(known),
                Err(error) => return Err(refusal(error).to_owned()),
            }
        }
        Err(CONFLICT.to_owned())
    }

    /// Decides one term against the store, until a write succeeds.
    fn settle(
        &self,
        item: &Item<'_>,
        key: &[u8],
        term: (&str, Option<i64>),
        copied: &mut AlertEvent<'_>,
        kv: &mut dyn Kv,
        moves: &mut bool,
    ) -> Result<Option<(OutcomeKind, String)>, &'static str> {
        let index = usize::from(item.rule);
        let (Some(rule), Some(prepared)) = (self.plan.rules.get(index), self.prepared.get(index))
        else {
            return Err("bad_plan: no such rule");
        };
        let mut prior = kv.get(key).map_err(refusal)?;
        for _ in 0..MAX_TRIES {
            let mut pending = PendingState::new(prior.as_deref());
            let mut out = Vec::new();
            let decided =
                self.decide_term(rule, prepared, item, term, copied, &mut pending, &mut out);
            // A copy, and a check by vector instructions, cost less than the standard library's check.
            let decided = match (decided, firstseen_event::utf8(&out)) {
                (None, _) => None,
                (Some(kind), Ok(text)) => Some((kind, text.to_owned())),
                // Its term is not written.
                (Some(_), Err(_)) => {
                    let text = "alert: a text is not UTF-8".to_owned();
                    return Ok(Some((OutcomeKind::Error, text)));
                }
            };
            let Some((value, ttl_ms)) = pending.write() else { return Ok(decided) };
            match kv.cas(key, prior.as_deref(), &value, ttl_ms).map_err(refusal)? {
                Cas::Done => {
                    *moves = true;
                    return Ok(decided);
                }
                Cas::Conflict(current) => prior = current,
            }
        }
        Err(CONFLICT)
    }
}

const CONFLICT: &str = "conflict: other writers were faster 16 times; pass the event in again";

const fn refusal(error: KvError) -> &'static str {
    match error {
        KvError::Away => "store_away: the store cannot be reached; pass the event in again",
        KvError::Refused => "store_refused: the host refused the state key",
    }
}

impl Evaluation {
    /// `{"matched", "alerts": [], "repeats": [], "seen", "learned", "late", "excepted",
    /// "missing": [], "other_index"?, "no_events"?, "not_opened"?, "error"?: {"code", "reason"}}`; counts are of terms, `matched`
    /// of rules.
    #[must_use]
    pub fn json(&self) -> String {
        let mut out = format!("{{\"matched\":{},\"alerts\":[", self.matched);
        out.push_str(&self.alerts.join(","));
        out.push_str("],\"repeats\":[");
        out.push_str(&self.repeats.join(","));
        out.push_str(&format!(
            "],\"seen\":{},\"learned\":{},\"late\":{},\"excepted\":{},\"missing\":[{}]",
            self.seen,
            self.learned,
            self.late,
            self.excepted,
            self.missing.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",")
        ));
        if self.other_index > 0 {
            out.push_str(&format!(",\"other_index\":{}", self.other_index));
        }
        if let Some(what) = &self.no_events {
            out.push_str(&format!(",\"no_events\":{}", quoted(what)));
        }
        if let Some(entry) = &self.not_opened {
            out.push_str(&format!(",\"not_opened\":{}", quoted(entry)));
        }
        if let Some(error) = self.error_json() {
            out.push_str(",\"error\":");
            out.push_str(&error);
        }
        out.push('}');
        out
    }

    /// The error as `{"code", "reason"}`.
    #[must_use]
    pub fn error_json(&self) -> Option<String> {
        self.error.as_deref().map(error_json)
    }
}

/// `code: reason` as `{"code", "reason"}`.
#[must_use]
pub fn error_json(error: &str) -> String {
    let (code, reason) = error.split_once(": ").unwrap_or(("error", error));
    format!("{{\"code\":{},\"reason\":{}}}", quoted(code), quoted(reason))
}

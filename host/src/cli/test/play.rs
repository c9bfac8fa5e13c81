//! One case on the artifact itself: a state, then event after event, both ways of the contract.
//!
//! In: a rule's module and a case. Out: what became of each event, and the state that is left.
//! Every event goes through `keys` and `decide`, which is how `run` works, and through `evaluate`
//! over a state of its own; where the two do not agree, the case says so.

use super::both::{Second, Tally};
use super::file::{Before, Case, Event, Outcome, Source};
use super::subject::Subject;
use crate::pipeline::decide::{Writing, run_round};
use crate::pipeline::text::RereadTexts;
use crate::source::ReadOptions;
use crate::state::{Memory, StateStore};
use anyhow::{Context, anyhow, bail};
use firstseen_abi::{Item, ItemKind, OutcomeKind};
use firstseen_envelope::{Place, Sink, SplitFault, SplitOptions, Splitter};
use firstseen_rule::state::{TermState, time_to_live_ms};
use firstseen_rule::term::{Term, TermKind};
use firstseen_runtime::{Guest, Runtime};
use firstseen_session::{
    CallError, EventAt, EventBatch, EventText, ItemVisitor, Match, Round, RuleRef, Rules,
};
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::Path;

/// The tenant of every test.
const TENANT: &str = "default";

/// What became of one event.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// One for each term, or one where the event has none to judge; for the rule under test.
    pub(super) got: Vec<Got>,
    /// Why, as `explain` says it.
    pub(super) why: Value,
    /// The event's time, where it has one.
    pub(super) time_ms: Option<i64>,
    /// Where `evaluate` says something else than `keys` and `decide`.
    pub(super) disagreement: Option<String>,
}

/// What became of one term.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) outcome: Outcome,
    /// The values, as a JSON list; null where there is no term.
    pub(super) terms: Value,
    /// The alert, or null.
    pub(super) alert: Value,
    /// The error, the missing field, the exception's name.
    pub(super) text: String,
    /// The last sighting that was known before this event.
    pub(super) last_ms: Option<i64>,
}

impl Got {
    fn word(outcome: Outcome, text: &str) -> Self {
        let (terms, alert) = (Value::Null, Value::Null);
        Self { outcome, terms, alert, text: text.to_owned(), last_ms: None }
    }
}

/// A case being played.
pub(super) struct Player<'s> {
    subject: &'s Subject,
    guest: Guest,
    store: Memory,
    /// The same rule, asked the other way.
    second: Second,
    now_ms: i64,
    newest_ms: i64,
}

impl<'s> Player<'s> {
    /// Sets the state of a case up.
    ///
    /// # Errors
    /// The first term of the state that is none of this rule's, or why the guest does not start;
    /// with its line.
    pub(super) fn new(
        runtime: &Runtime,
        subject: &'s Subject,
        case: &Case,
    ) -> Result<Self, (usize, anyhow::Error)> {
        let here = |error| (case.line, error);
        let start = || {
            Guest::new(runtime, &subject.artifact, TENANT, case.settings.as_deref().map(Into::into))
        };
        let mut player = Self {
            subject,
            guest: start().map_err(here)?,
            store: Memory::default(),
            second: Second::new(start().map_err(here)?),
            now_ms: case.now_ms,
            newest_ms: i64::MIN,
        };
        for before in &case.before {
            player.before(before).map_err(|error| (before.line, error))?;
        }
        Ok(player)
    }

    /// Puts a term into both states.
    fn before(&mut self, before: &Before) -> anyhow::Result<()> {
        let (key, term) = self.key(&before.terms)?;
        let state = TermState::seen(before.first_ms, before.last_ms);
        let value = state.context("`last` is before `first`")?.write(&term.json);
        let ttl_ms = time_to_live_ms(self.subject.meta.window_ms);
        let expires = before.last_ms.saturating_add(ttl_ms);
        self.store.put(&key, &value, expires);
        self.second.put(&key, &value, expires);
        Ok(())
    }

    /// What is known of a term now.
    pub(super) fn known(&mut self, values: &[Value]) -> anyhow::Result<Option<TermState>> {
        let (key, _) = self.key(values)?;
        let value = self.store.get(&key);
        value.map(|value| TermState::read(value).map_err(|e| anyhow!(e))).transpose()
    }

    /// The state key of these values.
    fn key(&self, values: &[Value]) -> anyhow::Result<(Vec<u8>, Term)> {
        let meta = &self.subject.meta;
        if values.len() != meta.new_terms.len() {
            let fields = meta.new_terms.join(", ");
            bail!("a term of this rule has {} values: {fields}", meta.new_terms.len());
        }
        let texts: Vec<String> = values.iter().map(plain).collect();
        let kinds = meta.new_terms.iter().map(|name| TermKind::of(name));
        let term = Term::of_values(kinds.zip(texts.iter().map(String::as_str)));
        let key = term.key(&format!("{TENANT}:{}", meta.key_prefix));
        Ok((key.into_bytes(), term))
    }

    /// Plays an event, or the events of a file, in order.
    pub(super) fn play(&mut self, event: &Event, folder: &Path) -> anyhow::Result<Vec<Played>> {
        let mut texts = Texts(Vec::new());
        match &event.source {
            Source::Made(text) => texts.0.push(Piece::Event(text.clone().into_bytes())),
            Source::Text(text) => {
                let mut splitter = Splitter::new(SplitOptions { max_event: MAX_EVENT });
                // `Texts` never breaks off.
                let _ = splitter.push(text.as_bytes(), &mut texts);
                let _ = splitter.finish(&mut texts);
            }
            Source::File(path) => {
                let path = folder.join(path);
                let found = crate::source::find(&[path])?;
                let options = ReadOptions { max_event: MAX_EVENT };
                for input in &found.inputs {
                    input.read(options, &mut texts)?;
                }
            }
        }
        if texts.0.is_empty() {
            texts.0.push(Piece::NoEvents("nothing"));
        }
        texts.0.into_iter().map(|piece| self.piece(piece)).collect()
    }

    fn piece(&mut self, piece: Piece) -> anyhow::Result<Played> {
        let text = match piece {
            Piece::Event(text) => text,
            Piece::Bad(reason) => {
                let got = vec![Got::word(Outcome::Bad, &reason)];
                return Ok(Played { got, ..Played::default() });
            }
            Piece::NoEvents(what) => {
                let got = vec![Got::word(Outcome::NoEvents, what)];
                return Ok(Played { got, ..Played::default() });
            }
        };
        let why = self.why(&text)?;
        let mut batch = EventBatch::default();
        batch.push(&text);
        let mut found = Found::default();
        let counts = batch.keys(&mut self.guest, self.now_ms, &mut found);
        if let Some(error) = found.failed {
            bail!("{error}");
        }
        let time_ms = found.items.iter().map(|item| item.time_ms).find(|ms| *ms != 0);
        self.newest_ms = self.newest_ms.max(time_ms.unwrap_or(i64::MIN));
        self.store.advance(self.newest_ms);
        self.second.advance(self.newest_ms);
        let mut tally = Tally::of(counts.matched);
        let mut got = Vec::new();
        for item in found.items {
            let of_item = self.item(&item, &text)?;
            tally.add(&of_item);
            tally.keys.extend(item.terms.iter().map(|(key, _)| key.clone()));
            // A bad event is bad for every rule.
            if usize::from(item.rule) == self.subject.index || item.kind == ItemKind::Bad {
                got.extend(of_item);
            }
        }
        if got.is_empty() {
            got.push(Got::word(Outcome::NoMatch, ""));
        }
        let disagreement = self.second.compare(&text, self.now_ms, &tally, &self.store)?;
        let time_ms = time_ms.or_else(|| {
            why.get("time").and_then(Value::as_str).and_then(firstseen_value::parse_time_ms)
        });
        Ok(Played { got, why, time_ms, disagreement })
    }

    /// One item of `keys`, decided and its writes applied.
    fn item(&mut self, item: &FoundItem, text: &[u8]) -> anyhow::Result<Vec<Got>> {
        let alone = |outcome| Ok(vec![Got::word(outcome, &item.text)]);
        match item.kind {
            ItemKind::Matched => {}
            ItemKind::Missing => return alone(Outcome::Missing),
            ItemKind::Bad => return alone(Outcome::Bad),
            ItemKind::Excepted => return alone(Outcome::Excepted),
            ItemKind::NoEvents => return alone(Outcome::NoEvents),
            ItemKind::Future => return alone(Outcome::Future),
            ItemKind::TooManyTerms => return alone(Outcome::TooManyTerms),
        }
        let mut last = Vec::new();
        for (key, _) in &item.terms {
            let state = self.store.get(key).and_then(|value| TermState::read(value).ok());
            last.push(state.and_then(|s| s.episodes().iter().map(|e| e.last_ms).max()));
        }
        let mut round = Round::new(vec![Match {
            rule: RuleRef { artifact: 0, rule: item.rule },
            time_ms: item.time_ms,
            identity: item.identity,
            at: EventAt::default(),
            item: item.raw.clone(),
            text: EventText::Carried(text.to_vec()),
        }]);
        let (rules, store) = (&mut self.guest, &mut self.store);
        let mut texts = RereadTexts::default();
        run_round(&mut round, rules, store, &mut texts, self.newest_ms, Writing::Apply)??;
        let outcomes = round.finish().outcomes;
        let mut got = Vec::new();
        for ((at, (_, values)), last_ms) in (0u16..).zip(&item.terms).zip(last) {
            let outcome = outcomes.iter().find(|o| o.term.is_none_or(|term| term == at));
            let (outcome, told) = match outcome.map(|o| (o.kind, o.text.as_str())) {
                None => (Outcome::Seen, ""),
                Some((OutcomeKind::Alert, text)) => (Outcome::Alert, text),
                Some((OutcomeKind::Repeat, text)) => (Outcome::Repeat, text),
                Some((OutcomeKind::Learned, text)) => (Outcome::Learned, text),
                Some((OutcomeKind::LateBeyondMemory, text)) => (Outcome::Late, text),
                Some((OutcomeKind::Error | OutcomeKind::NeedsEvent, text)) => {
                    (Outcome::Error, text)
                }
            };
            let terms = serde_json::from_str(values).context("the rule's term is no JSON")?;
            let alert = match outcome {
                Outcome::Alert | Outcome::Repeat => {
                    serde_json::from_str(told).context("the rule's alert is no JSON")?
                }
                _ => Value::Null,
            };
            let text = if alert.is_null() { told.to_owned() } else { String::new() };
            got.push(Got { outcome, terms, alert, text, last_ms });
        }
        Ok(got)
    }

    fn why(&mut self, text: &[u8]) -> anyhow::Result<Value> {
        let said: Value = serde_json::from_slice(&self.guest.explain(text)?)
            .context("what the rule explains is no JSON")?;
        Ok(said.pointer(&format!("/rules/{}", self.subject.index)).cloned().unwrap_or(said))
    }
}

/// Events that are larger have no place in a test.
const MAX_EVENT: usize = 16 << 20;

/// A value of a term as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What came out of an input, in its order.
struct Texts(Vec<Piece>);

enum Piece {
    Event(Vec<u8>),
    NoEvents(&'static str),
    Bad(String),
}

impl Sink for Texts {
    fn lines(&mut self, _: Place, chunk: &[u8]) -> ControlFlow<()> {
        let lines = chunk.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
        let events = lines.filter(|line| !line.is_empty());
        self.0.extend(events.map(|line| Piece::Event(line.to_vec())));
        ControlFlow::Continue(())
    }

    fn event(&mut self, _: Place, text: &[u8]) -> ControlFlow<()> {
        self.0.push(Piece::Event(text.to_vec()));
        ControlFlow::Continue(())
    }

    fn no_events(&mut self, _: Place, what: &'static str) -> ControlFlow<()> {
        self.0.push(Piece::NoEvents(what));
        ControlFlow::Continue(())
    }

    fn bad(&mut self, place: Place, fault: SplitFault, _: &[u8]) -> ControlFlow<()> {
        let SplitFault { code, reason } = fault;
        self.0.push(Piece::Bad(format!("{code}: {reason} (line {})", place.line)));
        ControlFlow::Continue(())
    }
}

/// What `keys` found in one event.
#[derive(Default)]
struct Found {
    items: Vec<FoundItem>,
    failed: Option<String>,
}

/// An item, kept after the call that gave it.
struct FoundItem {
    kind: ItemKind,
    rule: u16,
    time_ms: i64,
    identity: [u8; 16],
    text: String,
    raw: Vec<u8>,
    /// Each term's state key and its values.
    terms: Vec<(Vec<u8>, String)>,
}

impl ItemVisitor for Found {
    fn item(&mut self, _: usize, item: &Item<'_>) {
        self.items.push(FoundItem {
            kind: item.kind,
            rule: item.rule,
            time_ms: item.time_ms,
            identity: item.identity,
            text: item.text.to_owned(),
            raw: item.raw.to_vec(),
            terms: item.terms().map(|t| (t.key.to_vec(), t.values.to_owned())).collect(),
        });
    }

    fn failed(&mut self, _: usize, error: &CallError) {
        self.failed = Some(error.to_string());
    }
}

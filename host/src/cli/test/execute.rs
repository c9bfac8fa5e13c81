//! One case on the artifact itself: a state, then event after event, both ways of the contract.
//!
//! In: a rule's module and a case. Out: what became of each event, and the state that is left.
//! Every event goes through `keys` and `decide`, which is how `run` works, and through `evaluate`
//! over a state of its own; where the two do not agree, the case says so.

use super::cross_check::{CrossCheck, ExpectedAnswer};
use super::file::{CaseSpec, EventInput, EventSpec, KnownTerm, TestOutcome};
use super::subject::Subject;
use crate::pipeline::decide::run_round;
use crate::pipeline::text::RereadTexts;
use crate::source::ReadLimits;
use crate::state::{Memory, StateStore};
use anyhow::{Context, anyhow, bail};
use firstseen_abi::{Item, ItemKind, OutcomeKind};
use firstseen_envelope::{EventSink, Place, SplitFault, SplitOptions, Splitter, line_events};
use firstseen_event::TEXT_NOT_OPENED;
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
pub(super) struct EventResult {
    /// One for each term, or one where the event has none to judge; for the rule under test.
    pub(super) got: Vec<TermResult>,
    /// Why, as `explain` says it.
    pub(super) why: Value,
    /// The event's time, where it has one.
    pub(super) time_ms: Option<i64>,
    /// Where `evaluate` says something else than `keys` and `decide`.
    pub(super) disagreement: Option<String>,
}

/// What became of one term.
#[derive(Debug, Clone)]
pub(super) struct TermResult {
    pub(super) outcome: TestOutcome,
    /// The values, as a JSON list; null where there is no term.
    pub(super) terms: Value,
    /// The alert, or null.
    pub(super) alert: Value,
    /// The error, the missing field, the exception's name.
    pub(super) text: String,
    /// The last sighting that was known before this event.
    pub(super) last_ms: Option<i64>,
}

impl TermResult {
    fn word(outcome: TestOutcome, text: &str) -> Self {
        let (terms, alert) = (Value::Null, Value::Null);
        Self { outcome, terms, alert, text: text.to_owned(), last_ms: None }
    }
}

/// A case being executed.
pub(super) struct CaseExecutor<'s> {
    subject: &'s Subject,
    guest: Guest,
    store: Memory,
    /// The same rule, asked the other way.
    cross_check: CrossCheck,
    now_ms: i64,
    newest_ms: i64,
}

/// The settings under which a rule that learns does not: a case is about what it alerts on.
fn without_learning(meta: &firstseen_artifact::RuleMeta, settings: Option<&str>) -> Option<String> {
    let mut document: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(settings.unwrap_or("{}")).ok()?;
    let mut off = |name: &str, value: serde_json::Value| {
        document.entry(name).or_insert(value);
    };
    match (meta.learn_for_ms, meta.learn_events) {
        (0, 0) => return None,
        (_, 0) => off("learn_for", "0".into()),
        (0, _) => off("learn_events", 0.into()),
        _ => {
            off("learn_for", "0".into());
            off("learn_events", 0.into());
        }
    }
    Some(serde_json::Value::Object(document).to_string())
}

impl<'s> CaseExecutor<'s> {
    /// Sets the state of a case up.
    ///
    /// # Errors
    /// The first term of the state that is none of this rule's, or why the guest does not start;
    /// with its line.
    pub(super) fn new(
        runtime: &Runtime,
        subject: &'s Subject,
        case: &CaseSpec,
    ) -> Result<Self, (usize, anyhow::Error)> {
        let here = |error| (case.line, error);
        let settings = without_learning(&subject.meta, case.settings.as_deref());
        let settings = settings.as_deref().or(case.settings.as_deref());
        let start = || Guest::new(runtime, &subject.artifact, TENANT, settings.map(Into::into));
        let mut executor = Self {
            subject,
            guest: start().map_err(here)?,
            store: Memory::default(),
            cross_check: CrossCheck::new(start().map_err(here)?),
            now_ms: case.now_ms,
            newest_ms: i64::MIN,
        };
        for before in &case.before {
            executor.before(before).map_err(|error| (before.line, error))?;
        }
        Ok(executor)
    }

    /// Puts a term into both states.
    fn before(&mut self, before: &KnownTerm) -> anyhow::Result<()> {
        let (key, term) = self.key(&before.terms)?;
        let state = TermState::seen(before.first_ms, before.last_ms);
        let value = state.context("`last` is before `first`")?.write(&term.json);
        let ttl_ms = time_to_live_ms(self.subject.meta.window_ms);
        let expires = before.last_ms.saturating_add(ttl_ms);
        self.store.put(&key, &value, expires);
        self.cross_check.put(&key, &value, expires);
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

    /// Executes an event, or the events of a file, in order.
    pub(super) fn execute(
        &mut self,
        event: &EventSpec,
        folder: &Path,
    ) -> anyhow::Result<Vec<EventResult>> {
        let mut texts = InputPieces(Vec::new());
        match &event.source {
            EventInput::Made(text) => texts.0.push(InputPiece::Event(text.clone().into_bytes())),
            EventInput::Text(text) => {
                let mut splitter = Splitter::new(SplitOptions { max_event: MAX_EVENT });
                // `InputPieces` never breaks off.
                let _ = splitter.push(text.as_bytes(), &mut texts);
                let _ = splitter.finish(&mut texts);
            }
            EventInput::File(path) => {
                let path = folder.join(path);
                let found = crate::source::find(&[path])?;
                let options = ReadLimits { max_event: MAX_EVENT, ..ReadLimits::default() };
                for input in &found.inputs {
                    input.read(options.clone(), &mut texts)?;
                }
            }
        }
        if texts.0.is_empty() {
            texts.0.push(InputPiece::NoEvents("nothing".to_owned()));
        }
        texts.0.into_iter().map(|piece| self.piece(piece)).collect()
    }

    fn piece(&mut self, piece: InputPiece) -> anyhow::Result<EventResult> {
        let text = match piece {
            InputPiece::Event(text) => text,
            InputPiece::Bad(reason) => {
                let got = vec![TermResult::word(TestOutcome::Bad, &reason)];
                return Ok(EventResult { got, ..EventResult::default() });
            }
            InputPiece::NoEvents(what) => {
                let got = vec![TermResult::word(TestOutcome::NoEvents, &what)];
                return Ok(EventResult { got, ..EventResult::default() });
            }
        };
        let why = self.why(&text)?;
        let mut batch = EventBatch::default();
        batch.push(&text);
        let mut found = FoundItems::default();
        let counts = batch.keys(&mut self.guest, self.now_ms, &mut found);
        if let Some(error) = found.failed {
            bail!("{error}");
        }
        let time_ms = found.items.iter().map(|item| item.time_ms).find(|ms| *ms != 0);
        self.newest_ms = self.newest_ms.max(time_ms.unwrap_or(i64::MIN));
        self.store.advance(0, self.newest_ms);
        self.cross_check.advance(self.newest_ms);
        let mut expected = ExpectedAnswer::of(counts.matched);
        let mut got = Vec::new();
        // A text in an event that was not opened is no answer about the event.
        let is_answer = |item: &TestItem| {
            item.kind != ItemKind::NoEvents || !item.text.starts_with(TEXT_NOT_OPENED)
        };
        for item in found.items.into_iter().filter(is_answer) {
            let of_item = self.item(&item, &text)?;
            expected.add(&of_item);
            expected.keys.extend(item.terms.iter().map(|(key, _)| key.clone()));
            // A bad event is bad for every rule.
            if usize::from(item.rule) == self.subject.index || item.kind == ItemKind::Bad {
                got.extend(of_item);
            }
        }
        if got.is_empty() {
            got.push(TermResult::word(TestOutcome::NoMatch, ""));
        }
        let disagreement = self.cross_check.compare(&text, self.now_ms, &expected, &self.store)?;
        let time_ms = time_ms.or_else(|| {
            why.get("time").and_then(Value::as_str).and_then(firstseen_value::parse_time_ms)
        });
        Ok(EventResult { got, why, time_ms, disagreement })
    }

    /// One item of `keys`, decided and its writes applied.
    fn item(&mut self, item: &TestItem, text: &[u8]) -> anyhow::Result<Vec<TermResult>> {
        let alone = |outcome| Ok(vec![TermResult::word(outcome, &item.text)]);
        match item.kind {
            ItemKind::Matched => {}
            ItemKind::Missing => return alone(TestOutcome::Missing),
            ItemKind::Bad => return alone(TestOutcome::Bad),
            ItemKind::Excepted => return alone(TestOutcome::Excepted),
            ItemKind::OtherIndex => return alone(TestOutcome::OtherIndex),
            ItemKind::NoEvents => return alone(TestOutcome::NoEvents),
            ItemKind::Future => return alone(TestOutcome::Future),
            ItemKind::TooManyTerms => return alone(TestOutcome::TooManyTerms),
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
        let texts = RereadTexts::default();
        run_round(&mut round, rules, store, &texts, self.newest_ms)??;
        let outcomes = round.finish().outcomes;
        let mut got = Vec::new();
        for ((at, (_, values)), last_ms) in (0u16..).zip(&item.terms).zip(last) {
            let outcome = outcomes.iter().find(|o| o.term.is_none_or(|term| term == at));
            let (outcome, message) = match outcome.map(|o| (o.kind, o.text.as_str())) {
                None => (TestOutcome::Seen, ""),
                Some((OutcomeKind::Alert, text)) => (TestOutcome::Alert, text),
                Some((OutcomeKind::Repeat, text)) => (TestOutcome::Repeat, text),
                Some((OutcomeKind::Learned, text)) => (TestOutcome::Learned, text),
                Some((OutcomeKind::LateBeyondMemory, text)) => (TestOutcome::Late, text),
                Some((OutcomeKind::Error | OutcomeKind::NeedsEvent, text)) => {
                    (TestOutcome::Error, text)
                }
            };
            let terms = serde_json::from_str(values).context("the rule's term is no JSON")?;
            let alert = match outcome {
                TestOutcome::Alert | TestOutcome::Repeat => {
                    serde_json::from_str(message).context("the rule's alert is no JSON")?
                }
                _ => Value::Null,
            };
            let text = if alert.is_null() { message.to_owned() } else { String::new() };
            got.push(TermResult { outcome, terms, alert, text, last_ms });
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

/// The pieces of an input, in order.
struct InputPieces(Vec<InputPiece>);

enum InputPiece {
    Event(Vec<u8>),
    NoEvents(String),
    Bad(String),
}

impl EventSink for InputPieces {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        let events = line_events(place, chunk);
        self.0.extend(events.map(|(_, event)| InputPiece::Event(event.to_vec())));
        ControlFlow::Continue(())
    }

    fn event(&mut self, _: Place, text: &[u8]) -> ControlFlow<()> {
        self.0.push(InputPiece::Event(text.to_vec()));
        ControlFlow::Continue(())
    }

    fn no_events(&mut self, _: Place, what: &str) -> ControlFlow<()> {
        self.0.push(InputPiece::NoEvents(what.to_owned()));
        ControlFlow::Continue(())
    }

    fn bad(&mut self, place: Place, fault: SplitFault, _: &[u8]) -> ControlFlow<()> {
        let SplitFault { code, reason } = fault;
        self.0.push(InputPiece::Bad(format!("{code}: {reason} (line {})", place.line)));
        ControlFlow::Continue(())
    }
}

/// What `keys` found in one event.
#[derive(Default)]
struct FoundItems {
    items: Vec<TestItem>,
    failed: Option<String>,
}

/// An item, kept after the call that gave it.
struct TestItem {
    kind: ItemKind,
    rule: u16,
    time_ms: i64,
    identity: [u8; 16],
    text: String,
    raw: Vec<u8>,
    /// Each term's state key and its values.
    terms: Vec<(Vec<u8>, String)>,
}

impl ItemVisitor for FoundItems {
    fn item(&mut self, _: usize, item: &Item<'_>) {
        self.items.push(TestItem {
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

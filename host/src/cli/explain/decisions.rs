//! What `run` would decide: the same matches, in the same order, against a scratch copy of the state.
//!
//! In: the items of events, as `keys` gives them. Out: for each match one answer a term: new, seen,
//! repeat, learned, and what the state knew. The state itself is never written.

use crate::observe::rule_counts::{RuleCounter, RuleTally};
use crate::pipeline::decide::{MatchBatch, advance, run_round};
use crate::pipeline::order::{DEFAULT_BUDGET, Sorter};
use crate::pipeline::text::RereadTexts;
use crate::rules::sample::RunSamples;
use crate::state::{NewestTimes, ScratchState, StateStore};
use anyhow::Context;
use firstseen_abi::{Cursor, Item, ItemKind, OutcomeKind};
use firstseen_artifact::RuleMeta;
use firstseen_rule::alert::rfc3339;
use firstseen_rule::identity::of_alert;
use firstseen_rule::state::TermState;
use firstseen_session::{
    CallError, EventAt, EventBatch, EventText, ItemVisitor, Match, Round, RuleRef, Rules,
    TermOutcome,
};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// The matches of a run on their way to an answer.
pub(super) struct Decisions {
    store: ScratchState,
    /// Of each artifact its rules.
    rules: Vec<Vec<RuleMeta>>,
    sorter: Sorter,
    newest: NewestTimes,
    /// By event, artifact and rule; of events that are shown.
    answers: HashMap<(u64, u16, u16), Vec<Value>>,
    pub(super) tally: RuleTally,
    pub(super) samples: RunSamples,
    /// The exceptions that took something out.
    pub(super) used: HashSet<String>,
}

impl Decisions {
    pub(super) fn new(
        store: Box<dyn StateStore>,
        rules: Vec<Vec<RuleMeta>>,
        samples: RunSamples,
    ) -> Self {
        let named = |rules: &Vec<RuleMeta>| {
            rules.iter().map(|rule| (rule.id.clone(), rule.name.clone())).collect()
        };
        let tally = RuleTally::new(rules.iter().map(named).collect());
        Self {
            store: ScratchState::over(store),
            rules,
            sorter: Sorter::new(DEFAULT_BUDGET),
            newest: NewestTimes::default(),
            answers: HashMap::new(),
            tally,
            samples,
            used: HashSet::new(),
        }
    }

    /// A visitor that takes what the rules of an artifact say of one event.
    pub(super) fn taking<'d>(
        &'d mut self,
        artifact: u16,
        event: (u64, &'d [u8]),
        shown: bool,
    ) -> TakenItems<'d> {
        TakenItems {
            decisions: self,
            artifact,
            event,
            shown,
            last_matched: None,
            bad: None,
            unopened: None,
            fault: None,
        }
    }

    /// Decides everything that waits: by time, as files are decided; or as it came, as a stream is.
    ///
    /// # Errors
    /// When the state cannot be read, or the matches cannot be sorted.
    pub(super) fn settle(&mut self, rules: &mut [Box<dyn Rules>]) -> anyhow::Result<()> {
        let context = "matched events could not be put in order";
        let sorter = std::mem::replace(&mut self.sorter, Sorter::new(DEFAULT_BUDGET));
        let mut batch = MatchBatch::default();
        for matched in sorter.finish().context(context)? {
            if batch.push(matched.context(context)?) {
                self.decide(rules, batch.take())?;
            }
        }
        self.decide(rules, batch.take())
    }

    /// Decides these matches, one after the other: so the state can be asked before each.
    fn decide(&mut self, rules: &mut [Box<dyn Rules>], matches: Vec<Match>) -> anyhow::Result<()> {
        advance(&mut self.store, &mut self.newest, matches.iter());
        for matched in matches {
            let RuleRef { artifact, rule } = matched.rule;
            let Some(guest) = rules.get_mut(usize::from(artifact)) else { continue };
            let place = (matched.at.offset, artifact, rule);
            let shown = matched.at.input != 0;
            // What follows is this one's.
            self.store.advance(artifact, i64::MIN);
            let known = self.known(&matched)?;
            let at = matched.rule;
            let mut round = Round::new(vec![matched]);
            let texts = RereadTexts::default();
            let (store, newest_ms) = (&mut self.store, self.newest.of(artifact));
            let outcomes = match run_round(&mut round, &mut **guest, store, &texts, newest_ms)? {
                Ok(()) => round.finish().outcomes,
                Err(error) => {
                    let (kind, text) = (OutcomeKind::Error, error.coded());
                    vec![TermOutcome { at: 0, term: None, kind, text }]
                }
            };
            let mut answers = Vec::new();
            for (term, known) in (0u16..).zip(known) {
                let outcome = outcomes.iter().find(|o| o.term.is_none_or(|of| of == term));
                self.tally.count(at, counter(outcome.map(|o| o.kind)), 1);
                if shown {
                    answers.push(answer(outcome, known));
                }
            }
            if shown {
                self.answers.entry(place).or_default().extend(answers);
            }
        }
        Ok(())
    }

    /// What the state knows of each term of a match.
    fn known(&mut self, matched: &Match) -> anyhow::Result<Vec<KnownTerm>> {
        let Ok(item) = Item::read(&mut Cursor::new(&matched.item)) else { return Ok(Vec::new()) };
        let rule = self.rules.get(usize::from(matched.rule.artifact));
        let rule = rule.and_then(|rules| rules.get(usize::from(matched.rule.rule)));
        let mut known = Vec::new();
        for term in item.terms() {
            let value = self.store.get(term.key).context("the state was not read")?;
            let (mut of_term, mut approved) = (Map::new(), Map::new());
            // What a newer engine wrote is its own to explain.
            if let (Some(value), Some(rule)) = (value, rule)
                && let Ok(state) = TermState::read(&value)
            {
                of_term = sighting(&state, rule, matched.time_ms, term.values);
                if let Some(approval) =
                    state.approval().filter(|approval| matched.time_ms < approval.until_ms)
                {
                    approved.insert("approved_until".to_owned(), rfc3339(approval.until_ms).into());
                    approved.insert("approved_because".to_owned(), (*approval.reason).into());
                }
            }
            let term = serde_json::from_str(term.values).unwrap_or_default();
            known.push(KnownTerm { term, sighting: of_term, approved });
        }
        Ok(known)
    }

    /// Of each artifact its rules.
    pub(super) fn rules(&self) -> &[Vec<RuleMeta>] {
        &self.rules
    }

    /// What was found about an event under a rule; it is handed out once.
    pub(super) fn answers(&mut self, event: u64, artifact: u16, rule: u16) -> Vec<Value> {
        self.answers.remove(&(event, artifact, rule)).unwrap_or_default()
    }
}

/// A term, the sighting within whose window the event is, and the approval that covers the event.
struct KnownTerm {
    term: Value,
    sighting: Map<String, Value>,
    approved: Map<String, Value>,
}

/// The newest episode that reaches an event of this time, in words.
fn sighting(state: &TermState, rule: &RuleMeta, time_ms: i64, term: &str) -> Map<String, Value> {
    let reaches = |first_ms: i64, last_ms: i64| {
        first_ms.saturating_sub(rule.window_ms) <= time_ms
            && time_ms <= last_ms.saturating_add(rule.window_ms)
    };
    let episodes = state.episodes().iter();
    let episode = episodes.rev().find(|episode| reaches(episode.first_ms, episode.last_ms));
    let Some(episode) = episode else { return Map::new() };
    let mut out = Map::new();
    out.insert("first_sighting".to_owned(), rfc3339(episode.first_ms).into());
    out.insert("last_sighting".to_owned(), rfc3339(episode.last_ms).into());
    if !rule.fingerprint.is_empty() && !episode.alerted.is_empty() {
        let alerts = episode.alerted.iter();
        let alerts = alerts.map(|a| of_alert(&rule.id, &rule.fingerprint, &a.identity, term));
        out.insert("alerted_as".to_owned(), alerts.collect::<Vec<_>>().into());
    }
    out
}

fn counter(outcome: Option<OutcomeKind>) -> RuleCounter {
    match outcome {
        None => RuleCounter::Seen,
        Some(OutcomeKind::Alert) => RuleCounter::Alerts,
        Some(OutcomeKind::Repeat) => RuleCounter::Repeats,
        Some(OutcomeKind::Learned) => RuleCounter::Learned,
        Some(OutcomeKind::LateBeyondMemory | OutcomeKind::Error | OutcomeKind::NeedsEvent) => {
            RuleCounter::NotJudged
        }
    }
}

/// An outcome in one word, with what the state knew, or what an alert would name.
fn answer(outcome: Option<&TermOutcome>, known: KnownTerm) -> Value {
    let mut out = Map::new();
    let Some(TermOutcome { kind, text, .. }) = outcome else {
        out.insert("says".to_owned(), "seen".into());
        out.insert("term".to_owned(), known.term);
        out.extend(known.sighting);
        out.extend(known.approved);
        return Value::Object(out);
    };
    let word = match kind {
        OutcomeKind::Alert => "new",
        OutcomeKind::Repeat => "repeat",
        OutcomeKind::LateBeyondMemory => "older_than_state",
        OutcomeKind::Learned if !known.approved.is_empty() => "approved",
        OutcomeKind::Learned => "learned",
        OutcomeKind::Error | OutcomeKind::NeedsEvent => "error",
    };
    out.insert("says".to_owned(), word.into());
    out.insert("term".to_owned(), known.term);
    out.extend(known.approved);
    if word == "error" {
        out.insert("reason".to_owned(), text.as_str().into());
        return Value::Object(out);
    }
    let alert: Value = serde_json::from_str(text).unwrap_or_default();
    if let Some(previous) = alert.pointer("/firstseen/previous_sighting") {
        out.insert("previous_sighting".to_owned(), previous.clone());
    }
    if let Some(id) = alert.get("kibana.alert.uuid") {
        out.insert("alert".to_owned(), id.clone());
    }
    Value::Object(out)
}

/// The ids that the alerts of an event have, whether the state lets it alert or not.
pub(super) fn alert_ids(
    event: &EventBatch,
    all: &mut [Box<dyn Rules>],
    metas: &[Vec<RuleMeta>],
    now_ms: i64,
) -> Vec<String> {
    let mut found = AlertIds { rules: &[], ids: Vec::new() };
    for (rules, metas) in all.iter_mut().zip(metas) {
        found.rules = metas;
        event.keys(&mut **rules, now_ms, &mut found);
    }
    found.ids
}

/// Takes the ids of alerts from matches.
struct AlertIds<'r> {
    rules: &'r [RuleMeta],
    ids: Vec<String>,
}

impl ItemVisitor for AlertIds<'_> {
    fn item(&mut self, _: usize, item: &Item<'_>) {
        let rule = self.rules.get(usize::from(item.rule)).filter(|r| !r.fingerprint.is_empty());
        if let (ItemKind::Matched, Some(rule)) = (item.kind, rule) {
            let id = |values| of_alert(&rule.id, &rule.fingerprint, &item.identity, values);
            self.ids.extend(item.terms().map(|term| id(term.values)));
        }
    }

    fn failed(&mut self, _: usize, _: &CallError) {}
}

/// Takes what the rules of one artifact say of one event.
pub(super) struct TakenItems<'d> {
    decisions: &'d mut Decisions,
    artifact: u16,
    /// Its number and its text.
    event: (u64, &'d [u8]),
    shown: bool,
    /// The rule of the last match with terms.
    last_matched: Option<u16>,
    /// Why the event cannot be read, if it cannot: `code: reason`.
    pub(super) bad: Option<String>,
    /// A text in it that was not opened.
    pub(super) unopened: Option<String>,
    /// Why a match could not be kept.
    pub(super) fault: Option<std::io::Error>,
}

impl ItemVisitor for TakenItems<'_> {
    fn item(&mut self, _: usize, item: &Item<'_>) {
        let rule = RuleRef { artifact: self.artifact, rule: item.rule };
        let (number, text) = self.event;
        let counted = match item.kind {
            ItemKind::Bad => {
                self.bad.get_or_insert_with(|| item.text.to_owned());
                return;
            }
            ItemKind::NoEvents => {
                self.unopened.get_or_insert_with(|| item.text.to_owned());
                return;
            }
            ItemKind::Matched => None,
            ItemKind::Missing => Some(RuleCounter::Missing),
            ItemKind::Excepted => Some(RuleCounter::Excepted),
            ItemKind::OtherIndex => Some(RuleCounter::OtherIndex),
            ItemKind::Future | ItemKind::TooManyTerms => Some(RuleCounter::NotJudged),
        };
        // What is left out of a match follows it.
        if item.kind != ItemKind::TooManyTerms || self.last_matched != Some(item.rule) {
            self.decisions.tally.count(rule, RuleCounter::Matched, 1);
            let at = EventAt { offset: number, ..EventAt::default() };
            self.decisions.samples.matched.offer(&at, text);
        }
        if item.kind == ItemKind::Excepted && !self.decisions.used.contains(item.text) {
            self.decisions.used.insert(item.text.to_owned());
        }
        if let Some(counter) = counted {
            self.decisions.tally.count(rule, counter, 1);
        }
        match item.kind {
            ItemKind::Matched => {
                self.last_matched = Some(item.rule);
                let matched = Match {
                    rule,
                    time_ms: item.time_ms,
                    identity: item.identity,
                    // The event's number, and whether its answer is wanted.
                    at: EventAt { input: self.shown.into(), offset: number, ..EventAt::default() },
                    item: item.raw.to_vec(),
                    text: EventText::Carried(text.to_vec()),
                };
                let pushed = self.decisions.sorter.push(&matched);
                self.fault = self.fault.take().or(pushed.err());
            }
            ItemKind::Future | ItemKind::TooManyTerms if self.shown => {
                let says =
                    if item.kind == ItemKind::Future { "future_event" } else { "too_many_terms" };
                let place = (number, self.artifact, item.rule);
                let says = json!({ "says": says, "reason": item.text });
                self.decisions.answers.entry(place).or_default().push(says);
            }
            _ => {}
        }
    }

    fn failed(&mut self, _: usize, _: &CallError) {}
}

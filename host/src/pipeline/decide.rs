//! Decides matches in batches, writes the alerts and commits the state.
//!
//! In: matches, in the order in which they count. Out: alerts to the sink, then the state to the
//! store. An alert is written, flushed and synced before the state that knows it is committed. If
//! anything fails in between, nothing more is committed: the next run writes those alerts.

use super::learning::Learning;
use super::resume::BatchProgress;
use super::stream_progress::StreamProgress;
use super::text::RereadTexts;
use super::{Located, OutputStatus};
use crate::observe::stages::{RunStage, Stages};
use crate::observe::{Counter, Notice, RuleCounter};
use crate::sink::{AlertSink, OutputError};
use crate::state::{Applied, NewestTimes, OutputMark, RunChange, StateStore, StateWrite};
use anyhow::{Context, anyhow, bail};
use firstseen_abi::OutcomeKind;
use firstseen_session::KEY_CLOSED;
use firstseen_session::{
    CallError, EventAt, EventText, Match, Round, RoundEnd, RuleRef, Rules, Step, TermOutcome,
    WriteResult,
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Matches decided in one round, and bytes of them.
const BATCH_MATCHES: usize = 1024;
const BATCH_BYTES: usize = 4 << 20;
/// Matches between two commits of a finite input.
const COMMIT_MATCHES: u64 = 64 * 1024;
/// What was written for them, at most: a match may have many terms.
const COMMIT_BYTES: usize = 16 << 20;
/// How often matches are decided again where other processes were faster each time.
const MAX_ROUNDS: u32 = 64;
/// Of a run that can be resumed also bytes of alerts: what is behind the last commit is written again.
const COMMIT_ALERTS: usize = 1 << 20;

/// Matches that are decided together.
#[derive(Debug, Default)]
pub struct MatchBatch {
    matches: Vec<Match>,
    bytes: usize,
}

impl MatchBatch {
    /// Takes a match; whether it is time to decide.
    pub fn push(&mut self, matched: Match) -> bool {
        self.bytes += matched.text.held() + matched.item.len();
        self.matches.push(matched);
        self.matches.len() >= BATCH_MATCHES || self.bytes >= BATCH_BYTES
    }

    /// The matches, in the order in which they came.
    pub fn take(&mut self) -> Vec<Match> {
        self.bytes = 0;
        std::mem::take(&mut self.matches)
    }
}

/// Gives a store the time up to which everything was decided before these matches are, and takes
/// their newest time.
pub fn advance(store: &mut dyn StateStore, newest: &mut NewestTimes, matches: &[Match]) {
    let mut oldest: BTreeMap<u16, i64> = BTreeMap::new();
    for Match { rule, time_ms, .. } in matches {
        let oldest = oldest.entry(rule.artifact).or_insert(*time_ms);
        *oldest = (*oldest).min(*time_ms);
    }
    for (artifact, oldest) in oldest {
        store.advance(artifact, newest.of(artifact).max(oldest));
    }
    for Match { rule, time_ms, .. } in matches {
        newest.take(rule.artifact, *time_ms);
    }
}

/// Decides, writes, remembers.
pub struct Decider {
    pub(super) store: Box<dyn StateStore>,
    /// The files from which texts are read again.
    pub texts: RereadTexts,
    /// Keys of matches whose texts were lost: until the input is read again nothing is decided of them.
    closed: HashSet<Vec<u8>>,
    /// From when to when the rules learned.
    pub learning: Learning,
    /// Whether an alert that was given before is given again.
    emit_repeats: bool,
    /// Whether terms that were seen before are counted here.
    pub counts_seen: bool,
    /// Hears at which stage of the work a thread is.
    pub stages: Stages,
    /// Of each artifact's rules, from when on the state remembers what earlier runs saw.
    memory_from: Vec<Vec<i64>>,
    pending: MatchBatch,
    /// The newest time that was decided.
    newest: NewestTimes,
    uncommitted: u64,
    /// Bytes of alerts since the last commit.
    alert_bytes: usize,
    /// The batch that a run with `--resume` is at.
    pub batch: Option<BatchProgress>,
    /// The stream that a run with `--resume` is at.
    pub stream: Option<StreamProgress>,
    /// Terms that went because of a limit, by the prefix of their keys.
    pub forgotten: BTreeMap<Vec<u8>, u64>,
    /// Something went wrong between an alert and the state that knows it.
    failed: bool,
}

impl Decider {
    /// Decides against this store.
    #[must_use]
    pub fn new(
        store: Box<dyn StateStore>,
        emit_repeats: bool,
        memory_from: Vec<Vec<i64>>,
        learning: Learning,
    ) -> Self {
        Self {
            store,
            texts: RereadTexts::default(),
            closed: HashSet::new(),
            learning,
            emit_repeats,
            counts_seen: true,
            stages: Stages::default(),
            memory_from,
            pending: MatchBatch::default(),
            newest: NewestTimes::default(),
            uncommitted: 0,
            alert_bytes: 0,
            batch: None,
            stream: None,
            forgotten: BTreeMap::new(),
            failed: false,
        }
    }

    /// Decides what comes by this store; nothing is pending.
    pub fn judge_by(&mut self, store: Box<dyn StateStore>) {
        self.store = store;
    }

    /// Takes a match; whether it is time to decide.
    pub fn push(&mut self, matched: Match) -> bool {
        self.pending.push(matched)
    }

    /// Decides what is pending, writes the alerts out and commits the state.
    ///
    /// # Errors
    /// When the output or the store failed.
    pub fn settle(
        &mut self,
        rules: &mut [Box<dyn Rules>],
        sink: &mut dyn AlertSink,
        located: &mut Located<'_>,
    ) -> anyhow::Result<OutputStatus> {
        if self.decide(rules, sink, located)? == OutputStatus::Closed {
            return Ok(OutputStatus::Closed);
        }
        // Not where something failed: the state would know of events that are read again.
        if !self.failed && self.learning.advance(&mut *self.store)? {
            self.uncommitted = self.uncommitted.max(1);
        }
        if !self.failed {
            self.learning.count(&mut *self.store)?;
        }
        self.commit(sink, located)
    }

    /// Makes a change of a run durable.
    ///
    /// # Errors
    /// When the store failed.
    pub fn change_run(&mut self, run: &str, change: RunChange) -> anyhow::Result<()> {
        self.store.change_run(run, change);
        self.store.commit().context("the state was not written")
    }

    /// The run is over, and all that is in the output is known to the state: what comes behind it is another's.
    ///
    /// # Errors
    /// When the store failed.
    pub fn close(&mut self, sink: &dyn AlertSink) -> anyhow::Result<()> {
        if self.failed || !self.store.is_durable() {
            return Ok(());
        }
        let Some(mark) = sink.mark() else { return Ok(()) };
        self.store.mark(OutputMark { open: false, ..mark });
        self.store.commit().context("the state was not written")
    }

    /// The store's own words for the summary.
    #[must_use]
    pub fn describe(&self) -> String {
        self.store.describe()
    }

    fn commit(
        &mut self,
        sink: &mut dyn AlertSink,
        located: &mut Located<'_>,
    ) -> anyhow::Result<OutputStatus> {
        if self.failed || (self.uncommitted == 0 && !sink.wants_input()) {
            return Ok(OutputStatus::Open);
        }
        let is_durable = self.uncommitted > 0 && self.store.is_durable();
        let stages = self.stages.clone();
        let _decide = stages.enter(RunStage::Decide);
        let written = {
            let _output = stages.enter(RunStage::Output);
            sink.flush().and_then(|()| if is_durable { sink.sync() } else { Ok(()) })
        };
        match written {
            Ok(()) => {}
            // The state must not know alerts that nobody got.
            Err(OutputError::Closed) => return Ok(OutputStatus::Closed),
            Err(e) => return Err(anyhow!(e)),
        }
        if is_durable {
            located.observer.sync()?;
            if let Some(mark) = sink.mark() {
                self.store.mark(mark);
            }
        }
        if self.uncommitted > 0 {
            for (artifact, newest_ms) in self.newest.each() {
                self.store.advance(artifact, newest_ms);
            }
            if let Some(batch) = &self.batch {
                self.store.change_run(&batch.run, RunChange::Reached(batch.reached()));
            }
            if let Some(stream) = &self.stream
                && let Some(change) = stream.reached(false)
            {
                self.store.change_run(&stream.run, change);
            }
            self.store.commit().context("the state was not written")?;
            (self.uncommitted, self.alert_bytes) = (0, 0);
            for (prefix, terms) in self.store.take_forgotten() {
                *self.forgotten.entry(prefix).or_default() += terms;
            }
        }
        Ok(OutputStatus::Open)
    }

    /// A match that an earlier process decided: what follows is as old or new beside it as it was then.
    pub fn passes_over(&mut self, matched: &Match) {
        self.newest.take(matched.rule.artifact, matched.time_ms);
    }

    /// Decides what is pending.
    ///
    /// # Errors
    /// When the output or the store failed.
    pub fn decide(
        &mut self,
        rules: &mut [Box<dyn Rules>],
        sink: &mut dyn AlertSink,
        located: &mut Located<'_>,
    ) -> anyhow::Result<OutputStatus> {
        let matches = self.pending.take();
        if self.failed || matches.is_empty() {
            return Ok(OutputStatus::Open);
        }
        let stages = self.stages.clone();
        let _decide = stages.enter(RunStage::Decide);
        if let Some(batch) = &mut self.batch {
            matches.iter().for_each(|m| batch.take(m));
        }
        // Stays true if this function returns early.
        self.failed = true;
        // The artifacts' matches are decided one artifact after the other. So nothing expires before
        // all are: the last match of one may be much later than the first of the next.
        advance(&mut *self.store, &mut self.newest, &matches);
        self.uncommitted += matches.len() as u64;
        self.learning.begin(&mut *self.store)?;

        let (mut decided, mut fault) = (Vec::new(), None);
        for (artifact, (turns, matches)) in by_artifact(matches, rules.len()).enumerate() {
            if let (Some(rules), Ok(number)) = (rules.get_mut(artifact), u16::try_from(artifact)) {
                // What follows is this one's.
                self.store.advance(number, i64::MIN);
                fault =
                    self.decide_artifact(&mut **rules, turns, matches, located, &mut decided).err();
                if fault.is_some() {
                    break;
                }
            }
        }
        // What a shared store knows already has to be out; of another nothing was committed.
        if let Some(fault) = fault.take_if(|_| !self.store.is_shared()) {
            return Err(fault);
        }
        let fault = fault.or_else(|| self.unsettled(&decided));
        decided.sort_by_key(|d| d.turn);
        let status = {
            let _output = stages.enter(RunStage::Output);
            self.emit(decided, sink, located)?
        };
        if status == OutputStatus::Closed {
            return Ok(status);
        }
        if let Some(fault) = fault {
            sink.flush().and_then(|()| sink.sync()).map_err(|e| anyhow!(e))?;
            return Err(fault);
        }
        self.failed = false;
        // A stream is committed between two blocks alone, where it has a position.
        let is_full = self.stream.is_none() && self.is_full();
        if is_full { self.commit(sink, located) } else { Ok(status) }
    }

    fn is_full(&self) -> bool {
        self.uncommitted >= COMMIT_MATCHES
            || self.store.waiting_bytes() >= COMMIT_BYTES
            || self.batch.is_some() && self.alert_bytes >= COMMIT_ALERTS
    }

    /// What a shared store leaves undecided is decided when it is read again, not passed over: a newer
    /// value is another version's, and other processes are not faster for ever.
    fn unsettled(&self, decided: &[DecidedTerm]) -> Option<anyhow::Error> {
        let is_open = |d: &&DecidedTerm| {
            d.kind == OutcomeKind::Error
                && (d.text.starts_with(BAD_STATE) || d.text.starts_with(CONFLICT))
        };
        let open = decided.iter().filter(is_open).min_by_key(|d| d.turn);
        let open = open.filter(|_| self.store.is_shared())?;
        Some(anyhow!(
            "{}; nothing was written over it, and the events that it is about are decided when they are \
             read again",
            open.text
        ))
    }

    /// Decides one artifact's matches; halves them where the rule fails, until the one at fault is
    /// alone.
    fn decide_artifact(
        &mut self,
        rules: &mut dyn Rules,
        turns: Vec<usize>,
        matches: Vec<Match>,
        located: &mut Located<'_>,
        decided: &mut Vec<DecidedTerm>,
    ) -> anyhow::Result<()> {
        // What is still to decide, the next part last.
        let mut todo = vec![(turns, matches)];
        let artifact = todo.first().and_then(|(_, matches)| matches.first());
        let newest_ms = artifact.map_or(i64::MIN, |m| self.newest.of(m.rule.artifact));
        let (is_shared, mut rounds) = (self.store.is_shared(), 0);
        while let Some((mut turns, matches)) = todo.pop() {
            if matches.is_empty() {
                continue;
            }
            let mut round = Round::new(matches);
            if !self.closed.is_empty() {
                round.close(|key| self.closed.contains(key));
            }
            let (store, texts) = (&mut *self.store, &mut self.texts);
            match run_round(&mut round, rules, store, texts, newest_ms)? {
                Ok(()) => {
                    let RoundEnd { matches, outcomes, seen, seen_by_rule, closed, .. } =
                        round.finish();
                    self.closed.extend(closed);
                    if self.counts_seen {
                        located.observer.count(Counter::Seen, seen);
                        for (rule, seen) in seen_by_rule {
                            located.observer.count_of(rule, RuleCounter::Seen, seen);
                        }
                    }
                    // Others were faster again and again: those matches are decided once more, whose other
                    // terms give the same alerts again then.
                    let mut outcomes = outcomes;
                    if is_shared && rounds < MAX_ROUNDS {
                        let lost = take_conflicts(&mut outcomes);
                        let of = |at: &usize| Some((*turns.get(*at)?, matches.get(*at)?.clone()));
                        let again: (Vec<_>, Vec<_>) = lost.iter().filter_map(of).unzip();
                        rounds += u32::from(!again.0.is_empty());
                        todo.push(again);
                    }
                    decided.extend(outcomes.into_iter().filter_map(|outcome| {
                        let TermOutcome { at, kind, text, .. } = outcome;
                        let (turn, matched) = (*turns.get(at)?, matches.get(at)?);
                        let Match { at, rule, time_ms, .. } = *matched;
                        Some(DecidedTerm { turn, at, rule, time_ms, kind, text })
                    }));
                }
                Err(error) => {
                    let mut matches = round.into_matches();
                    if let [matched] = matches.as_slice() {
                        let (kind, text) = (OutcomeKind::Error, format!("rule_failed: {error}"));
                        let turn = turns.first().copied().unwrap_or_default();
                        let Match { at, rule, time_ms, .. } = *matched;
                        decided.push(DecidedTerm { turn, at, rule, time_ms, kind, text });
                        continue;
                    }
                    let half = matches.len() / 2;
                    let rest = (turns.split_off(half), matches.split_off(half));
                    todo.extend([rest, (turns, matches)]);
                }
            }
        }
        Ok(())
    }

    /// Counts outcomes, and gives alerts to the sink.
    fn emit(
        &mut self,
        decided: Vec<DecidedTerm>,
        sink: &mut dyn AlertSink,
        located: &mut Located<'_>,
    ) -> anyhow::Result<OutputStatus> {
        for DecidedTerm { at, rule, time_ms, kind, text, .. } in decided {
            let memory = self.memory_from.get(usize::from(rule.artifact));
            let memory = memory.and_then(|rules| rules.get(usize::from(rule.rule)));
            if kind == OutcomeKind::Alert && memory.is_some_and(|from| time_ms < *from) {
                located.observer.count(Counter::BeforeMemory, 1);
            }
            let (counter, of_rule, wanted) = match kind {
                OutcomeKind::Alert => (Counter::Alerts, RuleCounter::Alerts, true),
                OutcomeKind::Repeat => (Counter::Repeats, RuleCounter::Repeats, self.emit_repeats),
                OutcomeKind::LateBeyondMemory => {
                    (Counter::OlderThanState, RuleCounter::NotJudged, false)
                }
                OutcomeKind::Learned => {
                    located.observer.learned(rule, time_ms);
                    (Counter::Learned, RuleCounter::Learned, false)
                }
                OutcomeKind::Error if text == KEY_CLOSED => {
                    located.observer.count(Counter::AfterLostText, 1);
                    located.observer.count_of(rule, RuleCounter::NotJudged, 1);
                    continue;
                }
                OutcomeKind::Error | OutcomeKind::NeedsEvent => {
                    sink.not_judged(&at, &text);
                    located.observer.count_of(rule, RuleCounter::NotJudged, 1);
                    let location = located.location(&at);
                    if text.starts_with("text_lost: ") {
                        located.observer.count(Counter::LostTexts, 1);
                        // The position does not pass it.
                        if self.batch.is_some() {
                            bail!("{location}: {text}");
                        }
                    }
                    let notice = Notice::NotDecided { at: &location, text: &text };
                    located.observer.notice(&notice)?;
                    continue;
                }
            };
            located.observer.count(counter, 1);
            located.observer.count_of(rule, of_rule, 1);
            if wanted {
                self.alert_bytes += text.len();
                match sink.alert(&at, &text) {
                    Ok(()) => {}
                    Err(OutputError::Closed) => return Ok(OutputStatus::Closed),
                    Err(e) => return Err(anyhow!(e)),
                }
            }
        }
        Ok(OutputStatus::Open)
    }
}

/// Gives a round what it asks for, until it is done.
///
/// # Errors
/// When the store failed. Inside, [`CallError`] where the rule failed and nothing was written.
pub fn run_round(
    round: &mut Round,
    rules: &mut dyn Rules,
    store: &mut dyn StateStore,
    texts: &mut RereadTexts,
    newest_ms: i64,
) -> anyhow::Result<Result<(), CallError>> {
    loop {
        let step = match round.step(rules) {
            Ok(step) => step,
            Err(error) => return Ok(Err(error)),
        };
        match step {
            Step::Read => {
                let values = store.get_many(&mut round.keys_to_read());
                round.values(values.context("the state was not read")?.into_iter().map(Ok));
            }
            Step::Text => {
                let fetched: Vec<_> = round
                    .texts_to_fetch()
                    .map(|matched| match &matched.text {
                        EventText::Carried(text) => Ok(text.clone()),
                        EventText::At { input, offset, len } => {
                            texts.read(*input, *offset, *len, &matched.item, rules)
                        }
                    })
                    .collect();
                round.texts(fetched);
            }
            Step::Write => {
                let applied = store
                    .apply(&mut round.writes().map(|write| StateWrite {
                        key: write.key,
                        expected: write.expected,
                        value: write.value,
                        expires_ms: newest_ms.saturating_add(write.ttl_ms.max(0)),
                    }))
                    .context("the state was not written")?;
                round.written(applied.into_iter().map(|applied| match applied {
                    Applied::Done => WriteResult::Done,
                    Applied::Conflict(current) => WriteResult::Conflict(current),
                }));
            }
            Step::Done => return Ok(Ok(())),
        }
    }
}

/// How the outcome of a value begins that cannot be used.
const BAD_STATE: &str = "bad_state: ";
/// How the outcome of a key begins at which other writers were faster each time.
const CONFLICT: &str = "conflict: ";

/// Takes the outcomes out at which other writers were faster: their matches.
fn take_conflicts(outcomes: &mut Vec<TermOutcome>) -> BTreeSet<usize> {
    let mut lost = BTreeSet::new();
    outcomes.retain(|outcome| {
        let is_lost = outcome.kind == OutcomeKind::Error && outcome.text.starts_with(CONFLICT);
        if is_lost {
            lost.insert(outcome.at);
        }
        !is_lost
    });
    lost
}

/// An outcome on its way to the sink.
struct DecidedTerm {
    /// The match's turn among all that were decided together.
    turn: usize,
    at: EventAt,
    rule: RuleRef,
    time_ms: i64,
    kind: OutcomeKind,
    text: String,
}

/// The matches of each artifact, with their turns.
fn by_artifact(
    matches: Vec<Match>,
    artifacts: usize,
) -> impl Iterator<Item = (Vec<usize>, Vec<Match>)> {
    let mut parts: Vec<(Vec<usize>, Vec<Match>)> = Vec::new();
    if artifacts == 1 {
        parts.push(((0..matches.len()).collect(), matches));
    } else {
        parts.resize_with(artifacts, Default::default);
        for (turn, matched) in matches.into_iter().enumerate() {
            if let Some((turns, part)) = parts.get_mut(usize::from(matched.rule.artifact)) {
                turns.push(turn);
                part.push(matched);
            }
        }
    }
    parts.into_iter()
}

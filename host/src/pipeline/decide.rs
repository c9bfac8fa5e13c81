//! Decides matches in batches, writes the alerts and commits the state.
//!
//! In: matches, in the order in which they count. Out: alerts to the sink, then the state to the
//! store. An alert is written, flushed and synced before the state that knows it is committed. If
//! anything fails in between, nothing more is committed: the next run writes those alerts.

mod crew;
mod emit;
mod flight;
mod groups;
mod part;
mod serve;

pub use emit::BatchTextLost;
pub use serve::run_round;

use super::learning::Learning;
use super::resume::BatchProgress;
use super::stream_progress::StreamProgress;
use super::text::RereadTexts;
use super::{Located, OutputStatus};
use crate::observe::stages::{RunStage, Stages};
use crate::sink::{AlertSink, OutputError};
use crate::state::{NewestTimes, OutputMark, RunChange, StateStore};
use anyhow::{Context, anyhow};
use crew::Crew;
use firstseen_session::{Match, Rules};
use flight::Flight;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Matches decided in one round, and bytes of them.
const BATCH_MATCHES: usize = 1024;
const BATCH_BYTES: usize = 4 << 20;
/// Matches between two commits of a finite input.
const COMMIT_MATCHES: u64 = 64 * 1024;
/// What was written for them, at most: a match may have many terms.
const COMMIT_BYTES: usize = 16 << 20;
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
pub fn advance<'m>(
    store: &mut dyn StateStore,
    newest: &mut NewestTimes,
    matches: impl Iterator<Item = &'m Match> + Clone,
) {
    let mut oldest: BTreeMap<u16, i64> = BTreeMap::new();
    for Match { rule, time_ms, .. } in matches.clone() {
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
    closed: Arc<HashSet<Vec<u8>>>,
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
    /// New terms were learned: their events' texts are not needed.
    has_learned: bool,
    uncommitted: u64,
    /// Bytes of alerts since the last commit.
    alert_bytes: usize,
    /// The batch that a run with `--resume` is at.
    pub batch: Option<BatchProgress>,
    /// The stream that a run with `--resume` is at.
    pub stream: Option<StreamProgress>,
    /// Terms that went because of a limit, by the prefix of their keys.
    pub forgotten: BTreeMap<Vec<u8>, u64>,
    /// Something went wrong between an alert and the state that knows it, or may still.
    failed: bool,
    /// Others who decide, where there are some.
    crew: Option<Crew>,
    /// What they are at.
    flight: Option<Flight>,
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
            closed: Arc::default(),
            learning,
            emit_repeats,
            counts_seen: true,
            stages: Stages::default(),
            memory_from,
            pending: MatchBatch::default(),
            newest: NewestTimes::default(),
            has_learned: false,
            uncommitted: 0,
            alert_bytes: 0,
            batch: None,
            stream: None,
            forgotten: BTreeMap::new(),
            failed: false,
            crew: None,
            flight: None,
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
}

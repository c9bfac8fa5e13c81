//! Matches on their way through rules and state, by this thread or by a [`Crew`].
//!
//! In: the matches that are pending. Out: what became of them, given out in their order. While a crew decides some
//! matches, those before them are given out here and the next are put in order. So the steps of the state stay
//! those of one thread: writes, commit, and then the values for what follows. It looks into no event.

use super::crew::Crew;
use super::groups::groups;
use super::part::{CONFLICT, DecidePart, DecidedTerm, PartContext, PartEnd, decide_part};
use super::serve::serve;
use super::{COMMIT_ALERTS, COMMIT_BYTES, COMMIT_MATCHES, Decider, advance};
use crate::observe::stages::RunStage;
use crate::observe::{Counter, RuleCounter};
use crate::pipeline::{Located, OutputStatus};
use crate::sink::AlertSink;
use anyhow::anyhow;
use firstseen_abi::OutcomeKind;
use firstseen_session::{Match, Round, Rules};
use std::sync::Arc;

/// How the outcome of a value begins that cannot be used.
const BAD_STATE: &str = "bad_state: ";
/// With fewer matches it takes longer to wake others than to decide.
const WORTH_A_CREW: usize = 64;

/// Matches that are decided, or at which the crew is.
#[derive(Default)]
pub(super) struct Flight {
    /// What became of those that are decided.
    end: PartEnd,
    /// The newest time of those that the crew is at.
    with_crew: Option<i64>,
    /// What ends the run once this is out.
    fault: Option<anyhow::Error>,
}

impl Decider {
    /// Has these rules decide, each set in a thread of its own, until [`Self::dismiss`].
    ///
    /// # Errors
    /// When a thread cannot begin.
    pub fn hire(&mut self, rules: Vec<Vec<Box<dyn Rules>>>) -> std::io::Result<()> {
        // Other processes may write to a shared state: each write of it is followed by its alert.
        if !self.store.is_shared() && rules.len() > 1 {
            self.crew = Some(Crew::new(rules, &self.stages)?);
        }
        Ok(())
    }

    /// Decides without a crew from now on. What it is at is lost, and nothing of it is committed.
    pub fn dismiss(&mut self) {
        (self.crew, self.flight) = (None, None);
    }

    /// Decides what is pending; all of it is out when this returns.
    ///
    /// # Errors
    /// When the output or the store failed.
    pub fn decide(
        &mut self,
        rules: &mut [Box<dyn Rules>],
        sink: &mut dyn AlertSink,
        located: &mut Located<'_>,
    ) -> anyhow::Result<OutputStatus> {
        match self.decide_ahead(rules, sink, located)? {
            OutputStatus::Open => self.land(sink, located),
            OutputStatus::Closed => Ok(OutputStatus::Closed),
        }
    }

    /// Decides what is pending. A crew may still be at it when this returns, until [`Self::land`].
    ///
    /// # Errors
    /// When the output or the store failed.
    pub fn decide_ahead(
        &mut self,
        rules: &mut [Box<dyn Rules>],
        sink: &mut dyn AlertSink,
        located: &mut Located<'_>,
    ) -> anyhow::Result<OutputStatus> {
        let matches = self.pending.take();
        if matches.is_empty() || self.failed && self.flight.is_none() {
            return Ok(OutputStatus::Open);
        }
        let stages = self.stages.clone();
        let _decide = stages.enter(RunStage::Decide);
        if self.batch.is_some() {
            // The position is that of what is out.
            if self.land(sink, located)? == OutputStatus::Closed {
                return Ok(OutputStatus::Closed);
            }
            let batch = self.batch.iter_mut();
            batch.for_each(|batch| matches.iter().for_each(|matched| batch.take(matched)));
        }
        let count = matches.len();
        let members = self.crew.as_ref().filter(|_| count >= WORTH_A_CREW).map_or(1, Crew::len);
        let parts = by_artifact(matches, rules.len());
        let parts: Vec<_> = parts.into_iter().map(|part| groups(part, members)).collect();
        let before = self.wait()?;
        // A commit is between what it holds and what follows.
        let (first, then) = if self.is_full() { (before, None) } else { (None, before) };
        if self.out(first, sink, located)? == OutputStatus::Closed {
            return Ok(OutputStatus::Closed);
        }
        self.begin(parts, count, rules)?;
        if self.out(then, sink, located)? == OutputStatus::Closed {
            return Ok(OutputStatus::Closed);
        }
        let is_up = self.flight.as_ref().is_some_and(|flight| flight.with_crew.is_some());
        if is_up { Ok(OutputStatus::Open) } else { self.land(sink, located) }
    }

    /// Waits for what the crew is at, and gives it out.
    ///
    /// # Errors
    /// When the output or the store failed.
    pub fn land(
        &mut self,
        sink: &mut dyn AlertSink,
        located: &mut Located<'_>,
    ) -> anyhow::Result<OutputStatus> {
        let flight = self.wait()?;
        self.out(flight, sink, located)
    }

    /// Begins to decide: of each artifact its groups.
    fn begin(
        &mut self,
        parts: Vec<Vec<DecidePart>>,
        count: usize,
        rules: &mut [Box<dyn Rules>],
    ) -> anyhow::Result<()> {
        // Stays true until all of it is out.
        self.failed = true;
        // The artifacts' matches are decided one artifact after the other. So nothing expires before
        // all are: the last match of one may be much later than the first of the next.
        let matches = parts.iter().flatten().flat_map(|part| &part.matches);
        advance(&mut *self.store, &mut self.newest, matches);
        self.uncommitted += count as u64;
        self.learning.begin(&mut *self.store)?;
        let context = PartContext {
            texts: self.texts.clone(),
            closed: Arc::clone(&self.closed),
            is_shared: self.store.is_shared(),
            expects_texts: !self.has_learned,
        };
        let mut flight = Flight::default();
        for (artifact, groups) in parts.into_iter().enumerate() {
            let (Some(rules), Ok(number)) = (rules.get_mut(artifact), u16::try_from(artifact))
            else {
                continue;
            };
            self.finish_crew(&mut flight)?;
            // What follows is this one's.
            self.store.advance(number, i64::MIN);
            let (store, newest_ms) = (&mut *self.store, self.newest.of(number));
            if let Some(crew) = self.crew.as_mut().filter(|_| count >= WORTH_A_CREW) {
                crew.begin(artifact, groups, &context);
                flight.with_crew = Some(newest_ms);
                // The values that they need first.
                crew.serve(store, newest_ms)?;
                continue;
            }
            let mut state = |round: Round| {
                let mut rounds = [round];
                serve(&mut rounds, store, newest_ms)?;
                let [round] = rounds;
                Ok(round)
            };
            for group in groups {
                let end = &mut flight.end;
                let done = decide_part(group, &context, &mut **rules, &mut state, end);
                if let Err(fault) = done {
                    // What a shared store knows already has to be out; of another nothing was committed.
                    if !context.is_shared {
                        return Err(fault);
                    }
                    flight.fault = Some(fault);
                    break;
                }
            }
            if flight.fault.is_some() {
                break;
            }
        }
        self.flight = Some(flight);
        Ok(())
    }

    /// Waits until the crew is done with what it is at.
    fn finish_crew(&mut self, flight: &mut Flight) -> anyhow::Result<()> {
        if let (Some(crew), Some(newest_ms)) = (&mut self.crew, flight.with_crew.take()) {
            while !crew.serve(&mut *self.store, newest_ms)? {}
            flight.end.join(crew.take_end());
        }
        Ok(())
    }

    /// Waits until everything is decided; what is to be given out.
    fn wait(&mut self) -> anyhow::Result<Option<Flight>> {
        let Some(mut flight) = self.flight.take() else { return Ok(None) };
        self.finish_crew(&mut flight)?;
        if !flight.end.closed.is_empty() {
            Arc::make_mut(&mut self.closed).extend(flight.end.closed.drain(..));
        }
        Ok(Some(flight))
    }

    /// Gives out what became of matches; commits where it is time.
    fn out(
        &mut self,
        flight: Option<Flight>,
        sink: &mut dyn AlertSink,
        located: &mut Located<'_>,
    ) -> anyhow::Result<OutputStatus> {
        let Some(Flight { end, fault, .. }) = flight else { return Ok(OutputStatus::Open) };
        let PartEnd { mut decided, seen, .. } = end;
        if self.counts_seen {
            for (rule, seen) in seen {
                located.observer.count(Counter::Seen, seen);
                located.observer.count_of(rule, RuleCounter::Seen, seen);
            }
        }
        let fault = fault.or_else(|| self.unsettled(&decided));
        decided.sort_by_key(|d| d.turn);
        let stages = self.stages.clone();
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
        if self.flight.is_some() {
            // The state knows more by now.
            return Ok(status);
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
}

/// The matches of each artifact, with their turns.
fn by_artifact(matches: Vec<Match>, artifacts: usize) -> Vec<DecidePart> {
    if artifacts == 1 {
        return vec![DecidePart { turns: (0..matches.len()).collect(), matches }];
    }
    let mut parts = Vec::new();
    parts.resize_with(artifacts, DecidePart::default);
    for (turn, matched) in matches.into_iter().enumerate() {
        if let Some(part) = parts.get_mut(usize::from(matched.rule.artifact)) {
            part.turns.push(turn);
            part.matches.push(matched);
        }
    }
    parts
}

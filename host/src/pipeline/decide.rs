//! Ordered matches to alerts and state: step two.
//!
//! In: matched events, in the order in which they count. Out: alerts to the output, then the state
//! to the store. An alert is written and flushed before the state that knows it is committed: after
//! a crash it comes again, byte for byte the same, and none is lost.

use super::text::Texts;
use crate::observe::summary::Summary;
use crate::pipeline::order::Record;
use crate::sink::ndjson::{Alerts, OutputError};
use crate::state::Store;
use crate::terminal::message;
use anyhow::{Context, anyhow};
use firstseen_abi::{Cursor, Decision, Item, MAX_VALUE, OutcomeKind, RequestWriter};
use firstseen_runtime::{CallError, Guest};
use foldhash::fast::RandomState;
use std::collections::HashSet;

/// Events decided in one crossing, and bytes of them.
const BATCH_EVENTS: usize = 1024;
const BATCH_BYTES: usize = 4 << 20;
/// Events between two commits of a finite input.
const COMMIT_EVENTS: u64 = 64 * 1024;

/// What became of the outcomes' reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Open,
    /// Whoever read the output went away: nothing more is wanted.
    Closed,
}

/// Decides, writes, remembers.
pub struct Decider {
    store: Box<dyn Store>,
    output: Box<dyn Alerts>,
    /// The files in which texts stand that were not carried.
    pub texts: Texts,
    /// Whether an alert that was given before is given again.
    emit_repeats: bool,
    pending: Vec<Record>,
    pending_bytes: usize,
    newest_ms: i64,
    uncommitted: u64,
    /// Something went wrong between an alert and the state that knows it: nothing is committed any
    /// more, so that what was not written comes again with the next run.
    failed: bool,
}

/// An outcome on its way to the output, in the order of the events.
struct Told {
    record: usize,
    kind: OutcomeKind,
    text: String,
}

impl Decider {
    /// Decides against this store and writes to this output.
    #[must_use]
    pub fn new(store: Box<dyn Store>, output: Box<dyn Alerts>, emit_repeats: bool) -> Self {
        Self {
            store,
            output,
            texts: Texts::default(),
            emit_repeats,
            pending: Vec::new(),
            pending_bytes: 0,
            newest_ms: i64::MIN,
            uncommitted: 0,
            failed: false,
        }
    }

    /// Takes a matched event.
    ///
    /// # Errors
    /// When the output or the store failed.
    pub fn push(
        &mut self,
        record: Record,
        guests: &mut [Guest],
        tally: &mut Summary,
    ) -> anyhow::Result<Flow> {
        self.pending_bytes += record.event.len() + record.item.len();
        self.pending.push(record);
        if self.pending.len() < BATCH_EVENTS && self.pending_bytes < BATCH_BYTES {
            return Ok(Flow::Open);
        }
        self.decide(guests, tally)
    }

    /// Decides what is pending, writes the alerts out and commits the state.
    ///
    /// # Errors
    /// When the output or the store failed.
    pub fn settle(&mut self, guests: &mut [Guest], tally: &mut Summary) -> anyhow::Result<Flow> {
        if self.decide(guests, tally)? == Flow::Closed {
            return Ok(Flow::Closed);
        }
        self.commit()
    }

    /// The store's own words for the summary.
    #[must_use]
    pub fn describe(&self) -> String {
        self.store.describe()
    }

    fn commit(&mut self) -> anyhow::Result<Flow> {
        if self.uncommitted == 0 || self.failed {
            return Ok(Flow::Open);
        }
        match self.output.flush() {
            Ok(()) => {}
            // The state must not know alerts that nobody got.
            Err(OutputError::Closed) => return Ok(Flow::Closed),
            Err(e) => return Err(anyhow!(e)),
        }
        self.store.advance(self.newest_ms);
        self.store.commit().context("the state was not written")?;
        self.uncommitted = 0;
        Ok(Flow::Open)
    }

    fn decide(&mut self, guests: &mut [Guest], tally: &mut Summary) -> anyhow::Result<Flow> {
        let records = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        // Until the end of this function says otherwise, whichever way it is left.
        if std::mem::replace(&mut self.failed, true) {
            return Ok(Flow::Open);
        }
        // The artifacts' records are decided one artifact after the other. So nothing expires before
        // all are: the last record of one may be much later than the first of the next.
        let oldest = records.iter().map(|record| record.time_ms).min().unwrap_or(i64::MIN);
        self.store.advance(self.newest_ms.max(oldest));
        let newest = records.iter().map(|record| record.time_ms).max().unwrap_or(i64::MIN);
        self.newest_ms = self.newest_ms.max(newest);
        let mut told = Vec::new();
        let mut of_artifact: Vec<Vec<usize>> = vec![Vec::new(); guests.len()];
        for (at, record) in records.iter().enumerate() {
            if let Some(ours) = of_artifact.get_mut((record.rule >> 16) as usize) {
                ours.push(at);
            }
        }
        for (guest, ours) in guests.iter_mut().zip(&of_artifact) {
            // Ranges still to decide, the next one last; halved where the guest fails.
            let mut todo = vec![ours.as_slice()];
            while let Some(part) = todo.pop() {
                if part.is_empty() {
                    continue;
                }
                match self.ask(guest, &records, part, tally, &mut told)? {
                    Ok(()) => {}
                    Err(error) if part.len() == 1 => {
                        let record = part.first().copied().unwrap_or_default();
                        let text = format!("rule_failed: {error}");
                        told.push(Told { record, kind: OutcomeKind::Error, text });
                    }
                    Err(_) => {
                        let (first, second) = part.split_at(part.len() / 2);
                        todo.extend([second, first]);
                    }
                }
            }
        }
        told.sort_by_key(|t| t.record);
        self.uncommitted += records.len() as u64;
        if self.tell(&told, &records, tally)? == Flow::Closed {
            return Ok(Flow::Closed);
        }
        self.pending = records;
        self.pending.clear();
        self.failed = false;
        if self.uncommitted >= COMMIT_EVENTS { self.commit() } else { Ok(Flow::Open) }
    }

    /// One crossing for some of the records, all of one artifact.
    fn ask(
        &mut self,
        guest: &mut Guest,
        records: &[Record],
        part: &[usize],
        tally: &mut Summary,
        told: &mut Vec<Told>,
    ) -> anyhow::Result<Result<(), CallError>> {
        let mut request = RequestWriter::default();
        let mut keys: Vec<&[u8]> = Vec::new();
        let mut known: HashSet<&[u8], RandomState> = HashSet::default();
        let mut terms = 0u64;
        for at in part {
            let Some(record) = records.get(*at) else { continue };
            let item = match Item::read(&mut Cursor::new(&record.item)) {
                Ok(item) => item,
                Err(fault) => return Ok(Err(CallError::Contract(fault.to_string()))),
            };
            for term in item.terms() {
                terms += 1;
                if known.insert(term.key) {
                    if !guest.owns(term.key) {
                        let what = "a key outside the rule's own prefix".to_owned();
                        return Ok(Err(CallError::Contract(what)));
                    }
                    keys.push(term.key);
                    let value = self.store.get(term.key).context("the state was not read")?;
                    request.key(term.key, value.as_deref());
                }
            }
            request.item_alone(&record.item);
        }
        let answer = match guest.decide(&request) {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        let mut decision = match check(&answer, keys.len(), part.len()) {
            Ok(decision) => decision,
            Err(error) => return Ok(Err(error)),
        };
        // Most events were seen before, and their texts never cross again.
        let wanted = wanted(&decision);
        let with_texts;
        if !wanted.is_empty() {
            request.clear_items();
            for (index, at) in part.iter().enumerate() {
                let Some(record) = records.get(*at) else { continue };
                if !wanted.contains(&(index as u32)) {
                    request.item_alone(&record.item);
                    continue;
                }
                match self.texts.resolve(&record.event, &record.item, guest) {
                    Ok(text) => request.item(&record.item, &text),
                    // The others are judged without it: it counts as not read.
                    Err(reason) => {
                        let text = format!("text_lost: {reason}");
                        told.push(Told { record: *at, kind: OutcomeKind::Error, text });
                        let rest: Vec<usize> = part.iter().copied().filter(|r| r != at).collect();
                        return self.ask(guest, records, &rest, tally, told);
                    }
                }
            }
            with_texts = match guest.decide(&request) {
                Ok(answer) => answer,
                Err(error) => return Ok(Err(error)),
            };
            decision = match check(&with_texts, keys.len(), part.len()) {
                Ok(decision) => decision,
                Err(error) => return Ok(Err(error)),
            };
            if !self::wanted(&decision).is_empty() {
                let what = "an event was asked for that had been given".to_owned();
                return Ok(Err(CallError::Contract(what)));
            }
        }
        for write in &decision.writes {
            if let Some(key) = keys.get(write.key as usize) {
                let expires = self.newest_ms.saturating_add(write.ttl_ms.max(0));
                self.store.put(key, write.value, expires).context("the state was not written")?;
            }
        }
        tally.seen += terms.saturating_sub(decision.outcomes.len() as u64);
        for outcome in &decision.outcomes {
            let record = part.get(outcome.item as usize).copied().unwrap_or_default();
            told.push(Told { record, kind: outcome.kind, text: outcome.text.to_owned() });
        }
        Ok(Ok(()))
    }

    fn tell(
        &mut self,
        told: &[Told],
        records: &[Record],
        tally: &mut Summary,
    ) -> anyhow::Result<Flow> {
        for Told { kind, text, record } in told {
            let line = records.get(*record).map_or(0, |record| record.line);
            let wanted = match kind {
                OutcomeKind::Alert => {
                    tally.alerts += 1;
                    true
                }
                OutcomeKind::Repeat => {
                    tally.repeats += 1;
                    self.emit_repeats
                }
                OutcomeKind::LateBeyondMemory => {
                    tally.older_than_state += 1;
                    false
                }
                OutcomeKind::Learned => {
                    tally.learned += 1;
                    false
                }
                OutcomeKind::Error | OutcomeKind::NeedsEvent => {
                    tally.bad += 1;
                    self.output.failed(line, text);
                    message::warning(&format!(
                        "not decided: {}",
                        crate::terminal::escape::escaped(text)
                    ));
                    false
                }
            };
            if wanted {
                match self.output.alert(line, text) {
                    Ok(()) => {}
                    Err(OutputError::Closed) => return Ok(Flow::Closed),
                    Err(e) => return Err(anyhow!(e)),
                }
            }
        }
        Ok(Flow::Open)
    }
}

/// The items whose events are asked for.
fn wanted(decision: &Decision<'_>) -> HashSet<u32> {
    let outcomes = decision.outcomes.iter();
    outcomes.filter(|o| o.kind == OutcomeKind::NeedsEvent).map(|o| o.item).collect()
}

/// Reads a decision and checks what it points at.
fn check(out: &[u8], keys: usize, items: usize) -> Result<Decision<'_>, CallError> {
    let broken = |what: &str| CallError::Contract(what.to_owned());
    let decision = Decision::read(out).map_err(|e| match e {
        Ok(status) => broken(&format!("status {status}")),
        Err(fault) => broken(&fault.to_string()),
    })?;
    for write in &decision.writes {
        if write.key as usize >= keys || write.value.len() > MAX_VALUE {
            return Err(broken("a write to no key, or of a value that is too long"));
        }
    }
    for outcome in &decision.outcomes {
        if outcome.item as usize >= items {
            return Err(broken("an outcome of no event"));
        }
        let alert = matches!(outcome.kind, OutcomeKind::Alert | OutcomeKind::Repeat);
        let json = || serde_json::from_str::<serde::de::IgnoredAny>(outcome.text);
        if alert && (outcome.text.contains('\n') || json().is_err()) {
            return Err(broken("an alert that is not one line of JSON"));
        }
    }
    Ok(decision)
}

//! Counts and notices of a service: of all that it judged, and of each body.
//!
//! In: what the pipeline reports. Out: the same to the observer of a run, and what is of one body to the ledger. It
//! changes nothing of what is judged.

use super::ledger::BodyLedger;
use crate::observe::{Counter, Notice, Observer, RuleCounter};
use crate::state::OutputMark;
use firstseen_session::RuleRef;

/// Texts that are kept of one body.
const MOST_TEXTS: usize = 8;

/// Hears of everything before the observer of a run does.
pub struct ServedObserver<'o, O: Observer> {
    inner: &'o mut O,
    ledger: BodyLedger,
    /// How many bodies were begun.
    bodies: u32,
    publish: Publish<O>,
}

/// Is given the observer before the first body, and when what it counted is about to be answered; whether something was
/// committed.
pub type Publish<O> = Box<dyn FnMut(&mut O, bool)>;

impl<'o, O: Observer> ServedObserver<'o, O> {
    /// Before this observer, which is published at once: who asks for counts finds those of each rule.
    pub fn new(inner: &'o mut O, ledger: BodyLedger, mut publish: Publish<O>) -> Self {
        publish(inner, false);
        Self { inner, ledger, bodies: 0, publish }
    }
}

impl<O: Observer> Observer for ServedObserver<'_, O> {
    fn count(&mut self, counter: Counter, n: u64) {
        match counter {
            Counter::Inputs => self.bodies = self.bodies.wrapping_add(1),
            Counter::Events => self.ledger.present(|body| body.events += n),
            Counter::Matched => self.ledger.present(|body| body.matched += n),
            _ => {}
        }
        self.inner.count(counter, n);
    }

    fn count_of(&mut self, rule: RuleRef, counter: RuleCounter, n: u64) {
        self.inner.count_of(rule, counter, n);
    }

    fn notice(&mut self, notice: &Notice<'_>) -> anyhow::Result<()> {
        match *notice {
            Notice::OtherIndex { .. } => self.ledger.present(|body| body.other_index += 1),
            Notice::NoEvents { what, .. } => self.ledger.present(|body| {
                let (texts, count) = &mut body.no_events;
                *count += 1;
                if texts.len() < MOST_TEXTS && !texts.iter().any(|text| text == what) {
                    texts.push(what.to_owned());
                }
            }),
            Notice::InputFailed { text } => {
                self.ledger.present(|body| body.failed = Some(text.to_owned()));
            }
            _ => {}
        }
        self.inner.notice(notice)
    }

    fn dated(&mut self, time_ms: i64, matched: bool) {
        self.inner.dated(time_ms, matched);
    }

    fn learned(&mut self, rule: RuleRef, time_ms: i64) {
        self.inner.learned(rule, time_ms);
    }

    /// Bodies have the same numbers again in each commit; the run counts on.
    fn reading(&mut self, _: u32, stored_bytes: u64) {
        self.inner.reading(self.bodies, stored_bytes);
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        self.inner.settle()?;
        (self.publish)(self.inner, true);
        Ok(())
    }

    fn mark(&self) -> Option<OutputMark> {
        self.inner.mark()
    }

    fn sync(&mut self) -> anyhow::Result<()> {
        self.inner.sync()
    }
}

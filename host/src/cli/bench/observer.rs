//! What is counted while rounds are measured.
//!
//! In: counts and notices. Out: sums, of which two can be looked at from outside; what could not be read or judged,
//! in one warning each. It prints nothing before it is asked to.

use crate::observe::{Counter, Notice, Observer};
use crate::terminal::formats::{SHOWN_LINES, counted};
use crate::terminal::message;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The sums of a round.
#[derive(Debug, Clone, Default)]
pub(super) struct BenchCounts {
    pub(super) inputs: u64,
    pub(super) bytes: u64,
    pub(super) events: u64,
    pub(super) matched: u64,
    pub(super) alerts: u64,
    pub(super) seen: u64,
    /// Events that could not be judged, and matches that could not be decided.
    pub(super) skipped: u64,
    /// Inputs that could not be read to their end, and other things to be said: the first of them.
    pub(super) said: Vec<String>,
    pub(super) more: u64,
}

impl BenchCounts {
    /// Says what was not measured.
    pub(super) fn warn(&self) {
        self.said.iter().for_each(|text| message::warning(text));
        if self.more > 0 {
            let more = counted(self.more, "more message", "more messages");
            message::warning(&format!("{more}: `firstseen run` counts them"));
        }
        if self.skipped > 0 {
            let events = counted(self.skipped, "event", "events");
            message::warning(&format!(
                "{events} could not be judged: `firstseen run` over the same inputs names them"
            ));
        }
    }

    fn say(&mut self, text: String) {
        if self.said.len() < SHOWN_LINES {
            self.said.push(text);
        } else {
            self.more += 1;
        }
    }
}

/// What changed since somebody looked.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedCounts {
    pub(super) matched: Arc<AtomicU64>,
    pub(super) alerts: Arc<AtomicU64>,
}

/// The observer of a round.
#[derive(Debug, Default)]
pub(super) struct BenchObserver {
    pub(super) counts: BenchCounts,
    pub(super) shared: SharedCounts,
}

impl Observer for BenchObserver {
    fn count(&mut self, counter: Counter, n: u64) {
        let counts = &mut self.counts;
        match counter {
            Counter::Inputs => counts.inputs += n,
            Counter::Bytes => counts.bytes += n,
            Counter::Events => counts.events += n,
            Counter::Matched => {
                counts.matched += n;
                self.shared.matched.fetch_add(n, Ordering::Relaxed);
            }
            Counter::Alerts => {
                counts.alerts += n;
                self.shared.alerts.fetch_add(n, Ordering::Relaxed);
            }
            Counter::Seen => counts.seen += n,
            _ => {}
        }
    }

    fn notice(&mut self, notice: &Notice<'_>) -> anyhow::Result<()> {
        match *notice {
            Notice::Skipped { .. } | Notice::NotDecided { .. } => self.counts.skipped += 1,
            Notice::InputFailed { text } | Notice::BatchUnread { text } => {
                self.counts.say(format!("skipped: {text}"))
            }
            Notice::Message { text, .. } => self.counts.say(text.to_owned()),
            Notice::RuleLog { line } => self.counts.say(format!("a rule says: {line}")),
            _ => {}
        }
        Ok(())
    }
}

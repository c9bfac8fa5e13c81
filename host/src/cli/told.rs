//! What `explain` and `fields` tell of their inputs: what `run` tells, in its words and with its sums.
//!
//! In: what was found in the inputs and holds no event, could not be read or was not opened. Out: lines on
//! standard error, up to a limit each, and at the end a sentence for each kind. It counts nothing else.

use super::observer::{OnError, RunObserver};
use crate::observe::rule_counts::RuleTally;
use crate::observe::summary::Summary;
use crate::observe::{EventLocation, Notice, Observer, SkipKind};
use crate::source::{FoundInputs, is_whole_input, no_event};
use crate::terminal::formats::{SHOWN_LINES, counted};
use crate::terminal::message::{self, Level};
use crate::terminal::rule_table;
use crate::terminal::summary::of_inputs;
use crate::terminal::wrap::wrapped;

/// What was told so far, and what is to be told at the end.
pub(super) struct ToldInputs {
    observer: RunObserver,
    /// Documents without events that were met.
    documents: u64,
}

impl ToldInputs {
    pub(super) fn new() -> Self {
        let tally = RuleTally::new(Vec::new());
        let observer = RunObserver::new(OnError::Skip, None, Vec::new(), tally, None);
        Self { observer, documents: 0 }
    }

    /// What is not read of folders.
    pub(super) fn found(&mut self, found: &FoundInputs) {
        found.left_out().iter().for_each(|(severity, text)| message::notice(*severity, text));
        found.faults.iter().for_each(|problem| self.failed(&problem.text()));
    }

    /// An input could not be read to its end.
    pub(super) fn failed(&mut self, text: &str) {
        self.notice(&Notice::InputFailed { text });
    }

    /// An event could not be read, and is named here alone.
    pub(super) fn unread(&mut self, at: &EventLocation, code: &str, reason: &str) {
        self.notice(&Notice::Skipped { kind: SkipKind::Bad, at, code, reason, raw: &[] });
    }

    /// An event could not be read, and the output says so.
    pub(super) fn shown_unread(&mut self, code: &str) {
        self.observer.summary.bad(code);
    }

    /// Something holds no event, or was not opened.
    pub(super) fn no_events(&mut self, at: &EventLocation, what: &str) {
        self.notice(&Notice::NoEvents { what, input: &at.file });
        if !is_whole_input(what) {
            self.documents += 1;
            if self.documents <= SHOWN_LINES as u64 {
                message::info(&no_event(at, what));
            }
        }
    }

    /// Skipping never ends the work.
    fn notice(&mut self, notice: &Notice<'_>) {
        let _ = self.observer.notice(notice);
    }

    /// How much more there was of what is named up to a limit.
    pub(super) fn named(&mut self) -> anyhow::Result<()> {
        self.observer.finish()?;
        if let more @ 1.. = self.documents.saturating_sub(SHOWN_LINES as u64) {
            message::info(&format!(
                "no event: {}",
                counted(more, "more document", "more documents")
            ));
        }
        Ok(())
    }

    /// The sums.
    pub(super) fn sums(&self) {
        for (level, sentence) in of_inputs(self.summary()) {
            message::page(level, wrapped(&sentence, "  ", "    ").trim_end());
        }
    }

    fn summary(&self) -> &Summary {
        &self.observer.summary
    }

    /// Says that there was no event at all, in the words of `run`.
    pub(super) fn nothing(&self) {
        let bad = self.summary().bad > 0;
        let text = if bad { rule_table::NOTHING_JUDGED } else { rule_table::NOTHING_READ };
        message::page(Level::Info, &format!("  {text}"));
    }
}

//! Reads one source to its end: a block, what the rules say of it, and what need not wait any longer.
//!
//! In: a source, and where matches wait. Out: matches in there; of a stream also alerts and commits, block by block.
//! `poll` returns before anything is decided, so no borrow of the source outlives the call.

use super::intake::Intake;
use super::{Order, OutputStatus, Pipeline};
use crate::observe::stages::RunStage;
use crate::observe::{Counter, Notice, NoticeSeverity, Observer};
use crate::source::{Polled, ReadError, ReadErrorKind, Source};
use anyhow::anyhow;
use std::sync::Arc;

impl Pipeline<'_> {
    /// Reads one source to its end.
    pub(super) fn read(
        &mut self,
        source: &mut dyn Source,
        (number, lines_before): (u32, u64),
        rereadable: bool,
        order: &mut Order,
    ) -> anyhow::Result<OutputStatus> {
        let is_stream = order.is_stream();
        let mut unpacked = 0;
        loop {
            if is_stream && self.reads_ahead(unpacked) {
                return self.read_ahead(source, (number, lines_before), order);
            }
            let patience = order.due_in(self.clock);
            let mut intake = Intake {
                rules: &mut self.rules,
                prefilter: &mut self.prefilter,
                samples: &mut self.samples,
                gathering: &mut self.gathering,
                learning: &mut self.decider.learning,
                order,
                observer: self.observer,
                live_settings: self.live_settings.as_deref_mut().filter(|_| is_stream),
                clock: Some(self.clock).filter(|_| is_stream),
                now_ms: &mut self.now_ms,
                name: self.names.last().cloned().unwrap_or_else(|| Arc::from("-")),
                input: number,
                lines_before,
                future_slack_ms: self.options.future_slack_ms,
                rereadable,
                refers_to_text: &mut self.refers_to_text,
                read: &self.options.read,
                is_first: true,
                sink: &mut *self.sink,
                fault: None,
            };
            source.wait_at_most(patience);
            let scan = self.options.read.stages.enter(RunStage::Scan);
            let polled = source.poll(&mut intake);
            let over = !matches!(polled, Ok(Polled::More)) || self.stop.is_requested();
            // A stream's block is judged before the next is waited for; files gather until a call is
            // worth it.
            if is_stream || over {
                // A fault ends the reading, and is kept in the intake.
                let _ = intake.call_keys();
            }
            drop(scan);
            let mut fault = intake.fault.take();
            if let Err(error) = &polled {
                let is_batch = self.decider.batch.is_some();
                fault = fault.or_else(|| read_fault(error, is_batch, self.observer));
            }
            self.observer.count(Counter::Bytes, source.unpacked() - unpacked);
            unpacked = source.unpacked();
            self.observer.reading(number, source.stored());
            if self.sink.wants_input() {
                self.sink.input(source.block());
                // A line that a signal cut off is read whole when it is sent again.
                if over && !self.stop.is_requested() {
                    self.sink.input_ends();
                }
            }
            if let Some(batch) = &mut self.decider.batch {
                batch.read(source.block());
            }
            if let Some(stream) = &mut self.decider.stream
                && let Some((begin, told)) = stream.read(source.block())?
            {
                let run = stream.run.clone();
                self.decider.change_run(&run, begin)?;
                if let Some(text) = told {
                    let severity = NoticeSeverity::Warning;
                    self.observer.notice(&Notice::Message { severity, text: &text })?;
                }
            }
            let status = self.decide_ready(order)?;
            if status == OutputStatus::Closed {
                return Ok(status);
            }
            if let Some(fault) = fault {
                return Err(fault);
            }
            if over {
                return Ok(OutputStatus::Open);
            }
        }
    }

    /// Decides what need not wait any longer; a stream's alerts are out when this returns.
    pub(super) fn decide_ready(&mut self, order: &mut Order) -> anyhow::Result<OutputStatus> {
        let mut some = false;
        order.tick(self.clock);
        while let Some(matched) = order.ready() {
            some = true;
            if self.push(matched)? == OutputStatus::Closed {
                return Ok(OutputStatus::Closed);
            }
        }
        if self.is_grouped {
            return Ok(OutputStatus::Open);
        }
        if order.is_stream() {
            self.observer.settle()?;
        }
        if some || self.sink.wants_input() { self.settle() } else { Ok(OutputStatus::Open) }
    }
}

/// An input of a batch could not be read to its end, and may be another time; nothing of the batch was decided.
#[derive(Debug, thiserror::Error)]
#[error("{text}; nothing was decided, run again when it can be read")]
pub struct BatchUnread {
    /// The input and what was wrong.
    pub text: String,
    /// The name of the input.
    file: Arc<str>,
    kind: ReadErrorKind,
}

impl BatchUnread {
    /// The name of the input, where another file has its name by now, or it was cut.
    #[must_use]
    pub fn changed(&self) -> Option<&str> {
        let is_changed = matches!(self.kind, ReadErrorKind::Replaced | ReadErrorKind::Shrank);
        is_changed.then_some(&self.file)
    }
}

/// Tells that an input could not be read to its end; what the run has to end with because of it. `is_batch`: what
/// may be readable the next time would be missing in its order.
pub(super) fn read_fault(
    error: &ReadError,
    is_batch: bool,
    observer: &mut dyn Observer,
) -> Option<anyhow::Error> {
    let text = error.to_string();
    let kinds = [ReadErrorKind::Io, ReadErrorKind::Replaced, ReadErrorKind::Shrank];
    let is_unread = is_batch && kinds.contains(&error.kind);
    let notice = match error.kind {
        ReadErrorKind::Grew | ReadErrorKind::Misnamed => {
            Notice::Message { severity: NoticeSeverity::Warning, text: &text }
        }
        _ if is_unread => Notice::BatchUnread { text: &text },
        _ => Notice::InputFailed { text: &text },
    };
    let told = observer.notice(&notice).err();
    if is_unread {
        let (file, kind) = (Arc::clone(&error.file), error.kind);
        return Some(anyhow!(BatchUnread { text, file, kind }));
    }
    told
}

//! The outcomes of jobs, and their sum.
//!
//! In: what each job made, or why it could not. Out: messages, the counts, one line about all of
//! them. It builds nothing.

use super::args::BuildArgs;
use crate::terminal::formats::{bytes, counted, number, time};
use crate::terminal::message::{self, Level};
use crate::terminal::progress::Progress;
use std::time::Duration;

/// The outcome of a job, and the messages about it.
pub(super) struct JobResult<T> {
    pub(super) outcome: JobOutcome<T>,
    pub(super) messages: Vec<(Level, String)>,
}

/// The outcome of a job.
pub(super) enum JobOutcome<T> {
    Out(T),
    Failed,
    /// It is no rule.
    Skipped,
    /// It is a rule of another type, and those were not meant.
    OtherType,
}

/// The outcomes of all jobs, counted.
#[derive(Default)]
pub(super) struct BuildCounts {
    pub(super) done: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
    pub(super) other_type: usize,
    pub(super) bytes: usize,
}

impl<T> JobResult<T> {
    pub(super) fn failed(reason: String) -> Self {
        Self {
            outcome: JobOutcome::Failed,
            messages: vec![(Level::Error, format!("error: {reason}"))],
        }
    }

    pub(super) fn and_then<U>(self, then: impl FnOnce(T) -> Result<U, String>) -> JobResult<U> {
        let Self { outcome, mut messages } = self;
        let outcome = match outcome {
            JobOutcome::Out(value) => match then(value) {
                Ok(value) => JobOutcome::Out(value),
                Err(reason) => {
                    messages.push((Level::Error, format!("error: {reason}")));
                    JobOutcome::Failed
                }
            },
            JobOutcome::Failed => JobOutcome::Failed,
            JobOutcome::Skipped => JobOutcome::Skipped,
            JobOutcome::OtherType => JobOutcome::OtherType,
        };
        JobResult { outcome, messages }
    }
}

impl BuildCounts {
    /// Counts the outcome, prints the messages, and returns the value of a job that is done.
    pub(super) fn take<T>(&mut self, result: JobResult<T>, progress: &Progress) -> Option<T> {
        if !result.messages.is_empty() {
            progress.suspend(|| {
                result.messages.iter().for_each(|(level, text)| message::page(*level, text))
            });
        }
        match result.outcome {
            JobOutcome::Out(value) => {
                self.done += 1;
                return Some(value);
            }
            JobOutcome::Failed => self.failed += 1,
            JobOutcome::Skipped => self.skipped += 1,
            JobOutcome::OtherType => self.other_type += 1,
        }
        None
    }

    /// `41 rules: 40 built, 1 failed; 7300 KB, 1.2 s`.
    pub(super) fn line(&self, args: &BuildArgs, took: Duration) -> String {
        let done = match (args.check, args.pack && self.failed > 0) {
            (true, _) => "ok",
            (_, true) => "read",
            _ => "built",
        };
        let rules = counted((self.done + self.failed) as u64, "rule", "rules");
        let mut line = format!("{rules}: {} {done}", number(self.done as u64));
        if self.failed > 0 {
            line += &format!(", {} failed", number(self.failed as u64));
        }
        if self.skipped > 0 {
            line += &format!(", {} skipped", number(self.skipped as u64));
        }
        if self.other_type > 0 {
            line += &format!(", {} of another type skipped", number(self.other_type as u64));
        }
        if !args.check && self.bytes > 0 {
            line += &format!("; {}", bytes(self.bytes as u64));
        }
        format!("{line}, {}", time(took))
    }
}

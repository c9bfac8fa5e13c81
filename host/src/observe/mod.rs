//! Counts and notices of a run, through one [`Observer`].
//!
//! In: calls from the pipeline. Out: whatever the observer makes of them: a summary, lines on
//! standard error, a dead letter. The pipeline prints nothing and keeps no sums.

pub mod learned;
pub mod names;
pub mod place;
pub mod rule_counts;
pub mod schedule;
pub mod stages;
pub mod summary;

pub use place::EventLocation;
pub use rule_counts::RuleCounter;

use crate::state::OutputMark;
use firstseen_session::RuleRef;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Inputs that were begun.
    Inputs,
    /// Inputs that an earlier batch has read.
    AlreadyRead,
    /// Matches that an earlier process decided.
    DecidedBefore,
    /// Bytes that were read, unpacked.
    Bytes,
    /// Events that were read.
    Events,
    /// Matches: an event that two rules match counts twice.
    Matched,
    /// Alerts.
    Alerts,
    /// Alerts that were given before.
    Repeats,
    /// Terms seen before.
    Seen,
    /// Terms learned without an alert.
    Learned,
    /// Terms older than all that the state remembers.
    OlderThanState,
    /// Alerts dated before what the state remembers.
    BeforeMemory,
    /// Matches whose text could not be read again.
    LostTexts,
    /// Later sightings of their terms, of which nothing may be decided.
    AfterLostText,
    /// Matches that a hold let go early, for want of memory.
    ReleasedEarly,
}

/// Why an event was not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipKind {
    /// It cannot be read.
    Bad,
    /// It is dated later than the clock allows.
    Future,
    /// It has more terms than are judged.
    TooManyTerms,
}

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeSeverity {
    /// The work ends, or something of it was lost.
    Error,
    /// Something was left out, or is not as it was asked for.
    Warning,
    /// Worth knowing.
    Info,
}

/// Something that happened to one event, one match, one input or the run.
#[derive(Debug, Clone, Copy)]
pub enum Notice<'a> {
    /// An event was skipped.
    Skipped {
        /// Why.
        kind: SkipKind,
        /// Where it is.
        at: &'a EventLocation,
        /// A stable code.
        code: &'a str,
        /// What was wrong.
        reason: &'a str,
        /// Its bytes, or the beginning of them.
        raw: &'a [u8],
    },
    /// A match could not be decided: `code: reason`.
    NotDecided {
        /// Where its event is.
        at: &'a EventLocation,
        /// `code: reason`.
        text: &'a str,
    },
    /// A match has no value in this new-terms field.
    Missing {
        /// The field.
        field: &'a str,
        /// The event's text.
        event: &'a [u8],
    },
    /// An exception took a match out.
    Excepted {
        /// The exception's name.
        name: &'a str,
    },
    /// A match is of an index that its rule is not about.
    OtherIndex {
        /// The index.
        name: &'a str,
    },
    /// Something was recognised and holds no events.
    NoEvents {
        /// What it is.
        what: &'a str,
        /// The input that it is, or is in.
        input: &'a str,
    },
    /// An input could not be read to its end.
    InputFailed {
        /// The input, what was wrong, and what to do.
        text: &'a str,
    },
    /// So for one of a batch, of which nothing is decided then.
    BatchUnread {
        /// The input, what was wrong, and what to do.
        text: &'a str,
    },
    /// A rule logged a line.
    RuleLog {
        /// The line.
        line: &'a str,
    },
    /// Anything else.
    Message {
        /// How much it matters.
        severity: NoticeSeverity,
        /// The message.
        text: &'a str,
    },
}

/// Receives counts and notices.
pub trait Observer {
    /// `n` more of something.
    fn count(&mut self, counter: Counter, n: u64);

    /// `n` more of something for a rule; it is counted in the sums of the run too.
    fn count_of(&mut self, _rule: RuleRef, _counter: RuleCounter, _n: u64) {}

    /// Something happened.
    ///
    /// # Errors
    /// Where the run has to end because of it: what was asked to be kept cannot be kept, or the user
    /// wants the first fault to end the run. What was read before is decided all the same.
    fn notice(&mut self, notice: &Notice<'_>) -> anyhow::Result<()>;

    /// An event is dated so, in milliseconds since 1970. Heard of every event that matches a rule, and
    /// of some others.
    fn dated(&mut self, _time_ms: i64, _matched: bool) {}

    /// A rule took a term of an event of this time as known.
    fn learned(&mut self, _rule: RuleRef, _time_ms: i64) {}

    /// So many bytes of this input were read, as they are stored.
    fn reading(&mut self, _input: u32, _stored_bytes: u64) {}

    /// A block of a stream was decided: what waits to be written is written.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn settle(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// The file of skipped events as it is, for the state to keep.
    fn mark(&self) -> Option<OutputMark> {
        None
    }

    /// A state will be committed: what was written is to be on the disk.
    ///
    /// # Errors
    /// Where it is not; then nothing is committed.
    fn sync(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

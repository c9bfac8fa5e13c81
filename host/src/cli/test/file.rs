//! A test file as it is written, checked part by part.
//!
//! In: the text of `x.test.toml`. Out: cases with their times and events made out, or every fault of
//! the file with its place. It knows no rule: how many values a term needs, the rule says later.
//! docs/testing.md describes the format.

mod raw;
mod reader;

use raw::RawFile;
use reader::TestFileReader;
use serde::Deserialize;
use serde_json::Value;
use std::ops::Range;
use std::path::PathBuf;

/// What is wrong with a test file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TestFileFault {
    /// In bytes of the text.
    pub(super) span: Range<usize>,
    /// What is wrong.
    pub(super) message: String,
    /// What to do, where the message does not say it.
    pub(super) help: Option<String>,
}

/// A test file, checked.
#[derive(Debug)]
pub(super) struct TestFile {
    /// The rule, as the file names it.
    pub(super) rule: Option<String>,
    /// Which rule of the artifact; needed where it holds several.
    pub(super) rule_id: Option<String>,
    /// What the time of an event is, for a rule that is built here.
    pub(super) event_time: Option<TestEventTime>,
    /// Whether must-alert or must-not-alert cases may be missing.
    pub(super) allow_one_sided: bool,
    /// In the order of the file.
    pub(super) cases: Vec<CaseSpec>,
}

/// One case: a state, events, what has to become of them.
#[derive(Debug)]
pub(super) struct CaseSpec {
    pub(super) name: String,
    /// The line of its name.
    pub(super) line: usize,
    /// The time of `+0s`.
    pub(super) start_ms: i64,
    /// The host's clock, or 0 for none.
    pub(super) now_ms: i64,
    /// The document for `configure`.
    pub(super) settings: Option<String>,
    pub(super) before: Vec<KnownTerm>,
    pub(super) events: Vec<EventSpec>,
    pub(super) after: Vec<ExpectedTerm>,
}

impl CaseSpec {
    /// The files that events come from.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.events.iter().filter_map(|event| match &event.source {
            EventInput::File(path) => Some(path),
            _ => None,
        })
    }
}

/// A term that is known when the case begins.
#[derive(Debug)]
pub(super) struct KnownTerm {
    pub(super) line: usize,
    pub(super) terms: Vec<Value>,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
}

/// One event, or the events of a file.
#[derive(Debug)]
pub(super) struct EventSpec {
    pub(super) line: usize,
    pub(super) source: EventInput,
    pub(super) expected: Expectation,
}

/// Where the text of an event comes from.
#[derive(Debug)]
pub(super) enum EventInput {
    /// Made from fields: one event.
    Made(String),
    /// As it is, in any envelope.
    Text(String),
    /// A file, relative to the test file.
    File(PathBuf),
}

/// What has to become of an event. At least one of them is there.
#[derive(Debug, Default)]
pub(super) struct Expectation {
    pub(super) alert: Option<bool>,
    pub(super) outcome: Option<TestOutcome>,
    pub(super) terms: Option<Vec<Vec<Value>>>,
    /// Fields of each alert, by flat names.
    pub(super) fields: Vec<(String, Value)>,
}

/// A term as it has to be known when the case has ended.
#[derive(Debug)]
pub(super) struct ExpectedTerm {
    pub(super) line: usize,
    pub(super) terms: Vec<Value>,
    pub(super) absent: bool,
    pub(super) first_ms: Option<i64>,
    pub(super) last_ms: Option<i64>,
}

/// The rule's build option of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TestEventTime {
    Timestamp,
    TimestampOverride,
}

/// What can become of an event and its terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TestOutcome {
    Alert,
    NoMatch,
    Missing,
    Excepted,
    OtherIndex,
    Seen,
    Repeat,
    Learned,
    Late,
    Future,
    TooManyTerms,
    Bad,
    NoEvents,
    Error,
}

impl TestOutcome {
    /// Whether it is about a term; the others are about a whole event.
    pub(super) const fn is_of_a_term(self) -> bool {
        matches!(
            self,
            Self::Alert | Self::Seen | Self::Repeat | Self::Learned | Self::Late | Self::Error
        )
    }

    /// The word for it, as files and reports write it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::NoMatch => "no_match",
            Self::Missing => "missing",
            Self::Excepted => "excepted",
            Self::OtherIndex => "other_index",
            Self::Seen => "seen",
            Self::Repeat => "repeat",
            Self::Learned => "learned",
            Self::Late => "late",
            Self::Future => "future",
            Self::TooManyTerms => "too_many_terms",
            Self::Bad => "bad",
            Self::NoEvents => "no_events",
            Self::Error => "error",
        }
    }
}

/// Reads a test file.
///
/// # Errors
/// All faults, in the order of the text.
pub(super) fn read(text: &str) -> Result<TestFile, Vec<TestFileFault>> {
    let raw: RawFile = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        // The list of what would be right is long: it is below the place.
        let (message, help) = match error.message().split_once(", expected ") {
            Some((message, expected)) => (message, Some(expected.replace('`', ""))),
            None => (error.message(), None),
        };
        vec![TestFileFault { span, message: message.to_owned(), help }]
    })?;
    let mut reader = TestFileReader { text, faults: Vec::new() };
    let file = reader.file(raw);
    if reader.faults.is_empty() {
        Ok(file)
    } else {
        reader.faults.sort_by_key(|fault| fault.span.start);
        Err(reader.faults)
    }
}

/// The line of a place, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|b| *b == b'\n').count() + 1
}

impl Expectation {
    /// Whether an alert is asked for, by any of the ways to say so; `None` where nothing is said.
    ///
    /// # Errors
    /// Where two of them contradict each other.
    pub(super) fn must_alert(&self) -> Result<Option<bool>, &'static str> {
        let by_outcome = self.outcome.map(|outcome| outcome == TestOutcome::Alert);
        let by_terms = self.terms.as_ref().map(|terms| !terms.is_empty());
        let by_fields = (!self.fields.is_empty()).then_some(true);
        let mut said = [self.alert, by_outcome, by_terms, by_fields].into_iter().flatten();
        let first = said.next();
        if said.any(|other| Some(other) != first) {
            return Err("`alert`, `outcome`, `terms` and `expect` contradict each other");
        }
        Ok(first)
    }
}

#[cfg(test)]
mod tests;

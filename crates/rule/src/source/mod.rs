//! A rule's TOML, in the shape of Elastic's public rules, read and checked.
//!
//! In: the text of a rule.toml. Out: a plan for the engine and the rule's facts, or all that is
//! wrong with the file, each with its place. It keeps what an alert shows of the rule and never
//! what only a scheduler needs, except to show it.
//!
//! ```text
//! text --toml--> tables with places --shape--> checked keys --+--> query and filters --> plan
//!                                                             +--> facts --> the alert's part
//! ```

mod alert;
mod clauses;
mod diagnostic;
mod dsl;
mod exceptions;
mod facts;
mod filters;
mod shape;
mod table;
mod text;

pub use clauses::{PlacedClause, clauses};
pub use diagnostic::{CODES, Diagnostic, Severity};
pub use exceptions::{Written, exceptions};
pub use facts::{Facts, Named, Technique, Threat};

use crate::exception::Place;
use crate::plan::{RulePlan, TimeField};
use diagnostic::Faults;
use firstseen_kql::{Query, SyntaxError};
use std::ops::Range;
use table::{At, Table};
use toml::de::DeTable;

/// What the time of an event is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EventTime {
    /// Its `@timestamp` (CloudTrail: `eventTime`), so that the same events give the same alerts
    /// whichever way they came.
    #[default]
    Timestamp,
    /// What the rule's `timestamp_override` names, where an event has it, else its `@timestamp`.
    TimestampOverride,
}

/// How a rule is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// What the time of an event is.
    pub event_time: EventTime,
}

/// A rule, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What the engine needs.
    pub plan: RulePlan,
    /// What the rule says of itself.
    pub facts: Facts,
    /// What it says and the engine does not do.
    pub warnings: Vec<Diagnostic>,
}

/// Reads and checks a rule.
///
/// # Errors
/// All faults of the file, in the order of their places, warnings among them. Where it is no TOML,
/// only those of the TOML: what it says is unknown.
pub fn read(text: &str, options: &ReadOptions) -> Result<Rule, Vec<Diagnostic>> {
    let mut faults = Faults::default();
    let (document, errors) = DeTable::parse_recoverable(text);
    note_syntax(&errors, &mut faults);
    if !errors.is_empty() {
        return Err(faults.finish().0);
    }
    // The span of a whole file would mark all of it: what is missing is missing at its start.
    let root = Table::new(document.get_ref(), String::new(), 0..0);
    let shape = shape::read(root, &mut faults);
    let rule = shape.and_then(|shape| plan(text, shape, options, &mut faults));
    match (rule, faults.finish()) {
        (Some((plan, facts)), (warnings, false)) => Ok(Rule { plan, facts, warnings }),
        (_, (faults, _)) => Err(faults),
    }
}

/// Notes what makes a text no TOML.
fn note_syntax(errors: &[toml::de::Error], faults: &mut Faults) {
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        faults.error("toml_syntax", &span, format!("the TOML is at fault: {}", error.message()));
    }
}

/// The plan, unless a part of it is missing or at fault; the fault was noted then.
fn plan(
    text: &str,
    shape: shape::Shape<'_>,
    options: &ReadOptions,
    faults: &mut Faults,
) -> Option<(RulePlan, Facts)> {
    let event_time = event_time(&shape, options, faults);
    let written = shape.exceptions.map(|list| exceptions::read(text, list, Place::Rule, faults));
    let exceptions = written.unwrap_or_default().into_iter().map(|(_, exception)| exception);
    let filters = filters::read(shape.filters, faults);
    let mut query = shape.query.as_ref().and_then(|query| self::query(text, query, faults))?;
    for (filter, negate) in filters {
        query = query.and_filter(filter, negate);
    }
    let mut plan = RulePlan {
        id: shape.id?,
        name: shape.name?,
        severity: shape.severity?,
        new_terms: shape.new_terms,
        window_ms: shape.window_ms?,
        window: shape.window?.value.trim().trim_start_matches("now-").to_owned(),
        epoch: shape.epoch,
        literals: query.literals(&firstseen_event::verbatim),
        query,
        alert: String::new(),
        exceptions: exceptions.collect(),
        event_time,
    };
    plan.alert = alert::part(&plan, &shape.facts);
    Some((plan, shape.facts))
}

/// The field of the time, where the rule's own choice is to be followed.
fn event_time(
    shape: &shape::Shape<'_>,
    options: &ReadOptions,
    faults: &mut Faults,
) -> Option<TimeField> {
    let facts = &shape.facts;
    match (options.event_time, &facts.timestamp_override) {
        // `@timestamp` is what is followed without an override.
        (EventTime::Timestamp, _) => None,
        (EventTime::TimestampOverride, Some(field)) if field == "@timestamp" => None,
        (EventTime::TimestampOverride, Some(field)) => Some(TimeField {
            field: field.clone(),
            fallback: !facts.timestamp_override_fallback_disabled,
        }),
        (EventTime::TimestampOverride, None) => {
            let message = "the rule has no `timestamp_override` that could be followed";
            let fault = faults.error("no_timestamp_override", &shape.span, message);
            fault.help("build it without `--event-time timestamp_override`");
            None
        }
    }
}

/// A query, or a fault in its text inside the file.
fn query(text: &str, query: &At<&str>, faults: &mut Faults) -> Option<Query> {
    let noted = |error| note(text, &query.span, query.value, &error, faults);
    firstseen_kql::parse(query.value).map_err(noted).ok()
}

/// Notes a fault in a query's text, where it is written in the file.
fn note(text: &str, span: &Range<usize>, query: &str, error: &SyntaxError, faults: &mut Faults) {
    let label = format!("expected {}", error.expected);
    match text::place(text, span, query, error.at) {
        Some(at) => {
            let rest = text.get(at..).unwrap_or("");
            let width = rest.chars().next().map_or(0, char::len_utf8);
            faults.error(error.code, &(at..at + width), error.message.clone()).label(label);
        }
        None => {
            let (line, column) = (error.line, error.column);
            let message = format!("{} (the query's line {line}, column {column})", error.message);
            faults.error(error.code, &(span.start..span.start), message).label(label);
        }
    }
}

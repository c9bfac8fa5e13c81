//! One rule.toml: its parts put together.
//!
//! In: the text of a file. Out: the plan and the facts, or every fault of the file. It reads no key
//! itself; that is done by [`super::shape`], [`super::filters`] and [`super::exceptions`].

use super::diagnostic::{Diagnostic, Diagnostics};
#[cfg(feature = "lint")]
use super::exception_parts;
use super::facts::Facts;
#[cfg(feature = "lint")]
use super::lint::{self, LintInput};
use super::table::{At, Table};
#[cfg(feature = "lint")]
use super::written::{PartKind, WrittenPart};
use super::{alert, exceptions, filters, report, shape};
use crate::exception::ExceptionOrigin;
use crate::plan::{RulePlan, TimeField};
use firstseen_kql::Query;
use toml::de::DeTable;

/// Which field is the time of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EventTime {
    /// Its `@timestamp` (CloudTrail: `eventTime`), so that the same events give the same alerts
    /// however they arrive.
    #[default]
    Timestamp,
    /// The field that the rule's `timestamp_override` names, if the event has it, else its
    /// `@timestamp`.
    TimestampOverride,
}

/// How a rule is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Which field is the time of an event.
    pub event_time: EventTime,
    /// Leaves out warnings about fields and values, which need tables that take milliseconds to read:
    /// for a rule whose warnings nobody sees.
    pub skips_lint: bool,
}

/// A rule, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What the engine needs.
    pub plan: RulePlan,
    /// The rest of the file: what alerts, metadata and people are shown.
    pub facts: Facts,
    /// What the file asks for and the engine does not do.
    pub warnings: Vec<Diagnostic>,
}

/// Reads and checks a rule.
///
/// # Errors
/// All diagnostics of the file in order of position, warnings among them. If the file is not valid
/// TOML, only the errors of the TOML.
pub fn read(text: &str, options: &ReadOptions) -> Result<Rule, Vec<Diagnostic>> {
    let mut faults = Diagnostics::default();
    let (document, errors) = DeTable::parse_recoverable(text);
    report::toml_errors(text, &errors, &mut faults);
    if !errors.is_empty() {
        return Err(faults.finish().0);
    }
    // The span of the whole file would mark all of it: a missing key is reported at its start.
    let root = Table::new(document.get_ref(), String::new(), 0..0);
    let shape = shape::read(root, &mut faults);
    let rule = shape.and_then(|shape| plan(text, shape, options, &mut faults));
    match (rule, faults.finish()) {
        (Some((plan, facts)), (warnings, false)) => Ok(Rule { plan, facts, warnings }),
        (_, (faults, _)) => Err(faults),
    }
}

/// Checks a query that stands alone, as a rule's query is checked. What is found is in its own text.
///
/// # Errors
/// All diagnostics in order of position, where one of them is an error.
#[cfg(feature = "lint")]
pub fn check_query(text: &str) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let mut faults = Diagnostics::default();
    let query = At { value: text, span: 0..text.len() };
    if self::query(text, &query, &mut faults).is_some() {
        let facts = Facts::default();
        let parts = Vec::from_iter(WrittenPart::of_kql(PartKind::Query, &query));
        let input = LintInput {
            text,
            parts: &parts,
            new_terms: &[],
            learn_by: None,
            facts: &facts,
            known_fields: &[],
        };
        lint::check(&input, &mut faults);
    }
    match faults.finish() {
        (warnings, false) => Ok(warnings),
        (faults, true) => Err(faults),
    }
}

/// The plan; `None` if a part of it is missing or wrong, which was reported then.
fn plan(
    text: &str,
    shape: shape::Shape<'_>,
    options: &ReadOptions,
    faults: &mut Diagnostics,
) -> Option<(RulePlan, Facts)> {
    let event_time = event_time(&shape, options, faults);
    let exceptions =
        shape.exceptions.map(|list| exceptions::read(text, list, ExceptionOrigin::Rule, faults));
    let exceptions = exceptions.unwrap_or_default();
    #[cfg(feature = "lint")]
    let excepted =
        shape.exceptions.map(|list| exception_parts::parts(list, &exceptions)).unwrap_or_default();
    let filters = filters::read(shape.filters, faults);
    let mut query = shape.query.as_ref().and_then(|query| self::query(text, query, faults))?;
    for filter in &filters {
        query = query.and_filter(filter.clause.query.clone(), filter.negated);
    }
    let memory = shape.memory;
    let own = (shape.window?.value.trim().trim_start_matches("now-").to_owned(), shape.window_ms?);
    let (window, window_ms) = memory.forget_after.unwrap_or(own);
    if let (Some((field, span)), [term]) = (&memory.learn_by, shape.new_terms.as_slice())
        && term.value == field
    {
        let message =
            "`firstseen.learn_by` is the only new-terms field: each term would be learned";
        faults.error("bad_value", span, message).label("learn by another field");
    }
    let learn_by = memory.learn_by.clone().map(|(field, _)| field);
    let mut plan = RulePlan {
        id: shape.id?,
        name: shape.name?,
        severity: shape.severity?,
        new_terms: shape.new_terms.iter().map(|field| field.value.to_owned()).collect(),
        window_ms,
        window,
        epoch: shape.epoch,
        literals: query.literals(&firstseen_event::verbatim),
        query,
        alert: String::new(),
        exceptions: exceptions.into_iter().map(|(_, exception)| exception).collect(),
        event_time,
        indices: indices(&shape.facts.index),
        learn_for_ms: memory.learn_for_ms,
        learn_events: memory.learn_events,
        learn_by,
    };
    plan.alert = alert::part(&plan, &shape.facts);
    #[cfg(feature = "lint")]
    // A file with errors is looked at again when those are gone.
    if let Some(query) = shape.query.as_ref().filter(|_| !faults.is_fatal() && !options.skips_lint)
    {
        let mut parts = Vec::from_iter(WrittenPart::of_kql(PartKind::Query, query));
        parts.extend(filters.into_iter().map(|filter| WrittenPart {
            kind: PartKind::Filter { negated: filter.negated },
            written: filter.clause.written,
            span: filter.span,
            kql: None,
        }));
        parts.extend(excepted);
        let input = LintInput {
            text,
            parts: &parts,
            new_terms: &shape.new_terms,
            learn_by: memory.learn_by.as_ref(),
            facts: &shape.facts,
            known_fields: &shape.known_fields,
        };
        lint::check(&input, faults);
    }
    Some((plan, shape.facts))
}

/// Index patterns as the engine takes them: one in each text, without date math. What a date stands
/// for may be any, because an old event is in an old index.
fn indices(written: &[String]) -> Vec<String> {
    let parts = written.iter().flat_map(|text| text.split(',')).map(str::trim);
    let undated = |pattern: &str| match pattern.strip_prefix('<').and_then(|p| p.strip_suffix('>'))
    {
        Some(math) => match (math.find('{'), math.rfind('}')) {
            (Some(from), Some(to)) if from < to => format!(
                "{}*{}",
                math.get(..from).unwrap_or_default(),
                math.get(to + 1..).unwrap_or_default()
            ),
            _ => math.to_owned(),
        },
        None if pattern == "_all" => "*".to_owned(),
        None => pattern.to_owned(),
    };
    parts.filter(|pattern| !pattern.is_empty()).map(undated).collect()
}

/// The field of the time, if the rule's own choice is to be followed.
fn event_time(
    shape: &shape::Shape<'_>,
    options: &ReadOptions,
    faults: &mut Diagnostics,
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
            let message = "the rule has no `timestamp_override` to follow";
            let fault = faults.error("no_timestamp_override", &shape.span, message);
            fault.help("build it without `--event-time timestamp_override`");
            None
        }
    }
}

/// A query, or a diagnostic in its text inside the file.
fn query(text: &str, query: &At<&str>, faults: &mut Diagnostics) -> Option<Query> {
    let mut noted = |error| report::query_error(text, &query.span, query.value, &error, faults);
    // KQL reads some openings of other languages as a field's name.
    if let Some(error) = firstseen_kql::foreign(query.value, None) {
        noted(error);
        return None;
    }
    firstseen_kql::parse(query.value).map_err(noted).ok()
}

//! Warnings about a rule that can be built and may never alert, or not as its author meant.
//!
//! In: a rule's query as it is written, its new-terms fields, the fields of its filters, and what
//! names are known. Out: warnings at their places, and an error where two fields are compared. It never
//! changes what the rule matches, and knows names alone: whether an event has a field it cannot say.
//!
//! | what | module |
//! | --- | --- |
//! | the committed tables of names | `tables` |
//! | whether a field is known, and what was meant | `known` |
//! | whether a rule is CloudTrail's | `scope` |
//! | which clauses decide that no event has the field of | `decides` |
//! | patterns with `*`, without events | `pattern` |
//! | names of calls in another case, or misspelled | `calls` |
//! | values that a field never has | `closed` |
//! | values that one event never has both | `together` |
//! | values of other languages, and all that is said of one value | `values` |

mod calls;
mod closed;
mod decides;
mod known;
mod pattern;
mod scope;
mod tables;
mod together;
mod values;

pub use known::{doubted_field, known_field, meant_field};

use super::diagnostic::{Diagnostics, FilterField, whole};
use super::facts::Facts;
use super::position;
use super::table::At;
use decides::{Effect, Spot};
use firstseen_kql::{WrittenQuery, WrittenValue};
use known::KnownFields;
use std::collections::BTreeSet;
use std::ops::Range;

/// The most names that are compared with the known ones: a rule has a few.
const MAX_NAMES: usize = 300;

/// What is looked at.
pub(super) struct LintInput<'t> {
    /// The file.
    pub(super) text: &'t str,
    pub(super) query: &'t At<&'t str>,
    pub(super) new_terms: &'t [At<&'t str>],
    /// The fields of filters, at their places.
    pub(super) filters: &'t [FilterField],
    pub(super) facts: &'t Facts,
    /// `[firstseen] known_fields`.
    pub(super) known_fields: &'t [String],
}

/// Warns.
pub(super) fn check(input: &LintInput<'_>, faults: &mut Diagnostics) {
    let Ok(query) = firstseen_kql::written(input.query.value) else { return };
    let known = KnownFields { own: input.known_fields };
    let leaves = query.leaves();
    let mut names = SeenNames::default();
    for leaf in leaves.iter().filter(|leaf| !leaf.is_pattern) {
        unknown(&known, &leaf.field, || input.place(&leaf.field_span), &mut names, faults);
    }
    for field in input.new_terms {
        unknown(&known, field.value, || field.span.clone(), &mut names, faults);
    }
    for field in input.filters {
        unknown(&known, &field.name, || field.span.clone(), &mut names, faults);
    }
    let named = leaves.iter().map(|leaf| leaf.field.as_str());
    let named = named.chain(input.new_terms.iter().map(|field| field.value));
    let named = named.chain(input.filters.iter().map(|field| field.name.as_str()));
    let is_cloudtrail = scope::is_cloudtrail(input.facts, &query, named, &known);
    if is_cloudtrail {
        absent(input, &query, &known, &names, faults);
        together::check(input, &query, faults);
    }
    for leaf in &leaves {
        if faults.is_full() {
            break;
        }
        values::check(input, leaf, &leaves, is_cloudtrail, faults);
    }
}

/// Names that were looked at.
#[derive(Default)]
struct SeenNames {
    all: BTreeSet<String>,
    /// Those that are probably misspelled.
    unknown: BTreeSet<String>,
}

/// A name that is probably misspelled.
fn unknown(
    known: &KnownFields<'_>,
    name: &str,
    place: impl Fn() -> Range<usize>,
    names: &mut SeenNames,
    faults: &mut Diagnostics,
) {
    if names.all.len() >= MAX_NAMES || !names.all.insert(name.to_owned()) {
        return;
    }
    let Some(meant) = known.doubts(name) else { return };
    names.unknown.insert(name.to_owned());
    let message = format!("unknown field `{}`", whole(name));
    let fault = faults.warn("unknown_field", &place(), message);
    match meant {
        Some(meant) => fault.help(format!("did you mean `{meant}`?")),
        None => fault
            .label(format!("neither ECS {} nor CloudTrail has it", tables::ecs().version))
            .help("if your events have it, list it: `[firstseen]` with `known_fields = [\"..\"]`"),
    };
}

/// Fields that raw CloudTrail never has, where that decides.
fn absent(
    input: &LintInput<'_>,
    query: &WrittenQuery,
    known: &KnownFields<'_>,
    names: &SeenNames,
    faults: &mut Diagnostics,
) {
    // What is misspelled was said to be so.
    let is_absent = |name: &str| !names.unknown.contains(name) && !known.in_raw_cloudtrail(name);
    let spots = decides::spots(query, &|leaf| !leaf.is_pattern && is_absent(&leaf.field));
    let mut warn = |name: &str, span: &Range<usize>, effect: &str| {
        let message = format!("raw CloudTrail never has `{}`: {effect}", whole(name));
        let fault = faults.warn("not_in_raw_cloudtrail", span, message);
        match tables::outside_data(name) {
            Some(data) => fault.help(format!(
                "it takes {data}; fine if your input is enriched ECS; docs/fields.md lists the rest"
            )),
            None => fault.help(
                "fine if your input is enriched ECS; docs/fields.md lists what raw events have",
            ),
        };
    };
    // Of a field that is never there a `not` says no more.
    let (mut never, mut negated) = (BTreeSet::new(), BTreeSet::new());
    for Spot { leaf, effect } in spots {
        let name = leaf.field.as_str();
        let (new, words) = match effect {
            _ if never.contains(name) || never.len() + negated.len() > MAX_NAMES => continue,
            Effect::NeverTrue => (never.insert(name), "this is never true"),
            Effect::NotAlwaysTrue => (negated.insert(name), "this `not` is always true"),
        };
        if new {
            warn(name, &input.place(&leaf.field_span), words);
        }
    }
    for field in input.new_terms.iter().filter(|field| is_absent(field.value)) {
        warn(field.value, &field.span, "no event has a term, so no event alerts");
    }
    for field in input.filters.iter().filter(|field| field.alone && is_absent(&field.name)) {
        warn(&field.name, &field.span, "this filter finds nothing");
    }
}

impl LintInput<'_> {
    /// A span of the query's value, as a span of the file.
    fn place(&self, span: &Range<usize>) -> Range<usize> {
        let at = |at| position::place(self.text, &self.query.span, self.query.value, at);
        match (at(span.start), at(span.end)) {
            (Some(start), Some(end)) => start..end,
            _ => self.query.span.clone(),
        }
    }

    /// A leaf's value as it is written.
    fn written<'q>(&'q self, leaf: &WrittenValue) -> &'q str {
        self.query.value.get(leaf.span.clone()).unwrap_or_default()
    }
}

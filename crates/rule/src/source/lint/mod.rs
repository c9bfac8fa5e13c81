//! Warnings about a rule that can be built and may never alert, or not as its author meant.
//!
//! In: a rule's query, filters and exceptions as they are written, its new-terms fields, and what
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
//! | values that a field never has by their form | `forms` |
//! | values that a field never has | `closed` |
//! | fields of which an event has one value | `once` |
//! | whether no value passes some tests | `empty` |
//! | whether an event may meet conditions | `search` |
//! | conditions that no event meets together | `together` |
//! | values of other languages, and all that is said of one value | `values` |

mod calls;
mod closed;
mod decides;
mod empty;
mod forms;
mod known;
mod once;
mod pattern;
mod scope;
mod search;
mod tables;
mod together;
mod values;

pub use known::{doubted_field, known_field, meant_field};

use super::diagnostic::{Diagnostics, whole};
use super::facts::Facts;
use super::table::At;
use super::written::{PartKind, WrittenPart};
use decides::{Effect, Spot};
use firstseen_kql::WrittenValue;
use known::KnownFields;
use std::collections::BTreeSet;
use std::ops::Range;

/// The most names that are compared with the known ones: a rule has a few.
const MAX_NAMES: usize = 300;

/// The most values that are looked at one by one.
const MAX_VALUES: usize = 2000;

/// What is looked at.
pub(super) struct LintInput<'t> {
    /// The file.
    pub(super) text: &'t str,
    /// The query, then filters and exceptions.
    pub(super) parts: &'t [WrittenPart],
    pub(super) new_terms: &'t [At<&'t str>],
    /// `[firstseen] learn_by`, and where it is.
    pub(super) learn_by: Option<&'t (String, Range<usize>)>,
    pub(super) facts: &'t Facts,
    /// `[firstseen] known_fields`.
    pub(super) known_fields: &'t [String],
}

/// Warns.
pub(super) fn check(input: &LintInput<'_>, faults: &mut Diagnostics) {
    let Some(query) = input.parts.first() else { return };
    let known = KnownFields { own: input.known_fields };
    let parts: Vec<_> = input.parts.iter().map(|part| (part, part.written.leaves())).collect();
    let mut names = SeenNames::default();
    for (part, leaf) in parts.iter().flat_map(|(part, all)| all.iter().map(move |one| (part, one)))
    {
        if !leaf.is_pattern {
            let place = || part.place(input.text, &leaf.field_span);
            unknown(&known, &leaf.field, place, &mut names, faults);
        }
    }
    for field in input.new_terms {
        unknown(&known, field.value, || field.span.clone(), &mut names, faults);
    }
    if let Some((name, span)) = input.learn_by {
        unknown(&known, name, || span.clone(), &mut names, faults);
    }
    let named = parts.iter().flat_map(|(_, leaves)| leaves.iter().map(|leaf| leaf.field.as_str()));
    let named = named.chain(input.new_terms.iter().map(|field| field.value));
    let named = named.chain(input.learn_by.iter().map(|(name, _)| name.as_str()));
    let is_cloudtrail = scope::is_cloudtrail(input.facts, &query.written, named, &known);
    if is_cloudtrail {
        absent(input, &known, &names, faults);
    }
    together::check(input, is_cloudtrail, faults);
    for (part, leaves) in &parts {
        for leaf in leaves.iter().take(MAX_VALUES) {
            if faults.is_full() {
                return;
            }
            values::check(input, part, leaf, leaves, is_cloudtrail, faults);
        }
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
    known: &KnownFields<'_>,
    names: &SeenNames,
    faults: &mut Diagnostics,
) {
    // What is misspelled was said to be so.
    let is_absent = |name: &str| !names.unknown.contains(name) && !known.in_raw_cloudtrail(name);
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
    for part in input.parts {
        let negated = part.kind == PartKind::Filter { negated: true };
        let never = |leaf: &_| is_absent_leaf(leaf, &is_absent);
        let spots = decides::spots(&part.written, negated, &never);
        // Of a field that is never there a `not` says no more.
        let (mut never, mut nots) = (BTreeSet::new(), BTreeSet::new());
        for Spot { leaf, effect } in spots {
            let name = leaf.field.as_str();
            let (new, words) = match (effect, part.kind) {
                _ if never.contains(name) || never.len() + nots.len() > MAX_NAMES => continue,
                (Effect::NeverTrue, PartKind::Exception { .. }) => {
                    (never.insert(name), "this exception leaves out nothing")
                }
                (Effect::NotAlwaysTrue, PartKind::Exception { .. }) => continue,
                (Effect::NeverTrue, PartKind::Filter { .. }) => {
                    (never.insert(name), "this filter finds nothing")
                }
                (Effect::NeverTrue, _) => (never.insert(name), "this is never true"),
                (Effect::NotAlwaysTrue, _) => (nots.insert(name), "this `not` is always true"),
            };
            if new {
                warn(name, &part.place(input.text, &leaf.field_span), words);
            }
        }
    }
    for field in input.new_terms.iter().filter(|field| is_absent(field.value)) {
        warn(field.value, &field.span, "no event has a term, so no event alerts");
    }
}

fn is_absent_leaf(leaf: &WrittenValue, is_absent: &dyn Fn(&str) -> bool) -> bool {
    !leaf.is_pattern && is_absent(&leaf.field)
}

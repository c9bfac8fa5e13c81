//! Which rules an event may match: an index over all rules of an artifact.
//!
//! In: the rules' queries; then an event's fields. Out: the rules to evaluate, a bit for each. A
//! rule that is left out cannot match; one that is not may still not match. With many rules most
//! events meet none or few of them, so that an event costs a look at each indexed field and not a
//! query for each rule.
//!
//! ```text
//! rule 0  event.action: (A or B) and ..     event.action   A -> 0      user.name   carol -> 2
//! rule 1  event.action: B and ..                           B -> 0, 1
//! rule 2  user.name: carol and ..           always         3
//! rule 3  not event.outcome: success
//! ```

use crate::fields::FieldSlot;
use crate::plan::RulePlan;
use crate::prepared::PreparedRule;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;
use firstseen_event::{BitSet, EventFields};
use firstseen_kql::{FieldRef, Pair};
use firstseen_value::heap_sort_by;

/// Below so many rules, evaluating all is as quick.
const INDEXED_FROM: usize = 4;

/// EventFields of few values, which tell events apart badly. A rule is found by one of these only when
/// it names nothing else.
const COARSE: &[&str] = &[
    "data_stream.dataset",
    "event.category",
    "event.dataset",
    "event.kind",
    "event.module",
    "event.outcome",
    "event.type",
    "host.os.family",
    "host.os.platform",
    "host.os.type",
];

/// What a value of such a field costs, beside the number of rules that name it.
const COARSE_COST: u64 = 1 << 32;

/// The rules by what an event must have for them.
#[derive(Debug)]
pub(crate) struct RuleIndex {
    columns: Vec<Column>,
    /// Rules that any event may match.
    always: BitSet,
}

/// The rules that are found by one field.
#[derive(Debug)]
struct Column {
    /// The field, among the asks.
    ask: usize,
    /// Its values by length and text, each once, with their rules.
    values: Vec<(Box<str>, Vec<u16>)>,
}

impl RuleIndex {
    /// An index over these rules, where it is worth having.
    pub(crate) fn new(rules: &[RulePlan], prepared: &[PreparedRule]) -> Self {
        let mut index = Self { columns: Vec::new(), always: BitSet::default() };
        let rules: Vec<_> = rules.iter().zip(prepared).collect();
        if rules.len() < INDEXED_FROM {
            (0..rules.len()).for_each(|rule| _ = index.always.insert(rule));
            return index;
        }
        // How many rules share a value says how little it is worth to any of them.
        let mut shared: Vec<(usize, &str)> = Vec::new();
        for (rule, prepared) in &rules {
            let pairs = rule.query.exact();
            shared.extend(pairs.map(|pair| (ask(prepared, pair), pair.text)));
        }
        heap_sort_by(&mut shared, Ord::cmp);
        for (number, (rule, prepared)) in rules.iter().enumerate() {
            let names = rule.query.fields();
            let cost = |pair: Pair<'_>| {
                let key = (ask(prepared, pair), pair.text);
                let first = shared.partition_point(|known| *known < key);
                let known = shared.get(first..).unwrap_or_default();
                let rules = known.partition_point(|known| *known == key) as u64;
                let coarse = names.get(pair.field).is_some_and(is_coarse);
                rules.saturating_add(if coarse { COARSE_COST } else { 0 })
            };
            match rule.query.required(&cost) {
                Some(pairs) => pairs.iter().for_each(|pair| {
                    index.add(ask(prepared, *pair), pair.text, number);
                }),
                None => _ = index.always.insert(number),
            }
        }
        index.columns.iter_mut().for_each(Column::finish);
        index
    }

    fn add(&mut self, ask: usize, text: &str, rule: usize) {
        let Ok(rule) = u16::try_from(rule) else {
            self.always.insert(rule);
            return;
        };
        let at = self.columns.iter().position(|column| column.ask == ask);
        let at = at.unwrap_or_else(|| {
            self.columns.push(Column { ask, values: Vec::new() });
            self.columns.len().saturating_sub(1)
        });
        if let Some(column) = self.columns.get_mut(at) {
            column.values.push((text.into(), vec![rule]));
        }
    }

    /// Sets the bits of the rules that this event may match.
    pub(crate) fn candidates(&self, fields: &EventFields<'_>, out: &mut BitSet) {
        out.copy(&self.always);
        for column in &self.columns {
            for value in fields.values(column.ask) {
                let rules = column.find(&value.into_text()).unwrap_or_default();
                rules.iter().for_each(|rule| _ = out.insert(usize::from(*rule)));
            }
        }
    }
}

impl Column {
    /// Puts the values in order, each once.
    fn finish(&mut self) {
        heap_sort_by(&mut self.values, |(a, _), (b, _)| order(a, b));
        self.values.dedup_by(|(text, rules), (kept, all)| {
            let same = text == kept;
            if same {
                all.append(rules);
            }
            same
        });
    }

    fn find(&self, text: &str) -> Option<&[u16]> {
        let at = self.values.binary_search_by(|(known, _)| order(known, text)).ok()?;
        self.values.get(at).map(|(_, rules)| rules.as_slice())
    }
}

/// Lengths first: they tell most values apart.
fn order(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes()))
}

fn ask(prepared: &PreparedRule, pair: Pair<'_>) -> usize {
    prepared.slots.get(pair.field).map_or(usize::MAX, FieldSlot::ask)
}

fn is_coarse(field: &FieldRef) -> bool {
    matches!(field, FieldRef::Name(name) if COARSE.contains(&name.as_str()))
}

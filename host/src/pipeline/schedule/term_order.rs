//! The order in which Elastic takes new terms of one execution, where there are more than it keeps.
//!
//! In: terms as the rule writes them, JSON arrays of their values, and in how many events each is. Out: their
//! order. With several fields that is the terms' own; with one field the terms in the most events come
//! first. Values compare by the type of their field, as in an index: text by its bytes, numbers and
//! addresses by value.

use firstseen_rule::term::TermKind;
use firstseen_value::{compare_numbers, parse_address};
use serde_json::value::RawValue;
use std::cmp::{Ordering, Reverse};

/// The order of a rule's terms.
#[derive(Debug, Clone)]
pub struct TermOrder {
    kinds: Vec<TermKind>,
}

/// What a term is sorted by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TermSortKey {
    events: Reverse<u64>,
    values: Vec<SortValue>,
}

/// A value. One that does not fit its field's type comes behind those that do.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SortValue {
    Number(SortNumber),
    Address(u128),
    Text(String),
}

/// A number as it is written, compared by value.
#[derive(Debug)]
struct SortNumber(String);

impl Ord for SortNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_numbers(&self.0, &other.0).unwrap_or_else(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for SortNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortNumber {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SortNumber {}

impl TermOrder {
    /// The order of terms of these fields.
    #[must_use]
    pub fn of(fields: &[String]) -> Self {
        Self { kinds: fields.iter().map(|field| TermKind::of(field)).collect() }
    }

    /// What a term is sorted by that is in so many events of the execution.
    pub(super) fn key(&self, term: &str, events: u64) -> TermSortKey {
        let values: Vec<&RawValue> = serde_json::from_str(term).unwrap_or_default();
        let kinds = self.kinds.iter().chain(std::iter::repeat(&TermKind::Text));
        let values = values.iter().zip(kinds).map(|(value, kind)| sort_value(value.get(), *kind));
        let events = Reverse(if self.kinds.len() == 1 { events } else { 0 });
        TermSortKey { events, values: values.collect() }
    }
}

fn sort_value(json: &str, kind: TermKind) -> SortValue {
    let text = match serde_json::from_str::<String>(json) {
        Ok(text) => text,
        Err(_) if compare_numbers(json, json).is_some() => {
            return SortValue::Number(SortNumber(json.to_owned()));
        }
        Err(_) => json.to_owned(),
    };
    match (kind, parse_address(&text)) {
        (TermKind::Ip, Some(address)) => SortValue::Address(address),
        _ => SortValue::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(fields: &[&str], terms: &[(&'static str, u64)]) -> Vec<&'static str> {
        let order = TermOrder::of(&fields.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>());
        let mut terms = terms.to_vec();
        terms.reverse();
        terms.sort_by_key(|(term, events)| order.key(term, *events));
        terms.into_iter().map(|(term, _)| term).collect()
    }

    #[test]
    fn several_fields_are_in_the_order_of_their_values() {
        let terms =
            [(r#"["A","z"]"#, 1), (r#"["a","Z"]"#, 9), (r#"["a","é"]"#, 1), (r#"["b","a"]"#, 3)];
        assert_eq!(sorted(&["user.name", "host.id"], &terms), terms.map(|(term, _)| term));
    }

    #[test]
    fn one_field_is_in_the_order_of_how_often_it_is_there() {
        let terms = [(r#"["b"]"#, 3), (r#"["c"]"#, 3), (r#"["a"]"#, 1)];
        assert_eq!(sorted(&["user.name"], &terms), terms.map(|(term, _)| term));
    }

    #[test]
    fn values_compare_by_the_type_of_their_field() {
        let numbers = [("[9]", 1), ("[10]", 1), ("[12345678901234567890123]", 1)];
        assert_eq!(sorted(&["source.port"], &numbers), numbers.map(|(term, _)| term));
        let addresses = [(r#"["9.0.0.1"]"#, 1), (r#"["10.0.0.1"]"#, 1), (r#"["2001:db8::1"]"#, 1)];
        assert_eq!(sorted(&["source.ip"], &addresses), addresses.map(|(term, _)| term));
        let texts = [(r#"["10.0.0.1"]"#, 1), (r#"["9.0.0.1"]"#, 1)];
        assert_eq!(sorted(&["host.id"], &texts), texts.map(|(term, _)| term));
        let booleans = [("[false]", 1), ("[true]", 1)];
        assert_eq!(sorted(&["process.interactive"], &booleans), booleans.map(|(term, _)| term));
        // What does not fit comes last, and what a guest makes up has an order too.
        let odd = [("[7]", 1), (r#"["x"]"#, 1)];
        assert_eq!(sorted(&["source.port"], &odd), odd.map(|(term, _)| term));
        let broken = [("nonsense", 1), ("[1,2,3]", 1)];
        assert_eq!(sorted(&["a", "b"], &broken), broken.map(|(term, _)| term));
    }
}

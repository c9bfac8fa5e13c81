//! Queries built from parts instead of text: lists of values, wildcards, existence.
//!
//! In: field names and values (untrusted; nothing in them is syntax). Out: a [`Query`], equal to the
//! one that the same KQL text compiles to. It never reads query text.

use crate::condition::{self, Bound, Condition};
use crate::error::{SyntaxError, shown};
use crate::field::FieldRef;
use crate::query::{Query, QueryNode, count};
use crate::syntax::Comparison;
use crate::types::field_type;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use firstseen_value::heap_sort_by;

/// Lists from this length on are sorted and searched; shorter ones are compared one by one.
const SORTED_FROM: usize = 8;

/// Every event: what [`Query::and_filter`] begins with.
#[must_use]
pub fn everything() -> Query {
    Query { fields: vec![], nodes: vec![QueryNode::Everything] }
}

/// `field: *`.
#[must_use]
pub fn exists(field: &str) -> Query {
    is(field, vec![Condition::Exists])
}

/// `field: ("a" or "b")`, each value compared by the field's type. No values match no event.
///
/// `within` is the path of the objects for a part of [`nested`], else empty: a field's type goes by
/// its full name.
///
/// # Errors
/// [`SyntaxError`], about the text of one value, where it is an address with a prefix length that
/// is too long.
pub fn one_of(within: &str, field: &str, values: Vec<String>) -> Result<Query, SyntaxError> {
    let kind = match within {
        "" => field_type(field),
        path => field_type(&format!("{path}.{field}")),
    };
    let (mut texts, mut conditions) = (vec![], vec![]);
    for value in values {
        match condition::of_text(kind, &value) {
            Some(Condition::Exact(text)) => texts.push(text),
            Some(other) => conditions.push(other),
            None => return Err(condition::bad_network(&value, 0, &value)),
        }
    }
    if texts.len() >= SORTED_FROM {
        heap_sort_by(&mut texts, Ord::cmp);
        texts.dedup();
        conditions.push(Condition::OneOf(texts));
    } else {
        conditions.extend(texts.into_iter().map(Condition::Exact));
    }
    Ok(is(field, conditions))
}

/// The `wildcard` query of Elasticsearch's DSL, as rules use it in `filters`: `*` is any run of
/// characters, `?` any one, a backslash takes the next character literally. Case is ignored for
/// ASCII letters only, as upstream.
#[must_use]
pub fn wildcard(field: &str, pattern: &str, case_insensitive: bool) -> Query {
    is(field, vec![condition::dsl_wildcard(pattern, case_insensitive)])
}

/// The same for several patterns, of which one has to match; case counts. No patterns match no
/// event.
#[must_use]
pub fn wildcards(field: &str, patterns: &[String]) -> Query {
    is(field, patterns.iter().map(|pattern| condition::dsl_wildcard(pattern, false)).collect())
}

/// `path: { object }`: one object at the path meets all of a query, which has no nested part
/// itself.
#[must_use]
pub fn nested(path: &str, object: Query) -> Query {
    let mut nodes = object.nodes;
    nodes.insert(0, QueryNode::Nested { field: 0, len: count(nodes.len()) });
    let field = FieldRef::Nested { path: path.to_owned(), inner: object.fields };
    Query { fields: vec![field], nodes }
}

/// `field >= value`, and the other comparisons.
///
/// # Errors
/// [`SyntaxError`], about the text of the value, where the field's type cannot be compared with it.
pub fn range(field: &str, comparison: Comparison, value: &str) -> Result<Query, SyntaxError> {
    let bound = Bound::parse(field_type(field), value).map_err(|(reason, expected)| {
        let message = format!("cannot compare with {}: {reason}", shown(value));
        SyntaxError::new(value, 0, "bad_range", message, expected)
    })?;
    Ok(is(field, vec![Condition::Range(comparison, bound)]))
}

/// At least one of the queries. No queries match no event.
#[must_use]
pub fn any_of(parts: Vec<Query>) -> Query {
    let mut out = Query { fields: vec![], nodes: vec![QueryNode::Or { len: 0 }] };
    for part in parts {
        out.add(part);
    }
    let below = out.nodes.len() - 1;
    match out.nodes.first_mut() {
        Some(QueryNode::Or { len }) if below > 0 => *len = count(below),
        // Without parts it matches nothing: not everything.
        Some(root) => {
            *root = QueryNode::Not { len: 1 };
            out.nodes.push(QueryNode::Everything);
        }
        None => {}
    }
    out
}

fn is(field: &str, mut conditions: Vec<Condition>) -> Query {
    if conditions.is_empty() {
        // A clause has at least one condition; no value meets this one.
        conditions.push(Condition::Null);
    }
    Query {
        fields: vec![FieldRef::Name(field.to_owned())],
        nodes: vec![QueryNode::Is { field: 0, conditions }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Doc, parse};
    use firstseen_value::Value;
    use std::borrow::Cow;

    /// The values of every field.
    struct Values<'v>(&'v [&'v str]);

    impl Doc for Values<'_> {
        fn any(&self, _: usize, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
            self.0.iter().any(|value| test(&Value::Text(Cow::Borrowed(value))))
        }
        fn any_object(&self, _: usize, test: &mut dyn FnMut(&dyn Doc) -> bool) -> bool {
            test(self)
        }
    }

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn parts_equal_the_same_kql() {
        let made = one_of("", "user.name", texts(&["a", "b c", "*", "null"])).unwrap();
        assert_eq!(made, parse(r#"user.name: (a or "b c" or "*" or "null")"#).unwrap());
        let made = one_of("", "source.ip", texts(&["10.0.0.0/8", "::1"])).unwrap();
        assert_eq!(made, parse(r#"source.ip: ("10.0.0.0/8" or "::1")"#).unwrap());
        let made = one_of("", "source.port", texts(&["443"])).unwrap();
        assert_eq!(made, parse("source.port: 443").unwrap());
        assert_eq!(exists("a"), parse("a: *").unwrap());
        assert_eq!(wildcards("a", &texts(&["b*", "*c"])), parse("a: (b* or *c)").unwrap());
        assert_eq!(wildcard("a", "b*", false), parse("a: b*").unwrap());
        let port = one_of("peer", "port", texts(&["443"])).unwrap();
        assert_eq!(nested("peer", port), parse("peer: { port: 443 }").unwrap());
        assert_eq!(everything(), parse("").unwrap());
    }

    #[test]
    fn a_long_list_finds_what_a_short_one_finds() {
        let many: Vec<String> = (0..1000).rev().map(|n| format!("user-{}", n / 2 * 2)).collect();
        let query = one_of("", "user.name", many).unwrap();
        assert_eq!(query.check(), Ok(()));
        for (value, expected) in
            [("user-0", true), ("user-998", true), ("user-1", false), ("user-", false), ("", false)]
        {
            assert_eq!(query.matches(&Values(&[value])), expected, "{value}");
            assert_eq!(query.matches(&Values(&["x", value])), expected, "{value}");
        }
        // The text that is parsed back is not sorted, and means the same.
        let read = parse(&query.to_string()).unwrap();
        assert!(read.matches(&Values(&["user-4"])) && !read.matches(&Values(&["user-5"])));
    }

    #[test]
    fn a_long_list_of_another_type_is_compared_by_that_type() {
        let ports: Vec<String> = (1..100).map(|n| n.to_string()).collect();
        let query = one_of("", "source.port", ports).unwrap();
        assert!(query.matches(&Values(&["42.0"])) && !query.matches(&Values(&["100"])));
    }

    #[test]
    fn alternatives_and_ranges_equal_the_same_kql() {
        let ports = range("source.port", Comparison::AtLeast, "1024").unwrap();
        assert_eq!(ports, parse("source.port >= 1024").unwrap());
        let name = one_of("", "user.name", texts(&["a"])).unwrap();
        let made = any_of(vec![name, ports.clone(), exists("user.name")]);
        assert_eq!(made, parse("user.name: a or source.port >= 1024 or user.name: *").unwrap());
        assert_eq!(any_of(vec![ports.clone()]).check(), Ok(()));
        let none = any_of(vec![]);
        assert_eq!(none.check(), Ok(()));
        assert!(!none.matches(&Values(&["", "x"])));
        let fault = range("source.port", Comparison::Less, "http").unwrap_err();
        assert_eq!(fault.code, "bad_range");
    }

    #[test]
    fn no_values_match_nothing() {
        for query in [one_of("", "a", vec![]).unwrap(), wildcards("a", &[])] {
            assert_eq!(query.check(), Ok(()));
            assert!(!query.matches(&Values(&["", "null", "x"])));
        }
    }

    #[test]
    fn a_bad_network_is_an_error() {
        let fault = one_of("", "source.ip", texts(&["10.0.0.0/99"])).unwrap_err();
        assert_eq!(fault.code, "bad_network");
        assert!(fault.to_string().contains("10.0.0.0/99"), "{fault}");
    }
}

//! Whether a value can pass several tests and fail others.
//!
//! In: tests of one field's value. Out: yes only where none can: what cannot be told is no. Values of
//! texts are tried with the matcher's own test; patterns and ranges are compared with each other.

use core::cmp::Ordering;
use core::ops::Bound as End;
use firstseen_kql::{Admitted, Comparison, ValueTest};
use firstseen_value::{Decimal, Glob, Value, compare_numbers};
use std::borrow::Cow;

/// Stands for any text in a pattern that is matched with another one.
const ANY: char = '\u{10ffff}';

/// Whether no value passes all of `asked`, of which there is at least one, and none of `refused`.
pub(super) fn none_meets(asked: &[&ValueTest], refused: &[&ValueTest]) -> bool {
    let views: Vec<Admitted> = asked.iter().map(|test| test.admitted()).collect();
    let texts = views.iter().find_map(|view| match view {
        Admitted::Texts(texts) => Some(texts),
        _ => None,
    });
    if let Some(texts) = texts {
        let meets = |value: &Value<'_>| {
            asked.iter().all(|test| test.passes(value))
                && !refused.iter().any(|test| test.passes(value))
        };
        return !texts.iter().any(|text| spelled(text).iter().any(meets));
    }
    if asked.iter().any(|test| refused.contains(test)) || views.contains(&Admitted::Nothing) {
        return true;
    }
    let out: Vec<Admitted> = refused.iter().map(|test| test.admitted()).collect();
    out.contains(&Admitted::Anything)
        || patterns(&views, &out)
        || numbers(&views, &out)
        || steps(&views, &out, |view| match view {
            // Moved up, so that a difference of one is an open end as with addresses.
            Admitted::Times(first, last) => Some((u128::from(up(*first)), u128::from(up(*last)))),
            _ => None,
        })
        || steps(&views, &out, |view| match view {
            Admitted::Addresses(first, last) => Some((*first, *last)),
            _ => None,
        })
        || texts_in_order(&views, &out)
}

/// A signed number as an unsigned one in the same order.
fn up(number: i64) -> u64 {
    number.cast_unsigned() ^ (1 << 63)
}

/// All values with this text.
fn spelled(text: &str) -> Vec<Value<'_>> {
    let mut all = vec![Value::Text(Cow::Borrowed(text))];
    match text {
        "true" => all.push(Value::Bool(true)),
        "false" => all.push(Value::Bool(false)),
        _ if Decimal::parse(text).is_some() => all.push(Value::Number(text)),
        _ => {}
    }
    all
}

/// Two patterns that no text matches both, or one that is a part of a refused one.
fn patterns(asked: &[Admitted], refused: &[Admitted]) -> bool {
    let pieces = |views: &[Admitted]| -> Vec<Vec<String>> {
        let each = views.iter().filter_map(|view| match view {
            Admitted::Pattern(pieces) => Some(pieces.clone()),
            _ => None,
        });
        each.collect()
    };
    let (asked, refused) = (pieces(asked), pieces(refused));
    let pairs = asked.iter().enumerate();
    pairs.clone().any(|(at, one)| asked.iter().take(at).any(|other| !may_meet(one, other)))
        || asked.iter().any(|one| refused.iter().any(|other| is_within(one, other)))
}

/// Whether a text may match two patterns that both have a star: their beginnings and ends say all.
fn may_meet(one: &[String], other: &[String]) -> bool {
    let begin = |pieces: &[String]| pieces.first().cloned().unwrap_or_default();
    let end = |pieces: &[String]| pieces.last().cloned().unwrap_or_default();
    let ((first, last), (begin, end)) = ((begin(one), end(one)), (begin(other), end(other)));
    (first.starts_with(&begin) || begin.starts_with(&first))
        && (last.ends_with(&end) || end.ends_with(&last))
}

/// Whether all that a pattern matches is matched by another: it takes what stands for any text only
/// with a star of its own.
fn is_within(one: &[String], other: &[String]) -> bool {
    let all = one.join(&ANY.to_string());
    !other.iter().any(|piece| piece.contains(ANY)) && Glob::new(other.to_vec()).matches(&all)
}

/// Ranges with ends that are included or not.
fn numbers(asked: &[Admitted], refused: &[Admitted]) -> bool {
    let ranges = |views: &[Admitted]| -> Vec<Span> {
        let each = views.iter().filter_map(|view| match view {
            Admitted::Numbers(from, to) => Some((from.clone(), to.clone())),
            _ => None,
        });
        each.collect()
    };
    nothing_left(&ranges(asked), &ranges(refused), &|one, other| {
        compare_numbers(one, other).unwrap_or(Ordering::Equal)
    })
}

/// Texts by their bytes and JSON numbers by value: a bound that is a number compares with numbers in
/// its own way.
fn texts_in_order(asked: &[Admitted], refused: &[Admitted]) -> bool {
    let is_number = |text: &str| Decimal::parse(text).is_some();
    let ranges = |views: &[Admitted], keep: &dyn Fn(&str) -> bool| -> Vec<Span> {
        let each = views.iter().filter_map(|view| match view {
            Admitted::TextRange(comparison, text) if keep(text) => Some(match comparison {
                Comparison::Less => (End::Unbounded, End::Excluded(text.clone())),
                Comparison::AtMost => (End::Unbounded, End::Included(text.clone())),
                Comparison::Greater => (End::Excluded(text.clone()), End::Unbounded),
                Comparison::AtLeast => (End::Included(text.clone()), End::Unbounded),
            }),
            _ => None,
        });
        each.collect()
    };
    let none = |keep: &dyn Fn(&str) -> bool, order: Order<'_>| {
        nothing_left(&ranges(asked, keep), &ranges(refused, keep), order)
    };
    let by_bytes = |one: &str, other: &str| one.as_bytes().cmp(other.as_bytes());
    let by_value = |one: &str, other: &str| compare_numbers(one, other).unwrap_or(Ordering::Equal);
    none(&|_| true, &by_bytes)
        && (none(&|text| !is_number(text), &by_bytes) || none(&is_number, &by_value))
}

/// From one end to another.
type Span = (End<String>, End<String>);

/// An order of ends.
type Order<'o> = &'o dyn Fn(&str, &str) -> Ordering;

/// Whether ranges, of which there is at least one, have nothing in common outside of others.
fn nothing_left(asked: &[Span], refused: &[Span], order: Order<'_>) -> bool {
    if asked.is_empty() {
        return false;
    }
    let from = asked.iter().map(|(from, _)| from).max_by(|a, b| by_begin(a, b, order));
    let to = asked.iter().map(|(_, to)| to).min_by(|a, b| by_end(a, b, order));
    let (Some(mut from), Some(to)) = (from.cloned(), to) else { return false };
    let mut rest: Vec<&Span> = refused.iter().collect();
    rest.sort_by(|a, b| by_begin(&a.0, &b.0, order));
    for (begin, end) in rest {
        if is_empty(&from, to, order) {
            return true;
        }
        // What begins later leaves something before it.
        if by_begin(begin, &from, order).is_gt() {
            return false;
        }
        let behind = match end {
            End::Unbounded => return true,
            End::Included(text) => End::Excluded(text.clone()),
            End::Excluded(text) => End::Included(text.clone()),
        };
        if by_begin(&behind, &from, order).is_gt() {
            from = behind;
        }
    }
    is_empty(&from, to, order)
}

/// The order of the places at which two ranges begin.
fn by_begin(one: &End<String>, other: &End<String>, order: Order<'_>) -> Ordering {
    match (one, other) {
        (End::Unbounded, End::Unbounded) => Ordering::Equal,
        (End::Unbounded, _) => Ordering::Less,
        (_, End::Unbounded) => Ordering::Greater,
        (End::Included(a), End::Excluded(b)) => order(a, b).then(Ordering::Less),
        (End::Excluded(a), End::Included(b)) => order(a, b).then(Ordering::Greater),
        (End::Included(a) | End::Excluded(a), End::Included(b) | End::Excluded(b)) => order(a, b),
    }
}

/// The order of the places at which two ranges end.
fn by_end(one: &End<String>, other: &End<String>, order: Order<'_>) -> Ordering {
    match (one, other) {
        (End::Unbounded, End::Unbounded) => Ordering::Equal,
        (End::Unbounded, _) => Ordering::Greater,
        (_, End::Unbounded) => Ordering::Less,
        (End::Included(a), End::Excluded(b)) => order(a, b).then(Ordering::Greater),
        (End::Excluded(a), End::Included(b)) => order(a, b).then(Ordering::Less),
        (End::Included(a) | End::Excluded(a), End::Included(b) | End::Excluded(b)) => order(a, b),
    }
}

fn is_empty(from: &End<String>, to: &End<String>, order: Order<'_>) -> bool {
    match (from, to) {
        (End::Unbounded, _) | (_, End::Unbounded) => false,
        (End::Included(a), End::Included(b)) => order(a, b).is_gt(),
        (End::Included(a) | End::Excluded(a), End::Included(b) | End::Excluded(b)) => {
            order(a, b).is_ge()
        }
    }
}

/// Ranges of whole numbers with both ends included.
fn steps(
    asked: &[Admitted],
    refused: &[Admitted],
    range: impl Fn(&Admitted) -> Option<(u128, u128)>,
) -> bool {
    let all: Vec<(u128, u128)> = asked.iter().filter_map(&range).collect();
    let (Some(from), Some(to)) =
        (all.iter().map(|one| one.0).max(), all.iter().map(|one| one.1).min())
    else {
        return false;
    };
    let mut from = from;
    let mut rest: Vec<(u128, u128)> = refused.iter().filter_map(range).collect();
    rest.sort_unstable();
    for (begin, end) in rest {
        if from > to {
            return true;
        }
        if begin > from {
            return false;
        }
        match end.checked_add(1) {
            Some(behind) => from = from.max(behind),
            None => return true,
        }
    }
    from > to
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_kql::WrittenQuery;

    /// Whether no value meets what a query asks of a field once.
    fn none(asked: &str, refused: &str) -> bool {
        let query = |text| firstseen_kql::written(text).unwrap();
        let tests = |query: &WrittenQuery| -> Vec<ValueTest> {
            query.leaves().iter().map(|leaf| leaf.test.clone()).collect()
        };
        let (asked, refused) = (tests(&query(asked)), tests(&query(refused)));
        none_meets(&asked.iter().collect::<Vec<_>>(), &refused.iter().collect::<Vec<_>>())
    }

    #[test]
    fn what_no_value_meets_is_found() {
        for (asked, refused) in [
            ("f: (a and b)", ""),
            ("f: null", ""),
            ("f: a", "f: (b or a)"),
            ("f: a", "f: *"),
            ("f: *", "f: *"),
            ("f: ab", "f: a*"),
            ("f: (a* and b)", ""),
            ("f: (a* and b*)", ""),
            ("f: (*a and *b)", ""),
            ("f: ab*", "f: a*"),
            ("f: a*bc*d", "f: (x or *b*d)"),
            ("message: word", "message: word"),
            ("f.ip: 10.0.0.1", "f.ip: \"10.0.0.0/8\""),
            ("f.ip: \"10.0.0.0/8\"", "f.ip: (\"10.0.0.0/9\" or \"10.128.0.0/9\")"),
            ("f.ip: (\"10.0.0.0/8\" and \"192.168.0.0/16\")", ""),
            ("f.ip >= 10.0.0.9 and f.ip < 10.0.0.1", ""),
            ("f.ip: \"::\"", "f.ip < \"::1\""),
            ("f.port > 5 and f.port < 3", ""),
            ("f.port > 5 and f.port <= 5.0", ""),
            ("f.port: 5", "f.port: 5.0"),
            ("f.port: (5 and 6)", ""),
            ("f.port >= 3 and f.port < 9", "f.port < 5 or f.port >= 5"),
            ("f.port >= 5 and f.port <= 5", "f.port: 5"),
            ("f.port >= 3", "f.port > 2"),
            ("@timestamp > 2025 and @timestamp < 2024", ""),
            ("@timestamp: \"2024-02-03T10:00\"", "@timestamp: 2024-02-03"),
            ("@timestamp: 2024", "@timestamp < 2024-03 or @timestamp >= 2024-03"),
            ("f > m and f < c", ""),
            ("f > 9 and f < 3", ""),
            ("process.interactive: (true and false)", ""),
            ("process.interactive: false", "process.interactive: (\"\" or false)"),
        ] {
            assert!(none(asked, refused), "{asked} without {refused}");
        }
    }

    #[test]
    fn what_a_value_may_meet_is_left_alone() {
        for (asked, refused) in [
            ("f: a", "f: b"),
            ("f: (a and a)", "f: b*"),
            ("f: (a* and *a)", ""),
            ("f: a*", "f: ab*"),
            ("f: a*c", "f: a*b*c"),
            ("f: *", "f: a*"),
            ("f.ip: \"10.0.0.0/8\"", "f.ip: (\"10.0.0.0/9\" or \"10.129.0.0/16\")"),
            ("f.ip: 10.*", "f.ip: \"10.0.0.0/8\""),
            ("f.port > 5 and f.port < 6", ""),
            ("f.port >= 5 and f.port <= 5", ""),
            ("f.port >= 3 and f.port < 9", "f.port < 5 or f.port > 5"),
            ("f.port >= 3 and f.port < 9", "f.port: 3 or f.port > 3.5"),
            ("@timestamp: 2024-02-03", "@timestamp: \"2024-02-03T10:00\""),
            ("@timestamp >= 2024 and @timestamp <= 2024", ""),
            // Of texts `5`, of numbers none; of texts none, of numbers 9.5.
            ("f > 10 and f < 9", ""),
            ("f > 9 and f < 10", ""),
            ("f > 9 and f < a", "f < 5"),
            ("process.interactive: false", "process.interactive: \"\""),
            ("message: (word and other)", "message: third"),
        ] {
            assert!(!none(asked, refused), "{asked} without {refused}");
        }
    }
}

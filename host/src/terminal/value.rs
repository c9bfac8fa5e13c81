//! Fields of an alert as text.
//!
//! In: a JSON document whose fields are nested, flat or mixed. Out: a field's text, safe for a
//! terminal. A missing field, `null` and what is empty are all nothing.
use crate::escape::escaped;
use chrono::{DateTime, SubsecRound, Timelike, Utc};
use serde_json::Value;

/// How many values of an array are shown.
const SHOWN: usize = 6;

/// The value under a dotted path: `a.b.c` stands in `{"a":{"b":{"c":..}}}`, in `{"a.b.c":..}`, and
/// in anything between. Recurses once for each part of the path at most.
pub(crate) fn lookup<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    let object = document.as_object()?;
    object.get(path).or_else(|| {
        let mut splits = path.match_indices('.');
        splits.find_map(|(at, _)| lookup(object.get(&path[..at])?, &path[at + 1..]))
    })
}

/// A field's text.
pub(super) fn field(document: &Value, path: &str) -> Option<String> {
    text(lookup(document, path)?)
}

/// A value's text; of an array, its values with commas between.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(escaped(text).into_owned()),
        Value::Array(values) => {
            let mut shown: Vec<_> = values.iter().filter_map(single).collect();
            if shown.len() > SHOWN {
                let more = shown.len() - SHOWN;
                shown.truncate(SHOWN);
                shown.push(format!("and {more} more"));
            }
            (!shown.is_empty()).then(|| shown.join(", "))
        }
        other => single(other),
    }
}

/// A value that is not an array in an array: text without going deeper.
fn single(value: &Value) -> Option<String> {
    match value {
        Value::Array(_) | Value::Object(_) => Some(escaped(&value.to_string()).into_owned()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::String(_) => text(value),
    }
}

/// A time as it is in a document.
pub(super) fn time(document: &Value, path: &str) -> Option<DateTime<Utc>> {
    let text = lookup(document, path)?.as_str()?;
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

/// A time for a person: `2026-11-03 09:14:07 UTC`, with milliseconds where there are any.
pub(super) fn show_time(time: DateTime<Utc>) -> String {
    let time = time.trunc_subsecs(3);
    let format = if time.nanosecond() == 0 { "%F %T UTC" } else { "%F %T%.3f UTC" };
    time.format(format).to_string()
}

/// A span of time in its largest unit: `33 days`.
pub(super) fn span(milliseconds: i64) -> String {
    let (count, unit) = largest(milliseconds);
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The same in a column: `33d`.
pub(super) fn short_span(milliseconds: i64) -> String {
    let (count, unit) = largest(milliseconds);
    format!("{count}{}", &unit[..1])
}

fn largest(milliseconds: i64) -> (i64, &'static str) {
    let seconds = milliseconds.max(0) / 1000;
    match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_found_however_they_are_nested() {
        for document in [
            json!({"a": {"b": {"c": 1}}}),
            json!({"a.b.c": 1}),
            json!({"a.b": {"c": 1}}),
            json!({"a": {"b.c": 1}}),
            json!({"a": {"x": 0}, "a.b": {"c": 1}}),
            json!({"a": "text", "a.b.c": [1]}),
        ] {
            assert_eq!(field(&document, "a.b.c").as_deref(), Some("1"), "{document}");
        }
        for document in [json!({"a": {"b": 1}}), json!([1]), json!({"a.b.c": null}), json!(null)] {
            assert_eq!(field(&document, "a.b.c"), None, "{document}");
        }
    }

    #[test]
    fn values_have_a_text_or_none() {
        for (value, expected) in [
            (json!(""), None),
            (json!([]), None),
            (json!([null, ""]), None),
            (json!(true), Some("true")),
            (json!(4.5), Some("4.5")),
            (json!(["a", 1, {"b": "\n"}]), Some(r#"a, 1, {"b":"\n"}"#)),
            (json!("a\nb"), Some("a\\nb")),
            (json!([1, 2, 3, 4, 5, 6, 7, 8]), Some("1, 2, 3, 4, 5, 6, and 2 more")),
        ] {
            assert_eq!(text(&value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn spans_are_in_their_largest_unit() {
        for (milliseconds, expected) in [
            (-5, "0 seconds"),
            (1000, "1 second"),
            (119_000, "1 minute"),
            (7_200_000, "2 hours"),
            (86_400_000, "1 day"),
            (33 * 86_400_000, "33 days"),
        ] {
            assert_eq!(span(milliseconds), expected);
        }
    }
}

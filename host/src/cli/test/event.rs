//! The text of a test's event, from the base event and what this one changes.
//!
//! In: tables of fields, with names in any form (`"user.name"`, `user.name`, nested). Out: one JSON
//! document, nested, with a time and an id. It knows two kinds of document: ECS, and CloudTrail's
//! own; which one it is follows from the fields that only the latter has.

use firstseen_rule::alert::rfc3339;
use serde_json::{Map, Value};

/// The most dots in a field name: each is an object around a value.
const MAX_PARTS: usize = 64;

/// Lays `changes` over `base`; both may use dotted names.
///
/// # Errors
/// A name that would need a value and an object in one place.
pub(in crate::cli) fn merge(
    base: &mut Map<String, Value>,
    changes: &toml::Table,
) -> Result<(), String> {
    for (name, value) in changes {
        put(base, name, value)?;
    }
    Ok(())
}

fn put(map: &mut Map<String, Value>, name: &str, value: &toml::Value) -> Result<(), String> {
    let slot = slot(map, name)?;
    match value {
        toml::Value::Table(inner) => {
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            match slot {
                Value::Object(map) => merge(map, inner),
                _ => Ok(()),
            }
        }
        other => {
            *slot = json(other)?;
            Ok(())
        }
    }
}

/// The place that a dotted name means, with the objects on the way.
fn slot<'m>(map: &'m mut Map<String, Value>, name: &str) -> Result<&'m mut Value, String> {
    let (first, rest) = match name.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (name, None),
    };
    if first.is_empty() || name.matches('.').count() > MAX_PARTS {
        return Err(format!("`{name}` is no field name"));
    }
    let here = map.entry(first.to_owned()).or_insert(Value::Null);
    let Some(rest) = rest else { return Ok(here) };
    if here.is_null() {
        *here = Value::Object(Map::new());
    }
    match here {
        Value::Object(map) => slot(map, rest),
        _ => Err(format!("`{first}` has a value, so there can be no `{name}` in it")),
    }
}

/// Takes a field out; whether it was there.
pub(super) fn unset(map: &mut Map<String, Value>, name: &str) -> bool {
    match name.split_once('.') {
        None => map.remove(name).is_some(),
        Some((first, rest)) => {
            map.get_mut(first).and_then(Value::as_object_mut).is_some_and(|map| unset(map, rest))
        }
    }
}

/// A TOML value as JSON: a date is its text.
///
/// # Errors
/// A number that JSON does not have (`nan`, `inf`), or a field name that cannot be.
pub(super) fn json(value: &toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number)
            .map(Value::Number)
            .ok_or_else(|| format!("{number} is no number of JSON"))?,
        toml::Value::Boolean(truth) => Value::Bool(*truth),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => {
            Value::Array(items.iter().map(json).collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => {
            let mut map = Map::new();
            merge(&mut map, table)?;
            Value::Object(map)
        }
    })
}

/// Gives the event its time, and an id where it has none.
pub(super) fn finish(
    mut map: Map<String, Value>,
    at_ms: Option<i64>,
    default_ms: i64,
    id: &str,
) -> Result<String, String> {
    let has = |name: &str| map.contains_key(name);
    // As CloudTrail's own events are recognised when they are read.
    let raw = (has("eventName") && has("eventSource")) || has("eventVersion") || has("eventTime");
    let (time, name) = if raw { ("eventTime", "eventID") } else { ("@timestamp", "event.id") };
    if at_ms.is_some() || !map.contains_key(time) {
        let ms = at_ms.unwrap_or(default_ms);
        map.insert(time.to_owned(), Value::String(rfc3339(ms)));
    }
    let id_slot = slot(&mut map, name)?;
    if id_slot.is_null() {
        *id_slot = Value::String(id.to_owned());
    }
    Ok(Value::Object(map).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(base: &str, set: &str, out: &[&str], at: Option<i64>) -> Result<String, String> {
        let mut map = Map::new();
        merge(&mut map, &base.parse().unwrap())?;
        merge(&mut map, &set.parse().unwrap())?;
        assert!(out.iter().all(|name| unset(&mut map, name)), "{out:?}");
        finish(map, at, 0, "event-1")
    }

    #[test]
    fn names_mean_the_same_in_any_form() {
        let expected = r#"{"@timestamp":"1970-01-01T00:00:00.000Z","event":{"action":"b","dataset":"a","id":"event-1"}}"#;
        for (base, set) in [
            ("\"event.dataset\" = 'a'\n\"event.action\" = 'x'", "\"event.action\" = 'b'"),
            ("event.dataset = 'a'", "[event]\naction = 'b'"),
            ("[event]\ndataset = 'a'\naction = 1", "event = { action = 'b' }"),
        ] {
            assert_eq!(made(base, set, &[], None).unwrap(), expected);
        }
    }

    #[test]
    fn a_time_and_an_id_in_the_form_of_the_document() {
        let raw = made("eventName = 'a'\neventSource = 'b'", "", &["eventName"], Some(1)).unwrap();
        assert!(raw.contains("@timestamp"), "without its name it is no CloudTrail event: {raw}");
        let raw = made("eventVersion = '1.11'\neventID = 'own'", "", &[], Some(1)).unwrap();
        assert_eq!(
            raw,
            r#"{"eventID":"own","eventTime":"1970-01-01T00:00:00.001Z","eventVersion":"1.11"}"#
        );
        let own = made("\"@timestamp\" = 2025-01-01T00:00:00Z", "", &[], None).unwrap();
        assert!(own.contains("2025-01-01T00:00:00Z"), "its own time stays without `at`: {own}");
    }

    #[test]
    fn what_cannot_be_says_so() {
        for (set, part) in [
            ("user = 'x'\n\"user.name\" = 'y'", "`user` has a value"),
            ("\"a..b\" = 1", "no field name"),
            ("a = nan", "no number of JSON"),
        ] {
            let error = made("", set, &[], None).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}

//! One event as a whole: its text in, a nested ECS document out, for alerts. The opposite of lazy,
//! and only used for what matched. Not for nested envelopes of several events.
//!
//! Recursion here follows trees, whose depth the reader has bounded before.

use crate::cloudtrail::{COPIED, DERIVED, OBJECT_FIELDS, is_blank};
use crate::error::EventError;
use crate::fields::{EventFields, Value};
use crate::json::{Json, Object};
use crate::reader::{EventReader, FieldRequest, ReadOutcome};
use crate::scan::MAX_DEPTH;
use crate::walk::{MAX_VALUES, Scratch};
use alloc::borrow::Cow;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use once_cell::race::OnceBox;

/// How many strings may stand around each other before the event comes.
const MAX_INNER: usize = 4;

/// The event as one nested ECS document.
///
/// Raw CloudTrail: every field that this crate knows how to fill, blank values left out, and
/// `event.original` with the event's text. An ECS document: itself, dotted keys opened up; where
/// two spellings of a field meet, both values stand in an array; a dotted key that cannot be
/// opened (a part of its path is no object) stays as it is.
///
/// # Errors
/// As [`EventReader::read`]; `too_large` for an event of more than a million values; `not_one_event` for envelopes of several events or of none.
pub fn document(text: &str) -> Result<Object, EventError> {
    // Made once: it is larger than what it reads.
    static READER: OnceBox<(Vec<&'static str>, EventReader)> = OnceBox::new();
    let (names, reader) = READER.get_or_init(|| {
        let names = names();
        let asks = names.iter().map(|name| FieldRequest::Values((*name).to_owned())).collect();
        Box::new((names, EventReader::new(asks)))
    });
    let mut text = Cow::Borrowed(text);
    for _ in 0..=MAX_INNER {
        let mut scratch = Scratch::default();
        let inner = match reader.read(&text, &mut scratch)? {
            ReadOutcome::Event(fields) if fields.is_raw_cloudtrail() => {
                return from_raw(&fields, names);
            }
            ReadOutcome::Event(fields) => return Ok(nested(parse(&fields)?, 1)),
            ReadOutcome::Inner(inner) => inner,
            ReadOutcome::NoEvent(what) | ReadOutcome::SeveralEvents(what) => {
                return Err(EventError::new("not_one_event", format!("this is a {what}"), 0));
            }
        };
        text = Cow::Owned(inner);
    }
    let reason = format!("more than {MAX_INNER} strings stand around the event");
    Err(EventError::new("too_deep", reason, 0))
}

fn names() -> Vec<&'static str> {
    let copied = COPIED.iter().map(|(name, _)| *name).filter(|name| !name.starts_with(RESOURCES));
    let texts = OBJECT_FIELDS.iter().map(|(name, _, _)| *name);
    copied.chain(DERIVED.iter().copied()).chain(texts).collect()
}

/// An array of objects: its parts must not be torn from each other.
const RESOURCES: &str = "aws.cloudtrail.resources";

fn parse(event: &EventFields<'_>) -> Result<Object, EventError> {
    // A comma separates any two values; commas in strings only make this stricter.
    let commas = memchr::memchr_iter(b',', event.text().as_bytes()).count();
    if commas >= MAX_VALUES {
        let reason = format!("an event of more than {MAX_VALUES} values makes no alert document");
        return Err(EventError::new("too_large", reason, event.event.start));
    }
    let fault = |reason: &str| EventError::json(reason, event.event.start);
    match Json::read(event.text()) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err(fault("an object was expected")),
        Err(error) => Err(fault(&error.reason)),
    }
}

fn from_raw(event: &EventFields<'_>, names: &[&str]) -> Result<Object, EventError> {
    let mut document = Object::new();
    for (ask, name) in names.iter().enumerate() {
        let mut values: Vec<Json> = event.values(ask).map(owned).collect();
        // These two are lists in ECS, also when they hold one value.
        let list = matches!(*name, "event.type" | "related.user");
        match values.len() {
            0 => {}
            1 if !list => put(&mut document, name, values.remove(0), 0),
            _ => put(&mut document, name, Json::List(values), 0),
        }
    }
    let mut raw = parse(event)?;
    raw.retain(|_, value| keep(value));
    for (_, flattened, raw_name) in OBJECT_FIELDS {
        if let Some(value @ (Json::Object(_) | Json::List(_))) = raw.remove(*raw_name) {
            put(&mut document, flattened, value, 0);
        }
    }
    if let Some(resources) = raw.remove("resources").and_then(resources) {
        put(&mut document, RESOURCES, resources, 0);
    }
    Ok(document)
}

/// The resources under their ECS names: one object or a list of them.
fn resources(raw: Json) -> Option<Json> {
    let names = [("ARN", "arn"), ("accountId", "account_id"), ("type", "type")];
    match raw {
        Json::List(items) => {
            let renamed: Vec<Json> = items.into_iter().filter_map(resources).collect();
            (!renamed.is_empty()).then_some(Json::List(renamed))
        }
        Json::Object(mut members) => {
            let mut renamed = Object::new();
            for (name, ecs) in names {
                if let Some(value) = members.remove(name) {
                    renamed.insert(ecs.to_owned(), value);
                }
            }
            (!renamed.is_empty()).then_some(Json::Object(renamed))
        }
        _ => None,
    }
}

fn owned(value: Value<'_>) -> Json {
    match value {
        Value::Bool(value) => Json::Bool(value),
        Value::Number(text) => Json::Number(text.to_owned()),
        Value::Text(text) => Json::Text(text.into_owned()),
    }
}

/// Takes everything blank out of a value; whether something is left of it.
fn keep(value: &mut Json) -> bool {
    match value {
        Json::Null => false,
        Json::Text(text) => !is_blank(text),
        Json::List(items) => {
            items.retain_mut(keep);
            !items.is_empty()
        }
        Json::Object(members) => {
            members.retain(|_, value| keep(value));
            !members.is_empty()
        }
        Json::Bool(_) | Json::Number(_) => true,
    }
}

/// Opens the dotted keys of an object that stands at `depth`.
fn nested(object: Object, depth: usize) -> Object {
    let mut opened = Object::new();
    for (key, value) in object {
        let inside = depth + key.split('.').count();
        put(&mut opened, &key, nested_value(value, inside), depth);
    }
    opened
}

fn nested_value(value: Json, depth: usize) -> Json {
    match value {
        Json::Object(object) => Json::Object(nested(object, depth)),
        Json::List(items) => {
            Json::List(items.into_iter().map(|item| nested_value(item, depth + 1)).collect())
        }
        scalar => scalar,
    }
}

/// Puts a value at a dotted path of an object that stands at `depth`.
fn put(object: &mut Object, path: &str, value: Json, depth: usize) {
    let odd = path.split('.').any(str::is_empty);
    let too_deep = depth + path.split('.').count() > MAX_DEPTH;
    if odd || too_deep || !is_open(object, path) {
        join(object, path, value);
        return;
    }
    let mut object = object;
    let mut rest = path;
    while let Some((segment, below)) = rest.split_once('.') {
        let entry = object.entry(segment.to_owned()).or_insert_with(|| Json::Object(Object::new()));
        // `is_open` has seen that there is nothing but objects on the way.
        let Json::Object(next) = entry else { return };
        object = next;
        rest = below;
    }
    join(object, rest, value);
}

/// Whether all that stands on the way to a path is objects.
fn is_open(object: &Object, path: &str) -> bool {
    let mut object = object;
    let mut rest = path;
    while let Some((segment, below)) = rest.split_once('.') {
        match object.get(segment) {
            None => return true,
            Some(Json::Object(next)) => object = next,
            Some(_) => return false,
        }
        rest = below;
    }
    true
}

/// Puts a value at a key; what stands there already is kept: objects are merged, others listed.
fn join(object: &mut Object, key: &str, value: Json) {
    let Some(known) = object.get_mut(key) else {
        object.insert(key.to_owned(), value);
        return;
    };
    match (known, value) {
        (Json::Object(known), Json::Object(more)) => {
            for (key, value) in more {
                join(known, &key, value);
            }
        }
        (known @ Json::Null, value) => *known = value,
        (_, Json::Null) => {}
        (Json::List(known), Json::List(more)) => known.extend(more),
        (Json::List(known), value) => known.push(value),
        (known, Json::List(mut more)) => {
            more.insert(0, core::mem::take(known));
            *known = Json::List(more);
        }
        (known, value) => *known = Json::List(vec![core::mem::take(known), value]),
    }
}

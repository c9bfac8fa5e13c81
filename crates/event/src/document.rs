//! One event as a whole, for alerts.
//!
//! In: an event's text. Out: a nested ECS document. The opposite of lazy, and only used for what
//! matched. Not for envelopes of several events.
//!
//! Recursion here follows trees, whose depth the reader has bounded before.

use crate::error::EventError;
use crate::fields::EventFields;
use crate::json::{Json, Object};
use crate::plan::FieldRequest;
use crate::raw::{ObjectList, RawSource};
use crate::reader::{EventReader, ReadOutcome};
use crate::scan::MAX_DEPTH;
use crate::sources::SOURCES;
use crate::spans::is_blank;
use crate::walk::{MAX_VALUES, Scratch};
use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use firstseen_value::Value;
use once_cell::race::OnceBox;

/// How many strings may be nested around an event.
const MAX_INNER: usize = 4;

/// Reads all fields of all raw sources.
struct DocumentReader {
    reader: EventReader,
    /// The requests, in order: the place of the source in the table, and the ECS name.
    names: Vec<(usize, &'static str)>,
}

/// The event as one nested ECS document.
///
/// An event of a raw source: every field that this crate knows how to fill, blank values left out,
/// and `event.original` with the event's text. An ECS document: itself, dotted keys opened up; where
/// a field is spelled in two ways, both values are put into an array; a dotted key that cannot be
/// opened (a part of its path is no object) stays as it is.
///
/// # Errors
/// As [`EventReader::read`]; `too_large` for an event of more than a million values;
/// `not_one_event` for envelopes of several events or of none.
pub fn document(text: &str) -> Result<Object, EventError> {
    // Made once: it is larger than what it reads.
    static READER: OnceBox<DocumentReader> = OnceBox::new();
    let DocumentReader { reader, names } = READER.get_or_init(|| Box::new(DocumentReader::new()));
    let mut text = Cow::Borrowed(text);
    for _ in 0..=MAX_INNER {
        let mut scratch = Scratch::default();
        let inner = match reader.read(&text, &mut scratch)? {
            ReadOutcome::Event(fields) => {
                return match fields.source_place() {
                    Some(place) => from_raw(&fields, place, names),
                    None => Ok(nested(parse(&fields)?, 1)),
                };
            }
            ReadOutcome::Inner(inner) => inner,
            ReadOutcome::NoEvent(what) | ReadOutcome::SeveralEvents(what) => {
                return Err(EventError::new("not_one_event", format!("this is a {what}"), 0));
            }
        };
        text = Cow::Owned(inner);
    }
    let reason = format!("the event is inside more than {MAX_INNER} strings");
    Err(EventError::new("too_deep", reason, 0))
}

impl DocumentReader {
    fn new() -> Self {
        let of_source = |(place, source): (usize, &&'static RawSource)| {
            let source = *source;
            // The members of a list must not be torn from each other.
            let is_alone =
                move |name: &&str| !source.lists.iter().any(|list| name.starts_with(list.name));
            source.names().filter(is_alone).map(move |name| (place, name))
        };
        let names: Vec<_> = SOURCES.iter().enumerate().flat_map(of_source).collect();
        let requests = names.iter().map(|(_, name)| FieldRequest::Values((*name).to_owned()));
        let reader = EventReader::new(requests.collect());
        Self { reader, names }
    }
}

fn parse(event: &EventFields<'_>) -> Result<Object, EventError> {
    // A comma separates any two values; commas in strings only make this stricter.
    let commas = memchr::memchr_iter(b',', event.text().as_bytes()).count();
    if commas >= MAX_VALUES {
        let reason = format!("an event of more than {MAX_VALUES} values makes no alert document");
        return Err(EventError::new("too_large", reason, event.start()));
    }
    let fault = |reason: &str| EventError::json(reason, event.start());
    match Json::read(event.text()) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err(fault("an object was expected")),
        Err(error) => Err(fault(&error.reason)),
    }
}

/// The document of an event of the raw source at that place.
fn from_raw(
    event: &EventFields<'_>,
    place: usize,
    names: &[(usize, &str)],
) -> Result<Object, EventError> {
    let mut document = Object::new();
    let of_source = names.iter().enumerate().filter(|(_, (of, _))| *of == place);
    for (request, (_, name)) in of_source {
        let mut values: Vec<Json> = event.values(request).map(owned).collect();
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
    let Some(source) = SOURCES.get(place) else { return Ok(document) };
    for object in source.objects {
        if let Some(value @ (Json::Object(_) | Json::List(_))) = raw.remove(object.path) {
            put(&mut document, object.flattened, value, 0);
        }
    }
    for list in source.lists {
        if let Some(value) = raw.remove(list.key).and_then(|value| renamed(value, list)) {
            put(&mut document, list.name, value, 0);
        }
    }
    Ok(document)
}

/// A list of objects, or one object, with the ECS names of its members.
fn renamed(raw: Json, list: &ObjectList) -> Option<Json> {
    match raw {
        Json::List(items) => {
            let items: Vec<Json> =
                items.into_iter().filter_map(|item| renamed(item, list)).collect();
            (!items.is_empty()).then_some(Json::List(items))
        }
        Json::Object(mut members) => {
            let mut kept = Object::new();
            for (name, ecs) in list.members {
                if let Some(value) = members.remove(*name) {
                    kept.insert((*ecs).to_owned(), value);
                }
            }
            (!kept.is_empty()).then_some(Json::Object(kept))
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

/// Opens the dotted keys of an object at `depth`.
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

/// Puts a value at a dotted path of an object at `depth`.
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
        // `is_open` has checked that all of these are objects.
        let Json::Object(next) = entry else { return };
        object = next;
        rest = below;
    }
    join(object, rest, value);
}

/// Whether every part of a path but the last is an object.
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

/// Puts a value at a key. A value that is there already is kept: objects are merged, other values
/// become a list.
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

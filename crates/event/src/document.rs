//! One event as a whole, for alerts.
//!
//! In: an event's text. Out: a nested ECS document. The opposite of lazy, and only used for what
//! matched. Not for envelopes of several events.
//!
//! Recursion here follows trees, whose depth the reader has bounded before.

use crate::clean::keep;
use crate::error::EventError;
use crate::fields::EventFields;
use crate::json::{Json, Object};
use crate::plan::FieldRequest;
use crate::raw::{ObjectList, RawSource};
use crate::reader::{EventReader, ReadOutcome};
use crate::scan::MAX_DEPTH;
use crate::sources::SOURCES;
use crate::spans::RespellNumber;
use crate::trust::Trust;
use crate::walk::{MAX_VALUES, Scratch};
use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
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
    document_trusting(text, Trust::DEFAULT)
}

/// The event that a text holds in a string, if it does: what [`document`] makes the document of.
#[must_use]
pub fn inner_text(text: &str, trust: &Trust) -> Option<String> {
    let DocumentReader { reader, .. } = DocumentReader::get();
    match reader.read_trusting(text, &mut Scratch::default(), trust) {
        Ok(ReadOutcome::Inner(inner, _)) => Some(inner),
        _ => None,
    }
}

/// As [`document`], of an event that was read with this trust.
///
/// # Errors
/// The same.
pub fn document_trusting(text: &str, trust: &Trust) -> Result<Object, EventError> {
    let DocumentReader { reader, names } = DocumentReader::get();
    let mut text = Cow::Borrowed(text);
    for _ in 0..=MAX_INNER {
        let mut scratch = Scratch::default();
        let inner = match reader.read_trusting(&text, &mut scratch, trust)? {
            ReadOutcome::Event(fields) => {
                return match fields.source_place() {
                    Some(place) => from_raw(&fields, place, names),
                    None => Ok(nested(parse(&fields)?, 1)),
                };
            }
            ReadOutcome::Inner(inner, _) => inner,
            ReadOutcome::NoEvent(what) => {
                return Err(EventError::new("not_one_event", format!("no event: {what}"), 0));
            }
            ReadOutcome::SeveralEvents(what) => {
                return Err(EventError::new("not_one_event", format!("several events: {what}"), 0));
            }
            ReadOutcome::SeveralInner(_) => {
                return Err(EventError::new("not_one_event", "a string with several events", 0));
            }
        };
        text = Cow::Owned(inner);
    }
    let reason = format!("the event is inside more than {MAX_INNER} strings");
    Err(EventError::new("too_deep", reason, 0))
}

impl DocumentReader {
    /// Made once: it is larger than what it reads.
    fn get() -> &'static Self {
        static READER: OnceBox<DocumentReader> = OnceBox::new();
        READER.get_or_init(|| Box::new(Self::new()))
    }

    fn new() -> Self {
        let of_source = |(place, source): (usize, &&'static RawSource)| {
            let source = *source;
            // The members of a list must not be torn from each other.
            let is_alone =
                move |name: &&str| !source.lists.iter().any(|list| name.starts_with(list.name));
            // What has moved is known before the flattened objects are put into a document.
            let flattened = source.objects.iter().map(|object| object.flattened);
            let moved = source.moved.iter().copied();
            let names = source.names().filter(is_alone).chain(moved).chain(flattened);
            names.map(move |name| (place, name))
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
    let Some(source) = SOURCES.get(place) else { return Ok(document) };
    let mut raw = parse(event)?;
    raw.retain(|_, value| keep(value));
    for (request, (_, name)) in of_source {
        let mut values: Vec<Json> = event.values(request).map(owned).collect();
        if source.moved.contains(name) {
            if values.is_empty() {
                leave_out(&mut raw, source, name);
            }
            continue;
        }
        if let Some(object) = source.objects.iter().find(|object| object.flattened == *name) {
            // Its values tell whether there are any; the tree keeps them apart.
            if let Some(mut tree) = take(&mut raw, object.path).filter(|_| !values.is_empty()) {
                respell(&mut tree, source.number);
                put(&mut document, name, tree, 0);
            }
            continue;
        }
        let is_list = source.always_lists.contains(name);
        match values.len() {
            0 => {}
            1 if !is_list => put(&mut document, name, values.remove(0), 0),
            _ => put(&mut document, name, Json::List(values), 0),
        }
    }
    for list in source.lists {
        if let Some(value) = raw.remove(list.key).and_then(|value| renamed(value, list)) {
            put(&mut document, list.name, value, 0);
        }
    }
    Ok(document)
}

/// The value at a path, taken out.
fn take(raw: &mut Object, path: &str) -> Option<Json> {
    match path.split_once('.') {
        None => raw.remove(path),
        Some((key, rest)) => match raw.get_mut(key)? {
            Json::Object(members) => take(members, rest),
            _ => None,
        },
    }
}

/// Takes out the value of a flattened field that has moved to another one, and what is empty then. An
/// object never moves.
fn leave_out(raw: &mut Object, source: &RawSource, field: &str) {
    let path = source.object_path(field);
    match take(raw, &path) {
        Some(object @ Json::Object(_)) => put(raw, &path, object, 0),
        _ => raw.retain(|_, value| keep(value)),
    }
}

/// Numbers in their other spelling.
fn respell(value: &mut Json, number: RespellNumber) {
    match value {
        Json::Number(text) => {
            if let Some(other) = number(text) {
                *text = other;
            }
        }
        Json::List(items) => items.iter_mut().for_each(|item| respell(item, number)),
        Json::Object(members) => members.values_mut().for_each(|value| respell(value, number)),
        Json::Null | Json::Bool(_) | Json::Text(_) => {}
    }
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
        // Most are there: looked up first, because an entry needs a key of its own.
        if !object.contains_key(segment) {
            object.insert(segment.to_owned(), Json::Object(Object::new()));
        }
        // `is_open` has checked that all of these are objects.
        let Some(Json::Object(next)) = object.get_mut(segment) else { return };
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

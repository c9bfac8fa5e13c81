//! One event as a whole, for alerts.
//!
//! In: an event's text. Out: a nested ECS document. The opposite of lazy, and only used for what
//! matched. Not for envelopes of several events.
//!
//! Nothing here recurses: see [`crate::json`].

use crate::dots::put;
use crate::error::EventError;
use crate::fields::EventFields;
use crate::json::{Json, Object, discard};
use crate::plan::FieldRequest;
use crate::raw::{ObjectList, RawSource};
use crate::reader::{EventReader, ReadOutcome};
use crate::scan::members;
use crate::sources::SOURCES;
use crate::spans::RespellNumber;
use crate::trust::Trust;
use crate::walk::{MAX_VALUES, Scratch};
use crate::written::RawFields;
use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use firstseen_value::Value;
use once_cell::race::OnceBox;

/// How many strings may be nested around an event.
pub(crate) const MAX_INNER: usize = 4;

/// Reads all fields of all raw sources.
pub(crate) struct DocumentReader {
    pub(crate) reader: EventReader,
    /// The requests, in order: the place of the source in the table, and the ECS name.
    names: Vec<(usize, &'static str)>,
    /// Of each source the fields as they are written.
    pub(crate) raw: Vec<RawFields>,
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
    let DocumentReader { reader, names, .. } = DocumentReader::get();
    let mut text = Cow::Borrowed(text);
    for _ in 0..=MAX_INNER {
        let mut scratch = Scratch::default();
        let inner = match reader.read_trusting(&text, &mut scratch, trust)? {
            ReadOutcome::Event(fields) => {
                return match fields.source_place() {
                    Some(place) => from_raw(&fields, place, names),
                    None => parse(&fields, Json::read_opened),
                };
            }
            other => DocumentReader::inner(other)?,
        };
        text = Cow::Owned(inner);
    }
    Err(DocumentReader::too_deep())
}

impl DocumentReader {
    /// Made once: it is larger than what it reads.
    pub(crate) fn get() -> &'static Self {
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
        let mut requests: Vec<FieldRequest> =
            names.iter().map(|(_, name)| FieldRequest::Values((*name).to_owned())).collect();
        let mut raw = Vec::new();
        for (place, source) in SOURCES.iter().enumerate() {
            let own = names.iter().enumerate().filter(|(_, (of, _))| *of == place);
            let own = own.map(|(request, (_, name))| (request, *name));
            // What may have moved is a part of its object.
            let mut own: Vec<_> = own.filter(|(_, name)| !source.moved.contains(name)).collect();
            for list in source.lists {
                own.push((requests.len(), list.name));
                requests.push(FieldRequest::Objects(list.key.to_owned()));
            }
            raw.push(RawFields::new(source, &own));
        }
        let reader = EventReader::new(requests);
        Self { reader, names, raw }
    }

    /// The text of the event in a string; an error where there is no event.
    pub(crate) fn inner(outcome: ReadOutcome<'_>) -> Result<String, EventError> {
        let reason = match outcome {
            ReadOutcome::Inner(inner, _) => return Ok(inner),
            ReadOutcome::NoEvent(what) => format!("no event: {what}"),
            ReadOutcome::SeveralEvents(what) => format!("several events: {what}"),
            ReadOutcome::SeveralInner(_) => "a string with several events".to_owned(),
            ReadOutcome::Event(_) => "an event".to_owned(),
        };
        Err(EventError::new("not_one_event", reason, 0))
    }

    pub(crate) fn too_deep() -> EventError {
        let reason = format!("the event is inside more than {MAX_INNER} strings");
        EventError::new("too_deep", reason, 0)
    }
}

/// An error for an event of too many values.
pub(crate) fn check_size(event: &EventFields<'_>) -> Result<(), EventError> {
    if event.text().len() < MAX_VALUES {
        return Ok(());
    }
    // A comma separates any two values; commas in strings only make this stricter.
    let commas = memchr::memchr_iter(b',', event.text().as_bytes()).count();
    if commas >= MAX_VALUES {
        let reason = format!("an event of more than {MAX_VALUES} values makes no alert document");
        return Err(EventError::new("too_large", reason, event.start()));
    }
    Ok(())
}

/// The event as a tree, read in one of the ways of [`Json`].
pub(crate) fn parse(
    event: &EventFields<'_>,
    read: fn(&str) -> Result<Json, EventError>,
) -> Result<Object, EventError> {
    check_size(event)?;
    let fault = |reason: &str| EventError::json(reason, event.start());
    match read(event.text()) {
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
    let mut raw = parse(event, Json::read_filled)?;
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
            match take(&mut raw, object.path) {
                Some(mut tree) if !values.is_empty() => {
                    respell(&mut tree, source.number);
                    put(&mut document, name, tree, 0);
                }
                other => other.into_iter().for_each(discard),
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
    discard(Json::Object(raw));
    Ok(document)
}

/// The value at a path, taken out.
fn take(raw: &mut Object, path: &str) -> Option<Json> {
    let (mut raw, mut path) = (raw, path);
    while let Some((key, rest)) = path.split_once('.') {
        let Json::Object(members) = raw.get_mut(key)? else { return None };
        (raw, path) = (members, rest);
    }
    raw.remove(path)
}

/// Takes out the value of a flattened field that has moved to another one, and what is empty then. An
/// object never moves.
fn leave_out(raw: &mut Object, source: &RawSource, field: &str) {
    let path = source.object_path(field);
    let mut path = &*path;
    let Some(taken) = take(raw, path) else { return };
    if matches!(taken, Json::Object(_)) {
        return put(raw, path, taken, 0);
    }
    discard(taken);
    while let Some((above, _)) = path.rsplit_once('.') {
        path = above;
        if let Some(kept) = take(raw, path).filter(|value| !value.is_blank()) {
            return put(raw, path, kept, 0);
        }
    }
}

/// Numbers in their other spelling.
fn respell(value: &mut Json, number: RespellNumber) {
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        match value {
            Json::Number(text) => {
                if let Some(other) = number(text) {
                    *text = other;
                }
            }
            Json::List(items) => rest.extend(items),
            Json::Object(members) => rest.extend(members.values_mut()),
            Json::Null | Json::Bool(_) | Json::Text(_) | Json::Written(_) => {}
        }
    }
}

/// A list of objects as a document has it.
pub(crate) fn list_of(event: &EventFields<'_>, list: &ObjectList) -> Option<Json> {
    let text = event.text();
    let mut found = None;
    members(text, 0, &mut |name, _, value| {
        if name == list.key {
            found = Some(value);
        }
    })
    .ok()?;
    let value = Json::read_filled(text.get(found?)?).ok()?;
    renamed(value, list)
}

/// A list of objects, or one object, with the ECS names of its members. Lists in lists stay what they
/// are.
fn renamed(raw: Json, list: &ObjectList) -> Option<Json> {
    let mut open: Vec<(vec::IntoIter<Json>, Vec<Json>)> = Vec::new();
    let mut value = raw;
    loop {
        let mut done = None;
        match value {
            Json::List(items) => open.push((items.into_iter(), Vec::new())),
            Json::Object(members) => done = list.renamed(members),
            _ => {}
        }
        value = loop {
            let Some((rest, kept)) = open.last_mut() else { return done };
            kept.extend(done.take());
            if let Some(next) = rest.next() {
                break next;
            }
            let kept = open.pop().map(|(_, kept)| kept).unwrap_or_default();
            done = (!kept.is_empty()).then_some(Json::List(kept));
        };
    }
}

impl ObjectList {
    fn renamed(&self, mut members: Object) -> Option<Json> {
        let mut kept = Object::new();
        for (name, ecs) in self.members {
            if let Some(value) = members.remove(*name) {
                kept.insert((*ecs).to_owned(), value);
            }
        }
        discard(Json::Object(members));
        (!kept.is_empty()).then_some(Json::Object(kept))
    }
}

fn owned(value: Value<'_>) -> Json {
    match value {
        Value::Bool(value) => Json::Bool(value),
        Value::Number(text) => Json::Number(text.to_owned()),
        Value::Text(text) => Json::Text(text.into_owned()),
    }
}

//! One event as the text of its document, for alerts.
//!
//! In: an event that was read. Out: the members of its ECS document as JSON text, in order, and where
//! each of them is. Of an event of a raw source no tree is made: the order of its fields is known, so
//! they are written one after the other, and what is spelled in the event as it is here is copied.
//!
//! It says the same as [`crate::document()`], which makes trees (property); but what belongs to alerts
//! is no event's to say: [`ALERT_NAMES`] is left out.

mod raw_fields;
mod texts;

pub(crate) use raw_fields::RawFields;

use crate::cut::first_part;
use crate::document::{DocumentReader, MAX_INNER, check_size, parse};
use crate::error::EventError;
use crate::fields::EventFields;
use crate::json::{Json, Object, discard, push_string};
use crate::reader::ReadOutcome;
use crate::trust::Trust;
use crate::walk::Scratch;
use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use firstseen_value::heap_sort_by;
use texts::{value_end, value_of};

/// Fields below this name are an alert's own. An event that has some would say two things of its alert, as
/// a reader takes both spellings of a name for one field.
pub const ALERT_NAMES: &str = "kibana.alert";
/// The fields that are told in a sentence: their names are plain.
pub const TOLD: [&str; 10] = [
    "destination.ip",
    "destination.port",
    "event.category",
    "file.name",
    "host.name",
    "process.name",
    "process.parent.name",
    "source.ip",
    "source.port",
    "user.name",
];
/// How many objects below `event` are opened, to say what the event said of itself.
const LEVELS: usize = 8;

/// The text of a document. It can be read into again and again, and keeps its room.
#[derive(Debug, Default)]
pub struct WrittenDocument {
    text: Vec<u8>,
    /// Of an event of a raw source the fields in [`TOLD`] that it has, and where their values begin.
    told: Option<Vec<(&'static str, usize)>>,
    members: Vec<WrittenField>,
    in_event: Vec<WrittenField>,
    of_event: Vec<WrittenField>,
}

/// A member or a field in the text of a document.
#[derive(Debug)]
pub struct WrittenField {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Where it begins with its name in quotes.
    pub start: usize,
    /// Its value.
    pub value: Range<usize>,
}

/// The text of the event as one nested ECS document, read with this trust.
///
/// # Errors
/// As [`crate::document()`].
pub fn written_document(
    text: &str,
    trust: &Trust,
    scratch: &mut Scratch,
) -> Result<WrittenDocument, EventError> {
    let mut document = WrittenDocument::default();
    document.read(text, trust, scratch)?;
    Ok(document)
}

impl WrittenDocument {
    /// Becomes the document of another event, as [`written_document`] gives it.
    ///
    /// # Errors
    /// As [`crate::document()`]; what it holds then is of no event.
    pub fn read(
        &mut self,
        text: &str,
        trust: &Trust,
        scratch: &mut Scratch,
    ) -> Result<(), EventError> {
        self.text.clear();
        self.told = None;
        for fields in [&mut self.members, &mut self.in_event, &mut self.of_event] {
            fields.clear();
        }
        let reader = DocumentReader::get();
        let mut text = Cow::Borrowed(text);
        for _ in 0..=MAX_INNER {
            let inner = match reader.reader.read_trusting(&text, scratch, trust)? {
                ReadOutcome::Event(fields) => return self.add(&fields, reader),
                other => DocumentReader::inner(other)?,
            };
            text = Cow::Owned(inner);
        }
        Err(DocumentReader::too_deep())
    }

    /// The whole text. It is UTF-8; members are separated by commas, without braces around them.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The text of members that stand one behind the other; nothing where there are none.
    #[must_use]
    pub fn text_of(&self, members: &[WrittenField]) -> Option<&[u8]> {
        let (first, last) = (members.first()?, members.last()?);
        self.text.get(first.start..last.value.end)
    }

    /// The members, in the order of their names.
    #[must_use]
    pub fn members(&self) -> &[WrittenField] {
        &self.members
    }

    /// The members of the object `event`, in the order of their names.
    #[must_use]
    pub fn in_event(&self) -> &[WrittenField] {
        &self.in_event
    }

    /// The fields below `event` but for `event.original`, by their paths in it, in the order of these. An
    /// object is a field where it is too deep to be opened.
    #[must_use]
    pub fn of_event(&self) -> &[WrittenField] {
        &self.of_event
    }

    /// A member's value.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&[u8]> {
        let place = self.members.binary_search_by(|member| (*member.name).cmp(name)).ok()?;
        self.text.get(self.members.get(place)?.value.clone())
    }

    /// The first value of a field in [`TOLD`], as it stands in a JSON string; none where it is no number and
    /// no text, or an empty one.
    #[must_use]
    pub fn first(&self, path: &str) -> Option<&[u8]> {
        let value = match &self.told {
            Some(told) => {
                let (_, start) = told.iter().find(|(name, _)| *name == path)?;
                self.text.get(*start..)?
            }
            None => {
                let (root, mut rest) = first_part(path, b'.');
                let mut value = self.member(root)?;
                while !rest.is_empty() {
                    let (key, below) = first_part(rest, b'.');
                    value = value_of(value, key.as_bytes())?;
                    rest = below;
                }
                value
            }
        };
        let value = value.strip_prefix(b"[").unwrap_or(value);
        let end = value_end(value, 0);
        match value.first()? {
            b'"' => value.get(1..end - 1).filter(|content| !content.is_empty()),
            b'-' | b'0'..=b'9' => value.get(..end),
            _ => None,
        }
    }

    fn add(&mut self, event: &EventFields<'_>, reader: &DocumentReader) -> Result<(), EventError> {
        let Some(fields) = event.source_place().and_then(|place| reader.raw.get(place)) else {
            let mut document = parse(event, Json::read_opened)?;
            leave_out_alert(&mut document);
            self.add_tree(&document);
            discard(Json::Object(document));
            return Ok(());
        };
        check_size(event)?;
        // What is said of an event is a little more than it says itself, and its text in a string.
        self.text.reserve(event.text().len().saturating_mul(3).saturating_add(1024));
        fields.write(event, self);
        Ok(())
    }

    fn add_tree(&mut self, document: &Object) {
        for (name, value) in document {
            let start = self.begin(name);
            let from = self.text.len();
            match value {
                Json::Object(event) if name == "event" => {
                    self.text.push(b'{');
                    for (name, value) in event {
                        let start = self.begin(name);
                        let from = self.text.len();
                        value.write_bytes(&mut self.text);
                        self.in_event.push(WrittenField::owned(name, start, from..self.text.len()));
                    }
                    self.text.push(b'}');
                }
                other => other.write_bytes(&mut self.text),
            }
            self.members.push(WrittenField::owned(name, start, from..self.text.len()));
        }
        if let Some(Json::Object(event)) = document.get("event") {
            self.add_fields(event);
        }
    }

    fn begin(&mut self, name: &str) -> usize {
        if !matches!(self.text.last(), None | Some(b'{')) {
            self.text.push(b',');
        }
        let start = self.text.len();
        push_string(&mut self.text, name);
        self.text.push(b':');
        start
    }

    /// The fields below `event`. Their values are behind the members in the text.
    fn add_fields(&mut self, event: &Object) {
        let mut fields: Vec<(String, Range<usize>)> = Vec::new();
        let mut path = String::new();
        let mut open = Vec::from([(event.iter(), 0)]);
        while let Some((members, length)) = open.last_mut() {
            path.truncate(*length);
            let Some((name, value)) = members.next() else {
                open.pop();
                continue;
            };
            if open.len() > 1 {
                path.push('.');
            }
            path.push_str(name);
            match value {
                Json::Object(inner) if open.len() <= LEVELS => {
                    open.push((inner.iter(), path.len()));
                }
                // The document holds the raw event already.
                _ if path == "original" => {}
                other => {
                    let from = self.text.len();
                    other.write_bytes(&mut self.text);
                    fields.push((path.clone(), from..self.text.len()));
                }
            }
        }
        // In the order of the whole paths; of one path the last one counts.
        heap_sort_by(&mut fields, |left, right| {
            left.0.cmp(&right.0).then(left.1.start.cmp(&right.1.start))
        });
        for (path, value) in fields {
            if self.of_event.last().is_some_and(|field| field.name == path) {
                self.of_event.pop();
            }
            let start = value.start;
            self.of_event.push(WrittenField { name: Cow::Owned(path), start, value });
        }
    }
}

impl WrittenField {
    fn owned(name: &str, start: usize, value: Range<usize>) -> Self {
        Self { name: Cow::Owned(name.to_owned()), start, value }
    }
}

/// Takes the fields below [`ALERT_NAMES`] out of an ECS document, however they are spelled.
fn leave_out_alert(document: &mut Object) {
    let is_alert = |name: &str, whole: &str| {
        name.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    // Dotted names are opened, but for those that cannot be.
    take_out(document, &|name| is_alert(name, ALERT_NAMES));
    let (outer, inner) = ALERT_NAMES.split_once('.').unwrap_or((ALERT_NAMES, ""));
    let Some(value) = document.get_mut(outer) else { return };
    let mut open = Vec::from([value]);
    let mut is_empty = false;
    while let Some(value) = open.pop() {
        match value {
            Json::Object(members) => {
                let has_taken = take_out(members, &|name| is_alert(name, inner));
                is_empty = has_taken && members.is_empty();
            }
            Json::List(items) => open.extend(items),
            _ => {}
        }
    }
    if is_empty && matches!(document.get(outer), Some(Json::Object(_))) {
        document.remove(outer);
    }
}

/// Takes out the members with such names; whether there were any.
fn take_out(members: &mut Object, is_out: &dyn Fn(&str) -> bool) -> bool {
    let names: Vec<String> = members.keys().filter(|name| is_out(name)).cloned().collect();
    for name in &names {
        members.remove(name).into_iter().for_each(discard);
    }
    !names.is_empty()
}

#[cfg(test)]
mod tests;

//! One event as the text of its document, for alerts.
//!
//! In: an event that was read. Out: the members of its ECS document as JSON text, in order, and where
//! each of them is. Of an event of a raw source no tree is made: the order of its fields is known, so
//! they are written one after the other, and what is spelled in the event as it is here is copied.
//!
//! It says the same as [`crate::document()`], which makes trees (property); but what belongs to alerts
//! is no event's to say: [`ALERT_NAMES`] is left out.

use crate::clean::is_blank;
use crate::document::{DocumentReader, MAX_INNER, check_size, list_of, parse};
use crate::error::EventError;
use crate::fields::EventFields;
use crate::flat::push_scalar;
use crate::json::{Json, Object, discard, push_string};
use crate::path::Node;
use crate::raw::{EventCache, ObjectList, RawField, RawSource};
use crate::reader::ReadOutcome;
use crate::scan::{Scalar, Span};
use crate::spans::Spans;
use crate::trust::Trust;
use crate::walk::{Scratch, SpanKind};
use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use firstseen_value::{Value, heap_sort_by};

/// Fields below this name are an alert's own. An event that has some would say two things of its alert, as
/// a reader takes both spellings of a name for one field.
pub const ALERT_NAMES: &str = "kibana.alert";
/// How many objects below `event` are opened, to say what the event said of itself.
const LEVELS: usize = 8;

/// The text of a document.
#[derive(Debug, Default)]
pub struct WrittenDocument {
    text: Vec<u8>,
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
    let reader = DocumentReader::get();
    let mut text = Cow::Borrowed(text);
    for _ in 0..=MAX_INNER {
        let inner = match reader.reader.read_trusting(&text, scratch, trust)? {
            ReadOutcome::Event(fields) => return WrittenDocument::of(&fields, reader),
            other => DocumentReader::inner(other)?,
        };
        text = Cow::Owned(inner);
    }
    Err(DocumentReader::too_deep())
}

impl WrittenDocument {
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

    /// The first value at a path of plain names, as it stands in a JSON string; none where it is no number
    /// and no text, or an empty one.
    #[must_use]
    pub fn first(&self, path: &str) -> Option<&[u8]> {
        let (root, mut rest) = crate::cut::first_part(path, b'.');
        let mut value = self.member(root)?;
        while !rest.is_empty() {
            let (key, below) = crate::cut::first_part(rest, b'.');
            value = value_of(value, key.as_bytes())?;
            rest = below;
        }
        let value = value.strip_prefix(b"[").unwrap_or(value);
        let end = value_end(value, 0);
        match value.first()? {
            b'"' => value.get(1..end - 1).filter(|content| !content.is_empty()),
            b'-' | b'0'..=b'9' => value.get(..end),
            _ => None,
        }
    }

    fn of(event: &EventFields<'_>, reader: &DocumentReader) -> Result<Self, EventError> {
        let mut written = Self::default();
        let Some(fields) = event.source_place().and_then(|place| reader.raw.get(place)) else {
            let mut document = parse(event, Json::read_opened)?;
            leave_out_alert(&mut document);
            written.add_tree(&document);
            discard(Json::Object(document));
            return Ok(written);
        };
        check_size(event)?;
        // What is said of an event is a little more than it says itself, and its text in a string.
        written.text.reserve(event.text().len().saturating_mul(3).saturating_add(1024));
        fields.write(event, &mut written);
        Ok(written)
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

/// The value of a member of an object that was written here.
fn value_of<'t>(object: &'t [u8], key: &[u8]) -> Option<&'t [u8]> {
    let mut at = 1;
    while *object.first()? == b'{' && *object.get(at)? == b'"' {
        let key_end = value_end(object, at);
        let name = object.get(at + 1..key_end - 1)?;
        if name == key {
            return object.get(key_end + 1..value_end(object, key_end + 1));
        }
        // The members are in order; an escape is not what it stands for.
        if name > key && memchr::memchr(b'\\', name).is_none() {
            return None;
        }
        // Behind the comma, or the brace at the end.
        at = value_end(object, key_end + 1) + 1;
    }
    None
}

/// Where the value ends that begins at `at` of a text that was written here.
fn value_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    loop {
        match text.get(at) {
            Some(b'"') => at = string_end(text, at),
            Some(b'{' | b'[') => {
                depth += 1;
                at += 1;
                continue;
            }
            Some(b'}' | b']') if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            Some(b',' | b':') if depth > 0 => {
                at += 1;
                continue;
            }
            Some(b',' | b':' | b'}' | b']') | None => return at,
            Some(_) => {
                at += 1;
                // A number or a word.
                if !matches!(text.get(at), None | Some(b',' | b'}' | b']')) {
                    continue;
                }
            }
        }
        if depth == 0 {
            return at;
        }
    }
}

/// Behind the string that begins at `at`.
fn string_end(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(stop) = memchr::memchr2(b'"', b'\\', rest) else { return text.len() };
        if rest.get(stop) == Some(&b'"') {
            return at + stop + 1;
        }
        at += stop + 2;
    }
}

/// The fields of a raw source's documents, in the order in which a document has them.
#[derive(Debug)]
pub(crate) struct RawFields(Vec<DocumentField>);

#[derive(Debug)]
struct DocumentField {
    request: usize,
    name: &'static str,
    /// `"event":{"action":`, and where each segment of the name begins in it.
    glue: String,
    segments: Vec<usize>,
    /// How many segments it has in common with the field before it.
    shared: usize,
    is_always_list: bool,
    list: Option<&'static ObjectList>,
}

impl RawFields {
    /// The fields of these names, by the requests for their values; for a list of objects, that for its
    /// objects.
    pub(crate) fn new(source: &RawSource, names: &[(usize, &'static str)]) -> Self {
        let mut names = names.to_vec();
        heap_sort_by(&mut names, |(_, left), (_, right)| left.split('.').cmp(right.split('.')));
        let mut before: &str = "";
        let fields = names.into_iter().map(|(request, name)| {
            let (mut glue, mut segments) = (String::new(), Vec::new());
            for segment in name.split('.') {
                if !segments.is_empty() {
                    glue.push('{');
                }
                segments.push(glue.len());
                glue.push('"');
                glue.push_str(segment);
                glue.push_str("\":");
            }
            let both = name.split('.').zip(before.split('.'));
            let shared = both.take_while(|(left, right)| left == right).count();
            before = name;
            let is_always_list = source.always_lists.contains(&name);
            let list = source.lists.iter().find(|list| list.name == name);
            DocumentField { request, name, glue, segments, shared, is_always_list, list }
        });
        Self(fields.collect())
    }

    fn write(&self, event: &EventFields<'_>, to: &mut WrittenDocument) {
        let WrittenDocument { text, members, in_event, of_event } = to;
        let mut cache = EventCache::default();
        // How many segments the last field has that was written, and how many of them the next one shares.
        let (mut open, mut shared) = (0_usize, 0_usize);
        for field in &self.0 {
            shared = shared.min(field.shared);
            let before = text.len();
            let raw = event.raw_field(field.request);
            let is_likely = match raw {
                Some(raw) => is_likely(raw, event.spans()),
                None => event.objects(field.request).next().is_some(),
            };
            if !is_likely {
                continue;
            }
            close(open, shared, text);
            let end_before = text.len();
            if open > 0 {
                text.push(b',');
            }
            let start = text.len();
            let glue = field.segments.get(shared).and_then(|at| field.glue.get(*at..));
            text.extend_from_slice(glue.unwrap_or_default().as_bytes());
            let from = text.len();
            let is_written = match (raw, field.list) {
                (Some(raw), _) => {
                    write_values(raw, event.spans(), &mut cache, field.is_always_list, text)
                }
                (None, Some(list)) => write_list(event, list, text),
                (None, None) => false,
            };
            if !is_written {
                text.truncate(before);
                continue;
            }
            let (name, rest) = field.name.split_once('.').unwrap_or((field.name, ""));
            if shared == 0 {
                end_member(members, end_before);
                let value = start + name.len() + 3..0;
                members.push(WrittenField { name: Cow::Borrowed(name), start, value });
            }
            if name == "event" {
                let start = from - rest.len() - 3;
                let value = from..text.len();
                in_event.push(WrittenField {
                    name: Cow::Borrowed(rest),
                    start,
                    value: value.clone(),
                });
                if rest != "original" {
                    of_event.push(WrittenField { name: Cow::Borrowed(rest), start, value });
                }
            }
            (open, shared) = (field.segments.len(), field.segments.len());
        }
        close(open, 0, text);
        end_member(members, text.len());
    }
}

fn end_member(members: &mut [WrittenField], end: usize) {
    if let Some(member) = members.last_mut() {
        member.value.end = end;
    }
}

/// Closes the objects around a field of so many segments, but for those that the next field shares.
fn close(open: usize, shared: usize, text: &mut Vec<u8>) {
    for _ in shared + 1..open {
        text.push(b'}');
    }
}

/// Whether a field may have a value: most have none.
fn is_likely(field: &RawField, event: &Spans<'_>) -> bool {
    match field {
        RawField::Copied(node) | RawField::NameOfCaller(node) | RawField::Distinct(node) => {
            event.has(*node)
        }
        RawField::FirstOf(nodes) => nodes.iter().any(|node| event.has(*node)),
        RawField::Constant(_) | RawField::Original | RawField::Computed(_) => true,
    }
}

/// Adds the values of a field: one alone, several as a list. Whether there are any.
fn write_values<'a>(
    field: &RawField,
    event: &Spans<'a>,
    cache: &mut EventCache<'a>,
    is_always_list: bool,
    text: &mut Vec<u8>,
) -> bool {
    let mut list = ListWriter { from: text.len(), count: 0 };
    match field {
        RawField::Copied(node) => list.add_found(event, *node, is_blank, text),
        RawField::NameOfCaller(node) => list.add_found(event, *node, str::is_empty, text),
        RawField::Original => {
            list.begin(text);
            push_string(text, event.event_text());
        }
        RawField::Computed(computed) => match computed.write(event, cache, text) {
            Some(is_written) => return is_written,
            None => list.add_all(computed.values(event, cache), text),
        },
        other => list.add_all(other.cached_values(event, cache), text),
    }
    list.end(is_always_list, text)
}

/// Values that are one or a list.
struct ListWriter {
    from: usize,
    count: usize,
}

impl ListWriter {
    fn begin(&mut self, text: &mut Vec<u8>) {
        match self.count {
            0 => {}
            1 => {
                text.insert(self.from, b'[');
                text.push(b',');
            }
            _ => text.push(b','),
        }
        self.count += 1;
    }

    fn add_all<'a>(&mut self, values: impl Iterator<Item = Value<'a>>, text: &mut Vec<u8>) {
        for value in values {
            self.begin(text);
            match value {
                Value::Bool(value) => {
                    text.extend_from_slice(if value { b"true" } else { b"false" })
                }
                Value::Number(number) => text.extend_from_slice(number.as_bytes()),
                Value::Text(value) => push_string(text, &value),
            }
        }
    }

    /// Adds the values at a node, but for texts that count as none.
    fn add_found(
        &mut self,
        event: &Spans<'_>,
        node: Node,
        is_none: fn(&str) -> bool,
        text: &mut Vec<u8>,
    ) {
        for capture in event.captures(node) {
            let SpanKind::Scalar(scalar) = capture.kind else { continue };
            let span = Span { scalar, start: capture.start as usize, end: capture.end as usize };
            let is_hidden = match scalar {
                Scalar::Null => true,
                Scalar::Plain => is_none(span.content(event.whole_text())),
                Scalar::Escaped => is_none(&span.decoded(event.whole_text())),
                Scalar::True | Scalar::False | Scalar::Number => false,
            };
            if !is_hidden {
                self.begin(text);
                push_scalar(event.whole_text(), span, None, text);
            }
        }
    }

    fn end(self, is_always_list: bool, text: &mut Vec<u8>) -> bool {
        if self.count == 1 && is_always_list {
            text.insert(self.from, b'[');
        }
        if self.count > 1 || self.count == 1 && is_always_list {
            text.push(b']');
        }
        self.count > 0
    }
}

/// Adds a list of objects; whether there is anything of it.
fn write_list(event: &EventFields<'_>, list: &ObjectList, text: &mut Vec<u8>) -> bool {
    let Some(value) = list_of(event, list) else { return false };
    value.write_bytes(text);
    discard(value);
    true
}

#[cfg(test)]
mod tests;

//! The fields of a raw source's events, written one behind the other in the order in which a document has them.
//!
//! In: an event that was read. Out: the text of its document. What is spelled in the event as it is in a
//! document is copied. No tree of the document is made.

use super::{TOLD, WrittenDocument, WrittenField};
use crate::clean::is_blank;
use crate::cut::first_part;
use crate::document::list_of;
use crate::fields::EventFields;
use crate::flat::push_scalar;
use crate::json::{discard, push_string};
use crate::path::Node;
use crate::raw::{EventCache, ObjectList, RawField, RawSource};
use crate::scan::{Scalar, Span};
use crate::spans::Spans;
use crate::walk::SpanKind;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_value::{Value, heap_sort_by};

/// The fields of a raw source's documents, in the order in which a document has them.
#[derive(Debug)]
pub(crate) struct RawFields(pub(super) Vec<DocumentField>);

#[derive(Debug)]
pub(super) struct DocumentField {
    request: usize,
    pub(super) name: &'static str,
    /// The first segment, and what follows it.
    parts: (&'static str, &'static str),
    /// Its first value is asked for.
    is_told: bool,
    /// `"event":{"action":`, and where each segment of the name begins in it.
    glue: String,
    pub(super) segments: Vec<usize>,
    /// How many segments it has in common with the field before it.
    pub(super) shared: usize,
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
            let parts = first_part(name, b'.');
            let is_told = TOLD.contains(&name);
            DocumentField {
                request,
                name,
                parts,
                is_told,
                glue,
                segments,
                shared,
                is_always_list,
                list,
            }
        });
        Self(fields.collect())
    }

    pub(super) fn write(&self, event: &EventFields<'_>, to: &mut WrittenDocument) {
        let WrittenDocument { text, told, members, in_event, of_event } = to;
        let told = told.get_or_insert_default();
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
            if field.is_told {
                told.push((field.name, from));
            }
            let (name, rest) = field.parts;
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
        RawField::Constant(constant) => {
            list.begin(text);
            push_string(text, constant);
        }
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

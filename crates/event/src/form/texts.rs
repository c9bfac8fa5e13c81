//! Strings of a document: what the string at a node holds, seen without reading more than is needed.
//!
//! In: a node of an object that was walked over. Out: its text, or the events in it. It never says
//! whether they are trusted.

use super::ObjectForm;
use crate::inner::{InnerForm, is_gap, mark_of};
use crate::path::Node;
use crate::scan::decode;
use crate::sources::SOURCES;
use crate::spans::Spans;
use alloc::borrow::{Cow, ToOwned};

/// The first string at a node, decoded.
pub(super) fn text<'a>(event: &Spans<'a>, node: Node) -> Option<Cow<'a, str>> {
    event.string_content(node).map(decode)
}

/// What the string at a node holds, if it holds events. Nearly all strings are seen to hold none by
/// their first character, or by a search for the words that mark one.
pub(super) fn inner_form(event: &Spans<'_>, node: Node) -> Option<ObjectForm> {
    let content = event.string_content(node)?;
    let mut text = Cow::Borrowed(content);
    if memchr::memmem::find(content.as_bytes(), br"\u00").is_some() {
        text = decode(content);
    }
    if !begins_json(&text) || !has_marks(&text) {
        return None;
    }
    if let Cow::Borrowed(content) = text {
        text = decode(content);
    }
    match InnerForm::of(&text) {
        InnerForm::Nothing => None,
        InnerForm::Event(inner) => Some(ObjectForm::Inner(inner.to_owned())),
        InnerForm::Several => Some(ObjectForm::SeveralInner(text.into_owned())),
    }
}

/// Whether a text, still escaped or not, may have the keys that mark an event of a raw source. A key
/// in it may be spelled in escapes of its own.
pub(super) fn has_marks(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    let is_marked = |set: &&[&str]| set.iter().all(|mark| has(mark_of(mark).0));
    SOURCES.iter().flat_map(|source| source.marks).any(is_marked) || has(r"\u00")
}

/// Whether an array of records has some that are packed (the members that Kinesis, Firehose and SQS have
/// them in), or ECS documents.
pub(super) fn has_packed(text: &str) -> bool {
    let members = ["\"data\"", "\"Body\"", "\"@timestamp\""];
    members.iter().any(|member| memchr::memmem::find(text.as_bytes(), member.as_bytes()).is_some())
}

/// Whether a text, still escaped or not, begins like a JSON object or array, after what may stand
/// before one.
fn begins_json(text: &str) -> bool {
    let mut bare = text;
    loop {
        bare = bare.trim_start_matches(is_gap);
        let escape = ["\\n", "\\t", "\\r", "\\ufeff", "\\uFEFF"];
        match escape.iter().find_map(|escape| bare.strip_prefix(escape)) {
            Some(rest) => bare = rest,
            None => return bare.starts_with(['{', '[']),
        }
    }
}

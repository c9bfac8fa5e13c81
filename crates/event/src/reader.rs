//! The reader: requested fields and one event's text in, its fields out.
//!
//! The text is walked once; for an envelope of one event, the event in it once more. It distinguishes
//! raw events from ECS documents by their keys, in any order, so one pass looks for what either
//! needs. It never copies a value.

use crate::error::EventError;
use crate::fields::EventFields;
use crate::form::{Around, ObjectForm};
use crate::index_name::StatedIndex;
use crate::path::Node;
use crate::plan::{FieldRequest, ReadPlan};
use crate::scan::{Scan, Span};
use crate::spans::Spans;
use crate::trust::Trust;
use crate::walk::{Scratch, SpanKind, walk};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How many envelopes may be nested around an event in one text.
const MAX_ENVELOPES: usize = 4;

/// What a text turned out to be.
#[derive(Debug)]
pub enum ReadOutcome<'a> {
    /// An event; single-event envelopes (EventBridge, an export's `_source`) are opened.
    Event(EventFields<'a>),
    /// The event is in a string of this one (LookupEvents, CloudWatch, a raw event in
    /// `message` or `event.original`): its text, to be read again, and the index that this one names.
    Inner(String, Option<StatedIndex>),
    /// An object that holds no event: what it is.
    NoEvent(Cow<'static, str>),
    /// An envelope of several events, to be split first: what it is.
    SeveralEvents(&'static str),
    /// A document with several events in a string, to be split first: the text of that string.
    SeveralInner(String),
}

/// The requested fields, compiled. Made once, used for every event.
#[derive(Debug)]
pub struct EventReader {
    plan: ReadPlan,
    reads_events: bool,
}

impl EventReader {
    /// A reader of events.
    #[must_use]
    pub fn new(requests: Vec<FieldRequest>) -> Self {
        Self { plan: ReadPlan::new(requests), reads_events: true }
    }

    /// A reader of the objects that [`EventFields::objects`] gives: whatever their keys are, they
    /// are taken for plain ECS objects, never for envelopes or raw events.
    #[must_use]
    pub fn for_objects(requests: Vec<FieldRequest>) -> Self {
        Self { reads_events: false, ..Self::new(requests) }
    }

    /// As [`EventReader::read_trusting`], with nothing trusted besides what always is.
    ///
    /// # Errors
    /// The same.
    pub fn read<'a>(
        &'a self,
        text: &'a str,
        scratch: &'a mut Scratch,
    ) -> Result<ReadOutcome<'a>, EventError> {
        self.read_trusting(text, scratch, Trust::DEFAULT)
    }

    /// Reads one event's text, all of it: a fault anywhere in the JSON is found, whether that part
    /// is requested or not.
    ///
    /// Where an object has a key twice, the last one counts.
    ///
    /// # Errors
    /// `bad_json`, `not_an_object`, `too_deep` (127 levels), `too_large` (4 GiB of text, or a
    /// million values in the requested fields), each with the byte where.
    pub fn read_trusting<'a>(
        &'a self,
        text: &'a str,
        scratch: &'a mut Scratch,
        trust: &Trust,
    ) -> Result<ReadOutcome<'a>, EventError> {
        if u32::try_from(text.len()).is_err() {
            let reason = "an event of 4 GiB or more cannot be read";
            return Err(EventError::new("too_large", reason, 0));
        }
        let mut scan = Scan::new(text, 0);
        if scan.token() != b'{' {
            return Err(not_an_object(scan));
        }
        let mut start = scan.at;
        scan.at = walk(&self.plan.trie, text, start, scratch)?;
        let mut end = scan.at;
        scan.token();
        if !scan.at_end() {
            return Err(EventError::json("text follows the event", scan.at));
        }
        let (mut export_id, mut index, mut around) = (None, None, Around::Nothing);
        for _ in 0..=MAX_ENVELOPES {
            let form = if self.reads_events {
                let event = Spans::new(text, scratch, start..end);
                self.plan.marks.judge(&event, &around, trust)
            } else {
                ObjectForm::Ecs(None)
            };
            let mut unopened = None;
            let source = match form {
                ObjectForm::Ecs(entry) => {
                    unopened = entry;
                    None
                }
                ObjectForm::Raw(source) => Some(source),
                ObjectForm::Inner(inner) => {
                    let event = Spans::new(text, scratch, start..end);
                    let index = self.plan.stated_index(&event, index);
                    return Ok(ReadOutcome::Inner(inner, index));
                }
                ObjectForm::NoEvent(what) => return Ok(ReadOutcome::NoEvent(what)),
                ObjectForm::SeveralEvents(what) => return Ok(ReadOutcome::SeveralEvents(what)),
                ObjectForm::SeveralInner(text) => return Ok(ReadOutcome::SeveralInner(text)),
                ObjectForm::Within(at, what) => {
                    // An envelope inside another never widens trust.
                    if !matches!(around, Around::Index(_)) {
                        around = what;
                    }
                    let marks = &self.plan.marks;
                    export_id = scalar_at(scratch, marks.export_id).or(export_id);
                    // The outermost: what is inside was written by others.
                    index = index.or_else(|| scalar_at(scratch, marks.index));
                    (start, end) = (at, walk(&self.plan.trie, text, at, scratch)?);
                    continue;
                }
            };
            let spans = Spans::new(text, scratch, start..end);
            let fields = EventFields::new(&self.plan, spans, source, (export_id, index), unopened);
            return Ok(ReadOutcome::Event(fields));
        }
        let reason = format!("the event is inside more than {MAX_ENVELOPES} envelopes");
        Err(EventError::new("too_deep", reason, start))
    }
}

/// The first value at a node, if it is a scalar.
fn scalar_at(scratch: &Scratch, node: Node) -> Option<Span> {
    let capture = scratch.of(node).next()?;
    let SpanKind::Scalar(scalar) = capture.kind else { return None };
    Some(Span { scalar, start: capture.start as usize, end: capture.end as usize })
}

/// The error for a text that does not begin with an object.
#[cold]
fn not_an_object(mut scan: Scan<'_>) -> EventError {
    if scan.at_end() {
        return EventError::json("the text is empty", scan.at);
    }
    let at = scan.at;
    match scan.skip(0) {
        Ok(()) => EventError::new("not_an_object", "an event must be a JSON object", at),
        Err(fault) => fault,
    }
}

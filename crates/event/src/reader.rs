//! The reader: asked paths and one event's text in, its fields out.
//!
//! The text is walked once; for an envelope of one event, the event in it once more. It tells raw
//! CloudTrail from ECS by the keys it met, in whatever order, so what either would need is looked
//! for in the same pass. It never copies a value.

use crate::cloudtrail::{Source, flattened};
use crate::envelope::{Form, Marks};
use crate::error::EventError;
use crate::fields::EventFields;
use crate::path::{Node, OBJECTS, SCALARS, Trie};
use crate::pattern::Pattern;
use crate::scan::{Scan, Span};
use crate::walk::{Kind, Scratch, walk};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How many envelopes may stand around an event in one text.
const MAX_ENVELOPES: usize = 4;

/// What to look for in events. A field is named by its ECS name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldRequest {
    /// The values of a field. `f.caseless` is the lower-case twin of f.
    Values(String),
    /// The values of all fields whose names fit a pattern with `*`.
    Matching(String),
    /// The objects at a path, for nested queries.
    Objects(String),
}

/// What a text turned out to be.
#[derive(Debug)]
pub enum ReadOutcome<'a> {
    /// An event; single-event envelopes (EventBridge, an export's `_source`) are opened.
    Event(EventFields<'a>),
    /// The event stands in a string of this one (LookupEvents, CloudWatch, a raw event in
    /// `message` or `event.original`): its text, to be read again.
    Inner(String),
    /// Recognised, and it holds no event: what it is.
    NoEvent(&'static str),
    /// An envelope of several events, to be split first: what it is.
    SeveralEvents(&'static str),
}

/// How an ask is answered, for an ECS document and for a raw event.
#[derive(Debug)]
pub(crate) enum Plan {
    Values { ecs: Node, lower: bool, raw: Source },
    Objects { ecs: Node, raw: Node },
    Matching(Pattern),
}

/// The asked fields, compiled. Made once, used for every event.
#[derive(Debug)]
pub struct EventReader {
    trie: Trie,
    plans: Vec<Plan>,
    pub(crate) marks: Marks,
    events: bool,
}

impl EventReader {
    /// A reader of events.
    #[must_use]
    pub fn new(asks: Vec<FieldRequest>) -> Self {
        let mut trie = Trie::new();
        let marks = Marks::new(&mut trie);
        let plans = asks.into_iter().map(|ask| Plan::new(ask, &mut trie)).collect();
        trie.finish();
        Self { trie, plans, marks, events: true }
    }

    /// A reader of the objects that [`EventFields::objects`] gives: whatever their keys are, they are
    /// taken for plain ECS objects, never for envelopes or raw events.
    #[must_use]
    pub fn for_objects(asks: Vec<FieldRequest>) -> Self {
        Self { events: false, ..Self::new(asks) }
    }

    /// Reads one event's text, all of it: a fault anywhere in the JSON is found, asked or not.
    ///
    /// Where a key comes twice in an object, the last one counts.
    ///
    /// # Errors
    /// `bad_json`, `not_an_object`, `too_deep` (127 levels), `too_large` (4 GiB of text, or a
    /// million values in the asked fields), each with the byte where.
    pub fn read<'a>(
        &'a self,
        text: &'a str,
        scratch: &'a mut Scratch,
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
        walk(&self.trie, text, &mut scan, scratch)?;
        let mut end = scan.at;
        scan.token();
        if !scan.at_end() {
            return Err(EventError::json("text follows the event", scan.at));
        }
        let mut export_id = None;
        for _ in 0..=MAX_ENVELOPES {
            let form = if self.events { self.marks.judge(text, scratch) } else { Form::Ecs };
            match form {
                Form::CloudTrail | Form::Ecs => {
                    return Ok(ReadOutcome::Event(EventFields {
                        reader: self,
                        whole: text,
                        raw_cloudtrail: matches!(form, Form::CloudTrail),
                        scratch,
                        event: start..end,
                        export_id,
                    }));
                }
                Form::Inner(inner) => return Ok(ReadOutcome::Inner(inner.into_owned())),
                Form::Nothing(what) => return Ok(ReadOutcome::NoEvent(what)),
                Form::Many(what) => return Ok(ReadOutcome::SeveralEvents(what)),
                Form::Within(at) => {
                    export_id = self.export_id(scratch).or(export_id);
                    let mut scan = Scan::new(text, at);
                    walk(&self.trie, text, &mut scan, scratch)?;
                    (start, end) = (at, scan.at);
                }
            }
        }
        let reason = format!("more than {MAX_ENVELOPES} envelopes stand around the event");
        Err(EventError::new("too_deep", reason, start))
    }

    pub(crate) fn plan(&self, ask: usize) -> Option<&Plan> {
        self.plans.get(ask)
    }

    fn export_id(&self, scratch: &Scratch) -> Option<Span> {
        let capture = scratch.of(self.marks.export_id).next()?;
        let Kind::Scalar(scalar) = capture.kind else { return None };
        Some(Span { scalar, start: capture.start as usize, end: capture.end as usize })
    }
}

impl Plan {
    fn new(ask: FieldRequest, trie: &mut Trie) -> Self {
        match ask {
            FieldRequest::Values(field) => {
                let twin = field.strip_suffix(".caseless").filter(|field| !field.is_empty());
                let name = twin.unwrap_or(&field);
                Self::Values {
                    ecs: trie.add(name, SCALARS),
                    lower: twin.is_some(),
                    raw: Source::new(name, trie),
                }
            }
            FieldRequest::Objects(path) => Self::Objects {
                ecs: trie.add(&path, OBJECTS),
                raw: trie.add(flattened(&path).as_deref().unwrap_or(&path), OBJECTS),
            },
            FieldRequest::Matching(pattern) => Self::Matching(Pattern::new(pattern, trie)),
        }
    }
}

/// Says what stands there instead: a value of another kind, or no JSON at all.
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

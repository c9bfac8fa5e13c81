//! The fields of one event: what a rule asks, answered by ECS name.
//!
//! In: the spans that a walk found. Out: values, borrowed from the event's text wherever they
//! stand in it as they are. Computed fields are computed here, when asked.

use crate::cloudtrail::{DATASET, Source, is_blank};
use crate::error::EventError;
use crate::path::Node;
use crate::pattern;
use crate::reader::{EventReader, Plan};
use crate::scan::{Scalar, Span, decode};
use crate::time;
use crate::walk::{Capture, Captures, Kind, Scratch};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// true or false.
    Bool(bool),
    /// A number, as written.
    Number(&'a str),
    /// A string, decoded.
    Text(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// The value as text: a number as written, a boolean as `true` or `false`.
    #[must_use]
    #[inline]
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Value::Bool(true) => Cow::Borrowed("true"),
            Value::Bool(false) => Cow::Borrowed("false"),
            Value::Number(text) => Cow::Borrowed(text),
            Value::Text(text) => text,
        }
    }

    #[inline]
    pub(crate) fn from_span(text: &'a str, span: Span) -> Option<Self> {
        let content = || text.get(span.start..span.end);
        Some(match span.scalar {
            Scalar::Null => return None,
            Scalar::True => Value::Bool(true),
            Scalar::False => Value::Bool(false),
            Scalar::Number => Value::Number(content()?),
            Scalar::Plain => Value::Text(Cow::Borrowed(content()?)),
            Scalar::Escaped => Value::Text(decode(content()?)),
        })
    }

    fn lower(self) -> Self {
        match self {
            Value::Text(text) => Value::Text(Cow::Owned(text.to_lowercase())),
            other => other,
        }
    }

    #[inline]
    pub(crate) fn is_blank(&self) -> bool {
        matches!(self, Value::Text(text) if is_blank(text))
    }
}

/// The fields of an event that was read. Cheap to copy around by reference; it lives as long as
/// the text and the scratch it was read with.
#[derive(Debug)]
pub struct EventFields<'a> {
    pub(crate) reader: &'a EventReader,
    /// The text that was handed in, with whatever stands around the event.
    pub(crate) whole: &'a str,
    pub(crate) scratch: &'a Scratch,
    /// The event itself in it.
    pub(crate) event: core::ops::Range<usize>,
    pub(crate) raw_cloudtrail: bool,
    /// An export's `_id`.
    pub(crate) export_id: Option<Span>,
}

impl<'a> EventFields<'a> {
    /// The values of an ask, by its index in what the reader was made with: in the order of the
    /// text, arrays flattened, without null. In a raw CloudTrail event blank values ("", "-",
    /// "none") are absent as well. An ask for objects has none.
    #[inline]
    pub fn values(&self, ask: usize) -> impl Iterator<Item = Value<'a>> + '_ {
        let Some(plan) = self.reader.plan(ask) else { return Values::default() };
        match plan {
            Plan::Objects { .. } => Values::default(),
            Plan::Matching(pattern) => Values::many(pattern::values(self, pattern)),
            Plan::Values { ecs, lower, .. } if !self.raw_cloudtrail => Values {
                found: Some((self, self.captures(*ecs))),
                lower: *lower,
                ..Values::default()
            },
            Plan::Values { raw, lower, .. } => self.derived(raw).lowered(*lower),
        }
    }

    /// Whether the ask has a value.
    #[must_use]
    pub fn has(&self, ask: usize) -> bool {
        self.values(ask).next().is_some()
    }

    /// The texts of the objects at the path that was asked, in order, for nested queries. In a raw
    /// CloudTrail event only the flattened objects can be asked so.
    pub fn objects(&self, ask: usize) -> impl Iterator<Item = &'a str> + '_ {
        let node = match self.reader.plan(ask) {
            Some(Plan::Objects { ecs, raw }) => Some(if self.raw_cloudtrail { *raw } else { *ecs }),
            _ => None,
        };
        let captures = node.into_iter().flat_map(|node| self.captures(node));
        captures
            .filter(|capture| capture.kind == Kind::Object)
            .filter_map(|capture| self.whole.get(capture.start as usize..capture.end as usize))
    }

    /// When it happened, in epoch milliseconds: `@timestamp`, in a raw event eventTime. RFC 3339
    /// text with any offset and fraction, without a zone as UTC, or a number of milliseconds.
    ///
    /// # Errors
    /// `no_time` where there is none, `bad_time` where it cannot be read.
    pub fn time_ms(&self) -> Result<i64, EventError> {
        let marks = &self.reader.marks;
        let mut nodes = [marks.timestamp, marks.event_time];
        if self.raw_cloudtrail {
            nodes.reverse();
        }
        let mut captures = nodes.iter().flat_map(|node| self.captures(*node));
        let Some((capture, value)) = captures.find_map(|capture| {
            let value = self.value(&capture).filter(|value| !value.is_blank())?;
            Some((capture, value))
        }) else {
            let name = if self.raw_cloudtrail { "eventTime" } else { "@timestamp" };
            let reason = format!("the event has no {name}, so it cannot be placed in time");
            return Err(EventError::new("no_time", reason, self.event.start));
        };
        let time = match &value {
            Value::Bool(_) => None,
            Value::Number(text) => time::from_number(text),
            Value::Text(text) => time::parse_time_ms(text),
        };
        time.ok_or_else(|| {
            let text: String = value.into_text().chars().take(40).collect();
            let reason =
                format!("the event's time {text:?} is neither RFC 3339 nor epoch milliseconds");
            EventError::new("bad_time", reason, capture.start as usize)
        })
    }

    /// The event's own identity: `event.id`, in a raw event eventID, else an export's `_id`.
    #[must_use]
    pub fn id(&self) -> Option<Cow<'a, str>> {
        let marks = &self.reader.marks;
        let own = if self.raw_cloudtrail { marks.event_id } else { marks.ecs_id };
        self.first(own).or_else(|| Some(Value::from_span(self.whole, self.export_id?)?.into_text()))
    }

    /// `event.dataset`, else `data_stream.dataset`, else "".
    #[must_use]
    pub fn dataset(&self) -> Cow<'a, str> {
        if self.raw_cloudtrail {
            return Cow::Borrowed(DATASET);
        }
        let marks = &self.reader.marks;
        let dataset = self.first(marks.ecs_dataset).or_else(|| self.first(marks.stream_dataset));
        dataset.unwrap_or_default()
    }

    /// Whether this is an event as CloudTrail writes it, not an ECS document.
    #[must_use]
    pub fn is_raw_cloudtrail(&self) -> bool {
        self.raw_cloudtrail
    }

    /// The event's own JSON text, without the envelope around it.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.whole.get(self.event.clone()).unwrap_or_default()
    }

    /// The text that the captures' offsets count in.
    pub(crate) fn whole_text(&self) -> &'a str {
        self.whole
    }

    /// The values of a field of a raw event.
    #[inline]
    pub(crate) fn derived<'f>(&'f self, source: &Source) -> Values<'f, 'a> {
        match source {
            Source::Copy(node) => {
                let found = Some((self, self.captures(*node)));
                Values { found, clean: true, ..Values::default() }
            }
            Source::RelatedUser(users) => {
                Values::many(users.read(self).into_iter().map(Value::Text).collect())
            }
            one => Values { one: one.one(self), ..Values::default() },
        }
    }

    pub(crate) fn captures(&self, node: Node) -> Copied<'a> {
        self.scratch.of(node).copied()
    }

    #[inline]
    fn value(&self, capture: &Capture) -> Option<Value<'a>> {
        let Kind::Scalar(scalar) = capture.kind else { return None };
        let span = Span { scalar, start: capture.start as usize, end: capture.end as usize };
        Value::from_span(self.whole, span)
    }

    /// The values at a raw path that are not blank.
    #[inline]
    pub(crate) fn kept(&self, node: Node) -> impl Iterator<Item = Value<'a>> + '_ {
        let values = self.captures(node).filter_map(|capture| self.value(&capture));
        values.filter(|value| !value.is_blank())
    }

    /// The first of them, as text.
    #[inline]
    pub(crate) fn first(&self, node: Node) -> Option<Cow<'a, str>> {
        self.kept(node).next().map(Value::into_text)
    }
}

type Copied<'a> = core::iter::Copied<Captures<'a>>;

/// The values of one ask; at most one of its three sources is in use.
#[derive(Default)]
pub(crate) struct Values<'f, 'a> {
    found: Option<(&'f EventFields<'a>, Copied<'a>)>,
    one: Option<Value<'a>>,
    many: alloc::vec::IntoIter<Value<'a>>,
    /// Leave out what is blank.
    clean: bool,
    /// The lower-case twin was asked.
    lower: bool,
}

impl<'a> Values<'_, 'a> {
    fn many(values: Vec<Value<'a>>) -> Self {
        Self { many: values.into_iter(), ..Self::default() }
    }

    fn lowered(self, lower: bool) -> Self {
        Self { lower, ..self }
    }
}

impl<'a> Iterator for Values<'_, 'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        let value = match &mut self.found {
            Some((fields, captures)) => loop {
                let value = fields.value(&captures.next()?);
                if let Some(value) = value.filter(|value| !(self.clean && value.is_blank())) {
                    break value;
                }
            },
            None => self.one.take().or_else(|| self.many.next())?,
        };
        Some(if self.lower { value.lower() } else { value })
    }
}

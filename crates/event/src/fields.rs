//! The fields of one event: what a rule requests, answered by ECS name.
//!
//! In: the spans that a walk found, and the plans of the requests. Out: values, borrowed from the
//! event's text wherever the text holds them unchanged. A computed value is computed when it is
//! requested.

use crate::clean::is_blank_value;
use crate::error::EventError;
use crate::index_name::StatedIndex;
use crate::plan::{EcsField, FieldPlan, ReadPlan};
use crate::raw::{RawField, RawSource};
use crate::scan::Span;
use crate::sources::SOURCES;
use crate::spans::{Blanks, FieldValues, Spans, value_of_span};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use firstseen_value::{Value, number_to_time_ms, parse_time_ms, parse_utc_seconds};

/// The fields of an event that was read. It lives as long as the text and the scratch that it was
/// read with.
#[derive(Debug)]
pub struct EventFields<'a> {
    plan: &'a ReadPlan,
    spans: Spans<'a>,
    /// The raw source that wrote the event, by its place in the table; none for an ECS document.
    source: Option<usize>,
    /// An export's `_id`.
    export_id: Option<Span>,
    /// The `_index` of the hit around it.
    index: Option<Span>,
    /// The index that is named by the document around the text.
    outer_index: Option<StatedIndex>,
    /// See [`EventFields::unopened`].
    unopened: Option<String>,
}

impl<'a> EventFields<'a> {
    pub(crate) fn new(
        plan: &'a ReadPlan,
        spans: Spans<'a>,
        source: Option<usize>,
        (export_id, index): (Option<Span>, Option<Span>),
        unopened: Option<String>,
    ) -> Self {
        Self { plan, spans, source, export_id, index, outer_index: None, unopened }
    }

    /// The same event, read out of a string of a document that names this index.
    #[must_use]
    pub fn within(mut self, index: Option<StatedIndex>) -> Self {
        self.outer_index = index;
        self
    }

    /// The index that it is named to be in: by `_index` of an export or a search hit, else by
    /// `data_stream.type`, `.dataset` and `.namespace`. What is around the event counts before what is
    /// in it, because others may have written that.
    #[must_use]
    pub fn stated_index(&self) -> Option<StatedIndex> {
        let own = || self.plan.stated_index(&self.spans, self.index);
        self.outer_index.clone().or_else(own)
    }

    /// The values of a request, by its index in what the reader was made with: in the order of the
    /// text, arrays flattened, without null. In an event of a raw source blank values ("", "-",
    /// "none") are absent as well. A request for objects has none.
    #[inline]
    pub fn values(&self, request: usize) -> impl Iterator<Item = Value<'a>> + '_ {
        let Some(plan) = self.plan.field(request) else { return FieldValues::default() };
        match (plan, self.source) {
            (FieldPlan::Objects { .. }, _) => FieldValues::default(),
            (FieldPlan::Matching(pattern), source) => {
                FieldValues::many(pattern.values(&self.spans, source))
            }
            (FieldPlan::Values { ecs, is_lowered, .. }, None) => {
                ecs.values(&self.spans).lowered(*is_lowered)
            }
            (FieldPlan::Values { is_lowered, raw, .. }, Some(source)) => match raw.get(source) {
                Some(field) => field.values(&self.spans).lowered(*is_lowered),
                None => FieldValues::default(),
            },
        }
    }

    /// The value of a request that has exactly one, where that is found more quickly than by
    /// [`values`](Self::values); `None` says nothing.
    #[must_use]
    #[inline]
    pub fn only_value(&self, request: usize) -> Option<Value<'a>> {
        let FieldPlan::Values { ecs, is_lowered: false, raw } = self.plan.field(request)? else {
            return None;
        };
        match (self.source, ecs) {
            (Some(source), _) => raw.get(source)?.only(&self.spans),
            (None, EcsField::Path(node)) => self.spans.only(*node, Blanks::None),
            (None, _) => None,
        }
    }

    /// Whether the request has a value.
    #[must_use]
    pub fn has(&self, request: usize) -> bool {
        self.values(request).next().is_some()
    }

    /// The texts of the objects at the path that was requested, in order, for nested queries. In an
    /// event of a raw source only the flattened objects can be requested so.
    pub fn objects(&self, request: usize) -> impl Iterator<Item = &'a str> + '_ {
        let node = match (self.plan.field(request), self.source) {
            (Some(FieldPlan::Objects { ecs, .. }), None) => Some(*ecs),
            (Some(FieldPlan::Objects { raw, .. }), Some(source)) => raw.get(source).copied(),
            _ => None,
        };
        node.into_iter().flat_map(|node| self.spans.objects(node))
    }

    /// When it happened, in epoch milliseconds: `@timestamp`, in a raw event the source's own field
    /// (CloudTrail: eventTime). RFC 3339 text with any offset and fraction, without a zone as UTC,
    /// or a number of milliseconds.
    ///
    /// # Errors
    /// `no_time` where there is none, `bad_time` where it cannot be read.
    pub fn time_ms(&self) -> Result<i64, EventError> {
        let marks = &self.plan.marks;
        let own = self.source.and_then(|source| marks.sources.get(source));
        // How nearly all raw events have it.
        if let Some(Value::Text(Cow::Borrowed(text))) =
            own.and_then(|own| self.spans.value(&self.spans.capture(own.time)?))
            && let Some(time_ms) = parse_utc_seconds(text)
        {
            return Ok(time_ms);
        }
        // In a raw event the source's own field counts first, in an ECS document last.
        let of_sources = marks.sources.iter().map(|source| source.time);
        let nodes = own.map(|source| source.time).into_iter().chain([marks.timestamp]);
        let nodes = nodes.chain(of_sources.filter(|_| own.is_none()));
        let mut captures = nodes.flat_map(|node| self.spans.captures(node));
        let Some((capture, value)) = captures.find_map(|capture| {
            let value = self.spans.value(&capture).filter(|value| !is_blank_value(value))?;
            Some((capture, value))
        }) else {
            let name = self.raw_source().map_or("@timestamp", |source| source.time);
            let reason = format!("the event has no {name}, so it cannot be placed in time");
            return Err(EventError::new("no_time", reason, self.spans.start()));
        };
        let time = match &value {
            Value::Bool(_) => None,
            Value::Number(text) => number_to_time_ms(text),
            Value::Text(text) => parse_time_ms(text),
        };
        time.ok_or_else(|| {
            let text: String = value.into_text().chars().take(40).collect();
            let reason =
                format!("the event's time {text:?} is neither RFC 3339 nor epoch milliseconds");
            EventError::new("bad_time", reason, capture.start as usize)
        })
    }

    /// The event's own identity: `event.id`, in a raw event the source's own field (CloudTrail:
    /// eventID), else an export's `_id`.
    #[must_use]
    pub fn id(&self) -> Option<Cow<'a, str>> {
        let marks = &self.plan.marks;
        let own = self.source.and_then(|source| marks.sources.get(source));
        let own = own.map_or(marks.ecs_id, |source| source.id);
        let exported =
            || Some(value_of_span(self.spans.whole_text(), self.export_id?)?.into_text());
        self.spans.first(own).or_else(exported)
    }

    /// `event.dataset`, else `data_stream.dataset`, else "".
    #[must_use]
    pub fn dataset(&self) -> Cow<'a, str> {
        if let Some(source) = self.raw_source() {
            return Cow::Borrowed(source.dataset);
        }
        let first = |node| self.spans.first(node);
        let marks = &self.plan.marks;
        first(marks.ecs_dataset).or_else(|| first(marks.stream_dataset)).unwrap_or_default()
    }

    /// The entry of `trust_envelopes` that would have opened a text in this document, which is like a
    /// raw event, or taken the document itself for one. For lack of it the document is judged as it is.
    #[must_use]
    pub fn unopened(&self) -> Option<&str> {
        self.unopened.as_deref()
    }

    /// Whether this is an event as a raw source writes it, not an ECS document.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.source.is_some()
    }

    /// The event's own JSON text, without the envelope around it.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.spans.event_text()
    }

    /// Where a request's values come from in an event of a raw source.
    pub(crate) fn raw_field(&self, request: usize) -> Option<&'a RawField> {
        match self.plan.field(request)? {
            FieldPlan::Values { raw, .. } => raw.get(self.source?),
            _ => None,
        }
    }

    /// What was found in the text.
    pub(crate) fn spans(&self) -> &Spans<'a> {
        &self.spans
    }

    /// The place of the raw source in the table.
    pub(crate) fn source_place(&self) -> Option<usize> {
        self.source
    }

    /// Where the event begins in the text that was handed in.
    pub(crate) fn start(&self) -> usize {
        self.spans.start()
    }

    fn raw_source(&self) -> Option<&'static RawSource> {
        SOURCES.get(self.source?).copied()
    }
}

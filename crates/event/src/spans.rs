//! The low view of an event: the values in its text, by node.
//!
//! In: a text, and what a walk over it left in [`Scratch`]. Out: spans and values, borrowed from
//! the text wherever it holds them unchanged. It knows no field and no source: only the module that
//! added a path to the trie knows what its node means.

use crate::path::Node;
use crate::scan::{Scalar, Span};
use crate::walk::{Capture, Captures, Scratch, SpanKind};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::iter::Copied;
use core::ops::Range;
use firstseen_value::Value;

/// What was read of one event.
#[derive(Clone, Debug)]
pub(crate) struct Spans<'a> {
    /// The text that was handed in, with the envelope around the event; offsets count in it.
    text: &'a str,
    scratch: &'a Scratch,
    /// The event itself in the text.
    event: Range<usize>,
}

impl<'a> Spans<'a> {
    pub(crate) fn new(text: &'a str, scratch: &'a Scratch, event: Range<usize>) -> Self {
        Self { text, scratch, event }
    }

    /// The text that offsets count in.
    pub(crate) fn whole_text(&self) -> &'a str {
        self.text
    }

    /// Where the event begins in that text.
    pub(crate) fn start(&self) -> usize {
        self.event.start
    }

    /// The event's own text, without the envelope around it.
    pub(crate) fn event_text(&self) -> &'a str {
        self.text.get(self.event.clone()).unwrap_or_default()
    }

    /// The captures at a node, in the order of the text.
    #[inline]
    pub(crate) fn captures(&self, node: Node) -> Copied<Captures<'a>> {
        self.scratch.of(node).copied()
    }

    /// The first capture at a node.
    #[inline]
    pub(crate) fn capture(&self, node: Node) -> Option<Capture> {
        self.captures(node).next()
    }

    /// Whether there is a capture at a node.
    #[inline]
    pub(crate) fn has(&self, node: Node) -> bool {
        self.capture(node).is_some()
    }

    /// The value of a capture; an object and an array have none.
    #[inline]
    pub(crate) fn value(&self, capture: &Capture) -> Option<Value<'a>> {
        value_of(self.text, capture)
    }

    /// All values at a node.
    #[inline]
    pub(crate) fn values(&self, node: Node) -> FieldValues<'a> {
        let found = Some((self.text, self.captures(node)));
        FieldValues { found, ..FieldValues::default() }
    }

    /// The values at a node that are not blank.
    #[inline]
    pub(crate) fn filled(&self, node: Node) -> FieldValues<'a> {
        FieldValues { skips_blank: true, ..self.values(node) }
    }

    /// The first value at a node that is not blank, as text.
    #[inline]
    pub(crate) fn first(&self, node: Node) -> Option<Cow<'a, str>> {
        self.filled(node).next().map(Value::into_text)
    }

    /// The objects at a node, as text.
    pub(crate) fn objects(&self, node: Node) -> impl Iterator<Item = &'a str> + use<'a> {
        let text = self.text;
        let objects = self.captures(node).filter(|capture| capture.kind == SpanKind::Object);
        objects.filter_map(move |object| text.get(object.start as usize..object.end as usize))
    }

    /// The first value at a node, if it is a string: the text between its quotes, still escaped.
    pub(crate) fn string_content(&self, node: Node) -> Option<&'a str> {
        let capture = self.capture(node)?;
        let is_string = matches!(capture.kind, SpanKind::Scalar(Scalar::Plain | Scalar::Escaped));
        is_string.then(|| self.text.get(capture.start as usize..capture.end as usize)).flatten()
    }
}

#[inline]
fn value_of<'a>(text: &'a str, capture: &Capture) -> Option<Value<'a>> {
    let SpanKind::Scalar(scalar) = capture.kind else { return None };
    let span = Span { scalar, start: capture.start as usize, end: capture.end as usize };
    value_of_span(text, span)
}

/// The value of a scalar; null has none.
#[inline]
pub(crate) fn value_of_span(text: &str, span: Span) -> Option<Value<'_>> {
    Some(match span.scalar {
        Scalar::Null => return None,
        Scalar::True => Value::Bool(true),
        Scalar::False => Value::Bool(false),
        Scalar::Number => Value::Number(span.content(text)),
        Scalar::Plain | Scalar::Escaped => Value::Text(span.decoded(text)),
    })
}

/// Whether a text means that there is no value, as raw sources write it.
#[inline]
pub(crate) fn is_blank(text: &str) -> bool {
    matches!(text, "" | "-" | "none")
}

/// Whether a value is such a text.
#[inline]
pub(crate) fn is_blank_value(value: &Value<'_>) -> bool {
    matches!(value, Value::Text(text) if is_blank(text))
}

/// The values of one field, in order. They are found in the text or computed: at most one of the
/// three parts is in use.
#[derive(Default)]
pub(crate) struct FieldValues<'a> {
    found: Option<(&'a str, Copied<Captures<'a>>)>,
    one: Option<Value<'a>>,
    many: alloc::vec::IntoIter<Value<'a>>,
    skips_blank: bool,
    is_lowered: bool,
}

impl<'a> FieldValues<'a> {
    /// At most one value.
    pub(crate) fn one(one: Option<Value<'a>>) -> Self {
        Self { one, ..Self::default() }
    }

    /// These values.
    pub(crate) fn many(values: Vec<Value<'a>>) -> Self {
        Self { many: values.into_iter(), ..Self::default() }
    }

    /// The same values, texts in lower case if `is_lowered`.
    #[inline]
    pub(crate) fn lowered(self, is_lowered: bool) -> Self {
        Self { is_lowered, ..self }
    }
}

impl<'a> Iterator for FieldValues<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        let value = match &mut self.found {
            Some((text, captures)) => loop {
                let value = value_of(text, &captures.next()?);
                if let Some(value) = value.filter(|v| !(self.skips_blank && is_blank_value(v))) {
                    break value;
                }
            },
            None => self.one.take().or_else(|| self.many.next())?,
        };
        Some(match value {
            Value::Text(text) if self.is_lowered => Value::Text(Cow::Owned(text.to_lowercase())),
            other => other,
        })
    }
}

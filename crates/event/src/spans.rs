//! The low view of an event: the values in its text, by node.
//!
//! In: a text, and what a walk over it left in [`Scratch`]. Out: spans and values, borrowed from
//! the text wherever it holds them unchanged. It knows no field and no source: only the module that
//! added a path to the trie knows what its node means.

use crate::clean::{is_blank, is_blank_value};
use crate::path::Node;
use crate::scan::{Scalar, Span};
use crate::walk::{Capture, Captures, Scratch, SpanKind};
use alloc::borrow::Cow;
use alloc::string::String;
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
        FieldValues {
            from: ValuesFrom::Text(self.text, self.captures(node)),
            ..FieldValues::default()
        }
    }

    /// The first value at a node that does not count as none, as text.
    #[inline(never)]
    fn first_text(&self, node: Node, without: Blanks) -> Option<Cow<'a, str>> {
        // Nearly always the first capture is a string without an escape that counts.
        let first = self.scratch.of(node).next()?;
        if let SpanKind::Scalar(Scalar::Plain) = first.kind
            && let Some(text) = self.text.get(first.start as usize..first.end as usize)
            && !(without.hide_text(text))
        {
            return Some(Cow::Borrowed(text));
        }
        let mut values = self.captures(node).filter_map(|capture| value_of(self.text, &capture));
        values.find(|value| !without.hide(value)).map(Value::into_text)
    }

    /// The value at a node with one capture.
    #[inline]
    pub(crate) fn only(&self, node: Node, without: Blanks) -> Option<Value<'a>> {
        let mut captures = self.scratch.of(node);
        let first = captures.next()?;
        if captures.next().is_some() {
            return None;
        }
        value_of(self.text, first).filter(|value| !without.hide(value))
    }

    /// The values at a node that are not blank.
    #[inline]
    pub(crate) fn filled(&self, node: Node) -> FieldValues<'a> {
        self.values(node).without(Blanks::All)
    }

    /// The first value at a node that is not blank, as text.
    #[inline(never)]
    pub(crate) fn first(&self, node: Node) -> Option<Cow<'a, str>> {
        self.first_text(node, Blanks::All)
    }

    /// The first value at a node that is not empty, as text: a name may be `-` or `none`.
    #[inline(never)]
    pub(crate) fn first_name(&self, node: Node) -> Option<Cow<'a, str>> {
        self.first_text(node, Blanks::Empty)
    }

    /// The values at a node as texts.
    pub(crate) fn texts(
        &self,
        node: Node,
        blanks: Blanks,
    ) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        self.values(node).without(blanks).map(Value::into_text)
    }

    /// The JSON text of the first value at a node.
    pub(crate) fn json(&self, node: Node) -> Option<&'a str> {
        let capture = self.capture(node)?;
        let quote = match capture.kind {
            SpanKind::Scalar(Scalar::Plain | Scalar::Escaped) => 1,
            _ => 0,
        };
        let start = (capture.start as usize).checked_sub(quote)?;
        self.text.get(start..capture.end as usize + quote)
    }

    /// Where the JSON text of the first value at a node begins.
    pub(crate) fn json_start(&self, node: Node) -> Option<usize> {
        let capture = self.capture(node)?;
        let is_quoted = matches!(capture.kind, SpanKind::Scalar(Scalar::Plain | Scalar::Escaped));
        (capture.start as usize).checked_sub(usize::from(is_quoted))
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

/// Which texts count as no value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Blanks {
    /// None of them.
    #[default]
    None,
    /// The empty text.
    Empty,
    /// All that raw sources write for nothing.
    All,
}

impl Blanks {
    #[inline]
    fn hide(self, value: &Value<'_>) -> bool {
        match self {
            Self::None => false,
            Self::Empty => matches!(value, Value::Text(text) if text.is_empty()),
            Self::All => is_blank_value(value),
        }
    }

    #[inline]
    fn hide_text(self, text: &str) -> bool {
        match self {
            Self::None => false,
            Self::Empty => text.is_empty(),
            Self::All => is_blank(text),
        }
    }
}

/// Another spelling of a number, where it has one.
pub(crate) type RespellNumber = fn(&str) -> Option<String>;

/// Texts, each once, in the order in which they came; never the empty one.
#[derive(Default)]
pub(crate) struct TextSet<'a>(Vec<Cow<'a, str>>);

impl<'a> TextSet<'a> {
    /// A text that comes after so many others may be there twice: comparing each with all is
    /// quadratic, and no event but a hostile one has as many.
    const COMPARED: usize = 1024;

    #[inline(never)]
    pub(crate) fn add(&mut self, text: Cow<'a, str>) {
        if !text.is_empty() && (self.0.len() >= Self::COMPARED || !self.0.contains(&text)) {
            self.0.push(text);
        }
    }

    pub(crate) fn extend(&mut self, texts: impl IntoIterator<Item = Cow<'a, str>>) {
        texts.into_iter().for_each(|text| self.add(text));
    }

    pub(crate) fn into_values(self) -> FieldValues<'a> {
        FieldValues::many(self.0.into_iter().map(Value::Text).collect())
    }

    pub(crate) fn into_texts(self) -> Vec<Cow<'a, str>> {
        self.0
    }
}

/// The values of one field, in order.
#[derive(Default)]
pub(crate) struct FieldValues<'a> {
    from: ValuesFrom<'a>,
    without: Blanks,
    respell: Option<RespellNumber>,
    is_lowered: bool,
}

/// Where values come from.
#[derive(Default)]
enum ValuesFrom<'a> {
    #[default]
    Nothing,
    /// They are found in a text.
    Text(&'a str, Copied<Captures<'a>>),
    /// They are computed.
    One(Value<'a>),
    Many(alloc::vec::IntoIter<Value<'a>>),
}

impl<'a> FieldValues<'a> {
    /// At most one value.
    pub(crate) fn one(one: Option<Value<'a>>) -> Self {
        Self { from: one.map_or(ValuesFrom::Nothing, ValuesFrom::One), ..Self::default() }
    }

    /// These values.
    pub(crate) fn many(values: Vec<Value<'a>>) -> Self {
        Self { from: ValuesFrom::Many(values.into_iter()), ..Self::default() }
    }

    /// Those of the values that do not count as none.
    #[inline]
    pub(crate) fn without(self, without: Blanks) -> Self {
        Self { without, ..self }
    }

    /// The same values, numbers with their other spelling, which is a text.
    pub(crate) fn respelled(self, respell: RespellNumber) -> Self {
        Self { respell: Some(respell), ..self }
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
        let value = match &mut self.from {
            ValuesFrom::Nothing => return None,
            ValuesFrom::Text(text, captures) => loop {
                let value = value_of(text, &captures.next()?);
                if let Some(value) = value.filter(|value| !self.without.hide(value)) {
                    break value;
                }
            },
            ValuesFrom::One(_) => match core::mem::take(&mut self.from) {
                ValuesFrom::One(value) => value,
                _ => return None,
            },
            ValuesFrom::Many(values) => values.next()?,
        };
        Some(match value {
            Value::Text(text) if self.is_lowered => Value::Text(Cow::Owned(text.to_lowercase())),
            Value::Number(text) => match self.respell.and_then(|respell| respell(text)) {
                Some(other) => Value::Text(Cow::Owned(other)),
                None => Value::Number(text),
            },
            other => other,
        })
    }
}

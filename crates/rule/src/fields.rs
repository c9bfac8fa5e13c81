//! What the rules ask of an event, and an event as a query sees it.
//!
//! In: the fields of queries and new terms. Out: one list of asks for the reader (every field
//! once, whatever the number of rules), and a view of the fields read. It never reads text itself,
//! except the objects of a nested query.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use firstseen_event::{EventFields, EventReader, FieldRequest, ReadOutcome, Scratch, Value};
use firstseen_kql::{Doc, FieldRef};

/// The fields asked for so far, each once.
#[derive(Debug, Default)]
pub struct Asks(Vec<FieldRequest>);

impl Asks {
    /// The place of an ask, which is added unless it is there.
    pub fn place(&mut self, ask: FieldRequest) -> usize {
        if let Some(at) = self.0.iter().position(|known| *known == ask) {
            return at;
        }
        self.0.push(ask);
        self.0.len().saturating_sub(1)
    }

    /// The places of a query's fields.
    pub fn slots(&mut self, fields: &[FieldRef]) -> Vec<Slot> {
        fields.iter().map(|field| self.slot(field)).collect()
    }

    fn slot(&mut self, field: &FieldRef) -> Slot {
        match field {
            FieldRef::Name(name) => Slot::Values(self.place(FieldRequest::Values(name.clone()))),
            FieldRef::Pattern(pattern) => {
                Slot::Values(self.place(FieldRequest::Matching(pattern.clone())))
            }
            FieldRef::Nested { path, inner } => {
                let ask = self.place(FieldRequest::Objects(path.clone()));
                let mut asks = Self::default();
                let slots = asks.slots(inner);
                Slot::Objects {
                    ask,
                    inner: Box::new(Inner { reader: asks.object_reader(), slots }),
                }
            }
        }
    }

    fn object_reader(self) -> EventReader {
        EventReader::for_objects(self.0)
    }

    /// A reader for all of them.
    #[must_use]
    pub fn reader(self) -> EventReader {
        EventReader::new(self.0)
    }
}

/// Where a query's field stands among the asks.
#[derive(Debug)]
pub enum Slot {
    /// Values.
    Values(usize),
    /// Objects, each read by its own reader.
    Objects {
        /// The ask.
        ask: usize,
        /// What is read of each object.
        inner: Box<Inner>,
    },
}

impl Slot {
    /// The ask.
    #[must_use]
    pub const fn ask(&self) -> usize {
        match self {
            Self::Values(ask) | Self::Objects { ask, .. } => *ask,
        }
    }
}

/// What a nested query reads of each object.
#[derive(Debug)]
pub struct Inner {
    reader: EventReader,
    slots: Vec<Slot>,
}

/// An event as one query sees it.
#[derive(Debug)]
pub struct EventDoc<'e, 'a> {
    /// What was read.
    pub fields: &'e EventFields<'a>,
    /// Where the query's fields stand.
    pub slots: &'e [Slot],
}

impl Doc for EventDoc<'_, '_> {
    fn any(&self, field: usize, test: &mut dyn FnMut(&firstseen_kql::Value<'_>) -> bool) -> bool {
        let Some(slot) = self.slots.get(field) else { return false };
        self.fields.values(slot.ask()).any(|value| test(&as_query_value(value)))
    }

    fn any_object(&self, field: usize, test: &mut dyn FnMut(&dyn Doc) -> bool) -> bool {
        let Some(Slot::Objects { ask, inner }) = self.slots.get(field) else { return false };
        self.fields.objects(*ask).any(|text| {
            let mut scratch = Scratch::default();
            match inner.reader.read(text, &mut scratch) {
                Ok(ReadOutcome::Event(fields)) => {
                    test(&EventDoc { fields: &fields, slots: &inner.slots })
                }
                _ => false,
            }
        })
    }
}

fn as_query_value(value: Value<'_>) -> firstseen_kql::Value<'_> {
    match value {
        Value::Bool(b) => firstseen_kql::Value::Bool(b),
        Value::Number(n) => firstseen_kql::Value::Number(n),
        Value::Text(Cow::Borrowed(t)) => firstseen_kql::Value::Text(Cow::Borrowed(t)),
        Value::Text(Cow::Owned(t)) => firstseen_kql::Value::Text(Cow::Owned(t)),
    }
}

//! What the rules ask of an event, and an event as a query sees it.
//!
//! In: the fields of queries and new terms. Out: one list of asks for the reader (every field
//! once, whatever the number of rules), and a view of the fields read. It never reads text itself,
//! except the objects of a nested query.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_event::{EventError, EventFields, EventReader, FieldRequest, ReadOutcome, Scratch};
use firstseen_kql::{Doc, FieldRef};
use firstseen_value::Value;

/// The field requests so far, each once.
#[derive(Debug, Default)]
pub struct FieldRequests(Vec<FieldRequest>);

impl FieldRequests {
    /// The index of a request, which is added if it is new.
    pub fn place(&mut self, ask: FieldRequest) -> usize {
        if let Some(at) = self.0.iter().position(|known| *known == ask) {
            return at;
        }
        self.0.push(ask);
        self.0.len().saturating_sub(1)
    }

    /// The indexes of a query's fields.
    pub fn slots(&mut self, fields: &[FieldRef]) -> Vec<FieldSlot> {
        fields.iter().map(|field| self.slot(field)).collect()
    }

    fn slot(&mut self, field: &FieldRef) -> FieldSlot {
        match field {
            FieldRef::Name(name) => {
                FieldSlot::Values(self.place(FieldRequest::Values(name.clone())))
            }
            FieldRef::Pattern(pattern) => {
                FieldSlot::Values(self.place(FieldRequest::Matching(pattern.clone())))
            }
            FieldRef::Nested { path, inner } => {
                let ask = self.place(FieldRequest::Objects(path.clone()));
                let mut asks = Self::default();
                let slots = asks.slots(inner);
                FieldSlot::Objects {
                    ask,
                    inner: Box::new(NestedObject { reader: asks.object_reader(), slots }),
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

/// Index of a query's field among the field requests.
#[derive(Debug)]
pub enum FieldSlot {
    /// Values.
    Values(usize),
    /// Objects, each read by its own reader.
    Objects {
        /// The ask.
        ask: usize,
        /// What is read of each object.
        inner: Box<NestedObject>,
    },
}

impl FieldSlot {
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
pub struct NestedObject {
    reader: EventReader,
    slots: Vec<FieldSlot>,
}

/// An event as one query sees it.
#[derive(Debug)]
pub struct EventDoc<'e, 'a> {
    /// What was read.
    pub fields: &'e EventFields<'a>,
    /// Indexes of the query's fields.
    pub slots: &'e [FieldSlot],
}

impl Doc for EventDoc<'_, '_> {
    fn any(&self, field: usize, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        let Some(slot) = self.slots.get(field) else { return false };
        if let Some(value) = self.fields.only_value(slot.ask()) {
            return test(&value);
        }
        self.fields.values(slot.ask()).any(|value| test(&value))
    }

    fn any_object(&self, field: usize, test: &mut dyn FnMut(&dyn Doc) -> bool) -> bool {
        let Some(FieldSlot::Objects { ask, inner }) = self.slots.get(field) else { return false };
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

/// `code: reason (at byte N)`, as items and outcomes show a fault of an event.
pub(crate) fn event_error_text(error: &EventError) -> String {
    format!("{}: {} (at byte {})", error.code, error.reason, error.at)
}

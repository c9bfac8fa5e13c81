//! An event's fields by their names, and whether a query matches it, outside any rule.
//!
//! In: names, a query; then one event's text at a time. Out: the values as text. A host uses it to
//! say something about an event: who, when, why a field is missing. Nothing of it decides an alert.

use crate::fields::{EventDoc, FieldRequests, FieldSlot};
use crate::open::{OpenedEvent, Outside, open_event};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_event::{EventFields, EventReader, FieldRequest, Scratch, Trust};
use firstseen_kql::Query;
use firstseen_value::Value;

/// Reads these fields of single events.
#[derive(Debug)]
pub struct EventProbe {
    reader: EventReader,
    asks: Vec<usize>,
    query: Option<(Query, Vec<FieldSlot>)>,
    scratch: Scratch,
}

/// What an event says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbedEvent {
    /// The values of each name that was asked for, in their order.
    pub values: Vec<Vec<String>>,
    /// Its `event.id`.
    pub id: Option<String>,
    /// Its time in milliseconds since 1970, UTC.
    pub time_ms: Option<i64>,
    /// Its `event.dataset`; empty: none.
    pub dataset: String,
    /// Whether the query matches; without a query it does.
    pub matches: bool,
}

impl ProbedEvent {
    /// The first value of the n-th name.
    #[must_use]
    pub fn first(&self, name: usize) -> Option<&str> {
        self.values.get(name)?.iter().map(String::as_str).find(|value| !value.is_empty())
    }
}

impl EventProbe {
    /// A probe for these fields.
    #[must_use]
    pub fn new(names: &[&str]) -> Self {
        Self::of(names, None)
    }

    /// The same, which says too whether a query matches.
    ///
    /// # Errors
    /// What is wrong with the query, over several lines, with a mark at the place.
    pub fn with_query(names: &[&str], kql: &str) -> Result<Self, String> {
        firstseen_kql::parse(kql)
            .map(|query| Self::of(names, Some(query)))
            .map_err(|e| format!("{e}"))
    }

    fn of(names: &[&str], query: Option<Query>) -> Self {
        let mut requests = FieldRequests::default();
        let place = |name: &&str| requests.place(FieldRequest::Values((*name).to_owned()));
        let asks = names.iter().map(place).collect();
        let query = query.map(|query| {
            let slots = requests.slots(query.fields());
            (query, slots)
        });
        Self { reader: requests.reader(), asks, query, scratch: Scratch::default() }
    }

    /// Looks at an event; nothing where the text is none.
    pub fn look(&mut self, event: &[u8]) -> Option<ProbedEvent> {
        let text = core::str::from_utf8(event).ok()?;
        let mut found = None;
        let mut scratch = core::mem::take(&mut self.scratch);
        open_event(
            &self.reader,
            Trust::DEFAULT,
            text,
            &mut scratch,
            Outside::default(),
            &mut |opened| {
                if let OpenedEvent::Event(fields) = opened {
                    found = Some(self.probed(&fields));
                }
            },
        );
        self.scratch = scratch;
        found
    }

    fn probed(&self, fields: &EventFields<'_>) -> ProbedEvent {
        let values =
            |ask: &usize| fields.values(*ask).map(Value::into_text).map(|text| text.into());
        ProbedEvent {
            values: self.asks.iter().map(|ask| values(ask).collect()).collect(),
            id: fields.id().map(|id| id.into_owned()),
            time_ms: fields.time_ms().ok(),
            dataset: fields.dataset().into_owned(),
            matches: self
                .query
                .as_ref()
                .is_none_or(|(query, slots)| query.matches(&EventDoc { fields, slots })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = r#"{"eventVersion":"1.11","eventTime":"2025-04-01T08:00:00Z","eventID":"a",
        "eventName":"CreateStack","eventSource":"cloudformation.amazonaws.com",
        "userIdentity":{"type":"IAMUser","userName":"alice"}}"#;

    #[test]
    fn fields_of_raw_and_ecs_events_are_named_alike() {
        let mut probe = EventProbe::new(&["user.name", "no.such"]);
        let raw = probe.look(RAW.as_bytes()).unwrap();
        assert_eq!((raw.first(0), raw.first(1)), (Some("alice"), None));
        assert_eq!((raw.id.as_deref(), raw.dataset.as_str()), (Some("a"), "aws.cloudtrail"));
        assert_eq!(raw.time_ms, Some(1_743_494_400_000));
        let ecs = r#"{"@timestamp":"2025-04-01T08:00:00Z","user":{"name":["",5]}}"#;
        let ecs = probe.look(ecs.as_bytes()).unwrap();
        assert_eq!((ecs.first(0), &ecs.id, ecs.matches), (Some("5"), &None, true));
        assert_eq!(probe.look(b"{"), None);
        assert_eq!(probe.look(b"\xff"), None);
    }

    #[test]
    fn a_query_matches_or_is_refused_with_its_place() {
        let matches = |kql| {
            let mut probe = EventProbe::with_query(&[], kql).unwrap();
            probe.look(RAW.as_bytes()).unwrap().matches
        };
        assert!(matches("user.name: al* and event.action: CreateStack"));
        assert!(!matches("user.name: bob"));
        let fault = EventProbe::with_query(&[], "user.name: (").unwrap_err();
        assert!(fault.contains("column"), "{fault}");
    }
}

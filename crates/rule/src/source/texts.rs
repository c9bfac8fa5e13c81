//! What an event's text holds of its fields, for the literals of a query.
//!
//! In: a field and a value, or a part of one. Out: what crate event says of them. It reads no event.

use firstseen_kql::FieldTexts;

/// The texts of events, of every source.
pub(super) struct EventTexts;

impl FieldTexts for EventTexts {
    fn verbatim(&self, field: &str, part: &str) -> bool {
        firstseen_event::verbatim(field, part)
    }

    fn traces(&self, field: &str, value: &str) -> Vec<String> {
        firstseen_event::traces(field, value)
    }
}

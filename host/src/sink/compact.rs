//! `run --compact`: alerts without what is the same in every alert of a rule, and without the raw event.
//!
//! In: alerts, one line of JSON each. Out: the same to another sink, without the members in
//! [`LEFT_OUT`] and without `event.original`. What stays has its bytes, and its order. An alert that
//! cannot be read goes on as it is.

use super::{AlertSink, OutputError};
use crate::state::OutputMark;
use firstseen_session::EventAt;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The texts of a rule in its alerts.
pub const LEFT_OUT: &[&str] = &[
    "kibana.alert.rule.description",
    "kibana.alert.rule.false_positives",
    "kibana.alert.rule.note",
    "kibana.alert.rule.parameters",
    "kibana.alert.rule.references",
    "kibana.alert.rule.setup",
];

/// Hands alerts on without those members.
pub struct CompactSink {
    inner: Box<dyn AlertSink>,
}

impl CompactSink {
    /// Before this sink.
    #[must_use]
    pub fn new(inner: Box<dyn AlertSink>) -> Self {
        Self { inner }
    }
}

impl AlertSink for CompactSink {
    fn alert(&mut self, at: &EventAt, json: &str) -> Result<(), OutputError> {
        self.inner.alert(at, compact(json).as_deref().unwrap_or(json))
    }

    fn repeat(&mut self, at: &EventAt, json: &str) -> Result<(), OutputError> {
        self.inner.repeat(at, compact(json).as_deref().unwrap_or(json))
    }

    fn not_judged(&mut self, at: &EventAt, text: &str) {
        self.inner.not_judged(at, text);
    }

    fn wants_input(&self) -> bool {
        self.inner.wants_input()
    }

    fn input(&mut self, block: &[u8]) {
        self.inner.input(block);
    }

    fn input_ends(&mut self) {
        self.inner.input_ends();
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        self.inner.flush()
    }

    fn sync(&mut self) -> Result<(), OutputError> {
        self.inner.sync()
    }

    fn mark(&self) -> Option<OutputMark> {
        self.inner.mark()
    }
}

/// Members in the order of their names, as alerts have them; the texts as they are.
type Members<'j> = BTreeMap<String, &'j RawValue>;

/// The alert without them.
fn compact(json: &str) -> Option<String> {
    let mut alert: Members<'_> = serde_json::from_str(json).ok()?;
    alert.retain(|name, _| !LEFT_OUT.contains(&name.as_str()) && name != "event.original");
    let event = alert.get("event").map(|event| event.get());
    let event = event.and_then(|event| serde_json::from_str::<Members<'_>>(event).ok());
    let event = event.and_then(|mut event| {
        event.remove("original")?;
        serde_json::value::to_raw_value(&event).ok()
    });
    if let Some(event) = &event {
        alert.insert("event".to_owned(), event);
    }
    serde_json::to_string(&alert).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_the_raw_event_go_and_the_rest_keeps_its_bytes() {
        let alert = r#"{"a":1.50e+3,"event":{"id":"\u0041","original":"{}"},"event.original":"{}","kibana.alert.rule.name":"n","kibana.alert.rule.note":"long","kibana.alert.rule.parameters":{"query":"q"},"z":12345678901234567890123}"#;
        let expected = r#"{"a":1.50e+3,"event":{"id":"\u0041"},"kibana.alert.rule.name":"n","z":12345678901234567890123}"#;
        assert_eq!(compact(alert).as_deref(), Some(expected));
        for same in [r#"{"a":1}"#, r#"{"event":[1]}"#, r#"{"event":{"id":" "}}"#] {
            assert_eq!(compact(same).as_deref(), Some(same));
        }
        assert_eq!(compact("no JSON"), None);
    }
}

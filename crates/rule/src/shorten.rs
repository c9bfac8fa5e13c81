//! A large event made small enough to be copied into its alerts.
//!
//! In: an event's JSON text, and how many alerts it is for. Out: the document that they copy, of an
//! event that was shortened if it is too large. It decides nothing: query, terms
//! and identity were read from the whole event.
//!
//! Why: an alert holds an event several times (fields, flattened fields, the original), once for
//! each new term. Without a bound an event of 16 MiB, or one with 256 terms, would need more memory
//! than a module has, and padding a call would be a way not to be seen.

use crate::fields::event_error_text;
use alloc::format;
use alloc::string::{String, ToString};
use firstseen_event::{Scratch, Trust, WrittenDocument};

/// Bytes that the alerts of one event may copy of it, all terms together. CloudTrail's own limit
/// for an event is 256 KiB.
const ROOM: usize = 1 << 20;
/// However many terms there are, an alert may copy this many bytes.
const LEAST: usize = 4 << 10;

/// An event on its way into its alerts. It is read and shortened once, and only if one of its terms
/// alerts: 256 terms of a large event would otherwise take minutes.
pub(crate) struct AlertEvent<'e> {
    event: Option<&'e str>,
    terms: usize,
    /// What it was read with.
    trust: &'e Trust,
    room: AlertRoom,
    made: Option<Result<Option<usize>, String>>,
}

/// Room for reading and for documents, to be handed on from event to event.
#[derive(Debug, Default)]
pub(crate) struct AlertRoom {
    scratch: Scratch,
    document: WrittenDocument,
}

/// What an alert copies of its event.
pub(crate) struct EventCopy<'c> {
    /// The event as an ECS document.
    pub(crate) document: &'c WrittenDocument,
    /// How many bytes the event has, where this is only a part of them.
    pub(crate) shortened_from: Option<usize>,
}

impl<'e> AlertEvent<'e> {
    /// An event with so many terms; without its text it cannot be copied.
    pub(crate) fn new(
        event: Option<&'e str>,
        terms: usize,
        trust: &'e Trust,
        room: AlertRoom,
    ) -> Self {
        Self { event, terms, trust, room, made: None }
    }

    /// The room again, for the next event.
    pub(crate) fn into_room(self) -> AlertRoom {
        self.room
    }

    /// The document, or `code: reason`; `None` where the event's text was not given.
    pub(crate) fn document(&mut self) -> Option<Result<EventCopy<'_>, &str>> {
        let (event, terms, trust) = (self.event?, self.terms, self.trust);
        let room = &mut self.room;
        let made = self.made.get_or_insert_with(|| room.copy(event, terms, trust));
        Some(match made {
            Ok(shortened_from) => {
                Ok(EventCopy { document: &room.document, shortened_from: *shortened_from })
            }
            Err(reason) => Err(reason),
        })
    }
}

impl AlertRoom {
    /// Makes the document; how many bytes the event has, where it was shortened.
    fn copy(&mut self, event: &str, terms: usize, trust: &Trust) -> Result<Option<usize>, String> {
        let room = room(terms);
        // A long string that is the event must not be cut as a string.
        let inner = (event.len() > room).then(|| firstseen_event::inner_text(event, trust));
        let inner = inner.flatten();
        let of_event = inner.as_deref().unwrap_or(event);
        let short = shorten(of_event, room).map_err(|reason| format!("alert: {reason}"))?;
        let shortened_from = short.as_ref().map(|_| event.len());
        let text = short.as_deref().unwrap_or(of_event);
        let read = self.document.read(text, trust, &mut self.scratch);
        read.map_err(|error| event_error_text(&error))?;
        Ok(shortened_from)
    }
}

/// The event as its alerts copy it: `None` when that is the whole of it, which is the usual case.
///
/// # Errors
/// A message, when the text is not JSON.
fn shorten(event: &str, room: usize) -> Result<Option<String>, String> {
    if event.len() <= room {
        return Ok(None);
    }
    // Strings near the top alone may be many: half of the room is for them.
    firstseen_event::shorten(event, room / 2).map(Some).map_err(|e| e.to_string())
}

/// How many bytes each of so many alerts may copy.
fn room(terms: usize) -> usize {
    (ROOM / terms.max(1)).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_event::shorten::{ELEMENTS, MEMBERS, STRING};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn short(event: &Value, terms: usize) -> Value {
        let text = event.to_string();
        let out = shorten(&text, room(terms)).unwrap().unwrap_or(text);
        serde_json::from_str(&out).unwrap()
    }

    #[test]
    fn a_small_event_is_copied_whole() {
        let event = json!({ "a": "x".repeat(ROOM - 20) }).to_string();
        assert_eq!(shorten(&event, room(1)), Ok(None));
        assert_eq!(
            shorten(&json!({ "a": "x".repeat(ROOM / 256 - 20) }).to_string(), room(256)),
            Ok(None)
        );
        assert!(shorten(&event, room(2)).unwrap().is_some());
    }

    #[test]
    fn large_values_are_cut_and_small_ones_stay() {
        let event = json!({
            "a": { "deep": [1, -2, 0.5, true, null, "text", { "b": "c" }] },
            "long": "\u{e4}".repeat(ROOM),
            "many": vec![7; 1000],
            "z": "last",
        });
        let short = short(&event, 1);
        assert_eq!((&short["a"], &short["z"]), (&event["a"], &event["z"]));
        assert_eq!(short["many"], json!(vec![7; ELEMENTS]));
        let cut = short["long"].as_str().unwrap();
        assert_eq!(cut, format!("{}\u{2026} ({} bytes)", "\u{e4}".repeat(1024), 2 * ROOM));
    }

    #[test]
    fn without_space_the_top_level_keeps_its_short_strings() {
        let wide: Vec<_> = (0..64).map(|_| vec!["x".repeat(2000); 64]).collect();
        let event = json!({ "a": wide, "b": { "c": 1 }, "d": "short", "e": "x".repeat(100) });
        let short = short(&event, 1);
        assert_eq!((&short["b"], &short["d"]), (&json!("\u{2026}"), &json!("short")));
        assert_eq!(short["e"], json!(format!("{}\u{2026} (100 bytes)", "x".repeat(64))));
    }

    #[test]
    fn an_event_is_read_once_and_only_when_it_is_asked_for() {
        let new =
            |event, terms| AlertEvent::new(event, terms, Trust::DEFAULT, AlertRoom::default());
        assert!(new(None, 1).document().is_none());
        let event =
            json!({ "@timestamp": 1, "event.id": "e", "pad": "x".repeat(ROOM) }).to_string();
        let mut copied = new(Some(&event), 3);
        assert!(copied.document().unwrap().is_ok());
        copied.event = Some("{}");
        let again = copied.document().unwrap().unwrap();
        assert_eq!(again.shortened_from, Some(event.len()));
        assert_eq!(again.document.member("event"), Some(&br#"{"id":"e"}"#[..]));
        let mut bad = new(Some("[]"), 1);
        assert!(bad.document().unwrap().is_err_and(|e| e.starts_with("not_an_object: ")));
    }

    #[test]
    fn names_and_members_are_bounded() {
        let members = (0..100_000).map(|n| (format!("name-{n}"), json!("x".repeat(20))));
        let mut event: serde_json::Map<String, Value> = members.collect();
        event.insert("n".repeat(ROOM), json!(1));
        let short = short(&Value::Object(event), 1);
        assert_eq!(short.as_object().unwrap().len(), MEMBERS);
    }

    #[test]
    fn invalid_json_is_an_error_and_depth_costs_no_stack() {
        assert!(shorten(&"x".repeat(ROOM + 1), room(1)).is_err());
        assert!(shorten(&"[".repeat(ROOM + 1), room(1)).is_err());
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (".{0,3}", 0usize..2000).prop_map(|(text, times)| Value::from(text.repeat(times))),
        ];
        leaf.prop_recursive(6, 200, 40, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..40).prop_map(Value::from),
                prop::collection::btree_map(".{0,12}", inner, 0..40)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_result_is_json_and_has_its_size(value in values(), terms in 1usize..300) {
            let text = json!({ "a": value, "pad": "p".repeat(ROOM) }).to_string();
            let out = shorten(&text, room(terms)).unwrap().unwrap();
            let room = (ROOM / terms).max(LEAST);
            // Over the room only by what was begun within it: a string, escaped at worst.
            prop_assert!(out.len() <= room / 2 + 7 * STRING.0 + 1000, "{}", out.len());
            prop_assert!(serde_json::from_str::<Value>(&out).is_ok());
        }
    }
}

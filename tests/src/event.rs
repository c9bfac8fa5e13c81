//! The text of one event, valid or not: calls as raw or ECS documents, in envelopes, with missing
//! fields or values of the wrong type, and with damaged bytes.

use crate::call::{Call, call, document};
use crate::json::{Dice, write};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fmt;

/// How a call is written as an event.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A raw CloudTrail record.
    Raw,
    /// An ECS document; the seed decides which dots become objects.
    Ecs(u64),
    /// An ECS document that contains the raw event only as text.
    Original,
    /// Raw, in an EventBridge envelope.
    EventBridge,
    /// An ECS document in an export's line.
    Export(u64),
    /// Raw, as text in an element of a LookupEvents result.
    Lookup,
}

impl Shape {
    /// The event as a value.
    #[must_use]
    pub fn of(self, call: &Call) -> Value {
        let raw = || call.raw();
        match self {
            Self::Raw => raw(),
            Self::Ecs(seed) => document(&call.ecs(), seed),
            Self::Original => json!({
                "@timestamp": call.time(),
                "message": raw().to_string(),
                "data_stream": { "dataset": "aws.cloudtrail" },
            }),
            Self::EventBridge => json!({
                "version": "0", "id": call.event_id(), "detail-type": "AWS API Call via CloudTrail",
                "source": "aws.cloudformation", "account": call.account, "time": call.time(),
                "region": "eu-central-1", "resources": [], "detail": raw(),
            }),
            Self::Export(seed) => json!({
                "_index": "logs-aws.cloudtrail-default", "_id": call.event_id(),
                "_source": document(&call.ecs(), seed),
            }),
            Self::Lookup => {
                json!({ "EventId": call.event_id(), "CloudTrailEvent": raw().to_string() })
            }
        }
    }
}

/// Any shape.
pub fn shape() -> impl Strategy<Value = Shape> {
    let seed = prop_oneof![Just(0), Just(u64::MAX), any::<u64>()];
    prop_oneof![
        3 => Just(Shape::Raw),
        3 => seed.clone().prop_map(Shape::Ecs),
        1 => Just(Shape::Original),
        1 => Just(Shape::EventBridge),
        1 => seed.prop_map(Shape::Export),
        1 => Just(Shape::Lookup),
    ]
}

/// Events that are valid JSON, some with missing fields or values of another type.
pub fn valid() -> impl Strategy<Value = String> {
    let changes = prop_oneof![
        2 => Just(0),
        1 => any::<u64>(),
    ];
    (call(), shape(), changes, prop_oneof![Just(0), any::<u64>()]).prop_map(
        |(call, shape, changes, style)| {
            let mut event = shape.of(&call);
            if changes != 0 {
                change(&mut event, &mut Dice::new(changes));
            }
            write(&event, style)
        },
    )
}

/// Bytes that should be an event. A failing case shows them as text.
#[derive(Clone)]
pub struct Event(pub Vec<u8>);

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// Mostly [`valid`] events, some damaged.
pub fn any_event() -> impl Strategy<Value = Event> {
    let damage = prop_oneof![4 => Just(None), 1 => any::<(u64, u8)>().prop_map(Some)];
    let noise = prop::sample::select(
        &[
            "",
            "{}",
            "[]",
            "null",
            "{\"Records\":[]}",
            "{\"digestS3Bucket\":\"b\"}",
            "{\"a\":[1,{}]}",
        ][..],
    );
    let event = (valid(), damage).prop_map(|(text, damage)| {
        let mut bytes = text.into_bytes();
        let Some((seed, byte)) = damage else { return bytes };
        let mut dice = Dice::new(seed | 1);
        let at = dice.roll(bytes.len() as u64) as usize;
        match dice.roll(3) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, byte),
            _ => bytes[at] = byte,
        }
        bytes
    });
    prop_oneof![19 => event, 1 => noise.prop_map(|text| text.as_bytes().to_vec())].prop_map(Event)
}

/// Changes one or two values somewhere in the event.
fn change(event: &mut Value, dice: &mut Dice) {
    for _ in 0..=dice.roll(2) {
        let mut value = &mut *event;
        // Follow a random path that ends early or at a leaf.
        loop {
            let size = match value {
                Value::Object(members) => members.len() as u64,
                Value::Array(items) => items.len() as u64,
                _ => 0,
            };
            if size == 0 || dice.roll(8) == 0 {
                break;
            }
            let at = dice.roll(size) as usize;
            value = match value {
                Value::Object(members) => members.values_mut().nth(at).expect("below the size"),
                Value::Array(items) => &mut items[at],
                _ => break,
            };
        }
        let old = value.take();
        *value = match dice.roll(10) {
            0 | 1 => Value::Null,
            2 => json!([]),
            3 => json!([old, "alice", null]),
            4 => json!([[old], "other"]),
            5 => json!({ "name": old }),
            6 => json!(443),
            7 => json!(true),
            8 => json!("-"),
            _ => json!("CreateStack"),
        };
    }
}

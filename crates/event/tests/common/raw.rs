//! Raw CloudTrail events of made-up callers, and checks of their fields. Account 111122223333, user
//! alice (AIDAALICE) where no other is named.

use firstseen_event::{EventReader, FieldRequest, ReadOutcome, Scratch, document};
use firstseen_value::Value;
use serde_json::{Value as Json, json};

/// The ARN of alice.
pub(crate) const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

/// The identity of alice.
pub(crate) fn alice() -> Json {
    json!({
        "type": "IAMUser", "userName": "alice", "principalId": "AIDAALICE", "arn": ALICE,
        "accountId": "111122223333",
    })
}

/// An event of alice, or of the identity that is given.
pub(crate) fn event(source: &str, name: &str, more: Json) -> Json {
    let mut event = json!({
        "eventVersion": "1.11", "eventTime": "2025-03-06T10:12:00Z",
        "eventSource": format!("{source}.amazonaws.com"), "eventName": name,
        "recipientAccountId": "111122223333", "userIdentity": alice(),
    });
    let (Json::Object(members), Json::Object(more)) = (&mut event, more) else { panic!() };
    members.extend(more);
    event
}

/// A session of a role.
pub(crate) fn session(name: &str, issuer: &str) -> Json {
    let role = issuer.rsplit('/').next().expect("a name");
    json!({
        "type": "AssumedRole", "principalId": format!("AROAX:{name}"),
        "arn": format!("arn:aws:sts::111122223333:assumed-role/{role}/{name}"),
        "accountId": "111122223333",
        "sessionContext": {"sessionIssuer": {
            "type": "Role", "principalId": "AROAX", "arn": issuer, "userName": role,
            "accountId": "111122223333",
        }},
    })
}

/// All values of a field, as JSON.
pub(crate) fn values_of(text: &str, name: &str) -> Vec<Json> {
    let reader = EventReader::new(vec![FieldRequest::Values(name.into())]);
    let mut scratch = Scratch::default();
    let Ok(ReadOutcome::Event(fields)) = reader.read(text, &mut scratch) else { panic!("{text}") };
    let json = |value| match value {
        Value::Bool(value) => json!(value),
        Value::Number(text) => serde_json::from_str(text).expect("a number"),
        Value::Text(text) => json!(text),
    };
    fields.values(0).map(json).collect()
}

/// Checks a field of an event: its values are these, and the alert's document has the same.
pub(crate) fn check(event: &Json, name: &str, expected: &Json) {
    let expected = match expected {
        Json::Array(values) => values.clone(),
        Json::Null => vec![],
        value => vec![value.clone()],
    };
    assert_eq!(values_of(&event.to_string(), name), expected, "{name} of {event}");
    let mut text = String::new();
    let whole = document(&event.to_string()).expect("readable");
    firstseen_event::json::write_object(&whole, &mut text);
    let whole: Json = serde_json::from_str(&text).expect("what is written is JSON");
    let is_of_an_object = name.contains(".flattened.") || name.contains(".resources.");
    if !is_of_an_object && !name.ends_with(".text") {
        let found = whole.pointer(&format!("/{}", name.replace('.', "/")));
        let found = match found {
            None => vec![],
            Some(Json::Array(values)) => values.clone(),
            Some(value) => vec![value.clone()],
        };
        assert_eq!(found, expected, "{name} in the document of {event}");
    }
}

/// Checks several fields.
pub(crate) fn check_all(event: &Json, fields: &[(&str, Json)]) {
    for (name, expected) in fields {
        check(event, name, expected);
    }
}

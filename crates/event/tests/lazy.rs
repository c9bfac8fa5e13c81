//! Lazy reading agrees with serde_json and a naive reading of the whole document.

mod common;

use common::{JsonTree, as_value, leaves, narrowed, object, tag, tagged, tree, write};
use firstseen_event::json::{Json, Object, write_object};
use firstseen_event::{
    EventFields, EventReader, FieldRequest, ReadOutcome, Scratch, TOLD, Trust, document,
    written_document,
};
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Runs `check` on the fields of an event.
fn with_fields<T>(asks: &[&str], text: &str, check: impl FnOnce(&EventFields<'_>) -> T) -> T {
    let reader =
        EventReader::new(asks.iter().map(|ask| FieldRequest::Values((*ask).into())).collect());
    let mut scratch = Scratch::default();
    match reader.read(text, &mut scratch) {
        Ok(ReadOutcome::Event(fields)) => check(&fields),
        other => panic!("{other:?} for {text}"),
    }
}

fn values(fields: &EventFields<'_>, ask: usize) -> Vec<String> {
    let mut values: Vec<String> = fields.values(ask).map(tag).collect();
    values.sort();
    values
}

const ECS_KEYS: &[&str] = &[
    "event",
    "original",
    "action",
    "event.action",
    "aws",
    "cloudtrail",
    "aws.cloudtrail",
    "user_identity",
    "cloudtrail.user_identity",
    "arn",
    "user_identity.arn",
    "0",
    "x/y",
    "tags",
    "é",
    "other",
];
const ECS_ASKS: &[&str] = &[
    "event.action",
    "aws.cloudtrail.user_identity.arn",
    "aws.cloudtrail.tags",
    "tags",
    "tags.0.x/y",
    "event.é",
    "arn",
    "event.action.arn",
];
const TEXTS: &[&str] =
    &["", "-", "none", "CreateStack", "a/b", "\"q\"", "\\", "ü€😀", "x", "10.0.0.1"];

/// An ECS document: the mark of one, and anything.
fn ecs_document() -> impl Strategy<Value = String> {
    let members = object(ECS_KEYS, tree(ECS_KEYS, TEXTS));
    (members, any::<u64>()).prop_map(|(mut document, style)| {
        if let JsonTree::Object(members) = &mut document {
            let time = ("@timestamp".to_owned(), JsonTree::Plain("1700000000000"));
            members.insert(style as usize % (members.len() + 1), time);
        }
        write(&document, style)
    })
}

const RAW_KEYS: &[&str] = &[
    "userIdentity",
    "type",
    "principalId",
    "arn",
    "accountId",
    "userName",
    "sessionContext",
    "sessionIssuer",
    "attributes",
    "mfaAuthenticated",
    "onBehalfOf",
    "userId",
    "requestParameters",
    "responseElements",
    "ConsoleLogin",
    "additionalEventData",
    "UserName",
    "stackName",
    "tags",
    "errorCode",
    "errorMessage",
    "sourceIPAddress",
    "recipientAccountId",
    "resources",
    "ARN",
    "readOnly",
    "tlsDetails",
    "tlsVersion",
    "awsRegion",
    "eventID",
];
const RAW_TEXTS: &[&str] = &[
    "",
    "-",
    "none",
    "AssumedRole",
    "FederatedUser",
    "IdentityCenterUser",
    "Root",
    "IAMUser",
    "alice",
    "AROA:session",
    "10.0.0.1",
    "::1",
    "AWS Internal",
    "TLSv1.3",
    "Failure",
    "Success",
    "x\"y",
];

/// A raw event: known objects with known keys, so that paths are met, and anything.
fn raw_event() -> impl Strategy<Value = String> {
    let shallow = object(RAW_KEYS, common::scalar(RAW_TEXTS)).boxed();
    let middle = object(RAW_KEYS, prop_oneof![shallow, common::scalar(RAW_TEXTS)]).boxed();
    let values = prop_oneof![middle, tree(RAW_KEYS, RAW_TEXTS)];
    let name = prop::sample::select(&["ConsoleLogin", "UserAuthentication", "CreateStack"][..]);
    (prop::collection::vec((prop::sample::select(RAW_KEYS), values), 0..10), name, any::<u64>())
        .prop_map(|(members, name, style)| {
            let members = members.into_iter().map(|(key, value)| (key.to_owned(), value));
            let mut members: Vec<_> = members.collect();
            for (key, text) in [
                ("eventName", name),
                ("eventSource", "cloudformation.amazonaws.com"),
                ("eventTime", "2024-05-01T10:00:00Z"),
            ] {
                let place = style as usize % (members.len() + 1);
                members.insert(place, (key.to_owned(), JsonTree::Text(text.to_owned())));
            }
            write(&JsonTree::Object(members), style)
        })
}

/// The naive reading of a raw event: everything blank taken out, then one row after the other.
struct NaiveReading(Vec<(String, Value)>);

impl NaiveReading {
    fn new(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).expect("valid");
        // Callers may have the names "-" and "none".
        let names = [
            "userIdentity.userName",
            "userIdentity.principalId",
            "userIdentity.sessionContext.sessionIssuer.userName",
            "additionalEventData.UserName",
        ];
        let is_blank = |path: &str, value: &Value| match value.as_str() {
            Some("") => true,
            Some("-" | "none") => !names.contains(&path),
            _ => false,
        };
        Self(leaves(&value).into_iter().filter(|(path, value)| !is_blank(path, value)).collect())
    }

    fn all(&self, path: &str) -> Vec<&Value> {
        self.0.iter().filter(|(name, _)| name == path).map(|(_, value)| value).collect()
    }

    /// The only value of a path, as text.
    fn one(&self, path: &str) -> Option<String> {
        let value = *self.all(path).first()?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// Whether each path has one value at most: the order among several is another matter.
    fn is_plain(&self, paths: &[&str]) -> bool {
        paths.iter().all(|path| self.all(path).len() <= 1)
    }

    fn outcome(&self) -> String {
        let failed = self.one("errorCode").or_else(|| self.one("errorMessage")).is_some();
        let login = self.one("responseElements.ConsoleLogin").map(|text| text.to_lowercase());
        let login = login.filter(|_| self.one("eventName").as_deref() == Some("ConsoleLogin"));
        login.unwrap_or_else(|| if failed { "failure" } else { "success" }.to_owned())
    }

    fn user_name(&self) -> Option<String> {
        let issuer = "userIdentity.sessionContext.sessionIssuer.userName";
        let signs_in = self.one("eventName").as_deref() == Some("UserAuthentication");
        let by_type = match self.one("userIdentity.type").unwrap_or_default().as_str() {
            "AssumedRole" | "FederatedUser" => self.one(issuer),
            _ => None,
        };
        let signed_in = || signs_in.then(|| self.one("additionalEventData.UserName")).flatten();
        by_type.or_else(|| self.one("userIdentity.userName")).or_else(signed_in)
    }

    fn user_id(&self) -> Option<String> {
        let center = self.one("userIdentity.type").as_deref() == Some("IdentityCenterUser");
        let other = || center.then(|| self.one("userIdentity.onBehalfOf.userId")).flatten();
        self.one("userIdentity.principalId").or_else(other)
    }
}

const RAW_ASKS: &[&str] = &[
    "event.outcome",
    "user.name",
    "user.id",
    "cloud.account.id",
    "source.ip",
    "source.address",
    "cloud.region",
    "aws.cloudtrail.user_identity.type",
    "aws.cloudtrail.resources.arn",
    "aws.cloudtrail.read_only",
    "aws.cloudtrail.flattened.request_parameters.stackName",
    "aws.cloudtrail.flattened.response_elements.tags",
    "event.id",
    "event.action",
    "aws.cloudtrail.user_identity.session_context.mfa_authenticated",
];
const RAW_PATHS: &[&str] = &[
    "errorCode",
    "errorMessage",
    "responseElements.ConsoleLogin",
    "userIdentity.type",
    "userIdentity.userName",
    "userIdentity.principalId",
    "userIdentity.onBehalfOf.userId",
    "userIdentity.sessionContext.sessionIssuer.userName",
    "additionalEventData.UserName",
    "userIdentity.accountId",
    "recipientAccountId",
    "sourceIPAddress",
];

fn naive_raw(naive: &NaiveReading, ask: &str) -> Vec<String> {
    let text = |text: Option<String>| {
        text.map(|text| Value::String(text).to_string()).into_iter().collect::<Vec<_>>()
    };
    let copied = |path: &str| tagged(naive.all(path).into_iter());
    match ask {
        "event.outcome" => text(Some(naive.outcome())),
        "user.name" => text(naive.user_name()),
        "user.id" => text(naive.user_id()),
        "cloud.account.id" => {
            let own = copied("userIdentity.accountId");
            if own.is_empty() { copied("recipientAccountId") } else { own }
        }
        "source.ip" => text(naive.one("sourceIPAddress").filter(|ip| ip.parse::<IpAddr>().is_ok())),
        "source.address" => copied("sourceIPAddress"),
        "cloud.region" => copied("awsRegion"),
        "event.id" => copied("eventID"),
        "event.action" => copied("eventName"),
        "aws.cloudtrail.user_identity.type" => copied("userIdentity.type"),
        "aws.cloudtrail.resources.arn" => {
            let mut arns: Vec<String> = naive
                .all("resources.ARN")
                .iter()
                .map(|arn| arn.as_str().map_or_else(|| arn.to_string(), str::to_owned))
                .map(|arn| Value::String(arn).to_string())
                .collect();
            arns.sort();
            arns.dedup();
            arns
        }
        "aws.cloudtrail.read_only" => copied("readOnly"),
        "aws.cloudtrail.user_identity.session_context.mfa_authenticated" => {
            copied("userIdentity.sessionContext.attributes.mfaAuthenticated")
        }
        flattened => {
            let path = flattened.replace("aws.cloudtrail.flattened.", "");
            let path = path.replace("request_parameters", "requestParameters");
            copied(&path.replace("response_elements", "responseElements"))
        }
    }
}

/// The document as [`firstseen_event::written_document`] writes it, and what it says of its parts.
fn assert_written(text: &str, is_raw: bool) -> Result<(), TestCaseError> {
    let whole = document(text).expect("readable");
    let written = written_document(text, Trust::DEFAULT, &mut Scratch::default());
    let written = written.expect("readable");
    let end = written.members().last().map_or(0, |member| member.value.end);
    let found = String::from_utf8(written.text()[..end].to_vec()).expect("UTF-8");
    let mut expected = String::new();
    write_object(&whole, &mut expected);
    prop_assert_eq!(format!("{{{found}}}"), expected, "of {}", text);
    let names = written.members().iter().map(|member| &*member.name);
    prop_assert!(names.eq(whole.keys().map(String::as_str)));
    let text_of = |value: &Json| {
        let mut text = String::new();
        value.write(&mut text);
        text
    };
    for member in written.members() {
        let value = &written.text()[member.value.clone()];
        prop_assert_eq!(written.member(&member.name), Some(value));
        let expected = text_of(&whole[&*member.name]);
        prop_assert_eq!(value, expected.as_bytes());
        prop_assert_eq!(written.text()[member.start], b'"');
    }
    if let Some(Json::Object(event)) = whole.get("event") {
        let names = written.in_event().iter().map(|member| &*member.name);
        prop_assert!(names.eq(event.keys().map(String::as_str)));
        for member in written.in_event() {
            let value = &written.text()[member.value.clone()];
            let expected = text_of(&event[&*member.name]);
            prop_assert_eq!(value, expected.as_bytes());
        }
    }
    // The first value at each path that is asked for, as a text or a number; of a tree at any path.
    let paths = leaves(&as_value(&whole)).into_iter().map(|(path, _)| path);
    let told = TOLD.iter().map(|path| (*path).to_owned());
    for path in paths.filter(|_| !is_raw).chain(told) {
        let mut value = Some(as_value(&whole));
        for key in path.split('.') {
            value = value.and_then(|value| value.as_object()?.get(key).cloned());
        }
        let first = match value {
            Some(Value::Array(items)) => items.first().cloned(),
            other => other,
        };
        let expected = match first {
            Some(Value::String(text)) if !text.is_empty() => {
                let quoted = Value::String(text).to_string();
                Some(quoted[1..quoted.len() - 1].to_owned())
            }
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let found = written.first(&path).map(|text| String::from_utf8_lossy(text).into_owned());
        if expected.as_ref().is_none_or(|text| !text.contains(['.', 'e'])) {
            prop_assert_eq!(found, expected, "{} of {}", path, text);
        }
    }
    Ok(())
}

/// The values of a field in a nested document.
fn in_document(document: &Object, field: &str) -> Vec<String> {
    let all = leaves(&as_value(document));
    tagged(all.iter().filter(|(name, _)| name == field).map(|(_, value)| value))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 800,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn ecs_documents(text in ecs_document()) {
        let value: Value = serde_json::from_str(&text).expect("valid");
        let naive = leaves(&value);
        assert_written(&text, false)?;
        let whole = document(&text).expect("readable");
        with_fields(ECS_ASKS, &text, |fields| {
            prop_assert!(!fields.is_raw());
            for (ask, name) in ECS_ASKS.iter().enumerate() {
                let found = naive.iter().filter(|(path, _)| path == name).map(|(_, value)| value);
                let expected = tagged(found);
                prop_assert_eq!(values(fields, ask), &expected[..], "{} in {}", name, text);
                prop_assert_eq!(fields.has(ask), !expected.is_empty());
                prop_assert_eq!(in_document(&whole, name), expected, "{} of {}", name, text);
            }
            Ok(())
        })?;
    }

    #[test]
    fn raw_events(text in raw_event()) {
        let naive = NaiveReading::new(&text);
        assert_written(&text, true)?;
        let whole = document(&text).expect("readable");
        with_fields(RAW_ASKS, &text, |fields| {
            prop_assert!(fields.is_raw());
            for (ask, name) in RAW_ASKS.iter().enumerate() {
                let lazy = values(fields, ask);
                if naive.is_plain(RAW_PATHS) {
                    prop_assert_eq!(&lazy, &naive_raw(&naive, name), "{} in {}", name, text);
                }
                // A document keeps each resource together, and its values as they are.
                if *name == "aws.cloudtrail.resources.arn" {
                    continue;
                }
                // Of a list under a flattened path the document keeps what the event has.
                prop_assert_eq!(in_document(&whole, name), lazy, "{} of {}", name, text);
            }
            Ok(())
        })?;
    }

    #[test]
    fn patterns_over_names_find_what_the_names_find(text in ecs_document()) {
        let reader = EventReader::new(vec![FieldRequest::Matching("*.a*".into())]);
        let mut scratch = Scratch::default();
        let Ok(ReadOutcome::Event(fields)) = reader.read(&text, &mut scratch) else { panic!() };
        // A pattern sees both of two equal keys; the naive reading only the last.
        let naive = leaves(&serde_json::from_str(&text).expect("valid"));
        let expected = naive.iter().filter(|(name, _)| name.contains(".a"));
        let found = values(&fields, 0);
        for value in tagged(expected.map(|(_, value)| value)) {
            prop_assert!(found.contains(&value), "{} in {}", value, text);
        }
    }

    #[test]
    fn objects_are_the_texts_of_the_objects(text in ecs_document()) {
        let reader = EventReader::new(vec![FieldRequest::Objects("event".into()), FieldRequest::Values("event.action".into())]);
        let mut scratch = Scratch::default();
        let Ok(ReadOutcome::Event(fields)) = reader.read(&text, &mut scratch) else { panic!() };
        let value: Value = serde_json::from_str(&text).expect("valid");
        fn objects(value: Option<&Value>, found: &mut Vec<Value>) {
            match value {
                Some(Value::Array(items)) => items.iter().for_each(|item| objects(Some(item), found)),
                Some(object @ Value::Object(_)) => found.push(object.clone()),
                _ => {}
            }
        }
        let mut expected = Vec::new();
        objects(value.get("event"), &mut expected);
        let parsed: Vec<Value> =
            fields.objects(0).map(|text| serde_json::from_str(text).expect("valid")).collect();
        prop_assert_eq!(parsed, expected);
    }

    #[test]
    fn validity_agrees_with_serde_json_but_for_what_is_read_on_purpose(
        text in prop_oneof![ecs_document(), raw_event()],
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..3),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        const ODD: &[u8] = b"{}[]\",:\\u0e.-+ tfn\n\x01/dD8";
        let mut bytes = text.into_bytes();
        for (place, byte, how) in edits {
            let at = place.index(bytes.len());
            let byte = ODD[byte as usize % ODD.len()];
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
            if bytes.is_empty() {
                bytes.push(byte);
            }
        }
        if let Some(cut) = cut {
            let at = cut.index(bytes.len());
            bytes.truncate(at);
        }
        let text = String::from_utf8_lossy(&bytes);
        let reader = EventReader::new(ECS_ASKS.iter().map(|ask| FieldRequest::Values((*ask).into())).collect());
        let mut scratch = Scratch::default();
        let serde = serde_json::from_str::<Map<String, Value>>(&narrowed(&text));
        let ours = reader.read(&text, &mut scratch);
        prop_assert_eq!(
            ours.is_ok(),
            serde.is_ok(),
            "{:?} {:?} {}",
            ours.as_ref().err(),
            serde.as_ref().err(),
            text
        );
        if let Err(error) = ours {
            prop_assert!(error.at <= text.len());
        }
    }

    #[test]
    fn it_never_panics(text in "[{}\\[\\]\",:\\\\u0-9a-f.eE+ -]{0,60}") {
        let reader = EventReader::new(vec![FieldRequest::Values("a".into()), FieldRequest::Matching("*".into())]);
        let mut scratch = Scratch::default();
        for text in [text.clone(), format!("{{\"a\":{text}}}"), format!("{{\"eventName\":1,\"eventSource\":{text}}}")] {
            let serde = serde_json::from_str::<Map<String, Value>>(&narrowed(&text));
            match reader.read(&text, &mut scratch) {
                Ok(ReadOutcome::Event(fields)) => {
                    let _ = (fields.values(0).count(), fields.values(1).count(), fields.time_ms());
                    prop_assert!(serde.is_ok(), "{}", text);
                }
                Ok(_) => {}
                Err(_) => prop_assert!(serde.is_err(), "{}", text),
            }
            // Any other object is JSON, and no event.
            let is_json = document(&text).map_or_else(|error| error.code == "not_one_event", |_| true);
            prop_assert_eq!(is_json, serde.is_ok());
        }
    }
}

#[test]
fn the_last_of_equal_keys_counts() {
    for (text, expected) in [
        (r#"{"event":{"action":"a","action":"b"}}"#, &["b"][..]),
        (r#"{"event":{"action":"a"},"event":{"action":"b"}}"#, &["b"]),
        (r#"{"event":{"action":"a"},"event":{}}"#, &[]),
        (r#"{"event":{"action":"a"},"event":1}"#, &[]),
        (r#"{"event":{"action":"a"},"\u0065vent":{"action":"b"}}"#, &["b"]),
        (r#"{"event":{"action":"a"},"event.action":"b"}"#, &["a", "b"]),
        (
            r#"{"event.action":"a","event":{"x":1,"action":["b","c"]},"event.action":"d"}"#,
            &["b", "c", "d"],
        ),
        (r#"{"event":[{"action":"a"},{"action":"b","action":"c"}]}"#, &["a", "c"]),
    ] {
        let text = text.replacen('{', "{\"@timestamp\":1,", 1);
        with_fields(&["event.action"], &text, |fields| {
            let found: Vec<String> =
                fields.values(0).map(|value| value.into_text().into_owned()).collect();
            assert_eq!(found, expected, "{text}");
        });
    }
}

#[test]
fn the_caseless_twin_is_lower_case() {
    let text = r#"{"@timestamp":1,"process":{"name":["CMD.exe","É"],"pid":7}}"#;
    with_fields(
        &["process.name.caseless", "process.pid.caseless", "process.name"],
        text,
        |fields| {
            assert_eq!(values(fields, 0), ["\"cmd.exe\"", "\"é\""]);
            assert_eq!(values(fields, 1), ["7"]);
            assert_eq!(values(fields, 2), ["\"CMD.exe\"", "\"É\""]);
        },
    );
}

//! Any text as an event: the reader takes what serde_json takes and agrees with it on its content,
//! every event that can be read becomes a document, and nothing panics.
#![no_main]

use firstseen_event::json::Json;
use firstseen_event::{
    EventFields, EventReader, FieldRequest, Prefilter, ReadOutcome, Scratch, document,
};
use firstseen_value::Value;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// Fields of ECS documents, compared with a naive reader.
const PLAIN: &[&str] =
    &["a", "a.b", "event.action", "event.id", "message", "user.name", "@timestamp", "tags"];

/// Fields computed from raw events; they are only requested.
const OTHERS: &[&str] = &[
    "event.action.caseless",
    "event.outcome",
    "event.dataset",
    "event.type",
    "event.original",
    "cloud.account.id",
    "user.id",
    "related.user",
    "source.ip",
    "tls.version",
    "tls.version_protocol",
    "aws.cloudtrail.request_parameters",
    "aws.cloudtrail.flattened.request_parameters.a",
    "aws.cloudtrail.user_identity.session_context.session_issuer.arn",
    "aws.cloudtrail.resources.arn",
];

static READER: LazyLock<EventReader> = LazyLock::new(|| {
    let named = PLAIN.iter().chain(OTHERS).map(|name| FieldRequest::Values((*name).into()));
    let objects = ["a", "aws.cloudtrail.flattened.request_parameters.tags"];
    let objects = objects.into_iter().map(|path| FieldRequest::Objects(path.into()));
    let patterns =
        ["a*", "*.b", "aws.*.arn", "*"].into_iter().map(|p| FieldRequest::Matching(p.into()));
    EventReader::new(named.chain(objects).chain(patterns).collect())
});

/// The number of requested fields.
const ASKS: usize = PLAIN.len() + OTHERS.len() + 6;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let filter = Prefilter::new(&[vec![vec!["CreateStack".to_owned()]]]);
    let mut from = 0;
    while let Some(line) = filter.next(bytes, from) {
        assert!(from <= line.start && line.end <= bytes.len());
        from = line.end + 1;
    }
    let mut scratch = Scratch::default();
    let read = READER.read(text, &mut scratch);

    let value = serde_json::from_str::<serde_json::Value>(text);
    match &read {
        // More than serde_json takes: halves of surrogate pairs, numbers larger than a double. As a
        // tree that is written again it is JSON to anyone.
        Ok(_) => assert!(
            value.is_ok() || again(text).is_some_and(|text| is_json(&text)),
            "taken: {text}"
        ),
        Err(fault) => {
            assert!(fault.at <= text.len() && !fault.reason.is_empty());
            let object = value.as_ref().is_ok_and(serde_json::Value::is_object);
            assert!(!object || fault.code == "too_deep", "refused: {fault} {text}");
        }
    }
    match read {
        Ok(ReadOutcome::Event(fields)) => {
            look_at(&fields);
            let made = document(text).unwrap_or_else(|fault| panic!("{fault}: {text}"));
            let mut text = String::new();
            firstseen_event::json::write_object(&made, &mut text);
            assert!(is_json(&text), "{text}");
            if !fields.is_raw() && value.is_ok() {
                compare(&fields, &serde_json::from_str(fields.text()).expect("part of JSON"));
            }
        }
        // The content of a string is its own text: it may be anything but not longer.
        Ok(ReadOutcome::Inner(inner, _)) => {
            assert!(inner.len() < text.len());
            let _ = (READER.read(&inner, &mut Scratch::default()), document(text));
        }
        Ok(ReadOutcome::SeveralInner(inner)) => {
            assert!(inner.len() < text.len());
            assert_eq!(document(text).map_err(|fault| fault.code), Err("not_one_event"));
        }
        Ok(ReadOutcome::NoEvent(_) | ReadOutcome::SeveralEvents(_)) => {
            assert_eq!(document(text).map_err(|fault| fault.code), Err("not_one_event"));
        }
        Err(fault) => assert_eq!(document(text), Err(fault)),
    }
});

/// Requests everything.
fn look_at(fields: &EventFields<'_>) {
    for ask in 0..ASKS {
        assert_eq!(fields.has(ask), fields.values(ask).next().is_some());
        let values = fields.values(ask).map(|value| value.into_text().len()).sum::<usize>();
        let objects = fields.objects(ask).inspect(|text| assert!(text.starts_with('{'))).count();
        assert!(values == 0 || objects == 0, "an ask is for one of both");
    }
    let _ = (fields.time_ms(), fields.id(), fields.dataset());
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok()
}

/// The text as the crate's own tree, written again.
fn again(text: &str) -> Option<String> {
    let mut out = String::new();
    Json::read(text).ok()?.write(&mut out);
    Some(out)
}

/// Compares the plain fields and the patterns with the naive reading of the document.
fn compare(fields: &EventFields<'_>, document: &serde_json::Value) {
    let mut leaves = Vec::new();
    collect(document, None, &mut leaves);
    for (ask, name) in PLAIN.iter().enumerate() {
        let expected = sorted(leaves.iter().filter(|(path, _)| path == name).map(|(_, v)| v));
        assert_eq!(found(fields, ask), expected, "{name} in {document}");
    }
    // A pattern sees both values of a duplicate key, the naive reader only the last.
    let mut seen = found(fields, PLAIN.len() + OTHERS.len() + 2);
    // Names of more than 1,024 bytes match no pattern.
    let fits = |path: &str| path.starts_with('a') && path.len() <= 1024;
    for value in sorted(leaves.iter().filter(|(path, _)| fits(path)).map(|(_, v)| v)) {
        let place = seen.iter().position(|seen| *seen == value);
        seen.swap_remove(place.unwrap_or_else(|| panic!("no {value} in a* of {document}")));
    }
}

fn collect(
    value: &serde_json::Value,
    path: Option<&str>,
    leaves: &mut Vec<(String, serde_json::Value)>,
) {
    match value {
        serde_json::Value::Null => {}
        serde_json::Value::Array(items) => {
            items.iter().for_each(|item| collect(item, path, leaves));
        }
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                let below = path.map_or_else(|| key.clone(), |path| format!("{path}.{key}"));
                collect(value, Some(&below), leaves);
            }
        }
        scalar => leaves.push((path.unwrap_or_default().to_owned(), scalar.clone())),
    }
}

fn sorted<'v>(values: impl Iterator<Item = &'v serde_json::Value>) -> Vec<String> {
    let mut texts: Vec<String> = values.map(serde_json::Value::to_string).collect();
    texts.sort();
    texts
}

fn found(fields: &EventFields<'_>, ask: usize) -> Vec<String> {
    let values: Vec<serde_json::Value> = fields
        .values(ask)
        .map(|value| match value {
            Value::Bool(value) => value.into(),
            Value::Number(text) => serde_json::from_str(text).expect("the document was read"),
            Value::Text(text) => text.into_owned().into(),
        })
        .collect();
    sorted(values.iter())
}

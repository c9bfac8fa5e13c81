//! The repository's fixtures, whose expectations were worked out without this crate: the fields of
//! every identity type, and the same events in every single-line form.

use firstseen_event::{EventReader, FieldRequest, ReadOutcome, Scratch};
use firstseen_value::Value;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn fields_of_every_identity() {
    let events = include_str!("../../../tests/fixtures/identities.ndjson");
    let expected = include_str!("../../../tests/fixtures/identities.expected.json");
    let expected: Json = serde_json::from_str(expected).expect("valid");
    let cases = expected.as_object().expect("an object by event id");
    let names: BTreeSet<&str> = cases
        .values()
        .flat_map(|case| {
            let present = case["fields"].as_object().expect("fields").keys().map(String::as_str);
            present.chain(case["absent"].as_array().expect("names").iter().filter_map(Json::as_str))
        })
        .collect();
    let names: Vec<&str> = names.into_iter().collect();
    let reader =
        EventReader::new(names.iter().map(|name| FieldRequest::Values((*name).into())).collect());
    let mut scratch = Scratch::default();
    let mut seen = 0;
    for line in events.lines() {
        let Ok(ReadOutcome::Event(fields)) = reader.read(line, &mut scratch) else {
            panic!("{line}")
        };
        let case = &cases[&*fields.id().expect("an id")];
        for (ask, name) in names.iter().enumerate() {
            let found: Vec<String> =
                fields.values(ask).map(|value| value.into_text().into_owned()).collect();
            if let Some(value) = case["fields"].get(name) {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                assert_eq!(found, [value], "{name} of {}", case["case"]);
            } else if case["absent"].as_array().expect("names").iter().any(|absent| absent == name)
            {
                assert!(found.is_empty(), "{name} of {}: {found:?}", case["case"]);
            }
        }
        seen += 1;
    }
    assert_eq!(seen, cases.len());
}

/// What a rule would see of each event of a file: by its id, the time and a few fields.
fn sights(lines: &str) -> BTreeMap<String, (i64, Vec<Vec<String>>)> {
    let asks = [
        "event.dataset",
        "event.provider",
        "event.action",
        "event.outcome",
        "cloud.account.id",
        "user.name",
        "source.ip",
        "aws.cloudtrail.user_identity.type",
    ];
    let reader =
        EventReader::new(asks.iter().map(|ask| FieldRequest::Values((*ask).into())).collect());
    let mut sights = BTreeMap::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let mut text = line.to_owned();
        loop {
            let mut scratch = Scratch::default();
            let fields = match reader.read(&text, &mut scratch) {
                Ok(ReadOutcome::Event(fields)) => fields,
                Ok(ReadOutcome::Inner(inner, _)) => {
                    text = inner;
                    continue;
                }
                other => panic!("{other:?} for {line}"),
            };
            let texts = |ask| fields.values(ask).map(Value::into_text).map(String::from).collect();
            let id = fields.id().expect("an id").into_owned();
            let time = fields.time_ms().expect("a time");
            sights.insert(id, (time, (0..asks.len()).map(texts).collect()));
            break;
        }
    }
    sights
}

#[test]
fn every_form_is_the_same_event() {
    let plain = sights(include_str!("../../../tests/fixtures/envelopes/lines.ndjson"));
    assert_eq!(plain.len(), 12);
    for (name, lines) in [
        ("escaped", include_str!("../../../tests/fixtures/envelopes/lines-escaped.ndjson")),
        ("flat", include_str!("../../../tests/fixtures/envelopes/ecs-flat.ndjson")),
        ("mixed", include_str!("../../../tests/fixtures/envelopes/ecs-mixed.ndjson")),
        ("nested", include_str!("../../../tests/fixtures/envelopes/ecs-nested.ndjson")),
        ("in message", include_str!("../../../tests/fixtures/envelopes/ecs-message.ndjson")),
        ("EventBridge", include_str!("../../../tests/fixtures/envelopes/eventbridge.ndjson")),
    ] {
        assert_eq!(sights(lines), plain, "{name}");
    }
}

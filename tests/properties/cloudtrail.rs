//! The fields of raw CloudTrail agree with a second, plain implementation: over random events of all
//! types of identity and of all calls that the tables know, over the samples and the fixtures. And
//! rules decide on a raw event as on the ECS document that the second implementation makes of it.
//!
//! In: events. Out: nothing, or the first events with a field that differs.

use firstseen_abi::{ItemKind, Keys};
use firstseen_event::{EventReader, FieldRequest, ReadOutcome, Scratch, Trust};
use firstseen_rule::engine::Framing;
use firstseen_rule::{Engine, Settings};
use firstseen_tests::cloudtrail_events::event;
use firstseen_tests::cloudtrail_model::{ModelFields, PlaceholderNames, ecs, field_names};
use firstseen_tests::json::Dice;
use firstseen_tests::rules::plan;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The fields of an event by ECS name, as a rule reads them.
fn product(text: &str, names: &BTreeSet<String>) -> BTreeMap<String, Vec<String>> {
    let requests = names.iter().map(|name| FieldRequest::Values(name.clone())).collect();
    let reader = EventReader::new(requests);
    let mut scratch = Scratch::default();
    let fields = match reader.read(text, &mut scratch) {
        Ok(ReadOutcome::Event(fields)) => fields,
        other => panic!("{other:?}: {text}"),
    };
    assert!(fields.is_raw(), "{text}");
    let values = |at| fields.values(at).map(|value| value.into_text().into_owned()).collect();
    let all = names.iter().enumerate().map(|(at, name)| (name.clone(), values(at)));
    all.filter(|(_, values): &(String, Vec<String>)| !values.is_empty()).collect()
}

/// The names of a document's leaves.
fn leaves(value: &Value, path: &str, to: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(value, &format!("{path}{dot}{name}"), to);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| leaves(item, path, to)),
        _ => {
            to.insert(path.to_owned());
        }
    }
}

fn document(text: &str) -> Value {
    let document =
        firstseen_event::document(text).unwrap_or_else(|fault| panic!("{fault}: {text}"));
    let mut out = String::new();
    firstseen_event::json::write_object(&document, &mut out);
    // An alert's document is written without a tree.
    let written = firstseen_event::written_document(text, Trust::DEFAULT, &mut Scratch::default());
    let written = written.unwrap_or_else(|fault| panic!("{fault}: {text}"));
    let end = written.members().last().map_or(0, |member| member.value.end);
    let members = String::from_utf8_lossy(&written.text()[..end]);
    assert_eq!(format!("{{{members}}}"), out, "{text}");
    serde_json::from_str(&out).expect("a document is JSON")
}

/// What an alert's document has besides the integration's fields.
const OF_ALERTS: &[&str] = &["event.original", "ecs.version"];

/// The fields that differ, each with both sides.
fn differences(text: &str) -> Vec<String> {
    let model = ecs(text, PlaceholderNames::Kept).unwrap_or_default();
    let expected = model.values();
    let mut names: BTreeSet<String> = field_names().into_iter().collect();
    names.extend(expected.keys().cloned());
    let found = product(text, &names);
    let mut out = Vec::new();
    for name in &names {
        let sides =
            [expected.get(name), found.get(name)].map(|values| values.cloned().unwrap_or_default());
        let [expected, found] = sides.map(|values| compared(name, values));
        if expected != found {
            out.push(format!("{name}: {found:?}, the model {expected:?}"));
        }
    }
    let mut in_document = BTreeSet::new();
    leaves(&document(text), "", &mut in_document);
    let known = |name: &String| expected.contains_key(name) || OF_ALERTS.contains(&name.as_str());
    out.extend(
        in_document
            .into_iter()
            .filter(|name| !known(name))
            .map(|name| format!("{name}: only in the document")),
    );
    out
}

/// Values as they are compared: times in one form, and those of a whole object and of what has many
/// sources in any order.
fn compared(name: &str, mut values: Vec<String>) -> Vec<String> {
    if name == "@timestamp" {
        return values.iter().map(|time| time.replace(['-', ':'], "")).collect();
    }
    if name.starts_with("aws.cloudtrail.flattened.") || name == "related.entity" {
        values.sort();
    }
    values
}

/// Fails with the first of the events that differ.
fn assert_same<'t>(texts: impl IntoIterator<Item = &'t String>) {
    let mut by_field: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for text in texts {
        for line in differences(text) {
            let name = line.split(": ").next().unwrap_or_default().to_owned();
            let entry = by_field.entry(name).or_insert_with(|| (0, format!("{line}\n    {text}")));
            entry.0 += 1;
        }
    }
    let lines: Vec<String> =
        by_field.into_values().map(|(count, line)| format!("{count} times {line}")).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

fn dice() -> Dice {
    let seed = env::var("FIRSTSEEN_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or(0x0f15_75ee);
    println!("FIRSTSEEN_SEED={seed}");
    Dice::new(seed)
}

#[test]
fn random_events_agree_with_the_model() {
    let mut dice = dice();
    let texts: Vec<String> = (0..1500).map(|_| event(&mut dice)).collect();
    // The events are of use: each field that all events may have is in some of them.
    let seen: BTreeSet<String> = texts
        .iter()
        .filter_map(|text| ecs(text, PlaceholderNames::Kept))
        .flat_map(|model| model.values().into_keys())
        .collect();
    let unseen: Vec<String> =
        field_names().into_iter().filter(|name| !seen.contains(name)).collect();
    assert_eq!(unseen, [""; 0]);
    assert_same(&texts);
}

/// Every raw event in the project's samples and fixtures.
fn raw_events() -> Vec<String> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["samples/cloudtrail", "tests/fixtures/envelopes"] {
        walk(&project.join(folder), &mut files);
    }
    files.push(project.join("tests/fixtures/identities.ndjson"));
    files.sort();
    let mut events = Vec::new();
    for path in files {
        let mut bytes = fs::read(&path).expect("a file");
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut plain = Vec::new();
            let read = flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain);
            read.expect("gzip");
            bytes = plain;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match serde_json::from_str::<Value>(&text) {
            Ok(value) => collect(&value, &mut events),
            Err(_) => {
                let lines =
                    text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
                lines.for_each(|value| collect(&value, &mut events));
            }
        }
    }
    events
}

fn walk(folder: &Path, to: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { walk(&path, to) } else { to.push(path) }
    }
}

/// All objects in it that are raw events.
fn collect(value: &Value, to: &mut Vec<String>) {
    match value {
        Value::Object(members)
            if members.contains_key("eventVersion") && members.contains_key("eventTime") =>
        {
            to.push(value.to_string());
        }
        Value::Object(members) => members.values().for_each(|value| collect(value, to)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, to)),
        _ => {}
    }
}

#[test]
fn samples_and_fixtures_agree_with_the_model() {
    let events = raw_events();
    assert!(events.len() > 600, "{}", events.len());
    assert_same(&events);
}

/// The rules, time and terms of what an event matches.
fn matches(engine: &mut Engine, event: &str) -> Vec<(u16, i64, Vec<String>, String)> {
    let mut out = Vec::new();
    engine.keys(event.as_bytes(), Framing::One, 0, &mut out).expect("one event");
    let keys = Keys::read(&out).expect("a result");
    let item = |item: firstseen_abi::Item<'_>| {
        assert_ne!(item.kind, ItemKind::Bad, "{}: {event}", item.text);
        let mut terms: Vec<String> = item.terms().map(|term| term.values.to_owned()).collect();
        terms.sort();
        (item.rule, item.time_ms, terms, item.text.to_owned())
    };
    keys.items().map(|found| item(found.expect("a whole item"))).collect()
}

#[test]
fn rules_decide_on_raw_events_as_on_the_documents_of_the_model() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/cloudtrail");
    let mut paths = Vec::new();
    walk(&folder, &mut paths);
    paths.sort();
    let texts: Vec<String> =
        paths.iter().map(|path| fs::read_to_string(path).expect("a rule")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut engine = Engine::new(plan(&texts), Settings::default());
    let mut dice = dice();
    let random = (0..800).map(|_| event(&mut dice));
    let mut of_rules = vec![0; texts.len()];
    for raw in raw_events().into_iter().chain(random) {
        let model: ModelFields = ecs(&raw, PlaceholderNames::Kept).expect("an event");
        let document = model.document().to_string();
        let of_raw = matches(&mut engine, &raw);
        assert_eq!(of_raw, matches(&mut engine, &document), "\n{raw}\n{document}");
        of_raw
            .iter()
            .filter(|found| !found.2.is_empty())
            .for_each(|found| of_rules[usize::from(found.0)] += 1);
    }
    println!("{paths:?} {of_rules:?}");
    assert!(of_rules.iter().all(|count| *count > 0), "{paths:?} {of_rules:?}");
}

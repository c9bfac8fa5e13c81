//! Which events come out of envelopes: against a plain parser, which reads a whole document with
//! serde_json (of equal keys the last one counts) and applies docs/trust.md word by word. And: the
//! host's way (a splitter, then the reader) and a module's way (the reader alone) answer alike.
mod common;

use common::{SplitOutput, base64, gzip, split_trusting};
use firstseen_event::{EventReader, ReadOutcome, Scratch, Trust};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// What is judged in the end: the text of a raw event, or a document as it is.
#[derive(Clone, Debug, PartialEq)]
enum Judged {
    Raw(Value),
    Ecs(Value),
}

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn has<'v>(object: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    object.get(key).filter(|value| !value.is_null())
}

fn scalar<'v>(object: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    has(object, key).filter(|value| !value.is_object() && !value.is_array())
}

/// A value by its path, nested or dotted.
fn path(object: &Map<String, Value>, path: &str) -> Vec<Value> {
    let (root, leaf) = path.split_once('.').unwrap();
    let nested = object.get(root).and_then(|root| root.get(leaf)).cloned();
    let flat = object.get(path).cloned();
    nested.into_iter().chain(flat).filter(|value| !value.is_null()).collect()
}

/// A CloudTrail event by its own top-level keys.
fn is_raw(value: &Value) -> bool {
    let Value::Object(object) = value else { return false };
    let all = |keys: &[&str]| keys.iter().all(|key| scalar(object, key).is_some());
    let insight = object.get("insightDetails").is_some_and(Value::is_object);
    let marked = all(&["eventName", "eventSource"])
        || all(&["eventVersion", "eventTime", "eventName"])
        || all(&["eventVersion", "eventTime", "eventType"]) && insight;
    let of_aws = object.get("eventSource").and_then(Value::as_str);
    marked && !of_aws.is_some_and(|source| source.starts_with("aws:"))
}

/// Whether a key at the top marks a document of its own.
fn is_own_key(key: &str) -> bool {
    key == "@timestamp" || is_own_object(key)
}

fn is_own_object(key: &str) -> bool {
    matches!(key.split('.').next(), Some("event" | "data_stream"))
}

/// A raw event and nothing else.
fn is_raw_alone(value: &Value) -> bool {
    is_raw(value) && !value.as_object().unwrap().keys().any(|key| is_own_object(key))
}

/// A text of events: its raw events, where it is one of the three forms.
fn raw_events(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let Ok(value) = value else { break };
        let elements = match &value {
            Value::Array(elements) => elements.clone(),
            Value::Object(object)
                if object.len() == 1 && object.get("Records").is_some_and(Value::is_array) =>
            {
                object["Records"].as_array().unwrap().clone()
            }
            other => vec![other.clone()],
        };
        found.extend(elements.into_iter().filter(is_raw_alone));
    }
    found
}

fn is_own_dataset(name: &str) -> bool {
    name == "aws.cloudtrail" || name == "cloudtrail"
}

fn names_another(object: &Map<String, Value>, trust: &Trust) -> bool {
    ["event.dataset", "data_stream.dataset", "event.module"].iter().any(|field| {
        path(object, field).iter().any(|name| {
            let name = name.as_str().unwrap_or("?");
            !(is_own_dataset(name)
                || *field == "event.module" && name == "aws"
                || trust.names(firstseen_event::TrustKind::Dataset, name))
        })
    })
}

/// What a document that is no envelope of several is judged as.
fn judged(document: &Value, trust: &Trust, foreign: bool) -> Vec<Judged> {
    let Value::Object(object) = document else { return Vec::new() };
    let parsed =
        !path(object, "event.action").is_empty() || !path(object, "event.provider").is_empty();
    let ecs = parsed
        || scalar(object, "@timestamp").is_some()
        || ["event.id", "event.dataset", "event.kind", "data_stream.dataset"]
            .iter()
            .any(|field| !path(object, field).is_empty());
    let is_ecs = ecs;
    let own = || if is_ecs { vec![Judged::Ecs(document.clone())] } else { Vec::new() };
    let untrusted = foreign || names_another(object, trust);
    if !parsed && is_raw(document) {
        return if untrusted { own() } else { vec![Judged::Raw(document.clone())] };
    }
    let is_hit = scalar(object, "_index").is_some() || scalar(object, "_id").is_some();
    let is_closed = ecs || object.keys().any(|key| is_own_key(key));
    let holds = object.get("_source").is_some_and(is_raw_alone) && !is_hit
        || object.get("detail").is_some_and(is_raw_alone)
            && scalar(object, "detail-type").is_some();
    let opened = is_closed && holds;
    if opened {
        let names = ["event.dataset", "data_stream.dataset", "event.module"];
        let name =
            names.iter().find_map(|name| path(object, name).first()?.as_str().map(str::to_owned));
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "-".to_owned());
        if foreign || !trust.names(firstseen_event::TrustKind::Dataset, &name) {
            return own();
        }
    }
    let ecs = ecs && !opened;
    if !ecs
        && scalar(object, "detail-type").is_some()
        && object.get("detail").is_some_and(Value::is_object)
    {
        let source = object.get("source").and_then(Value::as_str).unwrap_or("-");
        let aws = source.starts_with("aws.") && !source.starts_with("aws.partner");
        let trusted = opened || aws || trust.names(firstseen_event::TrustKind::Source, source);
        let detail = object["detail"].as_object().unwrap();
        let plain =
            path(detail, "event.action").is_empty() && path(detail, "event.provider").is_empty();
        let fine = trusted
            && !foreign
            && plain
            && is_raw(&object["detail"])
            && !names_another(detail, trust);
        return if fine { vec![Judged::Raw(object["detail"].clone())] } else { Vec::new() };
    }
    if (is_hit || opened) && object.get("_source").is_some_and(Value::is_object) {
        let index = object.get("_index").and_then(Value::as_str).unwrap_or("");
        let named = trust.names(firstseen_event::TrustKind::Index, index);
        let other = index.starts_with("logs-") && !index.starts_with("logs-aws.cloudtrail-");
        return judged(&object["_source"], trust, foreign || other && !named);
    }
    if !parsed {
        let string = |key: &str| object.get(key).and_then(Value::as_str);
        let original =
            path(object, "event.original").first().and_then(|v| v.as_str().map(str::to_owned));
        for (key, text) in [
            ("original", original),
            ("message", string("message").map(str::to_owned)),
            ("log", string("log").map(str::to_owned)),
            ("lookup", string("CloudTrailEvent").map(str::to_owned)),
        ] {
            let events = raw_events(text.as_deref().unwrap_or(""));
            if events.is_empty() {
                continue;
            }
            let alone = object.keys().all(|k| {
                ["log", "date", "time", "@timestamp", "tag", "file"].contains(&k.as_str())
            });
            let beside =
                key == "log" && !alone && !trust.names(firstseen_event::TrustKind::Log, "");
            return if untrusted || beside {
                own()
            } else {
                events.into_iter().map(Judged::Raw).collect()
            };
        }
    }
    own()
}

/// What comes out of a stream, by splitter and reader.
fn by_host(input: &str, entries: &[&str]) -> Vec<Judged> {
    let trust = Trust::read(entries.iter().copied()).unwrap();
    let reader = EventReader::new(Vec::new());
    let mut found = Vec::new();
    for output in split_trusting(input, entries) {
        let SplitOutput::Event(_, text) = output else { continue };
        match by_reader(&reader, &text, &trust) {
            Some(judged) => found.extend(judged),
            // What `run` does with a line of several.
            None => found.extend(by_host(&format!("[{text}]"), entries)),
        }
    }
    found
}

/// What a module says of one text; nothing where it holds several events.
fn by_reader(reader: &EventReader, text: &str, trust: &Trust) -> Option<Vec<Judged>> {
    let mut scratch = Scratch::default();
    Some(match reader.read_trusting(text, &mut scratch, trust) {
        Ok(ReadOutcome::Event(fields)) => {
            let value = parse(fields.text()).unwrap();
            vec![if fields.is_raw() { Judged::Raw(value) } else { Judged::Ecs(value) }]
        }
        Ok(ReadOutcome::Inner(inner, _)) => by_reader(reader, &inner, trust)?,
        Ok(ReadOutcome::NoEvent(_)) => Vec::new(),
        Ok(ReadOutcome::SeveralInner(_) | ReadOutcome::SeveralEvents(_)) => return None,
        Err(fault) => panic!("{fault}: {text}"),
    })
}

/// An object's text with members in this order, equal keys included.
fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> =
        members.iter().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
    format!("{{{}}}", members.join(","))
}

/// A member that marks, unmarks or surrounds an event.
fn member(text: BoxedStrategy<String>) -> impl Strategy<Value = (String, String)> {
    let names = select(
        &[
            "aws.cloudtrail",
            "cloudtrail",
            "aws",
            "nginx.access",
            "aws.vpcflow",
            "com.shop",
            "aws.s3",
            "aws.partner/x",
            "logs-nginx.access-default",
            "logs-aws.cloudtrail-default",
            "i",
            "",
        ][..],
    );
    let key = select(
        &[
            "eventName",
            "eventSource",
            "eventVersion",
            "eventTime",
            "eventType",
            "@timestamp",
            "date",
            "tag",
            "stream",
            "_id",
            "_index",
            "source",
            "detail-type",
            "event.dataset",
            "event.module",
            "data_stream.dataset",
            "event.action",
            "event.id",
        ][..],
    );
    let ecs = select(&["dataset", "module", "action", "kind", "id", "provider"][..]);
    let strings = select(&["message", "log", "event.original", "CloudTrailEvent"][..]);
    prop_oneof![
        4 => (key.clone(), names.clone()).prop_map(|(key, name)| (key.to_owned(), json!(name).to_string())),
        1 => key.clone().prop_map(|key| (key.to_owned(), "null".to_owned())),
        1 => key.prop_map(|key| (key.to_owned(), "7".to_owned())),
        2 => (ecs, names).prop_map(|(key, name)| ("event".to_owned(), json!({ key: name }).to_string())),
        1 => Just(("insightDetails".to_owned(), "{}".to_owned())),
        3 => (strings, text).prop_map(|(key, text)| (key.to_owned(), json!(text).to_string())),
    ]
}

/// A raw event, or nearly one.
fn event() -> BoxedStrategy<String> {
    let rest = prop::collection::vec(member(Just("x".to_owned()).boxed()), 0..2);
    let marks = select(
        &[
            r#""eventName":"a","eventSource":"b""#,
            r#""eventVersion":"1.08","eventTime":"t","eventName":"a""#,
            r#""eventVersion":"1","eventTime":"t","eventType":"x","insightDetails":{}"#,
            r#""eventVersion":"1","eventTime":"t""#,
            r#""eventName":"a","eventSource":"aws:s3""#,
        ][..],
    );
    (marks, rest, any::<bool>())
        .prop_map(|(marks, rest, first)| {
            let rest: Vec<_> =
                rest.iter().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
            let rest = rest.join(",");
            match (rest.is_empty(), first) {
                (true, _) => format!("{{{marks}}}"),
                (_, true) => format!("{{{rest},{marks}}}"),
                (_, false) => format!("{{{marks},{rest}}}"),
            }
        })
        .boxed()
}

/// A text that a document may carry.
fn text() -> BoxedStrategy<String> {
    let some = prop::collection::vec(event(), 1..3);
    prop_oneof![
        3 => event(),
        1 => some.clone().prop_map(|events| format!("[{}]", events.join(","))),
        1 => some.clone().prop_map(|events| format!("{{\"Records\":[{}]}}", events.join(","))),
        1 => some.prop_map(|events| events.join("\n")),
        1 => event().prop_map(|event| format!("{{\"Records\":[{event}],\"x\":1}}")),
        1 => event().prop_map(|event| format!("GET {event}")),
        1 => event().prop_map(|event| json!({ "message": event }).to_string()),
        1 => Just("eventName eventSource eventVersion eventTime".to_owned()),
    ]
    .boxed()
}

/// A document: members, and perhaps an envelope's.
fn document() -> impl Strategy<Value = String> {
    let inner = prop::collection::vec(member(text()), 0..5).prop_map(|members| object(&members));
    let inner = prop_oneof![inner, event()].boxed();
    let around = prop::collection::vec(member(text()), 0..4);
    prop_oneof![
        3 => inner.clone(),
        2 => (around, inner, select(&["detail", "_source"][..]), select(&["_id", "z"][..]), any::<prop::sample::Index>()).prop_map(|(mut members, inner, key, hit, at)| {
            let at = at.index(members.len() + 1);
            members.insert(at, (key.to_owned(), inner));
            let name = if key == "detail" { "detail-type" } else { hit };
            members.push((name.to_owned(), "\"x\"".to_owned()));
            object(&members)
        }),
    ]
}

const ENTRIES: &[&[&str]] = &[
    &[],
    &["dataset:nginx.*"],
    &["dataset:*"],
    &["source:com.shop", "log"],
    &["index:logs-nginx*"],
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn as_a_plain_parser_reads_it(document in document(), entries in select(ENTRIES)) {
        let trust = Trust::read(entries.iter().copied()).unwrap();
        // CloudWatch lines have a test of their own.
        let value = parse(&document).unwrap();
        let expected = judged(&value, &trust, false);
        let reader = EventReader::new(Vec::new());
        if let Some(found) = by_reader(&reader, &document, &trust) {
            prop_assert_eq!(&found, &expected, "a module reads {}", document);
        } else {
            prop_assert!(expected.iter().all(|one| matches!(one, Judged::Raw(_))), "{}", document);
        }
        prop_assert_eq!(&by_host(&document, entries), &expected, "a line {}", document);
        prop_assert_eq!(&by_host(&format!("[{document}]"), entries), &expected, "an element {}", document);
        // Transports widen nothing, and hide nothing.
        let data = base64(&gzip(document.as_bytes()));
        let kinesis = format!(r#"{{"Records":[{{"kinesis":{{"data":"{data}"}}}}]}}"#);
        prop_assert_eq!(&by_host(&kinesis, entries), &expected, "in Kinesis {}", document);
        let sqs = format!(r#"{{"Records":[{{"eventSource":"aws:sqs","body":{}}}]}}"#, json!(document));
        prop_assert_eq!(&by_host(&sqs, entries), &expected, "in SQS {}", document);
    }

    #[test]
    fn cloudwatch_lines_count_where_their_stream_is_cloudtrails(
        texts in prop::collection::vec(text(), 1..4),
        stream in select(&["111122223333_CloudTrail_us-east-1", "o-abc123_111122223333_CloudTrail_us-east-1_2", "2025/[$LATEST]x", ""][..]),
        order in any::<bool>(),
        trusted in any::<bool>(),
    ) {
        let lines: Vec<_> = texts.iter().map(|text| json!({ "id": "1", "timestamp": 1, "message": text })).collect();
        let (lines, names) = (format!("\"logEvents\":{}", json!(lines)), format!(r#""logGroup":"g","logStream":{}"#, json!(stream)));
        let envelope = if order { format!("{{{names},{lines}}}") } else { format!("{{{lines},{names}}}") };
        let entries: &[&str] = if trusted { &["log-group:g"] } else { &[] };
        let expected: Vec<_> = match trusted || stream.contains("_CloudTrail_") {
            true => texts.iter().flat_map(|text| raw_events(text)).map(Judged::Raw).collect(),
            false => Vec::new(),
        };
        prop_assert_eq!(&by_host(&envelope, entries), &expected);
        let data = base64(&gzip(envelope.as_bytes()));
        prop_assert_eq!(&by_host(&format!(r#"{{"awslogs":{{"data":"{data}"}}}}"#), entries), &expected);
    }

    /// A document of another dataset is judged as it is, whatever texts are in it.
    #[test]
    fn texts_of_attackers_change_nothing(
        texts in prop::collection::vec(text(), 1..6),
        keys in prop::collection::vec(select(&["message", "log", "event.original", "user_agent.original", "url", "CloudTrailEvent", "eventName", "host", "labels.a"][..]), 6),
        dataset in select(&["kubernetes.audit_logs", "nginx.access", "aws.vpcflow"][..]),
        nested in any::<bool>(),
    ) {
        let mut members: Vec<_> = keys.iter().zip(&texts).map(|(key, text)| ((*key).to_owned(), json!(text).to_string())).collect();
        members.push(("@timestamp".to_owned(), "\"2025-03-03T09:14:55Z\"".to_owned()));
        members.push(if nested {
            ("data_stream".to_owned(), json!({ "dataset": dataset }).to_string())
        } else {
            ("event.dataset".to_owned(), json!(dataset).to_string())
        });
        let document = object(&members);
        let expected = vec![Judged::Ecs(parse(&document).unwrap())];
        let reader = EventReader::new(Vec::new());
        prop_assert_eq!(by_reader(&reader, &document, Trust::DEFAULT), Some(expected.clone()));
        prop_assert_eq!(by_host(&document, &[]), expected);
    }
}

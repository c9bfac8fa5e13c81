//! The order of a document's keys decides nothing.
//!
//! In: documents with an array of records and other members, before it and behind it, on one line and
//! over several, as a whole and in pieces. Out: the same answer. And: what is too long to look ahead in
//! is read as it streams by.
mod common;

use common::{brief, split, split_at};
use firstseen_envelope::SplitOptions;

const A: &str = r#"{"eventVersion":"1.08","eventName":"A","eventSource":"s"}"#;
const B: &str = r#"{"@timestamp":"2026-01-01","event":{"action":"B"}}"#;

/// Members that make a document one of its own, whatever array is in it.
const OWN: [&str; 6] = [
    r#""event.dataset":"nginx.access""#,
    r#""event":{"dataset":"nginx.access"}"#,
    r#""\u0065vent.dataset":"nginx.access""#,
    r#""data_stream":{"dataset":"nginx.access"}"#,
    r#""data_stream.dataset":"nginx.access""#,
    r#""@timestamp":"2026-01-01""#,
];

/// Members that close a document too, and do not make it an event.
const CLOSING: [&str; 6] = [
    r#""event":"x""#,
    r#""event":[]"#,
    r#""event":{"dataset":null}"#,
    r#""event.module":"nginx""#,
    r#""event":{"module":"nginx"}"#,
    r#""data_stream":{"type":"logs"}"#,
];

/// Members that an envelope may have.
const OTHER: [&str; 2] = [r#""owner":"x""#, r#""z":[{"event":1}]"#];

fn arrays() -> Vec<String> {
    let records = ["Records", "records", "Events"].map(|key| format!("\"{key}\":[{A},{B}]"));
    let hits = [A, B].map(|event| format!("{{\"_source\":{event},\"_id\":\"1\"}}")).join(",");
    records.into_iter().chain([format!("\"hits\":{{\"hits\":[{hits}]}}")]).collect()
}

/// What comes out, in one piece and in many.
fn answer(input: &str) -> Vec<String> {
    let output = split(input);
    let bytes: Vec<usize> = (0..input.len()).collect();
    assert_eq!(split_at(input.as_bytes(), &bytes, SplitOptions::default()), output, "{input}");
    brief(&output)
}

#[test]
fn members_behind_an_array_count_as_those_before_it() {
    for array in arrays() {
        for member in OWN {
            let documents = [format!("{{{member},{array}}}"), format!("{{{array},{member}}}")];
            for document in &documents {
                // One event, judged by its own fields.
                assert_eq!(answer(&format!("{document}\n{A}\n")), [document.as_str(), A]);
            }
            let lines = format!("{{\n {array},\n {member}\n}}");
            assert_eq!(answer(&format!("{lines}\n{A}\n")), [lines.as_str(), A]);
        }
        for member in CLOSING {
            let name = if member.contains("nginx") { "nginx" } else { "-" };
            for document in [format!("{{{member},{array}}}"), format!("{{{array},{member}}}")] {
                let closed = format!("none: not opened: dataset:{name}");
                assert_eq!(answer(&format!("{document}\n{A}\n")), [closed.as_str(), A]);
            }
        }
        for member in OTHER {
            for document in [format!("{{{member},{array}}}"), format!("{{{array},{member}}}")] {
                let found = answer(&format!("{document}\n{A}\n"));
                assert_eq!(found.len(), 3, "{document}: {found:?}");
                assert!(found[0].contains(A) && found[1].contains(B), "{document}: {found:?}");
            }
        }
    }
}

#[test]
fn who_trusts_a_document_of_its_own_gets_its_array() {
    let answer = |document: &str, entry: &str| brief(&common::split_trusting(document, &[entry]));
    for array in arrays() {
        for (member, name) in OWN
            .map(|own| (own, "nginx.access"))
            .into_iter()
            .chain(CLOSING.map(|own| (own, if own.contains("nginx") { "nginx" } else { "-" })))
        {
            let name = if member.contains("@timestamp") { "-" } else { name };
            for document in [format!("{{{member},{array}}}"), format!("{{{array},{member}}}")] {
                let found = answer(&document, &format!("dataset:{name}"));
                assert_eq!(found.len(), 2, "{document}: {found:?}");
                assert!(found[0].contains(A) && found[1].contains(B), "{document}: {found:?}");
                let other = answer(&document, "dataset:other");
                assert_eq!(other.len(), 1, "{document}: {other:?}");
            }
        }
    }
}

#[test]
fn a_raw_event_is_one_whatever_arrays_are_in_it() {
    let marks = r#""eventName":"C","eventSource":"s""#;
    let other = r#""eventVersion":"1.08","eventTime":"t","eventName":"C""#;
    for array in arrays() {
        for marks in [marks, other] {
            let documents = [format!("{{{marks},{array}}}"), format!("{{{array},{marks}}}")];
            for document in &documents {
                assert_eq!(answer(&format!("{document}\n{A}\n")), [document.as_str(), A]);
            }
        }
        // These are no marks: its array is one of records.
        let document = format!("{{\"eventName\":{{}},\"eventSource\":\"s\",{array}}}");
        assert_eq!(answer(&document).len(), 2, "{document}");
    }
}

#[test]
fn members_that_hold_events_are_named_beside_a_key_of_an_ecs_document() {
    let open = |document: &str| brief(&common::split_trusting(document, &["dataset:-"]));
    let own = r#""event":"x""#;
    let text = serde_json::json!(A).to_string();
    let line =
        format!("{{\"logStreamName\":\"111122223333_CloudTrail_us-east-1\",\"message\":{text}}}");
    let sns = format!("\"Type\":\"Notification\",\"TopicArn\":\"t\",\"Message\":{text}");
    let sqs = format!("\"MessageId\":\"1\",\"ReceiptHandle\":\"r\",\"Body\":{text}");
    for (member, event) in [
        (format!("\"Records\":[{B}]"), B),
        (format!("\"events\":[{line}]"), A),
        (sns.clone(), A),
        (sqs.clone(), A),
        // A text beside them is theirs, or somebody else's.
        (format!("\"message\":{text},\"Records\":[{B}]"), B),
        (format!("\"message\":\"{{}}\",{sqs}"), A),
    ] {
        for document in [format!("{{{own},{member}}}"), format!("{{{member},{own}}}")] {
            assert_eq!(answer(&document), ["none: not opened: dataset:-"], "{document}");
            assert_eq!(open(&document), [event], "{document}");
        }
    }
    assert_eq!(answer(&format!("{{{sqs}}}")), [A]);
    let two = format!("{{{own},\"Records\":[{A}],{sns}}}");
    assert_eq!(answer(&two), ["none: not opened: dataset:-"]);
    assert_eq!(open(&two), ["none: document with events in several members"]);
}

#[test]
fn a_list_of_events_is_opened_where_nothing_else_is_in_the_document() {
    let token = format!("{{\"nextToken\":\"t\",\"events\":[{A}]}}");
    let behind = format!("{{\"events\":[{A}],\"searchedLogStreams\":[],\"nextToken\":\"t\"}}");
    assert_eq!(answer(&token), [A]);
    assert_eq!(answer(&behind), [A]);
    for other in [format!("{{\"x\":1,\"events\":[{A}]}}"), format!("{{\"events\":[{A}],\"x\":1}}")]
    {
        assert_eq!(answer(&other), ["none: JSON that is neither CloudTrail nor ECS"]);
    }
}

#[test]
fn what_is_longer_than_an_event_streams() {
    let options = SplitOptions { max_event: 200 };
    let member = OWN[0];
    let long = format!("{{\"Records\":[{A},{A},{A},{A}],{member}}}\n{B}\n");
    let output = split_at(long.as_bytes(), &[], options);
    assert_eq!(brief(&output), [A, A, A, A, B]);
    let bytes: Vec<usize> = (0..long.len()).collect();
    assert_eq!(split_at(long.as_bytes(), &bytes, options), output);
    let short = format!("{{\"Records\":[{A}],{member}}}");
    assert_eq!(brief(&split_at(short.as_bytes(), &[], options)), [short]);
}

#[test]
fn many_arrays_in_one_document_are_looked_through_once() {
    // Each would be read to the document's end: 10 GB.
    let input = format!("{{{}\"Records\":[{A}]}}\n{B}\n", "\"Records\":[],".repeat(40_000));
    assert_eq!(brief(&split(&input)), [A, B]);
    let lines = format!(" {A} {{\"Records\":[\n").repeat(20_000);
    assert_eq!(common::events(&split(&lines)).len(), 20_000);
}

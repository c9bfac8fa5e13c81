//! Random events in every form, cut into random pieces; and the same, damaged.
mod common;

use common::{OutputMemory, SplitOutput, base64, events, gzip, quoted, split, split_at};
use firstseen_envelope::{SplitOptions, Splitter};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// A form to pack events in.
#[derive(Clone, Copy, Debug)]
enum PackedForm {
    Lines,
    LinesCrLf,
    Array,
    ArrayOfLines,
    Records,
    RecordsLater,
    Concatenated,
    Pretty,
    PrettyRecords,
    CloudWatch,
    AwsLogs,
    Kinesis,
    Firehose,
    LookupEvents,
    PrettyLookupEvents,
    SearchResponse,
    Sqs,
}

const FORMS: [PackedForm; 17] = [
    PackedForm::Lines,
    PackedForm::LinesCrLf,
    PackedForm::Array,
    PackedForm::ArrayOfLines,
    PackedForm::Records,
    PackedForm::RecordsLater,
    PackedForm::Concatenated,
    PackedForm::Pretty,
    PackedForm::PrettyRecords,
    PackedForm::CloudWatch,
    PackedForm::AwsLogs,
    PackedForm::Kinesis,
    PackedForm::Firehose,
    PackedForm::LookupEvents,
    PackedForm::PrettyLookupEvents,
    PackedForm::SearchResponse,
    PackedForm::Sqs,
];

fn pretty(text: &str) -> String {
    let value: Value = serde_json::from_str(text).expect("what was packed is JSON");
    serde_json::to_string_pretty(&value).unwrap()
}

/// Packs events.
fn pack(form: PackedForm, events: &[String]) -> String {
    let each =
        |pack: &dyn Fn(&String) -> String| events.iter().map(pack).collect::<Vec<_>>().join(",");
    let all = events.join(",");
    match form {
        PackedForm::Lines => events.join("\n"),
        PackedForm::LinesCrLf => events.iter().map(|event| format!("{event}\r\n\r\n")).collect(),
        PackedForm::Array => format!("[{all}]"),
        PackedForm::ArrayOfLines => format!("[\n{}\n]\n", events.join(",\n")),
        PackedForm::Records => format!("{{\"Records\":[{all}]}}"),
        PackedForm::RecordsLater => {
            format!(
                "{{\"a\":\"]\\\"\",\"b\":{{\"Records\":[{{}}]}},\"Records\":[{all}],\"c\":[2]}}\n"
            )
        }
        PackedForm::Concatenated => events.concat(),
        PackedForm::Pretty => events.iter().map(|event| pretty(event) + "\n").collect(),
        PackedForm::PrettyRecords => pretty(&pack(PackedForm::Records, events)),
        PackedForm::CloudWatch => {
            let elements = each(&|event| format!(r#"{{"message":{},"id":"1"}}"#, quoted(event)));
            let names = r#""logGroup":"g","logStream":"111122223333_CloudTrail_eu-west-1""#;
            format!(r#"{{{names},"logEvents":[{elements}],"messageType":"DATA_MESSAGE"}}"#)
        }
        PackedForm::AwsLogs => {
            let data = base64(&gzip(pack(PackedForm::CloudWatch, events).as_bytes()));
            format!(r#"{{"awslogs":{{"data":"{data}"}}}}"#)
        }
        PackedForm::Kinesis => {
            let elements = each(&|event| {
                format!(r#"{{"kinesis":{{"data":"{}"}}}}"#, base64(event.as_bytes()))
            });
            format!(r#"{{"Records":[{elements}]}}"#)
        }
        PackedForm::Firehose => {
            let data = base64(&gzip(pack(PackedForm::CloudWatch, events).as_bytes()));
            format!(r#"{{"requestId":"r","records":[{{"data":"{data}"}}]}}"#)
        }
        PackedForm::LookupEvents => {
            let elements =
                each(&|event| format!(r#"{{"EventId":"1","CloudTrailEvent":{}}}"#, quoted(event)));
            format!(r#"{{"Events":[{elements}],"NextToken":"t"}}"#)
        }
        PackedForm::PrettyLookupEvents => pretty(&pack(PackedForm::LookupEvents, events)),
        PackedForm::SearchResponse => {
            format!(r#"{{"took":1,"hits":{{"total":2,"hits":[{all}]}}}}"#)
        }
        PackedForm::Sqs => {
            let elements =
                each(&|event| format!(r#"{{"eventSource":"aws:sqs","body":{}}}"#, quoted(event)));
            format!(r#"{{"Records":[{elements}]}}"#)
        }
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~\n\u{e9}\u{1f600}]{0,12}".prop_map(Value::from),
        prop_oneof![Just("}{"), Just("\\"), Just("\"Records\":["), Just("\"")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec(("[a-z\"\\\\]{0,3}", inner), 0..3)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// An event as CloudTrail, ECS or something else begins it.
fn event() -> impl Strategy<Value = String> {
    let first = prop_oneof![
        Just("\"eventVersion\":\"1.08\""),
        Just("\"@timestamp\":\"2026-01-01\""),
        Just("\"version\":\"0\""),
        Just("\"first\" : 1"),
    ];
    let marks = r#""eventName":"n","eventSource":"s""#;
    (first, json()).prop_map(move |(first, json)| format!("{{{first},{marks},\"payload\":{json}}}"))
}

fn cuts(length: usize, seeds: &[usize]) -> Vec<usize> {
    let mut cuts: Vec<usize> = seeds.iter().map(|seed| seed % (length + 1)).collect();
    cuts.sort_unstable();
    cuts
}

/// What is the same, however it was printed.
fn values(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| serde_json::from_str(text).expect("an event is JSON")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn every_form_gives_the_events_back(
        list in proptest::collection::vec(event(), 1..6),
        form in proptest::sample::select(&FORMS[..]),
        seeds in proptest::collection::vec(any::<usize>(), 0..8),
        times in 1_usize..3,
    ) {
        let input = vec![pack(form, &list); times].join("\n");
        let output = split_at(input.as_bytes(), &cuts(input.len(), &seeds), SplitOptions::default());
        let found = events(&output);
        prop_assert_eq!(output.len(), found.len(), "only events: {:?}", output);
        let expected: Vec<&str> = (0..times).flat_map(|_| list.iter().map(String::as_str)).collect();
        prop_assert_eq!(values(&found), values(&expected));

        // Places: the text is there; lines are counted; records run from 0 in each document.
        let inside = matches!(form, PackedForm::CloudWatch | PackedForm::AwsLogs | PackedForm::Kinesis
            | PackedForm::Firehose | PackedForm::LookupEvents | PackedForm::PrettyLookupEvents | PackedForm::Sqs);
        let single = matches!(form, PackedForm::Lines | PackedForm::LinesCrLf | PackedForm::Concatenated | PackedForm::Pretty);
        for (number, output) in output.iter().enumerate() {
            let SplitOutput::Event(place, text) = output else { continue };
            let before = &input.as_bytes()[..place.offset as usize];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
            prop_assert_eq!(place.line, line);
            let index = (number % list.len()) as u64;
            prop_assert_eq!(place.record, (!single).then_some(index));
            if !inside {
                prop_assert!(input[place.offset as usize..].starts_with(text.as_str()));
            }
        }
    }

    #[test]
    fn forms_mix_and_cuts_do_not_matter(
        parts in proptest::collection::vec(
            (proptest::collection::vec(event(), 1..3), proptest::sample::select(&FORMS[..])), 1..4),
        damage in proptest::collection::vec((any::<usize>(), any::<u8>(), 0_u8..4), 0..4),
        seeds in proptest::collection::vec(any::<usize>(), 0..10),
        max_event in prop_oneof![Just(60_usize), Just(16 << 20)],
    ) {
        let packed: Vec<String> = parts.iter().map(|(list, form)| pack(*form, list)).collect();
        let mut input = packed.join("\n").into_bytes();
        for (at, byte, kind) in damage {
            let at = at % input.len().max(1);
            match kind {
                0 => input.truncate(at),
                1 => drop(input.drain(at..(at + 5).min(input.len()))),
                2 => input.insert(at, byte),
                _ => input.extend_from_within(at..),
            }
        }
        let options = SplitOptions { max_event };
        let whole = split_at(&input, &[], options);
        prop_assert_eq!(&split_at(&input, &cuts(input.len(), &seeds), options), &whole);
        let every_byte: Vec<usize> = (0..input.len()).collect();
        prop_assert_eq!(&split_at(&input, &every_byte, options), &whole);
    }

    #[test]
    fn pauses_do_not_matter_to_whole_documents(
        parts in proptest::collection::vec(
            (proptest::collection::vec(event(), 1..4), proptest::sample::select(&FORMS[..])), 1..4),
        seeds in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        let parts: Vec<String> = parts.iter().map(|(list, form)| pack(*form, list)).collect();
        let input = parts.join("\n") + "\n";
        let mut memory = OutputMemory::default();
        let mut splitter = Splitter::new(SplitOptions::default());
        let mut start = 0;
        for end in cuts(input.len(), &seeds) {
            prop_assert!(splitter.push(&input.as_bytes()[start..end], &mut memory).is_continue());
            prop_assert!(splitter.pause(&mut memory).is_continue());
            start = end;
        }
        prop_assert!(splitter.push(&input.as_bytes()[start..], &mut memory).is_continue());
        prop_assert!(splitter.finish(&mut memory).is_continue());
        prop_assert_eq!(memory.0, split(&input));
    }

    #[test]
    fn nothing_before_a_truncation_is_lost(
        list in proptest::collection::vec(event(), 1..6),
        form in proptest::sample::select(&[PackedForm::Lines, PackedForm::Array, PackedForm::Records,
            PackedForm::RecordsLater, PackedForm::Concatenated, PackedForm::SearchResponse, PackedForm::ArrayOfLines][..]),
        seed in any::<usize>(),
    ) {
        let input = pack(form, &list);
        let end = seed % (input.len() + 1);
        let whole = split(&input);
        let cut = split(&input.as_bytes()[..end]);
        let over: Vec<&SplitOutput> = whole
            .iter()
            .filter(|output| matches!(output, SplitOutput::Event(place, text)
                if place.offset as usize + text.len() <= end))
            .collect();
        prop_assert!(cut.iter().zip(&over).all(|(cut, whole)| cut == *whole));
        prop_assert!(cut.len() >= over.len());
        // What is cut off is reported, and nothing is made up.
        for more in &cut[over.len()..] {
            prop_assert!(matches!(more, SplitOutput::Bad(_, "truncated", _)), "{:?}", more);
        }
    }

    #[test]
    fn every_byte_is_accounted_for(
        list in proptest::collection::vec(
            prop_oneof![3 => event(), 1 => "[a-z\\]\\},:]{1,8}".prop_map(String::from)], 1..8),
    ) {
        // In lines, what comes out is what went in, white space and lone commas aside.
        let input = list.join("\n");
        let out: String = split(&input)
            .into_iter()
            .map(|output| match output {
                SplitOutput::Event(_, text) => text,
                SplitOutput::Bad(_, _, text) => String::from_utf8_lossy(&text).into_owned(),
                SplitOutput::NoEvents(..) => String::new(),
            })
            .collect();
        let bare = |text: &str| text.replace(['\n', '\r', ' ', ','], "");
        prop_assert_eq!(bare(&out), bare(&input));
    }

    #[test]
    fn random_bytes_never_panic(input in proptest::collection::vec(
        prop_oneof![
            proptest::sample::select(&b"{}[]\",:\\ \n\r0aRu"[..]).prop_map(|byte| vec![byte]),
            any::<u8>().prop_map(|byte| vec![byte]),
            proptest::sample::select(&["\"Records\":[", "{\"", "\"hits\":{", "\"logEvents\":[",
                "\"kinesis\":{\"data\":\"", "{\"awslogs\":{\"data\":\"H4sI", "\u{feff}",
                "{\"eventVersion\":\"1.08\"", "\"messageType\":\"CONTROL_MESSAGE\""][..])
                .prop_map(|text| text.as_bytes().to_vec()),
        ], 0..80).prop_map(|parts| parts.concat()),
        seeds in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        let whole = split(&input);
        prop_assert_eq!(split_at(&input, &cuts(input.len(), &seeds), SplitOptions::default()), whole);
    }
}

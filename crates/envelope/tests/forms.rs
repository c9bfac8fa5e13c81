//! Every form in which events arrive.
mod common;

use common::{
    SplitOutput, base64, brief, events, gzip, place, quoted, split, split_at, split_trusting,
};
use firstseen_envelope::SplitOptions;

const A: &str =
    r#"{"eventVersion":"1.08","eventName":"CreateStack","eventSource":"s","a":"}{][\"\\"}"#;
const B: &str = r#"{"eventVersion":"1.09","eventName":"CreateStackSet","eventSource":"s","b":{"c":[1,{"d":null}]}}"#;
/// The names of a log group and of a stream that CloudTrail writes to.
const TRAIL: &str = r#""logGroup":"g","logStream":"111122223333_CloudTrail_eu-west-1""#;

#[test]
fn plain_lines() {
    let input = format!("{A}\r\n\n  \t{B}\n \r\n{{\"@timestamp\":1}}");
    let output = split(&input);
    let offset_b = A.len() as u64 + 6;
    assert_eq!(
        output,
        [
            SplitOutput::Event(place(0, 1, None), A.into()),
            SplitOutput::Event(place(offset_b, 3, None), B.into()),
            SplitOutput::Event(
                place(offset_b + B.len() as u64 + 4, 5, None),
                r#"{"@timestamp":1}"#.into()
            ),
        ]
    );
}

#[test]
fn plain_lines_come_in_one_chunk() {
    struct Chunks(Vec<String>);
    impl firstseen_envelope::EventSink for Chunks {
        fn lines(
            &mut self,
            _: firstseen_envelope::Place,
            chunk: &[u8],
        ) -> std::ops::ControlFlow<()> {
            self.0.push(String::from_utf8_lossy(chunk).into_owned());
            std::ops::ControlFlow::Continue(())
        }
        fn event(&mut self, _: firstseen_envelope::Place, _: &[u8]) -> std::ops::ControlFlow<()> {
            std::ops::ControlFlow::Break(())
        }
        fn no_events(
            &mut self,
            _: firstseen_envelope::Place,
            _: &str,
        ) -> std::ops::ControlFlow<()> {
            std::ops::ControlFlow::Break(())
        }
        fn bad(
            &mut self,
            _: firstseen_envelope::Place,
            _: firstseen_envelope::SplitFault,
            _: &[u8],
        ) -> std::ops::ControlFlow<()> {
            std::ops::ControlFlow::Break(())
        }
    }
    let line = "{\"@timestamp\":1,\"x\":\"y\"}\n";
    let input = line.repeat(10);
    let mut chunks = Chunks(Vec::new());
    let mut splitter =
        firstseen_envelope::Splitter::new(firstseen_envelope::SplitOptions::default());
    let (first, second) = input.split_at(line.len() * 4 + 5);
    assert!(splitter.push(first.as_bytes(), &mut chunks).is_continue());
    assert!(splitter.push(second.as_bytes(), &mut chunks).is_continue());
    assert!(splitter.finish(&mut chunks).is_continue());
    assert_eq!(chunks.0, [line.repeat(4), line.to_owned(), line.repeat(5)]);
    // A sink that breaks ends the run.
    assert!(splitter.push(b"[{}]", &mut chunks).is_break());
}

#[test]
fn arrays_and_records() {
    for (before, after) in [
        ("[", "]"),
        (r#"{"Records":["#, "]}"),
        ("{\"Records\" : [ ", " ] } "),
        (r#"{"version":"x","n":-1.5e3,"o":{"a":[]},"Records":["#, r#"],"after":[1],"t":true}"#),
        (r#"{"\u0052ecords":["#, "]}"),
        (r#"{"took":3,"hits":{"total":{"value":2},"hits":["#, "]}}"),
        ("{\n  \"Records\": [\n    ", "\n  ]\n}\n"),
    ] {
        let input = format!("{before}{A},{B}{after}");
        let output = split(&input);
        let start = before.len() as u64;
        let line = before.matches('\n').count() as u64 + 1;
        assert_eq!(
            output,
            [
                SplitOutput::Event(place(start, line, Some(0)), A.into()),
                SplitOutput::Event(place(start + A.len() as u64 + 1, line, Some(1)), B.into()),
            ],
            "{input}"
        );
        // One after another, with and without line breaks.
        assert_eq!(events(&split(format!("{input}{input}\n{input}"))), [A, B, A, B, A, B]);
    }
    assert_eq!(split("[]{\"Records\":[]}\n[ ]"), []);
}

#[test]
fn a_byte_order_mark() {
    let output = split(format!("\u{feff}{A}\n"));
    assert_eq!(output, [SplitOutput::Event(place(3, 1, None), A.into())]);
    assert_eq!(events(&split(format!("\u{feff}{{\"Records\":[{A}]}}"))), [A]);
}

#[test]
fn pretty_printed_and_concatenated() {
    let pretty = |text| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    };
    let (a, b) = (pretty(A), pretty(B));
    for input in
        [format!("{a}\n{b}\n"), format!("{a}{b}"), format!("[{a},\n{b}]"), format!("{a},\n{b}")]
    {
        assert_eq!(events(&split(input)), [&a, &b]);
    }
    let output = split(format!("\n{a}\n{b}"));
    let lines = a.lines().count() as u64;
    assert_eq!(
        output,
        [
            SplitOutput::Event(place(1, 2, None), a.clone()),
            SplitOutput::Event(place(a.len() as u64 + 2, 2 + lines, None), b),
        ]
    );
    assert_eq!(events(&split(format!("{A}{B}\n{A} {B}\n"))).len(), 3 + 1);
    // Pretty-printed without indentation.
    let flat = "{\n\"@timestamp\":1,\"a\":\n[\n{\n\"x\":1\n},\n{\n\"x\":2\n}\n]\n}";
    assert_eq!(events(&split(format!("{flat}\n{flat}"))), [flat, flat]);
}

#[test]
fn cloudwatch() {
    let element = |text: &str| format!(r#"{{"id":"1","timestamp":2,"message":{}}}"#, quoted(text));
    let (a, b) = (element(A), element(B));
    let first = format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"1","subscriptionFilters":["f"],{TRAIL},"logEvents":[{a},{b}]}}"#
    );
    let last = format!(r#"{{"logEvents":[{a},{b}],{TRAIL},"messageType":"DATA_MESSAGE"}}"#);
    for envelope in [&first, &last] {
        let gz = base64(&gzip(envelope.as_bytes()));
        for input in [
            envelope.clone(),
            format!(r#"{{"awslogs":{{"data":"{gz}"}}}}"#),
            format!(r#"{{"awslogs":{{"data":"{}"}}}}"#, gz.replace('/', "\\/")),
            format!(
                r#"{{"Records":[{{"kinesis":{{"data":"{gz}"}},"eventSource":"aws:kinesis"}}]}}"#
            ),
            format!(r#"{{"invocationId":"i","records":[{{"recordId":"1","data":"{gz}"}}]}}"#),
            format!("[{envelope}]"),
        ] {
            let output = split(&input);
            assert_eq!(events(&output), [A, B], "{input}");
            for (number, output) in output.iter().enumerate() {
                let SplitOutput::Event(place, _) = output else { panic!("{output:?}") };
                assert_eq!((place.line, place.record), (1, Some(number as u64)));
            }
        }
    }
}

#[test]
fn cloudwatch_control_messages() {
    let control = "none: CloudWatch control message";
    for input in [
        r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"anything"}]}"#,
        r#"{"logEvents":[{"message":"CWL CONTROL MESSAGE: Checking health"}],"messageType":"CONTROL_MESSAGE"}"#,
        r#"{"logEvents":[],"messageType":"CONTROL_MESSAGE"}"#,
    ] {
        assert_eq!(brief(&split(input)), [control], "{input}");
    }
    let lines = r#""logEvents":[{"message":"hello"},{"id":"1"}]"#;
    let input = format!(r#"{{"messageType":"DATA_MESSAGE",{TRAIL},{lines}}}"#);
    assert_eq!(brief(&split(input)), ["bad: not_json", "bad: bad_json"]);
    let input = format!(r#"{{"messageType":"DATA_MESSAGE",{lines}}}"#);
    assert_eq!(brief(&split(input)), ["none: CloudWatch log line", "bad: bad_json"]);
}

#[test]
fn lines_of_other_streams_are_not_opened() {
    let line = |text: &str| format!(r#"{{"id":"1","timestamp":2,"message":{}}}"#, quoted(text));
    let lines = format!(r#""logEvents":[{},{}]"#, line(A), line("{\"level\":\"info\"}"));
    let names = r#""logGroup":"/aws/lambda/shop","logStream":"2025/03/03/[$LATEST]a""#;
    let expected = ["none: not opened: log-group:/aws/lambda/shop", "none: CloudWatch log line"];
    let first = format!(r#"{{"messageType":"DATA_MESSAGE",{names},{lines}}}"#);
    let last = format!(r#"{{"messageType":"DATA_MESSAGE",{lines},{names}}}"#);
    for envelope in [first, last] {
        assert_eq!(brief(&split(&envelope)), expected, "{envelope}");
        let data = base64(&gzip(envelope.as_bytes()));
        assert_eq!(brief(&split(format!(r#"{{"awslogs":{{"data":"{data}"}}}}"#))), expected);
        let opened = brief(&split_trusting(&envelope, &["log-group:/aws/lambda/*"]));
        assert_eq!(opened, [A, "none: JSON in a string that is no CloudTrail event"]);
    }
    // What `aws logs filter-log-events` prints.
    let event = |stream: &str, text: &str| {
        let text = quoted(text);
        format!(
            r#"{{"logStreamName":"{stream}","timestamp":2,"message":{text},"ingestionTime":3}}"#
        )
    };
    let records = format!(r#"{{"Records":[{A},{B}]}}"#);
    let (ours, other) = ("111122223333_CloudTrail_eu-west-1", "other");
    let input = format!(
        r#"{{"events":[{},{},{}],"searchedLogStreams":[]}}"#,
        event(ours, A),
        event(other, A),
        event(ours, &records)
    );
    assert_eq!(brief(&split(input)), [A, "none: not opened: log-group:-", A, B]);
}

#[test]
fn texts_of_several_events_are_opened_and_nothing_else_in_them() {
    let several = [
        format!("{A}\n{B}\n"),
        format!("{A}{B}"),
        format!("[{A},{B}]"),
        format!(r#"{{"Records":[{A},{B}]}}"#),
    ];
    for text in &several {
        for input in [
            format!(r#"{{"file":"f","message":{},"source_type":"file"}}"#, quoted(text)),
            format!(r#"{{"agent":{{}},"@timestamp":1,"message":{}}}"#, quoted(text)),
            format!(r#"{{"date":1,"log":{}}}"#, quoted(text)),
            format!(r#"{{"Events":[{{"CloudTrailEvent":{}}}]}}"#, quoted(text)),
            format!("[{}]", quoted(text)),
            quoted(text),
        ] {
            assert_eq!(events(&split(&input)), [A, B], "{input}");
        }
        let other = format!(r#"{{"log":{},"stream":"stdout"}}"#, quoted(text));
        assert_eq!(brief(&split(&other)), ["none: not opened: log"]);
        assert_eq!(events(&split_trusting(&other, &["log"])), [A, B]);
    }
    // Envelopes in a text stay closed.
    let sns = format!(r#"{{"Type":"Notification","TopicArn":"t","Message":{}}}"#, quoted(A));
    let text = format!("[{A},{sns}]");
    let input = format!(r#"{{"message":{}}}"#, quoted(&text));
    assert_eq!(brief(&split(input)), [A, "none: JSON in a string that is no CloudTrail event"]);
}

#[test]
fn two_events_on_a_line_whatever_is_between_them() {
    for between in ["", " ", "\t", "  \t ", ",", " , ", "\u{1e}", "\u{feff}", "\r"] {
        let input = format!("{A}{between}{B}\n{A}");
        assert_eq!(events(&split(&input)), [A, B, A], "{between:?}");
        let every_byte: Vec<usize> = (0..input.len()).collect();
        let output = split_at(input.as_bytes(), &every_byte, SplitOptions::default());
        assert_eq!(output, split(&input), "{between:?}");
    }
    // A JSON text sequence (RFC 7464), and files with byte order marks joined.
    assert_eq!(events(&split(format!("\u{1e}{A}\n\u{1e}{B}\n"))), [A, B]);
    assert_eq!(events(&split(format!("\u{feff}{A}\n\u{feff}{B}\n"))), [A, B]);
    assert_eq!(events(&split(format!("\u{feff}[{A}]\u{feff}[{B}]"))), [A, B]);
}

#[test]
fn documents_that_are_no_events_are_named_by_their_shape() {
    for (input, name) in [
        (
            r#"{"timestamp":"t","rule":{"level":3},"agent":{},"decoder":{"name":"json"}}"#,
            "Wazuh alert",
        ),
        (r#"{"_raw":"x","host":"h"}"#, "Splunk event"),
        (r#"{"resourceLogs":[{}]}"#, "OTLP log records"),
        (r#"{"streams":[{"stream":{},"values":[]}]}"#, "Loki streams"),
        (r#"{"eventData":{"eventName":"x"}}"#, "CloudTrail Lake eventData"),
        (r#"{"class_uid":6003,"metadata":{}}"#, "OCSF event"),
        (r#"{"_index":"i","_id":"1","fields":{"a":[1]}}"#, "search hit with fields and no _source"),
        (r#"{"x":1}"#, "JSON that is neither CloudTrail nor ECS"),
    ] {
        let line = format!("none: {name}");
        assert_eq!(brief(&split(format!("{input}\n{input}\n"))), [&*line, &*line]);
        assert_eq!(brief(&split(format!("[{input}]"))), [&*line]);
    }
}

#[test]
fn kinesis_and_firehose() {
    for inner in [
        format!("{A}\n{B}"),
        format!("{A}{B}\n"),
        format!("[{A},{B}]"),
        format!(r#"{{"Records":[{A},{B}]}}"#),
    ] {
        for data in [base64(inner.as_bytes()), base64(&gzip(inner.as_bytes()))] {
            let kinesis = format!(
                r#"{{"eventID":"x","eventVersion":"1.0","kinesis":{{"partitionKey":"p","data":"{data}"}},"eventSource":"aws:kinesis"}}"#
            );
            let input = format!(r#"{{"Records":[{kinesis},{kinesis}]}}"#);
            assert_eq!(events(&split(&input)), [A, B, A, B], "{inner}");
            let input = format!(r#"{{"records":[{{"data":"{data}"}}],"requestId":"r"}}"#);
            assert_eq!(events(&split(&input)), [A, B], "{inner}");
        }
    }
}

#[test]
fn lookup_events() {
    let element = |text: &str| {
        format!(
            r#"{{"EventId":"1","Resources":[],"CloudTrailEvent":{},"Username":"u"}}"#,
            quoted(text)
        )
    };
    let input = format!(r#"{{"Events":[{},{}],"NextToken":"t"}}"#, element(A), element(B));
    assert_eq!(events(&split(&input)), [A, B]);
    let value: serde_json::Value = serde_json::from_str(&input).unwrap();
    let output = split(serde_json::to_string_pretty(&value).unwrap());
    assert_eq!(events(&output), [A, B]);
    let SplitOutput::Event(first, _) = &output[0] else { panic!("{output:?}") };
    assert_eq!((first.line, first.record), (3, Some(0)));
    assert_eq!(events(&split(element(A))), [A]);
}

#[test]
fn single_event_envelopes_pass_whole() {
    for input in [
        format!(r#"{{"version":"0","detail-type":"x","source":"aws.s3","detail":{A}}}"#),
        format!(r#"{{"_index":"i","_id":"1","_source":{A}}}"#),
        format!(r#"{{"message":{}}}"#, quoted(A)),
    ] {
        assert_eq!(events(&split(format!("{input}\n{input}"))), [&input, &input]);
        assert_eq!(events(&split(format!("[{input}]"))), [&input]);
    }
}

#[test]
fn documents_without_events() {
    let pointer = r#"{"s3Bucket":"b","s3ObjectKey":["AWSLogs/1"]}"#;
    let s3 = r#"{"eventVersion":"2.1","eventSource":"aws:s3","s3":{}}"#;
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
    let sns = |text: &str| {
        format!(r#"{{"Type":"Notification","TopicArn":"t","Message":{}}}"#, quoted(text))
    };
    let sqs = |text: &str| format!(r#"{{"body":{},"eventSource":"aws:sqs"}}"#, quoted(text));
    let lambda_sns =
        |text: &str| format!(r#"{{"EventSource":"aws:sns","Sns":{{"Message":{}}}}}"#, quoted(text));
    let records = |text: &str| format!(r#"{{"Records":[{text}]}}"#);
    for (input, expected) in [
        (
            r#"{"awsAccountId":"1","digestStartTime":"t","digestS3Bucket":"b","logFiles":[]}"#
                .into(),
            "none: CloudTrail digest",
        ),
        (pointer.into(), "none: SNS notification"),
        (records(s3), "none: S3 notification"),
        (test.into(), "none: S3 test event"),
        (sns(pointer), "none: SNS notification"),
        (sns("hello"), "none: SNS notification"),
        (
            r#"{"Type":"SubscriptionConfirmation","TopicArn":"t","Message":"m"}"#.into(),
            "none: SNS notification",
        ),
        (sns(&records(s3)), "none: S3 notification"),
        (records(&sqs(&records(s3))), "none: S3 notification"),
        (records(&sqs(&sns(pointer))), "none: SNS notification"),
        (records(&sqs("hello")), "none: SQS message"),
        (records(&lambda_sns("hello")), "none: SNS notification"),
        (records(&lambda_sns(pointer)), "none: SNS notification"),
        (records(&lambda_sns(A)), A),
        (records(&sqs(A)), A),
        (records(&sqs(&sns(A))), A),
        (sns(A), A),
    ] {
        assert_eq!(brief(&split(&input)), [expected], "{input}");
    }
}

#[test]
fn an_envelope_after_a_learned_key() {
    let (x, y) = (r#"{"eventVersion":"1.08","x":1}"#, r#"{"eventVersion":"1.08","y":1}"#);
    for key in ["x", "version", "id", "owner", "timestamp"] {
        let event = format!(r#"{{"{key}":1,"@timestamp":1}}"#);
        for (before, after) in [("\"Records\":[", "]"), ("\"hits\":{\"hits\":[", "]}")] {
            let envelope = format!(r#"{{"{key}":1,{before}{x},{y}{after}}}"#);
            let input = format!("{event}\n{event}\n{envelope}\n{event}\n");
            assert_eq!(events(&split(input)), [&event, &event, x, y, &event]);
        }
    }
}

#[test]
fn messages_of_a_queue() {
    // What `aws sqs receive-message` prints: bodies are documents, or messages to people.
    let body = |text: &str| {
        format!(r#"{{"MessageId":"1","ReceiptHandle":"r","Body":{}}}"#, common::quoted(text))
    };
    let event = r#"{"eventVersion":"1.08","eventName":"A","eventSource":"s"}"#;
    let sns =
        format!(r#"{{"Type":"Notification","TopicArn":"t","Message":{}}}"#, common::quoted(event));
    let input = format!(
        "{{\n \"Messages\": [{}, {}, {}, {{\"MessageId\":\"2\"}}]\n}}",
        body(event),
        body(&sns),
        body("hello"),
    );
    let output = common::split(&input);
    let other = "none: JSON that is neither CloudTrail nor ECS";
    assert_eq!(common::brief(&output), [event, event, "none: SQS message", other]);
}

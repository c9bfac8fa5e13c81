//! Every form in which events arrive.
mod common;

use common::{SplitOutput, base64, brief, events, gzip, place, quoted, split};

const A: &str = r#"{"eventVersion":"1.08","eventName":"CreateStack","a":"}{][\"\\"}"#;
const B: &str = r#"{"eventVersion":"1.09","eventName":"CreateStackSet","b":{"c":[1,{"d":null}]}}"#;

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
            _: &'static str,
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
    assert_eq!(events(&split(format!("{A}{B}\n{A} {{\"x\":1}}\n"))).len(), 3 + 1);
    // Pretty-printed without indentation.
    let flat = "{\n\"a\":\n[\n{\n\"x\":1\n},\n{\n\"x\":2\n}\n]\n}";
    assert_eq!(events(&split(format!("{flat}\n{flat}"))), [flat, flat]);
}

#[test]
fn cloudwatch() {
    let element = |text: &str| format!(r#"{{"id":"1","timestamp":2,"message":{}}}"#, quoted(text));
    let (a, b) = (element(A), element(B));
    let first = format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"1","subscriptionFilters":["f"],"logEvents":[{a},{b}]}}"#
    );
    let last = format!(r#"{{"logEvents":[{a},{b}],"owner":"1","messageType":"DATA_MESSAGE"}}"#);
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
    let input = r#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"hello"},{"id":"1"}]}"#;
    assert_eq!(brief(&split(input)), ["bad: not_json", "bad: bad_json"]);
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
        format!(r#"{{"version":"0","id":"1","detail-type":"x","detail":{A}}}"#),
        format!(r#"{{"_index":"i","_id":"1","_source":{A}}}"#),
        format!(r#"{{"id":"1","version":"0","detail":{A}}}"#),
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
        let event = format!(r#"{{"{key}":1}}"#);
        for (before, after) in [("\"Records\":[", "]"), ("\"hits\":{\"hits\":[", "]}")] {
            let envelope = format!(r#"{{"{key}":1,{before}{x},{y}{after}}}"#);
            let input = format!("{event}\n{event}\n{envelope}\n{event}\n");
            assert_eq!(events(&split(input)), [&event, &event, x, y, &event]);
        }
    }
}

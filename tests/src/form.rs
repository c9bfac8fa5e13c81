//! Many calls as one file, in every form in which CloudTrail is delivered.

use crate::call::Call;
use crate::event::Shape;
use crate::json::write;
use base64::Engine as _;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::io::Write as _;

/// A form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One event per line.
    Lines,
    /// One event per line, with CR LF and blank lines.
    LinesCrLf,
    /// A JSON array.
    Array,
    /// What CloudTrail writes to S3.
    Records,
    /// The same, printed over many lines.
    PrettyRecords,
    /// A CloudWatch Logs subscription's batch.
    CloudWatch,
    /// The same as Lambda receives it.
    AwsLogs,
    /// Kinesis records.
    Kinesis,
    /// Firehose records with CloudWatch batches.
    Firehose,
    /// The response of LookupEvents.
    LookupEvents,
    /// The response of an Elasticsearch search.
    Search,
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// Not compressed.
    Plain,
    /// With gzip.
    Gzip,
    /// With zstd.
    Zstd,
}

/// Any form. Forms that contain raw events in strings ignore the shape.
pub fn form() -> impl Strategy<Value = Form> {
    select(
        &[
            Form::Lines,
            Form::LinesCrLf,
            Form::Array,
            Form::Records,
            Form::PrettyRecords,
            Form::CloudWatch,
            Form::AwsLogs,
            Form::Kinesis,
            Form::Firehose,
            Form::LookupEvents,
            Form::Search,
        ][..],
    )
}

/// Any compression.
pub fn packed() -> impl Strategy<Value = Packed> {
    prop_oneof![2 => Just(Packed::Plain), 1 => Just(Packed::Gzip), 1 => Just(Packed::Zstd)]
}

/// The bytes of the file. The shape applies to forms that allow any event; the style is the seed of
/// [`write()`].
#[must_use]
pub fn file(calls: &[Call], form: Form, shape: Shape, packed: Packed, style: u64) -> Vec<u8> {
    let shaped = || calls.iter().map(|call| shape.of(call)).collect::<Vec<_>>();
    let raw = || calls.iter().map(Call::raw).collect::<Vec<_>>();
    let lines = |end: &str| -> String {
        let each = shaped();
        let each = each.iter().zip(0..);
        each.map(|(event, n)| write(event, style.wrapping_mul(n + 1)) + end).collect()
    };
    let text = match form {
        Form::Lines => lines("\n"),
        Form::LinesCrLf => lines("\r\n\r\n"),
        Form::Array => write(&Value::from(shaped()), style),
        Form::Records => write(&json!({ "Records": raw() }), style),
        Form::PrettyRecords => {
            serde_json::to_string_pretty(&json!({ "Records": raw() })).expect("values are JSON")
        }
        Form::CloudWatch => write(&cloudwatch(calls), style),
        Form::AwsLogs => {
            let data = base64(&gzip(cloudwatch(calls).to_string().as_bytes()));
            write(&json!({ "awslogs": { "data": data } }), style)
        }
        Form::Kinesis => {
            let record = |event: Value| {
                json!({ "eventSource": "aws:kinesis",
                    "kinesis": { "data": base64(event.to_string().as_bytes()) } })
            };
            let records: Vec<Value> = raw().into_iter().map(record).collect();
            write(&json!({ "Records": records }), style)
        }
        Form::Firehose => {
            let record = |calls: &[Call]| json!({ "data": base64(&gzip(cloudwatch(calls).to_string().as_bytes())) });
            let records: Vec<Value> = calls.chunks(3).map(record).collect();
            write(&json!({ "requestId": "r", "timestamp": 1, "records": records }), style)
        }
        Form::LookupEvents => {
            let events: Vec<Value> = calls.iter().map(|call| Shape::Lookup.of(call)).collect();
            write(&json!({ "Events": events }), style)
        }
        Form::Search => {
            let hits: Vec<Value> = calls.iter().map(|call| Shape::Export(style).of(call)).collect();
            write(&json!({ "took": 1, "hits": { "total": { "value": 2 }, "hits": hits } }), style)
        }
    };
    match packed {
        Packed::Plain => text.into_bytes(),
        Packed::Gzip => gzip(text.as_bytes()),
        Packed::Zstd => zstd::encode_all(text.as_bytes(), 1).expect("memory takes what is written"),
    }
}

fn cloudwatch(calls: &[Call]) -> Value {
    let event = |call: &Call| json!({ "id": "1", "timestamp": call.time_ms, "message": call.raw().to_string() });
    json!({
        "messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": "trail",
        "logStream": "111122223333_CloudTrail_eu-central-1", "subscriptionFilters": ["all"],
        "logEvents": calls.iter().map(event).collect::<Vec<_>>(),
    })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes what is written")
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

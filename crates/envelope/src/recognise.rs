//! What a record is, by its keys.
//!
//! In: a whole record's text and the array that held it. Out: an event, something that holds
//! events, or something that holds none. It opens nothing.

use crate::bytes::{from, is_space};
use crate::fields::{fields, string};

/// The array that held a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// `[...]`: any documents.
    Array,
    /// `Records`: CloudTrail's own files, and what Lambda gets from S3, SQS, SNS and Kinesis.
    Records,
    /// `records`: Firehose.
    FirehoseRecords,
    /// `Events`: the answer of LookupEvents.
    LookupEvents,
    /// `logEvents`: a CloudWatch Logs subscription.
    LogEvents,
    /// `hits.hits`: the answer of a search.
    Hits,
}

impl Container {
    /// The container that a key of a document announces when its value is an array.
    pub(crate) fn of_key(key: &[u8]) -> Option<Self> {
        match key {
            b"Records" => Some(Self::Records),
            b"records" => Some(Self::FirehoseRecords),
            b"Events" => Some(Self::LookupEvents),
            b"logEvents" => Some(Self::LogEvents),
            _ => None,
        }
    }
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind<'a> {
    /// One event or single-event envelope.
    Event,
    /// A document with an array of events in it.
    Envelope,
    /// It holds none; this is its name.
    NoEvents(&'static str),
    /// A JSON string (without its quotes) that holds documents.
    Text(&'a [u8]),
    /// The same, but a text in it that is not JSON is a message to people, with this name.
    Message(&'a [u8], &'static str),
    /// A JSON string (without its quotes) in base64 that holds documents.
    Base64(&'a [u8]),
    /// It cannot be an event.
    Bad(&'static str),
}

pub(crate) const DIGEST: &str = "CloudTrail digest";
pub(crate) const CONTROL_MESSAGE: &str = "CloudWatch control message";
pub(crate) const SNS: &str = "SNS notification";
pub(crate) const SQS: &str = "SQS message";
pub(crate) const S3: &str = "S3 notification";
pub(crate) const S3_TEST: &str = "S3 test event";

/// What the text of a CloudWatch control message begins with.
const CONTROL_TEXT: &[u8] = b"CWL CONTROL MESSAGE";

/// What `text`, an element of `container` or a document on its own, is.
pub(crate) fn recognise(container: Option<Container>, text: &[u8]) -> RecordKind<'_> {
    match text {
        [b'{', .., b'}'] => {}
        [b'{', ..] => return RecordKind::Bad("its brackets do not match"),
        _ => return RecordKind::Bad("an event has to be a JSON object"),
    }
    match container {
        Some(Container::Hits) => RecordKind::Event,
        Some(Container::Records) => element_of_records(text),
        Some(Container::FirehoseRecords) => match string(fields(text, [b"data"])[0]) {
            Some(data) => RecordKind::Base64(data),
            None => document(text),
        },
        Some(Container::LookupEvents) => match string(fields(text, [b"CloudTrailEvent"])[0]) {
            Some(event) => RecordKind::Text(event),
            None => document(text),
        },
        Some(Container::LogEvents) => match string(fields(text, [b"message"])[0]) {
            Some(message) if message.starts_with(CONTROL_TEXT) => {
                RecordKind::NoEvents(CONTROL_MESSAGE)
            }
            Some(message) => RecordKind::Text(message),
            None => RecordKind::Bad("an element of logEvents without a message"),
        },
        Some(Container::Array) | None => document(text),
    }
}

/// `Records` is what CloudTrail, S3, SQS, SNS and Kinesis all call it.
fn element_of_records(text: &[u8]) -> RecordKind<'_> {
    if is_cloudtrail(text) {
        return RecordKind::Event;
    }
    let [kinesis, source, sns_source, body, sns, data] =
        fields(text, [b"kinesis", b"eventSource", b"EventSource", b"body", b"Sns", b"data"]);
    if let Some(kinesis) = kinesis {
        return match string(fields(kinesis, [b"data"])[0]) {
            Some(data) => RecordKind::Base64(data),
            None => RecordKind::Bad("a Kinesis record without data"),
        };
    }
    match string(source).or(string(sns_source)) {
        Some(b"aws:s3") => RecordKind::NoEvents(S3),
        Some(b"aws:sqs") => match string(body) {
            Some(body) => RecordKind::Message(body, SQS),
            None => RecordKind::NoEvents(SQS),
        },
        Some(b"aws:sns") => match sns.and_then(|sns| string(fields(sns, [b"Message"])[0])) {
            Some(message) => RecordKind::Message(message, SNS),
            None => RecordKind::NoEvents(SNS),
        },
        None => match string(data) {
            Some(data) => RecordKind::Base64(data),
            None => document(text),
        },
        Some(_) => document(text),
    }
}

/// A document of its own, or an element of a plain array.
fn document(text: &[u8]) -> RecordKind<'_> {
    if is_cloudtrail(text) {
        return RecordKind::Event;
    }
    let [records, firehose, lookup, log_events, hits, awslogs, event, digest] = fields(
        text,
        [
            b"Records",
            b"records",
            b"Events",
            b"logEvents",
            b"hits",
            b"awslogs",
            b"CloudTrailEvent",
            b"digestS3Bucket",
        ],
    );
    let hits = hits.and_then(|hits| fields(hits, [b"hits"])[0]);
    if [records, firehose, lookup, log_events, hits].into_iter().flatten().any(is_array) {
        return RecordKind::Envelope;
    }
    if let Some(data) = awslogs.and_then(|awslogs| string(fields(awslogs, [b"data"])[0])) {
        return RecordKind::Base64(data);
    }
    if let Some(event) = string(event) {
        return RecordKind::Text(event);
    }
    if digest.is_some() {
        return RecordKind::NoEvents(DIGEST);
    }
    notification(text)
}

/// What SNS, SQS and S3 send: a pointer to an object, or a message around a document.
fn notification(text: &[u8]) -> RecordKind<'_> {
    let [bucket, object_key, event, kind, topic, message] =
        fields(text, [b"s3Bucket", b"s3ObjectKey", b"Event", b"Type", b"TopicArn", b"Message"]);
    if bucket.is_some() && object_key.is_some() {
        return RecordKind::NoEvents(SNS);
    }
    if string(event) == Some(b"s3:TestEvent") {
        return RecordKind::NoEvents(S3_TEST);
    }
    match (string(kind), topic, string(message)) {
        (Some(b"Notification"), Some(_), Some(message)) => RecordKind::Message(message, SNS),
        (Some(b"SubscriptionConfirmation" | b"UnsubscribeConfirmation"), Some(_), _) => {
            RecordKind::NoEvents(SNS)
        }
        _ => RecordKind::Event,
    }
}

fn is_array(value: &[u8]) -> bool {
    value.first() == Some(&b'[')
}

/// Whether a record begins as CloudTrail writes its events, so that its other keys need no look:
/// `"eventVersion":"1.08"`. (S3's records have 2.x there, those of Kinesis and DynamoDB 1.0.)
fn is_cloudtrail(text: &[u8]) -> bool {
    let skip = |text: &[u8]| text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    let text = from(text, 1);
    let Some(text) = from(text, skip(text)).strip_prefix(b"\"eventVersion\"") else {
        return false;
    };
    let Some(text) = from(text, skip(text)).strip_prefix(b":") else { return false };
    matches!(from(text, skip(text)), [b'"', b'1', b'.', b'0'..=b'9', b'0'..=b'9', b'"', ..])
}

//! What a record is, by its keys.
//!
//! In: a whole record's text, the array that held it, and what is trusted. Out: an event, something
//! that holds events, or something that holds none. What a document is that is no envelope of several,
//! crate event says, in the same words as in a module. It opens nothing.

use crate::bytes::{from, is_space};
use crate::fields::{fields, string};
use crate::unescape::unescape;
use firstseen_event::{EventReader, ReadOutcome, Scratch, Trust, trust_lines};
use std::borrow::Cow;
use std::sync::Arc;

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
    /// `events`, first of all keys: what `aws logs filter-log-events` prints.
    FilteredEvents,
    /// `Messages`: what `aws sqs receive-message` prints.
    SqsMessages,
    /// `hits.hits`: the answer of a search.
    Hits,
}

/// What a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind<'a> {
    /// One event or single-event envelope.
    Event,
    /// A document with an array of events in it.
    Envelope,
    /// It holds none; this is its name.
    NoEvents(Cow<'static, str>),
    /// A JSON string (without its quotes) that holds raw events and nothing else.
    RawText(&'a [u8]),
    /// The same, already unescaped.
    RawTextOf(String),
    /// A JSON string that is not trusted, and the entry of `trust_envelopes` that opens it.
    Untrusted(&'a [u8], String),
    /// A JSON string that holds documents; a text in it that is not JSON is a message to people, with
    /// this name.
    Message(&'a [u8], &'static str),
    /// A JSON string (without its quotes) in base64 that holds documents.
    Base64(&'a [u8]),
    /// It cannot be an event.
    Bad(&'static str),
}

pub(crate) const CONTROL_MESSAGE: &str = "CloudWatch control message";
pub(crate) const LOG_LINE: &str = "CloudWatch log line";
pub(crate) const SNS: &str = "SNS notification";
pub(crate) const SQS: &str = "SQS message";
pub(crate) const S3: &str = "S3 notification";

/// What the text of a CloudWatch control message begins with.
const CONTROL_TEXT: &[u8] = b"CWL CONTROL MESSAGE";

/// The log group and stream that CloudWatch lines come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogSource {
    pub(crate) group: Vec<u8>,
    pub(crate) stream: Vec<u8>,
}

impl LogSource {
    /// Those that a document names.
    pub(crate) fn of(document: &[u8]) -> Self {
        let [group, stream] = fields(document, [b"logGroup", b"logStream"]);
        Self { group: name(group), stream: name(stream) }
    }

    /// Whether its lines are CloudTrail's; else the entry that would open them.
    fn trust(&self, trust: &Trust) -> Result<(), String> {
        let text = String::from_utf8_lossy;
        trust_lines(trust, &text(&self.group), &text(&self.stream))
    }
}

/// The text of a string, or nothing.
fn name(value: Option<&[u8]>) -> Vec<u8> {
    string(value).and_then(|text| unescape(text).ok()).unwrap_or_default()
}

/// Recognises records under what is trusted.
#[derive(Clone, Debug)]
pub(crate) struct Recogniser {
    reader: Arc<EventReader>,
    pub(crate) trust: Arc<Trust>,
}

impl Recogniser {
    pub(crate) fn new(trust: Arc<Trust>) -> Self {
        // It asks for no field: what a document is shows without any.
        Self { reader: Arc::new(EventReader::new(Vec::new())), trust }
    }

    /// What `text`, an element of `container` or a document on its own, is.
    pub(crate) fn record<'a>(
        &self,
        container: Option<Container>,
        lines: &LogSource,
        text: &'a [u8],
    ) -> RecordKind<'a> {
        match text {
            [b'{', .., b'}'] => {}
            [b'"', inner @ .., b'"'] => return RecordKind::RawText(inner),
            [b'{', ..] => return RecordKind::Bad("its brackets do not match"),
            _ => return RecordKind::Bad("an event has to be a JSON object"),
        }
        if !matches!(container, Some(Container::Array | Container::Hits) | None)
            && self.is_event(text)
        {
            return RecordKind::Event;
        }
        match container {
            Some(Container::Records) => self.element_of_records(text),
            Some(Container::FirehoseRecords) => match string(fields(text, [b"data"])[0]) {
                Some(data) => RecordKind::Base64(data),
                None => self.document(text),
            },
            Some(Container::SqsMessages) => match string(fields(text, [b"Body"])[0]) {
                Some(body) => RecordKind::Message(body, SQS),
                None => self.document(text),
            },
            Some(Container::LookupEvents) => match string(fields(text, [b"CloudTrailEvent"])[0]) {
                Some(event) => RecordKind::RawText(event),
                None => self.document(text),
            },
            Some(Container::LogEvents) => match string(fields(text, [b"message"])[0]) {
                Some(message) => self.line(message, lines),
                None => match self.document(text) {
                    RecordKind::NoEvents(_) => {
                        RecordKind::Bad("an element of logEvents without a message")
                    }
                    kind => kind,
                },
            },
            Some(Container::FilteredEvents) => {
                let [message, stream, time] =
                    fields(text, [b"message", b"logStreamName", b"ingestionTime"]);
                match string(message) {
                    // What has neither is somebody's own list: its texts are lines of no stream.
                    Some(message) if stream.is_none() && time.is_none() => {
                        self.line(message, &LogSource::default())
                    }
                    Some(message) => {
                        let lines = LogSource { stream: name(stream), ..lines.clone() };
                        self.line(message, &lines)
                    }
                    None => self.document(text),
                }
            }
            Some(Container::Array | Container::Hits) | None => self.document(text),
        }
    }

    /// Whether `text` is an event by keys of its own, whatever the array that it is in: the array may
    /// be the line of somebody else, which never ended.
    pub(crate) fn is_event(&self, text: &[u8]) -> bool {
        let names = [b"@timestamp".as_slice(), b"eventVersion", b"eventName"];
        is_cloudtrail(text)
            || (fields(text, names).iter().any(Option::is_some)
                && self.document(text) == RecordKind::Event)
    }

    /// A line of CloudWatch.
    fn line<'a>(&self, message: &'a [u8], lines: &LogSource) -> RecordKind<'a> {
        if message.starts_with(CONTROL_TEXT) {
            return RecordKind::NoEvents(Cow::Borrowed(CONTROL_MESSAGE));
        }
        match lines.trust(&self.trust) {
            Ok(()) => RecordKind::RawText(message),
            Err(entry) => RecordKind::Untrusted(message, entry),
        }
    }

    /// `Records` is what CloudTrail, S3, SQS, SNS and Kinesis all call it.
    fn element_of_records<'a>(&self, text: &'a [u8]) -> RecordKind<'a> {
        let [kinesis, source, sns_source, body, sns, data] =
            fields(text, [b"kinesis", b"eventSource", b"EventSource", b"body", b"Sns", b"data"]);
        if let Some(kinesis) = kinesis {
            return match string(fields(kinesis, [b"data"])[0]) {
                Some(data) => RecordKind::Base64(data),
                None => RecordKind::Bad("a Kinesis record without data"),
            };
        }
        match string(source).or(string(sns_source)) {
            Some(b"aws:s3") => RecordKind::NoEvents(Cow::Borrowed(S3)),
            Some(b"aws:sqs") => match string(body) {
                Some(body) => RecordKind::Message(body, SQS),
                None => RecordKind::NoEvents(Cow::Borrowed(SQS)),
            },
            Some(b"aws:sns") => match sns.and_then(|sns| string(fields(sns, [b"Message"])[0])) {
                Some(message) => RecordKind::Message(message, SNS),
                None => RecordKind::NoEvents(Cow::Borrowed(SNS)),
            },
            None => match string(data) {
                Some(data) => RecordKind::Base64(data),
                None => self.document(text),
            },
            Some(_) => self.document(text),
        }
    }

    /// A document of its own, or an element of a plain array.
    fn document<'a>(&self, text: &'a [u8]) -> RecordKind<'a> {
        if is_cloudtrail(text) {
            return RecordKind::Event;
        }
        // What is not UTF-8 or not JSON is for the reader of events to say.
        let Ok(document) = std::str::from_utf8(text) else { return RecordKind::Event };
        let mut scratch = Scratch::default();
        match self.reader.read_trusting(document, &mut scratch, &self.trust) {
            Ok(ReadOutcome::Event(_)) | Err(_) => RecordKind::Event,
            // An entry of LookupEvents holds nothing else; other documents are opened by their reader.
            Ok(ReadOutcome::Inner(inner, _)) => match fields(text, [b"CloudTrailEvent"])[0] {
                Some(_) => RecordKind::RawTextOf(inner),
                None => RecordKind::Event,
            },
            Ok(ReadOutcome::SeveralInner(text)) => RecordKind::RawTextOf(text),
            Ok(ReadOutcome::SeveralEvents(what)) => {
                let opened = envelope(text).or_else(|| notification(text));
                opened.unwrap_or(RecordKind::NoEvents(Cow::Borrowed(what)))
            }
            Ok(ReadOutcome::NoEvent(what)) if what == SNS || what == SQS => {
                notification(text).unwrap_or(RecordKind::NoEvents(what))
            }
            Ok(ReadOutcome::NoEvent(what)) => RecordKind::NoEvents(what),
        }
    }
}

/// An envelope of several events.
fn envelope(text: &[u8]) -> Option<RecordKind<'_>> {
    let names: [&[u8]; 8] = [
        b"Records",
        b"records",
        b"Events",
        b"Messages",
        b"logEvents",
        b"events",
        b"hits",
        b"awslogs",
    ];
    let [records, firehose, lookup, messages, log_events, listed, hits, awslogs] =
        fields(text, names);
    let hits = hits.and_then(|hits| fields(hits, [b"hits"])[0]);
    let is_array = |value: &[u8]| value.first() == Some(&b'[');
    let arrays = [records, firehose, lookup, messages, log_events, listed, hits];
    if arrays.into_iter().flatten().any(is_array) {
        return Some(RecordKind::Envelope);
    }
    let data = awslogs.and_then(|awslogs| string(fields(awslogs, [b"data"])[0]));
    data.map(RecordKind::Base64)
}

/// What SNS sends around a document, or SQS where its messages were taken apart.
fn notification(text: &[u8]) -> Option<RecordKind<'_>> {
    let names: [&[u8]; 5] = [b"Type", b"TopicArn", b"Message", b"ReceiptHandle", b"Body"];
    let [kind, topic, message, receipt, body] = fields(text, names);
    match (string(kind), topic, string(message)) {
        (Some(b"Notification"), Some(_), Some(message)) => Some(RecordKind::Message(message, SNS)),
        _ => receipt.and(string(body)).map(|body| RecordKind::Message(body, SQS)),
    }
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

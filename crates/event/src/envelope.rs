//! What one JSON object is: an event, an envelope of one, of several, or of none.
//!
//! In: what a walk over the object found. Out: the verdict. The order of keys never matters, and
//! nothing is opened here.

use crate::path::{ARRAYS, Node, OBJECTS, SCALARS, Trie};
use crate::scan::{Scalar, decode};
use crate::walk::{Capture, Kind, Scratch};
use alloc::borrow::Cow;

/// The keys that tell the forms apart.
#[derive(Debug)]
pub(crate) struct Marks {
    pub(crate) event_time: Node,
    pub(crate) event_id: Node,
    event_name: Node,
    event_source: Node,
    event_version: Node,
    pub(crate) timestamp: Node,
    pub(crate) ecs_id: Node,
    pub(crate) ecs_dataset: Node,
    pub(crate) stream_dataset: Node,
    ecs_action: Node,
    ecs_provider: Node,
    ecs_kind: Node,
    pub(crate) original: Node,
    message: Node,
    detail_type: Node,
    detail: Node,
    source: Node,
    index: Node,
    pub(crate) export_id: Node,
    lookup: Node,
    log: Node,
    message_type: Node,
    log_id: Node,
    log_time: Node,
    digest: Node,
    sns_type: Node,
    sns_message: Node,
    s3_bucket: Node,
    s3_key: Node,
    s3_test: Node,
    several: [(Node, &'static str); 6],
}

/// The verdict.
pub(crate) enum Form<'a> {
    CloudTrail,
    Ecs,
    /// The event is the object that begins at this byte.
    Within(usize),
    /// The event is the JSON text in a string.
    Inner(Cow<'a, str>),
    Nothing(&'static str),
    Many(&'static str),
}

impl Marks {
    pub(crate) fn new(trie: &mut Trie) -> Self {
        let mut scalar = |path| trie.add(path, SCALARS);
        Self {
            event_time: scalar("eventTime"),
            event_id: scalar("eventID"),
            event_name: scalar("eventName"),
            event_source: scalar("eventSource"),
            event_version: scalar("eventVersion"),
            timestamp: scalar("@timestamp"),
            ecs_id: scalar("event.id"),
            ecs_dataset: scalar("event.dataset"),
            stream_dataset: scalar("data_stream.dataset"),
            ecs_action: scalar("event.action"),
            ecs_provider: scalar("event.provider"),
            ecs_kind: scalar("event.kind"),
            original: scalar("event.original"),
            message: scalar("message"),
            detail_type: scalar("detail-type"),
            index: scalar("_index"),
            export_id: scalar("_id"),
            lookup: scalar("CloudTrailEvent"),
            log: scalar("log"),
            message_type: scalar("messageType"),
            log_id: scalar("id"),
            log_time: scalar("timestamp"),
            digest: scalar("digestS3Bucket"),
            sns_type: scalar("Type"),
            sns_message: scalar("Message"),
            s3_bucket: scalar("s3Bucket"),
            // One key or an array of them.
            s3_key: scalar("s3ObjectKey"),
            s3_test: scalar("Event"),
            detail: trie.add("detail", OBJECTS),
            source: trie.add("_source", OBJECTS),
            several: [
                (trie.add("Records", ARRAYS), "CloudTrail Records"),
                (trie.add("logEvents", ARRAYS), "CloudWatch Logs subscription"),
                (trie.add("Events", ARRAYS), "LookupEvents result"),
                (trie.add("records", ARRAYS), "Firehose records"),
                (trie.add("awslogs", OBJECTS), "CloudWatch Logs for Lambda"),
                (trie.add("hits", OBJECTS), "Elasticsearch search result"),
            ],
        }
    }

    /// Judges what a walk over an object of `text` left in `scratch`.
    pub(crate) fn judge<'a>(&self, text: &'a str, scratch: &Scratch) -> Form<'a> {
        let look = Look { text, scratch };
        // The most frequent forms first.
        let ecs_event = look.has(self.ecs_action) || look.has(self.ecs_provider);
        let raw = look.has(self.event_name) && look.has(self.event_source)
            || look.has(self.event_version) && look.has(self.event_time);
        if raw && !ecs_event {
            // A single record of an S3 or SQS notification has the same two keys.
            let from_s3 = look.text(self.event_source).is_some_and(|name| name.starts_with("aws:"));
            return if from_s3 { Form::Nothing("S3 notification") } else { Form::CloudTrail };
        }
        if look.has(self.detail_type)
            && let Some(detail) = look.first(self.detail)
        {
            return Form::Within(detail.start as usize);
        }
        if (look.has(self.index) || look.has(self.export_id))
            && let Some(source) = look.first(self.source)
        {
            return Form::Within(source.start as usize);
        }
        if !ecs_event {
            for node in [self.original, self.message] {
                if let Some(inner) = look.json(node, is_raw_cloudtrail) {
                    return Form::Inner(inner);
                }
            }
            let ecs = [self.timestamp, self.ecs_id, self.ecs_dataset, self.stream_dataset];
            if !ecs.iter().chain([&self.ecs_kind]).any(|node| look.has(*node)) {
                return self.judge_foreign(&look);
            }
        }
        Form::Ecs
    }

    /// What bears no mark of an ECS document.
    fn judge_foreign<'a>(&self, look: &Look<'a, '_>) -> Form<'a> {
        // A line that Fluent Bit or a container's runtime did not parse stands in `log`.
        for node in [self.lookup, self.log] {
            if let Some(inner) = look.json(node, |_| true) {
                return Form::Inner(inner);
            }
        }
        if look.has(self.digest) {
            return Form::Nothing("CloudTrail digest");
        }
        if look.text(self.message_type).as_deref() == Some("CONTROL_MESSAGE") {
            return Form::Nothing("CloudWatch control message");
        }
        let sns_types = ["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"];
        let of_sns = look.text(self.sns_type).is_some_and(|kind| sns_types.contains(&&*kind));
        if of_sns && look.has(self.sns_message) || look.has(self.s3_bucket) && look.has(self.s3_key)
        {
            return Form::Nothing("SNS notification");
        }
        if look.text(self.s3_test).as_deref() == Some("s3:TestEvent") {
            return Form::Nothing("S3 test event");
        }
        if let Some((_, name)) = self.several.iter().find(|(node, _)| look.has(*node)) {
            return Form::Many(name);
        }
        if look.has(self.log_id)
            && look.has(self.log_time)
            && let Some(inner) = look.json(self.message, |_| true)
        {
            return Form::Inner(inner);
        }
        Form::Ecs
    }
}

/// The text of a JSON string, still escaped or not, that looks like a raw CloudTrail event.
fn is_raw_cloudtrail(json: &str) -> bool {
    let has = |name: &str| memchr::memmem::find(json.as_bytes(), name.as_bytes()).is_some();
    has("eventName") && has("eventSource") || has("eventVersion") && has("eventTime")
}

/// A look at what was found.
struct Look<'a, 's> {
    text: &'a str,
    scratch: &'s Scratch,
}

impl<'a> Look<'a, '_> {
    fn first(&self, node: Node) -> Option<Capture> {
        self.scratch.of(node).next().copied()
    }

    fn has(&self, node: Node) -> bool {
        self.first(node).is_some()
    }

    fn content(&self, node: Node) -> Option<&'a str> {
        let capture = self.first(node)?;
        matches!(capture.kind, Kind::Scalar(Scalar::Plain | Scalar::Escaped))
            .then(|| self.text.get(capture.start as usize..capture.end as usize))
            .flatten()
    }

    fn text(&self, node: Node) -> Option<Cow<'a, str>> {
        self.content(node).map(decode)
    }

    /// The content of a string that holds a JSON object, if the test holds for its text. The text
    /// is looked at as it stands, still escaped; where ASCII characters are, only decoding tells.
    fn json(&self, node: Node, test: impl Fn(&str) -> bool) -> Option<Cow<'a, str>> {
        let content = self.content(node)?;
        if memchr::memmem::find(content.as_bytes(), br"\u00").is_none() {
            return (begins_object(content) && test(content)).then(|| decode(content));
        }
        Some(decode(content)).filter(|text| begins_object(text) && test(text))
    }
}

/// Whether a text, still escaped or not, begins like a JSON object.
fn begins_object(text: &str) -> bool {
    let bare = text.trim_start_matches([' ', '\n', '\t', '\r']);
    // White space before the brace may be escaped.
    let bare = bare.trim_start_matches("\\n").trim_start_matches("\\t");
    bare.starts_with('{')
}

//! What one JSON object is: an event, an envelope of one, of several, or of none.
//!
//! In: the spans that a walk over the object found. Out: its form. The order of keys never matters,
//! and nothing is opened here.

use crate::path::{ARRAYS, Node, OBJECTS, SCALARS, Trie};
use crate::raw::{Lookalike, RawSource};
use crate::scan::decode;
use crate::sources::SOURCES;
use crate::spans::Spans;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;

/// The keys that distinguish the forms.
#[derive(Debug)]
pub(crate) struct FormMarks {
    pub(crate) sources: Box<[SourceMarks]>,
    pub(crate) timestamp: Node,
    pub(crate) ecs_id: Node,
    pub(crate) ecs_dataset: Node,
    pub(crate) stream_dataset: Node,
    ecs_action: Node,
    ecs_provider: Node,
    ecs_kind: Node,
    original: Node,
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

/// The keys that mark the events of a raw source.
#[derive(Debug)]
pub(crate) struct SourceMarks {
    pub(crate) time: Node,
    pub(crate) id: Node,
    pairs: Box<[[Node; 2]]>,
    lookalikes: Box<[(Node, &'static Lookalike)]>,
}

/// What an object is.
pub(crate) enum ObjectForm {
    /// An event of the raw source with this place in the table.
    Raw(usize),
    /// An ECS document.
    Ecs,
    /// The event is the object that begins at this byte.
    Within(usize),
    /// The event is the JSON text in a string.
    Inner(String),
    /// It holds no event: what it is.
    NoEvent(&'static str),
    /// An envelope of several events: what it is.
    SeveralEvents(&'static str),
}

impl SourceMarks {
    fn new(source: &'static RawSource, trie: &mut Trie) -> Self {
        Self {
            time: trie.add(source.time, SCALARS),
            id: trie.add(source.id, SCALARS),
            pairs: source.marks.iter().map(|pair| pair.map(|key| trie.add(key, SCALARS))).collect(),
            lookalikes: source
                .lookalikes
                .iter()
                .map(|lookalike| (trie.add(lookalike.path, SCALARS), lookalike))
                .collect(),
        }
    }

    /// The form of an object that has the source's marks.
    fn judge(&self, place: usize, event: &Spans<'_>) -> Option<ObjectForm> {
        if !self.pairs.iter().any(|pair| pair.iter().all(|key| event.has(*key))) {
            return None;
        }
        let is_lookalike = |(node, lookalike): &&(Node, &'static Lookalike)| {
            text(event, *node).is_some_and(|text| text.starts_with(lookalike.prefix))
        };
        Some(match self.lookalikes.iter().find(is_lookalike) {
            Some((_, lookalike)) => ObjectForm::NoEvent(lookalike.what),
            None => ObjectForm::Raw(place),
        })
    }
}

impl FormMarks {
    pub(crate) fn new(trie: &mut Trie) -> Self {
        let sources = SOURCES.iter().map(|source| SourceMarks::new(source, trie)).collect();
        let mut scalar = |path| trie.add(path, SCALARS);
        Self {
            sources,
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

    /// The form of an object that was walked over.
    pub(crate) fn judge(&self, event: &Spans<'_>) -> ObjectForm {
        // The most frequent forms first.
        let ecs_event = event.has(self.ecs_action) || event.has(self.ecs_provider);
        if !ecs_event {
            let mut sources = self.sources.iter().enumerate();
            if let Some(form) = sources.find_map(|(place, marks)| marks.judge(place, event)) {
                return form;
            }
        }
        if event.has(self.detail_type)
            && let Some(detail) = event.capture(self.detail)
        {
            return ObjectForm::Within(detail.start as usize);
        }
        if (event.has(self.index) || event.has(self.export_id))
            && let Some(source) = event.capture(self.source)
        {
            return ObjectForm::Within(source.start as usize);
        }
        if !ecs_event {
            for node in [self.original, self.message] {
                if let Some(inner) = json(event, node, is_raw) {
                    return ObjectForm::Inner(inner);
                }
            }
            let ecs = [self.timestamp, self.ecs_id, self.ecs_dataset, self.stream_dataset];
            if !ecs.iter().chain([&self.ecs_kind]).any(|node| event.has(*node)) {
                return self.judge_foreign(event);
            }
        }
        ObjectForm::Ecs
    }

    /// The form of an object without any mark of an ECS document.
    fn judge_foreign(&self, event: &Spans<'_>) -> ObjectForm {
        // Fluent Bit and container runtimes put a line that they did not parse into `log`.
        for node in [self.lookup, self.log] {
            if let Some(inner) = json(event, node, |_| true) {
                return ObjectForm::Inner(inner);
            }
        }
        if event.has(self.digest) {
            return ObjectForm::NoEvent("CloudTrail digest");
        }
        if text(event, self.message_type).as_deref() == Some("CONTROL_MESSAGE") {
            return ObjectForm::NoEvent("CloudWatch control message");
        }
        let sns_types = ["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"];
        let of_sns = text(event, self.sns_type).is_some_and(|kind| sns_types.contains(&&*kind));
        if of_sns && event.has(self.sns_message)
            || event.has(self.s3_bucket) && event.has(self.s3_key)
        {
            return ObjectForm::NoEvent("SNS notification");
        }
        if text(event, self.s3_test).as_deref() == Some("s3:TestEvent") {
            return ObjectForm::NoEvent("S3 test event");
        }
        if let Some((_, name)) = self.several.iter().find(|(node, _)| event.has(*node)) {
            return ObjectForm::SeveralEvents(name);
        }
        if event.has(self.log_id)
            && event.has(self.log_time)
            && let Some(inner) = json(event, self.message, |_| true)
        {
            return ObjectForm::Inner(inner);
        }
        ObjectForm::Ecs
    }
}

/// Whether the text of a JSON string, still escaped or not, looks like an event of a raw source.
fn is_raw(json: &str) -> bool {
    let has = |name: &&str| memchr::memmem::find(json.as_bytes(), name.as_bytes()).is_some();
    let mut pairs = SOURCES.iter().flat_map(|source| source.marks);
    pairs.any(|pair| pair.iter().all(has))
}

/// The first string at a node, decoded.
fn text<'a>(event: &Spans<'a>, node: Node) -> Option<Cow<'a, str>> {
    event.string_content(node).map(decode)
}

/// The content of a string that holds a JSON object, if the test holds for its text. The text
/// is tested still escaped; only where ASCII characters are escaped is it decoded first.
fn json(event: &Spans<'_>, node: Node, test: impl Fn(&str) -> bool) -> Option<String> {
    let content = event.string_content(node)?;
    if memchr::memmem::find(content.as_bytes(), br"\u00").is_none() {
        return (begins_object(content) && test(content)).then(|| decode(content).into_owned());
    }
    Some(decode(content)).filter(|text| begins_object(text) && test(text)).map(Cow::into_owned)
}

/// Whether a text, still escaped or not, begins like a JSON object.
fn begins_object(text: &str) -> bool {
    let bare = text.trim_start_matches([' ', '\n', '\t', '\r']);
    // White space before the brace may be escaped.
    let bare = bare.trim_start_matches("\\n").trim_start_matches("\\t");
    bare.starts_with('{')
}

//! What one JSON object is: an event, an envelope of one, of several, or of none.
//!
//! In: the spans that a walk over the object found, what is around it, and what is trusted. Out: its
//! form. The order of keys never matters. A string is looked into only where it may be opened; whether
//! it may is said by `trust`, and whether it holds events by `inner`. Nothing is opened here.

mod own;
mod texts;

pub use own::is_ecs_key;

use crate::inner::{all_keys, is_raw_object, mark_of};
use crate::path::{ARRAYS, Node, OBJECTS, SCALARS, Trie};
use crate::raw::{Lookalike, RawSource};
use crate::sources::SOURCES;
use crate::spans::Spans;
use crate::trust::{
    NOT_OPENED, Trust, TrustKind, is_aws_source, is_cloudtrail_dataset, is_foreign_index,
    may_stand_beside_log, or_dash, trust_entry, trust_lines,
};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use texts::{inner_form, text};

/// The keys that distinguish the forms.
#[derive(Debug)]
pub(crate) struct FormMarks {
    pub(crate) sources: Box<[SourceMarks]>,
    pub(crate) timestamp: Node,
    pub(crate) ecs_id: Node,
    pub(crate) ecs_dataset: Node,
    pub(crate) stream_dataset: Node,
    module: Node,
    ecs_action: Node,
    ecs_provider: Node,
    ecs_kind: Node,
    original: Node,
    message: Node,
    detail_type: Node,
    detail: Node,
    bridge_source: Node,
    hit: Node,
    pub(crate) index: Node,
    /// Type, dataset and namespace.
    pub(crate) stream: [Node; 3],
    pub(crate) export_id: Node,
    lookup: Node,
    log: Node,
    message_type: Node,
    log_id: Node,
    log_time: Node,
    log_streams: [Node; 2],
    log_groups: [Node; 2],
    digest: Node,
    sns_type: Node,
    sns_message: Node,
    s3_bucket: Node,
    s3_key: Node,
    s3_test: Node,
    /// What `aws logs filter-log-events` prints. Others call their arrays so too.
    events: Node,
    /// A message of SQS by itself.
    sqs: [Node; 2],
    several: [(Node, &'static str); 7],
    shapes: [(Node, &'static str); 13],
}

/// The keys that mark the events of a raw source.
#[derive(Debug)]
pub(crate) struct SourceMarks {
    pub(crate) time: Node,
    pub(crate) id: Node,
    sets: Box<[Box<[Node]>]>,
    lookalikes: Box<[(Node, &'static Lookalike)]>,
}

/// What an object is.
pub(crate) enum ObjectForm {
    /// An event of the raw source with this place in the table.
    Raw(usize),
    /// An ECS document. An entry of `trust_envelopes` would have made it something else.
    Ecs(Option<String>),
    /// The event is the object that begins at this byte.
    Within(usize, Around),
    /// The event is the JSON text in a string.
    Inner(String),
    /// It holds no event: what it is.
    NoEvent(Cow<'static, str>),
    /// An envelope of several events: what it is.
    SeveralEvents(&'static str),
    /// The events are in this text, a string of the object.
    SeveralInner(String),
}

/// What is around an object.
pub(crate) enum Around {
    /// Nothing, or an envelope that is trusted.
    Nothing,
    /// A trusted EventBridge event, whose `detail` is a raw event or nothing.
    Bridge,
    /// A search hit out of an index that is not trusted, by its entry of `trust_envelopes`.
    Index(String),
}

/// The member of a document of its own that holds events of a raw source.
enum MemberWithEvents {
    /// An array of them, or the text of a queue or a topic: what the document is.
    Several(&'static str),
    /// An object that is one.
    Object,
    /// There is more than one.
    More,
}

/// What a string in a document turned out to be.
enum InnerText {
    /// No text of events.
    Nothing,
    /// A text of events, trusted.
    Form(ObjectForm),
    /// A text of events, and the entry of `trust_envelopes` that would open it.
    Untrusted(String),
}

impl SourceMarks {
    fn new(source: &'static RawSource, trie: &mut Trie) -> Self {
        Self {
            time: trie.add(source.time, SCALARS),
            id: trie.add(source.id, SCALARS),
            sets: source
                .marks
                .iter()
                .map(|set| set.iter().map(|mark| mark_node(mark, trie)).collect())
                .collect(),
            lookalikes: source
                .lookalikes
                .iter()
                .map(|lookalike| (trie.add(lookalike.path, SCALARS), lookalike))
                .collect(),
        }
    }

    /// Whether an object has the source's marks; the error is what it is instead.
    fn judge(&self, event: &Spans<'_>) -> Result<bool, &'static str> {
        if !self.sets.iter().any(|set| set.iter().all(|key| event.has(*key))) {
            return Ok(false);
        }
        let is_lookalike = |(node, lookalike): &&(Node, &'static Lookalike)| {
            text(event, *node).is_some_and(|text| text.starts_with(lookalike.prefix))
        };
        match self.lookalikes.iter().find(is_lookalike) {
            Some((_, lookalike)) => Err(lookalike.what),
            None => Ok(true),
        }
    }
}

fn mark_node(mark: &str, trie: &mut Trie) -> Node {
    let (key, is_object) = mark_of(mark);
    trie.add(key, if is_object { OBJECTS } else { SCALARS })
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
            stream: ["data_stream.type", "data_stream.dataset", "data_stream.namespace"]
                .map(&mut scalar),
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
            module: scalar("event.module"),
            bridge_source: scalar("source"),
            log_streams: ["logStreamName", "logStream"].map(&mut scalar),
            log_groups: ["logGroup", "logGroupName"].map(&mut scalar),
            sqs: ["ReceiptHandle", "Body"].map(&mut scalar),
            events: trie.add("events", ARRAYS),
            detail: trie.add("detail", OBJECTS),
            hit: trie.add("_source", OBJECTS),
            several: [
                (trie.add("Records", ARRAYS), "CloudTrail Records"),
                (trie.add("logEvents", ARRAYS), "CloudWatch Logs subscription"),
                (trie.add("Events", ARRAYS), "LookupEvents result"),
                (trie.add("records", ARRAYS), "Firehose records"),
                (trie.add("Messages", ARRAYS), "SQS messages"),
                (trie.add("awslogs", OBJECTS), "CloudWatch Logs for Lambda"),
                (trie.add("hits", OBJECTS), "Elasticsearch search result"),
            ],
            shapes: [
                ("ReceiptHandle", SCALARS, SQS),
                ("fields", OBJECTS, "search hit with fields and no _source"),
                ("_raw", SCALARS, "Splunk event"),
                ("result._raw", SCALARS, "Splunk event"),
                ("sourcetype", SCALARS, "Splunk HEC event"),
                ("resourceLogs", ARRAYS, "OTLP log records"),
                ("streams", ARRAYS, "Loki streams"),
                ("data.resultType", SCALARS, "Loki query result"),
                ("line", SCALARS, "Loki line"),
                ("eventData", SCALARS | OBJECTS, "CloudTrail Lake eventData"),
                ("class_uid", SCALARS, "OCSF event"),
                ("data.aws", OBJECTS, "Wazuh alert"),
                ("decoder", OBJECTS, "Wazuh alert"),
            ]
            .map(|(path, wants, name)| (trie.add(path, wants), name)),
        }
    }

    /// The form of an object that was walked over.
    pub(crate) fn judge(&self, event: &Spans<'_>, around: &Around, trust: &Trust) -> ObjectForm {
        // The most frequent forms first.
        let is_parsed = event.has(self.ecs_action) || event.has(self.ecs_provider);
        let mut untrusted = None;
        if !is_parsed {
            for (place, marks) in self.sources.iter().enumerate() {
                match marks.judge(event) {
                    Ok(false) => {}
                    Err(_) if self.is_ecs(event) => {}
                    Err(what) => return ObjectForm::NoEvent(Cow::Borrowed(what)),
                    Ok(true) => match self.distrust(event, around, trust) {
                        None => return ObjectForm::Raw(place),
                        entry => untrusted = entry,
                    },
                }
            }
        }
        if matches!(around, Around::Bridge) {
            return ObjectForm::NoEvent(Cow::Borrowed(BRIDGE));
        }
        let mut is_ecs = is_parsed || self.is_ecs(event);
        let mut is_opened = false;
        if untrusted.is_none()
            && let Some(member) = self.member_with_events(event)
            && self.is_own(event, is_ecs)
        {
            untrusted = self.closed_to(event, around, trust);
            // Whoever trusts its members takes it for their envelope. Its texts repeat them or are
            // somebody else's: they are not looked at.
            is_opened = untrusted.is_none();
            is_ecs &= !is_opened;
            match member {
                _ if !is_opened => {}
                MemberWithEvents::Object => {}
                MemberWithEvents::Several(what) => return ObjectForm::SeveralEvents(what),
                MemberWithEvents::More => return ObjectForm::NoEvent(Cow::Borrowed(MORE)),
            }
        }
        if untrusted.is_none() {
            if let Some(form) = self.envelope(event, is_ecs, is_opened, trust) {
                return form;
            }
            if !is_parsed {
                match self.inner(event, is_ecs, around, trust) {
                    InnerText::Nothing => {}
                    InnerText::Form(form) => return form,
                    InnerText::Untrusted(entry) => untrusted = Some(entry),
                }
            }
        }
        match (is_ecs, untrusted) {
            (true, entry) => ObjectForm::Ecs(entry),
            (false, Some(entry)) => not_opened(&entry),
            (false, None) => self.judge_foreign(event),
        }
    }

    fn is_ecs(&self, event: &Spans<'_>) -> bool {
        let marks =
            [self.timestamp, self.ecs_id, self.ecs_dataset, self.stream_dataset, self.ecs_kind];
        marks.iter().any(|node| event.has(*node))
    }

    /// Why a raw event here, or in a text of this document, is not trusted: the entry of
    /// `trust_envelopes` that would change it.
    fn distrust(&self, event: &Spans<'_>, around: &Around, trust: &Trust) -> Option<String> {
        if let Around::Index(entry) = around {
            return Some(entry.clone());
        }
        let named = [self.ecs_dataset, self.stream_dataset, self.module];
        for node in named.into_iter().filter(|node| event.has(*node)) {
            for name in event.values(node) {
                let name = name.into_text();
                let is_own = is_cloudtrail_dataset(&name) || node == self.module && name == "aws";
                if !is_own && !trust.names(TrustKind::Dataset, &name) {
                    return Some(trust_entry(TrustKind::Dataset, &name));
                }
            }
        }
        None
    }

    /// The form of an envelope whose event is an object.
    fn envelope(
        &self,
        event: &Spans<'_>,
        is_ecs: bool,
        is_opened: bool,
        trust: &Trust,
    ) -> Option<ObjectForm> {
        if !is_ecs
            && event.has(self.detail_type)
            && let Some(detail) = event.capture(self.detail)
        {
            let at = detail.start as usize;
            let source = text(event, self.bridge_source).unwrap_or_default();
            if is_opened
                || is_aws_source(&source)
                || trust.names(TrustKind::Source, or_dash(&source))
            {
                return Some(ObjectForm::Within(at, Around::Bridge));
            }
            return Some(if is_raw_object(event.whole_text(), at) {
                not_opened(&trust_entry(TrustKind::Source, &source))
            } else {
                ObjectForm::NoEvent(Cow::Borrowed(BRIDGE))
            });
        }
        let hit = event.capture(self.hit).filter(|_| is_opened || self.is_hit(event))?;
        let index = text(event, self.index).unwrap_or_default();
        let is_foreign = is_foreign_index(&index) && !trust.names(TrustKind::Index, &index);
        let entry = is_foreign.then(|| Around::Index(trust_entry(TrustKind::Index, &index)));
        Some(ObjectForm::Within(hit.start as usize, entry.unwrap_or(Around::Nothing)))
    }

    /// The events in a string of an object that is not parsed yet.
    fn inner(&self, event: &Spans<'_>, is_ecs: bool, around: &Around, trust: &Trust) -> InnerText {
        let is_line = !is_ecs
            && (self.log_streams.iter().any(|node| event.has(*node))
                || event.has(self.log_id) && event.has(self.log_time));
        for node in [self.original, self.message, self.log, self.lookup] {
            let Some(form) = inner_form(event, node) else { continue };
            let entry = if node == self.lookup {
                self.distrust(event, around, trust)
            } else if is_line && node == self.message {
                let name = |nodes: &[Node]| nodes.iter().find_map(|node| text(event, *node));
                let group = name(&self.log_groups).unwrap_or_default();
                let stream = name(&self.log_streams).unwrap_or_default();
                trust_lines(trust, &group, &stream).err()
            } else {
                let is_beside = node == self.log
                    && !trust.names(TrustKind::Log, "")
                    && !all_keys(event.whole_text(), event.start(), may_stand_beside_log);
                let entry = is_beside.then(|| trust_entry(TrustKind::Log, ""));
                self.distrust(event, around, trust).or(entry)
            };
            return match entry {
                None => InnerText::Form(form),
                Some(entry) => InnerText::Untrusted(entry),
            };
        }
        InnerText::Nothing
    }

    fn is_sns(&self, event: &Spans<'_>) -> bool {
        let types = ["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"];
        text(event, self.sns_type).is_some_and(|kind| types.contains(&&*kind))
    }

    /// The form of an object without any mark of an ECS document.
    fn judge_foreign(&self, event: &Spans<'_>) -> ObjectForm {
        let what = if event.has(self.digest) {
            "CloudTrail digest"
        } else if text(event, self.message_type).as_deref() == Some("CONTROL_MESSAGE") {
            "CloudWatch control message"
        } else if event.has(self.sns_message) && self.is_sns(event)
            || event.has(self.s3_bucket) && event.has(self.s3_key)
        {
            SNS
        } else if text(event, self.s3_test).as_deref() == Some("s3:TestEvent") {
            "S3 test event"
        } else if let Some((_, name)) = self.several.iter().find(|(node, _)| event.has(*node)) {
            return ObjectForm::SeveralEvents(name);
        } else {
            let shape = self.shapes.iter().find(|(node, _)| event.has(*node));
            shape.map_or("JSON that is neither CloudTrail nor ECS", |(_, name)| *name)
        };
        ObjectForm::NoEvent(Cow::Borrowed(what))
    }
}

const MORE: &str = "document with events in several members";
const SNS: &str = "SNS notification";
const SQS: &str = "SQS message";
const BRIDGE: &str = "EventBridge event of something else";

fn not_opened(entry: &str) -> ObjectForm {
    ObjectForm::NoEvent(Cow::Owned(format!("{NOT_OPENED}{entry}")))
}

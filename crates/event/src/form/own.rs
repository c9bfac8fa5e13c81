//! Documents of their own: an ECS document that has a member like an envelope's.
//!
//! In: an object that was walked over. Out: whether a member of it holds events, and the entry of
//! `trust_envelopes` that would open it. An array of events beside `@timestamp` is opened only where
//! somebody said so, and is never passed over without a word.

use super::texts::{has_marks, has_packed, text};
use super::{Around, FormMarks, MemberWithEvents, SNS, SQS};
use crate::inner::{all_keys, is_raw_object};
use crate::spans::Spans;
use crate::trust::{Trust, TrustKind, or_dash, trust_entry};
use alloc::string::String;

impl FormMarks {
    /// The member that holds what looks like events of a raw source, as members of envelopes do.
    pub(super) fn member_with_events(&self, event: &Spans<'_>) -> Option<MemberWithEvents> {
        let text = event.whole_text();
        let array =
            |node| event.capture(node).and_then(|it| text.get(it.start as usize..it.end as usize));
        let is_raw = |node| {
            event.capture(node).is_some_and(|object| is_raw_object(text, object.start as usize))
        };
        let has_text = |node| event.string_content(node).is_some_and(has_marks);
        let several = self.several.iter().find(|(node, _)| {
            array(*node).is_some_and(|array| has_marks(array) || has_packed(array))
        });
        let listed =
            || array(self.events).is_some_and(has_marks).then_some("CloudWatch log events");
        let is_object = event.has(self.detail_type) && is_raw(self.detail)
            || is_raw(self.hit) && !self.is_hit(event);
        let [receipt, body] = self.sqs;
        let members = [
            several.map(|(_, what)| *what).or_else(listed).map(MemberWithEvents::Several),
            is_object.then_some(MemberWithEvents::Object),
            (self.is_sns(event) && has_text(self.sns_message))
                .then_some(MemberWithEvents::Several(SNS)),
            (event.has(receipt) && has_text(body)).then_some(MemberWithEvents::Several(SQS)),
        ];
        let mut members = members.into_iter().flatten();
        let first = members.next()?;
        match members.next() {
            Some(_) => Some(MemberWithEvents::More),
            None => Some(first),
        }
    }

    /// Whether a document is one of its own, whatever its members hold.
    pub(super) fn is_own(&self, event: &Spans<'_>, is_ecs: bool) -> bool {
        is_ecs || !all_keys(event.whole_text(), event.start(), |name| !is_ecs_key(name))
    }

    /// The entry of `trust_envelopes` that would open the members of a document of its own.
    pub(super) fn closed_to(
        &self,
        event: &Spans<'_>,
        around: &Around,
        trust: &Trust,
    ) -> Option<String> {
        if let Around::Index(entry) = around {
            return Some(entry.clone());
        }
        let nodes = [self.ecs_dataset, self.stream_dataset, self.module];
        let name = nodes.iter().find_map(|node| text(event, *node)).unwrap_or_default();
        let is_named = trust.names(TrustKind::Dataset, or_dash(&name));
        (!is_named).then(|| trust_entry(TrustKind::Dataset, &name))
    }

    pub(super) fn is_hit(&self, event: &Spans<'_>) -> bool {
        event.has(self.index) || event.has(self.export_id)
    }
}

/// Whether a key at the top marks a document of its own: with an array of events in it, it is still no
/// envelope of them.
#[must_use]
pub fn is_ecs_key(key: &str) -> bool {
    matches!(key, "@timestamp" | "event" | "data_stream")
        || key.starts_with("event.")
        || key.starts_with("data_stream.")
}

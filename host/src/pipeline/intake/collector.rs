//! Takes what the rules say of events.
//!
//! In: items, with the events that they are about. Out: matches, handed to the order; counts and notices of those that
//! cannot alert, given to the observer.

use super::{event_at, keep_first};
use crate::observe::{Notice, Observer, RuleCounter};
use crate::pipeline::Order;
use crate::pipeline::gather::{EventSpot, MatchVisitor};
use crate::pipeline::learning::Learning;
use crate::pipeline::order::MatchText;
use crate::pipeline::text::text_digest;
use crate::rules::sample::EventSample;
use anyhow::anyhow;
use firstseen_abi::{Item, ItemKind};
use firstseen_session::{EventText, Match, RuleRef};

/// Hands matches to the order, and counts those that cannot alert.
pub(super) struct MatchCollector<'c> {
    pub(super) order: &'c mut Order,
    pub(super) learning: &'c mut Learning,
    pub(super) now_ms: i64,
    pub(super) observer: &'c mut dyn Observer,
    pub(super) sample: &'c mut EventSample,
    pub(super) fault: &'c mut Option<anyhow::Error>,
    /// The input's number, and how many lines end before what is read of it.
    pub(super) input: (u32, u64),
    pub(super) rereadable: bool,
    pub(super) refers_to_text: &'c mut bool,
}

impl MatchVisitor for MatchCollector<'_> {
    fn item(&mut self, artifact: usize, spot: EventSpot, raw: &[u8], item: &Item<'_>) {
        let artifact = u16::try_from(artifact).unwrap_or(u16::MAX);
        let rule = RuleRef { artifact, rule: item.rule };
        self.sample.offer(&event_at(self.input, spot.place), raw);
        self.observer.count_of(rule, RuleCounter::Matched, 1);
        if item.time_ms != 0 {
            self.observer.dated(item.time_ms, true);
            self.learning.read(item.time_ms, self.now_ms, self.order.is_stream());
        }
        let result = match item.kind {
            ItemKind::Matched => self.matched(rule, spot, raw, item),
            ItemKind::Missing => {
                self.observer.count_of(rule, RuleCounter::Missing, 1);
                self.observer.notice(&Notice::Missing { field: item.text, event: raw })
            }
            ItemKind::Excepted => {
                self.observer.count_of(rule, RuleCounter::Excepted, 1);
                self.observer.notice(&Notice::Excepted { name: item.text })
            }
            ItemKind::OtherIndex => {
                self.observer.count_of(rule, RuleCounter::OtherIndex, 1);
                self.observer.notice(&Notice::OtherIndex { name: item.text })
            }
            ItemKind::Bad | ItemKind::NoEvents | ItemKind::Future | ItemKind::TooManyTerms => {
                Ok(())
            }
        };
        keep_first(self.fault, result);
    }
}

impl MatchCollector<'_> {
    fn matched(
        &mut self,
        rule: RuleRef,
        spot: EventSpot,
        raw: &[u8],
        item: &Item<'_>,
    ) -> anyhow::Result<()> {
        let at = event_at(self.input, spot.place);
        let (time_ms, identity) = (item.time_ms, item.identity);
        match self.order {
            Order::Sorted(sorter) => {
                // Where the event's text can be read again, it is not carried.
                let text = if self.rereadable && spot.as_is {
                    *self.refers_to_text = true;
                    let digest = text_digest(raw);
                    MatchText::At {
                        input: self.input.0,
                        offset: spot.place.offset,
                        len: item.len,
                        digest,
                    }
                } else {
                    MatchText::Carried(raw)
                };
                let result = sorter.push_parts(time_ms, identity, rule, &at, item.raw, &text);
                let context = "matched events could not be put in order";
                result.map_err(|error| anyhow!(error).context(context))?;
            }
            Order::Held(hold) => {
                let (item, text) = (item.raw.to_vec(), EventText::Carried(raw.to_vec()));
                hold.push(Match { rule, time_ms, identity, at, item, text });
            }
        }
        Ok(())
    }
}

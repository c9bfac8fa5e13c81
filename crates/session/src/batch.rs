//! Calls `keys` for a batch of events, and isolates the events on which the call fails.
//!
//! In: events in one buffer. Out: the items, each checked, with the event it is about. A call that
//! fails is halved until the event at fault is alone: that one is reported, and nothing else is lost.
//! A rule that is stopped is not called again.

use crate::rules::{CallError, Rules};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use firstseen_abi::{Counts, Item, ItemKind, Keys};

/// Events gathered for one call of `keys`.
#[derive(Debug, Default)]
pub struct EventBatch {
    /// The events, one after another.
    pub buffer: Vec<u8>,
    /// Offset and length of each.
    pub table: Vec<(u32, u32)>,
}

/// Takes what comes out of a batch.
pub trait ItemVisitor {
    /// An item; `event` is the index in the batch.
    fn item(&mut self, event: usize, item: &Item<'_>);
    /// The rule failed on this event alone.
    fn failed(&mut self, event: usize, error: &CallError);
}

impl EventBatch {
    /// Adds an event. It must be below 2 GiB, and so must the batch: see [`is_full`](Self::is_full).
    pub fn push(&mut self, event: &[u8]) {
        let at = self.buffer.len() as u32;
        self.buffer.extend_from_slice(event);
        self.table.push((at, event.len() as u32));
    }

    /// Whether the batch is as large as a call should be: 256 KiB, or 8,192 events. So block, batch and the guest's
    /// copy of it are in a core's own cache together, and a call's own cost is still that of a tenth of an event.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.buffer.len() >= 256 << 10 || self.table.len() >= 8192
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Forgets the events and keeps the room, within reason.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.table.clear();
        if self.buffer.capacity() > 8 << 20 {
            self.buffer = Vec::new();
        }
    }

    /// The text of an event.
    #[must_use]
    pub fn event(&self, index: usize) -> &[u8] {
        let Some((at, len)) = self.table.get(index) else { return &[] };
        self.buffer.get(*at as usize..(*at + *len) as usize).unwrap_or_default()
    }

    /// Runs step one on all events; returns the rule's sums.
    pub fn keys(
        &self,
        rules: &mut dyn Rules,
        now_ms: i64,
        visitor: &mut dyn ItemVisitor,
    ) -> Counts {
        let mut counts = Counts::default();
        // Ranges still to run, the next one last.
        #[allow(clippy::single_range_in_vec_init)] // a list of ranges is meant
        let mut todo = vec![0..self.table.len()];
        while let Some(range) = todo.pop() {
            let Some(table) = self.table.get(range.clone()) else { continue };
            let (Some(first), Some(last)) = (table.first(), table.last()) else { continue };
            let (from, to) = (first.0 as usize, last.0.saturating_add(last.1) as usize);
            let near: Vec<(u32, u32)> =
                table.iter().map(|(at, len)| (at - from as u32, *len)).collect();
            let buffer = self.buffer.get(from..to).unwrap_or_default();
            let result = rules
                .keys(buffer, &near, now_ms)
                .and_then(|out| hand_on(&out, &near, rules.rule_count(), range.start, visitor));
            match result {
                Ok(more) => add(&mut counts, more),
                Err(error) if range.len() == 1 => visitor.failed(range.start, &error),
                Err(error @ CallError::Stopped { .. }) => {
                    range.for_each(|event| visitor.failed(event, &error));
                }
                Err(_) => {
                    let middle = range.start + range.len() / 2;
                    todo.push(middle..range.end);
                    todo.push(range.start..middle);
                }
            }
        }
        counts
    }
}

fn hand_on(
    out: &[u8],
    table: &[(u32, u32)],
    rules: usize,
    first: usize,
    visitor: &mut dyn ItemVisitor,
) -> Result<Counts, CallError> {
    let contract = |what: String| CallError::Contract(what);
    let broken = |what: &str| CallError::Contract(what.to_owned());
    let keys = Keys::read(out).map_err(|e| match e {
        Ok(status) => contract(format!("status {status}")),
        Err(fault) => contract(fault.to_string()),
    })?;
    let items = keys.item_count();
    // Of each event and rule two, and two of the event.
    if items > table.len().saturating_mul(rules.saturating_add(1)).saturating_mul(2) {
        return Err(broken("more items than events and rules"));
    }
    let Counts { read, matched, bad, missing, excepted, other_index } = keys.counts;
    let of_items = [matched, bad, missing, excepted, other_index].into_iter().max();
    if read as usize > table.len() || of_items.is_some_and(|count| count as usize > items) {
        return Err(broken("counts of more than there is"));
    }
    // All of it is looked at before any of it counts: a half-taken result could not be halved.
    let mut checked: Vec<(usize, Item<'_>)> = Vec::new();
    let mut last = None;
    for item in keys.items() {
        let item = item.map_err(|fault| contract(fault.to_string()))?;
        let slot = slot(&item);
        if usize::from(item.rule) >= rules {
            return Err(broken("an item of no rule"));
        }
        let index = table.partition_point(|(at, _)| *at < item.offset);
        // Events of no length share their offset with the next one.
        let mut about = (index..table.len())
            .take_while(|i| table.get(*i).is_some_and(|(at, _)| *at == item.offset))
            .filter(|i| table.get(*i).is_some_and(|(_, len)| *len == item.len))
            .peekable();
        if about.peek().is_none() {
            return Err(broken("an item about no event"));
        }
        // In their order each comes once.
        let next = about.find(|index| last < Some((*index, slot)));
        let index = next.ok_or_else(|| broken("an item twice, or out of its order"))?;
        last = Some((index, slot));
        checked.push((index, item));
    }
    for (index, item) in &checked {
        visitor.item(first + index, item);
    }
    Ok(keys.counts)
}

/// Where an item stands among those of its event: by its rule, and what is not judged of a match behind it; then what
/// is said of the event as a whole.
const fn slot(item: &Item<'_>) -> (u8, u16, bool) {
    match item.kind {
        ItemKind::Bad => (1, 0, false),
        ItemKind::NoEvents => (2, 0, false),
        kind => (0, item.rule, matches!(kind, ItemKind::TooManyTerms)),
    }
}

fn add(sum: &mut Counts, more: Counts) {
    sum.read = sum.read.saturating_add(more.read);
    sum.matched = sum.matched.saturating_add(more.matched);
    sum.bad = sum.bad.saturating_add(more.bad);
    sum.missing = sum.missing.saturating_add(more.missing);
    sum.excepted = sum.excepted.saturating_add(more.excepted);
    sum.other_index = sum.other_index.saturating_add(more.other_index);
}

//! The request and the result of `decide`.
//!
//! ```text
//! request                                result
//!  0 u32 number of keys                   0 u32 status
//!  4 u32 number of items                  4 u32 number of writes
//!  8 keys: u16 key length, i32 value      8 u32 number of outcomes
//!      length (-1 absent), key, value    12 u32 reserved
//!    items: an item as `keys` wrote it,  16 writes: u32 index of the key in the request,
//!      then i32 length of its event,         u32 length, i64 time to live in ms, the new value
//!      (-1 not given), the event's text     outcomes: u32 index of the item, u16 index of its
//!                                            term, u8 kind, u8 reserved, u32 length, the text
//! ```
//! A write expects the value that the request gave for its key. "Seen before" is not an outcome: an
//! item's term without one was seen.

use crate::bytes::{Cursor, Malformed, len_u32, patch_u32, put_u32};
use crate::codes::status;
use crate::item::Item;
use alloc::vec::Vec;

/// A state key with the value it has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriorKey<'a> {
    /// The key.
    pub key: &'a [u8],
    /// Its value; `None` when the store has none.
    pub value: Option<&'a [u8]>,
}

/// Writes a request; the host's side.
#[derive(Debug, Default)]
pub struct RequestWriter {
    keys: Vec<u8>,
    items: Vec<u8>,
    key_count: u32,
    item_count: u32,
}

impl RequestWriter {
    /// Drops the content and keeps the capacity.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.items.clear();
        (self.key_count, self.item_count) = (0, 0);
    }

    /// Adds a key with its present value. Each key is given once.
    pub fn key(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.keys.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes());
        let length = value.map_or(-1, |v| i32::try_from(v.len()).unwrap_or(i32::MAX));
        self.keys.extend_from_slice(&length.to_le_bytes());
        self.keys.extend_from_slice(key);
        self.keys.extend_from_slice(value.unwrap_or_default());
        self.key_count = self.key_count.saturating_add(1);
    }

    /// Adds an item, as `keys` wrote it, with its event's text.
    pub fn item(&mut self, raw: &[u8], event: &[u8]) {
        self.items.extend_from_slice(raw);
        put_u32(&mut self.items, len_u32(event.len()));
        self.items.extend_from_slice(event);
        self.item_count = self.item_count.saturating_add(1);
    }

    /// Adds an item without its event: most terms were seen before, and their events are not needed.
    /// If one is needed, the outcome is [`OutcomeKind::NeedsEvent`].
    pub fn item_alone(&mut self, raw: &[u8]) {
        self.items.extend_from_slice(raw);
        self.items.extend_from_slice(&(-1i32).to_le_bytes());
        self.item_count = self.item_count.saturating_add(1);
    }

    /// Drops the items and keeps the keys, to call `decide` again.
    pub fn clear_items(&mut self) {
        self.items.clear();
        self.item_count = 0;
    }

    /// How many bytes the request has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len().saturating_add(self.items.len()).saturating_add(8)
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.item_count == 0
    }

    /// The request, in three parts that follow one another.
    #[must_use]
    pub fn parts(&self) -> ([u8; 8], &[u8], &[u8]) {
        let mut head = [0; 8];
        patch_u32(&mut head, 0, self.key_count);
        patch_u32(&mut head, 4, self.item_count);
        (head, &self.keys, &self.items)
    }
}

/// A request, read; the guest's side.
#[derive(Debug, Clone)]
pub struct DecideRequest<'a> {
    /// The keys with their values, in the order in which writes name them.
    pub keys: Vec<PriorKey<'a>>,
    /// The items with their events, where these were given.
    pub items: Vec<(Item<'a>, Option<&'a str>)>,
}

impl<'a> DecideRequest<'a> {
    /// Reads a request.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not one.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut c = Cursor::new(bytes);
        let (key_count, item_count) = (c.u32("key count")?, c.u32("item count")?);
        // No reservation by a number that nobody checked.
        let (mut keys, mut items) = (Vec::new(), Vec::new());
        for _ in 0..key_count {
            let key_len = c.u16("key length")?;
            let value_len = c.i32("value length")?;
            let key = c.take(key_len as usize, "key")?;
            let value = match usize::try_from(value_len) {
                Ok(length) => Some(c.take(length, "value")?),
                Err(_) => None,
            };
            keys.push(PriorKey { key, value });
        }
        for _ in 0..item_count {
            let item = Item::read(&mut c)?;
            let event = match usize::try_from(c.i32("event length")?) {
                Ok(length) => Some(c.text(length, "event")?),
                Err(_) => None,
            };
            items.push((item, event));
        }
        if !c.is_done() {
            return Err(c.malformed("end of request"));
        }
        Ok(Self { keys, items })
    }
}

/// The kind of an outcome. Terms that were seen before have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum OutcomeKind {
    /// New in the window; the text is the alert.
    Alert = 1,
    /// The same event alerted before; the text is the same alert, byte for byte.
    Repeat = 2,
    /// Older than everything the state remembers: no alert, no change.
    LateBeyondMemory = 3,
    /// New, but taken as known while the rule learns; nothing alerts.
    Learned = 4,
    /// Not decided; the text is `code: reason`.
    Error = 5,
    /// An alert or a repeat whose event was not given: the whole result is void. Call `decide` again
    /// with this item's event.
    NeedsEvent = 6,
}

impl OutcomeKind {
    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Alert,
            2 => Self::Repeat,
            3 => Self::LateBeyondMemory,
            4 => Self::Learned,
            5 => Self::Error,
            6 => Self::NeedsEvent,
            _ => return None,
        })
    }
}

/// A write that the outcomes depend on: it expects the value that the request gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write<'a> {
    /// Index of the key in the request.
    pub key: u32,
    /// The new value, at most [`MAX_VALUE`](crate::MAX_VALUE) bytes.
    pub value: &'a [u8],
    /// How long the store must keep it, in milliseconds. Garbage collection only.
    pub ttl_ms: i64,
}

/// One outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// Index of the item in the request.
    pub item: u32,
    /// Index of the term in the item.
    pub term: u16,
    /// Its kind.
    pub kind: OutcomeKind,
    /// The alert as JSON, or the error.
    pub text: &'a str,
}

/// A result of `decide`.
#[derive(Debug, Clone, Default)]
pub struct Decision<'a> {
    /// What to write, each key at most once.
    pub writes: Vec<Write<'a>>,
    /// What happened, in the order of the items.
    pub outcomes: Vec<Outcome<'a>>,
}

impl<'a> Decision<'a> {
    /// Reads a result; the host's side. `Err(Ok(status))` is the guest's own refusal.
    ///
    /// # Errors
    /// [`Malformed`], or the status when it is not [`status::OK`](crate::status::OK).
    pub fn read(bytes: &'a [u8]) -> Result<Self, Result<u32, Malformed>> {
        Self::read_within(bytes, usize::MAX, usize::MAX)
    }

    /// Reads a result that may have so many writes, and so many outcomes: no room is taken for more.
    ///
    /// # Errors
    /// As [`Decision::read`].
    pub fn read_within(
        bytes: &'a [u8],
        max_writes: usize,
        max_outcomes: usize,
    ) -> Result<Self, Result<u32, Malformed>> {
        let mut c = Cursor::new(bytes);
        let status = c.u32("status").map_err(Err)?;
        if status != status::OK {
            return Err(Ok(status));
        }
        Self::read_body(&mut c, max_writes, max_outcomes).map_err(Err)
    }

    fn read_body(
        c: &mut Cursor<'a>,
        max_writes: usize,
        max_outcomes: usize,
    ) -> Result<Self, Malformed> {
        let writes = c.u32("write count")?;
        if writes as usize > max_writes {
            return Err(c.malformed("write count"));
        }
        let outcomes = c.u32("outcome count")?;
        if outcomes as usize > max_outcomes {
            return Err(c.malformed("outcome count"));
        }
        c.u32("reserved")?;
        let mut decision = Self::default();
        for _ in 0..writes {
            let (key, length) = (c.u32("key index")?, c.u32("value length")?);
            let ttl_ms = c.i64("time to live")?;
            let value = c.take(length as usize, "value")?;
            decision.writes.push(Write { key, value, ttl_ms });
        }
        for _ in 0..outcomes {
            let (item, term) = (c.u32("item index")?, c.u16("term index")?);
            let kind = c.u8("outcome kind")?;
            let kind = OutcomeKind::from_byte(kind).ok_or(c.malformed("outcome kind"))?;
            c.u8("reserved")?;
            let length = c.u32("text length")?;
            let text = c.text(length as usize, "text")?;
            decision.outcomes.push(Outcome { item, term, kind, text });
        }
        if !c.is_done() {
            return Err(c.malformed("end of decision"));
        }
        Ok(decision)
    }

    /// Writes a result into `out`, whose content is dropped; the guest's side.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut outcomes = OutcomesWriter::default();
        for outcome in &self.outcomes {
            outcomes.begin(outcome.item, outcome.term).extend_from_slice(outcome.text.as_bytes());
            outcomes.end(Some(outcome.kind));
        }
        outcomes.write(&self.writes, out);
    }
}

/// Writes the outcomes of a result one behind the other, their texts where they stay; the guest's side.
#[derive(Debug, Default)]
pub struct OutcomesWriter {
    outcomes: Vec<u8>,
    count: u32,
    /// Where the one at hand begins.
    begun: usize,
}

impl OutcomesWriter {
    /// Makes room for so many bytes.
    pub fn reserve(&mut self, bytes: usize) {
        self.outcomes.reserve(bytes);
    }

    /// Begins an outcome: its text, UTF-8, is added to what this gives.
    pub fn begin(&mut self, item: u32, term: u16) -> &mut Vec<u8> {
        self.begun = self.outcomes.len();
        put_u32(&mut self.outcomes, item);
        self.outcomes.extend_from_slice(&term.to_le_bytes());
        // The kind, a reserved byte and the length.
        self.outcomes.extend_from_slice(&[0; 6]);
        &mut self.outcomes
    }

    /// Ends it; without a kind there is none.
    pub fn end(&mut self, kind: Option<OutcomeKind>) {
        let Some(kind) = kind else { return self.outcomes.truncate(self.begun) };
        let text = self.begun.saturating_add(12);
        let length = len_u32(self.outcomes.len().saturating_sub(text));
        patch_u32(&mut self.outcomes, text.saturating_sub(4), length);
        if let Some(byte) = self.outcomes.get_mut(self.begun.saturating_add(6)) {
            *byte = kind as u8;
        }
        self.count = self.count.saturating_add(1);
    }

    /// Writes the result into `out`, whose content is dropped.
    pub fn write(&self, writes: &[Write<'_>], out: &mut Vec<u8>) {
        out.clear();
        let values: usize = writes.iter().map(|write| write.value.len().saturating_add(16)).sum();
        out.reserve(self.outcomes.len().saturating_add(values).saturating_add(16));
        put_u32(out, status::OK);
        put_u32(out, len_u32(writes.len()));
        put_u32(out, self.count);
        put_u32(out, 0);
        for write in writes {
            put_u32(out, write.key);
            put_u32(out, len_u32(write.value.len()));
            out.extend_from_slice(&write.ttl_ms.to_le_bytes());
            out.extend_from_slice(write.value);
        }
        out.extend_from_slice(&self.outcomes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{ItemKind, ItemTerm, Keys, KeysWriter};

    fn request() -> Vec<u8> {
        let mut out = Vec::new();
        let mut w = KeysWriter::new(&mut out);
        let term = ItemTerm { key: b"k", values: "[1]" };
        w.item(ItemKind::Matched, 0, (0, 2), 1, &[1; 16], "", [term].into_iter());
        w.finish();
        let keys = Keys::read(&out).unwrap();
        let item = keys.items().next().unwrap().unwrap();
        let mut request = RequestWriter::default();
        request.key(b"k", Some(b"v"));
        request.key(b"absent", None);
        request.item(item.raw, b"{}");
        request.item_alone(item.raw);
        let (head, keys, items) = request.parts();
        let bytes = [&head[..], keys, items].concat();
        assert_eq!(bytes.len(), request.len());
        bytes
    }

    #[test]
    fn written_items_are_read_back() {
        let bytes = request();
        let read = DecideRequest::read(&bytes).unwrap();
        assert_eq!(read.keys[0], PriorKey { key: b"k", value: Some(b"v") });
        assert_eq!(read.keys[1].value, None);
        assert_eq!(read.items[0].1, Some("{}"));
        assert_eq!(read.items[1].1, None);

        let decision = Decision {
            writes: vec![Write { key: 1, value: b"new", ttl_ms: 42 }],
            outcomes: vec![Outcome { item: 0, term: 0, kind: OutcomeKind::Alert, text: "{}" }],
        };
        let mut out = vec![1, 2];
        decision.write(&mut out);
        let again = Decision::read(&out).unwrap();
        assert_eq!((again.writes, again.outcomes), (decision.writes, decision.outcomes));
    }

    #[test]
    fn every_cut_is_an_error() {
        let bytes = request();
        for cut in 0..bytes.len() {
            assert!(DecideRequest::read(&bytes[..cut]).is_err(), "{cut}");
        }
        let mut out = Vec::new();
        Decision { writes: vec![Write { key: 0, value: b"v", ttl_ms: 1 }], outcomes: vec![] }
            .write(&mut out);
        for cut in 0..out.len() {
            assert!(Decision::read(&out[..cut]).is_err(), "{cut}");
        }
        assert_eq!(Decision::read(&3u32.to_le_bytes()).unwrap_err(), Ok(3));
    }
}

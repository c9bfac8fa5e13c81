//! The result of `keys`: a head with the counts, then the items: one for each match, and one for
//! each text that could not be evaluated.
//!
//! ```text
//! head, 32 bytes                         item
//!  0 u32 status                           0 u32 size of the whole item
//!  4 u32 events read                      4 u8  kind   5 u8 reason   6 u16 rule
//!  8 u32 matches (a rule and an event)    8 u32 offset of the event in the input buffer
//! 12 u32 bad events                      12 u32 its length
//! 16 u32 missing a new-terms field       16 i64 its time, milliseconds since 1970, UTC
//! 20 u32 excepted                        24 16 bytes, its identity
//! 24 u32 items that follow               40 u16 number of terms   42 u16 length of the text
//! 28 u32 of another index                44 the text (kinds other than matched: code and reason)
//!                                        then for each term: u16 key length, u32 term length,
//!                                        the state key, the term (a JSON array of its values)
//! ```
//! Behind the terms of a rule that learns is the key of its start, written as one more term, whose text
//! is no JSON array: it is looked up, given to `decide` and written like the others.

use crate::bytes::{Cursor, Malformed, len_u32, patch_u32};
use crate::codes::{MAX_KEY, status};
use alloc::vec::Vec;

/// Length of the head of a `keys` result.
const HEAD: usize = 32;

/// The kind of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ItemKind {
    /// The query matched and every new-terms field is there: it has terms.
    Matched = 1,
    /// The query matched, a new-terms field is missing; the text names it.
    Missing = 2,
    /// The event could not be read (for no rule): the text says why.
    Bad = 3,
    /// The query matched, an exception too; the text names it.
    Excepted = 4,
    /// A recognised text that holds no event; the text names it.
    NoEvents = 5,
    /// The query matched, the event is dated later than the host's clock allows.
    Future = 6,
    /// The query matched, and terms of the event are not judged: those beyond 256, behind the item
    /// with the others, or all of them where they are too long.
    TooManyTerms = 7,
    /// The query matched, and the document names an index outside the rule's patterns; the text is its
    /// name. A kind of `Excepted` with a reason of its own, for hosts that do not know it.
    OtherIndex,
}

/// The byte behind the kind: an exception excluded the event.
const BY_EXCEPTION: u8 = 0;
/// Its index did.
const BY_INDEX: u8 = 1;

impl ItemKind {
    const fn from_bytes(kind: u8, reason: u8) -> Option<Self> {
        Some(match kind {
            1 => Self::Matched,
            2 => Self::Missing,
            3 => Self::Bad,
            4 if reason == BY_INDEX => Self::OtherIndex,
            4 => Self::Excepted,
            5 => Self::NoEvents,
            6 => Self::Future,
            7 => Self::TooManyTerms,
            _ => return None,
        })
    }

    /// The kind, and the reason behind it.
    const fn bytes(self) -> [u8; 2] {
        match self {
            Self::OtherIndex => [Self::Excepted as u8, BY_INDEX],
            kind => [kind as u8, BY_EXCEPTION],
        }
    }
}

/// The sums at the head of a `keys` result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events read.
    pub read: u32,
    /// Matches: an event that two rules match counts twice.
    pub matched: u32,
    /// Events that could not be read.
    pub bad: u32,
    /// Matches without one of the new-terms fields.
    pub missing: u32,
    /// Matches that an exception excluded.
    pub excepted: u32,
    /// Matches of documents that name an index outside the rule's patterns.
    pub other_index: u32,
}

/// One term of an event: the key under which its state lives, and its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemTerm<'a> {
    /// At most [`MAX_KEY`](crate::MAX_KEY) bytes of ASCII.
    pub key: &'a [u8],
    /// The values in the order of the fields, as a JSON array.
    pub values: &'a str,
}

/// One item, borrowed from the result's buffer.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// What it says.
    pub kind: ItemKind,
    /// Which of the artifact's rules, counted from 0.
    pub rule: u16,
    /// Where the event begins in the input buffer.
    pub offset: u32,
    /// How long it is.
    pub len: u32,
    /// Its time in milliseconds since 1970, UTC; 0 where it has none.
    pub time_ms: i64,
    /// Hash of dataset, id and time; zero where the event could not be read.
    pub identity: [u8; 16],
    /// For kinds other than matched: `code: reason`.
    pub text: &'a str,
    /// The item's bytes, to be passed to `decide`.
    pub raw: &'a [u8],
    terms: u16,
    terms_at: usize,
    /// Whether the last of them is the start of learning.
    learns: bool,
}

impl<'a> Item<'a> {
    /// Reads one item at the cursor.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not an item.
    pub fn read(cursor: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let size = cursor.clone().u32("item size")? as usize;
        let raw = cursor.take(size, "item")?;
        let mut c = Cursor::new(raw);
        c.u32("item size")?;
        let kind = c.u8("item kind")?;
        let reason = c.u8("reason")?;
        let kind = ItemKind::from_bytes(kind, reason).ok_or(c.malformed("item kind"))?;
        let rule = c.u16("rule")?;
        let (offset, len) = (c.u32("offset")?, c.u32("length")?);
        let time_ms = c.i64("time")?;
        let identity = c.sixteen("identity")?;
        let terms = c.u16("terms")?;
        let text_len = c.u16("text length")?;
        let text = c.text(text_len as usize, "text")?;
        let terms_at = c.at();
        // Checked once here, so that `terms` cannot end early.
        let (mut rest, mut learns) = (c, false);
        for _ in 0..terms {
            learns = !read_term(&mut rest)?.values.starts_with('[');
        }
        if !rest.is_done() {
            return Err(rest.malformed("end of item"));
        }
        Ok(Self { kind, rule, offset, len, time_ms, identity, text, raw, terms, terms_at, learns })
    }

    /// The terms, in the order in which the guest made them.
    pub fn terms(&self) -> impl Iterator<Item = ItemTerm<'a>> + use<'a> {
        self.keys().take(usize::from(self.terms).saturating_sub(usize::from(self.learns)))
    }

    /// The start of learning that its terms are judged by; `values` is what is shown of it.
    #[must_use]
    pub fn start(&self) -> Option<ItemTerm<'a>> {
        if self.learns { self.keys().last() } else { None }
    }

    /// All that is to be looked up: the terms, and behind them the start of learning.
    pub fn keys(&self) -> impl Iterator<Item = ItemTerm<'a>> + use<'a> {
        let mut cursor = Cursor::new(self.raw.get(self.terms_at..).unwrap_or_default());
        (0..self.terms).map_while(move |_| read_term(&mut cursor).ok())
    }
}

fn read_term<'a>(cursor: &mut Cursor<'a>) -> Result<ItemTerm<'a>, Malformed> {
    let key_len = cursor.u16("key length")?;
    let values_len = cursor.u32("term length")?;
    let key = cursor.take(key_len as usize, "key")?;
    let values = cursor.text(values_len as usize, "term")?;
    Ok(ItemTerm { key, values })
}

/// A `keys` result, read.
#[derive(Debug, Clone)]
pub struct Keys<'a> {
    /// The sums.
    pub counts: Counts,
    items: u32,
    cursor: Cursor<'a>,
}

impl<'a> Keys<'a> {
    /// Reads the head. `Err(Ok(status))` is the guest's own refusal.
    ///
    /// # Errors
    /// [`Malformed`], or the status when it is not [`status::OK`](crate::status::OK).
    pub fn read(bytes: &'a [u8]) -> Result<Self, Result<u32, Malformed>> {
        let mut c = Cursor::new(bytes);
        let status = c.u32("status").map_err(Err)?;
        if status != status::OK {
            return Err(Ok(status));
        }
        let mut next = || c.u32("counts").map_err(Err);
        let mut counts = Counts {
            read: next()?,
            matched: next()?,
            bad: next()?,
            missing: next()?,
            excepted: next()?,
            other_index: 0,
        };
        let items = next()?;
        counts.other_index = next()?;
        Ok(Self { counts, items, cursor: c })
    }

    /// How many items there are to be, as the head says.
    #[must_use]
    pub fn item_count(&self) -> usize {
        self.items as usize
    }

    /// The items, in the order of the events.
    pub fn items(&self) -> impl Iterator<Item = Result<Item<'a>, Malformed>> + use<'a> {
        let mut cursor = self.cursor.clone();
        let mut failed = false;
        (0..self.items).map_while(move |_| {
            if failed {
                return None;
            }
            let item = Item::read(&mut cursor);
            failed = item.is_err();
            Some(item)
        })
    }
}

/// Writes a `keys` result; the guest's side.
#[derive(Debug)]
pub struct KeysWriter<'o> {
    out: &'o mut Vec<u8>,
    items: u32,
    /// The sums so far; [`finish`](Self::finish) writes them.
    pub counts: Counts,
}

impl<'o> KeysWriter<'o> {
    /// Starts a result in `out`, whose content is dropped.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        out.clear();
        out.resize(HEAD, 0);
        Self { out, items: 0, counts: Counts::default() }
    }

    /// Adds an item. A text beyond 64 KiB is cut at a character.
    #[allow(clippy::too_many_arguments)]
    pub fn item<'t>(
        &mut self,
        kind: ItemKind,
        rule: u16,
        place: (u32, u32),
        time_ms: i64,
        identity: &[u8; 16],
        text: &str,
        terms: impl ExactSizeIterator<Item = ItemTerm<'t>>,
    ) {
        let start = self.out.len();
        let text = text.get(..text.floor_char_boundary(usize::from(u16::MAX))).unwrap_or_default();
        let count = u16::try_from(terms.len()).unwrap_or(u16::MAX);
        let two = |[a, b]: [u8; 2], [c, d]: [u8; 2]| [a, b, c, d];
        let [t0, t1, t2, t3, t4, t5, t6, t7] = time_ms.to_le_bytes();
        // As a whole: each part by itself would ask for room.
        let head = [
            [0; 4],
            two(kind.bytes(), rule.to_le_bytes()),
            place.0.to_le_bytes(),
            place.1.to_le_bytes(),
            [t0, t1, t2, t3],
            [t4, t5, t6, t7],
        ];
        self.out.extend_from_slice(head.as_flattened());
        self.out.extend_from_slice(identity);
        let length = u16::try_from(text.len()).unwrap_or(0);
        self.out.extend_from_slice(&two(count.to_le_bytes(), length.to_le_bytes()));
        if !text.is_empty() {
            self.out.extend_from_slice(text.as_bytes());
        }
        for term in terms.take(usize::from(count)) {
            let key = term.key.get(..MAX_KEY).unwrap_or(term.key);
            let [k0, k1] = u16::try_from(key.len()).unwrap_or(0).to_le_bytes();
            let [v0, v1, v2, v3] = len_u32(term.values.len()).to_le_bytes();
            self.out.extend_from_slice(&[k0, k1, v0, v1, v2, v3]);
            self.out.extend_from_slice(key);
            self.out.extend_from_slice(term.values.as_bytes());
        }
        let size = self.out.len().saturating_sub(start);
        patch_u32(self.out, start, len_u32(size));
        self.items = self.items.saturating_add(1);
    }

    /// Writes the head.
    pub fn finish(self) {
        let c = self.counts;
        let counts = [c.read, c.matched, c.bad, c.missing, c.excepted, self.items, c.other_index];
        let head = [status::OK].into_iter().chain(counts);
        for (index, value) in head.enumerate() {
            patch_u32(self.out, index.saturating_mul(4), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut out = vec![9; 3];
        let mut w = KeysWriter::new(&mut out);
        w.counts = Counts { read: 7, matched: 2, bad: 1, missing: 1, excepted: 0, other_index: 1 };
        let terms = [
            ItemTerm { key: b"t:r:f:1", values: r#"["a","b"]"# },
            ItemTerm { key: b"t:r:f:2", values: r#"["a","ö"]"# },
        ];
        w.item(ItemKind::Matched, 3, (10, 20), -5, &[7; 16], "", terms.into_iter());
        w.item(ItemKind::Bad, 0, (40, 2), 0, &[0; 16], "E101: no", [].into_iter());
        w.item(ItemKind::OtherIndex, 2, (50, 9), 4, &[1; 16], "logs-x-y", [].into_iter());
        w.item(ItemKind::Excepted, 2, (60, 9), 4, &[1; 16], "logs-x-y", [].into_iter());
        w.finish();
        out
    }

    #[test]
    fn written_items_are_read_back() {
        let out = sample();
        let keys = Keys::read(&out).unwrap();
        assert_eq!((keys.counts.read, keys.counts.other_index), (7, 1));
        let items: Vec<_> = keys.items().collect::<Result<_, _>>().unwrap();
        assert_eq!(items.len(), 4);
        assert_eq!((items[2].kind, items[3].kind), (ItemKind::OtherIndex, ItemKind::Excepted));
        // A host that does not know the reason takes it for an exception.
        assert_eq!((&items[2].raw[4..6], &items[3].raw[4..6]), (&[4u8, 1][..], &[4u8, 0][..]));
        assert_eq!((items[0].kind, items[0].rule), (ItemKind::Matched, 3));
        assert_eq!((items[0].offset, items[0].len, items[0].time_ms), (10, 20, -5));
        let terms: Vec<_> = items[0].terms().collect();
        assert_eq!(terms[1], ItemTerm { key: b"t:r:f:2", values: r#"["a","ö"]"# });
        assert_eq!((items[0].start(), items[0].keys().count()), (None, 2));
        assert_eq!(items[1].text, "E101: no");
        let mut cursor = Cursor::new(items[0].raw);
        assert_eq!(Item::read(&mut cursor).unwrap().identity, [7; 16]);
    }

    #[test]
    fn the_start_of_learning_is_behind_the_terms_and_none_of_them() {
        let mut out = Vec::new();
        let mut w = KeysWriter::new(&mut out);
        let term = ItemTerm { key: b"t:r:f:1", values: r#"["a"]"# };
        let start = ItemTerm { key: b"t:r:f:learn", values: "learn" };
        w.item(ItemKind::Matched, 0, (0, 2), 1, &[1; 16], "", [term, start].into_iter());
        w.finish();
        let item = Keys::read(&out).unwrap().items().next().unwrap().unwrap();
        assert_eq!(item.terms().collect::<Vec<_>>(), [term]);
        assert_eq!(item.keys().collect::<Vec<_>>(), [term, start]);
        assert_eq!(item.start(), Some(start));
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_an_error_or_a_value_but_never_a_panic() {
        let good = sample();
        for cut in 0..good.len() {
            if let Ok(keys) = Keys::read(&good[..cut]) {
                assert!(keys.items().any(|i| i.is_err()), "cut at {cut}");
            }
        }
        for at in 0..good.len() {
            for value in [0u8, 1, 0x7f, 0xff] {
                let mut bytes = good.clone();
                bytes[at] = value;
                if let Ok(keys) = Keys::read(&bytes) {
                    for item in keys.items().flatten() {
                        let _ = item.terms().count();
                    }
                }
            }
        }
    }
}

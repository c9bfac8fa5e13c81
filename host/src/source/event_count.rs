//! How many events a body has, before any of them is judged.
//!
//! In: what a splitter finds. Out: whether it is more than may be in a body. Whatever is reported counts, also what is no
//! event: each costs its share of time. It judges nothing and keeps nothing, and ends as soon as there are more.

use super::ReadLimits;
use firstseen_envelope::{
    EventSink, KnownLines, Place, SplitFault, SplitOptions, Splitter, is_one_event, line_events,
};
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;

/// Counts up to a limit.
pub(super) struct EventCount<'l> {
    limits: &'l ReadLimits,
    most: u64,
    count: u64,
}

impl<'l> EventCount<'l> {
    /// Counts up to so many of a body that is read within these limits.
    pub(super) fn new(limits: &'l ReadLimits, most: u64) -> Self {
        Self { limits, most, count: 0 }
    }

    /// Whether there are more.
    pub(super) fn is_over(&self) -> bool {
        self.count > self.most
    }

    fn add(&mut self, count: u64) -> ControlFlow<()> {
        self.count = self.count.saturating_add(count);
        if self.is_over() { Break(()) } else { Continue(()) }
    }

    /// A text that was counted as one, and may turn out to be several when it is judged.
    fn parts(&mut self, text: &[u8]) -> ControlFlow<()> {
        if is_one_event(text) {
            return Continue(());
        }
        let mut parts = PartCount { most: self.most, count: 0 };
        let options = SplitOptions { max_event: self.limits.max_event };
        let _ = Splitter::line(options, Arc::clone(&self.limits.trust), text, &mut parts);
        self.add(parts.count.saturating_sub(1))
    }
}

impl EventSink for EventCount<'_> {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        let lines = || line_events(place, chunk).map(|(_, line)| line);
        self.add(lines().count() as u64)?;
        lines().try_for_each(|line| self.parts(line))
    }

    fn known_lines(
        &mut self,
        place: Place,
        chunk: &[u8],
        known: &KnownLines<'_>,
    ) -> ControlFlow<()> {
        self.add(known.ends.len() as u64)?;
        line_events(place, chunk).try_for_each(|(_, line)| self.parts(line))
    }

    fn event(&mut self, _: Place, text: &[u8]) -> ControlFlow<()> {
        self.add(1)?;
        self.parts(text)
    }

    fn no_events(&mut self, _: Place, _: &str) -> ControlFlow<()> {
        self.add(1)
    }

    fn bad(&mut self, _: Place, _: SplitFault, _: &[u8]) -> ControlFlow<()> {
        self.add(1)
    }
}

/// Counts the parts of a text.
struct PartCount {
    most: u64,
    count: u64,
}

impl PartCount {
    fn add(&mut self, count: usize) -> ControlFlow<()> {
        self.count = self.count.saturating_add(count as u64);
        // One of them was counted before.
        if self.count > self.most.saturating_add(1) { Break(()) } else { Continue(()) }
    }
}

impl EventSink for PartCount {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        self.add(line_events(place, chunk).count())
    }

    fn event(&mut self, _: Place, _: &[u8]) -> ControlFlow<()> {
        self.add(1)
    }

    fn no_events(&mut self, _: Place, _: &str) -> ControlFlow<()> {
        self.add(1)
    }

    fn bad(&mut self, _: Place, _: SplitFault, _: &[u8]) -> ControlFlow<()> {
        self.add(1)
    }
}

/// The most events, and other things where events should be, that there may be in a text: by its bytes, without reading it.
/// It is a tenth of the work of reading.
#[derive(Default)]
pub(super) struct EventBound {
    bytes: u64,
    halves: u64,
    may_hold_packed: bool,
    /// The end of what came before.
    tail: Vec<u8>,
}

impl EventBound {
    /// Whether there are surely no more than this in a whole text.
    pub(super) fn is_at_most_in(text: &[u8], most: u64) -> bool {
        // Each takes two bytes at least.
        let is_short = text.len() as u64 / 2 <= most;
        (is_short || halves(text) / 2 < most) && !may_hold_packed(text)
    }

    /// The next piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.halves += halves(piece);
        if !self.tail.is_empty() {
            // A key that is in two pieces.
            self.tail.extend_from_slice(piece.get(..LONGEST_KEY).unwrap_or(piece));
            self.may_hold_packed |= may_hold_packed(&self.tail);
        }
        self.may_hold_packed |= may_hold_packed(piece);
        let from = piece.len().saturating_sub(LONGEST_KEY);
        self.tail.clear();
        self.tail.extend_from_slice(piece.get(from..).unwrap_or_default());
    }

    /// Whether there are surely no more than this.
    pub(super) fn is_at_most(&self, most: u64) -> bool {
        // Each takes two bytes at least.
        (self.bytes / 2 <= most || self.halves / 2 < most) && !self.may_hold_packed
    }
}

/// Bytes of what [`may_hold_packed`] looks for, at most.
const LONGEST_KEY: usize = 8;

/// Twice what each event, or what stands where one should be, begins or ends with: an object, an array, a string, a line,
/// an element, a part of a text in a string.
fn halves(text: &[u8]) -> u64 {
    const LANES: usize = 32;
    /// A lane has room for so many.
    const BLOCKS: usize = 127;
    // Without a branch, so that the compiler makes SIMD of it.
    let half = |byte: u8| {
        let one =
            (byte == b'{') | (byte == b'[') | (byte == b',') | (byte == b'\n') | (byte == b'\\');
        2 * u8::from(one) + u8::from(byte == b'"')
    };
    let (blocks, rest) = text.as_chunks::<LANES>();
    let mut sum = rest.iter().map(|byte| u64::from(half(*byte))).sum();
    for blocks in blocks.chunks(BLOCKS) {
        let mut lanes = [0_u8; LANES];
        for block in blocks {
            for (lane, byte) in lanes.iter_mut().zip(block) {
                *lane += half(*byte);
            }
        }
        sum += lanes.iter().map(|lane| u64::from(*lane)).sum::<u64>();
    }
    sum
}

/// Whether events may be in a text that nobody sees in its bytes: packed, in base64, behind a key `data`.
fn may_hold_packed(text: &[u8]) -> bool {
    let is_key = |at: usize| {
        // In a string its quotes are escaped.
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        before == Some(&b'"') && matches!(text.get(at + 4), Some(b'"' | b'\\'))
    };
    // Its letters and its quotes may be escaped, and so may the backslash that escapes them.
    let is_letter = |at: usize| {
        let digits = text.get(at + 4..at + 6).unwrap_or_default();
        [b"22", b"64", b"61", b"74", b"5c", b"5C"].iter().any(|letter| digits == letter.as_slice())
    };
    memchr::memmem::find_iter(text, b"data").any(is_key)
        || memchr::memmem::find_iter(text, b"\\u00").any(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_the_same_however_a_text_is_cut() {
        let text = r#"{"a":[1,2,"x\ny"]}"#.repeat(300) + "\n";
        for (text, is_packed) in [
            (text.clone(), false),
            (format!(r#"{text}{{"data":"H4sI"}}"#), true),
            (format!(r#"{text}{{"d\u0061ta":"H4sI"}}"#), true),
            (format!(r#"{text}{{\"data\":1}}"#), true),
            (format!(r#"{text}{{\u0022data\u0022:1}}"#), true),
            (format!(r#"{text}{{"dates":1,"mydata":2}}"#), false),
        ] {
            let mut whole = EventBound::default();
            whole.push(text.as_bytes());
            let most = whole.halves / 2;
            for most in [1, most, most + 1, text.len() as u64 / 2] {
                let in_text = EventBound::is_at_most_in(text.as_bytes(), most);
                assert_eq!(in_text, whole.is_at_most(most));
            }
            let naive = text.bytes().map(|byte| match byte {
                b'{' | b'[' | b',' | b'\n' | b'\\' => 2,
                b'"' => 1,
                _ => 0,
            });
            assert_eq!(whole.halves, naive.sum::<u64>());
            assert_eq!(whole.may_hold_packed, is_packed, "{}", &text[text.len() - 30..]);
            for size in [1, 2, 3, 5, 7, 31, 100, 4096] {
                let mut cut = EventBound::default();
                text.as_bytes().chunks(size).for_each(|piece| cut.push(piece));
                assert_eq!((cut.bytes, cut.halves), (whole.bytes, whole.halves));
                assert!(size < LONGEST_KEY || cut.may_hold_packed == is_packed, "{size}");
            }
            assert!(whole.is_at_most(whole.halves) || is_packed);
            assert!(!whole.is_at_most(1));
        }
    }
}

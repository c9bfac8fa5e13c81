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

/// Whether a text surely holds no more events than this, or other things where events should be: by its bytes, without
/// reading it.
pub(super) fn holds_at_most(text: &[u8], most: u64) -> bool {
    // Each takes two bytes at least.
    let is_few = text.len() as u64 / 2 <= most || marks(text) <= most;
    is_few && !may_hold_packed(text)
}

/// How many there may be by what each begins or ends with: an object, an array, a string, a line, an element, a part of
/// a text in a string.
fn marks(text: &[u8]) -> u64 {
    let half = |byte: &u8| match byte {
        b'{' | b'[' | b',' | b'\n' | b'\\' => 2,
        b'"' => 1,
        _ => 0_u32,
    };
    let sums = text.chunks(1 << 20).map(|chunk| u64::from(chunk.iter().map(half).sum::<u32>()));
    sums.sum::<u64>() / 2 + 1
}

/// Whether events may be in a text that nobody sees in its bytes: packed, in base64, behind a key `data`.
fn may_hold_packed(text: &[u8]) -> bool {
    let is_key = |at: usize| {
        // In a string its quotes are escaped.
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        before == Some(&b'"') && matches!(text.get(at + 4), Some(b'"' | b'\\'))
    };
    // Its letters may be escaped, and so may the backslash that escapes them.
    let is_letter = |at: usize| {
        let digits = text.get(at + 4..at + 6).unwrap_or_default();
        [b"64", b"61", b"74", b"5c", b"5C"].iter().any(|letter| digits == letter.as_slice())
    };
    memchr::memmem::find_iter(text, b"data").any(is_key)
        || memchr::memmem::find_iter(text, b"\\u00").any(is_letter)
}

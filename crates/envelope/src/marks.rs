//! What stands where in a piece of lines: all that is to be known of a line before it is handed on, in one pass.
//!
//! In: bytes. Out: the places of newlines, of what a second document on a line looks like, and of escaped
//! spellings; and whether all of it is ASCII. It knows no lines and judges nothing.
//!
//! 64 bytes at a time are compared, each with the byte behind it: a loop over bytes that the compiler turns into
//! SIMD, without intrinsics and so without unsafe code. A host may do the same with a machine's widest
//! instructions (see [`Marker`]).

use std::ops::Range;

const BLOCK: usize = 64;

/// The first key of raw CloudTrail, with its quotes.
const KEY: &[u8] = b"\"eventVersion\"";
/// How far into the key the two bytes are that are looked for: they are rare elsewhere.
const KEY_PAIR: usize = 5;
/// How an escaped character of ASCII begins.
const ESCAPED: &[u8] = br"\u00";

/// Marks a range of bytes: [`mark`], or what gives the same on the instructions of a machine.
pub type Marker = fn(&[u8], Range<usize>, &mut Marks);

/// What was found in a range of bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Places, in order. What is there, the byte there says: see [`Mark`].
    places: Vec<usize>,
    has_high: bool,
}

/// What is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// A newline.
    Newline,
    /// `}{`
    Braces,
    /// The `t` of [`KEY`].
    Key,
    /// `\u00`
    Escaped,
}

/// Looks at `bytes` in `range`; pairs and words may go on behind it.
pub fn mark(bytes: &[u8], range: Range<usize>, marks: &mut Marks) {
    let mut high = [0; BLOCK];
    let mut from = range.start;
    // The last byte has none behind it: it is not of these blocks.
    let paired = bytes.get(..range.end).unwrap_or(bytes);
    let behind = bytes.get(from + 1..).unwrap_or_default();
    let blocks = paired.get(from..).unwrap_or_default().as_chunks::<BLOCK>().0;
    let mut blocks = blocks.iter().zip(behind.as_chunks::<BLOCK>().0);
    let mut read = 0;
    // A loop without calls, so that what it compares with stays in registers.
    while let Some((block, next)) = blocks.find(|(block, next)| {
        read += BLOCK;
        let mut hit = [0; BLOCK];
        for (((hit, high), byte), next) in hit.iter_mut().zip(&mut high).zip(*block).zip(*next) {
            *high |= byte;
            *hit = is_pair(*byte, *next);
        }
        hit.as_chunks::<8>().0.iter().fold(0, |all, eight| all | u64::from_ne_bytes(*eight)) != 0
    }) {
        marks.push_all(bytes, from + read - BLOCK, block, next);
    }
    from += read;
    marks.has_high |= !high.is_ascii();
    mark_rest(bytes, from..range.end, marks);
}

/// The same, byte by byte: for what is no block.
pub fn mark_rest(bytes: &[u8], range: Range<usize>, marks: &mut Marks) {
    for at in range.start..range.end.min(bytes.len()) {
        let byte = bytes.get(at).copied().unwrap_or_default();
        marks.has_high |= !byte.is_ascii();
        if is_pair(byte, bytes.get(at + 1).copied().unwrap_or_default()) != 0 {
            marks.push(bytes, at);
        }
    }
}

/// 1 where a mark may begin with these two bytes.
#[inline]
fn is_pair(byte: u8, next: u8) -> u8 {
    u8::from(byte == b'\n')
        | u8::from(byte == b'}') & u8::from(next == b'{')
        | u8::from(byte == b't') & u8::from(next == b'V')
        | u8::from(byte == b'\\') & u8::from(next == b'u')
}

impl Marks {
    /// Forgets what was found.
    fn clear(&mut self) {
        self.places.clear();
        self.has_high = false;
    }

    /// The mark with this number, and its place.
    #[inline]
    fn get(&self, number: usize, bytes: &[u8]) -> Option<(usize, Mark)> {
        let place = *self.places.get(number)?;
        let mark = match bytes.get(place) {
            Some(b'\n') => Mark::Newline,
            Some(b'}') => Mark::Braces,
            Some(b't') => Mark::Key,
            _ => Mark::Escaped,
        };
        Some((place, mark))
    }

    /// Where the bits are, counted from `at`, pairs of bytes are that a mark may begin with.
    pub fn push_bits(&mut self, bytes: &[u8], at: usize, mut bits: u64) {
        while bits != 0 {
            self.push(bytes, at + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }

    /// A byte was found that is not ASCII.
    pub fn saw_high(&mut self) {
        self.has_high = true;
    }

    /// The marks of a block that begins at `at`.
    fn push_all(&mut self, bytes: &[u8], at: usize, block: &[u8; BLOCK], next: &[u8; BLOCK]) {
        let mut hits = [0; BLOCK];
        for ((hit, byte), next) in hits.iter_mut().zip(block).zip(next) {
            *hit = is_pair(*byte, *next);
        }
        // A byte for each, eight to a word.
        for (number, eight) in hits.as_chunks::<8>().0.iter().enumerate() {
            let mut hits = u64::from_le_bytes(*eight);
            while hits != 0 {
                self.push(bytes, at + number * 8 + hits.trailing_zeros() as usize / 8);
                hits &= hits - 1;
            }
        }
    }

    fn push(&mut self, bytes: &[u8], at: usize) {
        let holds = |start: usize, word: &[u8]| {
            bytes.get(start..).is_some_and(|rest| rest.starts_with(word))
        };
        let is_mark = match bytes.get(at) {
            Some(b't') => at.checked_sub(KEY_PAIR).is_some_and(|start| holds(start, KEY)),
            Some(b'\\') => holds(at, ESCAPED),
            _ => true,
        };
        if is_mark {
            self.places.push(at);
        }
    }
}

/// The marks of a piece, made as far as its lines are looked at.
#[derive(Debug)]
pub(crate) struct PieceMarks {
    marker: Marker,
    marks: Marks,
    /// The first mark that is not behind.
    next: usize,
    /// Up to where the piece was looked at.
    until: usize,
}

/// How much is looked at ahead: what is looked at again after it is in the processor's nearest cache.
const WINDOW: usize = 16 << 10;

/// What is known of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LineLook {
    /// Where its newline is.
    pub(crate) newline: usize,
    /// It has `}{`.
    pub(crate) has_braces: bool,
    /// It has the key of raw CloudTrail behind its beginning.
    pub(crate) has_key: bool,
    /// It has an escaped character of ASCII.
    pub(crate) is_escaped: bool,
}

impl PieceMarks {
    pub(crate) fn new(marker: Marker) -> Self {
        Self { marker, marks: Marks::default(), next: 0, until: 0 }
    }

    /// Another piece begins.
    pub(crate) fn restart(&mut self) {
        self.marks.clear();
        (self.next, self.until) = (0, 0);
    }

    /// What the line that begins at `start` is like; nothing where it does not end in this piece.
    /// Lines are asked about in their order.
    pub(crate) fn line(&mut self, bytes: &[u8], start: usize) -> Option<LineLook> {
        let mut look = LineLook::default();
        loop {
            let Some((place, mark)) = self.marks.get(self.next, bytes) else {
                self.until = self.until.max(start);
                if self.until >= bytes.len() {
                    return None;
                }
                let until = bytes.len().min(self.until + WINDOW);
                self.next = 0;
                self.marks.places.clear();
                (self.marker)(bytes, self.until..until, &mut self.marks);
                self.until = until;
                continue;
            };
            self.next += 1;
            match mark {
                _ if place < start => {}
                Mark::Newline => return Some(LineLook { newline: place, ..look }),
                Mark::Braces => look.has_braces = true,
                Mark::Key => look.has_key |= place != start + FIRST_KEY,
                Mark::Escaped => look.is_escaped = true,
            }
        }
    }

    /// Whether all that was looked at of this piece is ASCII.
    pub(crate) fn is_ascii(&self) -> bool {
        !self.marks.has_high
    }
}

/// How far behind the beginning of a line its own first key is marked: behind the bracket.
const FIRST_KEY: usize = 1 + KEY_PAIR;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, byte by byte.
    fn naive(bytes: &[u8]) -> Vec<(usize, Mark)> {
        let mark = |at: usize| match (&bytes[..at], &bytes[at..]) {
            (_, [b'\n', ..]) => Some(Mark::Newline),
            (_, [b'}', b'{', ..]) => Some(Mark::Braces),
            (before, behind)
                if before.ends_with(b"\"even") && behind.starts_with(b"tVersion\"") =>
            {
                Some(Mark::Key)
            }
            (_, rest) => rest.starts_with(ESCAPED).then_some(Mark::Escaped),
        };
        (0..bytes.len()).filter_map(|at| Some((at, mark(at)?))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn agrees_with_the_naive_way(
            words in proptest::collection::vec(
                prop_oneof![Just("\n"), Just("}"), Just("{"), Just("\"eventVersion\""), Just("tV"),
                            Just("\\u00"), Just("\\u"), Just("\\"), Just("é"),
                            Just("0123456789012345678901234567890123456789")], 0..60),
            window in 1_usize..300,
        ) {
            let text = words.concat();
            let bytes = text.as_bytes();
            let mut marks = Marks::default();
            for start in (0..bytes.len()).step_by(window) {
                mark(bytes, start..bytes.len().min(start + window), &mut marks);
            }
            let found: Vec<_> = (0..).map_while(|number| marks.get(number, bytes)).collect();
            prop_assert_eq!(found, naive(bytes));
            prop_assert_eq!(!marks.has_high, text.is_ascii());
        }
    }
}

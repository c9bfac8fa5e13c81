//! Finds the end of a JSON object or array.
//!
//! In: its bytes, in any number of pieces. Out: the position behind its last bracket. It counts
//! brackets outside strings and checks nothing else; it keeps no stack, so that no nesting is
//! too deep.
//!
//! 64 bytes at a time become four bit masks (quotes, backslashes, opening and closing brackets): a
//! loop over bytes that the compiler turns into SIMD, and one multiplication per eight of them. No
//! intrinsics, hence no unsafe code, and the same way on every machine and in WebAssembly. A block
//! that cannot hold the end costs two population counts.

const BLOCK: usize = 64;
/// Sets the bit that makes `{` of `[` and `}` of `]`.
const FOLD: u8 = 0x20;

/// The state of the scan between two pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Brackets {
    depth: u64,
    in_string: bool,
    /// The next byte follows an unescaped backslash.
    escaped: bool,
}

impl Brackets {
    pub(crate) fn in_string(&self) -> bool {
        self.in_string
    }

    /// Reads on; the first byte ever given is the opening bracket. `Some` is the position behind
    /// the closing one, `None` means that all of `bytes` lies before it.
    pub(crate) fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        for (number, block) in blocks.iter().enumerate() {
            if let Some(at) = self.block(block, BLOCK) {
                return Some(number * BLOCK + at);
            }
        }
        if rest.is_empty() {
            return None;
        }
        let mut padded = [b' '; BLOCK];
        if let Some(start) = padded.get_mut(..rest.len()) {
            start.copy_from_slice(rest);
        }
        self.block(&padded, rest.len()).map(|at| blocks.len() * BLOCK + at)
    }

    /// One block, of which `length` bytes count and the rest are spaces.
    #[inline]
    fn block(&mut self, block: &[u8; BLOCK], length: usize) -> Option<usize> {
        let masks = Masks::of(block);
        let mut quotes = masks.quotes;
        if masks.backslashes != 0 || self.escaped {
            quotes &= !self.escaped_bytes(masks.backslashes, length);
        }

        // Bit n of the running xor says whether the number of quotes up to byte n is odd.
        let mut inside = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << shift;
        }
        if self.in_string {
            inside = !inside;
        }
        self.in_string = inside >> (BLOCK - 1) != 0;

        let mut opening = masks.opening & !inside;
        let mut closing = masks.closing & !inside;
        if self.depth > u64::from(closing.count_ones()) {
            self.depth += u64::from(opening.count_ones());
            self.depth -= u64::from(closing.count_ones());
            return None;
        }
        // The end may lie in this block: bracket by bracket.
        while closing != 0 {
            let end = closing.trailing_zeros();
            let before = opening & ((1 << end) - 1);
            self.depth += u64::from(before.count_ones());
            opening &= !before;
            closing &= closing - 1;
            self.depth = self.depth.saturating_sub(1);
            if self.depth == 0 {
                return Some(end as usize + 1);
            }
        }
        self.depth += u64::from(opening.count_ones());
        None
    }

    /// The bytes that follow an unescaped backslash.
    fn escaped_bytes(&mut self, mut backslashes: u64, length: usize) -> u64 {
        let mut escaped = u64::from(self.escaped);
        backslashes &= !escaped;
        self.escaped = false;
        while backslashes != 0 {
            let next = backslashes.trailing_zeros() as usize + 1;
            backslashes &= backslashes - 1;
            if next == length {
                self.escaped = true;
            } else {
                escaped |= 1 << next;
                backslashes &= !(1 << next);
            }
        }
        escaped
    }
}

/// Whether `text`, without white space around it, ends with the bracket that closes its first, and no string in it
/// has anything escaped: so it is no more than one event, and nothing in a string of it is one either.
#[must_use]
pub fn is_one_event(text: &[u8]) -> bool {
    let opens = matches!(text.first(), Some(b'{' | b'['));
    opens
        && memchr::memchr(b'\\', text).is_none()
        && Brackets::default().find_end(text) == Some(text.len())
}

/// One bit per byte of a block.
#[derive(Default)]
struct Masks {
    quotes: u64,
    backslashes: u64,
    opening: u64,
    closing: u64,
}

impl Masks {
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        // Four bits per byte first; this loop is what becomes SIMD.
        let mut classes = [0; BLOCK];
        for (class, byte) in classes.iter_mut().zip(block) {
            let folded = byte | FOLD;
            *class = u8::from(*byte == b'"')
                | u8::from(*byte == b'\\') << 1
                | u8::from(folded == b'{') << 2
                | u8::from(folded == b'}') << 3;
        }
        let mut masks = Self::default();
        for (number, eight) in classes.as_chunks::<8>().0.iter().enumerate() {
            let classes = u64::from_le_bytes(*eight);
            let shift = number * 8;
            masks.quotes |= lowest_bits(classes) << shift;
            masks.backslashes |= lowest_bits(classes >> 1) << shift;
            masks.opening |= lowest_bits(classes >> 2) << shift;
            masks.closing |= lowest_bits(classes >> 3) << shift;
        }
        masks
    }
}

/// The lowest bit of each byte, as eight bits: the multiplication moves bits 0, 8, 16 ... next to
/// each other into the top byte, and no two of its terms meet.
#[inline]
fn lowest_bits(bytes: u64) -> u64 {
    (bytes & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, byte by byte. (A backslash outside a string is no JSON; what it does there only
    /// has to be the same everywhere.)
    fn naive(bytes: &[u8]) -> Option<usize> {
        let (mut depth, mut in_string, mut escaped) = (0_u64, false, false);
        for (at, byte) in bytes.iter().enumerate() {
            let after_backslash = std::mem::take(&mut escaped);
            match byte {
                b'\\' => escaped = !after_backslash,
                b'"' if !after_backslash => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    #[test]
    fn a_hundred_thousand_levels() {
        let text = "[".repeat(100_000) + &"]".repeat(100_000) + "x";
        assert_eq!(Brackets::default().find_end(text.as_bytes()), Some(200_000));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn agrees_with_the_naive_way(
            tail in proptest::collection::vec(
                prop_oneof![Just(b'"'), Just(b'\\'), Just(b'{'), Just(b'}'), Just(b'['),
                            Just(b']'), Just(b'a'), Just(b'\n'), any::<u8>()], 0..200),
            piece in 1_usize..200,
        ) {
            let mut text = b"{[{".to_vec();
            text.extend(tail);
            let mut brackets = Brackets::default();
            let mut found = None;
            for (number, bytes) in text.chunks(piece).enumerate() {
                if let Some(at) = brackets.find_end(bytes) {
                    found = Some(number * piece + at);
                    break;
                }
            }
            prop_assert_eq!(found, naive(&text));
        }
    }
}

//! Marks pieces of lines with the widest instructions that this machine has.
//!
//! In: bytes. Out: the marks that crate envelope makes of them, with AVX-512 or AVX2 where the processor has it:
//! several times as fast as what every x86-64 has. It is unsafe code, as these instructions must not run without,
//! and as it reads 32 or 64 bytes at once.
#![allow(unsafe_code)]

use firstseen_envelope::{Marks, mark};
use std::ops::Range;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

/// With what pairs of bytes begin, each at the place of its lower four bits; elsewhere what no byte is that would be
/// looked up there. An instruction looks up 16 bytes in 16.
#[cfg(target_arch = "x86_64")]
const FIRSTS: [u8; 16] = table([b'}', b't', b'\\'], 0xff);
/// What is behind it, at the same places.
#[cfg(target_arch = "x86_64")]
const SECONDS: [u8; 16] = table([b'{', b'V', b'u'], 0);

#[cfg(target_arch = "x86_64")]
const fn table(values: [u8; 3], first: u8) -> [u8; 16] {
    let mut table = [0; 16];
    let places = [b'}', b't', b'\\'];
    let mut number = 0;
    while number < places.len() {
        table[(places[number] & 0xf) as usize] = values[number];
        number += 1;
    }
    // Zeros are at home in the first place alone.
    table[0] = first;
    table
}

/// Marks a range of bytes.
pub(super) fn mark_here(bytes: &[u8], range: Range<usize>, marks: &mut Marks) {
    #[cfg(target_arch = "x86_64")]
    if avx512::is_here() {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { avx512::mark(bytes, range, marks) };
    } else if avx2::is_here() {
        // SAFETY: as above.
        return unsafe { avx2::mark(bytes, range, marks) };
    }
    mark(bytes, range, marks);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What marks are made of, and bytes that are like it in half of their bits.
    const WORDS: &[&[u8]] = &[
        b"\n",
        b"}{",
        b"}",
        b"{",
        b"\"eventVersion\"",
        b"tV",
        b"\\u00",
        b"\\u",
        b"\\",
        b"\0\0\0",
        b"\xff\xfd\xf4\xfd\xfb",
        b"mdMDlLTt\x0a\x1a\x8a",
        b"0123456789012345678901234567890123456789",
    ];

    /// The marks of these bytes, made a window at a time.
    fn marked(
        bytes: &[u8],
        window: usize,
        mark: impl Fn(&[u8], Range<usize>, &mut Marks),
    ) -> Marks {
        let mut marks = Marks::default();
        for start in (0..bytes.len()).step_by(window) {
            mark(bytes, start..bytes.len().min(start + window), &mut marks);
        }
        marks
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn the_marks_are_those_of_crate_envelope(
            words in proptest::collection::vec(proptest::sample::select(WORDS), 0..80),
            window in 1_usize..300,
        ) {
            let bytes = words.concat();
            let plain = marked(&bytes, window, mark);
            prop_assert_eq!(&marked(&bytes, window, mark_here), &plain);
            #[cfg(target_arch = "x86_64")]
            {
                if avx512::is_here() {
                    // SAFETY: the processor has what the function is compiled for.
                    let wide = |bytes: &_, range, marks: &mut _| unsafe { avx512::mark(bytes, range, marks) };
                    prop_assert_eq!(&marked(&bytes, window, wide), &plain);
                }
                if avx2::is_here() {
                    // SAFETY: as above.
                    let half = |bytes: &_, range, marks: &mut _| unsafe { avx2::mark(bytes, range, marks) };
                    prop_assert_eq!(&marked(&bytes, window, half), &plain);
                }
            }
        }
    }
}

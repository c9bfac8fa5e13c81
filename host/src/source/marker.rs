//! Marks pieces of lines with the widest instructions that this machine has.
//!
//! In: bytes. Out: the marks that crate envelope makes of them, with AVX2 where the processor has it: several times
//! as fast as what every x86-64 has. It is unsafe code, as these instructions must not run without, and as it
//! reads 32 bytes at once.
#![allow(unsafe_code)]

use firstseen_envelope::{Marks, mark};
use std::ops::Range;

/// Marks a range of bytes.
pub(super) fn mark_here(bytes: &[u8], range: Range<usize>, marks: &mut Marks) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { avx2::mark(bytes, range, marks) };
    }
    mark(bytes, range, marks);
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use firstseen_envelope::{Marks, mark_rest};
    use std::arch::x86_64::*;
    use std::ops::Range;

    /// Half of a block.
    const HALF: usize = 32;
    const BLOCK: usize = 2 * HALF;

    /// With what pairs of bytes begin, each at the place of its lower four bits; elsewhere what no byte is that
    /// would be looked up there.
    const FIRSTS: [u8; HALF] = table([b'}', b't', b'\\'], 0xff);
    /// What is behind it, at the same places.
    const SECONDS: [u8; HALF] = table([b'{', b'V', b'u'], 0);

    /// A table for both halves of an instruction's lookup.
    const fn table(values: [u8; 3], first: u8) -> [u8; HALF] {
        let mut table = [0; HALF];
        let places = [b'}', b't', b'\\'];
        let mut number = 0;
        while number < places.len() {
            let place = (places[number] & 0xf) as usize;
            table[place] = values[number];
            table[place + HALF / 2] = values[number];
            number += 1;
        }
        // Zeros are at home in the first place alone.
        table[0] = first;
        table[HALF / 2] = first;
        table
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn mark(bytes: &[u8], range: Range<usize>, marks: &mut Marks) {
        let (firsts, seconds) = (load(&FIRSTS), load(&SECONDS));
        let newline = _mm256_set1_epi8(b'\n' as i8);
        let mut high = _mm256_setzero_si256();
        let mut half = |block: __m256i, next: __m256i| {
            high = _mm256_or_si256(high, block);
            // A byte whose highest bit is set is looked up as zero, which it is not.
            let is_first = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(firsts, block), block);
            let is_second = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(seconds, block), next);
            let is_newline = _mm256_cmpeq_epi8(block, newline);
            _mm256_or_si256(_mm256_and_si256(is_first, is_second), is_newline)
        };
        let mut at = range.start;
        let end = range.end.min(bytes.len());
        // The byte behind a block is of another pair.
        while at + BLOCK <= end
            && let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>())
            && let Some(next) = bytes.get(at + 1..).and_then(|rest| rest.first_chunk::<BLOCK>())
        {
            let [blocks, nexts] = [block, next].map(|block| block.as_chunks::<HALF>().0);
            let ([low, high], [low_next, high_next]) = (blocks, nexts) else { break };
            let low = half(load(low), load(low_next));
            let high = half(load(high), load(high_next));
            let all = _mm256_or_si256(low, high);
            if _mm256_testz_si256(all, all) == 0 {
                let low = u64::from(_mm256_movemask_epi8(low).cast_unsigned());
                let high = u64::from(_mm256_movemask_epi8(high).cast_unsigned());
                marks.push_bits(bytes, at, low | high << HALF);
            }
            at += BLOCK;
        }
        if _mm256_movemask_epi8(high) != 0 {
            marks.saw_high();
        }
        mark_rest(bytes, at..end, marks);
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(half: &[u8; HALF]) -> __m256i {
        // SAFETY: it reads so many bytes from anywhere.
        unsafe { _mm256_loadu_si256(half.as_ptr().cast()) }
    }
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn the_marks_are_those_of_crate_envelope(
            words in proptest::collection::vec(proptest::sample::select(WORDS), 0..80),
            window in 1_usize..300,
        ) {
            let bytes = words.concat();
            let (mut here, mut plain) = (Marks::default(), Marks::default());
            for start in (0..bytes.len()).step_by(window) {
                let range = start..bytes.len().min(start + window);
                mark_here(&bytes, range.clone(), &mut here);
                mark(&bytes, range, &mut plain);
            }
            prop_assert_eq!(here, plain);
        }
    }
}

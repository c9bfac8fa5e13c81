//! Marks with AVX2, 32 bytes an instruction.
//!
//! In: bytes, on a processor that has AVX2. Out: marks. What the loop calls has its instructions too: a closure has
//! not, would be called, and lose what is in registers.

use super::{FIRSTS, SECONDS};
use firstseen_envelope::{Marks, mark_rest};
use std::arch::x86_64::*;
use std::ops::Range;

/// Half of a block.
const HALF: usize = 32;
const BLOCK: usize = 2 * HALF;

/// Whether this processor has it.
pub(super) fn is_here() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

/// What each half is compared with.
struct Wanted {
    firsts: __m256i,
    seconds: __m256i,
    newline: __m256i,
}

/// Marks a range of bytes.
#[target_feature(enable = "avx2")]
pub(super) fn mark(bytes: &[u8], range: Range<usize>, marks: &mut Marks) {
    let newline = _mm256_set1_epi8(b'\n' as i8);
    let wanted = Wanted { firsts: twice(&FIRSTS), seconds: twice(&SECONDS), newline };
    let mut seen = _mm256_setzero_si256();
    let mut at = range.start;
    let end = range.end.min(bytes.len());
    // The byte behind a block is of another pair.
    while at + BLOCK <= end
        && let Some((low, high)) = halves(bytes, at)
        && let Some((low_next, high_next)) = halves(bytes, at + 1)
    {
        let (low, high) = (load(low), load(high));
        seen = _mm256_or_si256(seen, _mm256_or_si256(low, high));
        let low = hits(&wanted, low, load(low_next));
        let high = hits(&wanted, high, load(high_next));
        let all = _mm256_or_si256(low, high);
        if _mm256_testz_si256(all, all) == 0 {
            let low = u64::from(_mm256_movemask_epi8(low).cast_unsigned());
            let high = u64::from(_mm256_movemask_epi8(high).cast_unsigned());
            marks.push_bits(bytes, at, low | high << HALF);
        }
        at += BLOCK;
    }
    if _mm256_movemask_epi8(seen) != 0 {
        marks.saw_high();
    }
    mark_rest(bytes, at..end, marks);
}

/// Where marks may begin. A byte whose highest bit is set is looked up as zero, which it is not.
#[inline]
#[target_feature(enable = "avx2")]
fn hits(wanted: &Wanted, block: __m256i, next: __m256i) -> __m256i {
    let is_first = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(wanted.firsts, block), block);
    let is_second = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(wanted.seconds, block), next);
    let is_newline = _mm256_cmpeq_epi8(block, wanted.newline);
    _mm256_or_si256(_mm256_and_si256(is_first, is_second), is_newline)
}

#[inline]
#[target_feature(enable = "avx2")]
fn halves(bytes: &[u8], at: usize) -> Option<(&[u8; HALF], &[u8; HALF])> {
    let (low, rest) = bytes.get(at..)?.split_first_chunk::<HALF>()?;
    Some((low, rest.first_chunk::<HALF>()?))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(half: &[u8; HALF]) -> __m256i {
    // SAFETY: it reads so many bytes from anywhere.
    unsafe { _mm256_loadu_si256(half.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn twice(table: &[u8; 16]) -> __m256i {
    // SAFETY: it reads 16 bytes from anywhere.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(table.as_ptr().cast()) })
}

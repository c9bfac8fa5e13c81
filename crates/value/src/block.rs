//! One block of a string at a time, as it is read or written: where its plain part ends.
//!
//! In: a block of bytes. Out: the place of its first quote, backslash or control character. Most
//! engines have simd128, whose instructions are safe to use on WebAssembly; plain arithmetic does the
//! same, eight bytes at a time, elsewhere.

pub use chosen::{BLOCK, first_stop};

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod chosen {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, u64x2, v128_or};

    /// The bytes of a block.
    pub const BLOCK: usize = 16;

    /// The first byte that ends the plain part of a string.
    #[inline(always)]
    pub fn first_stop(block: &[u8; BLOCK]) -> Option<usize> {
        let whole = u128::from_le_bytes(*block);
        let bytes = u64x2(whole as u64, (whole >> 64) as u64);
        let quote = u8x16_eq(bytes, u8x16_splat(b'"'));
        let backslash = u8x16_eq(bytes, u8x16_splat(b'\\'));
        let control = u8x16_lt(bytes, u8x16_splat(0x20));
        let stops = u8x16_bitmask(v128_or(v128_or(quote, backslash), control));
        (stops != 0).then(|| stops.trailing_zeros() as usize)
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod chosen {
    /// The bytes of a block.
    pub const BLOCK: usize = 8;

    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;

    /// The first byte that ends the plain part of a string.
    ///
    /// A byte equal to b is zero in `x ^ bbb...`; subtracting 1 from each byte borrows into its
    /// high bit only there, or in bytes above it, and only the lowest hit is used.
    #[inline(always)]
    pub fn first_stop(block: &[u8; BLOCK]) -> Option<usize> {
        let x = u64::from_le_bytes(*block);
        let quote = x ^ (ONES * b'"' as u64);
        let backslash = x ^ (ONES * b'\\' as u64);
        let stops = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (x.wrapping_sub(ONES * 0x20) & !x);
        let stops = stops & HIGHS;
        (stops != 0).then(|| (stops.trailing_zeros() / 8) as usize)
    }
}

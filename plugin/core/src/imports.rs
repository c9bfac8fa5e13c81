//! The imports of docs/abi.md as functions on slices.
//!
//! In: keys, values, a line of text. Out: what the host returned, unchecked. It keeps nothing.
//!
//! Why the unsafe code is sound: every pointer comes from a slice that lives through the call; the
//! host reads those ranges, and writes at most the given capacity into the one mutable buffer.
#![allow(unsafe_code)]

mod raw {
    #[link(wasm_import_module = "firstseen_v1")]
    unsafe extern "C" {
        pub(super) fn kv_get(key: *const u8, key_len: u32, buf: *mut u8, cap: u32) -> i32;
        pub(super) fn kv_cas(
            key: *const u8,
            key_len: u32,
            expected: *const u8,
            expected_len: i32,
            new: *const u8,
            new_len: u32,
            ttl_ms: i64,
            buf: *mut u8,
            cap: u32,
        ) -> i32;
        pub(super) fn log(level: i32, text: *const u8, len: u32);
    }
}

/// The host's `kv_get`.
pub(crate) fn kv_get(key: &[u8], buffer: &mut [u8]) -> i32 {
    // SAFETY: the host writes at most the capacity into the buffer, which nobody else holds.
    unsafe { raw::kv_get(key.as_ptr(), key.len() as u32, buffer.as_mut_ptr(), buffer.len() as u32) }
}

/// The host's `kv_cas`.
pub(crate) fn kv_cas(
    key: &[u8],
    expected: Option<&[u8]>,
    value: &[u8],
    ttl_ms: i64,
    buffer: &mut [u8],
) -> i32 {
    let expected_len = expected.map_or(-1, |e| e.len() as i32);
    let expected = expected.unwrap_or_default();
    // SAFETY: as above; the other ranges are only read.
    unsafe {
        raw::kv_cas(
            key.as_ptr(),
            key.len() as u32,
            expected.as_ptr(),
            expected_len,
            value.as_ptr(),
            value.len() as u32,
            ttl_ms,
            buffer.as_mut_ptr(),
            buffer.len() as u32,
        )
    }
}

/// The host's `log`.
pub(crate) fn log(level: i32, text: &str) {
    // SAFETY: the host only reads the text.
    unsafe { raw::log(level, text.as_ptr(), text.len() as u32) }
}

//! Slices that cannot be out of range: what is not there is empty.

/// `bytes[start..]`.
#[inline]
pub(crate) fn from(bytes: &[u8], start: usize) -> &[u8] {
    bytes.get(start..).unwrap_or_default()
}

/// `bytes[start..end]`.
#[inline]
pub(crate) fn part(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.get(start..end).unwrap_or_default()
}

/// Whether JSON takes `byte` for white space.
#[inline]
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// What a JSON text sequence (RFC 7464) begins each document with.
pub(crate) const RECORD_SEPARATOR: u8 = 0x1e;

/// Whether `byte` may stand between lines.
#[inline]
pub(crate) fn is_gap(byte: u8) -> bool {
    is_space(byte) || byte == RECORD_SEPARATOR
}

/// `text` without white space at its ends.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(*byte)).map_or(start, |at| at + 1);
    part(text, start, end)
}

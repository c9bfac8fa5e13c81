//! A record as Redpanda hands it in and takes it: key, value and headers behind their lengths.
//!
//! In: a record's bytes, untrusted. Out: where its parts lie, and records in the same form. It
//! never looks into a key or a value.
//!
//! ```text
//! varint length, key | varint length, value | varint count, then for each header: key, value
//! ```
//! A varint is a zigzag LEB128; the length -1 stands for null.

use std::ops::Range;

/// The header that says why an event was not judged.
pub(crate) const ERROR_HEADER: &[u8] = b"firstseen-error";

/// How many bytes a record may grow by when its error is added.
pub(crate) const ERROR_BYTES: usize = 1024;

/// Where the parts of a record lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordParts {
    pub(crate) key: Option<Range<usize>>,
    pub(crate) value: Option<Range<usize>>,
    /// Where the number of headers stands.
    headers: Range<usize>,
    /// How many there are.
    count: i64,
}

/// The parts of a record; `None` where the bytes are none.
pub(crate) fn parts(record: &[u8]) -> Option<RecordParts> {
    let (key, at) = bytes(record, 0)?;
    let (value, at) = bytes(record, at)?;
    let (count, end) = varint(record, at)?;
    (count >= 0).then_some(RecordParts { key, value, headers: at..end, count })
}

/// Adds the error's header to a record in its buffer: the new length. Key, value and headers stay
/// as they are. `None` where there is no room.
pub(crate) fn add_error(
    buffer: &mut [u8],
    length: usize,
    parts: &RecordParts,
    error: &str,
) -> Option<usize> {
    let mut count = Vec::with_capacity(2);
    put_varint(&mut count, parts.count.checked_add(1)?);
    let mut header = Vec::with_capacity(error.len().checked_add(32)?);
    put_bytes(&mut header, Some(ERROR_HEADER));
    put_bytes(&mut header, Some(error.as_bytes()));
    let behind = parts.headers.start.checked_add(count.len())?;
    let end = behind.checked_add(length.checked_sub(parts.headers.end)?)?;
    let total = end.checked_add(header.len()).filter(|total| *total <= buffer.len())?;
    // The count may take a byte more than before.
    buffer.copy_within(parts.headers.end..length, behind);
    buffer.get_mut(parts.headers.start..behind)?.copy_from_slice(&count);
    buffer.get_mut(end..total)?.copy_from_slice(&header);
    Some(total)
}

/// Writes a record; the error's header only where there is an error.
pub(crate) fn put(out: &mut Vec<u8>, key: Option<&[u8]>, value: &[u8], error: Option<&str>) {
    out.clear();
    put_bytes(out, key);
    put_bytes(out, Some(value));
    put_varint(out, i64::from(error.is_some()));
    if let Some(error) = error {
        put_bytes(out, Some(ERROR_HEADER));
        put_bytes(out, Some(error.as_bytes()));
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    put_varint(out, bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX)));
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn put_varint(out: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest as u8) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// A length and so many bytes; where what follows begins.
fn bytes(record: &[u8], at: usize) -> Option<(Option<Range<usize>>, usize)> {
    let (length, start) = varint(record, at)?;
    if length < 0 {
        return Some((None, start));
    }
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= record.len()).then_some((Some(start..end), end))
}

fn varint(record: &[u8], at: usize) -> Option<(i64, usize)> {
    let mut number = 0u64;
    for (shift, (at, byte)) in (0..64).step_by(7).zip(record.iter().enumerate().skip(at)) {
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let number = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
            return Some((number, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_zigzag() {
        // From the encoding's definition: 0, -1, 1, -2, 63, -64, 64, 300.
        for (number, expected) in [
            (0, &[0u8][..]),
            (-1, &[1]),
            (1, &[2]),
            (-2, &[3]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 1]),
            (300, &[0xd8, 4]),
        ] {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            assert_eq!(out, expected);
            assert_eq!(varint(&out, 0), Some((number, out.len())));
        }
        for number in [i64::MAX, i64::MIN, i64::MIN + 1] {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            assert_eq!(varint(&out, 0), Some((number, out.len())), "{number}");
        }
        assert_eq!(varint(&[0xff; 20], 0), None);
        assert_eq!(varint(&[0x80], 0), None);
    }

    #[test]
    fn what_was_written_is_read() {
        let mut out = Vec::new();
        for key in [None, Some(&b""[..]), Some(b"key")] {
            for error in [None, Some("e")] {
                put(&mut out, key, b"value", error);
                let parts = parts(&out).unwrap();
                assert_eq!(parts.key.map(|range| &out[range]), key);
                assert_eq!(parts.value.map(|range| &out[range]), Some(&b"value"[..]));
                assert_eq!(parts.count, i64::from(error.is_some()));
            }
        }
    }

    #[test]
    fn an_error_is_added_behind_the_headers_that_are_there() {
        // 63 is the last count of one byte.
        for count in [0i64, 1, 62, 63, 64, 200] {
            let mut record = Vec::new();
            put_bytes(&mut record, Some(b"k"));
            put_bytes(&mut record, Some(b"v"));
            put_varint(&mut record, count);
            let head = record.len();
            for number in 0..count {
                put_bytes(&mut record, Some(format!("h{number}").as_bytes()));
                put_bytes(&mut record, None);
            }
            let headers = record[head..].to_vec();
            let (length, found) = (record.len(), parts(&record).unwrap());
            record.resize(length + ERROR_BYTES, 0xee);
            let new = add_error(&mut record, length, &found, "why").unwrap();
            let mut expected = Vec::new();
            put_bytes(&mut expected, Some(b"k"));
            put_bytes(&mut expected, Some(b"v"));
            put_varint(&mut expected, count + 1);
            expected.extend_from_slice(&headers);
            put_bytes(&mut expected, Some(ERROR_HEADER));
            put_bytes(&mut expected, Some(b"why"));
            assert_eq!(record[..new], expected);
            record.truncate(length + 3);
            assert_eq!(add_error(&mut record, length, &found, "why"), None);
        }
    }

    #[test]
    fn bytes_that_are_no_record_are_refused() {
        let mut record = Vec::new();
        put(&mut record, Some(b"key"), b"value", Some("e"));
        let head = parts(&record).unwrap().headers.end;
        for cut in 0..head {
            assert_eq!(parts(&record[..cut]), None, "{cut}");
        }
        for bytes in [&b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..], &[0xff; 30], &[0, 0, 1]] {
            assert_eq!(parts(bytes), None, "{bytes:?}");
        }
    }
}

//! Unsigned LEB128 integers of up to 32 bits.
//!
//! In: bytes, untrusted. Out: an integer and what follows it. It reserves nothing.

/// An integer at the front of these bytes, which it is taken from. Nothing where they end too early
/// or it has more than 32 bits.
pub(crate) fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u32::from(byte & 0x7f);
        if shift == 28 && part > 0xf {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// So many bytes, as an integer in front says.
pub(crate) fn take_slice<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_u32(bytes)?;
    let (slice, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(slice)
}

/// Appends an integer in its shortest spelling.
pub(crate) fn push_u32(out: &mut Vec<u8>, mut value: u32) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends bytes behind their length. Nothing where they are too many.
pub(crate) fn push_slice(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    push_u32(out, u32::try_from(bytes.len()).ok()?);
    out.extend_from_slice(bytes);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back_and_wrong_ones_are_none() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u32::MAX] {
            let mut out = Vec::new();
            push_u32(&mut out, value);
            out.push(9);
            let mut rest = out.as_slice();
            assert_eq!((take_u32(&mut rest), rest), (Some(value), &[9][..]));
        }
        for wrong in [&[][..], &[0x80], &[0xff; 5], &[0x80, 0x80, 0x80, 0x80, 0x10], &[0x80; 6]] {
            assert_eq!(take_u32(&mut &*wrong), None, "{wrong:?}");
        }
        assert_eq!(take_slice(&mut &[2, 7][..]), None);
        assert_eq!(take_slice(&mut &[0xff, 0xff, 0xff, 0xff, 0x0f, 1][..]), None);
        assert_eq!(take_slice(&mut &[1, 7, 8][..]), Some(&[7][..]));
    }
}

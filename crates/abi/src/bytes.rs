//! Reading integers and slices out of untrusted bytes, and writing them.
//!
//! In: a byte slice. Out: values, or [`Malformed`] with the position. It never reads past the end.

use alloc::vec::Vec;

/// Bytes from the other side that do not have the layout they should have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed bytes from the other side of the border: {what} at byte {at}")]
pub struct Malformed {
    /// What was being read.
    pub what: &'static str,
    /// Where, counted from the start of the buffer.
    pub at: usize,
}

/// A position in a byte slice that only moves forward.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next byte is read.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Whether all bytes were read.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The error for this position.
    #[must_use]
    pub const fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left.
    #[inline]
    pub fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(n).ok_or(self.malformed(what))?;
        let slice = self.bytes.get(self.at..end).ok_or(self.malformed(what))?;
        self.at = end;
        Ok(slice)
    }

    #[inline]
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let at = self.malformed(what);
        self.take(N, what)?.try_into().map_err(|_| at)
    }

    /// Sixteen bytes, an identity or a hash.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left.
    #[inline]
    pub fn sixteen(&mut self, what: &'static str) -> Result<[u8; 16], Malformed> {
        self.array(what)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Malformed`] when none is left.
    #[inline]
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array(what)?))
    }

    /// Two bytes.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left.
    #[inline]
    pub fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    /// Four bytes.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left.
    #[inline]
    pub fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    /// Four bytes, signed.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left.
    #[inline]
    pub fn i32(&mut self, what: &'static str) -> Result<i32, Malformed> {
        Ok(i32::from_le_bytes(self.array(what)?))
    }

    /// Eight bytes, signed.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left.
    #[inline]
    pub fn i64(&mut self, what: &'static str) -> Result<i64, Malformed> {
        Ok(i64::from_le_bytes(self.array(what)?))
    }

    /// `n` bytes that are UTF-8.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left or they are not UTF-8.
    #[inline]
    pub fn text(&mut self, n: usize, what: &'static str) -> Result<&'a str, Malformed> {
        let at = self.malformed(what);
        core::str::from_utf8(self.take(n, what)?).map_err(|_| at)
    }
}

/// Packs a pointer and a length into one result.
#[must_use]
pub const fn pack(pointer: u32, length: u32) -> i64 {
    (((pointer as u64) << 32) | length as u64) as i64
}

/// The pointer and the length of a packed result.
#[must_use]
pub const fn unpack(packed: i64) -> (u32, u32) {
    let bits = packed as u64;
    ((bits >> 32) as u32, (bits & 0xffff_ffff) as u32)
}

/// Appends an integer.
#[inline]
pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Overwrites four bytes that were written before; does nothing where there are none.
#[inline]
pub(crate) fn patch_u32(out: &mut [u8], at: usize, value: u32) {
    if let Some(slot) = at.checked_add(4).and_then(|end| out.get_mut(at..end)) {
        slot.copy_from_slice(&value.to_le_bytes());
    }
}

/// A length as it is written. Lengths beyond 4 GiB cannot arise: a guest's memory ends there, and
/// hosts bound their requests long before.
#[inline]
pub(crate) fn len_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_reads_past_the_end() {
        let mut cursor = Cursor::new(&[1, 2, 3]);
        assert_eq!(cursor.u16("a").unwrap(), 0x0201);
        assert_eq!(cursor.u32("b"), Err(Malformed { what: "b", at: 2 }));
        assert_eq!(cursor.take(usize::MAX, "c"), Err(Malformed { what: "c", at: 2 }));
        assert_eq!(cursor.u8("d").unwrap(), 3);
        assert!(cursor.is_done());
        assert_eq!(Cursor::new(&[0xff]).text(1, "t"), Err(Malformed { what: "t", at: 0 }));
    }
}

//! The frames of files of version 1, which are only read.
//!
//! In: untrusted bytes behind the header. Out: the keys and values of the frames that are whole.
//!
//! ```text
//! frame:  0 u16 length of the key, u16 length of the value
//!         4 8 bytes of BLAKE3 over file number, offset of the frame, the four bytes before, key, value
//!        12 key, value
//! ```

use super::frame::{FramePosition, HEADER, fill, sum};
use firstseen_abi::{MAX_KEY, MAX_VALUE};
use std::io::{self, Read};

const HEAD: usize = 12;
/// The longest frame: a kill cuts one at the most, more is damage.
const MAX_FRAME: u64 = (HEAD + MAX_KEY + MAX_VALUE) as u64;

/// Reads frames and hands on their keys and values, oldest first; how many bytes are damaged.
pub(super) fn read(
    number: u64,
    length: u64,
    mut from: impl Read,
    mut each: impl FnMut(&[u8], &[u8]),
) -> io::Result<u64> {
    let mut offset = HEADER.len() as u64;
    let mut body = vec![0; MAX_KEY + MAX_VALUE];
    loop {
        let left = length.saturating_sub(offset);
        let damaged = if left > MAX_FRAME { left } else { 0 };
        let mut head = [0; HEAD];
        if fill(&mut from, &mut head)? != HEAD {
            return Ok(damaged);
        }
        let [k0, k1, v0, v1, sums @ ..] = head;
        let key_len = usize::from(u16::from_le_bytes([k0, k1]));
        let value_len = usize::from(u16::from_le_bytes([v0, v1]));
        if key_len > MAX_KEY || value_len > MAX_VALUE {
            return Ok(damaged);
        }
        let body = &mut body[..key_len + value_len];
        if fill(&mut from, body)? != body.len() {
            return Ok(damaged);
        }
        let place = FramePosition { number, offset };
        if sum::<8>(place, &[&[k0, k1, v0, v1], body]) != sums {
            return Ok(damaged);
        }
        let (key, value) = body.split_at(key_len);
        each(key, value);
        offset += (HEAD + key_len + value_len) as u64;
    }
}

//! The bytes of a state's file.
//!
//! In: keys and values, or untrusted bytes. Out: frames, or the keys and values of those frames
//! that are whole. It reads up to the first frame that is not what was written there, and never
//! looks for another behind it: values hold text from events, which might look like a frame.
//!
//! ```text
//!  0  "firstseen state 1\n"
//! 18  frame, frame, ...           frame:  0 u16 length of the key, u16 length of the value
//!                                         4 8 bytes of BLAKE3 over file number, offset of the
//!                                           frame, the four bytes before, key, value
//!                                        12 key, value
//! ```
//! Integers are little-endian. A frame counts only in its file and at its place.

use firstseen_abi::{MAX_KEY, MAX_VALUE};
use std::io::{self, Read};

/// What a file begins with.
pub(super) const HEADER: &[u8; 18] = b"firstseen state 1\n";
const NAME: &[u8] = b"firstseen state ";
const HEAD: usize = 12;
/// The longest frame.
pub(super) const MAX_FRAME: u64 = (HEAD + MAX_KEY + MAX_VALUE) as u64;

/// Where a frame is.
#[derive(Debug, Clone, Copy)]
pub(super) struct FramePosition {
    /// The number of its file.
    pub(super) number: u64,
    /// Its offset.
    pub(super) offset: u64,
}

/// Adds the frame of a key and its value. Longer ones than the contract allows are left out: the
/// engine makes none.
pub(super) fn write(place: FramePosition, key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let (Ok(key_len), Ok(value_len)) = (u16::try_from(key.len()), u16::try_from(value.len()))
    else {
        return;
    };
    if key.len() > MAX_KEY || value.len() > MAX_VALUE {
        return;
    }
    let [k0, k1] = key_len.to_le_bytes();
    let [v0, v1] = value_len.to_le_bytes();
    let lengths = [k0, k1, v0, v1];
    out.extend_from_slice(&lengths);
    out.extend_from_slice(&checksum(place, lengths, &[key, value]));
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

fn checksum(place: FramePosition, lengths: [u8; 4], parts: &[&[u8]]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&place.number.to_le_bytes());
    hasher.update(&place.offset.to_le_bytes());
    hasher.update(&lengths);
    for part in parts {
        hasher.update(part);
    }
    let mut sum = [0; 8];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    sum
}

/// What a file turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FrameRead {
    /// Whole frames up to this offset; what is behind it is not what was written there.
    Good(u64),
    /// A newer firstseen wrote it.
    Newer,
}

/// Reads frames and hands on their keys and values, oldest first.
pub(super) fn read(
    number: u64,
    mut from: impl Read,
    mut each: impl FnMut(&[u8], &[u8]),
) -> io::Result<FrameRead> {
    let mut header = [0; HEADER.len()];
    if fill(&mut from, &mut header)? != header.len() || !header.starts_with(NAME) {
        return Ok(FrameRead::Good(0));
    }
    if header != *HEADER {
        // The version is a digit and the line ends: else it is damage.
        let newer = header[16] > b'1' && header[16] <= b'9' && header[17] == b'\n';
        return Ok(if newer { FrameRead::Newer } else { FrameRead::Good(0) });
    }
    let mut offset = HEADER.len() as u64;
    let mut body = vec![0; MAX_KEY + MAX_VALUE];
    loop {
        let mut head = [0; HEAD];
        if fill(&mut from, &mut head)? != HEAD {
            return Ok(FrameRead::Good(offset));
        }
        let [k0, k1, v0, v1, sum @ ..] = head;
        let key_len = usize::from(u16::from_le_bytes([k0, k1]));
        let value_len = usize::from(u16::from_le_bytes([v0, v1]));
        if key_len > MAX_KEY || value_len > MAX_VALUE {
            return Ok(FrameRead::Good(offset));
        }
        let body = &mut body[..key_len + value_len];
        if fill(&mut from, body)? != body.len() {
            return Ok(FrameRead::Good(offset));
        }
        if checksum(FramePosition { number, offset }, [k0, k1, v0, v1], &[body]) != sum {
            return Ok(FrameRead::Good(offset));
        }
        let (key, value) = body.split_at(key_len);
        each(key, value);
        offset += (HEAD + key_len + value_len) as u64;
    }
}

/// Reads as much as there is; how much that was.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

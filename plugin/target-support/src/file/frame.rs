//! The bytes of a state's file.
//!
//! In: entries, or untrusted bytes. Out: frames, or the entries of those frames that are whole. It reads
//! up to the first frame that is not what was written there, and never looks for another behind it:
//! values hold text from events, which might look like a frame.
//!
//! ```text
//!  0  "firstseen state 2\n"
//! 18  frame, frame, ...           frame:  0 u32 length of the entries
//!                                         4 4 bytes of BLAKE3 over file number, offset of the frame,
//!                                           the length
//!                                         8 8 bytes of BLAKE3 over the same and the entries
//!                                        16 entry, entry, ...
//! entry   1, u16 length of the key, u16 of the value, key, value     a sighting
//!         2, u64 number, u32 length, text                            an alert of the outbox
//!         3, u64 number                                              alerts below it left the outbox
//! ```
//! Integers are little-endian. A frame counts only in its file and at its place, and as a whole: what
//! is committed together is in one. Files of version 1 are read: file/frame_1.rs.

use super::frame_1;
use firstseen_abi::{MAX_KEY, MAX_VALUE};
use std::io::{self, Read};

/// What a file begins with.
pub(super) const HEADER: &[u8; 18] = b"firstseen state 2\n";
const HEADER_1: &[u8; 18] = b"firstseen state 1\n";
const NAME: &[u8] = b"firstseen state ";
const HEAD: usize = 16;

/// Where a frame is.
#[derive(Debug, Clone, Copy)]
pub(super) struct FramePosition {
    /// The number of its file.
    pub(super) number: u64,
    /// Its offset.
    pub(super) offset: u64,
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameEntry<'f> {
    Sighting(&'f [u8], &'f [u8]),
    Alert(u64, &'f str),
    /// Alerts below this number left.
    First(u64),
}

/// Adds a sighting to a frame's entries. Longer ones than the contract allows are left out: the engine
/// makes none.
pub(super) fn push_sighting(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let (Ok(key_len), Ok(value_len)) = (u16::try_from(key.len()), u16::try_from(value.len()))
    else {
        return;
    };
    if key.len() > MAX_KEY || value.len() > MAX_VALUE {
        return;
    }
    out.push(1);
    out.extend_from_slice(&key_len.to_le_bytes());
    out.extend_from_slice(&value_len.to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// Adds an alert.
pub(super) fn push_alert(number: u64, text: &str, out: &mut Vec<u8>) {
    let Ok(length) = u32::try_from(text.len()) else { return };
    out.push(2);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Adds that the alerts below a number left.
pub(super) fn push_first(number: u64, out: &mut Vec<u8>) {
    out.push(3);
    out.extend_from_slice(&number.to_le_bytes());
}

/// Entries as a frame.
pub(super) fn framed(place: FramePosition, entries: &[u8]) -> Vec<u8> {
    let Ok(length) = u32::try_from(entries.len()) else { return Vec::new() };
    let length = length.to_le_bytes();
    let mut out = Vec::with_capacity(entries.len().saturating_add(HEAD));
    out.extend_from_slice(&length);
    out.extend_from_slice(&sum::<4>(place, &[&length]));
    out.extend_from_slice(&sum::<8>(place, &[&length, entries]));
    out.extend_from_slice(entries);
    out
}

/// The first bytes of the checksum over parts at a place.
pub(super) fn sum<const N: usize>(place: FramePosition, parts: &[&[u8]]) -> [u8; N] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&place.number.to_le_bytes());
    hasher.update(&place.offset.to_le_bytes());
    for part in parts {
        hasher.update(part);
    }
    let mut sum = [0; N];
    hasher.finalize_xof().fill(&mut sum);
    sum
}

/// What a file turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FrameRead {
    /// Behind the last whole frame is a frame that a kill cut, or nothing; or so many bytes that are
    /// not what was written there.
    Good { damaged: u64 },
    /// A newer firstseen wrote it.
    Newer,
}

/// Reads the frames of a file of that length and hands on their entries, oldest first.
pub(super) fn read(
    number: u64,
    length: u64,
    mut from: impl Read,
    mut each: impl FnMut(FrameEntry<'_>),
) -> io::Result<FrameRead> {
    let mut header = [0; HEADER.len()];
    if fill(&mut from, &mut header)? != header.len() {
        return Ok(FrameRead::Good { damaged: 0 });
    }
    if header == *HEADER_1 {
        let damaged = frame_1::read(number, length, from, |key, value| {
            each(FrameEntry::Sighting(key, value));
        })?;
        return Ok(FrameRead::Good { damaged });
    }
    if header != *HEADER {
        // The version is a digit and the line ends: else it is damage.
        let newer = header.starts_with(NAME)
            && header[16] > b'2'
            && header[16] <= b'9'
            && header[17] == b'\n';
        return Ok(if newer { FrameRead::Newer } else { FrameRead::Good { damaged: length } });
    }
    let mut offset = HEADER.len() as u64;
    let mut entries = Vec::new();
    loop {
        let damaged = FrameRead::Good { damaged: length.saturating_sub(offset) };
        let mut head = [0; HEAD];
        if fill(&mut from, &mut head)? != HEAD {
            return Ok(FrameRead::Good { damaged: 0 });
        }
        let [l0, l1, l2, l3, h0, h1, h2, h3, sums @ ..] = head;
        let size = [l0, l1, l2, l3];
        let place = FramePosition { number, offset };
        if sum::<4>(place, &[&size]) != [h0, h1, h2, h3] {
            return Ok(damaged);
        }
        let size_bytes = u64::from(u32::from_le_bytes(size));
        entries.clear();
        // It grows with what there is: a false length takes no memory.
        if (&mut from).take(size_bytes).read_to_end(&mut entries)? as u64 != size_bytes {
            return Ok(FrameRead::Good { damaged: 0 });
        }
        if sum::<8>(place, &[&size, &entries]) != sums
            || take_entries(&entries, &mut each).is_none()
        {
            return Ok(damaged);
        }
        offset = offset.saturating_add(HEAD as u64).saturating_add(size_bytes);
    }
}

/// Hands on the entries; `None` where one is not what was written.
fn take_entries(mut entries: &[u8], each: &mut impl FnMut(FrameEntry<'_>)) -> Option<()> {
    while let Some((kind, rest)) = entries.split_first() {
        let entry;
        (entry, entries) = match kind {
            1 => {
                let ([k0, k1, v0, v1], rest) = rest.split_first_chunk()?;
                let (key, rest) = rest.split_at_checked(u16::from_le_bytes([*k0, *k1]).into())?;
                let (value, rest) = rest.split_at_checked(u16::from_le_bytes([*v0, *v1]).into())?;
                (FrameEntry::Sighting(key, value), rest)
            }
            2 => {
                let (alert, rest) = rest.split_first_chunk()?;
                let (length, rest) = rest.split_first_chunk()?;
                let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
                let (text, rest) = rest.split_at_checked(length)?;
                let text = std::str::from_utf8(text).ok()?;
                (FrameEntry::Alert(u64::from_le_bytes(*alert), text), rest)
            }
            3 => {
                let (first, rest) = rest.split_first_chunk()?;
                (FrameEntry::First(u64::from_le_bytes(*first)), rest)
            }
            _ => return None,
        };
        each(entry);
    }
    Some(())
}

/// Reads as much as there is; how much that was.
pub(super) fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
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

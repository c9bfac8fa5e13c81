//! Gzip, unpacked so that nothing before a fault is lost.
//!
//! In: pieces of gzip members, one after another; after the last one only zeros may follow, as tapes
//! pad with them. Out: their content, up to the end or to the fault. flate2's readers drop what one
//! call unpacked when the same call meets the fault; here both are returned. It holds the window of
//! 32 KiB and no content.

use flate2::{Decompress, FlushDecompress, Status};

/// The window of gzip, 32 KiB, as a power of two.
const WINDOW_BITS: u8 = 15;

/// Unpacks gzip, piece by piece.
pub struct Gunzip {
    state: GunzipState,
}

enum GunzipState {
    /// Before a member, or after the last.
    Between,
    Inside(Box<Decompress>),
    Broken(&'static str),
}

/// What one call of [`Gunzip::unpack`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// Bytes of the input that are done.
    pub taken: usize,
    /// Bytes of the output that were written.
    pub given: usize,
    /// What is wrong with the data behind that output. Every later call returns it too.
    pub fault: Option<&'static str>,
}

impl Default for Gunzip {
    fn default() -> Self {
        Self { state: GunzipState::Between }
    }
}

impl Gunzip {
    /// Whether a member has begun and not ended: data that ends here is cut off.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        matches!(self.state, GunzipState::Inside(_))
    }

    /// Unpacks some of `input` into `out`, which is not empty. Where the input is used up and `out`
    /// is full, there may be more: call it again, with no input if there is none.
    pub fn unpack(&mut self, input: &[u8], out: &mut [u8]) -> Unpacked {
        let mut zeros = 0;
        if matches!(self.state, GunzipState::Between) {
            zeros = input.iter().take_while(|byte| **byte == 0).count();
            if zeros == input.len() {
                return Unpacked { taken: zeros, given: 0, fault: None };
            }
            self.state = GunzipState::Inside(Box::new(Decompress::new_gzip(WINDOW_BITS)));
        }
        let member = match &mut self.state {
            GunzipState::Inside(member) => member,
            GunzipState::Broken(fault) => {
                return Unpacked { taken: 0, given: 0, fault: Some(fault) };
            }
            GunzipState::Between => return Unpacked { taken: zeros, given: 0, fault: None },
        };
        let input = input.get(zeros..).unwrap_or_default();
        let (in_before, out_before) = (member.total_in(), member.total_out());
        let result = member.decompress(input, out, FlushDecompress::None);
        let taken = usize::try_from(member.total_in() - in_before).unwrap_or(usize::MAX);
        let given = usize::try_from(member.total_out() - out_before).unwrap_or(usize::MAX);
        let fault = match result {
            // Neither input taken nor output given can only be a fault: the caller's loop must end.
            Ok(Status::Ok | Status::BufError) if taken == 0 && given == 0 && !input.is_empty() => {
                Some("the gzip data cannot be unpacked")
            }
            Ok(Status::Ok | Status::BufError) => None,
            Ok(Status::StreamEnd) => {
                self.state = GunzipState::Between;
                None
            }
            Err(_) if in_before == 0 && given == 0 => {
                Some("there is no gzip header where one should be")
            }
            Err(_) => Some("the gzip data is damaged, or its checksum does not fit"),
        };
        if let Some(fault) = fault {
            self.state = GunzipState::Broken(fault);
        }
        Unpacked { taken: zeros + taken, given, fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::default());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    }

    /// What comes out of pieces of this size, into rooms of that; and the fault.
    fn unpack(packed: &[u8], piece: usize, room: usize) -> (Vec<u8>, Option<&'static str>, bool) {
        let (mut gunzip, mut all, mut out) = (Gunzip::default(), Vec::new(), vec![0; room]);
        for mut input in packed.chunks(piece) {
            loop {
                let step = gunzip.unpack(input, &mut out);
                all.extend_from_slice(&out[..step.given]);
                input = &input[step.taken..];
                if step.fault.is_some() {
                    assert_eq!(gunzip.unpack(input, &mut out).fault, step.fault);
                    return (all, step.fault, gunzip.is_inside());
                }
                if input.is_empty() && step.given < room {
                    break;
                }
            }
        }
        (all, None, gunzip.is_inside())
    }

    #[test]
    fn members_in_pieces_of_any_size_give_the_same_content() {
        let text: Vec<u8> = (0..9000_u32).flat_map(|n| format!("{n},").into_bytes()).collect();
        let packed = [gzip(&text), vec![0; 40], gzip(b""), gzip(&text), vec![0; 700]].concat();
        let twice = [&text[..], &text].concat();
        for (piece, room) in [(1, 1000), (7, 3), (4096, 4096), (1 << 20, 1 << 20)] {
            assert!(unpack(&packed, piece, room) == (twice.clone(), None, false), "{piece} {room}");
        }
        assert!(unpack(&packed[..packed.len() / 4], 100, 100).2);
    }

    #[test]
    fn what_came_before_a_fault_is_given_with_it() {
        let text = b"some text, some more text".repeat(50);
        let mut packed = gzip(&text);
        packed.extend_from_slice(b"text behind");
        let (all, fault, _) = unpack(&packed, 1 << 20, 1 << 20);
        assert_eq!(
            (all, fault),
            (text.clone(), Some("there is no gzip header where one should be"))
        );
        let mut packed = gzip(&text);
        let checksum = packed.len() - 6;
        packed[checksum] ^= 1;
        let (all, fault, _) = unpack(&packed, 1 << 20, 1 << 20);
        assert!(all == text && fault.unwrap().contains("checksum"), "{fault:?}");
    }
}

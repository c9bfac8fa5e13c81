//! Small packed inputs, unpacked as a whole by libdeflate: it is half as fast again as what unpacks a stream.
//!
//! In: the gzip members of an input, all of them. Out: all of their content, if every one is right and all of it is
//! no more than [`MOST_CONTENT`]; otherwise nothing: it is then read as a stream, which tells what is wrong and gives
//! what comes before. What the members say of their size is a first guess. It has the calls of libdeflate, which is
//! a C library, and so is unsafe code.
#![allow(unsafe_code)]

use libdeflate_sys::{
    libdeflate_alloc_decompressor, libdeflate_decompressor, libdeflate_free_decompressor,
    libdeflate_gzip_decompress_ex, libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE,
    libdeflate_result_LIBDEFLATE_SUCCESS,
};
use std::cell::Cell;
use std::ptr::NonNull;

/// Inputs of more bytes, as they are stored, are read as streams: objects of a trail have a quarter of that.
pub(super) const MOST_STORED: u64 = 2 << 20;
/// So is what unpacks to more.
pub(super) const MOST_CONTENT: usize = 16 << 20;
/// Deflate makes no more of a byte.
const MOST_FOR_EACH_BYTE: usize = 1032;
/// The room for content that turned out to be more than it says.
const FIRST_ROOM: usize = 64 << 10;
/// Header and trailer of a member.
const SHORTEST_MEMBER: usize = 18;
/// The flag of a member whose header has a checksum, which libdeflate leaves unread.
const HEADER_CHECKSUM: u8 = 2;

/// Room for an input and its content, kept from input to input: new memory costs more than unpacking does.
#[derive(Default)]
pub(super) struct WholeRoom {
    /// The bytes as they are stored.
    pub(super) stored: Vec<u8>,
    /// All of it may be written to; what is behind the content is of inputs before.
    content: Vec<u8>,
    length: usize,
}

thread_local! {
    static ROOM: Cell<WholeRoom> = Cell::default();
}

impl WholeRoom {
    /// Room of this thread, with nothing stored in it.
    pub(super) fn take() -> Self {
        let mut room = ROOM.take();
        room.stored.clear();
        room.length = 0;
        room
    }

    /// Gives it back, for another input.
    pub(super) fn give_back(self) {
        ROOM.set(self);
    }

    pub(super) fn content(&self) -> &[u8] {
        self.content.get(..self.length).unwrap_or_default()
    }

    /// Unpacks what is stored; whether that was all of it, and right.
    pub(super) fn unpack(&mut self) -> bool {
        let Self { stored, content, length } = self;
        unpack(stored, content).map(|unpacked| *length = unpacked).is_some()
    }
}

/// How much the members unpack to.
fn unpack(stored: &[u8], content: &mut Vec<u8>) -> Option<usize> {
    // The size of the last member's content, if the input is what it should be.
    let said = *stored.last_chunk::<4>().filter(|_| stored.len() >= SHORTEST_MEMBER)?;
    let said = usize::try_from(u32::from_le_bytes(said)).ok()?;
    if said > MOST_CONTENT || said / MOST_FOR_EACH_BYTE > stored.len() {
        return None;
    }
    if content.len() < said {
        content.resize(said, 0);
    }
    let mut decompressor = Decompressor::new()?;
    let (mut rest, mut given) = (stored, 0);
    loop {
        // Zeros may stand behind a member: tapes pad with them.
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        rest = rest.get(zeros..)?;
        if rest.is_empty() {
            return Some(given);
        }
        if rest.get(3)? & HEADER_CHECKSUM != 0 {
            return None;
        }
        match decompressor.member(rest, content.get_mut(given..)?) {
            MemberEnd::Whole { taken, made } => {
                rest = rest.get(taken..)?;
                given += made;
            }
            MemberEnd::NoRoom if content.len() < MOST_CONTENT => {
                let room = content.len().saturating_mul(2).max(FIRST_ROOM);
                content.resize(room.min(MOST_CONTENT), 0);
            }
            MemberEnd::NoRoom | MemberEnd::Broken => return None,
        }
    }
}

/// How unpacking a member went.
enum MemberEnd {
    Whole { taken: usize, made: usize },
    NoRoom,
    Broken,
}

struct Decompressor(NonNull<libdeflate_decompressor>);

impl Decompressor {
    fn new() -> Option<Self> {
        // SAFETY: it may be called at any time; it returns null where there is no memory.
        NonNull::new(unsafe { libdeflate_alloc_decompressor() }).map(Self)
    }

    /// Unpacks the member that `input` begins with.
    fn member(&mut self, input: &[u8], out: &mut [u8]) -> MemberEnd {
        let (mut taken, mut made) = (0, 0);
        // SAFETY: the decompressor is one of libdeflate's and is used by nobody else now; it reads from `input` and
        // writes to `out` no more bytes than it is told they have.
        let result = unsafe {
            libdeflate_gzip_decompress_ex(
                self.0.as_ptr(),
                input.as_ptr().cast(),
                input.len(),
                out.as_mut_ptr().cast(),
                out.len(),
                &raw mut taken,
                &raw mut made,
            )
        };
        #[allow(non_upper_case_globals)]
        match result {
            libdeflate_result_LIBDEFLATE_SUCCESS => MemberEnd::Whole { taken, made },
            libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE => MemberEnd::NoRoom,
            _ => MemberEnd::Broken,
        }
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: it was allocated by libdeflate and is not used any more.
        unsafe { libdeflate_free_decompressor(self.0.as_ptr()) }
    }
}

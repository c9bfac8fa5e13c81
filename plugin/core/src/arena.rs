//! The arena: buffers that live until the host resets it.
//!
//! In: lengths. Out: places in memory. It hands out whole allocations, keeps a few for reuse, and
//! never hands out one that is in use. A buffer's place never moves while it lives.

use alloc::vec::Vec;

/// Buffers kept for reuse after a reset, and the most bytes that they hold together.
const KEPT: usize = 4;
const KEPT_BYTES: usize = 32 << 20;
/// No allocation over this: what is larger is a mistake or an attack.
const MAX: usize = 256 << 20;

/// Buffers handed out, and buffers to hand out again.
#[derive(Default)]
pub(crate) struct Arena {
    live: Vec<Vec<u8>>,
    free: Vec<Vec<u8>>,
}

impl Arena {
    pub(crate) const fn new() -> Self {
        Self { live: Vec::new(), free: Vec::new() }
    }

    /// The address of a buffer of that length, or 0 where there is no room. A length of 0 gives an
    /// address too. Its content is undefined.
    pub(crate) fn alloc(&mut self, len: usize) -> u32 {
        let len = len.max(1);
        if len > MAX {
            return 0;
        }
        // One that was this long before needs no clearing; the smallest of them does.
        let fits = self.free.iter().rposition(|b| b.len() >= len);
        let fits = fits.or_else(|| self.free.iter().rposition(|b| b.capacity() >= len));
        let mut buffer = match fits {
            Some(at) => self.free.remove(at),
            None => Vec::new(),
        };
        if buffer.len() < len {
            if buffer.try_reserve_exact(len.saturating_sub(buffer.len())).is_err() {
                return 0;
            }
            buffer.resize(len, 0);
        }
        let address = buffer.as_ptr() as usize;
        self.live.push(buffer);
        u32::try_from(address).unwrap_or(0)
    }

    /// Takes a buffer over, so that it lives as long as the others, and returns its address and length.
    pub(crate) fn keep(&mut self, buffer: Vec<u8>) -> (u32, u32) {
        let place = (buffer.as_ptr() as usize, buffer.len());
        self.live.push(buffer);
        (u32::try_from(place.0).unwrap_or(0), u32::try_from(place.1).unwrap_or(0))
    }

    /// A buffer to write a result into.
    pub(crate) fn spare(&mut self) -> Vec<u8> {
        let mut buffer = self.free.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Ends the life of every buffer.
    pub(crate) fn reset(&mut self) {
        for buffer in self.live.drain(..) {
            // The largest first: each takes its place, and the smallest goes.
            let at = self.free.partition_point(|b| b.capacity() >= buffer.capacity());
            if at < KEPT {
                self.free.insert(at, buffer);
                self.free.truncate(KEPT);
            }
        }
        let mut held = 0usize;
        self.free.retain(|b| {
            held = held.saturating_add(b.capacity());
            held <= KEPT_BYTES
        });
    }
}

//! Bounds for packed inputs: few stored bytes must not make much work.
//!
//! In: readers and sinks. Out: the same, ending with an error where what comes out is out of proportion
//! to what is stored. What came before was handed on.

use firstseen_envelope::{EventSink, KnownLines, Place, SplitFault};
use std::io::{self, Read};
use std::ops::ControlFlow::{self, Break};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Data that is packed more than once may unpack to so many bytes for each byte that is stored, which
/// is what gzip gives at most, and to as many more.
const MOST_FOR_EACH_BYTE: u64 = 1100;
const MOST_BESIDES: u64 = 16 << 20;

/// A packed input may have so many faults, and one more for each stored byte.
const MOST_FAULTS: u64 = 1_000_000;

/// Fails once.
pub(super) struct Failing(pub(super) Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Unpacked data that ends with an error where it becomes too much for what is stored.
pub(super) struct Bounded {
    pub(super) input: Box<dyn Read>,
    pub(super) given: u64,
    pub(super) stored: Arc<AtomicU64>,
}

impl Read for Bounded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let stored = self.stored.load(Ordering::Relaxed);
        if self.given > stored.saturating_mul(MOST_FOR_EACH_BYTE).saturating_add(MOST_BESIDES) {
            let text = "packed data inside packed data expands too far; the rest of it was cut";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        let n = self.input.read(out)?;
        self.given += n as u64;
        Ok(n)
    }
}

/// Hands everything on, and breaks where a packed input has too many faults.
pub(super) struct FaultLimit<'s> {
    pub(super) sink: &'s mut dyn EventSink,
    /// How many there were; nothing for an input that is not packed.
    pub(super) faults: &'s mut Option<u64>,
    pub(super) stored: u64,
}

impl FaultLimit<'_> {
    /// Whether it broke.
    pub(super) fn is_over(&self) -> bool {
        self.faults.is_some_and(|faults| faults > MOST_FAULTS.saturating_add(self.stored))
    }
}

impl EventSink for FaultLimit<'_> {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        self.sink.lines(place, chunk)
    }

    fn known_lines(
        &mut self,
        place: Place,
        chunk: &[u8],
        known: &KnownLines<'_>,
    ) -> ControlFlow<()> {
        self.sink.known_lines(place, chunk, known)
    }

    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        self.sink.event(place, text)
    }

    fn no_events(&mut self, place: Place, what: &str) -> ControlFlow<()> {
        self.sink.no_events(place, what)
    }

    fn bad(&mut self, place: Place, fault: SplitFault, text: &[u8]) -> ControlFlow<()> {
        if let Some(faults) = self.faults.as_mut() {
            *faults += 1;
        }
        if self.is_over() { Break(()) } else { self.sink.bad(place, fault, text) }
    }
}

/// Why such an input ends.
pub(super) fn too_many_faults() -> io::Error {
    let text = "more lines that are no events than it has packed bytes; the rest of it was cut";
    io::Error::new(io::ErrorKind::Unsupported, text)
}

//! One block of a large input, kept for a worker.
//!
//! In: the calls of a source at one poll. Out: the same calls, later and in another thread. It copies the events'
//! bytes, and looks at none.

use firstseen_envelope::{EventSink, KnownLines, Place, SplitFault};
use std::ops::{ControlFlow, Range};

/// What a source gave at one poll.
#[derive(Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    calls: Vec<(Place, Range<usize>, BlockCall)>,
}

enum BlockCall {
    Lines,
    KnownLines { ends: Vec<u32>, escaped: Option<Vec<u32>>, is_ascii: bool },
    Event,
    NoEvents(String),
    Bad(SplitFault),
}

impl Block {
    /// An empty block in this room.
    pub(super) fn within(mut room: Vec<u8>) -> Self {
        room.clear();
        Self { bytes: room, calls: Vec::new() }
    }

    fn keep(&mut self, place: Place, bytes: &[u8], call: BlockCall) -> ControlFlow<()> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.calls.push((place, start..self.bytes.len(), call));
        ControlFlow::Continue(())
    }

    /// Gives it to a sink, until that breaks.
    pub(super) fn replay(&self, into: &mut dyn EventSink) -> ControlFlow<()> {
        for (place, range, call) in &self.calls {
            let (place, bytes) = (*place, self.bytes.get(range.clone()).unwrap_or_default());
            match call {
                BlockCall::Lines => into.lines(place, bytes)?,
                BlockCall::KnownLines { ends, escaped, is_ascii } => {
                    let (escaped, is_ascii) = (escaped.as_deref(), *is_ascii);
                    into.known_lines(place, bytes, &KnownLines { ends, escaped, is_ascii })?;
                }
                BlockCall::Event => into.event(place, bytes)?,
                BlockCall::NoEvents(what) => into.no_events(place, what)?,
                BlockCall::Bad(fault) => into.bad(place, fault.clone(), bytes)?,
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether nothing was given.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Its room, for another.
    pub(super) fn into_room(self) -> Vec<u8> {
        self.bytes
    }
}

impl EventSink for Block {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        self.keep(place, chunk, BlockCall::Lines)
    }

    fn known_lines(
        &mut self,
        place: Place,
        chunk: &[u8],
        known: &KnownLines<'_>,
    ) -> ControlFlow<()> {
        let KnownLines { ends, escaped, is_ascii } = *known;
        let (ends, escaped) = (ends.to_vec(), escaped.map(<[u32]>::to_vec));
        self.keep(place, chunk, BlockCall::KnownLines { ends, escaped, is_ascii })
    }

    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        self.keep(place, text, BlockCall::Event)
    }

    fn no_events(&mut self, place: Place, what: &str) -> ControlFlow<()> {
        self.keep(place, &[], BlockCall::NoEvents(what.to_owned()))
    }

    fn bad(&mut self, place: Place, fault: SplitFault, text: &[u8]) -> ControlFlow<()> {
        self.keep(place, text, BlockCall::Bad(fault))
    }
}

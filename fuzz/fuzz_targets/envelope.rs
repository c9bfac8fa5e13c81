//! Any bytes as a stream: the output and its places do not depend on how the stream is cut into
//! chunks, every event in the output looks like one, and nothing panics.
#![no_main]

use firstseen_envelope::{EventSink, MAX_BAD_TEXT, Place, SplitFault, SplitOptions, Splitter};
use libfuzzer_sys::fuzz_target;
use std::ops::ControlFlow;

#[derive(Debug, PartialEq)]
enum Output {
    Event(Place, Vec<u8>),
    NoEvents(Place, String),
    Bad(Place, &'static str, Vec<u8>),
}

/// Records everything line by line, because the number of lines in a call depends on the chunks.
#[derive(Default)]
struct Memory {
    output: Vec<Output>,
    max_event: usize,
    total: u64,
}

impl EventSink for Memory {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        assert_eq!(place.record, None);
        assert!(chunk.starts_with(b"{"));
        let (mut offset, mut line) = (place.offset, place.line);
        for text in chunk.split_inclusive(|byte| *byte == b'\n') {
            let event = text.trim_ascii_end();
            assert!(event.starts_with(b"{") && event.len() <= self.max_event);
            self.output.push(Output::Event(Place { offset, line, record: None }, event.to_owned()));
            offset += text.len() as u64;
            line += 1;
        }
        self.within(offset)
    }

    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        assert!(std::str::from_utf8(text).is_ok(), "events are UTF-8");
        assert!(text.starts_with(b"{") && text.ends_with(b"}") && text.len() <= self.max_event);
        self.output.push(Output::Event(place, text.to_owned()));
        self.within(place.offset)
    }

    fn no_events(&mut self, place: Place, what: &str) -> ControlFlow<()> {
        self.output.push(Output::NoEvents(place, what.to_owned()));
        self.within(place.offset)
    }

    fn bad(&mut self, place: Place, fault: SplitFault, text: &[u8]) -> ControlFlow<()> {
        assert!(!fault.reason.is_empty() && text.len() <= MAX_BAD_TEXT);
        self.output.push(Output::Bad(place, fault.code, text.to_owned()));
        self.within(place.offset)
    }
}

impl Memory {
    fn within(&self, offset: u64) -> ControlFlow<()> {
        assert!(offset <= self.total, "a place in the input");
        ControlFlow::Continue(())
    }
}

fn split<'p>(
    pieces: impl Iterator<Item = &'p [u8]>,
    total: usize,
    max_event: usize,
) -> Vec<Output> {
    let mut memory = Memory { max_event, total: total as u64, ..Memory::default() };
    let mut splitter = Splitter::new(SplitOptions { max_event });
    for piece in pieces {
        assert!(splitter.push(piece, &mut memory).is_continue());
    }
    assert!(splitter.finish(&mut memory).is_continue());
    memory.output
}

fuzz_target!(|bytes: &[u8]| {
    // The input itself decides how it is cut, so that whole files can be seeds.
    let mut dice = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut roll = |sides: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice >> 20) as usize % sides
    };
    let max_event = [40, 300, 1 << 20][roll(3)];
    let whole = split([bytes].into_iter(), bytes.len(), max_event);

    let mut pieces = Vec::new();
    let mut rest = bytes;
    let longest = [1, 7, 64, 4096][roll(4)];
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((1 + roll(longest)).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    let cut = split(pieces.iter().copied(), bytes.len(), max_event);
    assert_eq!(whole, cut, "cut into {:?}", pieces.iter().map(|p| p.len()).collect::<Vec<_>>());
});

//! A sink that remembers, and ways to pack events.
#![allow(dead_code, unreachable_pub)] // no test uses all of it

use std::ops::ControlFlow;

use firstseen_envelope::{
    EventSink, KnownLines, Place, SplitFault, SplitOptions, Splitter, line_ends, mark,
};
use firstseen_event::Trust;

/// What a splitter gives.
#[derive(Clone, Debug, PartialEq)]
pub enum SplitOutput {
    Event(Place, String),
    NoEvents(Place, String),
    Bad(Place, &'static str, Vec<u8>),
}

/// Remembers everything, lines one by one.
#[derive(Default)]
pub struct OutputMemory(pub Vec<SplitOutput>);

impl EventSink for OutputMemory {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        assert_eq!(place.record, None);
        let (mut offset, mut line) = (place.offset, place.line);
        for text in chunk.split_inclusive(|byte| *byte == b'\n') {
            let place = Place { offset, line, record: None };
            let trimmed = String::from_utf8_lossy(text).trim_end().to_owned();
            assert!(trimmed.starts_with('{'), "a chunk has only lines that begin an object");
            self.0.push(SplitOutput::Event(place, trimmed));
            offset += text.len() as u64;
            line += 1;
        }
        ControlFlow::Continue(())
    }

    fn known_lines(
        &mut self,
        place: Place,
        chunk: &[u8],
        known: &KnownLines<'_>,
    ) -> ControlFlow<()> {
        let ends = known.ends.iter().map(|end| *end as usize);
        assert!(ends.eq(line_ends(chunk)), "{:?}", known.ends);
        assert!(!known.is_ascii || chunk.is_ascii());
        if let Some(escaped) = known.escaped {
            let lines = chunk.split_inclusive(|byte| *byte == b'\n');
            let holds = |line: &[u8]| line.windows(4).any(|four| four == br"\u00");
            let numbers =
                (0..).zip(lines).filter(|(_, line)| holds(line)).map(|(number, _)| number);
            assert!(numbers.eq(escaped.iter().copied()), "{escaped:?}");
        }
        self.lines(place, chunk)
    }

    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        let text = std::str::from_utf8(text).expect("events are UTF-8");
        assert!(text.starts_with('{') && text.ends_with('}'), "{text}");
        self.0.push(SplitOutput::Event(place, text.to_owned()));
        ControlFlow::Continue(())
    }

    fn no_events(&mut self, place: Place, what: &str) -> ControlFlow<()> {
        self.0.push(SplitOutput::NoEvents(place, what.to_owned()));
        ControlFlow::Continue(())
    }

    fn bad(&mut self, place: Place, fault: SplitFault, text: &[u8]) -> ControlFlow<()> {
        assert!(!fault.reason.is_empty());
        assert!(text.len() <= firstseen_envelope::MAX_BAD_TEXT);
        self.0.push(SplitOutput::Bad(place, fault.code, text.to_owned()));
        ControlFlow::Continue(())
    }
}

/// Splits `input` with these envelopes trusted.
pub fn split_trusting(input: &str, entries: &[&str]) -> Vec<SplitOutput> {
    let trust = Trust::read(entries.iter().copied()).unwrap();
    let mut memory = OutputMemory::default();
    let mut splitter = Splitter::trusting(SplitOptions::default(), trust.into());
    assert!(splitter.push(input.as_bytes(), &mut memory).is_continue());
    assert!(splitter.finish(&mut memory).is_continue());
    memory.0
}

/// Splits `input`, pushed in pieces that end at `cuts` (in order): in both ways, which give the same.
pub fn split_at(input: &[u8], cuts: &[usize], options: SplitOptions) -> Vec<SplitOutput> {
    let plain = split_with(input, cuts, Splitter::new(options));
    assert_eq!(split_with(input, cuts, Splitter::new(options).marking(mark)), plain);
    plain
}

fn split_with(input: &[u8], cuts: &[usize], mut splitter: Splitter) -> Vec<SplitOutput> {
    let mut memory = OutputMemory::default();
    let mut start = 0;
    for end in cuts.iter().copied().chain([input.len()]) {
        assert!(splitter.push(&input[start..end], &mut memory).is_continue());
        start = end;
    }
    assert!(splitter.finish(&mut memory).is_continue());
    memory.0
}

/// Splits `input`, pushed as a whole.
pub fn split(input: impl AsRef<[u8]>) -> Vec<SplitOutput> {
    split_at(input.as_ref(), &[], SplitOptions::default())
}

pub fn place(offset: u64, line: u64, record: Option<u64>) -> Place {
    Place { offset, line, record }
}

/// The texts of the events, in order.
pub fn events(output: &[SplitOutput]) -> Vec<&str> {
    output
        .iter()
        .filter_map(|output| match output {
            SplitOutput::Event(_, text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// All output, in short: events as they are, the rest as `none: what` and `bad: code`.
pub fn brief(output: &[SplitOutput]) -> Vec<String> {
    output
        .iter()
        .map(|output| match output {
            SplitOutput::Event(_, text) => text.clone(),
            SplitOutput::NoEvents(_, what) => format!("none: {what}"),
            SplitOutput::Bad(_, code, _) => format!("bad: {code}"),
        })
        .collect()
}

/// As a JSON string, quotes included.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

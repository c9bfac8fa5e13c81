//! Opens records that hold documents: JSON strings, base64, gzip, envelopes inside envelopes.
//!
//! In: one whole record's text. Out: its events, through the same [`EventSink`] and under the record's
//! own place. Every step is bounded: text by `SplitOptions::max_event`, what gzip expands to by
//! [`MAX_EXPANDED`] and never held as a whole, envelopes inside envelopes by [`MAX_DEPTH`].

use std::io::Read;
use std::ops::ControlFlow;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::bufread::MultiGzDecoder;

use super::{SplitOptions, Splitter};
use crate::MAX_BAD_TEXT;
use crate::bytes::{is_space, trim};
use crate::recognise::{Container, RecordKind, recognise};
use crate::sink::{EventSink, Place, SplitFault, code};
use crate::sniff::FirstKeys;
use crate::unescape::unescape;

/// How many envelopes may be nested (CloudWatch Logs through Firehose takes two).
const MAX_DEPTH: u8 = 4;
/// What the gzip data of one record may expand to, in bytes.
const MAX_EXPANDED: u64 = 256 << 20;
/// How much gzip data is expanded at a time.
const PIECE: usize = 64 << 10;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// Padding may lack: some senders leave it off.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Tells what records are, and opens those that hold documents.
#[derive(Debug)]
pub(super) struct Opener {
    pub(super) options: SplitOptions,
    /// How many envelopes are around this one.
    depth: u8,
    pub(super) keys: FirstKeys,
}

impl Opener {
    pub(super) fn new(options: SplitOptions) -> Self {
        Self { options, depth: 0, keys: FirstKeys::default() }
    }

    /// Hands on what one record holds. `records` counts what comes out, `place` is the record's.
    pub(super) fn record(
        &mut self,
        container: Container,
        place: Place,
        text: &[u8],
        records: &mut u64,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<()> {
        let kind = recognise(Some(container), text);
        let place = Place { record: Some(*records), ..place };
        match kind {
            RecordKind::Event | RecordKind::NoEvents(_) | RecordKind::Bad(_) => *records += 1,
            _ => {}
        }
        self.kind(kind, place, text, records, sink)
    }

    /// Hands on what a document that is not an array holds; whether it is an event itself.
    pub(super) fn document(
        &mut self,
        place: Place,
        text: &[u8],
        records: &mut u64,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<(), bool> {
        let kind = recognise(None, text);
        self.kind(kind, place, text, records, sink)?;
        ControlFlow::Continue(kind == RecordKind::Event)
    }

    fn kind(
        &mut self,
        kind: RecordKind<'_>,
        place: Place,
        text: &[u8],
        records: &mut u64,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<()> {
        let result = match kind {
            RecordKind::Event => return event(place, text, sink),
            RecordKind::NoEvents(what) => return sink.no_events(place, what),
            RecordKind::Bad(reason) => {
                return bad(place, SplitFault::new(code::BAD_JSON, reason), text, sink);
            }
            RecordKind::Envelope => self.open(RecordContent::Text(text), place, records, sink),
            RecordKind::Text(escaped) => match unescape(escaped) {
                Ok(inner) => self.open(RecordContent::Text(&inner), place, records, sink),
                Err(fault) => OpenOutcome::Fault(fault),
            },
            RecordKind::Message(escaped, what) => match unescape(escaped) {
                Ok(inner) if matches!(trim(&inner), [b'{' | b'[', ..]) => {
                    self.open(RecordContent::Text(&inner), place, records, sink)
                }
                Ok(_) => {
                    let place = numbered(place, records);
                    return sink.no_events(place, what);
                }
                Err(fault) => OpenOutcome::Fault(fault),
            },
            RecordKind::Base64(escaped) => match decode(escaped) {
                Ok(inner) if inner.starts_with(GZIP_MAGIC) => {
                    self.open(RecordContent::Gzip(&inner), place, records, sink)
                }
                Ok(inner) => self.open(RecordContent::Text(&inner), place, records, sink),
                Err(fault) => OpenOutcome::Fault(fault),
            },
        };
        match result {
            OpenOutcome::All => ControlFlow::Continue(()),
            OpenOutcome::Stopped => ControlFlow::Break(()),
            OpenOutcome::Fault(fault) => bad(numbered(place, records), fault, text, sink),
        }
    }

    /// Splits the content of a record, with a splitter of its own.
    fn open(
        &mut self,
        content: RecordContent<'_>,
        place: Place,
        records: &mut u64,
        sink: &mut dyn EventSink,
    ) -> OpenOutcome {
        if self.depth >= MAX_DEPTH {
            let reason = format!("more than {MAX_DEPTH} envelopes inside each other");
            return OpenOutcome::Fault(SplitFault::new(code::BAD_JSON, reason));
        }
        let mut splitter = Splitter::with_opener(Self {
            options: self.options,
            depth: self.depth + 1,
            keys: std::mem::take(&mut self.keys),
        });
        let mut inner = RecordSink { sink, place, records };
        let opened = match content {
            RecordContent::Text(text) => text_into(&mut splitter, text, &mut inner),
            RecordContent::Gzip(bytes) => gzip_into(&mut splitter, bytes, &mut inner),
        };
        self.keys = splitter.into_keys();
        opened
    }
}

/// What a record held.
enum RecordContent<'a> {
    Text(&'a [u8]),
    Gzip(&'a [u8]),
}

/// How opening a record went.
enum OpenOutcome {
    All,
    /// The sink wants no more.
    Stopped,
    Fault(SplitFault),
}

fn text_into(splitter: &mut Splitter, text: &[u8], sink: &mut RecordSink<'_>) -> OpenOutcome {
    if text.iter().all(|byte| is_space(*byte)) {
        return OpenOutcome::Fault(SplitFault::new(
            code::NOT_JSON,
            "an empty text where an event should be",
        ));
    }
    match splitter.push(text, sink).is_break() || splitter.finish(sink).is_break() {
        true => OpenOutcome::Stopped,
        false => OpenOutcome::All,
    }
}

fn gzip_into(splitter: &mut Splitter, bytes: &[u8], sink: &mut RecordSink<'_>) -> OpenOutcome {
    let mut decoder = MultiGzDecoder::new(bytes);
    let mut piece = vec![0; PIECE];
    let mut size = 0;
    let fault = loop {
        match decoder.read(&mut piece) {
            Ok(0) if size == 0 => {
                break Some(SplitFault::new(
                    code::NOT_JSON,
                    "empty gzip data where an event should be",
                ));
            }
            Ok(0) => break None,
            Ok(read) => {
                size += read as u64;
                if splitter.push(piece.get(..read).unwrap_or_default(), sink).is_break() {
                    return OpenOutcome::Stopped;
                }
                if size > MAX_EXPANDED {
                    let reason = format!("gzip data that expands to over {MAX_EXPANDED} bytes");
                    break Some(SplitFault::new(code::TOO_LARGE, reason));
                }
            }
            Err(error) => {
                let reason = format!("gzip data damaged after {size} expanded bytes: {error}");
                break Some(SplitFault::new(code::BAD_GZIP, reason));
            }
        }
    };
    match (splitter.finish(sink).is_break(), fault) {
        (true, _) => OpenOutcome::Stopped,
        (false, Some(fault)) => OpenOutcome::Fault(fault),
        (false, None) => OpenOutcome::All,
    }
}

fn decode(escaped: &[u8]) -> Result<Vec<u8>, SplitFault> {
    let fault = |error| SplitFault::new(code::BAD_BASE64, format!("base64 data damaged: {error}"));
    if escaped.contains(&b'\\') {
        // `\/`, as some encoders write a slash.
        BASE64.decode(unescape(escaped)?).map_err(fault)
    } else {
        BASE64.decode(escaped).map_err(fault)
    }
}

/// Hands on an event if its bytes are text.
pub(super) fn event(place: Place, text: &[u8], sink: &mut dyn EventSink) -> ControlFlow<()> {
    match std::str::from_utf8(text) {
        Ok(_) => sink.event(place, text),
        Err(error) => {
            let reason = format!("byte {} of the event is not UTF-8", error.valid_up_to());
            bad(place, SplitFault::new(code::BAD_UTF8, reason), text, sink)
        }
    }
}

/// Reports a fault with as much of the text as a report may hold.
pub(super) fn bad(
    place: Place,
    fault: SplitFault,
    text: &[u8],
    sink: &mut dyn EventSink,
) -> ControlFlow<()> {
    sink.bad(place, fault, text.get(..MAX_BAD_TEXT).unwrap_or(text))
}

/// `place` with the next number.
fn numbered(place: Place, records: &mut u64) -> Place {
    let place = Place { record: Some(*records), ..place };
    *records += 1;
    place
}

/// Gives everything that comes out of a record the record's place and a number of its own.
struct RecordSink<'a> {
    sink: &'a mut dyn EventSink,
    place: Place,
    records: &'a mut u64,
}

impl EventSink for RecordSink<'_> {
    fn lines(&mut self, _: Place, chunk: &[u8]) -> ControlFlow<()> {
        for line in chunk.split(|byte| *byte == b'\n').map(trim).filter(|line| !line.is_empty()) {
            event(numbered(self.place, self.records), line, self.sink)?;
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, _: Place, text: &[u8]) -> ControlFlow<()> {
        self.sink.event(numbered(self.place, self.records), text)
    }

    fn no_events(&mut self, _: Place, what: &'static str) -> ControlFlow<()> {
        self.sink.no_events(numbered(self.place, self.records), what)
    }

    fn bad(&mut self, _: Place, fault: SplitFault, text: &[u8]) -> ControlFlow<()> {
        self.sink.bad(numbered(self.place, self.records), fault, text)
    }
}

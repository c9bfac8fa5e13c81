//! Opens records that hold documents: JSON strings, base64, gzip, envelopes inside envelopes.
//!
//! In: one whole record's text. Out: its events, through the same [`EventSink`] and under the record's
//! own place. Every step is bounded: text by `SplitOptions::max_event`, all that one record expands to
//! by its [`Budget`], envelopes inside envelopes by [`MAX_DEPTH`]; gzip is never held as a whole.
//! Of a string that others can write to, only raw events are taken, and nothing in it is opened
//! further (crate event, `inner`).

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use firstseen_event::{InnerPart, NOT_OPENED, Trust, inner_parts};
use flate2::bufread::MultiGzDecoder;

use super::{Mode, SplitOptions, Splitter};
use crate::MAX_BAD_TEXT;
use crate::budget::{self, Budget};
use crate::bytes::{is_space, trim};
use crate::recognise::{Container, LOG_LINE, LogSource, Recogniser, RecordKind};
use crate::sink::{EventSink, Place, SplitFault, code};
use crate::sniff::FirstKeys;
use crate::unescape::unescape;

/// How many envelopes may be nested (CloudWatch Logs through Firehose takes two).
const MAX_DEPTH: u8 = 4;
/// How much gzip data is expanded at a time.
const PIECE: usize = 64 << 10;
/// What a part of a string is called that is JSON and no raw event.
const OTHER_JSON: &str = "JSON in a string that is no CloudTrail event";

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
    recogniser: Recogniser,
    /// How many envelopes are around this one.
    depth: u8,
    /// Where CloudWatch lines come from, if the document was read before as a whole.
    pub(super) lines: Option<LogSource>,
    budget: Budget,
    pub(super) keys: FirstKeys,
}

impl Opener {
    pub(super) fn new(options: SplitOptions, trust: Arc<Trust>) -> Self {
        let keys = FirstKeys::new(trust.opens_documents());
        Self {
            options,
            recogniser: Recogniser::new(trust),
            depth: 0,
            lines: None,
            budget: Budget::default(),
            keys,
        }
    }

    /// Hands on what one record holds. `records` counts what comes out, `place` is the record's;
    /// `lines` is where the document says that its lines come from.
    pub(super) fn record(
        &mut self,
        container: Container,
        lines: &LogSource,
        place: Place,
        text: &[u8],
        records: &mut u64,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<()> {
        let lines = self.lines.as_ref().unwrap_or(lines);
        let kind = self.recogniser.record(Some(container), lines, text);
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
        let kind = self.recogniser.record(None, &LogSource::default(), text);
        let is_event = kind == RecordKind::Event;
        self.kind(kind, place, text, records, sink)?;
        ControlFlow::Continue(is_event)
    }

    /// Whether a record is an event wherever it is.
    pub(super) fn is_event(&self, text: &[u8]) -> bool {
        self.recogniser.is_event(text)
    }

    /// Whether a document of its own would be judged or opened, or be reported as a broken event.
    pub(super) fn is_judged(&self, text: &[u8]) -> bool {
        let kind = self.recogniser.record(None, &LogSource::default(), text);
        !matches!(kind, RecordKind::NoEvents(_) | RecordKind::Untrusted(..) | RecordKind::Bad(_))
    }

    fn kind(
        &mut self,
        kind: RecordKind<'_>,
        place: Place,
        text: &[u8],
        records: &mut u64,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<()> {
        let what = match kind {
            RecordKind::Event => return event(place, text, sink),
            RecordKind::NoEvents(what) => return sink.no_events(place, &what),
            RecordKind::Bad(reason) => {
                return bad(place, SplitFault::new(code::BAD_JSON, reason), text, sink);
            }
            other => other,
        };
        if self.depth == 0 {
            self.budget.begin(text.len());
        }
        let result = match what {
            RecordKind::RawText(escaped) => match unescape(escaped) {
                Ok(inner) => self.raw_text(&inner, place, records, sink),
                Err(fault) => OpenOutcome::Fault(fault),
            },
            RecordKind::RawTextOf(inner) => self.raw_text(inner.as_bytes(), place, records, sink),
            RecordKind::Untrusted(escaped, entry) => {
                let what = match holds_raw_events(escaped) {
                    true => format!("{NOT_OPENED}{entry}"),
                    false => LOG_LINE.to_owned(),
                };
                return sink.no_events(numbered(place, records), &what);
            }
            RecordKind::Message(escaped, what) => match unescape(escaped) {
                Ok(inner) if matches!(trim(&inner), [b'{' | b'[', ..]) => {
                    self.open(RecordContent::Text(&inner), None, place, records, sink)
                }
                Ok(_) => {
                    let place = numbered(place, records);
                    return sink.no_events(place, what);
                }
                Err(fault) => OpenOutcome::Fault(fault),
            },
            RecordKind::Base64(escaped) => match decode(escaped) {
                Ok(inner) => {
                    let content = match inner.starts_with(GZIP_MAGIC) {
                        true => RecordContent::Gzip(&inner),
                        false => RecordContent::Text(&inner),
                    };
                    self.open(content, None, place, records, sink)
                }
                Err(fault) => OpenOutcome::Fault(fault),
            },
            _ => {
                let lines = Some(LogSource::of(text));
                self.open(RecordContent::Text(text), lines, place, records, sink)
            }
        };
        match result {
            OpenOutcome::All => ControlFlow::Continue(()),
            // Outside of all, the sink did not want it: it expands too far.
            OpenOutcome::Stopped if self.depth == 0 && self.budget.is_cut() => {
                let most = budget::most(text.len());
                let reason = format!(
                    "a record of {} bytes that expands to more than {most}: the rest of it was cut",
                    text.len()
                );
                let fault = SplitFault::new(code::EXPANDS_TOO_FAR, reason);
                bad(numbered(place, records), fault, text, sink)
            }
            OpenOutcome::Stopped => ControlFlow::Break(()),
            OpenOutcome::Fault(fault) => bad(numbered(place, records), fault, text, sink),
        }
    }

    /// Hands on the raw events in a line that is a JSON string.
    pub(super) fn string_line(
        &mut self,
        place: Place,
        text: &[u8],
        records: &mut u64,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<()> {
        let kind = self.recogniser.record(None, &LogSource::default(), text);
        self.kind(kind, place, text, records, sink)
    }

    /// Hands on the raw events in a text, and names what else is in it.
    fn raw_text(
        &mut self,
        text: &[u8],
        place: Place,
        records: &mut u64,
        sink: &mut dyn EventSink,
    ) -> OpenOutcome {
        let text = match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(error) => {
                let reason = format!("byte {} of the text is not UTF-8", error.valid_up_to());
                return OpenOutcome::Fault(SplitFault::new(code::BAD_UTF8, reason));
            }
        };
        if text.bytes().all(is_space) {
            return OpenOutcome::Fault(empty_text());
        }
        let mut inner = RecordSink { sink, place, records, budget: self.budget.clone() };
        let mut flow = ControlFlow::Continue(());
        inner_parts(text, &mut |part| {
            if flow.is_continue() {
                flow = match part {
                    InnerPart::Event(text) => inner.event(place, text.as_bytes()),
                    InnerPart::Other(_) => inner.no_events(place, OTHER_JSON),
                    InnerPart::Broken(text) => inner.bad(place, not_json(text), text.as_bytes()),
                };
            }
        });
        if flow.is_break() { OpenOutcome::Stopped } else { OpenOutcome::All }
    }

    /// Splits the content of a record, with a splitter of its own.
    fn open(
        &mut self,
        content: RecordContent<'_>,
        lines: Option<LogSource>,
        place: Place,
        records: &mut u64,
        sink: &mut dyn EventSink,
    ) -> OpenOutcome {
        if self.depth >= MAX_DEPTH {
            let reason = format!("more than {MAX_DEPTH} envelopes inside each other");
            return OpenOutcome::Fault(SplitFault::new(code::BAD_JSON, reason));
        }
        let is_envelope = lines.is_some();
        let mut splitter = Splitter::with_opener(Self {
            options: self.options,
            recogniser: self.recogniser.clone(),
            depth: self.depth + 1,
            lines,
            budget: self.budget.clone(),
            keys: std::mem::take(&mut self.keys),
        });
        if is_envelope {
            // Its first key may be one that lines of plain events begin with.
            splitter.mode = Mode::Between;
        }
        let mut inner = RecordSink { sink, place, records, budget: self.budget.clone() };
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
    /// The sink wants no more, or the budget is used up.
    Stopped,
    Fault(SplitFault),
}

fn text_into(splitter: &mut Splitter, text: &[u8], sink: &mut RecordSink<'_>) -> OpenOutcome {
    if text.iter().all(|byte| is_space(*byte)) {
        return OpenOutcome::Fault(empty_text());
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
                if !sink.budget.take(read as u64)
                    || splitter.push(piece.get(..read).unwrap_or_default(), sink).is_break()
                {
                    return OpenOutcome::Stopped;
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

/// Whether a string that is not trusted holds what would be an event.
fn holds_raw_events(escaped: &[u8]) -> bool {
    let Ok(inner) = unescape(escaped) else { return false };
    let mut found = false;
    if let Ok(text) = std::str::from_utf8(&inner) {
        inner_parts(text, &mut |part| found |= matches!(part, InnerPart::Event(_)));
    }
    found
}

fn empty_text() -> SplitFault {
    SplitFault::new(code::NOT_JSON, "an empty text where an event should be")
}

fn not_json(text: &str) -> SplitFault {
    if text.starts_with(['{', '[']) {
        SplitFault::new(code::BAD_JSON, "a string with JSON in it that is cut off or damaged")
    } else {
        SplitFault::new(code::NOT_JSON, "neither a JSON object nor an array of them")
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

/// Gives everything that comes out of a record the record's place and a number of its own, as long as
/// the record's budget lasts.
struct RecordSink<'a> {
    sink: &'a mut dyn EventSink,
    place: Place,
    records: &'a mut u64,
    budget: Budget,
}

impl RecordSink<'_> {
    fn pay(&self, cost: u64) -> ControlFlow<()> {
        if self.budget.take(cost) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

impl EventSink for RecordSink<'_> {
    fn lines(&mut self, _: Place, chunk: &[u8]) -> ControlFlow<()> {
        for line in chunk.split(|byte| *byte == b'\n').map(trim).filter(|line| !line.is_empty()) {
            self.pay(budget::EVENT)?;
            event(numbered(self.place, self.records), line, self.sink)?;
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, _: Place, text: &[u8]) -> ControlFlow<()> {
        self.pay(budget::EVENT)?;
        self.sink.event(numbered(self.place, self.records), text)
    }

    fn no_events(&mut self, _: Place, what: &str) -> ControlFlow<()> {
        self.pay(budget::NOTHING)?;
        self.sink.no_events(numbered(self.place, self.records), what)
    }

    fn bad(&mut self, _: Place, fault: SplitFault, text: &[u8]) -> ControlFlow<()> {
        self.pay(budget::FAULT)?;
        self.sink.bad(numbered(self.place, self.records), fault, text)
    }
}

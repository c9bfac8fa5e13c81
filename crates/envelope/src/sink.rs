//! What comes out: events, and what was found where an event was expected.
//!
//! The types that a caller sees. Nothing here decides anything.

use std::ops::ControlFlow;

/// A place in the input.
///
/// For what was in base64, gzip or a JSON string, offset and line are those of the outermost
/// record that held it, since only that can be found in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The byte in the (decompressed) stream, from 0.
    pub offset: u64,
    /// The line in the stream, from 1.
    pub line: u64,
    /// The running number, from 0, of what was found in the array or envelope: in a plain array
    /// the element's index. `None` for a document that is no envelope.
    pub record: Option<u64>,
}

/// What was wrong with a piece of the input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({code})")]
pub struct SplitFault {
    /// One of the constants in [`code`].
    pub code: &'static str,
    /// What was wrong and, where there is something to do, what to do.
    pub reason: String,
}

impl SplitFault {
    pub(crate) fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// The codes of a [`SplitFault`]; they are stable.
pub mod code {
    /// An event over `SplitOptions::max_event`.
    pub const TOO_LARGE: &str = "too_large";
    /// A record that expands too far: what came out of it was handed on, the rest was cut.
    pub const EXPANDS_TOO_FAR: &str = "expands_too_far";
    /// The document was cut off: by the end of the input, or by a new document.
    pub const TRUNCATED: &str = "truncated";
    /// It begins as JSON and does not go on as JSON, or it is JSON that cannot be an event.
    pub const BAD_JSON: &str = "bad_json";
    /// The bytes of an event are not UTF-8.
    pub const BAD_UTF8: &str = "bad_utf8";
    /// The gzip data inside an envelope is damaged or cut off.
    pub const BAD_GZIP: &str = "bad_gzip";
    /// The base64 data inside an envelope is damaged.
    pub const BAD_BASE64: &str = "bad_base64";
    /// Text that does not begin like a JSON object or array.
    pub const NOT_JSON: &str = "not_json";
}

/// What the splitter knows of the lines of a chunk, because it has looked at every byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownLines<'e> {
    /// The end of each line: its offset in the chunk, after the newline.
    pub ends: &'e [u32],
    /// The lines that hold an escaped character of ASCII, `\u00..`: their numbers, from 0, in order.
    /// Nothing where that was not looked for.
    pub escaped: Option<&'e [u32]>,
    /// All of it is ASCII. Where it is not set, it may be so all the same.
    pub is_ascii: bool,
}

/// Takes what a [`Splitter`](crate::Splitter) finds, in the order of the input.
///
/// A call that returns `Break` ends the run: the splitter returns at once, and is not to be used
/// again.
pub trait EventSink {
    /// Whole lines, each holding one event or single-event envelope, none of them blank.
    ///
    /// `chunk` begins with the first byte of such a line and ends with a newline, which may lack
    /// at the end of the input and before a pause; `place` is that of its first line. This is the fast
    /// path: of a line no more was looked at than its ends and what marks an envelope. Its UTF-8 and its
    /// JSON are the receiver's to check; a line that was cut off after a bracket, with a newline behind
    /// it, arrives here as well.
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()>;

    /// The same, with what is known of the lines. For sinks that look at every line and need not look for
    /// that again.
    fn known_lines(
        &mut self,
        place: Place,
        chunk: &[u8],
        known: &KnownLines<'_>,
    ) -> ControlFlow<()> {
        let _ = known;
        self.lines(place, chunk)
    }

    /// One event from an array, from an envelope or over several lines; events in JSON
    /// strings are unescaped. The text is UTF-8 and begins with `{` and ends with `}`.
    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()>;

    /// Something that was recognised and has no event in it.
    fn no_events(&mut self, place: Place, what: &str) -> ControlFlow<()>;

    /// Something that should have been an event. `text` is what there is of it, at most
    /// [`MAX_BAD_TEXT`](crate::MAX_BAD_TEXT) bytes.
    fn bad(&mut self, place: Place, fault: SplitFault, text: &[u8]) -> ControlFlow<()>;
}

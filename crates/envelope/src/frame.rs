//! The frame of one JSON document, read as it streams by.
//!
//! In: the document's bytes, in any number of pieces. Out: where its records begin and end. It
//! follows the document's own keys and, where one of them announces an array of records, the
//! elements of that array; all deeper brackets are only counted ([`Brackets`]). It keeps no text
//! but the key it reads, and it never gives up inside an array: what is not an element is reported as one,
//! and the next element begins after the next comma.

use crate::brackets::Brackets;
use crate::bytes::{from, is_space};
use crate::fields::same_key;
use crate::recognise::{Container, LogSource};
use crate::unescape::unescape;

/// The frame knows no longer key.
const MAX_KEY: usize = 64;
/// The frame knows no longer text: a log group's name has up to 512 bytes.
const MAX_TEXT: usize = 512;

/// The keys that mark a raw event, the first two or the last two of them with others.
const RAW_KEYS: [&[u8]; 4] = [b"eventName", b"eventSource", b"eventVersion", b"eventTime"];

/// What the frame found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameStep {
    /// The piece is used up.
    More,
    /// An array of records begins: the document is an envelope.
    Array,
    /// The next byte is the first of a record.
    RecordStarts,
    /// The byte before was the last of a record.
    RecordEnds,
    /// The byte before was the last of the document.
    DocumentEnds,
    /// The next byte has no place in the document's frame.
    Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameState {
    BeforeDocument,
    BeforeKey,
    Key,
    AfterKey,
    BeforeValue,
    /// A string that is the value of a key.
    Text,
    /// A number, `true`, `false` or `null` that is the value of a key.
    Scalar,
    /// An object or array that is the value of a key.
    Nested,
    AfterValue,
    BeforeRecord,
    /// A record that begins with a bracket.
    Record,
    /// The opening quote of a record that is a string.
    BeforeTextRecord,
    /// A record that is a string.
    TextRecord,
    /// Something else in a record's place, up to the next comma.
    OddRecord,
    AfterRecord,
}

/// How far a document has been read.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    state: FrameState,
    /// The objects around the present place: 0 in a document that is an array, 1 in an object,
    /// 2 inside its `hits`.
    level: u8,
    container: Option<Container>,
    brackets: Brackets,
    /// The next byte of the string follows an unescaped backslash.
    escaped: bool,
    key: Vec<u8>,
    text: Vec<u8>,
    control: bool,
    /// It has keys that the answer of `aws logs filter-log-events` has not.
    has_other_keys: bool,
    /// The document has keys of an ECS document: its arrays are its own.
    is_ecs: bool,
    /// Which keys of a raw event it has: see [`RAW_KEYS`].
    raw_keys: u8,
    /// It enters no array.
    has_no_arrays: bool,
    /// Its keys behind the array are known.
    looked_ahead: bool,
    /// Where its lines come from, as far as it has said so.
    lines: LogSource,
    /// How many of the two names were there.
    names: u8,
    /// Its lines are records wherever they come from: somebody else knows.
    knows_lines: bool,
}

impl Frame {
    /// A frame before a document; `knows_lines` where its log group and stream are known already.
    pub(crate) fn new(knows_lines: bool) -> Self {
        Self {
            state: FrameState::BeforeDocument,
            level: 0,
            container: None,
            brackets: Brackets::default(),
            escaped: false,
            key: Vec::new(),
            text: Vec::new(),
            control: false,
            has_other_keys: false,
            is_ecs: false,
            raw_keys: 0,
            has_no_arrays: false,
            looked_ahead: false,
            lines: LogSource::default(),
            names: 0,
            knows_lines,
        }
    }

    /// Where the document's CloudWatch lines come from.
    pub(crate) fn lines(&self) -> &LogSource {
        &self.lines
    }

    /// The array of records that the document is in or has had.
    pub(crate) fn container(&self) -> Option<Container> {
        self.container
    }

    /// Whether the part of the document read so far marks a CloudWatch control message.
    pub(crate) fn is_control(&self) -> bool {
        self.control
    }

    /// Whether the keys that were read may make a document with such an array one of its own: those of an
    /// ECS document or of a raw event, or any but those of the array's envelope.
    pub(crate) fn owns_array(&self, container: Option<Container>) -> bool {
        self.is_ecs
            || self.raw_keys & 0b0011 == 0b0011
            || self.raw_keys & 0b1100 == 0b1100
            || (container == Some(Container::FilteredEvents) && self.has_other_keys)
    }

    /// Whether members behind the array that was entered may say that it is no array of records.
    pub(crate) fn has_unread_members(&self) -> bool {
        self.level > 0 && !self.looked_ahead && !self.knows_lines
    }

    /// They are known, or are not asked about.
    pub(crate) fn has_looked_ahead(&mut self) {
        self.looked_ahead = true;
    }

    /// The array that was entered is no array of records: the document is one of its own.
    pub(crate) fn array_is_member(&mut self) {
        self.container = None;
        self.has_no_arrays = true;
        self.nested(FrameState::Nested);
        self.brackets.find_end(b"[");
    }

    /// Whether the present place is inside a string.
    pub(crate) fn in_string(&self) -> bool {
        match self.state {
            FrameState::Key | FrameState::Text | FrameState::TextRecord => true,
            FrameState::Nested | FrameState::Record => self.brackets.in_string(),
            _ => false,
        }
    }

    /// Whether the next value is an element of an array of records.
    pub(crate) fn expects_record(&self) -> bool {
        self.state == FrameState::BeforeRecord
    }

    /// Reads on until something happens; returns how many bytes that took.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> (usize, FrameStep) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            let (used, step) = self.step(byte, from(bytes, at));
            at += used;
            if step != FrameStep::More {
                return (at, step);
            }
        }
        (at, FrameStep::More)
    }

    /// One step: at least one byte is used, or the result is not `More`.
    fn step(&mut self, byte: u8, bytes: &[u8]) -> (usize, FrameStep) {
        match self.state {
            FrameState::Nested | FrameState::Record => return self.skip_nested(bytes),
            FrameState::Key | FrameState::Text | FrameState::TextRecord => {
                return self.skip_string(bytes);
            }
            FrameState::Scalar if !matches!(byte, b',' | b'}' | b']') && !is_space(byte) => {
                return (1, FrameStep::More);
            }
            FrameState::Scalar => self.state = FrameState::AfterValue,
            FrameState::OddRecord => match byte {
                b',' | b']' => {
                    self.state = FrameState::AfterRecord;
                    return (0, FrameStep::RecordEnds);
                }
                _ => return (1, FrameStep::More),
            },
            _ => {}
        }
        if is_space(byte) {
            return (1, FrameStep::More);
        }
        match (self.state, byte) {
            (FrameState::BeforeDocument, b'{') => self.enter_object(),
            (FrameState::BeforeDocument, b'[') => return self.enter_array(Container::Array),
            (FrameState::BeforeKey, b'"') => {
                self.key.clear();
                self.state = FrameState::Key;
            }
            (FrameState::BeforeKey | FrameState::AfterValue, b'}') => return self.leave(),
            (FrameState::AfterValue, b',') => self.state = FrameState::BeforeKey,
            (FrameState::AfterKey, b':') => self.state = FrameState::BeforeValue,
            (FrameState::BeforeValue, _) => return self.value(byte),
            (FrameState::BeforeRecord | FrameState::AfterRecord, b']') => {
                self.state = FrameState::AfterValue;
                return (
                    1,
                    if self.level == 0 { FrameStep::DocumentEnds } else { FrameStep::More },
                );
            }
            (FrameState::AfterRecord, b',') => self.state = FrameState::BeforeRecord,
            (FrameState::BeforeTextRecord, _) => self.state = FrameState::TextRecord,
            (FrameState::BeforeRecord | FrameState::AfterRecord, _) => return self.record(byte),
            _ => return (0, FrameStep::Fault),
        }
        (1, FrameStep::More)
    }

    fn skip_nested(&mut self, bytes: &[u8]) -> (usize, FrameStep) {
        let Some(end) = self.brackets.find_end(bytes) else {
            return (bytes.len(), FrameStep::More);
        };
        if self.state == FrameState::Record {
            self.state = FrameState::AfterRecord;
            return (end, FrameStep::RecordEnds);
        }
        self.state = FrameState::AfterValue;
        (end, FrameStep::More)
    }

    /// To the end of a string or of the piece. The opening quote has been read.
    fn skip_string(&mut self, bytes: &[u8]) -> (usize, FrameStep) {
        if std::mem::take(&mut self.escaped) {
            self.keep(bytes.get(..1).unwrap_or_default());
            return (1, FrameStep::More);
        }
        let Some(stop) = memchr::memchr2(b'"', b'\\', bytes) else {
            self.keep(bytes);
            return (bytes.len(), FrameStep::More);
        };
        if bytes.get(stop) == Some(&b'\\') {
            self.keep(bytes.get(..=stop).unwrap_or_default());
            self.escaped = true;
            return (stop + 1, FrameStep::More);
        }
        self.keep(bytes.get(..stop).unwrap_or_default());
        match self.state {
            FrameState::Key => {
                // Where the document was read as a whole, it is known to be none.
                self.is_ecs |= !self.knows_lines && is_ecs_key(&self.key);
                for (place, name) in RAW_KEYS.iter().enumerate() {
                    self.raw_keys |=
                        u8::from(self.level == 1 && same_key(&self.key, name)) << place;
                }
                self.has_other_keys |= !self.knows_lines && !is_key_of_filtered_events(&self.key);
                self.state = FrameState::AfterKey;
            }
            FrameState::TextRecord => {
                self.state = FrameState::AfterRecord;
                return (stop + 1, FrameStep::RecordEnds);
            }
            _ => {
                self.text_ends();
                self.state = FrameState::AfterValue;
            }
        }
        (stop + 1, FrameStep::More)
    }

    /// The text of a key is over: what the frame wants to know of it is kept.
    fn text_ends(&mut self) {
        self.control |= self.text == b"CONTROL_MESSAGE" && same_key(&self.key, b"messageType");
        let name = if same_key(&self.key, b"logGroup") {
            &mut self.lines.group
        } else if same_key(&self.key, b"logStream") {
            &mut self.lines.stream
        } else {
            return;
        };
        self.names |= if same_key(&self.key, b"logGroup") { 1 } else { 2 };
        *name = unescape(&self.text).unwrap_or_default();
    }

    /// Keeps a string's bytes as far as it can be one that the frame knows.
    fn keep(&mut self, bytes: &[u8]) {
        let (word, most) = match self.state {
            FrameState::Key => (&mut self.key, MAX_KEY),
            FrameState::Text => (&mut self.text, MAX_TEXT),
            _ => return,
        };
        let room = (most + 1).saturating_sub(word.len());
        word.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
    }

    fn value(&mut self, byte: u8) -> (usize, FrameStep) {
        match byte {
            b'[' => {
                if let Some(container) =
                    self.announced().filter(|_| !self.is_ecs && !self.has_no_arrays)
                {
                    return self.enter_array(container);
                }
                self.nested(FrameState::Nested);
                return (0, FrameStep::More);
            }
            b'{' if self.level == 1 && same_key(&self.key, b"hits") => self.enter_object(),
            b'{' => {
                self.nested(FrameState::Nested);
                return (0, FrameStep::More);
            }
            b'"' => {
                self.text.clear();
                self.state = FrameState::Text;
            }
            b',' | b'}' | b']' | b':' => return (0, FrameStep::Fault),
            _ => self.state = FrameState::Scalar,
        }
        (1, FrameStep::More)
    }

    /// The container that the present key announces.
    fn announced(&self) -> Option<Container> {
        let is = |name: &[u8]| same_key(&self.key, name);
        if self.level != 1 {
            return is(b"hits").then_some(Container::Hits);
        }
        // Whether lines may be opened is known only with the names of their group and stream. Where
        // those come later, the document is read as a whole first.
        let knows_lines = self.knows_lines || self.names == 3;
        [
            (b"Records".as_slice(), Container::Records),
            (b"records", Container::FirehoseRecords),
            (b"Events", Container::LookupEvents),
            (b"Messages", Container::SqsMessages),
            (b"logEvents", Container::LogEvents),
            (b"events", Container::FilteredEvents),
        ]
        .into_iter()
        .find(|(name, _)| is(name))
        .map(|(_, container)| container)
        .filter(|container| match container {
            Container::LogEvents => knows_lines,
            Container::FilteredEvents => !self.has_other_keys,
            _ => true,
        })
    }

    /// The first byte of a record, or of something in its place.
    fn record(&mut self, byte: u8) -> (usize, FrameStep) {
        match byte {
            b'{' | b'[' => self.nested(FrameState::Record),
            b'"' => self.state = FrameState::BeforeTextRecord,
            _ => self.state = FrameState::OddRecord,
        }
        (0, FrameStep::RecordStarts)
    }

    fn nested(&mut self, state: FrameState) {
        self.brackets = Brackets::default();
        self.state = state;
    }

    fn enter_object(&mut self) {
        self.level += 1;
        self.state = FrameState::BeforeKey;
    }

    fn enter_array(&mut self, container: Container) -> (usize, FrameStep) {
        self.container = Some(container);
        self.state = FrameState::BeforeRecord;
        (1, FrameStep::Array)
    }

    fn leave(&mut self) -> (usize, FrameStep) {
        self.level = self.level.saturating_sub(1);
        self.state = FrameState::AfterValue;
        (1, if self.level == 0 { FrameStep::DocumentEnds } else { FrameStep::More })
    }
}

/// Whether a key is one that `aws logs filter-log-events` and `get-log-events` print.
fn is_key_of_filtered_events(key: &[u8]) -> bool {
    let keys =
        ["events", "searchedLogStreams", "nextToken", "nextForwardToken", "nextBackwardToken"];
    keys.iter().any(|name| same_key(key, name.as_bytes()))
}

/// Whether a key marks an ECS document.
fn is_ecs_key(key: &[u8]) -> bool {
    if key.contains(&b'\\') {
        return unescape(key).is_ok_and(|key| !key.contains(&b'\\') && is_ecs_key(&key));
    }
    std::str::from_utf8(key).is_ok_and(firstseen_event::is_ecs_key)
}

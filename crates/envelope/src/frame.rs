//! The frame of one JSON document, read as it streams by.
//!
//! In: the document's bytes, in any number of pieces. Out: where its records begin and end. It
//! follows the document's own keys and, where one of them announces an array of records, the
//! elements of that array; all deeper brackets are only counted ([`Brackets`]). It keeps no text
//! but the key it reads, and it never gives up inside an array: what is no element is reported as
//! one, and the next comma begins the next.

use crate::brackets::Brackets;
use crate::bytes::{from, is_space};
use crate::fields::same_key;
use crate::recognise::Container;

/// Longer keys and texts are none that the frame knows.
const MAX_WORD: usize = 64;

/// What the frame came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
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
enum State {
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

/// Where the reading of a document stands.
#[derive(Debug)]
pub(crate) struct Frame {
    state: State,
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
}

impl Frame {
    pub(crate) fn new() -> Self {
        Self {
            state: State::BeforeDocument,
            level: 0,
            container: None,
            brackets: Brackets::default(),
            escaped: false,
            key: Vec::new(),
            text: Vec::new(),
            control: false,
        }
    }

    /// The array of records that the document is in or has had.
    pub(crate) fn container(&self) -> Option<Container> {
        self.container
    }

    /// Whether the document said, so far, that it is a CloudWatch control message.
    pub(crate) fn is_control(&self) -> bool {
        self.control
    }

    /// Whether the present place is inside a string.
    pub(crate) fn in_string(&self) -> bool {
        match self.state {
            State::Key | State::Text | State::TextRecord => true,
            State::Nested | State::Record => self.brackets.in_string(),
            _ => false,
        }
    }

    /// Reads on until something happens; returns how many bytes that took.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> (usize, Step) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            let (used, step) = self.step(byte, from(bytes, at));
            at += used;
            if step != Step::More {
                return (at, step);
            }
        }
        (at, Step::More)
    }

    /// One step, with at least one byte used or something other than `More` to say.
    fn step(&mut self, byte: u8, bytes: &[u8]) -> (usize, Step) {
        match self.state {
            State::Nested | State::Record => return self.skip_nested(bytes),
            State::Key | State::Text | State::TextRecord => return self.skip_string(bytes),
            State::Scalar if !matches!(byte, b',' | b'}' | b']') && !is_space(byte) => {
                return (1, Step::More);
            }
            State::Scalar => self.state = State::AfterValue,
            State::OddRecord => match byte {
                b',' | b']' => {
                    self.state = State::AfterRecord;
                    return (0, Step::RecordEnds);
                }
                _ => return (1, Step::More),
            },
            _ => {}
        }
        if is_space(byte) {
            return (1, Step::More);
        }
        match (self.state, byte) {
            (State::BeforeDocument, b'{') => self.enter_object(),
            (State::BeforeDocument, b'[') => return self.enter_array(Container::Array),
            (State::BeforeKey, b'"') => {
                self.key.clear();
                self.state = State::Key;
            }
            (State::BeforeKey | State::AfterValue, b'}') => return self.leave(),
            (State::AfterValue, b',') => self.state = State::BeforeKey,
            (State::AfterKey, b':') => self.state = State::BeforeValue,
            (State::BeforeValue, _) => return self.value(byte),
            (State::BeforeRecord | State::AfterRecord, b']') => {
                self.state = State::AfterValue;
                return (1, if self.level == 0 { Step::DocumentEnds } else { Step::More });
            }
            (State::AfterRecord, b',') => self.state = State::BeforeRecord,
            (State::BeforeTextRecord, _) => self.state = State::TextRecord,
            (State::BeforeRecord | State::AfterRecord, _) => return self.record(byte),
            _ => return (0, Step::Fault),
        }
        (1, Step::More)
    }

    fn skip_nested(&mut self, bytes: &[u8]) -> (usize, Step) {
        let Some(end) = self.brackets.find_end(bytes) else { return (bytes.len(), Step::More) };
        if self.state == State::Record {
            self.state = State::AfterRecord;
            return (end, Step::RecordEnds);
        }
        self.state = State::AfterValue;
        (end, Step::More)
    }

    /// To the end of a string or of the piece. The opening quote is behind.
    fn skip_string(&mut self, bytes: &[u8]) -> (usize, Step) {
        if std::mem::take(&mut self.escaped) {
            self.keep(bytes.get(..1).unwrap_or_default());
            return (1, Step::More);
        }
        let Some(stop) = memchr::memchr2(b'"', b'\\', bytes) else {
            self.keep(bytes);
            return (bytes.len(), Step::More);
        };
        if bytes.get(stop) == Some(&b'\\') {
            self.keep(bytes.get(..=stop).unwrap_or_default());
            self.escaped = true;
            return (stop + 1, Step::More);
        }
        self.keep(bytes.get(..stop).unwrap_or_default());
        match self.state {
            State::Key => self.state = State::AfterKey,
            State::TextRecord => {
                self.state = State::AfterRecord;
                return (stop + 1, Step::RecordEnds);
            }
            _ => {
                self.control |=
                    self.text == b"CONTROL_MESSAGE" && same_key(&self.key, b"messageType");
                self.state = State::AfterValue;
            }
        }
        (stop + 1, Step::More)
    }

    /// Keeps a string's bytes as far as it can be one that the frame knows.
    fn keep(&mut self, bytes: &[u8]) {
        let word = match self.state {
            State::Key => &mut self.key,
            State::Text => &mut self.text,
            _ => return,
        };
        let room = (MAX_WORD + 1).saturating_sub(word.len());
        word.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
    }

    fn value(&mut self, byte: u8) -> (usize, Step) {
        match byte {
            b'[' => {
                let container = match self.level {
                    1 => [b"Records".as_slice(), b"records", b"Events", b"logEvents"]
                        .into_iter()
                        .find(|name| same_key(&self.key, name))
                        .and_then(Container::of_key),
                    _ => same_key(&self.key, b"hits").then_some(Container::Hits),
                };
                if let Some(container) = container {
                    return self.enter_array(container);
                }
                self.nested(State::Nested);
                return (0, Step::More);
            }
            b'{' if self.level == 1 && same_key(&self.key, b"hits") => self.enter_object(),
            b'{' => {
                self.nested(State::Nested);
                return (0, Step::More);
            }
            b'"' => {
                self.text.clear();
                self.state = State::Text;
            }
            b',' | b'}' | b']' | b':' => return (0, Step::Fault),
            _ => self.state = State::Scalar,
        }
        (1, Step::More)
    }

    /// The first byte of a record, or of something in its place.
    fn record(&mut self, byte: u8) -> (usize, Step) {
        match byte {
            b'{' | b'[' => self.nested(State::Record),
            b'"' => self.state = State::BeforeTextRecord,
            _ => self.state = State::OddRecord,
        }
        (0, Step::RecordStarts)
    }

    fn nested(&mut self, state: State) {
        self.brackets = Brackets::default();
        self.state = state;
    }

    fn enter_object(&mut self) {
        self.level += 1;
        self.state = State::BeforeKey;
    }

    fn enter_array(&mut self, container: Container) -> (usize, Step) {
        self.container = Some(container);
        self.state = State::BeforeRecord;
        (1, Step::Array)
    }

    fn leave(&mut self) -> (usize, Step) {
        self.level = self.level.saturating_sub(1);
        self.state = State::AfterValue;
        (1, if self.level == 0 { Step::DocumentEnds } else { Step::More })
    }
}

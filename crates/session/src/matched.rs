//! A matched event with its rule, time, place and text, or where to read the text.
//!
//! It survives sorting and spilling with everything that is asked of it later: whose it is, when it
//! happened, where it is in the input, and its text or where to read it.

use alloc::vec::Vec;

/// A rule of a run: an artifact, counted from 0, and a rule inside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRef {
    /// The artifact, in the order in which the run loaded them.
    pub artifact: u16,
    /// The rule, in the order of the artifact's metadata.
    pub rule: u16,
}

/// Where an event is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventAt {
    /// The input, in the order in which the run reads them.
    pub input: u32,
    /// The byte in the unpacked input, from 0.
    pub offset: u64,
    /// The line in the unpacked input, from 1.
    pub line: u64,
    /// The running number, from 0, inside an array or envelope.
    pub record: Option<u64>,
}

/// An event's text, or where to read it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventText {
    /// The text itself.
    Carried(Vec<u8>),
    /// It is in a file that can be read again.
    At {
        /// The input that is the file.
        input: u32,
        /// The byte in the file, from 0.
        offset: u64,
        /// Its length in bytes.
        len: u32,
        /// What whoever read it made of its bytes, to know them again.
        digest: u64,
    },
}

impl EventText {
    /// The length of the text in bytes, wherever it is.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Carried(text) => text.len(),
            Self::At { len, .. } => *len as usize,
        }
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that it takes in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        if let Self::Carried(text) = self { text.len() } else { 0 }
    }
}

/// An event that a rule matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The rule.
    pub rule: RuleRef,
    /// The event's time in milliseconds since 1970, UTC.
    pub time_ms: i64,
    /// The event's identity, as the rule computed it.
    pub identity: [u8; 16],
    /// Where the event is.
    pub at: EventAt,
    /// The item that `keys` gave, to be handed to `decide` as it is.
    pub item: Vec<u8>,
    /// The event's text.
    pub text: EventText,
}

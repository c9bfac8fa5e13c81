//! What a state keeps of a run that can be resumed: the batch of inputs that it is at, how far that is
//! decided, and which inputs were read before.
//!
//! In: changes of a run. Out: the same again, each in one commit with the terms that belong to it. It opens
//! no input.

use super::OutputMark;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A digest as a state keeps it: 32 hexadecimal digits.
#[must_use]
pub fn digest_text(digest: &blake3::Hash) -> String {
    digest.to_hex()[..32].to_owned()
}

/// An input of a batch, or one that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedInput {
    /// The path without links.
    pub path: String,
    /// As it was given or found.
    pub name: String,
    /// The file's device, and its number there: it is known under another name too.
    pub device: u64,
    /// See `device`.
    pub inode: u64,
    /// From which byte on it is read.
    #[serde(default)]
    pub start: u64,
    /// How many lines end before that.
    #[serde(default)]
    pub start_line: u64,
    /// Up to which.
    pub length: u64,
    /// How many lines end before that, where it is plain and was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u64>,
    /// A digest of its first and last blocks up to there.
    pub edges: String,
    /// Found in a folder, not named by the user.
    #[serde(default)]
    pub in_folder: bool,
    /// Since when no run has found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since_ms: Option<i64>,
    /// Of a file that is followed by its name: what rotation made of it and changed after this time, in nanoseconds
    /// since 1970, came after the file was followed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_after_ns: Option<i64>,
    /// Of a file that is followed by its name: it was found, read to its end, under another one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renamed: bool,
}

impl RecordedInput {
    /// It was read, and so many lines end in what was read of it.
    pub fn has_lines(&mut self, read: Option<u64>) {
        self.lines = read.map(|lines| self.start_line + lines);
    }
}

/// What a batch is decided with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// The time by which its events are judged.
    pub now_ms: i64,
    /// Digests of what decides, by its name.
    pub decides: BTreeMap<String, String>,
    /// The output's path, without links.
    pub output: String,
    /// The dead letters as they were at its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<OutputMark>,
    /// Their path, without links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_path: Option<String>,
    /// How far it is decided.
    #[serde(default)]
    pub position: BatchPosition,
    /// How far a stream is decided, where it is no batch of files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamPosition>,
}

impl BatchRecord {
    /// Its dead letters go to this file, as it is.
    pub fn has_dead_letters(&mut self, file: Option<OutputMark>) {
        self.dead_letter_path = file.as_ref().map(|mark| mark.path.clone());
        self.dead_letter = file;
    }
}

/// How far a stream is decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPosition {
    /// Its first bytes, in hexadecimal.
    pub head: String,
    /// The place of the last match that is decided: the byte in the unpacked stream, and the record there.
    pub upto: Option<(u64, u64)>,
    /// How many unpacked bytes were read by then.
    pub read: u64,
    /// A digest of them.
    pub digest: String,
    /// The stream was over.
    #[serde(default)]
    pub ended: bool,
}

/// How far a batch is decided: its first matches in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchPosition {
    /// How many.
    pub decided: u64,
    /// A digest of them, one after the other: of time, identity, rule and the keys of their terms.
    pub digest: String,
}

/// A run as the state has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredRun {
    /// The batch that was begun and not finished.
    pub batch: Option<BatchRecord>,
    /// Its inputs, in their order.
    pub inputs: Vec<RecordedInput>,
    /// The inputs of the batches that were finished.
    pub read: Vec<RecordedInput>,
    /// Other runs that are at their end, and when they were used last, where that is known.
    pub others: BTreeMap<String, Option<RunUse>>,
}

/// When a run was used last, and for how long what it has read is kept behind that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunUse {
    /// By the clock, milliseconds since 1970.
    pub used_ms: i64,
    /// For as long as the state keeps a term of its rules that is not seen any more.
    pub memory_ms: i64,
}

impl RunUse {
    /// Whether nothing of the run is worth keeping any more.
    #[must_use]
    pub fn is_over(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.used_ms) > self.memory_ms
    }
}

/// A change of a run, made with the next commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunChange {
    /// A batch begins; one that was not finished is given up.
    Begin(Box<BatchRecord>, Vec<RecordedInput>),
    /// It is decided up to here.
    Reached(BatchPosition),
    /// A stream is decided up to here.
    ReadTo(StreamPosition),
    /// Its dead letters go here from now on: the file as it is.
    Letters(Option<OutputMark>),
    /// It is decided: its inputs were read, and of plain ones so many lines each.
    Finished(Vec<Option<u64>>),
    /// Inputs that were read have come or gone; the others' positions go.
    Positions(Vec<RecordedInput>, Vec<RecordedInput>),
    /// The run was used.
    Used(RunUse),
    /// Nothing is kept of the run.
    Forgotten,
}

//! One input, read from its beginning to its end.
//!
//! In: a file, a pipe or standard input. Out: its unpacked bytes, cut into events by crate
//! envelope. Whatever goes wrong, the events before it were handed on.
use super::feed::Feed;
use super::unpack::{MAGIC, Packing, recognise};
use crate::observe::place::input_name;
use firstseen_envelope::{Sink, SplitOptions, Splitter};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file, or a named pipe or device.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// An input with its name and size.
#[derive(Debug, Clone)]
pub struct Source {
    /// The path as it was given or found; `-` is standard input.
    pub name: Arc<str>,
    /// The size of the file as it is stored; `None` for pipes.
    pub bytes: Option<u64>,
    input: Input,
    /// Found in a folder, not named by the user: it may be a licence or a note beside the logs.
    in_folder: bool,
}

/// How to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// The longest event in bytes; longer ones are skipped while streaming.
    pub max_event: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { max_event: 16 << 20 }
    }
}

/// Why an input could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadErrorKind {
    /// It ends in the middle of packed data.
    Truncated,
    /// The packed data is damaged.
    Corrupt,
    /// It is in a format that is not read.
    Unsupported,
    /// The operating system's word.
    Io,
}

/// A fault that ended an input. The events before it were handed on.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub struct ReadError {
    /// What kind of fault.
    pub kind: ReadErrorKind,
    /// The name of the input.
    pub file: Arc<str>,
    /// How many unpacked bytes were handed on.
    pub offset: u64,
    /// How many bytes of the file were read, some of which may not have been unpacked yet.
    pub stored_offset: u64,
    /// What was wrong.
    pub reason: String,
}

impl ReadError {
    fn text(&self) -> String {
        let Self { kind, file, offset, stored_offset, reason } = self;
        let file = input_name(file);
        let advice = match kind {
            ReadErrorKind::Truncated | ReadErrorKind::Corrupt => "fetch it again",
            ReadErrorKind::Io if *offset > 0 => "try again",
            ReadErrorKind::Unsupported | ReadErrorKind::Io => return format!("{file}: {reason}"),
        };
        format!(
            "{file}: {reason}, near byte {stored_offset} of the input, {offset} bytes unpacked; \
             what came before was read; {advice}"
        )
    }
}

impl Source {
    pub(super) fn new(input: Input, bytes: Option<u64>) -> Self {
        let name = match &input {
            Input::File(path) => path.to_string_lossy().into(),
            Input::Stdin => "-".into(),
        };
        Self { name, bytes, input, in_folder: false }
    }

    /// The same, found in a folder.
    pub(super) fn in_folder(mut self) -> Self {
        self.in_folder = true;
        self
    }

    /// Standard input.
    #[must_use]
    pub fn stdin() -> Self {
        Self::new(Input::Stdin, None)
    }

    /// A file, which need not exist yet.
    #[cfg(test)]
    pub(super) fn file(path: PathBuf) -> Self {
        let bytes = std::fs::metadata(&path).ok().filter(|m| m.is_file()).map(|m| m.len());
        Self::new(Input::File(path), bytes)
    }

    /// What is read.
    #[must_use]
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// The path, if this is a file that can be read again at any place: none that is packed, and no
    /// pipe.
    #[must_use]
    pub fn readable_again(&self) -> Option<&Path> {
        let Input::File(path) = &self.input else { return None };
        self.bytes?;
        let mut first = Vec::new();
        File::open(path).ok()?.take(MAGIC as u64).read_to_end(&mut first).ok()?;
        (recognise(&first) == Packing::Plain).then_some(path)
    }

    /// Hands every event to `sink`, until it breaks. `progress` hears, after each block, how many
    /// bytes of the file as it is stored were read so far. A small file out of a folder without any
    /// JSON in it, a licence for one, is told as [`Sink::no_events`] instead of line by line.
    ///
    /// # Errors
    /// [`ReadError`], after everything before the fault was handed on.
    pub fn read(
        &self,
        options: ReadLimits,
        sink: &mut dyn Sink,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ReadError> {
        let splitter = Splitter::new(SplitOptions { max_event: options.max_event });
        let mut feed = Feed {
            splitter,
            sink,
            progress,
            offset: 0,
            stored: Rc::default(),
            may_be_no_log: self.in_folder,
        };
        let result = match &self.input {
            Input::Stdin => feed.read(io::stdin().lock(), true),
            Input::File(path) => {
                File::open(path).and_then(|file| feed.read(file, self.bytes.is_none()))
            }
        };
        result.map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::UnexpectedEof => ReadErrorKind::Truncated,
                io::ErrorKind::InvalidData => ReadErrorKind::Corrupt,
                io::ErrorKind::Unsupported => ReadErrorKind::Unsupported,
                _ => ReadErrorKind::Io,
            };
            let reason = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    format!("{error}; run as a user who may read it")
                }
                _ => error.to_string(),
            };
            ReadError {
                kind,
                file: Arc::clone(&self.name),
                offset: feed.offset,
                stored_offset: feed.stored.get(),
                reason,
            }
        })
    }
}

#[cfg(test)]
mod tests;

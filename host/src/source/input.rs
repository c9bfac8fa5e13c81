//! One input: a file, a pipe or standard input, read from its beginning to its end.
//!
//! In: a path. Out: a [`Source`] over its unpacked bytes, cut into events by crate envelope. Its stream
//! is opened at the first `poll`. Whatever goes wrong, the events before it were
//! handed on.

use super::content::is_plain;
use super::feed::{Feed, FeedTraits};
use super::marker::mark_here;
use super::stdin::{Patience, WOKEN, Wake, WakingReader};
use super::{Polled, Source};
use crate::numbers::{counted, number};
use crate::observe::place::input_name;
use crate::observe::stages::Stages;
use firstseen_envelope::{EventSink, SplitOptions, Splitter};
use firstseen_event::Trust;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputKind {
    /// A file, or a named pipe or device.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// An input with its name and size.
#[derive(Debug, Clone)]
pub struct Input {
    /// The path as it was given or found; `-` is standard input.
    pub name: Arc<str>,
    /// The size of the file as it is stored; `None` for pipes.
    pub bytes: Option<u64>,
    kind: InputKind,
    /// Found in a folder, not named by the user: it may be a licence or a note beside the logs.
    in_folder: bool,
    /// From which byte on, and up to which, it is read.
    piece: Option<(u64, u64)>,
    /// How many lines end before that.
    lines_before: u64,
    /// The device and the number of the file that it has to be.
    file: Option<(u64, u64)>,
}

/// How to read.
#[derive(Debug, Clone)]
pub struct ReadLimits {
    /// The longest event in bytes; longer ones are skipped while streaming.
    pub max_event: usize,
    /// Whether a stream's last line is judged before its end is read, if its brackets close.
    pub open_lines: bool,
    /// The envelopes that are trusted besides those that always are.
    pub trust: Arc<Trust>,
    /// Hears at which stage of the work a thread is.
    pub stages: Stages,
}

impl Default for ReadLimits {
    fn default() -> Self {
        let (trust, stages) = Default::default();
        Self { max_event: 16 << 20, open_lines: true, trust, stages }
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
    /// It became longer while it was read: what was added was not read.
    Grew,
    /// Its name says gzip and it is none: it was read as it is.
    Misnamed,
    /// It became shorter while it was read.
    Shrank,
    /// It is gone, or another file has its name by now.
    Replaced,
    /// The operating system's word.
    Io,
}

impl ReadErrorKind {
    /// What kind of fault a reader's error is: see `unpack`.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            io::ErrorKind::InvalidData => Self::Corrupt,
            io::ErrorKind::Unsupported | io::ErrorKind::FileTooLarge => Self::Unsupported,
            io::ErrorKind::NotFound | io::ErrorKind::StaleNetworkFileHandle => Self::Replaced,
            _ => Self::Io,
        }
    }
}

/// What to do about a file or a stream that is damaged.
const FETCH_AGAIN: &str = "fetch it again";

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
    /// What to do where packed data is damaged.
    pub advice: &'static str,
}

impl ReadError {
    fn text(&self) -> String {
        let Self { kind, file, offset, stored_offset, reason, advice } = self;
        let file = input_name(file);
        let advice = match kind {
            ReadErrorKind::Truncated | ReadErrorKind::Corrupt => advice,
            ReadErrorKind::Io | ReadErrorKind::Replaced if *offset > 0 => "try again",
            ReadErrorKind::Unsupported
            | ReadErrorKind::Grew
            | ReadErrorKind::Misnamed
            | ReadErrorKind::Shrank
            | ReadErrorKind::Replaced
            | ReadErrorKind::Io => {
                return format!("{file}: {reason}");
            }
        };
        let unpacked = counted(*offset, "byte", "bytes");
        // Blocks are read ahead of what is unpacked.
        format!(
            "{file}: {reason}, within the first {stored_offset} bytes of the input, {unpacked} unpacked; \
             what came before was read; {advice}"
        )
    }
}

impl Input {
    pub(super) fn new(kind: InputKind, bytes: Option<u64>) -> Self {
        let name = match &kind {
            InputKind::File(path) => path.to_string_lossy().into(),
            InputKind::Stdin => "-".into(),
        };
        Self { name, bytes, kind, in_folder: false, piece: None, lines_before: 0, file: None }
    }

    /// The same, found in a folder.
    pub(super) fn in_folder(mut self) -> Self {
        self.in_folder = true;
        self
    }

    /// A piece of a regular file, whatever is added to it; before it so many lines end.
    #[must_use]
    pub fn piece(
        path: PathBuf,
        name: &str,
        (start, end): (u64, u64),
        lines_before: u64,
        in_folder: bool,
    ) -> Self {
        let bytes = Some(end.saturating_sub(start));
        let (kind, piece) = (InputKind::File(path), Some((start, end)));
        Self { name: name.into(), bytes, kind, in_folder, piece, lines_before, file: None }
    }

    /// The same, of the file with this device and this number there: where another one has its name by the time that it
    /// is opened, nothing is read of that one.
    #[must_use]
    pub fn of_file(mut self, number: (u64, u64)) -> Self {
        self.file = Some(number);
        self
    }

    /// How many lines end before what is read of it.
    #[must_use]
    pub fn lines_before(&self) -> u64 {
        self.lines_before
    }

    /// Whether it was found in a folder.
    #[must_use]
    pub fn is_in_folder(&self) -> bool {
        self.in_folder
    }

    /// A regular file of this length.
    #[must_use]
    pub fn whole(path: PathBuf, length: u64) -> Self {
        Self::new(InputKind::File(path), Some(length))
    }

    /// Standard input.
    #[must_use]
    pub fn stdin() -> Self {
        Self::new(InputKind::Stdin, None)
    }

    /// A file, which need not exist yet.
    #[cfg(test)]
    pub(super) fn file(path: PathBuf) -> Self {
        let bytes = std::fs::metadata(&path).ok().filter(|m| m.is_file()).map(|m| m.len());
        Self::new(InputKind::File(path), bytes)
    }

    /// What is read.
    #[must_use]
    pub fn kind(&self) -> &InputKind {
        &self.kind
    }

    /// Whether it is standard input, which may never end.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.kind == InputKind::Stdin
    }

    /// The open file, if it can be read again at any place: none that is packed, and no pipe. What
    /// becomes of its name does not matter to who has it open.
    #[must_use]
    pub fn readable_again(&self) -> Option<Arc<File>> {
        let InputKind::File(path) = &self.kind else { return None };
        self.bytes?;
        let file = File::open(path).ok()?;
        is_plain(&file).then(|| Arc::new(file))
    }

    /// The source of this input's events; standard input ends when `wake` becomes readable.
    #[must_use]
    pub fn source(&self, options: ReadLimits, wake: Option<Wake>) -> Box<dyn Source> {
        self.source_of(options, wake, None)
    }

    /// The same, of a file that is open.
    #[must_use]
    pub fn source_of(
        &self,
        options: ReadLimits,
        wake: Option<Wake>,
        file: Option<Arc<File>>,
    ) -> Box<dyn Source> {
        Box::new(InputSource {
            file,
            input: self.clone(),
            options,
            wake,
            patience: Patience::default(),
            feed: None,
            length: None,
            stored: Arc::default(),
        })
    }

    /// Hands every event to `sink`, until it breaks. A small file out of a folder without any JSON in
    /// it, a licence for one, is reported as [`EventSink::no_events`] instead of line by line.
    ///
    /// # Errors
    /// [`ReadError`], after everything before the fault was handed on.
    pub fn read(&self, options: ReadLimits, sink: &mut dyn EventSink) -> Result<(), ReadError> {
        let mut source = self.source(options, None);
        while source.poll(sink)? == Polled::More {}
        Ok(())
    }
}

/// A number of bytes.
fn sized(bytes: u64) -> String {
    counted(bytes, "byte", "bytes")
}

/// What is said of a file that is not what its name says, and was read all the same.
const MISNAMED: &str = "its name says gzip and it is none; it was read as it is";

/// An input being read.
struct InputSource {
    input: Input,
    options: ReadLimits,
    wake: Option<Wake>,
    patience: Patience,
    /// Opened with the first block.
    feed: Option<Feed>,
    /// The file that is read.
    file: Option<Arc<File>>,
    /// The length of a file when it was opened: so much of it is read.
    length: Option<u64>,
    stored: Arc<AtomicU64>,
}

impl InputSource {
    fn open(&mut self) -> io::Result<Feed> {
        let ReadLimits { max_event, trust, stages, .. } = &self.options;
        let options = SplitOptions { max_event: *max_event };
        let start = self.input.piece.map_or(0, |(start, _)| start);
        let splitter = Splitter::trusting(options, Arc::clone(trust)).marking(mark_here);
        let splitter = splitter.starting_at(start);
        let Input { kind, bytes, in_folder, .. } = &self.input;
        let pipe = FeedTraits { is_pipe: true, may_be_no_log: *in_folder, ..FeedTraits::default() };
        match kind {
            InputKind::Stdin => {
                let stdin = WakingReader::stdin(self.wake.take(), Rc::clone(&self.patience))?;
                let feed = Feed::open(stdin, pipe, splitter, &self.stored, stages)?;
                Ok(feed.with_open_lines(self.options.open_lines))
            }
            InputKind::File(path) if bytes.is_none() => {
                let input = WakingReader::open(path, self.wake.take())?;
                Feed::open(input, pipe, splitter, &self.stored, stages)
            }
            InputKind::File(path) => {
                let file = match self.file.take() {
                    Some(file) => file,
                    None => Arc::new(File::open(path)?),
                };
                self.file = Some(Arc::clone(&file));
                let meta = file.metadata()?;
                if self.input.file.is_some_and(|file| file != (meta.dev(), meta.ino())) {
                    return Err(io::Error::new(
                        io::ErrorKind::StaleNetworkFileHandle,
                        "another file has its name by now",
                    ));
                }
                // Files of /proc have no length of their own.
                let length = meta.len();
                let (most, whole) = match self.input.piece {
                    Some((start, end)) => (end.saturating_sub(start), None),
                    None if length == 0 => (u64::MAX, None),
                    None => (length, Some(length)),
                };
                (&*file).seek(io::SeekFrom::Start(start))?;
                self.length = whole;
                let ending = path.extension().and_then(|ending| ending.to_str());
                let is_named_gzip = matches!(ending, Some("gz" | "gzip"));
                let (file, stored) = (file.take(most), &self.stored);
                let traits = FeedTraits {
                    is_pipe: false,
                    may_be_no_log: *in_folder,
                    is_named_gzip,
                    length: whole,
                };
                Feed::open(file, traits, splitter, stored, stages)
            }
        }
    }

    fn read_block(&mut self, into: &mut dyn EventSink) -> io::Result<Polled> {
        if self.feed.is_none() {
            self.feed = match self.open() {
                // Nothing was read, so nothing is cut off.
                Err(error) if error.kind() == WOKEN => return Ok(Polled::End),
                feed => Some(feed?),
            };
        }
        self.feed.as_mut().map_or(Ok(Polled::End), |feed| feed.poll(into))
    }

    /// What was added to a file since it was opened, if all of the rest was read, or taken away.
    fn change(&self) -> Option<(ReadErrorKind, String)> {
        let file = self.file.as_ref()?;
        if let Some((start, end)) = self.input.piece {
            let now = file.metadata().ok()?.len();
            return (now < end && self.stored() < end.saturating_sub(start)).then(|| {
                let reason =
                    format!("it was cut from {} to {} while it was read", number(end), sized(now));
                (ReadErrorKind::Shrank, reason)
            });
        }
        let length = self.length?;
        let now = file.metadata().ok()?.len();
        let is_read = self.stored() >= length;
        if is_read && now > length {
            let reason = format!(
                "it grew from {} to {} while it was read; what was added was not \
                 read; run again",
                number(length),
                sized(now)
            );
            return Some((ReadErrorKind::Grew, reason));
        }
        (!is_read && now < length).then(|| {
            let reason = format!(
                "it was cut from {} to {} while it was read; run again over what it \
                 held",
                number(length),
                sized(now)
            );
            (ReadErrorKind::Shrank, reason)
        })
    }

    fn error(&self, error: &io::Error) -> ReadError {
        let kind = ReadErrorKind::of(error);
        let reason = match error.kind() {
            io::ErrorKind::PermissionDenied => format!("{error}; run as a user who may read it"),
            _ => error.to_string(),
        };
        self.fault(kind, reason)
    }

    /// A fault here.
    fn fault(&self, kind: ReadErrorKind, reason: String) -> ReadError {
        ReadError {
            kind,
            file: Arc::clone(&self.input.name),
            offset: self.feed.as_ref().map_or(0, Feed::offset),
            stored_offset: self.stored(),
            reason,
            advice: FETCH_AGAIN,
        }
    }
}

impl Source for InputSource {
    fn poll(&mut self, into: &mut dyn EventSink) -> Result<Polled, ReadError> {
        let polled = self.read_block(into).map_err(|error| self.error(&error))?;
        if polled == Polled::More {
            return Ok(polled);
        }
        let misnamed = self.feed.as_ref().is_some_and(Feed::is_misnamed);
        let (kind, reason) = match self.change() {
            Some(change) => change,
            None if misnamed => (ReadErrorKind::Misnamed, MISNAMED.to_owned()),
            None => return Ok(polled),
        };
        Err(self.fault(kind, reason))
    }

    fn wait_at_most(&mut self, limit: Option<Duration>) {
        self.patience.set(limit);
    }

    fn block(&self) -> &[u8] {
        self.feed.as_ref().map_or(&[], Feed::block)
    }

    fn unpacked(&self) -> u64 {
        self.feed.as_ref().map_or(0, Feed::offset)
    }

    fn stored(&self) -> u64 {
        self.stored.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;

//! One input, read from its beginning to its end.
//!
//! In: a file, a pipe or standard input. Out: its unpacked bytes, cut into events by crate
//! envelope. Memory: one block, what unpacking needs, and one event. Whatever goes wrong, the
//! events before it were handed on.
use super::unpack::{MAGIC, recognise, undecided, unpacked};
use crate::place::input_name;
use firstseen_envelope::{Options, Place, Sink, Splitter};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

/// How much of a file is unpacked before the events in it are looked at.
const FILE_BLOCK: usize = 1 << 20;
/// The same for pipes, which hand on what there is.
const PIPE_BLOCK: usize = 256 << 10;

/// What a file out of a folder without any JSON is called.
const NO_LOG: &str = "file that is no log";

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
pub struct ReadOptions {
    /// The longest event in bytes; longer ones are skipped while streaming.
    pub max_event: usize,
}

impl Default for ReadOptions {
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
            ReadErrorKind::Truncated => "it was cut short, fetch it again",
            ReadErrorKind::Corrupt => "it was damaged, fetch it again",
            ReadErrorKind::Unsupported => return format!("{file}: {reason}"),
            ReadErrorKind::Io if *offset == 0 => return format!("{file}: {reason}"),
            ReadErrorKind::Io => "try again",
        };
        format!(
            "{file}: {reason}, after byte {offset} unpacked (up to byte {stored_offset} of the \
             file was read); what came before it was read; {advice}"
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

    /// A file or a named pipe, which need not exist yet.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        let bytes = std::fs::metadata(&path).ok().filter(|m| m.is_file()).map(|m| m.len());
        Self::new(Input::File(path), bytes)
    }

    /// What is read.
    #[must_use]
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// Hands every event to `sink`, until it breaks. `progress` hears, after each block, how many
    /// bytes of the file as it is stored were read so far. A small file out of a folder without any
    /// JSON in it, a licence for one, is told as [`Sink::no_events`] instead of line by line.
    ///
    /// # Errors
    /// [`ReadError`], after everything before the fault was handed on.
    pub fn read(
        &self,
        options: ReadOptions,
        sink: &mut dyn Sink,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ReadError> {
        let splitter = Splitter::new(Options { max_event: options.max_event });
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

/// The way of one input's bytes to its sink.
struct Feed<'a> {
    splitter: Splitter,
    sink: &'a mut dyn Sink,
    progress: &'a mut dyn FnMut(u64),
    /// Unpacked bytes handed on.
    offset: u64,
    /// Stored bytes read.
    stored: Rc<Cell<u64>>,
    may_be_no_log: bool,
}

impl Feed<'_> {
    /// Reads to the end; a pipe hands on what one read gives, a file whole blocks.
    fn read(&mut self, input: impl Read, is_pipe: bool) -> io::Result<()> {
        let mut input = Counted { input, count: Rc::clone(&self.stored) };
        let first = first_bytes(&mut input)?;
        let mut unpacked = unpacked(recognise(&first), Cursor::new(first).chain(input))?;
        let mut block = vec![0; if is_pipe { PIPE_BLOCK } else { FILE_BLOCK }];
        loop {
            let (filled, end) = next_block(&mut unpacked, &mut block, !is_pipe);
            let is_whole = self.offset == 0 && matches!(end, Some(Ok(())));
            if is_whole && self.may_be_no_log && filled > 0 && !has_json(&block[..filled]) {
                let place = Place { offset: 0, line: 1, record: None };
                (self.progress)(self.stored.get());
                let _ = self.sink.no_events(place, NO_LOG);
                return Ok(());
            }
            if filled > 0 {
                self.offset += filled as u64;
                if self.splitter.push(&block[..filled], self.sink).is_break() {
                    return Ok(());
                }
                (self.progress)(self.stored.get());
            }
            if let Some(result) = end {
                // What is open at the end is the sink's to hear of too; nothing is left to stop.
                let _ = self.splitter.finish(self.sink);
                return result;
            }
        }
    }
}

/// Whether a line of the text begins as JSON does that can hold events. If none does, no event can
/// be in it.
fn has_json(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.split(|b| *b == b'\n').any(|line| matches!(line.trim_ascii_start(), [b'{' | b'[', ..]))
}

/// As many bytes as it takes to recognise the packing.
fn first_bytes(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(MAGIC);
    while undecided(&first) {
        let mut more = [0; MAGIC];
        let room = MAGIC - first.len();
        match input.read(&mut more[..room]) {
            Ok(0) => break,
            Ok(n) => first.extend_from_slice(&more[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(first)
}

/// Reads a block: as much as one read gives, or all of it if it is to be filled. The second part is
/// there when nothing follows.
fn next_block(
    input: &mut dyn Read,
    block: &mut [u8],
    fill: bool,
) -> (usize, Option<io::Result<()>>) {
    let mut filled = 0;
    loop {
        match input.read(&mut block[filled..]) {
            Ok(0) => return (filled, Some(Ok(()))),
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return (filled, Some(Err(error))),
        }
        if !fill || filled == block.len() {
            return (filled, None);
        }
    }
}

/// Counts what is read.
struct Counted<R> {
    input: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(out)?;
        self.count.set(self.count.get() + n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_envelope::Fault;
    use std::io::Write;
    use std::ops::ControlFlow;
    use std::path::Path;

    /// Keeps what it hears.
    #[derive(Default)]
    struct Heard {
        text: Vec<u8>,
        no_events: Vec<&'static str>,
        stop: bool,
    }

    impl Sink for Heard {
        fn lines(&mut self, _: Place, chunk: &[u8]) -> ControlFlow<()> {
            self.text.extend_from_slice(chunk);
            if self.stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
        fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
            self.lines(place, text)
        }
        fn no_events(&mut self, _: Place, what: &'static str) -> ControlFlow<()> {
            self.no_events.push(what);
            ControlFlow::Continue(())
        }
        fn bad(&mut self, _: Place, _: Fault, text: &[u8]) -> ControlFlow<()> {
            self.text.extend_from_slice(text);
            ControlFlow::Continue(())
        }
    }

    fn lines(count: u64) -> Vec<u8> {
        let number = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..count)
            .flat_map(|i| format!("{{\"eventVersion\":{}}}\n", number(i)).into_bytes())
            .collect()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    }

    fn read(path: &Path) -> (Vec<u8>, u64, Result<(), ReadError>) {
        let (mut heard, mut last) = (Heard::default(), 0);
        let mut progress = |bytes| {
            assert!(bytes >= last, "progress goes back");
            last = bytes;
        };
        let source = Source::file(path.to_path_buf());
        let result = source.read(ReadOptions::default(), &mut heard, &mut progress);
        (heard.text, last, result)
    }

    #[test]
    fn packed_or_not_the_events_are_the_same_whatever_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        let text = lines(100_000);
        let zstd = zstd::encode_all(&text[..], 1).unwrap();
        for stored in
            [text.clone(), gzip(&text), [gzip(&text[..15]), gzip(&text[15..])].concat(), zstd]
        {
            std::fs::write(&path, &stored).unwrap();
            let (heard, progress, result) = read(&path);
            result.unwrap();
            assert!(heard == text);
            assert_eq!(progress, stored.len() as u64);
        }
    }

    #[test]
    fn empty_files_are_fine() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        for stored in [vec![], gzip(b""), zstd::encode_all(&b""[..], 1).unwrap()] {
            std::fs::write(&path, stored).unwrap();
            let (heard, _, result) = read(&path);
            result.unwrap();
            assert_eq!(heard, b"");
        }
    }

    #[test]
    fn a_truncated_file_gives_its_events_then_an_error_that_says_where_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gz");
        let text = lines(100_000);
        for packed in [gzip(&text), zstd::encode_all(&text[..], 1).unwrap()] {
            let half = packed.len() / 2;
            std::fs::write(&path, &packed[..half]).unwrap();
            let (heard, _, result) = read(&path);
            let error = result.unwrap_err();
            assert_eq!(error.kind, ReadErrorKind::Truncated);
            assert!(text.starts_with(&heard) && heard.len() > text.len() / 3);
            assert_eq!((error.offset, error.stored_offset), (heard.len() as u64, half as u64));
            let shown = error.to_string();
            for part in ["a.gz: ", "ends early", &error.offset.to_string(), "fetch it again"] {
                assert!(shown.contains(part), "{shown}");
            }
        }
    }

    #[test]
    fn a_damaged_file_gives_what_came_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gz");
        let text = lines(100_000);
        let mut packed = gzip(&text);
        let half = packed.len() / 2;
        packed[half..half + 50].fill(0xff);
        std::fs::write(&path, packed).unwrap();
        let (heard, _, result) = read(&path);
        assert_eq!(result.unwrap_err().kind, ReadErrorKind::Corrupt);
        let whole = &heard[..heard.len() - 100];
        assert!(whole.len() > text.len() / 3);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let error = read(&path).2.unwrap_err();
        assert_eq!(error.kind, ReadErrorKind::Io);
        assert!(error.to_string().contains("/a: No such file"), "{error}");

        std::fs::write(&path, b"PK\x03\x04 and so on").unwrap();
        let error = read(&path).2.unwrap_err();
        assert_eq!(error.kind, ReadErrorKind::Unsupported);
        assert!(error.to_string().contains("unpack or convert it first"), "{error}");
    }

    #[test]
    fn a_licence_beside_the_logs_is_no_log_unless_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("LICENSE");
        let event = "{\"eventVersion\":1}\n";
        for (text, is_log) in
            [("MIT License\n\nPermission", false), (&format!("broken\n {event}"), true), ("", true)]
        {
            std::fs::write(&path, text).unwrap();
            let source = Source::file(path.clone());
            for (source, is_log) in [(source.clone(), true), (source.in_folder(), is_log)] {
                let mut heard = Heard::default();
                source.read(ReadOptions::default(), &mut heard, &mut |_| {}).unwrap();
                assert_eq!(heard.no_events.is_empty(), is_log, "{text}");
                assert_eq!(heard.text.is_empty(), !is_log || text.is_empty(), "{text}");
            }
        }
        assert!(has_json(b"\xef\xbb\xbf[") && has_json(b"x\r\n\t{") && !has_json(b"x {\n"));
    }

    #[test]
    fn a_sink_that_stops_is_obeyed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let text = lines(200_000);
        assert!(text.len() > 2 * FILE_BLOCK);
        std::fs::write(&path, &text).unwrap();
        let mut heard = Heard { stop: true, ..Heard::default() };
        Source::file(path).read(ReadOptions::default(), &mut heard, &mut |_| {}).unwrap();
        assert!(heard.text.len() < text.len());
    }

    /// A pipe: gives its pieces one at a time, and asks before each how much was heard.
    struct Pipe<'a> {
        pieces: Vec<&'a [u8]>,
        heard: &'a Cell<usize>,
        expected: usize,
    }

    impl Read for Pipe<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.pieces.is_empty() {
                return Ok(0);
            }
            assert!(self.heard.get() >= self.expected, "what was given is not handed on");
            let piece = self.pieces.remove(0);
            let given = piece.len().min(out.len());
            out[..given].copy_from_slice(&piece[..given]);
            if given < piece.len() {
                self.pieces.insert(0, &piece[given..]);
            } else {
                self.expected += piece.len();
            }
            Ok(given)
        }
    }

    struct Live<'a>(&'a Cell<usize>);

    impl Sink for Live<'_> {
        fn lines(&mut self, _: Place, chunk: &[u8]) -> ControlFlow<()> {
            self.0.set(self.0.get() + chunk.len());
            ControlFlow::Continue(())
        }
        fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
            self.lines(place, text)
        }
        fn no_events(&mut self, _: Place, _: &'static str) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
        fn bad(&mut self, _: Place, fault: Fault, _: &[u8]) -> ControlFlow<()> {
            panic!("{}", fault.reason)
        }
    }

    #[test]
    fn a_pipe_hands_on_what_there_is_without_waiting() {
        let heard = Cell::new(0);
        let line = b"{\"eventVersion\":\"1.08\"}\n";
        let pipe = Pipe { pieces: vec![&line[..]; 5], heard: &heard, expected: 0 };
        let mut feed = Feed {
            splitter: Splitter::new(Options { max_event: 1 << 20 }),
            sink: &mut Live(&heard),
            progress: &mut |_| {},
            offset: 0,
            stored: Rc::default(),
            may_be_no_log: false,
        };
        feed.read(pipe, true).unwrap();
        assert_eq!(heard.get(), 5 * line.len());
    }
}

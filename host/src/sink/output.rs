//! Alerts to a pipe or a file, as NDJSON or as text from an [`AlertRenderer`].
//!
//! In: alerts as JSON, one at a time. Out: lines, or text. It decides nothing, and it does not know
//! how text for a person looks: the command line hands it an [`AlertRenderer`].

use super::exclusive::refuse_shared;
use super::known::{KnownOutput, OutputDigest, tail_digest};
use super::torn::{EndOfFile, UnknownLines, end_of_file};
use crate::files::{WriteTarget, folder_of, open_stream, write_target};
use crate::observe::place::input_name;
use crate::state::OutputMark;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Makes an alert readable.
#[derive(Debug, Clone, Copy)]
pub struct AlertRenderer {
    /// From an alert's JSON to text; `colour` and `width` are handed to it.
    pub render: fn(json: &str, colour: bool, width: usize) -> String,
    /// Whether to use colours.
    pub colour: bool,
    /// The width of the text in columns.
    pub width: usize,
    /// What a new output begins with: the names of columns.
    pub header: Option<&'static str>,
}

/// How alerts are written.
#[derive(Debug, Clone, Copy)]
pub enum Format {
    /// For a person: a paragraph each, with an empty line behind it.
    Pretty(AlertRenderer),
    /// A line of text each.
    Lines(AlertRenderer),
    /// One JSON document a line.
    Ndjson,
}

impl Format {
    /// What a new output begins with.
    fn header(&self) -> Option<&'static str> {
        match self {
            Self::Pretty(renderer) | Self::Lines(renderer) => renderer.header,
            Self::Ndjson => None,
        }
    }

    /// Whether it is for a person.
    #[must_use]
    pub fn is_pretty(&self) -> bool {
        matches!(self, Self::Pretty(_))
    }
}

/// Why nothing more can be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Whoever read the pipe has gone: the end of the work, and no error to the user.
    #[error("the output was closed")]
    Closed,
    /// Everything else; the text names the file.
    #[error("{0}")]
    Failed(String),
}

/// Where alerts go. What is written may wait in memory until [`Output::flush`].
pub struct Output {
    writer: BufWriter<Box<dyn Write + Send>>,
    name: String,
    format: Format,
    /// What is written to, where it is a regular file.
    file: Option<File>,
    /// Its path, without links.
    path: Option<PathBuf>,
    /// The folder of a file that may be new: it is synced once, so that the file keeps its name.
    folder: Option<PathBuf>,
    /// Something was written since it was synced last.
    unsynced: bool,
    /// The file, to read its end again.
    reader: Option<File>,
    end: EndOfFile,
    /// Of all that is in the file, where it is kept.
    digest: Option<OutputDigest>,
}

impl Output {
    /// A file, emptied first.
    ///
    /// # Errors
    /// [`OutputError::Failed`] where it cannot be made.
    pub fn file(path: &Path, format: Format) -> Result<Self, OutputError> {
        let name = input_name(&path.to_string_lossy());
        // Emptied only once it is known that nobody else writes to it.
        let open = || File::options().write(true).create(true).truncate(false).open(path);
        let file = open().map_err(|e| cannot_be_made(&name, &e))?;
        refuse_shared(&file).map_err(|e| cannot_be_made(&name, &e))?;
        let is_file = |file: &File| file.metadata().is_ok_and(|meta| meta.is_file());
        if is_file(&file) {
            file.set_len(0).map_err(|e| cannot_be_made(&name, &e))?;
        }
        let end = EndOfFile::default();
        Self::on_file(file, path, format, true, end).map_err(|e| cannot_be_made(&name, &e))
    }

    /// A file, written behind what it holds. A last line that a crash cut short is never continued:
    /// see [`Output::mended`]. `known` is how the file was when its state was committed last, `unknown` what
    /// becomes of whole lines behind it.
    ///
    /// # Errors
    /// [`OutputError::Failed`] where it cannot be opened.
    pub fn append(
        path: &Path,
        format: Format,
        known: Option<KnownOutput<'_>>,
        unknown: UnknownLines,
    ) -> Result<Self, OutputError> {
        let name = input_name(&path.to_string_lossy());
        let open = || {
            // A pipe has no end to look at, and one who reads it would keep it open for itself.
            if let WriteTarget::Stream = write_target(path)? {
                return Self::on_file(open_stream(path)?, path, format, true, EndOfFile::default());
            }
            let file = File::options().read(true).append(true).create(true).open(path)?;
            refuse_shared(&file)?;
            let is_json = matches!(format, Format::Ndjson);
            let end = end_of_file(&file, path, is_json, known, unknown)?;
            // Names of columns stand at the beginning of a file alone.
            let is_new = file.metadata()?.len() == 0;
            Self::on_file(file, path, format, is_new, end)
        };
        open().map_err(|e: io::Error| cannot_be_made(&name, &e))
    }

    /// The same, with a digest of all that is in the file in its marks. What no state has a digest of is read
    /// once.
    ///
    /// # Errors
    /// [`OutputError::Failed`] where the file cannot be read.
    pub fn with_digest(mut self) -> Result<Self, OutputError> {
        // The names of columns.
        self.flush()?;
        if let Some(reader) = &self.reader {
            let mut digest = self.end.digest.take().unwrap_or_default();
            let length = reader.metadata().map(|meta| meta.len());
            if let Err(e) = length.and_then(|length| digest.read_to(reader, length)) {
                return Err(OutputError::Failed(format!("{}: cannot be read: {e}", self.name)));
            }
            self.digest = Some(digest);
        }
        Ok(self)
    }

    fn on_file(
        file: File,
        path: &Path,
        format: Format,
        is_new: bool,
        end: EndOfFile,
    ) -> io::Result<Self> {
        let name = input_name(&path.to_string_lossy());
        let regular = if file.metadata()?.is_file() { Some(file.try_clone()?) } else { None };
        let path = if regular.is_some() { Some(path.canonicalize()?) } else { None };
        let folder = path.as_deref().map(|path| folder_of(path).to_path_buf());
        // Who may only write to it has a mark without its last bytes.
        let reader = path.as_deref().and_then(|path| File::open(path).ok());
        let begun = Self::begun(Box::new(file), &name, format, is_new);
        Ok(Self { file: regular, path, folder, reader, end, ..begun })
    }

    /// Standard output, through this writer; `file` is what it leads to.
    #[must_use]
    pub fn standard(writer: Box<dyn Write + Send>, file: Option<File>, format: Format) -> Self {
        let is_regular = |file: &File| file.metadata().is_ok_and(|meta| meta.is_file());
        Self { file: file.filter(is_regular), ..Self::new(writer, "standard output", format) }
    }

    /// A writer; `name` stands for it in errors.
    #[must_use]
    pub fn new(writer: Box<dyn Write + Send>, name: &str, format: Format) -> Self {
        Self::begun(writer, name, format, true)
    }

    fn begun(writer: Box<dyn Write + Send>, name: &str, format: Format, is_new: bool) -> Self {
        let writer = BufWriter::with_capacity(64 << 10, writer);
        let mut output = Self {
            writer,
            name: name.to_owned(),
            format,
            file: None,
            path: None,
            folder: None,
            unsynced: true,
            reader: None,
            end: EndOfFile::default(),
            digest: None,
        };
        if let Some(header) = format.header().filter(|_| is_new) {
            // It waits in memory: the first flush says if it cannot be written.
            let _ = output.line(header);
        }
        output
    }

    /// Writes an alert. Pretty text is flushed, so that it is on the terminal when this
    /// returns.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn alert(&mut self, json: &str) -> Result<(), OutputError> {
        match self.format {
            Format::Ndjson => self.line(&one_line(json)),
            Format::Lines(AlertRenderer { render, colour, width, .. }) => {
                self.line(&render(json, colour, width))
            }
            Format::Pretty(AlertRenderer { render, colour, width, .. }) => {
                let text = render(json, colour, width);
                self.line(&text)?;
                self.flush()
            }
        }
    }

    /// Writes a line of text, as it is.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn line(&mut self, text: &str) -> Result<(), OutputError> {
        self.bytes(text.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Writes bytes, as they are.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        self.unsynced = true;
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        self.writer.write_all(bytes).map_err(|e| self.fault(&e))
    }

    /// Hands on what waits.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.writer.flush().map_err(|e| self.fault(&e))
    }

    /// Has what was written on the disk, with the file's name, where it is a file.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn sync(&mut self) -> Result<(), OutputError> {
        self.flush()?;
        if !self.unsynced {
            return Ok(());
        }
        let sync = || -> io::Result<()> {
            if let Some(file) = &self.file {
                file.sync_data()?;
            }
            self.folder.as_ref().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        match sync() {
            // Some file systems know no such call.
            Err(e)
                if !matches!(
                    e.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                ) =>
            {
                return Err(self.fault(&e));
            }
            _ => {}
        }
        self.folder = None;
        self.unsynced = false;
        Ok(())
    }

    /// How long the file is, as far as it was flushed.
    #[must_use]
    pub fn mark(&self) -> Option<OutputMark> {
        let meta = self.file.as_ref()?.metadata().ok()?;
        let path = self.path.as_ref()?.to_string_lossy().into_owned();
        let (inode, length) = (meta.ino(), meta.len());
        let is_same = |file: &&File| file.metadata().is_ok_and(|meta| meta.ino() == inode);
        let reader = self.reader.as_ref().filter(is_same);
        let tail = reader.and_then(|file| tail_digest(file, length).ok());
        let whole = self.digest.as_ref().and_then(|digest| digest.of_whole(&meta));
        Some(OutputMark { path, inode, length, tail, whole, open: true })
    }

    /// What was done to the end of a file that is appended to: a sentence for the user.
    #[must_use]
    pub fn mended(&self) -> Option<&str> {
        self.end.told.as_deref()
    }

    fn fault(&self, error: &io::Error) -> OutputError {
        let name = &self.name;
        match error.kind() {
            io::ErrorKind::BrokenPipe => OutputError::Closed,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                OutputError::Failed(format!(
                    "{name}: the disk is full; its last line may be cut short, make room and run \
                     again"
                ))
            }
            _ => OutputError::Failed(format!("{name}: cannot be written: {error}")),
        }
    }
}

fn cannot_be_made(name: &str, error: &io::Error) -> OutputError {
    OutputError::Failed(format!("{name}: cannot be written: {error}; use another path"))
}

/// A line break in JSON is only ever white space, but in NDJSON it would end the document.
fn one_line(json: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'\n', b'\r', json.as_bytes()).is_some() {
        Cow::Owned(json.replace(['\n', '\r'], " "))
    } else {
        Cow::Borrowed(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn ndjson_is_one_document_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts");
        std::fs::write(&path, "of an earlier run, and longer than what is written now").unwrap();
        let mut out = Output::file(&path, Format::Ndjson).unwrap();
        out.alert(r#"{"a":1}"#).unwrap();
        out.alert("{\n\"a\":\r\n2}").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "", "nothing is written by halves");
        out.flush().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{ \"a\":  2}\n");
    }

    #[test]
    fn what_is_appended_stands_on_lines_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts");
        for (before, after) in
            [("", "{}\n"), ("a\n", "a\n{}\n"), ("{\"cut\":1}", "{\"cut\":1}\n{}\n")]
        {
            std::fs::write(&path, before).unwrap();
            let mut out = Output::append(&path, Format::Ndjson, None, UnknownLines::Move).unwrap();
            out.alert("{}").unwrap();
            drop(out);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
        std::fs::remove_file(&path).unwrap();
        drop(Output::append(&path, Format::Ndjson, None, UnknownLines::Move).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        let error = Output::append(folder.path(), Format::Ndjson, None, UnknownLines::Move)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("cannot be written"), "{error}");
    }

    /// Opened for reading as well, the pipe would never be closed to its writer.
    #[test]
    fn a_pipe_that_is_appended_to_ends_with_its_reader() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let reader = path.clone();
        let reader = std::thread::spawn(move || {
            let mut first = [0; 3];
            File::open(reader).unwrap().read_exact(&mut first).unwrap();
            first
        });
        let mut out = Output::append(&path, Format::Ndjson, None, UnknownLines::Move).unwrap();
        out.alert("{}").unwrap();
        out.flush().unwrap();
        assert_eq!(&reader.join().unwrap(), b"{}\n");
        out.alert("{}").unwrap();
        assert!(matches!(out.flush(), Err(OutputError::Closed)));
    }

    #[test]
    fn a_renderer_makes_the_text_and_it_is_out_at_once() {
        let (mut reader, writer) = io::pipe().unwrap();
        let render = |json: &str, colour: bool, width: usize| format!("{json} {colour} {width}\n");
        let renderer = AlertRenderer { render, colour: true, width: 72, header: None };
        let mut out = Output::new(Box::new(writer), "pipe", Format::Pretty(renderer));
        out.alert("{}").unwrap();
        let mut text = [0; 12];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"{} true 72\n\n");
    }

    #[test]
    fn names_of_columns_stand_at_the_beginning_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts");
        let render = |json: &str, _: bool, _: usize| json.to_owned();
        let header = Some("names");
        let format = Format::Lines(AlertRenderer { render, colour: false, width: 80, header });
        let append = |path: &Path, format| Output::append(path, format, None, UnknownLines::Move);
        for open in [append, append, Output::file, append] {
            open(&path, format).unwrap().alert("row").unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "names\nrow\nrow\n");
    }

    #[test]
    fn a_closed_pipe_is_told_apart() {
        let (reader, writer) = io::pipe().unwrap();
        let mut out = Output::new(Box::new(writer), "pipe", Format::Ndjson);
        drop(reader);
        out.alert("{}").unwrap();
        assert!(matches!(out.flush(), Err(OutputError::Closed)));
    }

    #[test]
    fn a_full_disk_names_the_file() {
        let mut out = Output::file(Path::new("/dev/full"), Format::Ndjson).unwrap();
        out.alert("{}").unwrap();
        let error = out.flush().unwrap_err().to_string();
        assert!(error.starts_with("/dev/full: the disk is full"), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_made_is_named() {
        let error = Output::file(Path::new("/no/such/folder"), Format::Ndjson).err().unwrap();
        assert!(error.to_string().starts_with("/no/such/folder: cannot be written"), "{error}");
    }
}

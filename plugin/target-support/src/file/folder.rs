//! The folder of a state: numbered files, of which the highest is owned by who began it.
//!
//! In: a folder's name, a memory. Out: files, or faults that say what to do. A file is only ever
//! created anew and appended to by who created it; it is deleted when a later one holds all of it.

use super::frame::{self, FrameEntry, FramePosition, FrameRead, HEADER};
use super::outbox::Outbox;
use crate::memory::BoundedMemory;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

const BEFORE: &str = "firstseen.";
const AFTER: &str = ".log";
/// A snapshot is written in frames of about so many bytes.
const SNAPSHOT_FRAME: usize = 64 << 10;
/// How often it begins again when another instance begins in the same moment.
const MAX_TRIES: u8 = 4;

/// Why something was not written: `code: reason`.
#[derive(Debug)]
pub(super) enum FolderError {
    /// It may be put right while this instance runs.
    Passing(String),
    /// It stays so until the next start.
    Final(String),
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passing(text) | Self::Final(text) => f.write_str(text),
        }
    }
}

/// A folder with the files of one state.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// The file that commits are appended to.
#[derive(Debug)]
pub(super) struct Generation {
    number: u64,
    file: File,
    length: u64,
    snapshot: u64,
}

impl Generation {
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    #[cfg(test)]
    pub(super) fn replace_file(&mut self, file: File) {
        self.file = file;
    }

    /// Whether a snapshot would save much of it.
    pub(super) const fn is_long(&self, least: u64, growth: u64) -> bool {
        self.length > least && self.length > self.snapshot.saturating_mul(growth)
    }
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Reads all files into the memory and begins the next one. Every failure is for good: an
    /// instance that does not know what was written before must not write over it later.
    pub(super) fn open(
        &self,
        memory: &mut BoundedMemory,
        outbox: &mut Outbox,
        notes: &mut Vec<String>,
    ) -> Result<Generation, String> {
        let fault = |action: &str, path: &Path, error: &io::Error| say(action, path, error);
        fs::create_dir_all(&self.path).map_err(|e| fault("make", &self.path, &e))?;
        for _ in 0..MAX_TRIES {
            let numbers = self.numbers().map_err(|e| fault("list", &self.path, &e))?;
            let mut damaged = Vec::new();
            for number in &numbers {
                if let Some(bytes) = self.read(*number, memory, outbox)? {
                    damaged.push((*number, bytes));
                }
            }
            let next = numbers.last().map_or(1, |last| last.saturating_add(1));
            match self.begin(next, memory, outbox) {
                Ok(generation) => {
                    notes.extend(damaged.iter().map(|(number, of)| self.set_aside(*number, *of)));
                    self.delete(&numbers);
                    return Ok(generation);
                }
                // Another instance was faster, and its file has to be read, too.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(fault("write", &self.file(next), &error)),
            }
        }
        Err(taken(&self.path))
    }

    /// Begins the next file, with all that the memory holds; `owned` is the number of the file
    /// that this instance appended to, if it could still.
    pub(super) fn roll(
        &self,
        owned: Option<u64>,
        memory: &BoundedMemory,
        outbox: &Outbox,
    ) -> Result<Generation, FolderError> {
        let listed = self.numbers().map_err(|e| self.passing("list", &self.path, &e))?;
        let last = listed.last().copied().unwrap_or(0);
        if owned.is_some_and(|owned| owned != last) {
            return Err(FolderError::Final(taken(&self.path)));
        }
        let next = last.saturating_add(1);
        match self.begin(next, memory, outbox) {
            Ok(generation) => {
                self.delete(&listed);
                Ok(generation)
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                Err(FolderError::Final(taken(&self.path)))
            }
            Err(e) => Err(self.passing("write", &self.file(next), &e)),
        }
    }

    /// Appends the present values of keys and what is new of the outbox, all or nothing.
    pub(super) fn append(
        &self,
        to: &mut Generation,
        memory: &BoundedMemory,
        keys: &[Box<[u8]>],
        outbox: &Outbox,
    ) -> Result<(), FolderError> {
        let path = self.file(to.number);
        let later = self.file(to.number.saturating_add(1));
        let exists = |path: &Path| path.try_exists().map_err(|e| self.passing("look at", path, &e));
        if exists(&later)? || !exists(&path)? {
            return Err(FolderError::Final(taken(&self.path)));
        }
        let mut entries = Vec::new();
        if outbox.has_left() {
            frame::push_first(outbox.rows(false).0, &mut entries);
        }
        for (number, text) in outbox.rows(false).1 {
            frame::push_alert(number, text, &mut entries);
        }
        for key in keys {
            if let Some(value) = memory.value(key) {
                frame::push_sighting(key, value, &mut entries);
            }
        }
        let place = FramePosition { number: to.number, offset: to.length };
        let bytes = frame::framed(place, &entries);
        to.file.write_all(&bytes).map_err(|e| self.passing("write", &path, &e))?;
        to.length = to.length.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn file(&self, number: u64) -> PathBuf {
        self.path.join(format!("{BEFORE}{number}{AFTER}"))
    }

    /// The numbers of the files, ascending.
    fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(BEFORE));
            let number = number.and_then(|name| name.strip_suffix(AFTER));
            numbers.extend(number.and_then(|digits| digits.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Reads one file into the memory. What is damaged in it: so many bytes of so many.
    fn read(
        &self,
        number: u64,
        memory: &mut BoundedMemory,
        outbox: &mut Outbox,
    ) -> Result<Option<(u64, u64)>, String> {
        let path = self.file(number);
        let file = match File::open(&path) {
            Ok(file) => file,
            // The instance that begins beside this one has deleted it: a later file holds it.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(say("read", &path, &error)),
        };
        let length = file.metadata().map_err(|e| say("read", &path, &e))?.len();
        let each = |entry: FrameEntry<'_>| match entry {
            FrameEntry::Sighting(key, value) => memory.put(key, value),
            FrameEntry::Alert(number, text) => outbox.read(number, text),
            FrameEntry::First(number) => outbox.read_first(number),
        };
        let found = frame::read(number, length, BufReader::new(file), each);
        match found.map_err(|e| say("read", &path, &e))? {
            FrameRead::Newer => Err(format!(
                "state_file: {} was written by a newer firstseen: build the rule with that \
                 version, or take another folder; the state is in memory alone",
                path.display()
            )),
            FrameRead::Good { damaged } => Ok((damaged > 0).then_some((damaged, length))),
        }
    }

    /// Keeps a damaged file for a person to look at; the note on it.
    fn set_aside(&self, number: u64, (left, length): (u64, u64)) -> String {
        let path = self.file(number);
        let aside = path.with_extension("log.damaged");
        let kept = fs::rename(&path, &aside).map_or(path, |()| aside);
        format!(
            "state_file: {left} of {length} bytes are damaged and were left out; the file is kept \
             as {}; terms that stood there alert again",
            kept.display()
        )
    }

    /// A new file with all that the memory holds, on the disk.
    fn begin(
        &self,
        number: u64,
        memory: &BoundedMemory,
        outbox: &Outbox,
    ) -> io::Result<Generation> {
        let path = self.file(number);
        let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        match fill(file, number, memory, outbox) {
            Ok(generation) => {
                // So that the name outlives a loss of power, where folders can be synced.
                let _ = File::open(&self.path).and_then(|folder| folder.sync_all());
                Ok(generation)
            }
            Err(error) => {
                // It would be read as the beginning of a snapshot, which is harmless.
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Deletes files that a later one holds. What cannot be deleted is read again, to no harm.
    fn delete(&self, numbers: &[u64]) {
        for number in numbers {
            let _ = fs::remove_file(self.file(*number));
        }
    }

    fn passing(&self, action: &str, path: &Path, error: &io::Error) -> FolderError {
        FolderError::Passing(say(action, path, error))
    }
}

fn fill(
    file: File,
    number: u64,
    memory: &BoundedMemory,
    outbox: &Outbox,
) -> io::Result<Generation> {
    let mut out = BufWriter::with_capacity(1 << 16, file);
    out.write_all(HEADER)?;
    let mut length = HEADER.len() as u64;
    let mut entries = Vec::new();
    let mut flush = |entries: &mut Vec<u8>, least: usize| {
        if entries.len() > least {
            let bytes = frame::framed(FramePosition { number, offset: length }, entries);
            out.write_all(&bytes)?;
            length = length.saturating_add(bytes.len() as u64);
            entries.clear();
        }
        io::Result::Ok(())
    };
    let (first, rows) = outbox.rows(true);
    if first > 0 {
        frame::push_first(first, &mut entries);
    }
    for (number, text) in rows {
        frame::push_alert(number, text, &mut entries);
        flush(&mut entries, SNAPSHOT_FRAME)?;
    }
    for (key, value) in memory.iter() {
        frame::push_sighting(key, value, &mut entries);
        flush(&mut entries, SNAPSHOT_FRAME)?;
    }
    flush(&mut entries, 0)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(Generation { number, file, length, snapshot: length })
}

fn taken(path: &Path) -> String {
    format!(
        "state_taken: another instance took over the state in {}; this one goes on in memory: \
         give each filter a folder of its own and start again",
        path.display()
    )
}

fn say(action: &str, path: &Path, error: &io::Error) -> String {
    let advice = match error.kind() {
        ErrorKind::NotFound => {
            "let the folder be seen from inside: accessible_paths in Fluent Bit, --dir in a runtime"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "let the pipeline write there, and let the folder be seen from inside"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "make room: it is tried again by itself"
        }
        _ => "put it right and start again",
    };
    format!(
        "state_file: cannot {action} {} ({error}); the state is in memory alone; {advice}",
        path.display()
    )
}

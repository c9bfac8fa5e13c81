//! Which files a resumed run reads: those of the batch that it is in, and what no batch has read.
//!
//! In: the inputs as they are found, positions as the state has them. Out: exact pieces of files; positions of
//! files that are gone, which are kept for as long as the state remembers terms. It reads the edges of files
//! alone, and their lines where no run counted them.

use super::edges::{begins_so, content_begins_with, edges};
use crate::cli::follow::LogFamily;
use crate::files::shown;
use crate::pipeline::resume::line_ends_to;
use crate::sink::last_piece;
use crate::source::{self, Input, InputKind};
use crate::state::RecordedInput;
use crate::terminal::formats::{counted, number};
use crate::terminal::message;
use anyhow::{Context, bail};
use serde::de::IgnoredAny;
use std::collections::{HashMap, HashSet};
use std::fs::{DirEntry, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A file, by its device and its number there.
pub(in crate::cli) type FileNumber = (u64, u64);

/// An input that a batch needs cannot be read, or not as it was: nothing was decided of the batch.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(in crate::cli) struct InputGone {
    text: String,
    /// The name of the input, where that is gone or changed.
    pub(super) changed: Option<String>,
}

impl InputGone {
    /// Because of this fault of an input.
    pub(super) fn of(error: &anyhow::Error) -> Self {
        Self { text: format!("{error:#}"), changed: None }
    }
}

/// What is to be read next.
#[derive(Default)]
pub(super) struct NextInputs {
    /// New files, and what was added to others.
    pub next: Vec<RecordedInput>,
    /// The files that were found and have a position.
    pub found: HashSet<FileNumber>,
    /// Those of the positions whose files were found as they were read.
    pub same: HashSet<FileNumber>,
    /// Positions of files that hold nothing to read: nothing at all, or what was read of another one, or under another
    /// name.
    pub passed: Vec<RecordedInput>,
}

/// The files that a run may read.
#[derive(Clone, Copy)]
pub(in crate::cli) struct FoundFiles<'f> {
    /// Those that may hold something new.
    pub inputs: &'f [Input],
    /// Others that are there, and hold nothing new.
    pub present: &'f HashSet<FileNumber>,
    /// Which of them belong to a log that is followed by its name.
    pub families: &'f HashMap<FileNumber, Rc<LogFamily>>,
    /// The logs that are followed by their names.
    pub logs: &'f [Rc<LogFamily>],
    /// Packed files that changed a moment ago, and are read later.
    pub unsettled: &'f HashSet<FileNumber>,
}

/// The inputs of the batch that was begun, as far as it reads them. One that was renamed is looked for among those that
/// are found, and where the run `follows` also beside the path that it had.
pub(super) fn same_inputs(
    begun: &[RecordedInput],
    found: &[Input],
    follows: bool,
) -> anyhow::Result<Vec<Input>> {
    let mut by_file: Option<HashMap<FileNumber, PathBuf>> = None;
    let mut inputs = Vec::new();
    for record in begun {
        let path = PathBuf::from(&record.path);
        if let Some(number) = is_same(record, &path) {
            inputs.push(as_input(record).of_file(number));
            continue;
        }
        // It may have been renamed.
        let by_file = by_file.get_or_insert_with(|| files(found));
        let renamed = by_file.get(&file_of(record)).cloned();
        let renamed = renamed.or_else(|| follows.then(|| beside(&path, file_of(record))).flatten());
        let same = renamed.and_then(|path| Some((is_same(record, &path)?, path)));
        let Some((number, path)) = same else {
            let text = format!(
                "{}: it is missing or changed, and a batch that was begun needs its first {} bytes as \
                 they were: restore it, or give --restart-batch to start over with the inputs as they are",
                shown(&PathBuf::from(&record.name)),
                number(record.length)
            );
            bail!(InputGone { text, changed: Some(record.name.clone()) });
        };
        let path = path.to_string_lossy().into_owned();
        inputs.push(as_input(&RecordedInput { path, ..record.clone() }).of_file(number));
    }
    Ok(inputs)
}

/// Positions, by what they are looked for.
struct Positions<'r> {
    all: &'r [RecordedInput],
    by_path: HashMap<&'r str, Vec<&'r RecordedInput>>,
    by_file: HashMap<FileNumber, &'r RecordedInput>,
}

/// A file that may hold something new.
struct LookedFile {
    file: File,
    number: FileNumber,
    length: u64,
    /// Without links.
    path: String,
    is_plain: bool,
}

impl LookedFile {
    fn open(path: &Path) -> anyhow::Result<Self> {
        // What cannot be read is said when it is.
        let Ok(file) = File::open(path) else {
            let text = format!("{}: it cannot be opened, so no batch was begun", shown(path));
            bail!(InputGone { text, changed: None });
        };
        let meta = file.metadata().with_context(|| shown(path))?;
        let path = path.canonicalize().with_context(|| shown(path))?;
        let path = path.to_string_lossy().into_owned();
        let (number, is_plain) = ((meta.dev(), meta.ino()), source::is_plain(&file));
        Ok(Self { file, number, length: meta.len(), path, is_plain })
    }

    fn begins_so(&self, record: &RecordedInput) -> bool {
        begins_so(record, &self.file, self.length)
    }
}

impl<'r> Positions<'r> {
    fn new(all: &'r [RecordedInput]) -> Self {
        let mut by_path: HashMap<_, Vec<_>> = HashMap::new();
        all.iter().for_each(|one| by_path.entry(one.path.as_str()).or_default().push(one));
        Self { all, by_path, by_file: all.iter().map(|one| (file_of(one), one)).collect() }
    }

    /// The position of a file. Renamed, copied or restored: what is in it tells.
    fn of(&self, file: &LookedFile) -> Option<&'r RecordedInput> {
        let by_path = self.by_path.get(file.path.as_str()).into_iter().flatten();
        let mut candidates = self.by_file.get(&file.number).into_iter().chain(by_path).copied();
        candidates.find(|record| file.begins_so(record))
    }

    /// What was read of another file of the log, where that was copied, or packed, by rotation; of a packed one only
    /// if it holds nothing more: what is in the middle of packed data cannot be read alone.
    fn of_copy(&self, file: &LookedFile, family: &LogFamily) -> Option<&'r RecordedInput> {
        let read = self.all.iter().filter(|one| one.length > 0);
        let read: Vec<_> = read.filter(|one| family.has(Path::new(&one.path))).collect();
        if file.is_plain {
            let same = read.into_iter().filter(|record| file.begins_so(record));
            return same.max_by_key(|record| record.length);
        }
        let content = source::packed_content(file.file.try_clone().ok()?).ok()??;
        let (record, is_over) = content_begins_with(content, &read)?;
        is_over.then_some(record)
    }
}

/// What no batch has read: new files, and what was added to others.
/// `tells` whether a last line that is not whole is worth a message: it is looked at again soon where files are followed.
pub(super) fn next_inputs(
    read: &[RecordedInput],
    found: FoundFiles<'_>,
    tells: bool,
) -> anyhow::Result<NextInputs> {
    let positions = Positions::new(read);
    let mut inputs = NextInputs::default();
    for input in found.inputs {
        let InputKind::File(path) = input.kind() else { continue };
        let looked = match LookedFile::open(path) {
            // Gone since it was found: the next look finds it under its new name, or what has its name then.
            Err(_) if !tells && !path.exists() => continue,
            looked => looked?,
        };
        let LookedFile { file, number, is_plain, .. } = &looked;
        let (is_plain, path) = (*is_plain, looked.path.clone());
        let family = found.families.get(number);
        let by_number = positions.by_file.get(number);
        // Nothing is missing of one that held nothing, and the number of one that is gone is given to another.
        let is_cut =
            by_number.is_some_and(|record| record.length > 0 && record.missing_since_ms.is_none());
        let known = positions.of(&looked);
        let copied = family.filter(|_| known.is_none_or(|record| record.length == 0));
        let copied = copied.and_then(|family| positions.of_copy(&looked, family));
        let known = known.filter(|_| copied.is_none());
        inputs.found.insert(*number);
        inputs.found.extend(known.map(file_of));
        inputs.same.extend(known.or(copied).map(file_of));
        let rotated_after_ns = match (family, known.or(copied)) {
            (Some(family), _) => Some(family.after_ns),
            (None, known) => known.and_then(|known| known.rotated_after_ns),
        };
        let whole = RecordedInput {
            name: input.name.to_string(),
            device: number.0,
            inode: number.1,
            in_folder: input.is_in_folder(),
            rotated_after_ns,
            ..RecordedInput::default()
        };
        if !tells && known.is_none() && looked.length == 0 {
            let edges = edges(file, 0).with_context(|| path.clone())?;
            inputs.passed.push(RecordedInput { path, edges, lines: Some(0), ..whole });
            continue;
        }
        let is_all_read = |record: &RecordedInput| record.length == looked.length;
        let start = match (known, copied) {
            (Some(record), _) if is_all_read(record) => {
                let is_named_new = family.is_some() && record.rotated_after_ns.is_none();
                let is_moved =
                    record.path != path && file_of(record) == *number && rotated_after_ns.is_some();
                let is_moved = !tells && is_moved && !record.renamed;
                if is_named_new || is_moved {
                    let renamed = record.renamed || is_moved;
                    let (record, missing_since_ms) = (record.clone(), None);
                    inputs.passed.push(RecordedInput {
                        rotated_after_ns,
                        missing_since_ms,
                        renamed,
                        ..record
                    });
                }
                continue;
            }
            (None, Some(record)) if !is_plain || is_all_read(record) => {
                let edges = edges(file, looked.length).with_context(|| path.clone())?;
                let lines = record.lines.filter(|_| is_plain);
                let length = looked.length;
                inputs.passed.push(RecordedInput { path, edges, length, lines, ..whole });
                continue;
            }
            (Some(record), _) | (None, Some(record)) if is_plain => record.length,
            _ => 0,
        };
        // Of a log that is followed by its name it is said where nothing goes on from there: see `lost`.
        if start == 0 && is_cut && family.is_none() {
            message::warning(&format!(
                "{}: it is not what was read before, and is read from its beginning",
                shown(&PathBuf::from(&path))
            ));
        }
        let length =
            if is_plain { whole_length(file, start, looked.length)? } else { looked.length };
        if tells && length < looked.length {
            message::warning(&format!(
                "{}: its last line is not whole; its {} left for the next run",
                shown(&PathBuf::from(&path)),
                counted(looked.length - length, "byte is", "bytes are")
            ));
        }
        // An empty file is no input of a batch twice.
        if length <= start && looked.length > 0 {
            continue;
        }
        let known = known.or(copied).filter(|_| start > 0);
        let start_line = match known.and_then(|known| known.lines) {
            Some(lines) => lines,
            None => line_ends_to(file, start).with_context(|| path.clone())?,
        };
        let edges = edges(file, length).with_context(|| path.clone())?;
        inputs.next.push(RecordedInput { edges, path, start, start_line, length, ..whole });
    }
    Ok(inputs)
}

pub(super) fn file_of(record: &RecordedInput) -> FileNumber {
    (record.device, record.inode)
}

/// What a batch reads of an input; of the file that was looked at, whatever has its name when it is opened.
pub(super) fn as_input(record: &RecordedInput) -> Input {
    let RecordedInput { path, name, start, start_line, length, in_folder, .. } = record;
    let input = Input::piece(PathBuf::from(path), name, (*start, *length), *start_line, *in_folder);
    input.of_file(file_of(record))
}

/// The files that are found, by device and number.
fn files(found: &[Input]) -> HashMap<FileNumber, PathBuf> {
    let file = |input: &Input| match input.kind() {
        InputKind::File(path) => {
            let meta = path.metadata().ok()?;
            Some(((meta.dev(), meta.ino()), path.canonicalize().ok()?))
        }
        InputKind::Stdin => None,
    };
    found.iter().filter_map(file).collect()
}

/// The file with this number in the folder that a path is in.
fn beside(path: &Path, number: FileNumber) -> Option<PathBuf> {
    let entries = std::fs::read_dir(path.parent()?).ok()?;
    let is_it = |entry: &DirEntry| {
        entry.metadata().is_ok_and(|meta| meta.is_file() && (meta.dev(), meta.ino()) == number)
    };
    entries.flatten().find(is_it).map(|entry| entry.path())
}

/// The number of a file, if it begins with what was recorded.
fn is_same(record: &RecordedInput, path: &Path) -> Option<FileNumber> {
    let file = File::open(path).ok()?;
    let meta = file.metadata().ok()?;
    let is_same = meta.is_file() && begins_so(record, &file, meta.len());
    is_same.then(|| (meta.dev(), meta.ino()))
}

/// Up to where a plain file has whole lines: whoever writes it may be in the middle of one. What does not
/// begin as an event does is a document over several lines, and is taken as it is.
fn whole_length(file: &File, start: u64, length: u64) -> anyhow::Result<u64> {
    let mut last = [0];
    if length <= start || file.read_at(&mut last, length - 1)? == 0 || last == *b"\n" {
        return Ok(length);
    }
    let piece = last_piece(file, length)?;
    let begin = (length - piece.len() as u64).max(start);
    let piece = piece.get(piece.len() - (length - begin) as usize..).unwrap_or_default();
    let is_cut = piece.trim_ascii_start().first() == Some(&b'{')
        && serde_json::from_slice::<IgnoredAny>(piece).is_err();
    Ok(if is_cut { begin } else { length })
}

/// What changes of positions whose inputs come and go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KeptPositions {
    /// Not found for the first time, or found again.
    pub changed: Vec<RecordedInput>,
    /// Not found for longer than the state remembers terms.
    pub gone: Vec<RecordedInput>,
}

/// Which positions to keep. One goes when its input was not found for as long as the state keeps a term that
/// is not seen any more: by then what the input held is forgotten too, and the position saves no alert.
pub(super) fn kept_positions(
    read: &[RecordedInput],
    found: &HashSet<FileNumber>,
    now_ms: i64,
    memory_ms: i64,
) -> KeptPositions {
    let mut positions = KeptPositions::default();
    for record in read {
        let is_found = found.contains(&file_of(record));
        let since = match (is_found, record.missing_since_ms) {
            (true, None) => continue,
            (true, Some(_)) => None,
            // By a clock that was wrong.
            (false, Some(since)) if since <= now_ms => {
                if now_ms.saturating_sub(since) > memory_ms {
                    positions.gone.push(record.clone());
                }
                continue;
            }
            (false, _) => Some(now_ms),
        };
        positions.changed.push(RecordedInput { missing_since_ms: since, ..record.clone() });
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_being_written_is_left_for_the_next_batch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for (text, whole) in [
            ("{}\n{}\n", 6),
            ("{}\n{}", 5),
            ("{}\n{\"a\":", 3),
            ("{\"a\":", 0),
            ("[\n{}\n]", 6),
            ("{\n\"a\":1}", 8),
            ("", 0),
        ] {
            std::fs::write(&path, text).unwrap();
            let file = File::open(&path).unwrap();
            assert_eq!(whole_length(&file, 0, text.len() as u64).unwrap(), whole, "{text}");
        }
    }

    #[test]
    fn a_position_goes_when_its_input_was_gone_for_as_long_as_the_memory() {
        let record = |inode, missing_since_ms| RecordedInput {
            device: 1,
            inode,
            missing_since_ms,
            ..RecordedInput::default()
        };
        let found = HashSet::from([(1, 1), (1, 2)]);
        let read = [
            record(1, None),
            record(2, Some(5)),
            record(3, None),
            record(4, Some(1000 - 100)),
            record(5, Some(1000 - 101)),
            record(6, Some(2000)),
        ];
        let kept = kept_positions(&read, &found, 1000, 100);
        let changed = vec![record(2, None), record(3, Some(1000)), record(6, Some(1000))];
        assert_eq!(kept, KeptPositions { changed, gone: vec![record(5, Some(899))] });
        let none = kept_positions(&kept.changed, &HashSet::from([(1, 2)]), 1001, 100);
        assert_eq!(none, KeptPositions::default());
    }
}

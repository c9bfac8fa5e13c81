//! Which files a resumed run reads: those of the batch that it is in, and what no batch has read.
//!
//! In: the inputs as they are found, positions as the state has them. Out: exact pieces of files; positions of
//! files that are gone, which are kept for as long as the state remembers terms. It reads the edges of files
//! alone, and their lines where no run counted them.

use crate::files::shown;
use crate::pipeline::resume::line_ends_to;
use crate::sink::last_piece;
use crate::source::{Input, InputKind};
use crate::state::{RecordedInput, digest_text};
use crate::terminal::formats::{counted, number};
use crate::terminal::message;
use anyhow::{Context, bail};
use serde::de::IgnoredAny;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

/// How much at each end of a file its digest covers.
const EDGE: u64 = 64 << 10;

/// A file, by its device and its number there.
pub(in crate::cli) type FileNumber = (u64, u64);

/// An input that a batch needs cannot be read, or not as it was: nothing was decided of the batch.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(in crate::cli) struct InputGone(String);

impl InputGone {
    /// Because of this fault of an input.
    pub(super) fn of(error: &anyhow::Error) -> Self {
        Self(format!("{error:#}"))
    }
}

/// What is to be read next.
pub(super) struct NextInputs {
    /// New files, and what was added to others.
    pub next: Vec<RecordedInput>,
    /// The files that were found and have a position.
    pub found: HashSet<FileNumber>,
}

/// The inputs of the batch that was begun, as far as it reads them.
pub(super) fn same_inputs(begun: &[RecordedInput], found: &[Input]) -> anyhow::Result<Vec<Input>> {
    let mut by_file: Option<HashMap<(u64, u64), PathBuf>> = None;
    let mut inputs = Vec::new();
    for record in begun {
        if is_same(record, &PathBuf::from(&record.path)) {
            inputs.push(as_input(record));
            continue;
        }
        // It may have been renamed.
        let by_file = by_file.get_or_insert_with(|| files(found));
        let path = by_file.get(&(record.device, record.inode));
        let Some(path) = path.filter(|path| is_same(record, path)) else {
            bail!(InputGone(format!(
                "{}: it is missing or changed, and a batch that was begun needs its first {} bytes as \
                 they were: restore it, or give --restart-batch to start over with the inputs as they are",
                shown(&PathBuf::from(&record.name)),
                number(record.length)
            )));
        };
        let path = path.to_string_lossy().into_owned();
        inputs.push(as_input(&RecordedInput { path, ..record.clone() }));
    }
    Ok(inputs)
}

/// What no batch has read: new files, and what was added to others.
/// `tells` whether a last line that is not whole is worth a message: it is looked at again soon where files are followed.
pub(super) fn next_inputs(
    read: &[RecordedInput],
    found: &[Input],
    tells: bool,
) -> anyhow::Result<NextInputs> {
    let mut by_path: HashMap<_, Vec<_>> = HashMap::new();
    read.iter().for_each(|r| by_path.entry(r.path.as_str()).or_default().push(r));
    let by_file: HashMap<_, _> = read.iter().map(|r| (file_of(r), r)).collect();
    let (mut next, mut with_position) = (Vec::new(), HashSet::new());
    for input in found {
        let InputKind::File(path) = input.kind() else { continue };
        // What cannot be read is said when it is.
        let Ok(file) = File::open(path) else {
            let text = format!("{}: it cannot be opened, so no batch was begun", shown(path));
            bail!(InputGone(text));
        };
        let meta = file.metadata().with_context(|| shown(path))?;
        let path = path.canonicalize().with_context(|| shown(path))?;
        let path = path.to_string_lossy().into_owned();
        let is_plain = input.readable_again().is_some();
        let known = by_file.get(&(meta.dev(), meta.ino()));
        let is_cut = known.is_some();
        // Renamed, copied or restored: what is in it tells.
        let candidates = known.into_iter().chain(by_path.get(path.as_str()).into_iter().flatten());
        let known = candidates.copied().find(|record| begins_so(record, &file, meta.len()));
        with_position.insert((meta.dev(), meta.ino()));
        with_position.extend(known.map(file_of));
        let start = match known {
            Some(record) if record.length == meta.len() => continue,
            Some(record) if is_plain => record.length,
            _ => 0,
        };
        if start == 0 && is_cut {
            message::warning(&format!(
                "{}: it is not what was read before, and is read from its beginning",
                shown(&PathBuf::from(&path))
            ));
        }
        let length = if is_plain { whole_length(&file, start, meta.len())? } else { meta.len() };
        if tells && length < meta.len() {
            message::warning(&format!(
                "{}: its last line is not whole; its {} left for the next run",
                shown(&PathBuf::from(&path)),
                counted(meta.len() - length, "byte is", "bytes are")
            ));
        }
        // An empty file is no input of a batch twice.
        if length <= start && meta.len() > 0 {
            continue;
        }
        let start_line = match known.filter(|_| start > 0).and_then(|known| known.lines) {
            Some(lines) => lines,
            None => line_ends_to(&file, start).with_context(|| path.clone())?,
        };
        next.push(RecordedInput {
            edges: edges(&file, length).with_context(|| path.clone())?,
            path,
            name: input.name.to_string(),
            device: meta.dev(),
            inode: meta.ino(),
            start,
            start_line,
            length,
            lines: None,
            missing_since_ms: None,
            in_folder: input.is_in_folder(),
        });
    }
    Ok(NextInputs { next, found: with_position })
}

pub(super) fn file_of(record: &RecordedInput) -> FileNumber {
    (record.device, record.inode)
}

pub(super) fn as_input(record: &RecordedInput) -> Input {
    let RecordedInput { path, name, start, start_line, length, in_folder, .. } = record;
    Input::piece(PathBuf::from(path), name, (*start, *length), *start_line, *in_folder)
}

/// The files that are found, by device and number.
fn files(found: &[Input]) -> HashMap<(u64, u64), PathBuf> {
    let file = |input: &Input| match input.kind() {
        InputKind::File(path) => {
            let meta = path.metadata().ok()?;
            Some(((meta.dev(), meta.ino()), path.canonicalize().ok()?))
        }
        InputKind::Stdin => None,
    };
    found.iter().filter_map(file).collect()
}

/// Whether a file begins with what was recorded.
fn is_same(record: &RecordedInput, path: &PathBuf) -> bool {
    let Ok(file) = File::open(path) else { return false };
    file.metadata().is_ok_and(|meta| meta.is_file() && begins_so(record, &file, meta.len()))
}

/// The same of an open file of this length.
fn begins_so(record: &RecordedInput, file: &File, length: u64) -> bool {
    length >= record.length && edges(file, record.length).is_ok_and(|edges| edges == record.edges)
}

/// A digest of the first and the last block up to a length.
fn edges(file: &File, length: u64) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0; length.min(EDGE) as usize];
    file.read_exact_at(&mut block, 0)?;
    hasher.update(&block);
    let last = length - block.len() as u64;
    file.read_exact_at(&mut block, last)?;
    hasher.update(&block);
    Ok(digest_text(&hasher.finalize()))
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
    fn a_digest_of_the_edges_sees_the_beginning_and_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut bytes = vec![b'x'; 3 * EDGE as usize];
        let length = bytes.len() as u64;
        let of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            edges(&File::open(&path).unwrap(), length).unwrap()
        };
        let before = of(&bytes);
        bytes.push(b'y');
        assert_eq!(of(&bytes), before, "what was added is behind it");
        for at in [0, EDGE as usize - 1, 2 * EDGE as usize, length as usize - 1] {
            let mut other = bytes.clone();
            other[at] = b'y';
            assert_ne!(of(&other), before, "{at}");
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

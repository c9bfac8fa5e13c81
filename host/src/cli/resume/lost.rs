//! Logs that are followed by their names, and of which a file is nowhere that was read.
//!
//! In: positions, what a look found. Out: those whose files are gone, and whose content begins no file beside the log: what
//! was written behind them cannot be read. It opens files beside a log only where one of it is gone.

use super::edges::{begins_so, content_begins_with};
use super::inputs::{FileNumber, FoundFiles, NextInputs, file_of};
use crate::cli::follow::LogFamily;
use crate::escape::escaped;
use crate::source;
use crate::state::RecordedInput;
use crate::terminal::formats::number;
use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::rc::Rc;

/// So many rotated files are looked into, the newest first: a packed one is read as far as the position goes.
const LOOKED_INTO: usize = 32;

/// What became of files that are not where they were.
#[derive(Debug, Default)]
pub(super) struct LostFiles {
    /// What is to be said of those that are nowhere.
    pub sentences: Vec<String>,
    /// They may be in a packed file that is not read yet.
    pub waiting: Vec<RecordedInput>,
}

/// Which files of logs are nowhere, of those that were there the last time, and those that `waited` then. `begun` are the
/// inputs of a batch that was given up.
pub(super) fn lost_files(
    read: &[RecordedInput],
    begun: &[RecordedInput],
    waited: Vec<RecordedInput>,
    found: FoundFiles<'_>,
    next: &NextInputs,
) -> LostFiles {
    let mut lost = LostFiles::default();
    if found.logs.is_empty() {
        return lost;
    }
    let is_there = |record: &RecordedInput| {
        let number = file_of(record);
        let is_as_it_was = found.present.contains(&number)
            && !next.found.contains(&number)
            && !found.unsettled.contains(&number);
        is_as_it_was || next.same.contains(&number)
    };
    let from_start = begun.iter().map(|record| (record.clone(), record.start));
    let read = read.iter().map(|record| (record.clone(), record.length));
    let fresh = from_start.chain(read).filter(|(record, _)| {
        record.length > 0
            && record.missing_since_ms.is_none()
            && !record.renamed
            && !is_there(record)
    });
    let waited = waited.into_iter().map(|record| {
        let length = record.length;
        (record, length)
    });
    let mut seen: HashSet<(FileNumber, String)> = HashSet::new();
    for (record, position) in waited.chain(fresh) {
        let is_of =
            |family: &&Rc<LogFamily>| family.logs().any(|log| log == Path::new(&record.path));
        let Some(family) = found.logs.iter().find(is_of) else { continue };
        if !seen.insert((file_of(&record), record.edges.clone())) {
            continue;
        }
        let files = family.files();
        let rotated = files.iter().rev().take(LOOKED_INTO).map(|file| file.path.clone());
        if family.logs().chain(rotated).any(|path| holds(&path, &record)) {
            continue;
        }
        let waits = |number| found.families.get(number).is_some_and(|of| of == family);
        if found.unsettled.iter().any(waits) {
            lost.waiting.push(record);
            continue;
        }
        lost.sentences.push(sentence(&record, position, files.len().min(LOOKED_INTO)));
    }
    lost
}

/// Whether the content of a file, unpacked, begins with what was recorded.
fn holds(path: &Path, record: &RecordedInput) -> bool {
    let open = || {
        // A pipe would wait for its writer.
        let is_file = path.metadata().ok()?.is_file();
        let file = is_file.then(|| File::open(path).ok()).flatten()?;
        let length = file.metadata().ok()?.len();
        if source::is_plain(&file) {
            return Some(begins_so(record, &file, length));
        }
        let content = source::packed_content(file).ok()??;
        Some(content_begins_with(content, &[record]).is_some())
    };
    open().unwrap_or(false)
}

fn sentence(record: &RecordedInput, position: u64, files: usize) -> String {
    let name = Path::new(&record.path).file_name().unwrap_or_default().to_string_lossy();
    let name = escaped(&name);
    let searched = match files {
        0 => format!("no {name}.N or {name}-DATE is beside it"),
        1 => "the rotated file beside it does not begin so".to_owned(),
        _ => format!("none of the {} rotated files beside it begins so", number(files as u64)),
    };
    format!(
        "{}: the file that was read up to byte {} is gone or was cut, and {searched}: what was written behind \
         that byte was not read",
        escaped(&record.name),
        number(position)
    )
}

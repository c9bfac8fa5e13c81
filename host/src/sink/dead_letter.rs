//! Writes skipped events to a file, for inspection and to be sent again.
//!
//! In: events that could not be read, with their places and the reasons. Out: a file with one JSON
//! document a line. It keeps at most 64 KiB of an event, and says so where there was more.
use crate::files::shown;
use crate::observe::place::EventLocation;
use crate::sink::output::{Format, Output, OutputError};
use crate::sink::{KnownOutput, UnknownLines};
use crate::state::OutputMark;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::path::Path;
use std::str::from_utf8;

/// How much of an event is kept.
const MAX_RAW: usize = 64 << 10;

/// A file of skipped events.
pub struct DeadLetter {
    out: Output,
}

/// One line of the file.
#[derive(Serialize)]
struct Letter<'a> {
    file: &'a str,
    line: u64,
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<u64>,
    code: &'a str,
    reason: &'a str,
    /// Whether the event went on: only its beginning is kept.
    #[serde(skip_serializing_if = "is_false")]
    cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    /// Instead of `raw` where the bytes are not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_base64: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl DeadLetter {
    /// Makes the file, empty, or goes on behind what it holds, or behind `mark`: what follows that comes again.
    ///
    /// # Errors
    /// [`OutputError::Failed`] where it cannot be made.
    pub fn open(path: &Path, append: bool, mark: Option<&OutputMark>) -> Result<Self, OutputError> {
        let format = Format::Ndjson;
        let look = |mark| KnownOutput::look(path, mark);
        let known = mark
            .map(look)
            .transpose()
            .map_err(|e| OutputError::Failed(format!("{}: cannot be read: {e}", shown(path))))?;
        let out = match append {
            true => Output::append(path, format, known, UnknownLines::Cut),
            false => Output::file(path, format),
        };
        Ok(Self { out: out? })
    }

    /// Writes one skipped event, unless that takes more than `room` bytes; returns how many it took.
    ///
    /// # Errors
    /// [`OutputError`], which names the file.
    pub fn write(
        &mut self,
        at: &EventLocation,
        code: &str,
        reason: &str,
        raw: &[u8],
        room: u64,
    ) -> Result<u64, OutputError> {
        let kept = &raw[..raw.len().min(MAX_RAW)];
        let text = match from_utf8(kept) {
            Ok(text) => Some(text),
            // Cut in the middle of a letter, here or by whoever found it: text up to there.
            Err(e) if e.error_len().is_none() && kept.len() == MAX_RAW => {
                from_utf8(&kept[..e.valid_up_to()]).ok()
            }
            Err(_) => None,
        };
        let letter = Letter {
            file: &at.file,
            line: at.place.line,
            offset: at.place.offset,
            record: at.place.record,
            code,
            reason,
            cut: raw.len() >= MAX_RAW,
            raw: text,
            raw_base64: text.is_none().then(|| STANDARD.encode(kept)),
        };
        let json = serde_json::to_string(&letter)
            .map_err(|e| OutputError::Failed(format!("a dead letter has no JSON: {e}")))?;
        let size = json.len() as u64 + 1;
        if size > room {
            return Ok(0);
        }
        self.out.line(&json)?;
        Ok(size)
    }

    /// Hands on what waits.
    ///
    /// # Errors
    /// [`OutputError`], which names the file.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.out.flush()
    }

    /// Has on the disk what was written.
    ///
    /// # Errors
    /// [`OutputError`], which names the file.
    pub fn sync(&mut self) -> Result<(), OutputError> {
        self.out.sync()
    }

    /// The file as it is, as far as it was flushed.
    #[must_use]
    pub fn mark(&self) -> Option<OutputMark> {
        self.out.mark()
    }

    /// What was done to the end of a file that is appended to: a sentence for the user.
    #[must_use]
    pub fn mended(&self) -> Option<&str> {
        self.out.mended()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_envelope::Place;
    use serde_json::{Value, json};

    /// The line that is written for an event.
    fn letter(record: Option<u64>, raw: &[u8]) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dead");
        let mut letters = DeadLetter::open(&path, false, None).unwrap();
        let at =
            EventLocation { file: "a.gz".into(), place: Place { offset: 70, line: 3, record } };
        letters.write(&at, "bad_json", "a comma is missing", raw, u64::MAX).unwrap();
        letters.flush().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 1);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn text_is_kept_as_text() {
        assert_eq!(
            letter(Some(12), "{\"ö\n".as_bytes()),
            json!({"file": "a.gz", "line": 3, "offset": 70, "record": 12, "code": "bad_json",
                "reason": "a comma is missing", "raw": "{\"ö\n"})
        );
    }

    #[test]
    fn other_bytes_are_kept_as_base64() {
        assert_eq!(
            letter(None, b"\xff\xfe{"),
            json!({"file": "a.gz", "line": 3, "offset": 70, "code": "bad_json",
                "reason": "a comma is missing", "raw_base64": "//57"})
        );
        // A letter cut short by the input itself is no text either.
        assert_eq!(letter(None, b"\xc3")["raw_base64"], "ww==");
    }

    #[test]
    fn long_events_are_cut_between_letters() {
        let long = format!("x{}", "ö".repeat(MAX_RAW));
        let letter = letter(None, long.as_bytes());
        assert_eq!(letter["cut"], true);
        assert_eq!(letter["raw"].as_str().unwrap().len(), MAX_RAW - 1);
    }

    #[test]
    fn a_letter_that_has_no_room_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dead");
        let mut letters = DeadLetter::open(&path, false, None).unwrap();
        let place = Place { offset: 0, line: 1, record: None };
        let at = EventLocation { file: "-".into(), place };
        // In base64, with its quotes and its place: what is written counts, not what was read.
        let raw = [0xff; 300];
        let size = letters.write(&at, "bad_json", "", &raw, u64::MAX).unwrap();
        assert_eq!(letters.write(&at, "bad_json", "", &raw, size - 1).unwrap(), 0);
        assert_eq!(letters.write(&at, "bad_json", "", &raw, size).unwrap(), size);
        letters.flush().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 2 * size);
    }

    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let mut letters = DeadLetter::open(Path::new("/dev/full"), true, None).unwrap();
        let at =
            EventLocation { file: "-".into(), place: Place { offset: 0, line: 1, record: None } };
        letters.write(&at, "bad_json", "", b"", u64::MAX).unwrap();
        assert!(letters.flush().unwrap_err().to_string().starts_with("/dev/full: "));
    }
}

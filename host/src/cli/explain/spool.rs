//! What `explain` is to print, kept until the state has answered.
//!
//! In: lines in the order of the input. Out: the same lines in the same order. Memory: 32 MiB; what is
//! beyond is in a temporary file that has no name.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use tempfile::SpooledTempFile;

/// What is kept in memory.
const IN_MEMORY: usize = 32 << 20;

/// One event under one rule, or an event that cannot be read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WaitingLine {
    /// The event's number in the run; with artifact and rule it leads to what the state said.
    pub(super) event: u64,
    pub(super) artifact: u16,
    pub(super) rule: u16,
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) offset: u64,
    pub(super) record: Option<u64>,
    /// What the rule says.
    pub(super) document: Map<String, Value>,
    /// What stands here instead of an event.
    pub(super) no_event: Option<String>,
}

/// Lines that wait.
pub(super) struct Spool {
    file: BufWriter<SpooledTempFile>,
}

impl Spool {
    pub(super) fn new() -> Self {
        Self { file: BufWriter::new(tempfile::spooled_tempfile(IN_MEMORY)) }
    }

    /// Keeps a line.
    ///
    /// # Errors
    /// When the folder for temporary files has no room or cannot be written to.
    pub(super) fn push(&mut self, line: &WaitingLine) -> io::Result<()> {
        serde_json::to_writer(&mut self.file, line)?;
        self.file.write_all(b"\n")
    }

    /// Hands out all lines and forgets them; stops where `take` does.
    ///
    /// # Errors
    /// As for [`Spool::push`].
    pub(super) fn drain(&mut self, mut take: impl FnMut(WaitingLine) -> bool) -> io::Result<()> {
        self.file.flush()?;
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(0))?;
        for line in BufReader::new(&mut *file).lines() {
            if !take(serde_json::from_str(&line?)?) {
                break;
            }
        }
        file.seek(SeekFrom::Start(0))?;
        file.set_len(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_as_they_went_in_and_once() {
        let mut spool = Spool::new();
        let mut out = Vec::new();
        for round in 0..2u64 {
            for event in 0..3 {
                let document = Map::from_iter([("n".to_owned(), Value::from("a\nb"))]);
                let file = "f".to_owned();
                let line = WaitingLine {
                    event: round * 10 + event,
                    artifact: 0,
                    rule: 1,
                    file,
                    line: 3,
                    offset: 4,
                    record: Some(5),
                    document,
                    no_event: None,
                };
                spool.push(&line).unwrap();
            }
            spool
                .drain(|line| {
                    assert_eq!((line.record, &line.document["n"]), (Some(5), &Value::from("a\nb")));
                    out.push(line.event);
                    true
                })
                .unwrap();
        }
        assert_eq!(out, [0, 1, 2, 10, 11, 12]);
    }
}

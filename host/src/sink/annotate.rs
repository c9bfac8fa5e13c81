//! `run --annotate`: copies the input's lines, and adds alerts and errors to those that are objects.
//!
//! In: the unpacked input, alerts and faults by line. Out: the same lines in the same order, byte for
//! byte; where a line is an object whose events alert it has the member `firstseen_alerts` besides,
//! and where one could not be judged `firstseen_error`. Alerts of a line that is no object, or part of
//! a document over several lines, follow behind it on a line of their own. A line is written once all
//! that begins on it was judged. It never drops a line.

use super::{AlertSink, Output, OutputError};
use firstseen_record::{JsonRecord, RecordChecker};
use firstseen_session::EventAt;
use std::collections::BTreeMap;

/// Writes the input's lines with alerts and errors added.
pub struct AnnotateSink {
    output: Output,
    /// What was read and not written.
    waiting: Vec<u8>,
    /// The offset of its first byte in the input.
    start: u64,
    /// The line of its first byte.
    line: u64,
    /// The beginning of that line is written already.
    is_partial: bool,
    /// Everything before this byte of the input was handed on.
    settled: u64,
    is_over: bool,
    notes: BTreeMap<u64, LineNote>,
    /// A line that waits for more bytes than this is written as it comes.
    max_line: usize,
}

/// What is to be added to a line.
#[derive(Default)]
struct LineNote {
    alerts: Vec<String>,
    /// `code: reason`.
    error: Option<String>,
}

impl AnnotateSink {
    /// Writes to this output; a line of over `max_line` bytes cannot be judged, so it is not kept.
    #[must_use]
    pub fn new(output: Output, max_line: usize) -> Self {
        Self {
            output,
            waiting: Vec::new(),
            start: 0,
            line: 1,
            is_partial: false,
            settled: 0,
            is_over: false,
            notes: BTreeMap::new(),
            max_line,
        }
    }

    /// How much of what waits is whole lines that are settled.
    fn ready(&self) -> usize {
        if self.is_over {
            return self.waiting.len();
        }
        let settled = usize::try_from(self.settled.saturating_sub(self.start));
        let settled = settled.unwrap_or(usize::MAX).min(self.waiting.len());
        let before = self.waiting.get(..settled).unwrap_or_default();
        memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1)
    }

    /// Writes lines from the beginning of what waits.
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), OutputError> {
        let mut rest = lines;
        while !rest.is_empty() {
            let Some(number) = self.notes.keys().next().copied().filter(|n| *n >= self.line) else {
                if let Some((_, note)) = self.notes.pop_first() {
                    self.write_alone(&note)?;
                    continue;
                }
                self.line += newlines(rest);
                return self.output.bytes(rest);
            };
            // What is before the line goes out as it is.
            let skipped = usize::try_from(number - self.line).unwrap_or(usize::MAX);
            let mut ends = memchr::memchr_iter(b'\n', rest).map(|newline| newline + 1);
            let at = match skipped.checked_sub(1) {
                None => 0,
                Some(nth) => ends.nth(nth).unwrap_or(rest.len()),
            };
            let (before, from) = rest.split_at(at);
            self.output.bytes(before)?;
            self.line += newlines(before);
            if from.is_empty() {
                return Ok(());
            }
            let end = memchr::memchr(b'\n', from).map_or(from.len(), |newline| newline + 1);
            let (line, behind) = from.split_at(end);
            let note = self.notes.remove(&number).unwrap_or_default();
            let is_partial = std::mem::take(&mut self.is_partial);
            match annotated(line, &note).filter(|_| !is_partial) {
                Some(line) => self.output.bytes(&line)?,
                None => {
                    self.output.bytes(line)?;
                    self.write_alone(&note)?;
                }
            }
            self.line += newlines(line);
            rest = behind;
        }
        Ok(())
    }

    /// Alerts that could not be added to their line.
    fn write_alone(&mut self, note: &LineNote) -> Result<(), OutputError> {
        if note.alerts.is_empty() {
            return Ok(());
        }
        let record = JsonRecord::of("{}").with(note.alerts.iter().map(String::as_str), None);
        self.output.line(&record)
    }
}

impl AlertSink for AnnotateSink {
    fn alert(&mut self, at: &EventAt, json: &str) -> Result<(), OutputError> {
        self.notes.entry(at.line).or_default().alerts.push(json.to_owned());
        Ok(())
    }

    fn not_judged(&mut self, at: &EventAt, text: &str) {
        let note = self.notes.entry(at.line).or_default();
        note.error.get_or_insert_with(|| text.to_owned());
    }

    fn wants_input(&self) -> bool {
        true
    }

    fn input(&mut self, block: &[u8], settled: u64) {
        self.waiting.extend_from_slice(block);
        self.settled = settled;
    }

    fn input_ends(&mut self) {
        // A last line without an end of its own gets one.
        if self.waiting.last().is_some_and(|last| *last != b'\n') {
            self.waiting.push(b'\n');
        }
        self.is_over = true;
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        let ready = self.ready();
        let waiting = std::mem::take(&mut self.waiting);
        let (lines, rest) = waiting.split_at(ready);
        self.write_lines(lines)?;
        self.start += ready as u64;
        if !lines.is_empty() {
            self.is_partial = false;
        }
        self.waiting = rest.to_vec();
        if self.waiting.len() > self.max_line {
            let waiting = std::mem::take(&mut self.waiting);
            self.output.bytes(&waiting)?;
            self.start += waiting.len() as u64;
            self.line += newlines(&waiting);
            self.is_partial = waiting.last() != Some(&b'\n');
        }
        self.output.flush()
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// The line with the note in its object, as the pipelines' targets write it; nothing where it holds
/// no object.
fn annotated(line: &[u8], note: &LineNote) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(line).ok()?;
    let body = text.trim_start_matches('\u{feff}').trim_ascii();
    RecordChecker::default().check(body).ok()?;
    let record =
        JsonRecord::of(body).with(note.alerts.iter().map(String::as_str), note.error.as_deref());
    let (before, end) = text.split_once(body)?;
    Some([before, &record, end].concat().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Format;
    use serde_json::{Value, json};

    fn note(alerts: &[&str], error: Option<&str>) -> LineNote {
        let alerts = alerts.iter().map(|a| (*a).to_owned()).collect();
        LineNote { alerts, error: error.map(str::to_owned) }
    }

    fn added(line: &str, note: &LineNote) -> Option<String> {
        annotated(line.as_bytes(), note).map(|line| String::from_utf8(line).unwrap())
    }

    /// A sink, and the file that it writes.
    fn sink(max_line: usize) -> (tempfile::TempDir, std::path::PathBuf, AnnotateSink) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let output = Output::file(&path, Format::Ndjson).unwrap();
        (folder, path, AnnotateSink::new(output, max_line))
    }

    fn at(line: u64) -> EventAt {
        EventAt { line, ..EventAt::default() }
    }

    #[test]
    fn notes_are_added_at_the_end_of_the_object() {
        let two = note(&["{\"a\":1}", "{\"b\":2}"], None);
        let alerts = "\"firstseen_alerts\":[{\"a\":1},{\"b\":2}]";
        let expected = format!("{{\"x\": 1.0 ,{alerts}}}\r\n");
        assert_eq!(added("{\"x\": 1.0 }\r\n", &two), Some(expected));
        assert_eq!(added(" { } \n", &two), Some(format!(" {{ {alerts}}} \n")));
        let both = note(&["{}"], Some("no_time: a \"b\""));
        let line = added("{\"x\":1}", &both).unwrap();
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["firstseen_error"], json!({"code": "no_time", "reason": "a \"b\""}));
        assert_eq!(value["firstseen_alerts"], json!([{}]));
    }

    #[test]
    fn lines_that_are_no_objects_stay() {
        let error = note(&[], Some("bad_json: no"));
        for line in ["", "text\n", "[1]\n", "{\"a\":1\n", "{\"a\"}\n", "}{}\n", "{}{}\n"] {
            assert_eq!(added(line, &error), None, "{line}");
        }
        assert_eq!(annotated(b"{\"a\":\"\xff\"}", &error), None);
    }

    #[test]
    fn a_line_waits_until_it_is_settled() {
        let (_folder, path, mut sink) = sink(1000);
        let written = |sink: &mut AnnotateSink| {
            sink.flush().unwrap();
            std::fs::read_to_string(&path).unwrap()
        };
        sink.input(b"{}\n{\"a\":1}\n{", 3);
        assert_eq!(written(&mut sink), "{}\n");
        sink.alert(&at(2), "{}").unwrap();
        sink.input(b"}\n", 14);
        let two = "{}\n{\"a\":1,\"firstseen_alerts\":[{}]}\n";
        assert_eq!(written(&mut sink), format!("{two}{{}}\n"));
        sink.input(b"last", 14);
        sink.input_ends();
        assert_eq!(written(&mut sink), format!("{two}{{}}\nlast\n"));
    }

    #[test]
    fn alerts_of_a_line_that_is_no_object_follow_it() {
        let (_folder, path, mut sink) = sink(1000);
        sink.input(b"[{},{}]\n{}\n", 11);
        sink.alert(&at(1), "{\"n\":1}").unwrap();
        sink.alert(&at(1), "{\"n\":2}").unwrap();
        sink.flush().unwrap();
        let alone = "{\"firstseen_alerts\":[{\"n\":1},{\"n\":2}]}";
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("[{{}},{{}}]\n{alone}\n{{}}\n"));
    }

    #[test]
    fn a_line_without_end_is_written_as_it_comes() {
        let (_folder, path, mut sink) = sink(4);
        sink.input(b"{\"a\":", 0);
        sink.flush().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\":");
        sink.input(b"1}\n{}\n", 11);
        sink.not_judged(&at(1), "too_large: over 4");
        sink.not_judged(&at(2), "no_time: none");
        sink.flush().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let (first, second) = text.split_once('\n').unwrap();
        assert_eq!(first, "{\"a\":1}");
        assert!(second.starts_with("{\"firstseen_error\":"), "{second}");
    }
}

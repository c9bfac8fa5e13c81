//! `run --annotate`: copies the input's lines, and adds alerts and errors to those that are objects.
//!
//! In: the unpacked input, alerts and faults by line. Out: the same lines in the same order, byte for
//! byte; where a line is an object whose events alert it has the member `firstseen_alerts` besides,
//! and where one could not be judged `firstseen_error`. Alerts of a line that is no object, or part of
//! a document over several lines, follow behind it on a line of their own. Every whole line that was
//! read is written before more is waited for. It never drops a line.

use super::{AlertSink, Output, OutputError};
use crate::state::OutputMark;
use firstseen_record::{JsonRecord, RecordChecker};
use firstseen_session::EventAt;
use std::collections::BTreeMap;

/// Writes the input's lines with alerts and errors added.
pub struct AnnotateSink {
    output: Output,
    annotator: Annotator,
}

/// Adds alerts and errors to lines on their way.
pub struct Annotator {
    /// What was read and not written.
    waiting: Vec<u8>,
    /// The line of its first byte.
    line: u64,
    /// The beginning of that line is written already.
    is_partial: bool,
    is_over: bool,
    notes: BTreeMap<u64, LineNote>,
    /// A line that waits for more bytes than this is written as it comes.
    max_line: usize,
}

/// Where annotated lines go.
type WriteLines<'w> = dyn FnMut(&[u8]) -> Result<(), OutputError> + 'w;

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
        Self { output, annotator: Annotator::new(max_line) }
    }
}

impl Annotator {
    /// A line of over `max_line` bytes cannot be judged, so it is not kept.
    #[must_use]
    pub fn new(max_line: usize) -> Self {
        Self {
            waiting: Vec::new(),
            line: 1,
            is_partial: false,
            is_over: false,
            notes: BTreeMap::new(),
            max_line,
        }
    }

    /// An alert of the event at this line, from 1.
    pub fn alert(&mut self, line: u64, json: &str) {
        self.notes.entry(line).or_default().alerts.push(json.to_owned());
    }

    /// The event at this line could not be judged: `code: reason`.
    pub fn not_judged(&mut self, line: u64, text: &str) {
        self.notes.entry(line).or_default().error.get_or_insert_with(|| text.to_owned());
    }

    /// A block of the input.
    pub fn input(&mut self, block: &[u8]) {
        self.waiting.extend_from_slice(block);
    }

    /// The input is over. A last line without an end of its own gets one.
    pub fn input_ends(&mut self) {
        let is_open = self.waiting.last().map_or(self.is_partial, |last| *last != b'\n');
        if is_open {
            self.waiting.push(b'\n');
        }
        self.is_over = true;
    }

    /// Writes the lines whose alerts are known: those that are over.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write(&mut self, out: &mut WriteLines<'_>) -> Result<(), OutputError> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let whole = memchr::memrchr(b'\n', &waiting).map_or(0, |newline| newline + 1);
        let too_long = self.is_partial || waiting.len() - whole > self.max_line;
        let ready = if self.is_over || too_long { waiting.len() } else { whole };
        self.write_lines(waiting.get(..ready).unwrap_or_default(), out)?;
        // What is left of a long line is not copied each time that more of it is read.
        waiting.drain(..ready);
        self.waiting = waiting;
        if self.is_over {
            // No line comes behind the notes that are left.
            self.line = u64::MAX;
            self.write_late_notes(out)?;
        }
        Ok(())
    }

    /// Writes lines; the last one may lack its end. Each has all its notes by now, unless it is part
    /// of a document that goes on.
    fn write_lines(&mut self, lines: &[u8], out: &mut WriteLines<'_>) -> Result<(), OutputError> {
        let mut rest = lines;
        while !rest.is_empty() {
            if !self.is_partial {
                // Lines without notes go out as they are, in one piece.
                let next = self.notes.range(self.line..).next().map_or(u64::MAX, |(line, _)| *line);
                let plain = before(rest, next.saturating_sub(self.line));
                let (before, behind) = rest.split_at(plain);
                out(before)?;
                self.line += newlines(before);
                self.is_partial = before.last().is_some_and(|last| *last != b'\n');
                rest = behind;
                if rest.is_empty() || self.is_partial {
                    continue;
                }
            }
            let end = memchr::memchr(b'\n', rest).map(|newline| newline + 1);
            let (line, behind) = rest.split_at(end.unwrap_or(rest.len()));
            rest = behind;
            let (was_partial, number) = (self.is_partial, self.line);
            self.is_partial = end.is_none();
            if self.is_partial {
                out(line)?;
                continue;
            }
            self.line += 1;
            let note = self.notes.remove(&number).unwrap_or_default();
            match annotated(line, &note).filter(|_| !was_partial) {
                Some(line) => out(&line)?,
                None => {
                    out(line)?;
                    write_alone(&note, out)?;
                }
            }
        }
        // Those of lines that were out before: of documents that ended only now.
        if self.is_partial { Ok(()) } else { self.write_late_notes(out) }
    }

    /// Writes the alerts of lines that are out already.
    fn write_late_notes(&mut self, out: &mut WriteLines<'_>) -> Result<(), OutputError> {
        while let Some(entry) = self.notes.first_entry().filter(|entry| *entry.key() < self.line) {
            let note = entry.remove();
            write_alone(&note, out)?;
        }
        Ok(())
    }
}

/// Alerts that could not be added to their line.
fn write_alone(note: &LineNote, out: &mut WriteLines<'_>) -> Result<(), OutputError> {
    if note.alerts.is_empty() {
        return Ok(());
    }
    let mut record = JsonRecord::of("{}").with(note.alerts.iter().map(String::as_str), None);
    record.push('\n');
    out(record.as_bytes())
}

impl AlertSink for AnnotateSink {
    fn alert(&mut self, at: &EventAt, json: &str) -> Result<(), OutputError> {
        self.annotator.alert(at.line, json);
        Ok(())
    }

    fn not_judged(&mut self, at: &EventAt, text: &str) {
        self.annotator.not_judged(at.line, text);
    }

    fn wants_input(&self) -> bool {
        true
    }

    fn input(&mut self, block: &[u8]) {
        self.annotator.input(block);
    }

    fn input_ends(&mut self) {
        self.annotator.input_ends();
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        let Self { output, annotator } = self;
        annotator.write(&mut |bytes| output.bytes(bytes))?;
        output.flush()
    }

    fn sync(&mut self) -> Result<(), OutputError> {
        self.output.sync()
    }

    fn mark(&self) -> Option<OutputMark> {
        self.output.mark()
    }
}

/// Where so many lines end; all of it where there are fewer.
fn before(text: &[u8], lines: u64) -> usize {
    let Some(nth) = usize::try_from(lines).unwrap_or(usize::MAX).checked_sub(1) else { return 0 };
    let end = memchr::memchr_iter(b'\n', text).nth(nth);
    end.map_or(text.len(), |newline| newline + 1)
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// The line with the note in its object, as the pipelines' targets write it; nothing where it holds
/// no object.
fn annotated(line: &[u8], note: &LineNote) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(line).ok()?;
    let body = text.trim_start_matches('\u{feff}').trim_ascii();
    // What nests too deep for every reader here is marked: it was not judged, and it is an object.
    let is_deep = note.error.as_ref().is_some_and(|error| error.starts_with("too_deep: "))
        && body.starts_with('{')
        && body.ends_with('}')
        // Nothing that was not checked is taken apart.
        && !body.contains("firstseen_")
        && !JsonRecord::may_hold_ours(body);
    if !is_deep {
        RecordChecker::default().check(body).ok()?;
    }
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
    fn whole_lines_are_written_at_once_and_the_last_gets_an_end() {
        let (_folder, path, mut sink) = sink(1000);
        let written = |sink: &mut AnnotateSink| {
            sink.flush().unwrap();
            std::fs::read_to_string(&path).unwrap()
        };
        sink.input(b"{}\n{\"a\":1}\n{");
        sink.alert(&at(2), "{}").unwrap();
        let two = "{}\n{\"a\":1,\"firstseen_alerts\":[{}]}\n";
        assert_eq!(written(&mut sink), two);
        sink.input(b"}\nlast");
        assert_eq!(written(&mut sink), format!("{two}{{}}\n"));
        sink.input_ends();
        assert_eq!(written(&mut sink), format!("{two}{{}}\nlast\n"));
    }

    #[test]
    fn alerts_of_a_document_over_lines_follow_what_was_read_of_it() {
        let (_folder, path, mut sink) = sink(1000);
        sink.input(b"{\"a\":\n");
        sink.flush().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\":\n", "no line waits");
        sink.input(b"1}\n{}\n");
        sink.alert(&at(1), "{}").unwrap();
        sink.flush().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"a\":\n1}\n{}\n{\"firstseen_alerts\":[{}]}\n");
    }

    /// Whatever the blocks and the limit: every byte of the input is there in order, every alert once,
    /// and each on a whole line.
    #[test]
    fn nothing_is_lost_whatever_the_blocks_and_the_limit() {
        let lines = ["{\"n\":1}", "[{},{}]", "", "{\"long\":\"xxxxxxxxxxxxxxxx\"}", "text", "{}"];
        let input = lines.join("\n");
        for max_line in [1, 4, 12, 1000] {
            for size in 1..input.len() {
                let (_folder, path, mut sink) = sink(max_line);
                let mut read = 0;
                for block in input.as_bytes().chunks(size) {
                    sink.input(block);
                    // An alert for each line that is complete with this block.
                    let before = newlines(&input.as_bytes()[..read]);
                    read += block.len();
                    let is_over = read == input.len();
                    let after = newlines(&input.as_bytes()[..read]) + u64::from(is_over);
                    for line in before..after {
                        sink.alert(&at(line + 1), &format!("{{\"of\":{line}}}")).unwrap();
                    }
                    if is_over {
                        sink.input_ends();
                    }
                    sink.flush().unwrap();
                }
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(text.ends_with('\n'));
                let (mut kept, mut alerts) = (Vec::new(), 0);
                for line in text.lines() {
                    let added = line.find("\"firstseen_alerts\":");
                    alerts += line.matches("{\"of\":").count();
                    match added {
                        Some(1) => kept.push(String::from("{}")),
                        Some(at) => kept.push(format!("{}}}", line[..at].trim_end_matches(','))),
                        None => kept.push(line.to_owned()),
                    }
                }
                assert_eq!(alerts, lines.len(), "{max_line} {size}: {text}");
                // Alerts on lines of their own look like the annotated `{}`: they are left out.
                let rest = |kept: &[String]| -> Vec<String> {
                    kept.iter().filter(|line| *line != "{}").cloned().collect()
                };
                let expected: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
                assert_eq!(rest(&kept), rest(&expected), "{max_line} {size}: {text}");
            }
        }
    }

    #[test]
    fn alerts_of_a_line_that_is_no_object_follow_it() {
        let (_folder, path, mut sink) = sink(1000);
        sink.input(b"[{},{}]\n{}\n");
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
        sink.input(b"{\"a\":");
        sink.flush().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\":");
        sink.input(b"1}\n{}\n");
        sink.not_judged(&at(1), "too_large: over 4");
        sink.not_judged(&at(2), "no_time: none");
        sink.flush().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let (first, second) = text.split_once('\n').unwrap();
        assert_eq!(first, "{\"a\":1}");
        assert!(second.starts_with("{\"firstseen_error\":"), "{second}");
    }
}

//! `run --annotate`: the lines of standard input again, with what the rules say of them.
//!
//! In: lines, each an event or anything else. Out: the same lines in the same order, one for each,
//! byte for byte; where an event has alerts it has the member `firstseen_alerts` besides, and where
//! it could not be judged `firstseen_error`. What was read is written and flushed before more is
//! waited for, and before the state that knows its alerts is committed. It never drops a line.

use super::decide::{Decider, Flow};
use super::intake::Collector;
use crate::cli::run::hand_on;
use crate::rules::exceptions::Exceptions;
use crate::sink::ndjson::{Alerts, Output, OutputError};
use crate::source::Source;
use firstseen_envelope::{Place, Sink};
use firstseen_record::{JsonRecord, RecordChecker};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::rc::Rc;

/// What one read of a pipe gives at the most.
const BLOCK: usize = 256 << 10;

/// Lines that were read and not yet written.
pub(crate) struct Lines {
    output: Output,
    /// Whole lines.
    block: Vec<u8>,
    /// The number of the first of them.
    first: u64,
    notes: BTreeMap<u64, Note>,
}

/// What is to be said of a line.
#[derive(Default)]
struct Note {
    alerts: Vec<String>,
    /// `code: reason`.
    error: Option<String>,
}

/// The lines, shared with those who have something to say of them.
#[derive(Clone)]
pub(crate) struct Shared(Rc<RefCell<Lines>>);

impl Shared {
    pub(crate) fn new(output: Output) -> Self {
        let (block, notes) = (Vec::new(), BTreeMap::new());
        Self(Rc::new(RefCell::new(Lines { output, block, first: 1, notes })))
    }

    /// The event on a line could not be judged.
    fn fault(&self, line: u64, error: &str) {
        let mut lines = self.0.borrow_mut();
        let note = lines.notes.entry(line).or_default();
        note.error.get_or_insert_with(|| error.to_owned());
    }
}

impl Alerts for Shared {
    fn alert(&mut self, line: u64, json: &str) -> Result<(), OutputError> {
        let mut lines = self.0.borrow_mut();
        lines.notes.entry(line).or_default().alerts.push(json.to_owned());
        Ok(())
    }

    fn failed(&mut self, line: u64, reason: &str) {
        self.fault(line, reason);
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        self.0.borrow_mut().write()
    }
}

impl Lines {
    /// Writes all lines out.
    fn write(&mut self) -> Result<(), OutputError> {
        let (block, mut notes) = (std::mem::take(&mut self.block), std::mem::take(&mut self.notes));
        let mut rest = block.as_slice();
        while !rest.is_empty() {
            let Some((number, note)) = notes.pop_first() else {
                self.first += memchr::memchr_iter(b'\n', rest).count() as u64;
                self.output.bytes(rest)?;
                break;
            };
            // What lies before the line goes out as it is.
            let skipped = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
            let ends = || memchr::memchr_iter(b'\n', rest).map(|newline| newline + 1);
            let at = if skipped == 0 { 0 } else { ends().nth(skipped - 1).unwrap_or(rest.len()) };
            let (before, from) = rest.split_at(at);
            self.output.bytes(before)?;
            let end = memchr::memchr(b'\n', from).map_or(from.len(), |newline| newline + 1);
            let (line, behind) = from.split_at(end);
            match spliced(line, &note) {
                Some(line) => self.output.bytes(&line)?,
                None => self.output.bytes(line)?,
            }
            self.first = number + 1;
            rest = behind;
        }
        self.output.flush()
    }
}

/// The line with the note in its object, as the pipelines' targets write it; nothing where it holds no
/// object.
fn spliced(line: &[u8], note: &Note) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(line).ok()?;
    let body = text.trim_ascii();
    RecordChecker::default().check(body).ok()?;
    let record =
        JsonRecord::of(body).with(note.alerts.iter().map(String::as_str), note.error.as_deref());
    let (before, end) = text.split_once(body)?;
    Some([before, &record, end].concat().into_bytes())
}

/// Standard input, read to its end; each piece that arrives is judged and written before the next is
/// waited for.
///
/// # Errors
/// When the input, the output or the state failed.
pub(crate) fn read_lines(
    source: &Source,
    max_event: usize,
    exceptions: Exceptions,
    collector: &mut Collector,
    decider: &mut Decider,
    lines: &Shared,
) -> anyhow::Result<Flow> {
    collector.begin(source);
    collector.exceptions = Some(exceptions);
    let told = lines.clone();
    collector.on_fault =
        Some(Box::new(move |line, code, reason| told.fault(line, &format!("{code}: {reason}"))));
    let mut input = std::io::stdin().lock();
    let (mut block, mut waiting) = (vec![0; BLOCK], Vec::new());
    let mut place = Place { offset: 0, line: 1, record: None };
    // Inside a line that is too long to be judged: it is written as it comes.
    let mut too_long = false;
    loop {
        let read = match input.read(&mut block) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                collector.input_failed(&format!("standard input: {error}"));
                0
            }
        };
        let mut new = block.get(..read).unwrap_or_default();
        if too_long {
            let end = memchr::memchr(b'\n', new).map(|newline| newline + 1);
            let (tail, rest) = new.split_at(end.unwrap_or(new.len()));
            too_long = end.is_none() && read > 0;
            lines.0.borrow_mut().output.bytes(tail)?;
            lines.0.borrow_mut().output.flush()?;
            place.offset += tail.len() as u64;
            place.line += u64::from(end.is_some());
            lines.0.borrow_mut().first = place.line;
            new = rest;
        }
        waiting.extend_from_slice(new);
        let whole = match memchr::memrchr(b'\n', &waiting) {
            Some(newline) => newline + 1,
            // The last line has no end of its own.
            None if read == 0 && !waiting.is_empty() => {
                waiting.push(b'\n');
                waiting.len()
            }
            None => 0,
        };
        if whole > 0 {
            let rest = waiting.split_off(whole);
            let chunk = std::mem::replace(&mut waiting, rest);
            lines.0.borrow_mut().block.clone_from(&chunk);
            // A fault is kept in the collector.
            let _ = collector.lines(place, &chunk);
            place.offset += chunk.len() as u64;
            place.line += memchr::memchr_iter(b'\n', &chunk).count() as u64;
            if hand_on(collector, decider) == Flow::Closed {
                return Ok(Flow::Closed);
            }
            match lines.0.borrow_mut().write() {
                Ok(()) => {}
                Err(OutputError::Closed) => return Ok(Flow::Closed),
                Err(error) => return Err(error.into()),
            }
        }
        if waiting.len() > max_event {
            let reason = format!("the line is longer than {max_event} bytes (--max-event)");
            collector.too_large(place, &reason, &waiting);
            lines.0.borrow_mut().notes.clear();
            lines.0.borrow_mut().output.bytes(&waiting)?;
            place.offset += waiting.len() as u64;
            waiting.clear();
            too_long = true;
        }
        if read == 0 || collector.fault.is_some() {
            return Ok(Flow::Open);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn note(alerts: &[&str], error: Option<&str>) -> Note {
        let alerts = alerts.iter().map(|a| (*a).to_owned()).collect();
        Note { alerts, error: error.map(str::to_owned) }
    }

    fn told(line: &str, note: &Note) -> Option<String> {
        spliced(line.as_bytes(), note).map(|line| String::from_utf8(line).unwrap())
    }

    #[test]
    fn what_is_said_stands_at_the_end_of_the_object_and_the_rest_stays() {
        let two = note(&["{\"a\":1}", "{\"b\":2}"], None);
        let said = "\"firstseen_alerts\":[{\"a\":1},{\"b\":2}]";
        assert_eq!(told("{\"x\": 1.0 }\r\n", &two), Some(format!("{{\"x\": 1.0 ,{said}}}\r\n")));
        assert_eq!(told(" { } \n", &two), Some(format!(" {{ {said}}} \n")));
        let both = note(&["{}"], Some("no_time: a \"b\""));
        let line = told("{\"x\":1}", &both).unwrap();
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["firstseen_error"], json!({"code": "no_time", "reason": "a \"b\""}));
        assert_eq!(value["firstseen_alerts"], json!([{}]));
    }

    #[test]
    fn what_is_no_object_stays_as_it_is() {
        let error = note(&[], Some("bad_json: no"));
        for line in ["", "text\n", "[1]\n", "{\"a\":1\n", "{\"a\"}\n", "}{}\n", "{}{}\n"] {
            assert_eq!(told(line, &error), None, "{line}");
        }
        assert_eq!(spliced(b"{\"a\":\"\xff\"}", &error), None);
    }
}

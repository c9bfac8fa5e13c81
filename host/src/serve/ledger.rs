//! What is told of each body: what was counted, what was wrong in it, and its alerts.
//!
//! In: counts and faults while a group of bodies is read and decided. Out: one [`BodyResult`] for each, in order. It
//! keeps a bounded number of faults of each body, and alerts beyond 1 MiB on disk.

use crate::sink::OutputError;
use crate::sink::annotate::Annotator;
use firstseen_session::EventAt;
use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read, Seek, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tempfile::SpooledTempFile;

/// Alerts of a body that are kept in memory, in bytes.
const SPOOL: usize = 1 << 20;
/// Bytes of a body that get their alerts at a time.
const BLOCK: usize = 64 << 10;
/// Bytes of what is said of one fault.
const MAX_REASON: usize = 300;

/// Something in a body that was not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyFault {
    /// The line of the unpacked body, from 1.
    pub line: u64,
    /// The record in the document there, from 0, where it has several.
    pub record: Option<u64>,
    /// A stable code.
    pub code: String,
    /// What was wrong.
    pub reason: String,
}

/// What was decided of a body.
#[derive(Debug, Default)]
pub struct BodyResult {
    /// Events in it.
    pub events: u64,
    /// Matches: an event that two rules match counts twice.
    pub matched: u64,
    /// Alerts.
    pub alerts: u64,
    /// Alerts that were given before.
    pub repeats: u64,
    /// Matches of an index that their rule is not about.
    pub other_index: u64,
    /// How many events and matches were not judged.
    pub not_judged: u64,
    /// What was wrong with them; of many only the first.
    pub faults: Vec<BodyFault>,
    /// What in it holds no events, of many only the first, and how many there are.
    pub no_events: (Vec<String>, u64),
    /// Why it could not be read to its end.
    pub failed: Option<String>,
    /// Set where that is because it unpacks to more than it may.
    pub is_too_long: Arc<AtomicBool>,
    /// It has more events than it may: nothing of it was judged.
    pub has_too_many_events: bool,
    /// Its alerts and repeats, a line each, where they were asked for.
    pub lines: Option<SpooledTempFile>,
    /// Its own lines, where alerts are to be added to them.
    annotated: Option<AnnotatedBody>,
    most_faults: usize,
    /// Why its alerts are not all there.
    lost_lines: Option<String>,
}

impl BodyResult {
    /// Of a body with so many faults that are kept; whether its alerts are.
    #[must_use]
    pub fn new(keeps_alerts: bool, most_faults: usize) -> Self {
        let lines = keeps_alerts.then(|| SpooledTempFile::new(SPOOL));
        Self { lines, most_faults, ..Self::default() }
    }

    /// Of a body of which nothing is judged, as it has more events than it may.
    #[must_use]
    pub fn with_too_many_events() -> Self {
        Self { has_too_many_events: true, ..Self::default() }
    }

    /// Why its alerts could not be kept; they are in the output all the same.
    #[must_use]
    pub fn lost_lines(&self) -> Option<&str> {
        self.lost_lines.as_deref()
    }

    fn keep(&mut self, line: u64, json: &str) {
        if let Some(body) = &mut self.annotated {
            return body.annotator.alert(line, json);
        }
        let Some(lines) = &mut self.lines else { return };
        let written = lines.write_all(json.as_bytes()).and_then(|()| lines.write_all(b"\n"));
        if let Err(error) = written {
            self.lost_lines.get_or_insert_with(|| error.to_string());
        }
    }

    /// Keeps a block of the body, where its lines are wanted.
    fn input(&mut self, block: &[u8]) {
        let Some(body) = &mut self.annotated else { return };
        if let Err(error) = body.unpacked.write_all(block) {
            self.lost_lines.get_or_insert_with(|| error.to_string());
        }
    }

    /// All of it is decided: its lines get what was decided of them.
    fn decided(mut self) -> Self {
        if let Some((body, lines)) = self.annotated.take().zip(self.lines.as_mut())
            && let Err(error) = body.write(lines)
        {
            self.lost_lines.get_or_insert_with(|| error.to_string());
        }
        self
    }
}

/// A body whose lines are to be handed back with their alerts.
struct AnnotatedBody {
    /// As it was read.
    unpacked: SpooledTempFile,
    annotator: Annotator,
}

impl fmt::Debug for AnnotatedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnnotatedBody")
    }
}

impl AnnotatedBody {
    fn new(max_line: usize) -> Self {
        Self { unpacked: SpooledTempFile::new(SPOOL), annotator: Annotator::new(max_line) }
    }

    fn write(mut self, lines: &mut SpooledTempFile) -> io::Result<()> {
        self.unpacked.rewind()?;
        let mut block = vec![0; BLOCK];
        loop {
            let read = self.unpacked.read(&mut block)?;
            match block.get(..read).filter(|block| !block.is_empty()) {
                Some(block) => self.annotator.input(block),
                None => self.annotator.input_ends(),
            }
            let mut out = |bytes: &[u8]| {
                lines.write_all(bytes).map_err(|error| OutputError::Failed(error.to_string()))
            };
            self.annotator.write(&mut out).map_err(io::Error::other)?;
            if read == 0 {
                return Ok(());
            }
        }
    }
}

/// The bodies that are decided together; shared by those who hear of them on one thread.
#[derive(Debug, Clone, Default)]
pub struct BodyLedger {
    bodies: Rc<RefCell<Vec<BodyResult>>>,
    /// Alerts are added to the body's own lines; a line of more bytes is not judged.
    annotates: Option<usize>,
}

impl BodyLedger {
    /// Who asks for the alerts of a body gets its lines with their alerts added; a line of over `max_line` bytes is
    /// not judged.
    #[must_use]
    pub fn annotating(max_line: usize) -> Self {
        Self { annotates: Some(max_line), ..Self::default() }
    }

    /// Whether it keeps the bodies' lines.
    #[must_use]
    pub fn annotates(&self) -> bool {
        self.annotates.is_some()
    }

    /// Another body; what is counted from now on is of it.
    pub fn begin(&self, mut body: BodyResult) {
        body.annotated = body.lines.as_ref().and(self.annotates).map(AnnotatedBody::new);
        self.bodies.borrow_mut().push(body);
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bodies.borrow().is_empty()
    }

    /// All of them: they are decided.
    #[must_use]
    pub fn take(&self) -> Vec<BodyResult> {
        let bodies = std::mem::take(&mut *self.bodies.borrow_mut());
        bodies.into_iter().map(BodyResult::decided).collect()
    }

    /// The one that is read.
    pub(super) fn present(&self, change: impl FnOnce(&mut BodyResult)) {
        if let Some(body) = self.bodies.borrow_mut().last_mut() {
            change(body);
        }
    }

    /// A block of the body that is read, unpacked.
    pub(super) fn input(&self, block: &[u8]) {
        self.present(|body| body.input(block));
    }

    /// An alert of the event at this place of a body; whether it was given before.
    pub(super) fn alert(&self, at: &EventAt, json: &str, is_repeat: bool) {
        if let Some(body) = self.bodies.borrow_mut().get_mut(at.input as usize) {
            if is_repeat {
                body.repeats += 1;
            } else {
                body.alerts += 1;
            }
            body.keep(at.line, json);
        }
    }

    /// Something was not judged: `code: reason`.
    pub(super) fn fault(&self, at: &EventAt, text: &str) {
        let mut all = self.bodies.borrow_mut();
        let Some(body) = all.get_mut(at.input as usize) else { return };
        body.not_judged += 1;
        if let Some(body) = &mut body.annotated {
            body.annotator.not_judged(at.line, text);
        }
        if body.faults.len() < body.most_faults {
            let (code, reason) = text.split_once(": ").unwrap_or(("bad", text));
            let reason = reason.get(..reason.floor_char_boundary(MAX_REASON)).unwrap_or_default();
            let (code, reason) = (code.to_owned(), reason.to_owned());
            body.faults.push(BodyFault { line: at.line, record: at.record, code, reason });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(input: u32, line: u64) -> EventAt {
        EventAt { input, offset: 9, line, record: Some(1) }
    }

    fn kept(body: &mut BodyResult) -> String {
        let (mut text, lines) = (String::new(), body.lines.as_mut().unwrap());
        lines.rewind().unwrap();
        lines.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn each_body_has_what_is_its_own() {
        let ledger = BodyLedger::default();
        ledger.begin(BodyResult::new(true, 1));
        ledger.present(|body| body.events += 2);
        ledger.begin(BodyResult::new(false, 9));
        ledger.alert(&at(0, 1), "{\"a\":1}", false);
        ledger.alert(&at(0, 1), "{\"a\":1}", true);
        ledger.alert(&at(1, 1), "{}", false);
        ledger.fault(&at(0, 3), "bad_json: at byte 7");
        ledger.fault(&at(0, 3), "bad_json: another");
        // What is of no body is nobody's.
        ledger.alert(&at(7, 1), "{}", false);
        let [mut first, second] = <[_; 2]>::try_from(ledger.take()).unwrap();
        assert_eq!((first.events, first.alerts, first.repeats, first.not_judged), (2, 1, 1, 2));
        let [fault] = &first.faults[..] else { panic!() };
        assert_eq!((fault.line, &*fault.code, &*fault.reason), (3, "bad_json", "at byte 7"));
        assert_eq!(kept(&mut first), "{\"a\":1}\n{\"a\":1}\n");
        assert_eq!((second.events, second.alerts, second.lines.is_none()), (0, 1, true));
        assert!(ledger.is_empty());
    }

    #[test]
    fn a_body_that_asks_gets_its_lines_back_with_their_alerts() {
        let ledger = BodyLedger::annotating(1 << 20);
        ledger.begin(BodyResult::new(true, 9));
        ledger.input(b"{\"n\":1}\n{\"n\"");
        ledger.input(b":2}\nno JSON\n{\"n\":4}");
        // Of a body that does not ask nothing is kept.
        ledger.begin(BodyResult::new(false, 9));
        ledger.input(b"{}\n");
        ledger.alert(&at(1, 1), "{}", false);
        ledger.alert(&at(0, 4), "{\"a\":4}", true);
        ledger.alert(&at(0, 2), "{\"a\":2}", false);
        ledger.fault(&at(0, 1), "bad_time: no");
        let [mut first, second] = <[_; 2]>::try_from(ledger.take()).unwrap();
        assert!(first.lost_lines().is_none() && second.lines.is_none());
        assert_eq!(
            kept(&mut first),
            "{\"n\":1,\"firstseen_error\":{\"code\":\"bad_time\",\"reason\":\"no\"}}\n\
             {\"n\":2,\"firstseen_alerts\":[{\"a\":2}]}\nno JSON\n\
             {\"n\":4,\"firstseen_alerts\":[{\"a\":4}]}\n"
        );
    }
}

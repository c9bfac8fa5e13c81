//! What is told of each body: what was counted, what was wrong in it, and its alerts.
//!
//! In: counts and faults while a group of bodies is read and decided. Out: one [`BodyResult`] for each, in order. It
//! keeps a bounded number of faults of each body, and alerts beyond 1 MiB on disk.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use tempfile::SpooledTempFile;

/// Alerts of a body that are kept in memory, in bytes.
const SPOOL: usize = 1 << 20;
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
    /// Its alerts and repeats, a line each, where they were asked for.
    pub lines: Option<SpooledTempFile>,
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

    /// Why its alerts could not be kept; they are in the output all the same.
    #[must_use]
    pub fn lost_lines(&self) -> Option<&str> {
        self.lost_lines.as_deref()
    }

    fn keep(&mut self, json: &str) {
        let Some(lines) = &mut self.lines else { return };
        let written = lines.write_all(json.as_bytes()).and_then(|()| lines.write_all(b"\n"));
        if let Err(error) = written {
            self.lost_lines.get_or_insert_with(|| error.to_string());
        }
    }
}

/// The bodies that are decided together; shared by those who hear of them on one thread.
#[derive(Debug, Clone, Default)]
pub struct BodyLedger(Rc<RefCell<Vec<BodyResult>>>);

impl BodyLedger {
    /// Another body; what is counted from now on is of it.
    pub fn begin(&self, body: BodyResult) {
        self.0.borrow_mut().push(body);
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// All of them: they are decided.
    #[must_use]
    pub fn take(&self) -> Vec<BodyResult> {
        std::mem::take(&mut *self.0.borrow_mut())
    }

    /// The one that is read.
    pub(super) fn present(&self, change: impl FnOnce(&mut BodyResult)) {
        if let Some(body) = self.0.borrow_mut().last_mut() {
            change(body);
        }
    }

    /// An alert of a body, by its number; whether it was given before.
    pub(super) fn alert(&self, input: u32, json: &str, is_repeat: bool) {
        if let Some(body) = self.0.borrow_mut().get_mut(input as usize) {
            if is_repeat {
                body.repeats += 1;
            } else {
                body.alerts += 1;
            }
            body.keep(json);
        }
    }

    /// Something was not judged: `code: reason`.
    pub(super) fn fault(&self, at: &firstseen_session::EventAt, text: &str) {
        let mut all = self.0.borrow_mut();
        let Some(body) = all.get_mut(at.input as usize) else { return };
        body.not_judged += 1;
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
    use firstseen_session::EventAt;
    use std::io::{Read, Seek};

    #[test]
    fn each_body_has_what_is_its_own() {
        let ledger = BodyLedger::default();
        ledger.begin(BodyResult::new(true, 1));
        ledger.present(|body| body.events += 2);
        ledger.begin(BodyResult::new(false, 9));
        ledger.alert(0, "{\"a\":1}", false);
        ledger.alert(0, "{\"a\":1}", true);
        ledger.alert(1, "{}", false);
        let at = EventAt { input: 0, offset: 9, line: 3, record: Some(1) };
        ledger.fault(&at, "bad_json: at byte 7");
        ledger.fault(&at, "bad_json: another");
        // What is of no body is nobody's.
        ledger.alert(7, "{}", false);
        let [mut first, second] = <[_; 2]>::try_from(ledger.take()).unwrap();
        assert_eq!((first.events, first.alerts, first.repeats, first.not_judged), (2, 1, 1, 2));
        let [fault] = &first.faults[..] else { panic!() };
        assert_eq!((fault.line, &*fault.code, &*fault.reason), (3, "bad_json", "at byte 7"));
        let mut lines = String::new();
        let kept = first.lines.as_mut().unwrap();
        kept.rewind().unwrap();
        kept.read_to_string(&mut lines).unwrap();
        assert_eq!(lines, "{\"a\":1}\n{\"a\":1}\n");
        assert_eq!((second.events, second.alerts, second.lines.is_none()), (0, 1, true));
        assert!(ledger.is_empty());
    }
}

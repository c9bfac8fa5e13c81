//! What a run did, in numbers.
//!
//! In: counts as the run made them. Out: a few lines for a person, and one JSON object. Everything
//! that could not be judged is named: nothing is left out in silence.
use crate::terminal::escape::escaped;
use anyhow::Context as _;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// The counts of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Inputs that were read.
    pub files: u64,
    /// Bytes of what was read, unpacked.
    pub bytes: u64,
    /// Events read.
    pub events: u64,
    /// Events that a rule's query matched; one that two rules match counts twice.
    pub matched: u64,
    /// Alerts.
    pub alerts: u64,
    /// Alerts given again, because the same event came again.
    pub repeats: u64,
    /// Terms that were seen before in the window.
    pub seen: u64,
    /// Matched events without one of the new-terms fields.
    pub missing_terms: u64,
    /// The same by the field that was missing.
    pub missing_by_field: BTreeMap<String, u64>,
    /// Events that could not be read.
    pub bad: u64,
    /// Inputs or messages that hold no events, by what they are.
    pub no_events: BTreeMap<String, u64>,
    /// Matched events that an exception took out.
    pub excepted: u64,
    /// The same by the exception's name; of the first names that came.
    pub excepted_by: BTreeMap<String, u64>,
    /// Matched events dated later than the clock allows.
    pub future: u64,
    /// Terms older than all that the state remembers.
    pub late_beyond_memory: u64,
    /// Matched events with more terms than are judged.
    pub too_many_terms: u64,
    /// Terms taken as known while a rule learned.
    pub learned: u64,
    /// Inputs that could not be read to their end.
    pub failed_inputs: u64,
    /// Events written to the dead letter file.
    pub dead_letters: u64,
    /// Events that --hold let go early, because memory for holding them was full.
    pub hold_forced: u64,
    /// What the state is and what becomes of it.
    pub state: String,
    /// How long the run took, in milliseconds.
    pub elapsed_ms: u64,
    /// Events read in a second.
    pub events_per_second: u64,
}

/// The summary stays within so many columns.
const WIDTH: usize = 80;
/// Where the text of a row begins.
const INDENT: usize = 12;

/// Exceptions that are counted by name: a guest could send new names for ever.
const MAX_NAMES: usize = 1000;
/// Exceptions that are named to a person.
const SHOWN_NAMES: usize = 5;

impl Summary {
    /// Counts an event that an exception took out.
    pub fn except(&mut self, name: &str) {
        self.excepted += 1;
        if let Some(count) = self.excepted_by.get_mut(name) {
            *count += 1;
        } else if self.excepted_by.len() < MAX_NAMES {
            self.excepted_by.insert(name.to_owned(), 1);
        }
    }

    /// Ends the counting: how long it took, and what that makes of a second.
    pub fn finish(&mut self, elapsed: Duration) {
        self.elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let seconds = elapsed.as_secs_f64().max(1e-6);
        self.events_per_second = (self.events as f64 / seconds) as u64;
    }

    /// Writes it for a person, within 80 columns.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn print(&self, to: &mut impl Write) -> io::Result<()> {
        let mut read = format!(
            "{} in {} ({})",
            grouped(self.events),
            counted(self.files, "input", "inputs"),
            size(self.bytes)
        );
        let seconds = self.elapsed_ms as f64 / 1000.0;
        read += &format!(", {seconds:.2} s, {} events/s", grouped(self.events_per_second));
        let mut alerts = grouped(self.alerts);
        for (count, what) in [
            (self.seen, "terms seen before"),
            (self.repeats, "repeated"),
            (self.learned, "learned"),
        ] {
            if count > 0 {
                alerts += &format!(", {} {what}", grouped(count));
            }
        }
        row(to, "events", &read)?;
        row(to, "matched", &grouped(self.matched))?;
        row(to, "alerts", &alerts)?;
        row(to, "state", &escaped(&self.state))?;
        for note in self.notes() {
            wrapped(to, "  ", 4, &note)?;
        }
        Ok(())
    }

    /// A sentence for everything that was not judged as usual.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (field, count) in &self.missing_by_field {
            let who = if field == "user.name" { " (Root, AWS services)" } else { "" };
            let events = counted(*count, "matched event has", "matched events have");
            let they = if *count == 1 { "it" } else { "they" };
            notes.push(format!("{events} no {}{who}: {they} cannot alert", escaped(field)));
        }
        let mut note = |count, one: &str, many: &str| {
            if count > 0 {
                notes.push(counted(count, one, many));
            }
        };
        let named = self.missing_by_field.values().sum();
        note(
            self.missing_terms.saturating_sub(named),
            "matched event lacks a new-terms field: it cannot alert",
            "matched events lack a new-terms field: they cannot alert",
        );
        note(
            self.future,
            "matched event is dated in the future: it was not judged",
            "matched events are dated in the future: they were not judged",
        );
        note(
            self.hold_forced,
            "event left the hold early, memory for it was full: its order is not certain",
            "events left the hold early, memory for them was full: their order is not certain",
        );
        note(
            self.late_beyond_memory,
            "term is older than all the state remembers: it was not judged",
            "terms are older than all the state remembers: they were not judged",
        );
        note(
            self.too_many_terms,
            "matched event has more terms than are judged (256, 8 MiB)",
            "matched events have more terms than are judged (256, 8 MiB)",
        );
        let excepted = self.excepted_notes();
        note(self.excepted, &excepted.0, &excepted.1);
        note(self.bad, "event could not be read", "events could not be read");
        note(
            self.dead_letters,
            "dead letter was written: what was skipped is in it",
            "dead letters were written: what was skipped is in them",
        );
        note(
            self.failed_inputs,
            "input could not be read to its end",
            "inputs could not be read to their end",
        );
        if !self.no_events.is_empty() {
            let kinds: Vec<_> = self
                .no_events
                .iter()
                .map(|(kind, count)| format!("{} x {}", grouped(*count), escaped(kind)))
                .collect();
            notes.push(format!("recognised, and no events in it: {}", kinds.join(", ")));
        }
        notes
    }

    /// What exceptions took out, for one event and for several: the most frequent by name.
    fn excepted_notes(&self) -> (String, String) {
        let mut by: Vec<_> = self.excepted_by.iter().collect();
        by.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
        let shown = by.iter().take(SHOWN_NAMES);
        let shown = shown.map(|(name, count)| format!("{} {}", escaped(name), grouped(**count)));
        let mut shown: Vec<String> = shown.collect();
        if let more @ 1.. = by.len().saturating_sub(SHOWN_NAMES) {
            shown.push(format!("{} more", grouped(more as u64)));
        }
        let shown = shown.join(", ");
        (
            format!("matched event was taken out by an exception: {shown}"),
            format!("matched events were taken out by exceptions: {shown}"),
        )
    }

    /// Writes it as one JSON object.
    ///
    /// # Errors
    /// When the file cannot be written; it is named.
    pub fn write_json(&self, path: &Path) -> anyhow::Result<()> {
        let mut json = serde_json::to_string(self)?;
        json.push('\n');
        std::fs::write(path, json)
            .with_context(|| format!("{}: the summary cannot be written", path.display()))
    }
}

fn row(to: &mut impl Write, label: &str, text: &str) -> io::Result<()> {
    wrapped(to, &format!("  {label:<0$}", INDENT - 2), INDENT, text)
}

/// Writes words, in as many lines as it takes.
fn wrapped(to: &mut impl Write, head: &str, indent: usize, text: &str) -> io::Result<()> {
    let mut line = head.to_owned();
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.width() + 1 + word.width() > WIDTH {
            writeln!(to, "{line}")?;
            line = " ".repeat(indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    writeln!(to, "{line}")
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of bytes in the unit that fits.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.5 {
            let digits = usize::from(unit != "B" && value < 99.95);
            return format!("{value:.digits$} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(summary: &Summary) -> String {
        let mut out = Vec::new();
        summary.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn busy() -> Summary {
        let mut summary = Summary {
            files: 12,
            bytes: 1_234_567,
            events: 1_234_567,
            matched: 58,
            alerts: 3,
            repeats: 1,
            seen: 40,
            missing_terms: 13,
            missing_by_field: [("user.name".to_owned(), 12), ("host.id".to_owned(), 1)].into(),
            bad: 2,
            no_events: [("CloudTrail digest".to_owned(), 4), ("S3 test event".to_owned(), 1)]
                .into(),
            excepted: 1234,
            excepted_by: [("ci pipeline".to_owned(), 1231), ("the vendor".to_owned(), 3)].into(),
            future: 2,
            hold_forced: 1,
            late_beyond_memory: 1,
            too_many_terms: 1,
            learned: 7,
            failed_inputs: 1,
            dead_letters: 2,
            state: "memory, nothing is kept; --state PATH keeps it".to_owned(),
            ..Summary::default()
        };
        summary.finish(Duration::from_millis(3210));
        summary
    }

    #[test]
    fn a_quiet_run_is_four_lines() {
        let summary = Summary { files: 1, state: "s.redb, 1 term".to_owned(), ..busy() };
        let quiet = Summary {
            files: 1,
            bytes: 999,
            events: 10,
            state: summary.state,
            elapsed_ms: 4,
            events_per_second: 2500,
            ..Summary::default()
        };
        assert_eq!(
            print(&quiet),
            "  events    10 in 1 input (999 B), 0.00 s, 2,500 events/s
  matched   0
  alerts    0
  state     s.redb, 1 term
"
        );
    }

    #[test]
    fn everything_is_named_within_80_columns() {
        let shown = print(&busy());
        assert_eq!(
            shown,
            "  events    1,234,567 in 12 inputs (1.2 MB), 3.21 s, 384,600 events/s
  matched   58
  alerts    3, 40 terms seen before, 1 repeated, 7 learned
  state     memory, nothing is kept; --state PATH keeps it
  1 matched event has no host.id: it cannot alert
  12 matched events have no user.name (Root, AWS services): they cannot alert
  2 matched events are dated in the future: they were not judged
  1 event left the hold early, memory for it was full: its order is not certain
  1 term is older than all the state remembers: it was not judged
  1 matched event has more terms than are judged (256, 8 MiB)
  1,234 matched events were taken out by exceptions: ci pipeline 1,231, the
    vendor 3
  2 events could not be read
  2 dead letters were written: what was skipped is in them
  1 input could not be read to its end
  recognised, and no events in it: 4 x CloudTrail digest, 1 x S3 test event
"
        );
        assert!(shown.lines().all(|line| line.width() <= WIDTH));
    }

    #[test]
    fn long_text_is_wrapped_and_untrusted_text_escaped() {
        let kinds = (0..9).map(|i| (format!("kind of message number {i}"), i)).collect();
        let mut summary = Summary { no_events: kinds, ..busy() };
        summary.missing_by_field = [("a\x1b[31m".to_owned(), 13)].into();
        let shown = print(&summary);
        assert!(shown.lines().all(|line| line.width() <= WIDTH), "{shown}");
        assert!(shown.contains("\n    "), "{shown}");
        assert!(shown.contains("no a\\u{1b}[31m:") && !shown.contains('\x1b'), "{shown}");
    }

    #[test]
    fn exceptions_are_named_by_how_much_they_took_out() {
        let mut summary = Summary::default();
        summary.except("only\x1b");
        assert!(print(&summary).contains("1 matched event was taken out by an exception: only\\u"));
        for n in 0..2 * MAX_NAMES {
            (0..=n % 7).for_each(|_| summary.except(&format!("name {n}")));
        }
        assert_eq!(summary.excepted_by.len(), MAX_NAMES);
        assert!(summary.excepted > summary.excepted_by.values().sum());
        let shown = print(&summary);
        assert!(shown.contains("exceptions: name 104 7, name 111 7,"), "{shown}");
        assert!(shown.contains(", 995 more"), "{shown}");
        assert!(shown.lines().all(|line| line.width() <= WIDTH), "{shown}");
    }

    #[test]
    fn missing_fields_that_nobody_named_are_still_counted() {
        let summary = Summary { missing_terms: 2, ..Summary::default() };
        assert!(print(&summary).contains("  2 matched events lack a new-terms field"));
    }

    #[test]
    fn the_json_has_every_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.json");
        busy().write_json(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("}\n") && text.lines().count() == 1);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json.as_object().unwrap().len(), 23);
        for (name, value) in [
            ("events", 1_234_567),
            ("matched", 58),
            ("alerts", 3),
            ("missing_terms", 13),
            ("bad", 2),
            ("elapsed_ms", 3210),
            ("events_per_second", 384_600),
        ] {
            assert_eq!(json[name], value, "{name}");
        }
        assert_eq!(json["missing_by_field"]["user.name"], 12);
        assert_eq!(json["excepted_by"]["the vendor"], 3);
        let error = busy().write_json(Path::new("/no/such/folder/s")).unwrap_err();
        assert!(error.to_string().starts_with("/no/such/folder/s: "), "{error}");
    }

    #[test]
    fn sizes_and_numbers_are_readable() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (99_949, "99.9 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (u64::MAX, "18446744.1 TB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn no_time_at_all_is_no_division_by_zero() {
        let mut summary = Summary { events: 1, ..Summary::default() };
        summary.finish(Duration::ZERO);
        assert_eq!(summary.events_per_second, 1_000_000);
    }
}

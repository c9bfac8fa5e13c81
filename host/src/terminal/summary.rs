//! The summary of a run, for a person.
//!
//! In: the counts. Out: a few lines within 80 columns: events, matches, alerts, the state, and the
//! sentences of `notes.rs`. Names from events are escaped.

use super::formats::{bytes, counted, number};
use super::learned::{self, minute};
use super::message::Level;
use super::notes::notes;
pub use super::notes::of_inputs;
use super::rule_table;
use super::schedule;
use super::wrap::{labelled, wrapped};
use crate::escape::escaped;
use crate::observe::summary::Summary;

/// The lines, each with its line break.
#[must_use]
pub fn page(summary: &Summary) -> String {
    let mut read = format!(
        "{} in {} ({})",
        number(summary.events),
        counted(summary.files, "input", "inputs"),
        bytes(summary.bytes)
    );
    let seconds = summary.elapsed_ms as f64 / 1000.0;
    read += &format!(", {seconds:.2} s, {} events/s", number(summary.events_per_second));
    let mut alerts = number(summary.alerts);
    for (count, one, many) in [
        (summary.seen, "term seen before", "terms seen before"),
        (summary.repeats, "repeated", "repeated"),
        (summary.learned, "learned", "learned"),
    ] {
        if count > 0 {
            alerts += &format!(", {}", counted(count, one, many));
        }
    }
    let mut out =
        if summary.rules.len() > 1 { rule_table::table(&summary.rules) } else { String::new() };
    out += &labelled("events", &read);
    if let (Some(first), Some(last)) = (summary.first_time_ms, summary.last_time_ms) {
        out += &labelled("dated", &format!("{} to {}", minute(first), minute(last)));
    }
    out += &labelled("matched", &number(summary.matched));
    out += &labelled("alerts", &alerts);
    if let Some(text) = schedule::row(&summary.rules) {
        out += &labelled("schedule", &text);
    }
    out += &labelled("state", &escaped(&summary.state));
    let all_new = format!("the state was empty: {}", learned::ALL_NEW);
    let told = Some(all_new).filter(|_| summary.all_new && summary.alerts > 0).into_iter();
    let told = told.chain(learned::sentences(&summary.rules));
    for note in told.chain(notes(summary).into_iter().map(|(_, note)| note)) {
        out += &wrapped(&note, "  ", "    ");
    }
    out
}

/// What could not be read or judged, alone: what is left of the summary under `--quiet`. Nothing where all
/// was judged.
#[must_use]
pub fn not_judged(summary: &Summary) -> String {
    let notes = notes(summary).into_iter().filter(|(level, _)| *level == Level::Warning);
    notes.map(|(_, note)| wrapped(&note, "  ", "    ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::summary::tests::{busy, named};
    use crate::terminal::wrap::WIDTH;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn a_quiet_run_is_four_lines() {
        let summary = Summary { files: 1, state: "s.redb, 1 term".to_owned(), ..busy() };
        let quiet = Summary {
            files: 1,
            bytes: 999,
            events: 10,
            state: summary.state,
            all_new: true,
            elapsed_ms: 4,
            events_per_second: 2500,
            ..Summary::default()
        };
        // Where nothing alerted, that the state was empty is of no interest.
        assert_eq!(page(&quiet).lines().count(), 4);
        let quiet = Summary { matched: 1, alerts: 1, ..quiet };
        assert_eq!(
            page(&quiet),
            "  events    10 in 1 input (999 B), 0.00 s, 2,500 events/s
  matched   1
  alerts    1
  state     s.redb, 1 term
  the state was empty: every term is new once and alerts; `firstseen learn INPUT
    --state PATH` takes past ones as known, --learn-until TIME those before it
"
        );
    }

    #[test]
    fn everything_is_named_within_80_columns() {
        let shown = page(&busy());
        assert_eq!(
            shown,
            "  events    1,234,567 in 12 inputs (1.23 MB), 3.21 s, 384,600 events/s
  dated     2025-04-01 08:00 to 2025-04-02 08:00
  matched   58
  alerts    3, 40 terms seen before, 1 repeated, 7 learned
  state     memory, nothing is kept; --state PATH keeps it
  12 matched events have no user.name (AWS service 10, root user 2): they cannot
    alert
  1 matched event has no host.id: it cannot alert
  2 matched events are dated in the future: they were not judged
  1 matched event is dated before 2013, when there was no CloudTrail: is its
    time right?
  1 event was released early, because memory for --hold was full: it may be out
    of order
  1 term is older than everything in the state: it was not judged
  2 alerts are dated before what the state remembers: an earlier run may have
    given them, with other ids
  1 matched event was gone when it was to alert: its file was replaced or cut
    during the run; nothing is kept of its terms
  2 later sightings of such terms were not judged
  1 matched event has more terms than were judged: the limit is 256 terms and 8
    MiB
  1,234 matched events were suppressed by exceptions: ci pipeline 1,231, the
    vendor 3
  3 matched events are of indices outside their rules' patterns:
    logs-aws.guardduty-default 3
  3 events could not be judged: bad_json 2, too_deep 1
  2 skipped events were written to the dead letter file
  5 skipped events were not written to the dead letter file, which has its limit
  1 input could not be read to its end
  3 texts are like CloudTrail's, in an envelope that others can write to, and
    were not opened: --trust-envelopes dataset:nginx.access opens them
  1 text is like CloudTrail's, in an envelope that others can write to, and was
    not opened: --trust-envelopes log opens it
  skipped, no events: 2 Splunk events
  skipped, no events: 4 CloudTrail digests
"
        );
        assert!(shown.lines().all(|line| line.width() <= WIDTH));
    }

    #[test]
    fn long_text_is_wrapped_and_untrusted_text_escaped() {
        let kinds: Vec<_> = (1..9).map(|i| (format!("kind of message number {i}"), i)).collect();
        let no_events = kinds.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
        let mut summary = Summary { no_events, ..busy() };
        summary.missing_by_field = named(&[("a\x1b[31m", 13)]);
        let shown = page(&summary);
        assert!(shown.lines().all(|line| line.width() <= WIDTH), "{shown}");
        assert!(shown.contains("\n    "), "{shown}");
        assert!(shown.contains("no a\\u{1b}[31m:") && !shown.contains('\x1b'), "{shown}");
    }

    #[test]
    fn exceptions_are_named_by_how_much_they_took_out() {
        let mut summary = Summary { events: 1, ..Summary::default() };
        summary.suppress("only\x1b");
        assert!(page(&summary).contains("1 matched event was suppressed by an exception: only\\u"));
        for n in 0..2000 {
            (0..=n % 7).for_each(|_| summary.suppress(&format!("name {n}")));
        }
        let shown = page(&summary);
        assert!(shown.contains("exceptions: name 104 7, name 111 7,"), "{shown}");
        assert!(shown.contains(", others 7,961"), "{shown}");
        assert!(shown.lines().all(|line| line.width() <= WIDTH), "{shown}");
    }

    #[test]
    fn who_lacks_a_field_is_said_only_where_it_was_found() {
        let of = |causes: &[(&str, u64)]| {
            let missing_causes = [("user.name".to_owned(), named(causes))].into();
            page(&Summary { missing_causes, ..busy() })
        };
        let shown = page(&Summary { missing_causes: [].into(), ..busy() });
        assert!(shown.contains("  12 matched events have no user.name: they"), "{shown}");
        assert!(of(&[("root user", 12)]).contains("no user.name (root user): they"));
        assert!(of(&[("root user", 3)]).contains("no user.name (of 3: root user 3): they"));
        let many = ["a", "b", "c", "d", "e", "f", "g"].map(|cause| (cause, 1));
        assert!(of(&many).contains("(of 7: a 1, b 1, c 1, d 1, e 1, others 2)"));
        let one = page(&Summary { seen: 1, ..Summary::default() });
        assert!(one.contains("  alerts    0, 1 term seen before\n"), "{one}");
    }

    #[test]
    fn missing_fields_that_nobody_named_are_still_counted() {
        let summary = Summary { missing_terms: 2, ..Summary::default() };
        assert!(page(&summary).contains("  2 matched events lack a new-terms field"));
    }
}

//! The summary of a run, for a person.
//!
//! In: the counts. Out: a few lines within 80 columns: events, matches, alerts, the state, and a
//! sentence for everything that was not judged as usual. Names from events are escaped.

use super::formats::{bytes, counted, number};
use super::learned::{self, minute};
use super::rule_table;
use super::schedule;
use super::wrap::wrapped;
use crate::escape::escaped;
use crate::observe::summary::{OTHERS, Summary, YEAR_2013};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Where the text of a row begins.
const INDENT: usize = 12;
/// Exceptions that are named.
const SHOWN_NAMES: usize = 5;

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
    out += &row("events", &read);
    if let (Some(first), Some(last)) = (summary.first_time_ms, summary.last_time_ms) {
        out += &row("dated", &format!("{} to {}", minute(first), minute(last)));
    }
    out += &row("matched", &number(summary.matched));
    out += &row("alerts", &alerts);
    if let Some(text) = schedule::row(&summary.rules) {
        out += &row("schedule", &text);
    }
    out += &row("state", &escaped(&summary.state));
    let all_new = format!("the state was empty: {}", learned::ALL_NEW);
    let told = Some(all_new).filter(|_| summary.all_new && summary.matched > 0).into_iter();
    let told = told.chain(learned::sentences(&summary.rules));
    for note in told.chain(notes(summary)) {
        out += &wrapped(&note, "  ", "    ");
    }
    out
}

fn row(label: &str, text: &str) -> String {
    let first = format!("  {label:<0$}", INDENT - 2);
    wrapped(text, &first, &" ".repeat(INDENT))
}

/// A sentence for everything that was not judged as usual.
fn notes(summary: &Summary) -> Vec<String> {
    let mut notes = Vec::new();
    for (field, count) in &summary.missing_by_field {
        let events = counted(*count, "matched event has", "matched events have");
        let who = causes(summary, field, *count);
        let they = if *count == 1 { "it" } else { "they" };
        notes.push(format!("{events} no {}{who}: {they} cannot alert", escaped(field)));
    }
    let mut note = |count, one: &str, many: &str| {
        if count > 0 {
            notes.push(counted(count, one, many));
        }
    };
    let named = summary.missing_by_field.values().sum();
    note(
        summary.missing_terms.saturating_sub(named),
        "matched event lacks a new-terms field: it cannot alert",
        "matched events lack a new-terms field: they cannot alert",
    );
    note(
        summary.future,
        "matched event is dated in the future: it was not judged",
        "matched events are dated in the future: they were not judged",
    );
    note(
        summary.before_2013,
        "matched event is dated before 2013, when there was no CloudTrail: is its time right?",
        "matched events are dated before 2013, when there was no CloudTrail: is their time right?",
    );
    note(
        u64::from(
            summary.before_2013 == 0 && summary.first_time_ms.is_some_and(|ms| ms < YEAR_2013),
        ),
        "or more events are dated before 2013, when there was no CloudTrail: is their time right?",
        "",
    );
    note(
        summary.already_read,
        "input was read by an earlier run, and was left out",
        "inputs were read by an earlier run, and were left out",
    );
    note(
        summary.decided_before,
        "matched event was decided before the run was ended in the middle: it went on behind it",
        "matched events were decided before the run was ended in the middle: it went on behind them",
    );
    note(
        summary.released_early,
        "event was released early, because memory for --hold was full: it may be out of order",
        "events were released early, because memory for --hold was full: they may be out of order",
    );
    note(
        summary.older_than_state,
        "term is older than everything in the state: it was not judged",
        "terms are older than everything in the state: they were not judged",
    );
    note(
        summary.before_memory,
        "alert is dated before what the state remembers: an earlier run may have given it, with \
         another id",
        "alerts are dated before what the state remembers: an earlier run may have given them, with \
         other ids",
    );
    note(
        summary.lost_texts,
        "matched event was gone when it was to alert: its file was replaced or cut during the run; \
         nothing is kept of its terms",
        "matched events were gone when they were to alert: their files were replaced or cut during \
         the run; nothing is kept of their terms",
    );
    note(
        summary.after_lost_text,
        "later sighting of such a term was not judged",
        "later sightings of such terms were not judged",
    );
    note(
        summary.too_many_terms,
        "matched event has more terms than were judged: the limit is 256 terms and 8 MiB",
        "matched events have more terms than were judged: the limit is 256 terms and 8 MiB",
    );
    let by = listed(&summary.suppressed_by);
    note(
        summary.suppressed_by_exception,
        &format!("matched event was suppressed by an exception: {by}"),
        &format!("matched events were suppressed by exceptions: {by}"),
    );
    let by = listed(&summary.other_index_by);
    note(
        summary.other_index,
        &format!("matched event is of an index outside its rule's patterns: {by}"),
        &format!("matched events are of indices outside their rules' patterns: {by}"),
    );
    note(summary.bad, "event could not be read", "events could not be read");
    note(
        summary.records_cut,
        "of these is a record that expands too far: the rest of it was cut",
        "of these are records that expand too far: the rest of each was cut",
    );
    note(
        summary.dead_letters,
        "skipped event was written to the dead letter file",
        "skipped events were written to the dead letter file",
    );
    note(
        summary.dead_letters_cut,
        "more was not, because the dead letter file has its limit",
        "more were not, because the dead letter file has its limit",
    );
    note(
        summary.failed_inputs,
        "input could not be read to its end",
        "inputs could not be read to their end",
    );
    notes.extend(rule_table::silent(&summary.rules));
    notes.extend(rule_table::unused(&summary.unused_exceptions));
    for (entry, count) in &summary.not_opened {
        let texts = counted(*count, "text is", "texts are");
        let (them, were) = if *count == 1 { ("it", "was") } else { ("them", "were") };
        let how = match switch(entry) {
            Some(entry) => format!("--trust-envelopes {entry} opens {them}"),
            None => format!("no option opens {them} by the name {}", escaped(entry)),
        };
        notes.push(format!(
            "{texts} like CloudTrail's, in an envelope that others can write to, and {were} not \
             opened: {how}"
        ));
    }
    if !summary.no_events.is_empty() {
        let kinds = summary.no_events.iter();
        let kinds = kinds.map(|(kind, count)| format!("{} {}", number(*count), escaped(kind)));
        notes.push(format!("skipped, no events: {}", kinds.collect::<Vec<_>>().join(", ")));
    }
    notes
}

/// Why matches have no such field, in brackets: ` (root user 2, AWS service 10)`.
fn causes(summary: &Summary, field: &str, count: u64) -> String {
    let Some(causes) = summary.missing_causes.get(field) else { return String::new() };
    let mut causes: Vec<_> = causes.iter().collect();
    causes.sort_by_key(|(cause, n)| (Reverse(**n), *cause));
    if let [(cause, n)] = causes.as_slice()
        && **n == count
    {
        return format!(" ({})", escaped(cause));
    }
    let looked_at: u64 = causes.iter().map(|(_, n)| **n).sum();
    let shown = causes.iter().take(SHOWN_NAMES);
    let shown = shown.map(|(cause, n)| format!("{} {}", escaped(cause), number(**n)));
    let mut shown: Vec<_> = shown.collect();
    let named: u64 = causes.iter().take(SHOWN_NAMES).map(|(_, n)| **n).sum();
    if let rest @ 1.. = looked_at.saturating_sub(named) {
        shown.push(format!("others {}", number(rest)));
    }
    let of = if looked_at < count { format!("of {}: ", number(looked_at)) } else { String::new() };
    format!(" ({of}{})", shown.join(", "))
}

/// What is counted by name, the largest count first.
fn listed(counts: &BTreeMap<String, u64>) -> String {
    let mut by: Vec<_> = counts.iter().collect();
    by.sort_by_key(|(name, count)| (Reverse(**count), *name));
    let shown = by.iter().take(SHOWN_NAMES);
    let shown = shown.map(|(name, count)| format!("{} {}", escaped(name), number(**count)));
    let mut shown: Vec<String> = shown.collect();
    if let more @ 1.. = by.len().saturating_sub(SHOWN_NAMES) {
        shown.push(format!("{} more", number(more as u64)));
    }
    shown.join(", ")
}

/// An entry of `trust_envelopes` as a shell takes it. Others chose its name: one that means more than
/// itself is no advice.
fn switch(entry: &str) -> Option<Cow<'_, str>> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:/-+@%=,".contains(c);
    if entry == OTHERS || entry.contains(['*', '\'']) || escaped(entry) != entry {
        return None;
    }
    Some(match entry.chars().all(is_plain) {
        true => Cow::Borrowed(entry),
        false => Cow::Owned(format!("'{entry}'")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::summary::tests::busy;
    use crate::terminal::wrap::WIDTH;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn a_name_that_others_chose_is_no_command() {
        for (entry, shown) in [
            ("dataset:nginx.access", Some("dataset:nginx.access")),
            ("log-group:/aws/x", Some("log-group:/aws/x")),
            ("dataset:a b", Some("'dataset:a b'")),
            ("dataset:x; touch y", Some("'dataset:x; touch y'")),
            ("dataset:*", None),
            ("dataset:a'b", None),
            ("dataset:a\n", None),
            ("others", None),
        ] {
            assert_eq!(switch(entry).as_deref(), shown, "{entry}");
        }
    }

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
        // Where nothing matched, what is new in the state is of no interest.
        assert_eq!(page(&quiet).lines().count(), 4);
        let quiet = Summary { matched: 1, ..quiet };
        assert_eq!(
            page(&quiet),
            "  events    10 in 1 input (999 B), 0.00 s, 2,500 events/s
  matched   1
  alerts    0
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
  1 matched event has no host.id: it cannot alert
  12 matched events have no user.name (AWS service 10, root user 2): they cannot
    alert
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
  2 events could not be read
  2 skipped events were written to the dead letter file
  5 more were not, because the dead letter file has its limit
  1 input could not be read to its end
  3 texts are like CloudTrail's, in an envelope that others can write to, and
    were not opened: --trust-envelopes dataset:nginx.access opens them
  1 text is like CloudTrail's, in an envelope that others can write to, and was
    not opened: --trust-envelopes log opens it
  skipped, no events: 4 CloudTrail digest, 1 S3 test event
"
        );
        assert!(shown.lines().all(|line| line.width() <= WIDTH));
    }

    #[test]
    fn long_text_is_wrapped_and_untrusted_text_escaped() {
        let kinds = (0..9).map(|i| (format!("kind of message number {i}"), i)).collect();
        let mut summary = Summary { no_events: kinds, ..busy() };
        summary.missing_by_field = [("a\x1b[31m".to_owned(), 13)].into();
        let shown = page(&summary);
        assert!(shown.lines().all(|line| line.width() <= WIDTH), "{shown}");
        assert!(shown.contains("\n    "), "{shown}");
        assert!(shown.contains("no a\\u{1b}[31m:") && !shown.contains('\x1b'), "{shown}");
    }

    #[test]
    fn exceptions_are_named_by_how_much_they_took_out() {
        let mut summary = Summary::default();
        summary.suppress("only\x1b");
        assert!(page(&summary).contains("1 matched event was suppressed by an exception: only\\u"));
        for n in 0..2000 {
            (0..=n % 7).for_each(|_| summary.suppress(&format!("name {n}")));
        }
        let shown = page(&summary);
        assert!(shown.contains("exceptions: name 104 7, name 111 7,"), "{shown}");
        assert!(shown.contains(", 995 more"), "{shown}");
        assert!(shown.lines().all(|line| line.width() <= WIDTH), "{shown}");
    }

    #[test]
    fn who_lacks_a_field_is_said_only_where_it_was_found() {
        let of = |causes: &[(&str, u64)]| {
            let causes = causes.iter().map(|(cause, n)| ((*cause).to_owned(), *n)).collect();
            let missing_causes = [("user.name".to_owned(), causes)].into();
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

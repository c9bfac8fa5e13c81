//! What was not judged as usual, in sentences.
//!
//! In: the counts of a run. Out: a sentence for each kind, and how important it is: what could not be judged
//! is a warning, what was counted or may help is not. Names from events are escaped and cut, and their
//! number is bounded.

use super::formats::{SHOWN_LINES, SHOWN_NAMES, counted, number};
use super::kinds;
use super::message::Level;
use super::pretty::cut_middle;
use super::rule_table;
use crate::escape::escaped;
use crate::observe::names::NameCounts;
use crate::observe::summary::{Summary, YEAR_2013};
use std::borrow::Cow;

/// Codes of what was wrong: more than there are, unless a guest makes them up.
const SHOWN_CODES: usize = 40;
/// Columns of a name in a sentence.
const SHOWN_COLUMNS: usize = 60;

/// A sentence for everything that was not judged as usual; a warning where it could not be judged.
#[must_use]
pub(super) fn notes(summary: &Summary) -> Vec<(Level, String)> {
    let mut notes = Vec::new();
    missing(summary, &mut notes);
    unjudged(summary, &mut notes);
    let info = |text| (Level::Info, text);
    if summary.events == 0 && summary.bad > 0 {
        notes.push(info(rule_table::NOTHING_JUDGED.to_owned()));
    } else if summary.events == 0 {
        notes.push(info(rule_table::NOTHING_READ.to_owned()));
    } else {
        notes.extend(rule_table::silent(&summary.rules).into_iter().map(info));
        notes.extend(rule_table::unused(&summary.unused_exceptions).into_iter().map(info));
    }
    notes.extend(skipped(summary));
    notes
}

/// What there is to say of inputs alone.
#[must_use]
pub fn of_inputs(summary: &Summary) -> Vec<(Level, String)> {
    let mut notes = Vec::new();
    unjudged(summary, &mut notes);
    notes.extend(skipped(summary));
    notes
}

/// What held no events or was not opened: a warning but for what never holds some.
fn skipped(summary: &Summary) -> Vec<(Level, String)> {
    let not_opened = not_opened(&summary.not_opened).into_iter();
    let mut notes: Vec<_> = not_opened.map(|text| (Level::Warning, text)).collect();
    let all = summary.no_events.most_first();
    let total = summary.no_events.total() - all.iter().map(|(_, count)| count).sum::<u64>();
    for (expected, unnamed) in [(false, total), (true, 0)] {
        let kinds = all.iter().filter(|(kind, _)| kinds::is_expected(kind) == expected);
        let texts = kinds.clone().take(SHOWN_LINES);
        let mut shown: Vec<_> = texts.map(|(kind, count)| kinds::several(kind, *count)).collect();
        let more = kinds.skip(SHOWN_LINES).map(|(_, count)| count).sum::<u64>() + unnamed;
        if more > 0 {
            shown.push(format!("others {}", number(more)));
        }
        if !shown.is_empty() {
            let level = if expected { Level::Info } else { Level::Warning };
            notes.push((level, format!("skipped, no events: {}", shown.join(", "))));
        }
    }
    notes
}

/// Matches without a new-terms field.
fn missing(summary: &Summary, notes: &mut Vec<(Level, String)>) {
    let fields = summary.missing_by_field.most_first();
    for (field, count) in fields.iter().take(SHOWN_LINES) {
        let events = counted(*count, "matched event has", "matched events have");
        let who = causes(summary, field, *count);
        let they = if *count == 1 { "it" } else { "they" };
        let field = short(field);
        notes.push((Level::Info, format!("{events} no {field}{who}: {they} cannot alert")));
    }
    let named: u64 = fields.iter().take(SHOWN_LINES).map(|(_, count)| count).sum();
    let more = summary.missing_terms.saturating_sub(named);
    if more > 0 {
        let one = "matched event lacks a new-terms field: it cannot alert";
        let many = "matched events lack a new-terms field: they cannot alert";
        notes.push((Level::Info, counted(more, one, many)));
    }
}

/// Events, matches, terms and inputs that were not judged, or not as usual.
fn unjudged(summary: &Summary, notes: &mut Vec<(Level, String)>) {
    let mut note = |level: Level, count, one: &str, many: &str| {
        if count > 0 {
            notes.push((level, counted(count, one, many)));
        }
    };
    note(
        Level::Warning,
        summary.future,
        "matched event is dated in the future: it was not judged",
        "matched events are dated in the future: they were not judged",
    );
    note(
        Level::Info,
        summary.before_2013,
        "matched event is dated before 2013, when there was no CloudTrail: is its time right?",
        "matched events are dated before 2013, when there was no CloudTrail: is their time right?",
    );
    note(
        Level::Info,
        u64::from(
            summary.before_2013 == 0 && summary.first_time_ms.is_some_and(|ms| ms < YEAR_2013),
        ),
        "or more events are dated before 2013, when there was no CloudTrail: is their time right?",
        "",
    );
    note(
        Level::Info,
        summary.already_read,
        "input was read by an earlier run, and was left out",
        "inputs were read by an earlier run, and were left out",
    );
    note(
        Level::Info,
        summary.decided_before,
        "matched event was decided by an earlier run: this one went on behind it",
        "matched events were decided by an earlier run: this one went on behind them",
    );
    note(
        Level::Warning,
        summary.released_early,
        "event was released early, because memory for --hold was full: it may be out of order",
        "events were released early, because memory for --hold was full: they may be out of order",
    );
    note(
        Level::Warning,
        summary.older_than_state,
        "term is older than everything in the state: it was not judged",
        "terms are older than everything in the state: they were not judged",
    );
    note(
        Level::Info,
        summary.before_memory,
        "alert is dated before what the state remembers: an earlier run may have given it, with \
         another id",
        "alerts are dated before what the state remembers: an earlier run may have given them, with \
         other ids",
    );
    note(
        Level::Warning,
        summary.lost_texts,
        "matched event was gone when it was to alert: its file was replaced or cut during the run; \
         nothing is kept of its terms",
        "matched events were gone when they were to alert: their files were replaced or cut during \
         the run; nothing is kept of their terms",
    );
    note(
        Level::Warning,
        summary.after_lost_text,
        "later sighting of such a term was not judged",
        "later sightings of such terms were not judged",
    );
    note(
        Level::Warning,
        summary.too_many_terms,
        "matched event has more terms than were judged: the limit is 256 terms and 8 MiB",
        "matched events have more terms than were judged: the limit is 256 terms and 8 MiB",
    );
    let by = listed(&summary.suppressed_by, SHOWN_NAMES);
    note(
        Level::Info,
        summary.suppressed_by_exception,
        &format!("matched event was suppressed by an exception: {by}"),
        &format!("matched events were suppressed by exceptions: {by}"),
    );
    let by = listed(&summary.other_index_by, SHOWN_NAMES);
    note(
        Level::Info,
        summary.other_index,
        &format!("matched event is of an index outside its rule's patterns: {by}"),
        &format!("matched events are of indices outside their rules' patterns: {by}"),
    );
    let by = listed(&summary.bad_by, SHOWN_CODES);
    note(
        Level::Warning,
        summary.bad,
        &format!("event could not be judged: {by}"),
        &format!("events could not be judged: {by}"),
    );
    note(
        Level::Warning,
        summary.records_cut,
        "of these is a record that expands too far: the rest of it was cut",
        "of these are records that expand too far: the rest of each was cut",
    );
    note(
        Level::Info,
        summary.dead_letters,
        "skipped event was written to the dead letter file",
        "skipped events were written to the dead letter file",
    );
    note(
        Level::Warning,
        summary.dead_letters_cut,
        "skipped event was not written to the dead letter file, which has its limit",
        "skipped events were not written to the dead letter file, which has its limit",
    );
    note(
        Level::Warning,
        summary.failed_inputs,
        "input could not be read to its end",
        "inputs could not be read to their end",
    );
}

/// Texts like CloudTrail's that were not opened, a sentence for each entry that opens some.
fn not_opened(entries: &NameCounts) -> Vec<String> {
    let all = entries.most_first();
    let sentence = |(entry, count): &(&str, u64)| {
        let texts = counted(*count, "text is", "texts are");
        let (them, were) = if *count == 1 { ("it", "was") } else { ("them", "were") };
        let how = match switch(entry) {
            Some(entry) => format!("--trust-envelopes {entry} opens {them}"),
            None => format!("no option opens {them} by the name {}", short(entry)),
        };
        format!(
            "{texts} like CloudTrail's, in an envelope that others can write to, and {were} not \
             opened: {how}"
        )
    };
    let mut out: Vec<_> = all.iter().take(SHOWN_LINES).map(sentence).collect();
    let named: u64 = all.iter().take(SHOWN_LINES).map(|(_, count)| count).sum();
    let more = entries.total().saturating_sub(named);
    if more > 0 {
        let texts = counted(more, "more text was", "more texts were");
        out.push(format!("{texts} not opened, in other envelopes; --summary FILE names them"));
    }
    out
}

/// Why matches have no such field, in brackets: ` (root user 2, AWS service 10)`.
fn causes(summary: &Summary, field: &str, count: u64) -> String {
    let Some(causes) = summary.missing_causes.get(field) else { return String::new() };
    if let [(cause, n)] = causes.most_first().as_slice()
        && *n == count
    {
        return format!(" ({})", short(cause));
    }
    let looked_at = causes.total();
    let of = if looked_at < count { format!("of {}: ", number(looked_at)) } else { String::new() };
    format!(" ({of}{})", listed(causes, SHOWN_NAMES))
}

/// What is counted by name, the largest count first.
fn listed(counts: &NameCounts, most: usize) -> String {
    let by = counts.most_first();
    let shown = by.iter().take(most);
    let shown = shown.map(|(name, count)| format!("{} {}", short(name), number(*count)));
    let mut shown: Vec<String> = shown.collect();
    let named: u64 = by.iter().take(most).map(|(_, count)| count).sum();
    if let rest @ 1.. = counts.total().saturating_sub(named) {
        shown.push(format!("others {}", number(rest)));
    }
    shown.join(", ")
}

/// A name that somebody else chose, escaped, and no longer than a line.
fn short(name: &str) -> String {
    cut_middle(&escaped(name), SHOWN_COLUMNS)
}

/// An entry of `trust_envelopes` as a shell takes it. Others chose its name: one that means more than
/// itself is no advice.
fn switch(entry: &str) -> Option<Cow<'_, str>> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:/-+@%=,".contains(c);
    // What was cut is no whole entry.
    if entry.contains(['*', '\'', '…']) || escaped(entry) != entry {
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
    use crate::observe::summary::tests::{busy, named};

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
            ("dataset:cut…", None),
        ] {
            assert_eq!(switch(entry).as_deref(), shown, "{entry}");
        }
    }

    #[test]
    fn what_could_not_be_judged_is_a_warning_and_counts_are_none() {
        let all = notes(&busy());
        let warnings = all.iter().filter(|(level, _)| *level == Level::Warning);
        let warnings: Vec<_> = warnings.map(|(_, note)| note.as_str()).collect();
        let is_warned = |words: &str| warnings.iter().any(|note| note.contains(words));
        for words in
            ["in the future", "not be judged: bad_json 2, too_deep 1", "not opened", "2 Splunk"]
        {
            assert!(is_warned(words), "{words}: {warnings:?}");
        }
        for words in ["digest", "cannot alert", "exceptions", "matched nothing"] {
            assert!(!is_warned(words), "{words}: {warnings:?}");
        }
    }

    #[test]
    fn no_list_is_longer_than_its_limit_and_the_rest_is_counted() {
        let mut summary = Summary { events: 9, ..Summary::default() };
        for n in 0..3000 {
            summary.no_events(&format!("not opened: dataset:d{n:04}"));
            summary.no_events(&format!("kind {n:04}"));
            summary.other_index(&format!("index {n:04}{}", "x".repeat(500)));
        }
        let notes: Vec<_> = notes(&summary).into_iter().map(|(_, note)| note).collect();
        assert_eq!(notes.len(), SHOWN_LINES + 3, "{notes:#?}");
        assert!(notes[0].ends_with("others 2,995"), "{}", notes[0]);
        assert!(notes[0].len() < 5 * SHOWN_COLUMNS + 200, "{}", notes[0]);
        assert!(notes[SHOWN_LINES + 1].starts_with("2,990 more texts were not opened"));
        assert!(notes[SHOWN_LINES + 2].ends_with("kind 0009 1, others 2,990"));
        summary = Summary { missing_terms: 30, events: 9, ..Summary::default() };
        let fields: Vec<_> = (0..30).map(|n| format!("f{n:02}")).collect();
        fields.iter().for_each(|field| summary.missing_by_field.add(field));
        let notes = super::notes(&summary);
        assert_eq!(notes.len(), SHOWN_LINES + 1);
        assert!(notes[SHOWN_LINES].1.starts_with("20 matched events lack"), "{notes:?}");
        assert_eq!(listed(&named(&[("a", 2)]), 1), "a 2");
    }
}

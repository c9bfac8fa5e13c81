//! What a state knows, for a person.
//!
//! In: counts, terms, times, untrusted names and values. Out: paragraphs and tables that fit the
//! width; a value that is too wide is cut in its middle. Everything is escaped.

use super::formats::{bytes, counted, number};
use super::pretty::{cut, cut_middle};
use super::style::{BOLD, DIM, paint};
use super::value::show_time;
use super::wrap::wrapped;
use crate::escape::escaped;
use crate::state::admin::AuditEntry;
use chrono::{DateTime, SubsecRound, Utc};
use unicode_width::UnicodeWidthStr;

/// What there is to say of a rule in a state.
#[derive(Debug, Clone, Default)]
pub struct RuleStats {
    /// The rule's name, or its id.
    pub name: String,
    /// Its id.
    pub rule_id: String,
    /// The tenant.
    pub tenant: String,
    /// What its state depends on.
    pub fingerprint: String,
    /// The window, where the state knows it.
    pub window: Option<String>,
    /// The new-terms fields; none where the state does not know them.
    pub fields: Vec<String>,
    /// The field of the time, where that is not `@timestamp`.
    pub time_field: Option<String>,
    /// The rule has other fields or another window now.
    pub is_older: bool,
    /// How many terms.
    pub terms: u64,
    /// Of them, those that may go.
    pub expired: u64,
    /// Of them, those that were approved.
    pub approved: u64,
    /// Of them, those whose value cannot be read.
    pub unread: u64,
    /// The earliest sighting that is remembered.
    pub first_ms: Option<i64>,
    /// The latest.
    pub last_ms: Option<i64>,
    /// What the terms take.
    pub bytes: u64,
}

/// A term of a table.
#[derive(Debug, Clone, Default)]
pub struct ListedTerm {
    /// The first sighting that is remembered.
    pub first_ms: Option<i64>,
    /// The last.
    pub last_ms: Option<i64>,
    /// Its values, in the order of the fields.
    pub values: Vec<String>,
    /// The last of them is not all there.
    pub is_cut: bool,
    /// Until when it is approved, and why.
    pub approval: Option<(i64, String)>,
    /// Why its value cannot be read.
    pub unread: Option<String>,
}

/// The line above all rules.
#[must_use]
pub fn stats_head(name: &str, file_bytes: Option<u64>, rules: &[RuleStats]) -> String {
    let terms = rules.iter().map(|rule| rule.terms).sum();
    let file = file_bytes.map_or_else(String::new, |size| format!(", a file of {}", bytes(size)));
    format!(
        "{name}: {} of {}{file}\n",
        counted(terms, "term", "terms"),
        counted(rules.len() as u64, "rule", "rules"),
    )
}

/// What there is to say of a rule.
#[must_use]
pub fn stats_paragraph(rule: &RuleStats, colour: bool) -> String {
    let mut out = format!("{}\n", paint(BOLD, &escaped(&rule.name), colour));
    let mut terms = number(rule.terms);
    for (count, word) in
        [(rule.expired, "expired"), (rule.approved, "approved"), (rule.unread, "unreadable")]
    {
        if count > 0 {
            terms += &format!(", {} {word}", number(count));
        }
    }
    out += &fact("terms", &format!("{terms}; {}", bytes(rule.bytes)));
    if let (Some(first), Some(last)) = (rule.first_ms, rule.last_ms) {
        out += &fact("seen", &time_span(first, last));
    }
    let unknown = || "not known: the state is of before it kept them".to_owned();
    out += &fact("window", &rule.window.clone().unwrap_or_else(unknown));
    let fields = if rule.fields.is_empty() { unknown() } else { rule.fields.join(", ") };
    out += &fact("fields", &fields);
    if let Some(field) = &rule.time_field {
        out += &fact("time", field);
    }
    if rule.is_older {
        out += &fact("older", "the rule has another window or other fields now");
    }
    let tenant = if rule.tenant == "default" { "" } else { &rule.tenant };
    if !tenant.is_empty() {
        out += &fact("tenant", tenant);
    }
    out + &fact("rule", &format!("{}, state {}", rule.rule_id, rule.fingerprint))
}

/// What there is to say of a run that can be resumed.
#[derive(Debug, Clone, Default)]
pub struct RunStats {
    /// Its name.
    pub name: String,
    /// The inputs that it has read.
    pub inputs: u64,
    /// Of them, those that its runs did not find any more, and since when the first.
    pub missing: u64,
    /// See `missing`.
    pub missing_since_ms: Option<i64>,
    /// The inputs of a batch that is not finished.
    pub batch: Option<u64>,
    /// How many bytes of a stream are decided, and whether it was over.
    pub stream: Option<(u64, bool)>,
}

/// The same, as a paragraph.
#[must_use]
pub fn run_paragraph(run: &RunStats, colour: bool) -> String {
    let mut out = format!("{}\n", paint(BOLD, &format!("Run {}", escaped(&run.name)), colour));
    let mut inputs = format!("{} read", number(run.inputs));
    if let Some(since) = run.missing_since_ms {
        inputs += &format!(", {} not found since {}", number(run.missing), time(since));
    }
    out += &fact("inputs", &inputs);
    if let Some(inputs) = run.batch {
        out += &fact("batch", &format!("{} not finished", counted(inputs, "input", "inputs")));
    }
    if let Some((read, ended)) = run.stream {
        let how = if ended { "decided to its end" } else { "decided, and not ended" };
        out += &fact("stream", &format!("{} {how}", bytes(read)));
    }
    out
}

/// An entry of a state's log.
#[must_use]
pub fn log_entry(entry: &AuditEntry) -> String {
    let at = DateTime::parse_from_rfc3339(&entry.at).map(|at| at.trunc_subsecs(0).to_utc());
    let at = at.map_or_else(|_| escaped(&entry.at).into_owned(), show_time);
    let head = format!("{at}  {}  {}", escaped(&entry.action), escaped(&entry.who));
    let terms = match entry.terms {
        0 => String::new(),
        terms => format!("  {}", counted(terms, "term", "terms")),
    };
    let mut out = format!("{head}{terms}\n{}", wrapped(&escaped(&entry.what), "  ", "  "));
    if let Some(reason) = &entry.reason {
        out += &wrapped(&format!("because: {}", escaped(reason)), "  ", "  ");
    }
    out
}

/// A labelled fact on lines of its own.
#[must_use]
pub fn fact(label: &str, text: &str) -> String {
    let label = escaped(label);
    wrapped(&escaped(text), &format!("  {label:<8}  "), "            ")
}

/// A labelled time.
#[must_use]
pub fn fact_of_time(label: &str, before: &str, ms: i64) -> String {
    fact(label, &format!("{before}{}", time(ms)))
}

/// A time for a person.
#[must_use]
pub fn time(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).map_or_else(|| format!("{ms} ms"), show_time)
}

/// From one time to another, or one time.
#[must_use]
pub fn time_span(first_ms: i64, last_ms: i64) -> String {
    let first = time(first_ms);
    if first_ms == last_ms {
        return first;
    }
    format!("{} to {}", first.trim_end_matches(" UTC"), time(last_ms))
}

/// Below this width a table has no seconds.
const WIDE: usize = 100;
/// The narrowest column of a value.
const NARROWEST: usize = 12;

/// Terms in columns, below the names of their fields.
#[must_use]
pub fn terms_table(fields: &[String], terms: &[ListedTerm], width: usize, colour: bool) -> String {
    let (format, columns) = if width < WIDE { ("%F %H:%M", 16) } else { ("%F %T", 19) };
    let short = |ms: Option<i64>| {
        let time: Option<DateTime<Utc>> = ms.and_then(DateTime::from_timestamp_millis);
        time.map_or_else(|| "-".to_owned(), |time| time.format(format).to_string())
    };
    let rows: Vec<Vec<String>> = terms.iter().map(cells).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0).max(fields.len());
    let name = |at: usize| match fields.get(at) {
        Some(field) => escaped(field).into_owned(),
        None if at == 0 => "term".to_owned(),
        None => String::new(),
    };
    let natural = (0..count).map(|at| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width());
        cells.max().unwrap_or(0).max(name(at).width())
    });
    let room = width.saturating_sub(2 * (columns + 2));
    let widths = shared(natural.collect(), room);
    let line = |last: &str, first: &str, cells: &dyn Fn(usize) -> String| {
        let mut text = format!("  {last:<columns$}  {first:<columns$}");
        for (at, width) in widths.iter().enumerate() {
            let cell = cut_middle(&cells(at), *width);
            text += &format!("  {cell}{}", " ".repeat(width.saturating_sub(cell.width())));
        }
        text.trim_end().to_owned()
    };
    let mut out = format!("{}\n", paint(DIM, &line("last seen", "first seen", &name), colour));
    for (term, row) in terms.iter().zip(&rows) {
        let cell = |at: usize| row.get(at).cloned().unwrap_or_default();
        out += &line(&short(term.last_ms), &short(term.first_ms), &cell);
        out.push('\n');
        if let Some((until_ms, reason)) = &term.approval {
            let text = format!("    approved until {}: {}", time(*until_ms), escaped(reason));
            out += &format!("{}\n", cut(&text, width));
        }
    }
    out
}

/// The values of a term, escaped; what cannot be read says why.
fn cells(term: &ListedTerm) -> Vec<String> {
    if let Some(reason) = &term.unread {
        return vec![escaped(reason).into_owned()];
    }
    let mut cells: Vec<_> = term.values.iter().map(|value| escaped(value).into_owned()).collect();
    if term.is_cut {
        match cells.last_mut() {
            Some(last) => last.push('…'),
            None => cells.push("…".to_owned()),
        }
    }
    cells
}

/// The widths of columns that want these, where there is so much room: the narrow ones get what they
/// want, the wide ones share the rest.
fn shared(mut wanted: Vec<usize>, room: usize) -> Vec<usize> {
    let gaps = 2 * wanted.len();
    let mut left = room.saturating_sub(gaps);
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|at| wanted[*at]);
    for (taken, at) in order.iter().enumerate() {
        let share = (left / (order.len() - taken)).max(NARROWEST);
        wanted[*at] = wanted[*at].min(share);
        left = left.saturating_sub(wanted[*at]);
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(values: &[&str]) -> ListedTerm {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        ListedTerm {
            first_ms: Some(0),
            last_ms: Some(1_743_494_400_000),
            values,
            ..ListedTerm::default()
        }
    }

    #[test]
    fn a_table_fits_its_width_and_nothing_in_it_acts() {
        let fields = ["cloud.account.id".to_owned(), "user.name".to_owned()];
        let long = format!("arn:aws:sts::111122223333:assumed-role/{}/dana", "r".repeat(60));
        let mut approved = term(&["111122223333", "al\x1b[2Jice\n"]);
        approved.approval = Some((1_743_494_400_000, "ticket\x1b 7".to_owned()));
        let mut unread =
            ListedTerm { unread: Some("newer\x1b".to_owned()), ..ListedTerm::default() };
        unread.is_cut = true;
        let terms = [approved, term(&["111122223333", &long]), unread];
        for width in [80, 120] {
            let text = terms_table(&fields, &terms, width, false);
            assert!(text.lines().all(|line| line.width() <= width), "{text}");
            assert!(!text.chars().any(|c| crate::escape::acts(c) && c != '\n'), "{text}");
        }
        assert_eq!(
            terms_table(&fields, &terms, 80, false),
            "  last seen         first seen        cloud.account.id  user.name
  2025-04-01 08:00  1970-01-01 00:00  111122223333      al\\u{1b}[2Jice\\n
    approved until 2025-04-01 08:00:00 UTC: ticket\\u{1b} 7
  2025-04-01 08:00  1970-01-01 00:00  111122223333      arn:aws:sts:…rrrrrr/dana
  -                 -                 newer\\u{1b}
"
        );
    }
}

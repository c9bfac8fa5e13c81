//! What each rule met, and each exception that met nothing, for a person.
//!
//! In: the counts of the rules. Out: a table of those that matched, a line for each that matched nothing,
//! and for exceptions that took nothing out. Names are escaped.

use super::formats::{SHOWN_LINES, SHOWN_NAMES, counted, number};
use super::wrap::{page_width, wrapped};
use crate::escape::escaped;
use crate::observe::rule_counts::RuleCounts;
use crate::observe::summary::UnusedException;
use unicode_width::UnicodeWidthStr;

/// The narrowest column of names beside numbers.
const NARROWEST: usize = 24;

/// What is said of all rules together where there was no event.
pub const NOTHING_READ: &str = "nothing was read: no input holds an event";
/// What is said where none could be judged.
pub const NOTHING_JUDGED: &str = "no event could be judged";

/// The heads of the columns, and what is in them.
type Column = (&'static str, fn(&RuleCounts) -> u64);

/// Those that every table has.
const ALWAYS: [Column; 3] =
    [("matched", |r| r.matched), ("alerts", |r| r.alerts), ("seen", |r| r.seen)];
/// Those that a table has where a rule has some.
const WHERE_ANY: [Column; 6] = [
    ("repeated", |r| r.repeats),
    ("learned", |r| r.learned),
    ("missing", |r| r.missing),
    ("excepted", |r| r.excepted),
    ("other index", |r| r.other_index),
    ("not judged", |r| r.not_judged),
];

/// The lines, each with its line break: a table also of one rule, over so many events.
#[must_use]
pub fn page(rules: &[RuleCounts], exceptions: &[UnusedException], events: u64) -> String {
    if events == 0 {
        return format!("  {NOTHING_READ}\n");
    }
    let mut out = table(rules);
    for note in silent(rules).into_iter().chain(unused(exceptions)) {
        out += &wrapped(&note, "  ", "    ");
    }
    out
}

/// The rules that matched, the one with the most alerts first.
#[must_use]
pub fn table(rules: &[RuleCounts]) -> String {
    let mut shown: Vec<&RuleCounts> = rules.iter().filter(|rule| rule.matched > 0).collect();
    if shown.is_empty() {
        return String::new();
    }
    shown.sort_by(|a, b| (b.alerts, b.matched, &a.name).cmp(&(a.alerts, a.matched, &b.name)));
    let any = WHERE_ANY.into_iter().filter(|(_, of)| shown.iter().any(|rule| of(rule) > 0));
    let columns: Vec<Column> = ALWAYS.into_iter().chain(any).collect();
    // Every rule that alerted, whatever the limit.
    let alerted = shown.iter().filter(|rule| rule.alerts > 0).count();
    let more = shown.len().saturating_sub(alerted.max(SHOWN_LINES));
    shown.truncate(shown.len() - more);
    let width = |head: &str| head.width().max(9) + 1;
    let taken: usize = 3 + columns.iter().map(|(head, _)| width(head)).sum::<usize>();
    let mut out = String::new();
    if taken + NARROWEST > page_width() {
        // So many columns have no room for a name.
        for rule in shown {
            let counts = columns.iter().map(|(head, of)| (head, of(rule))).filter(|(_, n)| *n > 0);
            let counts: Vec<_> = counts.map(|(head, n)| format!("{head} {}", number(n))).collect();
            let text = format!("{}: {}", escaped(&rule.name), counts.join(", "));
            out += &wrapped(&text, "  ", "    ");
        }
    } else {
        out.push(' ');
        for (head, _) in &columns {
            out += &format!(" {head:>0$}", width(head) - 1);
        }
        out += "  rule\n";
        for rule in shown {
            out.push(' ');
            for (head, of) in &columns {
                out += &format!(" {:>1$}", number(of(rule)), width(head) - 1);
            }
            let name = textwrap::fill(&escaped(&rule.name), page_width() - taken);
            let below = format!("\n{}", " ".repeat(taken));
            out += &format!("  {}\n", name.replace('\n', &below));
        }
    }
    if more > 0 {
        let more = counted(more as u64, "more rule", "more rules");
        out += &wrapped(
            &format!("{more} matched without alerts; --summary FILE has them"),
            "  ",
            "    ",
        );
    }
    out
}

/// A sentence for each rule without a match.
#[must_use]
pub fn silent(rules: &[RuleCounts]) -> Vec<String> {
    let silent: Vec<_> = rules.iter().filter(|rule| rule.matched == 0).collect();
    let sentence = |rule: &&RuleCounts| {
        let reason = rule.silent.as_deref().map(|reason| format!(": {}", escaped(reason)));
        format!("matched nothing: {}{}", escaped(&rule.name), reason.unwrap_or_default())
    };
    let mut out: Vec<_> = silent.iter().take(SHOWN_LINES).map(sentence).collect();
    if let more @ 1.. = silent.len().saturating_sub(SHOWN_LINES) {
        let more = counted(more as u64, "more rule", "more rules");
        out.push(format!("matched nothing: {more}; --summary FILE names them all"));
    }
    out
}

/// The exceptions that took nothing out: those with a reason one by one.
#[must_use]
pub fn unused(exceptions: &[UnusedException]) -> Vec<String> {
    let (with, without): (Vec<_>, Vec<_>) = exceptions.iter().partition(|e| e.reason.is_some());
    let mut out = Vec::new();
    for exception in with.iter().take(SHOWN_NAMES) {
        let (name, reason) = (escaped(&exception.name), exception.reason.as_deref());
        let reason = escaped(reason.unwrap_or_default());
        out.push(format!("exception took nothing out: {name}: {reason}"));
    }
    let rest = without.iter().chain(with.iter().skip(SHOWN_NAMES));
    let names: Vec<_> = rest.map(|exception| escaped(&exception.name).into_owned()).collect();
    if !names.is_empty() {
        let mut shown = names.iter().take(SHOWN_NAMES).cloned().collect::<Vec<_>>();
        if let more @ 1.. = names.len().saturating_sub(SHOWN_NAMES) {
            shown.push(format!("and {} more", number(more as u64)));
        }
        let what = if names.len() == 1 { "exception" } else { "exceptions" };
        out.push(format!("{what} took nothing out: {}", shown.join(", ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, matched: u64, alerts: u64, missing: u64) -> RuleCounts {
        let (id, name, seen) = (name.to_owned(), name.to_owned(), matched - alerts);
        RuleCounts { id, name, matched, alerts, seen, missing, ..RuleCounts::default() }
    }

    #[test]
    fn rules_stand_in_a_table_and_silent_ones_below() {
        let mut quiet = rule("quiet", 0, 0, 0);
        quiet.silent = Some("no event has usr.name".to_owned());
        let all = [rule("b", 4, 1, 0), quiet, rule("a\x1b", 1200, 3, 2), rule("c", 4, 0, 0)];
        assert_eq!(
            page(&all, &[], 9),
            "    matched    alerts      seen   missing  rule
      1,200         3     1,197         2  a\\u{1b}
          4         1         3         0  b
          4         0         4         0  c
  matched nothing: quiet: no event has usr.name
"
        );
        let silent: Vec<_> = (0..25).map(|n| rule(&format!("r{n}"), 0, 0, 0)).collect();
        let shown = page(&silent, &[], 9);
        assert_eq!(shown.lines().count(), SHOWN_LINES + 1);
        assert!(shown.ends_with("15 more rules; --summary FILE names them all\n"), "{shown}");
    }

    #[test]
    fn a_table_fits_its_width_whatever_the_names_and_counts() {
        let name = "A rule with a name that goes on for as long as a person likes to write ones";
        let mut all: Vec<_> = (0..25).map(|n| rule(name, 30, u64::from(n < 12), 3)).collect();
        let shown = table(&all);
        assert!(shown.lines().all(|line| line.width() <= page_width()), "{shown}");
        assert_eq!(shown.matches("A rule with").count(), 12, "{shown}");
        assert!(
            shown.ends_with("  13 more rules matched without alerts; --summary FILE has them\n")
        );
        for rule in &mut all {
            (rule.repeats, rule.learned, rule.excepted, rule.not_judged) = (1, 2, 3, 4);
        }
        let shown = table(&all);
        assert!(shown.lines().all(|line| line.width() <= page_width()), "{shown}");
        assert!(shown.contains("repeated 1, learned 2, missing 3, excepted"), "{shown}");
        assert_eq!(page(&all, &[], 0), format!("  {NOTHING_READ}\n"));
    }

    #[test]
    fn exceptions_without_effect_are_named_those_with_a_reason_first() {
        let exception = |name: &str, reason: Option<&str>| UnusedException {
            name: name.to_owned(),
            reason: reason.map(str::to_owned),
        };
        let mut all = vec![exception("typo", Some("no event has usr.name"))];
        all.extend(["a\x1b", "b", "c", "d", "e", "f"].map(|name| exception(name, None)));
        assert_eq!(
            unused(&all),
            [
                "exception took nothing out: typo: no event has usr.name",
                "exceptions took nothing out: a\\u{1b}, b, c, d, e, and 1 more"
            ]
        );
    }
}

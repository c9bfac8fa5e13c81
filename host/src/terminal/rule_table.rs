//! What each rule met, and each exception that met nothing, for a person.
//!
//! In: the counts of the rules. Out: a table of those that matched, a line for each that matched nothing,
//! and for exceptions that took nothing out. Names are escaped.

use super::formats::number;
use super::wrap::wrapped;
use crate::escape::escaped;
use crate::observe::rule_counts::RuleCounts;
use crate::observe::summary::UnusedException;
use unicode_width::UnicodeWidthStr;

/// Exceptions that are named.
const SHOWN_NAMES: usize = 5;
/// Rules without a match that are named.
const SHOWN_SILENT: usize = 20;

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

/// The lines, each with its line break: a table also of one rule.
#[must_use]
pub fn page(rules: &[RuleCounts], exceptions: &[UnusedException]) -> String {
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
    let mut out = String::from(" ");
    for (head, _) in &columns {
        out += &format!(" {head:>9}");
    }
    out += "  rule\n";
    for rule in shown {
        let mut row = String::from(" ");
        for (head, of) in &columns {
            row += &format!(" {:>1$}", number(of(rule)), head.width().max(9));
        }
        out += &format!("{row}  {}\n", escaped(&rule.name));
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
    let mut out: Vec<_> = silent.iter().take(SHOWN_SILENT).map(sentence).collect();
    if let more @ 1.. = silent.len().saturating_sub(SHOWN_SILENT) {
        let more = number(more as u64);
        out.push(format!("matched nothing: {more} more rules; --summary FILE names them all"));
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
            shown.push(format!("{} more", number(more as u64)));
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
            page(&all, &[]),
            "    matched    alerts      seen   missing  rule
      1,200         3     1,197         2  a\\u{1b}
          4         1         3         0  b
          4         0         4         0  c
  matched nothing: quiet: no event has usr.name
"
        );
        let silent: Vec<_> = (0..25).map(|n| rule(&format!("r{n}"), 0, 0, 0)).collect();
        let shown = page(&silent, &[]);
        assert_eq!(shown.lines().count(), SHOWN_SILENT + 1);
        assert!(shown.ends_with("5 more rules; --summary FILE names them all\n"), "{shown}");
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
                "exceptions took nothing out: a\\u{1b}, b, c, d, e, 1 more"
            ]
        );
    }
}

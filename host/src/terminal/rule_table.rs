//! What each rule met, for a person.
//!
//! In: the counts of the rules. Out: a row for one rule; for several a table of those that matched, and
//! a line for each that matched nothing. Names of rules are escaped.

use super::formats::number;
use super::wrap::wrapped;
use crate::escape::escaped;
use crate::observe::rule_counts::RuleCounts;
use unicode_width::UnicodeWidthStr;

/// Rules without a match that are named.
const SHOWN_SILENT: usize = 20;

/// The heads of the columns, and what is in them.
type Column = (&'static str, fn(&RuleCounts) -> u64);

/// Those that every table has.
const ALWAYS: [Column; 3] =
    [("matched", |r| r.matched), ("alerts", |r| r.alerts), ("seen", |r| r.seen)];
/// Those that a table has where a rule has some.
const WHERE_ANY: [Column; 5] = [
    ("repeated", |r| r.repeats),
    ("learned", |r| r.learned),
    ("missing", |r| r.missing),
    ("excepted", |r| r.excepted),
    ("not judged", |r| r.not_judged),
];

/// The lines, each with its line break: a table also of one rule.
#[must_use]
pub fn page(rules: &[RuleCounts]) -> String {
    let mut out = table(rules);
    for note in silent(rules) {
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
            page(&all),
            "    matched    alerts      seen   missing  rule
      1,200         3     1,197         2  a\\u{1b}
          4         1         3         0  b
          4         0         4         0  c
  matched nothing: quiet: no event has usr.name
"
        );
        let silent: Vec<_> = (0..25).map(|n| rule(&format!("r{n}"), 0, 0, 0)).collect();
        let shown = page(&silent);
        assert_eq!(shown.lines().count(), SHOWN_SILENT + 1);
        assert!(shown.ends_with("5 more rules; --summary FILE names them all\n"), "{shown}");
    }
}

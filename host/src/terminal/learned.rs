//! What the rules learned, for a person.
//!
//! In: the counts of a run. Out: sentences: of `firstseen learn` one for each rule, of `run` one that says
//! from when to when its rules learned before. Names are escaped.

use super::formats::{SHOWN_LINES, counted, number};
use crate::escape::escaped;
use crate::observe::learned::{LearnedEvents, LearnedNow, RuleLearning};
use crate::observe::rule_counts::RuleCounts;

/// What a first run is told.
pub const ALL_NEW: &str = "every term is new once and alerts; `firstseen learn INPUT --state PATH` takes \
                           past ones as known, --learn-until TIME those before it";

/// The sentences, those of rules that learned most first.
#[must_use]
pub fn sentences(rules: &[RuleCounts]) -> Vec<String> {
    let mut now: Vec<_> = rules
        .iter()
        .filter_map(|rule| {
            let learning = rule.learning.as_ref()?;
            Some((rule, learning, learning.now.as_ref()?))
        })
        .collect();
    if now.is_empty() {
        return [before, until, each, events].into_iter().filter_map(|of| of(rules)).collect();
    }
    now.sort_by_key(|(rule, ..)| std::cmp::Reverse(rule.learned));
    let mut out: Vec<_> =
        now.iter().take(SHOWN_LINES).map(|(rule, span, now)| learned(rule, span, now)).collect();
    if let more @ 1.. = now.len().saturating_sub(SHOWN_LINES) {
        let more = counted(more as u64, "more rule", "more rules");
        out.push(format!("{more} learned; --summary FILE names them all"));
    }
    out.extend(events(rules));
    out
}

fn learned(rule: &RuleCounts, span: &RuleLearning, now: &LearnedNow) -> String {
    let terms = counted(rule.learned, "term", "terms");
    let name = escaped(&rule.name);
    let (from, to) = (minute(span.first_time_ms), minute(span.last_time_ms));
    let mut out = format!("{name}: {terms} learned from {from} to {to}");
    let days = counted(now.days, "day", "days");
    let none = number(now.days_without_new);
    if let Some(last) = now.last_new_ms {
        let ago = length(span.last_time_ms.saturating_sub(last));
        out += &format!(
            "; the last new term came {ago} before the end, {none} of {days} brought none"
        );
    } else {
        out += &format!("; none of {days} brought a new one");
    }
    if now.is_shorter_than_window {
        out += &format!("; this is shorter than its window of {}", escaped(&now.window));
    }
    out
}

/// What `run` says of an earlier `firstseen learn`.
fn before(rules: &[RuleCounts]) -> Option<String> {
    let spans = rules.iter().filter_map(|rule| rule.learning.as_ref());
    let spans: Vec<_> = spans.filter(|span| span.first_time_ms < span.last_time_ms).collect();
    let first = spans.iter().map(|span| span.first_time_ms).min()?;
    let last = spans.iter().map(|span| span.last_time_ms).max()?;
    let who = match (spans.len(), rules.len()) {
        (some, all) if some < all => {
            format!(" by {} of {} rules", number(some as u64), number(all as u64))
        }
        _ => String::new(),
    };
    Some(format!("learned before{who}: {} to {}", minute(first), minute(last)))
}

/// What `run` says of rules that learn for a time.
fn until(rules: &[RuleCounts]) -> Option<String> {
    let ends = rules.iter().filter_map(|rule| rule.learning.as_ref()?.until_ms);
    let (first, last) = (ends.clone().min()?, ends.clone().max()?);
    let who = match (ends.count(), rules.len()) {
        (some, all) if some < all => {
            format!("{} of {} rules learn", number(some as u64), number(all as u64))
        }
        (_, 1) => "the rule learns".to_owned(),
        _ => "the rules learn".to_owned(),
    };
    let range = if first == last { String::new() } else { format!("{} to ", minute(first)) };
    Some(format!("{who} from events before {range}{} without alerting", minute(last)))
}

/// What `run` says of rules that learn each value of a field for a time.
fn each(rules: &[RuleCounts]) -> Option<String> {
    let all = rules.iter().filter_map(|rule| rule.learning.as_ref()?.each.as_ref());
    let first = all.clone().next()?;
    let by = if all.clone().all(|each| each.by == first.by) {
        format!("each {}", escaped(&first.by))
    } else {
        "each value of the rules' learn_by fields".to_owned()
    };
    let (least, most) = (all.clone().map(|e| e.for_ms).min()?, all.map(|e| e.for_ms).max()?);
    let range = if least == most { String::new() } else { format!("{} to ", length(least)) };
    Some(format!(
        "{by} is learned for {range}{} from its first event on, without alerting",
        length(most)
    ))
}

/// How far rules came that learn from a number of events.
fn events(rules: &[RuleCounts]) -> Option<String> {
    let all: Vec<_> = rules.iter().filter_map(|rule| rule.learned_events.as_ref()).collect();
    let (first, some) = (all.first()?, number(all.len() as u64));
    let of = counted(first.of, "matching event", "matching events");
    if let (Some(by), true) = (&first.by, all.iter().all(|rule| rule == first)) {
        return Some(format!(
            "each {} is learned from its first {of}, without alerting",
            escaped(by)
        ));
    }
    if let ([_], Some(done)) = (rules, first.counted) {
        let left = first.of.saturating_sub(done);
        return Some(match left {
            0 => format!("the rule has learned from its first {of}"),
            _ => format!(
                "the rule learned from {} of its first {of}, without alerting; {} left",
                number(done),
                counted(left, "is", "are")
            ),
        });
    }
    let is_done = |rule: &&&LearnedEvents| rule.counted.is_some_and(|done| done >= rule.of);
    let done = number(all.iter().filter(is_done).count() as u64);
    Some(format!(
        "{done} of {some} rules have learned from the number of events that they want; \
         --summary FILE counts them"
    ))
}

/// A time to the minute, in UTC.
pub(super) fn minute(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms);
    time.map_or_else(|| ms.to_string(), |time| time.format("%Y-%m-%d %H:%M").to_string())
}

/// A length in its largest unit: `2 d`.
fn length(ms: i64) -> String {
    let (number, unit) = match ms / 60_000 {
        minutes @ ..60 => (minutes.max(0), "min"),
        minutes @ ..1440 => (minutes / 60, "h"),
        minutes => (minutes / 1440, "d"),
    };
    format!("{number} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn rule(name: &str, learned: u64, last: i64, now: Option<LearnedNow>) -> RuleCounts {
        let learning = Some(RuleLearning {
            first_time_ms: 0,
            last_time_ms: last,
            until_ms: None,
            each: None,
            now,
        });
        RuleCounts { name: name.to_owned(), learned, learning, ..RuleCounts::default() }
    }

    fn now(last_new_ms: Option<i64>, without: u64, short: bool) -> Option<LearnedNow> {
        Some(LearnedNow {
            last_new_ms,
            days: 10,
            days_without_new: without,
            window: "20d".to_owned(),
            is_shorter_than_window: short,
        })
    }

    #[test]
    fn what_was_learned_is_said_and_whether_it_is_enough() {
        let rules = [
            rule("a\x1b", 1, 9 * DAY, now(Some(7 * DAY), 8, false)),
            rule("b", 3, 9 * DAY, now(Some(9 * DAY), 7, true)),
            rule("c", 0, 9 * DAY, now(None, 10, false)),
        ];
        assert_eq!(
            sentences(&rules),
            [
                "b: 3 terms learned from 1970-01-01 00:00 to 1970-01-10 00:00; the last \
                 new term came 0 min before the end, 7 of 10 days brought none; this is shorter than \
                 its window of 20d",
                "a\\u{1b}: 1 term learned from 1970-01-01 00:00 to 1970-01-10 00:00; the \
                 last new term came 2 d before the end, 8 of 10 days brought none",
                "c: 0 terms learned from 1970-01-01 00:00 to 1970-01-10 00:00; none of \
                 10 days brought a new one",
            ]
        );
        let many: Vec<_> =
            (0..25).map(|n| rule(&n.to_string(), 1, DAY, now(None, 1, false))).collect();
        assert_eq!(
            sentences(&many).last().unwrap(),
            "15 more rules learned; --summary FILE names them all"
        );
        assert_eq!(length(3 * 3_600_000), "3 h");
    }

    #[test]
    fn how_many_events_are_left_is_said() {
        let of = |name: &str, counted, by: Option<&str>| RuleCounts {
            name: name.to_owned(),
            learned_events: Some(LearnedEvents { counted, of: 1000, by: by.map(str::to_owned) }),
            ..RuleCounts::default()
        };
        let says = |rules: &[RuleCounts]| sentences(rules).concat();
        assert_eq!(
            says(&[of("a", Some(340), None)]),
            "the rule learned from 340 of its first 1,000 matching events, without alerting; 660 are left"
        );
        let done = of("a", Some(1000), None);
        assert_eq!(
            says(std::slice::from_ref(&done)),
            "the rule has learned from its first 1,000 matching events"
        );
        let by = of("b", None, Some("cloud.account.id"));
        assert_eq!(
            says(&[by.clone(), by]),
            "each cloud.account.id is learned from its first 1,000 matching events, without alerting"
        );
        assert_eq!(
            says(&[done, of("b", Some(1), None), RuleCounts::default()]),
            "1 of 2 rules have learned from the number of events that they want; --summary FILE counts them"
        );
    }

    #[test]
    fn a_run_says_what_was_learned_before() {
        let rules = [rule("a", 0, 9 * DAY, None), rule("b", 0, 0, None)];
        assert_eq!(
            sentences(&rules),
            ["learned before by 1 of 2 rules: 1970-01-01 00:00 to 1970-01-10 00:00"]
        );
        assert!(sentences(&rules[1..]).is_empty());
        let mut learning = [rule("a", 0, 0, None), rule("b", 0, 0, None)];
        learning[1].learning.as_mut().unwrap().until_ms = Some(9 * DAY);
        let words = "1 of 2 rules learn from events before 1970-01-10 00:00 without alerting";
        assert_eq!(sentences(&learning), [words]);
        learning[0].learning.as_mut().unwrap().until_ms = Some(DAY);
        let words = "the rules learn from events before 1970-01-02 00:00 to 1970-01-10 00:00 without alerting";
        assert_eq!(sentences(&learning), [words]);
    }
}

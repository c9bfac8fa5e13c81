//! Where executions end, what they look at, and when a term is new.

use super::*;

const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;
const TIMES: ExecutionTimes = ExecutionTimes {
    interval_ms: 5 * MINUTE,
    offset_ms: 0,
    lookback_ms: 6 * MINUTE,
    window_ms: DAY,
};

/// The times of kept sightings with the ends of their executions and the sightings before, of one term.
fn kept(times: ExecutionTimes, sightings: &[i64]) -> Vec<(i64, i64, Option<i64>)> {
    let order = TermOrder::of(&["user.name".to_owned()]);
    let mut rule = RuleExecutions::new(times, 100, order);
    let mut out = Vec::new();
    let mut run = |rule: &mut RuleExecutions<i64>| {
        let execution = rule.run().unwrap();
        assert_eq!(execution.from_ms, execution.end_ms - times.lookback_ms);
        out.extend(execution.kept.iter().map(|k| (k.event, execution.end_ms, k.previous_ms)));
    };
    for time_ms in sightings {
        while rule.next_end_ms().is_some_and(|end_ms| end_ms < *time_ms) {
            run(&mut rule);
        }
        rule.look(*time_ms);
        rule.sight(*time_ms, b"a", "[\"a\"]", || *time_ms);
    }
    while rule.next_end_ms().is_some() {
        run(&mut rule);
    }
    assert!(rule.waiting.is_empty());
    out
}

#[test]
fn executions_end_at_multiples_of_the_interval_and_the_offset() {
    let times = ExecutionTimes { offset_ms: 90_000, ..TIMES };
    for (time, end) in [(0, 90_000), (90_000, 90_000), (90_001, 390_000), (-300_000, -210_000)] {
        assert_eq!(times.end_at_or_after(time), end, "{time}");
    }
    assert_eq!(times.end_at_or_after(i64::MAX), i64::MAX);
    assert!(times.end_at_or_after(i64::MIN) < i64::MIN + 300_000);
}

#[test]
fn both_ends_of_the_history_count_and_the_beginning_of_an_execution_does_not() {
    let end = 100 * DAY;
    // At its end a term is new, and the one before is named where it is over a window ago.
    assert_eq!(kept(TIMES, &[end]), [(end, end, None)]);
    // From the first execution on whose history no longer reaches the sighting before.
    let before = end - DAY;
    assert_eq!(kept(TIMES, &[before - MINUTE, end])[1], (end, end, Some(before - MINUTE)));
    // One whole window before the end is still in the history, but not in the next one's, which looks at
    // the last minute of this one.
    assert_eq!(kept(TIMES, &[before, end])[1], (end, end + 5 * MINUTE, None));
    // What the next one does not look at is not new to it.
    assert_eq!(kept(TIMES, &[before, end - MINUTE]).len(), 1);
    assert_eq!(kept(TIMES, &[before, end - MINUTE + 1]).len(), 2);
}

#[test]
fn times_at_the_end_of_all_times_end() {
    assert_eq!(kept(TIMES, &[i64::MIN + DAY, 0, i64::MAX - 1, i64::MAX]).len(), 3);
}

#[test]
fn terms_that_are_older_than_any_window_are_let_go() {
    let mut rule = RuleExecutions::new(TIMES, 100, TermOrder::of(&["user.name".to_owned()]));
    for n in 0..100_000i64 {
        let time_ms = n * MINUTE;
        while rule.next_end_ms().is_some_and(|end_ms| end_ms < time_ms) {
            rule.run();
        }
        rule.sight(time_ms, &n.to_le_bytes(), "[]", || ());
    }
    // Two days and a week, and as much again.
    assert!(rule.terms.len() < 30_000, "{}", rule.terms.len());
    assert_eq!(rule.counts().kept + rule.waiting.len() as u64, 100_000);
}

//! The schedule among matches of several rules: order, counts, memory.

use super::*;
use firstseen_abi::{ItemKind, ItemTerm, KeysWriter};
use firstseen_session::{EventAt, EventText};

const TIMES: ExecutionTimes =
    ExecutionTimes { interval_ms: 5, offset_ms: 0, lookback_ms: 6, window_ms: 100 };

fn plan(max_signals: usize) -> SchedulePlan {
    let order = TermOrder::of(&["user.name".to_owned(), "host.id".to_owned()]);
    SchedulePlan { times: TIMES, max_signals, order }
}

fn matched(rule: u16, time_ms: i64, mark: u8, terms: &[&str]) -> Match {
    let values: Vec<_> = terms.iter().map(|term| format!("[\"{term}\"]")).collect();
    let mut out = Vec::new();
    let mut writer = KeysWriter::new(&mut out);
    let terms = terms.iter().zip(&values);
    let terms: Vec<_> =
        terms.map(|(term, values)| ItemTerm { key: term.as_bytes(), values }).collect();
    writer.item(ItemKind::Matched, rule, (0, 2), time_ms, &[mark; 16], "", terms.into_iter());
    writer.finish();
    Match {
        rule: RuleRef { artifact: 0, rule },
        time_ms,
        identity: [mark; 16],
        at: EventAt::default(),
        item: out.split_off(32),
        text: EventText::Carried(vec![b'x'; 100]),
    }
}

/// Rules, times and identities of what is decided, by execution.
fn run(schedule: &mut Schedule, matches: Vec<Match>) -> Vec<Vec<(u16, i64, u8)>> {
    let mut executions = Vec::new();
    let ends = matches.iter().map(|m| Some(m.time_ms)).chain([None]).collect::<Vec<_>>();
    let mut matches = matches.into_iter();
    for before in ends {
        while let Some((_, kept)) = schedule.due(before) {
            let shown = kept.iter().map(|m| (m.rule.rule, m.time_ms, m.identity[0]));
            executions.push(shown.collect());
        }
        if let Some(matched) = matches.next() {
            schedule.take(matched).unwrap();
        }
    }
    executions
}

#[test]
fn executions_of_all_rules_are_in_the_order_of_their_ends() {
    let mut schedule = Schedule::new(vec![vec![plan(9), plan(9)]], 10_000);
    let matches = vec![
        matched(1, 2, 1, &["a"]),
        matched(0, 4, 2, &["b", "c"]),
        matched(1, 5, 3, &["a", "d"]),
        matched(0, 9, 4, &["b"]),
        matched(1, 9, 5, &["e"]),
    ];
    // An event with two new terms is decided once.
    let expected = [vec![(0, 4, 2)], vec![(1, 2, 1), (1, 5, 3)], vec![(1, 9, 5)]];
    assert_eq!(run(&mut schedule, matches), expected);
    let counts = &schedule.counts()[0];
    assert_eq!((counts[0].kept, counts[0].seen(), counts[1].kept, counts[1].seen()), (2, 1, 3, 1));
    assert_eq!((counts[0].executions, counts[1].executions), (3, 3));
    assert_eq!(schedule.held, 0);
}

#[test]
fn what_is_left_out_has_a_second_chance_where_two_executions_overlap() {
    let mut schedule = Schedule::new(vec![vec![plan(1)]], 10_000);
    let matches =
        vec![matched(0, 3, 1, &["c"]), matched(0, 5, 2, &["b"]), matched(0, 5, 3, &["a"])];
    // Up to 5: a is first by name, c is left out for good, b comes with the execution up to 10.
    assert_eq!(run(&mut schedule, matches), [vec![(0, 5, 3)], vec![(0, 5, 2)]]);
    let counts = &schedule.counts()[0][0];
    assert_eq!((counts.kept, counts.over_max_signals, counts.executions_over), (2, 1, 1));
    assert_eq!((counts.over[0].end_ms, counts.over[0].not_created, counts.seen()), (5, 2, 0));
}

#[test]
fn the_same_event_again_is_one_document_and_a_rule_that_is_none_is_refused() {
    let mut schedule = Schedule::new(vec![vec![plan(1)]], 10_000);
    let matches = vec![matched(0, 3, 1, &["a"]), matched(0, 3, 1, &["a"])];
    assert_eq!(run(&mut schedule, matches), [vec![(0, 3, 1)]]);
    let counts = &schedule.counts()[0][0];
    assert_eq!((counts.kept, counts.seen(), counts.over_max_signals), (1, 1, 0));
    let error = schedule.take(matched(1, 9, 1, &["a"])).unwrap_err().to_string();
    assert!(error.contains("of rule 1"), "{error}");
}

#[test]
fn what_waits_is_bounded() {
    let mut schedule = Schedule::new(vec![vec![plan(1)]], 1 << 20);
    let many = |n: u32| matched(0, 3, 1, &[&format!("{n}")]);
    // Events of which nothing waits take nothing.
    for n in 0..20_000i64 {
        assert!(schedule.due(Some(n * 5)).is_none_or(|(_, kept)| kept.len() == 1));
        schedule.take(matched(0, n * 5, 1, &["known"])).unwrap();
    }
    let mut fault = None;
    for n in 0..20_000 {
        let mut one = many(n);
        (one.time_ms, one.identity) = (100_000, u128::from(n).to_le_bytes());
        fault = fault.or(schedule.take(one).err());
    }
    assert!(fault.unwrap().to_string().contains("more than 1 MiB of events with new terms"));
}

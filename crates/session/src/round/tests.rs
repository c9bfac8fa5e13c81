//! The round against scripted rules and stores: conflicts, lost texts, stores that are away.

use super::*;
use crate::matched::{EventAt, EventText, RuleRef};
use alloc::collections::BTreeMap;
use firstseen_abi::{
    Counts, DecideRequest, Decision, ItemKind, ItemTerm, KeysWriter, Outcome, RequestWriter, Write,
};
use proptest::prelude::*;

/// A rule that alerts the first time it meets a key: the value counts sightings. It says nothing of
/// time, so that what is tested is the round.
#[derive(Default)]
struct FirstTime {
    calls: usize,
    /// Items of each call, with their texts or without.
    asked: Vec<Vec<bool>>,
    /// The call that fails, counted from 1.
    fails_at: usize,
}

impl Decide for FirstTime {
    fn decide(&mut self, request: &RequestWriter) -> Result<Vec<u8>, CallError> {
        self.calls += 1;
        if self.calls == self.fails_at {
            return Err(CallError::Deadline);
        }
        let (head, keys, items) = request.parts();
        let bytes = [&head[..], keys, items].concat();
        let request = DecideRequest::read(&bytes).unwrap();
        self.asked.push(request.items.iter().map(|(_, text)| text.is_some()).collect());
        let mut counts: Vec<u8> =
            request.keys.iter().map(|k| k.value.map_or(0, |value| value[0])).collect();
        let mut told = Vec::new();
        for (at, (item, text)) in request.items.iter().enumerate() {
            for (term, t) in item.terms().enumerate() {
                let key = request.keys.iter().position(|k| k.key == t.key).unwrap();
                if counts[key] == 0 {
                    let outcome = match text {
                        Some(text) => (OutcomeKind::Alert, format!("alert of {text}")),
                        None => (OutcomeKind::NeedsEvent, String::new()),
                    };
                    told.push((at as u32, term as u16, outcome));
                }
                counts[key] = counts[key].saturating_add(1);
            }
        }
        let values: Vec<[u8; 1]> = counts.iter().map(|n| [*n]).collect();
        let writes = (0u32..).zip(&values).map(|(key, v)| Write { key, value: v, ttl_ms: 5 });
        let outcomes = told.iter().map(|(item, term, (kind, text))| Outcome {
            item: *item,
            term: *term,
            kind: *kind,
            text,
        });
        let mut out = Vec::new();
        Decision { writes: writes.collect(), outcomes: outcomes.collect() }.write(&mut out);
        Ok(out)
    }

    fn owns(&self, key: &[u8]) -> bool {
        key.starts_with(b"k")
    }
}

/// A match with these keys, as `keys` would have written it.
fn matched(keys: &[&str], text: EventText) -> Match {
    let mut out = Vec::new();
    let mut writer = KeysWriter::new(&mut out);
    writer.counts = Counts { read: 1, matched: 1, ..Counts::default() };
    let terms: Vec<ItemTerm<'_>> =
        keys.iter().map(|key| ItemTerm { key: key.as_bytes(), values: "[]" }).collect();
    writer.item(ItemKind::Matched, 0, (0, 2), 1, &[1; 16], "", terms.into_iter());
    writer.finish();
    let item = firstseen_abi::Keys::read(&out).unwrap().items().next().unwrap().unwrap();
    let (rule, at) = (RuleRef::default(), EventAt::default());
    Match { rule, time_ms: 1, identity: [1; 16], at, item: item.raw.to_vec(), text }
}

fn carried(keys: &[&str], text: &str) -> Match {
    matched(keys, EventText::Carried(text.as_bytes().to_vec()))
}

/// A store in which others write too, and texts that may be lost.
#[derive(Default)]
struct World {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// For each write that is tried: whether another writer was faster.
    conflicts: Vec<bool>,
    /// Whether the store says what is there instead.
    unread: bool,
    lost: bool,
    reads: usize,
    fetched: usize,
}

impl World {
    fn play(&mut self, round: &mut Round, rules: &mut FirstTime) -> Result<(), CallError> {
        for _ in 0..10_000 {
            match round.step(rules)? {
                Step::Read => {
                    let keys: Vec<Vec<u8>> = round.keys_to_read().map(<[u8]>::to_vec).collect();
                    self.reads += keys.len();
                    round.values(keys.iter().map(|key| Ok(self.rows.get(key).cloned())));
                }
                Step::Text => {
                    let count = round.texts_to_fetch().count();
                    self.fetched += count;
                    let lost = self.lost;
                    round.texts((0..count).map(|at| {
                        if lost { Err("gone".to_owned()) } else { Ok(format!("t{at}").into()) }
                    }));
                }
                Step::Write => {
                    let results: Vec<_> = round.writes().map(|write| self.write(&write)).collect();
                    round.written(results);
                }
                Step::Done => return Ok(()),
            }
        }
        panic!("the round does not end");
    }

    fn write(&mut self, write: &PlannedWrite<'_>) -> WriteResult {
        assert_eq!(self.rows.get(write.key).map(Vec::as_slice), write.expected);
        if self.conflicts.pop() == Some(true) {
            let value = vec![write.value[0].saturating_add(1)];
            self.rows.insert(write.key.to_vec(), value.clone());
            if self.unread {
                return WriteResult::ConflictUnread;
            }
            return WriteResult::Conflict(Some(value));
        }
        self.rows.insert(write.key.to_vec(), write.value.to_vec());
        WriteResult::Done
    }
}

fn texts(end: &RoundEnd) -> Vec<(usize, Option<u16>, OutcomeKind, &str)> {
    end.outcomes.iter().map(|o| (o.at, o.term, o.kind, o.text.as_str())).collect()
}

/// What a round that expects texts gives at once, and that it says the same as one that does not.
#[test]
fn expected_texts_are_given_with_the_first_question() {
    let at = EventText::At { input: 0, offset: 7, len: 2, digest: 0 };
    let matches = || {
        vec![
            carried(&["k0"], "old"),
            carried(&["k1"], "a"),
            carried(&["k1"], "b"),
            matched(&["k0", "k2"], at.clone()),
            carried(&["k2", "k1"], "c"),
        ]
    };
    let play = |expects: bool, lost: bool| {
        let (mut world, mut rules) = (World { lost, ..World::default() }, FirstTime::default());
        world.rows.insert(b"k0".to_vec(), vec![1]);
        let mut round = Round::new(matches());
        if expects {
            round.expect_texts();
        }
        world.play(&mut round, &mut rules).unwrap();
        let end = round.finish();
        assert_eq!(world.fetched, 1);
        ((end.outcomes, end.seen, end.closed, world.rows), rules.asked)
    };
    let (said, asked) = play(true, false);
    assert_eq!(said, play(false, false).0);
    assert_eq!(asked, [[false, true, false, true, false]]);
    assert_eq!(play(true, true).0, play(false, true).0);
}

#[test]
fn first_sightings_alert_and_texts_are_given_only_then() {
    let (mut world, mut rules) = (World::default(), FirstTime::default());
    let matches = vec![carried(&["k1"], "a"), carried(&["k1"], "b"), carried(&["k2", "k1"], "c")];
    let mut round = Round::new(matches);
    world.play(&mut round, &mut rules).unwrap();
    let end = round.finish();
    assert_eq!(
        texts(&end),
        [
            (0, Some(0), OutcomeKind::Alert, "alert of a"),
            (2, Some(0), OutcomeKind::Alert, "alert of c")
        ]
    );
    assert_eq!((end.seen, end.matches.len(), world.reads), (2, 3, 2));
    assert_eq!(rules.asked, [vec![false; 3], vec![true, false, true]]);
    // Everything is known now: one call, no text.
    let (mut rules, matches) = (FirstTime::default(), end.matches);
    let mut round = Round::new(matches);
    world.play(&mut round, &mut rules).unwrap();
    assert_eq!((round.finish().seen, rules.calls), (4, 1));
}

#[test]
fn a_conflict_voids_the_outcomes_of_its_key_alone() {
    for unread in [false, true] {
        let mut rules = FirstTime::default();
        // The second write loses.
        let mut world = World { conflicts: vec![true, false], unread, ..World::default() };
        let mut round = Round::new(vec![carried(&["k1"], "a"), carried(&["k2"], "b")]);
        world.play(&mut round, &mut rules).unwrap();
        let end = round.finish();
        assert_eq!(texts(&end), [(0, Some(0), OutcomeKind::Alert, "alert of a")]);
        assert_eq!(end.seen, 1);
        assert_eq!(rules.asked.last().unwrap().len(), 1, "a settled key is not decided again");
        assert_eq!(world.rows[&b"k1"[..].to_vec()], [1]);
    }
}

#[test]
fn faster_writers_win_after_sixteen_tries() {
    let mut rules = FirstTime::default();
    let mut world = World { conflicts: vec![true; 100], ..World::default() };
    let mut round = Round::new(vec![carried(&["k1"], "a")]);
    world.play(&mut round, &mut rules).unwrap();
    let end = round.finish();
    assert!(end.outcomes[0].text.starts_with("conflict: "), "{:?}", end.outcomes);
    assert_eq!(end.unsettled, 1);
    assert_eq!(rules.calls, usize::from(MAX_TRIES) + 1, "one call more for the first text");
}

#[test]
fn a_lost_text_closes_its_keys_and_a_later_sighting_does_not_alert() {
    let (mut world, mut rules) = (World { lost: true, ..World::default() }, FirstTime::default());
    let at = |offset| EventText::At { input: 0, offset, len: 2, digest: 0 };
    let mut matches = vec![matched(&["k1", "k2"], at(0)), carried(&["k3"], "other")];
    matches.extend((1..500).map(|n| matched(&["k1"], at(n))));
    matches.push(carried(&["k2", "k4"], "last"));
    let mut round = Round::new(matches.clone());
    world.play(&mut round, &mut rules).unwrap();
    let end = round.finish();
    assert_eq!(texts(&end)[0], (0, None, OutcomeKind::Error, "text_lost: gone"));
    assert_eq!(texts(&end)[1], (1, Some(0), OutcomeKind::Alert, "alert of other"));
    assert!(end.outcomes[2..502].iter().all(|o| o.term == Some(0) && o.text == KEY_CLOSED));
    assert_eq!(texts(&end)[502], (501, Some(1), OutcomeKind::Alert, "alert of last"));
    assert_eq!((end.outcomes.len(), rules.calls, world.fetched), (503, 2, 1));
    let written: Vec<&[u8]> = world.rows.keys().map(Vec::as_slice).collect();
    assert_eq!(written, [b"k3", b"k4"], "nothing is written for a closed key");
    assert_eq!(end.closed, [b"k1".to_vec(), b"k2".to_vec()]);
    // In a later round they stay closed, whatever can be read by then.
    let (mut world, mut rules) = (World::default(), FirstTime::default());
    let mut round = Round::new(matches);
    round.close(|key| end.closed.iter().any(|closed| closed == key));
    world.play(&mut round, &mut rules).unwrap();
    assert_eq!(world.rows.keys().map(Vec::as_slice).collect::<Vec<_>>(), [b"k3", b"k4"]);
    let end = round.finish();
    assert_eq!(end.outcomes.iter().filter(|o| o.text == KEY_CLOSED).count(), 502);
    let mut round = Round::new(vec![carried(&["k1"], "a")]);
    round.close(|_| true);
    let (mut rules, mut world) = (FirstTime::default(), World::default());
    world.play(&mut round, &mut rules).unwrap();
    assert_eq!((rules.calls, world.reads), (0, 0), "nobody is asked where all is closed");
}

#[test]
fn a_store_that_is_away_is_an_outcome_of_its_terms() {
    let mut rules = FirstTime::default();
    let mut round = Round::new(vec![carried(&["k1", "k2"], "a"), carried(&["k2"], "b")]);
    assert_eq!(round.step(&mut rules), Ok(Step::Read));
    round.values([Ok(None), Err("store_away: no answer".to_owned())]);
    assert_eq!(round.step(&mut rules), Ok(Step::Write));
    assert_eq!(round.writes().map(|w| w.key.to_vec()).collect::<Vec<_>>(), [b"k1".to_vec()]);
    round.written([WriteResult::Failed("store_away: gone".to_owned())]);
    assert_eq!(round.step(&mut rules), Ok(Step::Done));
    let end = round.finish();
    let expected = ["store_away: gone", "store_away: no answer", "store_away: no answer"];
    assert_eq!(end.outcomes.iter().map(|o| o.text.as_str()).collect::<Vec<_>>(), expected);
    assert_eq!((end.unsettled, end.seen), (3, 0));
}

#[test]
fn the_keys_to_read_and_the_end_are_known_between_steps() {
    fn keys(round: &Round) -> Vec<String> {
        round.keys_to_read().map(|key| String::from_utf8_lossy(key).into_owned()).collect()
    }
    let mut rules = FirstTime::default();
    let mut round = Round::new(vec![carried(&["k1", "k2"], "a"), carried(&["k3"], "b")]);
    assert_eq!(
        (keys(&round), round.is_done()),
        (vec!["k1".into(), "k2".into(), "k3".into()], false)
    );
    round.written([WriteResult::Done]);
    assert_eq!((keys(&round).len(), round.writes().len()), (3, 0), "results of no write count");
    assert_eq!(round.step(&mut rules), Ok(Step::Read));
    round.values([Ok(None), Ok(None), Ok(None)]);
    assert_eq!(round.step(&mut rules), Ok(Step::Write));
    assert_eq!(keys(&round), Vec::<String>::new());
    let conflict = WriteResult::Conflict(Some(vec![1]));
    round.written([WriteResult::ConflictUnread, conflict, WriteResult::Done]);
    assert_eq!((keys(&round), round.is_done()), (vec!["k1".into()], false));
    assert_eq!(round.step(&mut rules), Ok(Step::Read));
    round.values([Ok(Some(vec![2]))]);
    assert_eq!(round.step(&mut rules), Ok(Step::Write));
    let expected: Vec<_> = round.writes().map(|w| w.expected.map(<[u8]>::to_vec)).collect();
    assert_eq!(expected, [Some(vec![2]), Some(vec![1])]);
    round.written([WriteResult::Done, WriteResult::Done]);
    assert!(round.is_done() && keys(&round).is_empty());
    let end = round.finish();
    assert_eq!(texts(&end), [(1, Some(0), OutcomeKind::Alert, "alert of b")]);
    assert_eq!((end.seen, end.unsettled), (2, 0));
}

#[test]
fn a_rule_that_fails_before_a_write_gives_the_matches_back() {
    let mut rules = FirstTime { fails_at: 1, ..FirstTime::default() };
    let matches = vec![carried(&["k1"], "a"), carried(&["k2"], "b")];
    let mut round = Round::new(matches.clone());
    let error = World::default().play(&mut round, &mut rules).unwrap_err();
    assert_eq!(error, CallError::Deadline);
    assert_eq!(round.into_matches(), matches);
}

#[test]
fn a_rule_that_fails_after_a_write_keeps_what_was_written() {
    let mut rules = FirstTime { fails_at: 3, ..FirstTime::default() };
    let mut world = World { conflicts: vec![true, false], ..World::default() };
    let mut round = Round::new(vec![carried(&["k1"], "a"), carried(&["k2"], "b")]);
    world.play(&mut round, &mut rules).unwrap();
    let end = round.finish();
    assert_eq!(end.outcomes[0].text, "alert of a");
    assert_eq!(end.outcomes[1].text, "rule_failed: the rule ran over its time");
}

#[test]
fn keys_of_others_and_broken_items_are_refused() {
    let mut rules = FirstTime::default();
    let mut round = Round::new(vec![carried(&["x\x1b"], "a")]);
    let error = round.step(&mut rules).unwrap_err().to_string();
    assert!(error.contains("outside the rule's own prefix") && !error.contains('\x1b'), "{error}");
    let broken = Match { item: vec![1, 2], ..carried(&["k1"], "a") };
    assert!(matches!(Round::new(vec![broken]).step(&mut rules), Err(CallError::Contract(_))));
    assert_eq!(Round::new(Vec::new()).step(&mut rules), Ok(Step::Done));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// However often others are faster: each key alerts at most once, and exactly once where nobody
    /// was.
    #[test]
    fn each_key_alerts_at_most_once(
        keys in prop::collection::vec(prop::collection::vec(0u8..4, 1..3), 0..12),
        conflicts in prop::collection::vec(any::<bool>(), 0..40),
    ) {
        let names = ["k0", "k1", "k2", "k3"];
        let matches: Vec<Match> = keys
            .iter()
            .map(|ks| {
                let mut ks: Vec<&str> = ks.iter().map(|k| names[usize::from(*k)]).collect();
                ks.sort_unstable();
                ks.dedup();
                carried(&ks, "e")
            })
            .collect();
        let quiet = conflicts.iter().all(|c| !c);
        let mut world = World { conflicts, ..World::default() };
        let mut round = Round::new(matches.clone());
        world.play(&mut round, &mut FirstTime::default()).unwrap();
        let end = round.finish();
        let mut alerts = BTreeMap::new();
        for outcome in &end.outcomes {
            prop_assert_eq!(outcome.kind, OutcomeKind::Alert);
            let item = Item::read(&mut Cursor::new(&matches[outcome.at].item)).unwrap();
            let term = item.terms().nth(usize::from(outcome.term.unwrap())).unwrap();
            *alerts.entry(term.key.to_vec()).or_insert(0) += 1;
        }
        prop_assert!(alerts.values().all(|n| *n == 1));
        if quiet {
            prop_assert_eq!(alerts.len(), world.rows.len());
        }
    }
}

/// A match of one term of a rule that learns from a start on.
fn learning(text: EventText) -> Match {
    let mut out = Vec::new();
    let mut writer = KeysWriter::new(&mut out);
    let terms = [("ka", "[]"), ("ks", "learn")];
    let terms = terms.map(|(key, values)| ItemTerm { key: key.as_bytes(), values });
    writer.item(ItemKind::Matched, 0, (0, 2), 1, &[1; 16], "", terms.into_iter());
    writer.finish();
    let item = firstseen_abi::Keys::read(&out).unwrap().items().next().unwrap().unwrap();
    Match { item: item.raw.to_vec(), ..matched(&["ka"], text) }
}

#[test]
fn the_start_of_learning_is_read_and_written_and_is_no_term() {
    let mut world = World::default();
    let mut round = Round::new(vec![learning(EventText::Carried(b"t".to_vec()))]);
    world.play(&mut round, &mut FirstTime::default()).unwrap();
    let end = round.finish();
    assert_eq!((end.outcomes.len(), end.seen, end.unsettled), (1, 0, 0));
    assert!(world.rows.contains_key(&b"ks"[..]));
    // A lost text closes the term alone: others are still learned by the start.
    let mut world = World { lost: true, ..World::default() };
    let mut round =
        Round::new(vec![learning(EventText::At { input: 0, offset: 0, len: 1, digest: 0 })]);
    world.play(&mut round, &mut FirstTime::default()).unwrap();
    assert_eq!(round.finish().closed, [b"ka".to_vec()]);
}

#[test]
fn nothing_is_decided_without_the_start_of_learning() {
    let mut rules = FirstTime::default();
    let mut round = Round::new(vec![learning(EventText::Carried(b"t".to_vec()))]);
    assert_eq!(round.step(&mut rules), Ok(Step::Read));
    round.values([Ok(None), Err("store_away: gone".to_owned())]);
    assert_eq!(round.step(&mut rules), Ok(Step::Done));
    let end = round.finish();
    assert_eq!((end.unsettled, end.outcomes[0].kind), (1, OutcomeKind::Error));
    assert_eq!((rules.calls, &*end.outcomes[0].text), (0, "store_away: gone"));
}

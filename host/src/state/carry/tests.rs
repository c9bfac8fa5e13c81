//! A rule changes over a state: what is carried over, what is set aside, and what is told.
use super::*;
use crate::state::Redb;
use std::path::Path;

const DAY: i64 = 86_400_000;

fn rule(days: i64, fields: &[&str], epoch: u32) -> RuleMeta {
    let new_terms: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
    let window_ms = days * DAY;
    let fingerprint = of_rule(&new_terms, window_ms, epoch, None);
    RuleMeta {
        id: "r".to_owned(),
        name: "Rule".to_owned(),
        key_prefix: format!("r:{fingerprint}:"),
        window: format!("{days}d"),
        window_ms,
        fingerprint,
        new_terms,
        ..RuleMeta::default()
    }
}

fn open(path: &Path, rule: &RuleMeta) -> (CarryOver<Redb>, Vec<String>) {
    CarryOver::open(Redb::open(path).unwrap(), "t", [rule], false).unwrap()
}

fn key(rule: &RuleMeta, term: &str) -> Vec<u8> {
    format!("t:{}{term}", rule.key_prefix).into_bytes()
}

fn read(state: &mut CarryOver<Redb>, rule: &RuleMeta, term: &str) -> Option<Vec<u8>> {
    let key = key(rule, term);
    state.get_many(&mut std::iter::once(&key[..])).unwrap().pop().unwrap()
}

/// A sighting, as a rule writes it: from what was read.
fn sight(state: &mut CarryOver<Redb>, rule: &RuleMeta, term: &str, time_ms: i64) {
    let prior = read(state, rule, term);
    let mut known = prior.as_deref().map_or(TermState::default(), |v| TermState::read(v).unwrap());
    // Each is an event of its own.
    known.sight(time_ms, &[(time_ms / DAY) as u8; 16], rule.window_ms);
    let (key, value) = (key(rule, term), known.write(term));
    let expected = prior.as_deref();
    let write = StateWrite { key: &key, expected, value: &value, expires_ms: 1000 * DAY };
    assert_eq!(state.apply(&mut std::iter::once(write)).unwrap(), [Applied::Done]);
    state.commit().unwrap();
}

fn episodes(value: Option<Vec<u8>>) -> Vec<(i64, i64)> {
    let state = TermState::read(&value.expect("a value")).unwrap();
    state.episodes().iter().map(|e| (e.first_ms / DAY, e.last_ms / DAY)).collect()
}

#[test]
fn a_longer_window_takes_the_last_sightings_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.redb");
    let (ten, twenty) = (rule(10, &["user.name"], 0), rule(20, &["user.name"], 0));
    let (mut state, told) = open(&path, &ten);
    assert!(told.is_empty(), "{told:?}");
    for day in [1, 5, 30, 35] {
        sight(&mut state, &ten, "ann", day * DAY);
    }
    sight(&mut state, &ten, "bob", 12 * DAY);
    drop(state);
    let (mut state, told) = open(&path, &twenty);
    assert_eq!(
        told,
        ["rule Rule: its window was 10d and is now 20d: the last sightings of 2 terms are taken \
          over, which is right as far back as the state kept them, from 1970-01-13T00:00:00.000Z on"]
    );
    assert_eq!(episodes(read(&mut state, &twenty, "ann")), [(30, 35)]);
    assert_eq!(read(&mut state, &twenty, "eve"), None);
    sight(&mut state, &twenty, "ann", 50 * DAY);
    assert_eq!(episodes(read(&mut state, &twenty, "ann")), [(30, 50)]);
    assert_eq!(state.state.count().unwrap(), 3, "what is only read is not written");
    drop(state);
    // The next run says nothing and still knows what was not asked for so far.
    let (mut state, told) = open(&path, &twenty);
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(episodes(read(&mut state, &twenty, "bob")), [(12, 12)]);
    drop(state);
    // Back again: what was seen since counts, though the key has a value of its own.
    let (mut state, told) = open(&path, &ten);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(episodes(read(&mut state, &ten, "ann")), [(50, 50)]);
    sight(&mut state, &ten, "ann", 55 * DAY);
    assert_eq!(episodes(read(&mut state, &ten, "ann")), [(50, 55)]);
    drop(state);
    // A third window looks under both.
    let thirty = rule(30, &["user.name"], 0);
    let (mut state, told) = open(&path, &thirty);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(episodes(read(&mut state, &thirty, "ann")), [(50, 55)]);
    assert_eq!(episodes(read(&mut state, &thirty, "bob")), [(12, 12)]);
}

#[test]
fn other_fields_and_another_epoch_begin_anew_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    for (number, (changed, words)) in [
        (rule(10, &["host.name"], 0), "new-terms fields were user.name and are now host.name"),
        (rule(10, &["user.name"], 1), "its state_epoch has changed"),
        (rule(20, &["user.name"], 1), "its state_epoch has changed"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(number.to_string());
        let before = rule(10, &["user.name"], 0);
        sight(&mut open(&path, &before).0, &before, "ann", DAY);
        let (mut state, told) = open(&path, &changed);
        let [told] = told.as_slice() else { panic!("{told:?}") };
        assert!(told.contains(words) && told.contains("1 term of it"), "{told}");
        assert!(told.contains("set aside") && told.contains("firstseen learn"), "{told}");
        assert_eq!(read(&mut state, &changed, "ann"), None);
    }
}

#[test]
fn a_state_without_records_is_named_and_one_that_is_only_read_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.redb");
    let (ten, twenty) = (rule(10, &["user.name"], 0), rule(20, &["user.name"], 0));
    // As an earlier version wrote it.
    let mut old = Redb::open(&path).unwrap();
    let value = TermState::seen(DAY, DAY).unwrap().write("ann");
    let keys = [key(&ten, "ann"), b"t:r:not-a-print:ann".to_vec(), b"t:r2:x:ann".to_vec()];
    for key in &keys {
        let write = StateWrite { key, expected: None, value: &value, expires_ms: 1000 * DAY };
        old.apply(&mut std::iter::once(write)).unwrap();
    }
    old.commit().unwrap();
    drop(old);
    let before = std::fs::read(&path).unwrap();
    for _ in 0..2 {
        let state = Redb::open_read_only(&path).unwrap();
        let (_, told) = CarryOver::open(state, "t", [&twenty], true).unwrap();
        let [told] = told.as_slice() else { panic!("{told:?}") };
        assert!(told.contains("1 term of it under another window"), "{told}");
    }
    assert!(std::fs::read(&path).unwrap() == before);
    // The rule as it was is no change; from now on there is a record.
    assert!(open(&path, &ten).1.is_empty());
    let (mut state, told) = open(&path, &twenty);
    assert!(told[0].contains("taken over"), "{told:?}");
    assert_eq!(episodes(read(&mut state, &twenty, "ann")), [(1, 1)]);
}

/// Writes an approval, as `state approve` does.
fn approve(state: &mut CarryOver<Redb>, rule: &RuleMeta, term: &str, until_ms: i64) {
    let key = key(rule, term);
    let own = state.state.get_many(&mut std::iter::once(&key[..])).unwrap().pop().unwrap();
    let mut known = own.as_deref().map_or(TermState::default(), |v| TermState::read(v).unwrap());
    known.approve(Approval { until_ms, reason: "r".to_owned() });
    let (expected, value) = (own.as_deref(), known.write(term));
    let write = StateWrite { key: &key, expected, value: &value, expires_ms: 1000 * DAY };
    assert_eq!(state.state.apply(&mut std::iter::once(write)).unwrap(), [Applied::Done]);
    state.commit().unwrap();
}

#[test]
fn an_approval_is_taken_over_and_hides_no_sighting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.redb");
    let (ten, twenty) = (rule(10, &["user.name"], 0), rule(20, &["user.name"], 0));
    let (mut state, _) = open(&path, &ten);
    sight(&mut state, &ten, "ann", 30 * DAY);
    sight(&mut state, &ten, "bob", 30 * DAY);
    approve(&mut state, &ten, "bob", 90 * DAY);
    approve(&mut state, &ten, "eve", 90 * DAY);
    drop(state);
    let (mut state, _) = open(&path, &twenty);
    let of = |state: &mut CarryOver<Redb>, term| {
        let value = read(state, &twenty, term).unwrap();
        let known = TermState::read(&value).unwrap();
        (known.episodes().len(), known.approval().map(|approval| approval.until_ms / DAY))
    };
    // Approved under the rule as it is now, seen under the rule as it was.
    approve(&mut state, &twenty, "ann", 70 * DAY);
    approve(&mut state, &twenty, "bob", 70 * DAY);
    let all = ["ann", "bob", "eve"];
    assert_eq!(all.map(|term| of(&mut state, term)), [(1, Some(70)), (1, Some(70)), (0, Some(90))]);
    for term in all {
        sight(&mut state, &twenty, term, 40 * DAY);
    }
    assert_eq!(all.map(|term| of(&mut state, term)), [(1, Some(70)), (1, Some(70)), (1, Some(90))]);
}

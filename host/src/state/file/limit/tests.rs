//! The limit against a model that keeps all rows in order.
use super::super::HOUR_MS;
use crate::state::admin::{StateAdmin, StoredTerm};
use crate::state::{Applied, Memory, Redb, StateError, StateStore, StateWrite};
use proptest::prelude::*;
use std::collections::BTreeMap;

const MAX: u64 = 5;

/// What happens between two looks at the file.
#[derive(Debug, Clone)]
enum Step {
    /// Writes: which rule, which term, in which hour it expires.
    Write(u8, u8, i64),
    Commit,
    /// The file is closed, and opened with or without a limit.
    Open(bool),
    /// By hand, in a transaction of its own.
    Edit(u8, u8, i64),
    Forget(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let term = (0u8..3, 0u8..30);
    prop_oneof![
        8 => (term.clone(), 0i64..20).prop_map(|((rule, term), hour)| Step::Write(rule, term, hour)),
        3 => Just(Step::Commit),
        1 => any::<bool>().prop_map(Step::Open),
        1 => (term.clone(), 0i64..20).prop_map(|((rule, term), hour)| Step::Edit(rule, term, hour)),
        1 => term.prop_map(|(rule, term)| Step::Forget(rule, term)),
    ]
}

fn key(rule: u8, term: u8) -> Vec<u8> {
    format!("t:rule{rule}:f:{term:032x}").into_bytes()
}

fn write(store: &mut dyn StateStore, key: &[u8], hour: i64) {
    let current = store.get_many(&mut std::iter::once(key)).unwrap().remove(0);
    let expires_ms = hour * HOUR_MS + 7;
    let write = StateWrite { key, expected: current.as_deref(), value: b"v", expires_ms };
    assert_eq!(store.apply(&mut std::iter::once(write)).unwrap(), [Applied::Done]);
}

/// Takes out of the rows what a limited commit takes out; how many.
fn enforce(rows: &mut BTreeMap<Vec<u8>, i64>) -> u64 {
    let mut gone = 0;
    for rule in 0..3 {
        let of_rule = rows.iter().filter(|(k, _)| k.starts_with(&key(rule, 0)[..10]));
        let mut oldest: Vec<_> = of_rule.map(|(key, hour)| (*hour, key.clone())).collect();
        oldest.sort();
        let excess = oldest.len().saturating_sub(MAX as usize);
        gone += excess as u64;
        oldest.iter().take(excess).for_each(|(_, key)| _ = rows.remove(key));
    }
    gone
}

/// A child that a test in another thread starts has our locks too, until it is another program.
fn when_free<T>(open: impl Fn() -> Result<T, StateError>) -> T {
    loop {
        match open() {
            Err(StateError::Locked { .. }) => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

fn rows(store: &Redb) -> BTreeMap<Vec<u8>, i64> {
    let mut rows = BTreeMap::new();
    store
        .each_term(b"", None, &mut |term: StoredTerm<'_>| {
            rows.insert(term.key.to_vec(), term.expires_ms / HOUR_MS);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn no_rule_has_more_terms_and_the_oldest_go(steps in prop::collection::vec(step(), 1..120)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut store = Redb::open(&path).unwrap();
        store.limit_terms(MAX).unwrap();
        let (mut limited, mut dirty) = (true, false);
        let (mut model, mut waiting) = (BTreeMap::new(), BTreeMap::new());
        let mut gone = 0;
        for step in steps {
            match step {
                Step::Write(rule, term, hour) => {
                    write(&mut store, &key(rule, term), hour);
                    waiting.insert(key(rule, term), hour);
                    dirty = true;
                }
                Step::Commit => {
                    store.commit().unwrap();
                    model.append(&mut waiting);
                    if limited && dirty {
                        gone += enforce(&mut model);
                    }
                    dirty = false;
                    let forgotten: u64 = store.take_forgotten().values().sum();
                    prop_assert_eq!(forgotten, std::mem::take(&mut gone));
                    prop_assert_eq!(&rows(&store), &model);
                }
                Step::Open(with_limit) => {
                    waiting.clear();
                    drop(store);
                    let verified = when_free(|| Redb::verify(&path));
                    prop_assert!(verified.faults.iter().all(|f| !f.contains("count of")), "{:?}", verified.faults);
                    store = when_free(|| Redb::open(&path));
                    (limited, dirty) = (with_limit, false);
                    if limited {
                        store.limit_terms(MAX).unwrap();
                    }
                }
                // A run that is limited has the file for itself.
                Step::Edit(..) | Step::Forget(..) if limited || dirty => {}
                Step::Edit(rule, term, hour) => {
                    let (key, expires_ms) = (key(rule, term), hour * HOUR_MS);
                    store.edit(&mut |edit| {
                        Ok(edit.put(StoredTerm { key: &key, value: b"v", expires_ms })?)
                    }).unwrap();
                    model.insert(key, hour);
                }
                Step::Forget(rule, term) => {
                    store.edit(&mut |edit| edit.remove(&key(rule, term)).map(|_| ()).map_err(Into::into)).unwrap();
                    model.remove(&key(rule, term));
                }
            }
        }
    }
}

#[test]
fn what_a_person_approved_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Redb::open(&folder.path().join("state")).unwrap();
    store.limit_terms(MAX).unwrap();
    let approved = [0x02, 0];
    for n in 0..7 {
        let key = key(0, n);
        let value: &[u8] = if n < 2 { &approved } else { b"v" };
        let write =
            StateWrite { key: &key, expected: None, value, expires_ms: i64::from(n) * HOUR_MS };
        store.apply(&mut std::iter::once(write)).unwrap();
        store.commit().unwrap();
    }
    let left: Vec<_> = rows(&store).into_values().collect();
    assert_eq!(left, [0, 1, 4, 5, 6]);
}

#[test]
fn terms_in_memory_are_at_most_an_eighth_more() {
    let mut store = Memory::default();
    store.limit_terms(80).unwrap();
    for n in 0..255u8 {
        write(&mut store, &key(0, n), i64::from(n));
        write(&mut store, &key(1, n % 4), i64::from(n));
        store.commit().unwrap();
        assert!(store.count().unwrap() <= 80 + 10 + 4, "{n}");
    }
    let of = |store: &mut Memory, key: &[u8]| store.get(key).is_some();
    assert!(
        of(&mut store, &key(0, 254)) && of(&mut store, &key(1, 3)) && !of(&mut store, &key(0, 100))
    );
    let forgotten: Vec<_> = store.take_forgotten().into_iter().collect();
    assert_eq!(forgotten.len(), 1);
    assert!(forgotten[0].1 + store.count().unwrap() == 255 + 4);
}

//! A rule that learns for a time, over a store: both ways of deciding, and a store without room.
#![cfg(feature = "source")]
#![allow(clippy::unwrap_used)]

use firstseen_abi::kv::{Cas, Kv, KvError};
use firstseen_abi::{Decision, Keys, OutcomeKind, RequestWriter};
use firstseen_rule::engine::Framing;
use firstseen_rule::learn::is_learn_key;
use firstseen_rule::{Engine, Plan, Settings, source};
use std::collections::BTreeMap;

#[derive(Default)]
struct Store {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    refuses_starts: bool,
}

impl Kv for Store {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.rows.get(key).cloned())
    }

    fn cas(&mut self, key: &[u8], old: Option<&[u8]>, new: &[u8], _: i64) -> Result<Cas, KvError> {
        if self.refuses_starts && is_learn_key(key) {
            return Err(KvError::Refused);
        }
        let current = self.rows.get(key);
        if current.map(Vec::as_slice) != old {
            return Ok(Cas::Conflict(current.cloned()));
        }
        self.rows.insert(key.to_vec(), new.to_vec());
        Ok(Cas::Done)
    }
}

fn engine(settings: &str) -> Engine {
    let rule = r#"
        [rule]
        rule_id = "r"
        name = "n"
        type = "new_terms"
        query = "event.action: a"
        severity = "low"
        risk_score = 1
        [rule.new_terms]
        field = "new_terms_fields"
        value = ["user.name"]
        [[rule.new_terms.history_window_start]]
        field = "history_window_start"
        value = "now-10d"
        [firstseen]
        learn_for = "2d"
        learn_by = "cloud.account.id"
        "#;
    let rule = source::read(rule, &source::ReadOptions::default()).unwrap();
    Engine::new(Plan { rules: vec![rule.plan] }, Settings::read(settings).unwrap())
}

fn event(day: u8, user: &str, account: &str) -> String {
    format!(
        r#"{{"@timestamp":"2025-01-{day:02}T00:00:00Z","event":{{"id":"{day}{user}","action":"a"}},
            "user":{{"name":"{user}"}},"cloud":{{"account":{{"id":"{account}"}}}}}}"#
    )
}

/// The same through `keys` and `decide`: what became of the one term.
fn decide(engine: &mut Engine, event: &str, store: &mut Store) -> Option<OutcomeKind> {
    let mut items = Vec::new();
    engine.keys(event.as_bytes(), Framing::One, 0, &mut items).unwrap();
    let item = Keys::read(&items).unwrap().items().next().unwrap().unwrap();
    let mut request = RequestWriter::default();
    let keys: Vec<_> = item.keys().map(|key| key.key.to_vec()).collect();
    keys.iter().for_each(|key| request.key(key, store.rows.get(key).map(Vec::as_slice)));
    request.item(item.raw, event.as_bytes());
    let (head, known, items) = request.parts();
    let mut out = Vec::new();
    engine.decide(&[&head[..], known, items].concat(), &mut out).unwrap();
    let decision = Decision::read(&out).unwrap();
    for write in &decision.writes {
        store.rows.insert(keys[write.key as usize].clone(), write.value.to_vec());
    }
    decision.outcomes.first().map(|outcome| outcome.kind)
}

#[test]
fn both_ways_learn_the_same_and_keep_the_same() {
    let (mut engine, mut one, mut other) = (engine("{}"), Store::default(), Store::default());
    let events =
        [(1, "ann", "1"), (2, "bob", "1"), (3, "cid", "1"), (3, "dan", "2"), (2, "ann", "1")];
    let mut said = Vec::new();
    for (day, user, account) in events {
        let event = event(day, user, account);
        let judged = engine.judge(event.as_bytes(), 0, &mut one);
        assert_eq!(judged.error, None);
        said.push((judged.learned, judged.alerts.len(), judged.seen));
        let kind = decide(&mut engine, &event, &mut other);
        let expected = match said.last().unwrap() {
            (1, 0, 0) => Some(OutcomeKind::Learned),
            (0, 1, 0) => Some(OutcomeKind::Alert),
            _ => None,
        };
        assert_eq!(kind, expected, "{event}");
    }
    assert_eq!(said, [(1, 0, 0), (1, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)]);
    assert_eq!(one.rows, other.rows);
    assert_eq!(one.rows.keys().filter(|key| is_learn_key(key)).count(), 2);
}

#[test]
fn a_store_without_room_for_a_start_gets_alerts_and_a_damaged_start_an_error() {
    let mut full = Store { refuses_starts: true, ..Store::default() };
    let judged = engine("{}").judge(event(1, "ann", "1").as_bytes(), 0, &mut full);
    assert_eq!((judged.alerts.len(), judged.learned, judged.error), (1, 0, None));
    let mut engine = engine("{}");
    let mut store = Store::default();
    engine.judge(event(1, "ann", "1").as_bytes(), 0, &mut store);
    for (_, value) in store.rows.iter_mut().filter(|(key, _)| is_learn_key(key)) {
        *value = vec![9];
    }
    let event = event(2, "bob", "1");
    let judged = engine.judge(event.as_bytes(), 0, &mut store);
    assert!(judged.error.unwrap().starts_with("bad_state: "));
    assert_eq!(decide(&mut engine, &event, &mut store), Some(OutcomeKind::Error));
    assert_eq!(store.rows.values().filter(|value| **value == [9]).count(), 1);
}

//! A rule that learns for a time or from a number of events, over a store: both ways of deciding, against a
//! model that shares no code with them, and a store without room.
#![cfg(feature = "source")]
#![allow(clippy::unwrap_used)]

use firstseen_abi::kv::{Cas, Kv, KvError};
use firstseen_abi::{Decision, Keys, OutcomeKind, RequestWriter};
use firstseen_rule::engine::Framing;
use firstseen_rule::learn::is_learn_key;
use firstseen_rule::{Engine, Plan, Settings, source};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

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
    engine_of("learn_for = \"2d\"\nlearn_by = \"cloud.account.id\"", settings)
}

fn engine_of(learns: &str, settings: &str) -> Engine {
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
        "#;
    let rule = source::read(&format!("{rule}{learns}\n"), &source::ReadOptions::default()).unwrap();
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
    decide_batch(engine, &[event], store).first().map(|outcome| outcome.2)
}

/// Some events by one call of `decide`: what became of the event's term, by their numbers.
fn decide_batch(
    engine: &mut Engine,
    events: &[&str],
    store: &mut Store,
) -> Vec<(usize, usize, OutcomeKind)> {
    let mut request = RequestWriter::default();
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let raw: Vec<Vec<u8>> = events
        .iter()
        .map(|event| {
            let mut items = Vec::new();
            engine.keys(event.as_bytes(), Framing::One, 0, &mut items).unwrap();
            let item = Keys::read(&items).unwrap().items().next().unwrap().unwrap();
            keys.extend(item.keys().map(|key| key.key.to_vec()));
            item.raw.to_vec()
        })
        .collect();
    keys.sort();
    keys.dedup();
    keys.iter().for_each(|key| request.key(key, store.rows.get(key).map(Vec::as_slice)));
    raw.iter().zip(events).for_each(|(item, event)| request.item(item, event.as_bytes()));
    let (head, known, items) = request.parts();
    let mut out = Vec::new();
    engine.decide(&[&head[..], known, items].concat(), &mut out).unwrap();
    let decision = Decision::read(&out).unwrap();
    for write in &decision.writes {
        store.rows.insert(keys[write.key as usize].clone(), write.value.to_vec());
    }
    let outcomes = decision.outcomes.iter();
    outcomes.map(|o| (o.item as usize, usize::from(o.term), o.kind)).collect()
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

/// What a made-up event has: hours since the first of January, users, perhaps an account.
type Made = (i64, BTreeSet<u8>, Option<u8>);

fn text_of(number: usize, (hours, users, account): &Made) -> String {
    let (day, hour) = (1 + hours / 24, hours % 24);
    let users: Vec<_> = users.iter().map(|user| format!("\"u{user}\"")).collect();
    let account = account.map(|id| format!(r#","cloud":{{"account":{{"id":"{id}"}}}}"#));
    format!(
        r#"{{"@timestamp":"2025-01-{day:02}T{hour:02}:00:00Z","event":{{"id":"{number}","action":"a"}},"user":{{"name":[{}]}}{}}}"#,
        users.join(","),
        account.unwrap_or_default()
    )
}

/// How a rule learns, counted out one event after the other. All times are within one window.
#[derive(Default)]
struct Model {
    hours: i64,
    events: u32,
    by_account: bool,
    /// Of each account (or of all) the first time, and how many events told something.
    starts: BTreeMap<Option<u8>, (i64, u32)>,
    /// Of each user the first and the last time.
    known: BTreeMap<u8, (i64, i64)>,
    alerted: BTreeSet<(usize, u8)>,
}

impl Model {
    /// What becomes of each user of an event.
    fn takes(&mut self, number: usize, (at, users, account): &Made) -> Vec<Option<OutcomeKind>> {
        let start = account.filter(|_| self.by_account);
        let (first, counted) = *self.starts.entry(start).or_insert((*at, 0));
        let in_time = self.hours > 0 && *at < first + self.hours;
        let learns = counted < self.events || in_time;
        let mut tells = false;
        let mut out = Vec::new();
        for user in users {
            out.push(match self.known.get_mut(user) {
                _ if self.alerted.contains(&(number, *user)) => Some(OutcomeKind::Repeat),
                Some((from, to)) => {
                    tells |= at < from || at > to;
                    (*from, *to) = ((*from).min(*at), (*to).max(*at));
                    None
                }
                None => {
                    tells = true;
                    self.known.insert(*user, (*at, *at));
                    if !learns {
                        self.alerted.insert((number, *user));
                    }
                    Some(if learns { OutcomeKind::Learned } else { OutcomeKind::Alert })
                }
            });
        }
        let counted = &mut self.starts.get_mut(&start).unwrap().1;
        *counted += u32::from(tells && *counted < self.events);
        out
    }
}

proptest! {
    #[test]
    fn the_first_events_are_learned_however_they_come(
        made in prop::collection::vec(
            (0i64..200, prop::collection::btree_set(0u8..8, 1..3), prop::option::of(0u8..2)), 1..30,
        ),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
        cuts in prop::collection::vec(1usize..9, 60),
        (events, days, by_account) in (0u32..9, 0i64..4, any::<bool>()),
    ) {
        prop_assume!(events > 0 || days > 0);
        let by = if by_account { "learn_by = \"cloud.account.id\"" } else { "" };
        // One number is the file's, one the settings'.
        let time = if days > 0 { format!("learn_for = \"{days}d\"") } else { String::new() };
        let own = format!("{time}\nlearn_events = {}\n{by}", events.max(1));
        let mut engine = engine_of(&own, &format!(r#"{{"learn_events":{events}}}"#));
        // Events come in any order, and some of them again.
        let order: Vec<usize> = order.iter().map(|at| at.index(made.len())).collect();
        let texts: Vec<String> =
            made.iter().enumerate().map(|(number, event)| text_of(number, event)).collect();
        let mut model = Model { hours: 24 * days, events, by_account, ..Model::default() };
        let expected: Vec<_> = order.iter().map(|at| model.takes(*at, &made[*at])).collect();
        let (mut one, mut other) = (Store::default(), Store::default());
        let mut rest = order.as_slice();
        let mut told: Vec<Vec<Option<OutcomeKind>>> = Vec::new();
        for cut in cuts {
            let (batch, more) = rest.split_at(cut.min(rest.len()));
            let batch: Vec<&str> = batch.iter().map(|at| texts[*at].as_str()).collect();
            let begin = told.len();
            told.extend(batch.iter().zip(&order[begin..]).map(|(_, at)| vec![None; made[*at].1.len()]));
            for (item, term, kind) in decide_batch(&mut engine, &batch, &mut one) {
                told[begin + item][term] = Some(kind);
            }
            rest = more;
        }
        prop_assert_eq!(&told, &expected);
        for (at, expected) in order.iter().zip(&expected) {
            let judged = engine.judge(texts[*at].as_bytes(), 0, &mut other);
            let of = |kind| expected.iter().filter(|told| **told == Some(kind)).count();
            prop_assert_eq!(judged.error, None);
            prop_assert_eq!(judged.learned as usize, of(OutcomeKind::Learned));
            prop_assert_eq!(judged.alerts.len(), of(OutcomeKind::Alert));
            prop_assert_eq!(judged.repeats.len(), of(OutcomeKind::Repeat));
        }
        prop_assert_eq!(one.rows, other.rows);
    }
}

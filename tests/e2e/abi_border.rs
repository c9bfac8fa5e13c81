//! The edge cases of docs/abi.md: arguments out of range, a store that is unavailable or returns
//! wrong values, lifetimes of buffers, invalid settings.
//!
//! In: the flagship's module, called only through its exports. Out: whether its statuses, codes and
//! calls of imports are right. A test decides what the store returns.

use crate::flagship;
use firstseen_abi::{
    Decision, IMPORT_NAMESPACE, Item, ItemKind, Keys, OutcomeKind, RequestWriter, kv,
};
use serde_json::Value;
use std::collections::HashMap;
use wasmtime::{
    Caller, Engine, Instance, Linker, Memory, Module, Store, TypedFunc, WasmParams, WasmResults,
};

/// The host's side of an instance.
#[derive(Default)]
pub(crate) struct Data {
    memory: Option<Memory>,
    values: HashMap<Vec<u8>, Vec<u8>>,
    /// The imports return these instead of using `values`.
    get_returns: Option<i32>,
    cas_returns: Option<i32>,
    /// The number of calls.
    gets: u32,
    cases: u32,
}

/// The flagship's module, called through its exports alone.
pub(crate) struct Guest {
    pub(crate) store: Store<Data>,
    instance: Instance,
    pub(crate) memory: Memory,
}

fn bytes(caller: &Caller<'_, Data>, at: i32, len: i32) -> Vec<u8> {
    let memory = caller.data().memory.unwrap().data(caller);
    memory[at as u32 as usize..][..len as u32 as usize].to_vec()
}

fn kv_get(mut caller: Caller<'_, Data>, key: i32, key_len: i32, buf: i32, cap: i32) -> i32 {
    let key = bytes(&caller, key, key_len);
    caller.data_mut().gets += 1;
    if let Some(code) = caller.data().get_returns {
        return code;
    }
    let Some(value) = caller.data().values.get(&key).cloned() else { return kv::ABSENT };
    assert!(value.len() <= cap as usize);
    let memory = caller.data().memory.unwrap();
    memory.write(&mut caller, buf as u32 as usize, &value).unwrap();
    value.len() as i32
}

#[allow(clippy::too_many_arguments)] // the contract's signature
fn kv_cas(
    mut caller: Caller<'_, Data>,
    key: i32,
    key_len: i32,
    _: i32,
    _: i32,
    new: i32,
    new_len: i32,
    ttl_ms: i64,
    _: i32,
    _: i32,
) -> i32 {
    let (key, value) = (bytes(&caller, key, key_len), bytes(&caller, new, new_len));
    assert!(ttl_ms > 0);
    caller.data_mut().cases += 1;
    if let Some(code) = caller.data().cas_returns {
        return code;
    }
    caller.data_mut().values.insert(key, value);
    kv::DONE
}

impl Guest {
    fn new() -> Self {
        let (runtime, artifact) = flagship();
        let mut guest = Self::of(&runtime.engine, artifact.code.module());
        artifact.code.place(&mut guest.store, guest.memory).unwrap();
        guest
    }

    /// A module that this engine has compiled.
    pub(crate) fn of(engine: &Engine, module: &Module) -> Self {
        let mut linker = Linker::new(engine);
        linker.func_wrap(IMPORT_NAMESPACE, "kv_get", kv_get).unwrap();
        linker.func_wrap(IMPORT_NAMESPACE, "kv_cas", kv_cas).unwrap();
        linker.func_wrap(IMPORT_NAMESPACE, "log", |_: i32, _: i32, _: i32| {}).unwrap();
        let mut store = Store::new(engine, Data::default());
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = linker.instantiate(&mut store, module).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        store.data_mut().memory = Some(memory);
        Self { store, instance, memory }
    }

    pub(crate) fn raw<P: WasmParams, R: WasmResults>(&mut self, name: &str, arguments: P) -> R {
        let export: TypedFunc<P, R> = self.instance.get_typed_func(&mut self.store, name).unwrap();
        export.call(&mut self.store, arguments).unwrap()
    }

    pub(crate) fn alloc(&mut self, content: &[u8]) -> u32 {
        let at: u32 = self.raw("alloc", content.len() as u32);
        assert_ne!(at, 0);
        self.memory.write(&mut self.store, at as usize, content).unwrap();
        at
    }

    pub(crate) fn result(&self, packed: i64) -> Vec<u8> {
        let (at, len) = firstseen_abi::unpack(packed);
        self.memory.data(&self.store)[at as usize..][..len as usize].to_vec()
    }

    /// Calls an export with one buffer and empties the arena afterwards.
    fn call(&mut self, name: &str, input: &[u8]) -> Vec<u8> {
        let (at, len) = (self.alloc(input), input.len() as u32);
        let packed = match name {
            "keys" => self.raw("keys", (at, len, 0u32, 0i32, 0i64)),
            "evaluate" => self.raw("evaluate", (at, len, 0i64)),
            name => self.raw(name, (at, len)),
        };
        let result = self.result(packed);
        self.raw::<(), ()>("reset", ());
        result
    }

    pub(crate) fn json(&mut self, name: &str, input: &[u8]) -> Value {
        serde_json::from_slice(&self.call(name, input)).unwrap()
    }

    fn code(&mut self) -> Value {
        self.json("evaluate", event("e1", &["ann"]).as_bytes())["error"]["code"].clone()
    }
}

const NOON: i64 = 1_743_508_800_000;

pub(crate) fn event(id: &str, users: &[&str]) -> String {
    format!(
        r#"{{"@timestamp":"2025-04-01T12:00:00Z","event.id":"{id}","event.dataset":"aws.cloudtrail",
        "event.provider":"cloudformation.amazonaws.com","event.action":"CreateStack",
        "event.outcome":"success","cloud.account.id":"1","user.name":{users:?}}}"#
    )
}

#[test]
fn out_of_range_arguments_are_refused() {
    let mut guest = Guest::new();
    let text = event("e1", &["ann"]);
    let (at, len) = (guest.alloc(text.as_bytes()), text.len() as u32);
    // One pair inside the buffer, three outside.
    let pair = |offset: u32, length: u32| [offset.to_le_bytes(), length.to_le_bytes()].concat();
    let good = guest.alloc(&pair(0, len));
    let bad = [pair(1, len), pair(u32::MAX, u32::MAX), pair(len + 1, 0)];
    let bad = bad.map(|pair| guest.alloc(&pair));
    let cases = [
        (at, len, good, 1, 0),
        (at, len, 0, 0, 0),
        (at, len, u32::MAX, -1, 0),
        (0, 0, 0, 0, 0),
        (u32::MAX, 0, 0, 0, 0),
        (0, 1, 0, 0, 1),
        (u32::MAX, u32::MAX, 0, 0, 1),
        (at, u32::MAX, 0, -1, 1),
        (at, len, 0, -2, 1),
        (at, len, 0, i32::MIN, 1),
        (at, len, good, i32::MAX, 1),
        (at, len, u32::MAX - 7, 1, 1),
        (at, len, bad[0], 1, 1),
        (at, len, bad[1], 1, 1),
        (at, len, bad[2], 1, 1),
    ];
    for (at, len, table, count, status) in cases {
        let packed = guest.raw("keys", (at, len, table, count, 0i64));
        let result = guest.result(packed);
        let case = format!("{at}, {len}, {table}, {count}");
        assert_eq!(result[..4], u32::to_le_bytes(status), "{case}");
    }
    for name in ["explain", "configure"] {
        let packed = guest.raw(name, (u32::MAX, 2u32));
        let result: Value = serde_json::from_slice(&guest.result(packed)).unwrap();
        assert_eq!(result["error"]["code"], "bad_argument", "{name}");
    }
    let packed = guest.raw("decide", (u32::MAX, 2u32));
    assert_eq!(guest.result(packed), 1u32.to_le_bytes());
    assert_eq!(guest.call("decide", b"no request"), 3u32.to_le_bytes());
}

#[test]
fn request_without_a_needed_key_is_malformed() {
    let mut guest = Guest::new();
    let text = event("e1", &["ann"]);
    let found = guest.call("keys", text.as_bytes());
    let item = Keys::read(&found).unwrap().items().next().unwrap().unwrap();
    let mut request = RequestWriter::default();
    request.key(b"default:another", None);
    request.item(item.raw, text.as_bytes());
    let (head, keys, items) = request.parts();
    assert_eq!(guest.call("decide", &[&head, keys, items].concat()), 3u32.to_le_bytes());
}

#[test]
fn too_many_term_bytes_give_an_item_not_a_trap() {
    let mut guest = Guest::new();
    let long = "x".repeat(1 << 20);
    let users: Vec<String> = (0..14).map(|n| format!("{n}{long}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let text = event("e1", &users);
    let accounts: Vec<String> = (0..16).map(|n| n.to_string()).collect();
    let list = format!("\"cloud.account.id\":{accounts:?}");
    let text = text.replace("\"cloud.account.id\":\"1\"", &list);
    let found = guest.call("keys", text.as_bytes());
    let item = Keys::read(&found).unwrap().items().next().unwrap().unwrap();
    assert_eq!(item.kind, ItemKind::TooManyTerms);
    assert!(item.text.starts_with("too_many_terms: together"), "{}", item.text);
}

#[test]
fn event_text_is_needed_only_for_alerts() {
    let mut guest = Guest::new();
    let text = event("e1", &["ann", "ben"]);
    let found = guest.call("keys", text.as_bytes());
    let item = Keys::read(&found).unwrap().items().next().unwrap().unwrap();
    let mut request = RequestWriter::default();
    item.terms().for_each(|term| request.key(term.key, None));
    request.item_alone(item.raw);
    let (head, keys, items) = request.parts();
    let result = guest.call("decide", &[&head, keys, items].concat());
    let decision = Decision::read(&result).unwrap();
    let kinds: Vec<_> = decision.outcomes.iter().map(|outcome| outcome.kind).collect();
    assert_eq!(kinds, [OutcomeKind::NeedsEvent; 2]);
    // With the text, the outcomes are the alerts.
    let result = decide(&mut guest, &found, &text, |_| None);
    let decision = Decision::read(&result).unwrap();
    assert!(decision.outcomes.iter().all(|outcome| outcome.kind == OutcomeKind::Alert));
    // A known term needs no text.
    let values: Vec<_> = decision.writes.iter().map(|write| write.value.to_vec()).collect();
    let later = event("e2", &["ann", "ben"]);
    let found = guest.call("keys", later.as_bytes());
    let item = Keys::read(&found).unwrap().items().next().unwrap().unwrap();
    let mut request = RequestWriter::default();
    item.terms().zip(&values).for_each(|(term, value)| request.key(term.key, Some(value)));
    request.item_alone(item.raw);
    let (head, keys, items) = request.parts();
    let result = guest.call("decide", &[&head, keys, items].concat());
    assert!(Decision::read(&result).unwrap().outcomes.is_empty());
}

#[test]
fn buffers_live_until_reset_and_are_then_reused() {
    let mut guest = Guest::new();
    assert_eq!(guest.raw::<_, u32>("alloc", (256u32 << 20) + 1), 0);
    assert_ne!(guest.raw::<_, u32>("alloc", 0u32), 0);
    let text = event("e1", &["ann"]);
    let (at, len) = (guest.alloc(text.as_bytes()), text.len() as u32);
    let first = guest.raw("keys", (at, len, 0u32, 0i32, 0i64));
    let before = guest.result(first);
    for _ in 0..20 {
        guest.alloc(&[0xff; 4096]);
        let _: i64 = guest.raw("explain", (at, len));
        let _: i64 = guest.raw("evaluate", (at, len, 0i64));
    }
    assert_eq!(guest.result(first), before);
    assert_eq!(guest.result(firstseen_abi::pack(at, len)), text.as_bytes());
    guest.raw::<(), ()>("reset", ());
    let mut round = || {
        guest.call("keys", &[b' '; 1 << 20]);
        guest.memory.data_size(&guest.store)
    };
    let settled = (0..5).map(|_| round()).last().unwrap();
    assert!((0..50).all(|_| round() == settled), "memory grows although the arena is reset");
}

#[test]
fn store_errors_become_codes_and_lose_no_alert() {
    let mut guest = Guest::new();
    let too_long = firstseen_abi::MAX_VALUE as i32 + 1;
    for (code, name) in [
        (kv::AWAY, "store_away"),
        (kv::REFUSED, "store_refused"),
        (i32::MIN, "store_refused"),
        (too_long, "store_refused"),
        (i32::MAX, "store_refused"),
    ] {
        guest.store.data_mut().get_returns = Some(code);
        assert_eq!(guest.code(), name, "kv_get {code}");
    }
    assert_eq!(guest.store.data().cases, 0);
    guest.store.data_mut().get_returns = None;
    for (code, name) in [
        (kv::AWAY, "store_away"),
        (kv::REFUSED, "store_refused"),
        (2, "store_refused"),
        (i32::MIN, "store_refused"),
        (kv::CONFLICT | too_long, "store_refused"),
        (kv::CONFLICT_ABSENT, "conflict"),
    ] {
        guest.store.data_mut().cas_returns = Some(code);
        guest.store.data_mut().cases = 0;
        assert_eq!(guest.code(), name, "kv_cas {code}");
        let tries = if code == kv::CONFLICT_ABSENT { 16 } else { 1 };
        assert_eq!(guest.store.data().cases, tries, "kv_cas {code}");
    }
    // When the store is available again, the event alerts and then repeats its alert byte for byte.
    guest.store.data_mut().cas_returns = None;
    let text = event("e1", &["ann"]);
    let first = guest.json("evaluate", text.as_bytes());
    let again = guest.json("evaluate", text.as_bytes());
    assert!(first["alerts"][0].is_object());
    assert_eq!((&again["repeats"], &again["alerts"]), (&first["alerts"], &first["repeats"]));
}

#[test]
fn newer_state_value_is_not_overwritten() {
    let mut guest = Guest::new();
    guest.json("evaluate", event("e1", &["ann"]).as_bytes());
    for value in guest.store.data_mut().values.values_mut() {
        value[0] += 1;
    }
    guest.store.data_mut().cases = 0;
    assert_eq!(guest.code(), "bad_state");
    assert_eq!(guest.store.data().cases, 0);
}

#[test]
fn only_evaluate_accesses_the_store() {
    let mut guest = Guest::new();
    let text = event("e1", &["ann"]);
    guest.call("configure", b"{}");
    guest.call("explain", text.as_bytes());
    let found = guest.call("keys", text.as_bytes());
    decide(&mut guest, &found, &text, |_| None);
    assert_eq!((guest.store.data().gets, guest.store.data().cases), (0, 0));
}

/// Calls `decide` on the first item with these values of its terms.
fn decide(
    guest: &mut Guest,
    found: &[u8],
    text: &str,
    value: impl Fn(usize) -> Option<Vec<u8>>,
) -> Vec<u8> {
    let item: Item<'_> = Keys::read(found).unwrap().items().next().unwrap().unwrap();
    let mut request = RequestWriter::default();
    for (index, term) in item.terms().enumerate() {
        request.key(term.key, value(index).as_deref());
    }
    request.item(item.raw, text.as_bytes());
    let (head, keys, items) = request.parts();
    guest.call("decide", &[&head, keys, items].concat())
}

#[test]
fn settled_terms_do_not_change_after_a_conflict() {
    let mut guest = Guest::new();
    let text = event("e1", &["ann", "ben"]);
    let found = guest.call("keys", text.as_bytes());
    let result = decide(&mut guest, &found, &text, |_| None);
    let first = Decision::read(&result).unwrap();
    assert_eq!((first.writes.len(), first.outcomes.len()), (2, 2));
    // The first write succeeded; for the second, another host with another event was faster.
    let rival = event("e2", &["ann", "ben"]);
    let found_by_rival = guest.call("keys", rival.as_bytes());
    let result = decide(&mut guest, &found_by_rival, &rival, |_| None);
    let theirs = Decision::read(&result).unwrap();
    let values = [first.writes[0].value.to_vec(), theirs.writes[1].value.to_vec()];
    let result = decide(&mut guest, &found, &text, |index| Some(values[index].clone()));
    let second = Decision::read(&result).unwrap();
    assert!(second.writes.is_empty(), "{:?}", second.writes);
    let [repeat] = second.outcomes.as_slice() else { panic!("{:?}", second.outcomes) };
    assert_eq!((repeat.term, repeat.kind), (0, OutcomeKind::Repeat));
    assert_eq!(repeat.text, first.outcomes[0].text);
}

#[test]
fn settings_are_replaced_as_a_whole_or_not_at_all() {
    let mut guest = Guest::new();
    let text = event("e1", &["ann"]);
    let tenant = |guest: &mut Guest| {
        let found = guest.json("explain", text.as_bytes());
        let key = found["rules"][0]["keys"][0].as_str().unwrap();
        key.split(':').next().unwrap().to_owned()
    };
    assert_eq!(tenant(&mut guest), "default");
    assert_eq!(guest.call("configure", br#"{"tenant":"acme"}"#), b"{}");
    assert_eq!(tenant(&mut guest), "acme");
    for refused in [&b"{"[..], b"\xff", br#"{"tenant":"a:b"}"#, br#"{"future_slack":"0s"}"#] {
        assert_eq!(guest.json("configure", refused)["error"]["code"], "bad_settings");
        assert_eq!(tenant(&mut guest), "acme");
    }
    assert_eq!(guest.call("configure", br#"{"learn_until":"2026-01-01T00:00:00Z"}"#), b"{}");
    assert_eq!(tenant(&mut guest), "default");
    assert_eq!(guest.json("evaluate", text.as_bytes())["learned"], 1);
}

#[test]
fn clock_limits_future_events_and_0_means_no_clock() {
    let mut guest = Guest::new();
    let text = event("e1", &["ann"]);
    let hour = 3_600_000;
    for (now_ms, code) in [
        (0, Value::Null),
        (NOON - hour, Value::Null),
        (NOON - hour - 1, Value::from("future_event")),
        (-1, Value::from("future_event")),
        (i64::MIN, Value::from("future_event")),
        (i64::MAX, Value::Null),
    ] {
        let at = guest.alloc(text.as_bytes());
        let packed = guest.raw("evaluate", (at, text.len() as u32, now_ms));
        let result: Value = serde_json::from_slice(&guest.result(packed)).unwrap();
        assert_eq!(result["error"]["code"], code, "{now_ms}");
    }
}

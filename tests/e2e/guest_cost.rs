//! What an event costs in a guest, in WebAssembly instructions: the same on every machine.
//!
//! In: the flagship's rule in the engines of this build, the events in tests/fixtures/costs.ndjson, and the counts in
//! tests/snapshots/guest-cost.toml. Out: whether each count is within its bounds: no change makes an event dearer
//! unnoticed, and what a change gained is recorded. `UPDATE_COSTS=1` records anew. Instructions are wasmtime's fuel:
//! one that copies memory counts as one, however much it copies.

use crate::abi_border::Guest;
use firstseen_engines::flagship;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wasmtime::{Config, Engine, Module};

/// Per cent that a count may be above, and below, what is recorded.
const ABOVE: u64 = 3;
const BELOW: u64 = 10;
/// So many events are in one call of `keys`, as in a run.
const BATCH: u32 = 100;
const FUEL: u64 = 1 << 50;

type Costs = BTreeMap<String, BTreeMap<String, u64>>;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// An event whose action is another, one that only the last clause of the query refuses, one that matches.
fn events() -> [String; 3] {
    let text = std::fs::read_to_string(repository("tests/fixtures/costs.ndjson")).unwrap();
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.try_into().expect("three events")
}

/// An engine that counts.
fn counting() -> Engine {
    let mut config = Config::new();
    config.consume_fuel(true);
    Engine::new(&config).unwrap()
}

/// Instructions of what `run` calls.
fn spent<T>(guest: &mut Guest, run: impl FnOnce(&mut Guest) -> T) -> (u64, T) {
    guest.store.set_fuel(FUEL).unwrap();
    let result = run(guest);
    (FUEL - guest.store.get_fuel().unwrap(), result)
}

/// Instructions of one event in a call of `keys` for many.
fn keys(guest: &mut Guest, event: &str) -> u64 {
    let (spent, items) = spent(guest, |guest| {
        let len = event.len() as u32;
        let mut buffer = event.repeat(BATCH as usize).into_bytes();
        let table_at = buffer.len() as u32;
        for number in 0..BATCH {
            buffer.extend_from_slice(&(number * len).to_le_bytes());
            buffer.extend_from_slice(&len.to_le_bytes());
        }
        let at = guest.alloc(&buffer);
        let packed: i64 =
            guest.raw("keys", (at, table_at, at + table_at, BATCH.cast_signed(), 0_i64));
        assert_ne!(packed, 0);
        let items = guest.result(packed);
        guest.raw::<(), ()>("reset", ());
        items
    });
    assert!(!items.is_empty());
    spent / u64::from(BATCH)
}

/// Instructions of both steps for one event, and how many alerts it gave.
fn evaluate(guest: &mut Guest, event: &str) -> (u64, usize) {
    let (spent, result) = spent(guest, |guest| guest.json("evaluate", event.as_bytes()));
    assert!(result.get("error").is_none(), "{result}");
    (spent, result["alerts"].as_array().map_or(0, Vec::len))
}

/// The counts of a module that speaks the contract.
fn contract(wasm: &[u8]) -> BTreeMap<String, u64> {
    let engine = counting();
    let module = Module::new(&engine, wasm).unwrap();
    let mut guest = Guest::of(&engine, &module);
    guest.store.set_fuel(FUEL).unwrap();
    let [other, near, matched] = events();
    let mut costs = BTreeMap::new();
    for (name, event) in
        [("keys, no match", &other), ("keys, near miss", &near), ("keys, match", &matched)]
    {
        // The first call makes room.
        keys(&mut guest, event);
        costs.insert(name.to_owned(), keys(&mut guest, event));
    }
    // The first alert renders what all of a rule have in common.
    let other_user = matched.replace("user0054", "user0055");
    assert_eq!(evaluate(&mut guest, &other_user).1, 1);
    let (alert, alerts) = evaluate(&mut guest, &matched);
    assert_eq!(alerts, 1);
    let (seen, alerts) = evaluate(&mut guest, &later(&matched));
    assert_eq!(alerts, 0);
    costs.insert("evaluate, alert".to_owned(), alert);
    costs.insert("evaluate, seen".to_owned(), seen);
    costs
}

#[cfg(feature = "targets")]
mod fluent_bit {
    //! The engine of Fluent Bit, which has no SIMD; each record is a call.

    use super::{FUEL, counting, events};
    use firstseen_compiler::{EngineModule, RuleText, Target, compile};
    use firstseen_engines::engine;
    use firstseen_rule::source::ReadOptions;
    use std::collections::BTreeMap;
    use wasmtime::{Linker, Memory, Module, Store, TypedFunc, Val};

    /// The flagship rule in this engine.
    pub(super) fn flagship_in(engine: &EngineModule<'_>) -> Vec<u8> {
        let path = "plugin/rules/first_time_cloudformation_stack_creation.toml";
        let text = std::fs::read_to_string(super::repository(path)).unwrap();
        let source = RuleText { name: path, text: &text };
        let compiled = compile(engine, &[source], &ReadOptions::default());
        compiled.unwrap_or_else(|_| panic!("the flagship is at fault")).wasm
    }

    type Filter = TypedFunc<(u32, u32, u32, u32, u32, u32), u32>;

    struct FilterGuest {
        store: Store<()>,
        memory: Memory,
        filter: Filter,
        /// Where records are: in pages that the guest's allocator does not know.
        room: u32,
    }

    impl FilterGuest {
        fn new() -> Self {
            let counts = counting();
            let wasm = flagship_in(&engine(Target::FluentBit).unwrap());
            let module = Module::new(&counts, wasm).unwrap();
            let mut linker = Linker::new(&counts);
            for import in module.imports() {
                let Some(of) = import.ty().func().cloned() else { continue };
                // No folder is open; all else succeeds with nothing.
                let answer = if import.name() == "fd_prestat_get" { 8 } else { 0 };
                let call = move |_: wasmtime::Caller<'_, ()>, _: &[Val], results: &mut [Val]| {
                    results.fill(Val::I32(answer));
                    Ok(())
                };
                linker.func_new(import.module(), import.name(), of, call).unwrap();
            }
            let mut store = Store::new(&counts, ());
            store.set_fuel(FUEL).unwrap();
            let instance = linker.instantiate(&mut store, &module).unwrap();
            let start = instance.get_typed_func::<(), ()>(&mut store, "_initialize").unwrap();
            start.call(&mut store, ()).unwrap();
            let memory = instance.get_memory(&mut store, "memory").unwrap();
            let filter = instance.get_typed_func(&mut store, "firstseen").unwrap();
            let room = (memory.grow(&mut store, 1).unwrap() * 65_536) as u32;
            Self { store, memory, filter, room }
        }

        /// Instructions of a record, and whether the answer has an alert.
        fn call(&mut self, record: &str) -> (u64, bool) {
            let text = [record.as_bytes(), b"\0"].concat();
            self.memory.write(&mut self.store, self.room as usize, &text).unwrap();
            self.store.set_fuel(FUEL).unwrap();
            let given = (0, 0, 0, 0, self.room, record.len() as u32);
            let at = self.filter.call(&mut self.store, given).unwrap();
            let spent = FUEL - self.store.get_fuel().unwrap();
            let answer = self.memory.data(&self.store).get(at as usize..).unwrap();
            let end = answer.iter().position(|byte| *byte == 0).unwrap();
            let answer = std::str::from_utf8(&answer[..end]).unwrap();
            (spent, answer.contains("kibana.alert"))
        }
    }

    pub(super) fn costs() -> BTreeMap<String, u64> {
        let mut guest = FilterGuest::new();
        let [other, near, matched] = events();
        // The first call reads the plan, the first alert renders what all of a rule have in common.
        assert!(guest.call(&matched.replace("user0054", "user0055")).1);
        let mut costs = BTreeMap::new();
        for (name, record, alerts) in [
            ("no match", &other, false),
            ("near miss", &near, false),
            ("alert", &matched, true),
            ("seen", &super::later(&matched), false),
        ] {
            let (spent, alerted) = guest.call(record);
            assert_eq!(alerted, alerts, "{name}");
            costs.insert(name.to_owned(), spent);
        }
        costs
    }
}

/// Another event, a minute later.
fn later(event: &str) -> String {
    let later =
        event.replace("T00:33:35Z", "T00:34:35Z").replace("\"eventID\":\"", "\"eventID\":\"x");
    assert_ne!(later, event);
    later
}

fn measured() -> Costs {
    let mut all = Costs::new();
    all.insert("core".to_owned(), contract(flagship()));
    #[cfg(feature = "targets")]
    {
        let plain = firstseen_engines::plain_core().unwrap();
        all.insert("plain-core".to_owned(), contract(&fluent_bit::flagship_in(&plain)));
        all.insert("fluent-bit".to_owned(), fluent_bit::costs());
    }
    all
}

const HEAD: &str = "\
# Instructions of one event in a guest, as tests/e2e/guest_cost.rs counts them. Recorded anew by
# UPDATE_COSTS=1 cargo test -p firstseen --features targets --test abi guest_cost
";

/// The counts as TOML.
fn written(costs: &Costs) -> String {
    let table = |(engine, costs): (&String, &BTreeMap<String, u64>)| {
        let rows = costs.iter().map(|(name, cost)| format!("\"{name}\" = {cost}\n"));
        format!("\n[{engine}]\n{}", rows.collect::<String>())
    };
    costs.iter().map(table).collect()
}

/// What is out of bounds.
fn beyond(recorded: &Costs, measured: &Costs) -> Vec<String> {
    let mut wrong = Vec::new();
    for (engine, costs) in measured {
        for (name, now) in costs {
            let Some(then) = recorded.get(engine).and_then(|costs| costs.get(name)) else {
                wrong.push(format!("{engine}, {name}: {now}, and nothing is recorded"));
                continue;
            };
            let change = (*now as f64 / *then as f64 - 1.0) * 100.0;
            if *now * 100 > *then * (100 + ABOVE) {
                wrong.push(format!(
                    "{engine}, {name}: dearer, {then} then, {now} now, {change:+.1} %"
                ));
            } else if *now * 100 < *then * (100 - BELOW) {
                wrong.push(format!(
                    "{engine}, {name}: cheaper, {then} then, {now} now, {change:+.1} %: record it"
                ));
            }
        }
    }
    wrong
}

#[test]
fn an_event_costs_what_is_recorded() {
    let path = repository("tests/snapshots/guest-cost.toml");
    let mut recorded: Costs =
        toml::from_str(&std::fs::read_to_string(&path).unwrap_or_default()).unwrap();
    let measured = measured();
    if std::env::var_os("UPDATE_COSTS").is_some() {
        recorded.extend(measured.clone());
        std::fs::write(&path, HEAD.to_owned() + &written(&recorded)).unwrap();
    }
    let wrong = beyond(&recorded, &measured);
    assert!(
        wrong.is_empty(),
        "{}\nUPDATE_COSTS=1 cargo test -p firstseen --features targets --test abi guest_cost records these \
         counts; without --features targets those of the core engine alone",
        wrong.join("\n")
    );
}

#[test]
fn more_and_much_less_are_both_told() {
    let of = |cost: u64| Costs::from([("core".to_owned(), [("seen".to_owned(), cost)].into())]);
    for (cost, words) in [
        (1030, None),
        (1031, Some("core, seen: dearer, 1000 then, 1031 now, +3.1 %")),
        (900, None),
        (899, Some("core, seen: cheaper, 1000 then, 899 now, -10.1 %: record it")),
    ] {
        assert_eq!(beyond(&of(1000), &of(cost)).first().map(String::as_str), words);
    }
    assert_eq!(beyond(&Costs::new(), &of(1)), ["core, seen: 1, and nothing is recorded"]);
    // An engine that is not in this build is not asked about.
    assert!(beyond(&of(1000), &Costs::new()).is_empty());
}

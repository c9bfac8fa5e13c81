//! The rule as a plugin for Extism's hosts: Python, Go, Java, JavaScript, Rust and others.
//!
//! In: an event, or an event and what a store holds. Out: JSON. It calls no function of the host's
//! program, so that every host loads it with nothing but the file, and asks no clock.
//!
//! | function | input | output |
//! | --- | --- | --- |
//! | `evaluate` | an event | the outcome, as docs/abi.md has it; the state is in the plugin's memory |
//! | `keys` | an event | `{"matched", "keys": [...], "error"?}`: what to look up for it |
//! | `decide` | `{"event": text, "state": {key: hex or null}}` | `{"outcome", "writes": [{"key", "expected": hex or null, "value": hex, "ttl_ms"}]}` |
//!
//! All return 0; 1 and a sentence in Extism's error where the call itself makes no sense.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code)]

use firstseen_abi::kv::{Cas, Kv, KvError};
use firstseen_abi::{ItemKind, Keys};
use firstseen_event::json::Json;
use firstseen_rule::Engine;
use firstseen_rule::engine::Framing;
use firstseen_rule::evaluate::error_json;
use firstseen_target_support::memory::BoundedMemory;
use firstseen_value::{hex, parse_hex, push_quoted};
use std::cell::UnsafeCell;
use std::collections::BTreeMap;

/// No input over this: what is larger is a mistake or an attack, and memory never shrinks.
const MAX_INPUT: u64 = 64 << 20;

mod host {
    #[link(wasm_import_module = "extism:host/env")]
    unsafe extern "C" {
        pub(super) fn input_length() -> u64;
        pub(super) fn input_load_u64(offset: u64) -> u64;
        pub(super) fn input_load_u8(offset: u64) -> u8;
        pub(super) fn alloc(length: u64) -> u64;
        pub(super) fn store_u64(offset: u64, bytes: u64);
        pub(super) fn store_u8(offset: u64, byte: u8);
        pub(super) fn output_set(offset: u64, length: u64);
        pub(super) fn error_set(offset: u64);
    }
}

/// What lives between calls.
struct Plugin {
    engine: Engine,
    /// Of `evaluate`.
    state: BoundedMemory,
}

struct OneThread(UnsafeCell<Option<Result<Plugin, String>>>);
// SAFETY: a core module without shared memory has one thread.
unsafe impl Sync for OneThread {}
static PLUGIN: OneThread = OneThread(UnsafeCell::new(None));

/// Judges an event against the state in the plugin's memory.
#[unsafe(no_mangle)]
extern "C" fn evaluate() -> i32 {
    answer(|plugin, event| Ok(plugin.engine.evaluate(event, 0, &mut plugin.state)))
}

/// Step one for hosts with a store of their own.
#[unsafe(no_mangle)]
extern "C" fn keys() -> i32 {
    answer(|plugin, event| {
        let mut found = Vec::new();
        // One event has no table that could be wrong, and the layout is the engine's own.
        let _ = plugin.engine.keys(event, Framing::One, 0, &mut found);
        let read = Keys::read(&found).map_err(|_| "the engine's own answer cannot be read")?;
        let mut keys: Vec<&str> = Vec::new();
        let mut error = None;
        for item in read.items().flatten() {
            let of = item.keys().filter_map(|term| std::str::from_utf8(term.key).ok());
            keys.extend(of);
            if matches!(item.kind, ItemKind::Bad | ItemKind::Future | ItemKind::TooManyTerms) {
                error.get_or_insert(item.text);
            }
        }
        let mut out = format!("{{\"matched\":{},\"keys\":[", read.counts.matched);
        for (at, key) in keys.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            push_quoted(&mut out, key);
        }
        out.push(']');
        if let Some(error) = error {
            out.push_str(",\"error\":");
            out.push_str(&error_json(error));
        }
        out.push('}');
        Ok(out)
    })
}

/// Step two: what an event means, given the values of its keys, and what to write.
#[unsafe(no_mangle)]
extern "C" fn decide() -> i32 {
    answer(|plugin, input| {
        let (event, mut given) = Given::read(input)?;
        let outcome = plugin.engine.evaluate(event.as_bytes(), 0, &mut given);
        let mut out = format!("{{\"outcome\":{outcome},\"writes\":[");
        for (at, write) in given.writes.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push_str(write);
        }
        out.push_str("]}");
        Ok(out)
    })
}

/// What the host's store holds, and what is to be written there.
struct Given {
    values: BTreeMap<String, Option<Vec<u8>>>,
    /// As JSON.
    writes: Vec<String>,
}

impl Given {
    fn read(input: &[u8]) -> Result<(String, Self), String> {
        let shape = || "decide takes {\"event\": text, \"state\": {key: hex or null}}".to_owned();
        let text = std::str::from_utf8(input).map_err(|_| "the input is not UTF-8".to_owned())?;
        let json = Json::read(text).map_err(|e| format!("the input is no JSON: {}", e.reason))?;
        let Json::Object(mut members) = json else { return Err(shape()) };
        let (event, state) = (members.remove("event"), members.remove("state"));
        let (Some(Json::Text(event)), Some(Json::Object(state))) = (event, state) else {
            return Err(shape());
        };
        let mut values = BTreeMap::new();
        for (key, value) in state {
            let value = match value {
                Json::Null => None,
                Json::Text(digits) => Some(parse_hex(&digits).ok_or_else(shape)?),
                _ => return Err(shape()),
            };
            values.insert(key, value);
        }
        Ok((event, Self { values, writes: Vec::new() }))
    }
}

impl Kv for Given {
    /// A key that was not given is one that the store was not asked for.
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        let key = std::str::from_utf8(key).map_err(|_| KvError::Refused)?;
        self.values.get(key).cloned().ok_or(KvError::Away)
    }

    fn cas(
        &mut self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: &[u8],
        ttl_ms: i64,
    ) -> Result<Cas, KvError> {
        let key = std::str::from_utf8(key).map_err(|_| KvError::Refused)?;
        let expected = expected.map_or_else(|| "null".to_owned(), |e| format!("\"{}\"", hex(e)));
        let mut write = String::from("{\"key\":");
        push_quoted(&mut write, key);
        let value_hex = hex(value);
        write.push_str(&format!(
            ",\"expected\":{expected},\"value\":\"{value_hex}\",\"ttl_ms\":{ttl_ms}}}"
        ));
        self.writes.push(write);
        self.values.insert(key.to_owned(), Some(value.to_vec()));
        Ok(Cas::Done)
    }
}

/// Runs a function on the input and hands its answer, or its fault, to the host.
fn answer(run: impl FnOnce(&mut Plugin, &[u8]) -> Result<String, String>) -> i32 {
    // SAFETY: an export takes it once, and the host does not call in while an import runs.
    let plugin = unsafe { &mut *PLUGIN.0.get() };
    let plugin = plugin.get_or_insert_with(|| {
        let limit = firstseen_target_support::options()?.state_limit;
        Ok(Plugin { engine: firstseen_target_support::engine()?, state: BoundedMemory::new(limit) })
    });
    let answer = match plugin {
        Ok(plugin) => input().and_then(|input| run(plugin, &input)),
        Err(fault) => Err(fault.clone()),
    };
    let text = answer.as_ref().unwrap_or_else(|fault| fault);
    let Some(offset) = output(text.as_bytes()) else { return 1 };
    // SAFETY: the block at this offset is Extism's own and has that length.
    unsafe {
        match answer {
            Ok(_) => host::output_set(offset, text.len() as u64),
            Err(_) => host::error_set(offset),
        }
    }
    i32::from(answer.is_err())
}

/// Copies the input in: it lies in a memory of Extism's that only its functions reach.
fn input() -> Result<Vec<u8>, String> {
    // SAFETY: the offsets lie within the length that the host says.
    unsafe {
        let length = host::input_length();
        if length > MAX_INPUT {
            return Err(format!("the input has {length} bytes, at most {MAX_INPUT} are taken"));
        }
        let mut bytes = Vec::with_capacity(length as usize);
        let words = length / 8;
        for word in 0..words {
            bytes.extend_from_slice(&host::input_load_u64(word * 8).to_le_bytes());
        }
        for offset in words * 8..length {
            bytes.push(host::input_load_u8(offset));
        }
        Ok(bytes)
    }
}

/// Copies an answer out: where it lies, unless Extism has no room.
fn output(bytes: &[u8]) -> Option<u64> {
    // SAFETY: the offsets lie within the block that was asked for.
    unsafe {
        let start = host::alloc(bytes.len() as u64);
        if start == 0 && !bytes.is_empty() {
            return None;
        }
        let (words, rest) = bytes.as_chunks::<8>();
        let mut offset = start;
        for word in words {
            host::store_u64(offset, u64::from_le_bytes(*word));
            offset += 8;
        }
        for byte in rest {
            host::store_u8(offset, *byte);
            offset += 1;
        }
        Some(start)
    }
}

//! The rule as two functions of the `wasm` processor of Redpanda Connect and of Bento.
//!
//! In: a message and its metadata. Out: metadata, and from `decide` the alert as the message. The
//! state is the pipeline's own cache: between the two functions the configuration looks a key up,
//! behind them it writes. BoundedMemory is no state here, because the processor keeps a pool of instances.
//! It never drops a message and never calls a store: both are the configuration's part
//! (docs/pipelines/redpanda-connect.md).
//!
//! | function | reads | writes |
//! | --- | --- | --- |
//! | `keys` | the message: one event | `firstseen`: lines, `{"key"}` for each term, `{"error"}` |
//! | `decide` | `firstseen_event`, `_key`, and what stands there: `_found`, `_prior` | `firstseen_outcome`, `_value`, `_ttl`, `_error` |
//!
//! Both read `firstseen_now_ms`, the pipeline's clock; without it none is known. Both set all that
//! they may set in each call: metadata can come from outside, a header of Kafka's say.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code)]

use firstseen_abi::kv::{Cas, Kv, KvError};
use firstseen_abi::{ItemKind, Keys};
use firstseen_rule::Engine;
use firstseen_rule::engine::Framing;
use firstseen_rule::evaluate::{Evaluation, error_json};
use firstseen_value::push_quoted;
use std::cell::UnsafeCell;

/// No message over this: what is larger is a mistake or an attack, and memory never shrinks.
const MAX_MESSAGE: usize = 64 << 20;

mod host {
    // Bento's name for it is another; `firstseen build` writes that one.
    #[link(wasm_import_module = "benthos_wasm")]
    unsafe extern "C" {
        pub(super) fn v0_msg_as_bytes() -> u64;
        pub(super) fn v0_msg_set_bytes(text: *const u8, len: usize);
        pub(super) fn v0_msg_get_meta(key: *const u8, key_len: usize) -> u64;
        pub(super) fn v0_msg_set_meta(
            key: *const u8,
            key_len: usize,
            text: *const u8,
            text_len: usize,
        );
    }
}

/// What lives between calls. Two cells: the host calls `allocate` while `keys` or `decide` waits
/// for an import, and those hold the engine.
struct OneThread<T>(UnsafeCell<T>);
// SAFETY: a core module without shared memory has one thread.
unsafe impl<T> Sync for OneThread<T> {}

static ENGINE: OneThread<Option<Result<Engine, String>>> = OneThread(UnsafeCell::new(None));
static ARENA: OneThread<Vec<Vec<u8>>> = OneThread(UnsafeCell::new(Vec::new()));

/// A buffer for what the host hands in; it lives until the next call of `keys` or `decide`. Where
/// there is no room, an address at which nobody can write: the host then fails that message alone.
#[unsafe(no_mangle)]
extern "C" fn allocate(len: usize) -> usize {
    let mut buffer = Vec::new();
    if len > MAX_MESSAGE || buffer.try_reserve_exact(len.max(1)).is_err() {
        return usize::MAX;
    }
    buffer.resize(len.max(1), 0);
    let address = buffer.as_ptr() as usize;
    // SAFETY: nothing else holds the arena while an import runs, see `handed_in`.
    unsafe { (*ARENA.0.get()).push(buffer) };
    address
}

/// Step one: what has to be looked up for this event. Where nothing has, `firstseen` is empty.
#[unsafe(no_mangle)]
extern "C" fn keys() {
    free();
    let Some(event) = message() else { return };
    let mut lines = String::new();
    match engine() {
        Err(fault) => push_error(&mut lines, &format!("bad_plan: {fault}")),
        Ok(engine) => {
            let mut found = Vec::new();
            // One event has no table that could be wrong, and the layout is the engine's own.
            let _ = engine.keys(&event, Framing::One, now_ms(), &mut found);
            let items = Keys::read(&found).ok();
            for item in items.iter().flat_map(Keys::items).flatten() {
                match item.kind {
                    ItemKind::Matched => {
                        for key in item.terms().filter_map(|t| std::str::from_utf8(t.key).ok()) {
                            lines.push_str("{\"key\":");
                            push_quoted(&mut lines, key);
                            lines.push_str("}\n");
                        }
                    }
                    ItemKind::Bad | ItemKind::Future | ItemKind::TooManyTerms => {
                        push_error(&mut lines, item.text);
                    }
                    // No fault, and nothing to look up.
                    ItemKind::Missing
                    | ItemKind::Excepted
                    | ItemKind::OtherIndex
                    | ItemKind::NoEvents => {}
                }
            }
        }
    }
    set_meta("firstseen", lines.trim_end().as_bytes());
}

/// Step two: what one term of an event means, given the value under its key, and what to
/// write there. An alert replaces the message.
#[unsafe(no_mangle)]
extern "C" fn decide() {
    free();
    let event = meta("firstseen_event");
    // Missing metadata reads as empty, and a value may be empty that somebody damaged.
    let prior = (meta("firstseen_found") == b"1").then(|| meta("firstseen_prior"));
    let mut entry = Entry { key: meta("firstseen_key"), prior, write: None };
    let outcome = match engine() {
        Err(fault) => failed(format!("bad_plan: {fault}")),
        Ok(engine) => {
            let key = entry.key.clone();
            engine.judge_key(&event, now_ms(), &key, &mut entry)
        }
    };
    let (name, alert, error) = described(&outcome);
    if let Some(alert) = alert {
        // SAFETY: the host only reads the text.
        unsafe { host::v0_msg_set_bytes(alert.as_ptr(), alert.len()) };
    }
    let (value, ttl_ms) = entry.write.unwrap_or_default();
    let mut fault = String::new();
    if let Some(error) = error {
        fault.push_str(&error_json(error));
    }
    set_meta("firstseen_outcome", name.as_bytes());
    set_meta("firstseen_value", &value);
    set_meta("firstseen_ttl", format!("{ttl_ms}ms").as_bytes());
    set_meta("firstseen_error", fault.as_bytes());
}

/// The outcome of one term: its name, its alert, what was wrong.
fn described(outcome: &Evaluation) -> (&'static str, Option<&str>, Option<&str>) {
    const OTHER: &str = "bad_argument: firstseen_event has no term under firstseen_key";
    if let Some(error) = &outcome.error {
        return ("error", None, Some(error));
    }
    match (outcome.alerts.first(), outcome.repeats.first()) {
        (Some(alert), _) => ("alert", Some(alert), None),
        (None, Some(alert)) => ("repeat", Some(alert), None),
        _ if outcome.seen > 0 => ("seen", None, None),
        _ if outcome.learned > 0 => ("learned", None, None),
        _ if outcome.late > 0 => ("late", None, None),
        _ => ("error", None, Some(OTHER)),
    }
}

fn failed(error: String) -> Evaluation {
    Evaluation { error: Some(error), ..Evaluation::default() }
}

/// The one key that the pipeline looked up. Whether the write still fits what stands there when it
/// is done is the pipeline's part: by a lock, or by compare-and-set.
struct Entry {
    key: Vec<u8>,
    prior: Option<Vec<u8>>,
    write: Option<(Vec<u8>, i64)>,
}

impl Kv for Entry {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        if key == self.key { Ok(self.prior.clone()) } else { Err(KvError::Refused) }
    }

    fn cas(
        &mut self,
        _key: &[u8],
        _expected: Option<&[u8]>,
        value: &[u8],
        ttl_ms: i64,
    ) -> Result<Cas, KvError> {
        self.write = Some((value.to_vec(), ttl_ms));
        Ok(Cas::Done)
    }
}

/// The rule, read at the first call.
fn engine() -> Result<&'static mut Engine, &'static str> {
    // SAFETY: each export takes it once, and `allocate`, which the host calls meanwhile, does not.
    let engine = unsafe { &mut *ENGINE.0.get() };
    engine
        .get_or_insert_with(firstseen_target_support::engine)
        .as_mut()
        .map_err(|fault| fault.as_str())
}

/// Ends the life of all that was handed in before.
fn free() {
    // SAFETY: no import runs now, so `allocate` does not either; what was handed in was taken out.
    unsafe { (*ARENA.0.get()).clear() };
}

/// The message; `None` where the host could not hand it in, and has marked it as failed.
fn message() -> Option<Vec<u8>> {
    // SAFETY: the import has no arguments.
    handed_in(unsafe { host::v0_msg_as_bytes() })
}

/// Metadata; empty where there is none.
fn meta(key: &str) -> Vec<u8> {
    // SAFETY: the host only reads the key.
    handed_in(unsafe { host::v0_msg_get_meta(key.as_ptr(), key.len()) }).unwrap_or_default()
}

/// Takes a buffer out of the arena, by its address; an address that `allocate` never gave is none.
fn handed_in(packed: u64) -> Option<Vec<u8>> {
    let (address, len) = ((packed >> 32) as usize, (packed & 0xffff_ffff) as usize);
    // SAFETY: no import runs now, so `allocate` does not either.
    let arena = unsafe { &mut *ARENA.0.get() };
    let at = arena.iter().rposition(|buffer| buffer.as_ptr() as usize == address)?;
    let mut buffer = arena.swap_remove(at);
    buffer.truncate(len);
    Some(buffer)
}

fn set_meta(key: &str, text: &[u8]) {
    // SAFETY: the host only reads both.
    unsafe { host::v0_msg_set_meta(key.as_ptr(), key.len(), text.as_ptr(), text.len()) };
}

/// The pipeline's clock; 0 where it hands in none.
fn now_ms() -> i64 {
    let text = meta("firstseen_now_ms");
    std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn push_error(lines: &mut String, error: &str) {
    lines.push_str("{\"error\":");
    lines.push_str(&error_json(error));
    lines.push_str("}\n");
}

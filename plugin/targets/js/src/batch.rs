//! Matched events through decide rounds, against a store that is asked from outside.
//!
//! In: matched events, the store's answers as JavaScript gives them. Out: keys to read, writes to
//! try, outcomes. What is decided, tried again and settled is the affair of
//! [`Round`](firstseen_session::Round); this file only translates, and calls no store.

use crate::fault;
use crate::report::{Held, RunReport};
use firstseen_abi::{MAX_VALUE, RequestWriter};
use firstseen_rule::Engine;
use firstseen_session::{CallError, Decide, Round, Step, WriteResult};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

/// Events that are decided together, and the most bytes of their texts; a single one may be longer.
const MAX_ITEMS: usize = 256;
const MAX_BYTES: usize = 4 << 20;

/// Events that are decided together; none where all are settled.
#[derive(Default)]
pub(crate) struct KeyBatch(Option<Round>);

/// The engine as a round asks it.
struct NativeRules<'e>(&'e Engine);

impl Decide for NativeRules<'_> {
    fn decide(&mut self, request: &RequestWriter) -> Result<Vec<u8>, CallError> {
        let (head, keys, items) = request.parts();
        let mut out = Vec::new();
        let decided = self.0.decide(&[&head[..], keys, items].concat(), &mut out);
        decided.map_err(|e| CallError::Contract(e.to_string()))?;
        Ok(out)
    }

    /// The same engine wrote the keys.
    fn owns(&self, _: &[u8]) -> bool {
        true
    }
}

impl KeyBatch {
    pub(crate) fn is_settled(&self) -> bool {
        self.0.is_none()
    }

    /// Takes the next events; `false` where there are none.
    pub(crate) fn fill(&mut self, waiting: &mut Vec<Held>) -> bool {
        let (mut matches, mut bytes) = (Vec::new(), 0usize);
        while matches.len() < MAX_ITEMS {
            let Some(held) = waiting.pop_if(|next| {
                bytes = bytes.saturating_add(next.event.len());
                matches.is_empty() || bytes <= MAX_BYTES
            }) else {
                break;
            };
            matches.push(held.into_match());
        }
        self.0 = (!matches.is_empty()).then(|| Round::new(matches));
        self.0.is_some()
    }

    /// The keys whose values are not known.
    pub(crate) fn ask(&self) -> Vec<String> {
        let keys = self.0.iter().flat_map(Round::keys_to_read);
        keys.map(|key| String::from_utf8_lossy(key).into_owned()).collect()
    }

    /// Takes the values of these keys, decides, and gives the writes.
    pub(crate) fn decide(&mut self, rules: &Engine, values: &Array) -> Result<Array, JsValue> {
        let writes = Array::new();
        let Some(round) = &mut self.0 else { return Ok(writes) };
        let failed = |e: CallError| fault("bad_request", &e.to_string());
        let mut rules = NativeRules(rules);
        let mut step = round.step(&mut rules).map_err(failed)?;
        if step == Step::Read {
            round.values(values.iter().map(|value| answer(&value)));
            step = round.step(&mut rules).map_err(failed)?;
        }
        if step == Step::Write {
            for write in round.writes() {
                let bytes = |value| JsValue::from(Uint8Array::from(value));
                writes.push(&JsValue::from_str(&String::from_utf8_lossy(write.key)));
                writes.push(&write.expected.map_or(JsValue::NULL, bytes));
                writes.push(&bytes(write.value));
                writes.push(&JsValue::from_f64(write.ttl_ms as f64));
            }
        }
        Ok(writes)
    }

    /// Takes what the writes came to, and reports when all keys are settled.
    pub(crate) fn settle(&mut self, results: &Array, report: &mut RunReport) {
        let Some(round) = &mut self.0 else { return };
        round.written(results.iter().map(|result| write_result(&result)));
        if let Some(round) = self.0.take_if(|round| round.is_done()) {
            report.decided(round.finish());
        }
    }
}

/// What a write came to: `true`; the value that is there instead, `undefined` where the store does
/// not say which; a string that says why there is no answer.
fn write_result(result: &JsValue) -> WriteResult {
    if result.as_bool() == Some(true) {
        return WriteResult::Done;
    }
    if result.is_undefined() {
        return WriteResult::ConflictUnread;
    }
    match answer(result) {
        Ok(current) => WriteResult::Conflict(current),
        Err(reason) => WriteResult::Failed(reason),
    }
}

/// A value that the store gave: bytes, or null for none. A string says why there is no answer.
fn answer(value: &JsValue) -> Result<Option<Vec<u8>>, String> {
    if value.is_null() || value.is_undefined() {
        return Ok(None);
    }
    if let Some(reason) = value.as_string() {
        return Err(reason);
    }
    match value.dyn_ref::<Uint8Array>() {
        Some(bytes) if bytes.length() as usize <= MAX_VALUE => Ok(Some(bytes.to_vec())),
        Some(_) => Err(format!("store_refused: the store gave a value over {MAX_VALUE} bytes")),
        None => Err("store_refused: the store gave neither a Uint8Array nor null".to_owned()),
    }
}

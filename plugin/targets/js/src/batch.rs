//! Matched events against a store that is asked from outside, until every write stands.
//!
//! In: matched events, the store's answers. Out: keys to read, writes to try, outcomes. It follows
//! docs/abi.md, section 5, "Conflicts": a write that meets a conflict voids its key's outcomes, and
//! only such keys are decided again. A settled key is never decided twice.

use crate::fault;
use crate::report::{Held, RunReport};
use firstseen_abi::{Cursor, Decision, Item, MAX_VALUE, OutcomeKind, RequestWriter};
use firstseen_rule::Engine;
use js_sys::{Array, Uint8Array};
use std::collections::HashMap;
use wasm_bindgen::{JsCast, JsValue};

/// How often a lost race is tried again.
const MAX_TRIES: u8 = 16;
/// Events that are decided together, and the most bytes of their texts.
const MAX_ITEMS: usize = 256;
const MAX_BYTES: usize = 4 << 20;

/// Events that are decided together.
#[derive(Default)]
pub(crate) struct KeyBatch {
    items: Vec<Held>,
    /// For each item, the places of its terms' keys.
    terms: Vec<Vec<usize>>,
    keys: Vec<Key>,
    /// The keys that were asked for last, and the keys of the writes that were given last.
    asked: Vec<usize>,
    written: Vec<usize>,
    /// What became of terms; a term of a settled key without an outcome was seen before.
    outcomes: HashMap<(usize, usize), (OutcomeKind, String)>,
    tries: u8,
}

struct Key {
    key: String,
    /// The value, where it is known.
    value: Option<Option<Vec<u8>>>,
    /// What `decide` wants to stand there.
    next: Vec<u8>,
    open: bool,
    /// `code: reason` where it could not be settled.
    failed: Option<String>,
}

impl KeyBatch {
    pub(crate) fn is_settled(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes the next events; `false` where there are none.
    pub(crate) fn fill(&mut self, waiting: &mut Vec<Held>) -> bool {
        *self = Self::default();
        let (mut known, mut bytes) = (HashMap::new(), 0usize);
        while self.items.len() < MAX_ITEMS && (bytes < MAX_BYTES || self.items.is_empty()) {
            let Some(held) = waiting.pop() else { break };
            bytes = bytes.saturating_add(held.event.len());
            let mut places = Vec::new();
            if let Ok(item) = Item::read(&mut Cursor::new(&held.raw)) {
                for term in item.terms() {
                    let key = String::from_utf8_lossy(term.key).into_owned();
                    places.push(*known.entry(key.clone()).or_insert_with(|| {
                        let (value, next, failed) = (None, Vec::new(), None);
                        self.keys.push(Key { key, value, next, open: true, failed });
                        self.keys.len() - 1
                    }));
                }
            }
            self.terms.push(places);
            self.items.push(held);
        }
        !self.items.is_empty()
    }

    /// The keys whose values are not known.
    pub(crate) fn ask(&mut self) -> Vec<String> {
        let unknown = |(_, key): &(usize, &Key)| key.open && key.value.is_none();
        self.asked = self.keys.iter().enumerate().filter(unknown).map(|(at, _)| at).collect();
        self.asked.iter().filter_map(|at| Some(self.keys.get(*at)?.key.clone())).collect()
    }

    /// Takes the values of these keys, decides, and gives the writes.
    pub(crate) fn decide(&mut self, rules: &Engine, values: Array) -> Result<Array, JsValue> {
        for (at, value) in std::mem::take(&mut self.asked).into_iter().zip(values.iter()) {
            let Some(key) = self.keys.get_mut(at) else { continue };
            match answer(&value) {
                Ok(value) => key.value = Some(value),
                Err(reason) => key.fail(reason),
            }
        }
        // Items without an open key are settled; the values of their keys are of no use.
        let open = |places: &Vec<usize>| places.iter().any(|at| self.is_open(*at));
        let asked: Vec<usize> =
            (0..self.items.len()).filter(|at| self.terms.get(*at).is_some_and(open)).collect();
        let mut keys: Vec<usize> =
            asked.iter().filter_map(|at| self.terms.get(*at)).flatten().copied().collect();
        keys.sort_unstable();
        keys.dedup();
        let mut request = RequestWriter::default();
        for key in keys.iter().filter_map(|at| self.keys.get(*at)) {
            request.key(key.key.as_bytes(), key.value.as_ref().and_then(Option::as_deref));
        }
        for held in asked.iter().filter_map(|at| self.items.get(*at)) {
            request.item(&held.raw, &held.event);
        }
        let (head, first, second) = request.parts();
        let request = [&head[..], first, second].concat();
        let mut out = Vec::new();
        rules.decide(&request, &mut out).map_err(|e| fault("bad_request", &e.to_string()))?;
        let decision = Decision::read(&out).map_err(|_| fault("bad_request", "no decision"))?;
        for outcome in decision.outcomes {
            let (Some(item), term) = (asked.get(outcome.item as usize), usize::from(outcome.term))
            else {
                continue;
            };
            let key = self.terms.get(*item).and_then(|places| places.get(term));
            if key.is_some_and(|key| self.is_open(*key)) {
                self.outcomes.insert((*item, term), (outcome.kind, outcome.text.to_owned()));
            }
        }
        let writes = Array::new();
        self.written.clear();
        for write in decision.writes {
            let Some(at) = keys.get(write.key as usize).copied() else { continue };
            let Some(key) = self.keys.get_mut(at).filter(|key| key.open) else { continue };
            write.value.clone_into(&mut key.next);
            let expected = match &key.value {
                Some(Some(value)) => Uint8Array::from(&value[..]).into(),
                _ => JsValue::NULL,
            };
            writes.push(&JsValue::from_str(&key.key));
            writes.push(&expected);
            writes.push(&Uint8Array::from(write.value).into());
            writes.push(&JsValue::from_f64(write.ttl_ms as f64));
            self.written.push(at);
        }
        // A key without a write is settled by what was read.
        for (at, key) in self.keys.iter_mut().enumerate() {
            key.open &= self.written.contains(&at);
        }
        Ok(writes)
    }

    /// Takes what the writes came to, and reports when all keys are settled.
    pub(crate) fn settle(&mut self, results: Array, report: &mut RunReport) {
        self.tries += 1;
        for (at, result) in std::mem::take(&mut self.written).into_iter().zip(results.iter()) {
            let Some(key) = self.keys.get_mut(at) else { continue };
            if result.as_bool() == Some(true) {
                key.open = false;
                key.value = Some(Some(std::mem::take(&mut key.next)));
                continue;
            }
            self.outcomes.retain(|(item, term), _| {
                self.terms.get(*item).and_then(|places| places.get(*term)) != Some(&at)
            });
            // `undefined`: it is read again.
            let current = if result.is_undefined() { Ok(None) } else { answer(&result).map(Some) };
            match current {
                Ok(_) if self.tries >= MAX_TRIES => key.fail(format!(
                    "conflict: other writers were faster {MAX_TRIES} times; hand it in again"
                )),
                Ok(value) => key.value = value,
                Err(reason) => key.fail(reason),
            }
        }
        if self.keys.iter().any(|key| key.open) {
            return;
        }
        let (items, terms) = (std::mem::take(&mut self.items), std::mem::take(&mut self.terms));
        for (item, (held, places)) in items.iter().zip(terms).enumerate() {
            for (term, at) in places.into_iter().enumerate() {
                match self.keys.get(at).and_then(|key| key.failed.clone()) {
                    Some(text) => {
                        report.away = true;
                        report.fault(text, held.line());
                    }
                    None => report.outcome(self.outcomes.remove(&(item, term)), held),
                }
            }
        }
    }

    fn is_open(&self, key: usize) -> bool {
        self.keys.get(key).is_some_and(|key| key.open)
    }
}

impl Key {
    fn fail(&mut self, reason: String) {
        (self.open, self.failed) = (false, Some(reason));
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

//! The target for JavaScript: rules, events and files in; the questions for a store, then alerts, out.
//!
//! ```text
//! JavaScript                              here
//! new Engine(source, settings) -------->  rules ready to run
//! engine.event(bytes, now) ------------>  nothing, or a Run that holds what matched
//! new Run(); push(pieces); finish() --->  a Run of a whole file, in order of time
//! run.ask() --------------------------->  keys to read; undefined: all is settled
//! run.decide(engine, values) ---------->  writes to try
//! run.settle(results) ----------------->  a lost race is asked again, 16 times at most
//! run.alerts(), run.report() ---------->  what came of it
//! ```
//! Whether the store answers at once or later is JavaScript's affair: nothing here calls back. It
//! holds no rule logic, no clock and no state but that of a run. Bytes and answers are untrusted.
#![cfg(target_family = "wasm")]
// What the macro writes around exports; the code below has none of its own.
#![allow(unsafe_code)]

mod batch;
mod feed;
mod report;

use batch::KeyBatch;
use feed::EventFeed;
use firstseen_abi::Keys;
use firstseen_rule::engine::Framing;
use firstseen_rule::source::{self, ReadOptions};
use firstseen_rule::{Plan, Settings};
use js_sys::Array;
use report::{Held, RunReport};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// `code: reason`, as JavaScript takes it for an error.
pub(crate) fn fault(code: &str, reason: &str) -> JsValue {
    JsValue::from_str(&format!("{code}: {reason}"))
}

/// Rules, ready to run.
#[wasm_bindgen]
pub struct Engine {
    rules: firstseen_rule::Engine,
    buffer: Vec<u8>,
}

#[wasm_bindgen]
impl Engine {
    /// From an artifact of `firstseen build`, or the text of a rule.toml; settings as JSON.
    #[wasm_bindgen(constructor)]
    pub fn new(source: &[u8], settings: &str) -> Result<Engine, JsValue> {
        if source.starts_with(b"\0asm") {
            let plan = firstseen_artifact::plan(source).map_err(|e| fault("bad_rule", e))?;
            return Self::of_plan(plan, settings);
        }
        let text = std::str::from_utf8(source);
        let text = text.map_err(|_| fault("bad_rule", "neither an artifact nor UTF-8 text"))?;
        let rule = source::read(text, &ReadOptions::default()).map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(|one| placed(one, text)).collect();
            fault("bad_rule", &lines.join("\n"))
        })?;
        Self::ready(Plan { rules: vec![rule.plan] }, settings)
    }

    /// From a plan as it lies in an artifact.
    #[wasm_bindgen(js_name = ofPlan)]
    pub fn of_plan(plan: &[u8], settings: &str) -> Result<Engine, JsValue> {
        let plan = Plan::decode(plan).map_err(|e| fault("bad_rule", &e.to_string()))?;
        Self::ready(plan, settings)
    }

    /// What the rules say of themselves, as a JSON array.
    pub fn rules(&self) -> String {
        report::rules(self.rules.plan())
    }

    /// Step one for one event. `undefined` where nothing matched and nothing is to be said.
    pub fn event(&mut self, event: &[u8], now_ms: f64) -> Result<Option<Run>, JsValue> {
        let now_ms = now_ms as i64;
        let done = self.rules.keys(event, Framing::One, now_ms, &mut self.buffer);
        done.map_err(|e| fault("bad_argument", &e.to_string()))?;
        let keys = Keys::read(&self.buffer).map_err(|_| fault("bad_argument", "no items"))?;
        if keys.items().next().is_none() {
            return Ok(None);
        }
        let mut run = Run::new();
        run.report.take(&keys, event, None);
        run.feed = None;
        Ok(Some(run))
    }

    /// The same for an event as text.
    #[wasm_bindgen(js_name = eventText)]
    pub fn event_text(&mut self, event: &str, now_ms: f64) -> Result<Option<Run>, JsValue> {
        self.event(event.as_bytes(), now_ms)
    }
}

impl Engine {
    fn ready(plan: Plan, settings: &str) -> Result<Self, JsValue> {
        let settings = match settings {
            "" => Settings::default(),
            json => Settings::read(json).map_err(|e| fault("bad_settings", &e))?,
        };
        Ok(Self { rules: firstseen_rule::Engine::new(plan, settings), buffer: Vec::new() })
    }
}

/// `LINE:COLUMN: error[code]: message`.
fn placed(fault: &source::Diagnostic, text: &str) -> String {
    match fault.position(text) {
        Some((line, column)) => format!("{line}:{column}: {fault}"),
        None => fault.to_string(),
    }
}

/// One event, or a file of them, on the way through the store.
#[wasm_bindgen]
pub struct Run {
    report: RunReport,
    feed: Option<EventFeed>,
    /// Matched events in the order in which they are judged, the next one last.
    waiting: Vec<Held>,
    batch: KeyBatch,
}

#[wasm_bindgen]
impl Run {
    /// A file that is to be pushed.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Run {
        let feed = Some(EventFeed::default());
        Run { report: RunReport::default(), feed, waiting: Vec::new(), batch: KeyBatch::default() }
    }

    /// The next piece of the file, gzip or plain; the first has its first 6 bytes, if it has them.
    pub fn push(&mut self, engine: &mut Engine, piece: &[u8], now_ms: f64) -> Result<(), JsValue> {
        let Some(feed) = &mut self.feed else { return Err(fault("bad_argument", "it is over")) };
        feed.push(&mut engine.rules, &mut self.report, piece, now_ms as i64)
    }

    /// The file is over.
    pub fn finish(&mut self, engine: &mut Engine, now_ms: f64) -> Result<(), JsValue> {
        let Some(feed) = self.feed.take() else { return Err(fault("bad_argument", "it is over")) };
        feed.finish(&mut engine.rules, &mut self.report, now_ms as i64)
    }

    /// The keys whose values are needed next; `undefined` when all is settled.
    pub fn ask(&mut self) -> Option<Vec<String>> {
        if self.waiting.is_empty() && !self.report.held.is_empty() {
            self.waiting = std::mem::take(&mut self.report.held);
            // A stable sort: what is equal stays as it came.
            self.waiting.sort_by_key(Held::order);
            self.waiting.reverse();
        }
        if self.batch.is_settled() && !self.batch.fill(&mut self.waiting) {
            return None;
        }
        Some(self.batch.ask())
    }

    /// Step two: takes the values of these keys (bytes, null, or a string that says why there is no
    /// answer) and gives the writes: `[key, expected or null, value, ttl in ms, key, ...]`.
    pub fn decide(&mut self, engine: &Engine, values: Array) -> Result<Array, JsValue> {
        self.batch.decide(&engine.rules, &values)
    }

    /// What the writes came to: `true`; the value that stands there instead (bytes, null, or
    /// `undefined` where the store did not say); or a string that says why there is no answer.
    pub fn settle(&mut self, results: Array) {
        self.batch.settle(&results, &mut self.report);
        if self.batch.is_settled() && self.report.away {
            // What comes later in time must not be judged before what could not be.
            self.report.not_judged(&std::mem::take(&mut self.waiting));
        }
    }

    /// The alerts, one line of JSON each; they are given once.
    pub fn alerts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.report.alerts)
    }

    /// Alerts that these events gave before; they are given once.
    pub fn repeats(&mut self) -> Vec<String> {
        std::mem::take(&mut self.report.repeats)
    }

    /// The counts and the faults, as JSON.
    pub fn report(&self) -> String {
        self.report.json()
    }
}

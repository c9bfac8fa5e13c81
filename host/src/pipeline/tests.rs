//! The loop against scripted sources, rules, stores and sinks: in which order it calls them, and what
//! is left when one of them fails at its n-th call.

mod ahead;
mod crew;
mod shared;
mod storage;

use super::*;
use crate::observe::{Notice, SkipKind};
use crate::sink::OutputError;
use crate::source::{Polled, ReadError};
use crate::state::{Applied, StateError, StateWrite};
use firstseen_abi::{
    Counts, DecideRequest, Decision, ItemKind, ItemTerm, KeysWriter, Outcome, OutcomeKind,
    PriorKey, RequestWriter, Write,
};
use firstseen_envelope::{EventSink, Place, SplitFault};
use firstseen_session::{CallError, Decide};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// What was called, in order; rules may be called by any thread.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn borrow(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap()
    }
}

fn called(calls: &Calls, what: impl Into<String>) {
    calls.borrow().push(what.into());
}

/// The rule traps in `decide` where a key begins with this.
const TRAP: &str = "trap";

/// A rule over events of the form `TIME KEY`: a key alerts when it has no value yet.
#[derive(Clone)]
struct FirstSighting {
    calls: Calls,
}

impl Decide for FirstSighting {
    fn decide(&mut self, request: &RequestWriter) -> Result<Vec<u8>, CallError> {
        called(&self.calls, "decide");
        let (head, keys, items) = request.parts();
        let bytes = [&head[..], keys, items].concat();
        let request = DecideRequest::read(&bytes).unwrap();
        let mut known: Vec<bool> = request.keys.iter().map(|key| key.value.is_some()).collect();
        let (mut written, mut outcomes) = (BTreeSet::new(), Vec::new());
        let is_trap = |key: &PriorKey<'_>| key.key.starts_with(b"key-trap");
        if request.keys.iter().any(is_trap) {
            return Err(CallError::Trap("scripted".to_owned()));
        }
        for (at, (item, text)) in (0u32..).zip(&request.items) {
            let key = item.terms().next().unwrap().key;
            let key = request.keys.iter().position(|k| k.key == key).unwrap();
            if !std::mem::replace(&mut known[key], true) {
                written.insert(key as u32);
                outcomes.push(match text {
                    Some(text) => (at, OutcomeKind::Alert, (*text).to_owned()),
                    None => (at, OutcomeKind::NeedsEvent, String::new()),
                });
            }
        }
        let writes = written.iter().map(|key| Write { key: *key, value: b"1", ttl_ms: 1000 });
        let outcomes = outcomes.iter().map(|(item, kind, text)| Outcome {
            item: *item,
            term: 0,
            kind: *kind,
            text,
        });
        let mut out = Vec::new();
        Decision { writes: writes.collect(), outcomes: outcomes.collect() }.write(&mut out);
        Ok(out)
    }

    fn owns(&self, key: &[u8]) -> bool {
        key.starts_with(b"key-")
    }
}

impl Rules for FirstSighting {
    fn keys(
        &mut self,
        buffer: &[u8],
        table: &[(u32, u32)],
        now_ms: i64,
    ) -> Result<Vec<u8>, CallError> {
        called(&self.calls, format!("keys at {now_ms}"));
        let mut out = Vec::new();
        let mut writer = KeysWriter::new(&mut out);
        writer.counts = Counts { read: 0, matched: table.len() as u32, ..Counts::default() };
        for (at, len) in table {
            let text = &buffer[*at as usize..(*at + *len) as usize];
            let text = std::str::from_utf8(text).unwrap().trim_matches(['{', '}']);
            let (time, name) = text.split_once(' ').unwrap();
            let time_ms: i64 = time.parse().unwrap();
            let key = format!("key-{name}");
            let terms = [ItemTerm { key: key.as_bytes(), values: "[]" }];
            let mut identity = [0; 16];
            identity[..8].copy_from_slice(&time_ms.to_be_bytes());
            let place = (*at, *len);
            writer.item(ItemKind::Matched, 0, place, time_ms, &identity, "", terms.into_iter());
        }
        writer.finish();
        Ok(out)
    }

    fn explain(&mut self, _: &[u8]) -> Result<Vec<u8>, CallError> {
        Err(CallError::Deadline)
    }

    fn configure(&mut self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn take_log(&mut self) -> Vec<(i32, String)> {
        Vec::new()
    }
}

/// What outlives a run: the committed state and the output that was flushed.
#[derive(Default)]
struct Durable {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    alerts: Vec<(EventAt, String)>,
}

/// A store that fails at its n-th call.
struct ScriptedStore {
    calls: Calls,
    durable: Rc<RefCell<Durable>>,
    pending: BTreeMap<Vec<u8>, Vec<u8>>,
    fails_at: Rc<Cell<usize>>,
    /// A key that another writer writes just before we do.
    stolen: Option<Vec<u8>>,
    /// Whether other processes write to it, and to how many of our writes they are quicker.
    is_shared: bool,
    conflicts: usize,
    waiting_bytes: usize,
}

impl ScriptedStore {
    fn call(&mut self, what: &str) -> Result<(), StateError> {
        called(&self.calls, what);
        let left = self.fails_at.get();
        self.fails_at.set(left.wrapping_sub(1));
        if left == 1 {
            let (path, reason) = ("s".to_owned(), "scripted".to_owned());
            return Err(StateError::Failed { path, reason });
        }
        Ok(())
    }

    fn value(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.pending.get(key).or(self.durable.borrow().rows.get(key)).cloned()
    }
}

impl StateStore for ScriptedStore {
    fn get_many(
        &mut self,
        keys: &mut dyn Iterator<Item = &[u8]>,
    ) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        self.call("get")?;
        Ok(keys.map(|key| self.value(key)).collect())
    }

    fn apply(
        &mut self,
        writes: &mut dyn Iterator<Item = StateWrite<'_>>,
    ) -> Result<Vec<Applied>, StateError> {
        self.call("apply")?;
        if self.conflicts > 0 {
            self.conflicts -= 1;
            return Ok(writes.map(|write| Applied::Conflict(self.value(write.key))).collect());
        }
        if let Some(key) = self.stolen.take() {
            self.durable.borrow_mut().rows.insert(key, b"theirs".to_vec());
        }
        Ok(writes
            .map(|write| {
                let current = self.value(write.key);
                if current.as_deref() != write.expected {
                    return Applied::Conflict(current);
                }
                self.pending.insert(write.key.to_vec(), write.value.to_vec());
                Applied::Done
            })
            .collect())
    }

    fn advance(&mut self, _: u16, _: i64) {}

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    fn commit(&mut self) -> Result<(), StateError> {
        self.call("commit")?;
        let pending = std::mem::take(&mut self.pending);
        self.durable.borrow_mut().rows.extend(pending);
        Ok(())
    }

    fn count(&self) -> Result<u64, StateError> {
        Ok(0)
    }

    fn describe(&self) -> String {
        "scripted".to_owned()
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }
}

/// A sink that fails, or closes, at its n-th call. What was not flushed is lost.
struct ScriptedSink {
    calls: Calls,
    durable: Rc<RefCell<Durable>>,
    waiting: Vec<(EventAt, String)>,
    /// Written, and gone if the power fails.
    flushed: Vec<(EventAt, String)>,
    fails_at: Rc<Cell<usize>>,
    closes: bool,
}

impl ScriptedSink {
    fn call(&mut self, what: &str) -> Result<(), OutputError> {
        called(&self.calls, what);
        let left = self.fails_at.get();
        self.fails_at.set(left.wrapping_sub(1));
        match (left, self.closes) {
            (1, true) => Err(OutputError::Closed),
            (1, false) => Err(OutputError::Failed("scripted".to_owned())),
            _ => Ok(()),
        }
    }
}

impl AlertSink for ScriptedSink {
    fn alert(&mut self, at: &EventAt, json: &str) -> Result<(), OutputError> {
        self.call("alert")?;
        self.waiting.push((*at, json.to_owned()));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        self.call("flush")?;
        self.flushed.append(&mut self.waiting);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), OutputError> {
        self.call("sync")?;
        self.durable.borrow_mut().alerts.append(&mut self.flushed);
        Ok(())
    }
}

/// Hands out one block a call, and checks that nothing is decided meanwhile.
struct ScriptedSource {
    calls: Calls,
    blocks: Vec<String>,
    offset: u64,
    line: u64,
    clock: Rc<Cell<i64>>,
    limit: Option<Duration>,
}

impl Source for ScriptedSource {
    fn wait_at_most(&mut self, limit: Option<Duration>) {
        self.limit = limit;
    }

    fn poll(&mut self, into: &mut dyn EventSink) -> Result<Polled, ReadError> {
        if self.blocks.is_empty() {
            return Ok(Polled::End);
        }
        if self.blocks[0] == QUIET {
            self.blocks.remove(0);
            let limit =
                self.limit.expect("a wait on a quiet stream has a limit").as_millis() as i64;
            called(&self.calls, "quiet");
            self.clock.set(self.clock.get() + limit);
            return Ok(Polled::More);
        }
        called(&self.calls, "poll");
        let before = self.calls.borrow().len();
        let block = self.blocks.remove(0);
        let place = Place { offset: self.offset, line: self.line, record: None };
        let flow = if block == BAD {
            let reason = "scripted".to_owned();
            into.bad(place, SplitFault { code: "bad_json", reason }, block.as_bytes())
        } else {
            into.lines(place, block.as_bytes())
        };
        let decided = |call: &String| !call.starts_with("keys");
        assert!(!self.calls.borrow()[before..].iter().any(decided), "decided inside poll");
        self.offset += block.len() as u64;
        self.line += block.lines().count() as u64;
        Ok(if flow.is_break() { Polled::End } else { Polled::More })
    }

    fn block(&self) -> &[u8] {
        &[]
    }

    fn unpacked(&self) -> u64 {
        self.offset
    }

    fn stored(&self) -> u64 {
        self.offset
    }
}

/// Counts, and keeps what it hears.
#[derive(Default)]
struct Heard {
    counts: BTreeMap<String, u64>,
    notices: Vec<String>,
    fails: bool,
    calls: Calls,
    /// Dead letters cannot be synced.
    sync_fails: bool,
}

impl Observer for Heard {
    fn count(&mut self, counter: Counter, n: u64) {
        *self.counts.entry(format!("{counter:?}")).or_default() += n;
    }

    fn notice(&mut self, notice: &Notice<'_>) -> anyhow::Result<()> {
        let text = match notice {
            Notice::Skipped { kind: SkipKind::Bad, at, code, .. } => format!("{at}: {code}"),
            Notice::NotDecided { at, text } => format!("{at}: {text}"),
            other => format!("{other:?}"),
        };
        self.notices.push(text);
        if self.fails { Err(anyhow::anyhow!("the observer ends the run")) } else { Ok(()) }
    }

    fn sync(&mut self) -> anyhow::Result<()> {
        called(&self.calls, "sync dead letters");
        if self.sync_fails { Err(anyhow::anyhow!("dead letters")) } else { Ok(()) }
    }
}

/// A clock that moves on by one with every look.
struct Ticking(Rc<Cell<i64>>);

impl Clock for Ticking {
    fn now_ms(&self) -> i64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

/// Asks the run to end after so many looks.
struct StopAfter(AtomicUsize);

impl Stop for StopAfter {
    fn is_requested(&self) -> bool {
        let less = |left: usize| Some(left.saturating_sub(1));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok_and(|left| left <= 1)
    }

    fn wake(&self) -> Option<Wake> {
        None
    }
}

/// A run, and what is left of it.
struct Scene {
    calls: Calls,
    durable: Rc<RefCell<Durable>>,
    store_fails_at: usize,
    sink_fails_at: usize,
    closes: bool,
    stolen: Option<Vec<u8>>,
    is_shared: bool,
    conflicts: usize,
    waiting_bytes: usize,
    budget: usize,
    rereadable: bool,
    stop_after: usize,
    /// How many decide; 0: the run's own thread.
    crew: usize,
    /// How many judge a stream; 0: the run's own thread.
    threads: usize,
    reads_ahead: bool,
    heard: Heard,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            calls: Calls::default(),
            durable: Rc::default(),
            store_fails_at: 0,
            sink_fails_at: 0,
            closes: false,
            stolen: None,
            is_shared: false,
            conflicts: 0,
            waiting_bytes: 0,
            budget: 1 << 20,
            rereadable: false,
            stop_after: usize::MAX,
            crew: 0,
            threads: 0,
            reads_ahead: true,
            heard: Heard::default(),
        }
    }
}

fn pipeline_options(order_budget: usize) -> PipelineOptions {
    PipelineOptions {
        read: ReadLimits::default(),
        hold_ms: 0,
        future_slack_ms: 1 << 40,
        order_budget,
        emit_repeats: false,
        memory_from: vec![vec![4]],
    }
}

impl Scene {
    /// Runs over these blocks of lines, as files do or as a stream with this hold.
    fn run(&mut self, blocks: &[&str], hold_ms: Option<i64>) -> anyhow::Result<OutputStatus> {
        self.heard.calls = self.calls.clone();
        let calls = || self.calls.clone();
        let store = ScriptedStore {
            calls: calls(),
            durable: Rc::clone(&self.durable),
            pending: BTreeMap::new(),
            fails_at: Rc::new(Cell::new(self.store_fails_at)),
            stolen: self.stolen.take(),
            is_shared: self.is_shared,
            conflicts: self.conflicts,
            waiting_bytes: self.waiting_bytes,
        };
        let sink = ScriptedSink {
            calls: calls(),
            durable: Rc::clone(&self.durable),
            waiting: Vec::new(),
            flushed: Vec::new(),
            fails_at: Rc::new(Cell::new(self.sink_fails_at)),
            closes: self.closes,
        };
        let blocks = blocks.iter().map(|block| (*block).to_owned()).collect();
        let now = Rc::new(Cell::new(100));
        let (clock, limit) = (Rc::clone(&now), None);
        let mut source =
            ScriptedSource { calls: calls(), blocks, offset: 0, line: 1, clock, limit };
        let rules: Vec<Box<dyn Rules>> = vec![Box::new(FirstSighting { calls: calls() })];
        let clock = Ticking(now);
        let stop = StopAfter(AtomicUsize::new(self.stop_after));
        let of_thread = FirstSighting { calls: calls() };
        let threads = Threads {
            count: self.threads,
            always: true,
            reads_ahead: self.reads_ahead,
            rules: Box::new(move || Ok(vec![Box::new(of_thread.clone()) as Box<dyn Rules>])),
        };
        let mut pipeline = Pipeline::new(Parts {
            rules,
            prefilter: Prefiltering::of(&[vec![vec![]]]),
            samples: RunSamples::new(1, 1, true),
            store: Box::new(store),
            sink: Box::new(sink),
            observer: &mut self.heard,
            clock: &clock,
            stop: &stop,
            learning: Learning::default(),
            schedule: None,
            threads: Some(threads),
            live_settings: None,
            options: pipeline_options(self.budget),
        });
        let member = || Box::new(FirstSighting { calls: calls() }) as Box<dyn Rules>;
        pipeline.decider.hire((0..self.crew).map(|_| vec![member()]).collect())?;
        pipeline.names.push(Arc::from("scripted"));
        let mut order = match hold_ms {
            Some(hold_ms) => Order::Held(Hold::new(hold_ms, self.budget)),
            None => Order::Sorted(Sorter::new(self.budget)),
        };
        let status = pipeline.read(&mut source, (0, 0), self.rereadable, &mut order)?;
        if status == OutputStatus::Closed {
            return Ok(status);
        }
        pipeline.end(order)
    }

    fn alerts(&self) -> Vec<String> {
        self.durable.borrow().alerts.iter().map(|(_, text)| text.clone()).collect()
    }

    fn known(&self) -> BTreeSet<String> {
        let rows = &self.durable.borrow().rows;
        rows.keys().map(|key| String::from_utf8_lossy(key).into_owned()).collect()
    }
}

/// A block that cannot be read.
const BAD: &str = "bad";
/// A block that does not come for as long as the loop waits.
const QUIET: &str = "quiet";
const BLOCKS: [&str; 3] = ["{5 a}\n{3 b}\n", "{4 a}\n", "{6 c}\n{1 b}\n"];

#[test]
fn files_are_put_in_order_of_time() {
    let mut scene = Scene::default();
    scene.run(&BLOCKS, None).unwrap();
    assert_eq!(scene.alerts(), ["{1 b}", "{4 a}", "{6 c}"]);
    let lines: Vec<u64> = scene.durable.borrow().alerts.iter().map(|(at, _)| at.line).collect();
    assert_eq!(lines, [5, 3, 4], "a match keeps its place through sorting");
    assert_eq!(scene.heard.counts["Seen"], 2);
    assert_eq!(scene.heard.counts["BeforeMemory"], 1, "of the time 1 alone");
}

#[test]
fn a_match_keeps_its_place_through_spilling() {
    let mut scene = Scene { budget: 0, ..Scene::default() };
    scene.run(&BLOCKS, None).unwrap();
    let alerts = &scene.durable.borrow().alerts;
    let places: Vec<_> = alerts.iter().map(|(at, text)| (at.offset, text.as_str())).collect();
    assert_eq!(places, [(24, "{1 b}"), (12, "{4 a}"), (18, "{6 c}")]);
}

#[test]
fn a_stream_is_decided_block_by_block() {
    let mut scene = Scene::default();
    scene.run(&BLOCKS, Some(0)).unwrap();
    assert_eq!(scene.alerts(), ["{5 a}", "{3 b}", "{6 c}"]);
    // A stream is judged by the clock of each block; see also the test of files below.
    let expected = [
        "poll",
        "keys at 102",
        "get",
        "decide",
        "apply",
        "alert",
        "alert",
        "flush",
        "sync",
        "sync dead letters",
        "commit",
    ];
    assert_eq!(scene.calls.borrow()[..11], expected);
}

#[test]
fn a_hold_puts_late_events_in_order() {
    let mut scene = Scene::default();
    scene.run(&BLOCKS, Some(10)).unwrap();
    assert_eq!(scene.alerts(), ["{1 b}", "{4 a}", "{6 c}"]);
}

#[test]
fn on_a_quiet_stream_nothing_is_held_for_longer_than_the_hold() {
    let mut scene = Scene::default();
    scene.run(&["{50 a}\n", "{40 b}\n", QUIET, "{41 c}\n"], Some(100_000)).unwrap();
    // The clock counts from when the first one came; what is older goes with it.
    assert_eq!(scene.alerts(), ["{40 b}", "{50 a}", "{41 c}"]);
    let calls = scene.calls.borrow();
    let at = |call: &str| calls.iter().position(|known| known == call).unwrap();
    let last_poll = calls.iter().rposition(|call| call == "poll").unwrap();
    assert!(at("quiet") < at("alert") && at("commit") < last_poll, "{calls:?}");
}

#[test]
fn files_are_judged_by_one_time_and_a_stream_by_the_present() {
    for (hold, expected) in
        [(None, vec!["keys at 101"]), (Some(0), vec!["keys at 102", "keys at 103"])]
    {
        let mut scene = Scene::default();
        scene.run(&BLOCKS[..2], hold).unwrap();
        let calls = scene.calls.borrow();
        let keys: Vec<&str> =
            calls.iter().map(String::as_str).filter(|call| call.starts_with("keys")).collect();
        assert_eq!(keys, expected);
    }
}

#[test]
fn output_comes_before_state() {
    for hold in [None, Some(0)] {
        let mut scene = Scene::default();
        scene.run(&BLOCKS, hold).unwrap();
        let calls = scene.calls.borrow();
        let commits = calls.iter().enumerate().filter(|(_, call)| *call == "commit");
        let mut count = 0;
        for (at, _) in commits {
            count += 1;
            assert_eq!(calls[at - 3..at], ["flush", "sync", "sync dead letters"], "{calls:?}");
        }
        assert!(count > 0);
    }
}

#[test]
fn nothing_is_committed_where_dead_letters_cannot_be_synced() {
    for hold in [None, Some(0)] {
        let heard = Heard { sync_fails: true, ..Heard::default() };
        let mut scene = Scene { heard, ..Scene::default() };
        assert_eq!(scene.run(&BLOCKS, hold).unwrap_err().to_string(), "dead letters");
        assert!(scene.known().is_empty());
    }
}

/// A file's commits are bounded by what waits in memory, whatever the number of matches.
#[test]
fn what_waits_in_memory_is_committed_at_a_bound() {
    let lines: String = (0..3000).map(|n| format!("{{{n} k{n}}}\n")).collect();
    let mut counts = Vec::new();
    for waiting_bytes in [(16 << 20) - 1, 16 << 20] {
        let mut scene = Scene { waiting_bytes, ..Scene::default() };
        scene.run(&[&lines], None).unwrap();
        assert_eq!(scene.alerts().len(), 3000);
        counts.push(scene.calls.borrow().iter().filter(|call| *call == "commit").count());
    }
    assert_eq!(counts, [1, 3], "once at the end, or after each round");
}

#[test]
fn a_store_or_sink_that_fails_at_any_call_loses_no_alert() {
    let keys: BTreeSet<String> = ["key-a", "key-b", "key-c"].map(str::to_owned).into();
    for hold in [None, Some(0), Some(2)] {
        for (in_store, closes) in [(true, false), (false, false), (false, true)] {
            let mut failures = 0;
            for n in 1..40 {
                let mut scene = Scene { closes, ..Scene::default() };
                if in_store {
                    scene.store_fails_at = n
                } else {
                    scene.sink_fails_at = n
                }
                let result = scene.run(&BLOCKS, hold);
                let failed = !matches!(result, Ok(OutputStatus::Open));
                failures += usize::from(failed);
                // Output before state: what the state knows was written.
                let given = |scene: &Scene| -> BTreeSet<String> {
                    let name = |text: &String| {
                        let name = text.trim_matches('}').rsplit(' ').next().unwrap_or_default();
                        format!("key-{name}")
                    };
                    scene.alerts().iter().map(name).collect()
                };
                assert!(scene.known().is_subset(&given(&scene)), "call {n}: {:?}", scene.known());
                // The same input again gives what is missing.
                let again = scene.run_again(&BLOCKS, hold);
                assert!(matches!(again, Ok(OutputStatus::Open)), "{again:?}");
                assert_eq!(given(&scene), keys, "call {n}");
                assert_eq!(scene.known(), keys, "call {n}");
                if !failed {
                    assert_eq!(scene.alerts().len(), 3, "nothing comes twice without a fault");
                }
            }
            assert!(failures > 2, "the script never failed");
        }
    }
}

impl Scene {
    /// Another process, over what the first one left.
    fn run_again(&mut self, blocks: &[&str], hold: Option<i64>) -> anyhow::Result<OutputStatus> {
        (self.store_fails_at, self.sink_fails_at) = (0, 0);
        self.run(blocks, hold)
    }
}

#[test]
fn a_key_that_another_writer_took_does_not_alert() {
    let mut scene = Scene { stolen: Some(b"key-a".to_vec()), ..Scene::default() };
    scene.run(&BLOCKS, None).unwrap();
    assert_eq!(scene.alerts(), ["{1 b}", "{6 c}"]);
    assert_eq!(scene.durable.borrow().rows[&b"key-a"[..]], b"theirs");
}

#[test]
fn a_lost_text_is_reported_by_its_place_and_later_sightings_do_not_alert() {
    // The input counts as a file, and no such file can be read again.
    let mut scene = Scene { rereadable: true, ..Scene::default() };
    let many: String = (0..600).map(|n| format!("{{{n} a}}\n")).collect();
    scene.run(&[&many], None).unwrap();
    assert_eq!(scene.heard.notices.len(), 1);
    assert!(scene.heard.notices[0].starts_with("scripted: line 1, byte 0: text_lost: "));
    assert_eq!(scene.heard.counts["LostTexts"], 1);
    assert_eq!(scene.heard.counts["AfterLostText"], 599);
    let asked = scene.calls.borrow().iter().filter(|call| *call == "decide").count();
    assert!(asked <= 2, "asked {asked} times");
    assert!(scene.known().is_empty() && scene.alerts().is_empty());
}

/// A key stays closed over rounds: the later sightings come with another one.
#[test]
fn a_key_stays_closed_for_the_run() {
    let mut scene = Scene { rereadable: true, ..Scene::default() };
    let many: String = (0..3000).map(|n| format!("{{{n} a}}\n")).collect();
    scene.run(&[&many], None).unwrap();
    assert_eq!(scene.heard.counts["AfterLostText"], 2999);
    assert!(scene.known().is_empty() && scene.alerts().is_empty());
}

/// A rule that is at fault, or hostile: it says that an event is of the end of time.
#[test]
fn an_event_that_a_rule_dates_beyond_the_clock_is_refused_and_counted() {
    let mut scene = Scene::default();
    scene.run(&["{9223372036854775807 a}\n{5 a}\n"], None).unwrap();
    assert_eq!(scene.alerts(), ["{5 a}"]);
    assert!(scene.heard.notices[0].contains("Future"), "{:?}", scene.heard.notices);
}

#[test]
fn a_stop_ends_the_reading_and_decides_what_was_read() {
    let mut scene = Scene { stop_after: 2, ..Scene::default() };
    scene.run(&BLOCKS, Some(1000)).unwrap();
    assert_eq!(scene.alerts(), ["{3 b}", "{4 a}"]);
    assert_eq!(scene.calls.borrow().last().map(String::as_str), Some("commit"));
}

#[test]
fn an_observer_can_end_the_run_and_what_was_read_is_decided() {
    let heard = Heard { fails: true, ..Heard::default() };
    let mut scene = Scene { heard, ..Scene::default() };
    let error = scene.run(&["{5 a}\n", BAD, "{6 c}\n"], Some(0)).unwrap_err();
    assert_eq!(error.to_string(), "the observer ends the run");
    assert_eq!(scene.alerts(), ["{5 a}"]);
}

//! The rule as a filter of Fluent Bit (`event_format json`, 4.2 or later).
//!
//! In: a record's JSON text at an address, NUL-terminated (untrusted). Out: the address of a
//! NUL-terminated text: the record itself where there is nothing to say, the record with alerts or
//! an error, or an empty text where the record is dropped. Every text is valid JSON: Fluent Bit
//! 5.1.1 ends itself on an invalid one. It never traps, judges by no clock, and loses no record in
//! silence.
//!
//! Fluent Bit may lose what it was given, and asks for nothing again: with a folder for the state,
//! alerts are kept there beside the sightings, and a new instance gives them once more with the first
//! records that it answers. How long they are kept is measured by the instance's own clock.
//!
//! Fluent Bit calls it once for each record of a filter section, in one thread, and keeps the
//! instance until it is reloaded.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code)]

use firstseen_abi::Keys;
use firstseen_abi::kv::Kv;
use firstseen_record::{JsonRecord, RecordChecker, deep_as_text, log_object, wrapped};
use firstseen_rule::Engine;
use firstseen_rule::engine::Framing;
use firstseen_rule::evaluate::Evaluation;
use firstseen_target_support::file::{FolderStore, Outbox};
use firstseen_target_support::memory::BoundedMemory;
use firstseen_target_support::{Records, engine, options};
use std::borrow::Cow;
use std::cell::RefCell;
use std::time::Instant;

/// A result buffer that one large record left is given back.
const KEPT_BYTES: usize = 1 << 20;

/// At most so many bytes of alerts are given again with one record.
const AGAIN_BYTES: usize = 256 << 10;

/// How deep an alert may nest in a record. Fluent Bit 5.1.1 loses a record of over 63 levels and all
/// behind it in its chunk; an alert is an element of a list in the record.
const ALERT_LEVELS: usize = 61;

const LOG_OBJECT: &str = "log_object: the event is an object in `log`, where only a line is looked \
    into, and was not judged: lift it up with the filter `nest` (operation lift, nested_under log)";

/// What lasts from record to record.
struct Filter {
    engine: Result<Engine, String>,
    records: Records,
    outbox_time: u64,
    began: Instant,
    /// Records that came as msgpack.
    msgpack: u64,
    /// Events that were objects in `log`.
    log_objects: u64,
    store: Store,
    checker: RecordChecker,
    /// What step one says of the record at hand.
    items: Vec<u8>,
    /// The text that was answered last: it lives until the next call.
    answer: Vec<u8>,
}

enum Store {
    Memory(BoundedMemory, bool),
    Folder(Box<FolderStore>),
}

thread_local! {
    static FILTER: RefCell<Option<Filter>> = const { RefCell::new(None) };
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// What a runtime calls first.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: called once, before anything else, as the linker wants it.
    unsafe { __wasm_call_ctors() }
}

/// The filter. The time is that of the record's arrival and no clock to trust: it is not used.
#[unsafe(no_mangle)]
extern "C" fn firstseen(_tag: u32, _tag_len: u32, _sec: u32, _nsec: u32, at: u32, len: u32) -> u32 {
    FILTER.with(|filter| {
        // Nobody calls in while a call runs.
        let Ok(mut filter) = filter.try_borrow_mut() else { return at };
        filter.get_or_insert_with(Filter::new).filter(at, len)
    })
}

/// The text at an address, when the whole range lies in memory.
fn text_at(at: u32, len: u32) -> Option<&'static [u8]> {
    let end = u64::from(at).checked_add(u64::from(len))?;
    let size = (core::arch::wasm32::memory_size(0) as u64).checked_mul(65_536)?;
    if at == 0 || end > size {
        return None;
    }
    // SAFETY: the range lies in memory and is not address 0; Fluent Bit frees it after the call.
    Some(unsafe { core::slice::from_raw_parts(at as usize as *const u8, len as usize) })
}

impl Filter {
    fn new() -> Self {
        let (options, fault) = match options() {
            Ok(options) => (options.clone(), None),
            Err(fault) => (firstseen_target_support::Options::default(), Some(fault)),
        };
        let engine = fault.map_or_else(engine, Err);
        if let Err(fault) = &engine {
            tell(&format!("bad_plan: {fault}"));
        }
        let store = match &options.state {
            Some(folder) => Store::Folder(Box::new(FolderStore::open(folder, options.state_limit))),
            None => Store::Memory(BoundedMemory::new(options.state_limit), false),
        };
        Self {
            engine,
            records: options.records,
            outbox_time: options.outbox_time,
            began: Instant::now(),
            msgpack: 0,
            log_objects: 0,
            store,
            checker: RecordChecker::default(),
            items: Vec::new(),
            answer: Vec::new(),
        }
    }

    /// Judges a record; the address of what becomes of it.
    fn filter(&mut self, at: u32, len: u32) -> u32 {
        let Some(bytes) = text_at(at, len) else {
            tell("no_record: a record found no room in the filter's memory and is lost");
            let error = "no_record: the record found no room in the filter's memory";
            return self.answer(Some(JsonRecord::of("{}").with([].into_iter(), Some(error))));
        };
        if let [0x80..=0x8f | 0xde | 0xdf, ..] = bytes {
            return self.refuse_msgpack();
        }
        let text = String::from_utf8_lossy(bytes);
        // Only a record that may hold alerts already has to be taken apart before it is judged.
        let record = if JsonRecord::may_hold_ours(&text) {
            if let Err(error) = self.check(&text) {
                return self.answer(Some(wrapped(&text, &error)));
            }
            JsonRecord::of(&text)
        } else {
            JsonRecord::without_ours(&text)
        };
        let event = match &text {
            Cow::Borrowed(_) => record.event().as_bytes(),
            Cow::Owned(_) => bytes,
        };
        let mut outcome = self.judge(event);
        if outcome.no_events.is_some() && self.matches_in_log(&text) {
            outcome.error.get_or_insert_with(|| self.log_object());
        }
        let own: Vec<&str> =
            outcome.alerts.iter().chain(&outcome.repeats).map(String::as_str).collect();
        let mut says = outcome.error.is_some() || !own.is_empty();
        let is_due = self.outbox().is_some_and(|(outbox, _)| outbox.is_due());
        if !says && !is_due && self.records == Records::Alerts && !record.is_marked() {
            return self.answer(None);
        }
        // Fluent Bit writes numbers that are none as `nan` and `inf`, and cannot read them again.
        if let Err(error) = self.check(&text) {
            let error = outcome.error.as_deref().unwrap_or(&error);
            return self.answer(Some(wrapped(&text, error)));
        }
        let again = if is_due { self.again(&own) } else { Vec::new() };
        says |= !again.is_empty();
        if says {
            let alerts = again.iter().map(String::as_str).chain(own);
            let alerts: Vec<_> = alerts.map(|alert| deep_as_text(alert, ALERT_LEVELS)).collect();
            let alerts = alerts.iter().map(|alert| &**alert);
            return self.answer(Some(record.with(alerts, outcome.error.as_deref())));
        }
        if self.records == Records::Alerts && !record.is_marked() {
            return self.answer(None);
        }
        at
    }

    /// Whether the rule matches an object in the member `log`.
    fn matches_in_log(&mut self, text: &str) -> bool {
        let (Some(event), Ok(engine)) = (log_object(text), &mut self.engine) else { return false };
        self.items.clear();
        engine.keys(event.as_bytes(), Framing::One, 0, &mut self.items).is_ok()
            && Keys::read(&self.items).is_ok_and(|keys| keys.counts.matched > 0)
    }

    /// What is said of such an event.
    fn log_object(&mut self) -> String {
        self.log_objects = self.log_objects.saturating_add(1);
        if self.log_objects.is_power_of_two() {
            tell(&format!("{LOG_OBJECT}; events so far: {}", self.log_objects));
        }
        LOG_OBJECT.to_owned()
    }

    /// The outbox, and this instance's time.
    fn outbox(&mut self) -> Option<(&mut Outbox, u64)> {
        match &mut self.store {
            Store::Folder(kept) if self.outbox_time > 0 => {
                let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
                Some((kept.outbox_mut(), now_ms))
            }
            _ => None,
        }
    }

    /// Alerts of instances before this one. What the folder holds is checked: an invalid text would
    /// end Fluent Bit.
    fn again(&mut self, own: &[&str]) -> Vec<String> {
        let Some((outbox, now_ms)) = self.outbox() else { return Vec::new() };
        let mut again = outbox.give_again(AGAIN_BYTES, now_ms, own);
        again.retain(|text| {
            let good = self.checker.check(text).is_ok();
            if !good {
                tell("outbox: an alert in the state's folder is damaged and was left out");
            }
            good
        });
        again
    }

    /// The host measures an answer in msgpack by its first NUL, which nearly every record has: so none
    /// can be given back. The one that is has no NUL, and a count in it of at most 99,999,999.
    fn refuse_msgpack(&mut self) -> u32 {
        self.msgpack = self.msgpack.saturating_add(1);
        let fault = format!(
            "event_format: the filter needs event_format json; records of msgpack that were not judged \
             and are lost: {}",
            self.msgpack
        );
        if self.msgpack.is_power_of_two() {
            tell(&fault);
        }
        let (code, reason) = fault.split_once(": ").unwrap_or_default();
        let mut out = vec![0x81];
        push_msgpack(&mut out, "firstseen_error");
        out.push(0x82);
        for text in ["code", code, "reason", reason] {
            push_msgpack(&mut out, text);
        }
        self.answer.clear();
        self.answer.extend_from_slice(&out);
        self.answer.push(0);
        self.answer.as_ptr() as usize as u32
    }

    /// Whether a text is a record; why not.
    fn check(&mut self, text: &str) -> Result<(), String> {
        let fault =
            |e: firstseen_event::EventError| format!("{}: {} (at byte {})", e.code, e.reason, e.at);
        self.checker.check(text).map_err(fault)
    }

    /// What the rule says, and whether the state could be written.
    fn judge(&mut self, event: &[u8]) -> Evaluation {
        let engine = match &mut self.engine {
            Ok(engine) => engine,
            Err(fault) => {
                return Evaluation {
                    error: Some(format!("bad_plan: {fault}")),
                    ..Evaluation::default()
                };
            }
        };
        let kv: &mut dyn Kv = match &mut self.store {
            Store::Memory(memory, _) => memory,
            Store::Folder(kept) => &mut **kept,
        };
        let mut outcome = engine.judge(event, 0, kv);
        // Nothing else is looked up in the state.
        if outcome.matched == 0 {
            return outcome;
        }
        match &mut self.store {
            Store::Memory(memory, told) => {
                if memory.forgotten() > 0 && !std::mem::replace(told, true) {
                    tell(firstseen_target_support::memory::FULL);
                }
            }
            Store::Folder(kept) => {
                if self.outbox_time > 0 {
                    let now_ms =
                        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let outbox = kept.outbox_mut();
                    outbox.expire(now_ms, self.outbox_time);
                    outcome.alerts.iter().for_each(|alert| outbox.keep(alert, now_ms));
                }
                if let Err(fault) = kept.commit() {
                    outcome.error.get_or_insert(fault);
                }
                kept.take_notes().iter().for_each(|note| tell(note));
            }
        }
        outcome
    }

    /// Keeps a text until the next call; its address. None: the record is dropped.
    fn answer(&mut self, text: Option<String>) -> u32 {
        if self.answer.capacity() > KEPT_BYTES {
            self.answer = Vec::new();
        }
        self.answer.clear();
        self.answer.extend_from_slice(text.unwrap_or_default().as_bytes());
        self.answer.push(0);
        self.answer.as_ptr() as usize as u32
    }
}

/// A string of msgpack, of at most 255 bytes and at least one.
fn push_msgpack(out: &mut Vec<u8>, text: &str) {
    let Ok(length @ 1..) = u8::try_from(text.len()) else { return };
    out.extend_from_slice(&[0xd9, length]);
    out.extend_from_slice(text.as_bytes());
}

/// A line for the operator, in Fluent Bit's own log. Where nobody reads it, nothing is to be done.
fn tell(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "firstseen: {line}");
}

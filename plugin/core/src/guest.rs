//! What the exports do, on slices instead of addresses.
//!
//! In: bytes of ranges that were checked. Out: result buffers. It makes the engine of the
//! plan when it is first needed, and answers with a status where it has none.

use crate::arena::Arena;
use crate::store::HostStore;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use firstseen_abi::{FRAMING_LINES, FRAMING_ONE, level, status};
use firstseen_rule::engine::Framing;
use firstseen_rule::{Engine, Plan, Settings};

/// The state of the module between calls.
pub(crate) struct GuestState {
    engine: Option<Result<Engine, String>>,
    pub(crate) arena: Arena,
}

impl GuestState {
    pub(crate) const fn new() -> Self {
        Self { engine: None, arena: Arena::new() }
    }

    fn engine(&mut self, plan: &[u8]) -> Result<&mut Engine, String> {
        let engine = self.engine.get_or_insert_with(|| {
            let engine = Plan::decode(plan)
                .map(|plan| Engine::new(plan, Settings::default()))
                .map_err(|e| e.to_string());
            if let Err(fault) = &engine {
                crate::imports::log(level::ERROR, fault);
            }
            engine
        });
        engine.as_mut().map_err(|fault| fault.clone())
    }

    pub(crate) fn keys(
        &mut self,
        plan: &[u8],
        buffer: &[u8],
        table: &[u8],
        count: i32,
        now_ms: i64,
    ) -> (u32, u32) {
        let mut out = self.arena.spare();
        let framing = match count {
            FRAMING_ONE => Framing::One,
            FRAMING_LINES => Framing::Lines,
            _ => Framing::Table(table),
        };
        match self.engine(plan) {
            Err(_) => refuse(&mut out, status::BAD_PLAN),
            Ok(engine) => {
                if engine.keys(buffer, framing, now_ms, &mut out).is_err() {
                    refuse(&mut out, status::BAD_ARGUMENT);
                }
            }
        }
        self.arena.keep(out)
    }

    pub(crate) fn decide(&mut self, plan: &[u8], request: &[u8]) -> (u32, u32) {
        let mut out = self.arena.spare();
        match self.engine(plan) {
            Err(_) => refuse(&mut out, status::BAD_PLAN),
            Ok(engine) => {
                if let Err(fault) = engine.decide(request, &mut out) {
                    crate::imports::log(level::ERROR, &fault.to_string());
                    refuse(&mut out, status::BAD_REQUEST);
                }
            }
        }
        self.arena.keep(out)
    }

    pub(crate) fn evaluate(&mut self, plan: &[u8], event: &[u8], now_ms: i64) -> (u32, u32) {
        let text = match self.engine(plan) {
            Ok(engine) => engine.evaluate(event, now_ms, &mut HostStore),
            Err(fault) => refusal_json("bad_plan", &fault),
        };
        self.arena.keep(text.into_bytes())
    }

    pub(crate) fn explain(&mut self, plan: &[u8], event: &[u8]) -> (u32, u32) {
        let text = match self.engine(plan) {
            Ok(engine) => engine.explain(event),
            Err(fault) => refusal_json("bad_plan", &fault),
        };
        self.arena.keep(text.into_bytes())
    }

    /// `{}` when the settings were taken.
    pub(crate) fn configure(&mut self, plan: &[u8], settings: &[u8]) -> (u32, u32) {
        let text = self.reconfigure(plan, settings);
        self.arena.keep(text.into_bytes())
    }

    fn reconfigure(&mut self, plan: &[u8], settings: &[u8]) -> String {
        let settings = core::str::from_utf8(settings).map_err(|e| e.to_string());
        match settings.and_then(Settings::read) {
            Err(fault) => return refusal_json("bad_settings", &fault),
            Ok(settings) => {
                if let Err(fault) = self.engine(plan) {
                    return refusal_json("bad_plan", &fault);
                }
                if let Some(Ok(engine)) = self.engine.take() {
                    self.engine = Some(Ok(engine.with_settings(settings)));
                }
            }
        }
        "{}".to_owned()
    }
}

fn refuse(out: &mut Vec<u8>, status: u32) {
    out.clear();
    out.extend_from_slice(&status.to_le_bytes());
}

pub(crate) fn refusal_json(code: &str, reason: &str) -> String {
    let mut out = format!("{{\"error\":{{\"code\":\"{code}\",\"reason\":\"");
    // The reason is our own text around foreign bytes: escaped by hand, control signs dropped.
    for c in reason.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push_str("\"}}");
    out
}

//! One instance of an artifact and the calls of the contract.
//!
//! In: bytes. Out: bytes that were checked to lie in the guest's memory, copied out of it. An
//! instance that trapped, ran too long or grew too large is replaced; nothing is lost with it,
//! because it holds nothing but settings, which are given again.

use super::alert::is_alert_of;
use super::artifact::Artifact;
use super::code::Code;
use super::imports::{Data, Prefixes, link};
use super::overruns::Overruns;
use super::runtime::{Runtime, deadline_ticks, plain};
use anyhow::{Context, bail};
use firstseen_abi::kv::Kv;
use firstseen_abi::{ABI_VERSION, RequestWriter, unpack};
use firstseen_session::{CallError, Decide, Rules, has_outline};
use std::sync::Arc;
use wasmtime::{InstancePre, Linker, Memory, Store, StoreLimitsBuilder, Trap, TypedFunc};

/// The most memory that a guest may have.
pub(super) const MEMORY_LIMIT: usize = 192 << 20;
/// The longest result that is taken out of a guest's memory, whatever the call was given. The terms of one event have 8 MiB,
/// and up to six times as much as JSON; its alerts copy 1 MiB of it, beside what their rule says.
const MAX_RESULT: usize = 64 << 20;
/// Of `keys` for each event and rule, and once for the head: 256 terms of a key and some text, and a text. Besides, the
/// values are out of the events, each in several terms.
const KEYS_OF_MATCH: usize = 192 << 10;
const KEYS_OF_BYTE: usize = 64;
/// The longest answer to settings.
const MAX_ACCEPTED: usize = 64 << 10;
/// An instance that is larger is replaced after the call: memory never shrinks.
const REPLACE_OVER: u64 = 96 << 20;

/// One guest: an artifact's instance, replaced when it has to be.
pub struct Guest {
    /// Its clock ends this guest's calls: it has to run as long as the guest is there.
    runtime: Runtime,
    pre: InstancePre<Data>,
    code: Code,
    prefixes: Prefixes,
    settings: Option<Arc<str>>,
    live: Option<Live>,
    kv: Option<Box<dyn Kv + Send>>,
    /// The ids of its rules.
    ids: Arc<[String]>,
    /// The artifact's.
    name: Arc<str>,
    overruns: Arc<Overruns>,
}

struct Live {
    store: Store<Data>,
    memory: Memory,
    alloc: TypedFunc<u32, u32>,
    reset: TypedFunc<(), ()>,
    keys: TypedFunc<(u32, u32, u32, i32, i64), i64>,
    decide: TypedFunc<(u32, u32), i64>,
    evaluate: TypedFunc<(u32, u32, i64), i64>,
    explain: TypedFunc<(u32, u32), i64>,
    configure: TypedFunc<(u32, u32), i64>,
}

impl Guest {
    /// Instantiates an artifact under a tenant; `settings` is the document for `configure`.
    ///
    /// # Errors
    /// When the module lacks an export, speaks another version, or refuses the settings.
    pub fn new(
        runtime: &Runtime,
        artifact: &Artifact,
        tenant: &str,
        settings: Option<Arc<str>>,
    ) -> anyhow::Result<Self> {
        let mut linker = Linker::new(&runtime.engine);
        link(&mut linker)?;
        let pre = linker
            .instantiate_pre(artifact.code.module())
            .map_err(plain)
            .with_context(|| format!("rule {}", artifact.name))?;
        let prefixes = Prefixes::new(tenant, &artifact.meta);
        let (runtime, code) = (runtime.clone(), artifact.code.clone());
        let ids = artifact.meta.rules.iter().map(|rule| rule.id.clone()).collect();
        let name = Arc::from(artifact.name.as_str());
        let overruns = Arc::clone(&artifact.overruns);
        let (live, kv) = (None, None);
        let mut guest =
            Self { runtime, pre, code, prefixes, settings, live, kv, ids, name, overruns };
        guest.start().with_context(|| format!("rule {}", artifact.name))?;
        Ok(guest)
    }

    /// The state that `evaluate` asks.
    pub fn set_kv(&mut self, kv: Box<dyn Kv + Send>) {
        match &mut self.live {
            Some(live) => live.store.data_mut().kv = Some(kv),
            None => self.kv = Some(kv),
        }
    }

    fn start(&mut self) -> anyhow::Result<&mut Live> {
        if self.live.is_none() {
            let live = self.instantiate()?;
            self.live = Some(live);
        }
        self.live.as_mut().context("no instance")
    }

    fn instantiate(&mut self) -> anyhow::Result<Live> {
        let limits = StoreLimitsBuilder::new()
            .memory_size(MEMORY_LIMIT)
            .instances(1)
            .memories(1)
            .tables(4)
            .table_elements(100_000)
            .build();
        let data = Data {
            limits,
            memory: None,
            kv: self.kv.take(),
            prefixes: self.prefixes.clone(),
            log: Vec::new(),
        };
        let mut store = Store::new(&self.runtime.engine, data);
        store.limiter(|data| &mut data.limits);
        store.set_epoch_deadline(deadline_ticks(0));
        let instance = self.pre.instantiate(&mut store).map_err(plain)?;
        let memory = instance.get_memory(&mut store, "memory").context("it exports no memory")?;
        self.code.place(&mut store, memory)?;
        store.data_mut().memory = Some(memory);
        macro_rules! export {
            ($name:literal) => {
                instance.get_typed_func(&mut store, $name).map_err(plain).context(concat!(
                    "its export `",
                    $name,
                    "`"
                ))?
            };
        }
        let version: TypedFunc<(), i32> = export!("abi_version");
        let version = version.call(&mut store, ()).map_err(plain)?;
        if version != ABI_VERSION {
            bail!("it speaks contract {version}, this host speaks {ABI_VERSION}");
        }
        let mut live = Live {
            memory,
            alloc: export!("alloc"),
            reset: export!("reset"),
            keys: export!("keys"),
            decide: export!("decide"),
            evaluate: export!("evaluate"),
            explain: export!("explain"),
            configure: export!("configure"),
            store,
        };
        if let Some(settings) = &self.settings {
            let (parts, ticks) = ([settings.as_bytes()], deadline_ticks(settings.len()));
            accepted(&live.call_on(&parts, ticks, MAX_ACCEPTED, |live, at, len| {
                live.configure.call(&mut live.store, (at, len))
            })?)?;
        }
        Ok(live)
    }

    /// Both steps for one event, through [`Kv`]; the outcome as JSON.
    ///
    /// # Errors
    /// [`CallError`]; the guest is ready for the next call.
    pub fn evaluate(&mut self, event: &[u8], now_ms: i64) -> Result<Vec<u8>, CallError> {
        self.call(&[event], MAX_RESULT, move |live, at, len| {
            live.evaluate.call(&mut live.store, (at, len, now_ms))
        })
    }

    /// Calls with these bytes; the result is not longer than `most`.
    fn call(
        &mut self,
        parts: &[&[u8]],
        most: usize,
        run: impl FnOnce(&mut Live, u32, u32) -> wasmtime::Result<i64>,
    ) -> Result<Vec<u8>, CallError> {
        if let Some(overruns) = self.overruns.stopped() {
            return Err(CallError::Stopped { rule: Arc::clone(&self.name), overruns });
        }
        let ticks = deadline_ticks(parts.iter().map(|part| part.len()).sum());
        let ticks = self.overruns.ticks(ticks);
        let live = self.start().map_err(|e| CallError::Contract(format!("{e:#}")))?;
        let result = live.call_on(parts, ticks, most, run);
        let pages = live.memory.data_size(&live.store) as u64;
        if result.is_err() || pages > REPLACE_OVER {
            self.kv = live.store.data_mut().kv.take();
            self.live = None;
        }
        match &result {
            Err(CallError::Deadline) => self.overruns.count(),
            Ok(_) => self.overruns.ended_in_time(),
            Err(CallError::Trap(_)) => self.overruns.trapped(),
            Err(_) => {}
        }
        result
    }
}

impl Decide for Guest {
    fn decide(&mut self, request: &RequestWriter) -> Result<Vec<u8>, CallError> {
        let (head, keys, items) = request.parts();
        self.call(&[&head, keys, items], MAX_RESULT, |live, at, len| {
            live.decide.call(&mut live.store, (at, len))
        })
    }

    fn owns(&self, key: &[u8]) -> bool {
        self.prefixes.own(key)
    }

    fn rule_count(&self) -> usize {
        self.ids.len()
    }

    /// One line of JSON, with the rule's id; of our own engine a line that looks like it.
    fn is_alert(&self, rule: u16, text: &str) -> bool {
        if self.code.is_own()
            && let Some(has_outline) = has_outline(text)
        {
            return has_outline;
        }
        let id = self.ids.get(usize::from(rule));
        id.is_some_and(|id| is_alert_of(id, text))
    }
}

impl Rules for Guest {
    fn keys(
        &mut self,
        buffer: &[u8],
        table: &[(u32, u32)],
        now_ms: i64,
    ) -> Result<Vec<u8>, CallError> {
        let mut words = Vec::with_capacity(table.len() * 8);
        for (at, len) in table {
            words.extend_from_slice(&at.to_le_bytes());
            words.extend_from_slice(&len.to_le_bytes());
        }
        let count = i32::try_from(table.len()).map_err(|_| CallError::NoRoom(words.len()))?;
        let buffer_len = buffer.len() as u32;
        let matches = table.len().saturating_mul(self.ids.len()).saturating_add(1);
        let most =
            matches.saturating_mul(KEYS_OF_MATCH).saturating_add(buffer.len() * KEYS_OF_BYTE);
        self.call(&[buffer, &words], most.min(MAX_RESULT), move |live, at, _| {
            live.keys.call(&mut live.store, (at, buffer_len, at + buffer_len, count, now_ms))
        })
    }

    fn explain(&mut self, event: &[u8]) -> Result<Vec<u8>, CallError> {
        self.call(&[event], MAX_RESULT, |live, at, len| {
            live.explain.call(&mut live.store, (at, len))
        })
    }

    fn configure(&mut self, settings: &str) -> Result<(), String> {
        let answer = self
            .call(&[settings.as_bytes()], MAX_ACCEPTED, |live, at, len| {
                live.configure.call(&mut live.store, (at, len))
            })
            .map_err(|error| error.to_string())?;
        accepted(&answer).map_err(|error| error.to_string())?;
        self.settings = Some(settings.into());
        Ok(())
    }

    fn take_log(&mut self) -> Vec<(i32, String)> {
        self.live.as_mut().map(|l| std::mem::take(&mut l.store.data_mut().log)).unwrap_or_default()
    }
}

impl Live {
    /// Hands the parts over as one buffer, runs for so many ticks at most, and copies the result out, if it has no more
    /// than `most` bytes.
    fn call_on(
        &mut self,
        parts: &[&[u8]],
        ticks: u64,
        most: usize,
        run: impl FnOnce(&mut Self, u32, u32) -> wasmtime::Result<i64>,
    ) -> Result<Vec<u8>, CallError> {
        let len: usize = parts.iter().map(|p| p.len()).sum();
        let len32 = u32::try_from(len).map_err(|_| CallError::NoRoom(len))?;
        self.store.set_epoch_deadline(ticks);
        let at = self.alloc.call(&mut self.store, len32).map_err(|e| fault(&e))?;
        if at == 0 {
            return Err(CallError::NoRoom(len));
        }
        let mut to = at as usize;
        let memory = self.memory.data_mut(&mut self.store);
        for part in parts {
            let place = to.checked_add(part.len()).and_then(|end| memory.get_mut(to..end));
            let Some(place) = place else {
                return Err(CallError::Contract("alloc gave a place outside memory".to_owned()));
            };
            place.copy_from_slice(part);
            to += part.len();
        }
        let packed = run(self, at, len32).map_err(|e| fault(&e))?;
        let (from, size) = unpack(packed);
        // A part of the input may have an answer that fits.
        if size as usize > most {
            return Err(CallError::NoRoom(len));
        }
        let memory = self.memory.data(&self.store);
        let result = (from as usize)
            .checked_add(size as usize)
            .and_then(|end| memory.get(from as usize..end))
            .ok_or_else(|| CallError::Contract("a result outside memory".to_owned()))?
            .to_vec();
        if packed == 0 {
            return Err(CallError::NoRoom(len));
        }
        self.reset.call(&mut self.store, ()).map_err(|e| fault(&e))?;
        Ok(result)
    }
}

/// What `configure` answers when it takes the settings.
fn accepted(answer: &[u8]) -> anyhow::Result<()> {
    if answer != b"{}" {
        // The reason is of the guest.
        let text = String::from_utf8_lossy(answer);
        let text = text.get(..text.floor_char_boundary(1024)).unwrap_or_default();
        bail!("the settings: {text}");
    }
    Ok(())
}

fn fault(error: &wasmtime::Error) -> CallError {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => CallError::Deadline,
        Some(trap) => CallError::Trap(trap.to_string()),
        None => CallError::Trap(format!("{error:#}")),
    }
}

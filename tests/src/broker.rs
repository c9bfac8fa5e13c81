//! A host for Redpanda's data transforms that implements the broker's documented interface: the
//! allowed imports, one batch after another, the error numbers, 2 MiB of memory, 64 KiB of stack,
//! and the record's time as the clock.
//!
//! In: a module, batches of records. Out: the records that it wrote, its log, and how it ended. It
//! runs no broker, so it does not test Redpanda's topics.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use wasmtime::{
    Caller, Config, Engine, Extern, Linker, Memory, Module, OptLevel, Store, StoreLimits,
    StoreLimitsBuilder,
};

/// The memory that Redpanda gives a transform by default.
pub const MEMORY: usize = 2 << 20;
const STACK: usize = 64 << 10;

const NO_ACTIVE_TRANSFORM: i32 = -1;
const INVALID_BUFFER: i32 = -2;
/// The result of `write_record` if the broker refuses the record.
const REFUSED: i32 = -3;

/// A record. Only the first header of each name counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The key; `None` is null.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is null.
    pub value: Option<Vec<u8>>,
    /// Names and values.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Record {
    /// A record without headers.
    #[must_use]
    pub fn new(key: &str, value: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), value: Some(value.into()), headers: Vec::new() }
    }

    /// The value as text.
    ///
    /// # Panics
    /// If the value is null or not text.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().expect("a value")).expect("text")
    }

    /// The header with the reason why an event was not evaluated.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(name, _)| name == b"firstseen-error")?;
        Some(String::from_utf8(value.clone()?).expect("text"))
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut bytes = |bytes: Option<&[u8]>| match bytes {
            None => varint(&mut out, -1),
            Some(bytes) => {
                varint(&mut out, bytes.len() as i64);
                out.extend_from_slice(bytes);
            }
        };
        bytes(self.key.as_deref());
        bytes(self.value.as_deref());
        varint(&mut out, self.headers.len() as i64);
        for (name, value) in &self.headers {
            let mut header =
                Self { key: Some(name.clone()), value: value.clone(), headers: vec![] };
            let mut part = std::mem::take(&mut header).write();
            // A header has no number of headers, which is 0 here.
            part.pop();
            out.extend_from_slice(&part);
        }
        out
    }

    fn read(mut bytes: &[u8]) -> Option<Self> {
        let key = read_bytes(&mut bytes)?;
        let value = read_bytes(&mut bytes)?;
        let mut headers = Vec::new();
        for _ in 0..read_varint(&mut bytes)? {
            headers.push((read_bytes(&mut bytes)??, read_bytes(&mut bytes)?));
        }
        bytes.is_empty().then_some(Self { key, value, headers })
    }
}

fn varint(out: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest > 127 {
        out.push(rest as u8 | 128);
        rest /= 128;
    }
    out.push(rest as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Option<i64> {
    let (mut number, mut shift) = (0u64, 0);
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 127) << shift;
        shift += 7;
        if byte & 128 == 0 {
            return Some((number >> 1) as i64 ^ -((number & 1) as i64));
        }
    }
}

fn read_bytes(bytes: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    let length = read_varint(bytes)?;
    if length < 0 {
        return Some(None);
    }
    let (taken, rest) = bytes.split_at_checked(length as usize)?;
    *bytes = rest;
    Some(Some(taken.to_vec()))
}

/// How a transform ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It waited for another batch: success.
    Waiting,
    /// It called `proc_exit`.
    Exit(i32),
    /// It trapped.
    Trap(String),
}

/// What a transform did.
#[derive(Debug)]
pub struct Ran {
    /// The records in the output topic.
    pub records: Vec<Record>,
    /// Its standard output and standard error.
    pub log: String,
    /// How it ended.
    pub end: End,
    /// Bytes of memory at the end. Memory never shrinks.
    pub memory: usize,
}

struct Broker {
    batches: VecDeque<VecDeque<Vec<u8>>>,
    batch: Option<VecDeque<Vec<u8>>>,
    offset: i64,
    out: Vec<Record>,
    log: Vec<u8>,
    refuses: bool,
    limits: StoreLimits,
}

/// How a broker is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// The memory limit of a transform in bytes.
    pub memory: usize,
    /// Whether the broker refuses every write.
    pub refuses: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { memory: MEMORY, refuses: false }
    }
}

/// A module, compiled once for all runs, because compiling takes longer than running.
fn module(wasm: &[u8]) -> wasmtime::Result<Module> {
    static COMPILED: Mutex<BTreeMap<Vec<u8>, Module>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().expect("no test panics here");
    if let Some(module) = compiled.get(wasm) {
        return Ok(module.clone());
    }
    let engine = match compiled.values().next() {
        Some(module) => module.engine().clone(),
        None => {
            let mut config = Config::new();
            config.max_wasm_stack(STACK).cranelift_opt_level(OptLevel::None);
            Engine::new(&config)?
        }
    };
    let module = Module::new(&engine, wasm)?;
    compiled.insert(wasm.to_vec(), module.clone());
    Ok(module)
}

/// Runs a transform over batches.
///
/// # Errors
/// If the module cannot be loaded, for example because it imports a function that Redpanda lacks.
pub fn run(wasm: &[u8], batches: &[Vec<Record>], setup: Setup) -> wasmtime::Result<Ran> {
    let module = module(wasm)?;
    let engine = module.engine().clone();
    let batches: VecDeque<VecDeque<_>> =
        batches.iter().map(|batch| batch.iter().map(Record::write).collect()).collect();
    let limits = StoreLimitsBuilder::new().memory_size(setup.memory).build();
    let broker = Broker {
        batches,
        batch: None,
        offset: 0,
        out: Vec::new(),
        log: Vec::new(),
        refuses: setup.refuses,
        limits,
    };
    let mut store = Store::new(&engine, broker);
    store.limiter(|broker| &mut broker.limits);
    let mut linker = Linker::new(&engine);
    transform(&mut linker)?;
    wasi(&mut linker)?;
    let instance = linker.instantiate(&mut store, &module)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    let end = match start.call(&mut store, ()) {
        Ok(()) => End::Exit(0),
        Err(error) => match error.downcast_ref::<End>() {
            Some(end) => end.clone(),
            None => End::Trap(format!("{error:#}")),
        },
    };
    let memory = instance.get_memory(&mut store, "memory").expect("a memory").data_size(&store);
    let broker = store.into_data();
    let log = String::from_utf8(broker.log)?;
    Ok(Ran { records: broker.out, log, end, memory })
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for End {}

fn memory(caller: &mut Caller<'_, Broker>) -> Memory {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => memory,
        _ => panic!("a transform exports its memory"),
    }
}

/// A range of the guest's memory. A range outside fails the call, as in the broker.
fn slice(memory: &[u8], at: i32, length: i32) -> wasmtime::Result<&[u8]> {
    let at = at as u32 as usize;
    let range = at..at.saturating_add(length as u32 as usize);
    memory.get(range).ok_or_else(|| wasmtime::Error::msg("the range is outside memory"))
}

fn transform(linker: &mut Linker<Broker>) -> wasmtime::Result<()> {
    const MODULE: &str = "redpanda_transform";
    linker.func_wrap(MODULE, "check_abi_version_1", || {})?;
    linker.func_wrap(
        MODULE,
        "read_batch_header",
        |mut caller: Caller<'_, Broker>,
         base_offset: i32,
         records: i32,
         epoch: i32,
         attributes: i32,
         last_delta: i32,
         first_time: i32,
         max_time: i32,
         producer: i32,
         producer_epoch: i32,
         sequence: i32|
         -> wasmtime::Result<i32> {
            let memory = memory(&mut caller);
            let (bytes, broker) = memory.data_and_store_mut(&mut caller);
            // Unread records of the previous batch are skipped.
            broker.offset += broker.batch.take().map_or(0, |left| left.len() as i64);
            let Some(batch) = broker.batches.pop_front() else {
                return Err(End::Waiting.into());
            };
            let mut put = |at: i32, value: &[u8]| -> wasmtime::Result<()> {
                let at = at as u32 as usize;
                let to = bytes.get_mut(at..at + value.len());
                to.ok_or_else(|| wasmtime::Error::msg("outside memory"))?.copy_from_slice(value);
                Ok(())
            };
            // Different numbers, so that a swapped field is noticed.
            put(base_offset, &broker.offset.to_le_bytes())?;
            put(records, &(batch.len() as i32).to_le_bytes())?;
            put(epoch, &0x1111_1111i32.to_le_bytes())?;
            put(attributes, &0x2222i16.to_le_bytes())?;
            put(last_delta, &(batch.len() as i32 - 1).to_le_bytes())?;
            put(first_time, &0x3333_3333_3333_3333i64.to_le_bytes())?;
            put(max_time, &0x4444_4444_4444_4444i64.to_le_bytes())?;
            put(producer, &0x5555_5555_5555_5555i64.to_le_bytes())?;
            put(producer_epoch, &0x6666i16.to_le_bytes())?;
            put(sequence, &0x7777_7777i32.to_le_bytes())?;
            let longest = batch.iter().map(Vec::len).max().unwrap_or(0);
            broker.batch = Some(batch);
            Ok(longest as i32)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "read_next_record",
        |mut caller: Caller<'_, Broker>,
         attributes: i32,
         time: i32,
         offset: i32,
         buffer: i32,
         length: i32|
         -> wasmtime::Result<i32> {
            let memory = memory(&mut caller);
            slice(memory.data(&caller), buffer, length)?;
            let (bytes, broker) = memory.data_and_store_mut(&mut caller);
            let Some(batch) = &mut broker.batch else { return Ok(NO_ACTIVE_TRANSFORM) };
            let Some(record) = batch.pop_front() else { return Ok(NO_ACTIVE_TRANSFORM) };
            if record.len() > length as u32 as usize {
                // The record stays the next one.
                batch.push_front(record);
                return Ok(INVALID_BUFFER);
            }
            bytes[attributes as u32 as usize] = 0;
            bytes[time as u32 as usize..][..8].copy_from_slice(&0i64.to_le_bytes());
            bytes[offset as u32 as usize..][..8].copy_from_slice(&broker.offset.to_le_bytes());
            bytes[buffer as u32 as usize..][..record.len()].copy_from_slice(&record);
            broker.offset += 1;
            Ok(record.len() as i32)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "write_record",
        |mut caller: Caller<'_, Broker>, buffer: i32, length: i32| -> wasmtime::Result<i32> {
            let memory = memory(&mut caller);
            let record = Record::read(slice(memory.data(&caller), buffer, length)?);
            let broker = caller.data_mut();
            if broker.batch.is_none() {
                return Ok(NO_ACTIVE_TRANSFORM);
            }
            let Some(record) = record else { return Ok(INVALID_BUFFER) };
            if broker.refuses {
                return Ok(REFUSED);
            }
            broker.out.push(record);
            Ok(length)
        },
    )?;
    Ok(())
}

/// The part of WASI that a transform needs to start, to log and to exit.
fn wasi(linker: &mut Linker<Broker>) -> wasmtime::Result<()> {
    const MODULE: &str = "wasi_snapshot_preview1";
    linker.func_wrap(
        MODULE,
        "environ_sizes_get",
        |mut caller: Caller<'_, Broker>, count: i32, size: i32| {
            let memory = memory(&mut caller);
            let bytes = memory.data_mut(&mut caller);
            bytes[count as u32 as usize..][..4].fill(0);
            bytes[size as u32 as usize..][..4].fill(0);
            0i32
        },
    )?;
    linker.func_wrap(MODULE, "environ_get", |_: i32, _: i32| 0i32)?;
    linker.func_wrap(
        MODULE,
        "fd_write",
        |mut caller: Caller<'_, Broker>,
         fd: i32,
         vectors: i32,
         count: i32,
         written: i32|
         -> wasmtime::Result<i32> {
            if !(1..=2).contains(&fd) {
                bail_wasm("a transform may write only to standard output and standard error")?;
            }
            let memory = memory(&mut caller);
            let (bytes, broker) = memory.data_and_store_mut(&mut caller);
            let word = |at: usize| i32::from_le_bytes(bytes[at..at + 4].try_into().expect("4"));
            let mut total = 0i32;
            for number in 0..count as usize {
                let at = vectors as u32 as usize + 8 * number;
                let text = slice(bytes, word(at), word(at + 4))?;
                broker.log.extend_from_slice(text);
                total += text.len() as i32;
            }
            bytes[written as u32 as usize..][..4].copy_from_slice(&total.to_le_bytes());
            Ok(0)
        },
    )?;
    linker.func_wrap(MODULE, "proc_exit", |code: i32| -> wasmtime::Result<()> {
        Err(End::Exit(code).into())
    })?;
    Ok(())
}

fn bail_wasm(text: &'static str) -> wasmtime::Result<()> {
    Err(wasmtime::Error::msg(text))
}

/// Compiles rules to a transform.
///
/// # Errors
/// If a rule or an option is invalid.
pub fn artifact(
    rules: &[(&str, &str)],
    event_time: firstseen_rule::source::EventTime,
    choices: &firstseen_compiler::TargetChoices,
) -> anyhow::Result<Vec<u8>> {
    use firstseen_compiler::{RuleText, Target, compile};
    let options = Target::Redpanda.options(choices).map_err(anyhow::Error::msg)?.to_bytes();
    let engine = firstseen_engines::engine(Target::Redpanda)?;
    let engine = firstseen_compiler::EngineModule { options: &options, ..engine };
    let sources: Vec<_> = rules.iter().map(|(name, text)| RuleText { name, text }).collect();
    let options = firstseen_rule::source::ReadOptions { event_time, skips_lint: true };
    Ok(compile(&engine, &sources, &options)
        .map_err(|fault| anyhow::anyhow!("{}", fault.plain(&sources)))?
        .wasm)
}

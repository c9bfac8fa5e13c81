//! Guests that trap, hang, return wrong results or access keys of others: the host reports the
//! event, loses no other event and continues.

use firstseen_abi::Item;
use firstseen_abi::kv::{Cas, Kv, KvError};
use firstseen_artifact::{ArtifactParts, RuleMeta, StandardMetadata, compose};
use firstseen_runtime::{Artifact, Guest, Runtime};
use firstseen_session::{CallError, Decide, EventBatch, ItemVisitor};

/// The first byte of an event decides: T traps, L loops, O returns a range outside memory, G grows
/// the memory and traps if it cannot. Other events are only counted. `evaluate` reads a key of
/// another rule and returns the store's result.
const GUEST: &str = r#"(module
  (import "firstseen_v1" "kv_get" (func $kv_get (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (global (export "FIRSTSEEN_PLAN") i32 (i32.const 1024))
  (data (i32.const 1024) "\00\00\00\00\00\00\00\00")
  (data (i32.const 2048) "default:other:0011:ffff")
  (func (export "abi_version") (result i32) i32.const 1)
  (func (export "alloc") (param i32) (result i32)
    (if (result i32) (i32.gt_u (local.get 0) (i32.const 65536))
      (then (i32.const 0)) (else (i32.const 131072))))
  (func (export "reset"))
  (func $pack (param i32 i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32))
            (i64.extend_i32_u (local.get 1))))
  (func (export "keys") (param $p i32) (param $n i32) (param $t i32) (param $c i32) (param i64)
        (result i64)
    (local $i i32) (local $b i32)
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (local.get $c)))
      (local.set $b (i32.load8_u (i32.add (local.get $p)
        (i32.load (i32.add (local.get $t) (i32.mul (local.get $i) (i32.const 8)))))))
      (if (i32.eq (local.get $b) (i32.const 84)) (then unreachable))
      (if (i32.eq (local.get $b) (i32.const 76)) (then (loop $ever (br $ever))))
      (if (i32.eq (local.get $b) (i32.const 79))
        (then (return (call $pack (i32.const -4) (i32.const 4096)))))
      (if (i32.eq (local.get $b) (i32.const 71))
        (then (if (i32.lt_s (memory.grow (i32.const 60000)) (i32.const 0)) (then unreachable))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (memory.fill (i32.const 4096) (i32.const 0) (i32.const 32))
    (i32.store (i32.const 4100) (local.get $c))
    (call $pack (i32.const 4096) (i32.const 32)))
  (func (export "decide") (param i32 i32) (result i64) (i64.const 0))
  (func (export "explain") (param i32 i32) (result i64) (i64.const 0))
  (func (export "configure") (param i32 i32) (result i64) (i64.const 0))
  (func (export "evaluate") (param i32 i32 i64) (result i64)
    (i32.store (i32.const 4096)
      (call $kv_get (i32.const 2048) (i32.const 23) (i32.const 8192) (i32.const 512)))
    (call $pack (i32.const 4096) (i32.const 4))))"#;

fn artifact(runtime: &Runtime, text: &str) -> anyhow::Result<Artifact> {
    let rule = RuleMeta {
        id: "hostile".to_owned(),
        name: "hostile".to_owned(),
        severity: "low".to_owned(),
        new_terms: vec!["user.name".to_owned()],
        window: "1d".to_owned(),
        window_ms: 86_400_000,
        key_prefix: "hostile:0011:".to_owned(),
        ..RuleMeta::default()
    };
    let wasm = compose(&ArtifactParts {
        engine: &wat::parse_str(text).unwrap(),
        engine_version: "0",
        abi: 1,
        options: b"",
        target: "",
        renamed: None,
        plan: b"x",
        rules: &[rule],
        sources: &[],
        standard: &StandardMetadata::default(),
    })
    .unwrap();
    Artifact::new(runtime, "hostile".to_owned(), &wasm)
}

#[derive(Default)]
struct Heard {
    failed: Vec<(usize, String)>,
}

impl ItemVisitor for Heard {
    fn item(&mut self, _: usize, _: &Item<'_>) {}
    fn failed(&mut self, event: usize, error: &CallError) {
        let kind = match error {
            CallError::Trap(_) => "trap",
            CallError::Deadline => "deadline",
            CallError::NoRoom(_) => "no room",
            CallError::Contract(_) => "contract",
            CallError::Stopped { .. } => "stopped",
        };
        self.failed.push((event, kind.to_owned()));
    }
}

fn run(guest: &mut Guest, events: &[&[u8]]) -> (u32, Vec<(usize, String)>) {
    let mut batch = EventBatch::default();
    for event in events {
        batch.push(event);
    }
    let mut heard = Heard::default();
    let counts = batch.keys(guest, 0, &mut heard);
    (counts.read, heard.failed)
}

fn guest(runtime: &Runtime) -> Guest {
    Guest::new(runtime, &artifact(runtime, GUEST).unwrap(), "default", None).unwrap()
}

#[test]
fn bad_guest_loses_only_the_event_at_fault() {
    let runtime = Runtime::new().unwrap();
    let mut guest = guest(&runtime);
    let huge = vec![b'{'; 100_000];
    let events: [&[u8]; 9] = [b"{a}", b"T", b"{b}", b"O", b"{c}", b"{d}", b"G", &huge, b"{e}"];
    let (read, failed) = run(&mut guest, &events);
    let failed: Vec<(usize, &str)> = failed.iter().map(|(at, kind)| (*at, &**kind)).collect();
    assert_eq!(failed, [(1, "trap"), (3, "contract"), (6, "trap"), (7, "no room")]);
    assert_eq!(read, 5);
    assert_eq!(run(&mut guest, &[b"{f}"]), (1, vec![]));
}

#[test]
fn endless_loop_ends_at_the_deadline() {
    // The guest outlives the runtime's handle.
    let mut guest = guest(&Runtime::new().unwrap());
    let (read, failed) = run(&mut guest, &[b"L"]);
    assert_eq!((read, failed), (0, vec![(0, "deadline".to_owned())]));
    assert_eq!(run(&mut guest, &[b"{a}"]), (1, vec![]));
}

struct Everything;

impl Kv for Everything {
    fn get(&mut self, _: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(Some(b"another rule's".to_vec()))
    }
    fn cas(&mut self, _: &[u8], _: Option<&[u8]>, _: &[u8], _: i64) -> Result<Cas, KvError> {
        Ok(Cas::Done)
    }
}

#[test]
fn key_of_another_rule_is_refused() {
    let runtime = Runtime::new().unwrap();
    let mut guest = guest(&runtime);
    guest.set_kv(Box::new(Everything));
    let answer = guest.evaluate(b"{}", 0).unwrap();
    assert_eq!(answer, firstseen_abi::kv::REFUSED.to_le_bytes());
    assert!(!guest.owns(b"default:other:0011:ffff"));
    assert!(guest.owns(b"default:hostile:0011:ffff"));
}

#[test]
fn invalid_module_is_refused_before_it_runs() {
    let runtime = Runtime::new().unwrap();
    let wasi = GUEST.replace("\"firstseen_v1\"", "\"wasi_snapshot_preview1\"");
    let fault = artifact(&runtime, &wasi).err().unwrap().to_string();
    assert!(fault.contains("wasi_snapshot_preview1.kv_get"), "{fault}");
    let newer = GUEST.replace(
        "i32.const 1)\n  (func (export \"alloc\")",
        "i32.const 2)\n  (func (export \"alloc\")",
    );
    let newer = artifact(&runtime, &newer).unwrap();
    let fault = Guest::new(&runtime, &newer, "default", None).err().unwrap();
    assert!(format!("{fault:#}").contains("contract 2"), "{fault:#}");
    let less = GUEST.replace("(export \"decide\")", "");
    let fault = artifact(&runtime, &less).err().unwrap().to_string();
    assert!(fault.contains("does not export `decide`"), "{fault}");
}

//! An artifact runs on its engine's module, which all artifacts of an engine share.
//!
//! In: artifacts, loaded by their engine and as they are. Out: whether anything differs that a guest or its host can
//! see, how often an engine is compiled, and which artifacts are loaded as they are.

use crate::abi_border::{Guest, event};
use firstseen_artifact::{
    ArtifactParts, ModuleCount, ModuleCounts, StandardMetadata, compose, differing_sections,
    separate,
};
use firstseen_compiler::{RuleText, compile};
use firstseen_engines::{core, flagship};
use firstseen_rule::source::ReadOptions;
use firstseen_runtime::{Artifact, Code, CodeCache, Guest as BoundedGuest, Runtime};
use firstseen_session::Rules;
use std::fmt::Write;
use std::sync::LazyLock;

/// Rules whose plan takes more than a page of memory.
fn large() -> Vec<u8> {
    let rule = |id: &str| {
        let mut query = "event.action: (CreateStack".to_owned();
        for number in 0..3500 {
            write!(query, " or Another{number}").unwrap();
        }
        format!(
            "[rule]\nrule_id='{id}'\nname='{id}'\ntype='new_terms'\nseverity='low'\nrisk_score=1\n\
             query='''{query})'''\n[rule.new_terms]\nfield='new_terms_fields'\nvalue=['user.name']\n\
             [[rule.new_terms.history_window_start]]\nfield='history_window_start'\nvalue='now-1d'\n"
        )
    };
    let texts = ["a", "b", "c"].map(rule);
    let sources = texts.each_ref().map(|text| RuleText { name: "large", text });
    let compiled = compile(&core(), &sources, &ReadOptions::default());
    compiled.unwrap_or_else(|fault| panic!("{}", fault.plain(&sources))).wasm
}

/// An artifact, loaded both ways.
struct BothWays {
    wasm: Vec<u8>,
    whole: Code,
    shared: Code,
}

/// An artifact of this version, with a large plan, and one that an older version built.
fn both_ways() -> &'static (Runtime, [BothWays; 2]) {
    static LOADED: LazyLock<(Runtime, [BothWays; 2])> = LazyLock::new(|| {
        let runtime = runtime();
        let older = include_bytes!("../fixtures/artifacts/flagship-0.1.0.wasm").to_vec();
        let loaded = [large(), older].map(|wasm| {
            let whole = Code::whole(&runtime, &wasm).unwrap();
            let shared = Code::load(&runtime, &wasm).unwrap();
            assert_eq!((whole.is_shared(), shared.is_shared()), (false, true));
            BothWays { wasm, whole, shared }
        });
        (runtime, loaded)
    });
    &LOADED
}

fn runtime() -> Runtime {
    Runtime::with_cache(CodeCache::none()).unwrap()
}

/// Embeds a plan in a module.
fn embedded(module: &str, plan: &str) -> Vec<u8> {
    compose(&ArtifactParts {
        engine: &wat::parse_str(module).unwrap(),
        engine_version: "0",
        abi: 1,
        plan: plan.as_bytes(),
        options: b"",
        target: "",
        renamed: None,
        rules: &[],
        sources: &[],
        standard: &StandardMetadata::default(),
    })
    .unwrap()
}

#[test]
fn the_engine_of_an_artifact_is_the_embedded_one() {
    for wasm in [flagship().to_vec(), large()] {
        let parts = separate(&wasm).unwrap();
        let differing = differing_sections(&parts.engine, core().wasm).unwrap();
        let custom = |name: &String| {
            !["code", "data", "data count", "export", "import", "memory", "module"]
                .contains(&&**name)
        };
        assert!(differing.iter().all(custom), "{differing:?}");
    }
}

/// The memory after the start and after calls, byte for byte, and the answers.
#[test]
fn an_instance_of_the_engine_is_one_of_the_artifact() {
    let (runtime, artifacts) = both_ways();
    let event = event("e1", &["ann"]);
    let event = event.as_bytes();
    for (number, BothWays { whole, shared, .. }) in artifacts.iter().enumerate() {
        let [mut one, mut other] = [whole, shared].map(|code| {
            let mut guest = Guest::of(&runtime.engine, code.module());
            code.place(&mut guest.store, guest.memory).unwrap();
            guest
        });
        let same = |one: &Guest, other: &Guest| {
            let [one, other] = [one, other].map(|guest| guest.memory.data(&guest.store));
            assert_eq!(one.len(), other.len(), "{number}");
            assert!(one == other, "{number}: a byte of the memories differs");
        };
        same(&one, &other);
        for name in ["explain", "evaluate", "configure"] {
            let answers = [&mut one, &mut other].map(|guest| guest.json(name, event));
            assert_eq!(answers[0], answers[1], "{number}: {name}");
            same(&one, &other);
        }
    }
}

/// Through the whole host: limits, answers, settings that are refused.
#[test]
fn guests_answer_the_same_on_the_engine_and_on_the_artifact() {
    let (runtime, artifacts) = both_ways();
    let event = event("e1", &["ann"]);
    let event = event.as_bytes();
    for BothWays { wasm, whole, shared } in artifacts {
        let [whole, shared] = [whole, shared].map(|code| {
            let artifact = Artifact::new(runtime, "rule".to_owned(), wasm).unwrap();
            Artifact { code: code.clone(), ..artifact }
        });
        let [mut one, mut other] = [&shared, &whole]
            .map(|artifact| BoundedGuest::new(runtime, artifact, "default", None).unwrap());
        let table = [(0, event.len() as u32)];
        assert_eq!(one.keys(event, &table, 0).unwrap(), other.keys(event, &table, 0).unwrap());
        assert_eq!(one.explain(event).unwrap(), other.explain(event).unwrap());
        assert_eq!(one.configure("{\"x\":1}"), other.configure("{\"x\":1}"));
        assert_eq!(one.keys(&[], &[], 0).unwrap(), other.keys(&[], &[], 0).unwrap());
        let refused = [&shared, &whole].map(|artifact| {
            let settings = Some("{\"x\":1}".into());
            let guest = BoundedGuest::new(runtime, artifact, "default", settings);
            format!("{:#}", guest.err().unwrap())
        });
        assert_eq!(refused[0], refused[1]);
    }
}

/// Engines of this version and of an earlier one have a fourth of what is compiled at most.
#[test]
fn engines_are_far_from_the_limits_of_what_is_compiled() {
    let older = include_bytes!("../fixtures/artifacts/flagship-0.1.0.wasm").to_vec();
    let mut all = vec![core().wasm.to_vec(), flagship().to_vec(), large(), older];
    if let Ok(plain) = firstseen_engines::plain_core() {
        all.push(plain.wasm.to_vec());
    }
    for wasm in &all {
        let counts = ModuleCounts::of(wasm).unwrap();
        for (count, most, what) in ModuleCount::ALL {
            let found = counts.get(count);
            assert!(found > 0 && found <= most / 4, "{found} {what} of {most}");
        }
    }
}

/// A module with a slot for a plan, and more.
fn module(more: &str) -> String {
    format!(
        "(module (memory (export \"memory\") 1) (global (export \"FIRSTSEEN_PLAN\") i32 (i32.const 8))
         (data (i32.const 8) \"\\00\\00\\00\\00\\00\\00\\00\\00\") {more})"
    )
}

#[test]
fn an_engine_is_compiled_and_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let cached = || Runtime::with_cache(CodeCache::in_folder(folder.path()).unwrap()).unwrap();
    let kept = || std::fs::read_dir(folder.path()).unwrap().count();
    let first = cached();
    std::thread::scope(|scope| {
        for plan in ["a", "b", "a"] {
            let first = &first;
            let wasm = embedded(&module(""), plan);
            scope.spawn(move || assert!(Code::load(first, &wasm).unwrap().is_shared()));
        }
    });
    assert_eq!(kept(), 1);
    assert!(Code::load(&cached(), &embedded(&module(""), "c")).unwrap().is_shared());
    assert_eq!(kept(), 1);
    // What is in memory is not read again.
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert!(Code::load(&first, &embedded(&module(""), "d")).unwrap().is_shared());
    assert!(!folder.path().exists());
}

/// What is not exactly an engine with a plan is compiled as it is, with the faults that it has.
#[test]
fn other_modules_are_compiled_as_they_are() {
    let runtime = runtime();
    let is_shared = |wasm: &[u8]| Code::load(&runtime, wasm).map(|code| code.is_shared());
    assert!(is_shared(&embedded(&module(""), "plan")).unwrap());
    assert!(!is_shared(&embedded(&module("(func $f) (start $f)"), "plan")).unwrap());
    // 192 MiB are allowed: instantiating it says so.
    let large = module("").replace("\"memory\") 1", "\"memory\") 3072");
    assert!(!is_shared(&embedded(&large, "plan")).unwrap());
    // Nothing of it is valid but its frame.
    let invalid = embedded(&module("(func (export \"f\") (result i32))"), "plan");
    let fault = format!("{:#}", is_shared(&invalid).unwrap_err());
    let whole = format!("{:#}", Code::whole(&runtime, &invalid).err().unwrap());
    assert_eq!(fault, whole);
    assert!(is_shared(b"\0asm\x01\0\0\0").is_ok_and(|shared| !shared));
    assert!(is_shared(b"none").is_err());
}

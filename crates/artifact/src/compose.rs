//! Embeds a plan in the engine module.
//!
//! In: an engine module, the plan's bytes, options, metadata. Out: a module that has the plan in its
//! memory from the start, and the metadata behind it. Nothing runs, so nothing that the engine allocates
//! while starting is frozen in, and the result depends on the input alone.

use crate::embed::{Embedding, embed};
use crate::error::ComposeError;
use crate::meta::{Meta, RuleMeta};
use crate::names::{FORMAT, META_SECTION, SOURCE_SECTION};
use crate::standard::StandardMetadata;
use std::borrow::Cow;
use wasm_encoder::CustomSection;

/// What an artifact is made of.
#[derive(Debug, Clone, Copy)]
pub struct ArtifactParts<'a> {
    /// The engine module.
    pub engine: &'a [u8],
    /// Its version.
    pub engine_version: &'a str,
    /// The version of the contract.
    pub abi: u32,
    /// The encoded plan.
    pub plan: &'a [u8],
    /// The options of a pipeline's engine, encoded; empty if it has none.
    pub options: &'a [u8],
    /// The pipeline that the engine is for; empty for the contract of docs/abi.md.
    pub target: &'a str,
    /// Functions that the engine imports from a module of the first name come from the second.
    pub renamed: Option<(&'a str, &'a str)>,
    /// What the metadata says of each rule.
    pub rules: &'a [RuleMeta],
    /// The source of each rule.
    pub sources: &'a [&'a str],
    /// The metadata that registries and other tools read.
    pub standard: &'a StandardMetadata,
}

/// Makes an artifact.
///
/// # Errors
/// [`ComposeError`] when the engine has no slot, no memory of its own, or the plan is too large.
pub fn compose(parts: &ArtifactParts<'_>) -> Result<Vec<u8>, ComposeError> {
    let ArtifactParts { plan, options, renamed, .. } = *parts;
    let mut module = embed(parts.engine, Embedding { plan, options, renamed })?;
    let meta = Meta {
        format: FORMAT,
        abi: parts.abi,
        engine: parts.engine_version.to_owned(),
        target: parts.target.to_owned(),
        options: String::from_utf8_lossy(parts.options).into_owned(),
        rules: parts.rules.to_vec(),
    };
    let meta = serde_json::to_vec(&meta).map_err(|e| ComposeError::TooLarge(e.to_string()))?;
    let mut custom = |name: &str, data: &[u8]| {
        module.section(&CustomSection { name: Cow::Borrowed(name), data: Cow::Borrowed(data) });
    };
    custom(META_SECTION, &meta);
    for source in parts.sources {
        custom(SOURCE_SECTION, source.as_bytes());
    }
    parts.standard.add_to(&module.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::MetaError;
    use wasmparser::{Parser, Payload};

    const ENGINE: &str = r#"(module
        (memory (export "memory") 2)
        (global (export "FIRSTSEEN_PLAN") i32 (i32.const 1024))
        (func (export "f") (result i32) i32.const 1)
        (data (i32.const 1024) "\00\00\00\00\00\00\00\00"))"#;

    fn rule() -> RuleMeta {
        RuleMeta {
            id: "r".to_owned(),
            name: "n".to_owned(),
            severity: "low".to_owned(),
            new_terms: vec!["user.name".to_owned()],
            window: "10d".to_owned(),
            window_ms: 864_000_000,
            key_prefix: "r:0011:".to_owned(),
            ..RuleMeta::default()
        }
    }

    fn make(engine: &[u8], plan: &[u8]) -> Result<Vec<u8>, ComposeError> {
        make_for(engine, plan, b"", None)
    }

    fn make_for(
        engine: &[u8],
        plan: &[u8],
        options: &[u8],
        renamed: Option<(&str, &str)>,
    ) -> Result<Vec<u8>, ComposeError> {
        compose(&ArtifactParts {
            engine,
            engine_version: "0.1.0",
            abi: 1,
            plan,
            options,
            target: "",
            renamed,
            rules: &[rule()],
            sources: &["[rule]"],
            standard: &StandardMetadata { name: "n".to_owned(), ..StandardMetadata::default() },
        })
    }

    #[test]
    fn the_plan_is_behind_the_engines_memory_and_the_slot_has_its_address() {
        let engine = wat::parse_str(ENGINE).unwrap();
        let plan = vec![7u8; 70_000];
        let wasm = make(&engine, &plan).unwrap();
        wasmparser::validate(&wasm).unwrap();
        let mut segments = Vec::new();
        for payload in Parser::new(0).parse_all(&wasm) {
            match payload.unwrap() {
                Payload::MemorySection(m) => {
                    assert_eq!(m.into_iter().next().unwrap().unwrap().initial, 4);
                }
                Payload::DataSection(data) => {
                    for segment in data {
                        segments.push(segment.unwrap().data.to_vec());
                    }
                }
                _ => {}
            }
        }
        assert_eq!(segments[1], plan);
        assert_eq!(segments[2], [&131_072u32.to_le_bytes()[..], &70_000u32.to_le_bytes()].concat());
        assert_eq!(wasm, make(&engine, &plan).unwrap());
    }

    #[test]
    fn metadata_and_sources_are_read_back() {
        let engine = wat::parse_str(ENGINE).unwrap();
        let wasm = make(&engine, b"plan").unwrap();
        let meta = Meta::read(&wasm).unwrap();
        assert_eq!(meta.sources(&wasm).unwrap(), ["[rule]"]);
        let more = Meta { rules: vec![rule(), rule()], ..meta.clone() };
        assert_eq!(more.sources(&wasm), Err(MetaError::Sources { sources: 1, rules: 2 }));
        assert_eq!((meta.abi, meta.rules), (1, vec![rule()]));
        assert_eq!(Meta::read(&engine), Err(MetaError::NoRule));
        assert!(matches!(Meta::read(b"hello"), Err(MetaError::NotWasm(_))));
        for cut in 0..wasm.len() {
            let _ = Meta::read(&wasm[..cut]);
        }
    }

    #[test]
    fn an_engine_without_a_slot_is_refused() {
        let engine = wat::parse_str(r#"(module (memory 1) (data (i32.const 0) "x"))"#).unwrap();
        assert!(make(&engine, b"plan").unwrap_err().to_string().contains("slot"));
    }

    #[test]
    fn options_are_behind_the_plan_and_imports_are_renamed() {
        let engine = wat::parse_str(
            r#"(module
            (import "a" "f" (func (param i32)))
            (import "wasi" "g" (func))
            (memory (export "memory") 1)
            (global (export "FIRSTSEEN_PLAN") i32 (i32.const 1024))
            (global (export "FIRSTSEEN_OPTIONS") i32 (i32.const 1032))
            (data (i32.const 1024) "x"))"#,
        )
        .unwrap();
        let wasm = make_for(&engine, b"plan", b"options", Some(("a", "b"))).unwrap();
        wasmparser::validate(&wasm).unwrap();
        let (mut segments, mut imports) = (Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(&wasm) {
            match payload.unwrap() {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.unwrap();
                        imports.push((import.module.to_owned(), import.name.to_owned()));
                    }
                }
                Payload::DataSection(data) => {
                    for segment in data {
                        segments.push(segment.unwrap().data.to_vec());
                    }
                }
                _ => {}
            }
        }
        assert_eq!(imports, [("b".into(), "f".into()), ("wasi".into(), "g".into())]);
        let place = |at: u32, len: u32| [at.to_le_bytes(), len.to_le_bytes()].concat();
        assert_eq!(segments[1..3], [b"plan".to_vec(), place(65_536, 4)]);
        assert_eq!(segments[3..], [b"options".to_vec(), place(65_540, 7)]);
        let plain = wat::parse_str(ENGINE).unwrap();
        let error = make_for(&plain, b"plan", b"options", None).unwrap_err();
        assert!(error.to_string().contains("options"), "{error}");
    }
}

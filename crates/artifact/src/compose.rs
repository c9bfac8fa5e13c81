//! Embeds a plan in the engine module.
//!
//! In: an engine module, the plan's bytes, options, metadata. Out: a module that has the plan in its
//! memory from the start: pages are added behind the engine's own, one data segment holds the
//! plan, one writes its address into the engine's slot; two more if there are options. Nothing runs,
//! so nothing that the engine allocates while starting is frozen in, and the result depends on the
//! input alone.

use crate::error::ComposeError;
use crate::meta::{Meta, RuleMeta};
use crate::names::{FORMAT, META_SECTION, OPTIONS_SLOT, PLAN_SLOT, SOURCE_SECTION};
use crate::standard::StandardMetadata;
use std::borrow::Cow;
use wasm_encoder::{
    ConstExpr, CustomSection, DataCountSection, DataSection, EntityType, ImportSection,
    MemorySection, MemoryType, Module, RawSection,
};
use wasmparser::{DataKind, ExternalKind, Operator, Parser, Payload};

const PAGE: u64 = 65_536;
/// A larger plan is a mistake: a guest's memory is bounded.
const MAX_PLAN: usize = 64 << 20;

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

/// Addresses and sizes found in the engine.
#[derive(Default)]
struct Survey {
    /// Index of the exported global that holds the address of the plan's slot.
    slot_global: Option<u32>,
    /// The same for the options.
    options_global: Option<u32>,
    globals: Vec<Option<u32>>,
    memory: Option<wasmparser::MemoryType>,
    segments: u32,
    imported_globals: bool,
}

/// Makes an artifact.
///
/// # Errors
/// [`ComposeError`] when the engine has no slot, no memory of its own, or the plan is too large.
pub fn compose(parts: &ArtifactParts<'_>) -> Result<Vec<u8>, ComposeError> {
    let engine_fault = |what: &str| ComposeError::Engine(what.to_owned());
    let length = parts.plan.len().saturating_add(parts.options.len());
    if length > MAX_PLAN {
        let reason = format!("the plan has {length} bytes, over {MAX_PLAN}");
        return Err(ComposeError::TooLarge(reason));
    }
    let survey = survey(parts.engine)?;
    let memory = survey.memory.ok_or(engine_fault("it has no memory"))?;
    let slot = survey
        .slot(survey.slot_global)
        .ok_or(engine_fault("it does not export the plan's slot"))?;
    let pages = memory.initial.saturating_add((length as u64).div_ceil(PAGE));
    let address = memory.initial.saturating_mul(PAGE);
    if memory.memory64
        || memory.shared
        || pages > 65_536
        || memory.maximum.is_some_and(|m| m < pages)
    {
        return Err(engine_fault("its memory cannot take the plan"));
    }
    let grown = MemoryType {
        minimum: pages,
        maximum: memory.maximum,
        memory64: false,
        shared: false,
        page_size_log2: memory.page_size_log2,
    };
    // Both fit a u32, as all of the memory does.
    let mut embedded = vec![Embedded { bytes: parts.plan, at: address as u32, slot }];
    if !parts.options.is_empty() {
        let slot = survey
            .slot(survey.options_global)
            .ok_or(engine_fault("it has no options: its pipeline needs none"))?;
        let at = address.saturating_add(parts.plan.len() as u64) as u32;
        embedded.push(Embedded { bytes: parts.options, at, slot });
    }
    rewrite(parts, &survey, grown, &embedded)
}

/// Bytes, their address, and the slot that holds it.
struct Embedded<'a> {
    bytes: &'a [u8],
    at: u32,
    slot: u32,
}

impl Survey {
    /// The address in an exported global.
    fn slot(&self, global: Option<u32>) -> Option<u32> {
        global.and_then(|index| self.globals.get(index as usize).copied().flatten())
    }
}

fn survey(engine: &[u8]) -> Result<Survey, ComposeError> {
    let mut out = Survey::default();
    for payload in Parser::new(0).parse_all(engine) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if matches!(import?.ty, wasmparser::TypeRef::Global(_)) {
                        out.imported_globals = true;
                    }
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    if out.memory.replace(memory?).is_some() {
                        return Err(ComposeError::Engine("it has two memories".to_owned()));
                    }
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    let mut ops = global?.init_expr.get_operators_reader();
                    out.globals.push(match ops.read()? {
                        Operator::I32Const { value } => Some(value as u32),
                        _ => None,
                    });
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind == ExternalKind::Global {
                        match export.name {
                            PLAN_SLOT => out.slot_global = Some(export.index),
                            OPTIONS_SLOT => out.options_global = Some(export.index),
                            _ => {}
                        }
                    }
                }
            }
            Payload::DataSection(data) => out.segments = data.count(),
            _ => {}
        }
    }
    if out.imported_globals {
        return Err(ComposeError::Engine("it imports globals".to_owned()));
    }
    Ok(out)
}

fn rewrite(
    parts: &ArtifactParts<'_>,
    survey: &Survey,
    memory: MemoryType,
    embedded: &[Embedded<'_>],
) -> Result<Vec<u8>, ComposeError> {
    let mut module = Module::new();
    let mut data_written = false;
    for payload in Parser::new(0).parse_all(parts.engine) {
        let payload = payload?;
        match &payload {
            Payload::MemorySection(_) => {
                let mut section = MemorySection::new();
                section.memory(memory);
                module.section(&section);
            }
            Payload::ImportSection(imports) => match parts.renamed {
                Some(renamed) => {
                    module.section(&rename(imports.clone(), renamed)?);
                }
                None => copy(&mut module, &payload, parts.engine),
            },
            Payload::DataCountSection { count, .. } => {
                let more = embedded.len().saturating_mul(2) as u32;
                module.section(&DataCountSection { count: count.saturating_add(more) });
            }
            Payload::DataSection(data) => {
                let mut section = DataSection::new();
                for segment in data.clone() {
                    copy_segment(&mut section, &segment?)?;
                }
                for one in embedded {
                    embed(&mut section, one);
                }
                module.section(&section);
                data_written = true;
            }
            // The slot was for us alone; its export stays, so that an artifact can be rebuilt.
            other => copy(&mut module, other, parts.engine),
        }
    }
    if !data_written || survey.segments == 0 {
        return Err(ComposeError::Engine("it has no data section".to_owned()));
    }
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

/// Copies a section.
fn copy(module: &mut Module, payload: &Payload<'_>, engine: &[u8]) {
    if let Some((id, range)) = payload.as_section() {
        let data = engine.get(range).unwrap_or_default();
        module.section(&RawSection { id, data });
    }
}

/// The imports, those of one module from another.
fn rename(
    imports: wasmparser::ImportSectionReader<'_>,
    (from, to): (&str, &str),
) -> Result<ImportSection, ComposeError> {
    let mut section = ImportSection::new();
    for import in imports.into_imports() {
        let import = import?;
        let wasmparser::TypeRef::Func(index) = import.ty else {
            return Err(ComposeError::Engine("it imports more than functions".to_owned()));
        };
        let module = if import.module == from { to } else { import.module };
        section.import(module, import.name, EntityType::Function(index));
    }
    Ok(section)
}

fn copy_segment(
    section: &mut DataSection,
    segment: &wasmparser::Data<'_>,
) -> Result<(), ComposeError> {
    match &segment.kind {
        DataKind::Passive => {
            section.passive(segment.data.iter().copied());
        }
        DataKind::Active { memory_index, offset_expr } => {
            let mut ops = offset_expr.get_operators_reader();
            let Operator::I32Const { value } = ops.read()? else {
                return Err(ComposeError::Engine("a data segment has no fixed place".to_owned()));
            };
            let offset = ConstExpr::i32_const(value);
            section.active(*memory_index, &offset, segment.data.iter().copied());
        }
    }
    Ok(())
}

fn embed(section: &mut DataSection, embedded: &Embedded<'_>) {
    section.active(0, &ConstExpr::i32_const(embedded.at as i32), embedded.bytes.iter().copied());
    let mut place = embedded.at.to_le_bytes().to_vec();
    place.extend_from_slice(&(embedded.bytes.len() as u32).to_le_bytes());
    section.active(0, &ConstExpr::i32_const(embedded.slot as i32), place);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::MetaError;

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

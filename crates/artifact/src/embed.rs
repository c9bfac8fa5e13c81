//! A plan in the memory of an engine.
//!
//! In: an engine module, untrusted; the plan's bytes, options. Out: the module that has them in its memory from
//! the start: pages are added behind the engine's own, one data segment holds the plan, one writes its address
//! into the engine's slot; two more if there are options. It adds no metadata and runs nothing.

use crate::error::ComposeError;
use crate::names::{OPTIONS_SLOT, PLAN_SLOT};
use crate::payloads::payloads;
use wasm_encoder::{
    ConstExpr, DataCountSection, DataSection, EntityType, ImportSection, MemorySection, MemoryType,
    Module, RawSection,
};
use wasmparser::{DataKind, ExternalKind, Operator, Payload};

pub(crate) const PAGE: u64 = 65_536;
/// A larger plan is a mistake: a guest's memory is bounded.
const MAX_PLAN: usize = 64 << 20;

/// Addresses and sizes found in an engine, or in an artifact.
#[derive(Default)]
pub(crate) struct Survey {
    /// Index of the exported global that holds the address of the plan's slot.
    slot_global: Option<u32>,
    /// The same for the options.
    options_global: Option<u32>,
    globals: Vec<Option<u32>>,
    pub(crate) memory: Option<wasmparser::MemoryType>,
    segments: u32,
    imported_globals: bool,
}

/// What an engine gets.
#[derive(Clone, Copy)]
pub(crate) struct Embedding<'a> {
    /// The encoded plan.
    pub(crate) plan: &'a [u8],
    /// The options of a pipeline's engine; empty if it has none.
    pub(crate) options: &'a [u8],
    /// Functions that the engine imports from a module of the first name come from the second.
    pub(crate) renamed: Option<(&'a str, &'a str)>,
}

/// Bytes, their address, and the slot that holds it.
struct Placed<'a> {
    bytes: &'a [u8],
    at: u32,
    slot: u32,
}

/// The engine with what it gets, without metadata.
///
/// # Errors
/// [`ComposeError`] when the engine has no slot, no memory of its own, or the plan is too large.
pub(crate) fn embed(engine: &[u8], embedding: Embedding<'_>) -> Result<Module, ComposeError> {
    let engine_fault = |what: &str| ComposeError::Engine(what.to_owned());
    let length = embedding.plan.len().saturating_add(embedding.options.len());
    if length > MAX_PLAN {
        let reason = format!("the plan has {length} bytes, over {MAX_PLAN}");
        return Err(ComposeError::TooLarge(reason));
    }
    let survey = survey(engine)?;
    let memory = survey.memory.ok_or(engine_fault("it has no memory"))?;
    let slot = survey.plan_slot().ok_or(engine_fault("it does not export the plan's slot"))?;
    let pages = memory.initial.saturating_add(pages_of(length));
    let address = memory.initial.saturating_mul(PAGE);
    if memory.memory64
        || memory.shared
        || pages > 65_536
        || memory.maximum.is_some_and(|m| m < pages)
    {
        return Err(engine_fault("its memory cannot take the plan"));
    }
    // Both fit a u32, as all of the memory does.
    let mut placed = vec![Placed { bytes: embedding.plan, at: address as u32, slot }];
    if !embedding.options.is_empty() {
        let slot = survey
            .slot(survey.options_global)
            .ok_or(engine_fault("it has no options: its pipeline needs none"))?;
        let at = address.saturating_add(embedding.plan.len() as u64) as u32;
        placed.push(Placed { bytes: embedding.options, at, slot });
    }
    rewrite(engine, &survey, with_pages(&memory, pages), &placed, embedding.renamed)
}

/// Pages that so many bytes take.
pub(crate) const fn pages_of(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(PAGE)
}

/// A memory that begins with so many pages.
pub(crate) const fn with_pages(memory: &wasmparser::MemoryType, minimum: u64) -> MemoryType {
    MemoryType {
        minimum,
        maximum: memory.maximum,
        memory64: false,
        shared: false,
        page_size_log2: memory.page_size_log2,
    }
}

impl Survey {
    /// The address of the plan's slot.
    pub(crate) fn plan_slot(&self) -> Option<u32> {
        self.slot(self.slot_global)
    }

    /// The address in an exported global.
    fn slot(&self, global: Option<u32>) -> Option<u32> {
        global.and_then(|index| self.globals.get(index as usize).copied().flatten())
    }
}

/// Looks for what an engine must have.
///
/// # Errors
/// When it is no module, has two memories or imports globals.
pub(crate) fn survey(engine: &[u8]) -> Result<Survey, ComposeError> {
    let mut out = Survey::default();
    for payload in payloads(engine) {
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
    engine: &[u8],
    survey: &Survey,
    memory: MemoryType,
    placed: &[Placed<'_>],
    renamed: Option<(&str, &str)>,
) -> Result<Module, ComposeError> {
    let mut module = Module::new();
    let mut data_written = false;
    for payload in payloads(engine) {
        let payload = payload?;
        match &payload {
            Payload::MemorySection(_) => {
                let mut section = MemorySection::new();
                section.memory(memory);
                module.section(&section);
            }
            Payload::ImportSection(imports) => match renamed {
                Some(renamed) => {
                    module.section(&rename(imports.clone(), renamed)?);
                }
                None => copy(&mut module, &payload, engine),
            },
            Payload::DataCountSection { count, .. } => {
                let more = placed.len().saturating_mul(2) as u32;
                module.section(&DataCountSection { count: count.saturating_add(more) });
            }
            Payload::DataSection(data) => {
                let mut section = DataSection::new();
                for segment in data.clone() {
                    copy_segment(&mut section, &segment?)?;
                }
                for one in placed {
                    place(&mut section, one);
                }
                module.section(&section);
                data_written = true;
            }
            // The slot was for us alone; its export stays, so that an artifact can be rebuilt.
            other => copy(&mut module, other, engine),
        }
    }
    if !data_written || survey.segments == 0 {
        return Err(ComposeError::Engine("it has no data section".to_owned()));
    }
    Ok(module)
}

/// Copies a section.
pub(crate) fn copy(module: &mut Module, payload: &Payload<'_>, engine: &[u8]) {
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

pub(crate) fn copy_segment(
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

fn place(section: &mut DataSection, placed: &Placed<'_>) {
    section.active(0, &ConstExpr::i32_const(placed.at as i32), placed.bytes.iter().copied());
    let mut written = placed.at.to_le_bytes().to_vec();
    written.extend_from_slice(&(placed.bytes.len() as u32).to_le_bytes());
    section.active(0, &ConstExpr::i32_const(placed.slot as i32), written);
}

//! An artifact taken apart: its engine, as a module, and what is embedded in it.
//!
//! In: an artifact, untrusted. Out: the engine without metadata, the pages of memory that the artifact begins with and
//! the bytes that it has there besides the engine's; or nothing, where the artifact is not exactly what embedding
//! that plan in that engine gives. So a host can compile one module for all artifacts of an engine: an instance of it
//! whose memory is grown to those pages, and has those bytes, is an instance of the artifact. It runs nothing.

use crate::embed::{
    Embedding, PAGE, Survey, copy, copy_segment, embed, pages_of, survey, with_pages,
};
use crate::payloads::payloads;
use wasm_encoder::{DataCountSection, DataSection, MemorySection, Module};
use wasmparser::{Data, DataKind, Operator, Payload, TypeRef};

/// The parts of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Separated<'a> {
    /// The engine: a module without custom sections. It is the same for all artifacts of an engine.
    pub engine: Vec<u8>,
    /// The pages of memory that the artifact begins with; the engine has fewer.
    pub pages: u64,
    /// Addresses and bytes, to be written in this order into a memory of so many pages: the plan, and its place in the
    /// engine's slot.
    pub placed: [(u32, &'a [u8]); 2],
}

/// Takes an artifact apart.
///
/// It is nothing where an instance of the engine could differ from one of the artifact in anything that a guest or a
/// host can see: where the plan embedded in the engine does not give the artifact's sections again, byte for byte; where
/// code runs before the host could write (a start function); and where the engine alone would not start, as it writes
/// behind its own memory. Custom sections mean nothing to an instance and are left out. Options are for
/// pipelines, which take whole artifacts.
#[must_use]
pub fn separate(artifact: &[u8]) -> Option<Separated<'_>> {
    let survey = survey(artifact).ok()?;
    let segments = segments(artifact)?;
    let (own, placed) = segments.split_last_chunk::<2>()?;
    let [plan, slot] = placed.each_ref().map(|data| active(data).map(|at| (at, data.data)));
    let placed = [plan?, slot?];
    let [(_, plan), _] = placed;
    let pages = survey.memory?.initial;
    let own_pages = pages.checked_sub(pages_of(plan.len()))?;
    let end = own_pages.checked_mul(PAGE)?;
    let starts = own.iter().all(|data| match data.kind {
        DataKind::Passive => true,
        DataKind::Active { .. } => active(data).is_some_and(|at| {
            u64::from(at).checked_add(data.data.len() as u64).is_some_and(|to| to <= end)
        }),
    });
    if !starts {
        return None;
    }
    let engine = without_plan(artifact, &survey, own_pages, own)?;
    let again = embed(&engine, Embedding { plan, options: b"", renamed: None }).ok()?.finish();
    (sections(&again)? == sections(artifact)?).then_some(Separated { engine, pages, placed })
}

/// All data segments.
fn segments(wasm: &[u8]) -> Option<Vec<Data<'_>>> {
    let mut segments = Vec::new();
    for payload in payloads(wasm) {
        if let Payload::DataSection(data) = payload.ok()? {
            segments.extend(data.into_iter().collect::<Result<Vec<_>, _>>().ok()?);
        }
    }
    Some(segments)
}

/// Where a segment is written at the start, if that is a constant.
fn active(data: &Data<'_>) -> Option<u32> {
    let DataKind::Active { memory_index: 0, offset_expr } = &data.kind else { return None };
    match offset_expr.get_operators_reader().read() {
        Ok(Operator::I32Const { value }) => Some(value as u32),
        _ => None,
    }
}

/// The engine of an artifact: a memory of so many pages, these segments, all other sections as they are.
fn without_plan(
    artifact: &[u8],
    survey: &Survey,
    pages: u64,
    segments: &[Data<'_>],
) -> Option<Vec<u8>> {
    let mut module = Module::new();
    for payload in payloads(artifact) {
        let payload = payload.ok()?;
        match &payload {
            Payload::CustomSection(_) => {}
            // It would run before the plan is there.
            Payload::StartSection { .. } => return None,
            Payload::MemorySection(_) => {
                let mut section = MemorySection::new();
                section.memory(with_pages(&survey.memory?, pages));
                module.section(&section);
            }
            Payload::DataCountSection { .. } => {
                module.section(&DataCountSection { count: u32::try_from(segments.len()).ok()? });
            }
            Payload::DataSection(_) => {
                let mut section = DataSection::new();
                for segment in segments {
                    copy_segment(&mut section, segment).ok()?;
                }
                module.section(&section);
            }
            // An imported memory would be the one that is written to.
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    if !matches!(import.ok()?.ty, TypeRef::Func(_)) {
                        return None;
                    }
                }
                copy(&mut module, &payload, artifact);
            }
            other => copy(&mut module, other, artifact),
        }
    }
    Some(module.finish())
}

/// The sections that an instance is made of, in their order.
fn sections(wasm: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut sections = Vec::new();
    for payload in payloads(wasm) {
        let payload = payload.ok()?;
        if let (false, Some((id, range))) =
            (matches!(payload, Payload::CustomSection(_)), payload.as_section())
        {
            sections.push((id, wasm.get(range)?));
        }
    }
    Some(sections)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArtifactParts, StandardMetadata, compose};
    use wasmparser::Parser;

    const ENGINE: &str = r#"(module
        (import "firstseen_v1" "log" (func (param i32 i32 i32)))
        (memory (export "memory") 2)
        (global (export "FIRSTSEEN_PLAN") i32 (i32.const 1024))
        (func (export "f") (result i32) (memory.init 1 (i32.const 0) (i32.const 0) (i32.const 1)) (i32.const 7))
        (@custom "note" "of the engine")
        (data (i32.const 1024) "\00\00\00\00\00\00\00\00")
        (data "passive")
        (data (i32.const 131070) "at"))"#;

    fn made(engine: &str, plan: &[u8]) -> Vec<u8> {
        compose(&ArtifactParts {
            engine: &wat::parse_str(engine).unwrap(),
            engine_version: "0",
            abi: 1,
            plan,
            options: b"",
            target: "",
            renamed: None,
            rules: &[],
            sources: &[],
            standard: &StandardMetadata { name: "n".to_owned(), ..StandardMetadata::default() },
        })
        .unwrap()
    }

    #[test]
    fn an_artifact_is_its_engine_and_what_is_written_into_its_memory() {
        let large = vec![7; 70_000];
        let artifacts = [b"plan", b"nalp", &large[..]].map(|plan| (plan, made(ENGINE, plan)));
        let [(_, first), ..] = &artifacts;
        let engine = separate(first).unwrap().engine;
        wasmparser::validate(&engine).unwrap();
        let of_engine = wat::parse_str(ENGINE).unwrap();
        assert_eq!(sections(&engine), sections(&of_engine));
        assert!(!engine.windows(4).any(|bytes| bytes == b"note"), "no custom sections");
        for (plan, artifact) in &artifacts {
            let parts = separate(artifact).unwrap();
            assert!(parts.engine == engine);
            assert_eq!(parts.pages, 2 + pages_of(plan.len()));
            let slot = [131_072u32, plan.len() as u32].map(u32::to_le_bytes).concat();
            assert_eq!(parts.placed, [(131_072, *plan), (1024, &slot[..])]);
        }
    }

    /// Every byte of an artifact changed, left out or written twice: it is taken apart only where the change is in the
    /// plan or in metadata, or where it changes the engine, and then it is not the same engine.
    #[test]
    fn any_other_change_of_a_byte_is_another_engine_or_none() {
        let artifact = made(ENGINE, b"plan");
        let parts = separate(&artifact).unwrap();
        let plan = artifact.windows(4).position(|bytes| bytes == b"plan").unwrap();
        let is_of_plan = |at: usize| (plan..plan + 4).contains(&at);
        // With the head of their sections: a longer one holds the next one too.
        let (mut end, mut metadata) = (8, Vec::new());
        for payload in Parser::new(0).parse_all(&artifact) {
            let payload = payload.unwrap();
            let Some((_, range)) = payload.as_section() else { continue };
            if matches!(payload, Payload::CustomSection(_)) {
                metadata.push(end..range.end);
            }
            end = range.end;
        }
        let is_metadata = |at: usize| metadata.iter().any(|range| range.contains(&at));
        let mut engines = 0;
        for at in 0..artifact.len() {
            let change = |new: &[u8]| [&artifact[..at], new, &artifact[at + 1..]].concat();
            let old = artifact[at];
            let mut changed: Vec<_> = (1..=255).map(|by| change(&[old ^ by])).collect();
            changed.extend([
                change(&[]),
                change(&[old, old]),
                change(&[old, 0]),
                change(&[old, 0x80]),
            ]);
            for (number, changed) in changed.iter().enumerate() {
                let Some(other) = separate(changed) else { continue };
                if other.engine != parts.engine {
                    engines += 1;
                    continue;
                }
                assert_eq!(other.pages, parts.pages);
                let [(address, of_plan), slot] = other.placed;
                assert_eq!((address, slot), (parts.placed[0].0, parts.placed[1]));
                assert!(is_metadata(at) || is_of_plan(at), "{at}, change {number}");
                assert_eq!(of_plan == b"plan", !is_of_plan(at), "{at}, change {number}");
            }
        }
        assert!(engines > 100, "{engines} changes of code, for example, are other engines");
        for cut in 0..artifact.len() {
            assert!(separate(&artifact[..cut]).is_none_or(|parts| parts.engine.len() > 8));
        }
    }

    /// What could be told apart from an instance of the artifact.
    #[test]
    fn engines_that_start_otherwise_are_not_taken_apart() {
        assert!(separate(&made(ENGINE, b"plan")).is_some());
        let with =
            |text: &str| made(&format!("{} {text})", ENGINE.strip_suffix(')').unwrap()), b"plan");
        assert!(separate(&with("(func $start) (start $start)")).is_none());
        // Behind the engine's memory, where the artifact has a page for the plan.
        assert!(separate(&with("(data (i32.const 131071) \"ab\")")).is_none());
        assert!(separate(&with("(data (i32.const 131070) \"ab\")")).is_some());
        let imports =
            |what: &str| made(&ENGINE.replace("(func (param i32 i32 i32))", what), b"plan");
        assert!(separate(&imports("(table 1 funcref)")).is_none());
        assert!(separate(&imports("(func)")).is_some());
        let engine = wat::parse_str(ENGINE).unwrap();
        assert!(separate(&engine).is_none(), "no plan");
        assert!(separate(b"").is_none() && separate(b"\0asm\x01\0\0\0").is_none());
    }
}

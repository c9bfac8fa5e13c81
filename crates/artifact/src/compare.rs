//! Which sections of two modules differ.
//!
//! In: two modules, untrusted. Out: the names of the sections that are not the same in both. It
//! neither runs nor checks what is in them.

use crate::error::MetaError;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{Parser, Payload};

/// The names of the sections whose bytes, number or order among themselves differ, in the order of
/// their names: `code`, `data`, `firstseen.source`.
///
/// # Errors
/// [`MetaError`]: one of them is no module.
pub fn differing_sections(one: &[u8], other: &[u8]) -> Result<Vec<String>, MetaError> {
    let (one, other) = (sections(one)?, sections(other)?);
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differs = |name: &&String| one.get(*name) != other.get(*name);
    Ok(names.into_iter().filter(differs).cloned().collect())
}

/// The bytes of all sections of these names, one after the other.
///
/// # Errors
/// [`MetaError`]: it is no module.
pub fn bytes_of_sections(wasm: &[u8], names: &[&str]) -> Result<Vec<u8>, MetaError> {
    let sections = sections(wasm)?;
    let named = names.iter().filter_map(|name| sections.get(*name));
    Ok(named.flatten().copied().collect::<Vec<_>>().concat())
}

fn sections(wasm: &[u8]) -> Result<BTreeMap<String, Vec<&[u8]>>, MetaError> {
    let mut out: BTreeMap<String, Vec<&[u8]>> = BTreeMap::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|e| MetaError::of(&e))?;
        let name = match &payload {
            Payload::CustomSection(section) => section.name(),
            Payload::ImportSection(_) => "import",
            Payload::ExportSection(_) => "export",
            Payload::MemorySection(_) => "memory",
            Payload::DataCountSection { .. } => "data count",
            Payload::DataSection(_) => "data",
            Payload::CodeSectionStart { .. } => "code",
            _ => "module",
        };
        if let Some((_, range)) = payload.as_section() {
            out.entry(name.to_owned()).or_default().extend(wasm.get(range));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_that_differ_are_named() {
        let module = |text: &str| wat::parse_str(text).unwrap();
        let one = module(
            r#"(module (memory 1) (func (export "f")) (data (i32.const 0) "a") (@custom "c" "x"))"#,
        );
        assert_eq!(differing_sections(&one, &one).unwrap(), Vec::<String>::new());
        for (other, names) in [
            (
                r#"(module (memory 1) (func (export "f")) (data (i32.const 0) "b") (@custom "c" "x"))"#,
                &["data"][..],
            ),
            (
                r#"(module (memory 1) (func (export "f") nop) (data (i32.const 0) "a") (@custom "c" "y"))"#,
                &["c", "code"],
            ),
            (
                r#"(module (memory 2) (func (export "g")) (data (i32.const 0) "a"))"#,
                &["c", "export", "memory"],
            ),
        ] {
            assert_eq!(differing_sections(&one, &module(other)).unwrap(), names);
        }
        assert!(differing_sections(&one, b"none").is_err());
    }
}

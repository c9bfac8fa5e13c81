//! Reads a module without running it: sections, imports, exports, memory.
//!
//! In: a module's bytes, untrusted. Out: its sections, imports, exports, memory and standard texts,
//! or the reason why it is not a module. It reads the head of every section and the body of those
//! that it reports; it never checks code, which is [`validate`]'s.

use crate::error::MetaError;
use std::collections::BTreeMap;
use wasmparser::{
    CompositeInnerType, ExternalKind, FuncType, KnownCustom, Name, Parser, Payload, TypeRef,
    Validator, WasmFeatures,
};

/// What a module holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleInfo {
    /// In their order.
    pub sections: Vec<Section>,
    /// Namespace, name and signature (or the kind, if it is not a function), sorted.
    pub imports: Vec<(String, String, String)>,
    /// Name and signature (or the kind, if it is not a function), sorted.
    pub exports: Vec<(String, String)>,
    /// Pages of 64 KiB: the initial number, and the maximum if there is one; of the last memory, if there are several.
    pub memory: Option<(u64, Option<u64>)>,
    /// What is in it that no guest may have, in its order.
    pub forbidden: Vec<String>,
    /// The texts that registries look for, by the name of their section; `name` is the module's.
    pub standard: BTreeMap<String, String>,
}

/// A section of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// `code`, or the name of a custom one.
    pub name: String,
    /// Whether engines ignore it.
    pub custom: bool,
    /// Its bytes, without its head.
    pub size: usize,
}

/// The sections of [`crate::StandardMetadata`]; a text in one of them is not longer than this.
const STANDARD: [&str; 7] =
    ["authors", "description", "homepage", "licenses", "revision", "source", "version"];
const MAX_STANDARD: usize = 64 << 10;

/// The most sections, types, imports, functions or exports that are kept: there is a section for the source of each rule.
const MAX_PARTS: usize = 200_000;
/// The most elements of a table.
const MAX_ELEMENTS: u64 = 100_000;
/// The most pages of memory that a guest begins with.
const MAX_PAGES: u64 = 3_072;
/// What is said of forbidden parts, at most.
const MAX_FORBIDDEN: usize = 16;

/// Reads a module.
///
/// # Errors
/// [`MetaError`]: no module, one that ends too early, or a component.
pub fn read_module(wasm: &[u8]) -> Result<ModuleInfo, MetaError> {
    let not_wasm = |e: wasmparser::BinaryReaderError| MetaError::of(&e);
    if Parser::is_component(wasm) {
        return Err(MetaError::Component);
    }
    let (mut types, mut functions, mut named) = (Vec::new(), Vec::new(), Vec::new());
    let mut module = ModuleInfo::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(not_wasm)?;
        within(module.sections.len())?;
        module.section(&payload);
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for kind in group.map_err(not_wasm)?.into_types() {
                        within(types.len())?;
                        types.push(match &kind.composite_type.inner {
                            CompositeInnerType::Func(kind) => signature(kind),
                            _ => "?".to_owned(),
                        });
                    }
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(not_wasm)?;
                    within(module.imports.len())?;
                    let kind_text = match import.ty {
                        TypeRef::Func(index) => {
                            functions.push(index);
                            types.get(index as usize).map_or("?", String::as_str)
                        }
                        other => kind(&other),
                    };
                    let [from, name, kind_text] =
                        [import.module, import.name, kind_text].map(str::to_owned);
                    module.imports.push((from, name, kind_text));
                }
            }
            Payload::FunctionSection(section) => {
                for index in section {
                    within(functions.len())?;
                    functions.push(index.map_err(not_wasm)?);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    within(named.len())?;
                    named.push(export.map_err(not_wasm)?);
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let memory = memory.map_err(not_wasm)?;
                    module.memory(&memory);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    let table = table.map_err(not_wasm)?.ty;
                    if table.table64 || table.initial > MAX_ELEMENTS {
                        let fault = format!("a table of {} elements", table.initial);
                        module.forbid(fault);
                    }
                }
            }
            Payload::StartSection { .. } => module.forbid("a start function".to_owned()),
            Payload::TagSection(_) => module.forbid("exceptions".to_owned()),
            Payload::CustomSection(section) => module.text(&section),
            _ => {}
        }
    }
    for export in named {
        let kind_text = match export.kind {
            ExternalKind::Func => {
                let index = functions.get(export.index as usize);
                index.and_then(|index| types.get(*index as usize)).map_or("?", String::as_str)
            }
            ExternalKind::Memory => "memory",
            ExternalKind::Global => "global",
            ExternalKind::Table => "table",
            _ => "other",
        };
        module.exports.push((export.name.to_owned(), kind_text.to_owned()));
    }
    // The order in the file is a linker's, and means nothing.
    module.imports.sort();
    module.exports.sort();
    Ok(module)
}

/// Whether there is room for one more.
const fn within(kept: usize) -> Result<(), MetaError> {
    if kept < MAX_PARTS { Ok(()) } else { Err(MetaError::TooMuch(MAX_PARTS)) }
}

/// Whether an engine would take the module: sections, types and code are checked, and nothing is
/// run. What a host loads is checked by its engine.
///
/// # Errors
/// [`MetaError`]: no module, or one that ends too early.
pub fn validate(wasm: &[u8]) -> Result<(), MetaError> {
    let checked = Validator::new().validate_all(wasm);
    checked.map(|_| ()).map_err(|e| MetaError::of(&e))
}

/// Whether a module that [`validate`] takes needs an engine with SIMD: without it, it would be invalid.
#[must_use]
pub fn needs_simd(wasm: &[u8]) -> bool {
    let plain = WasmFeatures::default() - WasmFeatures::SIMD - WasmFeatures::RELAXED_SIMD;
    Validator::new_with_features(plain).validate_all(wasm).is_err()
}

const fn kind(of: &TypeRef) -> &'static str {
    match of {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => "function",
        TypeRef::Table(_) => "table",
        TypeRef::Memory(_) => "memory",
        TypeRef::Global(_) => "global",
        TypeRef::Tag(_) => "tag",
    }
}

fn signature(kind: &FuncType) -> String {
    let list = |types: &[wasmparser::ValType]| {
        types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let results = if kind.results().is_empty() { "()".to_owned() } else { list(kind.results()) };
    format!("({}) -> {results}", list(kind.params()))
}

impl ModuleInfo {
    /// Bytes of the sections that engines read.
    #[must_use]
    pub fn engine_bytes(&self) -> usize {
        self.sections.iter().filter(|section| !section.custom).map(|section| section.size).sum()
    }

    fn forbid(&mut self, what: String) {
        if self.forbidden.len() < MAX_FORBIDDEN {
            self.forbidden.push(what);
        }
    }

    fn memory(&mut self, memory: &wasmparser::MemoryType) {
        if self.memory.replace((memory.initial, memory.maximum)).is_some() {
            self.forbid("two memories".to_owned());
        }
        if memory.memory64 {
            self.forbid("64-bit memory".to_owned());
        }
        if memory.shared {
            self.forbid("shared memory".to_owned());
        }
        if memory.page_size_log2.is_some_and(|size| size != 16) {
            self.forbid("memory with pages of another size than 64 KiB".to_owned());
        }
        if memory.initial > MAX_PAGES {
            let pages = memory.initial;
            self.forbid(format!("a memory that begins with {pages} pages, over {MAX_PAGES}"));
        }
    }

    fn section(&mut self, payload: &Payload<'_>) {
        let Some((id, range)) = payload.as_section() else { return };
        let names = [
            "custom",
            "type",
            "import",
            "function",
            "table",
            "memory",
            "global",
            "export",
            "start",
            "element",
            "code",
            "data",
            "data count",
            "tag",
        ];
        let (name, custom) = match payload {
            Payload::CustomSection(section) => (section.name(), true),
            _ => (names.get(usize::from(id)).copied().unwrap_or("unknown"), false),
        };
        self.sections.push(Section { name: name.to_owned(), custom, size: range.len() });
    }

    /// Keeps the first text of each standard section; invalid UTF-8 is left out.
    fn text(&mut self, section: &wasmparser::CustomSectionReader<'_>) {
        let (name, text) = match section.as_known() {
            KnownCustom::Name(names) => {
                let module = names.into_iter().find_map(|name| match name {
                    Ok(Name::Module { name, .. }) => Some(name),
                    _ => None,
                });
                ("name", module)
            }
            _ => (section.name(), std::str::from_utf8(section.data()).ok()),
        };
        let known = name == "name" || STANDARD.contains(&name);
        if let Some(text) = text.filter(|text| known && text.len() <= MAX_STANDARD) {
            self.standard.entry(name.to_owned()).or_insert_with(|| text.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_read_without_running_it() {
        let wasm = wat::parse_str(
            r#"(module $named
                (import "ns" "f" (func (param i32 i64) (result i32)))
                (memory (export "memory") 2 9)
                (global (export "g") i32 (i32.const 1))
                (func (export "h"))
                (@custom "description" "what it does")
                (@custom "description" "twice")
                (@custom "version" "\ff"))"#,
        )
        .unwrap();
        let module = read_module(&wasm).unwrap();
        let text = str::to_owned;
        assert_eq!(module.imports, [(text("ns"), text("f"), text("(i32, i64) -> i32"))]);
        let exports = [("g", "global"), ("h", "() -> ()"), ("memory", "memory")];
        assert_eq!(module.exports, exports.map(|(name, kind)| (text(name), text(kind))));
        assert_eq!(module.memory, Some((2, Some(9))));
        let standard = [("description", "what it does"), ("name", "named")];
        assert_eq!(module.standard, standard.map(|(k, v)| (text(k), text(v))).into());
        assert!(module.sections.iter().any(|s| s.name == "code" && !s.custom));
        assert!(module.engine_bytes() < wasm.len());
        let faults = crate::missing(&module, "other");
        assert!(faults.iter().any(|fault| fault.contains("does not export `decide`")));
        assert!(faults.iter().any(|fault| fault.contains("imports `ns.f`")));
    }

    #[test]
    fn simd_is_found_in_the_code() {
        let body = |ops: &str| wat::parse_str(format!("(module (func {ops}))")).unwrap();
        let relaxed = "v128.const i64x2 0 0 v128.const i64x2 0 0 i8x16.relaxed_swizzle drop";
        for (ops, needs) in
            [("i32.const 1 drop", false), ("v128.const i64x2 0 0 drop", true), (relaxed, true)]
        {
            assert_eq!(validate(&body(ops)), Ok(()), "{ops}");
            assert_eq!(needs_simd(&body(ops)), needs, "{ops}");
        }
    }

    #[test]
    fn an_invalid_module_is_refused() {
        let wasm =
            wat::parse_str("(module (func (export \"f\") (result i32) i32.const 1))").unwrap();
        // A head alone is a module, and so is one that ends behind its types.
        for cut in (1..wasm.len()).filter(|cut| ![8, 15].contains(cut)) {
            assert!(validate(&wasm[..cut]).is_err(), "{cut}");
            let _ = read_module(&wasm[..cut]);
        }
        let component = wat::parse_str("(component)").unwrap();
        assert_eq!(read_module(&component), Err(MetaError::Component));
        let mut twice = wasm.clone();
        twice.extend_from_slice(&wasm[8..]);
        assert!(matches!(validate(&twice), Err(MetaError::NotWasm(_))), "every section twice");
        assert_eq!(validate(&wasm), Ok(()));
    }
}

//! Finds the plan in an artifact, without running it and without a WebAssembly library.
//!
//! In: an artifact's bytes, untrusted. Out: the bytes at the address in its slot. It checks only
//! what it needs for that: decoding a plan checks the plan. It is for engines that
//! run the rules of artifacts themselves, where the libraries that the rest of this crate rests on
//! would be larger than the engine.

use crate::names::{OPTIONS_SLOT, PLAN_SLOT};

const GLOBALS: u8 = 6;
const EXPORTS: u8 = 7;
const DATA: u8 = 11;
const GLOBAL_EXPORT: u8 = 3;
const I32: u8 = 0x7f;
const I32_CONST: u8 = 0x41;
const END: u8 = 0x0b;

/// The plan that is embedded in an artifact.
///
/// # Errors
/// A message: the bytes are not a module, not an artifact, or one with options that only its own
/// pipeline understands.
pub fn plan(wasm: &[u8]) -> Result<&[u8], &'static str> {
    match embedded_plan(wasm)? {
        (plan, false) => Ok(plan),
        (_, true) => Err("built for a pipeline, with options: build the rule without them"),
    }
}

/// The plan that is embedded in an artifact for whatever pipeline, and whether options are beside it.
///
/// # Errors
/// A message: the bytes are not a module, or not an artifact.
pub fn embedded_plan(wasm: &[u8]) -> Result<(&[u8], bool), &'static str> {
    let mut module = Reader(wasm);
    if module.take(8) != Some(b"\0asm\x01\0\0\0") {
        return Err("not a WebAssembly core module");
    }
    let (mut globals, mut exports, mut data) = (None, None, None);
    while !module.0.is_empty() {
        let cut = "a WebAssembly module that ends too early or is damaged";
        let id = module.byte().ok_or(cut)?;
        let body = module.sized().ok_or(cut)?;
        match id {
            GLOBALS => globals = Some(body),
            EXPORTS => exports = Some(body),
            DATA => data = Some(body),
            _ => {}
        }
    }
    let none = "a WebAssembly module, but not a rule: it has no plan";
    let (globals, exports, data) = (globals.ok_or(none)?, exports.ok_or(none)?, data.ok_or(none)?);
    let slot = |name: &str| constant(globals, exported(exports, name)?);
    let options = slot(OPTIONS_SLOT).and_then(|slot| embedded(data, slot));
    let plan = slot(PLAN_SLOT).and_then(|slot| embedded(data, slot));
    let plan = plan.filter(|plan| !plan.is_empty()).ok_or(none)?;
    Ok((plan, options.is_some_and(|found| !found.is_empty())))
}

/// The index of an exported global.
fn exported(exports: &[u8], name: &str) -> Option<u32> {
    let mut exports = Reader(exports);
    for _ in 0..exports.number()? {
        let found = exports.sized()?;
        let (kind, index) = (exports.byte()?, exports.number()?);
        if kind == GLOBAL_EXPORT && found == name.as_bytes() {
            return Some(index);
        }
    }
    None
}

/// The value of a global that is a constant i32. Engines import none, so that indexes begin here.
fn constant(globals: &[u8], index: u32) -> Option<u32> {
    let mut globals = Reader(globals);
    let count = globals.number()?;
    if index >= count {
        return None;
    }
    for at in 0..=index {
        let (kind, _mutable) = (globals.byte()?, globals.byte()?);
        if kind != I32 {
            return None;
        }
        let value = globals.constant()?;
        if at == index {
            return Some(value);
        }
    }
    None
}

/// The segment whose address was written to the slot: the last write counts.
fn embedded(data: &[u8], slot: u32) -> Option<&[u8]> {
    let written = segments(data)?.filter(|(at, bytes)| *at == slot && bytes.len() == 8).last()?.1;
    let word = |at: usize| Some(u32::from_le_bytes(written.get(at..at + 4)?.try_into().ok()?));
    let (address, length) = (word(0)?, word(4)?);
    let mut found = segments(data)?;
    found.find(|(at, bytes)| *at == address && bytes.len() == length as usize).map(|(_, b)| b)
}

/// Each active segment's address and bytes, as far as they can be read.
fn segments(data: &[u8]) -> Option<impl Iterator<Item = (u32, &[u8])>> {
    let mut data = Reader(data);
    let mut left = data.number()?;
    Some(std::iter::from_fn(move || {
        loop {
            left = left.checked_sub(1)?;
            match data.number()? {
                0 => {
                    let at = data.constant()?;
                    return Some((at, data.sized()?));
                }
                // A passive segment has no address yet.
                1 => drop(data.sized()?),
                _ => return None,
            }
        }
    }))
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// LEB128 of 32 bits. Read as unsigned; a signed one comes out as the same 32 bits where it has
    /// the five bytes that a number over 2^28 needs, and `constant` completes shorter ones.
    fn number(&mut self) -> Option<u32> {
        self.leb().map(|(value, _)| value)
    }

    fn leb(&mut self) -> Option<(u32, Option<u32>)> {
        let mut value = 0u32;
        for shift in [0u32, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // Bits above what was read, set where a signed number is below 0.
                let above = (byte & 0x40 != 0).then(|| u32::MAX.checked_shl(shift + 7)).flatten();
                return Some((value, above));
            }
        }
        None
    }

    /// `i32.const N; end`.
    fn constant(&mut self) -> Option<u32> {
        if self.byte()? != I32_CONST {
            return None;
        }
        let (value, above) = self.leb()?;
        (self.byte()? == END).then_some(value | above.unwrap_or(0))
    }

    /// As many bytes as the number before them says.
    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length as usize)
    }
}

#[cfg(all(test, feature = "compose"))]
mod tests {
    use super::*;
    use crate::{ArtifactParts, StandardMetadata, compose};

    fn made(pages: u32, plan: &[u8], options: &[u8]) -> Vec<u8> {
        let text = format!(
            r#"(module
            (memory (export "memory") {pages})
            (global i32 (i32.const -1))
            (global (export "FIRSTSEEN_PLAN") i32 (i32.const 1024))
            (global (export "FIRSTSEEN_OPTIONS") i32 (i32.const 1040))
            (data "passive")
            (data (i32.const 1024) "\00\00\00\00\00\00\00\00"))"#
        );
        compose(&ArtifactParts {
            engine: &wat::parse_str(text).unwrap(),
            engine_version: "0.1.0",
            abi: 1,
            plan,
            options,
            target: "",
            renamed: None,
            rules: &[],
            sources: &[],
            standard: &StandardMetadata { name: "n".to_owned(), ..StandardMetadata::default() },
        })
        .unwrap()
    }

    #[test]
    fn the_plan_is_what_compose_embedded() {
        // 2^31 and above are negative as constants; 64 pages end where LEB128 changes its length.
        for pages in [1, 2, 64, 1023, 32_768, 40_000] {
            for length in [1, 63, 64, 127, 128, 65_536, 70_000] {
                let content = vec![7u8; length];
                assert_eq!(plan(&made(pages, &content, b"")), Ok(&content[..]), "{pages} {length}");
            }
        }
    }

    #[test]
    fn a_module_without_a_usable_plan_is_refused() {
        assert!(plan(b"[rule]").unwrap_err().contains("not a WebAssembly"));
        assert!(plan(b"\0asm\x0d\0\x01\0").unwrap_err().contains("not a WebAssembly"));
        assert!(plan(b"\0asm\x01\0\0\0").unwrap_err().contains("not a rule"));
        assert!(plan(&made(1, b"plan", b"{}")).unwrap_err().contains("options"));
        assert!(plan(&made(1, b"", b"")).unwrap_err().contains("not a rule"));
        let wasm = made(1, b"plan", b"");
        for cut in 0..wasm.len() {
            // Behind the data section only descriptions follow.
            assert!(plan(&wasm[..cut]).is_err() || plan(&wasm[..cut]) == Ok(b"plan"), "{cut}");
        }
        for at in 0..wasm.len() {
            let mut changed = wasm.clone();
            changed[at] ^= 0xff;
            let _ = plan(&changed);
        }
    }
}

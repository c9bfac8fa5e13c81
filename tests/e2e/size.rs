//! How large an artifact is: it travels with pipelines, in requests and configuration stores.
//!
//! In: the flagship's artifact. Out: a verdict on its bytes beside the custom sections, which hold
//! text (the rule's source, its metadata) and are never loaded into an engine's memory.

use crate::build::{FLAGSHIP, build};
use crate::support::{Folder, repository};

/// Ids of sections.
const CUSTOM: u8 = 0;
const CODE: u8 = 10;

/// Bytes beside the custom sections. Lower it when the engine gets smaller.
const LIMIT: usize = 415_000;

/// The sections of a module: id and bytes, the section's own head included.
fn sections(module: &[u8]) -> Vec<(u8, usize)> {
    let mut rest = module.strip_prefix(b"\0asm\x01\0\0\0").expect("a module of version 1");
    let mut sections = Vec::new();
    while let Some((&id, mut behind)) = rest.split_first() {
        let mut length = 0;
        for shift in (0..35).step_by(7) {
            let (&byte, next) = behind.split_first().expect("the length of a section");
            behind = next;
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        let next = behind.get(length..).expect("a section that ends inside the module");
        sections.push((id, rest.len() - next.len()));
        rest = next;
    }
    sections
}

#[test]
fn the_flagship_is_small_beside_its_text() {
    let folder = Folder::new();
    let path = folder.path("flagship.wasm");
    build(&repository(FLAGSHIP), &path);
    let sections = sections(&std::fs::read(&path).unwrap());
    assert!(sections.iter().any(|(id, _)| *id == CODE), "{sections:?}");
    let beside: usize = sections.iter().filter(|(id, _)| *id != CUSTOM).map(|(_, size)| size).sum();
    assert!(beside <= LIMIT, "{beside} bytes, {LIMIT} are allowed: {sections:?}");
}

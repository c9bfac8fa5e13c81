//! The size of an artifact, which users send in requests and keep in configuration stores.
//!
//! In: the flagship's artifact. Out: whether its bytes without the custom sections are within the
//! limit. Custom sections contain text (the rule's source, its metadata) that no engine loads into
//! memory.

use crate::build::{FLAGSHIP, build};
use crate::support::{Folder, repository};

/// Section ids.
const CUSTOM: u8 = 0;
const CODE: u8 = 10;

/// The limit in bytes, without custom sections. Lower it when the engine gets smaller.
const LIMIT: usize = 549_000;

/// The sections of a module: id and size in bytes, including the section's header.
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
fn flagship_module_stays_within_its_size_limit() {
    let folder = Folder::new();
    let path = folder.path("flagship.wasm");
    build(&repository(FLAGSHIP), &path);
    let sections = sections(&std::fs::read(&path).unwrap());
    assert!(sections.iter().any(|(id, _)| *id == CODE), "{sections:?}");
    let beside: usize = sections.iter().filter(|(id, _)| *id != CUSTOM).map(|(_, size)| size).sum();
    assert!(beside <= LIMIT, "{beside} bytes, {LIMIT} are allowed: {sections:?}");
}

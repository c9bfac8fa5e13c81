//! A signed file that was changed anywhere is refused, whatever the change.
//!
//! In: a signed module. Out: whether every change of it is refused, without a panic.

use firstseen_signature::{SigningKey, VerifyingKey, check, sign, signers, unsigned};
use proptest::prelude::*;

fn leb(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [vec![id], leb(content.len()), content.to_vec()].concat()
}

fn custom(name: &str, data: &[u8]) -> Vec<u8> {
    section(0, &[&leb(name.len()), name.as_bytes(), data].concat())
}

/// A module of several sections.
fn sections() -> Vec<Vec<u8>> {
    vec![
        section(1, b"\x01\x60\0\x01\x7f"),
        section(3, b"\x01\0"),
        section(5, b"\x01\0\x01"),
        section(7, b"\x01\x01f\0\0"),
        section(10, b"\x01\x04\0\x41\x07\x0b"),
        section(11, b"\x01\0\x41\0\x0b\x05hello"),
        custom("firstseen.rules", &[b'r'; 500]),
        custom("firstseen.source", &[b's'; 200]),
        custom("empty", b""),
    ]
}

fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32]).unwrap()
}

struct Scene {
    signed: Vec<u8>,
    /// Of the signed file, the signature first.
    sections: Vec<Vec<u8>>,
    keys: [VerifyingKey; 2],
}

fn scene() -> Scene {
    let plain = module(&sections());
    let signed = sign(&plain, &key(1)).unwrap().unwrap();
    let signature = signed[8..signed.len() - (plain.len() - 8)].to_vec();
    let sections = std::iter::once(signature).chain(sections()).collect();
    let keys = [key(1).public(), key(2).public()];
    assert_eq!(check(&signed, &keys).unwrap(), [&keys[0]]);
    Scene { signed, sections, keys }
}

impl Scene {
    #[track_caller]
    fn refused(&self, changed: &[u8], what: &str) {
        assert!(changed != self.signed, "{what}: nothing was changed");
        assert!(check(changed, &self.keys).is_err(), "{what}: taken");
        // What reads less does not panic either.
        let _ = (signers(changed), unsigned(changed), sign(changed, &key(2)));
    }
}

#[test]
fn every_byte_counts() {
    let scene = scene();
    for at in 0..scene.signed.len() {
        for bit in [1, 0x80] {
            let mut changed = scene.signed.clone();
            changed[at] ^= bit;
            scene.refused(&changed, &format!("byte {at} ^ {bit}"));
        }
        scene.refused(&scene.signed[..at], &format!("cut at {at}"));
    }
    for at in (0..=scene.signed.len()).step_by(7) {
        for more in [0, 1, 0x80, 0xff] {
            let mut changed = scene.signed.clone();
            changed.insert(at, more);
            // Beside an equal byte it is the same file but for its end.
            scene.refused(&changed, &format!("{more} before byte {at}"));
        }
        if at < scene.signed.len() {
            let mut changed = scene.signed.clone();
            changed.remove(at);
            scene.refused(&changed, &format!("without byte {at}"));
        }
    }
}

#[test]
fn every_section_counts() {
    let scene = scene();
    let of = |sections: &[Vec<u8>]| [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat();
    assert_eq!(of(&scene.sections), scene.signed);
    for at in 0..scene.sections.len() {
        let mut less = scene.sections.clone();
        let one = less.remove(at);
        scene.refused(&of(&less), &format!("without section {at}"));
        for to in (0..=less.len()).filter(|to| *to != at) {
            let mut moved = less.clone();
            moved.insert(to, one.clone());
            scene.refused(&of(&moved), &format!("section {at} moved to {to}"));
        }
        for to in 0..=scene.sections.len() {
            let mut twice = scene.sections.clone();
            twice.insert(to, one.clone());
            scene.refused(&of(&twice), &format!("section {at} again at {to}"));
            let mut more = scene.sections.clone();
            more.insert(to, custom("more", b"x"));
            scene.refused(&of(&more), &format!("a section more at {to}"));
        }
    }
}

#[test]
fn a_signature_of_something_else_is_refused() {
    let scene = scene();
    let other = sign(&module(&sections()[1..]), &key(1)).unwrap().unwrap();
    let other_signature = &other[8..8 + scene.sections[0].len()];
    let of = |first: &[&[u8]]| {
        [b"\0asm\x01\0\0\0", first.concat().as_slice(), sections().concat().as_slice()].concat()
    };
    scene.refused(&of(&[other_signature]), "the signature of another file");
    scene.refused(&of(&[&scene.sections[0], other_signature]), "two signatures");
    scene.refused(
        &of(&[other_signature, &scene.sections[0]]),
        "two signatures, the wrong one first",
    );
    let by_3 = sign(&module(&sections()), &key(3)).unwrap().unwrap();
    scene.refused(&by_3, "signed by a key that is not asked for");
    // A signature by key 3 that names key 1.
    let (mut lie, id) = (scene.signed.clone(), by_3.len() - module(&sections()).len());
    lie[8 + id - 64..8 + id].copy_from_slice(&by_3[8 + id - 64..8 + id]);
    scene.refused(&lie, "a signature that names a key which did not make it");
    assert!(check(&lie, &scene.keys).unwrap_err().to_string().contains("did not make it"));
}

/// Lengths and counts that claim more than there is.
#[test]
fn claims_are_not_believed() {
    let scene = scene();
    let huge = [
        &[0xff, 0xff, 0xff, 0xff, 0x0f][..],
        &[0xff; 10],
        &[0x80, 0x80, 0x80, 0x80, 0x00],
        &[0xc0, 0x84, 0x3d],
    ];
    let signature = &scene.sections[0];
    // Each byte of the signature is the place of a length or a count, or is not; all are tried.
    for at in 0..signature.len().min(70) {
        for claim in huge {
            let lies = [&signature[..at], claim, &signature[at + 1..]].concat();
            let whole =
                [b"\0asm\x01\0\0\0", lies.as_slice(), sections().concat().as_slice()].concat();
            scene.refused(&whole, &format!("a claim at byte {at} of the signature"));
            // The section as long as it is, so that what is inside is read.
            let name_and_data = &signature[3..];
            if let Some(at) = at.checked_sub(3) {
                let inside = [&name_and_data[..at], claim, &name_and_data[at + 1..]].concat();
                let whole = [b"\0asm\x01\0\0\0".to_vec(), section(0, &inside), sections().concat()]
                    .concat();
                scene.refused(&whole, &format!("a claim at byte {at} inside"));
            }
        }
    }
    // Longer spellings of the same: they would be other bytes with the same meaning.
    let content = &signature[3..];
    let padded = [vec![0, signature[1], signature[2] | 0x80, 0], content.to_vec()].concat();
    let whole = [b"\0asm\x01\0\0\0".to_vec(), padded, sections().concat()].concat();
    scene.refused(&whole, "a longer spelling of the section's length");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_at_all_is_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..300), with_header: bool, with_name: bool,
    ) {
        let bytes = if with_name { custom("signature", &bytes) } else { bytes };
        let whole = if with_header { [b"\0asm\x01\0\0\0".to_vec(), bytes].concat() } else { bytes };
        prop_assert!(check(&whole, &[key(1).public()]).is_err());
        let _ = (signers(&whole), unsigned(&whole));
    }
}

//! Whether all damage is found, whatever it is, and nothing is written.

use super::super::MAGIC;
use super::*;
use crate::state::{StateStore, StateWrite};
use proptest::prelude::*;
use std::io::Write;

#[test]
fn damage_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.redb");
    let mut state = Redb::open(&path).unwrap();
    let good = firstseen_rule::state::TermState::seen(1, 2).unwrap().write("[\"a\"]");
    let key = format!("t:r:f:{}", "0".repeat(32));
    let write = |key, value| StateWrite { key, expected: None, value, expires_ms: 10 };
    state.apply(&mut std::iter::once(write(key.as_bytes(), &good))).unwrap();
    state.commit().unwrap();
    drop(state);
    let found = Redb::verify(&path).unwrap();
    assert_eq!((found.terms, found.rules), (1, 1));
    assert!(found.faults.is_empty() && !found.needs_repair, "{found:?}");

    let mut state = Redb::open(&path).unwrap();
    let bad = [write(b"nothing", &good), write(b"t:r:f:x", &[9, 1])];
    state.apply(&mut bad.into_iter()).unwrap();
    state.commit().unwrap();
    drop(state);
    let before = std::fs::read(&path).unwrap();
    let found = Redb::verify(&path).unwrap();
    assert_eq!(found.faults.len(), 3, "{found:?}");
    for word in ["nothing", "x: it is not TENANT", "newer engine"] {
        assert!(found.faults.iter().any(|fault| fault.contains(word)), "{word}: {found:?}");
    }
    assert!(std::fs::read(&path).unwrap() == before);
}

/// Whatever byte of the file is another one, it is told or it does not matter: no panic.
#[test]
fn a_flipped_byte_is_told_or_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.redb");
    let mut state = Redb::open(&path).unwrap();
    let good = firstseen_rule::state::TermState::seen(1, 2).unwrap().write("[\"needle\"]");
    let key = format!("t:r:f:{}", "0".repeat(32));
    let write = StateWrite { key: key.as_bytes(), expected: None, value: &good, expires_ms: 10 };
    state.apply(&mut std::iter::once(write)).unwrap();
    state.commit().unwrap();
    drop(state);
    let bytes = std::fs::read(&path).unwrap();
    let needle = memchr::memmem::find_iter(&bytes, b"needle").last().unwrap();
    let mut told = 0;
    for at in (0..bytes.len()).step_by(997).chain([needle]) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, &damaged).unwrap();
        let found = Redb::verify(&path);
        let is_told =
            found.as_ref().map_or(true, |found| !found.faults.is_empty() || found.needs_repair);
        told += u32::from(is_told);
        assert!(at != needle || is_told, "{found:?}");
    }
    assert!(told > 1);
}

proptest! {
    /// The layer is a file of which the one below knows nothing.
    #[test]
    fn what_is_written_is_read_and_the_file_stays(
        first in prop::collection::vec(any::<u8>(), 0..9000),
        writes in prop::collection::vec((0u64..12_000, prop::collection::vec(any::<u8>(), 1..5000), any::<bool>()), 0..8),
    ) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&first).unwrap();
        let length = first.len() as u64;
        let state = Mutex::new(Layer { length, pages: BTreeMap::new() });
        let layer = MemoryLayer { file: file.try_clone().unwrap(), state };
        let mut model = first.clone();
        for (offset, data, cuts) in writes {
            if cuts {
                layer.set_len(offset).unwrap();
                model.resize(offset as usize, 0);
                continue;
            }
            let end = offset as usize + data.len();
            if model.len() < end {
                layer.set_len(end as u64).unwrap();
                model.resize(end, 0);
            }
            layer.write(offset, &data).unwrap();
            model[offset as usize..end].copy_from_slice(&data);
        }
        prop_assert_eq!(layer.len().unwrap(), model.len() as u64);
        let mut all = vec![1; model.len()];
        layer.read(0, &mut all).unwrap();
        prop_assert!(all == model);
        prop_assert!(layer.read(1, &mut all).is_err() || all.is_empty());
        let mut below = vec![0; first.len()];
        file.read_exact_at(&mut below, 0).unwrap();
        prop_assert!(below == first);
    }
}

/// Of a file that begins as a state does, whatever is in it is a finding: never that it is no state, nor
/// that it could not be read.
#[test]
fn damage_is_a_finding_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut store = Redb::open(&path).unwrap();
    let prefix = "default:r1:0123456789abcdef:0123456789abcdef0123456789abcd";
    for n in 0..50 {
        let (key, value) = (format!("{prefix}{n:02}"), [n; 60]);
        let write =
            StateWrite { key: key.as_bytes(), expected: None, value: &value, expires_ms: 9 };
        store.apply(&mut std::iter::once(write)).unwrap();
    }
    store.commit().unwrap();
    drop(store);
    let good = std::fs::read(&path).unwrap();
    let (mut found, mut wrong) = (0, Vec::new());
    let mut verify = |what: String, bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        match Redb::verify(&path) {
            Ok(state) => found += usize::from(!state.faults.is_empty()),
            Err(StateError::Corrupt { .. }) => found += 1,
            Err(error) => wrong.push(format!("{what}: {error}")),
        }
    };
    let flips = (MAGIC.len()..320).chain((320..good.len()).step_by(331));
    for at in flips {
        let mut bytes = good.clone();
        bytes[at] ^= 0x5a;
        verify(format!("byte {at}"), &bytes);
    }
    for length in (MAGIC.len()..good.len()).step_by(1999) {
        verify(format!("cut at {length}"), &good[..length]);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(found > 50, "{found}");
}

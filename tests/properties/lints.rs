//! The lints of the pure crates: the same block in each.
//!
//! In: `src/lib.rs` of each crate in `crates/`. Out: a failure that names the crates without the
//! block. Cargo has one table of lints for a workspace and no second one for some of its members, and
//! no table that leaves tests out; so the block is written in each crate, and this holds it.

use std::path::Path;

const BLOCK: &str = "\
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::string_slice
    )
)]
";

#[test]
fn each_pure_crate_has_the_same_lints() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let folders = crates.read_dir().expect("the folder of the pure crates");
    let folders = folders.map(|entry| entry.expect("an entry of that folder").path());
    let folders: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    assert!(folders.len() > 8, "{folders:?}");
    for folder in folders {
        let text = std::fs::read_to_string(folder.join("src/lib.rs"));
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        assert!(
            text.contains(BLOCK),
            "{}: src/lib.rs has not the block of lints",
            folder.display()
        );
    }
}

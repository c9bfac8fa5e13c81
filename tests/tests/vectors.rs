//! The vectors in `tests/vectors` are what the native engine answers, and it answers what is said
//! of them in `tests/src/vectors`. After a change that is meant:
//! `FIRSTSEEN_WRITE=1 cargo test -p firstseen-tests --test vectors`, and read the difference.

use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn the_files_are_what_the_engine_answers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let vectors = firstseen_tests::vectors::all();
    let bytes: usize = vectors.values().map(String::len).sum();
    assert!(bytes < 1_000_000, "{bytes} bytes are too much for the repository");
    let is_vector = |path: &Path| path.extension().is_some_and(|end| end == "json");
    let paths = std::fs::read_dir(&folder).expect("the folder").map(|entry| entry.unwrap().path());
    let mut files: BTreeMap<String, String> = paths
        .filter(|path| is_vector(path))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    if std::env::var_os("FIRSTSEEN_WRITE").is_some() {
        for name in files.keys().filter(|name| !vectors.contains_key(*name)) {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
        for (name, text) in vectors {
            std::fs::write(folder.join(name), text).unwrap();
        }
        return;
    }
    for (name, text) in &vectors {
        let file = files.remove(name);
        assert!(
            file.as_deref() == Some(text),
            "{name} is not as generated; see the head of {}",
            file!()
        );
    }
    assert!(files.is_empty(), "no case is called so: {:?}", files.keys());
}

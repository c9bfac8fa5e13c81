//! The files in `tests/vectors` are the native engine's results, which `tests/src/vectors` compares
//! with the expectations. After an intended change, run
//! `FIRSTSEEN_WRITE=1 cargo test -p firstseen-tests --test vectors` and read the diff.

use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn vector_files_are_up_to_date() {
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
            "{name} is out of date; see the first lines of {}",
            file!()
        );
    }
    assert!(files.is_empty(), "no case has these names: {:?}", files.keys());
}

//! Test files and rules among paths.
//!
//! In: files and folders, as typed. Out: the test files in order, and the rules that were met on the
//! way. A test file is called `x.test.toml`. Hidden folders and those marked as a cache are left out.

use super::subject::{is_artifact, read_text};
use crate::observe::place::input_name;
use anyhow::{Context, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How the name of a test file ends.
const ENDING: &str = ".test.toml";
/// Folders inside folders.
const MAX_DEPTH: usize = 64;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Test files, in the order of the arguments and within a folder by path, each once.
    pub(super) tests: Vec<PathBuf>,
    /// Rules as TOML or as artifacts, which should have a test.
    pub(super) rules: Vec<PathBuf>,
    /// The folders that were walked.
    pub(super) folders: Vec<PathBuf>,
}

/// Finds test files and rules.
///
/// # Errors
/// A path that is not there, or cannot be a rule or a test.
pub(super) fn find(paths: &[PathBuf]) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for path in paths {
        let name = || input_name(&path.to_string_lossy());
        let meta = std::fs::metadata(path).with_context(name)?;
        if meta.is_dir() {
            walk(path, 0, &mut found)?;
        } else if stem(path).is_some() {
            found.tests.push(path.clone());
        } else if is_artifact(path) || path.extension().is_some_and(|e| e == "toml") {
            found.rules.push(path.clone());
            let test = path.with_extension("test.toml");
            if test.exists() {
                found.tests.push(test);
            }
        } else {
            bail!("{}: neither a test (x.test.toml) nor a rule (x.toml, x.wasm)", name());
        }
    }
    once(&mut found.tests);
    once(&mut found.rules);
    Ok(found)
}

/// Keeps the first of those that are the same file.
fn once(paths: &mut Vec<PathBuf>) {
    let mut known = BTreeSet::new();
    paths.retain(|path| known.insert(same(path)));
}

/// The name under which a file is known, whichever way it was reached.
pub(super) fn same(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn walk(folder: &Path, depth: usize, found: &mut Found) -> anyhow::Result<()> {
    let name = || input_name(&folder.to_string_lossy());
    if depth > MAX_DEPTH {
        bail!("{}: over {MAX_DEPTH} folders deep", name());
    }
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(name)? {
        entries.push(entry.with_context(name)?);
    }
    entries.sort_by_key(std::fs::DirEntry::file_name);
    // What a build leaves behind holds copies; tools mark such folders.
    if depth > 0 && entries.iter().any(|entry| entry.file_name() == "CACHEDIR.TAG") {
        return Ok(());
    }
    found.folders.push(folder.to_owned());
    for entry in entries {
        // `.` alone is no prefix worth showing.
        let path =
            if folder == Path::new(".") { PathBuf::from(entry.file_name()) } else { entry.path() };
        let kind = entry.file_type().with_context(|| path.display().to_string())?;
        if kind.is_dir() {
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                walk(&path, depth + 1, found)?;
            }
        } else if stem(&path).is_some() {
            found.tests.push(path);
        } else if path.extension().is_some_and(|e| e == "toml") && is_rule(&path) {
            found.rules.push(path);
        }
    }
    Ok(())
}

/// Whether a TOML file says that it is a new_terms rule. What cannot be read is none: it was not
/// named, so it need not be one.
fn is_rule(path: &Path) -> bool {
    let text = read_text(path).unwrap_or_default();
    let table: Option<toml::Table> = toml::from_str(&text).ok();
    let kind = table.as_ref().and_then(|t| t.get("rule")?.get("type")?.as_str());
    kind == Some("new_terms")
}

/// The name of a test file before its ending.
fn stem(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(ENDING).filter(|stem| !stem.is_empty())
}

/// The rule that a test is of: what it names, else its neighbour of the same stem.
///
/// # Errors
/// Where it names none and there is no neighbour.
pub(super) fn rule_of(test: &Path, named: Option<&str>) -> anyhow::Result<PathBuf> {
    let folder = test.parent().unwrap_or(Path::new(""));
    if let Some(named) = named {
        return Ok(folder.join(named));
    }
    let stem = stem(test).unwrap_or_default();
    let beside = ["toml", "wasm"].map(|ending| folder.join(format!("{stem}.{ending}")));
    match beside.iter().find(|path| path.exists()) {
        Some(path) => Ok(path.clone()),
        None => bail!("there is no {stem}.toml and no {stem}.wasm beside it: name one with `rule`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_in_order_without_what_is_hidden_or_cached() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let rule = "[rule]\ntype = 'new_terms'";
        for (name, text) in [
            ("b.toml", rule),
            ("b.test.toml", ""),
            ("a/c.test.toml", ""),
            ("a/c.toml", "[rule]\ntype = 'query'"),
            ("a/Cargo.toml", "[package]"),
            ("a/broken.toml", "["),
            (".hidden/d.test.toml", ""),
            ("target/CACHEDIR.TAG", ""),
            ("target/e.test.toml", ""),
            (".test.toml", ""),
        ] {
            write(name, text);
        }
        let found = find(&[folder.path().to_owned(), folder.path().join("b.toml")]).unwrap();
        let names = |paths: &[PathBuf]| -> Vec<String> {
            let relative =
                |p: &PathBuf| p.strip_prefix(folder.path()).unwrap().display().to_string();
            paths.iter().map(relative).collect()
        };
        assert_eq!(names(&found.tests), ["a/c.test.toml", "b.test.toml"]);
        assert_eq!(names(&found.rules), ["b.toml"]);
        assert!(find(&[folder.path().join("none")]).is_err());
    }
}

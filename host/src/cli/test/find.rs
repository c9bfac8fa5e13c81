//! Test files and rules among paths.
//!
//! In: files and folders, as typed. Out: the test files in order, and the rules that were met on the
//! way. A test file is called `x.test.toml`. Hidden folders and those marked as a cache are left out.

use super::subject::is_artifact;
use crate::files::read_text;
use crate::files::shown;
use crate::rules::find::TEST_ENDING;
use crate::walk::{Walk, WalkEntry};
use anyhow::{Context, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FoundTests {
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
pub(super) fn find(paths: &[PathBuf]) -> anyhow::Result<FoundTests> {
    let mut found = FoundTests::default();
    for path in paths {
        let name = || shown(path);
        let meta = std::fs::metadata(path).with_context(name)?;
        if meta.is_dir() {
            walk(path, &mut found)?;
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

fn walk(root: &Path, found: &mut FoundTests) -> anyhow::Result<()> {
    for entry in Walk::Kept.folder(root) {
        let WalkEntry { path, meta, .. } = match entry {
            Ok(entry) => entry,
            Err(fault) => bail!("{}: {}", shown(&fault.path), fault.error),
        };
        // `.` alone is no prefix worth showing.
        let path = match path.strip_prefix(".") {
            Ok(below) if root == Path::new(".") && below != Path::new("") => below.to_path_buf(),
            _ => path,
        };
        if meta.is_dir() {
            found.folders.push(path);
        } else if stem(&path).is_some() {
            found.tests.push(path);
        } else if path.extension().is_some_and(|e| e == "toml") && is_rule(&path) {
            found.rules.push(path);
        }
    }
    Ok(())
}

/// The other types of Elastic's rules: those are not meant to be built.
const OTHER_TYPES: [&str; 7] =
    ["eql", "esql", "machine_learning", "query", "saved_query", "threat_match", "threshold"];

/// Whether a TOML file has a rule that should build: a `[rule]`, also in TOML with a mistake in it. It
/// was not named, so it need not be one.
fn is_rule(path: &Path) -> bool {
    let text = read_text(path).unwrap_or_default();
    match toml::from_str::<toml::Table>(&text) {
        Ok(table) => {
            let rule = table.get("rule").and_then(toml::Value::as_table);
            let kind = rule.and_then(|rule| rule.get("type")?.as_str());
            rule.is_some() && !kind.is_some_and(|kind| OTHER_TYPES.contains(&kind))
        }
        Err(_) => text.lines().any(|line| line.trim_end() == "[rule]"),
    }
}

/// The name of a test file before its ending.
fn stem(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(TEST_ENDING).filter(|stem| !stem.is_empty())
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
            ("a/mistake.toml", "[rule]\ntype = "),
            ("a/misspelled.toml", "[rule]\ntype = 'new_term'"),
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
        assert_eq!(names(&found.rules), ["a/misspelled.toml", "a/mistake.toml", "b.toml"]);
        assert!(find(&[folder.path().join("none")]).is_err());
    }
}

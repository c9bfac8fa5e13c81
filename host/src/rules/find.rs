//! Paths behind `--rule` to the rules of a run.
//!
//! In: files, folders and addresses in registries. Out: artifacts and rules' sources, in the order of the arguments and by name
//! inside a folder. Of a folder the artifacts count; rule files only where it has none. It opens no
//! file.

use crate::files::shown;
use crate::registry::reference::{RegistryReference, is_reference};
use crate::walk::Walk;
use anyhow::{anyhow, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// How the name of a rule's test ends.
pub const TEST_ENDING: &str = ".test.toml";

/// A rule that is to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulePath {
    /// An artifact.
    Artifact(PathBuf),
    /// An artifact in a registry.
    Registry {
        /// As it was given.
        path: PathBuf,
        /// What it names.
        reference: RegistryReference,
    },
    /// A rule.toml, to be built in memory.
    Source {
        /// The file.
        path: PathBuf,
        /// It is in a folder, where it may turn out to be no rule at all.
        in_folder: bool,
    },
}

impl RulePath {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Artifact(path) | Self::Registry { path, .. } | Self::Source { path, .. } => path,
        }
    }
}

/// Finds the rules.
///
/// # Errors
/// A path that is not there, a folder that cannot be read or has no rules.
pub fn find(args: &[PathBuf]) -> anyhow::Result<Vec<RulePath>> {
    let mut rules = Vec::new();
    for path in args {
        if is_reference(path) {
            let reference = RegistryReference::read(path)?;
            rules.push(RulePath::Registry { path: path.clone(), reference });
            continue;
        }
        let name = shown(path);
        let meta = std::fs::metadata(path)
            .map_err(|e| anyhow!("rule {name}: {e}{}", spelling_hint(path)))?;
        if meta.is_dir() {
            walk(path, &mut rules)?;
        } else if has_ending(path, "toml") {
            rules.push(RulePath::Source { path: path.clone(), in_folder: false });
        } else {
            rules.push(RulePath::Artifact(path.clone()));
        }
    }
    Ok(rules)
}

/// How an address is written, where a path that is not there may be meant for one.
fn spelling_hint(path: &Path) -> String {
    let address = RegistryReference::meant_by(path);
    address
        .map_or_else(String::new, |address| format!("; a rule in a registry is written {address}"))
}

/// Whether a name is that of a rule's test.
pub fn is_test(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(TEST_ENDING.as_bytes())
}

fn walk(root: &Path, rules: &mut Vec<RulePath>) -> anyhow::Result<()> {
    let (mut artifacts, mut sources) = (Vec::new(), Vec::new());
    for entry in Walk::Kept.folder(root) {
        let path = match entry {
            Ok(entry) => entry.path,
            Err(fault) => bail!("rule {}: {}", shown(&fault.path), fault.error),
        };
        if has_ending(&path, "wasm") && path.is_file() {
            artifacts.push(RulePath::Artifact(path));
        } else if has_ending(&path, "toml") && !is_test(path.as_os_str()) && path.is_file() {
            sources.push(RulePath::Source { path, in_folder: true });
        }
    }
    if artifacts.is_empty() && sources.is_empty() {
        bail!("rule {}: no rule in this folder: no file *.wasm and no rule.toml", shown(root));
    }
    rules.append(if artifacts.is_empty() { &mut sources } else { &mut artifacts });
    Ok(())
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|of_path| of_path == ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_folder_artifacts_count_and_rule_files_where_there_are_none() {
        let root = tempfile::tempdir().unwrap();
        for name in ["both/a.toml", "both/b.wasm", "both/c/d.wasm", "src/a.toml", "src/a.test.toml"]
        {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::fs::create_dir(root.path().join("none")).unwrap();
        let found = |names: &[&str]| {
            let paths: Vec<_> = names.iter().map(|name| root.path().join(name)).collect();
            find(&paths).map_err(|e| e.to_string()).map(|rules| {
                let below = |rule: &RulePath| {
                    let path = rule.path().strip_prefix(root.path()).unwrap().display().to_string();
                    let kind = match rule {
                        RulePath::Artifact(_) => "",
                        RulePath::Registry { .. } => ", in a registry",
                        RulePath::Source { in_folder: false, .. } => ", source",
                        RulePath::Source { in_folder: true, .. } => ", found",
                    };
                    path + kind
                };
                rules.iter().map(below).collect::<Vec<_>>()
            })
        };
        assert_eq!(found(&["both"]).unwrap(), ["both/b.wasm", "both/c/d.wasm"]);
        assert_eq!(
            found(&["src", "both/a.toml"]).unwrap(),
            ["src/a.toml, found", "both/a.toml, source"]
        );
        assert!(found(&["none"]).unwrap_err().contains("no rule in this folder"));
        let error = found(&["missing.wasm"]).unwrap_err();
        assert!(error.contains("missing.wasm") && !error.contains("registry"), "{error}");
        let error = find(&["ghcr.io/team/one:1".into()]).unwrap_err().to_string();
        assert!(error.ends_with("in a registry is written oci://ghcr.io/team/one:1"), "{error}");
    }
}

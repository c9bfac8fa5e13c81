//! Which rules are built, and where each artifact goes.
//!
//! In: the paths that were given, and `--output`. Out: one job for each rule, in the order of the
//! arguments and by name inside a folder; or why that cannot be. It reads folders, never a rule.

use crate::files::shown;
use crate::rules::find::is_test;
use crate::walk::Walk;
use anyhow::{anyhow, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A rule to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    /// Its file.
    pub(super) rule: PathBuf,
    /// Found in a folder: there it may turn out to be no rule at all.
    pub(super) found: bool,
    /// Its artifact, where each rule has its own.
    pub(super) to: PathBuf,
}

/// A rule's file, and where it is under the folder that was walked.
struct RuleFile {
    path: PathBuf,
    below: Option<PathBuf>,
}

/// The jobs.
///
/// # Errors
/// A path that is not there, a folder without rules, two rules with one artifact.
pub(super) fn find(
    args: &[PathBuf],
    output: Option<&Path>,
    ending: &str,
) -> anyhow::Result<Vec<Job>> {
    let mut files = Vec::new();
    for path in args {
        let kind = fs::metadata(path).map_err(|e| anyhow!("{}: {e}", shown(path)))?;
        if kind.is_dir() {
            let known = files.len();
            walk(path, &mut files)?;
            if files.len() == known {
                bail!("{}: no rule in this folder: no file *.toml", shown(path));
            }
        } else {
            files.push(RuleFile { path: path.clone(), below: None });
        }
    }
    let single = matches!(files.as_slice(), [RuleFile { below: None, .. }]);
    let folder = match output {
        Some(path) if !single || path.is_dir() || names_folder(path) => {
            if path.is_file() {
                bail!(
                    "{}: a file, and {} rules are to be built: give a folder, or --pack for one \
                     artifact of all",
                    shown(path),
                    files.len()
                );
            }
            true
        }
        _ => false,
    };
    let mut jobs = Vec::with_capacity(files.len());
    for RuleFile { path, below } in files {
        let to = match output {
            None => path.with_extension(ending),
            Some(output) if !folder => output.to_path_buf(),
            Some(output) => {
                let name = below.as_deref().or(path.file_name().map(Path::new));
                let name = name.ok_or_else(|| anyhow!("{}: it has no name", shown(&path)))?;
                output.join(name).with_extension(ending)
            }
        };
        jobs.push(Job { rule: path, found: below.is_some(), to });
    }
    Ok(jobs)
}

/// No two rules have one artifact, and none takes the place of a rule.
///
/// # Errors
/// The two, by name.
pub(super) fn refuse_collisions(jobs: &[Job]) -> anyhow::Result<()> {
    let mut known: BTreeMap<&Path, &Path> = BTreeMap::new();
    for job in jobs {
        if let Some(other) = known.insert(&job.to, &job.rule) {
            let (to, a, b) = (shown(&job.to), shown(other), shown(&job.rule));
            bail!("{to}: the artifact of {a} and of {b}: rename one, or give two folders");
        }
    }
    refuse_sources(jobs, jobs.iter().map(|job| job.to.as_path()))
}

/// No artifact takes the place of a rule.
///
/// # Errors
/// The rule, by name.
pub(super) fn refuse_sources<'a>(
    jobs: &[Job],
    artifacts: impl Iterator<Item = &'a Path>,
) -> anyhow::Result<()> {
    let rules: Vec<_> = jobs.iter().filter_map(|job| job.rule.canonicalize().ok()).collect();
    for to in artifacts {
        if to.canonicalize().is_ok_and(|to| rules.contains(&to)) {
            bail!("{}: a rule's source, and an artifact would take its place", shown(to));
        }
    }
    Ok(())
}

/// `out/` is meant as a folder, whether it is there or not.
fn names_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
        || matches!(path.components().next_back(), Some(Component::CurDir | Component::ParentDir))
}

/// All `*.toml` below a folder, by name; no tests.
fn walk(root: &Path, files: &mut Vec<RuleFile>) -> anyhow::Result<()> {
    for entry in Walk::Kept.folder(root) {
        let path = match entry {
            Ok(entry) => entry.path,
            Err(fault) => bail!("{}: {}", shown(&fault.path), fault.error),
        };
        if is_rule(&path) && path.is_file() {
            let below = path.strip_prefix(root).ok().map(Path::to_path_buf);
            files.push(RuleFile { path, below });
        }
    }
    Ok(())
}

fn is_rule(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().ends_with(b".toml") && !is_test(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn folder(names: &[&str]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for name in names {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    /// Rule and artifact of each job, below the folder.
    fn told(root: &TempDir, args: &[&str], output: Option<&str>) -> Vec<(String, String)> {
        let at = |name: &&str| root.path().join(name);
        let args: Vec<_> = args.iter().map(at).collect();
        let jobs = find(&args, output.as_ref().map(at).as_deref(), "wasm").unwrap();
        let below = |path: &Path| path.strip_prefix(root.path()).unwrap().display().to_string();
        jobs.iter().map(|job| (below(&job.rule), below(&job.to))).collect()
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn an_artifact_stands_beside_its_rule_or_where_it_was_asked_for() {
        let root = folder(&["a.toml", "b.toml", "there/x"]);
        let one = ["a.toml"];
        assert_eq!(told(&root, &one, None), pairs(&[("a.toml", "a.wasm")]));
        assert_eq!(told(&root, &one, Some("z.bin")), pairs(&[("a.toml", "z.bin")]));
        assert_eq!(told(&root, &one, Some("there")), pairs(&[("a.toml", "there/a.wasm")]));
        assert_eq!(told(&root, &one, Some("new/")), pairs(&[("a.toml", "new/a.wasm")]));
        assert_eq!(
            told(&root, &["b.toml", "a.toml"], Some("new")),
            pairs(&[("b.toml", "new/b.wasm"), ("a.toml", "new/a.wasm")])
        );
    }

    #[test]
    fn a_folder_gives_its_rules_by_name_and_keeps_its_shape() {
        let root = folder(&[
            "rules/z.toml",
            "rules/aws/b.toml",
            "rules/aws/b.test.toml",
            "rules/aws/notes.md",
            "rules/.git/c.toml",
            "rules/a.toml",
        ]);
        let found = told(&root, &["rules"], Some("out"));
        assert_eq!(
            found,
            pairs(&[
                ("rules/a.toml", "out/a.wasm"),
                ("rules/aws/b.toml", "out/aws/b.wasm"),
                ("rules/z.toml", "out/z.wasm"),
            ])
        );
        assert_eq!(told(&root, &["rules/aws"], Some("out")).len(), 1);
        assert_eq!(told(&root, &["rules/aws"], Some("out"))[0].1, "out/b.wasm");
    }

    #[test]
    fn what_cannot_be_is_said_before_anything_is_built() {
        let root = folder(&["a/x.toml", "b/x.toml", "out", "empty/notes.md"]);
        let at = |name: &str| root.path().join(name);
        let two = [at("a/x.toml"), at("b/x.toml")];
        let jobs = find(&two, Some(&at("both")), "wasm").unwrap();
        assert!(refuse_collisions(&jobs).unwrap_err().to_string().contains("x.wasm: the artifact"));
        assert!(find(&two, Some(&at("out")), "wasm").unwrap_err().to_string().contains("--pack"));
        assert!(find(&[at("empty")], None, "wasm").unwrap_err().to_string().contains("no rule"));
        assert!(find(&[at("missing")], None, "wasm").unwrap_err().to_string().contains("missing"));
        let itself = find(&two[..1], Some(&at("a/x.toml")), "wasm").unwrap();
        assert!(refuse_collisions(&itself).unwrap_err().to_string().contains("a rule's source"));
    }
}

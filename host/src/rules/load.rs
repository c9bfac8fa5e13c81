//! Artifacts from the command line, read and compiled before an event is read.
//!
//! In: paths, or none for the flagship. Out: artifacts, on all cores compiled. It refuses what is no
//! artifact, what its metadata does not fit, and two rules that would share a state.

use crate::escape::escaped;
use crate::files::shown;
use crate::terminal::{formats, message};
use crate::work;
use anyhow::{Context, bail};
use firstseen_engines::flagship;
use firstseen_runtime::{Artifact, Runtime};
use std::io::Read;
use std::path::{Path, PathBuf};

/// No rule is that large.
const MAX_FILE: u64 = 256 << 20;

/// Loads the artifacts at these paths; the flagship where there are none. Those that were never
/// compiled here are compiled on all cores.
///
/// # Errors
/// The first artifact that cannot be used, by name, and why.
pub fn load_all(runtime: &Runtime, paths: &[PathBuf]) -> anyhow::Result<Vec<Artifact>> {
    let artifacts = load_files(runtime, paths)?;
    for artifact in &artifacts {
        let rules = formats::count(artifact.meta.rules.len(), "rule");
        let engine = escaped(&artifact.meta.engine);
        message::debug(&format!("loaded {}: {rules}, engine {engine}", artifact.name));
    }
    Ok(artifacts)
}

fn load_files(runtime: &Runtime, paths: &[PathBuf]) -> anyhow::Result<Vec<Artifact>> {
    if paths.is_empty() {
        return Ok(vec![Artifact::new(runtime, "the built-in rule".to_owned(), flagship())?]);
    }
    let mut artifacts = Ok(Vec::new());
    work::in_order(
        paths,
        |path| load(runtime, path),
        |_, loaded| {
            if let Ok(all) = &mut artifacts {
                match loaded {
                    Ok(artifact) => all.push(artifact),
                    Err(error) => artifacts = Err(error),
                }
            }
        },
    );
    let artifacts = artifacts?;
    check_prefixes(&artifacts)?;
    Ok(artifacts)
}

fn load(runtime: &Runtime, path: &Path) -> anyhow::Result<Artifact> {
    let wasm = read_file(path)?;
    let artifact = Artifact::new(runtime, shown(path), &wasm)?;
    // Metadata that names other rules than the file holds was not written by a build.
    artifact.meta.sources(&wasm).with_context(|| format!("rule {}", artifact.name))?;
    Ok(artifact)
}

/// The bytes of an artifact's file.
///
/// # Errors
/// Why it is none, with its name; a folder, or a file that is too large, is not read.
pub fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = shown(path);
    let fault = |e: std::io::Error| anyhow::anyhow!("rule {name}: {e}");
    let file = std::fs::File::open(path).map_err(fault)?;
    let meta = file.metadata().map_err(fault)?;
    if meta.is_dir() {
        bail!("rule {name}: a folder; give the .wasm files in it one by one");
    }
    if meta.len() > MAX_FILE {
        bail!("rule {name}: {} bytes are too many for a rule", meta.len());
    }
    let mut wasm = Vec::new();
    // A pipe has no size: what is too long for a rule is not read to its end.
    file.take(MAX_FILE + 1).read_to_end(&mut wasm).map_err(fault)?;
    if wasm.len() as u64 > MAX_FILE {
        bail!("rule {name}: over {} MiB are too many for a rule", MAX_FILE >> 20);
    }
    if wasm.is_empty() {
        bail!("rule {name}: an empty file, not a WebAssembly module: build it again");
    }
    if !wasm.starts_with(b"\0asm") {
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        let hint = if is_toml { "; compile it with `firstseen build`" } else { "" };
        bail!("rule {name}: not a WebAssembly module{hint}");
    }
    Ok(wasm)
}

/// No two rules may share a state.
fn check_prefixes(artifacts: &[Artifact]) -> anyhow::Result<()> {
    let rules = artifacts.iter().flat_map(|artifact| {
        let rules = artifact.meta.rules.iter();
        rules.map(|rule| (rule.key_prefix.as_str(), (&*artifact.name, &*rule.name)))
    });
    if let Some(((first, rule), (second, other))) = sharing(rules.collect()) {
        bail!(
            "rules {first} (`{rule}`) and {second} (`{other}`) would share one state: give only \
             one of them"
        );
    }
    Ok(())
}

/// Two of these whose prefixes are equal, or of which one begins with the other.
fn sharing<T: Copy>(mut all: Vec<(&str, T)>) -> Option<(T, T)> {
    // In order, what begins with a prefix follows it. Equal ones stay as they were given.
    all.sort_by_key(|(prefix, _)| *prefix);
    all.windows(2).find_map(|pair| match pair {
        [(prefix, one), (next, other)] => next.starts_with(prefix).then_some((*one, *other)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_would_share_a_state_are_found() {
        let found = |prefixes: &[&'static str]| {
            sharing(prefixes.iter().copied().zip(0..).collect::<Vec<_>>())
        };
        assert_eq!(found(&[]), None);
        assert_eq!(found(&["b:1:", "a:1:", "a:2:", "b:11:"]), None);
        assert_eq!(found(&["b:1:", "a:1:", "b:1:"]), Some((0, 2)));
        assert_eq!(found(&["b:1:x:", "a:1:", "b:1:"]), Some((2, 0)));
        // Not next to each other as they were given, nor by length.
        assert_eq!(found(&["a:", "b:", "c:", "a:zzz:", "a:b:"]), Some((0, 4)));
    }
}

//! The rules of a run, read and compiled before an event is read.
//!
//! In: artifacts and rules' sources, or none for the flagship. Out: artifacts, on all cores built and
//! compiled. It refuses what is no artifact, what its metadata does not fit, and two rules that would
//! share a state.

use super::KnownException;
use super::find::{RulePath, find};
use super::signed::RequiredKeys;
use crate::escape::escaped;
use crate::files::{read_text, shown};
use crate::numbers::number;
use crate::registry::reference::RegistryReference;
use crate::registry::{self, RegistryAccess};
use crate::terminal::message::Level;
use crate::terminal::progress::Progress;
use crate::terminal::{diagnostic, formats, message};
use crate::work;
use anyhow::{Context, anyhow, bail};
use firstseen_artifact::RuleMeta;
use firstseen_compiler::{CompileError, RuleText, compile};
use firstseen_engines::flagship;
use firstseen_rule::source::{self, ReadOptions};
use firstseen_runtime::artifact::read_any_meta;
use firstseen_runtime::{Artifact, Runtime};
use std::io::Read;
use std::path::{Path, PathBuf};

/// No rule is that large.
const MAX_FILE: u64 = 256 << 20;

/// Loads these rules; the flagship where there are none. Those that were never compiled here are
/// compiled on all cores. What is wrong with a rule's source is printed. What is not signed as it has to
/// be is refused before anything of it is read.
///
/// # Errors
/// The first rule that cannot be used, by name, and why.
pub fn load_all(
    runtime: &Runtime,
    rules: &[RulePath],
    required: &RequiredKeys,
    registries: &RegistryAccess,
) -> anyhow::Result<LoadedRules> {
    let loaded = load_files(runtime, rules, required, registries)?;
    for artifact in &loaded.artifacts {
        let rules = formats::count(artifact.meta.rules.len(), "rule");
        let engine = escaped(&artifact.meta.engine);
        message::debug(&format!("loaded {}: {rules}, engine {engine}", artifact.name));
    }
    Ok(loaded)
}

/// The rules of a run.
#[derive(Default)]
pub struct LoadedRules {
    /// In the order in which they were given.
    pub artifacts: Vec<Artifact>,
    /// The exceptions inside them.
    pub exceptions: Vec<KnownException>,
}

fn load_files(
    runtime: &Runtime,
    rules: &[RulePath],
    required: &RequiredKeys,
    registries: &RegistryAccess,
) -> anyhow::Result<LoadedRules> {
    let mut loaded = LoadedRules::default();
    if rules.is_empty() {
        required.admit_built_in()?;
        loaded.artifacts.push(Artifact::new(runtime, "the built-in rule".to_owned(), flagship())?);
        return Ok(loaded);
    }
    let progress = Progress::artifacts(rules.len());
    let mut fault = None;
    work::in_order(
        rules,
        |rule| load(runtime, rule, required, registries),
        |_, LoadedRule { messages, artifact, exceptions }| {
            progress.suspend(|| {
                messages.iter().for_each(|(level, text)| message::page(*level, text));
            });
            progress.step();
            loaded.exceptions.extend(exceptions);
            match artifact {
                Ok(artifact) => loaded.artifacts.extend(artifact),
                Err(error) => _ = fault.get_or_insert(error),
            }
        },
    );
    progress.clear();
    if let Some(fault) = fault {
        return Err(fault);
    }
    if loaded.artifacts.is_empty() {
        bail!("--rule: no rule in what was given: no file has a [rule]");
    }
    check_prefixes(&loaded.artifacts)?;
    Ok(loaded)
}

/// A rule that was loaded, or why it was not; and what is to be printed about it.
struct LoadedRule {
    messages: Vec<(Level, String)>,
    /// Nothing where a file of a folder is no rule.
    artifact: anyhow::Result<Option<Artifact>>,
    exceptions: Vec<KnownException>,
}

fn load(
    runtime: &Runtime,
    rule: &RulePath,
    required: &RequiredKeys,
    registries: &RegistryAccess,
) -> LoadedRule {
    let (mut messages, mut exceptions) = (Vec::new(), Vec::new());
    let path = rule.path();
    let wasm = match rule {
        RulePath::Artifact(_) => read_admitted(path, required).map(Some),
        RulePath::Registry { reference, .. } => {
            pulled(reference, required, registries, &mut messages).map(Some)
        }
        RulePath::Source { in_folder, .. } => required
            .admit_source(&shown(path))
            .and_then(|()| built(path, *in_folder, &mut messages)),
    };
    let artifact = wasm.and_then(|wasm| {
        let Some(wasm) = wasm else { return Ok(None) };
        let artifact = Artifact::new(runtime, shown(path), &wasm)?;
        // Metadata that names other rules than the file holds was not written by a build.
        let sources = artifact.meta.sources(&wasm);
        let sources = sources.with_context(|| format!("rule {}", artifact.name))?;
        for (source, meta) in sources.iter().zip(&artifact.meta.rules) {
            if meta.exceptions > 0
                && let Ok(rule) = source::read(source, &ReadOptions::default())
            {
                exceptions.extend(rule.plan.exceptions.iter().map(KnownException::of));
            }
        }
        Ok(Some(artifact))
    });
    LoadedRule { messages, artifact, exceptions }
}

/// A rule.toml, built in memory; nothing where a file of a folder is no rule.
fn built(
    path: &Path,
    in_folder: bool,
    messages: &mut Vec<(Level, String)>,
) -> anyhow::Result<Option<Vec<u8>>> {
    let name = shown(path);
    let text = read_text(path).map_err(|e| anyhow!("rule {e:#}"))?;
    if in_folder && toml::from_str::<toml::Table>(&text).is_ok_and(|t| !t.contains_key("rule")) {
        messages.push((Level::Warning, format!("{name}: skipped: it has no [rule]")));
        return Ok(None);
    }
    let source = RuleText { name: &name, text: &text };
    let compiled = compile(&firstseen_engines::core(), &[source], &ReadOptions::default());
    let (diagnostics, wasm) = match compiled {
        Ok(compiled) => (compiled.warnings, Ok(compiled.wasm)),
        Err(CompileError::Other(reason)) => (Vec::new(), Err(anyhow!("rule {reason}"))),
        Err(CompileError::Faults(faults)) => {
            (faults, Err(anyhow!("rule {name}: it cannot be built; what is wrong is above")))
        }
    };
    for diagnostic in diagnostics.iter().flat_map(|(_, of_source)| of_source) {
        let level = diagnostic::level(diagnostic);
        messages.push((level, diagnostic::shown(&source, diagnostic) + "\n"));
    }
    wasm.map(Some)
}

/// What the rules of these files and folders say of themselves; nothing is compiled or run. What is
/// wrong with a rule's source is printed.
///
/// # Errors
/// The first rule that cannot be used, by name, and why.
pub fn rule_metas(paths: &[PathBuf]) -> anyhow::Result<Vec<RuleMeta>> {
    let mut metas = Vec::new();
    for rule in find(paths)? {
        let mut messages = Vec::new();
        let path = rule.path();
        let wasm = match &rule {
            RulePath::Artifact(_) => read_file(path).map(Some),
            RulePath::Registry { reference, .. } => {
                bail!("{reference}: `firstseen pull` it first, and give the file")
            }
            RulePath::Source { in_folder, .. } => built(path, *in_folder, &mut messages),
        };
        messages.iter().for_each(|(level, text)| message::page(*level, text));
        if let Some(wasm) = wasm? {
            let meta = read_any_meta(&wasm).with_context(|| format!("rule {}", shown(path)))?;
            metas.extend(meta.rules);
        }
    }
    Ok(metas)
}

/// The bytes of an artifact in a registry, if they are signed as they have to be. What a tag stands for now is told.
fn pulled(
    reference: &RegistryReference,
    required: &RequiredKeys,
    registries: &RegistryAccess,
    messages: &mut Vec<(Level, String)>,
) -> anyhow::Result<Vec<u8>> {
    let pulled = registry::pull(reference, registries)?;
    if reference.digest.is_none() {
        messages.push((Level::Info, format!("{reference}: {}", pulled.digest)));
    }
    required.admit_artifact(&reference.to_string(), &pulled.wasm)?;
    Ok(pulled.wasm)
}

/// The bytes of an artifact's file, if they are signed as they have to be.
///
/// # Errors
/// As [`read_file`]; a signature that is required and not there.
pub fn read_admitted(path: &Path, required: &RequiredKeys) -> anyhow::Result<Vec<u8>> {
    let wasm = read_file(path)?;
    required.admit_artifact(&shown(path), &wasm)?;
    Ok(wasm)
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
        bail!("rule {name}: a folder; give an artifact");
    }
    if meta.len() > MAX_FILE {
        bail!("rule {name}: {} bytes are too many for a rule", number(meta.len()));
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
        let (rule, other) = (escaped(rule), escaped(other));
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

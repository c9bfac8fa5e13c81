//! The artifacts of the vectors.
//!
//! In: the `firstseen` binary, and an engine built without SIMD. Out: each artifact as a user gets
//! it, and the same rules in the other engine.

use crate::engine::Engine;
use crate::vector::Recipe;
use anyhow::{Context as _, Result, anyhow, ensure};
use firstseen_artifact::{ArtifactParts, Meta, StandardMetadata};
use firstseen_rule::Plan;
use firstseen_rule::source::{self, EventTime, ReadOptions};
use std::path::Path;
use std::process::Command;

/// The same rules in two engines.
pub(crate) struct Artifacts {
    /// As built by `firstseen build`.
    pub(crate) simd: Vec<u8>,
    /// Without SIMD.
    pub(crate) plain: Vec<u8>,
    /// The prefix of its state keys, after the tenant.
    pub(crate) prefixes: Vec<String>,
}

/// Builds both.
pub(crate) fn build(
    firstseen: &Path,
    plain: &[u8],
    root: &Path,
    recipe: &Recipe,
) -> Result<Artifacts> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("rule.wasm");
    let mut build = Command::new(firstseen);
    build.arg("build").args(recipe.rules.iter().map(|rule| root.join(rule)));
    build.arg("-o").arg(&file);
    if recipe.rules.len() > 1 {
        build.arg("--pack");
    }
    if let Some(event_time) = &recipe.event_time {
        build.args(["--event-time", event_time]);
    }
    let done = build.output().with_context(|| firstseen.display().to_string())?;
    let stderr = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "firstseen build {:?}: {stderr}", recipe.rules);
    let simd = std::fs::read(file)?;
    let meta = Meta::read(&simd)?;
    let prefixes = meta.rules.iter().map(|rule| rule.key_prefix.clone()).collect();
    Ok(Artifacts { plain: recompiled(&meta, &simd, plain)?, simd, prefixes })
}

/// The rules of an artifact, compiled into another engine from their sources.
fn recompiled(meta: &Meta, artifact: &[u8], engine: &[u8]) -> Result<Vec<u8>> {
    let sources = meta.sources(artifact)?;
    let mut plan = Plan { rules: Vec::new() };
    for (rule, text) in meta.rules.iter().zip(&sources) {
        let event_time = match rule.event_time {
            Some(_) => EventTime::TimestampOverride,
            None => EventTime::Timestamp,
        };
        let read = source::read(text, &ReadOptions { event_time, skips_lint: true });
        plan.rules.push(read.map_err(|faults| anyhow!("{}: {faults:?}", rule.name))?.plan);
    }
    Ok(firstseen_artifact::compose(&ArtifactParts {
        engine,
        engine_version: &meta.engine,
        abi: meta.abi,
        plan: &plan.encode().map_err(|fault| anyhow!("{fault}"))?,
        options: &[],
        target: "",
        renamed: None,
        rules: &meta.rules,
        sources: &sources.iter().map(String::as_str).collect::<Vec<_>>(),
        standard: &StandardMetadata::default(),
    })?)
}

impl Artifacts {
    /// The artifact that an engine can load.
    pub(crate) fn for_engine(&self, engine: &dyn Engine) -> &[u8] {
        if engine.has_simd() { &self.simd } else { &self.plain }
    }
}

//! The artifacts of the vectors.
//!
//! In: the `firstseen` binary. Out: each artifact as a user gets it, with SIMD and without.

use crate::engine::Engine;
use crate::vector::Recipe;
use anyhow::{Context as _, Result, ensure};
use firstseen_artifact::{Meta, needs_simd};
use std::path::Path;
use std::process::Command;

/// The same rules in two engines.
pub(crate) struct Artifacts {
    /// As built by default.
    pub(crate) simd: Vec<u8>,
    /// With `--no-simd`.
    pub(crate) plain: Vec<u8>,
    /// The prefix of its state keys, after the tenant.
    pub(crate) prefixes: Vec<String>,
}

/// Builds both.
pub(crate) fn build(firstseen: &Path, root: &Path, recipe: &Recipe) -> Result<Artifacts> {
    let folder = tempfile::tempdir()?;
    let made = |options: &[&str]| -> Result<Vec<u8>> {
        let file = folder.path().join("rule.wasm");
        let mut build = Command::new(firstseen);
        build.arg("build").args(recipe.rules.iter().map(|rule| root.join(rule)));
        build.arg("-o").arg(&file).args(options);
        if recipe.rules.len() > 1 {
            build.arg("--pack");
        }
        if let Some(event_time) = &recipe.event_time {
            build.args(["--event-time", event_time]);
        }
        let done = build.output().with_context(|| firstseen.display().to_string())?;
        let stderr = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "firstseen build {:?}: {stderr}", recipe.rules);
        Ok(std::fs::read(file)?)
    };
    let (simd, plain) = (made(&[])?, made(&["--no-simd"])?);
    ensure!(needs_simd(&simd) && !needs_simd(&plain), "--no-simd: {:?}", recipe.rules);
    let meta = Meta::read(&simd)?;
    let prefixes = meta.rules.iter().map(|rule| rule.key_prefix.clone()).collect();
    Ok(Artifacts { simd, plain, prefixes })
}

impl Artifacts {
    /// The artifact that an engine can load.
    pub(crate) fn for_engine(&self, engine: &dyn Engine) -> &[u8] {
        if engine.has_simd() { &self.simd } else { &self.plain }
    }
}

//! An artifact, read and checked before anything of it runs.
//!
//! In: files, or the flagship inside this binary. Out: modules with their metadata. It refuses what
//! is no rule, what speaks another contract, what imports anything else, and two artifacts that
//! would share a state.

use super::runtime::Runtime;
use super::{FLAGSHIP, cache};
use anyhow::{Context, bail};
use firstseen_abi::{ABI_VERSION, IMPORT_NAMESPACE};
use firstseen_artifact::Meta;
use std::path::PathBuf;
use wasmtime::Module;

/// No rule is that large.
const MAX_FILE: u64 = 256 << 20;

/// An artifact, ready to be instantiated.
pub struct Artifact {
    /// Its file, or what else to call it.
    pub name: String,
    /// What it says of itself.
    pub meta: Meta,
    /// Its code.
    pub module: Module,
}

/// Loads the artifacts at these paths; the flagship where there are none.
///
/// # Errors
/// The first artifact that cannot be used, by name, and why.
pub fn load_all(runtime: &Runtime, paths: &[PathBuf]) -> anyhow::Result<Vec<Artifact>> {
    let mut artifacts: Vec<Artifact> = Vec::new();
    if paths.is_empty() {
        artifacts.push(Artifact::new(runtime, "the built-in rule".to_owned(), FLAGSHIP)?);
    }
    for path in paths {
        let name = path.display().to_string();
        let size = std::fs::metadata(path).with_context(|| format!("rule {name}"))?.len();
        if size > MAX_FILE {
            bail!("rule {name}: {size} bytes are too many for a rule");
        }
        let wasm = std::fs::read(path).with_context(|| format!("rule {name}"))?;
        artifacts.push(Artifact::new(runtime, name, &wasm)?);
    }
    check_prefixes(&artifacts)?;
    Ok(artifacts)
}

impl Artifact {
    /// Reads and checks an artifact.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn new(runtime: &Runtime, name: String, wasm: &[u8]) -> anyhow::Result<Self> {
        if !wasm.starts_with(b"\0asm") {
            let hint =
                if name.ends_with(".toml") { "; compile it with `firstseen build`" } else { "" };
            bail!("rule {name}: not a WebAssembly module{hint}");
        }
        let meta = Meta::read(wasm).map_err(|e| anyhow::anyhow!("rule {name}: {e}"))?;
        if meta.abi != ABI_VERSION.unsigned_abs() {
            bail!(
                "rule {name}: speaks contract {}, this host speaks {ABI_VERSION}: build it again",
                meta.abi
            );
        }
        let module = cache::load(&runtime.engine, wasm).with_context(|| format!("rule {name}"))?;
        for import in module.imports() {
            if import.module() != IMPORT_NAMESPACE {
                bail!(
                    "rule {name}: it imports `{}.{}`, which no rule needs",
                    import.module(),
                    import.name()
                );
            }
        }
        Ok(Self { name, meta, module })
    }
}

/// No two rules may share a state.
fn check_prefixes(artifacts: &[Artifact]) -> anyhow::Result<()> {
    let rules: Vec<_> = artifacts
        .iter()
        .flat_map(|artifact| artifact.meta.rules.iter().map(move |rule| (artifact, rule)))
        .collect();
    for (index, (artifact, rule)) in rules.iter().enumerate() {
        for (other, known) in rules.iter().take(index) {
            let (a, b) = (&rule.key_prefix, &known.key_prefix);
            if a.starts_with(b.as_str()) || b.starts_with(a.as_str()) {
                bail!(
                    "rules {} (`{}`) and {} (`{}`) would share one state: give only one of them",
                    other.name,
                    known.name,
                    artifact.name,
                    rule.name
                );
            }
        }
    }
    Ok(())
}

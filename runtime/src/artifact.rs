//! An artifact, read and checked before anything of it runs.
//!
//! In: an artifact's bytes. Out: compiled code with its metadata. It refuses what is no artifact, what
//! speaks another contract and what imports anything else. It opens no file.

use crate::code::Code;
use crate::overruns::Overruns;
use crate::runtime::Runtime;
use anyhow::{Context, bail};
use firstseen_abi::{ABI_VERSION, IMPORT_NAMESPACE};
use firstseen_artifact::Meta;
use std::sync::Arc;

/// An artifact, ready to be instantiated.
pub struct Artifact {
    /// Its file, or what else to call it.
    pub name: String,
    /// What it says of itself.
    pub meta: Meta,
    /// The digest of its file, in hexadecimal, cut to what tells builds apart. A signature does not count.
    pub digest: String,
    /// Its code, which it may share with other artifacts.
    pub code: Code,
    /// How often its guests ran over their time.
    pub overruns: Arc<Overruns>,
}

impl Artifact {
    /// Reads and checks an artifact.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn new(runtime: &Runtime, name: String, wasm: &[u8]) -> anyhow::Result<Self> {
        let meta = read_meta(wasm).map_err(|e| anyhow::anyhow!("rule {name}: {e}"))?;
        let code = Code::load(runtime, wasm).with_context(|| format!("rule {name}"))?;
        let mut digest = blake3::hash(&firstseen_signature::unsigned(wasm)).to_hex().to_string();
        digest.truncate(16);
        Ok(Self { name, meta, digest, code, overruns: Arc::default() })
    }
}

/// What an artifact says of itself, if this host can run it: checked before anything is compiled.
///
/// # Errors
/// Why it cannot be used, and what to do.
pub fn read_meta(wasm: &[u8]) -> anyhow::Result<Meta> {
    let meta = read_any_meta(wasm)?;
    if !meta.target.is_empty() {
        let target = meta.target.escape_debug();
        bail!(
            "it was built for {target} and runs there; `firstseen build` without --target makes \
             one for this program"
        );
    }
    Ok(meta)
}

/// What an artifact says of itself, for whatever it was built. Only one for this program has the
/// contract's imports and exports; a pipeline's has the pipeline's.
///
/// # Errors
/// Why it is none, and what to do.
pub fn read_any_meta(wasm: &[u8]) -> anyhow::Result<Meta> {
    let meta = Meta::read(wasm)?;
    let again = "build it again with `firstseen rebuild`";
    if meta.abi != ABI_VERSION.unsigned_abs() {
        bail!("it speaks contract {}, this host speaks {ABI_VERSION}: {again}", meta.abi);
    }
    if !meta.target.is_empty() {
        return Ok(meta);
    }
    let module = firstseen_artifact::read_module(wasm)?;
    if let Some(fault) = firstseen_artifact::missing(&module, IMPORT_NAMESPACE).first() {
        bail!("{fault}: {again}");
    }
    Ok(meta)
}

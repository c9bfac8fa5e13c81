//! `build`: rule.toml to an artifact.
//!
//! In: paths of rules, the path of the artifact. Out: the artifact, written whole or not at all. It
//! needs no Rust toolchain: the engine is inside this binary.

use super::Ending;
use crate::compile::{CompileError, Compiled, Source, compile};
use crate::diagnostic;
use crate::guest::ENGINE;
use crate::say::say;
use anyhow::{Context, anyhow};
use firstseen_rule::source::ReadOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What `build` is asked.
#[derive(Debug, Clone, clap::Args)]
pub struct BuildArgs {
    /// Rules in Elastic's TOML form, of type new_terms; several make one artifact
    #[arg(required = true, value_name = "RULE.toml")]
    pub rules: Vec<PathBuf>,
    /// Where to write the artifact
    #[arg(short, long, value_name = "FILE.wasm")]
    pub output: PathBuf,
}

/// Builds.
///
/// # Errors
/// What is wrong with a rule and where, or why the artifact cannot be written.
pub fn build(args: &BuildArgs) -> anyhow::Result<Ending> {
    let mut texts = Vec::new();
    for path in &args.rules {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
        texts.push((name, text));
    }
    let sources: Vec<_> = texts.iter().map(|(name, text)| Source { name, text }).collect();
    let options = ReadOptions::default();
    let Compiled { wasm, warnings } =
        compile(ENGINE, &sources, &options).map_err(|error| match error {
            CompileError::Faults(faults) => {
                diagnostic::tell(&sources, &faults);
                anyhow!("no artifact was written: {}", diagnostic::count(&faults))
            }
            CompileError::Other(sentence) => anyhow!(sentence),
        })?;
    diagnostic::tell(&sources, &warnings);
    write_whole(&args.output, &wasm).with_context(|| args.output.display().to_string())?;
    let name = args.output.display();
    say(&format!("{name}: {} rule(s), {} KB", sources.len(), wasm.len() / 1000));
    Ok(Ending::Done)
}

/// Under another name first: a reader sees the old file or the new one.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any file: the umask takes away what it should.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.prefix(".firstseen-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

//! `inspect`: what an artifact says of itself, without running it.
//!
//! In: artifacts, untrusted. Out: what stands in them, for a person or as JSON; or the source of a
//! rule, byte for byte; or its investigation guide as text. The whole file is checked first, and
//! what comes from it is escaped.

mod json;
mod text;

use super::Ending;
use crate::files::shown;
use crate::rules::load::read_file;
use crate::terminal::guide;
use crate::terminal::message::print;
use anyhow::{Context, bail};
use clap::ValueEnum;
use firstseen_artifact::{Meta, ModuleInfo};
use firstseen_rule::source::{self, Facts, ReadOptions};
use firstseen_runtime::artifact::read_any_meta;
use sha2::{Digest, Sha256};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// What `inspect` is asked.
#[derive(Debug, Clone, clap::Args)]
pub struct InspectArgs {
    /// Artifacts
    #[arg(required = true, value_name = "RULE.wasm")]
    pub artifacts: Vec<PathBuf>,
    /// How to write
    #[arg(long, value_enum, default_value_t = FormatArg::Pretty)]
    pub format: FormatArg,
    /// Write the rule's source instead, byte for byte
    #[arg(long, conflicts_with_all = ["guide", "format"])]
    pub source: bool,
    /// Write the investigation guide instead, as text for a terminal
    #[arg(long, conflicts_with = "format")]
    pub guide: bool,
    /// Which rule of a pack, for --source and --guide
    #[arg(long, value_name = "ID")]
    pub rule: Option<String>,
}

/// How `inspect` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// For reading, 80 columns wide
    Pretty,
    /// One JSON object for each artifact, on a line
    Json,
}

/// An artifact, looked at.
struct Seen {
    name: String,
    wasm: Vec<u8>,
    digest: String,
    meta: Meta,
    look: ModuleInfo,
}

/// Inspects.
///
/// # Errors
/// The first artifact that is none, and why; a rule that is not in it.
pub fn inspect(args: &InspectArgs) -> anyhow::Result<Ending> {
    if args.rule.is_some() && !args.source && !args.guide {
        bail!("--rule ID goes with --source or --guide");
    }
    for (index, path) in args.artifacts.iter().enumerate() {
        let seen = see(path)?;
        let out = if args.source {
            source_of(&seen, args.rule.as_deref())?.1
        } else if args.guide {
            guide_of(&seen, args.rule.as_deref())?
        } else if args.format == FormatArg::Json {
            format!("{}\n", json::document(&seen))
        } else {
            let between = if index == 0 { "" } else { "\n" };
            format!("{between}{}", text::page(&seen, colour()))
        };
        print(out.as_bytes())?;
    }
    Ok(Ending::Done)
}

fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

fn see(path: &Path) -> anyhow::Result<Seen> {
    let name = shown(path);
    let wasm = read_file(path)?;
    let meta = read_any_meta(&wasm).with_context(|| format!("rule {name}"))?;
    let checked =
        firstseen_artifact::validate(&wasm).and_then(|()| firstseen_artifact::read_module(&wasm));
    let look = checked.with_context(|| format!("rule {name}"))?;
    // One source for each rule, or somebody changed the file.
    meta.sources(&wasm).with_context(|| format!("rule {name}"))?;
    let mut digest = "sha256:".to_owned();
    firstseen_value::push_hex(&mut digest, &Sha256::digest(&wasm));
    Ok(Seen { name, wasm, digest, meta, look })
}

/// The place and the source of the rule that is asked for.
fn source_of(seen: &Seen, id: Option<&str>) -> anyhow::Result<(usize, String)> {
    let Seen { name, wasm, meta, .. } = seen;
    let known = || {
        let ids: Vec<&str> = meta.rules.iter().take(10).map(|rule| &*rule.id).collect();
        let more = if meta.rules.len() > ids.len() { ", ..." } else { "" };
        shown(Path::new(&format!("{}{more}", ids.join(", "))))
    };
    let index = match (id, meta.rules.len()) {
        (Some(id), _) => meta.rules.iter().position(|rule| rule.id == id),
        (None, 1) => Some(0),
        (None, n) => bail!("rule {name}: {n} rules: choose one with --rule ID: {}", known()),
    };
    let Some(index) = index else { bail!("rule {name}: no such rule; it has {}", known()) };
    let source = meta.sources(wasm)?.into_iter().nth(index).context("no source")?;
    Ok((index, source))
}

/// Description, guide, false positives, setup and references of a rule.
fn guide_of(seen: &Seen, id: Option<&str>) -> anyhow::Result<String> {
    let (index, source) = source_of(seen, id)?;
    let rule = source::read(&source, &ReadOptions::default()).map_err(|faults| {
        let first = faults.first().map(ToString::to_string).unwrap_or_default();
        anyhow::anyhow!(
            "rule {}: its source cannot be read: {}",
            seen.name,
            shown(Path::new(&first))
        )
    })?;
    let Facts { description, note, false_positives, setup, references, .. } = &rule.facts;
    let colour = colour();
    let name = seen.meta.rules.get(index).map_or("", |rule| &*rule.name);
    let mut out = guide::title(name, colour);
    let mut part = |title: &str, markdown: &str| {
        if !markdown.trim().is_empty() {
            out.push('\n');
            if !title.is_empty() {
                out += &guide::title(title, colour);
                out.push('\n');
            }
            out += &guide::render(markdown, colour);
        }
    };
    let list =
        |texts: &[String]| texts.iter().map(|t| format!("- {}\n", t.trim())).collect::<String>();
    part("", description.as_deref().unwrap_or_default());
    part("", note.as_deref().unwrap_or_default());
    part("Known false positives", &list(false_positives));
    part("", setup.as_deref().unwrap_or_default());
    part("References", &list(references));
    Ok(out)
}

//! `inspect`: what an artifact says of itself, without running it.
//!
//! In: artifacts, untrusted. Out: their content, for a person or as JSON; or the source of a
//! rule, byte for byte; or its investigation guide as text. The whole file is checked first, and
//! what comes from it is escaped.

mod json;
mod text;

use super::ExitStatus;
use super::cache::CacheArgs;
use super::registry::{RegistryArgs, read_artifact};
use super::verify::EmbeddedRules;
use crate::escape::escaped;
use crate::files::shown;
use crate::registry::RegistryAccess;
use crate::rules::signed::TrustedKeys;
use crate::terminal::formats;
use crate::terminal::guide;
use crate::terminal::message::{self, print};
use crate::terminal::screen::TextForm;
use crate::terminal::style;
use crate::terminal::wrap::wrapped;
use anyhow::{Context, bail};
use clap::ValueEnum;
use firstseen_artifact::{Meta, ModuleInfo};
use firstseen_rule::Plan;
use firstseen_rule::source::{self, Facts, ReadOptions};
use firstseen_runtime::artifact::read_any_meta;
use firstseen_signature::{KeyId, SignatureError, signers};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The arguments of `inspect`.
#[derive(Debug, Clone, clap::Args)]
pub struct InspectArgs {
    /// Artifacts; from a registry: oci://HOST/REPOSITORY:TAG
    #[arg(required = true, value_name = "RULE.wasm")]
    pub artifacts: Vec<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = InspectFormat::Pretty)]
    pub format: InspectFormat,
    /// Print the rule's source instead, byte for byte
    #[arg(long, conflicts_with_all = ["guide", "format"])]
    pub source: bool,
    /// Print the investigation guide instead, as text for a terminal
    #[arg(long, conflicts_with = "format")]
    pub guide: bool,
    /// Build the source inside again and compare: exit status 1 if the artifact is another one
    #[arg(long, conflicts_with_all = ["source", "guide", "format"])]
    pub verify: bool,
    /// Check the signature by these keys: a public key, or a folder of them; may be repeated
    #[arg(long, value_name = "KEYS", conflicts_with_all = ["source", "guide", "verify"])]
    pub keys: Vec<PathBuf>,
    /// Which rule of a pack, for --source and --guide
    #[arg(long, value_name = "ID")]
    pub rule: Option<String>,
    /// Registries
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// The output formats of `inspect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InspectFormat {
    /// For people, 80 columns wide
    Pretty,
    /// One JSON object per artifact, each on a line
    Json,
}

/// An artifact, looked at.
struct InspectedArtifact {
    name: String,
    wasm: Vec<u8>,
    digest: String,
    meta: Meta,
    look: ModuleInfo,
    /// The plan that the engine runs, or why it cannot be read here.
    plan: Result<Plan, String>,
    /// The windows that the rules have without `forget_after`.
    own_windows: Vec<Option<String>>,
    signature: InspectedSignature,
}

/// What is known of an artifact's signature.
enum InspectedSignature {
    /// There is none.
    Absent,
    /// By these keys, as it says itself.
    Unchecked(Vec<Option<KeyId>>),
    /// By these of the keys that were given, and where they are from.
    Valid(Vec<(KeyId, String)>),
    /// It is damaged, or not by one of them.
    Refused(SignatureError),
}

impl InspectedSignature {
    fn of(wasm: &[u8], keys: Option<&TrustedKeys>) -> Self {
        let owned = |(id, file): (KeyId, &str)| (id, file.to_owned());
        let found = match keys {
            None => signers(wasm).map(Self::Unchecked),
            Some(keys) => {
                keys.signers(wasm).map(|by| Self::Valid(by.into_iter().map(owned).collect()))
            }
        };
        match found {
            Ok(found) => found,
            Err(SignatureError::NotSigned) => Self::Absent,
            Err(error) => Self::Refused(error),
        }
    }
}

/// Inspects.
///
/// # Errors
/// The first artifact that is none, and why; a rule that is not in it.
pub fn inspect(args: &InspectArgs) -> anyhow::Result<ExitStatus> {
    if args.rule.is_some() && !args.source && !args.guide {
        bail!("--rule ID goes with --source or --guide");
    }
    let access = args.registry.access(&CacheArgs { cache: None });
    if args.verify {
        return verify(&args.artifacts, &access);
    }
    let keys =
        (!args.keys.is_empty()).then(|| TrustedKeys::open("--keys", &args.keys)).transpose()?;
    for (index, path) in args.artifacts.iter().enumerate() {
        let seen = see(path, &access, keys.as_ref())?;
        let out = if args.source {
            source_of(&seen, args.rule.as_deref())?.1
        } else if args.guide {
            guide_of(&seen, args.rule.as_deref())?
        } else if args.format == InspectFormat::Json {
            format!("{}\n", json::document(&seen))
        } else {
            let between = if index == 0 { "" } else { "\n" };
            format!("{between}{}", text::page(&seen, style::on_stdout()))
        };
        // To a pipe or a file the source goes byte for byte; a terminal acts on nothing in it.
        let form = match args.format {
            InspectFormat::Json => TextForm::Json,
            InspectFormat::Pretty => TextForm::Plain,
        };
        print(form, out.as_bytes())?;
    }
    Ok(ExitStatus::Done)
}

/// Says of each artifact whether it is what its source makes.
fn verify(artifacts: &[PathBuf], access: &RegistryAccess) -> anyhow::Result<ExitStatus> {
    let mut status = ExitStatus::Done;
    for path in artifacts {
        let seen = see(path, access, None)?;
        let name = &seen.name;
        let Some(embedded) = EmbeddedRules::read(name, &seen.wasm)? else {
            message::error(&format!("{name}: its source is at fault"));
            return Ok(ExitStatus::Failed);
        };
        let differences = embedded.compare(&seen.wasm, &embedded.build(name)?)?;
        let mut out = String::new();
        if differences.is_none() {
            out += &format!("{name}: verified: this version builds the same bytes of its source\n");
        } else {
            status = ExitStatus::Unmet;
            out += &format!("{name}: not verified\n");
            let mut row = |text: &str| out += &wrapped(&escaped(text), "  - ", "    ");
            differences.faults.iter().for_each(|fault| row(fault));
            differences.open.iter().for_each(|open| row(&format!("not compared: {open}")));
            if let Some([its, ours]) = &differences.other_engine {
                row(&other_engine(&seen.meta.engine, its, ours));
            }
        }
        print(TextForm::Plain, out.as_bytes())?;
    }
    Ok(status)
}

/// What is said of an engine whose code is not that of this version's.
fn other_engine(version: &str, its: &str, ours: &str) -> String {
    let this = env!("CARGO_PKG_VERSION");
    let what = match version == this {
        true => format!(
            "the code of its engine differs from the one of this version, though both are {this}: \
             it was changed, or is of another build"
        ),
        false => format!(
            "the code of its engine, {version}, is not known to this version, {this}; use the \
             version that built it, or `firstseen rebuild`"
        ),
    };
    format!("{what}; digests: its {its}, this version's {ours}")
}

fn see(
    path: &Path,
    access: &RegistryAccess,
    keys: Option<&TrustedKeys>,
) -> anyhow::Result<InspectedArtifact> {
    let name = shown(path);
    let wasm = read_artifact(path, access)?;
    let meta = read_any_meta(&wasm).with_context(|| format!("rule {name}"))?;
    let checked =
        firstseen_artifact::validate(&wasm).and_then(|()| firstseen_artifact::read_module(&wasm));
    let look = checked.with_context(|| format!("rule {name}"))?;
    // One source for each rule, or somebody changed the file.
    let sources = meta.sources(&wasm).with_context(|| format!("rule {name}"))?;
    let own_windows = sources.iter().map(|source| own_window(source)).collect();
    let plan = firstseen_artifact::embedded_plan(&wasm).map_err(str::to_owned);
    let plan = plan.and_then(|(plan, _)| Plan::decode(plan).map_err(|e| e.to_string()));
    let mut digest = "sha256:".to_owned();
    firstseen_value::push_hex(&mut digest, &Sha256::digest(&wasm));
    let signature = InspectedSignature::of(&wasm, keys);
    Ok(InspectedArtifact { name, wasm, digest, meta, look, plan, own_windows, signature })
}

/// The window of a rule's source, where that can be read.
fn own_window(source: &str) -> Option<String> {
    let options = ReadOptions { skips_lint: true, ..ReadOptions::default() };
    let facts = source::read(source, &options).ok()?.facts;
    Some(facts.history_window_start.trim().trim_start_matches("now-").to_owned())
}

/// The place and the source of the rule that is asked for.
fn source_of(seen: &InspectedArtifact, id: Option<&str>) -> anyhow::Result<(usize, String)> {
    let InspectedArtifact { name, wasm, meta, .. } = seen;
    let known = || {
        let ids: Vec<&str> = meta.rules.iter().take(10).map(|rule| &*rule.id).collect();
        let more = if meta.rules.len() > ids.len() { ", ..." } else { "" };
        shown(Path::new(&format!("{}{more}", ids.join(", "))))
    };
    let index = match (id, meta.rules.len()) {
        (Some(id), _) => meta.rules.iter().position(|rule| rule.id == id),
        (None, 1) => Some(0),
        (None, n) => {
            let rules = formats::count(n, "rule");
            bail!("rule {name}: {rules}: choose one with --rule ID: {}", known())
        }
    };
    let Some(index) = index else { bail!("rule {name}: no such rule; it has {}", known()) };
    let source = meta.sources(wasm)?.into_iter().nth(index).context("no source")?;
    Ok((index, source))
}

/// Description, guide, false positives, setup and references of a rule.
fn guide_of(seen: &InspectedArtifact, id: Option<&str>) -> anyhow::Result<String> {
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
    let colour = style::on_stdout();
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

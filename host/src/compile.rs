//! From rule.toml to an artifact. The build script uses this file too, for the flagship.
//!
//! In: the engine module and the sources of rules. Out: the artifact's bytes, or all that is
//! wrong with the rules, each at its place. It never reads a file, and needs no Rust toolchain.

use firstseen_artifact::{Parts, RuleMeta};
use firstseen_rule::source::{self, Diagnostic, ReadOptions, Rule};
use firstseen_rule::{Plan, RulePlan};
use std::collections::BTreeMap;

/// A rule's source and where it came from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// For error texts.
    pub name: &'a str,
    /// The TOML.
    pub text: &'a str,
}

/// An artifact, and what its rules say and the engine does not do.
#[derive(Debug)]
pub struct Compiled {
    /// The module.
    pub wasm: Vec<u8>,
    /// For each source that has some: its index and its warnings.
    pub warnings: Vec<(usize, Vec<Diagnostic>)>,
}

/// Why there is no artifact.
#[derive(Debug)]
pub enum CompileError {
    /// Faults in rules: for each source that has some, its index and all that is to be said of it.
    Faults(Vec<(usize, Vec<Diagnostic>)>),
    /// A sentence about something that stands in no one place.
    Other(String),
}

impl CompileError {
    /// As plain lines, `file:line:column: error[code]: message`.
    #[must_use]
    pub fn plain(&self, sources: &[Source<'_>]) -> String {
        let faults = match self {
            Self::Other(sentence) => return sentence.clone(),
            Self::Faults(faults) => faults,
        };
        let mut lines = Vec::new();
        for (index, diagnostics) in faults {
            let Some(source) = sources.get(*index) else { continue };
            for diagnostic in diagnostics {
                let (line, column) = diagnostic.position(source.text).unwrap_or((1, 1));
                lines.push(format!("{}:{line}:{column}: {diagnostic}", source.name));
            }
        }
        lines.join("\n")
    }
}

/// Compiles rules into one artifact.
///
/// # Errors
/// All faults of all sources, or a sentence that names the rule and what is wrong with it.
pub fn compile(
    engine: &[u8],
    sources: &[Source<'_>],
    options: &ReadOptions,
) -> Result<Compiled, CompileError> {
    let (mut rules, mut warnings, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for (index, source) in sources.iter().enumerate() {
        match source::read(source.text, options) {
            Ok(mut rule) => {
                if !rule.warnings.is_empty() {
                    warnings.push((index, std::mem::take(&mut rule.warnings)));
                }
                rules.push((*source, rule));
            }
            Err(diagnostics) => faults.push((index, diagnostics)),
        }
    }
    if !faults.is_empty() {
        return Err(CompileError::Faults(faults));
    }
    let wasm = artifact(engine, rules).map_err(CompileError::Other)?;
    Ok(Compiled { wasm, warnings })
}

/// Lays rules that were read into one artifact. The same rules in the same order give the same
/// bytes, wherever their files stand.
///
/// # Errors
/// A sentence that names the rule and what is wrong with it.
pub fn artifact(engine: &[u8], rules: Vec<(Source<'_>, Rule)>) -> Result<Vec<u8>, String> {
    let mut known = BTreeMap::new();
    for (source, rule) in &rules {
        if let Some(other) = known.insert(rule.plan.key_prefix(), source.name) {
            return Err(format!(
                "{}: it would share its state with {other}: same rule_id, fields and window",
                source.name
            ));
        }
    }
    let description = description(&rules)?;
    let metas: Vec<RuleMeta> = rules.iter().map(|(_, rule)| meta(&rule.plan)).collect();
    let (texts, plans) = rules.into_iter().map(|(source, rule)| (source.text, rule.plan)).unzip();
    let texts: Vec<&str> = texts;
    let plan = Plan { rules: plans }.encode().map_err(|e| e.to_string())?;
    firstseen_artifact::compose(&Parts {
        engine,
        engine_version: env!("CARGO_PKG_VERSION"),
        abi: firstseen_abi::ABI_VERSION.unsigned_abs(),
        plan: &plan,
        rules: &metas,
        sources: &texts,
        notes: &[("description", &description)],
    })
    .map_err(|e| e.to_string())
}

/// Names that a pack's description holds; the metadata holds them all.
const NAMES: usize = 3;

fn description(rules: &[(Source<'_>, Rule)]) -> Result<String, String> {
    let names: Vec<&str> = rules.iter().take(NAMES).map(|(_, rule)| &*rule.plan.name).collect();
    match rules.len() {
        0 => Err("no rule was given".to_owned()),
        1 => Ok(names.concat()),
        n if n <= NAMES => Ok(format!("{n} rules: {}", names.join("; "))),
        n => Ok(format!("{n} rules: {}; and {} more", names.join("; "), n - NAMES)),
    }
}

fn meta(rule: &RulePlan) -> RuleMeta {
    RuleMeta {
        id: rule.id.clone(),
        name: rule.name.clone(),
        severity: rule.severity.clone(),
        new_terms: rule.new_terms.clone(),
        window: rule.window.clone(),
        window_ms: rule.window_ms,
        key_prefix: rule.key_prefix(),
        event_time: rule.event_time.as_ref().map(|time| time.field.clone()),
        literals: rule.literals.clone(),
    }
}

//! From rule.toml to an artifact. The build script uses this file too, for the flagship.
//!
//! In: the engine module and the sources of rules. Out: the artifact's bytes, or all that is
//! wrong with the rules, each at its place. It never reads a file, and needs no Rust toolchain.

use firstseen_artifact::{Parts, RuleMeta};
use firstseen_rule::source::{self, Diagnostic, ReadOptions};
use firstseen_rule::{Plan, RulePlan};

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
            Ok(rule) => {
                if !rule.warnings.is_empty() {
                    warnings.push((index, rule.warnings));
                }
                rules.push(rule.plan);
            }
            Err(diagnostics) => faults.push((index, diagnostics)),
        }
    }
    if !faults.is_empty() {
        return Err(CompileError::Faults(faults));
    }
    let wasm = artifact(engine, sources, rules).map_err(CompileError::Other)?;
    Ok(Compiled { wasm, warnings })
}

fn artifact(
    engine: &[u8],
    sources: &[Source<'_>],
    rules: Vec<RulePlan>,
) -> Result<Vec<u8>, String> {
    for (index, (rule, source)) in rules.iter().zip(sources).enumerate() {
        let mut before = rules.iter().take(index);
        if let Some(other) = before.find(|r| r.key_prefix() == rule.key_prefix()) {
            return Err(format!(
                "{}: it would share its state with `{}`: same rule_id, fields and window",
                source.name, other.name
            ));
        }
    }
    let [first, ..] = rules.as_slice() else { return Err("no rule was given".to_owned()) };
    let description = match rules.len() {
        1 => first.name.clone(),
        n => {
            format!("{n} rules: {}", rules.iter().map(|r| &*r.name).collect::<Vec<_>>().join("; "))
        }
    };
    let metas: Vec<RuleMeta> = rules.iter().map(meta).collect();
    let plan = Plan { rules }.encode().map_err(|e| e.to_string())?;
    let texts: Vec<&str> = sources.iter().map(|s| s.text).collect();
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

fn meta(rule: &RulePlan) -> RuleMeta {
    RuleMeta {
        id: rule.id.clone(),
        name: rule.name.clone(),
        severity: rule.severity.clone(),
        new_terms: rule.new_terms.clone(),
        window: rule.window.clone(),
        window_ms: rule.window_ms,
        key_prefix: rule.key_prefix(),
        literals: rule.literals.clone(),
    }
}

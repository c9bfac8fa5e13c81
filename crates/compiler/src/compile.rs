//! Rules and an engine to an artifact.
//!
//! In: rules as text, an engine's module. Out: the artifact's bytes, the same for the same input, or
//! all faults of all rules.

use crate::standard::standard;
use crate::target::Target;
use crate::text::{Origin, RuleText};
use firstseen_artifact::{ArtifactParts, RuleMeta, ThreatMeta};
use firstseen_rule::source::{self, Diagnostic, ReadOptions, Rule, Threat};
use firstseen_rule::{Plan, RulePlan, Settings};
use firstseen_target_support::Options;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// An engine, and how it is adapted to its target.
#[derive(Debug, Clone, Copy)]
pub struct EngineModule<'a> {
    /// The module.
    pub wasm: &'a [u8],
    /// The pipeline that it is for; empty for the contract of docs/abi.md.
    pub target: &'a str,
    /// Imports from the first module become imports from the second.
    pub renamed: Option<(&'a str, &'a str)>,
    /// What was chosen for the pipeline, as the engine reads it.
    pub options: &'a [u8],
}

impl<'a> EngineModule<'a> {
    /// The engine of the contract.
    #[must_use]
    pub const fn core(wasm: &'a [u8]) -> Self {
        Self { wasm, target: "", renamed: None, options: &[] }
    }
}

/// An artifact, and warnings about keys of its rules that the engine ignores.
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
    /// Faults in rules: for each source that has some, its index and its diagnostics.
    Faults(Vec<(usize, Vec<Diagnostic>)>),
    /// A fault without a place in a file, as a sentence.
    Other(String),
}

impl CompileError {
    /// As plain lines, `file:line:column: error[code]: message`.
    #[must_use]
    pub fn plain(&self, sources: &[RuleText<'_>]) -> String {
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
    engine: &EngineModule<'_>,
    sources: &[RuleText<'_>],
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
    let wasm = artifact(engine, rules, &Origin::default()).map_err(CompileError::Other)?;
    Ok(Compiled { wasm, warnings })
}

/// Lays rules that were read into one artifact. The same rules in the same order give the same
/// bytes, in whatever folder their files are.
///
/// # Errors
/// A sentence that names the rule and what is wrong with it.
pub fn artifact(
    engine: &EngineModule<'_>,
    rules: Vec<(RuleText<'_>, Rule)>,
    origin: &Origin,
) -> Result<Vec<u8>, String> {
    let mut known = BTreeMap::new();
    for (source, rule) in &rules {
        if let Some(other) = known.insert(rule.plan.key_prefix(), source.name) {
            return Err(format!(
                "{}: it would share its state with {other}: same rule_id, fields and window",
                source.name
            ));
        }
    }
    let settings = Options::read(engine.options)?.settings()?;
    let plans = rules.iter().map(|(source, rule)| (source.name, &rule.plan));
    check_learning(engine.target, &settings, plans)?;
    let standard = standard(&rules, origin)?;
    let metas: Vec<RuleMeta> = rules.iter().map(|(source, rule)| meta(source.text, rule)).collect();
    let (texts, plans) = rules.into_iter().map(|(source, rule)| (source.text, rule.plan)).unzip();
    let texts: Vec<&str> = texts;
    let plan = Plan { rules: plans }.encode().map_err(|e| e.to_string())?;
    firstseen_artifact::compose(&ArtifactParts {
        engine: engine.wasm,
        engine_version: env!("CARGO_PKG_VERSION"),
        abi: firstseen_abi::ABI_VERSION.unsigned_abs(),
        plan: &plan,
        options: engine.options,
        target: engine.target,
        renamed: engine.renamed,
        rules: &metas,
        sources: &texts,
        standard: &standard,
    })
    .map_err(|e| e.to_string())
}

/// Whether a target can do what rules, by their names, and settings want of learning.
///
/// # Errors
/// What it cannot do, and what to do instead.
pub fn check_learning<'r>(
    target: &str,
    settings: &Settings,
    rules: impl Iterator<Item = (&'r str, &'r RulePlan)>,
) -> Result<(), String> {
    let keeps_starts = Target::from_name(target).is_none_or(Target::keeps_starts);
    for (name, plan) in rules {
        let for_ms = settings.learn_for_ms.unwrap_or(plan.learn_for_ms);
        let events = settings.learn_events.unwrap_or(plan.learn_events);
        let learns = for_ms > 0 || events > 0;
        if let Some(field) = &settings.learn_by {
            if !learns {
                return Err(format!(
                    "{name}: learn_by: it does not say how long it learns (learn_for, learn_events)"
                ));
            }
            if plan.new_terms.iter().all(|term| term == field) {
                return Err(format!("{name}: learn_by: {ONLY_TERM}"));
            }
        }
        if !keeps_starts && learns {
            let setting = if for_ms > 0 { "learn_for" } else { "learn_events" };
            let off = if for_ms > 0 { "\"0\"" } else { "0" };
            return Err(format!(
                "{name}: {setting}: target {target} looks up one key at a time and keeps no start of \
                 learning; give --learn-until, and \"{setting}\": {off} in --settings where the rule's file \
                 has it"
            ));
        }
    }
    Ok(())
}

/// Why a rule cannot learn by a field.
const ONLY_TERM: &str =
    "it is the only new-terms field: each term would be learned; learn by another field";

/// What the metadata says of a rule with this source.
#[must_use]
pub fn meta(source: &str, rule: &Rule) -> RuleMeta {
    let Rule { plan, facts, .. } = rule;
    RuleMeta {
        id: plan.id.clone(),
        name: plan.name.clone(),
        severity: plan.severity.clone(),
        new_terms: plan.new_terms.clone(),
        window: plan.window.clone(),
        window_ms: plan.window_ms,
        key_prefix: plan.key_prefix(),
        literals: plan.literals.clone(),
        version: facts.version,
        risk_score: Some(facts.risk_score),
        query: facts.query.trim().to_owned(),
        event_time: plan.event_time.as_ref().map(|time| time.field.clone()),
        timestamp_override: facts.timestamp_override.clone(),
        fingerprint: plan.fingerprint(),
        source_sha256: source_sha256(source),
        exceptions: plan.exceptions.len(),
        tags: facts.tags.clone(),
        threat: facts.threat.iter().map(threat).collect(),
        index: facts.index.clone(),
        learn_for_ms: plan.learn_for_ms,
        learn_events: plan.learn_events,
        learn_by: plan.learn_by.clone(),
        takes: firstseen_rule::settings::DECLARED.iter().map(|&key| key.to_owned()).collect(),
        from: facts.from.clone(),
        interval: facts.interval.clone(),
        max_signals: Some(facts.max_signals),
    }
}

/// The digest by which the metadata knows a source.
#[must_use]
pub fn source_sha256(source: &str) -> String {
    let mut digits = String::new();
    firstseen_value::push_hex(&mut digits, &Sha256::digest(source.as_bytes()));
    digits
}

fn threat(threat: &Threat) -> ThreatMeta {
    let techniques = threat.technique.iter().flat_map(|technique| {
        std::iter::once(&technique.named).chain(&technique.subtechnique).map(|one| one.id.clone())
    });
    ThreatMeta {
        framework: threat.framework.clone(),
        tactic: threat.tactic.id.clone(),
        tactic_name: threat.tactic.name.clone(),
        techniques: techniques.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_rule::source::{ReadOptions, read};

    const RULE: &str =
        include_str!("../../../plugin/rules/first_time_cloudformation_stack_creation.toml");

    #[test]
    fn what_a_target_cannot_learn_is_refused() {
        let plan = read(RULE, &ReadOptions::default()).unwrap().plan;
        let check = |target: &str, settings: &str, plan: &RulePlan| {
            check_learning(target, &Settings::read(settings).unwrap(), [("r", plan)].into_iter())
        };
        for settings in [r#"{"learn_for":"1d"}"#, r#"{"learn_events":9}"#] {
            for target in ["", "wasi", "extism", "redpanda", "fluent-bit", "js"] {
                assert_eq!(check(target, settings, &plan), Ok(()));
            }
            for target in ["bento", "redpanda-connect"] {
                let error = check(target, settings, &plan).unwrap_err();
                assert!(
                    error.starts_with("r: learn_") && error.contains("--learn-until"),
                    "{error}"
                );
            }
        }
        assert_eq!(check("bento", r#"{"learn_until":"2026-01-01T00:00:00Z"}"#, &plan), Ok(()));
        let alone = check("js", r#"{"learn_by":"cloud.account.id"}"#, &plan).unwrap_err();
        assert!(alone.contains("how long"), "{alone}");
        let by = r#"{"learn_by":"cloud.account.id","learn_events":9}"#;
        assert_eq!(check("js", by, &plan), Ok(()));
        let one = RulePlan { new_terms: vec!["cloud.account.id".to_owned()], ..plan };
        let only = check("js", by, &one).unwrap_err();
        assert!(only.contains("only new-terms field"), "{only}");
    }
}

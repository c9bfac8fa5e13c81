//! Whether an artifact is what its source makes.
//!
//! In: an artifact, untrusted. Out: its rules, read from the source inside; the artifact that this
//! version builds of them; and what differs between the two. It runs nothing of the artifact.

use crate::files::shown;
use crate::terminal::diagnostic;
use anyhow::Context;
use firstseen_artifact::{
    Meta, RuleMeta, bytes_of_sections, differing_sections, embedded_plan, needs_simd,
};
use firstseen_compiler::{self as compile, EngineModule, Origin, RuleText, Target};
use firstseen_rule::source::{self, EventTime, ReadOptions, Rule};
use firstseen_rule::{Plan, RulePlan};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The sections that come from the engine alone.
const ENGINE: &[&str] = &["code", "export", "import", "module"];

/// The rules of an artifact, read from the source inside it.
pub(super) struct EmbeddedRules {
    /// For what it was built, with what was chosen then.
    target: Target,
    /// Whether it is for engines with SIMD, by its code.
    needs_simd: bool,
    meta: Meta,
    origin: Origin,
    /// In the order of the metadata.
    pub(super) rules: Vec<(String, Rule)>,
}

/// What differs between an artifact and what this version makes of its source.
#[derive(Debug, Default)]
pub(super) struct Differences {
    /// What no other version of firstseen explains.
    pub(super) faults: Vec<String>,
    /// What another version may have made otherwise, and so could not be compared.
    pub(super) open: Vec<String>,
    /// Where the engine is another one, the digests of its code and of this version's; then what it does
    /// is not known here.
    pub(super) other_engine: Option<[String; 2]>,
}

impl EmbeddedRules {
    /// Reads them; nothing, when a source is at fault: what is wrong with it was printed.
    ///
    /// # Errors
    /// When the file is no artifact, or one for a target that this version does not know.
    pub(super) fn read(name: &str, wasm: &[u8]) -> anyhow::Result<Option<Self>> {
        let whose = || format!("rule {name}");
        // The engine inside is not asked anything: it may speak an older contract.
        let meta = Meta::read(wasm).with_context(whose)?;
        let texts = meta.sources(wasm).with_context(whose)?;
        let look = firstseen_artifact::read_module(wasm).with_context(whose)?;
        let target = Target::of(&meta).with_context(|| {
            let target = shown(Path::new(&meta.target));
            format!("rule {name}: it was built for {target}, which this version does not know")
        })?;
        let origin = |section: &str| look.standard.get(section).cloned().unwrap_or_default();
        let origin = Origin { source: origin("source"), revision: origin("revision") };
        let (mut rules, mut failed) = (Vec::new(), false);
        for (known, text) in meta.rules.iter().zip(texts) {
            let source = RuleText { name, text: &text };
            // As it was built: by the rule's own choice of time, or not.
            let event_time = match &known.event_time {
                None => EventTime::Timestamp,
                Some(_) => EventTime::TimestampOverride,
            };
            match source::read(&text, &ReadOptions { event_time, skips_lint: true }) {
                Ok(rule) => {
                    rule.warnings.iter().for_each(|one| diagnostic::print(&source, one));
                    rules.push((text, rule));
                }
                Err(faults) => {
                    faults.iter().for_each(|one| diagnostic::print(&source, one));
                    failed = true;
                }
            }
        }
        let needs_simd = needs_simd(wasm);
        Ok((!failed).then_some(Self { target, needs_simd, meta, origin, rules }))
    }

    /// The artifact that this version makes of them.
    ///
    /// # Errors
    /// When this binary lacks the target's engine.
    pub(super) fn build(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let engine = match (self.target, self.needs_simd) {
            (Target::Core, false) => firstseen_engines::plain_core(),
            (target, _) => firstseen_engines::engine(target),
        };
        let engine = engine.with_context(|| format!("rule {name}"))?;
        let engine = EngineModule { options: self.meta.options.as_bytes(), ..engine };
        let rules = self.rules.iter();
        let rules = rules.map(|(text, rule)| (RuleText { name, text }, rule.clone())).collect();
        compile::artifact(&engine, rules, &self.origin).map_err(anyhow::Error::msg)
    }

    /// Compares the artifact with what [`EmbeddedRules::build`] made.
    ///
    /// # Errors
    /// When one of them is no module.
    pub(super) fn compare(&self, wasm: &[u8], built: &[u8]) -> anyhow::Result<Differences> {
        // A signature is no part of what a source makes.
        let wasm = &*firstseen_signature::unsigned(wasm);
        let sections = differing_sections(wasm, built)?;
        let is_of_engine = |name: &String| ENGINE.contains(&name.as_str());
        let mut found = Differences::default();
        if sections.iter().any(is_of_engine) {
            found.other_engine = Some([digest_of_code(wasm)?, digest_of_code(built)?]);
        }
        for (known, (text, rule)) in self.meta.rules.iter().zip(&self.rules) {
            found.metadata(known, text, rule);
        }
        let plan = embedded_plan(wasm).map_err(str::to_owned);
        let plan = plan.and_then(|(plan, _)| Plan::decode(plan).map_err(|e| e.to_string()));
        match plan {
            Ok(plan) if plan.rules.len() != self.rules.len() => {
                found.faults.push("its plan has another number of rules than its sources".into());
            }
            Ok(plan) => {
                for (planned, (_, rule)) in plan.rules.iter().zip(&self.rules) {
                    found.plan(planned, &rule.plan);
                }
            }
            Err(reason) => found.derived(reason),
        }
        if found.other_engine.is_none() && found.faults.is_empty() && !sections.is_empty() {
            found.faults.push(format!("these sections were changed: {}", sections.join(", ")));
        }
        Ok(found)
    }
}

/// The digest of what comes from the engine alone.
fn digest_of_code(wasm: &[u8]) -> anyhow::Result<String> {
    let mut digest = "sha256:".to_owned();
    firstseen_value::push_hex(&mut digest, &Sha256::digest(bytes_of_sections(wasm, ENGINE)?));
    Ok(digest)
}

impl Differences {
    /// Whether the artifact is, byte for byte, what its source makes.
    pub(super) fn is_none(&self) -> bool {
        self.faults.is_empty() && self.open.is_empty() && self.other_engine.is_none()
    }

    fn metadata(&mut self, known: &RuleMeta, text: &str, rule: &Rule) {
        let name = &known.name;
        let now = compile::meta(text, rule);
        // Artifacts of before this member are without it.
        if !known.source_sha256.is_empty() && known.source_sha256 != now.source_sha256 {
            self.faults.push(format!("`{name}`: its source was changed after it was built"));
        }
        self.compare(
            &known.name,
            "metadata",
            &[
                ("rule_id", known.id != now.id),
                ("the name", known.name != now.name),
                ("the severity", known.severity != now.severity),
                ("the query", known.query != now.query),
                ("the new-terms fields", known.new_terms != now.new_terms),
                ("the window", known.window_ms != now.window_ms),
                ("the exceptions", known.exceptions != now.exceptions),
            ],
        );
    }

    /// Names what differs between a part of the artifact and what its source makes.
    fn compare(&mut self, name: &str, part: &str, rows: &[(&str, bool)]) {
        for (what, _) in rows.iter().filter(|(_, differs)| *differs) {
            self.faults.push(format!("`{name}`: its {part} and its source differ in {what}"));
        }
    }

    fn plan(&mut self, planned: &RulePlan, now: &RulePlan) {
        let name = &now.name;
        let exceptions = |plan: &RulePlan| -> Vec<_> {
            let facts = plan.exceptions.iter();
            facts
                .map(|e| (e.name.clone(), e.reason.clone(), e.rules.clone(), e.expires_ms))
                .collect()
        };
        let before = self.faults.len();
        self.compare(
            name,
            "plan",
            &[
                ("rule_id", planned.id != now.id),
                ("the name", planned.name != now.name),
                ("the severity", planned.severity != now.severity),
                ("the new-terms fields", planned.new_terms != now.new_terms),
                ("the window", planned.window_ms != now.window_ms),
                ("the exceptions", exceptions(planned) != exceptions(now)),
            ],
        );
        if self.faults.len() == before && planned != now {
            self.derived(format!("`{name}`: its plan is not what its source makes"));
        }
    }

    /// Something that a version derives from the source, and another one may derive otherwise.
    fn derived(&mut self, reason: String) {
        let to = if self.other_engine.is_some() { &mut self.open } else { &mut self.faults };
        to.push(reason);
    }
}

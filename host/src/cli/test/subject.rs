//! The rule under test: an artifact, ready to run, with its source.
//!
//! In: the path of a rule.toml or of an artifact. Out: the compiled module and what it says of the
//! rule. A rule.toml is built in memory, with the code that `build` uses.

use super::file::TestEventTime;
use super::report::TestProblem;
use crate::files::read_text;
use crate::rules::load::read_admitted;
use crate::rules::signed::RequiredKeys;
use crate::terminal::formats;
use anyhow::{anyhow, bail};
use firstseen_artifact::RuleMeta;
use firstseen_compiler::{CompileError, RuleText, compile};
use firstseen_rule::source::{self, ReadOptions, Severity};
use firstseen_runtime::{Artifact, Runtime};
use std::path::{Path, PathBuf};

/// A rule, ready to be tested.
pub(super) struct Subject {
    pub(super) path: PathBuf,
    pub(super) artifact: Artifact,
    /// The rule's place in the artifact, as items name it.
    pub(super) index: usize,
    /// What the artifact says of the rule.
    pub(super) meta: RuleMeta,
    /// The rule's TOML.
    pub(super) source: String,
}

impl Subject {
    /// Builds or loads a rule. `rule_id` says which one where an artifact holds several.
    ///
    /// # Errors
    /// What is wrong with it; for a rule.toml all of it, each with its place.
    pub(super) fn load(
        runtime: &Runtime,
        required: &RequiredKeys,
        path: &Path,
        rule_id: Option<&str>,
        event_time: Option<TestEventTime>,
    ) -> Result<Self, Vec<TestProblem>> {
        let name = path.display().to_string();
        let sentence =
            |error: &anyhow::Error| vec![TestProblem::sentence(&name, &format!("{error:#}"))];
        let wasm = if is_artifact(path) {
            if event_time.is_some() {
                let reason = "it is built already, so `event_time` can change nothing";
                return Err(vec![TestProblem::sentence(&name, reason)]);
            }
            read_admitted(path, required).map_err(|e| sentence(&e))?
        } else {
            required.admit_source(&name).map_err(|e| sentence(&e))?;
            let text = read_text(path).map_err(|e| sentence(&e))?;
            let source = RuleText { name: &name, text: &text };
            let compiled = compile(&firstseen_engines::core(), &[source], &options(event_time));
            compiled.map(|compiled| compiled.wasm).map_err(|error| match error {
                CompileError::Other(reason) => sentence(&anyhow!(reason)),
                CompileError::Faults(faults) => {
                    let all = faults.iter().flat_map(|(_, diagnostics)| diagnostics);
                    let errors = all.filter(|d| d.severity == Severity::Error);
                    errors.map(|d| TestProblem::placed(&source, d)).collect()
                }
            })?
        };
        Self::new(runtime, path, &wasm, rule_id).map_err(|e| sentence(&e))
    }

    fn new(
        runtime: &Runtime,
        path: &Path,
        wasm: &[u8],
        rule_id: Option<&str>,
    ) -> anyhow::Result<Self> {
        let artifact = Artifact::new(runtime, path.display().to_string(), wasm)?;
        let rules = &artifact.meta.rules;
        let found = match rule_id {
            Some(id) => rules.iter().enumerate().find(|(_, rule)| rule.id == id),
            None if rules.len() > 1 => {
                bail!(
                    "it holds {}: say which one with `rule_id`",
                    formats::count(rules.len(), "rule")
                )
            }
            None => rules.iter().enumerate().next(),
        };
        let Some((index, meta)) = found.map(|(index, meta)| (index, meta.clone())) else {
            bail!("it holds no rule with the id {}", rule_id.unwrap_or_default());
        };
        let source = artifact.meta.sources(wasm)?.into_iter().nth(index).unwrap_or_default();
        Ok(Self { path: path.to_owned(), artifact, index, meta, source })
    }
}

fn options(event_time: Option<TestEventTime>) -> ReadOptions {
    let event_time = match event_time {
        None | Some(TestEventTime::Timestamp) => source::EventTime::Timestamp,
        Some(TestEventTime::TimestampOverride) => source::EventTime::TimestampOverride,
    };
    ReadOptions { event_time, ..ReadOptions::default() }
}

/// Whether a path is an artifact's by its name.
pub(super) fn is_artifact(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm")
}

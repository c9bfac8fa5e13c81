//! From rule.toml to an artifact. The build script uses this file too, for the flagship.
//!
//! In: the engine module and the sources of rules. Out: the artifact's bytes, or an error that
//! names the rule and the place. It never reads a file, and needs no Rust toolchain.

use firstseen_artifact::{Parts, RuleMeta};
use firstseen_rule::{Plan, RulePlan, source};

/// A rule's source and where it came from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// For error texts.
    pub name: &'a str,
    /// The TOML.
    pub text: &'a str,
}

/// Compiles rules into one artifact.
///
/// # Errors
/// A sentence that names the rule and what is wrong with it.
pub fn compile(engine: &[u8], sources: &[Source<'_>]) -> Result<Vec<u8>, String> {
    let mut rules: Vec<RulePlan> = Vec::with_capacity(sources.len());
    for source in sources {
        let rule = source::read(source.text).map_err(|e| format!("{}: {e}", source.name))?;
        if let Some(other) = rules.iter().find(|r| r.key_prefix() == rule.key_prefix()) {
            return Err(format!(
                "{}: it would share its state with `{}`: same rule_id, fields and window",
                source.name, other.name
            ));
        }
        rules.push(rule);
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

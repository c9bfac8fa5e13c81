//! What registries read of a rule or a pack: name, description, authors, licence, version.
//!
//! In: rules that were read, and where they come from. Out: the standard metadata. It never guesses
//! what a rule does not say.

use crate::text::{Origin, RuleText};
use firstseen_artifact::StandardMetadata;
use firstseen_rule::source::Rule;

/// Names that a pack's description holds; the metadata holds them all.
const NAMES: usize = 3;

/// What registries look for. A pack is named after what is in it; it has no version of its own.
pub(crate) fn standard(
    rules: &[(RuleText<'_>, Rule)],
    origin: &Origin,
) -> Result<StandardMetadata, String> {
    let Origin { source, revision } = origin.clone();
    let Some((_, first)) = rules.first() else { return Err("no rule was given".to_owned()) };
    let authors: Vec<&String> = rules.iter().flat_map(|(_, rule)| &rule.facts.authors).collect();
    let mut standard = StandardMetadata {
        authors: each(authors),
        source,
        revision,
        ..StandardMetadata::default()
    };
    if let [_] = rules {
        standard.name = first.plan.name.clone();
        let description = first.facts.description.as_deref().unwrap_or(&first.plan.name);
        standard.description = description.trim().to_owned();
        standard.license = first.facts.license.clone().unwrap_or_default();
        standard.version = first.facts.version.map(|v| v.to_string()).unwrap_or_default();
        return Ok(standard);
    }
    standard.name = format!("{} rules", rules.len());
    let names: Vec<&str> = rules.iter().take(NAMES).map(|(_, rule)| &*rule.plan.name).collect();
    standard.description = match rules.len() - names.len() {
        0 => format!("{}: {}", standard.name, names.join("; ")),
        more => format!("{}: {}; and {more} more", standard.name, names.join("; ")),
    };
    let license =
        |rule: &Rule| StandardMetadata::spdx(rule.facts.license.as_deref().unwrap_or_default());
    // Where one rule's licence is not known, the pack's is not known either.
    let licenses: Option<Vec<String>> = rules.iter().map(|(_, rule)| license(rule)).collect();
    let licenses = licenses.unwrap_or_default();
    let mut distinct: Vec<String> = Vec::new();
    for license in &licenses {
        if !distinct.contains(license) {
            distinct.push(license.clone());
        }
    }
    standard.license = match distinct.as_slice() {
        [one] => one.clone(),
        all => all.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" AND "),
    };
    Ok(standard)
}

/// Each text once, in order of first appearance.
fn each(texts: Vec<&String>) -> String {
    let mut out: Vec<&str> = Vec::new();
    for text in texts {
        if !out.contains(&text.as_str()) {
            out.push(text);
        }
    }
    out.join(", ")
}

//! How the rules of a run learn and forget, as their files, the settings and the command line say.
//!
//! In: the artifacts with their metadata, the settings. Out: the same metadata under another length of
//! memory, the settings that guests are given, or why an artifact cannot take them. It opens nothing.

use crate::escape::escaped;
use crate::pipeline::learning::OLDEST_MS;
use crate::terminal::message;
use anyhow::{anyhow, bail};
use firstseen_artifact::RuleMeta;
use firstseen_rule::Settings;
use firstseen_rule::alert::rfc3339;
use firstseen_rule::settings::AlertRuleText;
use firstseen_rule::source::doubted_field;
use firstseen_runtime::Artifact;
use serde_json::{Map, Value};

/// How long a rule learns from its start on; 0: not at all.
#[must_use]
pub(super) fn learn_for_ms(rule: &RuleMeta, settings: &Settings) -> i64 {
    settings.learn_for_ms.unwrap_or(rule.learn_for_ms)
}

/// From how many matching events a rule learns; 0: from none.
#[must_use]
pub(super) fn learn_events(rule: &RuleMeta, settings: &Settings) -> u32 {
    settings.learn_events.unwrap_or(rule.learn_events)
}

/// Whether a rule begins with learning.
#[must_use]
pub(super) fn learns(rule: &RuleMeta, settings: &Settings) -> bool {
    learn_for_ms(rule, settings) > 0 || learn_events(rule, settings) > 0
}

/// Whether every rule begins with learning.
#[must_use]
pub(super) fn all_learn(artifacts: &[Artifact], settings: &Settings) -> bool {
    rules(artifacts).all(|rule| learns(rule, settings))
}

fn rules(artifacts: &[Artifact]) -> impl Iterator<Item = &RuleMeta> {
    artifacts.iter().flat_map(|artifact| &artifact.meta.rules)
}

/// Whether every artifact can do what the settings want.
///
/// # Errors
/// The first that cannot, and what to do.
pub(super) fn check(artifacts: &[Artifact], settings: &Settings) -> anyhow::Result<()> {
    let given = [
        ("learn_for", settings.learn_for_ms.is_some()),
        ("learn_events", settings.learn_events.is_some()),
        ("learn_by", settings.learn_by.is_some()),
        ("learn_since", settings.learn_since_ms.is_some()),
        ("forget_after", settings.forget_after.is_some()),
        ("rule_text", settings.rule_text != AlertRuleText::Full),
    ];
    for (name, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
        for artifact in artifacts {
            if !artifact.meta.rules.iter().all(|rule| takes(rule, name)) {
                bail!(
                    "rule {}: its engine is older than the setting {name}; build it again, for which \
                     `firstseen rebuild` needs no source",
                    escaped(&artifact.name)
                );
            }
        }
    }
    let Some(field) = &settings.learn_by else { return Ok(()) };
    let is_off = settings.learn_for_ms == Some(0) && settings.learn_events.is_none();
    if let Some(rule) = rules(artifacts).find(|rule| !is_off && !learns(rule, settings)) {
        bail!(
            "learn_by: rule {} does not say how long it learns; give --learn-for 10d or \
             --learn-events 1000 too",
            escaped(&rule.name)
        );
    }
    let is_only = |rule: &&RuleMeta| {
        learns(rule, settings) && rule.new_terms.iter().all(|term| term == field)
    };
    if let Some(rule) = rules(artifacts).find(is_only) {
        bail!(
            "learn_by: {} is the only new-terms field of rule {}, so that each of its terms would be \
             learned; learn by another field",
            escaped(field),
            escaped(&rule.name)
        );
    }
    Ok(())
}

/// Whether a state can count the events that rules learn from.
///
/// # Errors
/// Where the state is shared: its processes would count differently.
pub(super) fn check_counts(
    artifacts: &[Artifact],
    settings: &Settings,
    is_shared: bool,
) -> anyhow::Result<()> {
    let counts = |rule: &&RuleMeta| learn_events(rule, settings) > 0;
    let Some(rule) = rules(artifacts).find(counts).filter(|_| is_shared) else { return Ok(()) };
    bail!(
        "learn_events: rule {} cannot learn from a number of events with a state at a server: each \
         process would count differently; give --learn-events 0 and --learn-for 10d or --learn-until \
         TIME, or keep the state in a file",
        escaped(&rule.name)
    )
}

/// Warns of a field that is probably misspelled: an event without it belongs to the start of its rule, so
/// nothing else would show it.
pub(super) fn doubt(settings: &Settings) {
    if let Some(name) = &settings.learn_by
        && let Some(meant) = doubted_field(name)
    {
        let name = escaped(name);
        let meant = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "neither ECS nor CloudTrail has it".to_owned(),
        };
        message::warning(&format!("warning: learn_by: unknown field `{name}`: {meant}"));
    }
}

fn takes(rule: &RuleMeta, setting: &str) -> bool {
    rule.takes.iter().any(|known| known == setting)
}

/// The settings for a stream: where rules learn, nothing starts with a stray old event.
///
/// # Errors
/// As [`Settings::read`].
pub(super) fn from_stream(
    artifacts: &[Artifact],
    settings: Settings,
    text: Option<String>,
    now_ms: i64,
) -> anyhow::Result<(Settings, Option<String>)> {
    let learns = rules(artifacts).any(|rule| learns(rule, &settings));
    let is_known = rules(artifacts).all(|rule| takes(rule, "learn_since"));
    if !learns || !is_known || now_ms == 0 || settings.learn_since_ms.is_some() {
        return Ok((settings, text));
    }
    let document = text.as_deref().map(serde_json::from_str).transpose()?;
    let mut document: Map<String, Value> = document.unwrap_or_default();
    let since = rfc3339(now_ms.saturating_sub(OLDEST_MS));
    document.insert("learn_since".to_owned(), Value::String(since));
    let text = Value::Object(document).to_string();
    Ok((Settings::read(&text).map_err(|e| anyhow!(e))?, Some(text)))
}

/// Gives the rules the length of memory that the settings want: it is a part of their keys.
///
/// # Errors
/// Where a rule's fingerprint is not what its metadata says.
pub(super) fn forget_after(artifacts: &mut [Artifact], settings: &Settings) -> anyhow::Result<()> {
    let Some(length) = &settings.forget_after else { return Ok(()) };
    for rule in artifacts.iter_mut().flat_map(|artifact| &mut artifact.meta.rules) {
        let print = crate::state::fingerprint_under(rule, length.ms).ok_or_else(|| {
            anyhow!("forget_after: the fingerprint of rule {} is none", escaped(&rule.name))
        })?;
        rule.key_prefix = format!("{}:{print}:", rule.id);
        (rule.fingerprint, rule.window_ms) = (print, length.ms);
        rule.window.clone_from(&length.text);
    }
    Ok(())
}

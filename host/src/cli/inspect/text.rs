//! The content of an artifact, for a person.
//!
//! In: an artifact that was read. Out: text of 80 columns; everything in it that came from the file is
//! escaped.

use super::{InspectedArtifact, InspectedSignature};
use crate::cli::verify_signature::signer_names;
use crate::escape::escaped;
use crate::terminal::formats::{counted, number};
use crate::terminal::guide::title;
use crate::terminal::wrap::wrapped;
use firstseen_artifact::{RuleMeta, needs_simd};
use firstseen_rule::RulePlan;
use firstseen_rule::exception::Exception;
use firstseen_signature::KeyId;
use serde_json::Value;

/// Columns of the names on the left.
const LEFT: usize = 13;

/// The page.
pub(super) fn page(seen: &InspectedArtifact, colour: bool) -> String {
    let InspectedArtifact { name, wasm, digest, meta, look, plan, .. } = seen;
    let standard = |name: &str| look.standard.get(name).map_or("", String::as_str);
    let mut out = title(standard("name"), colour);
    out += &wrapped(&escaped(&standard("description").replace('\n', " ")), "  ", "  ");
    out.push('\n');
    row(&mut out, "file", name);
    let size = counted(wasm.len() as u64, "byte", "bytes");
    let beside = format!("{size}, {} beside its text", number(look.engine_bytes() as u64));
    row(&mut out, "size", &beside);
    row(&mut out, "engine", &format!("{}, contract {}", meta.engine, meta.abi));
    if let Some((least, most)) = look.memory {
        let most = most.map_or(String::new(), |most| format!(", at most {most}"));
        row(&mut out, "memory", &format!("{least} pages of 64 KiB{most}"));
    }
    row(&mut out, "SIMD", if needs_simd(wasm) { "needed" } else { "not needed" });
    for name in ["version", "authors", "licenses", "source", "revision", "homepage"] {
        row(&mut out, name, standard(name));
    }
    // On a line of its own, as it fills one.
    out += &format!("{digest}\n");
    row(&mut out, "signature", &signature(&seen.signature));
    if !meta.target.is_empty() {
        row(&mut out, "built for", &meta.target);
    }
    settings(&mut out, &super::json::settings(meta));
    let planned = plan.as_ref().map(|plan| plan.rules.as_slice()).unwrap_or_default();
    for (index, rule) in meta.rules.iter().enumerate() {
        out.push('\n');
        out += &title(&rule.name, colour);
        let own = seen.own_windows.get(index).and_then(Option::as_deref);
        self::rule(&mut out, rule, planned.get(index), own);
    }
    if let Err(reason) = plan {
        out.push('\n');
        row(&mut out, "plan", reason);
    }
    out.push('\n');
    out += &title("Imports", colour);
    for (from, name, kind) in &look.imports {
        out += &wrapped(&escaped(&format!("{from}.{name} {kind}")), "  ", "      ");
    }
    out += &title("Exports", colour);
    for (name, kind) in &look.exports {
        out += &wrapped(&escaped(&format!("{name} {kind}")), "  ", "      ");
    }
    out += &title("Sections", colour);
    for section in &look.sections {
        let custom = if section.custom { " (text)" } else { "" };
        out += &format!("  {:>10}  {}{custom}\n", section.size, escaped(&section.name));
    }
    out
}

/// Whether there is a signature, and by whom.
fn signature(signature: &InspectedSignature) -> String {
    match signature {
        InspectedSignature::Absent => "none".to_owned(),
        InspectedSignature::Unchecked(keys) => {
            let name = |key: &Option<KeyId>| match key {
                Some(id) => format!("key {id}"),
                None => "a key that it does not name".to_owned(),
            };
            let names: Vec<_> = keys.iter().map(name).collect();
            format!("by {}, as it says; not checked (--keys)", names.join(", "))
        }
        InspectedSignature::Valid(keys) => {
            let keys: Vec<_> = keys.iter().map(|(id, file)| (*id, file.as_str())).collect();
            format!("valid, by {}", signer_names(&keys))
        }
        InspectedSignature::Refused(error) => format!("not valid: {error}"),
    }
}

/// A row for each option, and one for each of the rules' own settings.
fn settings(out: &mut String, settings: &Value) {
    for (name, value) in settings.as_object().into_iter().flatten() {
        match value {
            Value::Object(own) => {
                for (index, (name, value)) in own.iter().enumerate() {
                    let label = if index == 0 { "settings" } else { "" };
                    row(out, label, &format!("{name} = {value}"));
                }
            }
            Value::String(text) => row(out, name, text),
            other => row(out, name, &other.to_string()),
        }
    }
}

fn rule(out: &mut String, rule: &RuleMeta, plan: Option<&RulePlan>, own: Option<&str>) {
    row(out, "rule id", &rule.id);
    let risk = rule.risk_score.map_or(String::new(), |risk| format!(", risk score {risk}"));
    row(out, "severity", &format!("{}{risk}", rule.severity));
    row(out, "version", &rule.version.map_or(String::new(), |version| version.to_string()));
    row(out, "new terms", &rule.new_terms.join(", "));
    // With forget_after a term is known for another time than upstream.
    let other = own.filter(|own| *own != rule.window);
    let other = other.map(|own| format!(" (forget_after; the rule's own is {own})"));
    row(out, "window", &format!("{}{}", rule.window, other.unwrap_or_default()));
    let time = (rule.learn_for_ms > 0).then(|| {
        let days = rule.learn_for_ms as f64 / firstseen_rule::window::DAY_MS as f64;
        format!("{days} d from the first event on")
    });
    let events = (rule.learn_events > 0).then(|| {
        format!("from {}", counted(rule.learn_events.into(), "matching event", "matching events"))
    });
    let learns: Vec<String> = time.into_iter().chain(events).collect();
    if !learns.is_empty() {
        let by = rule.learn_by.as_ref().map(|by| format!(", for each {by}")).unwrap_or_default();
        row(out, "learns", &format!("{}{by}", learns.join(" and ")));
    }
    row(out, "event time", rule.event_time.as_deref().unwrap_or("@timestamp"));
    row(out, "query", &rule.query.split_whitespace().collect::<Vec<_>>().join(" "));
    if let Some(decides) = plan.and_then(|plan| with_filters(rule, plan)) {
        row(out, "with filters", &decides);
    }
    let literals: Vec<String> = rule.literals.iter().map(|any| any.join(" or ")).collect();
    row(out, "looks for", &literals.join("; and "));
    row(out, "state keys", &rule.key_prefix);
    if rule.exceptions > 0 {
        row(out, "exceptions", &rule.exceptions.to_string());
    }
    for exception in plan.iter().flat_map(|plan| &plan.exceptions) {
        self::exception(out, exception);
    }
    for threat in &rule.threat {
        let mut parts = vec![threat.tactic.clone()];
        parts.extend((!threat.tactic_name.is_empty()).then(|| threat.tactic_name.clone()));
        parts.extend((!threat.techniques.is_empty()).then(|| threat.techniques.join(", ")));
        row(out, "threat", &format!("{}: {}", threat.framework, parts.join(" ")));
    }
    row(out, "tags", &rule.tags.join("; "));
    row(out, "indices", &rule.index.join(", "));
    let upstream = match rule.interval.as_str() {
        "" => String::new(),
        interval => format!("every {interval} from {}", rule.from),
    };
    row(out, "upstream", &upstream);
}

/// What decides where it is more than the query as it is written: the filters are part of it.
pub(super) fn with_filters(rule: &RuleMeta, plan: &RulePlan) -> Option<String> {
    let alone = firstseen_kql::parse(&rule.query).ok();
    (alone.as_ref() != Some(&plan.query)).then(|| plan.query.to_string())
}

fn exception(out: &mut String, exception: &Exception) {
    let mut row = |name: &str, text: &str| {
        let first = format!("    {name:<0$}", LEFT - 2);
        *out += &wrapped(&escaped(text), &first, &" ".repeat(LEFT + 2));
    };
    row("name", &exception.name);
    row("leaves out", &exception.query.to_string());
    if let Some(reason) = &exception.reason {
        row("because", reason);
    }
    if let Some(end) = end(exception) {
        row("until", &end);
    }
}

/// When an exception ends.
pub(super) fn end(exception: &Exception) -> Option<String> {
    let end = chrono::DateTime::from_timestamp_millis(exception.expires_ms?)?;
    Some(end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

/// A name and what there is to say; nothing where there is nothing.
fn row(out: &mut String, name: &str, text: &str) {
    if !text.is_empty() {
        let first = format!("  {name:<LEFT$}");
        *out += &wrapped(&escaped(text), &first, &" ".repeat(LEFT + 2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_and_settings_have_a_row_each() {
        let mut out = String::new();
        let own = json!({ "learn_until": "2025-04-01", "trust_envelopes": ["a", "b"] });
        settings(&mut out, &json!({ "records": "alerts", "state_limit": 9, "settings": own }));
        assert_eq!(
            out,
            "  records      alerts\n  settings     learn_until = \"2025-04-01\"\n               \
             trust_envelopes = [\"a\",\"b\"]\n  state_limit  9\n"
        );
    }
}

//! The rule's part of an alert.
//!
//! In: a rule, read and checked. Out: a JSON object with flat `kibana.alert.*` names, the same for
//! every alert of the rule. It holds nothing of an event.

use super::facts::Facts;
use crate::plan::RulePlan;
use serde_json::{Map, Value, json};

/// The part, as JSON text. `plan.alert` itself is not looked at.
pub(super) fn part(plan: &RulePlan, facts: &Facts) -> String {
    let mut out = Map::new();
    let mut set = |name: &str, value: Value| {
        let empty = match &value {
            Value::Null => true,
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        if !empty {
            out.insert(format!("kibana.alert.{name}"), value);
        }
    };
    let fields = (!facts.investigation_fields.is_empty())
        .then(|| json!({ "field_names": facts.investigation_fields }));
    set("severity", json!(plan.severity));
    set("risk_score", json!(facts.risk_score));
    set("rule.author", json!(facts.authors));
    set("rule.building_block_type", json!(facts.building_block_type));
    set("rule.category", json!("New Terms Rule"));
    set("rule.consumer", json!("siem"));
    set("rule.description", json!(facts.description.as_deref().map(str::trim)));
    set("rule.false_positives", json!(trimmed(&facts.false_positives)));
    set("rule.from", json!(facts.from));
    set("rule.history_window_start", json!(facts.history_window_start));
    set("rule.indices", json!(facts.index));
    set("rule.interval", json!(facts.interval));
    set("rule.investigation_fields", json!(fields));
    set("rule.license", json!(facts.license));
    set("rule.max_signals", json!(facts.max_signals));
    set("rule.name", json!(plan.name));
    set("rule.new_terms_fields", json!(plan.new_terms));
    set("rule.note", json!(facts.note));
    set(
        "rule.parameters",
        json!({
            "history_window_start": facts.history_window_start,
            "index": facts.index,
            "language": "kuery",
            "new_terms_fields": plan.new_terms,
            "query": facts.query.trim(),
            "risk_score": facts.risk_score,
            "severity": plan.severity,
        }),
    );
    set("rule.producer", json!("siem"));
    set("rule.references", json!(facts.references));
    set("rule.risk_score", json!(facts.risk_score));
    set("rule.rule_id", json!(plan.id));
    set("rule.rule_type_id", json!("siem.newTermsRule"));
    set("rule.setup", json!(facts.setup));
    set("rule.severity", json!(plan.severity));
    set("rule.tags", json!(facts.tags));
    set("rule.threat", json!(facts.threat));
    set("rule.timestamp_override", json!(facts.timestamp_override));
    set("rule.type", json!("new_terms"));
    set("rule.uuid", json!(plan.id));
    set("rule.version", json!(facts.version.unwrap_or(1)));
    Value::Object(out).to_string()
}

/// Without the indentation that TOML's long strings carry along.
fn trimmed(texts: &[String]) -> Vec<String> {
    let lines = |text: &String| text.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n");
    texts.iter().map(lines).collect()
}

//! A rule's TOML, in the shape of Elastic's public rules, read and checked.
//!
//! In: the text of a rule.toml. Out: a plan for the engine, or an error that names the place. It
//! keeps what an alert shows of the rule and never what only a scheduler needs, except to show it.

use crate::plan::RulePlan;
use crate::window;
use firstseen_kql::Query;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use thiserror::Error;

/// Why a text is no new_terms rule.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum SourceError {
    /// Not TOML, or not in the shape of a rule.
    #[error("{0}")]
    Toml(String),
    /// A value that cannot be taken.
    #[error("{field}: {reason}")]
    Value {
        /// The name, from the top: `rule.severity`.
        field: String,
        /// What is wrong with it and what to give instead.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Document {
    rule: Rule,
}

#[derive(Deserialize)]
struct Rule {
    rule_id: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default = "kuery")]
    language: String,
    query: String,
    severity: String,
    risk_score: i64,
    new_terms: NewTerms,
    #[serde(default)]
    filters: Vec<Filter>,
    version: Option<i64>,
    state_epoch: Option<u32>,
    description: Option<String>,
    #[serde(default)]
    author: Vec<String>,
    license: Option<String>,
    #[serde(default)]
    index: Vec<String>,
    #[serde(default = "from")]
    from: String,
    #[serde(default = "interval")]
    interval: String,
    #[serde(default = "max_signals")]
    max_signals: i64,
    #[serde(default)]
    false_positives: Vec<String>,
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    note: Option<String>,
    setup: Option<String>,
    timestamp_override: Option<String>,
    building_block_type: Option<String>,
    investigation_fields: Option<toml::Table>,
    #[serde(default)]
    threat: Vec<Threat>,
}

fn kuery() -> String {
    "kuery".to_owned()
}
fn from() -> String {
    "now-6m".to_owned()
}
fn interval() -> String {
    "5m".to_owned()
}
const fn max_signals() -> i64 {
    100
}

#[derive(Deserialize)]
struct NewTerms {
    field: String,
    value: Vec<String>,
    history_window_start: Vec<HistoryWindow>,
}

#[derive(Deserialize)]
struct HistoryWindow {
    field: String,
    value: String,
}

#[derive(Deserialize)]
struct Filter {
    meta: Option<FilterMeta>,
    query: FilterQuery,
}

#[derive(Deserialize)]
struct FilterMeta {
    #[serde(default)]
    negate: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterQuery {
    wildcard: BTreeMap<String, Wildcard>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wildcard {
    value: String,
    #[serde(default)]
    case_insensitive: bool,
}

#[derive(Deserialize)]
struct Threat {
    framework: String,
    tactic: Named,
    #[serde(default)]
    technique: Vec<Technique>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    name: String,
    reference: String,
}

#[derive(Deserialize)]
struct Technique {
    #[serde(flatten)]
    named: Named,
    #[serde(default)]
    subtechnique: Vec<Named>,
}

/// Reads and checks a rule.
///
/// # Errors
/// [`SourceError`], with the line where the TOML is at fault, the field where a value is, and the
/// place in the query where that is.
pub fn read(text: &str) -> Result<RulePlan, SourceError> {
    let Document { rule } =
        toml::from_str(text).map_err(|e| SourceError::Toml(e.to_string().trim_end().to_owned()))?;
    rule.check()?;
    let query = rule.query()?;
    let window = rule.window()?;
    let window_ms =
        window::before_now(window).map_err(|e| at("rule.new_terms.history_window_start", e))?;
    let literals = query.literals(&firstseen_event::verbatim);
    let alert = Value::Object(rule.alert(window)).to_string();
    Ok(RulePlan {
        window: window.trim().trim_start_matches("now-").to_owned(),
        window_ms,
        literals,
        alert,
        query,
        id: rule.rule_id,
        name: rule.name,
        severity: rule.severity,
        new_terms: rule.new_terms.value,
        epoch: rule.state_epoch.unwrap_or(0),
        exceptions: Vec::new(),
    })
}

fn at(field: &str, reason: impl Into<String>) -> SourceError {
    SourceError::Value { field: field.to_owned(), reason: reason.into() }
}

impl Rule {
    fn check(&self) -> Result<(), SourceError> {
        if self.kind != "new_terms" {
            let reason = format!("is `{}`; only `new_terms` rules can be built", self.kind);
            return Err(at("rule.type", reason));
        }
        if self.language != "kuery" {
            let reason = format!("is `{}`; only `kuery` is read", self.language);
            return Err(at("rule.language", reason));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if self.rule_id.is_empty() || self.rule_id.len() > 64 || !self.rule_id.bytes().all(plain) {
            let reason = "give 1 to 64 letters, digits, `.`, `_` or `-` (Elastic's are UUIDs)";
            return Err(at("rule.rule_id", reason));
        }
        if self.name.trim().is_empty() {
            return Err(at("rule.name", "is empty"));
        }
        if !matches!(self.severity.as_str(), "low" | "medium" | "high" | "critical") {
            let reason = format!("is `{}`; give low, medium, high or critical", self.severity);
            return Err(at("rule.severity", reason));
        }
        if !(0..=100).contains(&self.risk_score) {
            return Err(at("rule.risk_score", "give 0 to 100"));
        }
        if self.new_terms.field != "new_terms_fields" {
            return Err(at("rule.new_terms.field", "give `new_terms_fields`"));
        }
        let fields = &self.new_terms.value;
        if !(1..=3).contains(&fields.len()) {
            let reason = format!("has {} fields; give one to three", fields.len());
            return Err(at("rule.new_terms.value", reason));
        }
        for (index, field) in fields.iter().enumerate() {
            if field.trim().is_empty() || field.contains('*') {
                return Err(at("rule.new_terms.value", format!("`{field}` is no field name")));
            }
            if fields.iter().take(index).any(|f| f == field) {
                return Err(at("rule.new_terms.value", format!("names `{field}` twice")));
            }
        }
        Ok(())
    }

    fn window(&self) -> Result<&str, SourceError> {
        match self.new_terms.history_window_start.as_slice() {
            [one] if one.field == "history_window_start" => Ok(&one.value),
            [_] => {
                Err(at("rule.new_terms.history_window_start.field", "give `history_window_start`"))
            }
            _ => Err(at("rule.new_terms.history_window_start", "give exactly one")),
        }
    }

    fn query(&self) -> Result<Query, SourceError> {
        let mut query =
            firstseen_kql::parse(&self.query).map_err(|e| at("rule.query", e.to_string()))?;
        for filter in &self.filters {
            let negate = filter.meta.as_ref().is_some_and(|m| m.negate);
            for (field, wildcard) in &filter.query.wildcard {
                let part =
                    firstseen_kql::wildcard(field, &wildcard.value, wildcard.case_insensitive);
                query = query.and_filter(part, negate);
            }
        }
        Ok(query)
    }

    /// The rule's part of an alert.
    fn alert(&self, window: &str) -> Map<String, Value> {
        let threat: Vec<Value> = self.threat.iter().map(Threat::json).collect();
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
        set("severity", json!(self.severity));
        set("risk_score", json!(self.risk_score));
        set("rule.author", json!(self.author));
        set("rule.building_block_type", json!(self.building_block_type));
        set("rule.category", json!("New Terms Rule"));
        set("rule.consumer", json!("siem"));
        set("rule.description", json!(self.description.as_deref().map(str::trim)));
        set("rule.false_positives", json!(trimmed(&self.false_positives)));
        set("rule.from", json!(self.from));
        set("rule.history_window_start", json!(window));
        set("rule.indices", json!(self.index));
        set("rule.interval", json!(self.interval));
        set("rule.investigation_fields", json!(self.investigation_fields));
        set("rule.license", json!(self.license));
        set("rule.max_signals", json!(self.max_signals));
        set("rule.name", json!(self.name));
        set("rule.new_terms_fields", json!(self.new_terms.value));
        set("rule.note", json!(self.note));
        set(
            "rule.parameters",
            json!({
                "history_window_start": window,
                "index": self.index,
                "language": self.language,
                "new_terms_fields": self.new_terms.value,
                "query": self.query.trim(),
                "risk_score": self.risk_score,
                "severity": self.severity,
            }),
        );
        set("rule.producer", json!("siem"));
        set("rule.references", json!(self.references));
        set("rule.risk_score", json!(self.risk_score));
        set("rule.rule_id", json!(self.rule_id));
        set("rule.rule_type_id", json!("siem.newTermsRule"));
        set("rule.setup", json!(self.setup));
        set("rule.severity", json!(self.severity));
        set("rule.tags", json!(self.tags));
        set("rule.threat", Value::Array(threat));
        set("rule.timestamp_override", json!(self.timestamp_override));
        set("rule.type", json!("new_terms"));
        set("rule.uuid", json!(self.rule_id));
        set("rule.version", json!(self.version.unwrap_or(1)));
        out
    }
}

/// Without the indentation that TOML's long strings carry along.
fn trimmed(texts: &[String]) -> Vec<String> {
    let lines = |text: &String| text.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n");
    texts.iter().map(lines).collect()
}

impl Named {
    fn json(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "reference": self.reference })
    }
}

impl Threat {
    fn json(&self) -> Value {
        let mut out = json!({ "framework": self.framework, "tactic": self.tactic.json() });
        let technique: Vec<Value> = self.technique.iter().map(Technique::json).collect();
        if let (Some(map), false) = (out.as_object_mut(), technique.is_empty()) {
            map.insert("technique".to_owned(), Value::Array(technique));
        }
        out
    }
}

impl Technique {
    fn json(&self) -> Value {
        let mut out = self.named.json();
        let sub: Vec<Value> = self.subtechnique.iter().map(Named::json).collect();
        if let (Some(map), false) = (out.as_object_mut(), sub.is_empty()) {
            map.insert("subtechnique".to_owned(), Value::Array(sub));
        }
        out
    }
}

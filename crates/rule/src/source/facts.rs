//! The facts of a rule, for alerts, metadata and people: all that its plan does not hold.
//!
//! In: a rule's file, read. Out: plain data. The engine does not use it.

use serde::Serialize;

/// All keys of a rule's file that the plan does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The rule's own version; absent in files that have not been released.
    pub version: Option<i64>,
    /// What it finds, in a few sentences.
    pub description: Option<String>,
    /// Who wrote it.
    pub authors: Vec<String>,
    /// Under which licence.
    pub license: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// Addresses of further reading.
    pub references: Vec<String>,
    /// Known benign causes.
    pub false_positives: Vec<String>,
    /// The investigation guide, in Markdown.
    pub note: Option<String>,
    /// What has to be set up first, in Markdown.
    pub setup: Option<String>,
    /// Which of ATT&CK's tactics and techniques it is about.
    pub threat: Vec<Threat>,
    /// How far back one execution looks upstream, `now-6m`.
    pub from: String,
    /// How often it runs upstream, `5m`.
    pub interval: String,
    /// The index patterns that it is meant for.
    pub index: Vec<String>,
    /// Alerts per execution upstream.
    pub max_signals: i64,
    /// 0 to 100.
    pub risk_score: i64,
    /// The field that the rule wants the time to be read from.
    pub timestamp_override: Option<String>,
    /// Whether events without that field are an error instead of falling back to `@timestamp`.
    pub timestamp_override_fallback_disabled: bool,
    /// The query as it is written.
    pub query: String,
    /// The start of the history as it is written, `now-10d`.
    pub history_window_start: String,
    /// `default`, where the alert is a building block of other rules.
    pub building_block_type: Option<String>,
    /// Fields worth looking at first.
    pub investigation_fields: Vec<String>,
    /// The integrations that bring its events, from `[metadata]`.
    pub integration: Vec<String>,
    /// How mature it is, from `[metadata]`.
    pub maturity: Option<String>,
    /// When it was written, from `[metadata]`.
    pub creation_date: Option<String>,
    /// When it was last changed, from `[metadata]`.
    pub updated_date: Option<String>,
}

/// A tactic of a framework, and its techniques.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Threat {
    /// `MITRE ATT&CK`.
    pub framework: String,
    /// The tactic.
    pub tactic: ThreatEntry,
    /// Its techniques.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub technique: Vec<Technique>,
}

/// A technique and its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Technique {
    /// The technique itself.
    #[serde(flatten)]
    pub named: ThreatEntry,
    /// Its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subtechnique: Vec<ThreatEntry>,
}

/// One entry of a framework.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ThreatEntry {
    /// `TA0002`.
    pub id: String,
    /// `Execution`.
    pub name: String,
    /// Its address.
    pub reference: String,
}

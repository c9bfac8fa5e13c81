//! The metadata of an artifact.
//!
//! In: a module's bytes, untrusted. Out: the metadata, or why there is none. It never runs the
//! module, and never takes more than 16 MiB of metadata.

use crate::error::MetaError;
use crate::names::{FORMAT, META_SECTION, SOURCE_SECTION};
use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

/// The largest metadata, in bytes.
const MAX_META: usize = 16 << 20;
/// As many rules as an item can name.
const MAX_RULES: usize = 65_535;

/// The metadata of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Layout of this document, 1.
    pub format: u32,
    /// Version of the contract between guest and host.
    pub abi: u32,
    /// Version of the engine inside.
    pub engine: String,
    /// The pipeline that it was built for; empty: any host of the contract.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// The options of that pipeline, JSON; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub options: String,
    /// The rules, in the order in which items name them.
    pub rules: Vec<RuleMeta>,
}

/// The metadata of one rule. A host needs the key prefix and the literals; the rest is for
/// people and registries, and an older artifact may lack it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleMeta {
    /// `rule_id`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its severity.
    pub severity: String,
    /// One to three field names.
    pub new_terms: Vec<String>,
    /// The window, `10d`.
    pub window: String,
    /// The window in milliseconds.
    pub window_ms: i64,
    /// What every state key of the rule holds after `TENANT:`; it ends in `:`.
    pub key_prefix: String,
    /// The field that the time of an event is read from, where that is not `@timestamp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<String>,
    /// Every event that matches holds, of each clause, one of the literals. Empty: no promise.
    pub literals: Vec<Vec<String>>,
    /// The rule's own version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_score: Option<i64>,
    /// The query as it was typed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// The field that the rule wants its time to be taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_override: Option<String>,
    /// What the state depends on: another one begins with no memory.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// SHA-256 of its source, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source_sha256: String,
    /// How many exceptions it carries.
    #[serde(default)]
    pub exceptions: usize,
    /// Labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Tactics and techniques that it detects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threat: Vec<ThreatMeta>,
    /// The index patterns that it is meant for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub index: Vec<String>,
    /// How long it learns from the first event on, in milliseconds; 0: not at all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub learn_for_ms: i64,
    /// From how many matching events it learns; 0: from none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub learn_events: u32,
    /// The field of which each value is learned on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learn_by: Option<String>,
    /// Settings that engines did not always take, and this one does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takes: Vec<String>,
    /// How far back one execution looks upstream, `now-6m`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// How often it runs upstream, `5m`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub interval: String,
    /// Alerts per execution upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_signals: Option<i64>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde wants it
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde wants it
fn is_none(number: &u32) -> bool {
    *number == 0
}

/// A tactic, and the ids of the techniques and subtechniques under it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreatMeta {
    /// `MITRE ATT&CK`.
    pub framework: String,
    /// `TA0002`.
    pub tactic: String,
    /// Its name, `Execution`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tactic_name: String,
    /// `T1078`, `T1078.004`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub techniques: Vec<String>,
}

impl Meta {
    /// Reads the metadata of an artifact.
    ///
    /// # Errors
    /// [`MetaError`] when the bytes are not an artifact, or one that this version cannot read.
    pub fn read(wasm: &[u8]) -> Result<Self, MetaError> {
        let mut found: Option<Self> = None;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(|e| MetaError::of(&e))? {
                Payload::Version { encoding: wasmparser::Encoding::Component, .. } => {
                    return Err(MetaError::Component);
                }
                Payload::CustomSection(section) if section.name() == META_SECTION => {
                    if found.is_some() {
                        return Err(MetaError::Damaged("it is there twice".to_owned()));
                    }
                    found = Some(Self::parse(section.data())?);
                }
                _ => {}
            }
        }
        found.ok_or(MetaError::NoRule)
    }

    fn parse(data: &[u8]) -> Result<Self, MetaError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let damaged = |e: serde_json::Error| MetaError::Damaged(e.to_string());
        if data.len() > MAX_META {
            return Err(MetaError::Damaged(format!("it is over {} MiB", MAX_META >> 20)));
        }
        let head: Head = serde_json::from_slice(data).map_err(damaged)?;
        if head.format != FORMAT {
            return Err(MetaError::Newer(head.format));
        }
        let meta: Self = serde_json::from_slice(data).map_err(damaged)?;
        if meta.rules.is_empty() || meta.rules.len() > MAX_RULES {
            return Err(MetaError::Damaged("no rules".to_owned()));
        }
        for rule in &meta.rules {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-:".contains(&b);
            let prefix = &rule.key_prefix;
            // Long enough to keep rules apart: an id and a fingerprint.
            let parts = prefix.split(':').filter(|part| !part.is_empty()).count();
            if !prefix.ends_with(':')
                || !prefix.bytes().all(plain)
                || prefix.len() > 128
                || parts < 2
            {
                return Err(MetaError::Damaged(format!("key prefix of rule {}", rule.id)));
            }
        }
        Ok(meta)
    }

    /// Reads the sources of the rules, one for each, in their order.
    ///
    /// # Errors
    /// [`MetaError`] when the bytes are not a module, or there is not one source for each rule.
    pub fn sources(&self, wasm: &[u8]) -> Result<Vec<String>, MetaError> {
        let mut out = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            if let Payload::CustomSection(section) = payload.map_err(|e| MetaError::of(&e))?
                && section.name() == SOURCE_SECTION
            {
                let text = std::str::from_utf8(section.data());
                let number = out.len().saturating_add(1);
                out.push(text.map_err(|_| MetaError::Source(number))?.to_owned());
            }
        }
        if out.len() == self.rules.len() {
            Ok(out)
        } else {
            Err(MetaError::Sources { sources: out.len(), rules: self.rules.len() })
        }
    }
}

//! What an artifact says of itself.
//!
//! In: a module's bytes, untrusted. Out: the metadata, or why there is none. It never runs the
//! module, and never takes more than 16 MiB of metadata.

use crate::META_SECTION;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use wasmparser::{Parser, Payload};

/// The layout of the metadata that this code writes and reads.
pub(crate) const FORMAT: u32 = 1;
/// More than that is no metadata.
const MAX_META: usize = 16 << 20;
/// As many rules as an item can name.
const MAX_RULES: usize = 65_535;

/// What an artifact says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Layout of this document, 1.
    pub format: u32,
    /// Version of the contract between guest and host.
    pub abi: u32,
    /// Version of the engine inside.
    pub engine: String,
    /// The rules, in the order in which items name them.
    pub rules: Vec<RuleMeta>,
}

/// What an artifact says of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// Why a file is no artifact that can be used.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum MetaError {
    /// Not a WebAssembly module.
    #[error("not a WebAssembly module: {0}")]
    NotWasm(String),
    /// A component: another kind of file.
    #[error("a WebAssembly component; a rule is a core module")]
    Component,
    /// A module without our section.
    #[error("a WebAssembly module, but no rule: it has no section `{META_SECTION}`")]
    NoRule,
    /// Written by a newer version.
    #[error("written in format {0}, this version reads {FORMAT}: use a newer firstseen")]
    Newer(u32),
    /// The section is damaged.
    #[error("its section `{META_SECTION}` is damaged: {0}")]
    Damaged(String),
}

impl Meta {
    /// Reads the metadata of an artifact.
    ///
    /// # Errors
    /// [`MetaError`] when the bytes are no artifact, or one that this version cannot read.
    pub fn read(wasm: &[u8]) -> Result<Self, MetaError> {
        let mut found: Option<Self> = None;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(|e| MetaError::NotWasm(e.to_string()))? {
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

    /// Reads the sources of the rules, in their order.
    ///
    /// # Errors
    /// [`MetaError::NotWasm`] when the bytes are no module.
    pub fn sources(wasm: &[u8]) -> Result<Vec<String>, MetaError> {
        let mut out = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            if let Payload::CustomSection(section) =
                payload.map_err(|e| MetaError::NotWasm(e.to_string()))?
                && section.name() == crate::SOURCE_SECTION
            {
                out.push(String::from_utf8_lossy(section.data()).into_owned());
            }
        }
        Ok(out)
    }
}

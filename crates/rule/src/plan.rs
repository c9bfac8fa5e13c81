//! The plan: what the engine needs of an artifact's rules, compactly encoded.
//!
//! In: validated rules (or the encoded list, untrusted). Out: the encoded list (or the rules). It
//! holds no TOML, no paths and no time of building: the same rules give the same bytes.

use crate::exception::Exception;
use crate::identity;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use firstseen_kql::Query;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The layout of an encoded plan, and the only one that this engine reads.
const VERSION: u8 = 6;

/// One rule, planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RulePlan {
    /// `rule_id`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// The query, filters included.
    pub query: Query,
    /// One to three field names.
    pub new_terms: Vec<String>,
    /// The window in milliseconds.
    pub window_ms: i64,
    /// The window as the rule writes it, without `now-`: `10d`.
    pub window: String,
    /// `state_epoch`: an author raises it to make a rule forget.
    pub epoch: u32,
    /// Required literals: every matching event holds one of each clause.
    pub literals: Vec<Vec<String>>,
    /// The rule's part of an alert: a JSON object with flat `kibana.alert.rule.*` names.
    pub alert: String,
    /// The rule's own exceptions.
    pub exceptions: Vec<Exception>,
    /// The field that the time of an event is read from, where the rule's `timestamp_override` is
    /// followed; without, it is the event's `@timestamp`.
    pub event_time: Option<TimeField>,
    /// The patterns of the indices that it is about, one in each; none: every index.
    pub indices: Vec<String>,
    /// How long it learns from the first event on, in milliseconds; 0: not at all.
    pub learn_for_ms: i64,
    /// From how many matching events it learns; 0: from none.
    pub learn_events: u32,
    /// The field of which each value is learned on its own.
    pub learn_by: Option<String>,
}

/// A field whose value is the time of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeField {
    /// Its name: `event.ingested`.
    pub field: String,
    /// Whether `@timestamp` is the fallback for events without it.
    pub fallback: bool,
}

impl RulePlan {
    /// What the state depends on.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.fingerprint_of(self.window_ms)
    }

    /// The same if its window were this one.
    #[must_use]
    pub fn fingerprint_of(&self, window_ms: i64) -> String {
        let time = self.event_time.as_ref().map(|time| time.field.as_str());
        identity::of_rule(&self.new_terms, window_ms, self.epoch, time)
    }

    /// `RULE_ID:FINGERPRINT:`, the part of every state key after the tenant.
    #[must_use]
    pub fn key_prefix(&self) -> String {
        format!("{}:{}:", self.id, self.fingerprint())
    }
}

/// The rules of an artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// In the order in which they were given; an item names its rule by index.
    pub rules: Vec<RulePlan>,
}

/// Why bytes are not a plan.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// Another layout.
    #[error("the plan has layout {0}, but this engine reads {VERSION}: build the artifact again")]
    Version(u8),
    /// Not what [`Plan::encode`] writes.
    #[error("the plan is damaged: {0}")]
    Damaged(String),
}

impl Plan {
    /// The plan as bytes.
    ///
    /// # Errors
    /// [`PlanError::Damaged`] when a rule cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, PlanError> {
        let body = postcard::to_allocvec(self).map_err(|e| PlanError::Damaged(e.to_string()))?;
        let mut out = vec![VERSION];
        out.extend_from_slice(&body);
        Ok(out)
    }

    /// The plan behind the bytes.
    ///
    /// # Errors
    /// [`PlanError`] when the bytes are of another layout or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, PlanError> {
        let damaged = |what: String| PlanError::Damaged(what);
        let Some((version, body)) = bytes.split_first() else {
            return Err(damaged("it is empty".to_owned()));
        };
        if *version != VERSION {
            return Err(PlanError::Version(*version));
        }
        let plan: Self = postcard::from_bytes(body).map_err(|e| damaged(e.to_string()))?;
        if plan.rules.is_empty() || plan.rules.len() > usize::from(u16::MAX) {
            return Err(damaged("it has no rules, or too many".to_owned()));
        }
        for rule in &plan.rules {
            rule.query.check().map_err(|e| damaged(e.to_owned()))?;
            if !(1..=3).contains(&rule.new_terms.len())
                || rule.window_ms <= 0
                || rule.learn_for_ms < 0
            {
                return Err(damaged(format!("invalid rule {}", rule.id)));
            }
        }
        Ok(plan)
    }
}

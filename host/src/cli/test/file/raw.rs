//! The shape of a test file: its keys, and nothing beside them.
//!
//! In: TOML. Out: its values with their places. What a key means, docs/testing.md says; whether the
//! values can be what they stand for, the reader checks.

use super::{TestEventTime, TestOutcome};
use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) rule: Option<String>,
    pub(super) rule_id: Option<String>,
    pub(super) start: Option<Time>,
    #[serde(default)]
    pub(super) allow_one_sided: bool,
    pub(super) event_time: Option<TestEventTime>,
    pub(super) base: Option<Spanned<toml::Table>>,
    #[serde(default)]
    pub(super) case: Vec<RawCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCase {
    pub(super) name: Spanned<String>,
    pub(super) start: Option<Time>,
    pub(super) now: Option<Time>,
    pub(super) learn_until: Option<Time>,
    pub(super) future_slack: Option<Spanned<String>>,
    pub(super) any_index: Option<bool>,
    pub(super) exceptions: Option<Spanned<Vec<toml::Value>>>,
    #[serde(default)]
    pub(super) before: Vec<Spanned<RawBefore>>,
    #[serde(default)]
    pub(super) event: Vec<Spanned<RawEvent>>,
    #[serde(default)]
    pub(super) after: Vec<Spanned<RawAfter>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBefore {
    pub(super) terms: Spanned<Vec<toml::Value>>,
    pub(super) first: Option<Time>,
    pub(super) last: Time,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEvent {
    pub(super) at: Option<Time>,
    pub(super) set: Option<Spanned<toml::Table>>,
    #[serde(default)]
    pub(super) unset: Vec<Spanned<String>>,
    pub(super) json: Option<Spanned<String>>,
    pub(super) file: Option<Spanned<String>>,
    pub(super) alert: Option<Spanned<bool>>,
    pub(super) outcome: Option<Spanned<TestOutcome>>,
    pub(super) terms: Option<Spanned<Vec<Vec<toml::Value>>>>,
    pub(super) expect: Option<Spanned<toml::Table>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAfter {
    pub(super) terms: Spanned<Vec<toml::Value>>,
    #[serde(default)]
    pub(super) absent: bool,
    pub(super) first: Option<Time>,
    pub(super) last: Option<Time>,
}

/// Text, or a date of TOML's own.
pub(super) type Time = Spanned<toml::Value>;

//! A new_terms rule: from its source to a plan, from an event to state keys, from the state to an
//! alert. All rule logic is in this crate.
//!
//! In: a rule's TOML (feature `source`), a plan, events as text, the prior values of state keys.
//! Out: plans, items and decisions in the layouts of crate abi, alerts as JSON. It never reads a
//! clock, a file or a store: the caller brings the time and the values, and applies the writes.
//!
//! ```
//! # #[cfg(feature = "source")] {
//! use firstseen_abi::kv::{Cas, Kv, KvError};
//! use firstseen_rule::{Engine, Plan, Settings, source};
//! use std::collections::HashMap;
//!
//! #[derive(Default)]
//! struct Memory(HashMap<Vec<u8>, Vec<u8>>);
//!
//! impl Kv for Memory {
//!     fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
//!         Ok(self.0.get(key).cloned())
//!     }
//!     fn cas(
//!         &mut self,
//!         key: &[u8],
//!         expected: Option<&[u8]>,
//!         value: &[u8],
//!         _ttl_ms: i64,
//!     ) -> Result<Cas, KvError> {
//!         let current = self.0.get(key);
//!         if current.map(Vec::as_slice) != expected {
//!             return Ok(Cas::Conflict(current.cloned()));
//!         }
//!         self.0.insert(key.to_vec(), value.to_vec());
//!         Ok(Cas::Done)
//!     }
//! }
//!
//! let rule = source::read(
//!     r#"
//!     [rule]
//!     rule_id = "r1"
//!     name = "First stack of a user"
//!     type = "new_terms"
//!     query = "event.action: CreateStack"
//!     severity = "medium"
//!     risk_score = 47
//!     [rule.new_terms]
//!     field = "new_terms_fields"
//!     value = ["user.name"]
//!     [[rule.new_terms.history_window_start]]
//!     field = "history_window_start"
//!     value = "now-10d"
//!     "#,
//!     &source::ReadOptions::default(),
//! )
//! .unwrap();
//! let mut engine = Engine::new(Plan { rules: vec![rule.plan] }, Settings::default());
//! let mut store = Memory::default();
//!
//! let event = r#"{"@timestamp": "2025-01-06T09:00:00Z",
//!     "event": {"action": "CreateStack"}, "user": {"name": "bob"}}"#;
//! let first = engine.judge(event.as_bytes(), 0, &mut store);
//! assert_eq!(first.alerts.len(), 1);
//! // The same event again repeats its alert, byte for byte.
//! assert_eq!(engine.judge(event.as_bytes(), 0, &mut store).repeats, first.alerts);
//! # }
//! ```
//!
//! | step | module |
//! | --- | --- |
//! | lengths of time: `now-10d`, `5m` | [`window`] |
//! | hashes that name events, terms, rules, alerts | [`identity`] |
//! | matches that neither alert nor count as a sighting | [`exception`] |
//! | the rules of an artifact, encoded | [`plan`] |
//! | what a host may set at run time | [`settings`] |
//! | the fields that the rules ask of an event | [`fields`] |
//! | an event's terms and their state keys | [`term`] |
//! | the keys of one request, found by their bytes | `key` |
//! | the hashes of terms that were met before | `memo` |
//! | prior state and a sighting -> verdict and new state | [`state`] |
//! | when a rule began to learn | [`learn`] |
//! | the alert's document | [`alert`] |
//! | a large event, shortened for its alerts | `shorten` |
//! | the strings around an event, unwrapped | `open` |
//! | which indices a rule is about | `index_patterns` |
//! | one rule with the indexes of its fields | `prepared` |
//! | which rules an event may match | `index` |
//! | step one, `keys`: events -> items | [`engine`] |
//! | step two, `decide`: items and prior values -> writes and outcomes | `decide` |
//! | both steps as one, over a store | [`evaluate`] |
//! | why an event matches or not | [`explain`] |
//! | an event's fields by name, outside any rule (feature `source`) | `probe` |
//! | rule.toml -> checked rule -> plan (feature `source`) | `source` |
//!
//! Order of modules, each importing only from those before it: `window`, `identity`, `exception`,
//! `plan`, `settings`, `fields`, `key`, `memo`, `term`, `state`, `learn`, `alert`, `shorten`, `open`,
//! `index_patterns`, `prepared`, `index`, `engine`, `decide`, `evaluate`, `explain`, `probe`, `source`.
#![cfg_attr(not(any(test, feature = "source")), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::string_slice
    )
)]

extern crate alloc;

pub mod alert;
mod decide;
pub mod engine;
pub mod evaluate;
pub mod exception;
pub mod explain;
pub mod fields;
pub mod identity;
mod index;
pub mod index_patterns;
mod key;
pub mod learn;
mod memo;
mod open;
pub mod plan;
mod prepared;
#[cfg(feature = "source")]
pub mod probe;
pub mod settings;
mod shorten;
#[cfg(feature = "source")]
pub mod source;
pub mod state;
pub mod term;
pub mod window;

pub use engine::Engine;
pub use plan::{Plan, PlanError, RulePlan};
pub use settings::Settings;

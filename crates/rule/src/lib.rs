//! A new_terms rule: from its source to a plan, from an event to state keys, from the state to an
//! alert. All rule logic is in this crate.
//!
//! In: a rule's TOML (feature `source`), a plan, events as text, the prior values of state keys.
//! Out: plans, items and decisions in the layouts of crate abi, alerts as JSON. It never reads a
//! clock, a file or a store: the caller brings the time and the values, and applies the writes.
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
//! | prior state and a sighting -> verdict and new state | [`state`] |
//! | the alert's document | [`alert`] |
//! | a large event, shortened for its alerts | `shorten` |
//! | one rule with the places of its fields | `prepared` |
//! | which rules an event may match | `index` |
//! | step one, `keys`: events -> items | [`engine`] |
//! | step two, `decide`: items and prior values -> writes and outcomes | `decide` |
//! | both steps as one, over a store | [`evaluate`] |
//! | why an event matches or not | [`explain`] |
//! | rule.toml -> checked rule -> plan (feature `source`) | [`source`] |
//!
//! Order of modules, each importing only from those before it: `window`, `identity`, `exception`,
//! `plan`, `settings`, `fields`, `term`, `key`, `state`, `alert`, `shorten`, `prepared`, `index`,
//! `engine`, `decide`, `evaluate`, `explain`, `source`.
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
mod key;
pub mod plan;
mod prepared;
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

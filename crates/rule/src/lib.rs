//! A new_terms rule: from its source to a plan, from an event to state keys, from the state to an
//! alert. Rule logic stands here and nowhere else.
//!
//! In: a rule's TOML (feature `source`), a plan, events as text, the prior values of state keys.
//! Out: plans, items and decisions in the layouts of crate abi, alerts as JSON. It never reads a
//! clock, a file or a store: the caller brings the time and the values, and applies the writes.
//!
//! | step | module |
//! | --- | --- |
//! | rule.toml -> validated rule -> plan | [`source`], [`plan`] |
//! | event -> asked fields -> does the query match | [`fields`] |
//! | which rules an event may match | `index` |
//! | which matches count for nothing | [`exception`] |
//! | event -> identity, terms, keys | [`identity`], [`term`] |
//! | prior state + sighting -> what it means | [`state`] |
//! | the rules made ready; events -> items | [`engine`] |
//! | items and prior values -> writes and outcomes | `decide` |
//! | the two steps as one, over a store | [`evaluate`] |
//! | the alert's document | [`alert`] |
//! | a large event, made small for its alerts | `shorten` |
//! | why | [`explain`] |
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

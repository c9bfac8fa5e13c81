//! Rules as a file: the engine module with a plan laid in, and sections that say what it holds.
//!
//! In: the engine module, an encoded plan, metadata, sources. Out: an artifact, byte-identical for
//! the same input; or what stands in one (untrusted bytes), read without running it. It never
//! looks into a plan and never runs a module.
//!
//! | custom section | holds |
//! | --- | --- |
//! | [`META_SECTION`] | [`Meta`] as JSON: the contract's version, and for each rule its id, name, key prefix and required literals |
//! | [`SOURCE_SECTION`] | the rule's source as it was given, one section per rule |
//! | `name`, `description`, `authors`, `licenses`, `version`, `source`, `revision` | what registries and other tools look for: [`Standard`] |
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

#[cfg(feature = "compose")]
mod compose;
#[cfg(feature = "compose")]
mod contract;
#[cfg(feature = "compose")]
mod look;
#[cfg(feature = "compose")]
mod meta;
mod plan;
#[cfg(feature = "compose")]
mod standard;

#[cfg(feature = "compose")]
pub use compose::{ComposeError, Parts, compose};
#[cfg(feature = "compose")]
pub use contract::{EXPORTS, IMPORTS, missing};
#[cfg(feature = "compose")]
pub use look::{Look, Section, look, validate};
#[cfg(feature = "compose")]
pub use meta::{Meta, MetaError, RuleMeta, ThreatMeta};
pub use plan::plan;
#[cfg(feature = "compose")]
pub use standard::Standard;

/// The section that holds [`Meta`].
pub const META_SECTION: &str = "firstseen.rules";
/// The section that holds a rule's source.
pub const SOURCE_SECTION: &str = "firstseen.source";
/// The static of the engine that says where the plan lies: its address and its length, two u32.
pub const PLAN_SLOT: &str = "FIRSTSEEN_PLAN";
/// The same for the options; only engines for pipelines have it.
pub const OPTIONS_SLOT: &str = "FIRSTSEEN_OPTIONS";

//! Artifacts: rules as a file, which is the engine module with a plan embedded, and metadata.
//!
//! In: the engine module, an encoded plan, metadata, sources. Out: an artifact, byte-identical for
//! the same input; or the content of one (untrusted bytes), read without running it. It never
//! reads a plan and never runs a module.
//!
//! | custom section | holds |
//! | --- | --- |
//! | [`META_SECTION`] | [`Meta`] as JSON: the contract's version, and for each rule its id, name, key prefix and required literals |
//! | [`SOURCE_SECTION`] | the rule's source as it was given, one section per rule |
//! | `name`, `description`, `authors`, `licenses`, `version`, `source`, `revision` | what registries and other tools read: [`StandardMetadata`] |
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
mod meta;
#[cfg(feature = "compose")]
mod module;
mod plan;
#[cfg(feature = "compose")]
mod standard;

#[cfg(feature = "compose")]
pub use compose::{ArtifactParts, ComposeError, compose};
#[cfg(feature = "compose")]
pub use contract::{EXPORTS, IMPORTS, missing};
#[cfg(feature = "compose")]
pub use meta::{Meta, MetaError, RuleMeta, ThreatMeta};
#[cfg(feature = "compose")]
pub use module::{ModuleInfo, Section, read_module, validate};
pub use plan::plan;
#[cfg(feature = "compose")]
pub use standard::StandardMetadata;

/// The section that holds [`Meta`].
pub const META_SECTION: &str = "firstseen.rules";
/// The section that holds a rule's source.
pub const SOURCE_SECTION: &str = "firstseen.source";
/// The static of the engine that says where the plan lies: its address and its length, two u32.
pub const PLAN_SLOT: &str = "FIRSTSEEN_PLAN";
/// The same for the options; only engines for pipelines have it.
pub const OPTIONS_SLOT: &str = "FIRSTSEEN_OPTIONS";

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
//!
//! ```
//! # #[cfg(feature = "compose")] {
//! use firstseen_artifact::{ArtifactParts, Meta, RuleMeta, StandardMetadata, compose};
//!
//! let engine = wat::parse_str(
//!     r#"(module
//!         (memory (export "memory") 1)
//!         (global (export "FIRSTSEEN_PLAN") i32 (i32.const 1024))
//!         (data (i32.const 1024) "\00\00\00\00\00\00\00\00"))"#,
//! )
//! .unwrap();
//! let rule = RuleMeta {
//!     id: "r1".to_owned(),
//!     key_prefix: "r1:0123456789abcdef:".to_owned(),
//!     ..RuleMeta::default()
//! };
//! let artifact = compose(&ArtifactParts {
//!     engine: &engine,
//!     engine_version: "0.1.0",
//!     abi: 1,
//!     plan: b"the encoded plan",
//!     options: b"",
//!     target: "",
//!     renamed: None,
//!     rules: &[rule],
//!     sources: &["[rule]"],
//!     standard: &StandardMetadata::default(),
//! })
//! .unwrap();
//! assert_eq!(firstseen_artifact::plan(&artifact), Ok(&b"the encoded plan"[..]));
//! assert_eq!(Meta::read(&artifact).unwrap().rules[0].id, "r1");
//! # }
//! ```
//!
//! Order of modules, each importing only from those before it: `names`, `error`, `limits`, `meta`,
//! `standard`, `module`, `compare`, `contract`, `payloads`, `embed`, `compose`, `separate`, `plan`.
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
mod compare;
#[cfg(feature = "compose")]
mod compose;
#[cfg(feature = "compose")]
mod contract;
#[cfg(feature = "compose")]
mod embed;
#[cfg(feature = "compose")]
mod error;
#[cfg(feature = "compose")]
mod limits;
#[cfg(feature = "compose")]
mod meta;
#[cfg(feature = "compose")]
mod module;
mod names;
#[cfg(feature = "compose")]
mod payloads;
mod plan;
#[cfg(feature = "compose")]
mod separate;
#[cfg(feature = "compose")]
mod standard;

#[cfg(feature = "compose")]
pub use compare::{bytes_of_sections, differing_sections};
#[cfg(feature = "compose")]
pub use compose::{ArtifactParts, compose};
#[cfg(feature = "compose")]
pub use contract::{EXPORTS, IMPORTS, missing};
#[cfg(feature = "compose")]
pub use error::{ComposeError, MetaError};
#[cfg(feature = "compose")]
pub use limits::{ModuleCount, ModuleCounts};
#[cfg(feature = "compose")]
pub use meta::{Meta, RuleMeta, ThreatMeta};
#[cfg(feature = "compose")]
pub use module::{ModuleInfo, Section, needs_simd, read_module, validate};
pub use names::{META_SECTION, OPTIONS_SLOT, PLAN_SLOT, SOURCE_SECTION};
pub use plan::{embedded_plan, plan};
#[cfg(feature = "compose")]
pub use separate::{Separated, separate};
#[cfg(feature = "compose")]
pub use standard::StandardMetadata;

//! From rule.toml to an artifact.
//!
//! In: rules as text, an engine's module, the options of a target. Out: the artifact's bytes, or
//! all faults of the rules, each with its place. It never reads a file, and needs no Rust toolchain.
//!
//! | what | module |
//! | --- | --- |
//! | what goes into a build | `text` |
//! | rules and an engine to an artifact | [`mod@compile`] |
//! | what registries read of a rule or a pack | `standard` |
//! | what a rule can be built for, and the options of each | [`target`] |
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

pub mod compile;
mod standard;
pub mod target;
mod text;

pub use compile::{
    CompileError, Compiled, EngineModule, artifact, check_learning, compile, meta, source_sha256,
};
pub use target::{Target, TargetChoices};
pub use text::{Origin, RuleText};

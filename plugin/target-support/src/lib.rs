//! What the targets share: the rule that is embedded in the module, the options it was built with,
//! and a state for pipelines that keep none.
//!
//! In: bytes that crate artifact embedded in the module. Out: an engine, options, a bounded store. It
//! holds no rule logic, reads no clock, and knows no pipeline.
//!
//! | what | module |
//! | --- | --- |
//! | the embedded plan and options | [`embedded`] |
//! | what was chosen at build | [`mod@options`] |
//! | a state in memory that stays within a limit | [`memory`] |
//! | the same with a folder that outlives a kill | [`mod@file`] |

pub mod embedded;
pub mod file;
pub mod memory;
pub mod options;

pub use options::{Options, Records};

use firstseen_rule::{Engine, Plan};
use std::sync::OnceLock;

/// The engine of the embedded plan and settings.
///
/// # Errors
/// A sentence that names the one that is invalid.
pub fn engine() -> Result<Engine, String> {
    let plan =
        Plan::decode(embedded::plan()).map_err(|e| format!("the rule in this module: {e}"))?;
    let settings = options()?.settings()?;
    Ok(Engine::new(plan, settings))
}

/// What was chosen when the module was built.
///
/// # Errors
/// A sentence: nothing but `firstseen build` writes options, so the module was tampered with.
pub fn options() -> Result<&'static Options, String> {
    static READ: OnceLock<Result<Options, String>> = OnceLock::new();
    READ.get_or_init(|| Options::read(embedded::options())).as_ref().map_err(Clone::clone)
}

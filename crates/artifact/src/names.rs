//! The names by which an artifact's parts are found.
//!
//! In and out: nothing. The engines export the slots, tools read the sections.

/// The section that holds the metadata of the rules, JSON.
pub const META_SECTION: &str = "firstseen.rules";
/// The section that holds a rule's source.
pub const SOURCE_SECTION: &str = "firstseen.source";
/// The static of the engine that says where the plan lies: its address and its length, two u32.
pub const PLAN_SLOT: &str = "FIRSTSEEN_PLAN";
/// The same for the options; only engines for pipelines have it.
pub const OPTIONS_SLOT: &str = "FIRSTSEEN_OPTIONS";
/// The layout of the metadata that this code writes and reads.
#[cfg(feature = "compose")]
pub(crate) const FORMAT: u32 = 1;

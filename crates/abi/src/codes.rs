//! The numbers and names of the contract: version, limits, framings, statuses, log levels.
//!
//! In and out: nothing; docs/abi.md has the same table for hosts in other languages.

/// The version of the contract that this crate describes; the export `abi_version` returns it.
pub const ABI_VERSION: i32 = 1;

/// The namespace of the imports `kv_get`, `kv_cas` and `log`.
pub const IMPORT_NAMESPACE: &str = "firstseen_v1";

/// The longest state key, in bytes.
pub const MAX_KEY: usize = 256;
/// The longest state value, in bytes.
pub const MAX_VALUE: usize = 512;

/// `count` of the export `keys` when the buffer holds whole lines instead of one event.
pub const FRAMING_LINES: i32 = -1;
/// `count` of the export `keys` when the buffer holds one event (with `table` 0).
pub const FRAMING_ONE: i32 = 0;

/// The first word of a binary result.
pub mod status {
    /// Success; the rest has the layout of the call.
    pub const OK: u32 = 0;
    /// The arguments do not describe a buffer in the guest's memory, or the framing is wrong.
    pub const BAD_ARGUMENT: u32 = 1;
    /// The artifact holds no plan, or one that this engine cannot read.
    pub const BAD_PLAN: u32 = 2;
    /// The request to `decide` is malformed.
    pub const BAD_REQUEST: u32 = 3;
}

/// Levels of the import `log`.
pub mod level {
    /// The operator has to act.
    pub const ERROR: i32 = 1;
    /// Something was left out.
    pub const WARN: i32 = 2;
    /// Worth knowing.
    pub const INFO: i32 = 3;
}

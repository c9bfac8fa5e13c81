//! What can go wrong when an artifact is made or read.
//!
//! In: faults of the WebAssembly libraries. Out: errors whose text says what to do.

use crate::names::{FORMAT, META_SECTION};
use thiserror::Error;
use wasmparser::BinaryReaderError;

/// Why no artifact could be made.
#[derive(Debug, Error)]
pub enum ComposeError {
    /// The engine is not a usable module.
    #[error("the engine module: {0}")]
    Engine(String),
    /// The plan or the metadata is too large.
    #[error("{0}")]
    TooLarge(String),
    /// The standard metadata cannot be written.
    #[error("the standard metadata: {0}")]
    Standard(String),
}

impl From<BinaryReaderError> for ComposeError {
    fn from(error: BinaryReaderError) -> Self {
        Self::Engine(error.to_string())
    }
}

/// Why a file is not a usable artifact.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum MetaError {
    /// Not a WebAssembly module.
    #[error("not a WebAssembly module: {0}")]
    NotWasm(String),
    /// A module whose end is missing.
    #[error("a WebAssembly module that ends too early, at byte {0}: copy it or build it again")]
    CutShort(u64),
    /// More sections, types, imports, functions or exports than are read.
    #[error(
        "a WebAssembly module of more than {0} sections, types, imports, functions or exports; no rule has so many"
    )]
    TooMuch(usize),
    /// A component: another kind of file.
    #[error("a WebAssembly component; a rule is a core module")]
    Component,
    /// A module without our section.
    #[error("a WebAssembly module, but not a rule: it has no section `{META_SECTION}`")]
    NoRule,
    /// Written by a newer version.
    #[error("written in format {0}, this version reads {FORMAT}: use a newer firstseen")]
    Newer(u32),
    /// The section is damaged.
    #[error("its section `{META_SECTION}` is damaged: {0}")]
    Damaged(String),
    /// Not one source for each rule.
    #[error(
        "it names {rules} rule(s) and holds the source of {sources}: it was not made by firstseen, or changed since"
    )]
    Sources {
        /// How many sources there are.
        sources: usize,
        /// How many rules the metadata names.
        rules: usize,
    },
    /// A source that is not UTF-8.
    #[error("the source of its rule {0} is not UTF-8: it was changed since it was built")]
    Source(usize),
}

impl MetaError {
    /// What the reader's fault means for a file.
    pub(crate) fn of(error: &wasmparser::BinaryReaderError) -> Self {
        if error.message().starts_with("unexpected end") {
            return Self::CutShort(error.offset() as u64);
        }
        Self::NotWasm(error.to_string())
    }
}

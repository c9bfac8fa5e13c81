//! Where alerts and skipped events go.

pub mod dead_letter;
pub mod ndjson;

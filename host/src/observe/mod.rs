//! What a run counts, and the places it names.

pub mod place;
pub mod summary;

//! The rules of a run: loaded, filtered for, excepted from.

pub mod exceptions;
pub mod load;
pub mod prefilter;

//! What a person reads: escaped, wrapped, drawn.

pub mod diagnostic;
pub mod explained;
pub mod guide;
mod kinds;
pub mod learned;
pub mod line;
pub mod message;
pub mod missing;
mod notes;
pub mod pretty;
pub mod progress;
pub mod rule_table;
pub mod schedule;
pub mod screen;
pub mod state;
pub mod style;
pub mod summary;
pub mod table;
pub mod value;
pub mod wording;
pub mod wrap;

pub use crate::numbers as formats;

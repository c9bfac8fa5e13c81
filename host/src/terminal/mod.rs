//! What a person reads: escaped, wrapped, drawn.

pub mod diagnostic;
pub mod formats;
pub mod guide;
pub mod message;
pub mod pretty;
pub mod progress;
pub mod style;
pub mod summary;
pub mod value;
pub mod wording;
pub mod wrap;

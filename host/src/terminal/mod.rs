//! What a person reads: escaped, wrapped, drawn.

pub mod diagnostic;
pub mod escape;
pub mod guide;
pub mod message;
pub mod pretty;
pub mod progress;
pub mod value;

//! A field as a query names it.
//!
//! In and out: names, patterns and paths. It never looks at an event.

use alloc::string::String;
use alloc::vec::Vec;

/// A field that a query asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FieldRef {
    /// One field, by its full name.
    Name(String),
    /// All fields whose name fits a pattern with `*`.
    Pattern(String),
    /// The objects at a path, and the fields asked of each of them.
    Nested {
        /// The path of the objects.
        path: String,
        /// The fields, their names relative to the object.
        inner: Vec<FieldRef>,
    },
}

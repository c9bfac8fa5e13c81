//! How large and how deep a query may be.
//!
//! In: nothing. Out: bounds that the parser enforces on text and [`Query::check`](crate::Query::check)
//! on decoded queries, so that every walk over a query needs only a small stack.

/// The longest query text, in bytes. The longest of the public rules has 8 KB.
pub const MAX_TEXT: usize = 64 * 1024;

/// How deep parentheses and braces may nest. The public rules go to 8.
pub const MAX_DEPTH: usize = 200;

/// How deep `path: { ... }` may nest: each level is an object reader's stack frame at match time.
pub(crate) const MAX_NESTED: usize = 16;

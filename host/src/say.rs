//! A word to whoever watches.
//!
//! In: a sentence. Out: a line on standard error. It never fails: that nobody listens any more
//! (`2>&1 | head -1`, a full disk behind a log) is no reason to end the work, and `eprintln!` would
//! panic there.

use std::io::Write;

/// Writes a line to standard error, if that can be done.
pub fn say(text: &str) {
    // One write for the whole line, so that lines of several processes do not mix.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

//! A word to whoever watches, and what a command was asked for.
//!
//! In: a sentence. Out: a line on standard error. It never fails: that nobody listens any more
//! (`2>&1 | head -1`, a full disk behind a log) is no reason to end the work, and `eprintln!` would
//! panic there. In: what was asked for, whole. Out: the same on standard output.

use std::io::{ErrorKind, Write};

/// Writes a line to standard error, if that can be done.
pub fn say(text: &str) {
    // One write for the whole line, so that lines of several processes do not mix.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Writes to standard output what the command was asked for. A closed pipe is no error.
///
/// # Errors
/// When it cannot be written.
pub fn print(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::anyhow!("standard output: {error}"))
        }
        _ => Ok(()),
    }
}

//! What is printed on standard error, and the one place that decides it: the log level.
//!
//! In: a level and a text. Out: a line on standard error, if the level is one that is printed, with
//! whatever a terminal would act on escaped: all messages pass through here; or, for a program that collects logs, one
//! JSON object a line. It
//! never fails: that nobody reads any more (`2>&1 | head -1`, a full disk behind a log) is no
//! reason to end the work, and `eprintln!` would panic there. [`print()`] writes what a command was
//! asked for to standard output.

use super::screen::{self, TextForm};
use super::style;
use super::wrap;
use crate::observe::NoticeSeverity;
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::SystemTime;

/// How important a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The command cannot do what it was asked for.
    Error,
    /// Something was skipped or could not be judged.
    Warning,
    /// What was done, the summary, progress.
    Info,
    /// How it was done.
    Debug,
}

/// The least important level that is printed.
static PRINTED: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Whether each message is a JSON object.
static AS_JSON: AtomicBool = AtomicBool::new(false);

/// Has each message written as a JSON object, for the whole process.
pub fn set_json() {
    AS_JSON.store(true, Ordering::Relaxed);
}

/// Whether each message is a JSON object: nothing is drawn for a person then.
#[must_use]
pub fn is_json() -> bool {
    AS_JSON.load(Ordering::Relaxed)
}

/// Sets the least important level that is printed, for the whole process.
pub fn set_level(level: Level) {
    PRINTED.store(level as u8, Ordering::Relaxed);
}

/// Whether messages of this level are printed.
#[must_use]
pub fn prints(level: Level) -> bool {
    level as u8 <= PRINTED.load(Ordering::Relaxed)
}

/// Writes a line to standard error, if its level is printed and the line can be written. What follows
/// a line break in the text is indented: no text makes a message of its own. It is wrapped where a person
/// reads it; to a log it is one line.
pub fn at(level: Level, text: &str) {
    if is_json() {
        return record(level, text, None);
    }
    put(level, &wrap::message(&screen::message(text)));
}

/// Writes a JSON object with a text, and what else there is to say under a name.
pub fn record(level: Level, text: &str, more: Option<(&str, Value)>) {
    let word = match level {
        Level::Error => "error",
        Level::Warning => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    };
    let time = chrono::DateTime::<chrono::Utc>::from(SystemTime::now());
    let time = time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    // A level has a member of its own.
    let text =
        ["error: ", "warning: "].iter().find_map(|word| text.strip_prefix(word)).unwrap_or(text);
    let mut object = json!({ "time": time, "level": word, "message": text });
    if let Some((name, value)) = more {
        object[name] = value;
    }
    put(level, &object.to_string());
}

/// Writes lines that were drawn for a person, in colour where standard error has colours: a fault with
/// its place, a summary. A line break is added at the end.
pub fn page(level: Level, text: &str) {
    if is_json() {
        return record(level, text, None);
    }
    put(level, &screen::lines(text, style::on_stderr()));
}

fn put(level: Level, text: &str) {
    if prints(level) {
        // One write for the whole line, so that lines of several processes do not mix.
        let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
    }
}

/// Writes a line as important as a notice says.
pub fn notice(severity: NoticeSeverity, text: &str) {
    at(
        match severity {
            NoticeSeverity::Error => Level::Error,
            NoticeSeverity::Warning => Level::Warning,
            NoticeSeverity::Info => Level::Info,
        },
        text,
    );
}

/// Writes why the command cannot do what it was asked for.
pub fn error(text: &str) {
    at(Level::Error, text);
}

/// Writes what was skipped or could not be judged.
pub fn warning(text: &str) {
    at(Level::Warning, text);
}

/// Writes what was done.
pub fn info(text: &str) {
    at(Level::Info, text);
}

/// Writes how it was done.
pub fn debug(text: &str) {
    at(Level::Debug, text);
}

/// Writes to standard output what the command was asked for. A closed pipe is no error.
///
/// # Errors
/// When it cannot be written.
pub fn print(form: TextForm, bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = screen::stdout(form);
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::anyhow!("standard output: {error}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_prints_what_is_at_least_as_important() {
        let levels = [Level::Error, Level::Warning, Level::Info, Level::Debug];
        for printed in levels {
            set_level(printed);
            for level in levels {
                assert_eq!(prints(level), level <= printed, "{level:?} at {printed:?}");
            }
        }
        set_level(Level::Info);
    }
}

//! Exceptions that a host adds: files of them, read again when they change.
//!
//! In: the settings' document and files. Out: the document that guests are configured with, and
//! warnings about exceptions that can do nothing. What cannot be used ends a run that begins; in
//! one that runs, it is named, and what was in force stays. It never changes a file.

mod watch;

use super::{KnownException, LiveSettings};
use crate::escape::escaped;
use crate::files::shown;
use crate::terminal::diagnostic;
use crate::terminal::message;
use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, SecondsFormat};
use firstseen_compiler::RuleText;
use firstseen_rule::Settings;
use firstseen_rule::exception::Exception;
use firstseen_rule::source::{self, WrittenException};
use firstseen_session::Rules;
use serde_json::{Map, Value};
use std::path::PathBuf;
use watch::{Look, Watched};

/// Exceptions in all files together: all of them are looked at for every event that matches.
const MAX_EXCEPTIONS: usize = 10_000;

const STAY: &str = "those from before stay in force";

/// The settings, and the files of exceptions beside them.
#[derive(Debug)]
pub struct Exceptions {
    settings: Map<String, Value>,
    /// The exceptions in them.
    of_settings: Vec<Exception>,
    files: Vec<File>,
    /// The ids of the rules that run.
    rules: Vec<String>,
}

/// A file, and what is in force of it.
#[derive(Debug)]
struct File {
    watched: Watched,
    written: Vec<WrittenException>,
}

impl File {
    fn name(&self) -> String {
        escaped(&self.watched.path.to_string_lossy()).into_owned()
    }
}

impl Exceptions {
    /// Reads the files; `settings` is the settings' document, checked. Warnings are printed at once.
    ///
    /// # Errors
    /// The first file that cannot be used. What is wrong with it was printed.
    pub fn open(
        settings: Option<&str>,
        paths: &[PathBuf],
        rules: Vec<String>,
        now_ms: i64,
    ) -> anyhow::Result<Self> {
        let document = settings.map(serde_json::from_str).transpose()?.unwrap_or_default();
        let checked = settings.map(Settings::read).and_then(Result::ok);
        let of_settings = checked.map(|settings| settings.exceptions).unwrap_or_default();
        let mut all = Self { settings: document, of_settings, files: Vec::new(), rules };
        all.of_settings.iter().for_each(|e| all.warn("--settings", e, now_ms));
        for path in paths {
            let name = format!("--exceptions {}", shown(path));
            let (watched, text) = Watched::open(path).with_context(|| name.clone())?;
            let Some(written) = read(&path.to_string_lossy(), &text) else {
                bail!("{name}: it cannot be used");
            };
            let file = File { watched, written };
            file.written.iter().for_each(|(_, e)| all.warn(&file.name(), e, now_ms));
            all.files.push(file);
        }
        if all.count() > MAX_EXCEPTIONS {
            bail!("--exceptions: {} are too many, give {MAX_EXCEPTIONS} at most", all.count());
        }
        Ok(all)
    }

    fn count(&self) -> usize {
        self.files.iter().map(|file| file.written.len()).sum()
    }

    /// The document for the guests; nothing where there is nothing to say.
    ///
    /// # Errors
    /// Never in practice: what was read as JSON is written as JSON.
    pub fn settings(&self) -> anyhow::Result<Option<String>> {
        if self.settings.is_empty() && self.files.is_empty() {
            return Ok(None);
        }
        let mut document = self.settings.clone();
        let list = document.entry("exceptions").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            for (written, _) in self.files.iter().flat_map(|file| &file.written) {
                list.push(serde_json::to_value(written)?);
            }
        }
        Ok(Some(serde_json::to_string(&document)?))
    }

    fn configure(&self, rules: &mut [Box<dyn Rules>]) -> anyhow::Result<()> {
        let settings = self.settings()?.unwrap_or_else(|| "{}".to_owned());
        rules.iter_mut().try_for_each(|rules| rules.configure(&settings).map_err(|e| anyhow!(e)))
    }

    /// Looks at one file; what was in force of it before, when that has changed.
    fn look(&mut self, at: usize, now_ms: i64) -> Option<Vec<WrittenException>> {
        let all = self.count();
        let file = self.files.get_mut(at)?;
        let others = all - file.written.len();
        let name = file.name();
        let text = match file.watched.look() {
            Look::Same => return None,
            Look::Lost(reason) => {
                message::warning(&format!("exceptions: {name}: {}; {STAY}", escaped(&reason)));
                return None;
            }
            Look::Changed(text) => text,
        };
        let Some(written) = read(&file.watched.path.to_string_lossy(), &text) else {
            message::warning(&format!("exceptions: {name} changed and cannot be used; {STAY}"));
            return None;
        };
        if others + written.len() > MAX_EXCEPTIONS {
            let many = others + written.len();
            message::warning(&format!(
                "exceptions: {name} changed; {many} in all are too many; {STAY}"
            ));
            return None;
        }
        message::info(&format!("exceptions: {} in {name} (changed)", written.len()));
        let before = std::mem::replace(&mut file.written, written.clone());
        written.iter().for_each(|(_, e)| self.warn(&name, e, now_ms));
        Some(before)
    }

    /// Says when an exception can take nothing out, or only what is old.
    fn warn(&self, from: &str, exception: &Exception, now_ms: i64) {
        let name = escaped(&exception.name);
        for id in &exception.rules {
            if !self.rules.contains(id) {
                let id = escaped(id);
                message::warning(&format!(
                    "exceptions: {from}: `{name}` is for the rule {id}, which is not here"
                ));
            }
        }
        if let Some(end) = exception.expires_ms.filter(|end| now_ms != 0 && *end <= now_ms) {
            let end = DateTime::from_timestamp_millis(end);
            let end =
                end.map_or_else(String::new, |t| t.to_rfc3339_opts(SecondsFormat::Secs, true));
            message::warning(&format!(
                "exceptions: {from}: `{name}` ended at {end}: newer events are not excepted"
            ));
        }
    }
}

impl LiveSettings for Exceptions {
    fn exceptions(&self) -> Vec<KnownException> {
        let files = self.files.iter().flat_map(|file| &file.written);
        let files = files.map(|(_, exception)| KnownException::of(exception));
        let of_settings = self.of_settings.iter().map(KnownException::of);
        of_settings.chain(files).collect()
    }

    fn may_change(&self) -> bool {
        !self.files.is_empty()
    }

    fn refresh(&mut self, rules: &mut [Box<dyn Rules>], now_ms: i64) {
        let mut before = Vec::new();
        for at in 0..self.files.len() {
            if let Some(written) = self.look(at, now_ms) {
                before.push((at, written));
            }
        }
        if before.is_empty() {
            return;
        }
        let Err(error) = self.configure(rules) else { return };
        let error = escaped(&format!("{error:#}")).into_owned();
        message::warning(&format!("exceptions: {error}; {STAY}"));
        for (at, written) in before {
            if let Some(file) = self.files.get_mut(at) {
                file.written = written;
            }
        }
        // They had taken these before; a guest that fails now fails at the next event, by name.
        let _ = self.configure(rules);
    }
}

/// The exceptions of a file; what is wrong with it is printed.
fn read(name: &str, text: &str) -> Option<Vec<WrittenException>> {
    match source::exceptions(text) {
        Ok(written) => Some(written),
        Err(faults) => {
            let source = RuleText { name, text };
            faults.iter().for_each(|fault| diagnostic::print(&source, fault));
            None
        }
    }
}

//! The log of a state: who changed what, when and why.
//!
//! In: what a command did. Out: the entry that is written together with the change; the log for a person
//! or as NDJSON. The clock and the user's name are asked here, and nowhere else of `state`.

use super::{ExitStatus, StateFormat, StatePage, open_to_read};
use crate::cli::run::SystemClock;
use crate::pipeline::Clock;
use crate::state::admin::{AuditEntry, StateAdmin};
use crate::terminal::state::log_entry;
use clap::Args;
use firstseen_rule::alert::rfc3339;
use std::path::PathBuf;

/// Why a state is changed.
#[derive(Debug, Clone, Args)]
pub struct ReasonArg {
    /// Why, for the log of the state
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// The arguments of `state log`.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// The state
    #[arg(value_name = "STATE")]
    pub state: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = StateFormat::Auto)]
    pub format: StateFormat,
}

/// Shows the log.
///
/// # Errors
/// When the state cannot be read, or the output failed.
pub(super) fn log(args: &LogArgs) -> anyhow::Result<ExitStatus> {
    let entries = open_to_read(&args.state)?.log()?;
    let mut page = StatePage::new(args.format);
    for entry in &entries {
        let text =
            if page.is_pretty { log_entry(entry) } else { serde_json::to_string(entry)? + "\n" };
        if !page.put(&text)? {
            break;
        }
    }
    page.end()
}

/// The entry of a change that is made now.
pub(crate) fn entry(action: &str, terms: u64, what: String, reason: Option<&str>) -> AuditEntry {
    AuditEntry {
        at: rfc3339(SystemClock.now_ms()),
        who: user(),
        action: action.to_owned(),
        terms,
        what,
        reason: reason.map(str::to_owned),
    }
}

/// The name of the user: of the one who called sudo, else of the process.
fn user() -> String {
    let named = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| {
        let id = rustix::process::geteuid().as_raw();
        let names = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        name_of(&names, id).unwrap_or_else(|| format!("user {id}"))
    })
}

/// The name behind a number, in a table like `/etc/passwd`.
fn name_of(table: &str, id: u32) -> Option<String> {
    let id = id.to_string();
    let mut users = table.lines().map(|line| line.split(':'));
    users.find_map(|mut user| {
        let name = user.next()?;
        (user.nth(1)? == id && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_name_of_its_line() {
        let table = "root:x:0:0:root:/root:/bin/sh\n\n:x:7\nann:x:1000:100::/home/ann:/bin/sh\n";
        let names = [0, 1000, 100, 7].map(|id| name_of(table, id));
        assert_eq!(names, [Some("root".to_owned()), Some("ann".to_owned()), None, None]);
    }
}

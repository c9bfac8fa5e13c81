//! `state`: what a state knows, seen and corrected by a person.
//!
//! In: a state that no run has open. Out: what it knows, for a person or as NDJSON; or the state with
//! one change and an entry in its log. It judges no event, and what it shows is escaped.
//!
//! | what | module |
//! | --- | --- |
//! | what is in a state, one rule at a time | `stats` |
//! | terms | `list`, `get` |
//! | changes, and the log of them | `change`, `audit` |
//! | from one state to another | `transfer`, `merge` |
//! | the file itself | `upkeep` |
//! | which rules, which terms | `select`, `row` |

pub(crate) mod audit;
mod change;
mod get;
mod list;
mod merge;
mod row;
mod select;
mod stats;
mod transfer;
mod upkeep;

use super::ExitStatus;
use crate::cli::place::{self, StatePlace, place};
use crate::state::admin::StateAdmin;
use crate::state::{Redb, StateError};
use crate::terminal::screen::{self, TextForm};
use crate::terminal::style;
use crate::terminal::wrap::WIDTH;
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use std::io::{IsTerminal, Write};
use std::path::Path;

/// The arguments of `state`.
#[derive(Debug, Clone, Args)]
#[command(disable_help_subcommand = true)]
pub struct StateArgs {
    /// What to do
    #[command(subcommand)]
    pub command: StateCommand,
}

/// What `state` does.
#[derive(Debug, Clone, Subcommand)]
pub enum StateCommand {
    /// Show the rules of a state, how many terms each has, and since when
    Stats(stats::StatsArgs),
    /// List terms, of all or of some
    List(list::ListArgs),
    /// Show all that is known of one term; exit status 1 if it is not known
    Get(get::GetArgs),
    /// Approve a term ahead of time: until an end its events do not alert
    Approve(change::ApproveArgs),
    /// Forget terms: they are new again
    Forget(change::ForgetArgs),
    /// Write what a state knows, as NDJSON, to standard output
    Export(transfer::ExportArgs),
    /// Add what was exported to a state; what it knows stays
    Import(transfer::ImportArgs),
    /// Add what one state knows to another one
    Migrate(transfer::MigrateArgs),
    /// Make the file smaller
    Compact(upkeep::CompactArgs),
    /// Read all of a state; exit status 1 if something in it is damaged
    Verify(upkeep::VerifyArgs),
    /// Show what was changed with these commands, by whom and why
    Log(audit::LogArgs),
}

/// How a state is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateFormat {
    /// Pretty on a terminal, NDJSON in a pipe or a file
    Auto,
    /// For people, as wide as the terminal (80 columns elsewhere)
    Pretty,
    /// One JSON object per line
    Ndjson,
}

/// Does what the command says.
///
/// # Errors
/// When the state is in use, is none, or cannot be read or written.
pub fn state(args: &StateArgs) -> anyhow::Result<ExitStatus> {
    match &args.command {
        StateCommand::Stats(args) => stats::stats(args),
        StateCommand::List(args) => list::list(args),
        StateCommand::Get(args) => get::get(args),
        StateCommand::Approve(args) => change::approve(args),
        StateCommand::Forget(args) => change::forget(args),
        StateCommand::Export(args) => transfer::export(args),
        StateCommand::Import(args) => transfer::import(args),
        StateCommand::Migrate(args) => transfer::migrate(args),
        StateCommand::Compact(args) => upkeep::compact(args),
        StateCommand::Verify(args) => upkeep::verify(args),
        StateCommand::Log(args) => audit::log(args),
    }
}

/// A state of any kind.
type OpenedState = Box<dyn StateAdmin>;

/// Opens a state for reading: it is never written, and may be one that only root can write.
fn open_to_read(path: &Path) -> anyhow::Result<OpenedState> {
    open_file_by(Redb::open_read_only, path, true)
}

/// Opens a state for reading all of it: what is damaged is not copied.
fn open_to_copy(path: &Path) -> anyhow::Result<OpenedState> {
    open_file_by(Redb::open_to_copy, path, true)
}

/// Opens a state that is there, to change it.
fn open_to_change(path: &Path) -> anyhow::Result<OpenedState> {
    // Only a run and what takes terms over make one: a path with a slip of the pen is none.
    if is_absent(path) {
        open_to_read(path)?;
    }
    open_or_make(path)
}

/// Opens a state to change it, or makes it.
fn open_or_make(path: &Path) -> anyhow::Result<OpenedState> {
    open_file_by(Redb::open, path, false)
}

/// Opens a file in this way, or a state at a server.
fn open_file_by(
    open: fn(&Path) -> Result<Redb, StateError>,
    path: &Path,
    read_only: bool,
) -> anyhow::Result<OpenedState> {
    match place(path)? {
        StatePlace::Server(address) => at_server(address, read_only),
        _ => Ok(Box::new(in_use(open(path))?)),
    }
}

/// Opens a state at a server, which runs may use at the same time.
fn at_server(address: &str, read_only: bool) -> anyhow::Result<OpenedState> {
    Ok(Box::new(place::open_server(address, read_only, place::of_command())?))
}

/// Whether there may be no state yet: of a server that is not known before it is asked.
fn is_absent(path: &Path) -> bool {
    place::is_at_server(path) || !path.exists()
}

/// A state that is in use cannot be looked at either: half of a commit is no state.
fn in_use<T>(opened: Result<T, StateError>) -> anyhow::Result<T> {
    let is_locked = matches!(opened, Err(StateError::Locked { .. }));
    let opened = opened.map_err(anyhow::Error::from);
    if is_locked {
        return opened.context(
            "firstseen state needs a state that no run has open; end the run first (Ctrl-C, or \
             SIGTERM: it commits what it has read)",
        );
    }
    opened
}

/// Where a state is shown, and how.
struct StatePage {
    out: Box<dyn Write + Send>,
    is_pretty: bool,
    width: usize,
    colour: bool,
}

impl StatePage {
    fn new(format: StateFormat) -> Self {
        let on_terminal = std::io::stdout().is_terminal();
        let is_pretty = match format {
            StateFormat::Auto => on_terminal,
            StateFormat::Pretty => true,
            StateFormat::Ndjson => false,
        };
        let width = if on_terminal { screen::width() } else { None };
        Self {
            out: screen::stdout(if is_pretty { TextForm::Plain } else { TextForm::Json }),
            is_pretty,
            width: width.unwrap_or(WIDTH),
            colour: style::on_stdout(),
        }
    }

    /// Writes a text; whether anybody still reads.
    fn put(&mut self, text: &str) -> anyhow::Result<bool> {
        match self.out.write_all(text.as_bytes()) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
            Err(e) => Err(anyhow::anyhow!("standard output: {e}")),
        }
    }

    fn end(mut self) -> anyhow::Result<ExitStatus> {
        match self.out.flush() {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(anyhow::anyhow!("standard output: {e}"))
            }
            _ => Ok(ExitStatus::Done),
        }
    }
}

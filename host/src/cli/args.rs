//! The command line.
//!
//! In: arguments. Out: a command, or clap's own error (exit status 2). It starts nothing.

use crate::cli::build::BuildArgs;
use crate::cli::inspect::InspectArgs;
use crate::cli::new::NewArgs;
use crate::cli::observer::OnError;
use crate::cli::pages::{CompletionsArgs, ManArgs};
use crate::cli::rebuild::RebuildArgs;
use crate::cli::test::TestArgs;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// First-seen detection rules, compiled to WebAssembly, over log files and streams
#[derive(Debug, Parser)]
#[command(name = "firstseen", version, max_term_width = 80)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read events, write alerts
    Run(RunArgs),
    /// Say for each event whether it matches, why, and what the state would say
    Explain(ExplainArgs),
    /// Compile rules in Elastic's TOML form to .wasm files
    Build(BuildArgs),
    /// Test rules with the events and expectations beside them (x.test.toml)
    Test(TestArgs),
    /// Show what an artifact says of itself, its source, or its investigation guide
    Inspect(InspectArgs),
    /// Make an artifact again with this version's engine, from the source inside it
    Rebuild(RebuildArgs),
    /// Write a rule and its test to start from
    New(NewArgs),
    /// Write a completion script for a shell
    Completions(CompletionsArgs),
    /// Write man pages
    Man(ManArgs),
}

/// How alerts and explanations are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// Pretty on a terminal, NDJSON in a pipe or a file
    Auto,
    /// For reading, 80 columns wide
    Pretty,
    /// One JSON object per line
    Ndjson,
}

/// What becomes of an alert that was given before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Repeats {
    /// Counted, not written
    Drop,
    /// Written again, byte for byte the same
    Emit,
}

/// Rules, state and inputs, as `run` and `explain` share them.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Files, folders (walked), or - for standard input
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// A rule instead of the built-in one; may be repeated
    #[arg(long = "rule", value_name = "FILE.wasm")]
    pub rules: Vec<PathBuf>,
    /// The history: a file, or memory: for none
    #[arg(long, value_name = "PATH", default_value = "memory:")]
    pub state: PathBuf,
    /// How to write
    #[arg(long, value_enum, default_value_t = FormatArg::Auto)]
    pub format: FormatArg,
    /// Write there instead of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write behind what the output file holds, instead of emptying it first
    #[arg(long, requires = "output")]
    pub append: bool,
    /// Settings for the rules as JSON: tenant, exceptions, learn_until, future_slack
    #[arg(long, value_name = "FILE.json")]
    pub settings: Option<PathBuf>,
    /// Events that count for nothing, as TOML or JSON; `run -` takes up changes; may be repeated
    #[arg(long, value_name = "FILE")]
    pub exceptions: Vec<PathBuf>,
    /// Skip events that are larger (bytes, or with K, M: 16M)
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = size)]
    pub max_event: usize,
}

/// What `run` is asked.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Rules, state and inputs
    #[command(flatten)]
    pub common: Common,
    /// What to do with an event or a file that cannot be read
    #[arg(long, value_enum, default_value_t = OnError::Skip)]
    pub on_error: OnError,
    /// Keep what was skipped, as NDJSON
    #[arg(long, value_name = "FILE")]
    pub dead_letter: Option<PathBuf>,
    /// End with status 1 when there were alerts
    #[arg(long)]
    pub fail_on_alert: bool,
    /// Write the counts as one JSON object
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
    /// Standard input: hold events back for this long in event time, to put them in order (30s, 15m)
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration)]
    pub hold: i64,
    /// What becomes of an alert that the state has given before
    #[arg(long, value_enum, default_value_t = Repeats::Drop)]
    pub repeats: Repeats,
    /// Write the lines of standard input again, with `firstseen_alerts` where one has alerts
    ///
    /// One line out for each line in, in order, as soon as it was read; an event that could not be
    /// judged has `firstseen_error`. For a stage in a pipeline that wants an answer to each line.
    #[arg(long, conflicts_with_all = ["format", "hold"])]
    pub annotate: bool,
}

/// What `explain` is asked.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Rules, state and inputs
    #[command(flatten)]
    pub common: Common,
    /// Leave out the events that do not match
    #[arg(long)]
    pub matched_only: bool,
}

fn duration(text: &str) -> Result<i64, String> {
    if text == "0" { Ok(0) } else { firstseen_rule::window::duration(text) }
}

/// 2 GiB and more cannot be handed to a module; far less fits its memory.
const MAX_EVENT_LIMIT: usize = 24 << 20;

fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (text.get(..text.len() - 1), 1usize << 10),
        Some(b'm' | b'M') => (text.get(..text.len() - 1), 1 << 20),
        _ => (Some(text), 1),
    };
    let bytes = number
        .and_then(|n| n.parse::<usize>().ok())
        .and_then(|n| n.checked_mul(unit))
        .ok_or("give a number of bytes, or one with K or M: 16M")?;
    if (1024..=MAX_EVENT_LIMIT).contains(&bytes) {
        Ok(bytes)
    } else {
        Err("give between 1K and 24M".to_owned())
    }
}

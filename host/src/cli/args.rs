//! The command line.
//!
//! In: arguments. Out: a command, or clap's own error (exit status 2). It starts nothing.

use crate::cli::bench::BenchArgs;
use crate::cli::build::BuildArgs;
use crate::cli::explain::ExplainArgs;
use crate::cli::fields::FieldsArgs;
use crate::cli::inspect::InspectArgs;
use crate::cli::keygen::KeygenArgs;
use crate::cli::learn::LearnArgs;
use crate::cli::new::NewArgs;
use crate::cli::pages::{CompletionsArgs, ManArgs};
use crate::cli::rebuild::RebuildArgs;
use crate::cli::registry::{PullArgs, PushArgs};
use crate::cli::run::RunArgs;
use crate::cli::serve::ServeArgs;
use crate::cli::sign::SignArgs;
use crate::cli::state::StateArgs;
use crate::cli::test::TestArgs;
use crate::cli::verify_signature::VerifySignatureArgs;
use crate::terminal::message::{self, Level};
use crate::terminal::screen;
use crate::terminal::style;
use crate::terminal::wrap::{self, WIDTH};
use anstream::ColorChoice;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::io::{IsTerminal, stderr};

/// First-seen detection rules, compiled to WebAssembly, over log files and streams
#[derive(Debug, Parser)]
#[command(name = "firstseen", version, max_term_width = 80)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// What holds for every command
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// The options of every command: what is printed on standard error, and colours.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalArgs {
    /// Print only errors and what was skipped or could not be judged: no counts, no progress bar
    #[arg(short, long, global = true, conflicts_with = "log_level")]
    pub quiet: bool,
    /// Print messages of this level and above
    #[arg(long, global = true, value_enum, value_name = "LEVEL", default_value_t = LogLevel::Info)]
    pub log_level: LogLevel,
    /// How messages are printed; json: an object a line, with time, level and message, the summary too
    #[arg(long, global = true, value_enum, value_name = "FORM", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// When to print in colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorArg::Auto)]
    pub color: ColorArg,
}

/// Sets how wide pages and messages of this process are.
pub fn set_widths() {
    let page = screen::width().or_else(screen::error_width);
    let messages = screen::error_width().or_else(|| stderr().is_terminal().then_some(WIDTH));
    wrap::set_widths(page, messages);
}

impl GlobalArgs {
    /// Sets the log level, the widths and the colours of this process.
    pub fn apply(&self) {
        message::set_level(match self.log_level {
            _ if self.quiet => Level::Warning,
            LogLevel::Error => Level::Error,
            LogLevel::Warn => Level::Warning,
            LogLevel::Info => Level::Info,
            LogLevel::Debug => Level::Debug,
        });
        if self.log_format == LogFormat::Json {
            message::set_json();
        }
        set_widths();
        style::set_choice(match self.color {
            ColorArg::Auto => ColorChoice::Auto,
            ColorArg::Always => ColorChoice::Always,
            ColorArg::Never => ColorChoice::Never,
        });
    }
}

/// Which messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Errors alone
    Error,
    /// Also what was skipped or could not be judged
    Warn,
    /// Also what was done: the summary, progress
    Info,
    /// Also how it was done
    Debug,
}

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For a person
    Text,
    /// For a program that collects logs
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Also in a pipe
    Always,
    /// Nowhere
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read events and write alerts
    Run(RunArgs),
    /// Take events over HTTP and write alerts
    Serve(ServeArgs),
    /// Fill a state from past events, without alerts
    Learn(LearnArgs),
    /// Show for each event whether it matches, why, and what the state knows
    Explain(ExplainArgs),
    /// Compile rules in Elastic's TOML form to .wasm files
    Build(BuildArgs),
    /// Show and correct what a state knows
    State(StateArgs),
    /// Test rules with the test files beside them (x.test.toml)
    Test(TestArgs),
    /// Measure rules over your own data: speed, where the time goes, latency
    Bench(BenchArgs),
    /// Show an event as rules see it: flat ECS fields with types
    Fields(FieldsArgs),
    /// Show an artifact's metadata, its source or its investigation guide
    Inspect(InspectArgs),
    /// Rebuild an artifact with this version's engine, from the source inside it
    Rebuild(RebuildArgs),
    /// Make a pair of keys to sign artifacts with
    Keygen(KeygenArgs),
    /// Sign artifacts, so that others can tell who made them
    Sign(SignArgs),
    /// Tell whether artifacts are signed by one of these keys
    Verify(VerifySignatureArgs),
    /// Push an artifact to a registry of containers
    Push(PushArgs),
    /// Pull an artifact from a registry of containers
    Pull(PullArgs),
    /// Create a rule and a test to start from
    New(NewArgs),
    /// Write a completion script for a shell
    Completions(CompletionsArgs),
    /// Write man pages
    Man(ManArgs),
}

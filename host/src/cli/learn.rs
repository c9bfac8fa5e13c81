//! `learn`: past events to a state, without an alert.
//!
//! In: the inputs and rules of `run`, a state. Out: the state, and how much each rule learned. It is a `run`
//! whose events are all before the end of learning.

use super::common::{Common, JudgeArgs, SharedStateArgs, TeachArgs};
use super::format::AlertFormatArg;
use super::observer::OnError;
use super::place::{StopMarks, in_memory};
use super::run::{self, RunArgs};
use super::schedule::ScheduleArgs;
use super::{ExitStatus, paths};
use clap::Args;
use std::path::PathBuf;

/// Behind every event.
const NEVER: &str = "9999-12-31T23:59:59.999Z";

/// The arguments of `learn`.
#[derive(Debug, Clone, Args)]
pub struct LearnArgs {
    /// Files, folders (with all in them that is not hidden), or - for standard input
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Teach these rules instead of the built-in one: artifacts, rule.toml files, folders
    ///
    /// As for `firstseen run`.
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<PathBuf>,
    /// Keep what is learned in this file, or at a server: redis://HOST:PORT/DATABASE
    #[arg(long, value_name = "PATH")]
    pub state: PathBuf,
    /// A state at a server
    #[command(flatten)]
    pub shared: SharedStateArgs,
    /// Let a rule go on with terms in the state that another rule wrote
    #[arg(long)]
    pub take_over: bool,
    /// How rules learn and forget: with --learn-for, --learn-by the start is kept for later runs
    #[command(flatten)]
    pub teach: TeachArgs,
    /// What to do with an event or a file that cannot be read
    #[arg(long, value_enum, default_value_t = OnError::Skip)]
    pub on_error: OnError,
    /// Write events that were skipped to this file, as NDJSON
    #[arg(long, value_name = "FILE", value_parser = paths::to_write())]
    pub dead_letter: Option<PathBuf>,
    /// Append to --dead-letter instead of replacing it
    #[arg(long, requires = "dead_letter")]
    pub append: bool,
    /// Write the counts to this file, as one JSON object
    #[arg(long, value_name = "FILE", value_parser = paths::to_write())]
    pub summary: Option<PathBuf>,
    /// How rules judge
    #[command(flatten)]
    pub judge: JudgeArgs,
}

/// Learns; what was learned goes to standard error.
///
/// # Errors
/// As for `run`; where the state would be kept nowhere.
pub fn learn(args: &LearnArgs) -> anyhow::Result<ExitStatus> {
    let args = args.clone();
    if in_memory(&args.state) {
        anyhow::bail!("--state memory: what is learned would be kept nowhere; give a file");
    }
    let common = Common {
        inputs: args.inputs,
        rules: args.rules,
        state: args.state,
        shared: args.shared,
        take_over: args.take_over,
        output: None,
        append: args.append,
        learn_until: Some(NEVER.to_owned()),
        teach: args.teach,
        rule_text: None,
        judge: args.judge,
        resume: None,
        stop: StopMarks::default(),
    };
    run::run(&RunArgs {
        common,
        format: AlertFormatArg::Ndjson,
        compact: false,
        on_error: args.on_error,
        dead_letter: args.dead_letter,
        fail_on_alert: false,
        summary: args.summary,
        hold: 0,
        repeats: None,
        max_terms: None,
        threads: None,
        annotate: false,
        schedule: ScheduleArgs::default(),
        resume: false,
        name: None,
        restart_batch: false,
        follow: false,
        learns: true,
    })
}

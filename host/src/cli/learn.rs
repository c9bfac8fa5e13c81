//! `learn`: past events to a state, without an alert.
//!
//! In: the inputs and rules of `run`, a state. Out: the state, and how much each rule learned. It is a `run`
//! whose events are all before the end of learning.

use super::cache::CacheArgs;
use super::common::{Common, SharedStateArgs, TeachArgs};
use super::format::AlertFormatArg;
use super::observer::OnError;
use super::place::{StopMarks, in_memory};
use super::registry::RegistryArgs;
use super::run::{self, RunArgs};
use super::schedule::ScheduleArgs;
use super::signed::SignedArgs;
use super::size;
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
    /// Who has to have signed them
    #[command(flatten)]
    pub signed: SignedArgs,
    /// Registries
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Keep what is learned in this file, or at a server: redis://HOST:PORT/DATABASE
    #[arg(long, value_name = "PATH")]
    pub state: PathBuf,
    /// A state at a server
    #[command(flatten)]
    pub shared: SharedStateArgs,
    /// Let a rule go on with terms in the state that another rule wrote
    #[arg(long)]
    pub take_over: bool,
    /// Settings for the rules, as JSON: tenant, exceptions, future_slack, trust_envelopes
    #[arg(long, value_name = "FILE.json")]
    pub settings: Option<PathBuf>,
    /// How rules learn and forget: with --learn-for, --learn-by the start is kept for later runs
    #[command(flatten)]
    pub teach: TeachArgs,
    /// Exceptions, as TOML or JSON: events that match one are ignored; may be repeated
    #[arg(long, value_name = "FILE")]
    pub exceptions: Vec<PathBuf>,
    /// Open these envelopes too, which others could write to; may be repeated
    ///
    /// As for `firstseen run`.
    #[arg(long, value_name = "ENVELOPE")]
    pub trust_envelopes: Vec<String>,
    /// Judge events of every index, also of those outside the rules' index patterns
    #[arg(long)]
    pub any_index: bool,
    /// Skip events that are larger than this: bytes, or with K or M
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = size::between(1 << 10, 24 << 20, "between 1K and 24M"))]
    pub max_event: usize,
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
    /// Compiled code
    #[command(flatten)]
    pub cache: CacheArgs,
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
        signed: args.signed,
        registry: args.registry,
        state: args.state,
        shared: args.shared,
        take_over: args.take_over,
        output: None,
        append: args.append,
        settings: args.settings,
        learn_until: Some(NEVER.to_owned()),
        teach: args.teach,
        exceptions: args.exceptions,
        trust_envelopes: args.trust_envelopes,
        any_index: args.any_index,
        rule_text: None,
        max_event: args.max_event,
        cache: args.cache,
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

//! The options that `run` and `explain` share.
//!
//! In: arguments. Out: their values, or clap's own error (exit status 2). It opens nothing.

use super::cache::CacheArgs;
use super::place::StopMarks;
use super::registry::RegistryArgs;
use super::signed::SignedArgs;
use super::size;
use clap::{ArgGroup, Args, ValueEnum};
use serde_json::Value;
use std::path::PathBuf;

/// Rules, state and inputs, as `run` and `explain` share them.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("appended").multiple(true))]
pub struct Common {
    /// Files, folders (with all in them that is not hidden), or - for standard input
    ///
    /// `run` also takes lines over a socket, from any number of senders: tcp://HOST:PORT or unix:/PATH, alone.
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Use these rules instead of the built-in one: artifacts, rule.toml files, folders
    ///
    /// What follows a rule is a rule too while it ends in .wasm or .toml, so that a shell may
    /// expand `--rule out/*.wasm`; the first other word begins the inputs. A rule.toml is built in
    /// memory. Of a folder the artifacts count, and rule files only where it has none. From a registry:
    /// oci://HOST/REPOSITORY@sha256:DIGEST, or :TAG, which is looked up each time. See docs/sharing.md.
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<PathBuf>,
    /// Keep the state in this file; `memory:` keeps it for this run only
    ///
    /// Or at a server that several processes share, Redis or Valkey: redis://HOST:PORT/DATABASE, rediss:// with
    /// TLS, redis+unix:///PATH; at a cluster, redis+cluster://HOST:PORT,HOST:PORT; or where sentinels say,
    /// redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DATABASE. See docs/state.md.
    #[arg(long, value_name = "PATH", default_value = "memory:")]
    pub state: PathBuf,
    /// A state at a server
    #[command(flatten)]
    pub shared: SharedStateArgs,
    /// Let a rule go on with terms in the state that another rule wrote
    #[arg(long)]
    pub take_over: bool,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE", group = "appended", value_parser = super::paths::to_write())]
    pub output: Option<PathBuf>,
    /// Append to --output and --dead-letter instead of replacing them
    #[arg(long, requires = "appended")]
    pub append: bool,
    /// Learn from events before this time: their new terms do not alert (2026-12-01T00:00:00Z)
    ///
    /// Instead of `learn_until` in the settings.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub learn_until: Option<String>,
    /// How rules learn and forget
    #[command(flatten)]
    pub teach: TeachArgs,
    /// How much of what a rule says of itself is in its alerts
    #[arg(long, value_enum, value_name = "TEXT")]
    pub rule_text: Option<RuleTextArg>,
    /// How rules judge
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// The run in the state that goes on: `run --resume`.
    #[arg(skip)]
    pub resume: Option<ResumeName>,
    /// Whether the run is to end, for what waits.
    #[arg(skip)]
    pub stop: StopMarks,
}

/// Which rules are taken, and how they judge: the same in all commands that judge events.
#[derive(Debug, Clone, Args)]
pub struct JudgeArgs {
    /// Settings for the rules, as JSON: docs/settings.md lists its keys
    #[arg(long, value_name = "FILE.json")]
    pub settings: Option<PathBuf>,
    /// Exceptions, as TOML or JSON: events that match one are ignored; may be repeated
    ///
    /// `run -` and `serve` read the file again when it changes.
    #[arg(long, value_name = "FILE")]
    pub exceptions: Vec<PathBuf>,
    /// Open these envelopes too, which others could write to; may be repeated
    ///
    /// `dataset:NAME`, `log-group:NAME`, `source:NAME` (EventBridge), `index:NAME`, where `*` stands for
    /// any characters, or `log`. The summary names what was not opened. See docs/trust.md.
    #[arg(long, value_name = "ENVELOPE")]
    pub trust_envelopes: Vec<String>,
    /// Judge events of every index, also of those outside the rules' index patterns
    ///
    /// An event names its index by `_index` of an export or of a `_bulk` item, else by its `data_stream` fields. One
    /// that names none is always judged. The summary counts what was left out.
    #[arg(long)]
    pub any_index: bool,
    // 2 GiB and more cannot be handed to a module; far less fits its memory.
    /// Skip events that are larger than this: bytes, or with K or M
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = size::between(1 << 10, 24 << 20, "between 1K and 24M"))]
    pub max_event: usize,
    /// Who has to have signed the rules
    #[command(flatten)]
    pub signed: SignedArgs,
    /// Registries
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Compiled code
    #[command(flatten)]
    pub cache: CacheArgs,
}

/// How a state at a server is used.
#[derive(Debug, Clone, Default, Args)]
pub struct SharedStateArgs {
    /// Wait for at most this long while the state is away: its server, or its file in use (30s); 0: not at all
    ///
    /// Without it files wait for a server for 30 seconds, and a stream for as long as it takes. Nothing is decided
    /// meanwhile, and nothing is dropped. For a state file that another process uses nothing waits without it.
    #[arg(long, value_name = "DURATION", value_parser = super::run::duration)]
    pub state_wait: Option<i64>,
    /// Take a server that may lose or evict terms: they alert again then
    ///
    /// Without it `appendonly yes`, `appendfsync always` and `maxmemory-policy noeviction` are asked for.
    #[arg(long)]
    pub allow_weak_state: bool,
}

/// A run in the state.
#[derive(Debug, Clone)]
pub struct ResumeName {
    /// Its name.
    pub name: String,
    /// Whether a batch that was begun is given up.
    pub restart: bool,
    /// Whether batch follows batch in this process, and inputs may not be there yet.
    pub follows: bool,
}

/// How rules learn and forget, in place of what settings and rules say.
#[derive(Debug, Clone, Default, Args)]
pub struct TeachArgs {
    /// Learn for this long from the first event on (10d): new terms do not alert; 0: not at all
    ///
    /// By the events' times. The start is kept in the state, so that a restart goes on. With
    /// --learn-until that time counts.
    #[arg(long, value_name = "DURATION", value_parser = length_or_0)]
    pub learn_for: Option<String>,
    /// Learn from so many matching events (1000): new terms do not alert
    ///
    /// Events that match the rule and have its fields, from the first one in the state's life; the same one
    /// again does not count. With --learn-for a rule learns until both are over. 0: from none.
    #[arg(long, value_name = "N")]
    pub learn_events: Option<u32>,
    /// Learn for each value of this field on its own, from its first event on (cloud.account.id)
    #[arg(long, value_name = "FIELD", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub learn_by: Option<String>,
    /// How long a term is known (30d), in place of the rules' windows
    #[arg(long, value_name = "DURATION", value_parser = length)]
    pub forget_after: Option<String>,
}

/// How much of what a rule says of itself is in its alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RuleTextArg {
    /// All of it
    Full,
    /// Without description, note, references and setup
    Brief,
}

impl RuleTextArg {
    /// The option, the setting that it stands for, and its value.
    #[must_use]
    pub fn setting(self) -> (&'static str, &'static str, Value) {
        let word = match self {
            Self::Full => "full",
            Self::Brief => "brief",
        };
        ("--rule-text", "rule_text", Value::from(word))
    }
}

impl TeachArgs {
    /// The options that are given, the settings that they stand for, and their values.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, &'static str, Value)> {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let all = [
            ("--learn-for", "learn_for", text(&self.learn_for)),
            ("--learn-events", "learn_events", self.learn_events.map(Value::from)),
            ("--learn-by", "learn_by", text(&self.learn_by)),
            ("--forget-after", "forget_after", text(&self.forget_after)),
        ];
        all.into_iter().filter_map(|(option, name, value)| Some((option, name, value?)))
    }
}

fn length(text: &str) -> Result<String, String> {
    firstseen_rule::window::duration(text).map(|_| text.to_owned())
}

fn length_or_0(text: &str) -> Result<String, String> {
    match super::run::duration(text)? {
        0 => Ok("0".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// A time, as the settings take it.
pub(super) fn time(text: &str) -> Result<String, String> {
    match firstseen_value::parse_time_ms(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("give an RFC 3339 time: 2026-12-01T00:00:00Z".to_owned()),
    }
}

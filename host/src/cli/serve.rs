//! `serve`: events that arrive over HTTP, to alerts.
//!
//! In: an address, rules, a state. Out: answers to senders, alerts, the exit status. Signals end it cleanly or have it
//! begin anew with the rules as they are now. The work is that of `run`, with bodies for inputs.

use super::common::{Common, JudgeArgs, RuleTextArg, SharedStateArgs, TeachArgs};
use super::format::AlertFormatArg;
use super::observer::OnError;
use super::place::StopMarks;
use super::run::{Repeats, RunArgs};
use super::schedule::ScheduleArgs;
use super::{ExitStatus, paths, size};
use clap::{ArgGroup, Args};
use std::path::PathBuf;

/// The arguments of `serve`.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("served_files").multiple(true))]
pub struct ServeArgs {
    /// Listen here; senders on other machines need --auth and --tls-cert, or a proxy that has them
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    pub listen: String,
    /// Take requests only of who names a line of this file: a token, or USER:PASSWORD
    ///
    /// By `Authorization: Bearer TOKEN`, `ApiKey TOKEN` or `Basic`, or by Firehose's access key. /healthz and /readyz
    /// are open to all. SIGHUP reads it again.
    #[arg(long, value_name = "FILE")]
    pub auth: Option<PathBuf>,
    /// Speak TLS with this certificate, PEM with those that vouch for it; read again on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// The largest body of a request as it is sent: from 64K to 256M, in bytes or with K or M
    ///
    /// Unpacked it may be 16 times as large. Bodies that wait for their answers have 4 times this together.
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = size::between(64 << 10, 256 << 20, "between 64K and 256M"))]
    pub max_body: usize,
    /// The most events in a body; one with more is refused as a whole, with 413
    ///
    /// Lines and documents that are no events count too.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub max_body_events: u64,
    /// How many connections may be open at once
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub max_connections: u32,
    /// Use these rules instead of the built-in one: artifacts, rule.toml files, folders
    ///
    /// As for `firstseen run`. SIGHUP reads them again; what does not load leaves the old ones in force.
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<PathBuf>,
    /// Keep the state in this file, or at a server: redis://HOST:PORT/DATABASE
    ///
    /// `memory:` forgets everything when the service ends.
    #[arg(long, value_name = "PATH")]
    pub state: PathBuf,
    /// A state at a server, or one that another process still holds
    #[command(flatten)]
    pub shared: SharedStateArgs,
    /// Let a rule go on with terms in the state that another rule wrote
    #[arg(long)]
    pub take_over: bool,
    /// Write alerts to this file instead of standard output
    #[arg(long, value_name = "FILE", group = "served_files", value_parser = paths::to_write())]
    pub output: Option<PathBuf>,
    /// Append to --output and --dead-letter instead of replacing them
    #[arg(long, requires = "served_files")]
    pub append: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = AlertFormatArg::Ndjson)]
    pub format: AlertFormatArg,
    /// Leave the rule's texts and the raw event (event.original) out of alerts
    #[arg(long)]
    pub compact: bool,
    /// Write events that were skipped to this file, as NDJSON
    #[arg(long, value_name = "FILE", group = "served_files", value_parser = paths::to_write())]
    pub dead_letter: Option<PathBuf>,
    /// Write alerts of events that were sent again to the output too; their senders get them anyhow
    #[arg(long)]
    pub emit_repeats: bool,
    /// Give senders that ask for alerts their own lines back, with the alerts added, as `run --annotate`
    ///
    /// For `/events?alerts`. --output has the alerts alone: a body that is sent again would be in it twice.
    #[arg(long)]
    pub annotate: bool,
    /// Learn from events before this time: their new terms do not alert (2026-12-01T00:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = super::common::time)]
    pub learn_until: Option<String>,
    /// How rules learn and forget
    #[command(flatten)]
    pub teach: TeachArgs,
    /// How much of what a rule says of itself is in its alerts
    #[arg(long, value_enum, value_name = "TEXT")]
    pub rule_text: Option<RuleTextArg>,
    /// Let no rule have more terms in the state than this; the least recently seen go, and are counted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_terms: Option<u64>,
    /// How rules judge
    #[command(flatten)]
    pub judge: JudgeArgs,
}

impl ServeArgs {
    /// The run whose loop this is.
    #[must_use]
    pub fn run(&self) -> RunArgs {
        let args = self.clone();
        RunArgs {
            common: Common {
                // A stream that never ends by itself.
                inputs: vec![PathBuf::from("-")],
                rules: args.rules,
                state: args.state,
                shared: args.shared,
                take_over: args.take_over,
                output: args.output,
                append: args.append,
                learn_until: args.learn_until,
                teach: args.teach,
                rule_text: args.rule_text,
                judge: args.judge,
                resume: None,
                stop: StopMarks::default(),
            },
            format: args.format,
            compact: args.compact,
            on_error: OnError::Skip,
            dead_letter: args.dead_letter,
            fail_on_alert: false,
            summary: None,
            hold: 0,
            repeats: args.emit_repeats.then_some(Repeats::Emit),
            max_terms: args.max_terms,
            resume: false,
            name: None,
            restart_batch: false,
            follow: false,
            annotate: false,
            threads: None,
            schedule: ScheduleArgs::default(),
            learns: false,
        }
    }
}

/// Serves until a signal ends it.
///
/// # Errors
/// When something cannot be opened or written.
#[cfg(feature = "http")]
pub fn serve(args: &ServeArgs) -> anyhow::Result<ExitStatus> {
    super::service::serve(args)
}

/// Says that this binary has no HTTP.
///
/// # Errors
/// Always.
#[cfg(not(feature = "http"))]
pub fn serve(_args: &ServeArgs) -> anyhow::Result<ExitStatus> {
    anyhow::bail!(
        "this firstseen was built without HTTP; build it with `cargo build --release --features http`"
    )
}

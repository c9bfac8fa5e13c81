//! The arguments of `build`.
//!
//! In: arguments. Out: what is built, for which target, with which options. It opens nothing but
//! the file of settings.

use crate::cli::common::{RuleTextArg, TeachArgs};
use crate::cli::warnings::WarningArgs;
use crate::cli::{size, teach};
use crate::files::{read_text, shown};
use crate::rules::unique;
use anyhow::anyhow;
use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use firstseen_compiler::{EngineModule, Origin, Target, TargetChoices};
use firstseen_rule::Settings;
use firstseen_rule::source::EventTime;
use firstseen_target_support::Records;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// The arguments of `build`.
#[derive(Debug, Clone, clap::Args)]
pub struct BuildArgs {
    /// Rules in Elastic's TOML form, of type new_terms, or folders with them
    ///
    /// Of a folder, every *.toml that has a `[rule]` table is built, also in folders inside it. Tests
    /// (*.test.toml) and names that begin with a dot are skipped.
    #[arg(required = true, value_name = "RULE.toml")]
    pub rules: Vec<PathBuf>,
    /// Where to write: a folder; for a single rule or a pack a file
    ///
    /// By default the artifact of x.toml is x.wasm beside it, or x.TARGET.wasm.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Build one artifact of all rules: it reads each event once for all of them
    #[arg(long, requires = "output")]
    pub pack: bool,
    /// Write nothing, only report what is wrong
    #[arg(long, conflicts_with = "output")]
    pub check: bool,
    /// Build rules of this type, and skip those of another
    ///
    /// Without it a rule of another type cannot be built, and is an error.
    #[arg(long, value_name = "TYPE", value_parser = ["new_terms"])]
    pub only: Option<String>,
    /// Warnings.
    #[command(flatten)]
    pub warnings: WarningArgs,
    /// The time of an event: its @timestamp, or the field that the rule names
    #[arg(long, value_enum, value_name = "FIELD", default_value_t = EventTimeArg::Timestamp)]
    pub event_time: EventTimeArg,
    /// Where the rules come from, for registries: the URL of their repository
    #[arg(long, value_name = "URL", value_parser = url)]
    pub source: Option<String>,
    /// The revision of that repository, for registries
    #[arg(long, value_name = "TEXT")]
    pub revision: Option<String>,
    /// What to build for: each kind of host has files of its own
    #[arg(long, value_parser = target_name(), default_value = Target::Core.name())]
    pub target: Target,
    /// Build for an engine without SIMD, such as Java's Chicory; of target core
    ///
    /// The answers are the same, more slowly. The artifact of x.toml is x.no-simd.wasm by default. Of the
    /// other targets fluent-bit, redpanda and wasi never need SIMD.
    #[arg(long)]
    pub no_simd: bool,
    /// The options of a host that passes no configuration.
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Print each artifact with its size and build time
    #[arg(short, long)]
    pub verbose: bool,
}

/// The options of hosts that pass no configuration to a module.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "For hosts that pass no configuration")]
pub struct ChosenArgs {
    /// What to do with a pipeline's records
    #[arg(long, value_enum)]
    pub records: Option<RecordsArg>,
    /// Keep the state in this folder, as the module sees it; by default only in memory
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<String>,
    // A guest's memory ends at 4 GiB, and the trees around the values take as much again.
    /// How many bytes of keys and values to keep in memory: 64M, 512k
    #[arg(long, value_name = "SIZE", value_parser = size::between(1 << 10, 1 << 30, "between 1K and 1024M"))]
    pub state_limit: Option<usize>,
    /// Give an alert again to a pipeline that restarts within this time: 1h by default; 0: never
    #[arg(long, value_name = "TIME", value_parser = crate::cli::run::duration)]
    pub outbox_time: Option<i64>,
    /// Settings for all rules: docs/abi.md, section 7
    #[arg(long, value_name = "FILE.json")]
    pub settings: Option<PathBuf>,
    /// Judge events of every index, also of those outside the rules' index patterns
    #[arg(long)]
    pub any_index: bool,
    /// How much of what a rule says of itself is in its alerts
    #[arg(long, value_enum, value_name = "TEXT")]
    pub rule_text: Option<RuleTextArg>,
    /// Learn from events before this time: their new terms do not alert (2026-12-01T00:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = crate::cli::common::time)]
    pub learn_until: Option<String>,
    /// How rules learn and forget, in place of what --settings and rules say.
    #[command(flatten)]
    pub teach: TeachArgs,
}

/// What to do with a pipeline's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RecordsArg {
    /// Pass on all; add the alerts to those that have any
    Annotate,
    /// Pass on those with alerts, and those that could not be judged
    Alerts,
}

impl ChosenArgs {
    /// The choices, with the settings' text.
    pub(super) fn choices(&self) -> anyhow::Result<TargetChoices> {
        let records = self.records.map(|records| match records {
            RecordsArg::Annotate => Records::Annotate,
            RecordsArg::Alerts => Records::Alerts,
        });
        let mut settings = self.settings.as_deref().map(read_text).transpose()?;
        if let (Some(text), Some(path)) = (&settings, &self.settings) {
            unique::check(text).map_err(|e| anyhow!("--settings {}: {e}", shown(path)))?;
        }
        let any_index = self.any_index.then_some(("--any-index", "any_index", Value::Bool(true)));
        let rule_text = self.rule_text.map(RuleTextArg::setting);
        let until = self.learn_until.as_deref();
        let until = until.map(|time| ("--learn-until", "learn_until", Value::from(time)));
        let beside: Vec<_> = any_index
            .into_iter()
            .chain(until)
            .chain(rule_text)
            .chain(self.teach.settings())
            .collect();
        if !beside.is_empty() {
            settings = Some(with_members(settings, &beside));
        }
        if let Some(text) = &settings {
            teach::doubt(&Settings::read(text).unwrap_or_default());
        }
        let (state, state_limit) = (self.state.clone(), self.state_limit);
        let outbox_time = self.outbox_time.map(i64::unsigned_abs);
        let beside = beside.into_iter().map(|(option, ..)| option).collect();
        Ok(TargetChoices { records, state, state_limit, outbox_time, settings, beside })
    }
}

/// The settings with what options say. What is no object is left as it is, for its fault to be told.
fn with_members(settings: Option<String>, beside: &[(&str, &str, Value)]) -> String {
    let text = settings.unwrap_or_else(|| "{}".to_owned());
    match serde_json::from_str::<Map<String, Value>>(&text) {
        Ok(mut members) => {
            let beside = beside.iter().cloned();
            members.extend(beside.map(|(_, name, value)| (name.to_owned(), value)));
            Value::Object(members).to_string()
        }
        Err(_) => text,
    }
}

/// A target by its name; the help lists them all.
fn target_name() -> impl TypedValueParser<Value = Target> {
    let known = Target::ALL.map(|target| PossibleValue::new(target.name()).help(target.about()));
    PossibleValuesParser::new(known)
        .try_map(|name| Target::from_name(&name).ok_or_else(|| format!("no target: {name}")))
}

/// The time of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EventTimeArg {
    /// The event's @timestamp
    #[value(name = "timestamp")]
    Timestamp,
    /// The field that the rule's timestamp_override names, or @timestamp where it is missing
    #[value(name = "timestamp_override")]
    TimestampOverride,
}

impl From<EventTimeArg> for EventTime {
    fn from(arg: EventTimeArg) -> Self {
        match arg {
            EventTimeArg::Timestamp => Self::Timestamp,
            EventTimeArg::TimestampOverride => Self::TimestampOverride,
        }
    }
}

impl BuildArgs {
    /// The engine of the target.
    ///
    /// # Errors
    /// When this binary does not have it, or there is none without SIMD.
    pub(super) fn engine(&self) -> anyhow::Result<EngineModule<'static>> {
        match (self.no_simd, self.target) {
            (false, target) => Ok(firstseen_engines::engine(target)?),
            (true, Target::Core) => Ok(firstseen_engines::plain_core()?),
            (true, target) => {
                let why = match target {
                    Target::FluentBit | Target::Redpanda | Target::Wasi => {
                        "its artifacts never need SIMD: leave the option out"
                    }
                    _ => {
                        "it is built for hosts with SIMD; for an engine without SIMD use --target core"
                    }
                };
                Err(anyhow!("--no-simd: --target {} does not take it: {why}", target.name()))
            }
        }
    }

    /// What the names of artifacts end in.
    pub(super) const fn ending(&self) -> &'static str {
        if self.no_simd { "no-simd.wasm" } else { self.target.ending() }
    }

    pub(super) fn origin(&self) -> Origin {
        Origin {
            source: self.source.clone().unwrap_or_default(),
            revision: self.revision.clone().unwrap_or_default(),
        }
    }
}

fn url(text: &str) -> Result<String, String> {
    firstseen_artifact::StandardMetadata::check_source(text).map(|()| text.to_owned())
}

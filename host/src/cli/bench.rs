//! `bench`: how fast rules are over a person's own data, and where the time goes.
//!
//! In: inputs and rules as for `run`, an earlier result. Out: a page or one JSON object; exit status 1 where it is
//! slower than that result by more than a bound. It writes no alerts, and opens no state of the user's.

mod compare;
mod latency;
mod made_up;
mod observer;
mod page;
mod result;
mod round;
pub(super) mod stage_clock;

use super::common::{Common, JudgeArgs, SharedStateArgs, TeachArgs};
use super::findings;
use super::place::StopMarks;
use super::setup::{Setup, read_options, set_up};
use super::signal::Signals;
use super::{ExitStatus, paths};
use crate::files::{folder_of, read_text, shown, write_whole};
use crate::source::FoundInputs;
use crate::terminal::message::{self, print};
use crate::terminal::rule_table::NOTHING_READ;
use crate::terminal::screen::TextForm;
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use compare::BaselineComparison;
use made_up::MadeUpEvents;
use observer::BenchObserver;
use result::{BenchResult, Measured};
use round::Bench;
use std::num::NonZero;
use std::path::{Path, PathBuf};

/// Events that are judged one by one, where nobody says how many: a state in a file is synced for each that matches.
const EVENTS: u32 = 10_000;
const EVENTS_SYNCED: u32 = 1_000;

/// The arguments of `bench`.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Files or folders, which are read several times; without any, made-up CloudTrail events
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Measure these rules instead of the built-in one: artifacts, rule.toml files, folders
    ///
    /// As for `firstseen run`.
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<PathBuf>,
    /// How many threads read files [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// How often the inputs are read; times are medians
    ///
    /// They are read once more before that, which fills caches and is not counted.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rounds: u16,
    /// Judge so many events one by one, as a stream, for the latency; 0: none [default: 10000]
    ///
    /// The first ones of the inputs. With --state file the default is 1000.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=10_000_000))]
    pub events: Option<u32>,
    /// Where each round has its state, which begins empty
    #[arg(long, value_enum, default_value_t = BenchState::Memory)]
    pub state: BenchState,
    /// Output format
    #[arg(long, value_enum, default_value_t = BenchFormat::Pretty)]
    pub format: BenchFormat,
    /// Write the result to this file too, as JSON: a later --baseline reads it
    #[arg(long, value_name = "FILE.json", value_parser = paths::to_write())]
    pub output: Option<PathBuf>,
    /// Compare with this earlier result; exit status 1 if something is worse by more than --bound
    #[arg(long, value_name = "FILE.json")]
    pub baseline: Option<PathBuf>,
    /// How many per cent time, CPU time, latency (p50) and memory may be above the baseline's
    #[arg(long, value_name = "PERCENT", default_value_t = 10, requires = "baseline", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub bound: u16,
    /// How rules judge
    #[command(flatten)]
    pub judge: JudgeArgs,
}

/// Where a round has its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchState {
    /// In memory
    Memory,
    /// In a temporary file, which is synced as that of `run` is
    File,
}

impl BenchState {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::File => "file",
        }
    }
}

/// The output formats of `bench`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchFormat {
    /// For people, 80 columns wide
    Pretty,
    /// One JSON object
    Json,
}

/// Measures.
///
/// # Errors
/// When rules or inputs cannot be used, a baseline is of other work, or a round failed.
pub fn bench(args: &BenchArgs) -> anyhow::Result<ExitStatus> {
    let signals = Signals::listen().context("signals cannot be heard")?;
    let baseline = args.baseline.as_ref().map(|path| read_result(path)).transpose()?;
    if args.inputs.iter().any(|input| input.as_os_str() == "-") {
        bail!(
            "-: standard input can be read once, and each round reads the inputs again; give files"
        );
    }
    if let Some(path) = args.output.as_deref() {
        look_at_output(path, args.baseline.as_deref())?;
    }
    let made_up =
        if args.inputs.is_empty() { Some(MadeUpEvents::write().context("events")?) } else { None };
    let inputs = made_up.as_ref().map(|events| vec![events.path().to_owned()]);
    let common = common(args, inputs.unwrap_or_else(|| args.inputs.clone()));
    let written = [("--output", args.output.as_ref())];
    let setup = set_up(&common, true, &written)?;
    if let Some(pipe) = setup.found.inputs.iter().find(|input| input.bytes.is_none()) {
        bail!("{}: it is no regular file, and each round reads the inputs again", pipe.name);
    }
    let limits = read_options(&common, &setup.trust);
    let all = || std::thread::available_parallelism().map_or(1, NonZero::get);
    let bench = Bench {
        threads: args.threads.map_or_else(all, usize::from),
        always: args.threads.is_some(),
        in_file: args.state == BenchState::File,
        setup: &setup,
        limits,
        signals: &signals,
    };
    say_left_out(&setup.found)?;
    signals.begin();
    let mut rounds = Vec::new();
    // One more than is counted: files get into the system's cache, and memory to the process.
    for number in 0..=args.rounds {
        let round = bench.round()?;
        refuse_stopped(&setup)?;
        if let Some(signal) = signals.received() {
            return Ok(interrupted(signal));
        }
        if number == 0 {
            round.counts.warn();
            if round.counts.events + round.counts.skipped == 0 {
                bail!(NOTHING_READ);
            }
        } else {
            rounds.push(round);
        }
    }
    let peak = round::peak_memory();
    let synced = if args.state == BenchState::File { EVENTS_SYNCED } else { EVENTS };
    let latency = bench.latency(args.events.unwrap_or(synced) as usize)?;
    refuse_stopped(&setup)?;
    if let Some(signal) = signals.received() {
        return Ok(interrupted(signal));
    }
    signals.end();
    let rules = setup.artifacts.iter().flat_map(|artifact| &artifact.meta.rules);
    let result = BenchResult::of(Measured {
        rules: rules.map(|rule| rule.name.clone()).collect(),
        threads: bench.threads,
        state: args.state.name(),
        stored_bytes: setup.found.inputs.iter().filter_map(|input| input.bytes).sum(),
        rounds,
        latency,
        peak,
    });
    let comparison = baseline.map(|(name, old)| {
        let compared = BaselineComparison::of(&old, &result, args.bound);
        compared.with_context(|| format!("--baseline {name}"))
    });
    let comparison = comparison.transpose()?;
    let json = serde_json::to_string_pretty(&result)? + "\n";
    match args.format {
        BenchFormat::Json => print(TextForm::Json, json.as_bytes())?,
        BenchFormat::Pretty => {
            print(TextForm::Plain, page::page(&result, made_up.is_some()).as_bytes())?;
        }
    }
    if let Some(path) = &args.output {
        write_whole(path, json.as_bytes()).with_context(|| format!("--output {}", shown(path)))?;
    }
    let Some(comparison) = comparison else { return Ok(ExitStatus::Done) };
    let lines = comparison.page();
    match args.format {
        // The object on standard output stays the only one.
        BenchFormat::Json => message::page(message::Level::Info, lines.trim_end()),
        BenchFormat::Pretty => print(TextForm::Plain, format!("\n{lines}").as_bytes())?,
    }
    Ok(if comparison.is_worse() { ExitStatus::Unmet } else { ExitStatus::Done })
}

/// A rule that is stopped takes no time: what is measured without it would be of other work.
fn refuse_stopped(setup: &Setup) -> anyhow::Result<()> {
    let stopped = findings::stopped(&setup.artifacts);
    findings::tell_stopped(&stopped, "it is not called any more");
    if stopped.is_empty() {
        return Ok(());
    }
    bail!(
        "there is no result, because not all rules judged all events: mend the rules above, or leave them out"
    )
}

/// Looks at the file of the result before anything is measured.
fn look_at_output(path: &Path, baseline: Option<&Path>) -> anyhow::Result<()> {
    let name = shown(path);
    if path.is_dir() {
        bail!("--output {name}: a folder; give a file");
    }
    if !folder_of(path).is_dir() {
        bail!("--output {name}: no such folder; make it first");
    }
    let same = |other: &Path| {
        path.canonicalize().ok().is_some_and(|path| other.canonicalize().ok() == Some(path))
    };
    if baseline.is_some_and(same) {
        bail!("--output {name}: it is the baseline, which would be lost; give another file");
    }
    Ok(())
}

fn interrupted(signal: u8) -> ExitStatus {
    message::warning("interrupted: there is no result, and nothing was written");
    ExitStatus::Signal(signal)
}

/// What `run` would be given; the state is nobody's.
fn common(args: &BenchArgs, inputs: Vec<PathBuf>) -> Common {
    Common {
        inputs,
        rules: args.rules.clone(),
        state: PathBuf::from("memory:"),
        shared: SharedStateArgs::default(),
        take_over: false,
        output: None,
        append: false,
        learn_until: None,
        teach: TeachArgs::default(),
        rule_text: None,
        judge: args.judge.clone(),
        resume: None,
        stop: StopMarks::default(),
    }
}

/// An earlier result, and the name of its file.
fn read_result(path: &Path) -> anyhow::Result<(String, BenchResult)> {
    let name = shown(path);
    let text = read_text(path).context("--baseline")?;
    let result = serde_json::from_str(&text).with_context(|| {
        format!(
            "--baseline {name}: no result of this version's `firstseen bench --output`; measure it again"
        )
    })?;
    Ok((name, result))
}

fn say_left_out(found: &FoundInputs) -> anyhow::Result<()> {
    found.left_out().iter().for_each(|(severity, text)| message::notice(*severity, text));
    let mut observer = BenchObserver::default();
    found.report(&mut observer)?;
    observer.counts.warn();
    Ok(())
}

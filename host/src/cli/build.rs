//! `build`: rule.toml to an artifact.
//!
//! In: paths of rules and of folders with rules. Out: an artifact for each rule, or one of all of
//! them, each written whole or not at all; what is wrong with a rule, at its place. A rule that
//! fails does not keep the others from being built. It needs no Rust toolchain: the engines are
//! inside this binary.

mod jobs;
mod js;

use super::Ending;
use crate::files::{read_text, shown, write_whole};
use crate::terminal::diagnostic;
use crate::terminal::message::say;
use crate::terminal::progress::Progress;
use crate::work;
use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use firstseen_compiler::{self as compile, EngineModule, Origin, RuleText, Target, TargetChoices};
use firstseen_rule::source::{self, Diagnostic, EventTime, ReadOptions, Rule, Severity};
use firstseen_target_support::Records;
use jobs::Job;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What `build` is asked.
#[derive(Debug, Clone, clap::Args)]
pub struct BuildArgs {
    /// Rules in Elastic's TOML form, of type new_terms, or folders with them
    ///
    /// A folder is walked: every *.toml in it that has a `[rule]` table is built. Tests (*.test.toml)
    /// and what begins with a dot are left out.
    #[arg(required = true, value_name = "RULE.toml")]
    pub rules: Vec<PathBuf>,
    /// Where to write: a folder; for a single rule or a pack a file
    ///
    /// Without it the artifact of x.toml is x.wasm beside it, or x.TARGET.wasm.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Make one artifact of all rules: they share one reading of each event
    #[arg(long, requires = "output")]
    pub pack: bool,
    /// Write nothing, only say what is wrong
    #[arg(long, conflicts_with = "output")]
    pub check: bool,
    /// Whether a rule with warnings is built
    #[arg(long, value_enum, default_value_t = Warnings::Allow)]
    pub warnings: Warnings,
    /// What the time of an event is: its @timestamp, or the field that the rule names
    #[arg(long, value_enum, value_name = "FIELD", default_value_t = EventTimeArg::Timestamp)]
    pub event_time: EventTimeArg,
    /// Where the rules come from, for registries: the address of their repository
    #[arg(long, value_name = "URL", value_parser = url)]
    pub source: Option<String>,
    /// Which revision of that, for registries
    #[arg(long, value_name = "TEXT")]
    pub revision: Option<String>,
    /// What it is built for: one rule, one file for each kind of host
    #[arg(long, value_parser = target_name(), default_value = Target::Core.name())]
    pub target: Target,
    /// What is chosen for the pipeline.
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Name each artifact, with its size and how long it took
    #[arg(short, long)]
    pub verbose: bool,
}

/// What is chosen for pipelines that hand in no configuration.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "For pipelines that hand in no configuration")]
pub struct ChosenArgs {
    /// What becomes of a pipeline's records
    #[arg(long, value_enum)]
    pub records: Option<RecordsArg>,
    /// The folder that the state is kept in, as the module sees it; without it: in memory alone
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<String>,
    /// How much the state holds in memory, in bytes of keys and values: 64M, 512k
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub state_limit: Option<usize>,
    /// Settings for all rules: docs/abi.md, section 7
    #[arg(long, value_name = "FILE.json")]
    pub settings: Option<PathBuf>,
}

/// What becomes of a pipeline's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RecordsArg {
    /// All go on; those with alerts carry them
    Annotate,
    /// Those with alerts go on, and those that could not be judged
    Alerts,
}

impl ChosenArgs {
    /// The choices, with the settings' text.
    fn choices(&self) -> anyhow::Result<TargetChoices> {
        let records = self.records.map(|records| match records {
            RecordsArg::Annotate => Records::Annotate,
            RecordsArg::Alerts => Records::Alerts,
        });
        let settings = self.settings.as_deref().map(read_text).transpose()?;
        let (state, state_limit) = (self.state.clone(), self.state_limit);
        Ok(TargetChoices { records, state, state_limit, settings })
    }
}

/// A target by its name; the help lists them all.
fn target_name() -> impl TypedValueParser<Value = Target> {
    let known = Target::ALL.map(|target| PossibleValue::new(target.name()).help(target.about()));
    PossibleValuesParser::new(known)
        .try_map(|name| Target::from_name(&name).ok_or_else(|| format!("no target: {name}")))
}

/// `64M`: a number of bytes.
fn size(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (text.get(..at), 1 << 10),
        Some((at, 'm' | 'M')) => (text.get(..at), 1 << 20),
        _ => (Some(text), 1),
    };
    let bytes = digits.and_then(|d| d.parse::<usize>().ok()).and_then(|n| n.checked_mul(unit));
    // A guest's memory ends at 4 GiB, and the trees around the values take as much again.
    match bytes {
        Some(bytes @ 1024..=0x4000_0000) => Ok(bytes),
        _ => Err("give 1k to 1024M".to_owned()),
    }
}

/// What becomes of a rule with warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Warnings {
    /// It is built, and the warnings are shown
    Allow,
    /// It is not built
    Deny,
}

/// What the time of an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EventTimeArg {
    /// The event's @timestamp
    #[value(name = "timestamp")]
    Timestamp,
    /// What the rule's timestamp_override names, where an event has it, else its @timestamp
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
    fn origin(&self) -> Origin {
        Origin {
            source: self.source.clone().unwrap_or_default(),
            revision: self.revision.clone().unwrap_or_default(),
        }
    }
}

fn url(text: &str) -> Result<String, String> {
    firstseen_artifact::StandardMetadata::check_source(text).map(|()| text.to_owned())
}

/// A rule's file, read.
struct Read {
    name: String,
    text: String,
    rule: Rule,
}

impl Read {
    fn source(&self) -> RuleText<'_> {
        RuleText { name: &self.name, text: &self.text }
    }
}

/// What came of a job, and what is to be said of it.
struct Came<T> {
    what: What<T>,
    said: Vec<String>,
}

/// What came of a job.
enum What<T> {
    Out(T),
    Failed,
    /// It is no rule.
    Skipped,
}

/// What came of all of them.
#[derive(Default)]
struct Tally {
    done: usize,
    failed: usize,
    skipped: usize,
    bytes: usize,
}

/// Builds.
///
/// # Errors
/// What cannot be built at all: a path that is not there, two rules with one artifact. What is wrong
/// with a rule is said, and the ending is [`Ending::Failed`].
pub fn build(args: &BuildArgs) -> anyhow::Result<Ending> {
    let began = Instant::now();
    let output = args.output.as_deref().filter(|_| !args.pack);
    let choices = args.chosen.choices()?;
    let options = args.target.options(&choices).map_err(anyhow::Error::msg)?;
    let options = options.to_bytes();
    let engine = firstseen_engines::engine(args.target)?;
    // A package for JavaScript carries its settings beside the plan.
    let options = if args.target == Target::Js { &[][..] } else { &options };
    let engine = EngineModule { options, ..engine };
    let plant = Plant { engine, settings: choices.settings.as_deref().unwrap_or_default() };
    let mut jobs = jobs::find(&args.rules, output, args.target.ending())?;
    if let (Target::Js, [job], Some(output)) = (args.target, jobs.as_mut_slice(), output)
        && !job.found
    {
        // The folder is the package, also where it is there already.
        job.to = output.to_path_buf();
    }
    let progress = Progress::rules(jobs.len());
    let mut tally = Tally::default();
    if args.pack {
        build_pack(args, &plant, &jobs, &progress, &mut tally)?;
    } else {
        if !args.check {
            jobs::refuse_collisions(&jobs)?;
        }
        build_each(args, &plant, &jobs, &progress, &mut tally);
    }
    progress.clear();
    if jobs.len() > 1 {
        say(&tally.line(args, began.elapsed()));
    }
    Ok(if tally.failed > 0 { Ending::Failed } else { Ending::Done })
}

/// An artifact for each rule.
fn build_each(
    args: &BuildArgs,
    plant: &Plant<'_>,
    jobs: &[Job],
    progress: &Progress,
    tally: &mut Tally,
) {
    let work = |job: &Job| {
        let began = Instant::now();
        let built = read(args, job).and_then(|read| make(args, plant, job, &read));
        (built, began.elapsed())
    };
    let told = args.verbose || jobs.len() == 1;
    work::in_order(jobs, work, |job, (built, took)| {
        if let Some(bytes) = tally.take(built, progress) {
            tally.bytes += bytes;
            let line = match args.check {
                true => format!("{}: right", shown(&job.rule)),
                false => format!("{}: {} KB, {}", shown(&job.to), kilo(bytes), time(took)),
            };
            if told {
                progress.suspend(|| say(&line));
            }
        }
        progress.step();
    });
}

/// The artifact of one rule; its size.
fn make(args: &BuildArgs, plant: &Plant<'_>, job: &Job, read: &Read) -> Result<usize, String> {
    let rules = vec![(read.source(), read.rule.clone())];
    let wasm = compile::artifact(&plant.engine, rules, &args.origin())?;
    if args.check {
        return Ok(wasm.len());
    }
    let made = job.to.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.map_err(|e| format!("{}: {e}", shown(&job.to)))?;
    let stem = job.rule.file_stem().unwrap_or_default();
    plant.put(args.target, &job.to, stem, &wasm, &[read]).map_err(|e| format!("{e:#}"))
}

/// What artifacts are made with.
struct Plant<'a> {
    engine: EngineModule<'a>,
    /// Of `--settings`; an engine has them among its options.
    settings: &'a str,
}

impl Plant<'_> {
    /// Writes an artifact, or the package around it; its size.
    fn put(
        &self,
        target: Target,
        to: &Path,
        stem: &OsStr,
        wasm: &[u8],
        rules: &[&Read],
    ) -> anyhow::Result<usize> {
        if target != Target::Js {
            write_whole(to, wasm)?;
            return Ok(wasm.len());
        }
        let mut licenses: Vec<&str> = rules
            .iter()
            .map(|read| read.rule.facts.license.as_deref().unwrap_or_default())
            .collect();
        licenses.sort_unstable();
        licenses.dedup();
        js::write(to, &stem.to_string_lossy(), wasm, &licenses.join(" AND "), self.settings)
    }
}

/// One artifact of all rules: all of them, or none.
fn build_pack(
    args: &BuildArgs,
    plant: &Plant<'_>,
    jobs: &[Job],
    progress: &Progress,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let Some(to) = &args.output else { return Ok(()) };
    if to.is_dir() && args.target != Target::Js {
        anyhow::bail!("{}: a folder; give the pack a file's name", shown(to));
    }
    jobs::refuse_sources(jobs, std::iter::once(to.as_path()))?;
    let mut rules = Vec::new();
    let work = |job: &Job| read(args, job);
    work::in_order(jobs, work, |_, read| {
        rules.extend(tally.take(read, progress));
        progress.step();
    });
    let name = shown(to);
    if tally.failed > 0 {
        progress.suspend(|| say(&format!("{name}: not written, as not all rules can be built")));
        return Ok(());
    }
    let sources = rules.iter().map(|read| (read.source(), read.rule.clone())).collect();
    let wasm = compile::artifact(&plant.engine, sources, &args.origin());
    let wasm = wasm.map_err(anyhow::Error::msg)?;
    let stem = to.file_stem().unwrap_or_default();
    let rules: Vec<&Read> = rules.iter().collect();
    tally.bytes = plant.put(args.target, to, stem, &wasm, &rules)?;
    Ok(())
}

/// Reads a rule.
fn read(args: &BuildArgs, job: &Job) -> Came<Read> {
    let name = shown(&job.rule);
    let text = match read_text(&job.rule) {
        Ok(text) => text,
        Err(error) => return Came::failed(error.to_string()),
    };
    // A folder holds other TOML too; what was asked for by name is a rule or a fault.
    if job.found && toml::from_str::<toml::Table>(&text).is_ok_and(|t| !t.contains_key("rule")) {
        return Came {
            what: What::Skipped,
            said: vec![format!("{name}: no [rule] in it, skipped")],
        };
    }
    let options = ReadOptions { event_time: args.event_time.into() };
    let (rule, diagnostics) = match source::read(&text, &options) {
        Ok(mut rule) => {
            let warnings = std::mem::take(&mut rule.warnings);
            (Some(rule), warnings)
        }
        Err(faults) => (None, faults),
    };
    let source = RuleText { name: &name, text: &text };
    let mut said: Vec<_> =
        diagnostics.iter().map(|one| diagnostic::shown(&source, one) + "\n").collect();
    let what = match rule {
        Some(rule) if diagnostics.is_empty() || args.warnings == Warnings::Allow => {
            What::Out(Read { name, text, rule })
        }
        _ => {
            said.push(format!("{name}: not built: {}", count(&diagnostics)));
            What::Failed
        }
    };
    Came { what, said }
}

/// `1 error, 2 warnings`.
fn count(diagnostics: &[Diagnostic]) -> String {
    let of = |severity, what: &str| {
        let count = diagnostics.iter().filter(|one| one.severity == severity).count();
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {what}{plural}"))
    };
    let parts = [of(Severity::Error, "error"), of(Severity::Warning, "warning")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

impl<T> Came<T> {
    fn failed(reason: String) -> Self {
        Self { what: What::Failed, said: vec![format!("error: {reason}")] }
    }

    fn and_then<U>(self, then: impl FnOnce(T) -> Result<U, String>) -> Came<U> {
        let Self { what, mut said } = self;
        let what = match what {
            What::Out(value) => match then(value) {
                Ok(value) => What::Out(value),
                Err(reason) => {
                    said.push(format!("error: {reason}"));
                    What::Failed
                }
            },
            What::Failed => What::Failed,
            What::Skipped => What::Skipped,
        };
        Came { what, said }
    }
}

impl Tally {
    /// Counts, says what is to be said, and gives back what came out.
    fn take<T>(&mut self, came: Came<T>, progress: &Progress) -> Option<T> {
        if !came.said.is_empty() {
            progress.suspend(|| came.said.iter().for_each(|line| say(line)));
        }
        match came.what {
            What::Out(value) => {
                self.done += 1;
                return Some(value);
            }
            What::Failed => self.failed += 1,
            What::Skipped => self.skipped += 1,
        }
        None
    }

    /// `41 rules: 40 built, 1 failed; 7300 KB, 1.2 s`.
    fn line(&self, args: &BuildArgs, took: Duration) -> String {
        let done = match (args.check, args.pack && self.failed > 0) {
            (true, _) => "right",
            (_, true) => "read",
            _ => "built",
        };
        let mut line = format!("{} rules: {} {done}", self.done + self.failed, self.done);
        if self.failed > 0 {
            line += &format!(", {} failed", self.failed);
        }
        if self.skipped > 0 {
            line += &format!(", {} skipped", self.skipped);
        }
        if !args.check && self.bytes > 0 {
            line += &format!("; {} KB", kilo(self.bytes));
        }
        format!("{line}, {}", time(took))
    }
}

const fn kilo(bytes: usize) -> usize {
    bytes.div_ceil(1000)
}

fn time(took: Duration) -> String {
    match took.as_millis() {
        ms @ ..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}

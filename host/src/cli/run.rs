//! `run`: events to alerts.
//!
//! In: inputs, rules, a state. Out: alerts, the summary, the exit status. It opens what the command
//! line names and hands it to the pipeline, which does the work.

use super::common::Common;
use super::format::{self, AlertFormatArg};
use super::observer::{OnError, RunObserver};
use super::rule_words::is_rule;
use super::signal::Signals;
use super::state::audit::entry;
use super::{ExitStatus, findings, paths};
use crate::escape::escaped;
use crate::files::{read_text, shown};
use crate::observe::rule_counts::RuleTally;
use crate::pipeline::learning::Learning;
use crate::pipeline::order::DEFAULT_BUDGET;
use crate::pipeline::{Clock, OutputStatus, Parts, Pipeline, PipelineOptions};
use crate::rules::exceptions::Exceptions;
use crate::rules::find::RulePath;
use crate::rules::load::{LoadedRules, load_all};
use crate::rules::prefilter::Prefiltering;
use crate::rules::sample::RunSamples;
use crate::rules::{self, KnownException, LiveSettings};
use crate::sink::annotate::AnnotateSink;
use crate::sink::compact::CompactSink;
use crate::sink::dead_letter::DeadLetter;
use crate::sink::{AlertSink, Format, Output};
use crate::source::{self, FoundInputs, Input, ReadLimits};
use crate::state::admin::StateAdmin;
use crate::state::{CarryOver, Memory, Redb, StateError, StateStore};
use crate::state::{StateHistory, claim};
use crate::terminal::learned::ALL_NEW;
use crate::terminal::message::{self, Level};
use crate::terminal::{self, formats, screen, style, wording};
use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use firstseen_artifact::RuleMeta;
use firstseen_event::Trust;
use firstseen_rule::Settings;
use firstseen_runtime::{Artifact, Guest};
use firstseen_session::Rules;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What happens to an alert that an earlier run has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Repeats {
    /// Count it, and do not write it
    Drop,
    /// Write it again, byte for byte the same
    Emit,
}

/// The arguments of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Rules, state and inputs
    #[command(flatten)]
    pub common: Common,
    /// Output format
    #[arg(long, value_enum, default_value_t = AlertFormatArg::Auto)]
    pub format: AlertFormatArg,
    /// Leave the rule's texts and the raw event (event.original) out of alerts
    #[arg(long)]
    pub compact: bool,
    /// What to do with an event or a file that cannot be read
    #[arg(long, value_enum, default_value_t = OnError::Skip)]
    pub on_error: OnError,
    /// Write events that were skipped to this file, as NDJSON
    #[arg(long, value_name = "FILE", group = "appended")]
    pub dead_letter: Option<PathBuf>,
    /// Exit with status 1 if there were alerts
    #[arg(long)]
    pub fail_on_alert: bool,
    /// Write the counts to this file, as one JSON object
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
    /// Hold events of standard input back for this long, to sort them (30s, 15m)
    ///
    /// An event goes on as soon as one arrives that is dated this much later, or when it has waited
    /// this long.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration)]
    pub hold: i64,
    /// What to do with an alert that an earlier run with this state has written
    #[arg(long, value_enum, default_value_t = Repeats::Drop)]
    pub repeats: Repeats,
    /// Copy standard input to the output, and add `firstseen_alerts` to events with alerts
    ///
    /// Each line that is read gives one line, in order and at once. An event that could not be
    /// judged gets `firstseen_error`. Alerts of a line that is not an object follow on a line of
    /// their own. This is for pipelines that expect an answer to each line.
    #[arg(long, conflicts_with_all = ["format", "hold"])]
    pub annotate: bool,
    /// Whether nothing alerts, and what was learned is told: `firstseen learn`.
    #[arg(skip)]
    pub learns: bool,
}

fn duration(text: &str) -> Result<i64, String> {
    if text == "0" { Ok(0) } else { firstseen_rule::window::duration(text) }
}

/// What `run` and `explain` begin with.
pub struct Setup {
    /// The artifacts.
    pub artifacts: Vec<Artifact>,
    /// The exceptions that are inside them.
    pub own_exceptions: Vec<KnownException>,
    /// One guest for each.
    pub guests: Vec<Guest>,
    /// The inputs.
    pub found: FoundInputs,
    /// The state.
    pub store: Box<dyn StateStore>,
    /// Where alerts go.
    pub output: Output,
    /// What the guests are configured with.
    pub exceptions: Exceptions,
    /// The settings, as the command line has them.
    pub settings: Settings,
    /// The envelopes that are trusted besides those that always are.
    pub trust: Arc<Trust>,
    /// How far ahead of the clock an event may be dated.
    pub future_slack_ms: i64,
}

/// Opens rules, inputs, the state and, last, the output: what an earlier run wrote there is emptied
/// only when this one can begin. `written` are the other options that name a file to write.
///
/// # Errors
/// The first of them that cannot be opened, by name; a file that would be two things at once.
pub fn set_up(
    common: &Common,
    format: Format,
    read_only: bool,
    written: &[(&str, Option<&PathBuf>)],
) -> anyhow::Result<Setup> {
    refuse_rules(&common.inputs)?;
    let found = find_inputs(&common.inputs)?;
    let rules = rules::find::find(&common.rules)?;
    let mut outputs = vec![("--output", common.output.as_ref())];
    outputs.extend_from_slice(written);
    for (option, path) in &outputs {
        if let Some(path) = path {
            found.refuse_output(option, path)?;
        }
    }
    outputs.insert(0, ("--state", Some(&common.state)));
    let read = common.settings.iter().chain(&common.exceptions).map(PathBuf::as_path);
    let read: Vec<_> = rules.iter().map(RulePath::path).chain(read).collect();
    paths::refuse_collisions(&outputs, &read)?;
    let runtime = common.cache.runtime()?;
    let LoadedRules { artifacts, exceptions: own_exceptions } = load_all(&runtime, &rules)?;
    let (read, settings) = read_settings(common)?;
    let tenant = &read.tenant;
    let rules = artifacts.iter().flat_map(|artifact| &artifact.meta.rules);
    let rules = rules.map(|rule| rule.id.clone()).collect();
    let exceptions =
        Exceptions::open(settings.as_deref(), &common.exceptions, rules, SystemClock.now_ms())?;
    let settings: Option<Arc<str>> = exceptions.settings()?.map(Arc::from);
    let mut guests = Vec::new();
    for artifact in &artifacts {
        guests.push(Guest::new(&runtime, artifact, tenant, settings.clone())?);
    }
    if !read_only {
        refuse_to_empty(common)?;
    }
    let mut store = open_state(common, read_only, tenant, &artifacts)?;
    let output = open_output(common, format, &*store)?;
    if !read_only && let Some(mark) = output.mark() {
        // What a crash leaves behind it is known to no state.
        store.mark(mark);
        store.commit()?;
    }
    let trust = Arc::new(read.trust.clone());
    let (future_slack_ms, settings) = (read.future_slack_ms, read);
    Ok(Setup {
        artifacts,
        own_exceptions,
        guests,
        found,
        store,
        output,
        exceptions,
        settings,
        trust,
        future_slack_ms,
    })
}

/// A rule among the inputs would be read as a log, and would not run.
fn refuse_rules(inputs: &[PathBuf]) -> anyhow::Result<()> {
    let Some(rule) = inputs.iter().find(|input| is_rule(input.as_os_str())) else { return Ok(()) };
    let rule = shown(rule);
    bail!(
        "{rule}: a rule among the inputs; rules stand together behind --rule, before the inputs: \
         --rule {rule}"
    )
}

fn find_inputs(args: &[PathBuf]) -> anyhow::Result<FoundInputs> {
    if args.is_empty() {
        if std::io::stdin().is_terminal() {
            bail!("no input: give files, folders, or - for standard input");
        }
        return source::find(&[PathBuf::from("-")]);
    }
    source::find(args)
}

/// The settings, of which the host needs the tenant, for the keys' prefix, and the trust; and the
/// document for the guests.
fn read_settings(common: &Common) -> anyhow::Result<(Settings, Option<String>)> {
    let mut text = None;
    if let Some(path) = &common.settings {
        let written = read_text(path).with_context(|| "--settings".to_owned())?;
        // The guests read it too; here a fault has the file's name, not a rule's.
        let fault = |e: String| anyhow!("--settings {}: {e}", shown(path));
        Settings::read(&written).map_err(fault)?;
        text = Some(written);
    }
    let trusted = &common.trust_envelopes;
    if common.learn_until.is_some() || !trusted.is_empty() || common.any_index {
        let document = text.as_deref().map(serde_json::from_str).transpose()?;
        let mut document: Map<String, Value> = document.unwrap_or_default();
        if let Some(time) = &common.learn_until {
            document.insert("learn_until".to_owned(), Value::String(time.clone()));
        }
        if common.any_index {
            document.insert("any_index".to_owned(), Value::Bool(true));
        }
        if !trusted.is_empty() {
            Trust::read(trusted.iter().map(String::as_str))
                .map_err(|e| anyhow!("--trust-envelopes: {e}"))?;
            let all = document.entry("trust_envelopes").or_insert(Value::Null);
            let mut entries = all.as_array().cloned().unwrap_or_default();
            entries.extend(trusted.iter().map(|entry| Value::from(entry.as_str())));
            *all = Value::Array(entries);
        }
        text = Some(Value::Object(document).to_string());
    }
    let settings = text.as_deref().map(Settings::read).transpose().map_err(|e| anyhow!(e))?;
    Ok((settings.unwrap_or_default(), text))
}

/// A state does not give the alerts again that it knows: a file that holds some stays.
fn refuse_to_empty(common: &Common) -> anyhow::Result<()> {
    let Some(output) = &common.output else { return Ok(()) };
    let holds_some = output.metadata().is_ok_and(|meta| meta.is_file() && meta.len() > 0);
    let is_memory = common.state.as_os_str() == "memory:";
    if common.append || is_memory || !holds_some {
        return Ok(());
    }
    let terms = match Redb::open_read_only(&common.state) {
        Ok(state) => state.count()?,
        Err(StateError::Absent { .. }) => 0,
        Err(StateError::NeedsRepair { .. }) => 1,
        Err(error) => return Err(error.into()),
    };
    if terms == 0 {
        return Ok(());
    }
    let (output, state) = (shown(output), shown(&common.state));
    bail!(
        "{output}: it may hold alerts that the state {state} knows and does not give again; nothing \
         was written: give --append to write behind them, or another --output"
    )
}

fn open_output(common: &Common, format: Format, store: &dyn StateStore) -> anyhow::Result<Output> {
    let Some(path) = &common.output else {
        let file = std::io::stdout().as_fd().try_clone_to_owned().ok().map(File::from);
        return Ok(Output::standard(format::stdout(format), file, format));
    };
    if !common.append {
        return Ok(Output::file(path, format)?);
    }
    let mark = match path.canonicalize() {
        Ok(path) => store.marked(&path.to_string_lossy())?,
        Err(_) => None,
    };
    let output = Output::append(path, format, mark.as_ref())?;
    if let Some(sentence) = output.mended() {
        message::warning(sentence);
    }
    Ok(output)
}

/// Opens the state; what a changed rule has to know of it is said at once.
fn open_state(
    common: &Common,
    read_only: bool,
    tenant: &str,
    artifacts: &[Artifact],
) -> anyhow::Result<Box<dyn StateStore>> {
    let path = &common.state;
    if path.as_os_str() == "memory:" {
        return Ok(Box::new(Memory::default()));
    }
    let store = if read_only { Redb::open_read_only(path) } else { Redb::open(path) };
    let mut store = store?;
    let owned = artifacts.iter().flat_map(|artifact| {
        artifact.meta.rules.iter().map(|rule| (rule, artifact.digest.as_str()))
    });
    let changes = claim(&store.owners()?, tenant, owned, common.take_over)?;
    if !read_only && !changes.owners.is_empty() {
        store.edit(&mut |edit| {
            for owner in &changes.owners {
                edit.own(owner)?;
            }
            for sentence in &changes.told {
                edit.log(&entry("take-over", 0, sentence.clone(), None))?;
            }
            Ok(())
        })?;
    }
    let rules = artifacts.iter().flat_map(|artifact| &artifact.meta.rules);
    let (store, told) = CarryOver::open(store, tenant, rules, read_only)?;
    for sentence in changes.told.into_iter().chain(told) {
        message::warning(&format!("state {}: {}", shown(path), escaped(&sentence)));
    }
    Ok(Box::new(store))
}

/// From when to when the rules learned, as the state will say.
fn start_of(artifacts: &[Artifact], settings: &Settings, learns: bool) -> Learning {
    let prefix = |rule: &RuleMeta| format!("{}:{}", settings.tenant, rule.key_prefix);
    let prefixes = artifacts.iter().map(|a| a.meta.rules.iter().map(prefix).collect()).collect();
    Learning::new(prefixes, settings.future_slack_ms, learns)
}

/// The system's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.ok().and_then(|d| i64::try_from(d.as_millis()).ok()).unwrap_or(0)
    }
}

/// How inputs are read.
#[must_use]
pub fn read_options(common: &Common, trust: &Arc<Trust>) -> ReadLimits {
    let trust = Arc::clone(trust);
    ReadLimits { max_event: common.max_event, trust, ..ReadLimits::default() }
}

/// Runs; the summary goes to standard error.
///
/// # Errors
/// When something cannot be opened or written, or an input is bad under `--on-error fail`.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitStatus> {
    let signals = Signals::listen().context("signals cannot be heard")?;
    run_with(args, &mut std::io::stderr(), &signals)
}

/// Runs; the summary goes where the caller wants it.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    args: &RunArgs,
    to: &mut impl Write,
    signals: &Signals,
) -> anyhow::Result<ExitStatus> {
    let began = Instant::now();
    let written =
        [("--dead-letter", args.dead_letter.as_ref()), ("--summary", args.summary.as_ref())];
    let format = format::alerts(args.format, &args.common);
    let setup = set_up(&args.common, format, false, &written)?;
    let dead_letter = args.dead_letter.as_deref();
    let dead_letter =
        dead_letter.map(|path| DeadLetter::open(path, args.common.append)).transpose()?;
    if let Some(sentence) = dead_letter.as_ref().and_then(DeadLetter::mended) {
        message::warning(sentence);
    }
    let Setup {
        artifacts,
        own_exceptions,
        guests,
        found,
        mut store,
        output,
        exceptions,
        settings,
        trust,
        future_slack_ms,
    } = setup;
    let mut learning = start_of(&artifacts, &settings, args.learns);
    learning.look(&mut *store)?;
    // An annotated line is written when it is over, and the state must not know its alerts before.
    let read = ReadLimits { open_lines: !args.annotate, ..read_options(&args.common, &trust) };
    let sink: Box<dyn AlertSink> = if args.annotate {
        if !matches!(found.inputs.as_slice(), [one] if one.is_stream()) {
            bail!("--annotate writes the lines of standard input: give - and no files");
        }
        Box::new(AnnotateSink::new(output, read.max_event))
    } else {
        Box::new(output)
    };
    let sink = if args.compact { Box::new(CompactSink::new(sink)) } else { sink };
    let files = found.inputs.iter().filter(|input| !input.is_stream());
    let sizes = files.map(|input| input.bytes).collect();
    let metas = || artifacts.iter().flat_map(|artifact| &artifact.meta.rules);
    let patterns = metas().flat_map(|rule| rule.index.iter().map(String::as_str));
    let dataset = wording::shared_dataset(patterns).map(str::to_owned);
    let named = |artifact: &Artifact| {
        let rules = artifact.meta.rules.iter();
        rules.map(|rule| (rule.id.clone(), rule.name.clone())).collect()
    };
    let tally = RuleTally::new(artifacts.iter().map(named).collect());
    let mut observer = RunObserver::new(args.on_error, dead_letter, sizes, tally, dataset);
    let mut fault = found.report(&mut observer).err();
    let is_streamed = found.inputs.iter().any(Input::is_stream);
    if is_streamed {
        let rules = formats::count(metas().count(), "rule");
        let state = escaped(&store.describe()).into_owned();
        message::info(&format!("reading standard input; {rules}; state {state}"));
    }
    // A stream may never end: it is told at its start, files with their summary.
    let all_new = settings.learn_until_ms.is_none() && store.count()? == 0;
    observer.summary.all_new = all_new && !is_streamed;
    if all_new && is_streamed {
        message::info(&format!("the state is empty: {ALL_NEW}"));
    }
    let rules = guests.into_iter().map(|guest| Box::new(guest) as Box<dyn Rules>).collect();
    let memory_from = store.known_until().map_or_else(Vec::new, |newest_ms| {
        let of = |artifact: &Artifact| {
            let windows = artifact.meta.rules.iter().map(|rule| rule.window_ms);
            windows.map(|window_ms| newest_ms.saturating_sub(window_ms)).collect()
        };
        artifacts.iter().map(of).collect()
    });
    let mut pipeline = Pipeline::new(Parts {
        rules,
        prefilter: Prefiltering::new(&artifacts),
        samples: RunSamples::new(
            artifacts.len(),
            !own_exceptions.is_empty() || !exceptions.exceptions().is_empty(),
        ),
        store,
        sink,
        observer: &mut observer,
        clock: &SystemClock,
        stop: signals,
        live_settings: Some(Box::new(exceptions)),
        learning,
        options: PipelineOptions {
            read,
            hold_ms: args.hold,
            future_slack_ms,
            order_budget: DEFAULT_BUDGET,
            emit_repeats: args.repeats == Repeats::Emit,
            memory_from,
        },
    });
    if args.common.output.is_none() && !args.learns && is_streamed {
        signals.watch_output().context("standard output cannot be watched")?;
    }
    let mut status = OutputStatus::Open;
    signals.begin();
    if fault.is_none() {
        match pipeline.run(&found.inputs) {
            Ok(_) if signals.output_is_closed() => status = OutputStatus::Closed,
            Ok(end) => status = end,
            Err(error) => fault = Some(error),
        }
    }
    let mut end = pipeline.finish();
    observer.finish()?;
    signals.end();
    let elapsed = began.elapsed();
    let no_index = findings::no_index(&observer.tally, &artifacts);
    findings::take(&mut observer, &mut end, &artifacts, own_exceptions);
    let summary = &mut observer.summary;
    summary.state = std::mem::take(&mut end.state);
    findings::learned(summary, &observer.learned, &artifacts, &end.learning, args.learns);
    summary.finish(elapsed);
    if status == OutputStatus::Open && message::prints(Level::Info) {
        let page = terminal::summary::page(summary);
        to.write_all(screen::lines(&page, style::on_stderr()).as_bytes()).ok();
    }
    no_index.iter().for_each(|sentence| message::warning(sentence));
    if let Some(path) = &args.summary {
        summary.write_json(path)?;
    }
    if let Some(fault) = fault {
        return Err(fault);
    }
    if summary.lost_texts > 0 {
        let events = formats::count(usize::try_from(summary.lost_texts)?, "event");
        bail!(
            "{events} could not be read again, because files were replaced or cut during the run: run \
             again over the files where they are now, all that was not decided is decided then"
        );
    }
    if let Some(signal) = signals.received() {
        return Ok(ExitStatus::Signal(signal));
    }
    let alerts = summary.alerts > 0 && args.fail_on_alert;
    Ok(if alerts { ExitStatus::Alerts } else { ExitStatus::Done })
}

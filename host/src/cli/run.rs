//! `run`: events to alerts.
//!
//! In: inputs, rules, a state. Out: alerts, the summary, the ending. Files are read first, all of
//! them, and their matches decided in order of time; then standard input, as it comes.

use super::common::{Common, FormatArg};
use super::{ExitStatus, paths};
use crate::files::read_text;
use crate::observe::place::input_name;
use crate::pipeline::annotate;
use crate::pipeline::decide::{Decider, Flow};
use crate::pipeline::intake::{Collector, OnError, Order};
use crate::pipeline::order::{DEFAULT_BUDGET, Hold, Sorter};
use crate::rules::exceptions::Exceptions;
use crate::rules::load::load_all;
use crate::sink::dead_letter::DeadLetter;
use crate::sink::ndjson::{Format, Output};
use crate::source::{self, FoundInputs, Input, ReadLimits, Source};
use crate::state::{Memory, Redb, Store};
use crate::terminal::message;
use crate::terminal::message::Level;
use crate::terminal::progress::Progress;
use crate::terminal::wrap::WIDTH;
use crate::terminal::{self, style, wording};
use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use firstseen_envelope::{Place, Sink, SplitFault};
use firstseen_rule::Settings;
use firstseen_runtime::{Artifact, Guest, Runtime};
use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
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
    /// What to do with an event or a file that cannot be read
    #[arg(long, value_enum, default_value_t = OnError::Skip)]
    pub on_error: OnError,
    /// Write events that were skipped to this file, as NDJSON
    #[arg(long, value_name = "FILE")]
    pub dead_letter: Option<PathBuf>,
    /// Exit with status 1 if there were alerts
    #[arg(long)]
    pub fail_on_alert: bool,
    /// Write the counts to this file, as one JSON object
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
    /// Hold events of standard input back for this long in event time, to sort them (30s, 15m)
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration)]
    pub hold: i64,
    /// What to do with an alert that an earlier run with this state has written
    #[arg(long, value_enum, default_value_t = Repeats::Drop)]
    pub repeats: Repeats,
    /// Copy standard input to the output, and add `firstseen_alerts` to events with alerts
    ///
    /// Each line that is read gives one line, in order and at once. An event that could not be
    /// judged gets `firstseen_error`. This is for pipelines that expect an answer to each line.
    #[arg(long, conflicts_with_all = ["format", "hold"])]
    pub annotate: bool,
}

fn duration(text: &str) -> Result<i64, String> {
    if text == "0" { Ok(0) } else { firstseen_rule::window::duration(text) }
}

/// What `run` and `explain` begin with.
pub struct Setup {
    /// The artifacts.
    pub artifacts: Vec<Artifact>,
    /// One guest for each.
    pub guests: Vec<Guest>,
    /// The inputs.
    pub found: FoundInputs,
    /// The state.
    pub store: Box<dyn Store>,
    /// Where alerts go.
    pub output: Output,
    /// How they are written.
    pub format: Format,
    /// What the guests are configured with.
    pub exceptions: Exceptions,
}

/// Opens rules, inputs, the state and, last, the output: what an earlier run wrote there is emptied
/// only when this one can begin. `written` are the other options that name a file to write.
///
/// # Errors
/// The first of them that cannot be opened, by name; a file that would be two things at once.
pub fn set_up(
    common: &Common,
    read_only: bool,
    written: &[(&str, Option<&PathBuf>)],
) -> anyhow::Result<Setup> {
    let found = find_inputs(&common.inputs)?;
    let mut outputs = vec![("--output", common.output.as_ref())];
    outputs.extend_from_slice(written);
    for (option, path) in &outputs {
        if let Some(path) = path {
            found.refuse_output(option, path)?;
        }
    }
    outputs.insert(0, ("--state", Some(&common.state)));
    let read = common.rules.iter().chain(&common.settings).chain(&common.exceptions);
    let read: Vec<_> = read.map(PathBuf::as_path).collect();
    paths::refuse_collisions(&outputs, &read)?;
    let runtime = Runtime::new()?;
    let artifacts = load_all(&runtime, &common.rules)?;
    let (tenant, settings) = read_settings(common.settings.as_deref())?;
    let rules = artifacts.iter().flat_map(|artifact| &artifact.meta.rules);
    let rules = rules.map(|rule| rule.id.clone()).collect();
    let exceptions = Exceptions::open(settings.as_deref(), &common.exceptions, rules, now_ms())?;
    let settings: Option<Arc<str>> = exceptions.settings()?.map(Arc::from);
    let mut guests = Vec::new();
    for artifact in &artifacts {
        guests.push(Guest::new(&runtime, artifact, &tenant, settings.clone())?);
    }
    let store = open_state(&common.state, read_only)?;
    let terminal = common.output.is_none() && std::io::stdout().is_terminal();
    let format = match common.format {
        FormatArg::Pretty => Format::Pretty,
        FormatArg::Ndjson => Format::Ndjson,
        FormatArg::Auto if terminal => Format::Pretty,
        FormatArg::Auto => Format::Ndjson,
    };
    let output = match &common.output {
        Some(path) if common.append => Output::append(path, format)?,
        Some(path) => Output::file(path, format)?,
        None => Output::stdout(format, style::on_stdout(), WIDTH),
    };
    Ok(Setup { artifacts, guests, found, store, output, format, exceptions })
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

/// The tenant, which the host needs for the keys' prefix, and the document for the guests.
fn read_settings(path: Option<&Path>) -> anyhow::Result<(String, Option<String>)> {
    let Some(path) = path else { return Ok((Settings::default().tenant, None)) };
    let name = format!("--settings {}", path.display());
    let text = read_text(path).context("--settings")?;
    // The guests read it too; here a fault has the file's name, not a rule's.
    let settings = Settings::read(&text).map_err(|e| anyhow!("{name}: {e}"))?;
    Ok((settings.tenant, Some(text)))
}

fn open_state(path: &Path, read_only: bool) -> anyhow::Result<Box<dyn Store>> {
    if path.as_os_str() == "memory:" {
        return Ok(Box::new(Memory::default()));
    }
    let store = if read_only { Redb::open_read_only(path) } else { Redb::open(path) };
    Ok(Box::new(store?))
}

/// The clock, in milliseconds since 1970; 0, which is no clock, where it cannot be read.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.ok().and_then(|d| i64::try_from(d.as_millis()).ok()).unwrap_or(0)
}

/// How inputs are read.
#[must_use]
pub fn read_options(common: &Common) -> ReadLimits {
    ReadLimits { max_event: common.max_event }
}

/// Runs; the summary goes to standard error.
///
/// # Errors
/// When something cannot be opened or written, or an input is bad under `--on-error fail`.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitStatus> {
    run_and_tell(args, &mut std::io::stderr())
}

/// Runs; the summary goes where the caller wants it.
///
/// # Errors
/// As [`run`].
pub fn run_and_tell(args: &RunArgs, to: &mut impl Write) -> anyhow::Result<ExitStatus> {
    let began = Instant::now();
    let written =
        [("--dead-letter", args.dead_letter.as_ref()), ("--summary", args.summary.as_ref())];
    let setup = set_up(&args.common, false, &written)?;
    let dead = match &args.dead_letter {
        Some(path) => Some(DeadLetter::create(path)?),
        None => None,
    };
    if args.annotate && !matches!(setup.found.inputs.as_slice(), [one] if is_stdin(&one)) {
        bail!("--annotate writes the lines of standard input: give - and no files");
    }
    let order = Order::Sorted(Sorter::new(DEFAULT_BUDGET));
    let mut collector =
        Collector::new(&setup.artifacts, setup.guests, order, now_ms, args.on_error, dead);
    let emit = args.repeats == Repeats::Emit;
    let (mut decider, result);
    if args.annotate {
        let lines = annotate::Shared::new(setup.output);
        decider = Decider::new(setup.store, Box::new(lines.clone()), emit);
        collector.order = Order::Held(Hold::new(0, DEFAULT_BUDGET));
        let (max_event, exceptions) = (args.common.max_event, setup.exceptions);
        let (collector, decider) = (&mut collector, &mut decider);
        result = setup.found.inputs.first().map_or(Ok(Flow::Open), |stdin| {
            annotate::read_lines(stdin, max_event, exceptions, collector, decider, &lines)
        });
    } else {
        decider = Decider::new(setup.store, Box::new(setup.output), emit);
        result = read_all(args, &setup.found, setup.exceptions, &mut collector, &mut decider);
    }
    let flow = match result {
        Ok(flow) => flow,
        Err(error) => {
            collector.fault.get_or_insert(error);
            Flow::Open
        }
    };
    collector.finish()?;
    let tally = &mut collector.tally;
    tally.state = decider.describe();
    let rules = setup.artifacts.iter().flat_map(|artifact| &artifact.meta.rules);
    let patterns = rules.flat_map(|rule| rule.index.iter().map(String::as_str));
    tally.dataset = wording::shared_dataset(patterns).map(str::to_owned);
    tally.finish(began.elapsed());
    if flow == Flow::Open && message::prints(Level::Info) {
        to.write_all(terminal::summary::page(tally).as_bytes()).ok();
    }
    if let Some(path) = &args.summary {
        tally.write_json(path)?;
    }
    if let Some(fault) = collector.fault {
        return Err(fault);
    }
    let alerts = collector.tally.alerts > 0 && args.fail_on_alert;
    Ok(if alerts { ExitStatus::Alerts } else { ExitStatus::Done })
}

fn read_all(
    args: &RunArgs,
    found: &FoundInputs,
    exceptions: Exceptions,
    collector: &mut Collector,
    decider: &mut Decider,
) -> anyhow::Result<Flow> {
    for problem in &found.faults {
        let name = input_name(&problem.path.to_string_lossy());
        collector.input_failed(&format!("{name}: {}", problem.reason));
    }
    let files: Vec<_> = found.inputs.iter().filter(|s| !is_stdin(s)).cloned().collect();
    let mut progress = Progress::new(&files);
    let bar = progress.clone();
    collector.say = Box::new(move |text| bar.suspend(|| message::warning(text)));
    let options = read_options(&args.common);
    for source in &files {
        if collector.fault.is_some() {
            break;
        }
        collector.begin(source);
        let result = source.read(options, collector, &mut |at| progress.read(at));
        // What came before a fault counts, and comes before it.
        let flow = collector.end();
        if let Err(error) = result {
            collector.input_failed(&error.to_string());
        }
        if flow.is_break() {
            break;
        }
        progress.next(source);
    }
    progress.clear();
    let held = Order::Held(Hold::new(args.hold, DEFAULT_BUDGET));
    if let Order::Sorted(sorter) = std::mem::replace(&mut collector.order, held) {
        decider.texts = std::mem::take(&mut collector.texts);
        for record in sorter.finish().context("matched events could not be put in order")? {
            let record = record.context("matched events could not be put in order")?;
            let (guests, tally) = (&mut collector.guests, &mut collector.tally);
            if decider.push(record, guests, tally)? == Flow::Closed {
                return Ok(Flow::Closed);
            }
        }
        if decider.settle(&mut collector.guests, &mut collector.tally)? == Flow::Closed {
            return Ok(Flow::Closed);
        }
    }
    if let Some(source) = found.inputs.iter().find(is_stdin)
        && collector.fault.is_none()
    {
        // Files are judged under one set of exceptions, whenever each of them is read: an event
        // that counts when it is read counts when it is decided.
        collector.exceptions = Some(exceptions);
        return read_stream(source, options, collector, decider);
    }
    Ok(Flow::Open)
}

fn is_stdin(source: &&Source) -> bool {
    matches!(source.input(), Input::Stdin)
}

/// Crosses, and decides what was read. A fault is kept in the collector.
pub(crate) fn hand_on(collector: &mut Collector, decider: &mut Decider) -> Flow {
    let mut stream = Stream { collector, decider, flow: Flow::Open };
    stream.hand_on();
    stream.flow
}

/// Standard input: each piece that arrives is decided before the next is waited for.
fn read_stream(
    source: &Source,
    options: ReadLimits,
    collector: &mut Collector,
    decider: &mut Decider,
) -> anyhow::Result<Flow> {
    collector.begin(source);
    let stream = RefCell::new(Stream { collector, decider, flow: Flow::Open });
    // Between two reads nothing waits: what one read brought is decided before the next.
    let result = source.read(options, &mut Shared(&stream), &mut |_| stream.borrow_mut().hand_on());
    stream.borrow_mut().hand_on();
    let Stream { collector, decider, flow } = stream.into_inner();
    if let Err(error) = result {
        collector.input_failed(&error.to_string());
    }
    if flow == Flow::Closed {
        return Ok(flow);
    }
    if let Order::Held(hold) = &mut collector.order {
        let rest: Vec<_> = hold.drain().collect();
        collector.tally.released_early += hold.forced();
        for record in rest {
            if decider.push(record, &mut collector.guests, &mut collector.tally)? == Flow::Closed {
                return Ok(Flow::Closed);
            }
        }
    }
    decider.settle(&mut collector.guests, &mut collector.tally)
}

struct Stream<'s> {
    collector: &'s mut Collector,
    decider: &'s mut Decider,
    flow: Flow,
}

impl Stream<'_> {
    /// Crosses, and decides what the hold lets go.
    fn hand_on(&mut self) {
        // A fault is kept in the collector, and ends the reading at its next call.
        let _ = self.collector.end();
        match self.decide() {
            Ok(Flow::Open) => {}
            Ok(Flow::Closed) => self.flow = Flow::Closed,
            Err(error) => {
                self.collector.fault.get_or_insert(error);
            }
        }
    }

    fn go_on(&self) -> ControlFlow<()> {
        if self.flow == Flow::Closed || self.collector.fault.is_some() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn decide(&mut self) -> anyhow::Result<Flow> {
        let Collector { order, guests, tally, .. } = &mut *self.collector;
        let Order::Held(hold) = order else { return Ok(Flow::Open) };
        let mut some = false;
        while let Some(record) = hold.ready() {
            some = true;
            if self.decider.push(record, guests, tally)? == Flow::Closed {
                return Ok(Flow::Closed);
            }
        }
        if some { self.decider.settle(guests, tally) } else { Ok(Flow::Open) }
    }
}

/// The stream as a sink, shared with what happens between two reads.
struct Shared<'c, 's>(&'c RefCell<Stream<'s>>);

impl Sink for Shared<'_, '_> {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        let mut stream = self.0.borrow_mut();
        stream.go_on()?;
        stream.collector.lines(place, chunk)
    }

    fn lines_with_ends(&mut self, place: Place, chunk: &[u8], ends: &[u32]) -> ControlFlow<()> {
        let mut stream = self.0.borrow_mut();
        stream.go_on()?;
        stream.collector.lines_with_ends(place, chunk, ends)
    }

    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        let mut stream = self.0.borrow_mut();
        stream.go_on()?;
        stream.collector.event(place, text)
    }

    fn no_events(&mut self, place: Place, what: &'static str) -> ControlFlow<()> {
        let mut stream = self.0.borrow_mut();
        stream.go_on()?;
        stream.collector.no_events(place, what)
    }

    fn bad(&mut self, place: Place, fault: SplitFault, text: &[u8]) -> ControlFlow<()> {
        let mut stream = self.0.borrow_mut();
        stream.go_on()?;
        Sink::bad(stream.collector, place, fault, text)
    }
}

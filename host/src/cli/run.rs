//! `run`: events to alerts.
//!
//! In: inputs, rules, a state. Out: alerts, the summary, the exit status. It opens what the command
//! line names and hands it to the pipeline, which does the work.

mod args;

use super::format;
use super::observer::{OnError, RunObserver};
use super::place::{in_memory, is_at_server};
use super::resume::{self, ResumedRun};
use super::served::{NeverStops, Opened, ServedRun};
use super::setup::{Setup, read_options, set_up, start_of};
use super::signal::Signals;
use super::socket::SocketAddress;
use super::{ExitStatus, findings, follow, schedule, socket, teach};
use crate::observe::Observer;
use crate::observe::rule_counts::RuleTally;
use crate::pipeline::decide::BatchTextLost;
use crate::pipeline::learning::Learning;
use crate::pipeline::order::DEFAULT_BUDGET;
use crate::pipeline::schedule::Schedule;
use crate::pipeline::workers::Threads;
use crate::pipeline::{Clock, OutputStatus, Parts, Pipeline, PipelineOptions};
use crate::rules::LiveSettings;
use crate::rules::prefilter::Prefiltering;
use crate::rules::sample::RunSamples;
use crate::serve::observer::ServedObserver;
use crate::serve::sink::ServedSink;
use crate::sink::AlertSink;
use crate::sink::annotate::AnnotateSink;
use crate::sink::compact::CompactSink;
use crate::sink::dead_letter::DeadLetter;
use crate::source::{Input, ReadLimits};
use crate::terminal::message::{self, Level};
use crate::terminal::{self, formats, screen, style, wording};
use anyhow::{Context, bail};
pub(super) use args::duration;
pub use args::{Repeats, RunArgs};
use firstseen_runtime::Artifact;
use firstseen_session::Rules;
use std::io::Write;
use std::num::NonZero;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The system's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.ok().and_then(|d| i64::try_from(d.as_millis()).ok()).unwrap_or(0)
    }
}

/// Before a run that follows begins anew: a file that is cut again and again does not keep it busy.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// How many threads read.
fn threads_of(args: &RunArgs) -> usize {
    // The first fault in the order of the inputs ends the run: nothing is read behind it.
    if args.on_error == OnError::Fail {
        return 1;
    }
    let all = || std::thread::available_parallelism().map_or(1, NonZero::get);
    args.threads.map_or_else(all, usize::from)
}

/// Runs; the summary goes to standard error.
///
/// # Errors
/// When something cannot be opened or written, or an input is bad under `--on-error fail`.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitStatus> {
    let signals = Signals::listen().context("signals cannot be heard")?;
    if args.common.inputs.iter().any(|input| SocketAddress::of(input).is_some()) {
        return socket::run(args, &signals);
    }
    loop {
        let ended = run_with(args, &mut std::io::stderr(), &signals);
        match ended {
            // As a restart does: the output is cut back to what the state knows, and the batch begins anew.
            Err(error) if args.follow && error.is::<BatchTextLost>() => {
                message::warning(&format!("{error:#}; what was begun is begun anew"));
                std::thread::sleep(AGAIN);
            }
            ended => return ended,
        }
    }
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
    run_from(args, to, signals, None)
}

/// Runs over the inputs, or over what arrives.
///
/// # Errors
/// As [`run`].
pub(super) fn run_from(
    args: &RunArgs,
    to: &mut impl Write,
    signals: &Signals,
    mut served: Option<&mut dyn ServedRun>,
) -> anyhow::Result<ExitStatus> {
    let began = Instant::now();
    let written =
        [("--dead-letter", args.dead_letter.as_ref()), ("--summary", args.summary.as_ref())];
    schedule::refuse(args)?;
    let format = format::alerts(args.format, &args.common);
    if is_at_server(&args.common.state) && args.repeats == Some(Repeats::Drop) {
        bail!(
            "--repeats drop: a shared state knows an alert before it is out, so that after a kill it would \
             be missing for ever; leave the option out, and drop equal ids where alerts are collected"
        );
    }
    if is_at_server(&args.common.state) && args.max_terms.is_some() {
        bail!(
            "--max-terms: a state at a server has no limit, as no process counts the terms of all; leave the \
             option out: terms go there twice the window and a week after they were written last"
        );
    }
    let mut common = resume::common(args)?;
    common.stop = signals.marks();
    let mut setup = set_up(&common, false, &written)?;
    let resumed = resume::of(args, &common, &setup)?;
    let is_midway = resumed.as_ref().is_some_and(ResumedRun::is_midway);
    // Who has no answer sends again, and gets an alert for what was not committed.
    let is_answered = served.as_ref().is_some_and(|served| served.gives_repeats());
    let output = setup.open_output(&common, format, (is_midway, is_answered))?;
    let mark = resumed.as_ref().and_then(ResumedRun::dead_letters_before);
    let dead_letter = args.dead_letter.as_deref();
    let dead_letter =
        dead_letter.map(|path| DeadLetter::open(path, common.append, mark)).transpose()?;
    if let Some(sentence) = dead_letter.as_ref().and_then(DeadLetter::mended) {
        message::warning(sentence);
    }
    let Setup { artifacts, own_exceptions, guests, more_guests, found, mut store, .. } = setup;
    let Setup { exceptions, settings, trust, .. } = setup;
    if let Some(max) = args.max_terms {
        store.limit_terms(max)?;
    }
    let schedule = schedule::of(&args.schedule, &artifacts, &settings)?;
    let mut learning = match &schedule {
        Some(_) => {
            store = Schedule::state();
            Learning::default()
        }
        None => start_of(&artifacts, &settings, args.learns),
    };
    learning.look(&mut *store)?;
    // An annotated line is written when it is over, and the state must not know its alerts before.
    let mut read = ReadLimits { open_lines: !args.annotate, ..read_options(&args.common, &trust) };
    let sink: Box<dyn AlertSink> = if args.annotate {
        if !matches!(found.inputs.as_slice(), [one] if one.is_stream()) {
            bail!("--annotate writes the lines of standard input: give - and no files");
        }
        Box::new(AnnotateSink::new(output, read.max_event))
    } else {
        Box::new(output)
    };
    let ledger = served.as_ref().map(|served| served.ledger());
    let sink = match &ledger {
        Some(ledger) => {
            let emits_repeats = args.repeats == Some(Repeats::Emit);
            Box::new(ServedSink::new(sink, ledger.clone(), emits_repeats))
        }
        None => sink,
    };
    let sink = if args.compact { Box::new(CompactSink::new(sink)) } else { sink };
    if let Some(served) = &served {
        read.stages = served.stages();
    }
    let limits = read.clone();
    let files = found.inputs.iter().filter(|input| !input.is_stream());
    // Which of them are read shows later.
    let sizes = files.filter(|_| !args.resume && !args.follow).map(|input| input.bytes).collect();
    let metas = || artifacts.iter().flat_map(|artifact| &artifact.meta.rules);
    let patterns = metas().flat_map(|rule| rule.index.iter().map(String::as_str));
    let dataset = wording::shared_dataset(patterns).map(str::to_owned);
    let named = |artifact: &Artifact| {
        let rules = artifact.meta.rules.iter();
        rules.map(|rule| (rule.id.clone(), rule.name.clone())).collect()
    };
    let tally = RuleTally::new(artifacts.iter().map(named).collect());
    found.left_out().iter().for_each(|(severity, text)| message::notice(*severity, text));
    let mut observer = RunObserver::new(args.on_error, dead_letter, sizes, tally, dataset);
    observer.follows = args.follow;
    let mut fault = found.report(&mut observer).err();
    let is_streamed = found.inputs.iter().any(Input::is_stream);
    let learns = settings.learn_until_ms.is_some() || teach::all_learn(&artifacts, &settings);
    let all_new = !learns && schedule.is_none() && store.is_empty()?;
    // A stream may never come to its summary.
    observer.summary.all_new = all_new && !is_streamed;
    // Only of a run that may never come to its summary: a state may have to be asked.
    let begun = is_streamed || args.follow;
    let opened = begun.then(|| Opened { rules: metas().count(), state: store.describe() });
    let opened = opened.unwrap_or_default();
    if is_streamed {
        if served.is_none() {
            opened.tell("reading standard input");
        }
        if all_new && !served.as_ref().is_some_and(|served| served.goes_on()) {
            message::info(&format!("the state is empty: {}", terminal::learned::ALL_NEW));
        }
    }
    let rules = guests.into_iter().map(|guest| Box::new(guest) as Box<dyn Rules>).collect();
    let memory_from = store.known_until().map_or_else(Vec::new, |newest_ms| {
        let of = |artifact: &Artifact| {
            let windows = artifact.meta.rules.iter().map(|rule| rule.window_ms);
            windows.map(|window_ms| newest_ms.saturating_sub(window_ms)).collect()
        };
        artifacts.iter().map(of).collect()
    });
    let emit_repeats =
        args.repeats == Some(Repeats::Emit) || is_answered || store.is_shared() && !args.learns;
    let more = Box::new(|| {
        let guests = more_guests.of(&artifacts)?;
        Ok(guests.into_iter().map(|guest| Box::new(guest) as Box<dyn Rules>).collect())
    });
    let mut of_bodies;
    let watched: &mut dyn Observer = match (&served, ledger) {
        (Some(served), Some(ledger)) => {
            of_bodies = ServedObserver::new(&mut observer, ledger, served.publish(&artifacts));
            &mut of_bodies
        }
        _ => &mut observer,
    };
    let mut pipeline = Pipeline::new(Parts {
        rules,
        prefilter: Prefiltering::new(&artifacts),
        samples: RunSamples::of(
            &artifacts,
            !own_exceptions.is_empty() || !exceptions.exceptions().is_empty(),
        ),
        store,
        sink,
        observer: watched,
        clock: &SystemClock,
        stop: if served.is_some() { &NeverStops } else { signals },
        live_settings: Some(Box::new(exceptions)),
        learning,
        schedule,
        options: PipelineOptions {
            read,
            hold_ms: args.hold,
            future_slack_ms: settings.future_slack_ms,
            order_budget: DEFAULT_BUDGET,
            emit_repeats,
            memory_from,
        },
        // Bodies are decided one behind the other.
        threads: served.is_none().then(|| Threads {
            count: threads_of(args),
            always: args.threads.is_some(),
            // Who keeps a state means to lose little when the process is killed.
            reads_ahead: args.threads.is_some() || in_memory(&args.common.state),
            rules: more,
        }),
    });
    if args.common.output.is_none() && !args.learns && is_streamed && served.is_none() {
        signals.watch_output().context("standard output cannot be watched")?;
    }
    let mut status = OutputStatus::Open;
    signals.begin();
    if fault.is_none() {
        let run = match (&mut served, resumed) {
            (Some(served), _) => served.serve(&mut pipeline, limits, &opened),
            (None, Some(resumed)) if args.follow => {
                follow::run(resumed, &mut pipeline, &args.common.inputs, signals, &opened)
                    .map(|()| OutputStatus::Open)
            }
            (None, Some(resumed)) => {
                let now_ms = SystemClock.now_ms();
                let done = resumed.run(&mut pipeline, &found.inputs, now_ms, signals);
                done.map(|()| OutputStatus::Open)
            }
            (None, None) => pipeline.run(&found.inputs),
        };
        match run {
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
    schedule::take(&mut summary.rules, std::mem::take(&mut end.schedule));
    summary.stopped_rules = findings::stopped(&artifacts);
    summary.state = std::mem::take(&mut end.state);
    findings::learned(
        summary,
        &observer.learned,
        &artifacts,
        &end.learning,
        &settings,
        args.learns,
    );
    let mut forgotten = Vec::new();
    if let Some(max) = args.max_terms {
        let terms = (max, &end.forgotten);
        forgotten = findings::forgotten(summary, &artifacts, &settings.tenant, terms);
    }
    summary.finish(elapsed);
    // A summary at each reload would look as if the service had ended.
    let is_followed = served.as_ref().is_some_and(|served| served.is_followed());
    let is_told = status == OutputStatus::Open && !(is_followed && fault.is_none());
    if is_told && message::is_json() {
        let counts = serde_json::to_value(&*summary)?;
        message::record(Level::Info, "summary", Some(("summary", counts)));
    } else if is_told && message::prints(Level::Warning) {
        let page = match message::prints(Level::Info) {
            true => terminal::summary::page(summary),
            false => terminal::summary::not_judged(summary),
        };
        to.write_all(screen::lines(&page, style::on_stderr()).as_bytes()).ok();
    }
    findings::warn(&no_index);
    findings::warn(&findings::never_begins(summary, &end.learning));
    findings::warn(&forgotten);
    findings::warn(&terminal::schedule::warnings(&summary.rules));
    // However the run ends, none of them is passed over in silence.
    let consequence = match common.resume {
        Some(_) => findings::STOPPED_AND_PASSED,
        None => findings::STOPPED_IN_RUN,
    };
    findings::tell_stopped(&summary.stopped_rules, consequence);
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
    if !summary.stopped_rules.is_empty() {
        return Ok(ExitStatus::Failed);
    }
    let alerts = summary.alerts > 0 && args.fail_on_alert;
    Ok(if alerts { ExitStatus::Alerts } else { ExitStatus::Done })
}

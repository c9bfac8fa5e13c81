//! The loop: from sources to alerts and state. Files, streams and annotated lines take the same way.
//!
//! In: inputs, rules, a state, a sink, an observer, a clock. Out: alerts, then the updated state. It names no command line, no terminal and no system clock, and it knows no rule.
//!
//! ```text
//! Source::poll --one block--> Intake --prefilter--> EventGathering --keys--> Match
//!      ^                                                                      |
//!      |                                                             order: Sorter or Hold
//!      |                                                                      |
//!      |                                                       with --schedule: Schedule
//!      |                                                                      |
//!      +--------- acknowledged <-- StateStore <-- AlertSink <-- Round <-- what is ready
//! ```
//! `poll` returns before anything is decided, so no borrow of the source outlives the call. Alerts are written and
//! synced before the state that knows them is committed: after a crash or a power loss they come again,
//! byte for byte the same, and none is lost.

mod dates;
pub mod decide;
pub mod gather;
pub mod intake;
pub mod learning;
pub mod order;
pub(crate) mod parts;
pub mod resume;
pub mod schedule;
pub mod stream_progress;
pub mod text;
pub mod workers;

use crate::observe::schedule::RuleSchedule;
use crate::observe::stages::RunStage;
use crate::observe::{Counter, EventLocation, Notice, NoticeSeverity, Observer};
use crate::rules::prefilter::Prefiltering;
use crate::rules::sample::RunSamples;
use crate::rules::{KnownException, LiveSettings};
use crate::sink::AlertSink;
use crate::source::{Input, Polled, ReadError, ReadErrorKind, ReadLimits, Source, Wake};
use crate::state::StateStore;
use anyhow::{Context, anyhow};
use decide::Decider;
use firstseen_session::{EventAt, Match, Rules};
use gather::EventGathering;
use intake::Intake;
use learning::Learning;
use order::{Hold, Sorter};
use schedule::Schedule;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use workers::Threads;

/// What time it is.
pub trait Clock {
    /// Milliseconds since 1970, UTC; 0 where there is no clock.
    fn now_ms(&self) -> i64;
}

/// Whether somebody asked the run to end; asked by several threads.
pub trait Stop: Sync {
    /// It should end as soon as what was read is decided.
    fn is_requested(&self) -> bool;

    /// Becomes readable at that moment, for a source that waits.
    fn wake(&self) -> Option<Wake>;
}

/// Whether the output still has a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStatus {
    /// Go on.
    Open,
    /// Whoever read the output is gone: nothing more is wanted.
    Closed,
}

/// How a run reads and orders.
#[derive(Debug, Clone)]
pub struct PipelineOptions {
    /// How inputs are read.
    pub read: ReadLimits,
    /// How long a stream's matches wait for older ones: in event time, and by the clock at most.
    pub hold_ms: i64,
    /// How far ahead of the clock an event may be dated, whatever a rule says.
    pub future_slack_ms: i64,
    /// Bytes of matches that wait in memory.
    pub order_budget: usize,
    /// Whether an alert that was given before is given again.
    pub emit_repeats: bool,
    /// Of each artifact's rules, from when on the state remembers what earlier runs saw.
    pub memory_from: Vec<Vec<i64>>,
}

/// What a run works with.
pub struct Pipeline<'r> {
    /// One for each artifact.
    rules: Vec<Box<dyn Rules>>,
    prefilter: Prefiltering,
    samples: RunSamples,
    gathering: EventGathering,
    decider: Decider,
    sink: Box<dyn AlertSink>,
    observer: &'r mut dyn Observer,
    clock: &'r dyn Clock,
    stop: &'r dyn Stop,
    /// Settings that may change, looked at while a stream is read.
    live_settings: Option<Box<dyn LiveSettings>>,
    options: PipelineOptions,
    /// Elastic's executions, where they say what alerts.
    schedule: Option<Schedule>,
    /// The inputs' names, by their numbers.
    names: Vec<Arc<str>>,
    now_ms: i64,
    /// A match of the present input has its text in the file alone.
    refers_to_text: bool,
    /// Threads for inputs that end; without them the run reads by itself.
    threads: Option<Threads<'r>>,
}

/// Where matches wait for their turn.
pub enum Order {
    /// All of them, until every input is over.
    Sorted(Sorter),
    /// As long as something older may come.
    Held(Hold),
}

impl Order {
    fn ready(&mut self) -> Option<Match> {
        if let Self::Held(hold) = self { hold.ready() } else { None }
    }

    fn is_stream(&self) -> bool {
        matches!(self, Self::Held(_))
    }

    /// The sorter; an empty one of a stream.
    fn into_sorter(self) -> Sorter {
        if let Self::Sorted(sorter) = self { sorter } else { Sorter::new(0) }
    }

    /// How long the next block may be waited for, so that nothing is held for longer than the hold.
    fn due_in(&mut self, clock: &dyn Clock) -> Option<Duration> {
        self.tick(clock);
        if let Self::Held(hold) = self { hold.due_in() } else { None }
    }

    fn tick(&mut self, clock: &dyn Clock) {
        if let Self::Held(hold) = self
            && hold.waits()
        {
            hold.tick(clock.now_ms());
        }
    }
}

/// What a pipeline is made of.
pub struct Parts<'r> {
    /// One for each artifact.
    pub rules: Vec<Box<dyn Rules>>,
    /// The search for the literals of these artifacts.
    pub prefilter: Prefiltering,
    /// Keeps some of the events, for what is to be said at the end.
    pub samples: RunSamples,
    /// The history.
    pub store: Box<dyn StateStore>,
    /// Where alerts go.
    pub sink: Box<dyn AlertSink>,
    /// Receives counts and notices.
    pub observer: &'r mut dyn Observer,
    /// What time it is.
    pub clock: &'r dyn Clock,
    /// Whether to end.
    pub stop: &'r dyn Stop,
    /// Settings that may change.
    pub live_settings: Option<Box<dyn LiveSettings>>,
    /// From when to when the rules learned.
    pub learning: Learning,
    /// Elastic's executions, where they say what alerts: the store is theirs.
    pub schedule: Option<Schedule>,
    /// How to read and order.
    pub options: PipelineOptions,
    /// Threads for inputs that end.
    pub threads: Option<Threads<'r>>,
}

/// What a pipeline leaves.
pub struct PipelineEnd {
    /// One for each artifact.
    pub rules: Vec<Box<dyn Rules>>,
    /// Some of the events.
    pub samples: RunSamples,
    /// The exceptions that were in force at the end, besides the rules' own.
    pub exceptions: Vec<KnownException>,
    /// The state's own words.
    pub state: String,
    /// From when to when the rules learned.
    pub learning: Learning,
    /// Terms that went because of a limit, by the prefix of their keys.
    pub forgotten: BTreeMap<Vec<u8>, u64>,
    /// What Elastic's executions did, by artifact and rule.
    pub schedule: Vec<Vec<RuleSchedule>>,
}

impl<'r> Pipeline<'r> {
    /// A pipeline of these parts.
    #[must_use]
    pub fn new(parts: Parts<'r>) -> Self {
        let Parts { rules, prefilter, samples, store, sink, observer, clock, stop, .. } = parts;
        let Parts { live_settings, options, learning, schedule, threads, .. } = parts;
        let memory_from = options.memory_from.clone();
        let mut decider = Decider::new(store, options.emit_repeats, memory_from, learning);
        decider.counts_seen = schedule.is_none();
        decider.stages = options.read.stages.clone();
        Self {
            rules,
            prefilter,
            samples,
            gathering: EventGathering::default(),
            decider,
            sink,
            observer,
            clock,
            stop,
            live_settings,
            options,
            schedule,
            names: Vec::new(),
            now_ms: clock.now_ms(),
            refers_to_text: false,
            threads,
        }
    }

    /// Reads all inputs: those that end first, put in order together; then standard input, as it
    /// comes. What was read before a fault is decided all the same.
    ///
    /// # Errors
    /// When the output, the state or the observer failed.
    pub fn run(&mut self, inputs: &[Input]) -> anyhow::Result<OutputStatus> {
        // A schedule needs all events of a time before what is later.
        let is_stream = |input: &Input| input.is_stream() && self.schedule.is_none();
        let (streams, files): (Vec<_>, Vec<_>) = inputs.iter().cloned().partition(is_stream);
        let sorter = Sorter::new(self.options.order_budget);
        if self.read_all(&files, Order::Sorted(sorter))? == OutputStatus::Closed {
            return Ok(OutputStatus::Closed);
        }
        for stream in streams {
            let hold = Hold::new(self.options.hold_ms, self.options.order_budget);
            if self.read_all(&[stream], Order::Held(hold))? == OutputStatus::Closed {
                return Ok(OutputStatus::Closed);
            }
        }
        self.close()?;
        Ok(OutputStatus::Open)
    }

    /// Reads a stream that the caller has, as standard input is read.
    ///
    /// # Errors
    /// As [`Pipeline::run`].
    pub fn read_stream(
        &mut self,
        source: &mut dyn Source,
        name: &str,
    ) -> anyhow::Result<OutputStatus> {
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(Arc::from(name));
        self.observer.count(Counter::Inputs, 1);
        let hold = Hold::new(self.options.hold_ms, self.options.order_budget);
        let mut order = Order::Held(hold);
        match self.read(source, (number, 0), false, &mut order)? {
            OutputStatus::Open => self.end(order),
            OutputStatus::Closed => Ok(OutputStatus::Closed),
        }
    }

    /// The run is over: what comes behind its output is another's.
    ///
    /// # Errors
    /// When the state failed.
    pub fn close(&mut self) -> anyhow::Result<()> {
        self.decider.close(&*self.sink)
    }

    /// Ends the work: what is left for the summary.
    #[must_use]
    pub fn finish(self) -> PipelineEnd {
        let Self { rules, samples, decider, live_settings, schedule, .. } = self;
        let exceptions = live_settings.map(|settings| settings.exceptions()).unwrap_or_default();
        let state = decider.describe();
        let schedule = schedule.map(|schedule| schedule.counts()).unwrap_or_default();
        let Decider { learning, forgotten, .. } = decider;
        PipelineEnd { rules, samples, exceptions, state, learning, forgotten, schedule }
    }

    fn read_all(&mut self, inputs: &[Input], mut order: Order) -> anyhow::Result<OutputStatus> {
        let mut fault = None;
        let left = match &mut order {
            Order::Sorted(sorter) if self.threads_for(inputs) > 1 => {
                fault = self.read_in_threads(inputs, sorter).err();
                &[]
            }
            _ => inputs,
        };
        for input in left {
            if self.stop.is_requested() {
                break;
            }
            let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
            self.names.push(Arc::clone(&input.name));
            self.observer.count(Counter::Inputs, 1);
            let again = if order.is_stream() { None } else { input.readable_again() };
            let rereadable = again.as_ref().is_some_and(|file| {
                self.decider.texts.add(number, Arc::clone(&input.name), Arc::clone(file))
            });
            let (options, wake) = (self.options.read.clone(), self.stop.wake());
            let mut source = input.source_of(options, wake, again);
            self.refers_to_text = false;
            if let Some(batch) = &mut self.decider.batch {
                batch.lines.push(rereadable.then_some(0));
            }
            let spot = (number, input.lines_before());
            let read = self.read(&mut *source, spot, rereadable, &mut order);
            if !self.refers_to_text {
                self.decider.texts.remove(number);
            }
            match read {
                Ok(OutputStatus::Open) => {}
                Ok(OutputStatus::Closed) => return Ok(OutputStatus::Closed),
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            }
        }
        if self.decider.batch.is_some() {
            // A part of a batch has another order: it is decided as a whole, or later.
            if let Some(fault) = fault {
                return Err(fault);
            }
            if self.stop.is_requested() {
                self.decider.batch = None;
                return Ok(OutputStatus::Open);
            }
        }
        // What was read before a fault counts.
        let ended = self.end(order);
        self.decider.dismiss();
        match (ended, fault) {
            (Ok(OutputStatus::Open), Some(fault)) => Err(fault),
            (result, _) => result,
        }
    }

    /// Reads one source to its end.
    fn read(
        &mut self,
        source: &mut dyn Source,
        (number, lines_before): (u32, u64),
        rereadable: bool,
        order: &mut Order,
    ) -> anyhow::Result<OutputStatus> {
        let is_stream = order.is_stream();
        let mut unpacked = 0;
        loop {
            if is_stream && self.reads_ahead(unpacked) {
                return self.read_ahead(source, (number, lines_before), order);
            }
            let patience = order.due_in(self.clock);
            let mut intake = Intake {
                rules: &mut self.rules,
                prefilter: &mut self.prefilter,
                samples: &mut self.samples,
                gathering: &mut self.gathering,
                learning: &mut self.decider.learning,
                order,
                observer: self.observer,
                live_settings: self.live_settings.as_deref_mut().filter(|_| is_stream),
                clock: Some(self.clock).filter(|_| is_stream),
                now_ms: &mut self.now_ms,
                name: self.names.last().cloned().unwrap_or_else(|| Arc::from("-")),
                input: number,
                lines_before,
                future_slack_ms: self.options.future_slack_ms,
                rereadable,
                refers_to_text: &mut self.refers_to_text,
                read: &self.options.read,
                is_first: true,
                sink: &mut *self.sink,
                fault: None,
            };
            source.wait_at_most(patience);
            let scan = self.options.read.stages.enter(RunStage::Scan);
            let polled = source.poll(&mut intake);
            let over = !matches!(polled, Ok(Polled::More)) || self.stop.is_requested();
            // A stream's block is judged before the next is waited for; files gather until a call is
            // worth it.
            if is_stream || over {
                // A fault ends the reading, and is kept in the intake.
                let _ = intake.call_keys();
            }
            drop(scan);
            let mut fault = intake.fault.take();
            if let Err(error) = &polled {
                let is_batch = self.decider.batch.is_some();
                fault = fault.or_else(|| read_fault(error, is_batch, self.observer));
            }
            self.observer.count(Counter::Bytes, source.unpacked() - unpacked);
            unpacked = source.unpacked();
            self.observer.reading(number, source.stored());
            if self.sink.wants_input() {
                self.sink.input(source.block());
                // A line that a signal cut off is read whole when it is sent again.
                if over && !self.stop.is_requested() {
                    self.sink.input_ends();
                }
            }
            if let Some(batch) = &mut self.decider.batch {
                batch.read(source.block());
            }
            if let Some(stream) = &mut self.decider.stream
                && let Some((begin, told)) = stream.read(source.block())?
            {
                let run = stream.run.clone();
                self.decider.change_run(&run, begin)?;
                if let Some(text) = told {
                    let severity = NoticeSeverity::Warning;
                    self.observer.notice(&Notice::Message { severity, text: &text })?;
                }
            }
            let status = self.decide_ready(order)?;
            if status == OutputStatus::Closed {
                return Ok(status);
            }
            if let Some(fault) = fault {
                return Err(fault);
            }
            if over {
                return Ok(OutputStatus::Open);
            }
        }
    }

    /// Decides what need not wait any longer; a stream's alerts are out when this returns.
    fn decide_ready(&mut self, order: &mut Order) -> anyhow::Result<OutputStatus> {
        let mut some = false;
        order.tick(self.clock);
        while let Some(matched) = order.ready() {
            some = true;
            if self.push(matched)? == OutputStatus::Closed {
                return Ok(OutputStatus::Closed);
            }
        }
        if order.is_stream() {
            self.observer.settle()?;
        }
        if some || self.sink.wants_input() { self.settle() } else { Ok(OutputStatus::Open) }
    }

    /// Ends a group of inputs: decides everything that waits.
    fn end(&mut self, order: Order) -> anyhow::Result<OutputStatus> {
        let stages = self.options.read.stages.clone();
        let _order = stages.enter(RunStage::Order);
        match order {
            Order::Sorted(sorter) => {
                let context = "matched events could not be put in order";
                for matched in sorter.finish().context(context)? {
                    if matched.is_err() && self.land()? == OutputStatus::Closed {
                        return Ok(OutputStatus::Closed);
                    }
                    let matched = matched.context(context)?;
                    if let Some(batch) = &mut self.decider.batch
                        && batch.skips(&matched)?
                    {
                        self.observer.count(Counter::DecidedBefore, 1);
                        continue;
                    }
                    if self.take(matched)? == OutputStatus::Closed {
                        return Ok(OutputStatus::Closed);
                    }
                }
                if let Some(batch) = &self.decider.batch {
                    batch.ends()?;
                }
                if self.end_schedule()? == OutputStatus::Closed {
                    return Ok(OutputStatus::Closed);
                }
            }
            Order::Held(mut hold) => {
                self.observer.count(Counter::ReleasedEarly, hold.forced());
                while let Some(matched) = hold.pop() {
                    if self.push(matched)? == OutputStatus::Closed {
                        return Ok(OutputStatus::Closed);
                    }
                }
            }
        }
        self.settle()
    }

    fn push(&mut self, matched: Match) -> anyhow::Result<OutputStatus> {
        if let Some(stream) = &mut self.decider.stream {
            if stream.skips(&matched.at) {
                self.decider.passes_over(&matched);
                self.observer.count(Counter::DecidedBefore, 1);
                return Ok(OutputStatus::Open);
            }
            stream.take(&matched.at);
        }
        if !self.decider.push(matched) {
            return Ok(OutputStatus::Open);
        }
        let mut located = Located { names: &self.names, observer: self.observer };
        self.decider.decide_ahead(&mut self.rules, &mut *self.sink, &mut located)
    }

    fn decide(&mut self) -> anyhow::Result<OutputStatus> {
        let mut located = Located { names: &self.names, observer: self.observer };
        self.decider.decide(&mut self.rules, &mut *self.sink, &mut located)
    }

    /// Gives out what was decided ahead.
    fn land(&mut self) -> anyhow::Result<OutputStatus> {
        let mut located = Located { names: &self.names, observer: self.observer };
        self.decider.land(&mut *self.sink, &mut located)
    }

    fn settle(&mut self) -> anyhow::Result<OutputStatus> {
        let mut located = Located { names: &self.names, observer: self.observer };
        self.decider.settle(&mut self.rules, &mut *self.sink, &mut located)
    }
}

/// Tells that an input could not be read to its end; what the run has to end with because of it. `is_batch`: what
/// may be readable the next time would be missing in its order.
fn read_fault(
    error: &ReadError,
    is_batch: bool,
    observer: &mut dyn Observer,
) -> Option<anyhow::Error> {
    let text = error.to_string();
    let notice = match error.kind {
        ReadErrorKind::Grew | ReadErrorKind::Misnamed => {
            Notice::Message { severity: NoticeSeverity::Warning, text: &text }
        }
        _ => Notice::InputFailed { text: &text },
    };
    let told = observer.notice(&notice).err();
    if is_batch && matches!(error.kind, ReadErrorKind::Io | ReadErrorKind::Shrank) {
        return Some(anyhow!("{text}; nothing was decided, run again when it can be read"));
    }
    told
}

/// The observer, and the names of the inputs that locations need.
pub struct Located<'l> {
    /// The inputs' names, by their numbers.
    pub names: &'l [Arc<str>],
    /// Receives counts and notices.
    pub observer: &'l mut dyn Observer,
}

impl Located<'_> {
    /// The place of an event, with its input's name.
    #[must_use]
    pub fn location(&self, at: &EventAt) -> EventLocation {
        let name = self.names.get(at.input as usize).cloned();
        EventLocation::of(name.unwrap_or_else(|| Arc::from("-")), at)
    }
}

#[cfg(test)]
mod tests;

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
mod reading;
pub mod resume;
pub mod schedule;
pub mod serving;
pub mod stream_progress;
pub mod text;
pub mod workers;

use crate::observe::schedule::RuleSchedule;
use crate::observe::stages::RunStage;
use crate::observe::{Counter, EventLocation, Observer};
use crate::rules::prefilter::Prefiltering;
use crate::rules::sample::RunSamples;
use crate::rules::{KnownException, LiveSettings};
use crate::sink::AlertSink;
use crate::source::{Input, ReadLimits, Source, Wake};
use crate::state::StateStore;
use anyhow::Context;
use decide::Decider;
use firstseen_session::{EventAt, Match, Rules};
use gather::EventGathering;
use learning::Learning;
pub use order::Order;
use order::{Hold, Sorter};
pub use reading::BatchUnread;
use reading::read_fault;
use schedule::Schedule;
use std::collections::BTreeMap;
use std::sync::Arc;
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
    /// Several inputs are decided and committed together: see [`Pipeline::serve`].
    is_grouped: bool,
    /// Threads for inputs that end; without them the run reads by itself.
    threads: Option<Threads<'r>>,
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
            is_grouped: false,
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

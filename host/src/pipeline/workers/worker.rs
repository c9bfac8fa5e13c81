//! One thread that reads and judges.
//!
//! In: tickets, each an input or a block of one. Out: matches, in a sorter of its own; and to each ticket's end
//! what is to be told of it. It decides nothing.

use super::MakeRules;
use super::block::Block;
use super::told::{NoAlerts, TellingObserver, Told};
use crate::observe::stages::RunStage;
use crate::observe::{Counter, Observer};
use crate::pipeline::gather::EventGathering;
use crate::pipeline::intake::Intake;
use crate::pipeline::learning::Learning;
use crate::pipeline::order::{Hold, Sorter};
use crate::pipeline::resume::line_ends;
use crate::pipeline::{Clock, Order, Stop, read_fault};
use crate::rules::prefilter::Prefiltering;
use crate::rules::sample::RunSamples;
use crate::source::{Input, Polled, ReadError, ReadLimits};
use firstseen_session::Rules;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

/// More than a block of a file needs: such room is given back.
const LARGE_ROOM: usize = 1 << 20;

/// Something to read or to judge.
pub(super) struct Ticket {
    /// The input, by number and by name.
    pub(super) input: u32,
    /// How many lines of it end before what is read.
    pub(super) lines_before: u64,
    /// See `input`.
    pub(super) name: Arc<str>,
    /// What of it.
    pub(super) job: ReadJob,
    /// Where what is to be told goes.
    pub(super) to: SyncSender<Part>,
}

/// What a ticket is for.
pub(super) enum ReadJob {
    /// An input, from its beginning to its end.
    Input(Input),
    /// A block of one that somebody else reads.
    Block(ReadBlock),
}

/// A block, and how far its input was read with it.
pub(super) struct ReadBlock {
    /// The events.
    pub(super) block: Block,
    /// Unpacked bytes of it.
    pub(super) unpacked: u64,
    /// Bytes of the input up to its end, as they are stored.
    pub(super) stored: u64,
    /// Whether the input's texts can be read again.
    pub(super) rereadable: bool,
    /// Why the input ended behind it.
    pub(super) error: Option<ReadError>,
    /// When it was read.
    pub(super) now_ms: i64,
}

/// A part of what a ticket gave.
pub(super) enum Part {
    /// More is to be told.
    More(Told),
    /// This, and nothing more.
    Last(Told),
    /// Reading has to end.
    Fault(Told, anyhow::Error),
}

/// What all workers of a reading share.
pub(super) struct Shared<'s> {
    /// How inputs are read.
    pub(super) read: &'s ReadLimits,
    /// The time that events are judged by.
    pub(super) now_ms: i64,
    /// How far ahead of it an event may be dated.
    pub(super) future_slack_ms: i64,
    /// Whether somebody asked the run to end.
    pub(super) stop: &'s dyn Stop,
    /// Whether what is judged is a stream: by the clock of each block, and its matches go with what is told.
    pub(super) is_stream: bool,
    /// Whether an input that cannot be read now keeps all from being decided.
    pub(super) is_batch: bool,
    /// No more tickets: something failed.
    pub(super) halted: AtomicBool,
    /// How many more files may be kept open for their texts.
    pub(super) room: AtomicUsize,
    /// Where blocks were that are judged: memory that is new costs more than what is done with it.
    pub(super) rooms: Mutex<Vec<Vec<u8>>>,
}

impl Shared<'_> {
    fn is_over(&self) -> bool {
        self.halted.load(Ordering::Relaxed) || self.stop.is_requested()
    }

    /// Room for a block.
    pub(super) fn block_room(&self) -> Vec<u8> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn is_judged(&self, block: Block) {
        let room = block.into_room();
        if room.capacity() <= LARGE_ROOM {
            self.rooms.lock().unwrap_or_else(PoisonError::into_inner).push(room);
        }
    }

    fn takes_room(&self) -> bool {
        let less = |room: usize| room.checked_sub(1);
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// What a worker leaves.
pub(super) struct WorkerEnd {
    /// What it judged with, for whoever decides.
    pub(super) rules: Vec<Box<dyn Rules>>,
    /// Its matches.
    pub(super) sorter: Sorter,
    /// What it keeps of the events.
    pub(super) samples: RunSamples,
    /// When they happened.
    pub(super) learning: Learning,
}

/// The time at which a block was read.
struct StoppedClock(i64);

impl Clock for StoppedClock {
    fn now_ms(&self) -> i64 {
        self.0
    }
}

/// Whoever hears what is told is gone.
struct Gone;

pub(super) struct Worker<'s> {
    shared: &'s Shared<'s>,
    rules: Vec<Box<dyn Rules>>,
    prefilter: Prefiltering,
    samples: RunSamples,
    learning: Learning,
    gathering: EventGathering,
    order: Order,
    now_ms: i64,
}

impl<'s> Worker<'s> {
    /// A worker with rules of its own.
    ///
    /// # Errors
    /// When they cannot be made.
    pub(super) fn new(
        shared: &'s Shared<'s>,
        rules: &MakeRules<'_>,
        prefilter: Prefiltering,
        samples: RunSamples,
        learning: Learning,
        budget: usize,
    ) -> anyhow::Result<Self> {
        let order = match shared.is_stream {
            true => Order::Held(Hold::new(0, usize::MAX)),
            false => Order::Sorted(Sorter::new(budget)),
        };
        let now_ms = shared.now_ms;
        let (rules, gathering) = (rules()?, EventGathering::default());
        Ok(Self { shared, rules, prefilter, samples, learning, gathering, order, now_ms })
    }

    /// Takes tickets until there are no more.
    #[must_use]
    pub(super) fn work(mut self, tickets: &Mutex<Receiver<Ticket>>) -> WorkerEnd {
        loop {
            // Who panicked with the lock in hand took no ticket.
            let next = tickets.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(Ticket { input, lines_before, name, job, to }) = next else { break };
            let mut turn = WorkerTurn { worker: &mut self, input, lines_before, name, to };
            let done = match job {
                ReadJob::Input(input) => turn.read(&input),
                ReadJob::Block(block) => turn.judge(block),
            };
            if done.is_err() {
                break;
            }
        }
        let Self { shared, rules, samples, learning, order, .. } = self;
        let mut sorter = order.into_sorter();
        let _order = shared.read.stages.enter(RunStage::Order);
        sorter.sort();
        WorkerEnd { rules, sorter, samples, learning }
    }
}

/// A worker at a ticket.
struct WorkerTurn<'t, 's> {
    worker: &'t mut Worker<'s>,
    input: u32,
    lines_before: u64,
    name: Arc<str>,
    to: SyncSender<Part>,
}

impl WorkerTurn<'_, '_> {
    /// Lets an intake take events.
    fn take<T>(
        &mut self,
        rereadable: bool,
        observer: &mut TellingObserver,
        give: impl FnOnce(&mut Intake<'_>) -> T,
    ) -> (T, Option<anyhow::Error>) {
        let mut refers_to_text = observer.told.refers_to_text;
        let worker = &mut *self.worker;
        let clock = StoppedClock(worker.now_ms);
        let mut intake = Intake {
            rules: &mut worker.rules,
            prefilter: &mut worker.prefilter,
            samples: &mut worker.samples,
            gathering: &mut worker.gathering,
            learning: &mut worker.learning,
            order: &mut worker.order,
            observer,
            live_settings: None,
            clock: worker.shared.is_stream.then_some(&clock),
            now_ms: &mut worker.now_ms,
            name: Arc::clone(&self.name),
            input: self.input,
            lines_before: self.lines_before,
            future_slack_ms: worker.shared.future_slack_ms,
            rereadable,
            refers_to_text: &mut refers_to_text,
            read: worker.shared.read,
            is_first: true,
            sink: &mut NoAlerts,
            fault: None,
        };
        let given = {
            let _scan = worker.shared.read.stages.enter(RunStage::Scan);
            give(&mut intake)
        };
        let fault = intake.fault.take();
        observer.told.refers_to_text = refers_to_text;
        (given, fault)
    }

    fn send(&self, part: Part) -> Result<(), Gone> {
        self.to.send(part).map_err(|_| Gone)
    }

    /// Hands over what is left to be told, and why reading has to end.
    fn end(&self, told: Told, fault: Option<anyhow::Error>) -> Result<(), Gone> {
        self.send(match fault {
            Some(fault) => Part::Fault(told, fault),
            None => Part::Last(told),
        })
    }

    /// What a fault of reading means.
    fn failed(
        &self,
        error: Option<&ReadError>,
        fault: Option<anyhow::Error>,
        observer: &mut TellingObserver,
    ) -> Option<anyhow::Error> {
        let Some(error) = error else { return fault };
        fault.or_else(|| read_fault(error, self.worker.shared.is_batch, observer))
    }

    fn read(&mut self, input: &Input) -> Result<(), Gone> {
        let shared = self.worker.shared;
        let again = input.readable_again();
        let rereadable = again.is_some() && shared.takes_room();
        let (options, wake) = (shared.read.clone(), shared.stop.wake());
        let mut source = input.source_of(options, wake, again.clone());
        let mut observer = TellingObserver::default();
        let mut lines = (shared.is_batch && rereadable).then_some(0);
        let mut unpacked = 0;
        loop {
            let (polled, fault) = self.take(rereadable, &mut observer, |intake| {
                let polled = source.poll(intake);
                let over = !matches!(polled, Ok(Polled::More)) || shared.is_over();
                if over {
                    // A fault ends the reading, and is kept in the intake.
                    let _ = intake.call_keys();
                }
                polled.map(|_| over)
            });
            let over = *polled.as_ref().unwrap_or(&true);
            observer.count(Counter::Bytes, source.unpacked() - unpacked);
            unpacked = source.unpacked();
            let fault = self.failed(polled.as_ref().err(), fault, &mut observer);
            observer.told.reading(source.stored());
            if let Some(lines) = &mut lines {
                *lines += line_ends(source.block());
            }
            if !over && fault.is_none() && !observer.told.is_full() {
                continue;
            }
            let mut told = observer.hand_over();
            if !over && fault.is_none() {
                self.send(Part::More(told))?;
                continue;
            }
            told.lines = lines;
            if rereadable {
                if told.refers_to_text {
                    told.file = again;
                } else {
                    shared.room.fetch_add(1, Ordering::Relaxed);
                }
            }
            return self.end(told, fault);
        }
    }

    fn judge(&mut self, block: ReadBlock) -> Result<(), Gone> {
        let ReadBlock { block, unpacked, stored, rereadable, error, now_ms } = block;
        self.worker.now_ms = now_ms;
        let mut observer = TellingObserver::default();
        let (_, fault) = self.take(rereadable, &mut observer, |intake| {
            // A fault is kept in the intake.
            let _ = block.replay(intake);
            let _ = intake.call_keys();
        });
        self.worker.shared.is_judged(block);
        observer.count(Counter::Bytes, unpacked);
        let fault = self.failed(error.as_ref(), fault, &mut observer);
        observer.told.reading(stored);
        let mut told = observer.hand_over();
        told.matches.extend(std::iter::from_fn(|| self.worker.order.ready()));
        self.end(told, fault)
    }
}

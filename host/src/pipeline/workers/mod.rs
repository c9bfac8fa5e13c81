//! Inputs that end, read and judged by several threads; a stream's blocks in `ahead`.
//!
//! In: inputs, and what a worker judges with. Out: all matches, in one sorter; counts and notices, told to the run's
//! observer in the order of the inputs, whoever was first. It decides nothing.
//!
//! ```text
//! inputs --tickets--> worker 1: Source, Intake, keys --> its sorter --+
//!    |           \--> worker 2: ...                   --> its sorter --+--> one order, by time and place
//!    |                    |
//!    |                    +-- what is to be told, a channel for each ticket
//!    +-- turns: the first ticket that was given is the first to be told
//! ```
//! An input goes to one worker. One that is most of the bytes is read here, and its blocks go to the workers. What
//! a worker says is handed on in parts through a channel that holds few of them, and only so many tickets are given
//! before the first of them is told: so memory is bounded, and a worker that is far ahead waits.

mod ahead;
mod block;
mod told;
mod worker;

pub use told::MISSING_EVENTS;

use super::Pipeline;
use super::resume::line_ends;
use crate::observe::stages::RunStage;
use crate::observe::{Counter, Notice, NoticeSeverity, Observer};
use crate::pipeline::order::Sorter;
use crate::pipeline::text::{RereadTexts, most_open};
use crate::source::{Input, Polled};
use anyhow::anyhow;
use block::Block;
use firstseen_session::Rules;
use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use worker::{Part, ReadBlock, ReadJob, Shared, Ticket, Worker, WorkerEnd};

/// Makes the rules that one worker judges with.
pub type MakeRules<'r> = dyn Fn() -> anyhow::Result<Vec<Box<dyn Rules>>> + Sync + 'r;

/// Threads to read and judge with.
pub struct Threads<'r> {
    /// How many.
    pub count: usize,
    /// Whether they are used however little there is to read.
    pub always: bool,
    /// Whether blocks of a stream are read while others are not decided. A pipe has no acknowledgement: what was
    /// read and not decided is lost with the process.
    pub reads_ahead: bool,
    /// Makes what each of them judges with.
    pub rules: Box<MakeRules<'r>>,
}

/// Under so many bytes as they are stored, starting threads is not worth it.
const FEW_BYTES: u64 = 4 << 20;
/// Tickets that may be given before the first of them is told, for each thread.
const AHEAD: usize = 8;
/// Bytes of blocks that wait or are judged: a block has an event of any length.
const AHEAD_BYTES: usize = 32 << 20;
/// Files that a thread has open, and sockets that wake it.
const FILES_OF_THREAD: usize = 4;
/// Parts of what a ticket gave that wait to be told.
const WAITING_PARTS: usize = 2;

impl Threads<'_> {
    /// How many are worth it for these inputs: 1 for none beside the run's own.
    fn worth(&self, inputs: &[Input]) -> usize {
        let has_pipes = inputs.iter().any(|input| input.bytes.is_none());
        let is_worth = self.always || has_pipes || stored_bytes(inputs) >= FEW_BYTES;
        // Half of what may be open is for files whose texts may be asked for.
        let most = (most_open() / 2 / FILES_OF_THREAD).max(1);
        if is_worth && !inputs.is_empty() { self.count.min(most) } else { 1 }
    }
}

/// Bytes of files, as they are stored.
fn stored_bytes(inputs: &[Input]) -> u64 {
    inputs.iter().filter_map(|input| input.bytes).sum()
}

/// Whether the blocks of an input go to all workers.
fn is_spread(input: &Input, total: u64, threads: usize) -> bool {
    input.bytes.is_none_or(|bytes| bytes.saturating_mul(threads as u64) > total)
}

/// A ticket that is not told.
struct TicketTurn {
    input: u32,
    name: Arc<str>,
    from: Receiver<Part>,
    is_input: bool,
    bytes: usize,
}

/// Tickets, in the order in which they were given.
struct Turns<'t> {
    waiting: VecDeque<TicketTurn>,
    waiting_bytes: usize,
    most: usize,
    tickets: SyncSender<Ticket>,
    observer: &'t mut dyn Observer,
    texts: &'t mut RereadTexts,
    /// Inputs whose blocks have a match that refers to a text.
    refers_to_text: bool,
    /// How many lines ended in each input, where that is asked for.
    lines: Vec<Option<u64>>,
}

impl Turns<'_> {
    /// Gives a ticket; tells those before it of which there are too many.
    fn give(&mut self, input: u32, of: &Input, job: ReadJob) -> anyhow::Result<()> {
        let (to, from) = sync_channel(WAITING_PARTS);
        let (name, lines_before) = (Arc::clone(&of.name), of.lines_before());
        let (is_input, bytes) = match &job {
            ReadJob::Input(_) => (true, 0),
            ReadJob::Block(block) => (false, block.block.len()),
        };
        self.waiting_bytes += bytes;
        let turn = TicketTurn { input, name: Arc::clone(&name), from, is_input, bytes };
        self.waiting.push_back(turn);
        let ticket = Ticket { input, lines_before, name, job, to };
        self.tickets.send(ticket).map_err(|_| ended_early())?;
        while self.waiting.len() >= self.most || self.waiting_bytes > AHEAD_BYTES {
            self.tell_first()?;
        }
        Ok(())
    }

    fn tell_all(&mut self) -> anyhow::Result<()> {
        while !self.waiting.is_empty() {
            self.tell_first()?;
        }
        Ok(())
    }

    fn tell_first(&mut self) -> anyhow::Result<()> {
        let Some(turn) = self.waiting.pop_front() else { return Ok(()) };
        let TicketTurn { input, name, from, is_input, bytes } = turn;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        loop {
            let (mut told, is_last, fault) = match from.recv().map_err(|_| ended_early())? {
                Part::More(told) => (told, false, None),
                Part::Last(told) => (told, true, None),
                Part::Fault(told, fault) => (told, true, Some(fault)),
            };
            if let Some(file) = told.file.take() {
                self.texts.add(input, Arc::clone(&name), file);
            }
            self.refers_to_text |= told.refers_to_text;
            if is_input && is_last {
                self.lines.push(told.lines);
            }
            told.tell((input, &name), self.observer)?;
            if let Some(fault) = fault {
                return Err(fault);
            }
            if is_last {
                return Ok(());
            }
        }
    }
}

/// What is said where a thread has no room for its rules.
const COULD_NOT_BEGIN: &str = "a thread could not begin";

fn ended_early() -> anyhow::Error {
    anyhow!("a thread that reads ended early")
}

impl Pipeline<'_> {
    /// How many threads read these inputs.
    pub(super) fn threads_for(&self, inputs: &[Input]) -> usize {
        self.threads.as_ref().map_or(1, |threads| threads.worth(inputs))
    }

    /// Reads inputs that end, and puts their matches into the sorter. What was read before a fault is in it.
    ///
    /// # Errors
    /// Why reading ended before the last of them.
    pub(super) fn read_in_threads(
        &mut self,
        inputs: &[Input],
        sorter: &mut Sorter,
    ) -> anyhow::Result<()> {
        let Some(threads) = &self.threads else { return Ok(()) };
        let (count, total) = (threads.worth(inputs), stored_bytes(inputs));
        let shared = Shared {
            read: &self.options.read,
            now_ms: self.now_ms,
            future_slack_ms: self.options.future_slack_ms,
            stop: self.stop,
            is_batch: self.decider.batch.is_some(),
            is_stream: false,
            halted: AtomicBool::new(false),
            room: AtomicUsize::new(self.decider.texts.room()),
            rooms: Mutex::default(),
        };
        let budget = self.options.order_budget / count;
        let most = count * AHEAD;
        let (tickets, taken) = sync_channel(most);
        let taken = Arc::new(Mutex::new(taken));
        let (ends, lines, read) = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..count)
                .map(|_| {
                    let (prefilter, samples) = (self.prefilter.twin(), self.samples.emptied());
                    let learning = self.decider.learning.hearing();
                    let (shared, taken, rules) = (&shared, Arc::clone(&taken), &*threads.rules);
                    scope.spawn(move || {
                        let worker =
                            Worker::new(shared, rules, prefilter, samples, learning, budget)?;
                        Ok(worker.work(&taken))
                    })
                })
                .collect();
            // The workers have theirs: where all of them ended, no ticket is taken.
            drop(taken);
            let mut turns = Turns {
                waiting: VecDeque::new(),
                waiting_bytes: 0,
                most,
                tickets,
                observer: &mut *self.observer,
                texts: &mut self.decider.texts,
                refers_to_text: false,
                lines: Vec::new(),
            };
            let mut read = Ok(());
            for input in inputs {
                if self.stop.is_requested() {
                    break;
                }
                let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
                self.names.push(Arc::clone(&input.name));
                turns.observer.count(Counter::Inputs, 1);
                read = if is_spread(input, total, count) {
                    spread(input, number, &shared, &mut turns)
                } else {
                    turns.give(number, input, ReadJob::Input(input.clone()))
                };
                if read.is_err() {
                    break;
                }
            }
            let read = read.and_then(|()| turns.tell_all());
            shared.halted.store(read.is_err(), Ordering::Relaxed);
            let lines = std::mem::take(&mut turns.lines);
            // No more tickets: the workers end.
            drop(turns);
            let ends: Vec<anyhow::Result<WorkerEnd>> = workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect();
            (ends, lines, read)
        });
        if let Some(batch) = &mut self.decider.batch {
            batch.lines.extend(lines);
        }
        let mut crew = Vec::new();
        for WorkerEnd { rules, sorter: of_worker, samples, learning } in
            self.all_that_began(ends)?
        {
            crew.push(rules);
            sorter.join(of_worker);
            self.samples.join(samples);
            self.decider.learning.join(&learning);
        }
        if let Err(fault) = self.decider.hire(crew) {
            let text = format!("{COULD_NOT_BEGIN}, the run decides by itself: {fault:#}");
            let severity = NoticeSeverity::Warning;
            self.observer.notice(&Notice::Message { severity, text: &text })?;
        }
        read
    }
}

impl Pipeline<'_> {
    /// What the workers left that had room for their rules; that others had none is told.
    ///
    /// # Errors
    /// Where none had, or the observer ends the run.
    fn all_that_began(
        &mut self,
        ends: Vec<anyhow::Result<WorkerEnd>>,
    ) -> anyhow::Result<Vec<WorkerEnd>> {
        let (done, failed): (Vec<_>, Vec<_>) = ends.into_iter().partition(Result::is_ok);
        if let Some(Err(fault)) = failed.into_iter().next() {
            if done.is_empty() {
                return Err(fault.context(COULD_NOT_BEGIN));
            }
            let text = format!("{COULD_NOT_BEGIN}, the others read: {fault:#}");
            let severity = NoticeSeverity::Warning;
            self.observer.notice(&Notice::Message { severity, text: &text })?;
        }
        Ok(done.into_iter().flatten().collect())
    }
}

/// Reads an input, and gives its blocks to the workers.
fn spread(
    input: &Input,
    number: u32,
    shared: &Shared<'_>,
    turns: &mut Turns<'_>,
) -> anyhow::Result<()> {
    let again = input.readable_again();
    let rereadable = again
        .as_ref()
        .is_some_and(|file| turns.texts.add(number, Arc::clone(&input.name), Arc::clone(file)));
    let (options, stop) = (shared.read.clone(), shared.stop);
    let mut source = input.source_of(options, stop.wake(), again);
    let mut lines = (shared.is_batch && rereadable).then_some(0);
    let mut unpacked = 0;
    turns.refers_to_text = false;
    loop {
        let mut block = Block::within(shared.block_room());
        let polled = {
            let _scan = shared.read.stages.enter(RunStage::Scan);
            source.poll(&mut block)
        };
        let over = !matches!(polled, Ok(Polled::More)) || stop.is_requested();
        let more = source.unpacked() - unpacked;
        unpacked = source.unpacked();
        if let Some(lines) = &mut lines {
            *lines += line_ends(source.block());
        }
        let (stored, error) = (source.stored(), polled.err());
        let now_ms = shared.now_ms;
        let block = ReadBlock { block, unpacked: more, stored, rereadable, error, now_ms };
        turns.give(number, input, ReadJob::Block(block))?;
        if over {
            break;
        }
    }
    turns.tell_all()?;
    turns.lines.push(lines);
    if rereadable && !turns.refers_to_text {
        turns.texts.remove(number);
    }
    Ok(())
}

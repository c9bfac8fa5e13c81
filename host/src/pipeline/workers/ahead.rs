//! A stream whose blocks are judged by several threads, and decided in the order in which they came.
//!
//! In: a source, and where matches wait. Out: what one thread would give, with a commit after each block. A block is
//! only read ahead where more is there at once: as soon as nothing is, all that was read is decided before anything
//! is waited for. So a slow stream waits for nobody.

use super::block::Block;
use super::worker::{Part, ReadBlock, ReadJob, Shared, Ticket, Worker, WorkerEnd};
use super::{AHEAD, AHEAD_BYTES, Threads, ended_early};
use crate::observe::stages::RunStage;
use crate::pipeline::{Order, OutputStatus, Pipeline};
use crate::source::{Polled, Source};
use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Before so many bytes came, starting threads is not worth it.
const FEW_BYTES: u64 = 1 << 20;

/// Blocks that were read and are not decided.
struct Ahead<'a> {
    waiting: VecDeque<(usize, Receiver<Part>)>,
    bytes: usize,
    most: usize,
    tickets: SyncSender<Ticket>,
    shared: &'a Shared<'a>,
    input: u32,
    lines_before: u64,
    name: Arc<str>,
}

impl Ahead<'_> {
    fn give(&mut self, block: ReadBlock) -> anyhow::Result<()> {
        // What a block gives is handed over at once.
        let (to, from) = sync_channel(1);
        let bytes = block.block.len();
        let (input, lines_before, name) = (self.input, self.lines_before, Arc::clone(&self.name));
        let ticket = Ticket { input, lines_before, name, job: ReadJob::Block(block), to };
        self.tickets.send(ticket).map_err(|_| ended_early())?;
        self.bytes += bytes;
        self.waiting.push_back((bytes, from));
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= self.most || self.bytes > AHEAD_BYTES
    }
}

impl<'r> Pipeline<'r> {
    /// Whether the rest of a stream is judged by several threads, of which so many bytes were read.
    pub(in crate::pipeline) fn reads_ahead(&self, unpacked: u64) -> bool {
        let is_worth = |threads: &Threads<'_>| {
            let is_much = threads.always || unpacked >= FEW_BYTES;
            threads.count > 1 && threads.reads_ahead && is_much
        };
        // What looks at each block, or at its bytes, reads by itself.
        self.threads.as_ref().is_some_and(is_worth)
            && !self.sink.wants_input()
            && self.decider.stream.is_none()
            && !self.decider.learning.is_asked_for()
            && self.live_settings.as_ref().is_none_or(|settings| !settings.may_change())
    }

    /// Reads a stream to its end, from where it is.
    ///
    /// # Errors
    /// As [`Pipeline::run`].
    pub(in crate::pipeline) fn read_ahead(
        &mut self,
        source: &mut dyn Source,
        (input, lines_before): (u32, u64),
        order: &mut Order,
    ) -> anyhow::Result<OutputStatus> {
        let Some(threads) = self.threads.take() else { return Ok(OutputStatus::Open) };
        let read = self.options.read.clone();
        let shared = Shared {
            read: &read,
            now_ms: self.now_ms,
            future_slack_ms: self.options.future_slack_ms,
            stop: self.stop,
            is_batch: false,
            is_stream: true,
            halted: AtomicBool::new(false),
            room: AtomicUsize::new(0),
            rooms: Mutex::default(),
        };
        let most = threads.count * AHEAD;
        let (tickets, taken) = sync_channel(most);
        let taken = Arc::new(Mutex::new(taken));
        let name = self.names.last().cloned().unwrap_or_else(|| Arc::from("-"));
        let (status, ends) = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.count)
                .map(|_| {
                    let (prefilter, samples) = (self.prefilter.twin(), self.samples.emptied());
                    let learning = self.decider.learning.hearing();
                    let (shared, taken, rules) = (&shared, Arc::clone(&taken), &*threads.rules);
                    scope.spawn(move || {
                        let worker = Worker::new(shared, rules, prefilter, samples, learning, 0)?;
                        Ok(worker.work(&taken))
                    })
                })
                .collect();
            // The workers have theirs: where all of them ended, no ticket is taken.
            drop(taken);
            let waiting = VecDeque::new();
            let shared = &shared;
            let mut ahead =
                Ahead { waiting, bytes: 0, most, tickets, shared, input, lines_before, name };
            let status = self.read_and_decide(source, &mut ahead, order);
            shared.halted.store(true, Ordering::Relaxed);
            // No more tickets: the workers end.
            drop(ahead);
            let ends: Vec<anyhow::Result<WorkerEnd>> = workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect();
            (status, ends)
        });
        self.threads = Some(threads);
        for end in self.all_that_began(ends)? {
            self.samples.join(end.samples);
        }
        status
    }

    fn read_and_decide(
        &mut self,
        source: &mut dyn Source,
        ahead: &mut Ahead<'_>,
        order: &mut Order,
    ) -> anyhow::Result<OutputStatus> {
        let mut unpacked = source.unpacked();
        loop {
            let patience = order.due_in(self.clock);
            let nothing_waits = ahead.waiting.is_empty();
            source.wait_at_most(if nothing_waits { patience } else { Some(Duration::ZERO) });
            let mut block = Block::within(ahead.shared.block_room());
            let polled = {
                let _scan = ahead.shared.read.stages.enter(RunStage::Scan);
                source.poll(&mut block)
            };
            let over = !matches!(polled, Ok(Polled::More)) || self.stop.is_requested();
            let more = source.unpacked() - unpacked;
            unpacked = source.unpacked();
            let is_quiet = !over && more == 0 && block.is_empty();
            if !is_quiet {
                let (stored, error) = (source.stored(), polled.err());
                let now_ms = self.clock.now_ms();
                let rereadable = false;
                ahead.give(ReadBlock {
                    block,
                    unpacked: more,
                    stored,
                    rereadable,
                    error,
                    now_ms,
                })?;
            } else if nothing_waits && self.decide_ready(order)? == OutputStatus::Closed {
                return Ok(OutputStatus::Closed);
            }
            while over || is_quiet || ahead.is_full() {
                let Some((bytes, from)) = ahead.waiting.pop_front() else { break };
                ahead.bytes -= bytes;
                let part = from.recv().map_err(|_| ended_early())?;
                if self.decide_block(part, (ahead.input, &ahead.name), order)?
                    == OutputStatus::Closed
                {
                    return Ok(OutputStatus::Closed);
                }
            }
            if over {
                return Ok(OutputStatus::Open);
            }
        }
    }

    /// Tells what there is to tell of a block, and decides what it gave.
    fn decide_block(
        &mut self,
        part: Part,
        input: (u32, &Arc<str>),
        order: &mut Order,
    ) -> anyhow::Result<OutputStatus> {
        let (mut told, fault) = match part {
            Part::More(told) | Part::Last(told) => (told, None),
            Part::Fault(told, fault) => (told, Some(fault)),
        };
        let matches = std::mem::take(&mut told.matches);
        let fault = told.tell(input, self.observer).err().or(fault);
        if let Order::Held(hold) = order {
            matches.into_iter().for_each(|matched| hold.push(matched));
        }
        match (self.decide_ready(order)?, fault) {
            (OutputStatus::Open, Some(fault)) => Err(fault),
            (status, _) => Ok(status),
        }
    }
}

//! Bodies on their way to the loop, and answers on their way back.
//!
//! In: bodies from other threads, in the order in which they arrived. Out: sources for the loop, and for each body one
//! answer, when it is decided and committed. One with too many events is answered at once, and is no source; where that
//! does not show at once, its events are counted beside the loop (`counter`). A body whose answer is never given was not committed: whoever
//! waits for it hears that the other end is gone, and sends it again.

use super::counter::BodyCounter;
use super::ledger::{BodyLedger, BodyResult};
use crate::pipeline::serving::{Arrival, Arrivals};
use crate::source::ReadLimits;
use crate::source::body::BodySource;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Weak};

/// Bodies that are committed together, at most: their senders wait for all of them.
const MOST_BODIES: usize = 64;
/// Their bytes, as they were sent.
const MOST_BYTES: usize = 8 << 20;

/// A body, and who waits for what is decided of it.
pub struct BodyJob {
    /// Its bytes, packed or not.
    pub bytes: Vec<u8>,
    /// What to call it in messages.
    pub name: Arc<str>,
    /// How many bytes of it may be unpacked.
    pub most_unpacked: u64,
    /// How many events it may have; of one with more nothing is judged.
    pub most_events: u64,
    /// Whether its alerts are wanted.
    pub wants_alerts: bool,
    /// How many of its faults are.
    pub most_faults: usize,
    /// There as long as somebody waits for the answer; without it somebody always does.
    pub asker: Option<Weak<()>>,
    /// Hears what was decided, once it is committed.
    pub answer: Box<dyn FnOnce(BodyResult) + Send>,
}

impl BodyJob {
    /// Whether nobody waits any more: the body has no answer, and its sender sends it again.
    pub(super) fn is_given_up(&self) -> bool {
        self.asker.as_ref().is_some_and(|asker| asker.strong_count() == 0)
    }
}

/// What another thread asks for.
pub enum Request {
    /// To judge a body.
    Judge(BodyJob),
    /// To begin anew with the rules as they are now.
    Reload,
    /// To end: nothing more comes.
    End,
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueEnd {
    /// It was asked to.
    End,
    /// To begin anew.
    Reload,
}

/// The bodies that arrived.
pub struct BodyQueue<'q> {
    requests: &'q Receiver<Request>,
    ledger: BodyLedger,
    limits: ReadLimits,
    /// Without it the number of a body's events has no limit.
    counter: Option<BodyCounter>,
    answers: Vec<Box<dyn FnOnce(BodyResult) + Send>>,
    /// Bodies since the last commit, and their bytes.
    bodies: usize,
    bytes: usize,
    /// Whether a reload can be done now; says why not.
    may_reload: Box<dyn FnMut() -> bool + 'q>,
    end: Option<QueueEnd>,
}

impl<'q> BodyQueue<'q> {
    /// A queue that ends for a reload only where `may_reload` says so.
    pub fn new(
        requests: &'q Receiver<Request>,
        ledger: BodyLedger,
        limits: ReadLimits,
        counter: Option<BodyCounter>,
        may_reload: Box<dyn FnMut() -> bool + 'q>,
    ) -> Self {
        let (answers, bodies, bytes, end) = (Vec::new(), 0, 0, None);
        Self { requests, ledger, limits, counter, answers, bodies, bytes, may_reload, end }
    }

    /// Why it ended.
    #[must_use]
    pub fn end(&self) -> QueueEnd {
        self.end.unwrap_or(QueueEnd::End)
    }

    /// The next request; nothing where there is none now and some wait for their answers.
    fn request(&mut self) -> Option<Request> {
        if self.answers.is_empty() {
            (self.bodies, self.bytes) = (0, 0);
            // Nobody can ask for anything any more.
            return Some(self.requests.recv().unwrap_or(Request::End));
        }
        if self.bodies >= MOST_BODIES || self.bytes >= MOST_BYTES {
            return None;
        }
        match self.requests.try_recv() {
            Ok(request) => Some(request),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Request::End),
        }
    }
}

impl Arrivals for BodyQueue<'_> {
    fn next(&mut self) -> Arrival {
        loop {
            if self.end.is_some() {
                return Arrival::End;
            }
            let mut job = match self.request() {
                None => return Arrival::Nothing,
                Some(Request::Judge(job)) => job,
                Some(Request::End) => {
                    self.end = Some(QueueEnd::End);
                    continue;
                }
                Some(Request::Reload) => {
                    if (self.may_reload)() {
                        self.end = Some(QueueEnd::Reload);
                    }
                    continue;
                }
            };
            if job.is_given_up() {
                continue;
            }
            // To look at one takes time, also where nothing of it is judged.
            self.bodies += 1;
            self.bytes += job.bytes.len();
            let (bytes, limits) = (std::mem::take(&mut job.bytes), self.limits.clone());
            let mut source =
                BodySource::new(Arc::clone(&job.name), bytes, job.most_unpacked, limits);
            if let Some(counter) = &self.counter
                && !source.has_surely_at_most(job.most_events)
            {
                // Others are not kept waiting for it.
                job.bytes = source.into_bytes();
                counter.count(job, &self.limits);
                continue;
            }
            let BodyJob { name, wants_alerts, most_faults, answer, .. } = job;
            self.answers.push(answer);
            let mut result = BodyResult::new(wants_alerts, most_faults);
            result.is_too_long = source.is_too_long();
            self.ledger.begin(result);
            return Arrival::Body(Box::new(source), name);
        }
    }

    fn committed(&mut self) -> anyhow::Result<()> {
        let results = self.ledger.take();
        for (answer, result) in self.answers.drain(..).zip(results) {
            answer(result);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// Of these bytes, for which nobody else gives up waiting.
    fn job(bytes: Vec<u8>, answer: impl FnOnce(BodyResult) + Send + 'static) -> Request {
        Request::Judge(BodyJob {
            bytes,
            name: "r".into(),
            most_unpacked: 1 << 20,
            most_events: 9,
            wants_alerts: false,
            most_faults: 1,
            asker: None,
            answer: Box::new(answer),
        })
    }

    fn blank(to: &Sender<u64>, bytes: usize) -> Request {
        let to = to.clone();
        job(vec![b' '; bytes], move |result| to.send(result.events).unwrap())
    }

    #[test]
    fn bodies_are_answered_together_and_in_order() {
        let (send, requests) = channel();
        let (to, answers) = channel();
        let ledger = BodyLedger::default();
        let mut queue = BodyQueue::new(
            &requests,
            ledger.clone(),
            ReadLimits::default(),
            None,
            Box::new(|| false),
        );
        for n in 0..3_u64 {
            send.send(blank(&to, 1)).unwrap();
            assert!(matches!(queue.next(), Arrival::Body(..)));
            ledger.present(|body| body.events = n);
        }
        // Some wait for their answers: nothing is waited for.
        assert!(matches!(queue.next(), Arrival::Nothing));
        assert!(answers.try_recv().is_err());
        queue.committed().unwrap();
        assert_eq!(answers.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
        // A reload that cannot be done ends nothing; what came before an end is read first.
        send.send(Request::Reload).unwrap();
        send.send(blank(&to, 1)).unwrap();
        send.send(Request::End).unwrap();
        assert!(matches!(queue.next(), Arrival::Body(..)));
        assert!(matches!(queue.next(), Arrival::End));
        assert_eq!(queue.end(), QueueEnd::End);
    }

    #[test]
    fn a_commit_is_of_a_bounded_number_of_bodies_and_bytes() {
        let (send, requests) = channel();
        let (to, _answers) = channel();
        let group = |size: usize| {
            let queue = BodyLedger::default();
            let mut queue =
                BodyQueue::new(&requests, queue, ReadLimits::default(), None, Box::new(|| true));
            for _ in 0..100 {
                send.send(blank(&to, size)).unwrap();
            }
            let count = (0..).take_while(|_| matches!(queue.next(), Arrival::Body(..))).count();
            while requests.try_recv().is_ok() {}
            count
        };
        assert_eq!((group(1), group(1 << 20)), (MOST_BODIES, MOST_BYTES >> 20));
    }

    #[test]
    fn a_body_with_too_many_events_is_answered_and_others_do_not_wait_for_it() {
        let (send, requests) = channel();
        let (to, answers) = channel();
        let ledger = BodyLedger::default();
        let counter = Some(BodyCounter::start(send.clone()));
        let limits = ReadLimits::default();
        let mut queue =
            BodyQueue::new(&requests, ledger.clone(), limits, counter, Box::new(|| false));
        for events in [10, 9, 4] {
            let to = to.clone();
            let answer =
                move |result: BodyResult| to.send((events, result.has_too_many_events)).unwrap();
            send.send(job(b"{}\n".repeat(events), answer)).unwrap();
        }
        // Of the last it shows at once that it is small enough.
        assert!(matches!(queue.next(), Arrival::Body(..)));
        assert_eq!(answers.recv().unwrap(), (10, true));
        assert!(answers.try_recv().is_err());
        queue.committed().unwrap();
        assert_eq!(answers.try_recv().unwrap(), (4, false));
        assert!(matches!(queue.next(), Arrival::Body(..)));
        queue.committed().unwrap();
        assert_eq!(answers.try_recv().unwrap(), (9, false));
    }

    #[test]
    fn a_body_that_is_not_committed_has_no_answer() {
        let (send, requests) = channel();
        let (to, answers) = channel();
        send.send(blank(&to, 1)).unwrap();
        drop(to);
        let mut queue = BodyQueue::new(
            &requests,
            BodyLedger::default(),
            ReadLimits::default(),
            None,
            Box::new(|| false),
        );
        assert!(matches!(queue.next(), Arrival::Body(..)));
        drop(queue);
        assert!(answers.recv().is_err());
    }
}

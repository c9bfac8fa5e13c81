//! Counts the events of bodies that may have too many, beside the loop.
//!
//! In: bodies of which it does not show at once. Out: those that have too many are answered; the others go back to the
//! queue, behind what arrived meanwhile. One thread counts, one body after the other: so however many there are, the loop goes
//! on. It judges nothing.

use super::ledger::BodyResult;
use super::queue::{BodyJob, Request};
use crate::source::ReadLimits;
use crate::source::body::BodySource;
use firstseen_event::Trust;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

/// A body to be counted, and how it is read.
struct CountedBody {
    job: BodyJob,
    max_event: usize,
    trust: Arc<Trust>,
}

/// Counts bodies on a thread of its own, which ends with it.
#[derive(Clone)]
pub struct BodyCounter {
    bodies: Sender<CountedBody>,
}

impl BodyCounter {
    /// Bodies that do not have too many events go there.
    #[must_use]
    pub fn start(back: Sender<Request>) -> Self {
        let (bodies, to_count) = channel::<CountedBody>();
        let count = move || {
            for CountedBody { mut job, max_event, trust } in to_count {
                if job.is_given_up() {
                    continue;
                }
                let limits = ReadLimits { max_event, trust, ..ReadLimits::default() };
                let bytes = std::mem::take(&mut job.bytes);
                let source =
                    BodySource::new(Arc::clone(&job.name), bytes, job.most_unpacked, limits);
                if source.has_more_events_than(job.most_events) {
                    (job.answer)(BodyResult::with_too_many_events());
                    continue;
                }
                // It is counted.
                job.most_events = u64::MAX;
                job.bytes = source.into_bytes();
                if back.send(Request::Judge(job)).is_err() {
                    return;
                }
            }
        };
        // Without a thread nobody hears of a body that has to be counted: its sender sends it again.
        let _ = std::thread::Builder::new().name("count".to_owned()).spawn(count);
        Self { bodies }
    }

    /// Counts a body that is read so.
    pub(super) fn count(&self, job: BodyJob, limits: &ReadLimits) {
        let (max_event, trust) = (limits.max_event, Arc::clone(&limits.trust));
        // A body whose answer is never given was not judged.
        let _ = self.bodies.send(CountedBody { job, max_event, trust });
    }
}

//! Memory for bodies: all of them together have a limit.
//!
//! In: how much a body holds, whenever that changes. Out: its share, or that there is no room, which its sender hears as 429.
//! What is only announced has none. A body that is larger than all may be together has all of it, so it is there alone.

use super::exchange::Refusal;
use axum::http::StatusCode;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit in which memory is counted.
const UNIT: usize = 1 << 10;

/// The memory for all bodies.
pub(super) struct BodyMemory {
    room: Arc<Semaphore>,
    /// All of it, in units.
    most: usize,
    /// Has one permit: for the body that takes much while it is taken apart.
    large: Arc<Semaphore>,
}

impl BodyMemory {
    /// So many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let most = bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS);
        let (room, large) = (Arc::new(Semaphore::new(most)), Arc::new(Semaphore::new(1)));
        Self { room, most, large }
    }

    /// The share of a body that begins to arrive.
    pub(super) fn share(&self) -> Result<RoomShare, Refusal> {
        let permit = Arc::clone(&self.room).try_acquire_owned().map_err(|_| busy())?;
        let (room, large) = (Arc::clone(&self.room), Arc::clone(&self.large));
        Ok(RoomShare { room, most: self.most, permit, large, is_large: None })
    }
}

/// The share of one body; it is given back when this is dropped.
pub(super) struct RoomShare {
    room: Arc<Semaphore>,
    most: usize,
    permit: OwnedSemaphorePermit,
    large: Arc<Semaphore>,
    is_large: Option<OwnedSemaphorePermit>,
}

impl RoomShare {
    /// As [`RoomShare::hold`], while a body is taken apart, on a thread that may wait. Two that grow at once would each
    /// take the room that the other needs: so only one goes beyond a quarter of all, and others wait for it.
    ///
    /// # Errors
    /// As there.
    pub(super) fn hold_apart(&mut self, bytes: usize) -> Result<(), Refusal> {
        if bytes.div_ceil(UNIT) > self.most / 4 && self.is_large.is_none() {
            let large = Arc::clone(&self.large).acquire_owned();
            self.is_large = Some(Handle::current().block_on(large).map_err(|_| busy())?);
        }
        self.hold(bytes)
    }

    /// It is taken apart.
    pub(super) fn is_apart(&mut self) {
        self.is_large = None;
    }

    /// It holds so many bytes now.
    ///
    /// # Errors
    /// Where others have that room; the share stays what it was.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Refusal> {
        let units = bytes.div_ceil(UNIT).clamp(1, self.most.max(1));
        let has = self.permit.num_permits();
        if let more @ 1.. = units.saturating_sub(has) {
            let more = u32::try_from(more).map_err(|_| busy())?;
            let more = Arc::clone(&self.room).try_acquire_many_owned(more);
            self.permit.merge(more.map_err(|_| busy())?);
        } else if let less @ 1.. = has - units {
            drop(self.permit.split(less));
        }
        Ok(())
    }
}

fn busy() -> Refusal {
    let reason = "too much waits to be judged; send it again in a second";
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, "busy", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shares_together_have_a_limit_and_one_that_is_larger_is_alone() {
        let memory = BodyMemory::new(10 * UNIT);
        let (mut one, mut other) = (memory.share().unwrap(), memory.share().unwrap());
        one.hold(7 * UNIT).unwrap();
        other.hold(3 * UNIT).unwrap();
        assert_eq!(other.hold(3 * UNIT + 1).unwrap_err().status, StatusCode::TOO_MANY_REQUESTS);
        assert!(memory.share().is_err());
        one.hold(2 * UNIT).unwrap();
        other.hold(8 * UNIT).unwrap();
        drop(other);
        one.hold(1000 * UNIT).unwrap();
        assert!(memory.share().is_err());
        one.hold(0).unwrap();
        memory.share().unwrap().hold(9 * UNIT).unwrap();
    }
}

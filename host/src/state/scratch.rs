//! A copy of a state to write into, which never reaches the state itself.
//!
//! In: a state, opened for reading. Out: its values, and over them what was written here. It is gone
//! with the process: `explain` decides against it as `run` would, and changes nothing.

use super::clocks::ExpiryClocks;
use super::{Applied, StateError, StateStore, StateWrite};
use std::collections::HashMap;

/// A value, and when it expires (milliseconds since the epoch).
type ScratchValue = (i64, Box<[u8]>);

/// A state with a layer of its own.
pub struct ScratchState {
    base: Box<dyn StateStore>,
    written: HashMap<Box<[u8]>, ScratchValue>,
    clocks: ExpiryClocks,
}

impl ScratchState {
    /// A layer over this state.
    #[must_use]
    pub fn over(base: Box<dyn StateStore>) -> Self {
        Self { base, written: HashMap::new(), clocks: ExpiryClocks::default() }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When the state below cannot be read.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self.written.get(key) {
            Some((expires_ms, value)) => {
                Ok((*expires_ms > self.clocks.now()).then(|| value.to_vec()))
            }
            None => Ok(self.base.get_many(&mut std::iter::once(key))?.pop().flatten()),
        }
    }
}

impl StateStore for ScratchState {
    fn get_many(
        &mut self,
        keys: &mut dyn Iterator<Item = &[u8]>,
    ) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        keys.map(|key| self.get(key)).collect()
    }

    fn apply(
        &mut self,
        writes: &mut dyn Iterator<Item = StateWrite<'_>>,
    ) -> Result<Vec<Applied>, StateError> {
        let write = |write: StateWrite<'_>| {
            let current = self.get(write.key)?;
            if current.as_deref() != write.expected {
                return Ok(Applied::Conflict(current));
            }
            self.written.insert(write.key.into(), (write.expires_ms, write.value.into()));
            Ok(Applied::Done)
        };
        writes.map(write).collect()
    }

    fn advance(&mut self, artifact: u16, newest_event_ms: i64) {
        self.clocks.advance(artifact, newest_event_ms);
        self.base.advance(artifact, newest_event_ms);
    }

    fn commit(&mut self) -> Result<(), StateError> {
        Ok(())
    }

    fn count(&self) -> Result<u64, StateError> {
        self.base.count()
    }

    fn describe(&self) -> String {
        self.base.describe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Redb;

    #[test]
    fn what_is_written_counts_and_stays_here() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.redb");
        let write =
            |key, expected, value, expires_ms| StateWrite { key, expected, value, expires_ms };
        let mut state = Redb::open(&path).unwrap();
        let first = [write(b"a", None, b"1", 100), write(b"b", None, b"1", 200)];
        state.apply(&mut first.into_iter()).unwrap();
        state.commit().unwrap();
        drop(state);
        let before = std::fs::read(&path).unwrap();

        let mut scratch = ScratchState::over(Box::new(Redb::open_read_only(&path).unwrap()));
        let results = scratch.apply(
            &mut [
                write(b"a", Some(b"1"), b"2", 150),
                write(b"b", None, b"2", 150),
                write(b"c", None, b"2", 300),
            ]
            .into_iter(),
        );
        let conflict = Applied::Conflict(Some(b"1".to_vec()));
        assert_eq!(results.unwrap(), [Applied::Done, conflict, Applied::Done]);
        let mut values = |now| {
            scratch.advance(0, now);
            scratch.get_many(&mut [&b"a"[..], b"b", b"c"].into_iter()).unwrap()
        };
        let value = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(values(0), [value("2"), value("1"), value("2")]);
        // The value that was overwritten does not come back when the new one has expired.
        assert_eq!(values(160), [None, value("1"), value("2")]);
        assert_eq!(values(250), [None, None, value("2")]);
        scratch.commit().unwrap();
        drop(scratch);
        assert!(std::fs::read(&path).unwrap() == before);
    }
}

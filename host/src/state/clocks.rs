//! The time of each artifact, by which its terms expire.
//!
//! In: the newest event of an artifact, and its keys as they are read and written. Out: what time it is
//! for the artifact at work, and for whoever a key belongs to. What one artifact says of the time does
//! not make the terms of others expire, and terms that nobody in the run asked for stay.

use foldhash::fast::RandomState;
use std::collections::HashMap;

/// The newest time of each artifact's events: what one says of the time is nothing to others.
#[derive(Debug, Default)]
pub struct NewestTimes(Vec<i64>);

impl NewestTimes {
    /// Of this artifact.
    #[must_use]
    pub fn of(&self, artifact: u16) -> i64 {
        self.0.get(usize::from(artifact)).copied().unwrap_or(i64::MIN)
    }

    /// An event of this artifact has this time.
    pub fn take(&mut self, artifact: u16, time_ms: i64) {
        let at = usize::from(artifact);
        if self.0.len() <= at {
            self.0.resize(at + 1, i64::MIN);
        }
        if let Some(newest) = self.0.get_mut(at) {
            *newest = (*newest).max(time_ms);
        }
    }

    /// Of each artifact, in order.
    pub fn each(&self) -> impl Iterator<Item = (u16, i64)> {
        (0..).zip(self.0.iter().copied())
    }
}

/// The clocks of a run.
#[derive(Debug, Default)]
pub(super) struct ExpiryClocks {
    newest: NewestTimes,
    /// The artifact at work.
    present: u16,
    /// The artifacts of the rules whose keys were met.
    owners: HashMap<Box<[u8]>, u16, RandomState>,
    /// The last of them.
    last: Box<[u8]>,
}

impl ExpiryClocks {
    /// Takes the time of an artifact, which is the one at work from now on.
    pub(super) fn advance(&mut self, artifact: u16, newest_ms: i64) {
        self.present = artifact;
        self.newest.take(artifact, newest_ms);
    }

    /// The time for the artifact at work.
    pub(super) fn now(&self) -> i64 {
        self.of(self.present)
    }

    /// The artifact at work.
    pub(super) fn present(&self) -> u16 {
        self.present
    }

    /// The time for an artifact.
    pub(super) fn of(&self, artifact: u16) -> i64 {
        self.newest.of(artifact)
    }

    /// The newest of all times.
    pub(super) fn newest(&self) -> i64 {
        self.newest.each().map(|(_, newest_ms)| newest_ms).max().unwrap_or(i64::MIN)
    }

    /// The artifact at work meets this key: it is of one of its rules.
    pub(super) fn meets(&mut self, key: &[u8]) {
        let rule = rule_of(key);
        if self.owners.is_empty() || *self.last != *rule {
            self.last = rule.into();
            self.owners.insert(rule.into(), self.present);
        }
    }

    /// The time for the rule of a key; nothing where no artifact of the run has such a rule.
    pub(super) fn of_key(&self, key: &[u8]) -> Option<i64> {
        self.owners.get(rule_of(key)).map(|artifact| self.of(*artifact))
    }
}

/// `TENANT:RULE_ID:` of `TENANT:RULE_ID:FINGERPRINT:HASH`: a rule's older terms are its own too.
fn rule_of(key: &[u8]) -> &[u8] {
    let second = memchr::memrchr_iter(b':', key).nth(1);
    key.get(..second.map_or(0, |at| at + 1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_artifact_has_a_time_of_its_own() {
        let mut clocks = ExpiryClocks::default();
        assert_eq!((clocks.now(), clocks.of_key(b"t:r:f:h")), (i64::MIN, None));
        clocks.advance(1, i64::MAX);
        clocks.meets(b"t:evil:f:h");
        clocks.advance(0, 100);
        clocks.meets(b"t:r:f:h");
        assert_eq!((clocks.now(), clocks.newest()), (100, i64::MAX));
        clocks.advance(0, 50);
        assert_eq!(clocks.of_key(b"t:r:older:h2"), Some(100));
        assert_eq!(clocks.of_key(b"t:evil:f:h"), Some(i64::MAX));
        assert_eq!(clocks.of_key(b"t:other:f:h"), None);
    }
}

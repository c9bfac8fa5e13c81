//! What the rule is told of terms when it makes an execution's alerts.
//!
//! In: the terms that an execution kept, each with the sighting before it. Out: a state of one execution, in
//! which these are new and all others were seen. What the rule writes counts in it, and is kept nowhere.

use super::executions::ExecutionResult;
use crate::state::{Applied, StateError, StateStore, StateWrite};
use firstseen_rule::state::TermState;
use std::collections::HashMap;

/// The state of an execution.
#[derive(Debug, Default)]
pub(super) struct ExecutionState {
    /// The terms that it kept, with their values.
    values: HashMap<Box<[u8]>, Option<Vec<u8>>>,
    /// The value of all others.
    seen: Vec<u8>,
}

impl ExecutionState {
    /// The state in which this execution's alerts are made.
    pub(super) fn of<E>(execution: &ExecutionResult<E>) -> Self {
        let value = |first_ms, last_ms| TermState::seen(first_ms, last_ms).map(|s| s.write(""));
        let kept = execution.kept.iter().map(|kept| {
            let before = kept.previous_ms.and_then(|ms| value(ms, ms));
            ((&*kept.key).into(), before)
        });
        let seen = value(execution.from_ms, execution.end_ms).unwrap_or_default();
        Self { values: kept.collect(), seen }
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.values.get(key).cloned().unwrap_or_else(|| Some(self.seen.clone()))
    }
}

impl StateStore for ExecutionState {
    fn get_many(
        &mut self,
        keys: &mut dyn Iterator<Item = &[u8]>,
    ) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        Ok(keys.map(|key| self.get(key)).collect())
    }

    fn apply(
        &mut self,
        writes: &mut dyn Iterator<Item = StateWrite<'_>>,
    ) -> Result<Vec<Applied>, StateError> {
        let write = |write: StateWrite<'_>| {
            let current = self.get(write.key);
            if current.as_deref() != write.expected {
                return Applied::Conflict(current);
            }
            self.values.insert(write.key.into(), Some(write.value.to_vec()));
            Applied::Done
        };
        Ok(writes.map(write).collect())
    }

    fn advance(&mut self, _artifact: u16, _newest_event_ms: i64) {}

    fn commit(&mut self) -> Result<(), StateError> {
        Ok(())
    }

    fn count(&self) -> Result<u64, StateError> {
        Ok(0)
    }

    fn describe(&self) -> String {
        "none; --schedule decides over these inputs alone".to_owned()
    }

    fn is_durable(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::executions::KeptSighting;
    use super::*;

    #[test]
    fn what_an_execution_kept_is_new_and_all_else_was_seen() {
        let kept =
            |key: &[u8], previous_ms| KeptSighting { event: (), key: key.into(), previous_ms };
        let kept = vec![kept(b"a", None), kept(b"b", Some(2))];
        let execution = ExecutionResult { from_ms: 5, end_ms: 9, kept, left: Vec::new() };
        let mut state = ExecutionState::of(&execution);
        let values = |state: &mut ExecutionState| {
            let keys = [&b"a"[..], b"b", b"c"];
            state.get_many(&mut keys.into_iter()).unwrap()
        };
        let value = |from, to| Some(TermState::seen(from, to).unwrap().write(""));
        assert_eq!(values(&mut state), [None, value(2, 2), value(5, 9)]);
        // Within the execution a term is new once.
        let write = |expected| StateWrite { key: b"a", expected, value: b"x", expires_ms: 0 };
        let applied = state.apply(&mut [write(None), write(None)].into_iter()).unwrap();
        assert_eq!(applied, [Applied::Done, Applied::Conflict(Some(b"x".to_vec()))]);
        assert_eq!(values(&mut state), [Some(b"x".to_vec()), value(2, 2), value(5, 9)]);
    }
}

//! Asks a store for rounds.
//!
//! In: rounds that need values or want writes to be made. Out: the same rounds, with the answers. All of them are
//! asked for at once: one look-up and one application of writes, whatever the number of rounds.

use crate::pipeline::text::RereadTexts;
use crate::state::{Applied, StateStore, StateWrite};
use anyhow::Context;
use firstseen_session::{CallError, Round, Rules, Step, WriteResult};

/// Gives a round what it asks for, until it is done.
///
/// # Errors
/// When the store failed. Inside, [`CallError`] where the rule failed and nothing was written.
pub fn run_round(
    round: &mut Round,
    rules: &mut dyn Rules,
    store: &mut dyn StateStore,
    texts: &RereadTexts,
    newest_ms: i64,
) -> anyhow::Result<Result<(), CallError>> {
    loop {
        match round.step(rules) {
            Ok(Step::Read | Step::Write) => {
                serve(std::slice::from_mut(round), store, newest_ms)?;
            }
            Ok(Step::Text) => super::part::fetch(round, texts),
            Ok(Step::Done) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// Makes the writes of rounds that want some, and gives values to those that need some. Their keys differ.
///
/// # Errors
/// When the store failed.
pub(super) fn serve(
    rounds: &mut [Round],
    store: &mut dyn StateStore,
    newest_ms: i64,
) -> anyhow::Result<()> {
    // Whose writes are beaten needs values too, and asks for them in a step of its own.
    let reads: Vec<usize> = rounds.iter().map(|round| round.keys_to_read().len()).collect();
    let writes: Vec<usize> = rounds.iter().map(|round| round.writes().len()).collect();
    if writes.iter().any(|count| *count > 0) {
        let all = rounds.iter().flat_map(Round::writes);
        let applied = store
            .apply(&mut all.map(|write| StateWrite {
                key: write.key,
                expected: write.expected,
                value: write.value,
                expires_ms: newest_ms.saturating_add(write.ttl_ms.max(0)),
            }))
            .context("the state was not written")?;
        let mut applied = applied.into_iter().map(|applied| match applied {
            Applied::Done => WriteResult::Done,
            Applied::Conflict(current) => WriteResult::Conflict(current),
        });
        for (round, count) in rounds.iter_mut().zip(writes).filter(|(_, count)| *count > 0) {
            round.written(applied.by_ref().take(count));
        }
    }
    if reads.iter().any(|count| *count > 0) {
        let reading = rounds.iter().zip(&reads).filter(|(_, count)| **count > 0);
        let values = store
            .get_many(&mut reading.flat_map(|(round, _)| round.keys_to_read()))
            .context("the state was not read")?;
        let mut values = values.into_iter().map(Ok);
        for (round, count) in rounds.iter_mut().zip(reads).filter(|(_, count)| *count > 0) {
            round.values(values.by_ref().take(count));
        }
    }
    Ok(())
}

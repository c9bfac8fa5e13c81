//! What a host does with the state of a term, besides deciding: it reads it whole, carries it over to
//! another window, approves, and joins what two states know.
//!
//! In: stored values (untrusted bytes), states. Out: states and values. A guest needs nothing of it.

use super::{ALERTS, Alerted, Approval, EPISODES, Episode, TermState, TermStateError};
use alloc::vec::Vec;

/// A stored value: the state of the term, and its readable text, which is cut where it was too long.
///
/// # Errors
/// [`TermStateError`] as for [`TermState::read`].
pub fn read_whole(value: &[u8]) -> Result<(TermState, &str), TermStateError> {
    let state = TermState::read(value)?;
    // Behind the episodes is the readable term.
    let term = value.get(state.write("").len()..).unwrap_or_default();
    Ok((state, core::str::from_utf8(term).unwrap_or_default()))
}

/// The value of a term for a rule of which the window alone changed: of its newest episode the first
/// and the last sighting where the window grew, the last alone where it shrank, as then there may be
/// gaps between them. Of its alerts nothing is known. An approval stays.
///
/// # Errors
/// [`TermStateError`] as for [`TermState::read`].
pub fn carried(value: &[u8], grows: bool) -> Result<Vec<u8>, TermStateError> {
    let (mut state, term) = read_whole(value)?;
    let Some(newest) = state.episodes.pop() else { return Ok(value.to_vec()) };
    let first_ms = if grows { newest.first_ms } else { newest.last_ms };
    state.episodes = Vec::from([Episode { first_ms, alerted: Vec::new(), ..newest }]);
    Ok(state.write(term))
}

impl TermState {
    /// A term of these episodes and this approval; `None` where no engine would write it.
    #[must_use]
    pub fn of(episodes: Vec<Episode>, approval: Option<Approval>) -> Option<Self> {
        let state = Self { episodes, approval };
        let is_good = Self::read(&state.write("")).is_ok_and(|read| read == state);
        is_good.then_some(state)
    }

    /// The approval.
    #[must_use]
    pub const fn approval(&self) -> Option<&Approval> {
        self.approval.as_ref()
    }

    /// Approves; another approval goes.
    pub fn approve(&mut self, approval: Approval) {
        self.approval = Some(approval);
    }

    /// Takes over what another state knows of the same term; whether anything changed. Episodes within a
    /// window of each other are one; of more than are kept, the newest stay. The later approval counts.
    /// The same state once more changes nothing.
    pub fn join(&mut self, other: &Self, window_ms: i64) -> bool {
        let before = self.clone();
        let of = |state: &Self, is_other| {
            let episodes = state.episodes.iter().cloned();
            episodes.map(move |episode| (is_other, episode)).collect::<Vec<_>>()
        };
        let mut all = of(self, false);
        all.extend(of(other, true));
        all.sort_by_key(|(_, episode)| episode.first_ms);
        // What this state and what the other says of the alerts of each episode.
        let mut joined: Vec<(Episode, Vec<Alerted>)> = Vec::new();
        for (is_other, mut episode) in all {
            let alerted = core::mem::take(&mut episode.alerted);
            let reached =
                joined.last_mut().filter(|(last, _)| last.reaches(episode.first_ms, window_ms));
            let (own, others) = match reached {
                Some((last, others)) => {
                    last.last_ms = last.last_ms.max(episode.last_ms);
                    (&mut last.alerted, others)
                }
                None => {
                    joined.push((episode, Vec::new()));
                    let Some((last, others)) = joined.last_mut() else { continue };
                    (&mut last.alerted, others)
                }
            };
            if is_other { others.extend(alerted) } else { own.extend(alerted) }
        }
        joined.drain(..joined.len().saturating_sub(EPISODES));
        self.episodes = joined
            .into_iter()
            .map(|(mut episode, others)| {
                // The other's last: so they stay where they are when the same comes again.
                episode.alerted.retain(|a| !others.iter().any(|b| b.identity == a.identity));
                episode.alerted.extend(others);
                episode.alerted.drain(..episode.alerted.len().saturating_sub(ALERTS));
                episode
            })
            .collect();
        let until = |approval: &Option<Approval>| approval.as_ref().map(|a| a.until_ms);
        if until(&other.approval) > until(&self.approval) {
            self.approval.clone_from(&other.approval);
        }
        *self != before
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    const W: i64 = 10;

    fn approval(until_ms: i64) -> Approval {
        Approval { until_ms, reason: String::from("ticket 7") }
    }

    /// A state that saw these times in this order.
    fn seen(times: &[(i64, u8)]) -> TermState {
        let mut state = TermState::default();
        for (time, id) in times {
            state.sight(*time, &[*id; 16], W);
        }
        state
    }

    #[test]
    fn an_approval_is_kept_by_a_value_and_is_no_sighting() {
        let mut state = TermState::default();
        state.approve(approval(100));
        let value = state.write("[\"t\"]");
        assert_eq!(value[0], 2);
        assert_eq!(read_whole(&value).unwrap(), (state.clone(), "[\"t\"]"));
        assert!(state.is_approved(99) && !state.is_approved(100));
        assert_eq!(state.judge(50, &[1; 16], W), Verdict::New { previous_ms: None });
        state.sight(50, &[1; 16], W);
        assert_eq!(TermState::read(&state.write("t")).unwrap(), state);
        for cut in 0..state.write("").len() {
            assert!(TermState::read(&state.write("")[..cut]).is_err(), "{cut}");
        }
        assert_eq!(carried(&value, true).unwrap(), value);
        let carried = carried(&state.write("t"), false).unwrap();
        assert_eq!(TermState::read(&carried).unwrap().approval(), Some(&approval(100)));
    }

    #[test]
    fn what_is_joined_is_what_either_knows() {
        let mut state = seen(&[(100, 1), (200, 2)]);
        assert!(state.join(&seen(&[(207, 3), (300, 4)]), W));
        let kept: Vec<_> = state.episodes().iter().map(|e| (e.first_ms, e.last_ms)).collect();
        assert_eq!(kept, [(200, 207), (300, 300)]);
        assert_eq!(state.judge(207, &[3; 16], W), Verdict::Repeat { previous_ms: None });
        let mut approved = TermState::default();
        approved.approve(approval(7));
        assert!(state.join(&approved, W) && state.is_approved(6));
        assert!(!state.join(&approved, W));
        assert_eq!(TermState::of(Vec::new(), None), None);
        assert_eq!(TermState::of(Vec::new(), Some(approval(7))), Some(approved));
    }

    proptest! {
        #[test]
        fn joining_again_changes_nothing_and_nothing_seen_is_lost(
            mine in prop::collection::vec((0i64..200, 0u8..6), 0..12),
            theirs in prop::collection::vec((0i64..200, 0u8..6), 0..12),
        ) {
            let (mine, theirs) = (seen(&mine), seen(&theirs));
            let mut joined = mine.clone();
            joined.join(&theirs, W);
            let mut again = joined.clone();
            prop_assert!(!again.join(&theirs, W), "{:?}", again);
            prop_assert!(!again.join(&joined.clone(), W));
            let episodes = joined.episodes();
            prop_assert!(episodes.windows(2).all(|e| e[1].first_ms - e[0].last_ms > W));
            // What either would call seen is not new, as far back as the joined state remembers.
            let from = episodes.first().map_or(i64::MAX, |e| e.first_ms - W);
            for time in (0..220).filter(|time| *time >= from) {
                for state in [&mine, &theirs] {
                    if state.judge(time, &[99; 16], W) == Verdict::Seen {
                        prop_assert_eq!(joined.judge(time, &[99; 16], W), Verdict::Seen);
                    }
                }
            }
            if !episodes.is_empty() {
                prop_assert_eq!(TermState::of(joined.episodes.clone(), None), Some(joined));
            }
        }
    }
}

//! The state of a term, and the verdict on one more sighting.
//!
//! In: the stored value (untrusted bytes), an event's time and identity, the window. Out: a
//! verdict and the new value. It never looks at an event, a query or a clock.
//!
//! An episode is a run of sightings with no gap over the window. The one or two newest are kept.
//!
//! ```text
//! value, at most 512 bytes               episode
//!  0 u8 version (1)                       0 i64 first   8 i64 last, milliseconds since 1970
//!  1 u8 number of episodes, 1 or 2       16 u8 number of alerts, at most 4
//!  2 episodes, oldest first              17 alerts: 16 bytes identity of the event,
//!    then the readable term (UTF-8,           i64 the sighting before it (minimum: none)
//!    cut to what fits)
//! ```

use alloc::vec;
use alloc::vec::Vec;
use firstseen_abi::{Cursor, MAX_VALUE, Malformed};
use thiserror::Error;

/// The layout that this code writes, and the newest that it reads.
const VERSION: u8 = 1;
/// Episodes kept of a term.
const EPISODES: usize = 2;
/// Alerts remembered of an episode: their events may come again.
const ALERTS: usize = 4;

/// Why a stored value cannot be used. It is not overwritten.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum TermStateError {
    /// A newer engine wrote it.
    #[error(
        "the state was written by a newer engine (layout {0}, this one knows {VERSION}): use the newer artifact everywhere, or give this one another state"
    )]
    Newer(u8),
    /// It is not what any engine writes.
    #[error("the state is damaged ({0})")]
    Damaged(Malformed),
}

/// An alert that an episode gave: its event, and the sighting before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alerted {
    /// Identity of the event.
    pub identity: [u8; 16],
    /// The sighting that the alert named as the one before it, milliseconds since 1970.
    pub previous_ms: Option<i64>,
}

/// A run of sightings with no gap over the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    /// Its earliest sighting, milliseconds since 1970.
    pub first_ms: i64,
    /// Its latest.
    pub last_ms: i64,
    /// The alerts it gave, at most four.
    pub alerted: Vec<Alerted>,
}

/// The state of a term: episodes, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TermState {
    episodes: Vec<Episode>,
}

/// What a sighting means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// New in the window.
    New {
        /// The latest sighting before it that is remembered.
        previous_ms: Option<i64>,
    },
    /// This event alerted before.
    Repeat {
        /// What its alert named as the sighting before.
        previous_ms: Option<i64>,
    },
    /// Within the window of a known sighting.
    Seen,
    /// Older than all that is remembered.
    LateBeyondMemory,
}

impl TermState {
    /// A term that was seen from `first_ms` to `last_ms` with no gap over the window, and of whose
    /// alerts nothing is known. `None` where the end is before the beginning.
    #[must_use]
    pub fn seen(first_ms: i64, last_ms: i64) -> Option<Self> {
        let episode = Episode { first_ms, last_ms, alerted: Vec::new() };
        (first_ms <= last_ms).then(|| Self { episodes: vec![episode] })
    }

    /// The episodes, oldest first.
    #[must_use]
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// [`TermStateError`] when it was written by a newer engine or is damaged.
    pub fn read(value: &[u8]) -> Result<Self, TermStateError> {
        let mut c = Cursor::new(value);
        match c.u8("version").map_err(TermStateError::Damaged)? {
            VERSION => Self::read_body(&mut c).map_err(TermStateError::Damaged),
            newer => Err(TermStateError::Newer(newer)),
        }
    }

    #[inline]
    fn read_body(c: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let count = usize::from(c.u8("episodes")?);
        if count == 0 || count > EPISODES {
            return Err(c.malformed("number of episodes"));
        }
        let mut episodes: Vec<Episode> = Vec::with_capacity(count);
        for _ in 0..count {
            let (first_ms, last_ms) = (c.i64("first sighting")?, c.i64("last sighting")?);
            let after = episodes.last().is_none_or(|e| e.last_ms < first_ms);
            let alerts = usize::from(c.u8("alerts")?);
            if first_ms > last_ms || !after || alerts > ALERTS {
                return Err(c.malformed("episode"));
            }
            let mut alerted = Vec::with_capacity(alerts);
            for _ in 0..alerts {
                let identity = c.sixteen("identity")?;
                let previous = c.i64("sighting before")?;
                let previous_ms = (previous != i64::MIN).then_some(previous);
                alerted.push(Alerted { identity, previous_ms });
            }
            episodes.push(Episode { first_ms, last_ms, alerted });
        }
        Ok(Self { episodes })
    }

    /// The value to store; `term` is kept for the reader and cut to what fits.
    #[must_use]
    pub fn write(&self, term: &str) -> Vec<u8> {
        let mut out = vec![VERSION, u8::try_from(self.episodes.len()).unwrap_or(0)];
        for episode in &self.episodes {
            out.extend_from_slice(&episode.first_ms.to_le_bytes());
            out.extend_from_slice(&episode.last_ms.to_le_bytes());
            out.push(u8::try_from(episode.alerted.len()).unwrap_or(0));
            for alert in &episode.alerted {
                out.extend_from_slice(&alert.identity);
                out.extend_from_slice(&alert.previous_ms.unwrap_or(i64::MIN).to_le_bytes());
            }
        }
        let room = MAX_VALUE.saturating_sub(out.len());
        let mut cut = term.len().min(room);
        while !term.is_char_boundary(cut) {
            cut = cut.saturating_sub(1);
        }
        out.extend_from_slice(term.get(..cut).unwrap_or_default().as_bytes());
        out
    }

    /// Judges one more sighting and records it: [`judge`](Self::judge) and [`take`](Self::take) in
    /// one.
    pub fn sight(&mut self, time_ms: i64, identity: &[u8; 16], window_ms: i64) -> Verdict {
        let verdict = self.judge(time_ms, identity, window_ms);
        self.take(time_ms, identity, window_ms, verdict);
        verdict
    }

    /// What a sighting means. Both ends of the window count: exactly one window ago is still seen.
    #[must_use]
    #[inline]
    pub fn judge(&self, time_ms: i64, identity: &[u8; 16], window_ms: i64) -> Verdict {
        let mut alerts = self.episodes.iter().flat_map(|e| &e.alerted);
        if let Some(alert) = alerts.find(|a| a.identity == *identity) {
            return Verdict::Repeat { previous_ms: alert.previous_ms };
        }
        if self.episodes.iter().any(|e| e.reaches(time_ms, window_ms)) {
            return Verdict::Seen;
        }
        if self.episodes.len() >= EPISODES && self.episodes.iter().all(|e| time_ms < e.first_ms) {
            return Verdict::LateBeyondMemory;
        }
        // A sighting that a store may have forgotten is not named: an alert is the same whether its
        // value was still there or not.
        let kept = time_to_live_ms(window_ms);
        let named = |last: &i64| *last < time_ms && time_ms.saturating_sub(*last) < kept;
        let previous_ms = self.episodes.iter().map(|e| e.last_ms).filter(named).max();
        Verdict::New { previous_ms }
    }

    /// Records a sighting with its `verdict`; returns whether anything changed. Repeats and late
    /// sightings change nothing.
    #[inline]
    pub fn take(
        &mut self,
        time_ms: i64,
        identity: &[u8; 16],
        window_ms: i64,
        verdict: Verdict,
    ) -> bool {
        match verdict {
            Verdict::Repeat { .. } | Verdict::LateBeyondMemory => false,
            Verdict::Seen => self.merge(time_ms, window_ms),
            Verdict::New { previous_ms } => {
                let at = self.episodes.partition_point(|e| e.first_ms < time_ms);
                let alerted = vec![Alerted { identity: *identity, previous_ms }];
                let new = Episode { first_ms: time_ms, last_ms: time_ms, alerted };
                self.episodes.insert(at, new);
                if self.episodes.len() > EPISODES {
                    self.episodes.remove(0);
                }
                true
            }
        }
    }

    /// Forgets that this event alerted: it was learned, and must not repeat an alert.
    pub fn unalert(&mut self, identity: &[u8; 16]) {
        for episode in &mut self.episodes {
            episode.alerted.retain(|a| a.identity != *identity);
        }
    }

    /// Joins the episodes whose window holds the time; whether anything changed.
    #[inline]
    fn merge(&mut self, time_ms: i64, window_ms: i64) -> bool {
        let mut reached = self.episodes.iter_mut().filter(|e| e.reaches(time_ms, window_ms));
        let Some(first) = reached.next() else { return false };
        let before = (first.first_ms, first.last_ms);
        first.first_ms = before.0.min(time_ms);
        first.last_ms = before.1.max(time_ms);
        let Some(second) = reached.next() else { return before != (first.first_ms, first.last_ms) };
        first.last_ms = first.last_ms.max(second.last_ms);
        first.alerted.append(&mut second.alerted);
        let beyond = first.alerted.len().saturating_sub(ALERTS);
        first.alerted.drain(..beyond);
        self.episodes.truncate(1);
        true
    }
}

impl Episode {
    /// Whether a sighting at this time belongs to it.
    const fn reaches(&self, time_ms: i64, window_ms: i64) -> bool {
        time_ms >= self.first_ms.saturating_sub(window_ms)
            && time_ms <= self.last_ms.saturating_add(window_ms)
    }
}

/// The value of a term for a rule of which the window alone changed: of its newest episode the first
/// and the last sighting where the window grew, the last alone where it shrank, as then there may be
/// gaps between them. Of its alerts nothing is known.
///
/// # Errors
/// [`TermStateError`] as for [`TermState::read`].
pub fn carried(value: &[u8], grows: bool) -> Result<Vec<u8>, TermStateError> {
    let state = TermState::read(value)?;
    let Some(newest) = state.episodes.last() else { return Ok(value.to_vec()) };
    let first_ms = if grows { newest.first_ms } else { newest.last_ms };
    let episode = Episode { first_ms, last_ms: newest.last_ms, alerted: Vec::new() };
    // Behind the episodes is the readable term.
    let term = value.get(state.write("").len()..).unwrap_or_default();
    let term = core::str::from_utf8(term).unwrap_or_default();
    Ok(TermState { episodes: vec![episode] }.write(term))
}

/// How long a store must keep a value: twice the window and a week.
#[must_use]
pub const fn time_to_live_ms(window_ms: i64) -> i64 {
    window_ms.saturating_mul(2).saturating_add(7 * crate::window::DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const W: i64 = 10;

    fn id(n: u8) -> [u8; 16] {
        [n; 16]
    }

    #[test]
    fn exactly_one_window_ago_is_still_seen() {
        let mut s = TermState::default();
        assert_eq!(s.sight(100, &id(1), W), Verdict::New { previous_ms: None });
        assert_eq!(s.sight(110, &id(2), W), Verdict::Seen);
        assert_eq!(s.sight(121, &id(3), W), Verdict::New { previous_ms: Some(110) });
        assert_eq!(s.episodes().len(), 2);
    }

    #[test]
    fn a_seen_term_is_known_without_alerts() {
        let mut s = TermState::seen(80, 100).unwrap();
        assert_eq!(TermState::read(&s.write("t")).unwrap(), s);
        assert_eq!(s.sight(70, &id(1), W), Verdict::Seen);
        assert_eq!(s.sight(111, &id(2), W), Verdict::New { previous_ms: Some(100) });
        assert_eq!(TermState::seen(101, 100), None);
    }

    #[test]
    fn what_is_carried_over_is_the_newest_episode_without_its_alerts() {
        let mut s = TermState::default();
        for time in [100, 200, 205] {
            s.sight(time, &id(1 + time as u8), W);
        }
        let value = s.write("[\"t\"]");
        for (grows, first_ms) in [(true, 200), (false, 205)] {
            let carried = carried(&value, grows).unwrap();
            assert_eq!(TermState::read(&carried).unwrap(), TermState::seen(first_ms, 205).unwrap());
            assert!(carried.ends_with(b"\0[\"t\"]"), "the term stays readable");
        }
        assert_eq!(carried(&[9, 1], true), Err(TermStateError::Newer(9)));
    }

    #[test]
    fn the_same_event_repeats_the_same_alert() {
        let mut s = TermState::default();
        s.sight(100, &id(1), W);
        s.sight(150, &id(2), W);
        let before = s.clone();
        assert_eq!(s.sight(150, &id(2), W), Verdict::Repeat { previous_ms: Some(100) });
        assert_eq!(s.sight(100, &id(1), W), Verdict::Repeat { previous_ms: None });
        assert_eq!(s, before);
    }

    #[test]
    fn older_than_both_is_late_and_between_them_is_new() {
        let mut s = TermState::default();
        s.sight(100, &id(1), W);
        s.sight(200, &id(2), W);
        let before = s.clone();
        assert_eq!(s.sight(50, &id(3), W), Verdict::LateBeyondMemory);
        assert_eq!(s, before);
        assert_eq!(s.sight(150, &id(4), W), Verdict::New { previous_ms: Some(100) });
        let kept: Vec<_> = s.episodes().iter().map(|e| e.first_ms).collect();
        assert_eq!(kept, [150, 200]);
    }

    #[test]
    fn a_sighting_that_a_store_may_have_forgotten_is_not_named() {
        let ttl = time_to_live_ms(W);
        for (after, previous_ms) in [(ttl - 1, Some(100)), (ttl, None)] {
            let mut s = TermState::default();
            s.sight(100, &id(1), W);
            assert_eq!(s.sight(100 + after, &id(2), W), Verdict::New { previous_ms });
        }
    }

    #[test]
    fn a_late_event_joins_two_episodes() {
        let mut s = TermState::default();
        s.sight(100, &id(1), W);
        s.sight(115, &id(2), W);
        assert_eq!(s.sight(107, &id(3), W), Verdict::Seen);
        assert_eq!(s.episodes().len(), 1);
        assert_eq!((s.episodes()[0].first_ms, s.episodes()[0].last_ms), (100, 115));
        assert_eq!(s.episodes()[0].alerted.len(), 2);
        assert_eq!(s.sight(115, &id(2), W), Verdict::Repeat { previous_ms: Some(100) });
    }

    #[test]
    fn a_value_fits_whatever_the_term() {
        let mut s = TermState::default();
        for n in 0..40u8 {
            s.sight(i64::from(n) * 11, &id(n), W);
            s.sight(i64::from(n) * 11 - 5, &id(n + 100), W);
        }
        let value = s.write(&"ö".repeat(1000));
        assert!(value.len() <= MAX_VALUE);
        assert_eq!(TermState::read(&value).unwrap(), s);
    }

    #[test]
    fn a_newer_or_damaged_value_is_an_error() {
        let mut s = TermState::default();
        s.sight(1, &id(1), W);
        let good = s.write("");
        for cut in 0..good.len() {
            assert!(TermState::read(&good[..cut]).is_err(), "{cut}");
        }
        let mut newer = good.clone();
        newer[0] = 2;
        assert_eq!(TermState::read(&newer), Err(TermStateError::Newer(2)));
    }

    /// The batch meaning: a time alerts when the sighting before it is over a window ago.
    fn batch(times: &[i64]) -> BTreeSet<i64> {
        let sorted: BTreeSet<i64> = times.iter().copied().collect();
        let mut last = None;
        sorted
            .into_iter()
            .filter(|t| {
                let new = last.is_none_or(|l| *t - l > W);
                last = Some(*t);
                new
            })
            .collect()
    }

    proptest! {
        #[test]
        fn in_order_it_is_exactly_the_batch_meaning(mut times in prop::collection::vec(0i64..400, 1..60)) {
            times.sort_unstable();
            let mut s = TermState::default();
            let mut alerts = BTreeSet::new();
            for (n, t) in times.iter().enumerate() {
                s = TermState::read(&{ let mut x = s.clone(); if let Verdict::New { .. } = x.sight(*t, &id(n as u8), W) { alerts.insert(*t); } x.write("t") }).unwrap();
            }
            prop_assert_eq!(alerts, batch(&times));
        }

        #[test]
        fn out_of_order_each_true_episode_alerts_at_least_once(times in prop::collection::vec(0i64..200, 1..40), late in prop::collection::vec(0i64..W, 40)) {
            // Events late by less than the window: order of arrival is time plus lateness.
            let mut arrivals: Vec<(i64, i64, u8)> = times.iter().zip(&late).enumerate()
                .map(|(n, (t, l))| (t + l, *t, n as u8)).collect();
            arrivals.sort_unstable();
            let mut s = TermState::default();
            let mut alerted = Vec::new();
            for (_, t, n) in &arrivals {
                if let Verdict::New { .. } = s.sight(*t, &id(*n), W) { alerted.push(*t); }
                prop_assert!(s.episodes().len() <= EPISODES);
                prop_assert!(s.episodes().windows(2).all(|e| e[1].first_ms - e[0].last_ms > W));
            }
            let starts: Vec<i64> = batch(&times).into_iter().collect();
            for (n, start) in starts.iter().enumerate() {
                let end = starts.get(n + 1).copied().unwrap_or(i64::MAX);
                prop_assert!(alerted.iter().any(|a| a >= start && *a < end), "{start}: {alerted:?}");
            }
        }
    }
}

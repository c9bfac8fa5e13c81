//! The state of a term, and the verdict on one more sighting.
//!
//! In: the stored value (untrusted bytes), an event's time and identity, the window. Out: a
//! verdict and the new value. It never looks at an event, a query or a clock.
//!
//! An episode is a run of sightings with no gap over the window. The one or two newest are kept. A
//! term that a person approved has an approval too, and needs no episode: its value is of version 2,
//! which an engine that knows version 1 alone refuses and leaves as it is.
//!
//! ```text
//! value, at most 512 bytes               episode
//!  0 u8 version, 1 or 2                   0 i64 first   8 i64 last, milliseconds since 1970
//!  1 u8 number of episodes, at most 2    16 u8 number of alerts, at most 4
//!  2 version 2: the approval             17 alerts: 16 bytes identity of the event,
//!    episodes, oldest first                   i64 the sighting before it (minimum: none)
//!    then the readable term (UTF-8,      approval
//!    cut to what fits)                    0 i64 until   8 u8 length of the reason   9 reason
//! ```

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use firstseen_abi::{Cursor, MAX_VALUE, Malformed};
use thiserror::Error;

mod known;
pub use known::{carried, read_whole};

/// The layout of a value without an approval.
const VERSION: u8 = 1;
/// The layout of a value with one, and the newest that is read.
const APPROVED: u8 = 2;
/// The longest reason of an approval, in bytes.
pub const MAX_REASON: usize = 120;
/// Episodes kept of a term.
const EPISODES: usize = 2;
/// Alerts remembered of an episode: their events may come again.
const ALERTS: usize = 4;

/// Why a stored value cannot be used. It is not overwritten.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum TermStateError {
    /// A newer engine wrote it.
    #[error(
        "the state was written by a newer engine (layout {0}, this one knows {APPROVED}): use the newer artifact everywhere, or give this one another state"
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

/// A person's word that a term is known, up to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Events before this time do not alert, milliseconds since 1970.
    pub until_ms: i64,
    /// Why; at most [`MAX_REASON`] bytes.
    pub reason: String,
}

/// Whether a stored value has an approval, as its version tells.
#[must_use]
pub fn has_approval(value: &[u8]) -> bool {
    value.first() == Some(&APPROVED)
}

/// The state of a term: episodes, oldest first, and perhaps an approval.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TermState {
    episodes: Vec<Episode>,
    approval: Option<Approval>,
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
        (first_ms <= last_ms).then(|| Self { episodes: vec![episode], approval: None })
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
            version @ (VERSION | APPROVED) => {
                Self::read_body(&mut c, version == APPROVED).map_err(TermStateError::Damaged)
            }
            newer => Err(TermStateError::Newer(newer)),
        }
    }

    #[inline]
    fn read_body(c: &mut Cursor<'_>, is_approved: bool) -> Result<Self, Malformed> {
        let count = usize::from(c.u8("episodes")?);
        if (count == 0 && !is_approved) || count > EPISODES {
            return Err(c.malformed("number of episodes"));
        }
        let mut approval = None;
        if is_approved {
            let until_ms = c.i64("end of the approval")?;
            let length = usize::from(c.u8("reason")?);
            if length > MAX_REASON {
                return Err(c.malformed("reason"));
            }
            let reason = c.text(length, "reason")?.to_owned();
            approval = Some(Approval { until_ms, reason });
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
        Ok(Self { episodes, approval })
    }

    /// The value to store; `term` is kept for the reader and cut to what fits.
    #[must_use]
    pub fn write(&self, term: &str) -> Vec<u8> {
        let version = if self.approval.is_some() { APPROVED } else { VERSION };
        // Room for all but rare states: growing byte by byte costs more than writing.
        let mut out = Vec::with_capacity(term.len().saturating_add(64).min(MAX_VALUE));
        out.extend_from_slice(&[version, u8::try_from(self.episodes.len()).unwrap_or(0)]);
        if let Some(Approval { until_ms, reason }) = &self.approval {
            out.extend_from_slice(&until_ms.to_le_bytes());
            let reason = cut(reason, MAX_REASON).as_bytes();
            out.push(u8::try_from(reason.len()).unwrap_or(0));
            out.extend_from_slice(reason);
        }
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
        out.extend_from_slice(cut(term, room).as_bytes());
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

    /// Whether an event of this time is approved.
    #[must_use]
    pub fn is_approved(&self, time_ms: i64) -> bool {
        self.approval.as_ref().is_some_and(|approval| time_ms < approval.until_ms)
    }

    /// How long after this time an approval ends; 0 where there is none.
    #[must_use]
    pub fn approved_for_ms(&self, time_ms: i64) -> i64 {
        self.approval.as_ref().map_or(0, |approval| approval.until_ms.saturating_sub(time_ms))
    }

    /// How many events a start of learning has counted; they are kept where a term has its first alert.
    pub(crate) fn counted(&self) -> i64 {
        let alert = self.episodes.first().and_then(|episode| episode.alerted.first());
        alert.and_then(|alert| alert.previous_ms).unwrap_or(0)
    }

    /// Counts one more event of a start, up to so many; whether it did.
    pub(crate) fn count(&mut self, most: i64) -> bool {
        let counted = self.counted();
        counted < most && self.set_counted(counted.saturating_add(1))
    }

    /// Sets the count of a start, if it has begun.
    pub(crate) fn set_counted(&mut self, events: i64) -> bool {
        let Some(start) = self.episodes.first_mut() else { return false };
        start.alerted = vec![Alerted { identity: [0; 16], previous_ms: Some(events) }];
        true
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

/// The longest beginning of the text that has at most so many bytes.
fn cut(text: &str, room: usize) -> &str {
    let mut end = text.len().min(room);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

impl Episode {
    /// Whether a sighting at this time belongs to it.
    const fn reaches(&self, time_ms: i64, window_ms: i64) -> bool {
        time_ms >= self.first_ms.saturating_sub(window_ms)
            && time_ms <= self.last_ms.saturating_add(window_ms)
    }
}

/// How long a store must keep a value: twice the window and a week.
#[must_use]
pub const fn time_to_live_ms(window_ms: i64) -> i64 {
    window_ms.saturating_mul(2).saturating_add(7 * crate::window::DAY_MS)
}

#[cfg(test)]
mod tests;

//! When a rule began to learn, as a state keeps it.
//!
//! In: a rule's prefix of keys, a stored value (untrusted bytes). Out: the key, the time. The value has the
//! layout of a term's: one episode from the first event that was read to the last that `firstseen learn`
//! read, and in the place of an alert how many events were counted. A start is kept for good: it is made
//! where there is none, and never moved; the count only grows. It calls no store.

use crate::state::{TermState, TermStateError};
use crate::term::{Term, TermField};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_event::EventFields;
use firstseen_value::push_hex;

/// What the key has where the key of a term has its hash.
pub const LEARN: &str = "learn";
/// Digits of the hash of a value, where the start is that of one value.
const HASH: usize = 32;
/// How long a store must keep it: a hundred years. Without it a rule would learn anew.
pub const LEARN_TTL_MS: i64 = 36_525 * crate::window::DAY_MS;

/// What a rule does to learn: for a time, from so many events, or until both are over.
#[derive(Debug)]
pub(crate) struct LearnPlan {
    /// How long it learns from its start on; 0: no time.
    pub(crate) for_ms: i64,
    /// From how many events it learns; 0: none.
    pub(crate) events: i64,
    /// The field of which each value has a start of its own.
    pub(crate) by: Option<TermField>,
}

impl LearnPlan {
    /// The key of the start that holds for an event, and what is shown of it. An event without the field
    /// has the start of the rule; of several values the first counts.
    pub(crate) fn start(&self, prefix: &str, fields: &EventFields<'_>) -> (String, String) {
        let value = self.by.and_then(|by| Some((by, fields.values(by.ask).next()?)));
        let Some((by, value)) = value else { return (learn_key(prefix), LEARN.to_owned()) };
        let term = Term::of_values([(by.kind, &*value.into_text())]);
        (learn_key_of(prefix, &term.hash), format!("{LEARN} {}", term.json))
    }

    /// Until when an event of this time is learned, given the state of its start, which is made where there
    /// is none; and whether it was. Before `since_ms` nothing starts: such an event is learned, and the next
    /// may be the first.
    pub(crate) fn until_ms(
        &self,
        state: &mut TermState,
        time_ms: i64,
        since_ms: Option<i64>,
    ) -> (i64, bool) {
        let first = state.episodes().first().map(|first| first.first_ms);
        if first.is_none() && since_ms.is_some_and(|since| time_ms < since) {
            return (i64::MAX, false);
        }
        if first.is_none() {
            *state = TermState::seen(time_ms, time_ms).unwrap_or_default();
        }
        let until_ms = match self.for_ms {
            _ if state.counted() < self.events => i64::MAX,
            0 => i64::MIN,
            for_ms => first.unwrap_or(time_ms).saturating_add(for_ms),
        };
        (until_ms, first.is_none())
    }
}

/// From when to when a rule learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnedSpan {
    /// The first event that was read in the state's life, milliseconds since 1970. It never changes.
    pub first_ms: i64,
    /// The last that `firstseen learn` read; `first_ms` where it never ran.
    pub last_ms: i64,
    /// How many events were counted, where a rule learns from a number of them.
    pub events: i64,
}

/// The key of a rule with this prefix: `TENANT:RULE_ID:FINGERPRINT:`.
#[must_use]
pub fn learn_key(prefix: &str) -> String {
    format!("{prefix}{LEARN}")
}

/// The key of one value of the field by which a rule with this prefix learns.
#[must_use]
pub fn learn_key_of(prefix: &str, hash: &[u8; 16]) -> String {
    let mut key = learn_key(prefix);
    key.push(':');
    push_hex(&mut key, hash);
    key
}

/// Whether a key is such a key, of a rule or of one value, and not that of a term.
#[must_use]
pub fn is_learn_key(key: &[u8]) -> bool {
    let of_value = key.split_at_checked(key.len().saturating_sub(HASH));
    let is_hash = |hash: &&[u8]| hash.iter().all(u8::is_ascii_hexdigit);
    let of_value = of_value.filter(|(_, hash)| is_hash(hash));
    let key = of_value.and_then(|(key, _)| key.strip_suffix(b":")).unwrap_or(key);
    key.strip_suffix(LEARN.as_bytes()).is_some_and(|prefix| prefix.ends_with(b":"))
}

impl LearnedSpan {
    /// Reads a stored value.
    ///
    /// # Errors
    /// [`TermStateError`] when it was written by a newer engine or is damaged.
    pub fn read(value: &[u8]) -> Result<Option<Self>, TermStateError> {
        let state = TermState::read(value)?;
        // Joined states may have two.
        let ends = state.episodes().first().zip(state.episodes().last());
        let events = state.counted();
        Ok(ends.map(|(first, last)| Self {
            first_ms: first.first_ms,
            last_ms: last.last_ms,
            events,
        }))
    }

    /// The value to store; `shown` is kept for the reader.
    #[must_use]
    pub fn write(&self, shown: &str) -> Vec<u8> {
        let last_ms = self.last_ms.max(self.first_ms);
        let mut state = TermState::seen(self.first_ms, last_ms).unwrap_or_default();
        if self.events > 0 {
            state.set_counted(self.events);
        }
        state.write(shown)
    }

    /// What two states know of a start: the earlier beginning, the later end, the larger count.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self {
            first_ms: self.first_ms.min(other.first_ms),
            last_ms: self.last_ms.max(other.last_ms),
            events: self.events.max(other.events),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_made_once_and_nothing_starts_before_its_time() {
        let learn = LearnPlan { for_ms: 10, events: 0, by: None };
        let mut state = TermState::default();
        assert_eq!(learn.until_ms(&mut state, 4, Some(5)), (i64::MAX, false));
        assert_eq!(learn.until_ms(&mut state, 5, Some(5)), (15, true));
        for time_ms in [1, 9, 40] {
            assert_eq!(learn.until_ms(&mut state, time_ms, Some(50)), (15, false));
        }
    }

    #[test]
    fn events_are_counted_up_to_their_number_and_a_time_is_over_with_them() {
        let learn = |for_ms, events| LearnPlan { for_ms, events, by: None };
        let mut state = TermState::default();
        assert!(!state.count(2), "nothing has begun");
        assert_eq!(learn(0, 2).until_ms(&mut state, 4, None), (i64::MAX, true));
        assert!(state.count(2));
        assert_eq!(learn(10, 2).until_ms(&mut state, 99, None), (i64::MAX, false));
        assert!(state.count(2) && !state.count(2));
        assert_eq!(learn(0, 2).until_ms(&mut state, 1, None), (i64::MIN, false));
        assert_eq!(learn(10, 2).until_ms(&mut state, 5, None), (14, false));
        let span = LearnedSpan::read(&state.write("learn")).unwrap().unwrap();
        assert_eq!(span, LearnedSpan { first_ms: 4, last_ms: 4, events: 2 });
        assert_eq!(LearnedSpan::read(&span.write(LEARN)), Ok(Some(span)));
        let other = LearnedSpan { first_ms: 5, last_ms: 9, events: 1 };
        let joined = LearnedSpan { first_ms: 4, last_ms: 9, events: 2 };
        assert_eq!((span.joined(other), other.joined(span)), (joined, joined));
    }

    #[test]
    fn a_start_is_read_back_and_its_key_is_no_terms_key() {
        let span = LearnedSpan { first_ms: 5, last_ms: 9, events: 0 };
        assert_eq!(LearnedSpan::read(&span.write(LEARN)), Ok(Some(span)));
        let turned = LearnedSpan { first_ms: 5, last_ms: 1, events: 0 };
        assert_eq!(LearnedSpan::read(&turned.write(LEARN)).unwrap().unwrap().last_ms, 5);
        assert!(LearnedSpan::read(&[9]).is_err() && LearnedSpan::read(&[]).is_err());
        assert!(is_learn_key(learn_key("default:r:00:").as_bytes()));
        assert!(is_learn_key(learn_key_of("default:r:00:", &[1; 16]).as_bytes()));
        assert!(!is_learn_key(b"default:learn:00:01a4803e374b93c0e8bec9c1065db203"));
        assert!(!is_learn_key(b"default:r:00:01a4803e374b93c0e8bec9c1065db203"));
        assert!(!is_learn_key(b"learn") && !is_learn_key(b"unlearn"));
    }
}

//! When a rule began to learn, as a state keeps it.
//!
//! In: a rule's prefix of keys, a stored value (untrusted bytes). Out: the key, the time. The value has the
//! layout of a term's: one episode from the first event that was read to the last that `firstseen learn`
//! read. A start is kept for good: it is made where there is none, and never moved. It calls no store.

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

/// What a rule does to learn by time.
#[derive(Debug)]
pub(crate) struct LearnPlan {
    /// How long it learns from its start on.
    pub(crate) for_ms: i64,
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
    /// is none. Before `since_ms` nothing starts: such an event is learned, and the next may be the first.
    pub(crate) fn until_ms(
        &self,
        state: &mut TermState,
        time_ms: i64,
        since_ms: Option<i64>,
    ) -> (i64, bool) {
        let after = |first_ms: i64| first_ms.saturating_add(self.for_ms);
        if let Some(first) = state.episodes().first() {
            return (after(first.first_ms), false);
        }
        if since_ms.is_some_and(|since| time_ms < since) {
            return (i64::MAX, false);
        }
        *state = TermState::seen(time_ms, time_ms).unwrap_or_default();
        (after(time_ms), true)
    }
}

/// From when to when a rule learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnedSpan {
    /// The first event that was read in the state's life, milliseconds since 1970. It never changes.
    pub first_ms: i64,
    /// The last that `firstseen learn` read; `first_ms` where it never ran.
    pub last_ms: i64,
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
        Ok(ends.map(|(first, last)| Self { first_ms: first.first_ms, last_ms: last.last_ms }))
    }

    /// The value to store.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let last_ms = self.last_ms.max(self.first_ms);
        TermState::seen(self.first_ms, last_ms).unwrap_or_default().write(LEARN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_made_once_and_nothing_starts_before_its_time() {
        let learn = LearnPlan { for_ms: 10, by: None };
        let mut state = TermState::default();
        assert_eq!(learn.until_ms(&mut state, 4, Some(5)), (i64::MAX, false));
        assert_eq!(learn.until_ms(&mut state, 5, Some(5)), (15, true));
        for time_ms in [1, 9, 40] {
            assert_eq!(learn.until_ms(&mut state, time_ms, Some(50)), (15, false));
        }
    }

    #[test]
    fn a_start_is_read_back_and_its_key_is_no_terms_key() {
        let span = LearnedSpan { first_ms: 5, last_ms: 9 };
        assert_eq!(LearnedSpan::read(&span.write()), Ok(Some(span)));
        let turned = LearnedSpan { first_ms: 5, last_ms: 1 };
        assert_eq!(LearnedSpan::read(&turned.write()).unwrap().unwrap().last_ms, 5);
        assert!(LearnedSpan::read(&[9]).is_err() && LearnedSpan::read(&[]).is_err());
        assert!(is_learn_key(learn_key("default:r:00:").as_bytes()));
        assert!(is_learn_key(learn_key_of("default:r:00:", &[1; 16]).as_bytes()));
        assert!(!is_learn_key(b"default:learn:00:01a4803e374b93c0e8bec9c1065db203"));
        assert!(!is_learn_key(b"default:r:00:01a4803e374b93c0e8bec9c1065db203"));
        assert!(!is_learn_key(b"learn") && !is_learn_key(b"unlearn"));
    }
}

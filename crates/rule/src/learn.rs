//! When a rule began to learn, as a state keeps it.
//!
//! In: a rule's prefix of keys, a stored value (untrusted bytes). Out: the key, the time. The value has the
//! layout of a term's: one episode from the first event that was read to the last that `firstseen learn`
//! read. It never decides whether a term is learned.

use crate::state::{TermState, TermStateError};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What the key has where the key of a term has its hash.
pub const LEARN: &str = "learn";
/// How long a store must keep it: a hundred years. Without it a rule would learn anew.
pub const LEARN_TTL_MS: i64 = 36_525 * crate::window::DAY_MS;

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

/// Whether a key is such a key, and not that of a term.
#[must_use]
pub fn is_learn_key(key: &[u8]) -> bool {
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
    fn a_start_is_read_back_and_its_key_is_no_terms_key() {
        let span = LearnedSpan { first_ms: 5, last_ms: 9 };
        assert_eq!(LearnedSpan::read(&span.write()), Ok(Some(span)));
        let turned = LearnedSpan { first_ms: 5, last_ms: 1 };
        assert_eq!(LearnedSpan::read(&turned.write()).unwrap().unwrap().last_ms, 5);
        assert!(LearnedSpan::read(&[9]).is_err() && LearnedSpan::read(&[]).is_err());
        assert!(is_learn_key(learn_key("default:r:00:").as_bytes()));
        assert!(!is_learn_key(b"default:r:00:01a4803e374b93c0e8bec9c1065db203"));
        assert!(!is_learn_key(b"learn") && !is_learn_key(b"unlearn"));
    }
}

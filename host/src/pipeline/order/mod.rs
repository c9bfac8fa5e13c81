//! Matches put in order of time before the state is asked.
//!
//! In: matches in any order. Out: the same matches in order of (time, identity, rule), and where those are equal
//! of their places, in bounded memory: [`Sorter`] for inputs that end, [`Hold`] for streams, whose places are the
//! order of arrival. Neither looks into an event, and neither drops one.

mod hold;
mod run;
mod sorter;

pub use hold::Hold;
pub use run::MatchText;
pub use sorter::{DEFAULT_BUDGET, Sorted, Sorter};

use super::Clock;
use firstseen_session::{Match, RuleRef};
use std::time::Duration;

/// Where matches wait for their turn.
pub enum Order {
    /// All of them, until every input is over.
    Sorted(Sorter),
    /// As long as something older may come.
    Held(Hold),
}

impl Order {
    pub(super) fn ready(&mut self) -> Option<Match> {
        if let Self::Held(hold) = self { hold.ready() } else { None }
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Held(_))
    }

    /// The sorter; an empty one of a stream.
    pub(super) fn into_sorter(self) -> Sorter {
        if let Self::Sorted(sorter) = self { sorter } else { Sorter::new(0) }
    }

    /// How long the next block may be waited for, so that nothing is held for longer than the hold.
    pub(super) fn due_in(&mut self, clock: &dyn Clock) -> Option<Duration> {
        self.tick(clock);
        if let Self::Held(hold) = self { hold.due_in() } else { None }
    }

    pub(super) fn tick(&mut self, clock: &dyn Clock) {
        if let Self::Held(hold) = self
            && hold.waits()
        {
            hold.tick(clock.now_ms());
        }
    }
}

/// What matches are ordered by, besides their places. An identity compares as the number it is in
/// big-endian order, which is the order of its bytes.
type OrderKey = (i64, u128, RuleRef);

fn order_key(m: &Match) -> OrderKey {
    (m.time_ms, u128::from_be_bytes(m.identity), m.rule)
}

/// The bytes that a match takes while it waits.
pub(super) fn held_bytes(m: &Match) -> usize {
    size_of::<Match>() + m.item.len() + m.text.held()
}

#[cfg(test)]
pub(crate) fn test_match(time_ms: i64, mark: u8, text: usize) -> Match {
    Match {
        rule: RuleRef::default(),
        time_ms,
        identity: [mark; 16],
        at: firstseen_session::EventAt { input: 0, offset: 7, line: u64::from(mark), record: None },
        item: vec![mark],
        text: firstseen_session::EventText::Carried(vec![0; text]),
    }
}

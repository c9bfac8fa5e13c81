//! The hold of a stream: a match waits until nothing older can be expected.
//!
//! In: matches as they arrive, and what a clock says. Out: matches in order, as soon as the newest time
//! seen is `hold_ms` later than theirs, or they have waited for `hold_ms` by the clock: a quiet stream
//! holds nothing back for longer. It asks no clock itself.
use super::{OrderKey, held_bytes, order_key};
use firstseen_session::{Match, RuleRef};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Holds matches back for a while, in bounded memory.
#[derive(Debug)]
pub struct Hold {
    hold_ms: i64,
    budget: usize,
    waiting: BTreeMap<(OrderKey, u64), Match>,
    bytes: usize,
    newest_ms: i64,
    arrived: u64,
    forced: u64,
    /// What was waited for so far, and when, as the clock last said it; 0: never.
    waited_ms: i64,
    clock_ms: i64,
    /// When each match came, in the order of arrival; those that have gone are dropped late.
    arrivals: VecDeque<(i64, (OrderKey, u64))>,
}

impl Hold {
    /// A hold of `hold_ms` of event time; 0 lets everything pass in order of arrival. Over
    /// `budget_bytes` the oldest matches go early.
    #[must_use]
    pub fn new(hold_ms: i64, budget_bytes: usize) -> Self {
        Self {
            hold_ms: hold_ms.max(0),
            budget: budget_bytes,
            waiting: BTreeMap::new(),
            bytes: 0,
            newest_ms: i64::MIN,
            arrived: 0,
            forced: 0,
            waited_ms: 0,
            clock_ms: 0,
            arrivals: VecDeque::new(),
        }
    }

    /// Whether matches wait at all.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.hold_ms > 0
    }

    /// Takes the time of the clock, milliseconds since 1970; 0 where there is none. A clock that is
    /// put back lets nothing pass in between.
    pub fn tick(&mut self, now_ms: i64) {
        if self.clock_ms != 0 && now_ms > self.clock_ms {
            let passed = now_ms.saturating_sub(self.clock_ms);
            self.waited_ms = self.waited_ms.saturating_add(passed);
        }
        self.clock_ms = now_ms;
    }

    /// How long it takes until a match has waited long enough by the clock, if nothing comes.
    #[must_use]
    pub fn due_in(&self) -> Option<Duration> {
        let mut arrivals = self.arrivals.iter();
        let (came, _) = arrivals.find(|(_, key)| self.waiting.contains_key(key))?;
        let left = came.saturating_add(self.hold_ms).saturating_sub(self.waited_ms);
        (self.clock_ms != 0).then(|| Duration::from_millis(left.max(0).unsigned_abs()))
    }

    /// Whether a match has waited long enough by the clock.
    fn is_overdue(&mut self) -> bool {
        while let Some((came, key)) = self.arrivals.front() {
            if self.waiting.contains_key(key) {
                return self.clock_ms != 0 && came.saturating_add(self.hold_ms) <= self.waited_ms;
            }
            self.arrivals.pop_front();
        }
        false
    }

    /// Takes a match.
    pub fn push(&mut self, matched: Match) {
        self.newest_ms = self.newest_ms.max(matched.time_ms);
        self.bytes += held_bytes(&matched);
        // Without a hold only arrival counts.
        let key =
            if self.hold_ms == 0 { (i64::MIN, 0, RuleRef::default()) } else { order_key(&matched) };
        if self.hold_ms > 0 {
            self.arrivals.push_back((self.waited_ms, (key, self.arrived)));
        }
        self.waiting.insert((key, self.arrived), matched);
        self.arrived += 1;
    }

    /// The next match whose time has come, or that has to go early for want of room.
    pub fn ready(&mut self) -> Option<Match> {
        let ((key, _), _) = self.waiting.first_key_value()?;
        let due = key.0.saturating_add(self.hold_ms) <= self.newest_ms;
        // What is older than one that has waited long enough goes before it.
        if !due && !self.is_overdue() {
            if self.bytes <= self.budget {
                return None;
            }
            self.forced += 1;
        }
        self.pop()
    }

    /// How many matches went early for want of room: their order is not certain.
    #[must_use]
    pub fn forced(&self) -> u64 {
        self.forced
    }

    /// The next match, whether its time has come or not; for the end of the stream.
    pub fn pop(&mut self) -> Option<Match> {
        let (_, matched) = self.waiting.pop_first()?;
        self.bytes -= held_bytes(&matched);
        Some(matched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::order::test_match;
    use proptest::prelude::*;

    fn matched(time_ms: i64, mark: u8) -> Match {
        test_match(time_ms, mark, 10)
    }

    fn marks(matches: impl IntoIterator<Item = Match>) -> Vec<u8> {
        matches.into_iter().map(|r| r.item[0]).collect()
    }

    #[test]
    fn without_a_hold_the_order_of_arrival_stays() {
        let mut hold = Hold::new(0, 0);
        for (time, mark) in [(50, 1), (10, 2), (90, 0)] {
            hold.push(matched(time, mark));
        }
        assert_eq!(marks(std::iter::from_fn(|| hold.ready())), [1, 2, 0]);
        assert_eq!(hold.forced(), 0);
    }

    #[test]
    fn a_matched_waits_for_a_time_that_is_the_hold_later() {
        let mut hold = Hold::new(100, 1 << 20);
        hold.push(matched(50, 2));
        hold.push(matched(10, 1));
        assert_eq!(hold.ready(), None);
        hold.push(matched(109, 3));
        assert_eq!(hold.ready(), None, "one millisecond early");
        hold.push(matched(110, 4));
        assert_eq!(marks(std::iter::from_fn(|| hold.ready())), [1]);
        assert_eq!(marks(std::iter::from_fn(|| hold.pop())), [2, 3, 4]);
        assert_eq!(hold.forced(), 0);
    }

    fn all_ready(hold: &mut Hold) -> Vec<u8> {
        marks(std::iter::from_fn(|| hold.ready()))
    }

    #[test]
    fn on_a_quiet_stream_a_match_waits_no_longer_than_the_hold() {
        let mut hold = Hold::new(100, 1 << 20);
        assert_eq!(hold.due_in(), None);
        hold.tick(5000);
        hold.push(matched(50, 2));
        hold.tick(5060);
        hold.push(matched(10, 1));
        hold.push(matched(60, 3));
        assert_eq!(hold.due_in(), Some(Duration::from_millis(40)));
        hold.tick(5099);
        assert!(all_ready(&mut hold).is_empty());
        // The older one goes before it, the newer one has still to wait.
        hold.tick(5100);
        assert_eq!(hold.due_in(), Some(Duration::ZERO));
        assert_eq!(all_ready(&mut hold), [1, 2]);
        assert_eq!(hold.due_in(), Some(Duration::from_millis(60)));
        hold.tick(5160);
        assert_eq!(all_ready(&mut hold), [3]);
        assert_eq!((hold.due_in(), hold.forced()), (None, 0));
    }

    #[test]
    fn a_clock_that_jumps_back_or_is_none_lets_nothing_go_early() {
        let mut hold = Hold::new(100, 1 << 20);
        hold.push(matched(50, 1));
        assert_eq!(hold.due_in(), None, "without a clock only the events' time counts");
        assert!(all_ready(&mut hold).is_empty());
        for now in [9000, 9090, 1000, 1005] {
            hold.tick(now);
            assert!(all_ready(&mut hold).is_empty(), "{now}");
        }
        assert_eq!(hold.due_in(), Some(Duration::from_millis(5)));
        hold.tick(1010);
        assert_eq!(all_ready(&mut hold), [1]);
    }

    #[test]
    fn for_want_of_room_the_oldest_goes_early_and_is_counted() {
        let mut hold = Hold::new(1000, 3 * held_bytes(&matched(0, 0)));
        for (time, mark) in [(30, 3), (20, 2), (10, 1), (40, 4), (50, 5)] {
            hold.push(matched(time, mark));
        }
        assert_eq!(marks(std::iter::from_fn(|| hold.ready())), [1, 2]);
        assert_eq!(hold.forced(), 2);
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let mut hold = Hold::new(i64::MAX, 1 << 20);
        hold.push(matched(i64::MAX, 2));
        hold.push(matched(i64::MIN, 1));
        assert_eq!(marks(std::iter::from_fn(|| hold.ready())), [1, 2]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn lateness_within_the_hold_is_put_in_order(
            steps in prop::collection::vec((0i64..20, 0i64..50), 1..100),
        ) {
            let mut hold = Hold::new(50, usize::MAX);
            let (mut now, mut out) = (0, Vec::new());
            for (step, late) in &steps {
                now += step;
                hold.push(matched(now - late, 0));
                out.extend(std::iter::from_fn(|| hold.ready()));
            }
            out.extend(std::iter::from_fn(|| hold.pop()));
            prop_assert_eq!(out.len(), steps.len());
            prop_assert!(out.is_sorted_by_key(|r| r.time_ms));
        }
    }
}

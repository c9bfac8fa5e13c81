//! Alerts that were handed to a pipeline and may not have left it: they are kept to be given again.
//!
//! In: alerts with the time of a clock that only this instance reads, rows from files (untrusted: who
//! gives them again checks that they are JSON). Out: the rows to give again, oldest first; what has to
//! be written. It opens no file and reads no clock.
//!
//! A row leaves when one instance has lived for some time since it gave it, so that a pipeline which
//! ends again and again before it delivers loses nothing. Rows beyond the limit leave earlier, oldest
//! first; they are counted.

use std::collections::VecDeque;

/// What a row costs besides its text.
const OVERHEAD: usize = 64;

/// Alerts, by ascending number.
#[derive(Debug)]
pub struct Outbox {
    rows: VecDeque<OutboxRow>,
    /// The number of the next row.
    next: u64,
    /// Rows from this number on are in no file.
    unwritten: u64,
    /// Whether rows left that a file still has.
    left: bool,
    held: usize,
    limit: usize,
    dropped: u64,
}

#[derive(Debug)]
struct OutboxRow {
    number: u64,
    text: Box<str>,
    /// When this instance gave it.
    given_ms: Option<u64>,
}

impl Outbox {
    /// An empty one that holds at most so many bytes, and always the newest alert.
    pub(super) const fn new(limit: usize) -> Self {
        let rows = VecDeque::new();
        Self { rows, next: 0, unwritten: 0, left: false, held: 0, limit, dropped: 0 }
    }

    /// Keeps an alert that is about to be given.
    pub fn keep(&mut self, text: &str, now_ms: u64) {
        self.push(self.next, text, Some(now_ms));
    }

    /// A row of a file. One that is known already, or that left, changes nothing.
    pub(super) fn read(&mut self, number: u64, text: &str) {
        if number >= self.next && number < u64::MAX {
            self.push(number, text, None);
            self.unwritten = self.next;
        }
    }

    /// What a file says of all rows below a number: they left.
    pub(super) fn read_first(&mut self, first: u64) {
        while self.rows.front().is_some_and(|row| row.number < first) {
            self.pop();
        }
        self.next = self.next.max(first);
        self.unwritten = self.next;
    }

    fn push(&mut self, number: u64, text: &str, given_ms: Option<u64>) {
        self.held = self.held.saturating_add(cost(text));
        self.rows.push_back(OutboxRow { number, text: text.into(), given_ms });
        self.next = number.saturating_add(1);
        while self.held > self.limit && self.rows.len() > 1 {
            self.pop();
            self.left = true;
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn pop(&mut self) {
        if let Some(row) = self.rows.pop_front() {
            self.held = self.held.saturating_sub(cost(&row.text));
        }
    }

    /// The alerts that this instance has not given yet, up to so many bytes and at least one, and
    /// takes them for given. Those in `beside` go out in the same answer anyway.
    pub fn give_again(&mut self, room: usize, now_ms: u64, beside: &[&str]) -> Vec<String> {
        let mut given = Vec::new();
        let mut bytes = 0_usize;
        for row in self.rows.iter_mut().filter(|row| row.given_ms.is_none()) {
            if !beside.contains(&&*row.text) {
                bytes = bytes.saturating_add(row.text.len());
                if bytes > room && !given.is_empty() {
                    break;
                }
                given.push(String::from(&*row.text));
            }
            row.given_ms = Some(now_ms);
        }
        given
    }

    /// Lets those go that this instance gave so long ago; whether any did.
    pub fn expire(&mut self, now_ms: u64, time_ms: u64) -> bool {
        let mut any = false;
        while let Some(OutboxRow { given_ms: Some(given), .. }) = self.rows.front()
            && now_ms.saturating_sub(*given) >= time_ms
        {
            self.pop();
            any = true;
        }
        self.left |= any;
        any
    }

    /// Whether this instance has alerts to give again.
    #[must_use]
    pub fn is_due(&self) -> bool {
        // New rows are behind those that were read, which are given from the first on.
        self.rows.iter().any(|row| row.given_ms.is_none())
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many left because of the limit.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether there are rows that no file has.
    pub(super) fn has_new(&self) -> bool {
        self.rows.back().is_some_and(|row| row.number >= self.unwritten)
    }

    /// Whether rows left that a file still has.
    pub(super) const fn has_left(&self) -> bool {
        self.left
    }

    /// The number below which all rows left, and the rows, or only those that no file has.
    pub(super) fn rows(&self, all: bool) -> (u64, impl Iterator<Item = (u64, &str)>) {
        let first = self.rows.front().map_or(self.next, |row| row.number);
        let from = if all { 0 } else { self.unwritten };
        let rows = self.rows.iter().filter(move |row| row.number >= from);
        (first, rows.map(|row| (row.number, &*row.text)))
    }

    /// All that it holds is in the file now.
    pub(super) const fn written(&mut self) {
        self.unwritten = self.next;
        self.left = false;
    }
}

const fn cost(text: &str) -> usize {
    text.len().saturating_add(OVERHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(outbox: &Outbox) -> Vec<&str> {
        outbox.rows(true).1.map(|(_, text)| text).collect()
    }

    #[test]
    fn what_was_read_is_given_once_oldest_first_within_the_room() {
        let mut outbox = Outbox::new(1 << 20);
        for (number, text) in [(3, "aaaa"), (4, "bbbb"), (5, "cccc"), (4, "twice"), (6, "dddd")] {
            outbox.read(number, text);
        }
        outbox.keep("new", 5);
        assert!(outbox.is_due());
        assert_eq!(outbox.give_again(9, 7, &["bbbb"]), ["aaaa", "cccc"]);
        assert_eq!(outbox.give_again(1, 8, &[]), ["dddd"], "one at least");
        assert!(!outbox.is_due());
        assert_eq!(outbox.give_again(100, 8, &[]), Vec::<String>::new());
    }

    #[test]
    fn a_row_leaves_after_its_time_and_never_before_an_older_one() {
        let mut outbox = Outbox::new(1 << 20);
        outbox.read(0, "old");
        outbox.keep("new", 100);
        assert!(!outbox.expire(1_000_000, 100), "the old one was not given yet");
        outbox.give_again(100, 150, &[]);
        assert!(!outbox.expire(249, 100));
        assert!(outbox.expire(250, 100));
        assert!(outbox.is_empty() && outbox.has_left());
        assert_eq!(outbox.rows(false).0, 2);
    }

    #[test]
    fn at_the_limit_the_oldest_leave_and_are_counted() {
        let mut outbox = Outbox::new(3 * cost("xx"));
        for text in ["00", "11", "22", "33", "44"] {
            outbox.keep(text, 0);
        }
        assert_eq!((texts(&outbox), outbox.dropped()), (vec!["22", "33", "44"], 2));
        let large = "y".repeat(1_000);
        outbox.keep(&large, 0);
        assert_eq!((texts(&outbox), outbox.dropped()), (vec![&*large], 5));
    }

    #[test]
    fn what_left_does_not_come_back_from_an_older_file() {
        let mut outbox = Outbox::new(1 << 20);
        outbox.read(0, "a");
        outbox.read(1, "b");
        outbox.read_first(1);
        outbox.read(0, "a");
        assert_eq!(texts(&outbox), ["b"]);
        outbox.read_first(9);
        outbox.keep("c", 0);
        assert!(outbox.has_new());
        assert_eq!(outbox.rows(false).1.collect::<Vec<_>>(), [(9, "c")]);
        outbox.written();
        assert!(!outbox.has_new());
    }
}

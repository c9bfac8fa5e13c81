//! What is left of a round when nothing is open any more.
//!
//! In: a round. Out: the outcome of each term that was not simply seen before, and counts of those that were. It
//! decides nothing.

use super::{Round, terms_of};
use crate::matched::{Match, RuleRef};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_abi::OutcomeKind;

/// What became of a term, or of a whole match. Terms without one were seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermOutcome {
    /// The match, in the order in which they were handed in.
    pub at: usize,
    /// The term of the match; `None` where the whole match could not be decided.
    pub term: Option<u16>,
    /// What became of it.
    pub kind: OutcomeKind,
    /// The alert as JSON, or `code: reason`.
    pub text: String,
}

/// What is left of a round.
#[derive(Debug, Default)]
pub struct RoundEnd {
    /// The matches, as they were handed in.
    pub matches: Vec<Match>,
    /// The outcomes, in the order of matches and terms.
    pub outcomes: Vec<TermOutcome>,
    /// Terms that were seen before.
    pub seen: u64,
    /// The same by rule, in the order in which the rules come up.
    pub seen_by_rule: Vec<(RuleRef, u64)>,
    /// Terms whose key was not settled: the store did not answer, others were faster, or the rule
    /// failed after a write. Each has its outcome too; handed in again it may be decided.
    pub unsettled: u64,
    /// The keys of matches whose texts were lost: nothing may be decided about them until the input is
    /// read again, as a later sighting is not the first.
    pub closed: Vec<Vec<u8>>,
}

impl Round {
    /// Ends the round: all outcomes, in the order of matches and terms.
    #[must_use]
    pub fn finish(self) -> RoundEnd {
        let mut end = RoundEnd::default();
        let has_lost = self.items.iter().any(|item| item.lost.is_some());
        let count = if has_lost { self.keys.len() } else { 0 };
        let closed: Vec<Vec<u8>> = (0..count).map(|at| self.key(at).to_vec()).collect();
        let mut outcomes = self.outcomes.into_iter();
        let rules = self.matches.iter().map(|matched| matched.rule);
        for ((at, item), rule) in self.items.into_iter().enumerate().zip(rules) {
            let seen_before = end.seen;
            let keys = terms_of(&self.term_keys, item.terms);
            let own = keys.len().saturating_sub(usize::from(item.learns));
            for ((term, key), outcome) in (0u16..).zip(keys).zip(outcomes.by_ref()) {
                if usize::from(term) >= own || item.lost.is_some() {
                    continue;
                }
                let failed = self.keys.get(*key as usize).and_then(|key| key.failed.clone());
                end.unsettled = end.unsettled.saturating_add(u64::from(failed.is_some()));
                match failed.map(|text| (OutcomeKind::Error, text)).or(outcome) {
                    Some((kind, text)) => {
                        end.outcomes.push(TermOutcome { at, term: Some(term), kind, text });
                    }
                    None => end.seen = end.seen.saturating_add(1),
                }
            }
            if let seen @ 1.. = end.seen.saturating_sub(seen_before) {
                match end.seen_by_rule.iter_mut().find(|(known, _)| *known == rule) {
                    Some((_, sum)) => *sum = sum.saturating_add(seen),
                    None => end.seen_by_rule.push((rule, seen)),
                }
            }
            if let Some(reason) = item.lost {
                let keys = keys.iter().take(own).filter_map(|key| closed.get(*key as usize));
                end.closed.extend(keys.cloned());
                let (kind, text) = (OutcomeKind::Error, format!("text_lost: {reason}"));
                end.outcomes.push(TermOutcome { at, term: None, kind, text });
            }
        }
        end.matches = self.matches;
        end
    }
}

//! What each rule of a run met, in numbers.
//!
//! In: a rule and what happened. Out: sums by rule. Every match ends in one of them, so that a rule
//! that cannot alert shows.

use super::learned::{LearnedEvents, RuleLearning};
use super::schedule::RuleSchedule;
use firstseen_session::RuleRef;
use serde::Serialize;

/// What happened to a match of a rule, or to one of its terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleCounter {
    /// The query matched an event.
    Matched,
    /// An alert.
    Alerts,
    /// An alert that was given before.
    Repeats,
    /// A term seen before in the window.
    Seen,
    /// A term learned without an alert.
    Learned,
    /// A match without one of the new-terms fields.
    Missing,
    /// A match that an exception took out.
    Excepted,
    /// A match of an index that the rule is not about.
    OtherIndex,
    /// A match, or a term, that was not judged: from the future, older than the state, too many
    /// terms, or the rule failed.
    NotJudged,
}

/// The counts of one rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleCounts {
    /// `rule_id`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Events that its query matched.
    pub matched: u64,
    /// Alerts.
    pub alerts: u64,
    /// Alerts given again.
    pub repeats: u64,
    /// Terms seen before in the window.
    pub seen: u64,
    /// Terms learned without an alert.
    pub learned: u64,
    /// Matches without one of the new-terms fields.
    pub missing: u64,
    /// Matches that an exception took out.
    pub excepted: u64,
    /// Matches of an index that the rule is not about.
    pub other_index: u64,
    /// Matches and terms that were not judged.
    pub not_judged: u64,
    /// Terms that it had to forget; only where the number of terms is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<u64>,
    /// From when to when it learned, where its state says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning: Option<RuleLearning>,
    /// From how many events it learns, where it does from a number of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned_events: Option<LearnedEvents>,
    /// What Elastic's executions did, with `--schedule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<RuleSchedule>,
    /// Why it may have matched nothing; only where it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
}

/// The counts of all rules of a run.
#[derive(Debug, Clone, Default)]
pub struct RuleTally {
    /// By artifact, and in it by rule.
    artifacts: Vec<Vec<RuleCounts>>,
}

impl RuleTally {
    /// A tally for these rules: of each artifact the id and the name of each rule.
    #[must_use]
    pub fn new(artifacts: Vec<Vec<(String, String)>>) -> Self {
        let of = |(id, name)| RuleCounts { id, name, ..RuleCounts::default() };
        let artifacts = artifacts.into_iter().map(|rules| rules.into_iter().map(of).collect());
        Self { artifacts: artifacts.collect() }
    }

    /// `n` more of something.
    pub fn count(&mut self, rule: RuleRef, counter: RuleCounter, n: u64) {
        let Some(counts) = self.rule(rule) else { return };
        *match counter {
            RuleCounter::Matched => &mut counts.matched,
            RuleCounter::Alerts => &mut counts.alerts,
            RuleCounter::Repeats => &mut counts.repeats,
            RuleCounter::Seen => &mut counts.seen,
            RuleCounter::Learned => &mut counts.learned,
            RuleCounter::Missing => &mut counts.missing,
            RuleCounter::Excepted => &mut counts.excepted,
            RuleCounter::OtherIndex => &mut counts.other_index,
            RuleCounter::NotJudged => &mut counts.not_judged,
        } += n;
    }

    /// Takes the sums of a tally of the same rules.
    pub fn copy_sums(&mut self, of: &Self) {
        let (to, from) = (self.artifacts.iter_mut().flatten(), of.artifacts.iter().flatten());
        for (to, from) in to.zip(from) {
            (to.matched, to.alerts, to.repeats) = (from.matched, from.alerts, from.repeats);
            (to.seen, to.learned, to.missing) = (from.seen, from.learned, from.missing);
            (to.excepted, to.other_index) = (from.excepted, from.other_index);
            to.not_judged = from.not_judged;
        }
    }

    /// The counts of a rule.
    pub fn rule(&mut self, rule: RuleRef) -> Option<&mut RuleCounts> {
        self.artifacts.get_mut(usize::from(rule.artifact))?.get_mut(usize::from(rule.rule))
    }

    /// The rules without a match.
    #[must_use]
    pub fn silent(&self) -> Vec<RuleRef> {
        self.rules().filter(|(_, counts)| counts.matched == 0).map(|(rule, _)| rule).collect()
    }

    /// The rules whose every match is of an index that they are not about, with the number.
    #[must_use]
    pub fn of_other_indices(&self) -> Vec<(RuleRef, u64)> {
        let all = self.rules().map(|(rule, counts)| (rule, counts.matched, counts.other_index));
        let outside = all.filter(|(_, matched, other)| *other > 0 && matched == other);
        outside.map(|(rule, matched, _)| (rule, matched)).collect()
    }

    fn rules(&self) -> impl Iterator<Item = (RuleRef, &RuleCounts)> {
        (0u16..).zip(&self.artifacts).flat_map(|(artifact, rules)| {
            (0u16..).zip(rules).map(move |(rule, counts)| (RuleRef { artifact, rule }, counts))
        })
    }

    /// All of them, in the order of the artifacts.
    #[must_use]
    pub fn finish(self) -> Vec<RuleCounts> {
        self.artifacts.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_its_own_sums() {
        let rule = |id: &str| (id.to_owned(), id.to_uppercase());
        let mut tally = RuleTally::new(vec![vec![rule("a")], vec![rule("b"), rule("c")]]);
        let at = |artifact, rule| RuleRef { artifact, rule };
        let counters = [
            RuleCounter::Matched,
            RuleCounter::Alerts,
            RuleCounter::Repeats,
            RuleCounter::Seen,
            RuleCounter::Learned,
            RuleCounter::Missing,
            RuleCounter::Excepted,
            RuleCounter::OtherIndex,
            RuleCounter::NotJudged,
        ];
        for (n, counter) in (1u64..).zip(counters) {
            tally.count(at(1, 1), counter, n);
            // What a guest makes up is nobody's.
            tally.count(at(1, 2), counter, n);
            tally.count(at(7, 0), counter, n);
        }
        assert_eq!(tally.silent(), [at(0, 0), at(1, 0)]);
        // One of several matches is no reason for a warning, all of them are.
        assert_eq!(tally.of_other_indices(), []);
        tally.count(at(0, 0), RuleCounter::Matched, 3);
        tally.count(at(0, 0), RuleCounter::OtherIndex, 3);
        assert_eq!(tally.of_other_indices(), [(at(0, 0), 3)]);
        let all = tally.finish();
        assert_eq!(all.iter().map(|rule| &*rule.name).collect::<Vec<_>>(), ["A", "B", "C"]);
        let json = serde_json::to_string(&all[2]).unwrap();
        let expected = r#"{"id":"c","name":"C","matched":1,"alerts":2,"repeats":3,"seen":4,"learned":5,"missing":6,"excepted":7,"other_index":8,"not_judged":9}"#;
        assert_eq!(json, expected);
        assert_eq!(all[1].matched, 0);
    }
}

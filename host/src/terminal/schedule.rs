//! What Elastic's executions did, for a person.
//!
//! In: the counts of the rules. Out: a row of the summary, and Elastic's own warning for each rule that had
//! more alerts than `max_signals`. Names are escaped.

use super::formats::{counted, number};
use super::learned::minute;
use crate::escape::escaped;
use crate::observe::rule_counts::RuleCounts;
use crate::observe::schedule::{ExecutionOver, RuleSchedule};

/// Executions that are named for a rule.
const SHOWN: usize = 3;

/// Elastic's words.
const REACHED: &str = "This rule reached the maximum alert limit for the rule execution. Some alerts were \
                       not created.";

/// What all executions did; `None` where there were none.
#[must_use]
pub(super) fn row(rules: &[RuleCounts]) -> Option<String> {
    let all: Vec<&RuleSchedule> = rules.iter().filter_map(|rule| rule.schedule.as_ref()).collect();
    let sum = |of: fn(&RuleSchedule) -> u64| all.iter().map(|schedule| of(schedule)).sum::<u64>();
    if all.is_empty() {
        return None;
    }
    let executions = counted(sum(|s| s.executions), "execution", "executions");
    let mut out = format!("{executions} looked at matched events");
    if let over @ 1.. = sum(|s| s.over_max_signals) {
        out += &format!("; {} over max_signals", counted(over, "alert", "alerts"));
    }
    Some(out)
}

/// A warning for each rule that had more alerts than an execution keeps.
#[must_use]
pub fn warnings(rules: &[RuleCounts]) -> Vec<String> {
    let warning = |rule: &RuleCounts| {
        let schedule = rule.schedule.as_ref().filter(|schedule| schedule.executions_over > 0)?;
        let shown =
            schedule.over.iter().take(SHOWN).map(|ExecutionOver { end_ms, not_created }| {
                format!("{} not created at {}", number(*not_created), minute(*end_ms))
            });
        let mut shown: Vec<String> = shown.collect();
        if let more @ 1.. = schedule.executions_over.saturating_sub(shown.len() as u64) {
            shown.push(counted(more, "execution more", "executions more"));
        }
        Some(format!("{}: {REACHED} ({})", escaped(&rule.name), shown.join(", ")))
    };
    rules.iter().filter_map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_had_more_is_named_with_its_executions() {
        let rule = |over: u64| {
            let mut schedule = RuleSchedule { executions: 9, kept: 100, ..RuleSchedule::default() };
            (1..=over).for_each(|n| schedule.over(n as i64 * 300_000, n));
            schedule.over_max_signals = over;
            RuleCounts {
                name: "A\x1b".to_owned(),
                schedule: Some(schedule),
                ..RuleCounts::default()
            }
        };
        let rules = [rule(0), rule(1), rule(5)];
        assert_eq!(
            row(&rules).as_deref(),
            Some("27 executions looked at matched events; 6 alerts over max_signals")
        );
        assert_eq!(row(&[RuleCounts::default()]), None);
        let said = warnings(&rules);
        let begins = "A\\u{1b}: This rule reached the maximum alert limit for the rule execution. Some \
                      alerts were not created. (1 not created at 1970-01-01 00:05";
        assert_eq!(said.first().unwrap(), &format!("{begins})"));
        let ends = ", 2 not created at 1970-01-01 00:10, 3 not created at 1970-01-01 00:15, 2 executions \
                    more)";
        assert_eq!(said.get(1).unwrap(), &format!("{begins}{ends}"));
        assert_eq!(said.len(), 2);
    }
}

//! `run --schedule`: when each rule's executions are, and what cannot go with them.
//!
//! In: the arguments, the artifacts' metadata, the settings. Out: a schedule for the pipeline, or why there is
//! none. It decides nothing.

use super::place::in_memory;
use super::run::{self, Repeats, RunArgs};
use super::teach;
use crate::escape::escaped;
use crate::observe::rule_counts::RuleCounts;
use crate::observe::schedule::RuleSchedule;
use crate::pipeline::schedule::{
    ExecutionTimes, SCHEDULE_BUDGET, Schedule, SchedulePlan, TermOrder,
};
use crate::terminal::message;
use anyhow::{anyhow, bail};
use clap::Args;
use firstseen_artifact::RuleMeta;
use firstseen_rule::Settings;
use firstseen_rule::window::{before_now, duration};
use firstseen_runtime::Artifact;

/// Alerts that Kibana writes for an execution at most, unless its administrator says otherwise.
const KIBANA_LIMIT: i64 = 1000;

/// The arguments about Elastic's schedule.
#[derive(Debug, Clone, Default, Args)]
pub struct ScheduleArgs {
    /// Give the alerts that Elastic's executions would keep: by interval, lookback and max_signals
    ///
    /// Over inputs that end, standard input too. Nothing is known from earlier runs, and nothing is kept for
    /// later ones. The summary counts for each rule what its executions left out. See docs/schedule.md.
    #[arg(long)]
    pub schedule: bool,
    /// How long behind multiples of the rule's interval its executions end (90s)
    #[arg(long, value_name = "DURATION", default_value = "0", requires = "schedule", value_parser = run::duration)]
    pub schedule_offset: i64,
}

/// The options that ask for what a schedule does not have.
///
/// # Errors
/// The first of them, with the reason.
pub(super) fn refuse(args: &RunArgs) -> anyhow::Result<()> {
    if !args.schedule.schedule {
        return Ok(());
    }
    let common = &args.common;
    let is_memory = in_memory(&common.state);
    let no_state = "executions are decided over these inputs alone, with no state";
    let no_learning = "Elastic's executions do not learn";
    let whole =
        "an execution needs all events of its time, so that the inputs are read to their end first";
    let teach = &common.teach;
    let learns = teach.learn_for.as_deref().is_some_and(|length| length != "0");
    let counts = teach.learn_events.is_some_and(|events| events != 0);
    for (option, is_given, reason) in [
        ("--state", !is_memory, no_state),
        ("--take-over", common.take_over, no_state),
        ("--resume", args.resume, no_state),
        ("--follow", args.follow, no_state),
        ("--max-terms", args.max_terms.is_some(), no_state),
        ("--repeats emit", args.repeats == Some(Repeats::Emit), no_state),
        ("--learn-until", common.learn_until.is_some(), no_learning),
        ("--learn-for", learns, no_learning),
        ("--learn-events", counts, no_learning),
        ("--learn-by", teach.learn_by.is_some(), no_learning),
        ("--forget-after", teach.forget_after.is_some(), "the history is the rule's own window"),
        ("--hold", args.hold > 0, whole),
        ("--annotate", args.annotate, whole),
    ] {
        if is_given {
            bail!("--schedule: {option} cannot go with it: {reason}; leave one of them out");
        }
    }
    Ok(())
}

/// The schedule of a run that asks for one.
///
/// # Errors
/// A rule whose schedule is not known or is none, a rule that learns, settings that contradict.
pub(super) fn of(
    args: &ScheduleArgs,
    artifacts: &[Artifact],
    settings: &Settings,
) -> anyhow::Result<Option<Schedule>> {
    if !args.schedule {
        return Ok(None);
    }
    for (name, is_given) in [
        ("learn_until", settings.learn_until_ms.is_some()),
        ("learn_by", settings.learn_by.is_some()),
        ("forget_after", settings.forget_after.is_some()),
    ] {
        if is_given {
            bail!(
                "--schedule: the settings say {name}, which Elastic's executions do not know; leave it out"
            );
        }
    }
    let plan = |rule: &RuleMeta| {
        let plan = plan(rule, args.schedule_offset, settings);
        plan.map_err(|e| anyhow!("--schedule: rule {}: {e}", escaped(&rule.name)))
    };
    let plans = artifacts.iter().map(|a| a.meta.rules.iter().map(plan).collect());
    Ok(Some(Schedule::new(plans.collect::<anyhow::Result<_>>()?, SCHEDULE_BUDGET)))
}

fn plan(rule: &RuleMeta, offset_ms: i64, settings: &Settings) -> anyhow::Result<SchedulePlan> {
    let Some(max_signals) = rule.max_signals else {
        bail!("its artifact does not say when it runs; `firstseen rebuild` adds that");
    };
    if teach::learns(rule, settings) {
        let off = match teach::learn_for_ms(rule, settings) {
            0 => "--learn-events 0",
            _ => "--learn-for 0",
        };
        bail!("it learns, and Elastic's executions do not; give {off}");
    }
    let interval_ms = duration(&rule.interval).map_err(|e| anyhow!("interval: {e}"))?;
    let lookback_ms = before_now(&rule.from).map_err(|e| anyhow!("from: {e}"))?;
    if lookback_ms >= rule.window_ms {
        bail!(
            "its window of {} begins no earlier than {}, from where an execution looks: Elastic refuses \
             such a rule",
            escaped(&rule.window),
            escaped(&rule.from)
        );
    }
    if lookback_ms < interval_ms {
        message::warning(&format!(
            "{}: an execution looks back to {} and the next one ends {} later: no execution looks for new \
             terms in what is between, as in Elastic",
            escaped(&rule.name),
            escaped(&rule.from),
            escaped(&rule.interval)
        ));
    }
    if max_signals > KIBANA_LIMIT {
        message::warning(&format!(
            "{}: The rule's max alerts per run setting ({max_signals}) is greater than the Kibana \
             alerting limit ({KIBANA_LIMIT}). The rule will only write a maximum of {KIBANA_LIMIT} alerts \
             per rule run.",
            escaped(&rule.name)
        ));
    }
    Ok(SchedulePlan {
        times: ExecutionTimes { interval_ms, offset_ms, lookback_ms, window_ms: rule.window_ms },
        max_signals: usize::try_from(max_signals.clamp(1, KIBANA_LIMIT))?,
        order: TermOrder::of(&rule.new_terms),
    })
}

/// Gives each rule's counts what its executions did.
pub(super) fn take(rules: &mut [RuleCounts], schedule: Vec<Vec<RuleSchedule>>) {
    for (rule, schedule) in rules.iter_mut().zip(schedule.into_iter().flatten()) {
        rule.schedule = Some(schedule);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_runs_as_its_metadata_say() {
        let settings = Settings::default();
        let meta = RuleMeta {
            interval: "5m".to_owned(),
            from: "now-6m".to_owned(),
            max_signals: Some(7),
            window_ms: 864_000_000,
            ..RuleMeta::default()
        };
        let found = plan(&meta, 90_000, &settings).unwrap();
        let times = ExecutionTimes {
            interval_ms: 300_000,
            offset_ms: 90_000,
            lookback_ms: 360_000,
            window_ms: 864_000_000,
        };
        assert_eq!((found.times, found.max_signals), (times, 7));
        // What an artifact makes up is refused, or bounded.
        let fault = |meta: RuleMeta| plan(&meta, 0, &settings).unwrap_err().to_string();
        let none = fault(RuleMeta { max_signals: None, ..meta.clone() });
        assert!(none.contains("`firstseen rebuild`"), "{none}");
        let odd = fault(RuleMeta { interval: "0m".to_owned(), ..meta.clone() });
        assert!(odd.starts_with("interval: `0m` is zero"), "{odd}");
        let odd = fault(RuleMeta { from: "now-1d/d".to_owned(), ..meta.clone() });
        assert!(odd.starts_with("from: "), "{odd}");
        let bounded =
            |max| plan(&RuleMeta { max_signals: Some(max), ..meta.clone() }, 0, &settings).unwrap();
        assert_eq!((bounded(i64::MIN).max_signals, bounded(i64::MAX).max_signals), (1, 1000));
    }
}

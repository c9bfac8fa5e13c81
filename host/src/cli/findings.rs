//! What `run` and `explain` found out about rules and exceptions.
//!
//! In: the counts of each rule, samples of the events, the exceptions. Out: why a rule may have matched
//! nothing, which exceptions took nothing out, and which rules are about none of the indices. It changes
//! no count.

use super::observer::RunObserver;
use super::teach;
use crate::escape::escaped;
use crate::observe::learned::{LearnedDays, LearnedEach, LearnedEvents, RuleLearning};
use crate::observe::rule_counts::RuleTally;
use crate::observe::summary::{StoppedRule, Summary, UnusedException};
use crate::pipeline::PipelineEnd;
use crate::pipeline::learning::{Learning, OLDEST_MS};
use crate::rules::sample::{EventSample, RunSamples};
use crate::rules::{KnownException, silent};
use crate::terminal::formats::{self, SHOWN_LINES, counted, number};
use crate::terminal::message;
use firstseen_rule::Settings;
use firstseen_rule::window::DAY_MS;
use firstseen_runtime::Artifact;
use firstseen_session::{RuleRef, Rules};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Takes what was found into the summary.
pub(super) fn take(
    observer: &mut RunObserver,
    end: &mut PipelineEnd,
    artifacts: &[Artifact],
    own: Vec<KnownException>,
) {
    let mut tally = std::mem::take(&mut observer.tally);
    if observer.summary.events > 0 {
        explain_silent(&mut tally, &mut end.rules, &end.samples, artifacts);
    }
    observer.summary.rules = tally.finish();
    let known = own.into_iter().chain(std::mem::take(&mut end.exceptions));
    observer.summary.unused_exceptions = unused(known, &observer.used, &end.samples.matched);
}

/// Says of each rule from when to when it learned, and of `firstseen learn` whether it was enough.
pub(super) fn learned(
    summary: &mut Summary,
    days: &HashMap<RuleRef, LearnedDays>,
    artifacts: &[Artifact],
    learning: &Learning,
    settings: &Settings,
    learns: bool,
) {
    let rules = (0u16..).zip(artifacts).flat_map(|(artifact, of)| {
        (0u16..).zip(&of.meta.rules).map(move |(rule, meta)| (RuleRef { artifact, rule }, meta))
    });
    let (first, last) = (summary.first_time_ms, summary.last_time_ms);
    for (counts, (at, meta)) in summary.rules.iter_mut().zip(rules) {
        let by = settings.learn_by.as_ref().or(meta.learn_by.as_ref());
        counts.learned_events = learning.events(at).map(|(counted, of)| LearnedEvents {
            counted: by.is_none().then_some(counted.unsigned_abs()),
            of: of.unsigned_abs(),
            by: by.cloned(),
        });
        let Some(span) = learning.span(at) else { continue };
        let now = first.zip(last).filter(|_| learns).map(|(first, last)| {
            let window = (&*meta.window, meta.window_ms);
            days.get(&at).cloned().unwrap_or_default().over(first, last, window)
        });
        let own = first.zip(last).filter(|_| learns);
        let (first_time_ms, last_time_ms) = own.unwrap_or((span.first_ms, span.last_ms));
        // A time that is given counts, and so does `firstseen learn`.
        let is_until = settings.learn_until_ms.is_some();
        let until_ms = learning.until_ms(at).filter(|_| !is_until && !learns);
        let for_ms = teach::learn_for_ms(meta, settings);
        let each = by.filter(|_| until_ms.is_some());
        let each = each.map(|by| LearnedEach { by: by.clone(), for_ms });
        let until_ms = until_ms.filter(|_| each.is_none());
        counts.learning = Some(RuleLearning { first_time_ms, last_time_ms, until_ms, each, now });
    }
}

/// What a command says of a rule that was stopped, behind its name.
pub(super) const STOPPED_IN_RUN: &str =
    "what it did not judge is counted as `rule_stopped`, and all other rules went on";
/// The same with `--resume`.
pub(super) const STOPPED_AND_PASSED: &str = "what it did not judge is counted as `rule_stopped`, and all other rules went on. The position in the inputs is \
     behind these events, and they are not read again: mend the rule, then give it alone over the same inputs with \
     another --name and --output";
/// The same of `explain`.
pub(super) const STOPPED_EXPLAINING: &str =
    "what it did not judge has the error `rule_stopped`, and all other rules went on";

/// The artifacts that were stopped, as they ran over their time too often.
pub(super) fn stopped(artifacts: &[Artifact]) -> Vec<StoppedRule> {
    let of = |artifact: &Artifact| {
        let overruns = artifact.overruns.stopped()?;
        Some(StoppedRule { name: artifact.name.clone(), overruns })
    };
    artifacts.iter().filter_map(of).collect()
}

/// Names each rule that was stopped, and what comes of it.
pub(super) fn tell_stopped(rules: &[StoppedRule], consequence: &str) {
    for StoppedRule { name, overruns } in rules {
        message::error(&format!(
            "error: rule {name}: stopped, as it ran over its time {overruns} times; {consequence}"
        ));
    }
}

/// A warning where everything is learned, because no event of a stream is young enough for a beginning.
pub(super) fn never_begins(summary: &Summary, learning: &Learning) -> Vec<String> {
    if summary.learned == 0 || !learning.waits_for_first() {
        return Vec::new();
    }
    let days = counted((OLDEST_MS / DAY_MS).unsigned_abs(), "day", "days");
    vec![format!(
        "learning has not begun: all events are dated over {days} before the clock, so that each \
         is learned and none alerts; read them from files, or give --learn-until TIME"
    )]
}

/// Says of each rule how many terms it had to forget under a limit; a warning for each that had to.
pub(super) fn forgotten(
    summary: &mut Summary,
    artifacts: &[Artifact],
    tenant: &str,
    (max, forgotten): (u64, &BTreeMap<Vec<u8>, u64>),
) -> Vec<String> {
    let rules = artifacts.iter().flat_map(|artifact| &artifact.meta.rules);
    let mut told = Vec::new();
    for (counts, meta) in summary.rules.iter_mut().zip(rules) {
        let prefix = format!("{tenant}:{}", meta.key_prefix);
        let terms = forgotten.get(prefix.as_bytes()).copied().unwrap_or_default();
        counts.forgotten = Some(terms);
        if terms > 0 {
            told.push(format!(
                "{}: {} went over --max-terms {}, those that were written the longest ago; one that comes \
                 back alerts again",
                escaped(&meta.name),
                counted(terms, "term", "terms"),
                number(max)
            ));
        }
    }
    told
}

/// A warning for each rule whose index patterns cover none of the indices that it met.
pub(super) fn no_index(tally: &RuleTally, artifacts: &[Artifact]) -> Vec<String> {
    let sentence = |(at, left_out): (RuleRef, u64)| {
        let artifact = artifacts.get(usize::from(at.artifact))?;
        let rule = artifact.meta.rules.get(usize::from(at.rule))?;
        let (events, they) = if left_out == 1 {
            ("the one event that matched was".to_owned(), "it names")
        } else {
            (format!("all {} events that matched were", number(left_out)), "they name")
        };
        let patterns: Vec<_> = rule.index.iter().map(|pattern| escaped(pattern)).collect();
        Some(format!(
            "{}: {events} left out: the rule is about the indices {}, and {they} others; \
             --any-index judges every index",
            escaped(&rule.name),
            patterns.join(", ")
        ))
    };
    tally.of_other_indices().into_iter().filter_map(sentence).collect()
}

/// Prints warnings of one kind, up to a limit.
pub(super) fn warn(sentences: &[String]) {
    sentences.iter().take(SHOWN_LINES).for_each(|sentence| message::warning(sentence));
    if let more @ 1.. = sentences.len().saturating_sub(SHOWN_LINES) {
        message::warning(&format!("{} like this", formats::count(more, "more rule")));
    }
}

/// Gives each rule that matched nothing the reason that a sample of the events shows.
pub(super) fn explain_silent(
    tally: &mut RuleTally,
    rules: &mut [Box<dyn Rules>],
    samples: &RunSamples,
    artifacts: &[Artifact],
) {
    let mut silent: BTreeMap<u16, Vec<RuleRef>> = BTreeMap::new();
    for at in tally.silent() {
        silent.entry(at.artifact).or_default().push(at);
    }
    for (artifact, all) in silent {
        let artifact = usize::from(artifact);
        let (Some(of), Some(rules), Some(sample)) =
            (artifacts.get(artifact), rules.get_mut(artifact), samples.passed.get(artifact))
        else {
            continue;
        };
        let meta = |at: &RuleRef| Some((of.meta.rules.get(usize::from(at.rule))?, at.rule));
        let (all, metas): (Vec<_>, Vec<_>) =
            all.into_iter().filter_map(|at| Some((at, meta(&at)?))).unzip();
        for (at, reason) in all.into_iter().zip(silent::reasons(&metas, &mut **rules, sample)) {
            if let Some(counts) = tally.rule(at) {
                counts.silent = Some(reason);
            }
        }
    }
}

/// The exceptions that took nothing out. That no event that matched has one of its fields is said.
pub(super) fn unused(
    known: impl Iterator<Item = KnownException>,
    used: &HashSet<String>,
    matched: &EventSample,
) -> Vec<UnusedException> {
    let mut names = HashSet::new();
    let mut out = Vec::new();
    for KnownException { name, fields } in known {
        if used.contains(&name) || !names.insert(name.clone()) {
            continue;
        }
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let reason = match matched.count {
            0 => Some("no event matched".to_owned()),
            _ => silent::absent(&fields, matched),
        };
        out.push(UnusedException { name, reason });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_session::EventAt;

    #[test]
    fn exceptions_without_effect_are_named_with_the_field_that_no_event_has() {
        let known = |name: &str, field: &str| KnownException {
            name: name.to_owned(),
            fields: vec![field.to_owned()],
        };
        let all = || {
            let all = [known("used", "user.name"), known("typo", "usr.name")];
            all.into_iter().chain([known("idle", "user.name"), known("idle", "user.name")])
        };
        let used = HashSet::from(["used".to_owned()]);
        let mut matched = EventSample::of(4);
        let said = |matched: &EventSample| {
            let unused = unused(all(), &used, matched);
            unused.into_iter().map(|e| (e.name, e.reason)).collect::<Vec<_>>()
        };
        let named = |name: &str, reason: Option<&str>| (name.to_owned(), reason.map(str::to_owned));
        let none = Some("no event matched");
        assert_eq!(said(&matched), [named("typo", none), named("idle", none)]);
        matched.offer(
            &EventAt::default(),
            br#"{"@timestamp":"2025-04-01T08:00:00Z","user":{"name":"ann"}}"#,
        );
        let typo = Some("the one event that it might concern has no usr.name");
        assert_eq!(said(&matched), [named("typo", typo), named("idle", None)]);
    }
}

//! What Prometheus reads.
//!
//! In: counts of the loop, published at each commit, and of requests, as they happen. Out: the text format, version
//! 0.0.4. Rules are named by their id; a name in it is escaped.

use crate::observe::rule_counts::RuleCounts;
use crate::observe::summary::Summary;
use firstseen_runtime::Overruns;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the loop counted, as of its last commit.
#[derive(Debug, Clone, Default)]
pub struct LoopCounts {
    /// The sums.
    pub summary: Summary,
    /// Of each rule.
    pub rules: Vec<RuleCounts>,
    /// Of each artifact, how its guests failed.
    pub guests: Vec<GuestCounts>,
    /// CPU seconds of each stage.
    pub stages: Vec<(&'static str, f64)>,
    /// When it was, in milliseconds since 1970.
    pub committed_ms: i64,
    /// Bytes of the state's file, where it is one.
    pub state_bytes: Option<u64>,
}

/// How the guests of an artifact failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestCounts {
    /// The artifact, as messages name it.
    pub name: String,
    /// Calls that ended in a trap.
    pub traps: u64,
    /// Calls that ran over their time.
    pub overruns: u64,
    /// Whether it judges nothing any more.
    pub is_stopped: bool,
}

impl GuestCounts {
    /// Of an artifact with these overruns.
    #[must_use]
    pub fn of(name: &str, overruns: &Overruns) -> Self {
        let is_stopped = overruns.stopped().is_some();
        Self {
            name: name.to_owned(),
            traps: overruns.traps(),
            overruns: overruns.all(),
            is_stopped,
        }
    }
}

/// Statuses of requests that are refused for good; each has its count from the beginning.
const REFUSALS: [u16; 6] = [400, 401, 404, 405, 408, 413];

/// The counts of a service.
#[derive(Default)]
pub struct ServiceCounts {
    /// Requests that were refused for good, each by [`REFUSALS`].
    refused: [AtomicU64; REFUSALS.len()],
    /// Those with another status.
    refused_otherwise: AtomicU64,
    /// Requests that were told to come again.
    pub put_off: AtomicU64,
    /// Items of bulk requests.
    pub bulk_items: AtomicU64,
    /// Of them those that were refused before they were judged.
    pub bulk_items_refused: AtomicU64,
    /// Connections that are open.
    pub connections: AtomicU64,
    /// Connections that were not taken, for want of room.
    pub connections_refused: AtomicU64,
    /// Reloads that were done, and that failed.
    pub reloads: [AtomicU64; 2],
    present: Mutex<LoopCounts>,
    /// What ran before the last reload.
    before: Mutex<LoopCounts>,
    /// What time it is, for lags.
    clock: Option<Arc<dyn Fn() -> i64 + Send + Sync>>,
}

impl ServiceCounts {
    /// Counts of a service; the clock gives milliseconds since 1970.
    #[must_use]
    pub fn new(clock: Arc<dyn Fn() -> i64 + Send + Sync>) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    /// A request was refused for good, with this status.
    pub fn refuse(&self, status: u16) {
        let known = REFUSALS.iter().position(|known| *known == status);
        let count = known.and_then(|known| self.refused.get(known));
        count.unwrap_or(&self.refused_otherwise).fetch_add(1, Ordering::Relaxed);
    }

    /// Takes what the loop counted so far.
    pub fn publish(&self, counts: LoopCounts) {
        *self.present.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }

    /// The loop begins anew, and counts from 0 again.
    pub fn begin_anew(&self) {
        let present = {
            let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *present)
        };
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        *before = sum(&before, present);
    }

    /// The page.
    #[must_use]
    pub fn page(&self) -> String {
        let counts = {
            let present = self.present.lock().unwrap_or_else(PoisonError::into_inner).clone();
            sum(&self.before.lock().unwrap_or_else(PoisonError::into_inner), present)
        };
        let mut page = Page::default();
        let LoopCounts { summary, rules, guests, stages, committed_ms, state_bytes } = &counts;
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        page.counter(
            "firstseen_requests_judged_total",
            "Bodies that were judged and committed.",
            summary.files,
        );
        let refused = "firstseen_requests_refused_total";
        page.head(refused, "counter", "Requests that were refused for good (4xx), by status.");
        for (status, count) in REFUSALS.iter().zip(&self.refused) {
            page.line(refused, &[("status", &status.to_string())], get(count) as f64);
        }
        page.line(refused, &[("status", "other")], get(&self.refused_otherwise) as f64);
        page.counter(
            "firstseen_requests_put_off_total",
            "Requests that were told to come again (429, 503).",
            get(&self.put_off),
        );
        page.counter(
            "firstseen_bulk_items_total",
            "Items of bulk requests.",
            get(&self.bulk_items),
        );
        page.counter(
            "firstseen_bulk_items_refused_total",
            "Items of bulk requests that were refused before they were judged.",
            get(&self.bulk_items_refused),
        );
        page.counter(
            "firstseen_no_events_total",
            "Documents and bodies that were recognised as something else than events.",
            summary.no_events.total(),
        );
        page.gauge(
            "firstseen_connections",
            "Connections that are open.",
            get(&self.connections) as f64,
        );
        page.counter(
            "firstseen_connections_refused_total",
            "Connections that were not taken, for want of room.",
            get(&self.connections_refused),
        );
        let [done, failed] = &self.reloads;
        page.head(
            "firstseen_reloads_total",
            "counter",
            "Reloads of rules, exceptions and certificates.",
        );
        page.line("firstseen_reloads_total", &[("result", "done")], get(done) as f64);
        page.line("firstseen_reloads_total", &[("result", "failed")], get(failed) as f64);
        page.counter("firstseen_bytes_total", "Bytes of bodies, unpacked.", summary.bytes);
        page.counter("firstseen_events_total", "Events that were read.", summary.events);
        page.counter(
            "firstseen_bad_events_total",
            "Events and matches that could not be judged.",
            summary.bad,
        );
        page.counter(
            "firstseen_future_events_total",
            "Matches dated later than the clock allows.",
            summary.future,
        );
        page.counter(
            "firstseen_dead_letters_total",
            "Skipped events that were kept.",
            summary.dead_letters,
        );
        let families: [RuleFamily; 9] = [
            ("matched", "Events that the rule's query matched.", |rule| rule.matched),
            ("alerts", "Alerts.", |rule| rule.alerts),
            ("repeats", "Alerts of events that came again.", |rule| rule.repeats),
            ("seen", "Terms that were seen before in the window.", |rule| rule.seen),
            ("learned", "Terms that were learned without an alert.", |rule| rule.learned),
            ("missing", "Matches without one of the new-terms fields.", |rule| rule.missing),
            ("excepted", "Matches that an exception took out.", |rule| rule.excepted),
            ("other_index", "Matches of an index that the rule is not about.", |rule| {
                rule.other_index
            }),
            (
                "not_judged",
                "Matches and terms that were not judged, traps and deadlines included.",
                |rule| rule.not_judged,
            ),
        ];
        for (name, help, count) in families {
            let name = format!("firstseen_rule_{name}_total");
            page.head(&name, "counter", help);
            for rule in rules {
                page.line(&name, &[("rule", &rule.id), ("name", &rule.name)], count(rule) as f64);
            }
        }
        let families: [GuestFamily; 3] = [
            ("traps_total", "counter", "Calls of a rule's code that ended in a trap.", |guest| {
                guest.traps
            }),
            (
                "overruns_total",
                "counter",
                "Calls of a rule's code that ran over their time.",
                |guest| guest.overruns,
            ),
            (
                "stopped",
                "gauge",
                "1 where a rule judges nothing more, as it ran over its time too often.",
                |guest| guest.is_stopped.into(),
            ),
        ];
        for (name, kind, help, count) in families {
            let name = format!("firstseen_artifact_{name}");
            page.head(&name, kind, help);
            for guest in guests {
                page.line(&name, &[("artifact", &guest.name)], count(guest) as f64);
            }
        }
        page.head("firstseen_stage_cpu_seconds_total", "counter", "CPU time of the loop by stage.");
        for (stage, seconds) in stages {
            page.line("firstseen_stage_cpu_seconds_total", &[("stage", stage)], *seconds);
        }
        if let Some(bytes) = state_bytes {
            page.gauge("firstseen_state_bytes", "Size of the file of the state.", *bytes as f64);
        }
        if *committed_ms > 0 {
            page.gauge(
                "firstseen_last_commit_timestamp_seconds",
                "When the state was committed last.",
                *committed_ms as f64 / 1000.0,
            );
        }
        if let Some(last_ms) = summary.last_time_ms {
            page.gauge(
                "firstseen_newest_event_timestamp_seconds",
                "The time of the newest event that matched.",
                last_ms as f64 / 1000.0,
            );
            if let Some(clock) = &self.clock {
                let lag = clock().saturating_sub(last_ms) as f64 / 1000.0;
                page.gauge("firstseen_event_lag_seconds", "How long ago that is.", lag);
            }
        }
        page.0
    }
}

/// Counters never go back: what ran before a reload is added.
fn sum(before: &LoopCounts, mut present: LoopCounts) -> LoopCounts {
    let (sums, old) = (&mut present.summary, &before.summary);
    for (sum, old) in [
        (&mut sums.files, old.files),
        (&mut sums.bytes, old.bytes),
        (&mut sums.events, old.events),
        (&mut sums.bad, old.bad),
        (&mut sums.future, old.future),
        (&mut sums.dead_letters, old.dead_letters),
    ] {
        *sum += old;
    }
    sums.no_events.join(&old.no_events);
    sums.last_time_ms = sums.last_time_ms.max(old.last_time_ms);
    for old in &before.rules {
        match present.rules.iter_mut().find(|rule| rule.id == old.id) {
            None => present.rules.push(old.clone()),
            Some(rule) => {
                rule.matched += old.matched;
                rule.alerts += old.alerts;
                rule.repeats += old.repeats;
                rule.seen += old.seen;
                rule.learned += old.learned;
                rule.missing += old.missing;
                rule.excepted += old.excepted;
                rule.other_index += old.other_index;
                rule.not_judged += old.not_judged;
            }
        }
    }
    for old in &before.guests {
        match present.guests.iter_mut().find(|guest| guest.name == old.name) {
            // What is not loaded any more is not stopped.
            None => present.guests.push(GuestCounts { is_stopped: false, ..old.clone() }),
            Some(guest) => {
                guest.traps += old.traps;
                guest.overruns += old.overruns;
            }
        }
    }
    if present.stages.is_empty() {
        present.stages.clone_from(&before.stages);
    }
    present.committed_ms = present.committed_ms.max(before.committed_ms);
    present.state_bytes = present.state_bytes.or(before.state_bytes);
    present
}

/// A count of each rule: its name, what it is, and where it is.
type RuleFamily = (&'static str, &'static str, fn(&RuleCounts) -> u64);

/// A number of each artifact: its name, its kind, what it is, and where it is.
type GuestFamily = (&'static str, &'static str, &'static str, fn(&GuestCounts) -> u64);

/// The text format.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // A String takes everything.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (number, (label, text)) in labels.iter().enumerate() {
            self.0.push(if number == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"");
            for c in text.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        self.line(name, &[], value as f64);
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, "gauge", help);
        self.line(name, &[], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(id: &str, alerts: u64, events: u64) -> LoopCounts {
        let rule = RuleCounts {
            id: id.into(),
            name: "a \"b\"\n\\".into(),
            alerts,
            ..RuleCounts::default()
        };
        let summary = Summary { events, last_time_ms: Some(1_500), ..Summary::default() };
        let stages = vec![("keys", 0.25)];
        let guest = GuestCounts { name: "p".into(), traps: alerts, overruns: 3, is_stopped: true };
        let (rules, guests) = (vec![rule], vec![guest]);
        LoopCounts { summary, rules, guests, stages, committed_ms: 2_000, state_bytes: Some(9) }
    }

    #[test]
    fn counters_go_on_over_a_reload_and_names_are_escaped() {
        let service = ServiceCounts::new(Arc::new(|| 4_000));
        service.publish(counts("r", 2, 10));
        service.begin_anew();
        let other = LoopCounts { rules: vec![], ..counts("r", 0, 0) };
        service.publish(other);
        service.publish(counts("r", 3, 5));
        let page = service.page();
        for line in [
            "firstseen_events_total 15",
            "firstseen_rule_alerts_total{rule=\"r\",name=\"a \\\"b\\\"\\n\\\\\"} 5",
            "firstseen_event_lag_seconds 2.5",
            "firstseen_last_commit_timestamp_seconds 2",
            "firstseen_artifact_traps_total{artifact=\"p\"} 5",
            "firstseen_artifact_overruns_total{artifact=\"p\"} 6",
            "firstseen_artifact_stopped{artifact=\"p\"} 1",
            "firstseen_stage_cpu_seconds_total{stage=\"keys\"} 0.25",
            "firstseen_state_bytes 9",
            "firstseen_reloads_total{result=\"done\"} 0",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        // Each family has one head.
        let heads: Vec<_> = page.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let mut once = heads.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), heads.len());
    }
}

//! What is counted for Prometheus.
//!
//! In: counts of the loop, published at each commit, and of requests, as they happen. Out: sums that never go back, also
//! where the loop begins anew, as `metrics_page` writes them.

use super::metrics_page::page;
use crate::observe::rule_counts::RuleCounts;
use crate::observe::summary::Summary;
use firstseen_runtime::Overruns;
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

/// A request of which nothing was judged.
#[derive(Debug, Clone, Copy)]
pub struct RefusedRequest<'r> {
    /// Its path, and who sent it.
    pub name: &'r str,
    /// The status of its answer.
    pub status: u16,
    /// How many were refused with this status, with it.
    pub count: u64,
    /// What the answer says, behind a code.
    pub code: &'static str,
    /// The reason.
    pub reason: &'r str,
}

/// Hears of a request that was refused for good, on the thread that answers it.
pub type TellsRefused = Box<dyn Fn(&RefusedRequest<'_>) + Send + Sync>;

/// Statuses of requests that are refused for good; each has its count from the beginning.
pub(super) const REFUSALS: [u16; 6] = [400, 401, 404, 405, 408, 413];

/// The counts of a service.
#[derive(Default)]
pub struct ServiceCounts {
    /// Requests that were refused for good, each by [`REFUSALS`].
    pub(super) refused: [AtomicU64; REFUSALS.len()],
    /// Those with another status.
    pub(super) refused_otherwise: AtomicU64,
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
    /// Hears of each request that was refused for good.
    tells: Option<TellsRefused>,
    /// What time it is, for lags.
    pub(super) clock: Option<Arc<dyn Fn() -> i64 + Send + Sync>>,
}

impl ServiceCounts {
    /// Counts of a service; the clock gives milliseconds since 1970.
    #[must_use]
    pub fn new(clock: Arc<dyn Fn() -> i64 + Send + Sync>) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    /// The same, where somebody hears of each request that is refused for good.
    #[must_use]
    pub fn telling(self, tells: TellsRefused) -> Self {
        Self { tells: Some(tells), ..self }
    }

    /// A request was refused for good, with this status; how many there are with it.
    pub fn refuse(&self, status: u16) -> u64 {
        let known = REFUSALS.iter().position(|known| *known == status);
        let count = known.and_then(|known| self.refused.get(known));
        count.unwrap_or(&self.refused_otherwise).fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Says that a request was refused.
    pub(super) fn tell(&self, request: &RefusedRequest<'_>) {
        if let Some(tells) = &self.tells {
            tells(request);
        }
    }

    /// How many requests were refused for good, by status; `None`: of all others.
    #[must_use]
    pub fn refusals(&self) -> Vec<(Option<u16>, u64)> {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let known = REFUSALS.iter().map(|status| Some(*status)).zip(self.refused.iter().map(get));
        let mut all: Vec<_> = known.chain([(None, get(&self.refused_otherwise))]).collect();
        all.retain(|(_, count)| *count > 0);
        all
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
        page(self, &counts)
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

//! What Prometheus reads.
//!
//! In: counts of a service. Out: the text format, version 0.0.4. Rules are named by their id; a name in it is escaped.

use super::metrics::{GuestCounts, LoopCounts, REFUSALS, ServiceCounts};
use crate::observe::rule_counts::RuleCounts;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// The page.
pub(super) fn page(service: &ServiceCounts, counts: &LoopCounts) -> String {
    let mut page = Page::default();
    let LoopCounts { summary, rules, guests, stages, committed_ms, state_bytes } = counts;
    let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
    page.counter(
        "firstseen_requests_judged_total",
        "Bodies that were judged and committed.",
        summary.files,
    );
    let refused = "firstseen_requests_refused_total";
    page.head(refused, "counter", "Requests that were refused for good (4xx), by status.");
    for (status, count) in REFUSALS.iter().zip(&service.refused) {
        page.line(refused, &[("status", &status.to_string())], get(count) as f64);
    }
    page.line(refused, &[("status", "other")], get(&service.refused_otherwise) as f64);
    page.counter(
        "firstseen_requests_put_off_total",
        "Requests that were told to come again (429, 503).",
        get(&service.put_off),
    );
    page.counter("firstseen_bulk_items_total", "Items of bulk requests.", get(&service.bulk_items));
    page.counter(
        "firstseen_bulk_items_refused_total",
        "Items of bulk requests that were refused before they were judged.",
        get(&service.bulk_items_refused),
    );
    page.counter(
        "firstseen_no_events_total",
        "Documents and bodies that were recognised as something else than events.",
        summary.no_events.total(),
    );
    page.gauge(
        "firstseen_connections",
        "Connections that are open.",
        get(&service.connections) as f64,
    );
    page.counter(
        "firstseen_connections_refused_total",
        "Connections that were not taken, for want of room.",
        get(&service.connections_refused),
    );
    let [done, failed] = &service.reloads;
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
        ("other_index", "Matches of an index that the rule is not about.", |rule| rule.other_index),
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
        if let Some(clock) = &service.clock {
            let lag = clock().saturating_sub(last_ms) as f64 / 1000.0;
            page.gauge("firstseen_event_lag_seconds", "How long ago that is.", lag);
        }
    }
    page.0
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

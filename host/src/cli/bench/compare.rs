//! A result beside an earlier one.
//!
//! In: two results of the same work, and how many per cent a measure may grow. Out: a row for each measure, and whether
//! one grew by more. It measures nothing.

use super::latency::{Latency, LatencyOf};
use super::result::{BenchResult, Work};
use crate::terminal::formats::counted;
use crate::terminal::wrap::wrapped;
use anyhow::bail;

/// A measure in both.
struct Compared {
    name: &'static str,
    unit: &'static str,
    old: f64,
    new: f64,
    is_worse: bool,
}

/// All measures.
pub(super) struct BaselineComparison {
    rows: Vec<Compared>,
    bound: u16,
    /// What else differs: it may be why.
    notes: Vec<String>,
}

impl BaselineComparison {
    /// Compares.
    ///
    /// # Errors
    /// Where the two did not do the same work.
    pub(super) fn of(old: &BenchResult, new: &BenchResult, bound: u16) -> anyhow::Result<Self> {
        refuse_other_work(old, new)?;
        let mut rows = Vec::new();
        // Less than `least` more is noise, whatever it is in per cent.
        let mut row = |name, unit, old: f64, new: f64, least: f64| {
            let most = old * (1.0 + f64::from(bound) / 100.0);
            let is_worse = new > most && new - old > least;
            rows.push(Compared { name, unit, old, new, is_worse });
        };
        row("time", "s", old.seconds, new.seconds, 0.001);
        row("CPU time", "s", old.cpu_seconds, new.cpu_seconds, 0.001);
        for (name, of) in KINDS {
            if let (Some(old), Some(new)) = (of(&old.latency), of(&new.latency)) {
                let few = old.events.min(new.events) < LEAST_EVENTS;
                row(name, "us", old.p50_us, new.p50_us, if few { f64::INFINITY } else { 0.2 });
            }
        }
        if let (Some(old), Some(new)) = (old.peak_memory_bytes, new.peak_memory_bytes) {
            row("memory", "MB", old as f64 / 1e6, new as f64 / 1e6, 1.0);
        }
        Ok(Self { rows, bound, notes: notes(old, new) })
    }

    /// Whether a measure grew by more than the bound.
    pub(super) fn is_worse(&self) -> bool {
        self.rows.iter().any(|row| row.is_worse)
    }

    /// A table, and what it comes to.
    pub(super) fn page(&self) -> String {
        let mut out =
            format!("  {:<22}{:>14}{:>14}{:>10}\n", "beside the baseline", "then", "now", "change");
        for Compared { name, unit, old, new, is_worse } in &self.rows {
            let change = if *old > 0.0 {
                format!("{:+.1} %", (new / old - 1.0) * 100.0)
            } else {
                "-".to_owned()
            };
            let digits = if *unit == "s" { 3 } else { 1 };
            let [old, new] = [old, new].map(|value| format!("{value:.digits$} {unit}"));
            let mark = if *is_worse { "  worse" } else { "" };
            out += &format!("  {name:<22}{old:>14}{new:>14}{change:>10}{mark}\n");
        }
        for note in &self.notes {
            out += &wrapped(note, "  ", "    ");
        }
        let worse: Vec<_> =
            self.rows.iter().filter(|row| row.is_worse).map(|row| row.name).collect();
        let bound = self.bound;
        out += &match worse.as_slice() {
            [] => wrapped(&format!("nothing is worse by more than {bound} %"), "  ", "    "),
            names => {
                let names = names.join(", ");
                wrapped(&format!("worse by more than {bound} %: {names}"), "  ", "    ")
            }
        };
        out
    }
}

type OfKind = fn(&Latency) -> Option<LatencyOf>;

const KINDS: [(&str, OfKind); 3] = [
    ("latency", |latency| latency.all),
    ("latency of matches", |latency| latency.matched),
    ("latency of alerts", |latency| latency.alerted),
];
/// The median of fewer says more of the machine than of the rules: it is shown, and not judged.
const LEAST_EVENTS: u64 = 100;

fn refuse_other_work(old: &BenchResult, new: &BenchResult) -> anyhow::Result<()> {
    let work = |Work { inputs, bytes, events, .. }: &Work| {
        let [inputs, bytes, events] = [
            counted(*inputs, "input", "inputs"),
            counted(*bytes, "byte", "bytes"),
            counted(*events, "event", "events"),
        ];
        format!("{inputs}, {bytes}, {events}")
    };
    let one_by_one = |result: &BenchResult| result.latency.all.map_or(0, |all| all.events);
    let facts = [
        ("inputs", work(&old.work), work(&new.work)),
        ("--threads", old.threads.to_string(), new.threads.to_string()),
        ("--state", old.state.clone(), new.state.clone()),
        ("--events", one_by_one(old).to_string(), one_by_one(new).to_string()),
    ];
    for (what, old, new) in facts {
        if old != new {
            bail!(
                "it was measured over other work, {what}: {old} then, {new} now; measure both \
                 the same way"
            );
        }
    }
    Ok(())
}

fn notes(old: &BenchResult, new: &BenchResult) -> Vec<String> {
    let mut notes = Vec::new();
    if old.firstseen != new.firstseen {
        notes
            .push(format!("the baseline is of version {}", crate::escape::escaped(&old.firstseen)));
    }
    if old.rules != new.rules {
        notes.push("the rules have other names than the baseline's".to_owned());
    }
    let counts = |work: &Work| (work.matched, work.alerts);
    if counts(&old.work) != counts(&new.work) {
        let [(matched, alerts), (now_matched, now_alerts)] = [&old.work, &new.work].map(counts);
        notes.push(format!(
            "the rules found something else: {matched} matched and {alerts} alerts then, {now_matched} and \
             {now_alerts} now"
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::super::result::tests::measured;
    use super::*;

    fn of_few(result: &mut BenchResult, p50_us: f64) {
        let matched = result.latency.matched.as_mut().unwrap();
        (matched.events, matched.p50_us) = (99, p50_us);
    }

    fn worse(change: impl Fn(&mut BenchResult)) -> Vec<&'static str> {
        let old = measured(&[2.0]);
        let mut new = old.clone();
        change(&mut new);
        let compared = BaselineComparison::of(&old, &new, 10).unwrap();
        compared.rows.iter().filter(|row| row.is_worse).map(|row| row.name).collect()
    }

    #[test]
    fn what_grew_by_more_than_the_bound_is_worse() {
        assert!(worse(|_| ()).is_empty());
        assert!(worse(|new| new.seconds = 2.2).is_empty());
        assert_eq!(worse(|new| new.seconds = 2.201), ["time"]);
        assert_eq!(worse(|new| new.cpu_seconds = 40.0), ["CPU time"]);
        assert_eq!(worse(|new| new.peak_memory_bytes = Some(100 << 20)), ["memory"]);
        assert!(worse(|new| (new.seconds, new.cpu_seconds) = (0.1, 0.2)).is_empty());
        let p50 =
            |latency: &mut Option<LatencyOf>, p50_us| latency.as_mut().unwrap().p50_us = p50_us;
        assert_eq!(worse(|new| p50(&mut new.latency.all, 1.5)), ["latency"]);
        assert_eq!(worse(|new| p50(&mut new.latency.matched, 17.0)), ["latency of matches"]);
        // The median of few events.
        assert!(worse(|new| of_few(new, 17.0)).is_empty());
        // Less than what a clock tells apart, and what one of them did not measure.
        assert!(worse(|new| p50(&mut new.latency.all, 1.44)).is_empty());
        assert!(worse(|new| new.latency.matched = None).is_empty());
        // The slowest hundredth depends on what else the machine does.
        let p99 = |latency: &mut Option<LatencyOf>| latency.as_mut().unwrap().p99_us = 1e9;
        assert!(worse(|new| p99(&mut new.latency.all)).is_empty());
    }

    #[test]
    fn other_work_is_refused_and_other_rules_are_named() {
        let old = measured(&[2.0]);
        let refused = |change: fn(&mut BenchResult)| {
            let mut new = old.clone();
            change(&mut new);
            BaselineComparison::of(&old, &new, 10).err().map(|error| error.to_string())
        };
        for (change, words) in [
            ((|new| new.threads = 1) as fn(&mut BenchResult), "--threads: 2 then, 1 now"),
            (|new| new.work.bytes = 1, "200,000,000 bytes, 150,000 events then, 2 inputs, 1 byte,"),
            (|new| new.state = "file".to_owned(), "--state: memory then, file now"),
            (|new| new.latency.all.as_mut().unwrap().events = 9, "--events: 10000 then, 9 now"),
        ] {
            assert!(refused(change).unwrap().contains(words), "{words}");
        }
        let mut new = old.clone();
        (new.rules, new.work.alerts, new.firstseen) = (vec![], 21, "9.9.9".to_owned());
        let page = BaselineComparison::of(&new, &old, 10).unwrap().page();
        assert_eq!(
            page,
            "  beside the baseline             then           now    change
  time                         2.000 s       2.000 s    +0.0 %
  CPU time                     4.000 s       4.000 s    +0.0 %
  latency                       1.2 us        1.2 us    +0.0 %
  latency of matches           15.0 us       15.0 us    +0.0 %
  memory                       73.4 MB       73.4 MB    +0.0 %
  the baseline is of version 9.9.9
  the rules have other names than the baseline's
  the rules found something else: 300 matched and 21 alerts then, 300 and 20 now
  nothing is worse by more than 10 %
"
        );
    }
}

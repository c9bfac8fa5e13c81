//! A result for a person.
//!
//! In: a result. Out: a page within 80 columns: what was done, how fast, and where the time went. Names from rules are
//! escaped.

use super::latency::LatencyOf;
use super::result::{BenchResult, OTHER, Work};
use crate::escape::escaped;
use crate::observe::stages::RunStage;
use crate::terminal::formats::{SHOWN_NAMES, bytes, counted, number};
use crate::terminal::wrap::{labelled, wrapped};

/// What is done in a stage.
fn meaning(stage: RunStage) -> &'static str {
    match stage {
        RunStage::Read => "bytes from files",
        RunStage::Inflate => "gzip and zstd",
        RunStage::Scan => "events found, searched for the rules' literals",
        RunStage::Keys => "events read, queries, terms",
        RunStage::Order => "matches sorted by time",
        RunStage::Decide => "state looked up and written, alerts made",
        RunStage::Output => "alerts written",
    }
}

/// The lines, each with its line break.
pub(super) fn page(result: &BenchResult, is_made_up: bool) -> String {
    let Work { inputs, events, matched, alerts, seen, skipped, .. } = result.work;
    let mut out = String::new();
    if is_made_up {
        let text = "no input was given: these are made-up CloudTrail events, which are simpler than real ones";
        out += &wrapped(text, "  ", "    ");
    }
    let inputs = counted(inputs, "input", "inputs");
    let mut read = format!("{} in {inputs}, {}", number(events), bytes(result.work.bytes));
    if result.work.stored_bytes != result.work.bytes {
        read += &format!(" ({} as stored)", bytes(result.work.stored_bytes));
    }
    out += &labelled("events", &read);
    let names: Vec<_> = result.rules.iter().take(SHOWN_NAMES).map(|name| escaped(name)).collect();
    let more = result.rules.len().saturating_sub(names.len());
    let more = if more > 0 { format!("; {more} more") } else { String::new() };
    out += &labelled("rules", &format!("{}{more}", names.join("; ")));
    let mut found = format!("{} matched, {}", number(matched), counted(alerts, "alert", "alerts"));
    if seen > 0 {
        found += &format!(", {}", counted(seen, "term seen before", "terms seen before"));
    }
    if skipped > 0 {
        found += &format!(", {} not judged", number(skipped));
    }
    out += &labelled("found", &found);
    let rounds = counted(result.rounds, "round", "rounds");
    let threads = counted(result.threads, "thread", "threads");
    let threads = if result.threads > 1 { format!("up to {threads}") } else { threads };
    out += &labelled("measured", &format!("{rounds}, {threads}, state in {}", result.state));
    let gigabytes = |per_second: f64| format!("{:.3} GB/s", per_second / 1e9);
    let mut speed = format!(
        "{} events/s, {}",
        number(result.events_per_second as u64),
        gigabytes(result.bytes_per_second)
    );
    if result.work.stored_bytes != result.work.bytes {
        speed += &format!(" ({} as stored)", gigabytes(result.stored_bytes_per_second));
    }
    out += &labelled("speed", &speed);
    let BenchResult { seconds, fastest_seconds, slowest_seconds, cpu_seconds, .. } = *result;
    let time = format!(
        "{seconds:.3} s, the median of {fastest_seconds:.3} to {slowest_seconds:.3} s; CPU {cpu_seconds:.3} s"
    );
    out += &labelled("time", &time);
    let memory = result.peak_memory_bytes.map_or("this system does not say".to_owned(), bytes);
    out += &labelled("memory", &format!("{memory} at most"));
    out += &stages(result);
    out += &latency(result);
    out
}

fn stages(result: &BenchResult) -> String {
    let mut out = format!("\n  {:<10}{:>9}{:>9}\n", "stage", "CPU s", "share");
    let all = RunStage::ALL.into_iter().map(|stage| (stage.name(), meaning(stage)));
    for (name, meaning) in all.chain([(OTHER, "threads begun and ended, all else")]) {
        let seconds = result.stage_cpu_seconds.get(name).copied().unwrap_or_default();
        let share =
            if result.cpu_seconds > 0.0 { seconds / result.cpu_seconds * 100.0 } else { 0.0 };
        out += &format!("  {name:<10}{seconds:>9.3}{share:>7.1} %  {meaning}\n");
    }
    let text = "CPU time of all threads together: with several it is more than the time";
    if result.threads > 1 {
        out += &wrapped(text, "  ", "  ");
    }
    out
}

fn latency(result: &BenchResult) -> String {
    let latency = &result.latency;
    let kinds = [
        ("all", latency.all),
        ("matched, no alert", latency.matched),
        ("alerted", latency.alerted),
    ];
    if latency.all.is_none() {
        return String::new();
    }
    let mut out = format!("\n  {:<18}{:>9}{:>12}{:>12}\n", "one by one", "events", "p50", "p99");
    for (name, of) in kinds {
        if let Some(LatencyOf { events, p50_us, p99_us }) = of {
            let events = number(events);
            out += &format!("  {name:<18}{events:>9}{p50_us:>9.1} us{p99_us:>9.1} us\n");
        }
    }
    let text =
        "from an event's arrival on a stream to its decision, alerts written and state committed";
    out += &wrapped(text, "  ", "  ");
    out
}

#[cfg(test)]
mod tests {
    use super::super::result::tests::measured;
    use super::*;
    use crate::terminal::wrap::WIDTH;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn a_result_is_a_page() {
        let shown = page(&measured(&[1.0, 8.0, 2.0]), true);
        assert!(shown.lines().all(|line| line.width() <= WIDTH), "{shown}");
        assert_eq!(
            shown,
            "  no input was given: these are made-up CloudTrail events, which are simpler
    than real ones
  events    150,000 in 2 inputs, 200.00 MB (20.00 MB as stored)
  rules     Rule\\u{1b} One; Rule Two
  found     300 matched, 20 alerts, 280 terms seen before
  measured  3 rounds, up to 2 threads, state in memory
  speed     75,000 events/s, 0.100 GB/s (0.010 GB/s as stored)
  time      2.000 s, the median of 1.000 to 8.000 s; CPU 4.000 s
  memory    73.40 MB at most

  stage         CPU s    share
  read          0.000    0.0 %  bytes from files
  inflate       0.050    1.2 %  gzip and zstd
  scan          0.100    2.5 %  events found, searched for the rules' literals
  keys          0.150    3.8 %  events read, queries, terms
  order         0.200    5.0 %  matches sorted by time
  decide        0.250    6.2 %  state looked up and written, alerts made
  output        0.300    7.5 %  alerts written
  other         2.950   73.8 %  threads begun and ended, all else
  CPU time of all threads together: with several it is more than the time

  one by one           events         p50         p99
  all                  10,000      1.2 us     20.5 us
  matched, no alert       190     15.0 us     30.0 us
  from an event's arrival on a stream to its decision, alerts written and state
  committed
"
        );
    }
}

//! The arguments of `run`.
//!
//! In: arguments. Out: their values, or clap's own error (exit status 2). It opens nothing.

use crate::cli::common::Common;
use crate::cli::format::AlertFormatArg;
use crate::cli::observer::OnError;
use crate::cli::paths;
use crate::cli::schedule::ScheduleArgs;
use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;

/// What happens to an alert that an earlier run has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Repeats {
    /// Count it, and do not write it
    Drop,
    /// Write it again, byte for byte the same
    Emit,
}

/// The arguments of `run`.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("resumed").multiple(true))]
pub struct RunArgs {
    /// Rules, state and inputs
    #[command(flatten)]
    pub common: Common,
    /// Output format
    #[arg(long, value_enum, default_value_t = AlertFormatArg::Auto)]
    pub format: AlertFormatArg,
    /// Leave the rule's texts and the raw event (event.original) out of alerts
    #[arg(long)]
    pub compact: bool,
    /// What to do with an event or a file that cannot be read
    #[arg(long, value_enum, default_value_t = OnError::Skip)]
    pub on_error: OnError,
    /// Write events that were skipped to this file, as NDJSON
    #[arg(long, value_name = "FILE", group = "appended", value_parser = paths::to_write())]
    pub dead_letter: Option<PathBuf>,
    /// Exit with status 1 if there were alerts
    #[arg(long)]
    pub fail_on_alert: bool,
    /// Write the counts to this file, as one JSON object
    #[arg(long, value_name = "FILE", value_parser = paths::to_write())]
    pub summary: Option<PathBuf>,
    /// Hold events of standard input back for this long, to sort them (30s, 15m)
    ///
    /// An event goes on as soon as one arrives that is dated this much later, or when it has waited
    /// this long.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration)]
    pub hold: i64,
    /// What to do with an alert that an earlier run with this state has written [default: drop]
    ///
    /// A state at a server has them written: an alert is known there before it is out, so that it has to
    /// come again.
    #[arg(long, value_enum)]
    pub repeats: Option<Repeats>,
    /// Let no rule have more terms in the state than this; the least recently seen go, and are counted
    ///
    /// With each commit those go first that were written the longest ago, by the hour. One that comes back
    /// alerts again. `memory:` may hold an eighth more in between. A state at a server has no such limit.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_terms: Option<u64>,
    /// Go on where the last run with this state ended: each event is decided once
    ///
    /// The state keeps which inputs were read, and how far. After a kill or a power cut the same command
    /// gives the output that an undisturbed run gives, byte for byte; then, and after a run that ended well,
    /// it reads what is new: other files, and what was appended to plain ones. A stream has to be sent again
    /// from its beginning; what was decided of it is passed over. See docs/state.md.
    #[arg(long, requires = "output", group = "resumed", conflicts_with_all = ["annotate", "hold"])]
    pub resume: bool,
    /// Go on when all is read: wait for what is added to files, for new ones and for those that rotate
    ///
    /// As --resume, again and again, until a signal ends it. Files need not be there yet; what rotation makes of a
    /// file given here is read to its end, also if that is packed or was done while nothing ran, and one that is cut
    /// begins anew. Lines that are not whole are waited for, and packed files until they have not changed for 5
    /// seconds. See docs/state.md.
    #[arg(long, requires = "output", group = "resumed", conflicts_with_all = ["annotate", "hold", "fail_on_alert"])]
    pub follow: bool,
    /// The name of the run in the state; without it, the path of --output
    #[arg(long, value_name = "NAME", requires = "resumed")]
    pub name: Option<String>,
    /// Give up a batch or a stream that was begun, and start over with the inputs as they are
    ///
    /// What was decided stays in output and state, and does not alert again.
    #[arg(long, requires = "resumed")]
    pub restart_batch: bool,
    /// Copy standard input to the output, and add `firstseen_alerts` to events with alerts
    ///
    /// Each line that is read gives one line, in order and at once. An event that could not be
    /// judged gets `firstseen_error`. Alerts of a line that is not an object follow on a line of
    /// their own. This is for pipelines that expect an answer to each line.
    #[arg(long, conflicts_with_all = ["format", "hold"])]
    pub annotate: bool,
    /// How many threads read, judge and decide [default: as many as there are processors]
    ///
    /// Output, summary and state are the same whatever it is. Standard input is read by one and judged by all, and
    /// with --annotate, --resume, --exceptions or learning by one alone; so it is with a state that is kept, if this
    /// option is not given, and everything with --on-error fail.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Elastic's schedule
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    /// Whether nothing alerts, and what was learned is told: `firstseen learn`.
    #[arg(skip)]
    pub learns: bool,
}

/// A length of time; 0 too, with a unit or without.
pub(in crate::cli) fn duration(text: &str) -> Result<i64, String> {
    let unit = text.trim_start_matches('0');
    let is_zero = unit.len() < text.len()
        && (unit.is_empty() || firstseen_rule::window::duration(&format!("1{unit}")).is_ok())
        && !unit.starts_with(|first: char| first.is_ascii_digit());
    if is_zero { Ok(0) } else { firstseen_rule::window::duration(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_length_with_a_unit_and_without() {
        for text in ["0", "0m", "00h", "0ms"] {
            assert_eq!(duration(text), Ok(0), "{text}");
        }
        assert_eq!((duration("010s"), duration("90s")), (Ok(10_000), Ok(90_000)));
        for text in ["", "m", "0x", "0M", "-0s", "0.0s", "10"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}

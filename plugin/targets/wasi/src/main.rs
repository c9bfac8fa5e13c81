//! A rule as a plain program: events on standard input, alerts on standard output, for any runtime
//! of WASI preview 1.
//!
//! In: events as NDJSON or in any envelope that crate envelope knows, of any length together; a
//! folder for the state, if one is there. Out: alerts, one a line, flushed when the piece of input
//! that brought them has been judged; on standard error what could not be judged, by line, and the
//! counts at the end. Status 0, or 1 where it could not go on. It holds no rule logic, asks no
//! clock, and never holds more than one piece of the input and one event.
//!
//! Alerts are out before the state that knows them is committed: after a kill the same input gives
//! them again, the same bytes.

mod state;

use firstseen_envelope::{EventSink, KnownLines, Place, SplitFault, SplitOptions, Splitter};
use firstseen_rule::Engine;
use firstseen_rule::evaluate::Evaluation;
use state::State;
use std::env;
use std::fmt::Write as _;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

const USAGE: &str = "usage: [--repeats] [FOLDER]
Reads events on standard input, writes alerts on standard output.
  FOLDER     keeps the state; a folder that the runtime was told to open.
             Without it: `state`, if there is such a folder, else memory
  --repeats  write alerts again whose event came again";

/// How much is read at once. A pipe gives what it has.
const PIECE: usize = 256 << 10;
/// How many faults are shown; the others are counted.
const SHOWN: u64 = 100;

fn main() -> ExitCode {
    match program() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads the alerts any more. The state does not know those that were not read.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn program() -> io::Result<()> {
    let (mut folder, mut repeats) = (None, false);
    for arg in env::args().skip(1) {
        match arg.as_str() {
            "--repeats" => repeats = true,
            "--help" | "-h" => return writeln!(io::stdout(), "{USAGE}"),
            _ if arg.starts_with('-') || folder.is_some() => {
                return Err(io::Error::other(format!("{arg:?} is not expected here\n{USAGE}")));
            }
            _ => folder = Some(arg),
        }
    }
    let engine = firstseen_target_support::engine().map_err(io::Error::other)?;
    let options = firstseen_target_support::options().map_err(io::Error::other)?;
    let mut state = State::open(folder.as_deref(), options.state_limit)?;
    say(&format!("state: {}", state.describe()));
    let stdout = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let mut judge = Judge::new(engine, &mut state, stdout, io::stderr().lock(), repeats);
    judge.read(io::stdin().lock())
}

/// On standard error, whether anybody reads it or not; nothing depends on that.
fn say(text: &str) {
    writeln!(io::stderr(), "firstseen: {text}").ok();
}

/// What came of the events.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    events: u64,
    matched: u64,
    alerts: u64,
    repeats: u64,
    seen: u64,
    learned: u64,
    late: u64,
    excepted: u64,
    other_index: u64,
    missing: u64,
    no_events: u64,
    faults: u64,
    forgotten: u64,
}

impl Counts {
    fn add(&mut self, outcome: &Evaluation) {
        self.events += u64::from(outcome.no_events.is_none());
        self.no_events += u64::from(outcome.no_events.is_some());
        self.matched += u64::from(outcome.matched);
        self.alerts += outcome.alerts.len() as u64;
        self.repeats += outcome.repeats.len() as u64;
        self.seen += u64::from(outcome.seen);
        self.learned += u64::from(outcome.learned);
        self.late += u64::from(outcome.late);
        self.excepted += u64::from(outcome.excepted);
        self.other_index += u64::from(outcome.other_index);
        self.missing += outcome.missing.len() as u64;
    }

    /// One line; what is 0 is left out behind the first three.
    fn line(&self) -> String {
        let mut line =
            format!("{} events, {} matched, {} alerts", self.events, self.matched, self.alerts);
        for (count, what) in [
            (self.repeats, "repeated"),
            (self.seen, "seen before"),
            (self.learned, "learned"),
            (self.excepted, "excepted"),
            (self.other_index, "of indices outside the rule's patterns"),
            (self.late, "older than the memory"),
            (self.missing, "without a new-terms field"),
            (self.no_events, "documents without events"),
            (self.faults, "not judged"),
            (self.forgotten, "terms forgotten: --state-limit"),
        ] {
            if count > 0 {
                write!(line, ", {count} {what}").ok();
            }
        }
        line
    }
}

/// The events on their way through the rule.
struct Judge<'s, W: Write, E: Write> {
    engine: Engine,
    state: &'s mut State,
    alerts: BufWriter<W>,
    messages: E,
    /// Whether alerts are written again.
    repeats: bool,
    counts: Counts,
    /// Whether there is something to flush and to commit.
    judged: bool,
    /// Why it cannot go on.
    broken: Option<io::Error>,
}

impl<'s, W: Write, E: Write> Judge<'s, W, E> {
    fn new(
        engine: Engine,
        state: &'s mut State,
        alerts: BufWriter<W>,
        messages: E,
        repeats: bool,
    ) -> Self {
        let counts = Counts::default();
        Self { engine, state, alerts, messages, repeats, counts, judged: false, broken: None }
    }

    /// Reads the input to its end, and says what came of it.
    fn read(&mut self, mut input: impl Read) -> io::Result<()> {
        self.notes();
        let trust = Arc::new(self.engine.trust().clone());
        let mut splitter = Splitter::trusting(SplitOptions::default(), trust);
        let mut piece = vec![0; PIECE];
        let mut first = true;
        loop {
            let length = match input.read(&mut piece) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let bytes = piece.get(..length).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            if std::mem::take(&mut first) {
                refuse_packed(bytes)?;
            }
            let flow = splitter.push(bytes, self);
            self.settle(flow)?;
        }
        let flow = splitter.finish(self);
        self.settle(flow)?;
        self.counts.forgotten = self.state.forgotten();
        writeln!(self.messages, "firstseen: {}", self.counts.line()).ok();
        Ok(())
    }

    /// Alerts first, then the state that knows them.
    fn settle(&mut self, flow: ControlFlow<()>) -> io::Result<()> {
        if let (ControlFlow::Break(()), Some(error)) = (flow, self.broken.take()) {
            return Err(error);
        }
        if std::mem::take(&mut self.judged) {
            self.alerts.flush()?;
            self.state.commit()?;
            self.notes();
        }
        Ok(())
    }

    fn notes(&mut self) {
        for note in self.state.take_notes() {
            writeln!(self.messages, "firstseen: state: {note}").ok();
        }
    }

    fn judge(&mut self, line: u64, record: Option<u64>, event: &[u8]) -> ControlFlow<()> {
        let outcome = self.engine.judge(event, 0, self.state);
        self.counts.add(&outcome);
        if let Some(fault) = &outcome.error {
            self.fault(line, record, fault);
        }
        if outcome.matched == 0 {
            return ControlFlow::Continue(());
        }
        self.judged = true;
        let repeats = outcome.repeats.iter().filter(|_| self.repeats);
        for alert in outcome.alerts.iter().chain(repeats) {
            if let Err(error) = writeln!(self.alerts, "{alert}") {
                self.broken = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn fault(&mut self, line: u64, record: Option<u64>, fault: &str) {
        self.counts.faults += 1;
        let record = record.map_or_else(String::new, |n| format!(", record {n}"));
        // The reason may quote the event.
        let fault: String =
            fault.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        // A closed standard error stops no alert.
        if self.counts.faults <= SHOWN {
            writeln!(self.messages, "firstseen: line {line}{record}: {fault}").ok();
        }
        if self.counts.faults == SHOWN {
            writeln!(self.messages, "firstseen: further faults are counted only").ok();
        }
    }
}

impl<W: Write, E: Write> EventSink for Judge<'_, W, E> {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        for (line, event) in (place.line..).zip(chunk.split_inclusive(|b| *b == b'\n')) {
            self.judge(line, None, event.trim_ascii_end())?;
        }
        ControlFlow::Continue(())
    }

    fn known_lines(
        &mut self,
        place: Place,
        chunk: &[u8],
        known: &KnownLines<'_>,
    ) -> ControlFlow<()> {
        let mut from = 0;
        for (line, end) in (place.line..).zip(known.ends) {
            let event = chunk.get(from..*end as usize).unwrap_or_default();
            from = *end as usize;
            self.judge(line, None, event.trim_ascii_end())?;
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        self.judge(place.line, place.record, text)
    }

    fn no_events(&mut self, _: Place, _: &str) -> ControlFlow<()> {
        self.counts.no_events += 1;
        ControlFlow::Continue(())
    }

    fn bad(&mut self, place: Place, fault: SplitFault, _: &[u8]) -> ControlFlow<()> {
        self.counts.events += 1;
        self.fault(place.line, place.record, &format!("{}: {}", fault.code, fault.reason));
        ControlFlow::Continue(())
    }
}

/// Packed input would be millions of bad lines.
fn refuse_packed(first: &[u8]) -> io::Result<()> {
    let how = match first {
        [0x1f, 0x8b, ..] => "gzip: unpack it first, `gzip -dc FILE | ...`",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd: unpack it first, `zstd -dc FILE | ...`",
        _ => return Ok(()),
    };
    Err(io::Error::new(ErrorKind::InvalidData, format!("the input is packed with {how}")))
}

#[cfg(test)]
mod tests;

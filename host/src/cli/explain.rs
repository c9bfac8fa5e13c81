//! `explain`: why each event matched or not, and what `run` decides of it.
//!
//! In: the same inputs, rules and state as `run`. Out: one line of JSON, or one paragraph, for each
//! event and rule, in the order of the input. Matches are decided in the order of `run`, against a
//! scratch copy of the state; the state itself is opened for reading only.

mod decisions;
mod filter;
mod spool;

use super::common::Common;
use super::format::{self, FormatArg};
use super::run::SystemClock;
use super::setup::{self, Setup};
use super::told::ToldInputs;
use super::{ExitStatus, findings};
use crate::observe::place::EventLocation;
use crate::pipeline::Clock;
use crate::pipeline::parts::LinePart;
use crate::rules::prefilter::Prefiltering;
use crate::rules::sample::RunSamples;
use crate::rules::{KnownException, LiveSettings};
use crate::sink::{Output, OutputError};
use crate::source::{Input, ReadLimits};
use crate::terminal::message::{self, Level};
use crate::terminal::{explained, rule_table};
use anyhow::{Context, anyhow};
use clap::Args;
use decisions::{Decisions, alert_ids};
use filter::EventFilter;
use firstseen_envelope::{EventSink, Place, SplitFault, line_events};
use firstseen_runtime::Artifact;
use firstseen_session::{EventAt, EventBatch, Rules};
use serde_json::{Map, Value, json};
use spool::{Spool, WaitingLine};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The arguments of `explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Rules, state and inputs
    #[command(flatten)]
    pub common: Common,
    /// Output format
    #[arg(long, value_enum, default_value_t = FormatArg::Auto)]
    pub format: FormatArg,
    /// Leave out the events that do not match
    #[arg(long)]
    pub matched_only: bool,
    /// Show the event with this id alone, or the one that an alert with this id is of; may be repeated
    #[arg(long = "id", value_name = "ID")]
    pub ids: Vec<String>,
    /// Show only events that match this query, whatever the rules say of them
    #[arg(long = "where", value_name = "KQL")]
    pub filter: Option<String>,
}

/// Explains.
///
/// # Errors
/// When inputs, rules or the state cannot be opened, or the output failed.
pub fn explain(args: &ExplainArgs) -> anyhow::Result<ExitStatus> {
    let filter = EventFilter::new(&args.ids, args.filter.as_deref())?;
    let format = format::explanations(args.format, &args.common);
    let setup = setup::set_up(&args.common, true, &[])?;
    let output = setup::open_output(&args.common, format, &*setup.store, (false, false))?;
    let Setup { artifacts, own_exceptions, guests, found, store, exceptions, trust, .. } = setup;
    let exceptions: Vec<_> = own_exceptions.into_iter().chain(exceptions.exceptions()).collect();
    let samples = RunSamples::of(&artifacts, !exceptions.is_empty());
    let guests = guests.into_iter().map(|guest| Box::new(guest) as Box<dyn Rules>);
    let metas = artifacts.iter().map(|artifact| artifact.meta.rules.clone()).collect();
    let mut explainer = Explainer {
        rules: guests.collect(),
        decisions: Decisions::new(store, metas, samples),
        prefilter: Prefiltering::new(&artifacts),
        spool: Spool::new(),
        filter,
        output,
        pretty: format.is_pretty(),
        matched_only: args.matched_only,
        now_ms: SystemClock.now_ms(),
        event: 0,
        told: ToldInputs::new(),
        limits: setup::read_options(&args.common, &trust),
        file: Arc::from("-"),
        is_stream: false,
        fault: None,
        closed: false,
    };
    explainer.told.found(&found);
    // As `run` does: all inputs that end, put in order together, then standard input as it comes.
    let (streams, files): (Vec<_>, Vec<_>) = found.inputs.iter().partition(|i| i.is_stream());
    for input in files {
        explainer.read(input)?;
    }
    explainer.settle()?;
    explainer.is_stream = true;
    for input in streams {
        explainer.read(input)?;
    }
    let nothing = explainer.filter.found_nothing();
    let status = explainer.end(&artifacts, exceptions)?;
    nothing.map_or(Ok(status), |reason| Err(anyhow!(reason)))
}

/// What could not be done, where a line cannot be kept.
const KEPT: &str = "explanations could not be kept";

struct Explainer {
    rules: Vec<Box<dyn Rules>>,
    decisions: Decisions,
    /// Says which events a rule might have matched, for those that matched nothing.
    prefilter: Prefiltering,
    spool: Spool,
    filter: EventFilter,
    output: Output,
    pretty: bool,
    matched_only: bool,
    now_ms: i64,
    /// The number of the next event.
    event: u64,
    /// What could not be read, holds no event or was not opened.
    told: ToldInputs,
    limits: ReadLimits,
    file: Arc<str>,
    is_stream: bool,
    fault: Option<anyhow::Error>,
    closed: bool,
}

impl Explainer {
    fn read(&mut self, input: &Input) -> anyhow::Result<()> {
        if self.closed {
            return Ok(());
        }
        self.file = Arc::clone(&input.name);
        if let Err(error) = input.read(self.limits.clone(), self) {
            self.told.failed(&error.to_string());
        }
        self.fault.take().map_or(Ok(()), Err)
    }

    /// Ends: what waits is written, and the sums go to standard error.
    fn end(
        mut self,
        artifacts: &[Artifact],
        exceptions: Vec<KnownException>,
    ) -> anyhow::Result<ExitStatus> {
        self.settle()?;
        match self.output.flush() {
            Ok(()) => {}
            Err(OutputError::Closed) => self.closed = true,
            Err(e) => return Err(anyhow!(e)),
        }
        let no_index = findings::no_index(&self.decisions.tally, artifacts);
        self.told.named()?;
        if !self.closed && message::prints(Level::Info) {
            let Decisions { mut tally, samples, used, .. } = self.decisions;
            if self.event > 0 {
                findings::explain_silent(&mut tally, &mut self.rules, &samples, artifacts);
            }
            let unused = findings::unused(exceptions.into_iter(), &used, &samples.matched);
            let page = rule_table::page(&tally.finish(), &unused, self.event);
            message::page(Level::Info, page.trim_end());
        }
        self.told.sums();
        findings::warn(&no_index);
        let stopped = findings::stopped(artifacts);
        findings::tell_stopped(&stopped, findings::STOPPED_EXPLAINING);
        Ok(if stopped.is_empty() { ExitStatus::Done } else { ExitStatus::Failed })
    }

    /// An event, or the parts of a text that a rule says is none: as `run` takes them.
    fn event_or_parts(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        let Some(parts) = self.event(place, text, false)? else {
            return ControlFlow::Continue(());
        };
        for (record, part) in (place.record.unwrap_or_default()..).zip(parts) {
            let place = Place { record: Some(record), ..place };
            match part {
                // Parts are never split again.
                LinePart::Event(text) => _ = self.event(place, &text, true)?,
                LinePart::NoEvents(what) => EventSink::no_events(self, place, &what)?,
                LinePart::Bad(fault, text) => EventSink::bad(self, place, fault, &text)?,
            }
        }
        ControlFlow::Continue(())
    }

    /// Explains an event; or hands out its parts, where a rule says that it is none and it has some.
    fn event(
        &mut self,
        place: Place,
        event: &[u8],
        is_part: bool,
    ) -> ControlFlow<(), Option<Vec<LinePart>>> {
        let number = self.event;
        self.event += 1;
        let mut batch = EventBatch::default();
        batch.push(event);
        if self.is_stream {
            self.now_ms = SystemClock.now_ms();
        }
        let mut all = std::mem::take(&mut self.rules);
        let (metas, now_ms) = (self.decisions.rules(), self.now_ms);
        let facts = self.filter.look(event, || alert_ids(&batch, &mut all, metas, now_ms));
        let shown = facts.is_some();
        let (mut result, mut bad, mut unopened) = (Ok(()), None, None);
        for (artifact, rules) in (0u16..).zip(&mut all) {
            let mut taken = self.decisions.taking(artifact, (number, event), shown);
            batch.keys(&mut **rules, self.now_ms, &mut taken);
            (bad, unopened) = (bad.or(taken.bad), unopened.or(taken.unopened));
            result = result.and(taken.fault.map_or(Ok(()), Err));
        }
        let bad = bad.filter(|_| !is_part);
        let parts = bad.and_then(|said| LinePart::all(&self.limits, &said, event));
        let mut result = result.context("matched events could not be put in order");
        if parts.is_none() {
            if self.prefilter.passes(event, event.contains(&b'\\')) {
                let at = EventAt { offset: number, ..EventAt::default() };
                self.decisions.samples.passes(self.prefilter.artifacts(), &at, event);
                // As `run`, which looks into no others.
                if let Some(what) = unopened {
                    self.no_event(place, &what)?;
                }
            }
            if let Some(facts) = facts {
                let lines = self.wait_for_all(place, (number, event), facts, &mut all);
                result = result.and(lines);
            }
        }
        self.rules = all;
        let settled = result.and_then(|()| if self.is_stream { self.settle() } else { Ok(()) });
        self.flow(settled)?;
        ControlFlow::Continue(parts)
    }

    /// Something that holds no event, or was not opened, is told of in its turn.
    fn no_event(&mut self, place: Place, what: &str) -> ControlFlow<()> {
        let no_event = Some(what.to_owned());
        let line = WaitingLine { no_event, ..self.line(place, self.event, (0, 0), Map::new()) };
        let kept = self.spool.push(&line).context(KEPT);
        self.flow(kept)
    }

    /// Keeps what each rule says of an event until the state has answered.
    fn wait_for_all(
        &mut self,
        place: Place,
        (number, event): (u64, &[u8]),
        facts: Map<String, Value>,
        all: &mut [Box<dyn Rules>],
    ) -> anyhow::Result<()> {
        let facts = Value::Object(facts);
        for (artifact, rules) in (0u16..).zip(all) {
            let documents = documents(&mut **rules, event, artifact == 0);
            for (rule, mut document) in (0u16..).zip(documents) {
                document.insert("event".to_owned(), facts.clone());
                self.wait(place, number, (artifact, rule), document)?;
            }
        }
        Ok(())
    }

    /// Ends the reading where something failed, or nobody reads any more.
    fn flow(&mut self, result: anyhow::Result<()>) -> ControlFlow<()> {
        self.fault = self.fault.take().or(result.err());
        if self.fault.is_some() || self.closed {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Keeps a document until the state has answered.
    fn wait(
        &mut self,
        place: Place,
        event: u64,
        (artifact, rule): (u16, u16),
        mut document: Map<String, Value>,
    ) -> anyhow::Result<()> {
        for (name, empty) in
            [("matched", json!(false)), ("terms", json!([])), ("missing", json!([]))]
        {
            document.entry(name).or_insert(empty);
        }
        if self.matched_only && document.get("matched") != Some(&json!(true)) {
            return Ok(());
        }
        self.spool.push(&self.line(place, event, (artifact, rule), document)).context(KEPT)
    }

    fn line(
        &self,
        place: Place,
        event: u64,
        (artifact, rule): (u16, u16),
        document: Map<String, Value>,
    ) -> WaitingLine {
        let Place { line, offset, record } = place;
        let (file, no_event) = (self.file.to_string(), None);
        WaitingLine { event, artifact, rule, file, line, offset, record, document, no_event }
    }

    /// Decides what waits, and writes it.
    fn settle(&mut self) -> anyhow::Result<()> {
        self.decisions.settle(&mut self.rules)?;
        let Self { spool, decisions, output, pretty, closed, fault, is_stream, told, .. } = self;
        let drained = spool.drain(|line| {
            if let Some(what) = &line.no_event {
                told.no_events(&location(&line), what);
                return true;
            }
            if let Some(code) = line.document.get("error").and_then(|e| e["code"].as_str()) {
                told.shown_unread(code);
            }
            let answers = decisions.answers(line.event, line.artifact, line.rule);
            match output.line(&shown(line, answers, *pretty)) {
                Ok(()) => true,
                Err(OutputError::Closed) => {
                    *closed = true;
                    false
                }
                Err(e) => {
                    *fault = Some(anyhow!(e));
                    false
                }
            }
        });
        drained.context("explanations could not be read back")?;
        if let Some(fault) = fault.take() {
            return Err(fault);
        }
        if *is_stream && !*closed {
            match output.flush() {
                Err(OutputError::Closed) => *closed = true,
                other => other?,
            }
        }
        Ok(())
    }
}

/// What the rules of an artifact say of an event. What is the same for every rule is said by the first
/// artifact alone.
fn documents(rules: &mut dyn Rules, event: &[u8], is_first: bool) -> Vec<Map<String, Value>> {
    let said = match rules.explain(event) {
        Ok(json) => {
            serde_json::from_slice::<Value>(&json).map_err(|e| ("rule_failed", e.to_string()))
        }
        Err(error) => Err((error.code(), error.to_string())),
    };
    match said {
        Ok(Value::Object(mut said)) => match said.remove("rules") {
            Some(Value::Array(documents)) => {
                let objects = documents.into_iter().map(|document| match document {
                    Value::Object(document) => document,
                    _ => Map::new(),
                });
                objects.collect()
            }
            _ if !is_first => Vec::new(),
            _ => vec![said],
        },
        Ok(_) => Vec::new(),
        Err((code, reason)) => {
            let error = json!({ "code": code, "reason": reason });
            vec![Map::from_iter([("error".to_owned(), error)])]
        }
    }
}

fn location(line: &WaitingLine) -> EventLocation {
    let WaitingLine { line: number, offset, record, .. } = *line;
    let place = Place { offset, line: number, record };
    EventLocation { file: line.file.as_str().into(), place }
}

/// A line of JSON, or a paragraph.
fn shown(line: WaitingLine, answers: Vec<Value>, pretty: bool) -> String {
    let at = location(&line);
    let WaitingLine { file, line, offset, record, mut document, .. } = line;
    if pretty {
        return explained::paragraph(&at, document, &answers);
    }
    document.insert("state".to_owned(), Value::Array(answers));
    document.insert("file".to_owned(), json!(file));
    document.insert("line".to_owned(), json!(line));
    document.insert("offset".to_owned(), json!(offset));
    if let Some(record) = record {
        document.insert("record".to_owned(), json!(record));
    }
    Value::Object(document).to_string()
}

impl EventSink for Explainer {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        line_events(place, chunk).try_for_each(|(place, text)| self.event_or_parts(place, text))
    }

    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        self.event_or_parts(place, text)
    }

    fn no_events(&mut self, place: Place, what: &str) -> ControlFlow<()> {
        self.no_event(place, what)
    }

    fn bad(&mut self, place: Place, fault: SplitFault, _: &[u8]) -> ControlFlow<()> {
        if !self.filter.takes_all() {
            return ControlFlow::Continue(());
        }
        let error = json!({ "code": fault.code, "reason": fault.reason });
        let document = Map::from_iter([("error".to_owned(), error)]);
        let event = self.event;
        self.event += 1;
        let waits = self.wait(place, event, (0, 0), document);
        let settled = waits.and_then(|()| if self.is_stream { self.settle() } else { Ok(()) });
        self.flow(settled)
    }
}

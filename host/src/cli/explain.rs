//! `explain`: why each event matched or not, and what the state would say.
//!
//! In: the same inputs, rules and state as `run`. Out: one line of JSON, or one paragraph, for each
//! event and rule. It changes no state, and a state file is opened for reading only.

use super::ExitStatus;
use super::common::Common;
use super::run::{self, Setup};
use crate::observe::place::{EventLocation, input_name};
use crate::pipeline::Clock;
use crate::pipeline::decide::{Writing, run_round};
use crate::pipeline::text::RereadTexts;
use crate::sink::{Output, OutputError};
use crate::state::StateStore;
use crate::terminal::message;
use anyhow::anyhow;
use clap::Args;
use firstseen_abi::{Item, ItemKind, OutcomeKind};
use firstseen_envelope::{EventSink, Place, SplitFault};
use firstseen_session::{
    CallError, EventAt, EventBatch, EventText, ItemVisitor, Match, Round, RuleRef, Rules,
};
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The arguments of `explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Rules, state and inputs
    #[command(flatten)]
    pub common: Common,
    /// Leave out the events that do not match
    #[arg(long)]
    pub matched_only: bool,
}

/// Explains.
///
/// # Errors
/// When inputs, rules or the state cannot be opened, or the output failed.
pub fn explain(args: &ExplainArgs) -> anyhow::Result<ExitStatus> {
    let Setup { guests, found, store, output, format, .. } = run::set_up(&args.common, true, &[])?;
    let guests = guests.into_iter().map(|guest| Box::new(guest) as Box<dyn Rules>);
    let mut explainer = Explainer {
        rules: guests.collect(),
        store,
        output,
        pretty: format.is_pretty(),
        matched_only: args.matched_only,
        now_ms: run::SystemClock.now_ms(),
        file: Arc::from("-"),
        fault: None,
        closed: false,
    };
    for problem in &found.faults {
        let name = input_name(&problem.path.to_string_lossy());
        message::warning(&format!("skipped: {name}: {}", problem.reason));
    }
    for source in &found.inputs {
        explainer.file = Arc::clone(&source.name);
        let options = run::read_options(&args.common);
        if let Err(error) = source.read(options, &mut explainer) {
            message::warning(&format!("skipped: {error}"));
        }
        if let Some(fault) = explainer.fault {
            return Err(fault);
        }
        if explainer.closed {
            return Ok(ExitStatus::Done);
        }
    }
    match explainer.output.flush() {
        Ok(()) | Err(OutputError::Closed) => Ok(ExitStatus::Done),
        Err(e) => Err(anyhow!(e)),
    }
}

struct Explainer {
    rules: Vec<Box<dyn Rules>>,
    store: Box<dyn StateStore>,
    output: Output,
    pretty: bool,
    matched_only: bool,
    now_ms: i64,
    file: Arc<str>,
    fault: Option<anyhow::Error>,
    closed: bool,
}

impl Explainer {
    fn event(&mut self, place: Place, event: &[u8]) -> ControlFlow<()> {
        let mut all = std::mem::take(&mut self.rules);
        let mut flow = ControlFlow::Continue(());
        for (index, rules) in all.iter_mut().enumerate() {
            let documents = match rules.explain(event) {
                Ok(json) => serde_json::from_slice::<Value>(&json).map_err(|e| e.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let documents = match documents {
                Ok(Value::Object(mut said)) => match said.remove("rules") {
                    Some(Value::Array(documents)) => documents,
                    // The same for every rule: printed once.
                    _ if index > 0 => continue,
                    _ => vec![Value::Object(said)],
                },
                Ok(_) => continue,
                Err(reason) => {
                    vec![json!({ "error": { "code": "rule_failed", "reason": reason } })]
                }
            };
            let states = self.ask_state(&mut **rules, event);
            for (rule, document) in documents.into_iter().enumerate() {
                let Value::Object(document) = document else { continue };
                let state = states.iter().filter(|s| s.0 == rule).map(|s| s.1.clone()).collect();
                flow = self.write(place, document, state);
                if flow.is_break() {
                    break;
                }
            }
        }
        self.rules = all;
        flow
    }

    /// What a run would do with each term, by rule; nothing is written.
    fn ask_state(&mut self, rules: &mut dyn Rules, event: &[u8]) -> Vec<(usize, Value)> {
        let mut batch = EventBatch::default();
        batch.push(event);
        let mut found = ExplainedItems { event, matches: Vec::new(), states: Vec::new() };
        batch.keys(rules, self.now_ms, &mut found);
        let mut out = found.states;
        for (matched, terms) in found.matches {
            let rule = usize::from(matched.rule.rule);
            let mut round = Round::new(vec![matched]);
            let (store, mut texts) = (&mut *self.store, RereadTexts::default());
            let result =
                run_round(&mut round, rules, store, &mut texts, i64::MIN, Writing::Discard);
            let outcomes = match result {
                Ok(Ok(())) => Some(round.finish().outcomes),
                Ok(Err(_)) => None,
                Err(error) => {
                    self.fault = Some(error);
                    return out;
                }
            };
            for (at, term) in (0u16..).zip(&terms) {
                let mut says = match &outcomes {
                    Some(outcomes) => {
                        let outcome = outcomes.iter().find(|o| o.term.is_none_or(|t| t == at));
                        outcome.map_or(json!({ "says": "seen" }), |o| said(o.kind, &o.text))
                    }
                    None => json!({ "says": "error" }),
                };
                if let Some(map) = says.as_object_mut() {
                    map.insert("term".to_owned(), serde_json::from_str(term).unwrap_or_default());
                }
                out.push((rule, says));
            }
        }
        out
    }

    fn write(
        &mut self,
        place: Place,
        mut document: Map<String, Value>,
        state: Vec<Value>,
    ) -> ControlFlow<()> {
        for (name, empty) in
            [("matched", json!(false)), ("terms", json!([])), ("missing", json!([]))]
        {
            document.entry(name).or_insert(empty);
        }
        if self.matched_only && document.get("matched") != Some(&json!(true)) {
            return ControlFlow::Continue(());
        }
        let at = EventLocation { file: Arc::clone(&self.file), place };
        let text = if self.pretty {
            pretty(&at, &document, &state)
        } else {
            document.insert("state".to_owned(), Value::Array(state));
            document.insert("file".to_owned(), json!(*self.file));
            document.insert("line".to_owned(), json!(place.line));
            document.insert("offset".to_owned(), json!(place.offset));
            if let Some(record) = place.record {
                document.insert("record".to_owned(), json!(record));
            }
            Value::Object(document).to_string()
        };
        match self.output.line(&text) {
            Ok(()) => ControlFlow::Continue(()),
            Err(OutputError::Closed) => {
                self.closed = true;
                ControlFlow::Break(())
            }
            Err(e) => {
                self.fault = Some(anyhow!(e));
                ControlFlow::Break(())
            }
        }
    }
}

/// An outcome in one word, and what an alert would name as the sighting before.
fn said(kind: OutcomeKind, text: &str) -> Value {
    let word = match kind {
        OutcomeKind::Alert => "new",
        OutcomeKind::Repeat => "repeat",
        OutcomeKind::LateBeyondMemory => "older_than_state",
        OutcomeKind::Learned => "learned",
        OutcomeKind::Error | OutcomeKind::NeedsEvent => {
            return json!({ "says": "error", "reason": text });
        }
    };
    let alert: Value = serde_json::from_str(text).unwrap_or_default();
    match alert.pointer("/firstseen/previous_sighting") {
        Some(previous) => json!({ "says": word, "previous_sighting": previous }),
        None => json!({ "says": word }),
    }
}

/// The matches of one event, or why one was not judged.
struct ExplainedItems<'e> {
    event: &'e [u8],
    /// With the values of each term.
    matches: Vec<(Match, Vec<String>)>,
    /// By rule.
    states: Vec<(usize, Value)>,
}

impl ItemVisitor for ExplainedItems<'_> {
    fn item(&mut self, _: usize, item: &Item<'_>) {
        match item.kind {
            ItemKind::Matched => {
                let matched = Match {
                    rule: RuleRef { artifact: 0, rule: item.rule },
                    time_ms: item.time_ms,
                    identity: item.identity,
                    at: EventAt::default(),
                    item: item.raw.to_vec(),
                    text: EventText::Carried(self.event.to_vec()),
                };
                let terms = item.terms().map(|term| term.values.to_owned()).collect();
                self.matches.push((matched, terms));
            }
            ItemKind::Future => {
                let says = json!({ "says": "future_event", "reason": item.text });
                self.states.push((usize::from(item.rule), says));
            }
            _ => {}
        }
    }

    fn failed(&mut self, _: usize, _: &CallError) {}
}

/// A paragraph for a person.
fn pretty(at: &EventLocation, document: &Map<String, Value>, state: &[Value]) -> String {
    use crate::escape::escaped;
    let text = |value: Option<&Value>| match value {
        Some(Value::String(s)) => escaped(s).into_owned(),
        Some(Value::Null) | None => String::new(),
        Some(other) => escaped(&other.to_string()).into_owned(),
    };
    let mut out = format!("{at}\n");
    if let Some(error) = document.get("error") {
        out.push_str(&format!(
            "  cannot be read: {}: {}\n",
            text(error.get("code")),
            text(error.get("reason"))
        ));
        return out;
    }
    if let Some(what) = document.get("no_events") {
        out.push_str(&format!("  no event: {}\n", text(Some(what))));
        return out;
    }
    let matched = document.get("matched") == Some(&json!(true));
    let word = if matched { "matches" } else { "does not match" };
    out.push_str(&format!("  {word}: {}\n", text(document.get("rule"))));
    if let Some(name) = document.get("excepted") {
        let until = document.get("excepted_until");
        let until = until.map(|end| format!(", until {}", text(Some(end)))).unwrap_or_default();
        out.push_str(&format!("    suppressed by exception: {}{until}\n", text(Some(name))));
        if let Some(reason) = document.get("excepted_because") {
            out.push_str(&format!("          because: {}\n", text(Some(reason))));
        }
    }
    for clause in document.get("decided_by").and_then(Value::as_array).into_iter().flatten() {
        let truth = if clause.get("true") == Some(&json!(true)) { "true " } else { "false" };
        let found = match clause.get("found").and_then(Value::as_array) {
            Some(found) if !found.is_empty() => {
                found.iter().map(|v| text(Some(v))).collect::<Vec<_>>().join(", ")
            }
            _ => "no such field".to_owned(),
        };
        out.push_str(&format!("    {truth} {}\n", text(clause.get("clause"))));
        out.push_str(&format!("          found: {found}\n"));
    }
    let names: Vec<_> =
        document.get("new_terms_fields").and_then(Value::as_array).into_iter().flatten().collect();
    for missing in document.get("missing").and_then(Value::as_array).into_iter().flatten() {
        out.push_str(&format!("    missing: {} (no new term without it)\n", text(Some(missing))));
    }
    let keys: Vec<_> =
        document.get("keys").and_then(Value::as_array).into_iter().flatten().collect();
    let terms = document.get("terms").and_then(Value::as_array).into_iter().flatten();
    for (index, term) in terms.enumerate() {
        let values = term.as_array().into_iter().flatten();
        let pairs: Vec<_> = names
            .iter()
            .zip(values)
            .map(|(name, value)| format!("{} = {}", text(Some(name)), text(Some(value))))
            .collect();
        out.push_str(&format!("    term:  {}\n", pairs.join(", ")));
        out.push_str(&format!("    key:   {}\n", text(keys.get(index).copied())));
    }
    for says in state {
        let more = says.get("previous_sighting").or_else(|| says.get("reason"));
        let more = more.map(|m| format!(" ({})", text(Some(m)))).unwrap_or_default();
        out.push_str(&format!("    state: {}{more}\n", text(says.get("says"))));
    }
    out
}

impl EventSink for Explainer {
    fn lines(&mut self, mut place: Place, chunk: &[u8]) -> ControlFlow<()> {
        for line in chunk.split_inclusive(|b| *b == b'\n') {
            let text = line.trim_ascii();
            if !text.is_empty() {
                Self::event(self, place, text)?;
            }
            place.line += 1;
            place.offset += line.len() as u64;
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        Self::event(self, place, text)
    }

    fn no_events(&mut self, place: Place, what: &'static str) -> ControlFlow<()> {
        let at = EventLocation { file: Arc::clone(&self.file), place };
        message::info(&format!("{at}: no event: {what}"));
        ControlFlow::Continue(())
    }

    fn bad(&mut self, place: Place, fault: SplitFault, _: &[u8]) -> ControlFlow<()> {
        let mut document = Map::new();
        let error = json!({ "code": fault.code, "reason": fault.reason });
        document.insert("error".to_owned(), error);
        self.write(place, document, Vec::new())
    }
}

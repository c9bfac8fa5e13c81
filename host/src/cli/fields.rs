//! `fields`: an event as rules see it, flat ECS with types.
//!
//! In: an event's text, or files with events in any envelope. Out: for each event its fields by name,
//! with the type that decides how values compare, and the values. What it tells of inputs, and its status, are
//! those of `run`; an event that is an argument has to be read. It judges nothing.

use super::ExitStatus;
use super::format::FormatArg;
use super::told::ToldInputs;
use crate::escape::escaped;
use crate::observe::place::EventLocation;
use crate::sink::{Format, Output, OutputError};
use crate::source::{self, ReadLimits};
use crate::terminal::message;
use crate::terminal::screen::{self, TextForm};
use crate::terminal::wrap::{whole, wrapped};
use anyhow::{anyhow, bail};
use firstseen_envelope::{EventSink, Place, SplitFault, SplitOptions, Splitter, line_events};
use firstseen_event::json::{Json, Object};
use firstseen_event::{EventReader, ReadOutcome, Scratch, TEXT_NOT_OPENED};
use firstseen_kql::{FieldType, field_type};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// The most characters of a field's values that are shown to a person.
const SHOWN: usize = 160;

/// The widest column of names; a longer name stands out.
const WIDEST: usize = 48;

/// The arguments of `fields`.
#[derive(Debug, Clone, clap::Args)]
pub struct FieldsArgs {
    /// An event as JSON, or files, folders, or - for standard input
    #[arg(value_name = "EVENT|FILE", required = true)]
    pub inputs: Vec<String>,
    /// Show only the event with this id (event.id; in raw CloudTrail eventID)
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = FormatArg::Auto)]
    pub format: FormatArg,
}

/// Shows the fields of events.
///
/// # Errors
/// An input that cannot be read, an id that no event has, no event at all.
pub fn fields(args: &FieldsArgs) -> anyhow::Result<ExitStatus> {
    let pretty = match args.format {
        FormatArg::Pretty => true,
        FormatArg::Ndjson => false,
        FormatArg::Auto => std::io::stdout().is_terminal(),
    };
    let form = if pretty { TextForm::Plain } else { TextForm::Json };
    let mut page = FieldsPage {
        output: Output::new(screen::stdout(form), "standard output", Format::Ndjson),
        pretty,
        id: args.id.as_deref(),
        file: Arc::from("-"),
        shown: 0,
        is_argument: false,
        unread: 0,
        reader: EventReader::new(Vec::new()),
        told: ToldInputs::new(),
        closed: false,
        error: None,
    };
    for input in &args.inputs {
        if page.done() {
            break;
        }
        page.input(input)?;
    }
    if let Some(error) = page.error {
        return Err(error);
    }
    page.told.named()?;
    match page.output.flush() {
        Ok(()) => {}
        Err(OutputError::Closed) => return Ok(ExitStatus::Done),
        Err(error) => return Err(anyhow!(error)),
    }
    match (&args.id, page.shown) {
        _ if page.closed => return Ok(ExitStatus::Done),
        (Some(id), 0) => bail!("no event has the id {}", escaped(id)),
        (None, 0) if page.is_argument => bail!("there is no event in it"),
        // Of inputs that hold none, `run` says no more.
        (None, 0) => page.told.nothing(),
        _ => {}
    }
    page.told.sums();
    Ok(if page.unread > 0 { ExitStatus::Failed } else { ExitStatus::Done })
}

struct FieldsPage<'a> {
    output: Output,
    pretty: bool,
    id: Option<&'a str>,
    file: Arc<str>,
    shown: usize,
    /// The last one is the event itself.
    is_argument: bool,
    /// Events among the arguments that could not be read.
    unread: usize,
    /// Says what is in a string of an event and was not opened.
    reader: EventReader,
    /// What could not be read, holds no event or was not opened.
    told: ToldInputs,
    closed: bool,
    error: Option<anyhow::Error>,
}

/// A field's name and its values.
type FlatFields = BTreeMap<String, Vec<Json>>;

impl FieldsPage<'_> {
    fn done(&self) -> bool {
        self.closed || self.error.is_some() || (self.id.is_some() && self.shown > 0)
    }

    fn input(&mut self, input: &str) -> anyhow::Result<()> {
        if input.trim_start().starts_with(['{', '[']) && !PathBuf::from(input).exists() {
            (self.file, self.is_argument) = (Arc::from("the event"), true);
            let mut splitter =
                Splitter::new(SplitOptions { max_event: ReadLimits::default().max_event });
            if splitter.push(input.as_bytes(), self).is_continue() {
                let _ = splitter.finish(self);
            }
            return Ok(());
        }
        let found = source::find(&[PathBuf::from(input)])?;
        self.is_argument = false;
        self.told.found(&found);
        for source in &found.inputs {
            if self.done() {
                break;
            }
            self.file = Arc::clone(&source.name);
            if let Err(error) = source.read(ReadLimits::default(), self) {
                self.told.failed(&error.to_string());
            }
        }
        Ok(())
    }

    fn show(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        let document = firstseen_event::utf8(text).and_then(firstseen_event::document);
        let mut fields = FlatFields::new();
        match document {
            Ok(document) => flatten(String::new(), document, &mut fields),
            // Whatever cannot be read has no id.
            Err(_) if self.id.is_some() => return ControlFlow::Continue(()),
            Err(error) => return self.unread(place, error.code, &error.reason),
        }
        let mut ids = fields.get("event.id").into_iter().flatten();
        if self.id.is_some_and(|wanted| !ids.any(|id| plain(id) == wanted)) {
            return ControlFlow::Continue(());
        }
        let at = EventLocation { file: Arc::clone(&self.file), place };
        self.tell_unopened(&at, text);
        let page = if self.pretty { table(&at, &fields) } else { line(&at, &fields) };
        self.shown += 1;
        match self.output.line(&page) {
            Ok(()) if self.done() => ControlFlow::Break(()),
            Ok(()) => ControlFlow::Continue(()),
            Err(OutputError::Closed) => {
                self.closed = true;
                ControlFlow::Break(())
            }
            Err(error) => {
                self.error = Some(anyhow!(error));
                ControlFlow::Break(())
            }
        }
    }

    /// An event that is an argument is all that was asked for.
    fn unread(&mut self, place: Place, code: &str, reason: &str) -> ControlFlow<()> {
        let at = EventLocation { file: Arc::clone(&self.file), place };
        match self.is_argument {
            true => message::warning(&format!("{at}: cannot be read: {code}: {}", escaped(reason))),
            false => self.told.unread(&at, code, reason),
        }
        self.unread += usize::from(self.is_argument);
        ControlFlow::Continue(())
    }

    /// Names a text in an event that was not opened.
    fn tell_unopened(&mut self, at: &EventLocation, text: &[u8]) {
        let Ok(text) = firstseen_event::utf8(text) else { return };
        let mut scratch = Scratch::default();
        if let Ok(ReadOutcome::Event(fields)) = self.reader.read(text, &mut scratch)
            && let Some(entry) = fields.unopened()
        {
            self.told.no_events(at, &format!("{TEXT_NOT_OPENED}{entry}"));
        }
    }
}

/// Adds the fields of a document, by their full names.
fn flatten(prefix: String, document: Object, out: &mut FlatFields) {
    for (key, value) in document {
        let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        add(name, value, out);
    }
}

/// Recursion follows the document, whose depth the reader bounds.
fn add(name: String, value: Json, out: &mut FlatFields) {
    match value {
        Json::Null => {}
        Json::Object(inner) => flatten(name, inner, out),
        Json::List(items) => items.into_iter().for_each(|item| add(name.clone(), item, out)),
        value => out.entry(name).or_default().push(value),
    }
}

/// The type by which a field compares.
fn type_word(name: &str) -> &'static str {
    if name.contains(".flattened.") {
        return "flattened";
    }
    match field_type(name) {
        FieldType::Keyword => "keyword",
        FieldType::Wildcard => "wildcard",
        FieldType::Lowercase => "lowercase",
        FieldType::Text => "text",
        FieldType::Ip => "ip",
        FieldType::Number => "number",
        FieldType::Boolean => "boolean",
        FieldType::Date => "date",
    }
}

/// A value as a person reads it.
fn plain(value: &Json) -> String {
    match value {
        Json::Text(text) => text.clone(),
        other => written(other),
    }
}

/// A value as JSON.
fn written(value: &Json) -> String {
    let mut text = String::new();
    value.write(&mut text);
    text
}

fn table(at: &EventLocation, fields: &FlatFields) -> String {
    let names: Vec<String> = fields.keys().map(|name| escaped(name).into_owned()).collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or(0).min(WIDEST);
    let mut page = wrapped(&at.to_string(), "", "  ");
    for (shown, (name, values)) in names.iter().zip(fields) {
        let values: Vec<String> = values.iter().map(plain).collect();
        let values = values.join(", ");
        let mut short: String = values.chars().take(SHOWN).collect();
        if short.len() < values.len() {
            short.push('…');
        }
        let gap = " ".repeat(width.saturating_sub(shown.width()));
        let label = format!("  {shown}{gap}  {:9}  ", type_word(name));
        page.push_str(&whole(&escaped(&short), &label));
    }
    page
}

fn line(at: &EventLocation, fields: &FlatFields) -> String {
    let each = fields.iter().map(|(name, values)| {
        let text = |value: &Json| serde_json::from_str(&written(value)).unwrap_or_default();
        let values: Vec<serde_json::Value> = values.iter().map(text).collect();
        json!({ "name": name, "type": type_word(name), "values": values })
    });
    let each: Vec<serde_json::Value> = each.collect();
    let mut line = json!({
        "file": *at.file, "line": at.place.line, "offset": at.place.offset, "fields": each,
    });
    if let (Some(record), Some(members)) = (at.place.record, line.as_object_mut()) {
        members.insert("record".to_owned(), json!(record));
    }
    line.to_string()
}

impl EventSink for FieldsPage<'_> {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        line_events(place, chunk).try_for_each(|(place, text)| self.show(place, text))
    }

    fn event(&mut self, place: Place, text: &[u8]) -> ControlFlow<()> {
        self.show(place, text)
    }

    fn no_events(&mut self, place: Place, what: &str) -> ControlFlow<()> {
        let at = EventLocation { file: Arc::clone(&self.file), place };
        self.told.no_events(&at, what);
        ControlFlow::Continue(())
    }

    fn bad(&mut self, place: Place, fault: SplitFault, _: &[u8]) -> ControlFlow<()> {
        self.unread(place, fault.code, &fault.reason)
    }
}

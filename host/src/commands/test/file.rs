//! A test file as it is written, checked part by part.
//!
//! In: the text of `x.test.toml`. Out: cases with their times and events made out, or every fault of
//! the file with its place. It knows no rule: how many values a term needs, the rule says later.
//! docs/testing.md describes the format.

use super::event;
use super::time;
use firstseen_rule::Settings;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;

/// What is wrong with a test file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// In bytes of the text.
    pub(super) span: Range<usize>,
    /// What is wrong.
    pub(super) message: String,
    /// What to do, where the message does not say it.
    pub(super) help: Option<String>,
}

/// A test file, checked.
#[derive(Debug)]
pub(super) struct TestFile {
    /// The rule, as the file names it.
    pub(super) rule: Option<String>,
    /// Which rule of the artifact; needed where it holds several.
    pub(super) rule_id: Option<String>,
    /// Whether must-alert or must-not-alert cases may be missing.
    pub(super) allow_one_sided: bool,
    /// In the order of the file.
    pub(super) cases: Vec<Case>,
}

/// One case: a state, events, what has to become of them.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    /// The line of its name.
    pub(super) line: usize,
    /// The time of `+0s`.
    pub(super) start_ms: i64,
    /// The host's clock, or 0 for none.
    pub(super) now_ms: i64,
    /// The document for `configure`.
    pub(super) settings: Option<String>,
    pub(super) before: Vec<Before>,
    pub(super) events: Vec<Event>,
    pub(super) after: Vec<After>,
}

impl Case {
    /// The files that events come from.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.events.iter().filter_map(|event| match &event.source {
            Source::File(path) => Some(path),
            _ => None,
        })
    }
}

/// A term that is known when the case begins.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) line: usize,
    pub(super) terms: Vec<Value>,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
}

/// One event, or the events of a file.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) line: usize,
    pub(super) source: Source,
    pub(super) expected: Expected,
}

/// Where the text of an event comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// Made from fields: one event.
    Made(String),
    /// As it is, in any envelope.
    Text(String),
    /// A file, relative to the test file.
    File(PathBuf),
}

/// What has to become of an event. At least one of them is there.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) alert: Option<bool>,
    pub(super) outcome: Option<Outcome>,
    pub(super) terms: Option<Vec<Vec<Value>>>,
    /// Fields of each alert, by flat names.
    pub(super) fields: Vec<(String, Value)>,
}

/// A term as it has to be known when the case has ended.
#[derive(Debug)]
pub(super) struct After {
    pub(super) line: usize,
    pub(super) terms: Vec<Value>,
    pub(super) absent: bool,
    pub(super) first_ms: Option<i64>,
    pub(super) last_ms: Option<i64>,
}

/// What can become of an event and its terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Alert,
    NoMatch,
    Missing,
    Excepted,
    Seen,
    Repeat,
    Learned,
    Late,
    Future,
    TooManyTerms,
    Bad,
    NoEvents,
    Error,
}

impl Outcome {
    /// The word for it, as files and reports write it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::NoMatch => "no_match",
            Self::Missing => "missing",
            Self::Excepted => "excepted",
            Self::Seen => "seen",
            Self::Repeat => "repeat",
            Self::Learned => "learned",
            Self::Late => "late",
            Self::Future => "future",
            Self::TooManyTerms => "too_many_terms",
            Self::Bad => "bad",
            Self::NoEvents => "no_events",
            Self::Error => "error",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    rule: Option<String>,
    rule_id: Option<String>,
    start: Option<Time>,
    #[serde(default)]
    allow_one_sided: bool,
    base: Option<Spanned<toml::Table>>,
    #[serde(default)]
    case: Vec<RawCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: Spanned<String>,
    start: Option<Time>,
    now: Option<Time>,
    learn_until: Option<Time>,
    future_slack: Option<Spanned<String>>,
    exceptions: Option<Spanned<Vec<toml::Value>>>,
    #[serde(default)]
    before: Vec<Spanned<RawBefore>>,
    #[serde(default)]
    event: Vec<Spanned<RawEvent>>,
    #[serde(default)]
    after: Vec<Spanned<RawAfter>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBefore {
    terms: Spanned<Vec<toml::Value>>,
    first: Option<Time>,
    last: Time,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvent {
    at: Option<Time>,
    set: Option<Spanned<toml::Table>>,
    #[serde(default)]
    unset: Vec<Spanned<String>>,
    json: Option<Spanned<String>>,
    file: Option<Spanned<String>>,
    alert: Option<Spanned<bool>>,
    outcome: Option<Spanned<Outcome>>,
    terms: Option<Spanned<Vec<Vec<toml::Value>>>>,
    expect: Option<Spanned<toml::Table>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAfter {
    terms: Spanned<Vec<toml::Value>>,
    #[serde(default)]
    absent: bool,
    first: Option<Time>,
    last: Option<Time>,
}

/// Text, or a date of TOML's own.
type Time = Spanned<toml::Value>;

/// Reads a test file.
///
/// # Errors
/// All faults, in the order of the text.
pub(super) fn read(text: &str) -> Result<TestFile, Vec<Fault>> {
    let raw: RawFile = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        // The list of what would be right is long: it stands below the place.
        let (message, help) = match error.message().split_once(", expected ") {
            Some((message, expected)) => (message, Some(format!("expected {expected}"))),
            None => (error.message(), None),
        };
        vec![Fault { span, message: message.to_owned(), help }]
    })?;
    let mut reader = Reader { text, faults: Vec::new() };
    let file = reader.file(raw);
    if reader.faults.is_empty() {
        Ok(file)
    } else {
        reader.faults.sort_by_key(|fault| fault.span.start);
        Err(reader.faults)
    }
}

/// The line of a place, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|b| *b == b'\n').count() + 1
}

struct Reader<'t> {
    text: &'t str,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.faults.push(Fault { span, message: message.into(), help: None });
    }

    fn line(&self, span: &Range<usize>) -> usize {
        line_of(self.text, span.start)
    }

    fn file(&mut self, raw: RawFile) -> TestFile {
        let default = time::read(time::START, 0).unwrap_or(0);
        let start_ms = self.time(raw.start.as_ref(), default).unwrap_or(default);
        let mut base = Map::new();
        if let Some(table) = &raw.base {
            self.merge(&mut base, table);
        }
        if raw.case.is_empty() {
            self.fault(0..0, "there is no [[case]] in this file");
        }
        let mut cases: Vec<Case> = Vec::with_capacity(raw.case.len());
        for case in raw.case {
            let name = &case.name;
            if name.get_ref().trim().is_empty() {
                self.fault(name.span(), "the case has an empty name: say what it shows");
            } else if cases.iter().any(|known| known.name == *name.get_ref()) {
                self.fault(name.span(), "another case of this file has the same name");
            }
            let case = self.case(case, start_ms, &base);
            cases.push(case);
        }
        TestFile {
            rule: raw.rule,
            rule_id: raw.rule_id,
            allow_one_sided: raw.allow_one_sided,
            cases,
        }
    }

    fn case(&mut self, raw: RawCase, start_ms: i64, base: &Map<String, Value>) -> Case {
        let start_ms = self.time(raw.start.as_ref(), start_ms).unwrap_or(start_ms);
        let line = self.line(&raw.name.span());
        let now_ms = self.time(raw.now.as_ref(), start_ms).unwrap_or(0);
        let settings = self.settings(&raw, start_ms);
        if raw.event.is_empty() {
            self.fault(raw.name.span(), "the case has no [[case.event]]: nothing would be tested");
        }
        let before = raw.before.iter().map(|b| self.before(b, start_ms)).collect();
        let mut at_ms = start_ms;
        let mut events = Vec::with_capacity(raw.event.len());
        for (index, event) in raw.event.iter().enumerate() {
            events.push(self.event(event, index, start_ms, &mut at_ms, base));
        }
        let after = raw.after.iter().map(|a| self.after(a, start_ms)).collect();
        Case {
            name: raw.name.into_inner(),
            line,
            start_ms,
            now_ms,
            settings,
            before,
            events,
            after,
        }
    }

    /// The settings as the guest takes them. A fault is found here, where it has a place.
    fn settings(&mut self, raw: &RawCase, start_ms: i64) -> Option<String> {
        let mut settings = Map::new();
        let mut place = None;
        if let Some(ms) = self.time(raw.learn_until.as_ref(), start_ms) {
            let text = firstseen_rule::alert::rfc3339(ms);
            settings.insert("learn_until".to_owned(), Value::String(text));
        }
        if let Some(slack) = &raw.future_slack {
            place = Some(slack.span());
            settings.insert("future_slack".to_owned(), Value::String(slack.get_ref().clone()));
        }
        if let Some(exceptions) = &raw.exceptions {
            place = Some(exceptions.span());
            let list = exceptions.get_ref().iter().map(|e| plain(e, start_ms)).collect();
            match list {
                Ok(list) => {
                    settings.insert("exceptions".to_owned(), Value::Array(list));
                }
                Err(reason) => self.fault(exceptions.span(), reason),
            }
        }
        if settings.is_empty() {
            return None;
        }
        let document = Value::Object(settings).to_string();
        if let Err(reason) = Settings::read(&document) {
            self.fault(place.unwrap_or_else(|| raw.name.span()), reason);
        }
        Some(document)
    }

    fn before(&mut self, raw: &Spanned<RawBefore>, start_ms: i64) -> Before {
        let RawBefore { terms, first, last } = raw.get_ref();
        let last_ms = self.time(Some(last), start_ms).unwrap_or(start_ms);
        let first_ms = self.time(first.as_ref(), start_ms).unwrap_or(last_ms);
        if first_ms > last_ms {
            self.fault(last.span(), "`last` is before `first`");
        }
        let line = self.line(&raw.span());
        Before { line, terms: self.values(terms.span(), terms.get_ref()), first_ms, last_ms }
    }

    fn after(&mut self, raw: &Spanned<RawAfter>, start_ms: i64) -> After {
        let RawAfter { terms, absent, first, last } = raw.get_ref();
        if *absent && (first.is_some() || last.is_some()) {
            self.fault(raw.span(), "a term that is `absent` has no `first` and no `last`");
        }
        After {
            line: self.line(&raw.span()),
            terms: self.values(terms.span(), terms.get_ref()),
            absent: *absent,
            first_ms: self.time(first.as_ref(), start_ms),
            last_ms: self.time(last.as_ref(), start_ms),
        }
    }

    fn event(
        &mut self,
        raw: &Spanned<RawEvent>,
        index: usize,
        start_ms: i64,
        at_ms: &mut i64,
        base: &Map<String, Value>,
    ) -> Event {
        let line = self.line(&raw.span());
        let place = raw.span();
        let raw = raw.get_ref();
        let own_text = raw.json.is_some() || raw.file.is_some();
        if raw.json.is_some() && raw.file.is_some() {
            self.fault(place.clone(), "an event is either `json` or from a `file`");
        }
        if own_text && (raw.at.is_some() || raw.set.is_some() || !raw.unset.is_empty()) {
            let message = "`at`, `set` and `unset` change the base event; `json` and `file` bring \
                           their own events, with their own times";
            self.fault(place.clone(), message);
        }
        let given = self.time(raw.at.as_ref(), start_ms);
        *at_ms = given.unwrap_or(*at_ms);
        let source = if let Some(file) = &raw.file {
            Source::File(PathBuf::from(file.get_ref()))
        } else if let Some(json) = &raw.json {
            Source::Text(json.get_ref().clone())
        } else {
            Source::Made(self.made(raw, &place, base, index, given, *at_ms))
        };
        Event { line, source, expected: self.expected(raw, place) }
    }

    fn made(
        &mut self,
        raw: &RawEvent,
        place: &Range<usize>,
        base: &Map<String, Value>,
        index: usize,
        given: Option<i64>,
        at_ms: i64,
    ) -> String {
        let mut map = base.clone();
        for name in &raw.unset {
            if !event::unset(&mut map, name.get_ref()) {
                let message = format!("the base event has no `{}` to take out", name.get_ref());
                self.fault(name.span(), message);
            }
        }
        if let Some(set) = &raw.set {
            self.merge(&mut map, set);
        }
        let id = format!("event-{}", index + 1);
        event::finish(map, given, at_ms, &id).unwrap_or_else(|reason| {
            self.fault(place.clone(), reason);
            String::new()
        })
    }

    fn expected(&mut self, raw: &RawEvent, place: Range<usize>) -> Expected {
        let mut fields = Vec::new();
        if let Some(expect) = &raw.expect {
            for (name, value) in expect.get_ref() {
                match event::json(value) {
                    Ok(Value::Object(inner)) => flatten(name, inner, &mut fields),
                    Ok(value) => fields.push((name.clone(), value)),
                    Err(reason) => self.fault(expect.span(), reason),
                }
            }
        }
        let terms = raw.terms.as_ref().map(|terms| {
            let lists = terms.get_ref().iter();
            lists.map(|values| self.values(terms.span(), values)).collect::<Vec<_>>()
        });
        let expected = Expected {
            alert: raw.alert.as_ref().map(|a| *a.get_ref()),
            outcome: raw.outcome.as_ref().map(|o| *o.get_ref()),
            terms,
            fields,
        };
        match expected.must_alert() {
            Err(reason) => self.fault(place, reason),
            Ok(Some(_)) => {}
            Ok(None) => {
                let message = "the event says nothing of what has to become of it: give \
                               `alert = true` or `alert = false`";
                self.fault(place, message);
            }
        }
        expected
    }

    fn time(&mut self, time: Option<&Time>, start_ms: i64) -> Option<i64> {
        let time = time?;
        let read = match time.get_ref() {
            toml::Value::String(text) => time::read(text, start_ms),
            toml::Value::Datetime(date) => time::read(&date.to_string(), start_ms),
            other => Err(format!("{} is no time: give text such as \"+3d\"", other.type_str())),
        };
        read.map_err(|reason| self.fault(time.span(), reason)).ok()
    }

    fn values(&mut self, span: Range<usize>, values: &[toml::Value]) -> Vec<Value> {
        let mut out = Vec::with_capacity(values.len());
        for value in values {
            match event::json(value) {
                Ok(Value::Object(_) | Value::Array(_)) | Err(_) => {
                    self.fault(span.clone(), "a term is a list of texts, numbers, true or false");
                }
                Ok(value) => out.push(value),
            }
        }
        out
    }

    fn merge(&mut self, map: &mut Map<String, Value>, table: &Spanned<toml::Table>) {
        if let Err(reason) = event::merge(map, table.get_ref()) {
            self.fault(table.span(), reason);
        }
    }
}

impl Expected {
    /// Whether an alert is asked for, by any of the ways to say so; `None` where nothing is said.
    ///
    /// # Errors
    /// Where two of them contradict each other.
    pub(super) fn must_alert(&self) -> Result<Option<bool>, &'static str> {
        let by_outcome = self.outcome.map(|outcome| outcome == Outcome::Alert);
        let by_terms = self.terms.as_ref().map(|terms| !terms.is_empty());
        let by_fields = (!self.fields.is_empty()).then_some(true);
        let mut said = [self.alert, by_outcome, by_terms, by_fields].into_iter().flatten();
        let first = said.next();
        if said.any(|other| Some(other) != first) {
            return Err("`alert`, `outcome`, `terms` and `expect` contradict each other");
        }
        Ok(first)
    }
}

/// An exception's document: as it stands, its times made out.
fn plain(value: &toml::Value, start_ms: i64) -> Result<Value, String> {
    let toml::Value::Table(table) = value else {
        return Err("an exception is a table: { name = \"..\", query = \"..\" }".to_owned());
    };
    let mut map = Map::new();
    for (name, value) in table {
        let mut value = event::json(value)?;
        if let ("expires", Value::String(text)) = (name.as_str(), &value) {
            let ms = time::read(text, start_ms).map_err(|e| format!("expires: {e}"))?;
            value = Value::String(firstseen_rule::alert::rfc3339(ms));
        }
        map.insert(name.clone(), value);
    }
    Ok(Value::Object(map))
}

/// Nested tables of expected fields as flat names.
fn flatten(name: &str, map: Map<String, Value>, out: &mut Vec<(String, Value)>) {
    for (inner, value) in map {
        let name = format!("{name}.{inner}");
        match value {
            Value::Object(map) => flatten(&name, map, out),
            value => out.push((name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = "[[case]]\nname = 'a'\n";

    /// The faults of a file, each with the text at its place.
    fn faults(text: &str) -> Vec<(&str, String)> {
        let faults = read(text).expect_err(text).into_iter();
        faults.map(|f| (text.get(f.span).unwrap(), f.message)).collect()
    }

    #[test]
    fn times_go_on_from_event_to_event() {
        let file = read(
            "start = 2025-03-03T00:00:00Z\n[base]\na = 1\n[[case]]\nname = 'a'\n\
             [[case.event]]\nalert = true\n[[case.event]]\nat = '+1d'\nalert = false\n\
             [[case.event]]\noutcome = 'seen'\n",
        )
        .unwrap();
        let texts = file.cases[0].events.iter().map(|event| match &event.source {
            Source::Made(text) => text[15..25].to_owned(),
            other => panic!("{other:?}"),
        });
        assert_eq!(texts.collect::<Vec<_>>(), ["2025-03-03", "2025-03-04", "2025-03-04"]);
        assert_eq!(file.cases[0].events[2].line, 11);
    }

    #[test]
    fn every_fault_has_its_place() {
        for (text, place, part) in [
            ("rules = 'x'", "rules", "unknown field"),
            ("[[case]]\nname = 'a'\nevents = 1", "events", "unknown field"),
            ("[[case]]\nname = 'a'\n[[case.event]]\nalret = true", "alret", "unknown field"),
            ("[[case]]\nname = 'a'\n[[case.event]]\noutcome = 'gone'", "'gone'", "unknown variant"),
            ("[[case]]\nname = ' '\n[[case.event]]\nalert = true", "' '", "empty name"),
            ("[[case]]\nname = 'a'", "'a'", "no [[case.event]]"),
            ("[[case]]\nname = 'a'\n[[case.event]]\nat = '3d'\nalert = true", "'3d'", "no time"),
            ("[[case]]\nname = 'a'\n[[case.event]]\nat = 3\nalert = true", "3", "no time"),
        ] {
            let faults = faults(text);
            assert_eq!(faults[0].0, place, "{faults:?}");
            assert!(faults[0].1.contains(part), "{faults:?}");
        }
        assert_eq!(faults("")[0].1, "there is no [[case]] in this file");
    }

    #[test]
    fn what_contradicts_itself_is_a_fault() {
        let one = |event: &str, part: &str| {
            let faults = faults_of_event(event);
            assert!(faults.iter().any(|(_, message)| message.contains(part)), "{faults:?}");
        };
        one("", "says nothing");
        one("at = '+0s'", "says nothing");
        one("alert = true\noutcome = 'seen'", "contradict");
        one("alert = false\nterms = [['a']]", "contradict");
        one("alert = false\nexpect = { a = 1 }", "contradict");
        one("alert = true\njson = '{}'\nfile = 'x'", "either");
        one("alert = true\njson = '{}'\nat = '+1d'", "their own times");
        one("alert = true\nunset = ['user.name']", "no `user.name` to take out");
        one("terms = [[[1]]]", "a term is a list");
        one("alert = true\nset = { user = 1, 'user.name' = 2 }", "`user` has a value");
    }

    fn faults_of_event(event: &str) -> Vec<(String, String)> {
        let text = format!("{CASE}[[case.event]]\n{event}\n");
        faults(&text).into_iter().map(|(place, message)| (place.to_owned(), message)).collect()
    }

    #[test]
    fn several_faults_are_told_together_in_the_order_of_the_text() {
        let text = format!(
            "{CASE}now = 'x'\n[[case.before]]\nterms = ['a']\nfirst = '+1d'\nlast = '+0s'\n\
             [[case.event]]\nalert = true\n{CASE}exceptions = [{{ name = 'e', query = '(' }}]\n\
             [[case.event]]\nalert = false\n[[case.after]]\nterms = ['a']\nabsent = true\n\
             last = '+0s'\n"
        );
        let faults = faults(&text);
        let parts = ["no time", "before `first`", "same name", "exception `e`", "absent"];
        assert_eq!(faults.len(), parts.len(), "{faults:?}");
        for ((_, message), part) in faults.iter().zip(parts) {
            assert!(message.contains(part), "{message}: {part}");
        }
    }

    #[test]
    fn expected_fields_may_be_nested() {
        let text = format!(
            "{CASE}[[case.event]]\nexpect.'kibana.alert.severity' = 'low'\n\
             expect.user = {{ name = 'b' }}\n"
        );
        let fields = &read(&text).unwrap().cases[0].events[0].expected.fields;
        let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
        // A dotted name is taken apart where it stands in a table.
        assert_eq!(names, ["kibana.alert.severity", "user.name"]);
    }
}

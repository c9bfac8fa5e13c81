//! The parts of a test file, checked one by one.
//!
//! In: the values of the file with their places. Out: cases with times and events made out; every
//! fault on the way is kept, and reading goes on.

use super::raw::{RawAfter, RawBefore, RawCase, RawEvent, RawFile, Time};
use super::{
    CaseSpec, EventInput, EventSpec, Expectation, ExpectedTerm, KnownTerm, TestFile, TestFileFault,
    line_of,
};
use crate::cli::test::{event, time};
use firstseen_rule::Settings;
use serde_json::{Map, Value};
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;

/// Reads the parts, and keeps what is wrong with them.
pub(super) struct TestFileReader<'t> {
    pub(super) text: &'t str,
    pub(super) faults: Vec<TestFileFault>,
}

impl TestFileReader<'_> {
    fn fault(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.faults.push(TestFileFault { span, message: message.into(), help: None });
    }

    fn line(&self, span: &Range<usize>) -> usize {
        line_of(self.text, span.start)
    }

    /// The whole file. Where there are faults, it stands for nothing.
    pub(super) fn file(&mut self, raw: RawFile) -> TestFile {
        let default = time::read(time::START, 0).unwrap_or(0);
        let start_ms = self.time(raw.start.as_ref(), default).unwrap_or(default);
        let mut base = Map::new();
        if let Some(table) = &raw.base {
            self.merge(&mut base, table);
        }
        if raw.case.is_empty() {
            self.fault(0..0, "this file has no [[case]]");
        }
        let mut cases: Vec<CaseSpec> = Vec::with_capacity(raw.case.len());
        for case in raw.case {
            let name = &case.name;
            if name.get_ref().trim().is_empty() {
                self.fault(name.span(), "the case has an empty name: describe what it shows");
            } else if cases.iter().any(|known| known.name == *name.get_ref()) {
                self.fault(name.span(), "another case of this file has the same name");
            }
            let case = self.case(case, start_ms, &base);
            cases.push(case);
        }
        TestFile {
            rule: raw.rule,
            rule_id: raw.rule_id,
            event_time: raw.event_time,
            allow_one_sided: raw.allow_one_sided,
            cases,
        }
    }

    fn case(&mut self, raw: RawCase, start_ms: i64, base: &Map<String, Value>) -> CaseSpec {
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
        CaseSpec {
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
        if let Some(any) = raw.any_index {
            settings.insert("any_index".to_owned(), Value::Bool(any));
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

    fn before(&mut self, raw: &Spanned<RawBefore>, start_ms: i64) -> KnownTerm {
        let RawBefore { terms, first, last } = raw.get_ref();
        let last_ms = self.time(Some(last), start_ms).unwrap_or(start_ms);
        let first_ms = self.time(first.as_ref(), start_ms).unwrap_or(last_ms);
        if first_ms > last_ms {
            self.fault(last.span(), "`last` is before `first`");
        }
        let line = self.line(&raw.span());
        KnownTerm { line, terms: self.values(terms.span(), terms.get_ref()), first_ms, last_ms }
    }

    fn after(&mut self, raw: &Spanned<RawAfter>, start_ms: i64) -> ExpectedTerm {
        let RawAfter { terms, absent, first, last } = raw.get_ref();
        if *absent && (first.is_some() || last.is_some()) {
            self.fault(raw.span(), "a term that is `absent` has no `first` and no `last`");
        }
        ExpectedTerm {
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
    ) -> EventSpec {
        let line = self.line(&raw.span());
        let place = raw.span();
        let raw = raw.get_ref();
        let own_text = raw.json.is_some() || raw.file.is_some();
        if raw.json.is_some() && raw.file.is_some() {
            self.fault(place.clone(), "an event is either `json` or from a `file`");
        }
        if own_text && (raw.at.is_some() || raw.set.is_some() || !raw.unset.is_empty()) {
            let message = "`at`, `set` and `unset` change the base event; `json` and `file` \
                           contain events of their own, with their own times";
            self.fault(place.clone(), message);
        }
        let given = self.time(raw.at.as_ref(), start_ms);
        *at_ms = given.unwrap_or(*at_ms);
        let source = if let Some(file) = &raw.file {
            EventInput::File(PathBuf::from(file.get_ref()))
        } else if let Some(json) = &raw.json {
            EventInput::Text(json.get_ref().clone())
        } else {
            EventInput::Made(self.made(raw, &place, base, index, given, *at_ms))
        };
        EventSpec { line, source, expected: self.expected(raw, place) }
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

    fn expected(&mut self, raw: &RawEvent, place: Range<usize>) -> Expectation {
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
        let expected = Expectation {
            alert: raw.alert.as_ref().map(|a| *a.get_ref()),
            outcome: raw.outcome.as_ref().map(|o| *o.get_ref()),
            terms,
            fields,
        };
        match expected.must_alert() {
            Err(reason) => self.fault(place, reason),
            Ok(Some(_)) => {}
            Ok(None) => {
                let message = "the event has no expectation: add `alert = true` or \
                               `alert = false`";
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
            other => Err(format!("{} is not a time: give text such as \"+3d\"", other.type_str())),
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

/// An exception's document: as it is, its times read.
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

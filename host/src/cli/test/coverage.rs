//! How often each clause of a rule's query was true and false, over all events of its tests.
//!
//! In: the truths that `explain` gives for each event. Out: counts, a share, and the query's text
//! with the clauses marked that no event showed from both sides. It judges no test: an event counts
//! whatever was expected of it.

use super::execute::EventResult;
use super::find::same;
use super::subject::{Subject, is_artifact};
use crate::escape::escaped;
use crate::terminal::diagnostic::visible;
use crate::terminal::wrap::width;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};
use firstseen_compiler::RuleText;
use firstseen_rule::source::{Diagnostic, PlacedClause, clauses};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The clauses of one rule, counted.
#[derive(Debug)]
pub(super) struct RuleCoverage {
    /// The rule's path, for people.
    pub(super) name: String,
    /// The file and the rule in it, to bring the tests of one rule together.
    key: (PathBuf, usize),
    source: String,
    clauses: Vec<ClauseCounts>,
}

/// A clause, and for how many events it held and did not.
#[derive(Debug, Clone)]
struct ClauseCounts {
    clause: PlacedClause,
    truths: u64,
    falses: u64,
}

impl ClauseCounts {
    /// What no event showed, in a few words.
    fn lacks(&self) -> Option<&'static str> {
        match (self.truths, self.falses) {
            (0, 0) => Some("never evaluated"),
            (0, _) => Some("never true"),
            (_, 0) => Some("never false"),
            _ => None,
        }
    }

    fn sides(&self) -> usize {
        usize::from(self.truths > 0) + usize::from(self.falses > 0)
    }
}

impl RuleCoverage {
    /// Begins to count.
    ///
    /// # Errors
    /// What is wrong with the rule's source.
    pub(super) fn new(subject: &Subject) -> Result<Self, Vec<Diagnostic>> {
        let mut name = subject.path.display().to_string();
        if is_artifact(&subject.path) {
            name = format!("{name} ({})", subject.meta.id);
        }
        let list = clauses(&subject.source)?.into_iter();
        Ok(Self {
            name,
            key: (same(&subject.path), subject.index),
            source: subject.source.clone(),
            clauses: list.map(|clause| ClauseCounts { clause, truths: 0, falses: 0 }).collect(),
        })
    }

    /// Counts an event.
    pub(super) fn add(&mut self, executed: &EventResult) {
        let truths = executed.why.get("clauses").and_then(Value::as_array);
        for (counted, truth) in self.clauses.iter_mut().zip(truths.into_iter().flatten()) {
            match truth {
                Value::Bool(true) => counted.truths += 1,
                Value::Bool(false) => counted.falses += 1,
                _ => {}
            }
        }
    }

    /// Takes the counts of another test of the same rule.
    pub(super) fn merge(all: &mut Vec<Self>, one: Self) {
        match all.iter_mut().find(|known| known.key == one.key) {
            Some(known) => {
                for (mine, theirs) in known.clauses.iter_mut().zip(one.clauses) {
                    mine.truths += theirs.truths;
                    mine.falses += theirs.falses;
                }
            }
            None => all.push(one),
        }
    }

    /// Sides shown and sides there are: each clause has two.
    fn sides(&self) -> (usize, usize) {
        (self.clauses.iter().map(ClauseCounts::sides).sum(), 2 * self.clauses.len())
    }

    /// Whether at least so many per cent were shown. A rule without clauses is covered.
    pub(super) fn reaches(&self, percent: usize) -> bool {
        let (shown, all) = self.sides();
        shown * 100 >= percent * all
    }

    /// The share, rounded down: 100 % only where nothing lacks.
    pub(super) fn percent(&self) -> String {
        let (shown, all) = self.sides();
        format!("{} %", (shown * 100).checked_div(all).unwrap_or(100))
    }

    /// The line of the first clause that lacks a side, or of the first there is.
    pub(super) fn line(&self) -> usize {
        let lacking = self.clauses.iter().find(|c| c.lacks().is_some());
        let span = lacking.or(self.clauses.first()).and_then(|c| c.clause.span.as_ref());
        span.map_or(1, |span| super::file::line_of(&self.source, span.start))
    }

    /// For tools.
    pub(super) fn json(&self) -> Value {
        let (shown, all) = self.sides();
        let clauses = self.clauses.iter().map(|c| {
            let span = c.clause.span.as_ref();
            let line = span.map(|span| super::file::line_of(&self.source, span.start));
            json!({ "clause": c.clause.text, "line": line, "true": c.truths, "false": c.falses })
        });
        let clauses: Vec<Value> = clauses.collect();
        json!({ "rule": self.name, "shown": shown, "sides": all, "clauses": clauses })
    }

    /// The counts, and the marked query where something lacks; ends with a newline.
    pub(super) fn pretty(&self, colour: bool) -> String {
        let (shown, all) = self.sides();
        let mut out = format!(
            "coverage of {}: {} ({shown} of {all})\n   true  false\n",
            escaped(&self.name),
            self.percent()
        );
        for c in &self.clauses {
            out.push_str(&format!("{:>7}{:>7}  {}\n", c.truths, c.falses, escaped(&c.clause.text)));
        }
        let lacking = || self.clauses.iter().filter(|c| c.lacks().is_some());
        let placed = |c: &&ClauseCounts| c.clause.span.is_some();
        if lacking().any(|c| placed(&c)) {
            let marked: Vec<&ClauseCounts> = lacking().filter(placed).collect();
            out.push_str(&self.marked(&marked, colour));
            out.push('\n');
        }
        for c in lacking().filter(|c| !placed(c)) {
            let text = escaped(&c.clause.text);
            out.push_str(&format!("{}: the filter {text}\n", c.lacks().unwrap_or_default()));
        }
        out
    }

    fn marked(&self, clauses: &[&ClauseCounts], colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let text = visible(&self.source);
        let name = escaped(&self.name).into_owned();
        let source = RuleText { name: &name, text: &text };
        let marks = clauses.iter().filter_map(|c| {
            let span = c.clause.span.clone()?;
            Some(AnnotationKind::Primary.span(span).label(c.lacks().unwrap_or_default()))
        });
        let snippet = Snippet::source(source.text).path(source.name).annotations(marks);
        let element: Element<'_> = snippet.into();
        let title = format!("not both true and false: {} of {}", clauses.len(), self.clauses.len());
        let title = Level::WARNING.with_name("clauses").primary_title(title.as_str());
        let group: Group<'_> = title.element(element);
        renderer.term_width(width()).render(&[group])
    }
}

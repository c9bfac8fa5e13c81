//! The result of a test run, and the forms in which it is reported.
//!
//! In: what became of each file and case. Out: text for a person, JSON, JUnit's XML, or GitHub's
//! annotations. It decides nothing but the totals.

mod github;
mod json;
mod junit;
mod pretty;

use super::coverage::RuleCoverage;
use super::judge::Failure;
use crate::escape::escaped;
use crate::terminal::diagnostic;
use crate::terminal::formats::count;
use firstseen_compiler::RuleText;
use firstseen_rule::source::Diagnostic;

/// The output formats of `test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TestFormat {
    /// For people, failures first
    Pretty,
    /// One JSON document
    Json,
    /// JUnit's XML, as CI systems read it
    Junit,
    /// Annotations for GitHub Actions, then the pretty form
    Github,
}

/// Why something could not be tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TestProblem {
    /// The file at fault.
    pub(super) name: String,
    /// 0 where it is the whole file.
    pub(super) line: usize,
    pub(super) message: String,
    /// The place, as it is shown to a person; empty where the message says all.
    pub(super) shown: String,
}

impl TestProblem {
    /// A fault that has its place in a text.
    pub(super) fn placed(source: &RuleText<'_>, fault: &Diagnostic) -> Self {
        let line = fault.position(source.text).map_or(0, |(line, _)| line);
        let mut message = fault.message.clone();
        for more in [Some(&fault.label), fault.help.as_ref()].into_iter().flatten() {
            if !more.is_empty() {
                message = format!("{message}; {more}");
            }
        }
        let shown = diagnostic::render(source, fault, false);
        Self { name: source.name.to_owned(), line, message, shown }
    }

    /// A fault of a file as a whole.
    pub(super) fn sentence(name: &str, message: &str) -> Self {
        Self { name: name.to_owned(), line: 0, message: message.to_owned(), shown: String::new() }
    }
}

/// One case, executed.
#[derive(Debug)]
pub(super) struct CaseReport {
    pub(super) name: String,
    pub(super) line: usize,
    /// Events executed.
    pub(super) events: usize,
    /// Of them, matches of an index outside the rule's patterns.
    pub(super) other_index: usize,
    pub(super) failures: Vec<Failure>,
    pub(super) problem: Option<TestProblem>,
}

/// One test file.
#[derive(Debug)]
pub(super) struct FileReport {
    pub(super) name: String,
    /// The rule's path.
    pub(super) rule: String,
    pub(super) cases: Vec<CaseReport>,
    /// Cases that `--run` left out.
    pub(super) left_out: usize,
    /// What the file as a whole lacks.
    pub(super) lacks: Option<Failure>,
    pub(super) problems: Vec<TestProblem>,
}

impl FileReport {
    pub(super) fn failed(&self) -> usize {
        let cases = self.cases.iter().filter(|c| !c.failures.is_empty()).count();
        cases + usize::from(self.lacks.is_some())
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = &TestProblem> {
        self.problems.iter().chain(self.cases.iter().filter_map(|c| c.problem.as_ref()))
    }
}

/// A whole run.
#[derive(Debug)]
pub(super) struct TestReport {
    pub(super) files: Vec<FileReport>,
    /// Rules that no test is of.
    pub(super) untested: Vec<String>,
    /// Whether those are failures.
    pub(super) require_tests: bool,
    /// Empty where it was not asked for.
    pub(super) coverage: Vec<RuleCoverage>,
    /// The percentage that every rule has to reach.
    pub(super) coverage_min: Option<u8>,
}

/// The sums of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) left_out: usize,
    pub(super) problems: usize,
}

impl TestReport {
    pub(super) fn totals(&self) -> Totals {
        let cases = || self.files.iter().flat_map(|f| &f.cases);
        Totals {
            passed: cases().filter(|c| c.failures.is_empty() && c.problem.is_none()).count(),
            failed: self.files.iter().map(FileReport::failed).sum(),
            left_out: self.files.iter().map(|f| f.left_out).sum(),
            problems: self.files.iter().map(|f| f.problems().count()).sum(),
        }
    }

    /// The rules whose coverage is too low.
    pub(super) fn too_low(&self) -> impl Iterator<Item = &RuleCoverage> {
        let wanted = usize::from(self.coverage_min.unwrap_or(0));
        self.coverage.iter().filter(move |rule| !rule.reaches(wanted))
    }

    /// Whether everything was as it should be, faults of files aside.
    pub(super) fn is_good(&self) -> bool {
        self.totals().failed == 0
            && (self.untested.is_empty() || !self.require_tests)
            && self.too_low().next().is_none()
    }

    /// The report in a form, without the newline at its end.
    pub(super) fn write(&self, format: TestFormat, colour: bool) -> anyhow::Result<String> {
        Ok(match format {
            TestFormat::Pretty => pretty::write(self, colour),
            TestFormat::Json => json::write(self),
            TestFormat::Junit => junit::write(self)?,
            TestFormat::Github => {
                let text = pretty::write(self, colour);
                format!("{}{}", github::write(self), github::harmless(&text))
            }
        })
    }
}

/// A failure in one sentence, for forms that have no room for more.
fn sentence(failure: &Failure) -> String {
    let mut text = format!(
        "{}: expected {}, got {}",
        failure.about,
        failure.expected.join(", "),
        failure.got.join(", ")
    );
    for why in &failure.why {
        text.push_str(&format!("; {why}"));
    }
    text
}

/// Text of a file for a terminal.
fn safe(text: &str) -> String {
    escaped(text).into_owned()
}

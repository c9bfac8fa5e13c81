//! Test files, each executed on its rule; several at once.
//!
//! In: paths of test files. Out: reports in the order of the paths, whatever ended first. Every file
//! has guests and states of its own: files share nothing but the compiled code.

use super::coverage::RuleCoverage;
use super::execute::CaseExecutor;
use super::file::{self, CaseSpec, TestFile, TestFileFault, TestOutcome};
use super::find::rule_of;
use super::judge::{self, Failure};
use super::report::{CaseReport, FileReport, TestProblem};
use super::subject::Subject;
use crate::files::read_text;
use crate::rules::signed::RequiredKeys;
use crate::work;
use firstseen_compiler::RuleText;
use firstseen_rule::source::{Diagnostic, Severity};
use firstseen_runtime::Runtime;
use regex::Regex;
use std::path::{Path, PathBuf};

/// What is asked of all files.
pub(super) struct TestSelection<'a> {
    /// The cases, by `file::case`; all without.
    pub(super) run: Option<&'a Regex>,
    pub(super) coverage: bool,
    pub(super) allow_one_sided: bool,
    /// Who has to have signed the rules.
    pub(super) required: &'a RequiredKeys,
}

/// The result of one file.
pub(super) struct TestedFile {
    pub(super) report: FileReport,
    /// The rule's path, where one was found.
    pub(super) rule: Option<PathBuf>,
    /// The files that the result depends on.
    pub(super) inputs: Vec<PathBuf>,
    pub(super) coverage: Option<RuleCoverage>,
}

/// Executes all of them.
pub(super) fn all(
    runtime: &Runtime,
    tests: &[PathBuf],
    wanted: &TestSelection<'_>,
) -> Vec<TestedFile> {
    let mut done = Vec::with_capacity(tests.len());
    let work = |path: &PathBuf| one(runtime, path, wanted);
    work::in_order(tests, work, |_, one| done.push(one));
    done
}

fn one(runtime: &Runtime, path: &Path, wanted: &TestSelection<'_>) -> TestedFile {
    let name = path.display().to_string();
    let report = FileReport {
        name: name.clone(),
        rule: String::new(),
        cases: Vec::new(),
        left_out: 0,
        lacks: None,
        problems: Vec::new(),
    };
    let inputs = vec![path.to_owned()];
    let mut done = TestedFile { report, rule: None, inputs, coverage: None };
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) => {
            done.report.problems.push(TestProblem::sentence(&name, &format!("{error:#}")));
            return done;
        }
    };
    let source = RuleText { name: &name, text: &text };
    let test = match file::read(&text) {
        Ok(test) => test,
        Err(faults) => {
            done.report.problems = faults.iter().map(|fault| placed(&source, fault)).collect();
            return done;
        }
    };
    let subject = rule_of(path, test.rule.as_deref())
        .map_err(|error| vec![TestProblem::sentence(&name, &format!("{error:#}"))])
        .and_then(|rule| {
            done.report.rule = rule.display().to_string();
            done.inputs.push(rule.clone());
            done.rule = Some(rule.clone());
            Subject::load(runtime, wanted.required, &rule, test.rule_id.as_deref(), test.event_time)
        });
    match subject {
        Ok(subject) => execute(runtime, &subject, path, test, &source, wanted, &mut done),
        Err(problems) => done.report.problems = problems,
    }
    done
}

/// A fault of a test file, as diagnostics are shown.
fn placed(source: &RuleText<'_>, fault: &TestFileFault) -> TestProblem {
    let diagnostic = Diagnostic {
        code: "bad_test",
        severity: Severity::Error,
        message: fault.message.clone(),
        span: Some(fault.span.clone()),
        label: String::new(),
        help: fault.help.clone(),
    };
    TestProblem::placed(source, &diagnostic)
}

fn execute(
    runtime: &Runtime,
    subject: &Subject,
    path: &Path,
    test: TestFile,
    source: &RuleText<'_>,
    wanted: &TestSelection<'_>,
    done: &mut TestedFile,
) {
    if !test.allow_one_sided && !wanted.allow_one_sided {
        done.report.lacks = one_sided(&test);
    }
    let mut coverage = None;
    if wanted.coverage {
        match RuleCoverage::new(subject) {
            Ok(begun) => coverage = Some(begun),
            Err(faults) => {
                let name = subject.path.display().to_string();
                let source = RuleText { name: &name, text: &subject.source };
                done.report.problems =
                    faults.iter().map(|f| TestProblem::placed(&source, f)).collect();
            }
        }
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    for case in test.cases {
        done.inputs.extend(case.files().map(|file| folder.join(file)));
        let full = format!("{}::{}", source.name, case.name);
        if wanted.run.is_some_and(|run| !run.is_match(&full)) {
            done.report.left_out += 1;
            continue;
        }
        let mut report = CaseReport {
            name: case.name.clone(),
            line: case.line,
            events: 0,
            other_index: 0,
            failures: Vec::new(),
            problem: None,
        };
        if let Err((line, error)) =
            execute_case(runtime, subject, &case, folder, &mut report, &mut coverage)
        {
            let message = format!("{}: {error:#}", case.name);
            let name = source.name.to_owned();
            report.problem = Some(TestProblem { name, line, message, shown: String::new() });
        }
        done.report.cases.push(report);
    }
    done.coverage = coverage;
}

/// Executes a case; an error comes with the line of what could not be executed.
fn execute_case(
    runtime: &Runtime,
    subject: &Subject,
    case: &CaseSpec,
    folder: &Path,
    report: &mut CaseReport,
    coverage: &mut Option<RuleCoverage>,
) -> Result<(), (usize, anyhow::Error)> {
    let mut executor = CaseExecutor::new(runtime, subject, case)?;
    for (index, event) in case.events.iter().enumerate() {
        let executed = executor.execute(event, folder).map_err(|error| (event.line, error))?;
        report.events += executed.len();
        let got = executed.iter().flat_map(|event| &event.got);
        report.other_index += got.filter(|got| got.outcome == TestOutcome::OtherIndex).count();
        if let Some(coverage) = coverage {
            executed.iter().for_each(|one| coverage.add(one));
        }
        let window = &subject.meta.window;
        report.failures.extend(judge::event(case, index + 1, event, &executed, window));
    }
    for after in &case.after {
        let known = executor.known(&after.terms).map_err(|error| (after.line, error))?;
        report.failures.extend(judge::after(case, after, known.as_ref()));
    }
    Ok(())
}

/// What a file lacks that never asks for an alert, or never for none.
fn one_sided(test: &TestFile) -> Option<Failure> {
    let events = test.cases.iter().flat_map(|case| &case.events);
    let asked: Vec<bool> =
        events.filter_map(|event| event.expected.must_alert().ok().flatten()).collect();
    let lack = match (asked.contains(&true), asked.contains(&false)) {
        (true, true) => return None,
        (true, false) => "an event that must not alert (alert = false)",
        (false, _) => "an event that must alert (alert = true)",
    };
    Some(Failure {
        line: 1,
        about: "a test file covers both sides of its rule".to_owned(),
        expected: vec![lack.to_owned()],
        got: vec!["none in this file".to_owned()],
        why: vec![
            "a rule that always alerts, or never, would pass; to accept that, put \
             `allow_one_sided = true` at the top of the file or use --allow-one-sided"
                .to_owned(),
        ],
    })
}

//! The report as JUnit's XML: a suite for each file, a case for each case. Coverage, and rules that
//! nothing tests, are suites of their own where they fail the run.

use super::{FileReport, TestReport, safe, sentence};
use anyhow::Context;
use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

/// Writes the report. There are no times in it: the same run gives the same text.
pub(super) fn write(report: &TestReport) -> anyhow::Result<String> {
    let mut junit = Junit::new("firstseen test");
    for file in &report.files {
        junit.add_test_suite(suite(file));
    }
    let mut more = TestSuite::new("firstseen");
    for rule in report.untested.iter().filter(|_| report.require_tests) {
        more.add_test_case(failed(&format!("{rule} has a test"), "this rule has no test"));
    }
    for rule in report.too_low() {
        let wanted = report.coverage_min.unwrap_or(0);
        let text = format!("coverage {}, below the required {wanted} %", rule.percent());
        more.add_test_case(failed(&format!("{} is covered", rule.name), &text));
    }
    if !more.test_cases.is_empty() {
        junit.add_test_suite(more);
    }
    let xml = junit.to_string().context("the report cannot be written as XML")?;
    Ok(xml.trim_end().to_owned())
}

fn suite(file: &FileReport) -> TestSuite {
    let mut suite = TestSuite::new(safe(&file.name));
    for case in &file.cases {
        let status = match (&case.problem, case.failures.as_slice()) {
            (Some(problem), _) => status(NonSuccessKind::Error, &safe(&problem.message)),
            (None, []) => TestCaseStatus::success(),
            (None, failures) => {
                let all: Vec<String> = failures
                    .iter()
                    .map(|f| safe(&format!("{}:{}: {}", file.name, f.line, sentence(f))))
                    .collect();
                status(NonSuccessKind::Failure, &all.join("\n"))
            }
        };
        let mut one = TestCase::new(safe(&case.name), status);
        one.set_classname(safe(&file.name));
        suite.add_test_case(one);
    }
    if let Some(failure) = &file.lacks {
        suite.add_test_case(failed("the file as a whole", &safe(&sentence(failure))));
    }
    for problem in &file.problems {
        let text = safe(&format!("{}:{}: {}", problem.name, problem.line, problem.message));
        suite.add_test_case(TestCase::new(
            "the file as a whole",
            status(NonSuccessKind::Error, &text),
        ));
    }
    suite
}

fn failed(name: &str, text: &str) -> TestCase {
    TestCase::new(name.to_owned(), status(NonSuccessKind::Failure, text))
}

fn status(kind: NonSuccessKind, text: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(text.lines().next().unwrap_or_default().to_owned());
    status.set_description(text.to_owned());
    status
}

//! The report as one JSON document, for tools. docs/testing.md lists its members.

use super::{CaseReport, TestProblem, TestReport};
use crate::cli::test::judge::Failure;
use serde_json::{Value, json};

/// Writes the report.
pub(super) fn write(report: &TestReport) -> String {
    let files: Vec<Value> = report
        .files
        .iter()
        .map(|file| {
            let mut failures: Vec<Value> = file.lacks.iter().map(failure).collect();
            let cases: Vec<Value> = file.cases.iter().map(case).collect();
            json!({
                "file": file.name, "rule": file.rule, "cases": cases, "left_out": file.left_out,
                "failures": std::mem::take(&mut failures),
                "errors": file.problems.iter().map(problem).collect::<Vec<_>>(),
            })
        })
        .collect();
    let sums = report.totals();
    let mut out = json!({
        "good": report.is_good() && sums.problems == 0,
        "passed": sums.passed, "failed": sums.failed, "left_out": sums.left_out,
        "errors": sums.problems, "files": files, "untested": report.untested,
    });
    if !report.coverage.is_empty() {
        out["coverage"] = report.coverage.iter().map(super::RuleCoverage::json).collect();
    }
    format!("{out:#}")
}

fn case(case: &CaseReport) -> Value {
    json!({
        "name": case.name, "line": case.line, "events": case.events,
        "other_index": case.other_index,
        "passed": case.failures.is_empty() && case.problem.is_none(),
        "failures": case.failures.iter().map(failure).collect::<Vec<_>>(),
        "errors": case.problem.iter().map(problem).collect::<Vec<_>>(),
    })
}

fn failure(failure: &Failure) -> Value {
    let Failure { line, about, expected, got, why } = failure;
    json!({ "line": line, "about": about, "expected": expected, "got": got, "why": why })
}

fn problem(problem: &TestProblem) -> Value {
    let TestProblem { name, line, message, .. } = problem;
    json!({ "file": name, "line": line, "message": message })
}

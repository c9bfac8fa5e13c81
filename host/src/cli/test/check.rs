//! Every rule, built: those that have no test, and the warnings of all.
//!
//! In: the rules that were found, and those that tests are of. Out: warnings on standard error, each
//! rule's once; a report for each rule that does not build. Nothing is executed here.

use super::find::same;
use super::report::{FileReport, TestProblem};
use super::run::TestedFile;
use super::subject::is_artifact;
use crate::cli::warnings::WarningArgs;
use crate::files::{read_text, shown};
use crate::terminal::diagnostic;
use crate::terminal::message::{self, Level};
use crate::work;
use firstseen_compiler::{CompileError, RuleText, compile};
use firstseen_rule::source::{Diagnostic, ReadOptions, Severity};
use std::path::{Path, PathBuf};

/// One rule, built.
struct CheckedRule {
    problems: Vec<TestProblem>,
    /// As they are printed.
    warnings: Vec<String>,
}

/// Builds the rules that were found and those of `done`, of which the paths are `tested`.
pub(super) fn all(
    found: &[PathBuf],
    done: &[TestedFile],
    tested: &[PathBuf],
    wanted: &WarningArgs,
) -> Vec<FileReport> {
    let mut rules: Vec<PathBuf> = Vec::new();
    for rule in found.iter().chain(done.iter().filter_map(|one| one.rule.as_ref())) {
        if !is_artifact(rule) && !rules.iter().any(|known| same(known) == same(rule)) {
            rules.push(rule.clone());
        }
    }
    let mut reports = Vec::new();
    let work = |rule: &PathBuf| one(rule, tested.contains(&same(rule)), wanted);
    work::in_order(&rules, work, |rule, CheckedRule { problems, warnings }| {
        warnings.iter().for_each(|warning| message::page(Level::Warning, warning));
        if !problems.is_empty() {
            let name = rule.display().to_string();
            reports.push(FileReport {
                rule: name.clone(),
                name,
                cases: Vec::new(),
                left_out: 0,
                lacks: None,
                problems,
            });
        }
    });
    reports
}

/// Builds a rule. The report of its test has the errors of one that is `tested`.
fn one(rule: &Path, tested: bool, wanted: &WarningArgs) -> CheckedRule {
    let mut checked = CheckedRule { problems: Vec::new(), warnings: Vec::new() };
    let name = shown(rule);
    let text = match read_text(rule) {
        Ok(text) => text,
        Err(_) if tested => return checked,
        Err(error) => {
            checked.problems.push(TestProblem::sentence(&name, &format!("{error:#}")));
            return checked;
        }
    };
    let source = RuleText { name: &name, text: &text };
    let built = compile(&firstseen_engines::core(), &[source], &ReadOptions::default());
    let (of_rule, fatal): (Vec<Diagnostic>, bool) = match built {
        Ok(built) => (built.warnings.into_iter().flat_map(|(_, all)| all).collect(), false),
        Err(CompileError::Faults(faults)) => {
            (faults.into_iter().flat_map(|(_, all)| all).collect(), true)
        }
        Err(CompileError::Other(_)) if tested => return checked,
        Err(CompileError::Other(reason)) => {
            checked.problems.push(TestProblem::sentence(&name, &reason));
            return checked;
        }
    };
    for one in wanted.judge(of_rule) {
        match one.severity {
            Severity::Warning => checked.warnings.push(diagnostic::shown(&source, &one) + "\n"),
            Severity::Error if tested && fatal => {}
            Severity::Error => checked.problems.push(TestProblem::placed(&source, &one)),
        }
    }
    checked
}

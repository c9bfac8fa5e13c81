//! The report for a person: what failed first, each with a diff; then file by file; then the sums.

use super::{FileReport, TestProblem, TestReport, count, safe};
use crate::cli::test::judge::Failure;
use crate::terminal::style::{BOLD, GREEN, RED, paint};
use crate::terminal::wrap::wrapped;
use anstyle::Style;
use similar::{ChangeTag, TextDiff};

/// Writes the report.
pub(super) fn write(report: &TestReport, colour: bool) -> String {
    let mut page = ReportPage { out: String::new(), colour };
    for file in &report.files {
        page.failures(file);
    }
    for problem in report.files.iter().flat_map(FileReport::problems) {
        page.problem(problem);
    }
    for rule in &report.coverage {
        page.out.push_str(&rule.pretty(colour));
        page.out.push('\n');
    }
    for file in &report.files {
        page.file(file);
    }
    for rule in &report.untested {
        let word = if report.require_tests { ("FAIL", RED) } else { ("note", BOLD) };
        page.paint(word.1, word.0);
        page.out.push_str(&format!(" {}: this rule has no test\n", safe(rule)));
    }
    for rule in report.too_low() {
        page.paint(RED, "FAIL");
        let wanted = report.coverage_min.unwrap_or(0);
        page.out.push_str(&format!(
            " {}: coverage {}, below the required {wanted} %\n",
            safe(&rule.name),
            rule.percent()
        ));
    }
    page.sums(report);
    page.out
}

struct ReportPage {
    out: String,
    colour: bool,
}

impl ReportPage {
    fn paint(&mut self, style: Style, text: &str) {
        self.out.push_str(&paint(style, text, self.colour));
    }

    fn failures(&mut self, file: &FileReport) {
        for case in file.cases.iter().filter(|case| !case.failures.is_empty()) {
            self.headline(&file.name, case.line, &case.name);
            case.failures.iter().for_each(|failure| self.failure(failure));
            self.out.push('\n');
        }
        if let Some(failure) = &file.lacks {
            self.headline(&file.name, failure.line, "the file as a whole");
            self.failure(failure);
            self.out.push('\n');
        }
    }

    /// `FAIL file:line: name`: the place first, so that an editor can go there.
    fn headline(&mut self, file: &str, line: usize, name: &str) {
        self.paint(RED, "FAIL");
        self.out.push_str(&format!(" {}:{line}\n  ", safe(file)));
        self.paint(BOLD, &safe(name));
        self.out.push('\n');
    }

    fn failure(&mut self, failure: &Failure) {
        self.out.push_str(&format!("\n  line {}: {}\n", failure.line, safe(&failure.about)));
        let lines = |lines: &[String]| lines.iter().map(|line| safe(line)).collect::<Vec<_>>();
        let (expected, got) = (lines(&failure.expected), lines(&failure.got));
        let (old, new): (Vec<&str>, Vec<&str>) = (
            expected.iter().map(String::as_str).collect(),
            got.iter().map(String::as_str).collect(),
        );
        let diff = TextDiff::from_slices(&old, &new);
        for change in diff.iter_all_changes() {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ("- expected ", RED),
                ChangeTag::Insert => ("+ got      ", GREEN),
                ChangeTag::Equal => ("           ", Style::new()),
            };
            self.out.push_str("    ");
            let text = format!("{sign}{}", change.value());
            if style.is_plain() {
                self.out.push_str(&text);
            } else {
                self.paint(style, &text);
            }
            self.out.push('\n');
        }
        for why in &failure.why {
            self.out.push_str(&wrapped(&safe(why), "    why: ", "         "));
        }
    }

    fn problem(&mut self, problem: &TestProblem) {
        if problem.shown.is_empty() {
            self.paint(RED, "error");
            let place = match problem.line {
                0 => String::new(),
                line => format!(":{line}"),
            };
            let message = safe(&problem.message);
            self.out.push_str(&format!(": {}{place}: {message}\n\n", safe(&problem.name)));
        } else {
            self.out.push_str(&problem.shown);
            self.out.push_str("\n\n");
        }
    }

    fn file(&mut self, file: &FileReport) {
        let (failed, problems) = (file.failed(), file.problems().count());
        let name = safe(&file.name);
        if problems > 0 {
            self.paint(RED, "error");
            self.out.push_str(&format!(" {name}: {}\n", count(problems, "error")));
        } else if failed > 0 {
            self.paint(RED, "FAIL");
            self.out.push_str(&format!(" {name}: {failed} of {}\n", cases(file)));
        } else {
            self.paint(GREEN, "ok");
            self.out.push_str(&format!("   {name}: {}\n", cases(file)));
        }
    }

    fn sums(&mut self, report: &TestReport) {
        let sums = report.totals();
        let mut parts = vec![format!("{} passed", sums.passed)];
        parts.push(format!("{} failed", sums.failed));
        if sums.left_out > 0 {
            parts.push(format!("{} left out", sums.left_out));
        }
        if sums.problems > 0 {
            parts.push(count(sums.problems, "error"));
        }
        let good = report.is_good() && sums.problems == 0;
        self.paint(if good { GREEN } else { RED }, if good { "ok" } else { "FAILED" });
        self.out.push_str(&format!(": {}", parts.join(", ")));
    }
}

fn cases(file: &FileReport) -> String {
    let events = file.cases.iter().map(|case| case.events).sum();
    let other_index: usize = file.cases.iter().map(|case| case.other_index).sum();
    let mut text = format!("{}, {}", count(file.cases.len(), "case"), count(events, "event"));
    if other_index > 0 {
        text += &format!(", {other_index} left out by index");
    }
    text
}

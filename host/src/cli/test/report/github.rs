//! The report as workflow commands: GitHub shows each failure at its line of the change.
//!
//! Text of a file must not begin a command of its own: what would end the line or a part of the
//! command is escaped as GitHub asks for.

use super::{TestReport, sentence};

/// Writes one command a line.
pub(super) fn write(report: &TestReport) -> String {
    let mut out = String::new();
    for file in &report.files {
        for case in &file.cases {
            for failure in &case.failures {
                command(&mut out, &file.name, failure.line, &case.name, &sentence(failure));
            }
        }
        if let Some(failure) = &file.lacks {
            command(&mut out, &file.name, failure.line, "one-sided", &sentence(failure));
        }
        for problem in file.problems() {
            command(&mut out, &problem.name, problem.line, "not tested", &problem.message);
        }
    }
    if report.require_tests {
        for rule in &report.untested {
            command(&mut out, rule, 1, "untested", "this rule has no test");
        }
    }
    for rule in report.too_low() {
        let wanted = report.coverage_min.unwrap_or(0);
        let text = format!("coverage {}, below the required {wanted} %", rule.percent());
        command(&mut out, &rule.name, rule.line(), "coverage", &text);
    }
    out
}

fn command(out: &mut String, file: &str, line: usize, title: &str, message: &str) {
    let (file, title) = (property(file), property(title));
    let line = line.max(1);
    out.push_str(&format!("::error file={file},line={line},title={title}::{}\n", data(message)));
}

/// Text that is meant for people only. GitHub takes a line for a command that begins with `::`
/// behind white space, or holds `##[` anywhere; a case's name could.
pub(super) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let words = line.trim_start();
        if words.starts_with("::") {
            out.push_str("| ");
        }
        out.push_str(&line.replace("##[", "## ["));
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_for_people_holds_no_command() {
        let text = "FAIL a:1\n  ::error::x\n    a ::b\n##[add-mask]c\n";
        assert_eq!(harmless(text), "FAIL a:1\n|   ::error::x\n    a ::b\n## [add-mask]c\n");
        assert_eq!(harmless("ok"), "ok");
    }

    #[test]
    fn a_name_cannot_begin_a_command() {
        let mut out = String::new();
        command(&mut out, "a,b:c", 0, "100 %\n::error::x", "x\r\n::set-env y");
        assert_eq!(
            out,
            "::error file=a%2Cb%3Ac,line=1,title=100 %25%0A%3A%3Aerror%3A%3Ax::x%0D%0A::set-env y\n"
        );
    }
}

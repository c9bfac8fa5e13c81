//! Faults of a rule's file, for a person: the file, the line, a caret under the place.
//!
//! In: sources, and their faults. Out: text of 80 columns on standard error, in
//! colour only on a terminal. It decides nothing, and what it shows of a file is escaped.

use crate::escape::{acts, escaped};
use crate::terminal::wrap::{beside, width};
use crate::terminal::{message, style};
use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};
use firstseen_compiler::RuleText;
use firstseen_rule::source::{Diagnostic, Severity};
use std::ops::Range;
use unicode_width::UnicodeWidthStr;

/// One of them as it is shown on standard error.
#[must_use]
pub fn shown(source: &RuleText<'_>, diagnostic: &Diagnostic) -> String {
    render(source, diagnostic, style::on_stderr())
}

/// How important one of them is.
#[must_use]
pub fn level(diagnostic: &Diagnostic) -> message::Level {
    match diagnostic.severity {
        Severity::Error => message::Level::Error,
        Severity::Warning => message::Level::Warning,
    }
}

/// Prints one of them on standard error, with an empty line behind it.
pub fn print(source: &RuleText<'_>, diagnostic: &Diagnostic) {
    let page = shown(source, diagnostic) + "\n";
    message::page(message::Level::Error, &page);
}

/// One of them as text.
#[must_use]
pub fn render(source: &RuleText<'_>, diagnostic: &Diagnostic, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let name = escaped(source.name);
    // `error[code]: ` or `warning[code]: ` is before the message.
    let message = beside(&escaped(&diagnostic.message), diagnostic.code.len() + 11);
    let label = escaped(&diagnostic.label);
    let (line, column) = diagnostic.position(source.text).unwrap_or((1, 1));
    let (text, mark) = marked_line(source.text, diagnostic.span.clone().unwrap_or(0..0));
    // Beside the caret where it fits the line, else below.
    let gutter = line.to_string().len() + 3;
    let marked = text.get(mark.clone()).map_or(0, UnicodeWidthStr::width).max(1);
    let fits = gutter + column + marked + label.width() <= width();
    let mark = AnnotationKind::Primary.span(mark);
    let mark = if fits && !label.is_empty() { mark.label(label.as_ref()) } else { mark };
    let snippet = Snippet::source(text.as_str()).line_start(line);
    let snippet = snippet.path(name.as_ref()).annotation(mark);
    let mut below: Vec<Element<'_>> = Vec::new();
    // ` = note: ` or ` = help: ` stands before them, behind the gutter.
    if !fits && !label.is_empty() {
        below.push(Level::NOTE.message(beside(&label, gutter + 7)).into());
    }
    if let Some(help) = &diagnostic.help {
        below.push(Level::HELP.message(beside(&escaped(help), gutter + 7)).into());
    }
    let title = level.primary_title(message).id(diagnostic.code);
    let group: Group<'_> = title.element(snippet).elements(below);
    renderer.term_width(width()).render(&[group])
}

/// The line on which a place begins, made visible, and the part of it that is the place.
fn marked_line(text: &str, span: Range<usize>) -> (String, Range<usize>) {
    let (before, rest) = text.split_at_checked(span.start).unwrap_or((text, ""));
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let length = rest.find(['\r', '\n']).unwrap_or(rest.len());
    let line = text.get(start..before.len() + length).unwrap_or("");
    // What spans several lines is marked on its first.
    let mark = before.len() - start;
    (visible(line), mark..mark + span.len().min(length))
}

/// The text with everything that a terminal would act on replaced by as many bytes that it shows,
/// so that places stay.
pub(crate) fn visible(text: &str) -> String {
    let shown = |c: char| match (c, c.len_utf8()) {
        ('\n' | '\r' | '\t', _) => c,
        (c, _) if !acts(c) => c,
        (_, 1) => '?',
        (_, 2) => '·',
        (_, 3) => '\u{fffd}',
        (_, _) => '🯄',
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::wrap::WIDTH;

    /// What is shown of a fault at the first `#` of a text.
    fn page(text: &str, code: &'static str, message: &str, label: &str, help: &str) -> String {
        let at = text.find('#').unwrap();
        let diagnostic = Diagnostic {
            code,
            severity: Severity::Error,
            message: message.to_owned(),
            span: Some(at..at + 1),
            label: label.to_owned(),
            help: (!help.is_empty()).then(|| help.to_owned()),
        };
        let page = render(&RuleText { name: "r.toml", text }, &diagnostic, false);
        for line in page.lines() {
            assert!(line.width() <= WIDTH, "{page}");
        }
        // The caret is under the place.
        let lines: Vec<&str> = page.lines().collect();
        let caret = lines
            .iter()
            .position(|line| line.trim_start().starts_with("| ") && line.contains('^'))
            .unwrap();
        let columns = |line: &str, c: char| line.find(c).map(|at| line[..at].width());
        assert_eq!(columns(lines[caret], '^'), columns(lines[caret - 1], '#'), "{page}");
        page
    }

    #[test]
    fn a_short_one_stands_beside_its_caret() {
        let page = page("a\nquery = 'x: #'\nb", "unexpected", "a hash", "expected none", "drop it");
        let expected = "\
error[unexpected]: a hash
 --> r.toml:2:13
  |
2 | query = 'x: #'
  |             ^ expected none
  |
  = help: drop it";
        assert_eq!(page, expected);
    }

    #[test]
    fn a_long_one_is_wrapped_and_its_line_is_cut() {
        let words = "words that go on ".repeat(12);
        for (before, after) in [(0, 500), (300, 300), (500, 0), (70, 0), (74, 3)] {
            let text = format!("\n{}#{}\n", "a b".repeat(before / 3), "c d".repeat(after / 3));
            let page = page(&text, "unknown_key", &words, &words, &words);
            assert_eq!(page.matches("words").count(), 36, "{page}");
        }
    }

    #[test]
    fn wide_characters_and_tabs_do_not_move_the_caret() {
        page("漢字漢字 é #", "unexpected", "a hash", "", "");
        page("\tx\t#", "unexpected", "a hash", "none", "");
    }

    #[test]
    fn what_would_drive_a_terminal_is_replaced() {
        let shown =
            page("\u{1b}[2J\u{9b}\u{202e}\u{e0041}#", "unexpected", "\u{1b}[31m", "\u{7}", "");
        assert!(shown.chars().all(|c| c == '\n' || !acts(c)), "{shown:?}");
    }

    #[test]
    fn a_place_over_several_lines_is_marked_on_its_first() {
        let text = "a = [\n1,\n]";
        let diagnostic = Diagnostic {
            code: "wrong_type",
            severity: Severity::Warning,
            message: "a list".to_owned(),
            span: Some(4..text.len()),
            label: String::new(),
            help: None,
        };
        let page = render(&RuleText { name: "r.toml", text }, &diagnostic, false);
        let expected = "\
warning[wrong_type]: a list
 --> r.toml:1:5
  |
1 | a = [
  |     ^";
        assert_eq!(page, expected);
        // No place, and one that is none: the page is still drawn.
        for span in [None, Some(99..100)] {
            let odd = Diagnostic { span, ..diagnostic.clone() };
            assert!(render(&RuleText { name: "r.toml", text }, &odd, true).contains("a list"));
        }
    }
}

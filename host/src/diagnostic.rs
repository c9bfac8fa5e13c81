//! Faults of a rule's file, for a person: the file, the line, a caret under the place.
//!
//! In: sources, and what is to be said of them. Out: text of 80 columns on standard error, in
//! colour only on a terminal. It decides nothing, and what it shows of a file is escaped.

use crate::compile::Source;
use crate::output::escape::{acts, escaped};
use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};
use firstseen_rule::source::{Diagnostic, Severity};
use std::io::IsTerminal;
use unicode_width::UnicodeWidthStr;

/// How wide a line may be.
pub(crate) const WIDTH: usize = 80;

/// One of them as it is shown on standard error.
#[must_use]
pub fn shown(source: &Source<'_>, diagnostic: &Diagnostic) -> String {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    render(source, diagnostic, colour)
}

/// One of them as text.
#[must_use]
pub fn render(source: &Source<'_>, diagnostic: &Diagnostic, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let name = escaped(source.name);
    let message = escaped(&diagnostic.message);
    let label = escaped(&diagnostic.label);
    let help = diagnostic.help.as_deref().map(escaped);
    let text = visible(source.text);
    let span = diagnostic.span.clone().unwrap_or(0..0);
    // What spans several lines is marked on its first.
    let line_end = text.get(span.start..).and_then(|rest| rest.find(['\r', '\n']));
    let end = line_end.map_or(span.end, |length| span.end.min(span.start + length));
    let (line, column) = diagnostic.position(&text).unwrap_or((1, 1));
    // Beside the caret where it fits the line, else below.
    let gutter = line.to_string().len() + 3;
    let marked = text.get(span.start..end).map_or(0, UnicodeWidthStr::width).max(1);
    let beside = gutter + column + marked + label.width() <= WIDTH;
    let mark = AnnotationKind::Primary.span(span.start..end.max(span.start));
    let mark = if beside && !label.is_empty() { mark.label(label.as_ref()) } else { mark };
    let snippet = Snippet::source(text.as_str()).path(name.as_ref()).annotation(mark);
    let mut below: Vec<Element<'_>> = Vec::new();
    if !beside && !label.is_empty() {
        below.push(Level::NOTE.message(label.as_ref()).into());
    }
    if let Some(help) = &help {
        below.push(Level::HELP.message(help.as_ref()).into());
    }
    let title = level.primary_title(message.as_ref()).id(diagnostic.code);
    let group: Group<'_> = title.element(snippet).elements(below);
    renderer.term_width(WIDTH).render(&[group])
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

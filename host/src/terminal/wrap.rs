//! Text in lines that fit the page.
//!
//! In: one paragraph, and once for the process how wide the terminal is. Out: its lines, within the width,
//! each with its indent. A word that is longer than a line, an address for one, stays whole: it is there
//! to be copied.

use std::sync::atomic::{AtomicUsize, Ordering};
use textwrap::{Options, WordSplitter};

/// How wide a line of a paragraph may be, in columns; also a page whose width nobody knows.
pub const WIDTH: usize = 80;
/// Narrower than this nothing is made.
const NARROWEST: usize = 30;

/// Where the text beside a label begins.
const LABELLED: usize = 12;

/// How wide pages are.
static PAGE: AtomicUsize = AtomicUsize::new(WIDTH);
/// How wide messages are; 0: each is one line, as a log wants it.
static MESSAGES: AtomicUsize = AtomicUsize::new(0);

/// Sets for the whole process how wide pages are, and messages where a person reads them.
pub fn set_widths(page: Option<usize>, messages: Option<usize>) {
    PAGE.store(page.unwrap_or(WIDTH).max(NARROWEST), Ordering::Relaxed);
    MESSAGES.store(messages.map_or(0, |width| width.max(NARROWEST)), Ordering::Relaxed);
}

/// How wide a table may be.
#[must_use]
pub fn page_width() -> usize {
    PAGE.load(Ordering::Relaxed)
}

/// How wide a paragraph may be: long lines are hard to read on a wide page too.
#[must_use]
pub fn width() -> usize {
    page_width().min(WIDTH)
}

/// The paragraph in lines of at most [`WIDTH`] columns, each with a line break; `first` stands
/// before the first line, `rest` before the others.
#[must_use]
pub fn wrapped(text: &str, first: &str, rest: &str) -> String {
    if text.is_empty() {
        return format!("{}\n", first.trim_end());
    }
    let options = options(width()).initial_indent(first).subsequent_indent(rest);
    textwrap::wrap(text, options).iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A row of a page: a label, and a paragraph beside it.
#[must_use]
pub fn labelled(label: &str, text: &str) -> String {
    let first = format!("  {label:<0$}", LABELLED - 2);
    wrapped(text, &first, &" ".repeat(LABELLED))
}

/// A value that is there to be copied: beside its label where it fits, else whole on a line below.
#[must_use]
pub fn whole(value: &str, label: &str) -> String {
    let line = format!("{label}{value}");
    if textwrap::core::display_width(&line) <= page_width() || label.trim().is_empty() {
        return format!("{}\n", line.trim_end());
    }
    let indent = label.len() - label.trim_start().len() + 2;
    format!("{}\n{}{value}\n", label.trim_end(), " ".repeat(indent))
}

/// The paragraph in lines that leave room for `taken` columns before each of them; no line break
/// after the last.
#[must_use]
pub fn beside(text: &str, taken: usize) -> String {
    textwrap::fill(text, options(width().saturating_sub(taken)))
}

/// A message in lines that fit where a person reads it, the ones behind the first indented; else as it is.
#[must_use]
pub fn message(text: &str) -> String {
    match MESSAGES.load(Ordering::Relaxed) {
        0 => text.to_owned(),
        width => folded(text, width),
    }
}

fn folded(text: &str, width: usize) -> String {
    let line = |line: &str| {
        let body = line.trim_start_matches(' ');
        let indent = " ".repeat(line.len() - body.len());
        let rest = format!("{indent}    ");
        textwrap::fill(body, options(width).initial_indent(&indent).subsequent_indent(&rest))
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn options(width: usize) -> Options<'static> {
    Options::new(width).break_words(false).word_splitter(WordSplitter::NoHyphenation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_long_ones_stay_whole() {
        let address = "x".repeat(100);
        assert_eq!(
            wrapped(&format!("{} {address}", "word ".repeat(16).trim_end()), "- ", "  "),
            format!("- {}\n  word\n  {address}\n", "word ".repeat(15).trim_end())
        );
        assert_eq!(wrapped("", "  name", "  "), "  name\n");
        assert_eq!(beside("a b c", 77), "a b\nc");
        assert_eq!(beside("a b", 100), "a\nb");
    }

    #[test]
    fn a_value_stays_whole_on_a_line() {
        assert_eq!(whole("a b", "  key: "), "  key: a b\n");
        let long = "k".repeat(76);
        assert_eq!(whole(&long, "  key: "), format!("  key:\n    {long}\n"));
    }

    #[test]
    fn a_message_goes_on_indented() {
        assert_eq!(
            folded("warning: one two three\n  a b c d e f g h i j k", 16),
            "warning: one two\n    three\n  a b c d e f g\n      h i j k"
        );
        assert_eq!(message("as it is"), "as it is");
    }
}

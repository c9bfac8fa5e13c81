//! Text in lines that fit the page.
//!
//! In: one paragraph. Out: its lines, within the width, each with its indent. A word that is longer
//! than a line, an address for one, stays whole: it is there to be copied.

use textwrap::{Options, WordSplitter};

/// How wide a line may be, in columns.
pub const WIDTH: usize = 80;

/// The paragraph in lines of at most [`WIDTH`] columns, each with a line break; `first` stands
/// before the first line, `rest` before the others.
#[must_use]
pub fn wrapped(text: &str, first: &str, rest: &str) -> String {
    if text.is_empty() {
        return format!("{}\n", first.trim_end());
    }
    let options = options(WIDTH).initial_indent(first).subsequent_indent(rest);
    textwrap::wrap(text, options).iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The paragraph in lines that leave room for `taken` columns before each of them; no line break
/// after the last.
#[must_use]
pub fn beside(text: &str, taken: usize) -> String {
    textwrap::fill(text, options(WIDTH.saturating_sub(taken)))
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
}

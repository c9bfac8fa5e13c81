//! Colours: when there are any, and which.
//!
//! In: a stream, a style and a text. Out: the text, between the codes of the style where the stream
//! has colours. `--color` decides; under `auto` it is a terminal, `NO_COLOR`, `CLICOLOR`,
//! `CLICOLOR_FORCE` and `TERM`, as anstream reads them.

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use std::borrow::Cow;

/// Names and titles.
pub const BOLD: Style = Style::new().bold();
/// Labels.
pub const DIM: Style = Style::new().dimmed();
/// Failures, and alerts of high severity.
pub const RED: Style = AnsiColor::Red.on_default().bold();
/// What is as it should be.
pub const GREEN: Style = AnsiColor::Green.on_default().bold();
/// Alerts of medium severity.
pub const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
/// Alerts of low severity.
pub const CYAN: Style = AnsiColor::Cyan.on_default().bold();

/// Sets for the whole process what `--color` says.
pub fn set_choice(choice: ColorChoice) {
    choice.write_global();
}

/// Whether standard output has colours.
#[must_use]
pub fn on_stdout() -> bool {
    has_colours(&std::io::stdout())
}

/// Whether standard error has colours.
#[must_use]
pub fn on_stderr() -> bool {
    has_colours(&std::io::stderr())
}

fn has_colours(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

/// The text in a style, or as it is where there are no colours. An empty text stays empty.
#[must_use]
pub fn paint(style: Style, text: &str, colour: bool) -> Cow<'_, str> {
    if colour && !text.is_empty() {
        Cow::Owned(format!("{style}{text}{style:#}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_is_around_the_text_only_where_there_are_colours() {
        assert_eq!(paint(BOLD, "a", true), "\x1b[1ma\x1b[0m");
        assert_eq!(paint(RED, "a", true), "\x1b[1m\x1b[31ma\x1b[0m");
        assert_eq!(paint(RED, "a", false), "a");
        assert_eq!(paint(RED, "", true), "");
    }
}

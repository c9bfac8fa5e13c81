//! The last look at what goes to a terminal.
//!
//! In: text for standard output or standard error. Out: the same with everything escaped that a
//! terminal would act on, but line breaks, tabs and, where there are colours, the codes of colours.
//! Whoever makes text escapes what is in it ([`escaped`](crate::escape::escaped)); nothing gets past
//! here where one forgot. What goes to a pipe or a file from standard output is not touched.

use super::style;
use crate::escape::acts;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Stdout, Write};
use std::os::fd::AsFd;

/// What a text is, and so how a character in it is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// For people: `\u{9b}`.
    Plain,
    /// JSON: `\u009b`, which is the same string to a program.
    Json,
}

/// Standard output: as it is where a program or a file takes it, safe where it is a terminal.
#[must_use]
pub fn stdout(form: TextForm) -> Box<dyn Write + Send> {
    let out = io::stdout();
    if out.is_terminal() {
        let styles = form == TextForm::Plain && style::on_stdout();
        Box::new(Screen { out, form, styles, waiting: Vec::new() })
    } else {
        Box::new(out)
    }
}

/// The columns of the terminal behind standard output, whatever it says of its rows; else what COLUMNS
/// says. Nothing where neither is there.
#[must_use]
pub fn width() -> Option<usize> {
    columns(io::stdout()).or_else(wanted)
}

/// The same of standard error.
#[must_use]
pub fn error_width() -> Option<usize> {
    columns(io::stderr()).or_else(wanted)
}

/// Nothing where there is no terminal or it says 0.
fn columns(of: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(of).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// What the user asks for in the environment.
fn wanted() -> Option<usize> {
    let text = std::env::var("COLUMNS").ok()?;
    text.parse().ok().filter(|width| *width > 0)
}

/// Text of several lines, safe for a terminal; `styles` says whether the codes of colours stay.
#[must_use]
pub fn lines(text: &str, styles: bool) -> Cow<'_, str> {
    safe(text, TextForm::Plain, styles)
}

/// A message, safe for a terminal; lines behind its first are indented, so that no text makes a
/// message of its own.
#[must_use]
pub fn message(text: &str) -> Cow<'_, str> {
    let text = lines(text, false);
    if text.contains('\n') { Cow::Owned(text.replace('\n', "\n    ")) } else { text }
}

fn safe(text: &str, form: TextForm, styles: bool) -> Cow<'_, str> {
    let stays = |c: char| matches!(c, '\n' | '\t') || !acts(c);
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let style = if styles { style_code(rest) } else { 0 };
        let (this, behind) = rest.split_at(style.max(c.len_utf8()));
        rest = behind;
        match form {
            _ if style > 0 || stays(c) => out.push_str(this),
            // A carriage return before its line feed is the end of a line.
            TextForm::Plain if c == '\r' && behind.starts_with('\n') => {}
            TextForm::Plain => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
            TextForm::Json => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    Cow::Owned(out)
}

/// The length of the code of a colour that the text begins with, `ESC [ 1 ; 31 m`; else 0.
fn style_code(text: &str) -> usize {
    let Some(numbers) = text.strip_prefix("\x1b[") else { return 0 };
    let end = numbers.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
    if end.starts_with('m') { text.len() - end.len() + 1 } else { 0 }
}

/// A terminal behind [`safe`].
struct Screen<W> {
    out: W,
    form: TextForm,
    styles: bool,
    /// The beginning of a character, or of the code of a colour.
    waiting: Vec<u8>,
}

/// Longer than any code of ours; what is longer is none.
const LONGEST_CODE: usize = 16;

impl<W: Write> Screen<W> {
    /// How many of the bytes are whole characters and whole codes.
    fn whole(&self, bytes: &[u8]) -> usize {
        let valid = match std::str::from_utf8(bytes) {
            Err(e) if e.error_len().is_none() => e.valid_up_to(),
            _ => bytes.len(),
        };
        let from = valid.saturating_sub(LONGEST_CODE);
        let escape = memchr::memrchr(0x1b, &bytes[from..valid]).map(|at| from + at);
        match escape {
            Some(at) if self.styles && !bytes[at..valid].contains(&b'm') => at,
            _ => valid,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(bytes);
        self.out.write_all(safe(&text, self.form, self.styles).as_bytes())
    }
}

impl<W: Write> Write for Screen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.waiting);
        all.extend_from_slice(bytes);
        let whole = self.whole(&all);
        self.put(&all[..whole])?;
        all.drain(..whole);
        self.waiting = all;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.waiting);
        self.put(&rest)?;
        self.out.flush()
    }
}

/// The type that [`stdout`] gives has to be one that may go to another thread.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Screen<Stdout>>();
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn screen(form: TextForm, styles: bool, parts: &[&[u8]]) -> String {
        let mut screen = Screen { out: Vec::new(), form, styles, waiting: Vec::new() };
        for part in parts {
            screen.write_all(part).unwrap();
        }
        screen.flush().unwrap();
        String::from_utf8(screen.out).unwrap()
    }

    #[test]
    fn what_acts_is_shown_and_lines_stay() {
        for (text, expected) in [
            ("a\n\tb", "a\n\tb"),
            ("a\r\nb", "a\nb"),
            ("a\rb", "a\\u{d}b"),
            ("\x1b[2J\x1b]0;t\x07", "\\u{1b}[2J\\u{1b}]0;t\\u{7}"),
            ("\x1b[1mb\x1b[0m", "\\u{1b}[1mb\\u{1b}[0m"),
            ("\u{9b}2J\u{202e}", "\\u{9b}2J\\u{202e}"),
        ] {
            assert_eq!(lines(text, false), expected);
        }
        assert_eq!(
            lines("\x1b[1;31mb\x1b[0m\x1b[2J\x1b[m", true),
            "\x1b[1;31mb\x1b[0m\\u{1b}[2J\x1b[m"
        );
        assert_eq!(message("a\nb\x1b"), "a\n    b\\u{1b}");
    }

    #[test]
    fn json_means_the_same_on_a_terminal() {
        let json = "{\"a\":\"\u{9b}\u{e0041}\u{7f}\"}\n";
        let shown = screen(TextForm::Json, false, &[json.as_bytes()]);
        assert_eq!(shown, "{\"a\":\"\\u009b\\udb40\\udc41\\u007f\"}\n");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&shown), read(json));
    }

    #[test]
    fn characters_and_codes_may_come_in_parts() {
        let text = "ö\x1b[1mb\x1b[0m漢\x1b[2J\u{9b}";
        let whole = lines(text, true).into_owned();
        for at in 0..text.len() {
            let (a, b) = text.as_bytes().split_at(at);
            assert_eq!(screen(TextForm::Plain, true, &[a, b]), whole, "{at}");
        }
        assert_eq!(screen(TextForm::Plain, true, &[b"a\xff", b"b\xc3"]), "a\u{fffd}b\u{fffd}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn nothing_that_acts_is_left(text in any::<String>(), at in any::<prop::sample::Index>()) {
            let at = at.index(text.len() + 1);
            let (a, b) = text.as_bytes().split_at(at);
            for form in [TextForm::Plain, TextForm::Json] {
                let shown = screen(form, false, &[a, b]);
                prop_assert!(!shown.chars().any(|c| acts(c) && c != '\n' && c != '\t'), "{:?}", shown);
            }
        }
    }
}
